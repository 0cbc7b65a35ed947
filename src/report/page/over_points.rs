//! What designs did over the points of their factors, in a sentence per design: from where to where an estimate goes.
//!
//! Designs without factors are in `verdict`, one by one.

use crate::lab::compare::ACCESS;
use crate::lab::measures::part_of_pods;
use crate::lab::points::OverPoints;
use crate::lab::{DesignSummary, Measure};
use crate::report::compare::p_value;
use crate::report::short::{Short, count, percent, percent_interval, percent_up};
use crate::report::text::range;
use crate::scenario::point_name::{base_of, point_of};

/// What is known about a measure over points beyond the estimates at each.
pub(super) struct Known<'k> {
    pub(super) over: &'k dyn Fn(&[&DesignSummary], &str) -> Option<OverPoints>,
    /// The measure at a point with an interval that holds at so many points at once.
    pub(super) at_once: &'k dyn Fn(&DesignSummary, &str, usize) -> Option<Measure>,
    /// p-value below which a difference counts as shown.
    pub(super) level: f64,
}

/// Who gets in, over the points of a design.
pub(super) fn access(points: &[&DesignSummary], known: &Known<'_>) -> Vec<String> {
    let name = base_of(&points[0].name);
    let told = [
        (ACCESS, format!("`{name}` admitted the wrong client")),
        (
            "network_bypassed_any",
            format!("In `{name}` the network let the wrong client pass and the mesh refused it"),
        ),
        (
            "mesh_bypassed_any",
            format!("In `{name}` the mesh let the wrong client pass and the network refused it"),
        ),
    ];
    let sentence = |(measure, subject): (&str, String)| {
        let shares = estimated(points, measure);
        let (least, most) = ends(&shares)?;
        let of = points.len();
        if most.1 == 0.0 {
            // That one layer was never bypassed goes without saying.
            let upper = shares
                .iter()
                .filter_map(|(design, _)| design.measure(measure)?.upper)
                .fold(0.0, f64::max);
            let runs = shares
                .iter()
                .filter_map(|(design, _)| Some(design.measure(measure)?.n))
                .min()?;
            return (measure == ACCESS).then(|| {
                format!(
                    "{subject} at none of its {of} points in any of {} runs each; at each point the interval allows for at most \
                     {} of runs.",
                    count(runs),
                    percent_up(upper)
                )
            });
        }
        let range = range(percent(least.1), percent(most.1));
        let those: Vec<&DesignSummary> = shares.iter().map(|(design, _)| *design).collect();
        let over = (those.len() > 1).then(|| (known.over)(&those, measure)).flatten();
        Some(match over {
            Some(OverPoints {
                effect,
                pooled: Some(pooled),
                ..
            }) if effect.p_value >= known.level => format!(
                "{subject} in {} of runs{} over its {of} points; no difference between the points is shown (p {}), and the \
                 {range} seen at single points are no more than chance gives.",
                pooled.estimate.map_or(String::new(), percent),
                pooled
                    .lower
                    .zip(pooled.upper)
                    .map_or(String::new(), |(lower, upper)| format!(
                        " {}",
                        percent_interval(lower, upper)
                    )),
                p_value(Some(effect.p_value)),
            ),
            over => format!(
                "{subject} in {range} of runs over its {of} points, {}.{}",
                span(measure, least.0, most.0, points.len(), known),
                shown(over)
            ),
        })
    };
    told.into_iter().filter_map(sentence).collect()
}

/// How much of the spread over points is chance, if a difference is shown.
fn shown(over: Option<OverPoints>) -> String {
    over.map_or(String::new(), |over| {
        format!(
            " That the points differ has p {}; chance is {} of their spread.",
            p_value(Some(over.effect.p_value)),
            percent(over.effect.chance_share)
        )
    })
}

/// When pods are ready, over the points of a design, by a quantile such as `startup_latency_p99`.
pub(super) fn startup(points: &[&DesignSummary], quantile: &str, known: &Known<'_>) -> Option<String> {
    let part = part_of_pods(quantile)?;
    let times = estimated(points, quantile);
    let (least, most) = ends(&times)?;
    let seconds = |design: &DesignSummary| Short::of(design.measure(quantile)).number;
    let all = match points.len() - times.len() {
        0 => format!("its {} points", points.len()),
        _ => format!(
            "those {} of its {} points where that is reached",
            times.len(),
            points.len()
        ),
    };
    let begin = format!(
        "{part} of the measured pods of `{}` are ready within {} over {all}",
        base_of(&points[0].name),
        range(seconds(least.0), seconds(most.0)),
    );
    let those: Vec<&DesignSummary> = times.iter().map(|(design, _)| *design).collect();
    let over = (those.len() > 1).then(|| (known.over)(&those, quantile)).flatten();
    Some(match over {
        Some(over) if over.effect.p_value >= known.level => format!(
            "{begin}; no difference between the points is shown (p {}).",
            p_value(Some(over.effect.p_value))
        ),
        over => format!(
            "{begin}, {}.{}",
            span(quantile, least.0, most.0, those.len(), known),
            shown(over)
        ),
    })
}

type Seen<'d> = (&'d DesignSummary, f64);

fn estimated<'d>(points: &[&'d DesignSummary], measure: &str) -> Vec<Seen<'d>> {
    let seen = points
        .iter()
        .filter_map(|design| Some((*design, design.measure(measure)?.estimate?)));
    seen.collect()
}

/// The points with the least and the largest estimate; of equal ones the first.
fn ends<'d>(seen: &[Seen<'d>]) -> Option<(Seen<'d>, Seen<'d>)> {
    let least = seen.iter().copied().min_by(|left, right| left.1.total_cmp(&right.1))?;
    let most = seen
        .iter()
        .copied()
        .reduce(|best, other| if other.1 > best.1 { other } else { best })?;
    Some((least, most))
}

/// The two points with intervals that hold at all points at once, because the ends were picked by the data.
fn span(measure: &str, least: &DesignSummary, most: &DesignSummary, among: usize, known: &Known<'_>) -> String {
    let at = |design: &DesignSummary| {
        let wide = (known.at_once)(design, measure, among);
        let short = match wide.as_ref().or_else(|| design.measure(measure)) {
            Some(found) if found.unit == "1" => match (found.estimate, found.lower, found.upper) {
                (Some(0.0), _, Some(upper)) => format!("(at most {})", percent_up(upper)),
                (_, Some(lower), Some(upper)) => percent_interval(lower, upper),
                _ => Short::of(Some(found)).interval,
            },
            found => Short::of(found).interval,
        };
        format!("`{}` {short}", point_of(&design.name)).trim_end().to_owned()
    };
    match std::ptr::eq(least, most) {
        true => format!("the same everywhere: {}", at(least)),
        false => format!("from {} to {}", at(least), at(most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Estimate;
    use crate::stats::no_effect::Effect;

    type Given = (&'static str, &'static str, Option<f64>, Option<f64>, Option<f64>, u64);

    fn designs_with(all: &[(&str, &[Given])]) -> Vec<DesignSummary> {
        let measure = |(name, unit, estimate, lower, upper, n): &Given| {
            let measure = Measure {
                estimand: String::new(),
                unit: (*unit).to_owned(),
                estimate: *estimate,
                lower: *lower,
                upper: *upper,
                confidence: Some(0.95),
                method: String::new(),
                n: *n,
                caveat: None,
            };
            ((*name).to_owned(), measure)
        };
        let design = |(name, measures): &(&str, &[Given])| DesignSummary {
            name: (*name).to_owned(),
            replications: 400,
            failed: 0,
            edges: Vec::new(),
            availability: Vec::new(),
            flows: Vec::new(),
            measures: measures.iter().map(measure).collect(),
        };
        all.iter().map(design).collect()
    }

    fn known_by(p_value: f64) -> impl Fn(&[&DesignSummary], &str) -> Option<OverPoints> {
        move |_: &[&DesignSummary], measure: &str| {
            let effect = Effect {
                p_value,
                chance_share: 0.25,
            };
            let pooled = Estimate {
                lower: Some(0.9),
                upper: Some(0.97),
                ..Estimate::point_only(0.945, 400, 0.95, "")
            };
            Some(OverPoints {
                effect,
                runs: 400,
                pooled: (measure == "unauthorized_any").then_some(pooled),
            })
        }
    }

    fn told(summaries: &[DesignSummary], p_value: f64) -> Vec<String> {
        let known = Known {
            over: &known_by(p_value),
            at_once: &|_, _, _| None,
            level: 0.05,
        };
        let groups = crate::report::design_names::by_design(summaries);
        let access = groups.iter().flat_map(|points| access(points, &known));
        let ready = groups
            .iter()
            .filter_map(|points| startup(points, "startup_latency_p50", &known));
        access.chain(ready).collect()
    }

    #[test]
    fn a_design_is_told_by_its_extremes_where_its_points_differ() {
        let share = |estimate, lower, upper| ("unauthorized_any", "1", Some(estimate), Some(lower), Some(upper), 400);
        let summaries = designs_with(&[
            ("net@cut=10s", &[share(0.025, 0.0137, 0.0454)]),
            ("mesh@cut=10s", &[share(0.0, 0.0, 0.0075)]),
            ("net@cut=20s", &[share(1.0, 0.9925, 1.0)]),
            ("mesh@cut=20s", &[share(0.0, 0.0, 0.0074)]),
        ]);
        assert_eq!(
            told(&summaries, 1e-9),
            [
                "`net` admitted the wrong client in 2.5% to 100% of runs over its 2 points, from `cut=10s` [1.37%, 4.54%] to \
                 `cut=20s` [99.25%, 100%]. That the points differ has p < 0.0001; chance is 25% of their spread.",
                "`mesh` admitted the wrong client at none of its 2 points in any of 400 runs each; at each point the interval allows \
                 for at most 0.75% of runs.",
            ]
        );
    }

    #[test]
    fn points_that_chance_explains_are_told_as_one() {
        let share = |estimate| ("unauthorized_any", "1", Some(estimate), Some(0.8), Some(1.0), 200);
        let summaries = designs_with(&[("net@n=1", &[share(0.915)]), ("net@n=2", &[share(0.965)])]);
        assert_eq!(
            told(&summaries, 0.77),
            [
                "`net` admitted the wrong client in 94.5% of runs [90%, 97%] over its 2 points; no difference between the points \
                 is shown (p 0.77), and the 91.5% to 96.5% seen at single points are no more than chance gives."
            ]
        );
    }

    #[test]
    fn quantiles_that_are_not_reached_are_counted() {
        let wait = |estimate| ("startup_latency_p50", "s", estimate, Some(2.0), Some(4.0), 400);
        let summaries = designs_with(&[
            ("net@cut=10s", &[wait(Some(3.0))]),
            ("net@cut=20s", &[wait(Some(3.5))]),
            ("net@cut=40s", &[wait(None)]),
        ]);
        assert_eq!(
            told(&summaries, 0.5),
            [
                "Half of the measured pods of `net` are ready within 3 s to 3.5 s over those 2 of its 3 points where that is reached; \
                 no difference between the points is shown (p 0.5)."
            ]
        );
    }
}
