//! What the standard output is: how wide, and whether colours are welcome.
//!
//! Colours are for terminals only, and `NO_COLOR` (<https://no-color.org>) turns them off. What is printed belongs to the
//! commands and to `report`.

use std::borrow::Cow;
use std::env;
use std::io::{self, IsTerminal, Write};

use crate::lab::printable::{cut, spelled};
use crate::report::table::{Look, WIDTH};

/// Narrowest table; a smaller window wraps its lines itself.
const NARROWEST: usize = 40;
/// Widest table; a wider window shows no more, and would be filled with blanks.
const WIDEST: usize = 400;
/// Most bytes of one error; what is more is counted.
const ERROR_MAX: usize = 256 << 10;

/// Text for the standard output: nothing in it acts on a terminal but our own colours.
pub(super) fn for_stdout(text: &str) -> Cow<'_, str> {
    harmless(text, look().colour)
}

/// Prints an error, a warning or a note. A closed stream is no error.
pub(super) fn tell(text: &str) {
    let shown = cut(text, ERROR_MAX);
    let _ = writeln!(io::stderr(), "{}", harmless(&shown, io::stderr().is_terminal()));
}

/// Spells what acts on a terminal, except for colours where they are welcome.
fn harmless(text: &str, colours: bool) -> Cow<'_, str> {
    if !colours || !text.contains('\u{1b}') {
        return spelled(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        out.push_str(&spelled(&rest[..at]));
        let length = colour(&rest[at..]).unwrap_or(0);
        match length {
            0 => out.push_str(&spelled("\u{1b}")),
            _ => out.push_str(&rest[at..at + length]),
        }
        rest = &rest[at + length.max(1)..];
    }
    out.push_str(&spelled(rest));
    Cow::Owned(out)
}

/// How long the sequence at the front of a text is, if it only sets colour, weight or underline: nothing blinks or hides.
fn colour(text: &str) -> Option<usize> {
    let codes = text.strip_prefix("\u{1b}[")?;
    let end = codes.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    let mut numbers = codes[..end].split(';');
    let first = numbers.next()?;
    let known = matches!(
        first,
        "" | "0" | "1" | "2" | "3" | "4" | "22" | "23" | "24" | "38" | "39"
    ) || matches!(first.parse(), Ok(30_u8..=37 | 90..=97));
    let rest_is_fine = first == "38" || numbers.all(|code| !["5", "6", "7", "8"].contains(&code));
    (known && rest_is_fine && codes[end..].starts_with('m')).then_some(2 + end + 1)
}

/// How tables look on a terminal; none if the standard output is no terminal.
pub(super) fn window() -> Option<Look> {
    io::stdout().is_terminal().then(look)
}

/// How tables look on the standard output: as wide as the window or as `COLUMNS`, else [`WIDTH`].
pub fn look() -> Look {
    let is_terminal = io::stdout().is_terminal();
    let columns = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let of_terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let window = columns.or_else(of_terminal).filter(|_| is_terminal);
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    of(is_terminal, window, no_color || dumb)
}

fn of(is_terminal: bool, window: Option<usize>, plain: bool) -> Look {
    Look {
        width: window
            .filter(|width| *width > 0)
            .map_or(WIDTH, |width| width.clamp(NARROWEST, WIDEST)),
        colour: is_terminal && !plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_colours_reach_a_terminal() {
        let text = "\u{1b}[1;31mred\u{1b}[0m \u{1b}[8mhidden \u{1b}]0;title\u{7} \u{1b}[2J \u{9b}31m é";
        let shown = "\u{1b}[1;31mred\u{1b}[0m \\u{1b}[8mhidden \\u{1b}]0;title\\u{7} \\u{1b}[2J \\u{9b}31m é";
        assert_eq!(harmless(text, true), shown);
        assert!(!harmless(text, false).contains('\u{1b}'));
    }

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        assert_eq!(of(false, None, false), Look::default());
        assert_eq!(
            of(true, Some(90), false),
            Look {
                width: 90,
                colour: true
            }
        );
        assert!(!of(true, Some(90), true).colour);
        assert_eq!(
            [0, 7, 65535].map(|window| of(true, Some(window), true).width),
            [WIDTH, NARROWEST, WIDEST]
        );
    }
}
