//! Availability over time: of the requests of flows that policies admit, the share that the right workload answered.
//!
//! Requests of one span of time depend on each other within a run, so each interval is that of a ratio of sums over runs.

use std::collections::BTreeMap;

use super::{CONFIDENCE, interval, methods, subtitle};
use crate::kernel::SimTime;
use crate::lab::Finished;
use crate::lab::numbers::DesignNumbers;
use crate::report::figures::Words;
use crate::report::figures::traffic::{TrafficFigure, TrafficSeries, TrafficSpan};
use crate::report::short::{percent, seconds};
use crate::stats::ratio_of_sums;

/// Availability over time; nothing without requests that policies admit.
pub(super) fn availability(result: &Finished) -> Option<TrafficFigure> {
    let designs = result.manifest.designs.iter().zip(&result.numbers);
    let (series, used): (Vec<TrafficSeries>, Vec<Vec<String>>) = designs
        .map(|(design, numbers)| one(&design.name, numbers))
        .filter(|(series, _)| !series.spans.is_empty())
        .unzip();
    let title = title(&series)?;
    let caption = format!(
        "Requests of all flows that the policies of all layers admit, by the time at which each was sent; retries are part of their request. A \
         request without an end by the end of the run does not count. Bands: 95% pointwise ({}).",
        methods(used.iter().flatten().map(String::as_str))
    );
    Some(TrafficFigure {
        words: Words {
            title,
            subtitle: format!(
                "share of requests answered by the right workload over time\n{}",
                subtitle(result)
            ),
            caption,
        },
        end_s: result.manifest.horizon_s,
        series,
    })
}

fn one(design: &str, numbers: &DesignNumbers) -> (TrafficSeries, Vec<String>) {
    let mut spans: BTreeMap<SimTime, (SimTime, Vec<(u64, u64)>)> = BTreeMap::new();
    let runs = numbers.sound().count();
    for run in numbers.sound() {
        for (from, (until, (rightly, all))) in &run.traffic.over_time {
            let (_, pairs) = spans.entry(*from).or_insert((*until, Vec::new()));
            pairs.push((u64::from(*rightly), u64::from(*all)));
        }
    }
    let mut used = Vec::new();
    let spans = spans.into_iter().map(|(from, (until, mut pairs))| {
        pairs.resize(runs.max(pairs.len()), (0, 0));
        let estimate = ratio_of_sums(&pairs, CONFIDENCE);
        let method = estimate.method.split(',').next().unwrap_or_default();
        used.push(method.to_owned());
        TrafficSpan {
            from_s: from.as_secs_f64(),
            until_s: until.as_secs_f64(),
            share: interval(&estimate),
            requests: pairs.iter().map(|(_, all)| all).sum(),
        }
    });
    let spans = spans.collect();
    let design = design.to_owned();
    (TrafficSeries { design, spans }, used)
}

/// The design and the time with the smallest share.
fn title(series: &[TrafficSeries]) -> Option<String> {
    let spans = series
        .iter()
        .flat_map(|of| of.spans.iter().map(move |span| (&of.design, span)));
    let (design, worst) = spans.min_by(|(_, a), (_, b)| a.share.estimate.total_cmp(&b.share.estimate))?;
    if worst.share.estimate >= 1.0 {
        return Some("Every request that policies admit is answered by the right workload".to_owned());
    }
    Some(format!(
        "At worst, {} of the requests of {design} are answered by the right workload, of those sent from {} on",
        percent(worst.share.estimate),
        seconds(worst.from_s)
    ))
}
