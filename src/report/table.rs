//! The table that a terminal shows: one row per design, the measures that answer the question, as wide as the window.
//!
//! Measures without a number in any design are left out; `summary.md` has all. The command finds out the size of the window.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::answer::{Answer, Mark};
use super::short::{Short, count};
use super::text::{many, wrapped};
use super::{expectations, slow_pods};
use crate::lab::compare::ACCESS;
use crate::lab::measures::{Known, columns, headline};
use crate::lab::{Manifest, Measure, Summary};

/// Widest line where there is no window.
pub const WIDTH: usize = 120;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Widest line, in characters.
    pub width: usize,
    /// Whether heads and names stand out by escape sequences.
    pub colour: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            width: WIDTH,
            colour: false,
        }
    }
}

/// The place of the last key measure, who was kept out, if that occurs: beside who got in, so that it gives way to no other.
const BESIDE: usize = 2;

/// Width of the head of a column that has no words of its own.
const HEAD_WIDTH: usize = 18;

/// The head of a measure's column, in lines.
pub fn column_head(key: &Known) -> String {
    let label = || wrapped("", "", &key.label(), HEAD_WIDTH).trim_end().to_owned();
    key.words.head.map_or_else(label, |(_, head)| head.to_owned())
}

/// The headline of the experiment, then what an architect looks at first, as far as it has a number in some design; the later
/// ones give way if there is no room.
pub fn present(summary: &Summary) -> Vec<&'static Known> {
    let mut keys = columns();
    let any = |key: &Known, holds: fn(&Measure) -> bool| {
        let mut measures = summary.designs.iter().filter_map(|design| design.measure(&key.name));
        measures.any(holds)
    };
    let occurs = |key: &mut &Known| any(key, |measure| measure.estimate.is_some_and(|estimate| estimate > 0.0));
    if let Some(kept_out) = keys.pop_if(occurs) {
        keys.insert(BESIDE, kept_out);
    }
    keys.retain(|key| !summary.headline.contains(&key.name));
    keys.splice(0..0, headline(&summary.headline));
    keys.retain(|key| any(key, |measure| measure.estimate.is_some() || measure.lower.is_some()));
    keys
}

/// The result: what was run, the table, how to read it, warnings.
pub fn render(manifest: &Manifest, summary: &Summary, answer: &Answer, look: Look) -> String {
    let Manifest {
        experiment,
        version,
        title,
        seed,
        ..
    } = manifest;
    let runs = count(manifest.replications);
    let designs = many(manifest.designs.len(), "design");
    let digest = manifest
        .result_digest
        .as_deref()
        .and_then(|digest| digest.get(..12))
        .unwrap_or("none");
    let mut text = format!(
        "{title}\n{experiment}, meshfault {version}: {runs} replications of {designs}, seed {seed}, result {digest}\n\n"
    );
    text.push_str(&answered(answer, look));
    text.push('\n');
    text.push_str(&table(summary, look));
    text.push_str("\n\n");
    let mut add = |rest: &str, line: &str| text.push_str(&wrapped("", rest, line, look.width));
    add(
        "",
        "Estimate [95% interval]. Runs and pods: shares of them. Ready: time from the creation of a pod to Ready, measured pods.",
    );
    let threshold = manifest.delayed_threshold_s;
    add(
        "",
        &format!("Delayed: waited {threshold} s or more for the control plane, or on a node that started no pods."),
    );
    let slow = slow_pods::unexplained(manifest, summary).into_iter();
    let lines = slow
        .map(|line| line.replace('`', ""))
        .chain(expectations::lines(summary));
    let warnings = manifest.warnings.iter().map(|warning| format!("warning: {warning}"));
    lines.chain(warnings).for_each(|line| add("  ", &line));
    text
}

/// The answer: a line per design, then a line per note.
fn answered(answer: &Answer, look: Look) -> String {
    let width = answer
        .designs
        .iter()
        .map(|of| of.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for of in &answer.designs {
        let sign = match (look.colour, of.mark) {
            (true, Mark::Breached) => format!("\u{1b}[31m{}\u{1b}[0m", of.sign),
            (true, Mark::Held) => format!("\u{1b}[32m{}\u{1b}[0m", of.sign),
            _ => of.sign.clone(),
        };
        let line = wrapped(
            &format!("{} {:<width$}  ", of.sign, of.name),
            &" ".repeat(width + 4),
            &of.text,
            look.width,
        );
        text.push_str(&line.replacen(&of.sign, &sign, 1));
    }
    if !answer.more.is_empty() {
        text.push_str(&format!("  {}\n", answer.more));
    }
    text.push('\n');
    for note in &answer.notes {
        text.push_str(&wrapped(
            &format!("{}: ", note.head),
            "  ",
            &note.text.replace('`', ""),
            look.width,
        ));
    }
    text
}

/// The table alone. Intervals are beside their estimates if there is room, else below them. In a window that is narrower
/// than [`WIDTH`] the last columns go into a further table below; what does not fit into [`WIDTH`] either is left out.
pub fn table(summary: &Summary, look: Look) -> String {
    let mut keys = present(summary);
    while keys.len() > 1 && fitting(summary, &keys, look.width.max(WIDTH)).is_none() {
        keys.pop();
    }
    let mut blocks: Vec<String> = Vec::new();
    let mut rest = keys.as_slice();
    loop {
        let mut count = rest.len();
        while count > 1 && fitting(summary, &rest[..count], look.width).is_none() {
            count -= 1;
        }
        let (block, after) = rest.split_at(count);
        let separator = fitting(summary, block, look.width);
        blocks.push(draw(summary, block, separator, look));
        rest = after;
        if rest.is_empty() {
            return blocks.join("\n\n");
        }
    }
}

/// What has to be between estimates and intervals for the columns to fit into a width; nothing if nothing does.
fn fitting(summary: &Summary, keys: &[&Known], width: usize) -> Option<&'static str> {
    let look = Look { width, colour: false };
    [" ", "\n"].into_iter().find(|separator| {
        let drawn = draw(summary, keys, Some(*separator), look);
        drawn.lines().all(|line| line.chars().count() <= width)
    })
}

/// Draws the columns; without a separator they do not fit, and cells are broken until they do.
fn draw(summary: &Summary, keys: &[&Known], separator: Option<&str>, look: Look) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    match separator {
        Some(_) => table.set_content_arrangement(ContentArrangement::Disabled),
        None => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(look.width).unwrap_or(u16::MAX)),
    };
    match look.colour {
        true => table.enforce_styling(),
        false => table.force_no_tty(),
    };
    let any_failed = summary.designs.iter().any(|design| design.failed > 0);
    let mut head = vec!["design".to_owned()];
    head.extend(any_failed.then(|| "failed\n(runs)".to_owned()));
    head.extend(keys.iter().map(|key| column_head(key)));
    let bold = |text: String| Cell::new(text).add_attribute(Attribute::Bold);
    table.set_header(head.into_iter().map(bold).collect::<Vec<Cell>>());
    for design in &summary.designs {
        let mut row = vec![bold(design.name.clone())];
        row.extend(any_failed.then(|| Cell::new(count(design.failed))));
        row.extend(keys.iter().map(|key| {
            let cell = Cell::new(Short::of_design(design, &key.name).joined(separator.unwrap_or("\n")));
            let lower = design.measure(&key.name).and_then(|measure| measure.lower);
            let breach = key.name == ACCESS && lower.is_some_and(|lower| lower > 0.0);
            if breach { cell.fg(Color::Red) } else { cell }
        }));
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect::<String>().trim_end().to_owned()
}
