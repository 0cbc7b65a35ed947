//! `meshfault new`: a folder with an experiment to change: a commented starter, or a copy of an experiment.
//!
//! What may stand in the files belongs to `scenario`. The schema lies beside the experiment, so that editors complete
//! and check its keys.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::error::CliError;
use super::load::{self, LoadRequest};
use super::{exit_code, print, tabular};
use crate::scenario::{InputFile, Scenario, json_schema};

/// The starter: paths below the new folder, and texts.
const STARTER: [(&str, &str); 2] = [
    (
        "manifests/policies.yaml",
        include_str!("starter/manifests/policies.yaml"),
    ),
    (
        "manifests/workloads.yaml",
        include_str!("starter/manifests/workloads.yaml"),
    ),
];
const STARTER_EXPERIMENT: &str = include_str!("starter/experiment.yaml");
const SCHEMA: &str = "experiment.schema.json";
const SCHEMA_LINE: &str = "# yaml-language-server: $schema=";

/// The arguments as they were typed.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The folder to create; the experiment in it has the same name.
    name: PathBuf,
    /// Copy this experiment with its manifests: a file or a built-in one. Default: a commented starter.
    #[arg(long, value_name = "EXPERIMENT")]
    from: Option<PathBuf>,
}

pub fn run(arguments: &NewArgs) -> Result<u8, CliError> {
    let folder = &arguments.name;
    let name = name(folder, "NAME")?;
    let files = match &arguments.from {
        None => starter(name),
        Some(from) => copied(from, name)?,
    };
    write(folder, &files, "NAME")?;
    let experiment = folder.join(format!("{name}.yaml"));
    let mut told = String::new();
    for (path, _) in &files {
        told.push_str(&format!("{}\n", folder.join(path).display()));
    }
    let shown = experiment.display();
    told.push_str(&format!("\nmeshfault check {shown}\nmeshfault run {shown}\n"));
    print(&told)?;
    Ok(exit_code::FINE)
}

/// Creates a folder with files, by paths below it. `argument` named it.
pub(super) fn write(folder: &Path, files: &[(String, String)], argument: &'static str) -> Result<(), CliError> {
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(refused(parent))?;
    }
    // Making the folder is the question whether something is there: nothing is ever overwritten.
    fs::create_dir(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CliError::argument(
            argument,
            format!("`{}` exists already", folder.display()),
            "choose another name; nothing is overwritten",
        ),
        _ => refused(folder)(error),
    })?;
    for (path, text) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(refused(parent))?;
        }
        fs::write(&path, text).map_err(refused(&path))?;
    }
    Ok(())
}

fn refused(path: &Path) -> impl Fn(io::Error) -> CliError + use<> {
    let path = path.to_owned();
    move |source| CliError::Write {
        path: path.clone(),
        source,
    }
}

pub(super) fn name<'p>(folder: &'p Path, argument: &'static str) -> Result<&'p str, CliError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let name = folder.file_name().and_then(|name| name.to_str());
    name.filter(|name| name.chars().all(plain) && !name.starts_with(['-', '.']))
        .ok_or_else(|| {
            CliError::argument(
                argument,
                format!("`{}` is not a valid name of an experiment", folder.display()),
                "use letters, digits, `-`, `.` and `_`",
            )
        })
}

fn starter(name: &str) -> Vec<(String, String)> {
    let mut files = vec![(format!("{name}.yaml"), STARTER_EXPERIMENT.to_owned())];
    files.extend(STARTER.map(|(path, text)| (path.to_owned(), text.to_owned())));
    files.push(schema());
    files
}

pub(super) fn schema() -> (String, String) {
    (SCHEMA.to_owned(), tabular::json(&json_schema::experiment()))
}

fn copied(from: &Path, name: &str) -> Result<Vec<(String, String)>, CliError> {
    let scenario = load::scenario(&LoadRequest::of(from))?;
    let mut files = moved(&scenario);
    if let Some((path, text)) = files.first_mut() {
        *path = format!("{name}.yaml");
        if !text.starts_with(SCHEMA_LINE) {
            *text = format!("{SCHEMA_LINE}{SCHEMA}\n{text}");
        }
    }
    files.push(schema());
    Ok(files)
}

/// An experiment with its manifests in a folder of its own: paths below it, the experiment first, and texts.
pub(super) fn moved(scenario: &Scenario) -> Vec<(String, String)> {
    let Some((experiment, others)) = scenario.inputs.split_first() else {
        return Vec::new();
    };
    let manifests: Vec<&InputFile> = others
        .iter()
        .filter(|input| !input.name.starts_with("models/"))
        .collect();
    let folder = |input: &&InputFile| input.name.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    // The folder that all of them share; what lies below it keeps its place.
    let shared = manifests.iter().map(folder).reduce(|left, right| {
        let both = left
            .split('/')
            .zip(right.split('/'))
            .take_while(|(left, right)| left == right);
        both.map(|(part, _)| part).collect::<Vec<_>>().join("/")
    });
    let shared = shared.unwrap_or_default();
    let is_manifests = |line: &&str| line.strip_prefix("manifests").is_some_and(|rest| rest.starts_with(':'));
    let lines = experiment.text.lines().map(|line| match is_manifests(&line) {
        true => "manifests: manifests\n".to_owned(),
        false => format!("{line}\n"),
    });
    let mut files = vec![(experiment.name.clone(), lines.collect::<String>())];
    files.extend(manifests.iter().map(|input| {
        let below = input
            .name
            .strip_prefix(&shared)
            .unwrap_or(&input.name)
            .trim_start_matches('/');
        (format!("manifests/{below}"), input.text.clone())
    }));
    files
}
