//! Of what startup consists, per design: mean seconds per phase of the measured pods that became ready.

use super::{CONFIDENCE, interval, subtitle, with_equals};
use crate::cluster::phases::PHASES;
use crate::kernel::SimDuration;
use crate::lab::Finished;
use crate::lab::numbers::{DesignNumbers, PhaseSums};
use crate::report::figures::phases::{PhasesFigure, PhasesRow};
use crate::report::figures::{Interval, Words};
use crate::report::short::{percent, seconds};
use crate::stats::mean_per_unit;

/// The phases of startup; nothing if no measured pod became ready.
pub(super) fn phases(result: &Finished) -> Option<PhasesFigure> {
    let designs = result.manifest.designs.iter().zip(&result.numbers);
    let rows: Vec<PhasesRow> = designs.map(|(design, numbers)| row(&design.name, numbers)).collect();
    let title = title(&rows)?;
    let left_out: Vec<String> = rows
        .iter()
        .filter(|row| row.n_ready < row.n_pods)
        .map(|row| {
            format!(
                "{} of {}",
                percent(1.0 - row.n_ready as f64 / row.n_pods as f64),
                row.design
            )
        })
        .collect();
    let left_out = match left_out.is_empty() {
        true => "Every measured pod became ready.".to_owned(),
        false => format!("Pods that did not become ready are in no bar: {}.", some_of(&left_out)),
    };
    Some(PhasesFigure {
        words: Words {
            title,
            subtitle: format!(
                "mean time per phase of the critical path, from the creation of a pod until it is ready\n{}",
                subtitle(result)
            ),
            caption: format!(
                "Phases divide the time from creation to Ready; of certificate and configuration the one that came last \
                 counts. Whiskers below the bars: 95% intervals of the mean (ratio of sums over runs); those of the \
                 phases are in the CSV file. {left_out}"
            ),
        },
        confidence: CONFIDENCE,
        phases: PHASES.map(|phase| phase.name.to_owned()).to_vec(),
        rows,
    })
}

/// The first of `parts`, and how many more there are: a caption has room for few.
fn some_of(parts: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = parts.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match parts.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}, and some of {more} more designs, whose counts are in the CSV file"),
    }
}

fn row(design: &str, numbers: &DesignNumbers) -> PhasesRow {
    let mean = |of: &dyn Fn(&PhaseSums) -> SimDuration| {
        let runs: Vec<(u64, u64)> = numbers
            .sound()
            .map(|run| (of(&run.phases).as_nanos(), u64::from(run.phases.ready)))
            .collect();
        let nanos = interval(&mean_per_unit(&runs, CONFIDENCE));
        let in_seconds = |nanos: f64| nanos / 1e9;
        Interval {
            estimate: in_seconds(nanos.estimate),
            lower: nanos.lower.map(in_seconds),
            upper: nanos.upper.map(in_seconds),
        }
    };
    PhasesRow {
        design: design.to_owned(),
        n_runs: numbers.sound().count() as u64,
        n_pods: numbers.sound().map(|run| u64::from(run.pods.all)).sum(),
        n_ready: numbers.sound().map(|run| u64::from(run.phases.ready)).sum(),
        means_s: (0..PHASES.len()).map(|phase| mean(&|sums| sums.spent[phase])).collect(),
        total_s: mean(&PhaseSums::total),
    }
}

/// What takes most of the longest mean start.
fn title(rows: &[PhasesRow]) -> Option<String> {
    let ready = || rows.iter().filter(|row| row.n_ready > 0 && row.total_s.estimate > 0.0);
    let slowest = ready().reduce(|best, row| {
        if row.total_s.estimate > best.total_s.estimate {
            row
        } else {
            best
        }
    })?;
    let took = seconds(slowest.total_s.estimate);
    let equal: Vec<&PhasesRow> = ready().filter(|row| seconds(row.total_s.estimate) == took).collect();
    // The longest phase is named if it is the same in all of them.
    let longest = |row: &PhasesRow| {
        let means = row.means_s.iter().map(|mean| mean.estimate).enumerate();
        let (phase, mean) = means.reduce(|best, other| if other.1 > best.1 { other } else { best })?;
        let share = 100.0 * mean / row.total_s.estimate;
        Some(format!(", {share:.0}% of it for the phase {}", PHASES[phase].name))
    };
    let phase = longest(slowest).filter(|phase| equal.iter().all(|row| longest(row).as_ref() == Some(phase)));
    let equal: Vec<&str> = equal.iter().map(|row| row.design.as_str()).collect();
    let where_ = match equal.len() == ready().count() && equal.len() > 1 {
        true => format!("Pods that became ready took {took} on average in every design"),
        false => format!(
            "Pods that became ready took longest in {}: {took} on average",
            with_equals(&equal)
        ),
    };
    Some(where_ + &phase.unwrap_or_default())
}
