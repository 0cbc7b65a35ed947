//! The few regular expressions that Istio makes of identities, matched without a regular expression engine.
//!
//! Belongs here: ordinary characters, `.` and `*`, matched against the whole text in time linear in it. Does not belong here:
//! which fields of a policy become such an expression (`identity`), and any other operator (refused).

/// A regular expression of characters, `.` (any character) and a `*` after either (Envoy `safe_regex`, RE2 full match).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Expression {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Token {
    /// None is any character.
    character: Option<char>,
    repeated: bool,
}

impl Expression {
    /// Reads it; none if it has another operator, or a `*` after nothing or after another `*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut tokens: Vec<Token> = Vec::new();
        for character in text.chars() {
            match character {
                '*' => match tokens.last_mut() {
                    Some(token) if !token.repeated => token.repeated = true,
                    _ => return None,
                },
                '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' | '\\' => return None,
                other => tokens.push(Token {
                    character: (other != '.').then_some(other),
                    repeated: false,
                }),
            }
        }
        Some(Self { tokens })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        // `reached[i]`: the tokens before `i` match the text so far.
        let mut reached = vec![false; self.tokens.len() + 1];
        reached[0] = true;
        self.skip_repeated(&mut reached);
        for character in text.chars() {
            let mut next = vec![false; reached.len()];
            for (index, token) in self.tokens.iter().enumerate() {
                if reached[index] && token.character.is_none_or(|wanted| wanted == character) {
                    next[if token.repeated { index } else { index + 1 }] = true;
                }
            }
            self.skip_repeated(&mut next);
            reached = next;
        }
        reached[self.tokens.len()]
    }

    fn skip_repeated(&self, reached: &mut [bool]) {
        for (index, token) in self.tokens.iter().enumerate() {
            if reached[index] && token.repeated {
                reached[index + 1] = true;
            }
        }
    }
}
