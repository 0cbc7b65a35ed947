//! The outcomes of requests from a reused address, per design.

use super::{CONFIDENCE, methods, subtitle, with_equals};
use crate::cluster::records::AccessClass;
use crate::lab::Finished;
use crate::lab::cell::Word;
use crate::lab::numbers::RunNumbers;
use crate::report::figures::{AccessFigure, AccessRow, ClassShare, Words};
use crate::report::short::percent;
use crate::stats::share_of_runs;

const AS_MEANT: AccessClass = AccessClass::Allowed;
/// The word for runs without a request.
const NO_REQUEST: &str = "no request";

/// In which share of runs which class happened; nothing if there was no request in any.
pub(super) fn access(result: &Finished) -> Option<AccessFigure> {
    let all = AccessClass::WORDS.iter().map(|(class, _)| *class);
    // The worst first.
    let mut classes: Vec<AccessClass> = all.filter(|class| *class != AS_MEANT).collect();
    classes.sort_by_key(|class| class.words().exposed.is_none());
    // What hardly ever happens has no panel where it never did.
    let happened = |class: AccessClass| {
        let mut runs = result.numbers.iter().flat_map(|numbers| numbers.sound());
        runs.any(|run| run.reused_met(class))
    };
    classes.retain(|class| *class != AccessClass::WrongServer || happened(*class));
    let designs = result.manifest.designs.iter().zip(&result.numbers);
    let rows = designs.map(|(design, numbers)| {
        let runs = numbers.sound().count() as u64;
        let count = |has: &dyn Fn(&RunNumbers) -> bool| numbers.sound().filter(|run| has(run)).count() as u64;
        let mut shares: Vec<ClassShare> = classes
            .iter()
            .map(|class| share(class.word(), count(&|run| run.reused_met(*class)), runs))
            .collect();
        shares.push(share(NO_REQUEST, count(&|run| !run.reused_asked()), runs));
        AccessRow {
            design: design.name.clone(),
            n_runs: runs,
            shares,
        }
    });
    let rows: Vec<AccessRow> = rows.collect();
    let mut asked = rows.iter().flat_map(|row| &row.shares);
    if !asked.any(|share| share.class != NO_REQUEST && share.estimate > 0.0) {
        return None;
    }
    let used = methods(
        rows.iter()
            .flat_map(|row| &row.shares)
            .map(|share| share.method.as_str()),
    );
    Some(AccessFigure {
        words: Words {
            title: title(&rows),
            subtitle: format!(
                "share of runs with this outcome for a client that reused a recorded IP after the fault\n{}",
                subtitle(result)
            ),
            caption: format!(
                "Share of runs with at least one such access. Whiskers and small figures: 95% confidence intervals ({used}). \
                 Open circles: seen in no run, with the upper bound that remains."
            ),
        },
        confidence: CONFIDENCE,
        rows,
    })
}

/// Which designs admitted the wrong client most often, by all layers or else by one.
fn title(rows: &[AccessRow]) -> String {
    // The designs with the largest share, as it is written, so that none is named alone that others equal.
    let most = |class: &str| {
        let shares = rows.iter().filter_map(|row| {
            let share = row.shares.iter().find(|share| share.class == class)?;
            (share.estimate > 0.0).then_some((share.estimate, row.design.as_str()))
        });
        let shares: Vec<(f64, &str)> = shares.collect();
        let written = percent(shares.iter().map(|(share, _)| *share).max_by(f64::total_cmp)?);
        let equal = shares.iter().filter(|(share, _)| percent(*share) == written);
        let designs: Vec<&str> = equal.map(|(_, design)| *design).collect();
        Some((written, with_equals(&designs)))
    };
    if let Some((share, designs)) = most("unauthorized") {
        return format!("{designs} admitted a client on a reused IP against policy in {share} of the runs");
    }
    match (most("network_bypassed"), most("mesh_bypassed")) {
        (Some((share, designs)), _) => format!(
            "No run admitted the wrong client; the network of {designs} did in {share} of them, and the mesh refused it"
        ),
        (None, Some((share, designs))) => format!(
            "No run admitted the wrong client; the mesh of {designs} did in {share} of them, and the network refused it"
        ),
        (None, None) => "No client on a reused IP passed a layer whose policy refuses it".to_owned(),
    }
}

fn share(class: &str, x: u64, runs: u64) -> ClassShare {
    let estimate = share_of_runs(x, runs, CONFIDENCE);
    ClassShare {
        class: class.to_owned(),
        estimate: estimate.estimate.unwrap_or(f64::NAN),
        lower: estimate.lower.unwrap_or(0.0),
        upper: estimate.upper.unwrap_or(1.0),
        method: estimate.method,
    }
}
