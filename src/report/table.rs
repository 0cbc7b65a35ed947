//! The table that a terminal shows: one row per design, the measures that answer the question, 120 columns at most.
//!
//! Measures without a number in any design are left out. The whole list stands in `summary.md`.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::expectations;
use super::short::{Short, count};
use crate::lab::{DesignSummary, Manifest, Summary};

/// Widest line.
pub const WIDTH: usize = 120;

/// A column of the table.
pub struct KeyMeasure {
    /// The measure.
    pub measure: &'static str,
    /// Its head, in lines.
    pub head: &'static str,
}

/// What an architect wants to see first, in this order; the later ones give way if there is no room.
pub const KEY_MEASURES: [KeyMeasure; 8] = [
    KeyMeasure {
        measure: "unauthorized_any",
        head: "unauthorized\n(runs)",
    },
    KeyMeasure {
        measure: "network_bypassed_any",
        head: "network bypassed\n(runs)",
    },
    KeyMeasure {
        measure: "reused_probe_admitted",
        head: "admitted if\nIP reused",
    },
    KeyMeasure {
        measure: "startup_latency_p50",
        head: "ready: half\nof the pods",
    },
    KeyMeasure {
        measure: "startup_latency_p99",
        head: "ready: 99 %\nof the pods",
    },
    KeyMeasure {
        measure: "delayed_share",
        head: "delayed\n(pods)",
    },
    KeyMeasure {
        measure: "never_ready_share",
        head: "never ready\n(pods)",
    },
    KeyMeasure {
        measure: "wrongly_denied_any",
        head: "wrongly denied\n(runs)",
    },
];

/// The key measures that have a number in some design.
pub fn present(summary: &Summary) -> impl Iterator<Item = &'static KeyMeasure> + '_ {
    KEY_MEASURES.iter().filter(|key| {
        let has_number = |design: &DesignSummary| {
            design
                .measure(key.measure)
                .is_some_and(|measure| measure.estimate.is_some() || measure.lower.is_some())
        };
        summary.designs.iter().any(has_number)
    })
}

/// The result for a terminal: what was run, the table, how to read it, warnings.
#[must_use]
pub fn render(manifest: &Manifest, summary: &Summary) -> String {
    let Manifest {
        experiment,
        version,
        title,
        seed,
        ..
    } = manifest;
    let runs = count(manifest.replications);
    let designs = manifest.designs.len();
    let digest = manifest
        .result_digest
        .as_deref()
        .and_then(|digest| digest.get(..12))
        .unwrap_or("none");
    let mut text = format!(
        "{title}\n{experiment}, meshfault {version}: {runs} replications of {designs} designs, seed {seed}, result {digest}\n\n"
    );
    text.push_str(&table(summary));
    text.push_str(&format!(
        "\n\nEstimate [95 % interval]. Runs and pods: shares of them. Ready: from the wish for a pod to Ready, measured \
         pods.\nDelayed: connections to the control plane cost at least {} s.\n",
        manifest.delayed_threshold_s
    ));
    for line in expectations::lines(summary) {
        text.push_str(&wrapped(&line));
    }
    for warning in &manifest.warnings {
        text.push_str(&wrapped(&format!("warning: {warning}")));
    }
    text
}

/// The table alone. Intervals stand beside their estimates if there is room, else below them; if there is still no
/// room, the last columns give way.
#[must_use]
pub fn table(summary: &Summary) -> String {
    let mut keys: Vec<&KeyMeasure> = present(summary).collect();
    loop {
        for separator in [" ", "\n"] {
            let drawn = draw(summary, &keys, separator);
            let width = drawn.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            if width <= WIDTH || (keys.len() <= 1 && separator == "\n") {
                return drawn;
            }
        }
        keys.pop();
    }
}

fn draw(summary: &Summary, keys: &[&KeyMeasure], separator: &str) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled);
    let any_failed = summary.designs.iter().any(|design| design.failed > 0);
    let mut head = vec!["design".to_owned()];
    head.extend(any_failed.then(|| "failed\n(runs)".to_owned()));
    head.extend(keys.iter().map(|key| key.head.to_owned()));
    table.set_header(head);
    for design in &summary.designs {
        let mut row = vec![design.name.clone()];
        row.extend(any_failed.then(|| count(design.failed)));
        row.extend(
            keys.iter()
                .map(|key| Short::of_design(design, key.measure).joined(separator)),
        );
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// Text in lines of at most [`WIDTH`], the following ones indented.
pub(super) fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > WIDTH {
            out.push_str("\n  ");
            width = 2;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out.push('\n');
    out
}
