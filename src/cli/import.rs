//! `meshfault import`: an experiment from a dump of a cluster.
//!
//! Belongs here: finding the files of a dump and writing those of the experiment. Does not belong here: what follows from the objects
//! (`scenario::import`).

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;

use super::error::CliError;
use super::load::LoadRequest;
use super::{exit_code, load, new, print};
use crate::scenario::error::{InputError, near_path};
use crate::scenario::import::{Import, Options};

/// Bytes that are read at once: a dump has hundreds of megabytes.
const BUFFER: usize = 1024 * 1024;
/// Deepest folder of a dump that is read.
const DEPTH_MAX: usize = 32;

/// The arguments as they were typed.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// What `kubectl get … -o yaml` or `-o json` printed: a file, a folder of files, or `-` for the standard input.
    dump: PathBuf,
    /// The folder to create; the experiment in it has the same name.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Rename namespaces, workloads, Services, accounts, labels, policies, hosts and nodes, each the same everywhere.
    #[arg(long)]
    redact: bool,
    /// Keep about N pods: every workload keeps its share of them, and at least one. Default: all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pods_max: Option<u32>,
    /// Give a value of the experiment instead of the one of the dump or an assumed one, for example `cluster.zones=3`; repeatable.
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
}

pub fn run(arguments: &ImportArgs) -> Result<u8, CliError> {
    let name = new::name(&arguments.out, "--out")?;
    let mut import = Import::default();
    if arguments.dump == Path::new("-") {
        import
            .read(
                Path::new("standard input"),
                BufReader::with_capacity(BUFFER, io::stdin().lock()),
            )
            .map_err(wrong)?;
    } else {
        for file in files(&arguments.dump)? {
            let opened = File::open(&file).map_err(|error| wrong(unreadable(&file, &error)))?;
            import
                .read(&file, BufReader::with_capacity(BUFFER, opened))
                .map_err(wrong)?;
        }
    }
    let options = Options {
        redact: arguments.redact,
        pods_max: arguments.pods_max,
        changes: arguments.changes.clone(),
    };
    let imported = import.finish(name, &options).map_err(load::wrong)?;
    let mut files = imported.files;
    files.push(new::schema());
    new::write(&arguments.out, &files, "--out")?;
    let experiment = arguments.out.join(format!("{name}.yaml"));
    if let Some(text) = &imported.changed {
        change(arguments, &experiment, text)?;
    }
    let mut shown = String::new();
    for line in &imported.report {
        shown.push_str(&format!("{line}\n"));
    }
    shown.push_str(&format!("\nmeshfault run {}\n", experiment.display()));
    print(&shown)?;
    Ok(exit_code::FINE)
}

/// Writes the experiment with the values that were given, if it takes them; else nothing is left.
fn change(arguments: &ImportArgs, experiment: &Path, text: &str) -> Result<(), CliError> {
    let request = LoadRequest::new(Some(experiment), &[], &arguments.changes);
    let written = load::scenario(&request).and_then(|_| {
        let refused = |source| CliError::Write {
            path: experiment.to_owned(),
            source,
        };
        fs::write(experiment, text).map_err(refused)
    });
    if written.is_err() {
        // What is wrong with a value is reported, not what cannot be removed.
        let _ = fs::remove_dir_all(&arguments.out);
    }
    written
}

/// The place is part of the name: the line itself is not shown, because it may be of a Secret.
fn wrong(mut error: InputError) -> CliError {
    if let Some(line) = error.line.take() {
        let column = error.column.take().unwrap_or(1);
        error.file = PathBuf::from(format!("{}:{line}:{column}", error.file.display()));
    }
    load::wrong(vec![error])
}

fn unreadable(path: &Path, error: &io::Error) -> InputError {
    let unreadable = InputError::in_file(path, format!("cannot be read: {error}"));
    match near_path(path).filter(|_| !path.exists()) {
        Some(near) => unreadable.with_hint(near),
        None => unreadable,
    }
}

/// The files of a dump in the order of their names.
fn files(dump: &Path) -> Result<Vec<PathBuf>, CliError> {
    if !dump.is_dir() {
        return Ok(vec![dump.to_owned()]);
    }
    let mut files = Vec::new();
    collect(dump, DEPTH_MAX, &mut files).map_err(wrong)?;
    files.sort();
    match files.is_empty() {
        true => Err(wrong(
            InputError::in_file(dump, "no file of a dump in this folder")
                .with_hint("files end in .yaml, .yml or .json"),
        )),
        false => Ok(files),
    }
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), InputError> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let ending = path.extension().and_then(|ending| ending.to_str());
        if hidden || path.is_symlink() && path.is_dir() {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                collect(&path, depth - 1, files)?;
            }
        } else if matches!(ending, Some("yaml" | "yml" | "json")) {
            files.push(path);
        }
    }
    Ok(())
}
