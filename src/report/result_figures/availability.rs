//! Availability over the time of a run, per design: the mean over edges, and the edge with the lowest.

use super::subtitle;
use crate::lab::Finished;
use crate::lab::edges::{BINS, EdgeName, EdgeTime, EdgeTimes};
use crate::report::figures::Words;
use crate::report::figures::availability::{AvailabilityFigure, AvailabilitySeries};
use crate::report::short::percent;

/// Availability over time; nothing if no edge that policy allows was watched.
pub(super) fn availability(result: &Finished) -> Option<AvailabilityFigure> {
    let horizon_s = result.manifest.horizon_s;
    let width = horizon_s / BINS as f64;
    let points = |bins: &[EdgeTime]| -> Vec<(f64, f64)> {
        let indexed = bins.iter().enumerate();
        let known = indexed.filter_map(|(bin, time)| Some((bin as f64 * width, time.availability()?)));
        known.collect()
    };
    let mut series = Vec::new();
    for (design, numbers) in result.summary.designs.iter().zip(&result.numbers) {
        let Some(worst) = design.availability.first() else {
            continue;
        };
        let name = EdgeName {
            client: worst.client.clone(),
            server: worst.server.clone(),
            port: worst.port,
        };
        let mut line = |edge: String, bins: &[EdgeTime]| {
            series.push(AvailabilitySeries {
                design: design.name.clone(),
                edge,
                points: points(bins),
            });
        };
        line(MEAN.to_owned(), &sum(numbers.edges.times.values()));
        if design.availability.len() > 1
            && let Some(times) = numbers.edges.times.get(&name)
        {
            line(format!("{} to {}:{}", name.client, name.server, name.port), &times.bins);
        }
    }
    let lowest = |series: &AvailabilitySeries| series.points.iter().map(|(_, share)| *share).fold(1.0, f64::min);
    let worst = series.iter().filter(|series| series.edge == MEAN);
    let worst = worst.min_by(|one, other| lowest(one).total_cmp(&lowest(other)))?;
    Some(AvailabilityFigure {
        words: Words {
            title: match percent(lowest(worst)) {
                whole if lowest(worst) >= 1.0 => format!("Every attempt that policy allows would be answered: {whole}"),
                least => format!(
                    "{}: at worst {least} of the attempts that policy allows would be answered",
                    worst.design
                ),
            },
            subtitle: format!(
                "probability that an attempt of a ready client through the Service is answered by a right server\n{}",
                subtitle(result)
            ),
            caption: format!(
                "Means over runs in {BINS} parts of the time of a run. Edges that policy denies, and times before client and server were \
                 first ready, do not count. Intervals are those of `availability_service`."
            ),
        },
        end_s: horizon_s,
        series,
    })
}

/// What the line of all edges is called.
const MEAN: &str = "mean over edges";

fn sum<'t>(edges: impl Iterator<Item = &'t EdgeTimes>) -> Vec<EdgeTime> {
    let mut sums = vec![EdgeTime::default(); BINS];
    for edge in edges {
        sums.iter_mut().zip(&edge.bins).for_each(|(sum, bin)| sum.add(*bin));
    }
    sums
}
