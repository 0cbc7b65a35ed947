//! Which mechanism explains the slow pods, in which design, under which assumptions.
//!
//! It adds nothing to the measures. The letters of the mechanisms are those of `lab::words`; C is the withdrawal of the
//! isolated Istiod's endpoint, which ends delays.

use super::design_names::design_names;
use super::finding::{Finding, FindingRow};
use super::short::{NOTHING, Short, number, percent, percent_interval, percent_up};
use super::text::range;
use crate::cluster::phases::{PHASES, Phase};
use crate::cluster::records::DelayCause;
use crate::lab::cell::Word;
use crate::lab::lists::unique;
use crate::lab::{DesignSummary, Manifest, Measure, Summary};
use crate::scenario::asked::Published;

/// Shares below this are left to the list of all measures.
const WORTH_NAMING: f64 = 0.01;

/// The measure of pods that a cause delayed.
fn share_of(cause: DelayCause) -> String {
    format!("delayed_share_{}", cause.word())
}

/// The measure of when half of them were ready.
fn median_of(cause: DelayCause) -> String {
    format!("delayed_startup_p50_{}", cause.word())
}

fn causes() -> impl Iterator<Item = DelayCause> {
    DelayCause::WORDS.iter().map(|(cause, _)| *cause)
}

/// The finding; nothing if no pod was measured.
pub fn finding(manifest: &Manifest, summary: &Summary) -> Option<Finding> {
    let measured = |design: &DesignSummary| design.measure("delayed_share").is_some_and(|share| share.n > 0);
    let places: Vec<usize> = (0..summary.designs.len().min(manifest.designs.len()))
        .filter(|at| measured(&summary.designs[*at]))
        .collect();
    let designs: Vec<&DesignSummary> = places.iter().map(|at| &summary.designs[*at]).collect();
    if designs.is_empty() {
        return None;
    }
    let columns = columns(&designs);
    let row = |design: &&DesignSummary| FindingRow {
        design: design.name.clone(),
        cells: columns.iter().map(|column| column.cell(design)).collect(),
    };
    let slow = designs
        .iter()
        .any(|design| estimate(design.measure("delayed_share")) >= WORTH_NAMING);
    let points = leading(manifest, summary, &places)
        .into_iter()
        .chain(unexplained(manifest, summary))
        .chain(
            manifest
                .questions
                .published
                .as_ref()
                .and_then(|published| beside(published, &designs)),
        )
        .chain(designs.iter().filter_map(|design| stuck(design)))
        .chain(slow.then(|| ending(&designs)).flatten())
        .chain([assumptions(manifest)]);
    Some(Finding {
        heading: "What explains the slow pods".to_owned(),
        lead: format!(
            "A pod is slow if it waits at least {} s for the control plane or on a node that starts no pods. Shares of the measured pods; by \
             mechanism, the pods that it delayed most, and when half of these were ready. `Took as long`: for any reason.",
            number(manifest.delayed_threshold_s)
        ),
        heads: columns.iter().map(Column::head).collect(),
        points: points.collect(),
        rows: designs.iter().map(row).collect(),
        legend: legend(&columns),
    })
}

enum Column {
    Slow,
    /// Pods that took as long, whatever the reason.
    Long,
    Unexplained,
    /// Pods that a mechanism delayed.
    Share(DelayCause),
    Ready(DelayCause),
    /// A quantile of all measured pods: its per cent and its measure.
    Quantile(&'static str, &'static str),
    MarkedNotReady,
}

/// The measure of pods that took long, whatever the reason.
const LONG: &str = "long_start_share";
/// The measure of those of them that no known mechanism explains; with a phase behind it, by the longest phase.
const UNEXPLAINED: &str = "unexplained_share";
const GIVEN_UP: &str = "node_given_up_delay";

fn columns(designs: &[&DesignSummary]) -> Vec<Column> {
    let any = |holds: &dyn Fn(&DesignSummary) -> bool| designs.iter().any(|design| holds(design));
    let mut columns = vec![Column::Slow];
    for cause in causes() {
        let share = |design: &DesignSummary| estimate(design.measure(&share_of(cause)));
        if any(&|design| {
            share(design) >= WORTH_NAMING * estimate(design.measure("delayed_share")) && share(design) > 0.0
        }) {
            columns.push(Column::Share(cause));
            if any(&|design| design.measure(&median_of(cause)).is_some()) {
                columns.push(Column::Ready(cause));
            }
        }
    }
    if any(&|design| estimate(design.measure(LONG)) > 0.0) {
        columns.insert(1, Column::Long);
    }
    if any(&|design| estimate(design.measure(UNEXPLAINED)) >= WORTH_NAMING) {
        columns.push(Column::Unexplained);
    }
    columns.push(Column::Quantile("50", "startup_latency_p50"));
    columns.push(Column::Quantile("99", "startup_latency_p99"));
    if any(&|design| design.measure(GIVEN_UP).is_some_and(|delay| delay.n > 0)) {
        columns.push(Column::MarkedNotReady);
    }
    columns
}

impl Column {
    fn head(&self) -> String {
        match self {
            Column::Slow => "slow".to_owned(),
            Column::Long => "took as long".to_owned(),
            Column::Unexplained => "unexplained".to_owned(),
            Column::Share(cause) => cause.words().head_with_letter(),
            Column::Ready(cause) => {
                let words = cause.words();
                let called = if words.letter.is_empty() {
                    words.head
                } else {
                    words.letter
                };
                format!("half of {called} ready")
            }
            Column::Quantile(percent, _) => format!("{percent}% ready"),
            Column::MarkedNotReady => "node NotReady after".to_owned(),
        }
    }

    fn cell(&self, design: &DesignSummary) -> String {
        match self {
            Column::Slow => interval_percent(design.measure("delayed_share")),
            Column::Long => share_or_nothing(design.measure(LONG)),
            Column::Unexplained => share_or_nothing(design.measure(UNEXPLAINED)),
            Column::Share(cause) => share_or_nothing(design.measure(&share_of(*cause))),
            Column::Ready(cause) => Short::of(design.measure(&median_of(*cause))).joined(" "),
            Column::Quantile(_, measure) => Short::of_design(design, measure).joined(" "),
            Column::MarkedNotReady => Short::of(design.measure(GIVEN_UP)).joined(" "),
        }
    }
}

/// Which mechanism leads in which design, and under which assumption.
fn leading(manifest: &Manifest, summary: &Summary, places: &[usize]) -> Vec<String> {
    let share = |design: &DesignSummary, cause: DelayCause| estimate(design.measure(&share_of(cause)));
    let leader = |at: usize| {
        let design = &summary.designs[at];
        let strongest = causes().max_by(|left, right| share(design, *left).total_cmp(&share(design, *right)))?;
        (share(design, strongest) >= WORTH_NAMING).then_some(strongest)
    };
    let sentences: Vec<String> = causes()
        .filter_map(|cause| {
            let led: Vec<usize> = places.iter().copied().filter(|at| leader(*at) == Some(cause)).collect();
            (!led.is_empty()).then(|| {
                let (names, words) = (quoted_names(manifest, &led), cause.words());
                format!(
                    "In {names} the main cause of slow pods is {}. Assumption: {}.",
                    words.by_with_letter(),
                    words.assumption
                )
            })
        })
        .collect();
    if sentences.is_empty() {
        return vec!["No mechanism delayed more than 1% of the pods by that much.".to_owned()];
    }
    sentences
}

/// The meanings of the letters that occur in the columns.
fn legend(columns: &[Column]) -> Vec<(String, String)> {
    let entry = |column: &Column| match column {
        Column::Share(cause) => {
            let words = cause.words();
            (!words.letter.is_empty()).then(|| (words.letter.to_owned(), words.by.to_owned()))
        }
        Column::MarkedNotReady => Some((
            "C".to_owned(),
            "the withdrawal of an isolated node's endpoints, which ends delays".to_owned(),
        )),
        _ => None,
    };
    let mut all: Vec<(String, String)> = columns.iter().filter_map(entry).collect();
    all.sort();
    all
}

/// Pods that took long without a known mechanism, with their longest phase: one sentence per phase.
pub fn unexplained(manifest: &Manifest, summary: &Summary) -> Vec<String> {
    let of_phase = |design: &DesignSummary, phase: &str| estimate(design.measure(&format!("{UNEXPLAINED}_{phase}")));
    let longest = |design: &DesignSummary| {
        let phases = PHASES.iter().map(|phase| phase.name);
        phases.max_by(|left, right| of_phase(design, left).total_cmp(&of_phase(design, right)))
    };
    let count = summary.designs.len().min(manifest.designs.len());
    let sentence = |phase: &Phase| {
        let phase = phase.name;
        let told = |at: &usize| {
            let design = &summary.designs[*at];
            estimate(design.measure(UNEXPLAINED)) >= WORTH_NAMING && longest(design) == Some(phase)
        };
        let places: Vec<usize> = (0..count).filter(told).collect();
        if places.is_empty() {
            return None;
        }
        let between = |measure: &str| {
            let shares = || places.iter().map(|at| estimate(summary.designs[*at].measure(measure)));
            let (least, most) = (shares().fold(1.0, f64::min), shares().fold(0.0, f64::max));
            range(percent(least), percent(most))
        };
        Some(format!(
            "In {} {} of the measured pods took at least {} s; {} without a known mechanism, mostly in the phase `{phase}`.",
            quoted_names(manifest, &places),
            between(LONG),
            number(manifest.delayed_threshold_s),
            between(UNEXPLAINED)
        ))
    };
    PHASES.iter().filter_map(sentence).collect()
}

/// Designs that a sentence names.
const NAMED_MAX: usize = 6;

/// Designs by name, between backticks; of many the first ones.
fn quoted_names(manifest: &Manifest, places: &[usize]) -> String {
    if places.len() == manifest.designs.len() {
        return "all designs".to_owned();
    }
    let names = design_names(&manifest.designs, places);
    let all: Vec<String> = names.split(", ").map(|name| format!("`{name}`")).collect();
    let shown = all[..all.len().min(NAMED_MAX)].join(", ");
    match all.len() - all.len().min(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What was published, beside the pods that come closest to it.
fn beside(published: &Published, designs: &[&DesignSummary]) -> Option<String> {
    let mut closest: Option<(f64, String)> = None;
    for cause in causes() {
        let delayed = |design: &&&DesignSummary| estimate(design.measure(&share_of(cause))) >= WORTH_NAMING;
        for design in designs.iter().filter(delayed) {
            let median = design.measure(&median_of(cause));
            let Some((measure, seen)) = median.and_then(|found| Some((found, found.estimate?))) else {
                continue;
            };
            let distance = (seen - published.startup_s).abs();
            if closest.as_ref().is_none_or(|(least, _)| distance < *least) {
                let ready = Short::of(Some(measure)).joined(" ");
                let text = format!(
                    "the pods delayed by {} in `{}`: half of them were ready within {ready}",
                    cause.words().by_with_letter(),
                    design.name
                );
                closest = Some((distance, text));
            }
        }
    }
    let (_, closest) = closest?;
    Some(format!(
        "Published: {} ({}). Closest to {} s are {closest}.",
        published.text,
        published.source,
        number(published.startup_s)
    ))
}

/// Certificate requests that stay with one Istiod until their connection ends.
fn stuck(design: &DesignSummary) -> Option<String> {
    let share = design.measure("certificate_stuck_share")?;
    let seconds = |name: &str| design.measure(name).and_then(|measure| measure.estimate).map(number);
    let ends = seconds("certificate_unstuck_min").zip(seconds("certificate_unstuck_max"));
    let ends = ends.map_or_else(
        || "none of them got its certificate before the end of the run".to_owned(),
        |(shortest, longest)| {
            format!(
                "those that got it waited {} s, until the maximum age of the connection",
                range(shortest, longest)
            )
        },
    );
    Some(format!(
        "In `{}` {} of the measured pods kept their connection to one Istiod without getting a certificate: {ends}; {} were still \
         waiting at the end of the run.",
        design.name,
        interval_percent(Some(share)),
        percent(estimate(design.measure("never_ready_share")))
    ))
}

/// C: what ends the delays.
fn ending(designs: &[&DesignSummary]) -> Option<String> {
    let given_up = |design: &&DesignSummary| design.measure(GIVEN_UP).is_some_and(|delay| delay.n > 0);
    designs.iter().any(given_up).then(|| {
        "These delays end when the isolated node is marked NotReady (C): its endpoints leave the Service, and new connections go to \
         other Istiods."
            .to_owned()
    })
}

fn assumptions(manifest: &Manifest) -> String {
    let all = manifest.designs.iter().flat_map(|design| &design.parameters);
    let assumed = unique(all.filter(|p| p.is_assumed()).map(|p| p.name.as_str()));
    match assumed.len() {
        0 => "Every parameter behind these numbers is documented, measured or from source code.".to_owned(),
        1 => "One parameter behind these numbers is assumed and marked below.".to_owned(),
        count => format!("{count} parameters behind these numbers are assumed and marked below."),
    }
}

fn estimate(measure: Option<&Measure>) -> f64 {
    measure.and_then(|measure| measure.estimate).unwrap_or(0.0)
}

fn share_or_nothing(measure: Option<&Measure>) -> String {
    measure.map_or_else(|| NOTHING.to_owned(), |share| percent(estimate(Some(share))))
}

/// `33% [31%, 35%]`.
fn interval_percent(measure: Option<&Measure>) -> String {
    let text = percent(estimate(measure));
    match measure.and_then(|measure| measure.lower.zip(measure.upper)) {
        Some((0.0, upper)) if text == "0%" => format!("{text} (≤ {})", percent_up(upper)),
        Some((lower, upper)) => format!("{text} {}", percent_interval(lower, upper)),
        None => match measure.and_then(|measure| measure.upper) {
            Some(upper) if text == "0%" => format!("{text} (≤ {})", percent_up(upper)),
            _ => text,
        },
    }
}
