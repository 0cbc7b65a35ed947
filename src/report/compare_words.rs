//! One comparison as a plain sentence that never claims more than its interval.
//!
//! Bounds are rounded away from the claim, a missing bound is no bound, and an interval that holds zero shows nothing but
//! how large a difference may still be. Where sentences stand belongs to `compare`.

use super::short::{count, down, number, up};
use crate::lab::Comparison;

/// How a measure is said: what `a` does, in which steps, and the words for more and for less.
struct Phrase {
    /// Up to the number, `a` included.
    subject: String,
    /// Behind the number, if `a` has more.
    more: String,
    /// Behind the number, if `a` has less.
    less: String,
    /// The second design.
    than: String,
    /// Numbers are multiplied by this: shares are told in percentage points.
    scale: f64,
}

/// Measures that say how often something happens, and what.
const OFTEN: [(&str, &str); 7] = [
    ("unauthorized_any", "lets the wrong client in"),
    ("network_bypassed_any", "lets the wrong client past the network"),
    ("mesh_bypassed_any", "lets the wrong client past the mesh"),
    ("wrongly_denied_any", "refuses a client that its policies admit"),
    (
        "demonstrated_any",
        "lets a probe from a reused address reach a live server",
    ),
    (
        "reused_probe_admitted",
        "admits the wrong client at the network, where its address is reused,",
    ),
    ("endpoint_withdrawn_first", "loses the probed endpoint first"),
];

/// Measures of shares of pods, and what is done to them.
const PODS: [(&str, &str); 3] = [
    ("delayed_share", "delays"),
    ("never_ready_share", "still leaves waiting at the horizon"),
    ("deleted_before_ready_share", "deletes before they are ready"),
];

impl Phrase {
    fn of(comparison: &Comparison) -> Self {
        let (a, b) = (&comparison.a, &comparison.b);
        let measure = comparison.measure.as_str();
        let share = comparison.unit == "1";
        let scale = if share { 100.0 } else { 1.0 };
        let new = |subject: String, more: &str, less: &str, than: String| Self {
            subject,
            more: more.to_owned(),
            less: less.to_owned(),
            than,
            scale,
        };
        let known =
            |list: &[(&str, &'static str)]| list.iter().find(|(name, _)| *name == measure).map(|(_, does)| *does);
        let often = known(&OFTEN).or_else(|| {
            let computed = measure.starts_with("unauthorized_any_at_");
            computed.then_some("would let the wrong client in, by its exposure,")
        });
        if let Some(does) = often {
            let words = ("percentage points more often", "percentage points less often");
            return new(format!("`{a}` {does}"), words.0, words.1, format!("than `{b}`"));
        }
        if let Some(does) = known(&PODS) {
            let words = (
                "percentage points more of its pods",
                "percentage points fewer of its pods",
            );
            return new(format!("`{a}` {does}"), words.0, words.1, format!("than `{b}`"));
        }
        let states = [("startup_latency_p", "Ready"), ("running_latency_p", "Running")];
        let quantile = states
            .iter()
            .find_map(|(begin, state)| Some((measure.strip_prefix(begin)?, state)));
        if let Some((percent, state)) = quantile {
            let part = match percent {
                "50" => "Half".to_owned(),
                percent => format!("{percent} %"),
            };
            let subject = format!("{part} of the pods of `{a}` are {state}");
            return new(subject, "s later", "s earlier", format!("than those of `{b}`"));
        }
        if measure == "certificate_requests" {
            let words = (
                "more certificate requests per run",
                "fewer certificate requests per run",
            );
            return new(format!("`{a}` makes"), words.0, words.1, format!("than `{b}`"));
        }
        let unit = if share { "percentage points" } else { &comparison.unit };
        let (more, less) = (format!("{unit} larger"), format!("{unit} smaller"));
        new(
            format!("`{measure}` of `{a}` is"),
            &more,
            &less,
            format!("than that of `{b}`"),
        )
    }
}

/// The sentence.
#[must_use]
pub fn sentence(comparison: &Comparison) -> String {
    let Comparison { a, b, n, .. } = comparison;
    let phrase = Phrase::of(comparison);
    let Phrase {
        subject,
        more,
        less,
        than,
        scale,
    } = &phrase;
    let (lower, upper) = (comparison.lower.map(|l| l * scale), comparison.upper.map(|u| u * scale));
    let pairs = count(*n);
    if lower.is_none() && upper.is_none() {
        return without_interval(comparison, &phrase);
    }
    match (lower, upper) {
        (Some(lower), upper) if lower > 0.0 => {
            return format!("{subject} {} {more} {than}.", range(lower, upper));
        }
        (lower, Some(upper)) if upper < 0.0 => {
            return format!("{subject} {} {less} {than}.", range(-upper, lower.map(|l| -l)));
        }
        _ => {}
    }
    let side = |bound: Option<f64>, words: &str| bound.map(|bound| format!("at most {} {words}", up(bound.max(0.0))));
    let limits = match (side(lower.map(|l| -l), less), side(upper, more)) {
        (Some(fewer), Some(further)) => format!("{subject} {fewer} and {further} {than}."),
        (Some(only), None) | (None, Some(only)) => format!("{subject} {only} {than}, with no bound on the other side."),
        (None, None) => return without_interval(comparison, &phrase),
    };
    let same = [comparison.a_smaller, comparison.a_larger] == [Some(0.0); 2];
    if same && comparison.of_a == Some(0.0) && comparison.of_b == Some(0.0) {
        return format!("This happened in none of {pairs} replications of `{a}` and `{b}`: {limits}");
    }
    if same && lower == Some(0.0) && upper == Some(0.0) {
        return format!(
            "`{a}` and `{b}` were alike in `{}` in all {pairs} replications.",
            comparison.measure
        );
    }
    if same {
        return format!("`{a}` and `{b}` were alike in all {pairs} replications: {limits}");
    }
    format!("No difference is shown: {limits}")
}

fn without_interval(comparison: &Comparison, phrase: &Phrase) -> String {
    let Comparison { a, b, n, .. } = comparison;
    let pairs = count(*n);
    match comparison.difference.map(|difference| difference * phrase.scale) {
        Some(0.0) => format!(
            "`{a}` and `{b}` had the same `{}` in all {pairs} replications, which gives no interval.",
            comparison.measure
        ),
        Some(difference) if [comparison.a_larger, comparison.a_smaller].contains(&Some(1.0)) => {
            let words = if difference > 0.0 { &phrase.more } else { &phrase.less };
            let size = difference.abs();
            format!(
                "{} {} {words} {} in every one of {pairs} replications, which gives no interval.",
                phrase.subject,
                number(size),
                phrase.than
            )
        }
        _ => format!(
            "Nothing can be said about `{}` of `{a}` and `{b}`: {}.",
            comparison.measure, comparison.method
        ),
    }
}

/// "4.1 to 4.6", "at least 4.1" without an upper end.
fn range(low: f64, high: Option<f64>) -> String {
    let low = down(low);
    match high.map(up) {
        None => format!("at least {low}"),
        Some(high) if high == low => format!("about {low}"),
        Some(high) => format!("{low} to {high}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(measure: &str, unit: &str, lower: Option<f64>, upper: Option<f64>) -> Comparison {
        Comparison {
            a: "cilium-istio".to_owned(),
            b: "cilium-only".to_owned(),
            measure: measure.to_owned(),
            unit: unit.to_owned(),
            smaller_is_better: Some(true),
            of_a: Some(0.1),
            of_b: Some(0.3),
            difference: lower.zip(upper).map(|(l, u)| 0.5 * (l + u)),
            lower,
            upper,
            confidence: 0.95,
            method: "a method".to_owned(),
            n: 1000,
            a_smaller: Some(0.3),
            a_larger: Some(0.0),
            ..Comparison::default()
        }
    }

    #[test]
    fn sentences_say_what_the_interval_says() {
        let said = |measure: &str, unit, lower, upper| sentence(&comparison(measure, unit, lower, upper));
        insta::assert_snapshot!(
            [
                said("unauthorized_any", "1", Some(-0.3101), Some(-0.2301)),
                said("unauthorized_any", "1", Some(0.23), Some(0.31)),
                said("unauthorized_any", "1", Some(-0.002), Some(0.004)),
                said("startup_latency_p99", "s", Some(4.109), Some(4.551)),
                said("startup_latency_p99", "s", Some(4.109), None),
                said("startup_latency_p50", "s", None, Some(-0.0123)),
                said("running_latency_p90", "s", Some(-1.0), None),
                said("certificate_requests", "requests", Some(2.05), Some(2.05)),
                said("delayed_share", "1", Some(0.1), Some(0.2)),
                said("stale_entries", "entries", Some(-3.0), Some(-1.0)),
                said("unauthorized_any_at_1_per_s_pod_ip", "1", Some(-0.2), Some(-0.1)),
                said("never_ready_share", "1", None, None),
            ]
            .join("\n")
        );
    }

    #[test]
    fn no_bound_is_said_where_nothing_varied() {
        let mut of = comparison("startup_latency_p50", "s", Some(0.0), Some(0.0));
        of.a_smaller = of.a_larger;
        let told = sentence(&of);
        assert_eq!(
            told,
            "`cilium-istio` and `cilium-only` were alike in `startup_latency_p50` in all 1,000 replications."
        );
    }

    #[test]
    fn what_never_happened_gets_a_bound() {
        let mut of = comparison("unauthorized_any", "1", Some(-0.003), Some(0.003));
        of.a_smaller = of.a_larger;
        assert!(sentence(&of).starts_with("`cilium-istio` and `cilium-only` were alike in all 1,000 replications:"));
        (of.of_a, of.of_b) = (Some(0.0), Some(0.0));
        assert_eq!(
            sentence(&of),
            "This happened in none of 1,000 replications of `cilium-istio` and `cilium-only`: `cilium-istio` lets the wrong \
             client in at most 0.3 percentage points less often and at most 0.3 percentage points more often than `cilium-only`."
        );
    }
}
