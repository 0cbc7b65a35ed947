//! Exposure seconds per run, per design, kind of breach and way to the server.
//!
//! One number per run, so bands are those of a share of runs. Means with intervals are those of the summary.

use super::{CONFIDENCE, interval, subtitle};
use crate::cluster::records::{AccessClass, Via};
use crate::lab::Finished;
use crate::lab::cell::Word;
use crate::lab::numbers::{DesignNumbers, ExposureKind};
use crate::lab::summary::DesignSummary;
use crate::report::figures::exposure::{ExposureFigure, ExposureSeries};
use crate::report::figures::{Interval, Words};
use crate::report::short::seconds;
use crate::stats::{share_of_runs, zero_event_upper};

/// Most steps of a curve that are kept: more than an axis of 720 units can show.
const STEPS_MAX: usize = 600;

/// Exposure per run; nothing if there was none.
pub(super) fn exposure(result: &Finished) -> Option<ExposureFigure> {
    let mut series = Vec::new();
    let mut without = Vec::new();
    let designs = result.summary.designs.iter().zip(&result.numbers);
    for (design, numbers) in designs {
        let kinds =
            AccessClass::exposures().flat_map(|(class, _)| Via::WORDS.iter().map(move |(via, _)| (class, *via)));
        let of_design: Vec<ExposureSeries> = kinds
            .filter_map(|(class, via)| one(design, numbers, class, via))
            .collect();
        let runs = numbers.sound().count() as u64;
        if of_design.is_empty() && runs > 0 {
            without.push((
                design.name.clone(),
                runs,
                zero_event_upper(runs, CONFIDENCE).unwrap_or(1.0),
            ));
        }
        series.extend(of_design);
    }
    let title = title(&series)?;
    Some(ExposureFigure {
        words: Words {
            title,
            subtitle: format!(
                "share of runs in which an attempt would have got past a layer, or been kept out, for longer, summed over clients and servers\n{}",
                subtitle(result)
            ),
            caption: "Complement of the distribution over runs, one number per run; the curves begin at the share of runs with \
                      any exposure. Bands and intervals of shares: 95% pointwise (Clopper-Pearson). Windows open at \
                      the end of a run count until there, so the longest exposures are lower bounds. Designs without any: \
                      upper bound of the same interval."
                .to_owned(),
        },
        confidence: CONFIDENCE,
        series,
        without,
    })
}

fn one(design: &DesignSummary, numbers: &DesignNumbers, class: AccessClass, via: Via) -> Option<ExposureSeries> {
    let kind = ExposureKind { class, via };
    let mut values: Vec<u64> = numbers
        .sound()
        .map(|run| run.exposure.get(&kind).map_or(0, |span| span.as_nanos()))
        .collect();
    values.sort_unstable();
    let most = *values.last().filter(|most| **most > 0)?;
    let runs = values.len() as u64;
    let none = values.partition_point(|value| *value == 0);
    let any = &values[none..];
    let share = |count: usize| share_of_runs(count as u64, runs, CONFIDENCE);
    let mean = design.measure(&format!("{}_exposure_{}", class.word(), via.word()));
    Some(ExposureSeries {
        design: design.name.clone(),
        class: class.word().to_owned(),
        via: via.word().to_owned(),
        n_runs: runs,
        none: interval(&share(none)),
        points: steps(&values, none)
            .into_iter()
            .map(|(value, above)| {
                let share = share(above);
                (
                    value as f64 / 1e9,
                    share.estimate.unwrap_or(0.0),
                    share.lower.unwrap_or(0.0),
                    share.upper.unwrap_or(1.0),
                )
            })
            .collect(),
        mean_s: mean.map_or_else(Interval::default, |mean| Interval {
            estimate: mean.estimate.unwrap_or(0.0),
            lower: mean.lower,
            upper: mean.upper,
        }),
        median_of_any_s: any[(any.len() - 1) / 2] as f64 / 1e9,
        most_s: most as f64 / 1e9,
    })
}

/// Distinct values after the first `none`, each with the number of runs above it; if there are very many, every so manyth.
fn steps(values: &[u64], none: usize) -> Vec<(u64, usize)> {
    let mut distinct: Vec<(u64, usize)> = Vec::new();
    let mut below = none;
    for equal in values[none..].chunk_by(|a, b| a == b) {
        below += equal.len();
        distinct.push((equal[0], values.len() - below));
    }
    let every = distinct.len().div_ceil(STEPS_MAX);
    let last = distinct.len();
    let mut number = 0;
    distinct.retain(|_| {
        number += 1;
        number == 1 || number == last || number % every == 0
    });
    distinct
}

fn title(series: &[ExposureSeries]) -> Option<String> {
    let most = |class: &str| {
        let of_class = series.iter().filter(|series| series.class == class);
        of_class.reduce(|best, other| {
            if other.mean_s.estimate > best.mean_s.estimate {
                other
            } else {
                best
            }
        })
    };
    let (class, who, worst) =
        AccessClass::exposures().find_map(|(class, words)| Some((class, words.design, most(class.word())?)))?;
    let mean = seconds(worst.mean_s.estimate);
    Some(match class {
        AccessClass::Unauthorized | AccessClass::WronglyDenied => {
            format!("{} {who}: {mean} of exposure per run on average", worst.design)
        }
        _ => format!(
            "In {}, the wrong client {who}: {mean} of exposure per run on average",
            worst.design
        ),
    })
}
