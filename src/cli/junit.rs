//! Expectations as JUnit XML, which continuous-integration services read.
//!
//! One test case per outcome; an inconclusive one is an error and not a failure. A case of its own says whether all runs
//! ended well, since failed runs are in no estimate. Names come from users: they are escaped, and what XML cannot hold is
//! left out. Nothing volatile is written, so equal results give equal bytes.

use std::path::Path;

use super::error::CliError;
use crate::lab::files::write_through;
use crate::lab::printable::is_hostile;
use crate::lab::{Expectation, Summary, Verdict};
use crate::report::expectations::{seen, title};

pub fn write(path: &Path, summary: &Summary) -> Result<(), CliError> {
    Ok(write_through(path, render(summary).as_bytes())?)
}

fn render(summary: &Summary) -> String {
    let cases: Vec<Case> = std::iter::once(runs(summary))
        .chain(summary.expectations.iter().map(case))
        .collect();
    let ended = |kind: &str| {
        cases
            .iter()
            .filter(|case| case.bad.as_ref().is_some_and(|bad| bad.0 == kind))
            .count()
    };
    let (tests, failures, errors) = (cases.len(), ended("failure"), ended("error"));
    let name = escaped(&summary.experiment);
    let cases: String = cases.iter().map(|case| case.render(&name)).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"meshfault\" tests=\"{tests}\" skipped=\"0\" failures=\"{failures}\" errors=\"{errors}\">\n    \
         <testsuite name=\"{name}\" tests=\"{tests}\" skipped=\"0\" errors=\"{errors}\" failures=\"{failures}\">\n\
         {cases}    </testsuite>\n</testsuites>\n"
    )
}

/// A test case: its name; unless it is well, `failure` or `error`, its type and its message; what it prints.
struct Case {
    name: String,
    bad: Option<(&'static str, &'static str, String)>,
    said: Option<String>,
}

impl Case {
    fn render(&self, class: &str) -> String {
        let mut inside = String::new();
        if let Some((kind, what, message)) = &self.bad {
            inside += &format!(
                "            <{kind} message=\"{}\" type=\"{what}\"/>\n",
                escaped(message)
            );
        }
        if let Some(said) = &self.said {
            inside += &format!("            <system-out>{}</system-out>\n", escaped(said));
        }
        let head = format!(
            "        <testcase name=\"{}\" classname=\"{class}\"",
            escaped(&self.name)
        );
        if inside.is_empty() {
            format!("{head}/>\n")
        } else {
            format!("{head}>\n{inside}        </testcase>\n")
        }
    }
}

fn runs(summary: &Summary) -> Case {
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
    Case {
        name: "no run fails".to_owned(),
        bad: (!failed.is_empty()).then(|| ("error", "runs failed", failed.join("; "))),
        said: None,
    }
}

fn case(expectation: &Expectation) -> Case {
    let said = seen(expectation);
    Case {
        name: title(expectation),
        bad: match expectation.outcome {
            Verdict::Pass => None,
            Verdict::Fail => Some(("failure", "failed", said.clone())),
            Verdict::Inconclusive => Some(("error", "inconclusive", said.clone())),
        },
        said: Some(said),
    }
}

/// A text as XML holds it: without escape sequences of terminals and without characters that XML does not know.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' if letters.as_str().starts_with('[') => {
                letters.find(char::is_ascii_alphabetic);
            }
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' => escaped += "&#10;",
            _ if is_hostile(letter) => {}
            _ => escaped.push(letter),
        }
    }
    escaped
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
            headline: Vec::new(),
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
