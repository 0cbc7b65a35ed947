//! From files to checked scenarios: an experiment file, its manifests and the parameter models become
//! [`WorldSpec`]s.
//!
//! Belongs here: everything that turns text written by a user into values that need no further checks, with messages
//! that name file, line, column, the value and a hint. Does not belong here: what the values mean when a simulation runs
//! (`cluster`, `lab`), and who may talk to whom (`policy`). The way of a file: `yaml` reads
//! it as a tree, `layers` changes the tree for each design and point, `schema` reads what comes of it, `models` gives parameters, `material` the manifests, `faults`, `script` and
//! `world` check and resolve.

pub mod allowed_values;
pub mod asked;
pub mod claim;
mod cluster_of_design;
pub mod embedded;
pub mod error;
pub mod expectations;
pub mod factors;
pub mod fault_form;
pub mod faults;
mod head;
pub mod import;
pub mod json_schema;
mod key_facts;
pub mod keys;
pub mod layers;
mod load;
pub mod manifests;
pub mod margins;
pub mod material;
pub mod models;
mod node_pools;
pub mod operator_forms;
mod operators;
mod other_words;
pub mod overrides;
pub mod patch;
mod placement;
pub mod point_name;
mod quantity;
pub mod remarks;
pub mod schema;
mod script;
pub mod stopping;
mod tokens;
mod traffic;
pub mod traffic_form;
pub mod values;
pub mod world;
pub mod yaml;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cluster::spec::{Step as WorldStep, TieRule, WorldSpec};
use error::{InputError, keep, keep_one, near_match, near_path};
use factors::expand::{Expanded, expand, sorted};
use factors::{Chance, Factors};
use head::Head;
use layers::Layers;
use material::Origin;
use models::Models;
pub use models::ResolvedParameter;
use overrides::Overrides;
use schema::{Experiment, Step};
pub use stopping::Stopping;
use values::complain;
pub use world::Design;
use world::{Names, Shared};

const REPLICATIONS_MAX: u32 = 10_000_000;

/// An experiment that has been checked.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Name of the file without its ending.
    pub name: String,
    /// One-line title of the simulation.
    pub title: String,
    /// What the experiment shall answer.
    pub question: String,
    /// Master seed.
    pub seed: u64,
    /// Experiments with one seed group use the same random events.
    pub seed_group: String,
    /// Runs of each design; the most if `stopping` is set.
    pub replications: u32,
    /// Whether each design and point draws random numbers of its own; otherwise all use the same random events.
    pub independent: bool,
    /// When enough runs have been made, if not after a fixed number.
    pub stopping: Option<Stopping>,
    /// The widths of that rule as they were written; whether there are such measures is checked by `lab::question_check`.
    pub stopping_until: Vec<yaml::Spanned<stopping::TargetForm>>,
    /// How events of different sources at one instant are ordered.
    pub tie_order: TieRule,
    /// The changes from the command line, as they were written.
    pub changes: Vec<String>,
    /// The designs in their order, each with its points in theirs.
    pub designs: Vec<Design>,
    /// How many combinations of factors constraints have excluded.
    pub excluded: usize,
    /// Every file that was read: the experiment, its manifests, the models.
    pub inputs: Vec<InputFile>,
    /// Digest of all inputs, the changes from the command line and the version of the program.
    pub input_digest: String,
    /// Rates of traffic for which unauthorized accesses are computed; none without watched exposure.
    pub traffic_rates: Vec<asked::TrafficRate>,
    /// The measures that answer the question.
    pub headline: Vec<schema::Text>,
    /// What is expected of the result.
    pub expectations: Vec<expectations::Placed>,
    /// Differences that do not matter, by measure.
    pub margins: Vec<margins::PlacedMargin>,
    /// What was published about what it reproduces.
    pub published: Option<asked::Published>,
    /// The file, as the user named it.
    pub path: PathBuf,
    /// What looks like a mistake but has a meaning.
    pub warnings: Vec<String>,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputFile {
    /// Its name relative to the experiment's folder or to the program, with `/`.
    pub name: String,
    /// Its text.
    #[serde(skip)]
    pub text: String,
    /// Its BLAKE3 digest in hexadecimal.
    pub digest: String,
}

impl InputFile {
    fn new(name: String, text: String) -> Self {
        let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
        Self { name, text, digest }
    }
}

impl Scenario {
    /// Reads and checks an experiment file and everything it names.
    ///
    /// # Errors
    /// Everything that is wrong, each thing once and in the order of its place.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Self, Vec<InputError>> {
        if path.is_dir() {
            return match experiments_in(path).as_slice() {
                [only] => Self::load(only, overrides),
                all => Err(vec![
                    InputError::in_file(path, "is a folder").with_hint(folder_hint(all)),
                ]),
            };
        }
        let text = yaml::read_text(path).map_err(|error| vec![error.with_hint(experiment_hint(path))])?;
        read(path, text, Origin::Disk, overrides)
    }

    /// Reads and checks an experiment that the binary carries.
    ///
    /// # Errors
    /// If there is none of that name, or a change from the command line is wrong.
    pub fn built_in(name: &str, overrides: &Overrides) -> Result<Self, Vec<InputError>> {
        let file = format!("experiments/{name}.yaml");
        let Some(text) = embedded::text(&file) else {
            let error = InputError::in_file(Path::new(name), format!("there is no built-in experiment `{name}`"));
            return Err(vec![error.with_candidates(name, built_in_names())]);
        };
        read(Path::new(&file), text.to_owned(), Origin::Embedded, overrides)
    }
}

/// Names of the experiments that the binary carries.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    embedded::FILES
        .iter()
        .filter_map(|(name, _)| name.strip_prefix("experiments/")?.strip_suffix(".yaml"))
        .filter(|name| !name.contains('/'))
}

/// The experiments in a folder; the only one stands for the folder.
fn experiments_in(folder: &Path) -> Vec<PathBuf> {
    let is_experiment = |file: &PathBuf| {
        let named = file
            .extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml");
        named
            && file.is_file()
            && yaml::read_text(file).is_ok_and(|text| text.lines().any(|line| line.starts_with("meshfault:")))
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut inside: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_experiment).collect();
    inside.sort();
    inside
}

/// What to name instead of a folder.
fn folder_hint(inside: &[PathBuf]) -> String {
    match inside {
        [] => "name an experiment file; none is in this folder".to_owned(),
        [first, ..] => format!(
            "name one of the {} experiments in it, such as `{}`",
            inside.len(),
            first.display()
        ),
    }
}

/// What to name instead of a file that cannot be read.
fn experiment_hint(path: &Path) -> String {
    let near = path
        .file_stem()
        .and_then(|stem| near_match(stem.to_str()?, built_in_names()));
    let near = near
        .map(|name| format!("did you mean `{name}`?"))
        .or_else(|| near_path(path));
    if let Some(near) = near.filter(|_| !path.exists()) {
        return near;
    }
    let names: Vec<&str> = built_in_names().collect();
    format!(
        "name an experiment file, or one of the built-in experiments {}",
        names.join(", ")
    )
}

fn read(path: &Path, text: String, origin: Origin, overrides: &Overrides) -> Result<Scenario, Vec<InputError>> {
    let named = |errors: Vec<InputError>| errors.into_iter().map(|error| overrides.named(error)).collect();
    checked(path, text, origin, overrides).map_err(named)
}

fn checked(path: &Path, text: String, origin: Origin, overrides: &Overrides) -> Result<Scenario, Vec<InputError>> {
    let one = |error: InputError| vec![error];
    let (layers, mended) = Layers::read(path, &text, overrides).map_err(one)?;
    let mut wrong = mended.errors;
    if !mended.whole {
        return Err(sorted(wrong));
    }
    let Some((written, experiment)) = keep_one(&mut wrong, layers.experiment()) else {
        return Err(sorted(wrong));
    };
    let stem = path
        .file_stem()
        .map_or_else(|| "experiment".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let head = Head::read(path, &written, &experiment, &mut wrong);
    let traffic_rates = keep_one(&mut wrong, asked::traffic_rates(path, &experiment));
    keep_one(&mut wrong, asked::check_costs(path, &experiment));
    keep_one(&mut wrong, asked::check_controls(path, &experiment));
    let published = keep_one(&mut wrong, asked::published(path, &experiment)).flatten();
    let expectations = keep(&mut wrong, expectations::read(path, &experiment.expectations));
    let margins = keep(&mut wrong, margins::read(path, &experiment.margins));
    let files = keep_one(&mut wrong, material::find(path, &experiment, origin));
    let lenient = keep_one(&mut wrong, asked::lenient(path, &experiment)).unwrap_or_default();
    let material = files.and_then(|files| Some((keep(&mut wrong, material::read(&files, lenient))?, files)));
    let Some((material, files)) = material else {
        return Err(sorted(wrong));
    };
    let models = Models::embedded().map_err(one)?;
    let shared = Shared {
        models: &models,
        names: Names::of(&material),
        material: &material,
        horizon: head.horizon,
        begins: head.begins,
        limits: head.limits,
        tie_order: head.tie_order,
        independent: head.independent,
    };
    let chance = Chance {
        seed: head.seed,
        seed_group: &head.seed_group,
    };
    // Without its factors, a design is what it is at none of their points.
    let factors = keep(&mut wrong, Factors::read(path, &experiment, &layers, chance)).unwrap_or_default();
    let expanded = keep(&mut wrong, expand(&shared, path, &experiment, &factors, &layers));
    let (Some(expanded), Some(traffic_rates), Some(expectations), Some(margins), []) =
        (expanded, traffic_rates, expectations, margins, wrong.as_slice())
    else {
        return Err(sorted(wrong));
    };
    let Expanded {
        designs,
        excluded,
        warnings: odd,
    } = expanded;
    let mut warnings = material.warnings.clone();
    warnings.extend(material.remarks.warnings(&designs));
    warnings.extend(odd);
    warnings.extend(endless_jobs(path, &experiment, &designs));
    warnings.extend(unused(path, &experiment, &text, overrides, &designs));
    drop(layers);
    let inputs = inputs(path, text, files, &designs);
    Ok(Scenario {
        name: stem,
        title: experiment.title,
        question: experiment.question,
        seed: head.seed,
        seed_group: head.seed_group,
        replications: head.replications,
        independent: head.independent,
        stopping: head.stopping,
        stopping_until: experiment.stopping.map_or_else(Vec::new, |form| form.value.until),
        tie_order: head.tie_order,
        changes: overrides.written.clone(),
        designs,
        excluded,
        traffic_rates,
        headline: experiment.measures.headline.unwrap_or_default(),
        expectations,
        margins,
        published,
        path: path.to_owned(),
        input_digest: digest(&inputs, overrides),
        inputs,
        warnings,
    })
}

/// Jobs whose pods a sidecar keeps from ending.
fn endless_jobs(path: &Path, experiment: &Experiment, designs: &[Design]) -> Vec<String> {
    let is_applied = |world: &WorldSpec, index: usize| {
        let mut applies = world.script.iter();
        applies.any(|step| matches!(step, WorldStep::Apply { workloads } if workloads.contains(&index)))
    };
    let of_world = |world: &WorldSpec| -> Vec<String> {
        let all = world.workloads.iter().enumerate();
        let endless = all.filter(|(index, workload)| {
            world.istio.is_some() && workload.controller.makes_jobs() && workload.injected && is_applied(world, *index)
        });
        endless.map(|(_, workload)| workload.name.clone()).collect()
    };
    let names: BTreeSet<String> = designs.iter().flat_map(|design| of_world(&design.world)).collect();
    let warning = |name: String| {
        let message = format!("the Job `{name}` is never complete: a sidecar goes on when its containers have ended");
        let error = complain(path, &experiment.manifests, message);
        error
            .with_hint("inject none into its pods; native sidecars are not modeled")
            .in_one_line()
    };
    names.into_iter().map(warning).collect()
}

/// Options that nothing names, and faults that nothing starts.
fn unused(path: &Path, experiment: &Experiment, text: &str, overrides: &Overrides, designs: &[Design]) -> Vec<String> {
    let warning = |at: &schema::Text, message: String| complain(path, at, message).to_string();
    let texts = || overrides.written.iter().map(String::as_str).chain([text]);
    let is_named = |option: &str| texts().any(|text| text.contains(&format!("${option}")));
    let options = experiment.options.0.iter().filter(|(name, _)| !is_named(&name.value));
    let options = options.map(|(name, _)| warning(name, format!("nothing names the option `${}`", name.value)));
    let mut steps = Vec::new();
    all_steps(&experiment.script, &mut steps);
    let by_step = |name: &str| {
        let starts = |step: &&Step| matches!(step, Step::StartFault(fault) if fault.value == name || fault.value.starts_with('$'));
        steps.iter().any(starts)
    };
    let by_time = |name: &str| {
        let mut faults = designs.iter().flat_map(|design| &design.world.faults);
        faults.any(|fault| fault.name == name && fault.when.starts_by_itself())
    };
    let faults = experiment
        .faults
        .0
        .iter()
        .filter(|(name, _)| !by_step(&name.value) && !by_time(&name.value));
    let faults = faults.map(|(name, _)| warning(name, format!("nothing starts the fault `{}`", name.value)));
    let deployments = steps.iter().filter_map(|step| match step {
        Step::RolloutRestart(restart) => restart.deployment.as_ref(),
        Step::Wait(wait) => wait.deployment.as_ref(),
        _ => None,
    });
    let missing = deployments.filter(|name| {
        let is_there = |world: &WorldSpec| match name.value.as_str() {
            "istiod" => world.istio.is_some(),
            "coredns" => world.coredns > 0,
            _ => true,
        };
        let named = |world: &WorldSpec| world.workloads.iter().any(|workload| workload.name == name.value);
        !designs
            .iter()
            .any(|design| is_there(&design.world) || named(&design.world))
    });
    let missing = missing.map(|name| warning(name, format!("no design has `{}`: the step does nothing", name.value)));
    options.chain(faults).chain(missing).collect()
}

/// Steps with those inside them.
fn all_steps<'s>(steps: &'s [yaml::Spanned<Step>], found: &mut Vec<&'s Step>) {
    for step in steps {
        found.push(&step.value);
        match &step.value {
            Step::Repeat(repeat) => all_steps(&repeat.steps, found),
            Step::Parallel(tracks) => tracks.iter().for_each(|track| all_steps(&track.steps, found)),
            _ => {}
        }
    }
}

fn inputs(path: &Path, text: String, manifests: material::Sources, designs: &[Design]) -> Vec<InputFile> {
    let name = path.file_name().map_or_else(
        || "experiment.yaml".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    let mut inputs = vec![InputFile::new(name, text)];
    inputs.extend(manifests.files().map(|(name, text)| InputFile::new(name, text)));
    let mut models: Vec<&str> = designs
        .iter()
        .flat_map(|design| design.model_files.iter().copied())
        .collect();
    models.sort_unstable();
    models.dedup();
    let texts = models
        .into_iter()
        .filter_map(|name| Some((name, embedded::text(name)?)));
    inputs.extend(texts.map(|(name, text)| InputFile::new(name.to_owned(), text.to_owned())));
    inputs
}

/// BLAKE3 over the version of the program, the inputs and the changes, each part behind its length.
fn digest(inputs: &[InputFile], overrides: &Overrides) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |text: &str| {
        hasher.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    part(env!("CARGO_PKG_VERSION"));
    for input in inputs {
        part(&input.name);
        part(&input.text);
    }
    part("changes");
    overrides.written.iter().for_each(|change| part(change));
    hasher.finalize().to_hex().to_string()
}
