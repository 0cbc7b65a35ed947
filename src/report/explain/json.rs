//! The story for programs: one JSON object with a schema version, described in `docs/explain.md`.

use serde::Serialize;

use super::{Cause, Told};
use crate::cluster::records::{AccessRecord, ExposureRecord, PodRecord, RunRecord};
use crate::kernel::SimTime;
use crate::lab::what_if::Change;
use crate::story::dossier::Dossier;

/// Version of the form; it changes when a field changes its meaning or goes.
pub const SCHEMA: &str = "meshfault-explain-v3";

#[derive(Serialize)]
struct Whole<'a> {
    schema: &'static str,
    experiment: &'a str,
    design: &'a str,
    replication: u64,
    seed: u64,
    command: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    chosen: Option<&'a str>,
    causes: Vec<CauseLine<'a>>,
    run: &'a RunRecord,
    story: Option<&'a Dossier>,
    pods: &'a [PodRecord],
    accesses: &'a [AccessRecord],
    exposures: &'a [ExposureRecord],
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<EventLine<'a>>>,
}

/// A cause with the commands that repeat its replays.
#[derive(Serialize)]
struct CauseLine<'a> {
    #[serde(flatten)]
    cause: &'a Cause,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: Vec<Repeat<'a>>,
}

#[derive(Serialize)]
struct Repeat<'a> {
    change: &'a Change,
    command: String,
}

#[derive(Serialize)]
struct EventLine<'a> {
    time: SimTime,
    component: &'a str,
    text: &'a str,
}

/// The story as indented JSON. `again` gives the command that repeats a replay, `chosen` is why this run was chosen.
pub fn render(
    told: &Told,
    causes: &[Cause],
    again: &dyn Fn(&Change) -> String,
    chosen: Option<&str>,
    events: bool,
) -> String {
    let outcome = told.outcome;
    let lines = || {
        let lines = outcome.lines.iter().map(|line| EventLine {
            time: line.time,
            component: line.component,
            text: &line.text,
        });
        lines.collect()
    };
    let causes = causes.iter().map(|cause| CauseLine {
        cause,
        commands: cause
            .changes()
            .map(|change| Repeat {
                change,
                command: again(change),
            })
            .collect(),
    });
    let whole = Whole {
        schema: SCHEMA,
        experiment: told.experiment,
        design: told.design,
        replication: told.replication,
        seed: told.seed,
        command: told.command,
        chosen,
        causes: causes.collect(),
        run: &outcome.run,
        story: outcome.dossier.as_deref(),
        pods: &outcome.pods,
        accesses: &outcome.accesses,
        exposures: &outcome.exposures,
        events: events.then(lines),
    };
    let mut text = serde_json::to_string_pretty(&whole).expect("a story is plain data");
    text.push('\n');
    text
}
