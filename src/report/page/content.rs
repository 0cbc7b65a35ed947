//! What is in a report, whatever its format: plain data for the templates, in the order in which it is read.
//!
//! It is stored beside the report, so that a report can be written again where the rows are not kept. Drawings are no part of it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::runs::Outlier;
use super::{Commands, charts, over_points, runs, verdict};
use crate::lab::compare::{STARTUP, excludes_zero, pareto_of};
use crate::lab::controls::Controls;
use crate::lab::lists::unique;
use crate::lab::measures::{Frame, ready_quantiles};
use crate::lab::pareto::{Pareto, Standing};
use crate::lab::plan::command;
use crate::lab::points::Points;
use crate::lab::summary::CONFIDENCE;
use crate::lab::what_if::Remedies;
use crate::lab::{Comparison, Expectation, Finished, Manifest, RandomNumbers, Summary};
use crate::report::answer::Answer;
use crate::report::compare_words::sentence;
use crate::report::design_names::by_design;
use crate::report::estimands::{Estimand, estimands};
use crate::report::expectations::{seen, word};
use crate::report::figures::StartupFigure;
use crate::report::finding::Finding;
use crate::report::parameters::{self, ParameterRow};
use crate::report::run_facts::{Note, facts, notes};
use crate::report::short::{NOTHING, Short, count};
use crate::report::table::{column_head, present};
use crate::report::text::one_line;
use crate::report::{availability, compare, edges, flows, reuse, slow_pods};

/// Sentences of one kind in the verdict; the tables have them all.
const SENTENCES_MAX: usize = 12;
/// What every reader needs, from the document that says it for all.
const LIMITATIONS: &str = include_str!("../../../LIMITATIONS.md");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    pub result_digest: String,
    /// What comes first: a line per design, then what closes it, costs and is left open.
    #[serde(default)]
    pub answer: Answer,
    /// What replays of breached runs found.
    #[serde(default)]
    pub remedies: Vec<Remedies>,
    title: String,
    question: String,
    experiment: String,
    version: String,
    complete: bool,
    replications: String,
    planned: String,
    n_designs: usize,
    seed: u64,
    expectations_together: String,
    expectations: Vec<ExpectationRow>,
    access: Sentences,
    startup: Sentences,
    between: Sentences,
    /// Heads of the table of designs, in lines as the terminal has them.
    heads: Vec<String>,
    designs: Vec<DesignRow>,
    family: String,
    differences: Vec<DifferenceRow>,
    left_out: Vec<String>,
    dominated: Vec<String>,
    findings: Vec<Finding>,
    has_startup: bool,
    has_runs: bool,
    thinned: String,
    outliers: Vec<OutlierRow>,
    parameters: Vec<ParameterRow>,
    n_assumed: usize,
    estimands: Vec<Estimand>,
    warnings: Vec<String>,
    notes: Vec<Note>,
    limits: Vec<String>,
    facts: Vec<(String, String)>,
    inputs: Vec<(String, String)>,
    pub commands: Commands,
    example: String,
    label: String,
    /// Methods of the measures in the table of designs, by its heads.
    key_methods: Vec<(String, String)>,
    difference_methods: Vec<String>,
    pub(super) charts: Value,
}

/// Sentences of one kind, and how many more there would be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sentences {
    shown: Vec<String>,
    more: usize,
}

impl Sentences {
    fn of(mut shown: Vec<String>) -> Self {
        let more = shown.len().saturating_sub(SENTENCES_MAX);
        shown.truncate(SENTENCES_MAX);
        Self { shown, more }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ExpectationRow {
    outcome: String,
    sentence: String,
    name: String,
    text: String,
    design: String,
    seen: String,
    method: String,
    n: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct DesignRow {
    name: String,
    /// Whether others are compared with it; then it is no option.
    #[serde(default)]
    is_control: bool,
    title: String,
    cells: Vec<Short>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct DifferenceRow {
    a: String,
    b: String,
    measure: String,
    difference: Short,
    p: String,
    correlation: String,
    n: String,
    method: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OutlierRow {
    #[serde(flatten)]
    outlier: Outlier,
    command: String,
}

/// The content of the report of a result. `startup` are the curves of the drawn figure, if a pod was measured.
pub fn content(
    finished: &Finished,
    startup: Option<&StartupFigure>,
    commands: &Commands,
    remedies: &[Remedies],
) -> Content {
    let (manifest, summary) = (&finished.manifest, &finished.summary);
    let compared = &summary.comparisons;
    let runs = runs::runs(finished);
    let curves = startup
        .filter(|figure| figure.series.len() == manifest.designs.len())
        .and_then(charts::curves);
    let quantile = compared
        .iter()
        .find(|comparison| ready_quantiles().iter().any(|known| known.name == comparison.measure))
        .map_or(STARTUP, |comparison| comparison.measure.as_str());
    let (access, ready) = alone(finished, quantile);
    let mut between: Vec<&Comparison> = compared.iter().collect();
    if between.len() > SENTENCES_MAX {
        // What is clear comes first where not all are shown.
        between.sort_by_key(|of| !excludes_zero(of.lower, of.upper));
    }
    let between = between.into_iter().map(sentence).collect();
    let replay = |design: &str, replication: u64| command(&commands.explain, design, replication, &commands.changes);
    let parameters = parameters::rows(manifest);
    let (heads, designs) = design_table(manifest, summary);
    let findings = [
        edges::finding(manifest, summary),
        availability::finding(summary),
        flows::finding(summary),
        reuse::finding(summary),
        slow_pods::finding(manifest, summary),
    ];
    let outliers = runs.iter().flat_map(|runs| runs.outliers.clone());
    let controls = Controls::of(&manifest.designs);
    let charts = json!({
        "designs": manifest.designs.iter().map(|design| {
            let whole = command(&commands.explain, &design.name, 0, &[]);
            json!({ "name": design.name, "control": controls.contains(&design.name), "replay": whole.strip_suffix('0').unwrap_or(&whole) })
        }).collect::<Vec<_>>(),
        "replay_end": command("", "", 0, &commands.changes).strip_prefix(&command("", "", 0, &[])).unwrap_or_default(),
        "startup": curves,
        "runs": runs,
    });
    let example = runs.iter().flat_map(|runs| &runs.outliers).next().map_or_else(
        || {
            replay(
                manifest.designs.first().map_or("", |design| &design.name),
                manifest.first_replication(),
            )
        },
        |outlier| replay(&outlier.design, outlier.replication),
    );
    Content {
        answer: Answer::of(manifest, summary, remedies, &commands.run),
        remedies: remedies.to_vec(),
        title: one_line(&manifest.title),
        question: one_line(&manifest.question),
        experiment: manifest.experiment.clone(),
        version: manifest.version.clone(),
        complete: manifest.complete,
        replications: count(manifest.replications),
        planned: count(manifest.replications_planned),
        n_designs: manifest.designs.len(),
        seed: manifest.seed,
        expectations_together: verdict::expectations_together(&summary.expectations),
        expectations: summary.expectations.iter().map(expectation).collect(),
        access: Sentences::of(access),
        startup: Sentences::of(ready),
        between: Sentences::of(between),
        heads,
        designs,
        family: compared
            .first()
            .map_or_else(String::new, |first| family(compared.len(), first, manifest)),
        differences: compared.iter().map(difference).collect(),
        left_out: summary.not_compared.clone(),
        dominated: dominated(&pareto_of(finished)),
        findings: findings.into_iter().flatten().collect(),
        has_startup: !charts["startup"].is_null(),
        has_runs: !charts["runs"].is_null(),
        thinned: runs.as_ref().map_or_else(String::new, |runs| runs.thinned.clone()),
        outliers: outliers
            .map(|outlier| OutlierRow {
                command: replay(&outlier.design, outlier.replication),
                outlier,
            })
            .collect(),
        n_assumed: parameters.iter().filter(|row| row.assumed).count(),
        parameters,
        estimands: estimands(summary),
        warnings: manifest.warnings.clone(),
        notes: notes(&manifest.designs),
        limits: limits(),
        facts: facts(manifest),
        inputs: manifest
            .inputs
            .iter()
            .map(|input| (input.name.clone(), input.digest.clone()))
            .collect(),
        commands: commands.clone(),
        example,
        label: manifest
            .experiment
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect(),
        result_digest: manifest.result_digest.clone().unwrap_or_else(|| "none".to_owned()),
        key_methods: key_methods(summary),
        difference_methods: unique(compared.iter().map(|of| of.method.clone())),
        charts,
    }
}

/// What each design did by itself: who gets in, and when pods are ready. With factors a design is described over all its points.
fn alone(result: &Finished, quantile: &str) -> (Vec<String>, Vec<String>) {
    let summary = &result.summary;
    let groups = by_design(&summary.designs);
    if groups.iter().any(|points| points.len() > 1) {
        let frame = Frame::of_manifest(&result.manifest);
        let points = Points::new(result, &frame);
        let known = over_points::Known {
            over: &|designs, measure| {
                let names: Vec<&str> = designs.iter().map(|design| design.name.as_str()).collect();
                points.over(&names, measure)
            },
            at_once: &|design, measure, among| points.at_once(&design.name, measure, among),
            level: (1.0 - CONFIDENCE) / groups.len() as f64,
        };
        return (
            groups
                .iter()
                .flat_map(|points| over_points::access(points, &known))
                .collect(),
            groups
                .iter()
                .filter_map(|points| over_points::startup(points, quantile, &known))
                .collect(),
        );
    }
    let designs = || summary.designs.iter();
    (
        designs()
            .flat_map(|design| {
                let of_access = verdict::access(design).into_iter();
                of_access
                    .chain(verdict::bypassed(design))
                    .chain(verdict::kept_out(design))
            })
            .collect(),
        designs()
            .filter_map(|design| verdict::startup(design, quantile))
            .collect(),
    )
}

/// The methods behind the table of designs, by its heads.
fn key_methods(summary: &Summary) -> Vec<(String, String)> {
    let methods = |name: &str| {
        unique(
            summary
                .designs
                .iter()
                .filter_map(|design| Some(design.measure(name)?.method.as_str())),
        )
    };
    let keys = present(summary).into_iter();
    keys.map(|key| (column_head(key).replace('\n', " "), methods(&key.name).join(", ")))
        .collect()
}

fn family(number: usize, first: &Comparison, manifest: &Manifest) -> String {
    format!(
        "{number} differences, each with an interval of {}%, so that all hold together with {}%; differences are taken between \
         equal replications, which {}.",
        compare::number_of_nines(100.0 * first.confidence),
        compare::number_of_nines(100.0 * CONFIDENCE),
        match manifest.random_numbers {
            RandomNumbers::Common => "share their random numbers",
            RandomNumbers::Independent => "share no random numbers",
        }
    )
}

fn difference(of: &Comparison) -> DifferenceRow {
    DifferenceRow {
        a: of.a.clone(),
        b: of.b.clone(),
        measure: of.measure.clone(),
        difference: compare::difference(of),
        p: compare::p_value(of.p_holm),
        correlation: of
            .correlation
            .map_or_else(|| NOTHING.to_owned(), |rho| format!("{rho:.2}")),
        n: count(of.n),
        method: of.method.clone(),
    }
}

fn dominated(sets: &[Pareto]) -> Vec<String> {
    let standings = sets.iter().flat_map(|set| &set.designs);
    let told = |standing: &Standing| {
        let by = crate::report::compare::dominated(standing)?;
        Some(format!("`{}` is {by}.", standing.design))
    };
    standings.filter_map(told).collect()
}

fn expectation(of: &Expectation) -> ExpectationRow {
    ExpectationRow {
        outcome: word(of.outcome).to_lowercase(),
        sentence: verdict::expectation(of),
        name: of.name.clone().unwrap_or_default(),
        text: of.text.clone(),
        design: of.design.clone().unwrap_or_else(|| NOTHING.to_owned()),
        seen: seen(of),
        method: of.method.clone(),
        n: count(of.n),
    }
}

fn design_table(manifest: &Manifest, summary: &Summary) -> (Vec<String>, Vec<DesignRow>) {
    let (keys, controls) = (present(summary), Controls::of(&manifest.designs));
    let rows = summary
        .designs
        .iter()
        .zip(&manifest.designs)
        .map(|(design, planned)| DesignRow {
            name: design.name.clone(),
            is_control: controls.contains(&design.name),
            title: planned.title.clone(),
            cells: keys.iter().map(|key| Short::of_design(design, &key.name)).collect(),
        });
    (keys.iter().map(|key| column_head(key)).collect(), rows.collect())
}

/// The points of the first section of the document on limits.
fn limits() -> Vec<String> {
    let section = LIMITATIONS.split("\n## ").nth(1).unwrap_or_default();
    let points = section.split("\n- ").skip(1);
    points
        .map(|point| one_line(point).replace("**", "").replace('*', ""))
        .collect()
}
