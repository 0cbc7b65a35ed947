//! Figures of one run: which run is told, and its certificate requests and stale entries over time.
//!
//! The run itself comes from a replay, which is the caller's business. Its swim lanes belong to `timeline_of_run`.

use crate::kernel::SimTime;
use crate::lab::Finished;
use crate::lab::numbers::RunNumbers;
use crate::report::explain::Told;
use crate::report::figures::requests::{IstiodRequests, RequestsFigure};
use crate::report::figures::stale::{StaleFigure, StaleNode};
use crate::report::figures::{TimelineFigure, Words};
use crate::report::text::many;

const BEFORE_S: f64 = 20.0;

/// A run of a result: index of the design, and number of the run.
pub type Run = (usize, u64);

/// The first run, in the order of designs, of which something holds. Failed runs are none to tell.
fn first(result: &Finished, wanted: impl Fn(usize, &RunNumbers) -> bool) -> Option<Run> {
    result.numbers.iter().enumerate().find_map(|(design, numbers)| {
        let replication = numbers.runs.iter().position(|run| !run.failed && wanted(design, run))?;
        Some((design, replication as u64))
    })
}

/// The run that is drawn as a timeline: the first in which the network let a request from a reused address in after the cut
/// against its policy; else the first in which such a request reached a live server; else the first with a delayed pod.
pub fn run_to_tell(result: &Finished) -> Option<Run> {
    first(result, |_, run| run.reused_probe_admitted)
        .or_else(|| first(result, |_, run| run.reused_probe_reached))
        .or_else(|| first(result, |_, run| delayed(run)))
}

fn delayed(run: &RunNumbers) -> bool {
    run.pods.delayed_by.iter().any(|pods| *pods > 0)
}

/// The run whose certificate requests are drawn: the first of a design with a mesh in which a connection to an Istiod
/// failed, else the first with requests at all.
pub fn run_with_requests(result: &Finished) -> Option<Run> {
    let mesh = |design: usize| result.manifest.designs.get(design).is_some_and(|design| design.mesh);
    first(result, |design, run| {
        mesh(design) && run.pods.no_bad_landing < run.pods.all
    })
    .or_else(|| {
        first(result, |design, run| {
            mesh(design) && run.record.certificate_requests > 0
        })
    })
}

/// The run whose stale entries are drawn: the one that is told if it ends with any, else the first that does.
pub fn run_with_stale_entries(result: &Finished) -> Option<Run> {
    let told = run_to_tell(result).filter(|(design, replication)| {
        let run = usize::try_from(*replication)
            .ok()
            .and_then(|index| result.numbers[*design].runs.get(index));
        run.is_some_and(|run| run.record.stale_entries > 0)
    });
    told.or_else(|| first(result, |_, run| run.record.stale_entries > 0))
}

fn subtitle(told: &Told, what: &str) -> String {
    format!("{what}\n{}", told.subtitle())
}

fn start_s(told: &Told) -> f64 {
    let cut = told.outcome.run.cut.map_or(0.0, SimTime::as_secs_f64);
    (cut - BEFORE_S).max(0.0)
}

/// The certificate requests of a run; nothing if there was none after the axis begins.
pub fn certificate_requests(told: &Told, timeline: &TimelineFigure) -> Option<RequestsFigure> {
    let dossier = told.outcome.dossier.as_deref()?;
    let mut istiods: Vec<IstiodRequests> = Vec::new();
    let mut names: Vec<&str> = dossier
        .courses
        .requests
        .iter()
        .map(|request| request.istiod.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let own = dossier.courses.requests.iter().filter(|request| request.istiod == name);
        istiods.push(IstiodRequests {
            istiod: name.to_owned(),
            requests: own
                .map(|request| (request.sent.as_secs_f64(), request.signed.is_some()))
                .collect(),
        });
    }
    let start_s = start_s(told);
    let sent = || istiods.iter().flat_map(|istiod| &istiod.requests);
    let last = sent()
        .map(|(sent, _)| *sent)
        .filter(|sent| *sent > start_s)
        .reduce(f64::max)?;
    let (all, signed) = (sent().count(), sent().filter(|(_, signed)| *signed).count());
    let title = match all - signed {
        0 => format!("{} all got their certificate", many(all, "request")),
        lost => format!(
            "{lost} of {} got no certificate: {}",
            many(all, "request"),
            in_vain(&istiods)
        ),
    };
    Some(RequestsFigure {
        words: Words {
            title,
            subtitle: subtitle(told, "certificate requests of one run, by the Istiod that they were sent to"),
            caption: "One run, replayed. Lines: requests sent so far, those before the axis included. Strips: single requests; \
                      bars got their certificate as answer, crosses got none."
                .to_owned(),
        },
        start_s,
        end_s: last + (last - start_s) * 0.04 + 1.0,
        events: timeline.events.clone(),
        istiods,
    })
}

/// How many requests each of the first Istiods got in vain.
fn in_vain(istiods: &[IstiodRequests]) -> String {
    let lost = |istiod: &IstiodRequests| istiod.requests.iter().filter(|(_, signed)| !signed).count();
    let mut sorted: Vec<(usize, &str)> = istiods
        .iter()
        .map(|istiod| (lost(istiod), istiod.istiod.as_str()))
        .collect();
    sorted.sort_by_key(|(lost, _)| std::cmp::Reverse(*lost));
    let told = sorted.iter().filter(|(lost, _)| *lost > 0).take(3);
    told.map(|(lost, istiod)| format!("{lost} sent to {istiod}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The stale entries of a run; nothing if no node was followed, or none was ever stale.
pub fn stale_entries(told: &Told, timeline: &TimelineFigure) -> Option<StaleFigure> {
    let dossier = told.outcome.dossier.as_deref()?;
    let courses = &dossier.courses;
    let nodes: Vec<StaleNode> = courses
        .stale
        .iter()
        .map(|course| StaleNode {
            node: course.node.clone(),
            cut: course.cut,
            steps: course
                .steps
                .iter()
                .map(|(time, entries)| (time.as_secs_f64(), *entries))
                .collect(),
        })
        .collect();
    let start_s = start_s(told);
    let changes = || {
        nodes
            .iter()
            .flat_map(|node| &node.steps)
            .filter(|(time, _)| *time > start_s)
    };
    let last = changes().map(|(time, _)| *time).reduce(f64::max)?;
    let horizon = dossier.setting.horizon.as_secs_f64();
    let end_s = (last + (last - start_s) * 0.15 + 1.0).min(horizon);
    let most = |node: &StaleNode| node.steps.iter().map(|(_, entries)| *entries).max().unwrap_or(0);
    let worst = nodes
        .iter()
        .reduce(|best, other| if most(other) > most(best) { other } else { best })?;
    let ends_with = worst.steps.last().map_or(0, |(_, entries)| *entries);
    let title = match ends_with {
        0 => format!(
            "{} has up to {} stale entries, and none in the end",
            worst.node,
            most(worst)
        ),
        rest => format!(
            "{} has up to {} stale entries, and {rest} when the run ends",
            worst.node,
            most(worst)
        ),
    };
    Some(StaleFigure {
        words: Words {
            title,
            subtitle: subtitle(told, "addresses whose entry in a node's ipcache is not the API server's, in one run"),
            caption: "One run, replayed. An entry is stale if it is of another revision than the API server's; a healthy node has \
                      some for as long as a change is on its way."
                .to_owned(),
        },
        start_s,
        end_s,
        events: timeline.events.clone(),
        nodes,
        left_out: u64::from(courses.nodes_left_out),
    })
}
