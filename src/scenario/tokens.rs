//! Words and signs of the little languages in experiment files, claims and constraints.
//!
//! Belongs here: cutting a text into them and going through them. Does not belong here: which words and signs a language has, and
//! what they mean (`claim`, `factors::expression`).

use std::fmt;

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    Word(&'t str),
    /// What is between two quotes.
    Quoted(&'t str),
    Sign(&'static str),
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) | Self::Sign(text) => f.write_str(text),
            Self::Quoted(text) => write!(f, "\"{text}\""),
        }
    }
}

/// The tokens of a text, and the next one of them.
pub(super) struct Tokens<'t> {
    all: Vec<Token<'t>>,
    next: usize,
}

impl<'t> Tokens<'t> {
    /// Cuts a text: into words, whose length at the front of a text `word` says, 0 for none, and the first of the signs that fits.
    ///
    /// # Errors
    /// At what is neither.
    pub(super) fn of(text: &'t str, word: fn(&str) -> usize, signs: &[&'static str]) -> Result<Self, String> {
        let (mut all, mut rest) = (Vec::new(), text.trim_start());
        while let Some(first) = rest.chars().next() {
            let sign = signs.iter().find(|sign| rest.starts_with(**sign));
            let (token, length) = match (word(rest), sign) {
                (length @ 1.., _) => (Token::Word(&rest[..length]), length),
                (0, Some(sign)) => (Token::Sign(sign), sign.len()),
                (0, None) if first == '"' || first == '\'' => match rest[1..].find(first) {
                    Some(end) => (Token::Quoted(&rest[1..=end]), end + 2),
                    None => return Err("there is no closing quote".to_owned()),
                },
                (0, None) => return Err(format!("`{}` has no meaning here", first.escape_debug())),
            };
            all.push(token);
            rest = rest[length..].trim_start();
        }
        Ok(Self { all, next: 0 })
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<Token<'t>> {
        self.all.get(self.next + ahead).copied()
    }

    pub(super) fn take(&mut self) -> Option<Token<'t>> {
        let token = self.peek(0);
        self.next += usize::from(token.is_some());
        token
    }

    pub(super) fn take_if(&mut self, token: Token<'_>) -> bool {
        let is_next = self.peek(0) == Some(token);
        self.next += usize::from(is_next);
        is_next
    }
}
