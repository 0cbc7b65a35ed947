//! The command line: what was typed, what it means, and the exit code. One file per command.
//!
//! Each command is a function from its arguments, made by clap, to an exit code; printing is separate. Errors are shown here and nowhere else.

pub mod check;
mod common;
pub mod compare;
pub mod completions;
mod dry_run;
pub mod error;
pub mod events;
mod examples;
pub mod exit_code;
pub mod explain;
mod figures;
mod groups;
pub mod import;
mod inputs;
pub mod junit;
pub mod list;
pub mod load;
pub mod merge;
pub mod new;
mod origin;
mod pages;
pub mod params;
pub mod policy;
mod policy_diff;
mod policy_ends;
mod policy_output;
mod policy_queries;
mod policy_table;
pub mod report;
pub mod run;
pub mod schema;
mod signals;
mod tabular;
mod terminal;
pub mod verify;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use crate::lab::manifest::BUILD;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use error::CliError;

/// Simulate control-plane failures in Istio and Cilium, and measure who gets in and how long pods take to start.
#[derive(Debug, Parser)]
#[command(name = "meshfault", version = BUILD, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run an experiment and show its result.
    #[command(after_help = examples::RUN)]
    Run(run::RunArgs),
    /// Merge shards into a single result.
    Merge(merge::MergeArgs),
    /// Compare designs of one or two results.
    #[command(after_help = examples::COMPARE)]
    Compare(compare::CompareArgs),
    /// Write the figures and reports of a result again.
    Report(report::ReportArgs),
    /// Replay a single run and explain it step by step.
    #[command(after_help = examples::EXPLAIN)]
    Explain(explain::ExplainArgs),
    /// Evaluate who may talk to whom, from a folder of manifests.
    #[command(after_help = examples::POLICY)]
    Policy(policy::PolicyArgs),
    /// Check that runs are reproducible, across repeats and builds.
    #[command(after_help = examples::VERIFY)]
    Verify(verify::VerifyArgs),
    /// Show the parameters of a design, or where two designs differ.
    #[command(after_help = examples::PARAMS)]
    Params(params::ParamsArgs),
    /// List experiments, faults, measures and other names.
    List(list::ListArgs),
    /// Check experiment files without running anything.
    Check(check::CheckArgs),
    /// Create a folder with an experiment to start from.
    #[command(after_help = examples::NEW)]
    New(new::NewArgs),
    /// Create an experiment from a dump of a cluster.
    #[command(after_help = examples::IMPORT)]
    Import(import::ImportArgs),
    /// Print the JSON Schema of experiment files or results.
    Schema(schema::SchemaArgs),
    /// Print shell completions.
    Completions(completions::CompletionsArgs),
    /// Print or write the manual pages.
    Man(completions::ManArgs),
}

/// The program: reads the process's arguments, runs the command, and gives the exit code.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let matches = groups::grouped(Arguments::command()).try_get_matches_from(&arguments);
    let parsed = match matches.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(parsed) => parsed,
        Err(mut error) => {
            groups::suggest(&mut error);
            // Help and version come this way too. A closed stream is no error, as with everything that is printed.
            let shown = error.render();
            let with_colour = |colour: bool| match colour {
                true => shown.ansi().to_string(),
                false => shown.to_string(),
            };
            let mut refused = false;
            if error.use_stderr() {
                terminal::tell(error::brief(&with_colour(io::stderr().is_terminal())).trim_end());
            } else {
                refused = print(&with_colour(terminal::look().colour)).is_err();
            }
            return ExitCode::from(if error.use_stderr() || refused {
                exit_code::BAD_INPUT
            } else {
                exit_code::FINE
            });
        }
    };
    let command_line: Vec<String> = arguments
        .iter()
        .skip(1)
        .map(|argument| argument.display().to_string())
        .collect();
    let command = || match parsed.command {
        Command::Run(arguments) => run::run(&arguments, command_line),
        Command::Merge(arguments) => merge::run(&arguments, &command_line),
        Command::Compare(arguments) => compare::run(arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Policy(arguments) => policy::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Params(arguments) => params::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::New(arguments) => new::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Completions(arguments) => completions::completions(&arguments, Arguments::command()),
        Command::Man(arguments) => completions::man(&arguments, Arguments::command()),
    };
    // A panic is a defect of this program: the hook has shown its place, and the exit code is one of the documented ones.
    match catch_unwind(AssertUnwindSafe(command)) {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(error)) => {
            let code = exit_code::of(&error);
            terminal::tell(&format!("{:?}", miette::Report::new(error::Brief(error))));
            ExitCode::from(code)
        }
        Err(_) => {
            terminal::tell("this is a defect of meshfault; please report it with the command and its files");
            ExitCode::from(exit_code::DEFECT)
        }
    }
}

/// Prints to the standard output. A closed stream is no error.
///
/// # Errors
/// If the output refuses for another reason.
fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out
        .write_all(terminal::for_stdout(text).as_bytes())
        .and_then(|()| out.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}
