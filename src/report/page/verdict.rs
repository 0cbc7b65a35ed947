//! The verdict in sentences: what each design did by itself, and how the expectations came out.
//!
//! A sentence never claims more than its interval: bounds are rounded away from the claim, and what never happened gets the
//! bound that the number of runs allows. Sentences about two designs are written by `compare_words`.

use crate::lab::compare::ACCESS;
use crate::lab::measures::{TESTED, part_of_pods};
use crate::lab::{DesignSummary, Expectation, Verdict};
use crate::report::expectations::{seen, title};
use crate::report::short::{count, down, number, percent, percent_up, up};
use crate::report::text::many;

/// How often a design admits the wrong client; nothing if no run measured it.
pub(super) fn access(design: &DesignSummary) -> Option<String> {
    let measure = design.measure(ACCESS).filter(|measure| measure.n > 0)?;
    let (name, n) = (&design.name, count(measure.n));
    let percent = 100.0;
    let events = libm::round(measure.estimate? * measure.n as f64) as u64;
    let (lower, upper) = (measure.lower.map(|l| l * percent), measure.upper.map(|u| u * percent));
    Some(match (events, lower, upper) {
        (0, _, Some(_)) => match design.measure(TESTED).filter(|tested| tested.n > 0) {
            Some(tested) => format!(
                "`{name}` admitted the wrong client in 0 of the {} that tested it; the true share is at most {}.",
                many(tested.n as usize, "run"),
                percent_up(tested.upper.unwrap_or(1.0))
            ),
            None => format!("In `{name}` none of {n} runs tested whether the wrong client is admitted."),
        },
        (events, Some(lower), _) if events == measure.n => format!(
            "`{name}` admitted the wrong client in all {n} runs (95% interval: at least {}% of runs).",
            down(lower)
        ),
        (events, Some(lower), Some(upper)) => format!(
            "`{name}` admitted the wrong client in {} of {n} runs (95% interval: {} to {}% of runs).",
            count(events),
            down(lower),
            up(upper)
        ),
        (events, _, _) => format!(
            "`{name}` admitted the wrong client in {} of {n} runs (no interval).",
            count(events)
        ),
    })
}

/// How often one layer of a design let the wrong client pass and the other refused it; nothing where that never happened.
pub(super) fn bypassed(design: &DesignSummary) -> Vec<String> {
    let layers = [
        ("network_bypassed_any", "the network", "the mesh"),
        ("mesh_bypassed_any", "the mesh", "the network"),
    ];
    let told = layers.iter().filter_map(|(measure, passed, refused)| {
        let subject = format!("In `{}` {passed} let the wrong client pass", design.name);
        happened(design, measure, &subject, &format!(" and {refused} refused it"))
    });
    told.collect()
}

/// How often a design kept out whom policy lets in; nothing where that never happened.
pub(super) fn kept_out(design: &DesignSummary) -> Option<String> {
    let subject = format!("`{}` refused a request that policy allows", design.name);
    happened(design, "wrongly_denied_any", &subject, "")
}

/// In how many runs something happened, with its interval.
fn happened(design: &DesignSummary, measure: &str, subject: &str, tail: &str) -> Option<String> {
    let measure = design.measure(measure).filter(|measure| measure.n > 0)?;
    let events = libm::round(measure.estimate? * measure.n as f64) as u64;
    let (lower, upper) = (measure.lower.unwrap_or(0.0), measure.upper.unwrap_or(1.0));
    (events > 0).then(|| {
        format!(
            "{subject} in {} of {} runs{tail} (95% interval: {} to {}% of runs).",
            count(events),
            count(measure.n),
            down(100.0 * lower),
            up(100.0 * upper)
        )
    })
}

/// When the pods of a design are ready, by a quantile such as `startup_latency_p99`.
pub(super) fn startup(design: &DesignSummary, quantile: &str) -> Option<String> {
    let part = part_of_pods(quantile)?.to_lowercase();
    let measure = design.measure(quantile).filter(|measure| measure.n > 0)?;
    let name = &design.name;
    if let Some(replaced) = design.never_reached(quantile) {
        let replaced = percent(replaced);
        return Some(format!(
            "`{name}` does not reach {part} of the measured pods: {replaced} are replaced before they are ready."
        ));
    }
    let subject = format!("`{name}`: {part} of the measured pods are ready");
    Some(match (measure.estimate, measure.lower, measure.upper) {
        (Some(estimate), Some(lower), Some(upper)) => format!(
            "{subject} within {} s (95% interval: {} to {} s).",
            number(estimate),
            down(lower),
            up(upper)
        ),
        (_, Some(lower), None) => format!("{subject} after more than {} s; there is no upper bound.", down(lower)),
        (_, None, Some(upper)) => format!("{subject} within {} s; there is no lower bound.", up(upper)),
        (Some(estimate), None, None) => format!("{subject} within {} s (no interval).", number(estimate)),
        (None, _, _) => format!("{subject} at a time that these runs do not bound."),
    })
}

/// One expectation as a sentence without its outcome, which is set apart.
pub(super) fn expectation(of: &Expectation) -> String {
    format!("{} ({})", title(of), seen(of))
}

/// All expectations in one sentence; empty without any.
pub(super) fn expectations_together(all: &[Expectation]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let number = |verdict: Verdict| all.iter().filter(|of| of.outcome == verdict).count();
    format!(
        "Of {} expectations {} passed, {} failed and {} are inconclusive; each is compared with its own interval, not corrected \
         for their number.",
        all.len(),
        number(Verdict::Pass),
        number(Verdict::Fail),
        number(Verdict::Inconclusive)
    )
}
