//! Rows below a head as a terminal shows them.
//!
//! A table is never wider than the window: long cells are wrapped, and where that leaves too little room, each row is a block with a
//! line per column. Belongs here: the layout. Does not belong here: what the cells mean, and what the window is like.

use std::cmp::Reverse;

use super::table::Look;

/// Narrowest column with wrapped cells.
const COLUMN_MIN: usize = 12;
/// Most lines of a wrapped cell; with longer ones, each row is a block.
const LINES_MAX: usize = 6;
/// Widest line of a block: longer lines are hard to read.
const BLOCK_MAX: usize = 100;
const GAP: usize = 2;
/// No window: nothing is wrapped.
pub const WIDE: Look = Look {
    width: usize::MAX,
    colour: false,
};

fn length(text: &str) -> usize {
    text.chars().count()
}

/// A table that is no wider than the window.
pub fn fitted(head: &[&str], rows: &[Vec<String>], look: Look) -> String {
    match widths(head, rows, look.width) {
        Some(widths) => aligned(head, rows, &widths, look),
        None => blocks(head, rows, look),
    }
}

/// The width of each column; none if the table does not fit.
fn widths(head: &[&str], rows: &[Vec<String>], width: usize) -> Option<Vec<usize>> {
    let longest_word = |text: &str| text.split(' ').map(length).max().unwrap_or(0);
    let longest = |column: usize| rows.iter().map(|row| length(&row[column])).max().unwrap_or(0);
    let natural: Vec<usize> = (0..head.len())
        .map(|column| longest(column).max(longest_word(head[column])))
        .collect();
    let gaps = GAP * head.len().saturating_sub(1);
    if natural.iter().sum::<usize>() + gaps <= width {
        return Some(natural);
    }
    // As few columns as possible are wrapped, the widest first.
    let mut order: Vec<usize> = (0..head.len()).collect();
    order.sort_by_key(|column| Reverse(natural[*column]));
    (1..=head.len()).find_map(|count| {
        let (wrapped, kept) = order.split_at(count);
        let kept: usize = kept.iter().map(|column| natural[*column]).sum();
        let share = width.checked_sub(kept + gaps)? / count;
        let fits = share >= COLUMN_MIN && wrapped.iter().all(|column| natural[*column] <= LINES_MAX * share);
        let of = |column: usize| match wrapped.contains(&column) {
            true => natural[column].min(share),
            false => natural[column],
        };
        fits.then(|| (0..head.len()).map(of).collect())
    })
}

fn aligned(head: &[&str], rows: &[Vec<String>], widths: &[usize], look: Look) -> String {
    let mut text = String::new();
    let mut add = |cells: &[&str], strong: bool| {
        let wrapped: Vec<Vec<String>> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| broken(cell, *width))
            .collect();
        for number in 0..wrapped.iter().map(Vec::len).max().unwrap_or(0) {
            let mut line = String::new();
            for (cell, width) in wrapped.iter().zip(widths) {
                let part = cell.get(number).map_or("", String::as_str);
                line.push_str(part);
                line.push_str(&" ".repeat(width + GAP - length(part)));
            }
            text.push_str(&format!("{}\n", stressed(line.trim_end(), strong && look.colour)));
        }
    };
    add(head, true);
    let rules: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    add(&rules.iter().map(String::as_str).collect::<Vec<_>>(), false);
    for row in rows {
        add(&row.iter().map(String::as_str).collect::<Vec<_>>(), false);
    }
    text
}

/// A block per row: the first cell, below it the others with the names of their columns.
pub fn blocks(head: &[&str], rows: &[Vec<String>], look: Look) -> String {
    let blocks = rows.iter().map(|row| {
        let named: Vec<(&str, &str)> = head.iter().copied().zip(row.iter().map(String::as_str)).collect();
        let (title, rest) = named
            .split_first()
            .map_or(("", &[][..]), |((_, title), rest)| (*title, rest));
        format!("{}\n{}", stressed(title, look.colour), fields(rest, look.width))
    });
    blocks.collect::<Vec<_>>().join("\n")
}

/// A line per field, its name before its value; empty ones are left out.
fn fields(fields: &[(&str, &str)], width: usize) -> String {
    let indent = fields.iter().map(|(name, _)| length(name)).max().unwrap_or(0) + 2 * GAP;
    let mut text = String::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        for (number, line) in broken(value, width.min(BLOCK_MAX).saturating_sub(indent))
            .iter()
            .enumerate()
        {
            let name = if number == 0 { name } else { "" };
            text.push_str(&format!("  {name:<0$}{line}\n", indent - GAP));
        }
    }
    text
}

fn stressed(text: &str, strong: bool) -> String {
    match strong {
        true => format!("\u{1b}[1m{text}\u{1b}[0m"),
        false => text.to_owned(),
    }
}

/// Lines of at most a width: broken at blanks, within a long word behind a mark, and elsewhere only if there is none.
fn broken(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    let mut end = |line: &mut String, used: &mut usize| {
        lines.push(std::mem::take(line).trim_end().to_owned());
        *used = 0;
    };
    for word in text.split_whitespace() {
        if used > 0 && used + length(word) > width && (length(word) <= width || used + COLUMN_MIN > width) {
            end(&mut line, &mut used);
        }
        for part in word.split_inclusive(['/', '-', '_', '.', ',', '@', ':', '=']) {
            if used > 0 && used + length(part) > width {
                end(&mut line, &mut used);
            }
            for letter in part.chars() {
                if used == width {
                    end(&mut line, &mut used);
                }
                line.push(letter);
                used += 1;
            }
        }
        line.push(' ');
        used += 1;
    }
    if !line.trim().is_empty() || text.trim().is_empty() {
        end(&mut line, &mut used);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(cells: &[[&str; 3]]) -> Vec<Vec<String>> {
        cells.iter().map(|row| row.map(str::to_owned).to_vec()).collect()
    }

    fn look(width: usize) -> Look {
        Look { width, colour: false }
    }

    #[test]
    fn a_table_fits_its_window() {
        let head = ["name", "unit", "meaning"];
        let rows = rows(&[
            ["a", "s", "one two three four five six seven eight nine ten"],
            ["long_name_of_a_measure", "1", "short"],
        ]);
        let wide = "name                    unit  meaning\n\
                    ──────────────────────  ────  ────────────────────────────────────────────────\n\
                    a                       s     one two three four five six seven eight nine ten\n\
                    long_name_of_a_measure  1     short\n";
        assert_eq!(fitted(&head, &rows, look(100)), wide);
        let wrapped = "name                    unit  meaning\n\
                       ──────────────────────  ────  ────────────────────\n\
                       a                       s     one two three four\n\
                       \x20                             five six seven eight\n\
                       \x20                             nine ten\n\
                       long_name_of_a_measure  1     short\n";
        assert_eq!(fitted(&head, &rows, look(50)), wrapped);
        let blocks = "a\n  unit     s\n  meaning  one two three four\n           five six seven\n           eight nine ten\n\n\
                      long_name_of_a_measure\n  unit     1\n  meaning  short\n";
        assert_eq!(fitted(&head, &rows, look(30)), blocks);
    }

    #[test]
    fn long_words_are_broken_behind_a_mark() {
        assert_eq!(
            broken("kubernetes/community/sig-scalability", 20),
            ["kubernetes/", "community/sig-", "scalability"]
        );
        assert_eq!(broken("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(broken("", 4), [""]);
    }
}
