//! `summary.md`: the result on one page, with everything that a sound report states (`methods` section 9).
//!
//! A pure function of manifest and estimates. The paragraph on slow pods is written by `slow_pods`.

use std::fmt::Write;

use indexmap::IndexMap;

use super::short::{NOTHING, Short, count, number};
use super::table::present;
use super::{expectations, reuse, slow_pods};
use crate::lab::{DesignSummary, Manifest, Measure, PlannedParameter, RandomNumbers, Summary};

/// The page.
#[must_use]
pub fn render(manifest: &Manifest, summary: &Summary) -> String {
    let mut page = format!("# {}\n\n{}\n\n", one_line(&manifest.title), manifest.question.trim());
    if !manifest.complete {
        page.push_str("**This experiment was interrupted; the result is valid but smaller than planned.**\n\n");
    }
    let sections = [
        ("Result", result(manifest, summary)),
        ("Expectations", expected(summary)),
        ("How often an address was reused", reuse::paragraph(summary)),
        ("What explains the slow pods", slow_pods::paragraph(manifest, summary)),
        ("Compared with the control", comparisons(manifest, summary)),
        ("All measures", all_measures(summary)),
        ("Estimands and methods", estimands(summary)),
        ("Warnings", list(&manifest.warnings)),
        ("Notes on the designs", notes(manifest)),
        ("Assumed parameters", assumed(manifest)),
        ("What was run", what_was_run(manifest)),
    ];
    for (head, body) in sections.iter().filter(|(_, body)| !body.is_empty()) {
        let _ = writeln!(page, "## {head}\n\n{}\n", body.trim_end());
    }
    page.push_str(
        "## Not modelled\n\nIntervals cover the randomness of the runs, not what the model leaves out. \
         `LIMITATIONS.md` says what that is, and how far each component has been validated.\n",
    );
    page
}

fn result(manifest: &Manifest, summary: &Summary) -> String {
    let keys: Vec<_> = present(summary).collect();
    let mut rows = vec![vec!["design".to_owned(), "what it is".to_owned()]];
    rows[0].extend(keys.iter().map(|key| key.head.replace('\n', " ")));
    for (design, planned) in summary.designs.iter().zip(&manifest.designs) {
        let mut row = vec![format!("`{}`", design.name), planned.title.clone()];
        row.extend(keys.iter().map(|key| Short::of_design(design, key.measure).joined(" ")));
        rows.push(row);
    }
    format!(
        "{}\nEstimate [95 % interval]; {NOTHING} where the design has no such measure or no run gave a value.",
        markdown(&rows)
    )
}

fn expected(summary: &Summary) -> String {
    let rows = expectations::rows(summary);
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "An expectation passes if the whole interval fulfils it, fails if the whole interval violates it, and is \
         inconclusive otherwise. Each outcome has its own confidence; they are not corrected for their number.\n\n{}",
        markdown(&rows)
    )
}

fn comparisons(manifest: &Manifest, summary: &Summary) -> String {
    if summary.comparisons.is_empty() {
        return String::new();
    }
    let mut rows = vec![
        [
            "design",
            "measure",
            "difference to `control`",
            "pairs",
            "correlation",
            "variance reduction",
            "method",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for comparison in &summary.comparisons {
        let unit = if comparison.measure.starts_with("startup") {
            "s"
        } else {
            ""
        };
        let short = Short::from_parts(comparison.difference, comparison.lower, comparison.upper, unit);
        rows.push(vec![
            format!("`{}`", comparison.a),
            format!("`{}`", comparison.measure),
            short.joined(" "),
            count(comparison.n),
            comparison
                .correlation
                .map_or(NOTHING.to_owned(), |rho| format!("{rho:.2}")),
            comparison.variance_reduction.map_or(NOTHING.to_owned(), number),
            comparison.method.clone(),
        ]);
    }
    let pairs = match manifest.random_numbers {
        RandomNumbers::Common => "equal replications, which meet the same misfortunes (common random numbers)",
        RandomNumbers::Independent => {
            "replications of equal number, which share no random numbers (`random_numbers: independent`)"
        }
    };
    format!(
        "Differences are taken between {pairs}. \
         {} comparisons, each with its own 95 % interval, not corrected for their number; `meshfault compare` gives all pairs with intervals that \
         hold together. Correlation is that over replications; the variance reduction (σ_A² + σ_B²) / Var(A − B) is how \
         many times more runs independent designs would need.\n\n{}",
        summary.comparisons.len(),
        markdown(&rows)
    )
}

fn all_measures(summary: &Summary) -> String {
    let names = measures(summary);
    let mut rows = vec![vec!["measure".to_owned()]];
    rows[0].extend(summary.designs.iter().map(|design| format!("`{}`", design.name)));
    for (name, _) in names {
        let mut row = vec![format!("`{name}`")];
        row.extend(
            summary
                .designs
                .iter()
                .map(|design| with_count(design, design.measure(name))),
        );
        rows.push(row);
    }
    let mut text = markdown(&rows);
    text.push_str("\nn is given where it is not the number of sound runs.");
    text
}

/// An estimate, with n if it is not what the reader expects.
fn with_count(design: &DesignSummary, measure: Option<&Measure>) -> String {
    let short = Short::of(measure).joined(" ");
    match measure {
        Some(measure) if measure.n != design.replications - design.failed => {
            format!("{short} (n {})", count(measure.n))
        }
        _ => short,
    }
}

fn estimands(summary: &Summary) -> String {
    let mut text = String::new();
    for (name, measure) in measures(summary) {
        let unit = if measure.unit == "1" { "share" } else { &measure.unit };
        let mut methods: Vec<&str> = Vec::new();
        for method in summary
            .designs
            .iter()
            .filter_map(|design| design.measure(name))
            .map(|m| m.method.as_str())
        {
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
        let _ = writeln!(
            text,
            "- `{name}` ({unit}): {}. Method: {}.",
            measure.estimand,
            methods.join("; ")
        );
    }
    text
}

/// All measures of all designs by name, each once.
fn measures(summary: &Summary) -> IndexMap<&str, &Measure> {
    let mut names: IndexMap<&str, &Measure> = IndexMap::new();
    // The design with most measures first, so that the order is the intended one.
    let mut designs: Vec<&DesignSummary> = summary.designs.iter().collect();
    designs.sort_by_key(|design| std::cmp::Reverse(design.measures.len()));
    for (name, measure) in designs.iter().flat_map(|design| &design.measures) {
        names.entry(name).or_insert(measure);
    }
    names
}

fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("- {}\n", one_line(line))).collect()
}

fn notes(manifest: &Manifest) -> String {
    let lines: Vec<String> = manifest
        .designs
        .iter()
        .flat_map(|design| design.notes.iter().map(|note| format!("`{}`: {note}", design.name)))
        .collect();
    list(&lines)
}

fn assumed(manifest: &Manifest) -> String {
    // Designs that share name and value of a parameter share a row.
    let mut found: IndexMap<(&str, &str), (&PlannedParameter, Vec<&str>)> = IndexMap::new();
    for design in &manifest.designs {
        for parameter in design.parameters.iter().filter(|parameter| parameter.is_assumed()) {
            let entry = found
                .entry((&parameter.name, &parameter.value))
                .or_insert((parameter, Vec::new()));
            entry.1.push(&design.name);
        }
    }
    if found.is_empty() {
        return String::new();
    }
    let mut rows = vec![["parameter", "value", "reason", "designs"].map(str::to_owned).to_vec()];
    for (parameter, designs) in found.values() {
        let designs = if designs.len() == manifest.designs.len() {
            "all".to_owned()
        } else {
            designs.join(", ")
        };
        rows.push(vec![
            format!("`{}`", parameter.name),
            parameter.value.clone(),
            parameter.source.clone(),
            designs,
        ]);
    }
    format!(
        "Nobody has measured or read these; a result that hangs on one of them is a guess.\n\n{}",
        markdown(&rows)
    )
}

fn what_was_run(manifest: &Manifest) -> String {
    let digest = manifest.result_digest.as_deref().unwrap_or("none");
    let facts = [
        ("Experiment", format!("`{}`", manifest.experiment)),
        ("Version", format!("meshfault {}", manifest.version)),
        (
            "Replications",
            format!(
                "{} of {} per design",
                count(manifest.replications),
                count(manifest.replications_planned)
            ),
        ),
        (
            "Seed",
            format!(
                "{}, group `{}`, scheme `{}`",
                manifest.seed, manifest.seed_group, manifest.random_scheme
            ),
        ),
        (
            "Common random numbers",
            "on: equal replications share their misfortunes".to_owned(),
        ),
        ("Order of ties", manifest.tie_order.word().to_owned()),
        ("Horizon", format!("{} s", manifest.horizon_s)),
        ("Input digest", format!("`{}`", manifest.input_digest)),
        (
            "Result digest",
            format!("`{digest}` over canonical rows (`{}`)", manifest.row_format),
        ),
    ];
    let mut text: String = facts
        .iter()
        .map(|(name, value)| format!("- {name}: {value}\n"))
        .collect();
    if let Some(stopping) = &manifest.stopping {
        let (reason, looks) = (&stopping.reason, stopping.checkpoints.len());
        let level = 100.0 * stopping.confidence_per_look;
        let _ = writeln!(
            text,
            "- Stopped: {reason}; {looks} looks at most, each with intervals of {level:.2} %"
        );
    }
    for input in &manifest.inputs {
        let _ = writeln!(text, "- Input `{}`: `{}`", input.name, input.digest);
    }
    text
}

/// A Markdown table; the first row is the head.
fn markdown(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| one_line(cell).replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
        }
    }
    text
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
