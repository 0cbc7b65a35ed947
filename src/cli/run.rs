//! `meshfault run`: runs an experiment, or goes on with it, or checks and shows the result that lies there.
//!
//! The story is in [`run`]: load, run, show. Reading experiments belongs to `scenario`, writing what people look at to `pages`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, ValueEnum};

use super::common::{OUT_ROOT, STOP, jobs, no_file, positive, prepare, stop_on_signals, workers};
use super::error::CliError;
use super::events::JsonLines;
use super::inputs::{self, Files};
use super::load::{self, LoadRequest};
use super::{dry_run, exit_code, junit, origin, pages, print, terminal};
use crate::lab::progress::{Bars, Both, Listen};
use crate::lab::shard::ShardRecord;
use crate::lab::store::REPORT_HTML;
use crate::lab::{Finished, Options, Plan, Shard, Simulate, Start, Summary, Verdict, execute, result_dir};
use crate::report::answer::Answer;
use crate::report::table;

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table.
    #[default]
    Text,
    /// Events as JSON lines while the experiment runs.
    Json,
}

/// The arguments as they were typed.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A file, a built-in experiment or a result folder. Default: istiod-cut-off.
    experiment: Option<PathBuf>,
    /// Run only this design; repeatable.
    #[arg(short = 'd', long = "design", value_name = "DESIGN")]
    designs: Vec<String>,
    /// Replications of each design. Default: as in the experiment.
    #[arg(short = 'n', long, value_name = "N", allow_hyphen_values = true, value_parser = positive)]
    replications: Option<u64>,
    /// Master seed. Default: as in the experiment.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Change a value of the experiment, for example `cluster.nodes=400`; repeatable.
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Skip manifests of this file or folder name or path; `*`, `**` and `?` are wildcards; repeatable. As the key `exclude`,
    /// which it replaces.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Turn errors about what is not modeled in the manifests into warnings. As the key `lenient`.
    #[arg(long)]
    lenient: bool,
    /// Number of workers. Default: one per core. It does not change the result.
    #[arg(short = 'j', long, value_name = "J", allow_hyphen_values = true, value_parser = workers)]
    jobs: Option<u64>,
    /// The result folder. Default: out/EXPERIMENT-DIGEST.
    #[arg(short = 'o', long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Run only part I of N of the replications; `meshfault merge` merges the parts.
    #[arg(long, value_name = "I/N", allow_hyphen_values = true)]
    shard: Option<Shard>,
    /// Continue an unfinished result.
    #[arg(long, conflicts_with = "fresh")]
    resume: bool,
    /// Delete the result in the folder and run again.
    #[arg(long)]
    fresh: bool,
    /// List the runs and estimate time and size from a few pilot runs; store nothing.
    #[arg(long, conflicts_with_all = ["resume", "fresh"])]
    dry_run: bool,
    /// Hide progress.
    #[arg(short = 'q', long)]
    quiet: bool,
    /// Write the outcomes of the expectations to this file, as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A loaded experiment: what to run, and what makes the runs.
pub struct Loaded {
    pub plan: Plan,
    pub simulator: Box<dyn Simulate>,
    /// What was read, to be copied beside the result.
    pub inputs: Files,
    /// What the experiment was loaded by.
    pub request: LoadRequest,
}

impl RunArgs {
    /// What is loaded.
    pub(super) fn load(&self) -> LoadRequest {
        let replications = self.replications.map(|number| format!("replications={number}"));
        LoadRequest::new(self.experiment.as_deref(), &self.designs, &self.changes)
            .with(replications)
            .with(load::of_manifests(&self.exclude, self.lenient))
            .with_seed(self.seed)
    }

    const fn start(&self) -> Start {
        match (self.resume, self.fresh) {
            (true, _) => Start::Resume,
            (_, true) => Start::Fresh,
            _ => Start::New,
        }
    }
}

/// Runs the command and gives the exit code.
///
/// # Errors
/// If the input is wrong or the file system refuses; then no new result folder is left behind.
pub fn run(arguments: &RunArgs, command_line: Vec<String>) -> Result<u8, CliError> {
    no_file("--out", arguments.out.as_deref())?;
    let wanted = arguments.format == Format::Json;
    JsonLines::new(wanted, Vec::new()).end(|| run_and_show(arguments, command_line))
}

fn run_and_show(arguments: &RunArgs, command_line: Vec<String>) -> Result<u8, CliError> {
    let again = arguments.experiment.as_deref().map_or(Ok(None), origin::of_result)?;
    let request = match &again {
        Some((request, _)) => {
            let mut request = request.clone().with(arguments.load().changes);
            if !arguments.designs.is_empty() {
                request.designs.clone_from(&arguments.designs);
            }
            request
        }
        None => arguments.load(),
    };
    if arguments.dry_run {
        return dry_run::run(&request, jobs(arguments.jobs), arguments.format);
    }
    let (scenario, mut plan, simulator) = prepare(&request)?;
    let of_result = again.as_ref().and_then(|(_, manifest)| manifest.shard.as_ref());
    plan.shard = arguments.shard.or_else(|| of_result.map(ShardRecord::shard));
    let loaded = Loaded {
        plan,
        simulator: Box::new(simulator),
        inputs: inputs::of(&scenario),
        request,
    };
    stop_on_signals()?;
    let names = loaded.plan.designs.iter().map(|design| design.name.clone());
    let events = JsonLines::new(arguments.format == Format::Json, names.collect());
    let (finished, answer) = run_loaded(&loaded, arguments, command_line, &STOP, &events)?;
    // Everything is stored: whoever asks the program to end now, for example while nothing reads its pipe, ends it at once.
    STOP.store(true, Ordering::SeqCst);
    if let Some(path) = &arguments.junit {
        junit::write(path, &finished.summary)?;
    }
    let code = show(&finished, &answer, arguments.format, &events)?;
    // Other changes, designs or replications were asked for: another result.
    let same = arguments.load().changes.is_empty() && arguments.designs.is_empty() && arguments.shard.is_none();
    match again.filter(|_| same) {
        Some((_, manifest)) if finished.manifest.result_digest != manifest.result_digest => {
            Err(CliError::NotReproduced {
                wanted: manifest.result_digest.unwrap_or_default(),
                found: finished.manifest.result_digest.unwrap_or_default(),
                version: manifest.version,
            })
        }
        Some(_) if arguments.format == Format::Text => {
            print("Reproduced: the result digest is the same.\n")?;
            Ok(code)
        }
        _ => Ok(code),
    }
}

pub(super) fn show(finished: &Finished, answer: &Answer, format: Format, events: &JsonLines) -> Result<u8, CliError> {
    let code = exit_code_of(finished);
    match format {
        Format::Json => events.finished(finished, code),
        Format::Text => print(&shown(finished, answer))?,
    }
    Ok(code)
}

/// Runs a loaded experiment and writes everything that is derived from its rows.
pub fn run_loaded(
    loaded: &Loaded,
    arguments: &RunArgs,
    command_line: Vec<String>,
    stop: &AtomicBool,
    listener: &dyn Listen,
) -> Result<(Finished, Answer), CliError> {
    let dir = arguments
        .out
        .clone()
        .unwrap_or_else(|| result_dir(Path::new(OUT_ROOT), &loaded.plan));
    let options = Options {
        dir,
        jobs: jobs(arguments.jobs),
        start: arguments.start(),
        quiet: arguments.quiet,
        command_line,
    };
    let finished = execute(&loaded.plan, &*loaded.simulator, &options, stop, listener)?;
    let answer = pages::write(
        &finished,
        Some(&*loaded.simulator),
        &origin::commands(&loaded.request, &finished.manifest),
        &|| origin::remedies(&loaded.request, &finished),
        &loaded.inputs,
        options.jobs,
        &Both(&Bars::new(true), listener),
    )?;
    Ok((finished, answer))
}

fn shown(finished: &Finished, answer: &Answer) -> String {
    let mut text = table::render(&finished.manifest, &finished.summary, answer, terminal::look());
    if let Some(stopping) = &finished.manifest.stopping {
        text.push_str(&format!("Stopped: {}.\n", stopping.reason));
    }
    let label = if finished.found { "Up to date" } else { "Result" };
    text.push_str(&format!("{label}: {}\n", finished.dir.join(REPORT_HTML).display()));
    text
}

/// The exit code of a result: that it is partial counts most, then that runs failed, since both cast doubt on every
/// expectation.
fn exit_code_of(finished: &Finished) -> u8 {
    if !finished.manifest.complete {
        exit_code::INTERRUPTED
    } else if finished.failed_runs() > 0 {
        exit_code::RUNS_FAILED
    } else {
        exit_code_of_expectations(&finished.summary)
    }
}

/// The exit code of expectations: one that failed counts more than one that is inconclusive.
fn exit_code_of_expectations(summary: &Summary) -> u8 {
    let any = |outcome| summary.expectations.iter().any(|of| of.outcome == outcome);
    if any(Verdict::Fail) {
        exit_code::EXPECTATION_FAILED
    } else if any(Verdict::Inconclusive) {
        exit_code::INCONCLUSIVE
    } else {
        exit_code::FINE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing::{Fake, plan as fake_plan};
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        run: RunArgs,
    }

    fn arguments(words: &str, out: &Path) -> RunArgs {
        let words = std::iter::once("run").chain(words.split_whitespace());
        let mut arguments = Only::try_parse_from(words).unwrap().run;
        arguments.out = Some(out.to_owned());
        arguments.quiet = true;
        arguments
    }

    fn loaded(fake: Fake) -> Loaded {
        // One run of the fake's second design fails by itself; it is the thirteenth.
        Loaded {
            plan: fake_plan(12),
            simulator: Box::new(fake),
            inputs: Vec::new(),
            request: LoadRequest::default(),
        }
    }

    #[test]
    fn exit_codes_say_how_it_went() {
        let dir = tempfile::tempdir().unwrap();
        let code = |fake: Fake, words: &str| {
            let stop = AtomicBool::new(false);
            let (finished, _) =
                run_loaded(&loaded(fake), &arguments(words, dir.path()), Vec::new(), &stop, &()).unwrap();
            exit_code_of(&finished)
        };
        assert_eq!(code(Fake::default(), "--jobs 2"), exit_code::FINE);
        assert_eq!(
            code(
                Fake {
                    panic_at: Some(3),
                    ..Fake::default()
                },
                "--fresh"
            ),
            exit_code::RUNS_FAILED
        );
        let stopped = run_loaded(
            &loaded(Fake::default()),
            &arguments("--fresh", dir.path()),
            Vec::new(),
            &AtomicBool::new(true),
            &(),
        );
        assert_eq!(exit_code_of(&stopped.unwrap().0), exit_code::INTERRUPTED);
        assert_eq!(code(Fake::default(), "--resume"), exit_code::FINE);
    }

    #[test]
    fn a_found_result_prints_what_a_new_one_prints() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let (first, of_first) = run_loaded(
            &loaded(Fake::default()),
            &arguments("", dir.path()),
            Vec::new(),
            &stop,
            &(),
        )
        .unwrap();
        std::fs::remove_file(dir.path().join(REPORT_HTML)).unwrap();
        let (second, of_second) = run_loaded(
            &loaded(Fake::default()),
            &arguments("", dir.path()),
            Vec::new(),
            &stop,
            &(),
        )
        .unwrap();
        assert!(second.found && dir.path().join(REPORT_HTML).exists());
        assert_eq!((&first.summary, &first.manifest), (&second.summary, &second.manifest));
        let of_new = shown(&first, &of_first).replace("\nResult: ", "\nUp to date: ");
        assert_eq!(of_new, shown(&second, &of_second));
    }

    #[test]
    fn arguments_without_meaning_are_refused() {
        for bad in [
            "--replications -5",
            "--replications 0",
            "--jobs 0",
            "--seed -1",
            "--resume --fresh",
            "--format xml",
            "--shard 0/4",
            "--shard 5/4",
            "--shard -1/4",
            "--shard 2",
        ] {
            let words = std::iter::once("run").chain(bad.split_whitespace());
            assert!(Only::try_parse_from(words).is_err(), "{bad}");
        }
    }

    #[test]
    fn lab_errors_carry_their_hint() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let error = run_loaded(
            &loaded(Fake::default()),
            &arguments("--resume", dir.path()),
            Vec::new(),
            &stop,
            &(),
        )
        .err()
        .unwrap();
        let hint = miette::Diagnostic::help(&error).unwrap().to_string();
        assert_eq!(hint, "leave out --resume");
    }
}
