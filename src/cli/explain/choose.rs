//! `--first` and `--worst`: which run of a stored result is told, and from which experiment it is replayed.
//!
//! A result folder says what it was made from; the experiment is found by the command that made it, or among the built-in
//! ones, and must be the one of the result, by the digest of its inputs. Picking by rows belongs to `lab::pick`.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::common::{OUT_ROOT, prepare};
use super::super::error::CliError;
use super::super::load::{self, LoadRequest};
use super::super::origin;
use crate::cluster::records::AccessClass;
use crate::kernel::{SimDuration, SimTime};
use crate::lab::cell::Word;
use crate::lab::pick::{self, FIRST, Picked, WORST};
use crate::lab::store::MANIFEST;
use crate::lab::{Finished, open_result, result_dir};
use crate::report::explain::chain::Focus;
use crate::scenario::Scenario;
use crate::scenario::error::InputError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The first run in which this happened.
    First(String),
    Worst(String),
}

#[derive(Clone, Debug)]
pub struct Chosen {
    /// The experiment with the changes of the result.
    pub load: LoadRequest,
    pub design: String,
    pub replication: u64,
    pub focus: Focus,
    pub why: String,
}

impl Wanted {
    /// Checks the name.
    ///
    /// # Errors
    /// If there is none like it, with a near match.
    pub fn check(self) -> Result<Self, CliError> {
        let (option, name, known): (_, _, &[&str]) = match &self {
            Self::First(name) => ("--first", name, &FIRST),
            Self::Worst(name) => ("--worst", name, &WORST),
        };
        if known.contains(&name.as_str()) {
            return Ok(self);
        }
        let error = InputError::in_file(Path::new(option), format!("unknown name `{name}`"));
        Err(load::wrong(vec![error.with_candidates(name, known.iter().copied())]))
    }
}

/// Chooses a run.
///
/// # Errors
/// If there is no such result, it is damaged, was made from another experiment, or has no such run.
pub fn choose(wanted: &Wanted, request: &LoadRequest, results: Option<&Path>) -> Result<Chosen, CliError> {
    let named = request
        .experiment
        .as_deref()
        .filter(|path| path.join(MANIFEST).is_file());
    let experiment = request.experiment.clone().filter(|_| named.is_none());
    let asked = LoadRequest::new(experiment.as_deref(), &[], &request.changes);
    if named.is_none() && results.is_none() {
        // A misspelled design is told before a missing result.
        load::designs(&load::scenario(&asked)?, &request.designs)?;
    }
    let folder = match results.or(named) {
        Some(folder) => folder.to_owned(),
        None => default_folder(&asked)?,
    };
    if !folder.join(MANIFEST).is_file() {
        let message = format!("{} has no result", folder.display());
        let error = InputError::in_file(Path::new(option_of(wanted)), message);
        let hint = "run the experiment with `meshfault run`, or name a result folder";
        return Err(load::wrong(vec![error.with_hint(hint)]));
    }
    let found = open_result(&folder)?;
    let load = experiment_of(&found, &asked, named.is_none() && request.experiment.is_some())?;
    let design = request.designs.first().map(String::as_str);
    if let Some(name) = design {
        load::designs(&load::scenario(&load)?, &[name.to_owned()])?;
    }
    let horizon = SimTime::ZERO + SimDuration::from_secs_f64(found.manifest.horizon_s);
    let picked = match wanted {
        Wanted::First(what) => pick::first(&folder, what, design, horizon)?,
        Wanted::Worst(by) => pick::worst(&folder, by, design, horizon)?,
    };
    let Some(picked) = picked else {
        let name = match wanted {
            Wanted::First(name) | Wanted::Worst(name) => name,
        };
        let where_ = design.map_or(String::new(), |design| format!(" in the design {design}"));
        let runs = found.manifest.replications;
        let message = format!("no run of {}{where_} has `{name}`", folder.display());
        let hint = format!("the result has {runs} runs of each design; try another name or another design");
        let error = InputError::in_file(Path::new(option_of(wanted)), message).with_hint(hint);
        return Err(load::wrong(vec![error]));
    };
    Ok(Chosen {
        load,
        why: why(wanted, &picked, &folder, design),
        focus: focus(wanted, picked.pod.clone()),
        design: picked.design,
        replication: picked.replication,
    })
}

const fn option_of(wanted: &Wanted) -> &'static str {
    match wanted {
        Wanted::First(_) => "--first",
        Wanted::Worst(_) => "--worst",
    }
}

/// The folder where `run` puts the result; without one there, the newest of the experiment, however many replications it has.
fn default_folder(load: &LoadRequest) -> Result<PathBuf, CliError> {
    let (_, plan, _) = prepare(load)?;
    let usual = result_dir(Path::new(OUT_ROOT), &plan);
    if usual.join(MANIFEST).is_file() {
        return Ok(usual);
    }
    let entries = fs::read_dir(OUT_ROOT).into_iter().flatten().flatten();
    let is_result = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let digest = name
            .rsplit_once('-')
            .filter(|(experiment, _)| *experiment == plan.experiment);
        digest.is_some() && path.join(MANIFEST).is_file()
    };
    let results = entries.map(|entry| entry.path()).filter(is_result);
    let newest = results.max_by_key(|path| fs::metadata(path.join(MANIFEST)).and_then(|file| file.modified()).ok());
    Ok(newest.unwrap_or(usual))
}

fn focus(wanted: &Wanted, pod: Option<String>) -> Focus {
    match wanted {
        Wanted::Worst(by) if by == "startup_latency" => Focus::Start(pod),
        Wanted::Worst(by) if by.ends_with("exposure") => Focus::Exposure,
        Wanted::First(what) if what == "never_ready" => Focus::Start(pod),
        Wanted::First(what) => AccessClass::of_word(what).map_or(Focus::All, Focus::Access),
        Wanted::Worst(_) => Focus::All,
    }
}

fn why(wanted: &Wanted, picked: &Picked, folder: &Path, design: Option<&str>) -> String {
    let Picked {
        design: of,
        replication,
        candidates,
        pod,
        value,
    } = picked;
    let within = match design {
        Some(design) => format!("of the design {design}"),
        None => "in the order of designs and replications".to_owned(),
    };
    let pod = pod.as_ref().map_or(String::new(), |pod| format!(", pod {pod}"));
    let reason = match wanted {
        Wanted::First(what) => format!("the first of {candidates} with `{what}`{pod}, {within}"),
        Wanted::Worst(by) => {
            let value = value.as_deref().unwrap_or("");
            format!("the worst of {candidates} by `{by}`, with {value}{pod}; of equal ones the first, {within}")
        }
    };
    format!("Chosen from {}: run {replication} of {of}, {reason}.", folder.display())
}

/// The experiment that a result was made from; `named` if the experiment was named beside the result.
fn experiment_of(found: &Finished, asked: &LoadRequest, named: bool) -> Result<LoadRequest, CliError> {
    let manifest = &found.manifest;
    let mut tries: Vec<LoadRequest> = Vec::new();
    if named {
        tries.push(asked.clone());
    }
    let name = |load: &LoadRequest| Some(load.experiment.as_deref()?.file_stem()?.to_string_lossy().into_owned());
    if !named || name(asked).is_none_or(|name| name == manifest.experiment) {
        tries.extend(origin::recorded(&found.dir));
        tries.extend(origin::of_result(&found.dir)?.map(|(load, _)| load));
    }
    if !named {
        tries.push(LoadRequest {
            experiment: Some(PathBuf::from(&manifest.experiment)),
            ..asked.clone()
        });
    }
    // How many runs there are belongs to the inputs of a result and not to the run.
    let with_count: Vec<LoadRequest> = tries
        .iter()
        .map(|load| {
            let replications = format!("replications={}", manifest.replications_planned);
            load.clone().with([replications])
        })
        .collect();
    let is_it = |scenario: &Scenario| scenario.input_digest == manifest.input_digest;
    for load in tries.into_iter().chain(with_count) {
        if load::scenario(&load).is_ok_and(|scenario| is_it(&scenario)) {
            return Ok(LoadRequest {
                designs: Vec::new(),
                ..load
            });
        }
    }
    let message = format!(
        "the experiment of {} was not found: no file and no built-in experiment `{}` has the same inputs",
        found.dir.display(),
        manifest.experiment
    );
    let hint = format!(
        "name it as you ran it: `meshfault explain EXPERIMENT --results {}` with the same --seed and --set, in version {}",
        found.dir.display(),
        manifest.version
    );
    let error = InputError::in_file(&found.dir, message).with_hint(hint);
    Err(load::wrong(vec![error]))
}
