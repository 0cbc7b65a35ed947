//! `explain --trace`: the options of a trace, and its file. What a trace holds belongs to `report::trace`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::super::error::CliError;
use super::super::{load, terminal};
use crate::kernel::{SimDuration, SimTime};
use crate::lab::files::write_through;
use crate::report::explain::Told;
use crate::report::trace::{EVENTS_DEFAULT, Filter, chrome};
use crate::scenario::error::InputError;

/// The options as they were typed.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// Write the run as a trace in Chrome's format, for ui.perfetto.dev.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Only this component, node or pod, and its exchanges with others; repeatable.
    #[arg(long, value_name = "COMPONENT", requires = "trace")]
    trace_only: Vec<String>,
    /// Leave out what ended before this time of the run, in seconds.
    #[arg(long, value_name = "SECONDS", requires = "trace", value_parser = seconds)]
    trace_from: Option<f64>,
    /// Leave out what began after this time of the run, in seconds.
    #[arg(long, value_name = "SECONDS", requires = "trace", value_parser = seconds)]
    trace_to: Option<f64>,
    /// Most events in the trace; later ones are left out, with a message.
    #[arg(long, value_name = "N", requires = "trace", value_parser = super::super::common::positive, default_value_t = EVENTS_DEFAULT)]
    trace_max: u64,
}

/// The options as they are meant.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceRequest {
    file: PathBuf,
    filter: Filter,
}

/// A time of the run in seconds, with or without the unit.
fn seconds(text: &str) -> Result<f64, String> {
    match text.strip_suffix('s').unwrap_or(text).trim().parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => Ok(seconds),
        _ => Err("not a time in seconds, such as 63.4".to_owned()),
    }
}

impl TraceArgs {
    /// Checks the options.
    ///
    /// # Errors
    /// If the span of time is none.
    pub fn check(&self) -> Result<Option<TraceRequest>, CliError> {
        let Some(file) = &self.trace else { return Ok(None) };
        let time = |seconds: f64| SimTime::ZERO + SimDuration::from_secs_f64(seconds);
        let (from, to) = (self.trace_from.map(time), self.trace_to.map(time));
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            return Err(CliError::argument(
                "--trace-from",
                "is after --trace-to",
                "both are seconds since the start of the run",
            ));
        }
        Ok(Some(TraceRequest {
            file: file.clone(),
            filter: Filter {
                only: self.trace_only.clone(),
                from,
                to,
                events_max: self.trace_max,
            },
        }))
    }
}

impl TraceRequest {
    /// Writes the trace and says on the standard error what it left out.
    pub fn write(&self, told: &Told) -> Result<(), CliError> {
        let trace = chrome(told, &self.filter).map_err(|unknown| {
            let message = format!("this run has no component, node or pod `{}`", unknown.name);
            let error = InputError::in_file(Path::new("--trace-only"), message);
            let known = unknown.known.iter().map(String::as_str);
            load::wrong(vec![error.with_candidates(&unknown.name, known)])
        })?;
        write_through(&self.file, trace.json.as_ref())?;
        if let Some(left_out) = trace.left_out {
            terminal::tell(&format!("{}: {left_out}", self.file.display()));
        }
        Ok(())
    }
}
