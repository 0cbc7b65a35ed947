//! `summary.md`: the result on one page: every measure with its estimand, interval and method, and how to repeat the result.
//!
//! A pure function of manifest and estimates. What many measures say together is found by `reuse` and `slow_pods`.

use std::fmt::Write;

use super::answer::Answer;
use super::estimands::{self, Estimand};
use super::finding::Finding;
use super::page::templates::markdown_prose as prose;
use super::run_facts::{facts, notes};
use super::short::{NOTHING, Short, count};
use super::table::{column_head, present};
use super::text::one_line;
use super::{availability, compare, edges, expectations, flows, parameters, reuse, sample_size, slow_pods};
use crate::lab::printable::legible;
use crate::lab::{DesignSummary, Manifest, RandomNumbers, Summary};

pub fn render(manifest: &Manifest, summary: &Summary, answer: &Answer) -> String {
    let mut page = format!("# {}\n\n{}\n\n", prose(&manifest.title), prose(&manifest.question));
    if !manifest.complete {
        page.push_str("**This experiment was interrupted; the result is valid but smaller than planned.**\n\n");
    }
    let findings = [
        edges::finding(manifest, summary),
        availability::finding(summary),
        flows::finding(summary),
        reuse::finding(summary),
        slow_pods::finding(manifest, summary),
    ];
    let findings = findings.into_iter().flatten();
    let section = |(head, body): (&str, String)| (head.to_owned(), body);
    let first = [
        ("Answer", answered(answer)),
        ("Result", result(manifest, summary)),
        ("Expectations", expected(summary)),
    ];
    let rest = [
        ("Differences between designs", comparisons(manifest, summary)),
        ("Runs for a given width", runs_for_a_width(summary)),
        ("All measures", all_measures(summary)),
        ("Estimands and methods", estimands(summary)),
        ("Warnings", list(&manifest.warnings)),
        ("Notes on the designs", remarks(manifest)),
        ("Assumed parameters", assumed(manifest)),
        ("What was run", what_was_run(manifest)),
    ];
    let sections = first
        .into_iter()
        .map(section)
        .chain(findings.map(|finding| (finding.heading.clone(), found(finding))))
        .chain(rest.into_iter().map(section));
    for (head, body) in sections.filter(|(_, body)| !body.is_empty()) {
        let _ = writeln!(page, "## {head}\n\n{}\n", body.trim_end());
    }
    page.push_str(
        "## Not modeled\n\nIntervals cover the randomness of the runs, not what the model leaves out. \
         `LIMITATIONS.md` lists that, and how far each component has been validated.\n",
    );
    legible(&page).into_owned()
}

/// A line per design, then a line per note.
fn answered(answer: &Answer) -> String {
    let designs = answer
        .designs
        .iter()
        .map(|of| format!("- {} `{}`: {}\n", of.sign, of.name, prose(&of.text)));
    let more = (!answer.more.is_empty()).then(|| format!("- {}\n", answer.more));
    let notes = answer
        .notes
        .iter()
        .map(|note| format!("- **{}**: {}\n", note.head, prose(&note.text)));
    let designs: String = designs.chain(more).collect();
    format!("{designs}\n{}", notes.collect::<String>())
}

fn result(manifest: &Manifest, summary: &Summary) -> String {
    let keys = present(summary);
    let mut rows = vec![vec!["design".to_owned(), "what it is".to_owned()]];
    rows[0].extend(keys.iter().map(|key| column_head(key).replace('\n', " ")));
    for (design, planned) in summary.designs.iter().zip(&manifest.designs) {
        let mut row = vec![format!("`{}`", design.name), prose(&planned.title)];
        row.extend(keys.iter().map(|key| Short::of_design(design, &key.name).joined(" ")));
        rows.push(row);
    }
    format!(
        "{}\nEstimate [95% interval]; {NOTHING} where the design has no such measure or no run gave a value.",
        markdown(&rows)
    )
}

fn expected(summary: &Summary) -> String {
    let mut rows = expectations::rows(summary);
    if rows.is_empty() {
        return String::new();
    }
    for cell in rows.iter_mut().skip(1).flatten() {
        *cell = prose(cell);
    }
    format!(
        "An expectation passes if the whole interval fulfils it, fails if the whole interval violates it, and is \
         inconclusive otherwise. Each outcome has its own confidence; they are not corrected for their number.\n\n{}",
        markdown(&rows)
    )
}

fn comparisons(manifest: &Manifest, summary: &Summary) -> String {
    let all = &summary.comparisons;
    let Some(first) = all.first() else {
        return String::new();
    };
    let pairs = match manifest.random_numbers {
        RandomNumbers::Common => "equal replications, which share their random numbers (common random numbers)",
        RandomNumbers::Independent => {
            "replications of equal number, which share no random numbers (`random_numbers: independent`)"
        }
    };
    let tables = all.chunk_by(|left, right| left.measure == right.measure).map(|group| {
        let head = format!("`{}`: {}.", group[0].measure, group[0].estimand);
        format!("{head}\n\n{}", compare::table(group))
    });
    let left_out = summary.not_compared.iter().map(|why| format!("- Left out: {why}.\n"));
    format!(
        "{} Differences are taken between {pairs}. Correlation is that over replications; the variance reduction \
         (σ_A² + σ_B²) / Var(A − B) is how many times more runs independent designs would need.\n\n{}\n{}",
        compare::together(all.len(), first.confidence, true),
        tables.collect::<Vec<_>>().join("\n"),
        left_out.collect::<String>()
    )
}

fn all_measures(summary: &Summary) -> String {
    let names = estimands::measures(summary);
    let mut rows = vec![vec!["measure".to_owned()]];
    rows[0].extend(summary.designs.iter().map(|design| format!("`{}`", design.name)));
    for (name, _) in names {
        let mut row = vec![format!("`{name}`")];
        row.extend(summary.designs.iter().map(|design| with_count(design, name)));
        rows.push(row);
    }
    let mut text = markdown(&rows);
    text.push_str("\nn is given where it is not the number of sound runs.");
    text
}

fn runs_for_a_width(summary: &Summary) -> String {
    let rows = sample_size::rows(summary);
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "Replications of each design that would give an interval of this half-width, estimated from the intervals above: one \
         percentage point of a share, 5% of any other estimate. A tail that no run has met yet needs more.\n\n{}",
        markdown(&rows)
    )
}

/// An estimate, with n if it is not what the reader expects.
fn with_count(design: &DesignSummary, name: &str) -> String {
    let measure = design.measure(name);
    let short = Short::of_design(design, name).joined(" ");
    match measure {
        Some(measure) if measure.n != design.replications - design.failed => {
            format!("{short} (n {})", count(measure.n))
        }
        _ => short,
    }
}

fn estimands(summary: &Summary) -> String {
    let line = |of: Estimand| {
        format!(
            "- `{}` ({}): {}. Method: {}.\n",
            of.name, of.unit, of.estimand, of.methods
        )
    };
    estimands::estimands(summary).into_iter().map(line).collect()
}

fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("- {}\n", prose(line))).collect()
}

fn remarks(manifest: &Manifest) -> String {
    let lines: Vec<String> = notes(&manifest.designs)
        .iter()
        .map(|note| format!("{}: {}", note.designs, note.text))
        .collect();
    list(&lines)
}

fn assumed(manifest: &Manifest) -> String {
    let mut rows = vec![["parameter", "value", "reason", "designs"].map(str::to_owned).to_vec()];
    for row in parameters::rows(manifest).into_iter().filter(|row| row.assumed) {
        rows.push(vec![
            format!("`{}`", row.name),
            prose(&row.value),
            prose(&row.source),
            row.designs,
        ]);
    }
    if rows.len() == 1 {
        return String::new();
    }
    format!(
        "These values are assumptions. Treat results that depend on them as estimates.\n\n{}",
        markdown(&rows)
    )
}

fn what_was_run(manifest: &Manifest) -> String {
    let facts = facts(manifest).into_iter();
    let inputs = manifest
        .inputs
        .iter()
        .map(|input| (format!("Input `{}`", input.name), input.digest.clone()));
    facts
        .chain(inputs)
        .map(|(name, value)| format!("- {}: {}\n", prose(&name), prose(&value)))
        .collect()
}

fn found(finding: Finding) -> String {
    let mut rows = vec![vec!["design".to_owned()]];
    rows[0].extend(finding.heads);
    for row in finding.rows {
        let mut cells = vec![format!("`{}`", row.design)];
        cells.extend(row.cells);
        rows.push(cells);
    }
    format!(
        "{}\n\n{}\n{}{}",
        prose(&finding.lead),
        markdown(&rows),
        list(&finding.points),
        letters(&finding.legend)
    )
}

/// The meanings of letters; empty without any.
fn letters(legend: &[(String, String)]) -> String {
    let entries: Vec<String> = legend
        .iter()
        .map(|(letter, meaning)| format!("{letter} = {meaning}"))
        .collect();
    match entries.is_empty() {
        true => String::new(),
        false => format!("- Letters: {}.\n", entries.join("; ")),
    }
}

pub(super) fn markdown(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| one_line(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
        }
    }
    text
}
