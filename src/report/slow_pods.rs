//! One paragraph in words: which mechanism explains the slow pods, in which design, under which assumptions.
//!
//! It says nothing that the measures do not say. The mechanisms are those of `ARCHITECTURE.md`: A a TokenReview that
//! hangs, B a connection that the other node's WireGuard peers swallow, C the withdrawal of the bad Istiod's endpoint,
//! which ends delays, D an injection webhook that is not reached.

use super::short::{Short, number, percent};
use crate::lab::{DesignSummary, Manifest, Measure, Summary};

/// What was published about slow pods, \[s\].
const PUBLISHED_S: f64 = 30.0;
/// Shares below this are left to the list of all measures.
const WORTH_NAMING: f64 = 0.01;

/// A mechanism that delays pods.
struct Mechanism {
    /// The measure of the pods that it delays.
    measure: &'static str,
    /// What happens, after "by".
    words: &'static str,
    /// What must hold for it, after "It rests on".
    assumption: &'static str,
}

const MECHANISMS: [Mechanism; 6] = [
    Mechanism {
        measure: "delayed_share_token_review",
        words: "a TokenReview that hung or failed (A)",
        assumption: "the cut Istiod staying an endpoint of its Service and accepting connections while it cannot ask \
                     the API server about a token",
    },
    Mechanism {
        measure: "delayed_share_black_hole",
        words: "a connection that the other node's WireGuard peers swallowed (B)",
        assumption: "the cut node's agent knowing fresh addresses, and so WireGuard peers, only from the API server",
    },
    Mechanism {
        measure: "delayed_share_connection",
        words: "a connection that failed for another reason",
        assumption: "the Service keeping an endpoint that no longer answers",
    },
    Mechanism {
        measure: "delayed_share_webhook",
        words: "an injection webhook that the API server did not reach (D)",
        assumption: "the path from the API server to that webhook being cut as well",
    },
    Mechanism {
        measure: "delayed_share_endpoint_limiter",
        words: "Cilium's limiter of endpoint creations",
        assumption: "the agent's limits standing at their defaults",
    },
    Mechanism {
        measure: "delayed_share_istiod_limiter",
        words: "an Istiod that refused for its own limits",
        assumption: "Istiod's limits standing at their defaults",
    },
];

/// The paragraph. Empty if no pod was measured.
#[must_use]
pub fn paragraph(manifest: &Manifest, summary: &Summary) -> String {
    let measured = |design: &&DesignSummary| design.measure("delayed_share").is_some_and(|share| share.n > 0);
    let designs: Vec<&DesignSummary> = summary.designs.iter().filter(measured).collect();
    if designs.is_empty() {
        return String::new();
    }
    let mut sentences = vec![format!(
        "A pod counts as slow if its connections to the control plane cost it at least {} s.",
        number(manifest.delayed_threshold_s)
    )];
    sentences.extend(designs.iter().map(|design| of_design(design)));
    sentences.extend(leading(&designs));
    sentences.extend(recoveries(&designs));
    sentences.extend(designs.iter().filter_map(|design| stuck(design)));
    if designs
        .iter()
        .any(|design| estimate(design.measure("delayed_share")) >= WORTH_NAMING)
    {
        sentences.extend(ending(&designs));
    }
    sentences.push(assumptions(manifest));
    sentences.join(" ")
}

/// How many pods of a design were slow, and by what.
fn of_design(design: &DesignSummary) -> String {
    let share = design.measure("delayed_share");
    let ready = ready_times(design);
    let name = &design.name;
    if estimate(share) == 0.0 {
        let bound = share
            .and_then(|share| share.upper)
            .map(|upper| format!(" (at most {})", percent(upper)));
        return format!("In `{name}` no measured pod was{}; {ready}.", bound.unwrap_or_default());
    }
    let mut parts: Vec<(f64, String)> = MECHANISMS
        .iter()
        .map(|mechanism| (estimate(design.measure(mechanism.measure)), mechanism.words))
        .filter(|(part, _)| *part >= WORTH_NAMING * estimate(share))
        .map(|(part, words)| (part, format!("{} by {words}", percent(part))))
        .collect();
    parts.sort_by(|left, right| right.0.total_cmp(&left.0));
    let parts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
    format!(
        "In `{name}` {} of the measured pods were: {}; {ready}.",
        interval_percent(share),
        parts.join(", ")
    )
}

/// When pods were ready, in words.
fn ready_times(design: &DesignSummary) -> String {
    let at = |name: &str| Short::of_design(design, name);
    let half = at("startup_latency_p50").number.replace("> ", "more than ");
    let nearly_all = at("startup_latency_p99");
    let nearly_all = match nearly_all.number.strip_prefix("never") {
        Some(_) => format!(
            "and never 99 %, because {} before",
            nearly_all.interval.replace("deleted", "were deleted")
        ),
        None => format!("99 % after {}", nearly_all.number.replace("> ", "more than ")),
    };
    format!("half of its pods were ready after {half}, {nearly_all}")
}

/// Which mechanism leads in which design, and what it rests on.
fn leading(designs: &[&DesignSummary]) -> Vec<String> {
    let share = |design: &DesignSummary, mechanism: &Mechanism| estimate(design.measure(mechanism.measure));
    let leader = |design: &DesignSummary| {
        let strongest = MECHANISMS
            .iter()
            .max_by(|left, right| share(design, left).total_cmp(&share(design, right)))?;
        (share(design, strongest) >= WORTH_NAMING).then_some(strongest.measure)
    };
    let sentences: Vec<String> = MECHANISMS
        .iter()
        .filter_map(|mechanism| {
            let led: Vec<String> = designs
                .iter()
                .filter(|design| leader(design) == Some(mechanism.measure))
                .map(|design| format!("`{}`", design.name))
                .collect();
            (!led.is_empty()).then(|| {
                format!(
                    "In {} the slow pods are explained first of all by {}; it rests on {}.",
                    led.join(", "),
                    mechanism.words,
                    mechanism.assumption
                )
            })
        })
        .collect();
    if sentences.is_empty() {
        return vec!["No mechanism delayed more than one pod in a hundred by that much.".to_owned()];
    }
    sentences
}

/// How long pods took that a mechanism delayed, beside what was published.
fn recoveries(designs: &[&DesignSummary]) -> Option<String> {
    let mut parts = Vec::new();
    let mut closest: Option<(f64, String)> = None;
    for (measure, letter) in [
        ("delayed_startup_p50_token_review", "A"),
        ("delayed_startup_p50_black_hole", "B"),
        ("delayed_startup_p50_webhook", "D"),
    ] {
        let share = measure.replace("delayed_startup_p50", "delayed_share");
        for design in designs
            .iter()
            .filter(|design| estimate(design.measure(&share)) >= WORTH_NAMING)
        {
            let Some((measure, median)) = design.measure(measure).and_then(|found| Some((found, found.estimate?)))
            else {
                continue;
            };
            parts.push(format!(
                "{letter} {} in `{}`",
                Short::of(Some(measure)).joined(" "),
                design.name
            ));
            let distance = (median - PUBLISHED_S).abs();
            if closest.as_ref().is_none_or(|(least, _)| distance < *least) {
                closest = Some((distance, format!("{letter} in `{}`", design.name)));
            }
        }
    }
    let (_, closest) = closest?;
    Some(format!(
        "Half of the pods that one mechanism delayed most were ready within: {}. The published account says that a few of \
         the new pods took \"30 seconds or so\" to run (The New Stack, 10 August 2022); of these, {closest} comes closest to \
         that.",
        parts.join(", ")
    ))
}

/// Certificate requests that stay with one Istiod until their connection ends.
fn stuck(design: &DesignSummary) -> Option<String> {
    let share = design.measure("certificate_stuck_share")?;
    let minutes = |name: &str| {
        design
            .measure(name)
            .and_then(|measure| measure.estimate)
            .map(|s| number(s / 60.0))
    };
    let ends = minutes("certificate_unstuck_min").zip(minutes("certificate_unstuck_max"));
    let ends = ends.map_or_else(
        || "none of them got its certificate before the horizon".to_owned(),
        |(shortest, longest)| {
            format!("those that got it waited {shortest} to {longest} min, until the connection ended by its age")
        },
    );
    Some(format!(
        "In `{}` {} of the measured pods stayed stuck with one Istiod for their certificate: {ends}; {} were still waiting at \
         the horizon.",
        design.name,
        interval_percent(Some(share)),
        percent(estimate(design.measure("never_ready_share")))
    ))
}

/// C: what ends the delays.
fn ending(designs: &[&DesignSummary]) -> Option<String> {
    let given_up: Vec<String> = designs
        .iter()
        .filter_map(|design| {
            let delay = design.measure("node_given_up_delay").filter(|delay| delay.n > 0)?;
            Some(format!("{} in `{}`", Short::of(Some(delay)).joined(" "), design.name))
        })
        .collect();
    (!given_up.is_empty()).then(|| {
        format!(
            "What ends such delays (C) is the cut node's being given up, after which its endpoints are withdrawn and \
             new connections no longer land there: on average after {}.",
            given_up.join(", ")
        )
    })
}

fn assumptions(manifest: &Manifest) -> String {
    let mut assumed: Vec<&str> = Vec::new();
    for parameter in manifest
        .designs
        .iter()
        .flat_map(|design| &design.parameters)
        .filter(|p| p.is_assumed())
    {
        if !assumed.contains(&parameter.name.as_str()) {
            assumed.push(&parameter.name);
        }
    }
    match assumed.len() {
        0 => "Every parameter behind these figures is documented, measured or read from source code.".to_owned(),
        1 => "One parameter behind these figures is assumed; it is listed below.".to_owned(),
        count => format!("{count} parameters behind these figures are assumed; they are listed below."),
    }
}

fn estimate(measure: Option<&Measure>) -> f64 {
    measure.and_then(|measure| measure.estimate).unwrap_or(0.0)
}

/// `33 % [31 %, 35 %]`.
fn interval_percent(measure: Option<&Measure>) -> String {
    let text = percent(estimate(measure));
    match measure.and_then(|measure| measure.lower.zip(measure.upper)) {
        Some((lower, upper)) => format!("{text} [{}, {}]", percent(lower), percent(upper)),
        None => text,
    }
}
