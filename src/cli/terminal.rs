//! What the standard output is: how wide, and whether colours are welcome.
//!
//! Colours are for terminals only, and `NO_COLOR` (<https://no-color.org>) turns them off. What is printed belongs to the
//! commands and to `report`.

use std::env;
use std::io::{self, IsTerminal};

use crate::report::table::{Look, WIDTH};

/// Narrowest table; a smaller window wraps its lines itself.
const NARROWEST: usize = 40;

/// How tables look on the standard output: as wide as the window, else [`WIDTH`].
#[must_use]
pub fn look() -> Look {
    let is_terminal = io::stdout().is_terminal();
    let window = is_terminal.then(terminal_size::terminal_size).flatten();
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    of(
        is_terminal,
        window.map(|(width, _)| usize::from(width.0)),
        no_color || dumb,
    )
}

fn of(is_terminal: bool, window: Option<usize>, plain: bool) -> Look {
    Look {
        width: window
            .filter(|width| *width > 0)
            .map_or(WIDTH, |width| width.max(NARROWEST)),
        colour: is_terminal && !plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            [of(true, Some(0), true).width, of(true, Some(7), true).width],
            [WIDTH, NARROWEST]
        );
    }
}
