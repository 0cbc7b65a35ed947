//! One comparison as a plain sentence that never claims more than its interval.
//!
//! Bounds are rounded away from the claim, a missing bound is no bound, and an interval that holds zero shows nothing but
//! how large a difference may still be. Where sentences are belongs to `compare`.

use super::short::{count, down, number, up};
use crate::lab::Comparison;
use crate::lab::measures::{Said, part_of_pods, words};

/// How a measure is said: what `a` does, in which steps, and the words for more and for less.
struct Phrase {
    /// Up to the number, `a` included.
    subject: String,
    /// Behind the number, if `a` has more.
    more: String,
    /// Behind the number, if `a` has less.
    less: String,
    than: String,
    /// Numbers are multiplied by this: shares are in percentage points.
    scale: f64,
}

impl Phrase {
    fn of(comparison: &Comparison) -> Self {
        let Comparison {
            a, b, measure, unit, ..
        } = comparison;
        let share = unit == "1";
        let unit = if share { "percentage points" } else { unit };
        let other = format!("than `{b}`");
        let (subject, more, less, than) = match words(measure).said {
            Said::Often(does) => (
                format!("`{a}` {does}"),
                "percentage points more often".to_owned(),
                "percentage points less often".to_owned(),
                other,
            ),
            Said::Pods(does) => (
                format!("`{a}` {does}"),
                "percentage points more of its pods".to_owned(),
                "percentage points fewer of its pods".to_owned(),
                other,
            ),
            Said::Makes(what) => (
                format!("`{a}` makes"),
                format!("more {what}"),
                format!("fewer {what}"),
                other,
            ),
            Said::When { state, .. } => (
                format!(
                    "{} of the pods of `{a}` are {state}",
                    part_of_pods(measure).unwrap_or_default()
                ),
                "s later".to_owned(),
                "s earlier".to_owned(),
                format!("than those of `{b}`"),
            ),
            Said::Plain => (
                format!("`{measure}` of `{a}` is"),
                format!("{unit} larger"),
                format!("{unit} smaller"),
                format!("than that of `{b}`"),
            ),
        };
        Self {
            subject,
            more,
            less,
            than,
            scale: if share { 100.0 } else { 1.0 },
        }
    }
}

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
