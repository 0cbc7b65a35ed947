//! Lists of equal things: a table on a terminal, records elsewhere.
//!
//! A record is one line and its cells are separated by tabs, so that nothing is cut and a further row changes no other. Belongs here:
//! form only. What the cells mean belongs to the commands, the layout of a table to `report::columns`.

use clap::ValueEnum;
use serde::Serialize;

use super::terminal;
use crate::lab::printable::in_json;
use crate::report::columns::fitted;
use crate::report::figures::sheet::csv_field;

/// How a list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table on a terminal; elsewhere a line per row, with tabs between the cells.
    #[default]
    Text,
    /// JSON.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// Cells below a head, for people on a terminal and as lines elsewhere.
pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    match terminal::window() {
        Some(look) => fitted(head, &rows, look),
        None => lines(head, &rows),
    }
}

/// One row per line, with tabs between the cells.
pub(super) fn lines(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("{}\n", head.join("\t"));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace(['\t', '\n', '\r'], " ")).collect();
        text.push_str(&format!("{}\n", cells.join("\t")));
    }
    text
}

/// The same cells by RFC 4180.
pub(super) fn csv(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("{}\n", head.join(","));
    for row in rows {
        let fields: Vec<String> = row.iter().map(|field| csv_field(field)).collect();
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

pub(super) fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("what is printed is plain data");
    format!("{}\n", in_json(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elsewhere_a_row_is_a_line() {
        let rows = [["a\tb", "", "two\nlines"].map(str::to_owned).to_vec()];
        assert_eq!(lines(&["x", "y", "z"], &rows), "x\ty\tz\na b\t\ttwo lines\n");
    }
}
