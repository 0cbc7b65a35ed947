//! The table of coverages in `docs/statistics.md`: every interval that results use, on synthetic studies with a known
//! truth, 10,000 of each. The document holds what this test computes.
//!
//! A row claims that the observed coverage is within four binomial standard errors of the nominal one, mostly 95 %, or that it is at
//! least nominal, or, openly, that it misses. A row that no longer does what it claims fails the test, in either
//! direction. Studies are independent streams, so they run side by side and are counted. Tests that a wrong interval
//! would be noticed are in `coverage.rs`; what the studies are is in `coverage_studies.rs`.

use rayon::prelude::*;

use super::Estimate;
use super::testing::Words;

/// Nominal coverage of the intervals of results; those of a family of claims have more.
pub(super) const CONFIDENCE: f64 = 0.95;
/// Studies of one row, unless a row states why it has fewer.
pub(super) const STUDIES: u32 = 10_000;

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/statistics.md"));
const BEGIN: &str = "<!-- coverage: begin -->\n";
const END: &str = "<!-- coverage: end -->\n";

/// What a row says about its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Claim {
    /// Within four standard errors of nominal.
    Nominal,
    /// Not below nominal: intervals that are exact for discrete data give at least what they promise.
    AtLeast,
    /// Below nominal by more than four standard errors.
    Below,
}

/// One row of the table.
pub(super) struct Row {
    pub(super) interval: &'static str,
    pub(super) study: &'static str,
    pub(super) studies: u32,
    pub(super) claim: Claim,
    /// Nominal coverage.
    pub(super) confidence: f64,
    /// Number of studies whose interval held the truth.
    pub(super) held: u32,
}

/// A row whose studies each make an interval for one truth; an open side holds everything.
pub(super) fn row(
    interval: &'static str,
    study: &'static str,
    claim: Claim,
    studies: u32,
    truth: f64,
    make: impl Fn(&mut Words) -> Estimate + Sync,
) -> Row {
    row_of(interval, study, claim, studies, |words| holds(&make(words), truth))
}

/// A row whose studies say themselves whether the interval held the truth.
pub(super) fn row_of(
    interval: &'static str,
    study: &'static str,
    claim: Claim,
    studies: u32,
    held: impl Fn(&mut Words) -> bool + Sync,
) -> Row {
    row_at(interval, study, claim, studies, CONFIDENCE, held)
}

/// The same at another nominal coverage.
pub(super) fn row_at(
    interval: &'static str,
    study: &'static str,
    claim: Claim,
    studies: u32,
    confidence: f64,
    held: impl Fn(&mut Words) -> bool + Sync,
) -> Row {
    // The texts of the row are its seed, so rows may come and go without changing others.
    let seed = (interval.bytes().chain(study.bytes())).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let one = |number: u32| {
        let begin = Words(seed ^ u64::from(number) << 32).word();
        u32::from(held(&mut Words(begin)))
    };
    Row {
        interval,
        study,
        studies,
        claim,
        confidence,
        held: (0..studies).into_par_iter().map(one).sum(),
    }
}

/// Whether the interval holds the truth.
pub(super) fn holds(estimate: &Estimate, truth: f64) -> bool {
    estimate.lower.is_none_or(|lower| lower <= truth) && estimate.upper.is_none_or(|upper| truth <= upper)
}

impl Row {
    fn seen(&self) -> f64 {
        f64::from(self.held) / f64::from(self.studies)
    }

    /// Four standard errors of an observed coverage if the true one is nominal.
    fn slack(&self) -> f64 {
        4.0 * (self.confidence * (1.0 - self.confidence) / f64::from(self.studies)).sqrt()
    }

    fn is_true(&self) -> bool {
        match self.claim {
            Claim::Nominal => (self.seen() - self.confidence).abs() <= self.slack(),
            Claim::AtLeast => self.seen() >= self.confidence,
            Claim::Below => self.seen() < self.confidence - self.slack(),
        }
    }

    fn line(&self) -> String {
        let verdict = match self.claim {
            Claim::Nominal => "within 4 SE",
            Claim::AtLeast => "at least nominal",
            Claim::Below => "**below nominal**",
        };
        format!(
            "| {} | {} | {} | {} % | {:.2} % | ± {:.2} | {verdict} |\n",
            self.interval,
            self.study,
            self.studies,
            libm::round(1000.0 * self.confidence) / 10.0,
            100.0 * self.seen(),
            100.0 * self.slack()
        )
    }
}

fn table(rows: &[Row]) -> String {
    let mut text =
        "| interval | synthetic study | studies | nominal | coverage | 4 SE | verdict |\n|---|---|---|---|---|---|---|\n".to_owned();
    for row in rows {
        text.push_str(&row.line());
    }
    text
}

#[test]
fn the_table_of_coverages_is_what_the_studies_give() {
    let rows = super::coverage_studies::rows();
    let expected = table(&rows);
    println!("{expected}");
    let wrong: Vec<String> = rows.iter().filter(|row| !row.is_true()).map(Row::line).collect();
    assert!(
        wrong.is_empty(),
        "rows that do not do what they claim:\n{}",
        wrong.concat()
    );
    let from = DOCUMENT.find(BEGIN).expect("the document has the mark") + BEGIN.len();
    let to = DOCUMENT.find(END).expect("the document has the end mark");
    if DOCUMENT[from..to] != expected && std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/statistics.md");
        let text = format!("{}{expected}{}", &DOCUMENT[..from], &DOCUMENT[to..]);
        std::fs::write(path, text).expect("the document can be written");
        return;
    }
    assert_eq!(
        &DOCUMENT[from..to],
        expected,
        "write it with UPDATE_DOCUMENTS=1 cargo test --lib table_of_coverages"
    );
}

#[test]
fn a_claim_that_is_not_true_is_noticed() {
    let row = |held, claim| Row {
        interval: "",
        study: "",
        studies: 10_000,
        claim,
        confidence: CONFIDENCE,
        held,
    };
    // 4 SE of 10,000 studies are 87 of them.
    for (held, nominal, at_least, below) in [
        (9500, true, true, false),
        (9587, true, true, false),
        (9588, false, true, false),
        (9499, true, false, false),
        (9412, false, false, true),
    ] {
        let seen = [Claim::Nominal, Claim::AtLeast, Claim::Below].map(|claim| row(held, claim).is_true());
        assert_eq!(seen, [nominal, at_least, below], "{held}");
    }
}
