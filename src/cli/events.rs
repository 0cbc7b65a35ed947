//! Events as JSON lines on the standard output, for programs that start this one: `run --format json`, `merge --format json`.
//!
//! One object per line, each with `schema` and `event`; `docs/events.md` lists them. What happens when belongs to
//! `lab::progress`. A reader shall ignore events and fields that it does not know: new ones do not change the schema.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use miette::Diagnostic;
use serde_json::{Value, json};

use super::{CliError, exit_code, print};
use crate::lab::Finished;
use crate::lab::printable::in_json;
use crate::lab::progress::{Event, Listen};
use crate::lab::rows::TABLES;
use crate::lab::store::{MANIFEST, SUMMARY_JSON, SUMMARY_MD, table_path};

/// Version of the events; part of every line.
pub const SCHEMA: &str = "meshfault-events-v1";

/// Prints events to the standard output, if they are wanted.
pub struct JsonLines {
    wanted: bool,
    designs: Vec<String>,
}

impl JsonLines {
    /// Prints if `wanted`; `designs` are the names of the plan's designs.
    pub fn new(wanted: bool, designs: Vec<String>) -> Self {
        Self { wanted, designs }
    }

    fn line(&self, event: &str, fields: Value) {
        if self.wanted {
            // Whoever does not read its events loses nothing else; the result is in its folder.
            let _ = print(&line(event, fields));
        }
    }

    /// The result is complete, with everything that is derived from it.
    pub fn finished(&self, finished: &Finished, exit_code: u8) {
        let manifest = &finished.manifest;
        let path = |name: &str| shown(&finished.dir.join(name));
        let tables = TABLES.map(|table| (table.to_owned(), json!(shown(&table_path(&finished.dir, table)))));
        self.line(
            "finished",
            json!({
                "complete": manifest.complete,
                "found": finished.found,
                "exit_code": exit_code,
                "replications": manifest.replications,
                "failed_runs": finished.failed_runs(),
                "result_digest": manifest.result_digest,
                "stopped": manifest.stopping.as_ref().map(|stopping| &stopping.reason),
                "warnings": manifest.warnings,
                "dir": shown(&finished.dir),
                "manifest": path(MANIFEST),
                "summary": path(SUMMARY_JSON),
                "page": path(SUMMARY_MD),
                "tables": Value::Object(tables.into_iter().collect()),
            }),
        );
    }

    /// Does the work of a command, and sees to it that the last line is `finished` or `failed`, even behind a defect.
    ///
    /// # Errors
    /// As the work.
    pub fn end(&self, work: impl FnOnce() -> Result<u8, CliError>) -> Result<u8, CliError> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(done) => done.inspect_err(|error| self.failed(error, exit_code::of(error))),
            Err(panic) => {
                let message = "a defect of meshfault; the error stream shows where";
                let hint = "please report it with the command and its files";
                let code = exit_code::DEFECT;
                self.line("failed", json!({"exit_code": code, "message": message, "hint": hint}));
                resume_unwind(panic)
            }
        }
    }

    pub fn failed(&self, error: &CliError, exit_code: u8) {
        let hint = error.help().map(|hint| hint.to_string());
        let message = message(error);
        self.line(
            "failed",
            json!({"exit_code": exit_code, "message": message, "hint": hint}),
        );
    }
}

impl Listen for JsonLines {
    fn hear(&self, event: Event<'_>) {
        match event {
            Event::Waiting { dir } => self.line("waiting", json!({"dir": shown(dir)})),
            Event::Started { plan, dir, jobs } => self.line(
                "started",
                json!({
                    "experiment": plan.experiment,
                    "version": plan.version,
                    "plan_digest": plan.digest().to_hex().to_string(),
                    "designs": self.designs,
                    "replications": plan.range().end - plan.range().start,
                    "first_replication": plan.range().start,
                    "shard": plan.shard.map(|shard| shard.to_string()),
                    "stopping": plan.stopping,
                    "jobs": jobs,
                    "dir": shown(dir),
                }),
            ),
            Event::Stage { end, there } => self.line("stage", json!({"replications": end, "done": there})),
            Event::Batch { design, done } => {
                self.line("progress", json!({"design": self.designs.get(design), "done": done}));
            }
            Event::Look { look, verdict } => self.line(
                "look",
                json!({"replications": look.replications, "intervals": look.intervals, "verdict": verdict}),
            ),
            Event::Warning(text) => self.line("warning", json!({"text": text})),
        }
    }
}

/// An error with its causes, in one line.
fn message(error: &CliError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn line(event: &str, fields: Value) -> String {
    let mut object = serde_json::Map::new();
    object.insert("schema".to_owned(), json!(SCHEMA));
    object.insert("event".to_owned(), json!(event));
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    format!("{}\n", in_json(&Value::Object(object).to_string()))
}
