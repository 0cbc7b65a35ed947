//! Expectations as JUnit XML, which continuous-integration services read.
//!
//! One test case per outcome; an inconclusive one is an error and not a failure. A case of its own says whether all runs
//! ended well, since failed runs are in no estimate. Names come from users: the writer escapes them and leaves out what
//! XML cannot hold. Nothing volatile is written, so equal results give equal bytes.

use std::path::Path;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::error::CliError;
use crate::lab::files::write_through;
use crate::lab::{Expectation, Summary, Verdict};
use crate::report::expectations::{seen, title};

/// Writes the file.
///
/// # Errors
/// If the file system refuses.
pub fn write(path: &Path, summary: &Summary) -> Result<(), CliError> {
    Ok(write_through(path, render(summary).as_bytes())?)
}

/// The file's text.
fn render(summary: &Summary) -> String {
    let mut suite = TestSuite::new(summary.experiment.as_str());
    suite.add_test_case(runs(summary));
    for expectation in &summary.expectations {
        suite.add_test_case(case(&summary.experiment, expectation));
    }
    let mut report = Report::new("meshfault");
    report.add_test_suite(suite);
    let mut text = report.to_string().expect("a report is written into memory");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn runs(summary: &Summary) -> TestCase {
    let failed: Vec<String> = summary
        .designs
        .iter()
        .filter(|design| design.failed > 0)
        .map(|design| {
            format!(
                "{} of {} runs of {} failed",
                design.failed, design.replications, design.name
            )
        })
        .collect();
    let status = if failed.is_empty() {
        TestCaseStatus::success()
    } else {
        non_success(NonSuccessKind::Error, "runs failed", &failed.join("; "))
    };
    let mut case = TestCase::new("no run fails", status);
    case.set_classname(summary.experiment.as_str());
    case
}

fn case(experiment: &str, expectation: &Expectation) -> TestCase {
    let status = match expectation.outcome {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => non_success(NonSuccessKind::Failure, "failed", &seen(expectation)),
        Verdict::Inconclusive => non_success(NonSuccessKind::Error, "inconclusive", &seen(expectation)),
    };
    let mut case = TestCase::new(title(expectation), status);
    case.set_classname(experiment);
    case.set_system_out(seen(expectation));
    case
}

fn non_success(kind: NonSuccessKind, what: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(what).set_message(message);
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_escaped() {
        let expectation = |outcome, name: &str| Expectation {
            name: Some(name.to_owned()),
            text: "unauthorized_any < 0.001".to_owned(),
            design: Some("a<b&\"c\"".to_owned()),
            outcome,
            reason: "because ]]> of \u{1b}[31mthis".to_owned(),
            quantity: "unauthorized_any of a".to_owned(),
            estimate: Some(0.5),
            lower: Some(0.4),
            upper: None,
            bound: 0.001,
            unit: "1".to_owned(),
            confidence: 0.95,
            method: "Wilson".to_owned(),
            n: 100,
        };
        let summary = Summary {
            experiment: "x</testsuite>".to_owned(),
            version: "0".to_owned(),
            designs: Vec::new(),
            comparisons: Vec::new(),
            not_compared: Vec::new(),
            expectations: vec![
                expectation(Verdict::Pass, "nobody & nothing"),
                expectation(Verdict::Fail, "<script>\u{0}"),
                expectation(Verdict::Inconclusive, "ends here ]]>"),
            ],
        };
        insta::assert_snapshot!(render(&summary));
    }
}
