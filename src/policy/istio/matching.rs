//! The string patterns of Istio's AuthorizationPolicy: exact, prefix, suffix, presence, path templates.
//!
//! Belongs here: parsing and matching of one pattern. Does not belong here: what is matched (`engine`), the trust domain
//! of principals and the patterns that Envoy reads as regular expressions (`identity`).

use super::super::PolicyError;

/// A pattern as in `principals`, `namespaces`, `methods`, `paths` and `hosts`
/// (Istio `pilot/pkg/security/authz/matcher/string.go`; `docs/model/istio.md#authorization`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StringMatch {
    /// `*`: any value, but there must be one.
    Present,
    /// `abc`: exactly this.
    Exact(String),
    /// `abc*`: begins with this.
    Prefix(String),
    /// `*abc`: ends with this.
    Suffix(String),
}

impl StringMatch {
    /// Reads a pattern. Only a `*` at the very beginning, or else at the very end, is a wildcard; any other is an
    /// ordinary character (`StringMatcherWithPrefix` in the file named above).
    ///
    /// # Errors
    /// If it is empty, which Istio refuses too (`pkg/config/security/security.go`, `CheckEmptyValues`).
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Ok(if text.is_empty() {
            return Err(PolicyError::Invalid {
                what: "pattern",
                value: text.to_owned(),
                hint: "write `*` for any value",
            });
        } else if text == "*" {
            Self::Present
        } else if let Some(suffix) = text.strip_prefix('*') {
            Self::Suffix(suffix.to_owned())
        } else if let Some(prefix) = text.strip_suffix('*') {
            Self::Prefix(prefix.to_owned())
        } else {
            Self::Exact(text.to_owned())
        })
    }

    /// Whether the pattern has a `*` that is no wildcard, which is usually a mistake.
    pub fn has_literal_star(&self) -> bool {
        match self {
            Self::Present => false,
            Self::Exact(text) | Self::Prefix(text) | Self::Suffix(text) => text.contains('*'),
        }
    }

    /// Whether a value matches; an absent value (none) and an empty one match no `*`.
    pub fn matches(&self, value: Option<&str>) -> bool {
        value.is_some_and(|value| self.matches_text(value))
    }

    /// Whether a value matches; an empty one does not match `*`.
    pub fn matches_text(&self, value: &str) -> bool {
        match self {
            Self::Present => !value.is_empty(),
            Self::Exact(text) => value == text,
            Self::Prefix(text) => value.starts_with(text.as_str()),
            Self::Suffix(text) => value.ends_with(text.as_str()),
        }
    }

    /// As [`StringMatch::matches`] without regard to the case of ASCII letters, for host names
    /// (`HostMatcher` in Istio `pilot/pkg/security/authz/matcher/header.go`).
    pub fn matches_any_case(&self, value: &str) -> bool {
        let (value, same) = (value.as_bytes(), |a: &[u8], b: &str| {
            a.eq_ignore_ascii_case(b.as_bytes())
        });
        match self {
            Self::Present => true,
            Self::Exact(text) => same(value, text),
            Self::Prefix(text) => value.get(..text.len()).is_some_and(|head| same(head, text)),
            Self::Suffix(text) => {
                let start = value.len().checked_sub(text.len());
                start.is_some_and(|start| same(&value[start..], text))
            }
        }
    }

    /// The pattern as it is written.
    pub fn text(&self) -> String {
        match self {
            Self::Present => "*".to_owned(),
            Self::Exact(text) => text.clone(),
            Self::Prefix(text) => format!("{text}*"),
            Self::Suffix(text) => format!("*{text}"),
        }
    }
}

/// An entry of `paths`: a pattern or a template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathMatch {
    /// Exact, prefix, suffix or presence.
    Text(StringMatch),
    /// With `{*}` or `{**}`.
    Template(PathTemplate),
}

/// A path with `{*}` (one segment) and `{**}` (the rest, slashes included): the pieces between the operators
/// (Istio `pilot/pkg/security/authz/matcher/template.go`; Envoy `extensions/path/match/uri_template`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathTemplate {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Piece {
    Literal(String),
    /// `{*}`: at least one character, no slash.
    Segment,
    /// `{**}`: anything, also nothing.
    Rest,
}

/// Envoy accepts at most this many operators (`extensions/path/uri_template_lib/uri_template_internal.cc`).
const OPERATORS_MAX: usize = 5;

impl PathMatch {
    /// A path that matches, or nearly so.
    pub fn sample(&self) -> String {
        let text = match self {
            Self::Text(StringMatch::Present) => String::new(),
            Self::Text(StringMatch::Exact(text) | StringMatch::Prefix(text)) => text.clone(),
            Self::Text(StringMatch::Suffix(text)) => format!("/x{text}"),
            Self::Template(template) => {
                let pieces = template.pieces.iter().map(|piece| match piece {
                    Piece::Literal(text) => text.as_str(),
                    Piece::Segment | Piece::Rest => "x",
                });
                pieces.collect()
            }
        };
        if text.starts_with('/') {
            text
        } else {
            format!("/{text}")
        }
    }

    /// Reads an entry of `paths`.
    ///
    /// # Errors
    /// If it is empty or no template that Istio accepts (`pkg/config/security/security.go`, `CheckValidPathTemplate`;
    /// the comment on `paths` in istio/api `security/v1/authorization_policy.proto`).
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if !text.contains("{*}") && !text.contains("{**}") {
            return StringMatch::parse(text).map(Self::Text);
        }
        let invalid = |hint| {
            Err(PolicyError::Invalid {
                what: "path template",
                value: text.to_owned(),
                hint,
            })
        };
        let Some(path) = text.strip_prefix('/') else {
            return invalid("a template begins with `/`");
        };
        let mut pieces = vec![Piece::Literal(String::new())];
        for segment in path.split('/') {
            match pieces.last_mut() {
                Some(Piece::Literal(literal)) => literal.push('/'),
                _ => pieces.push(Piece::Literal("/".to_owned())),
            }
            let operator = match segment {
                "{*}" => Piece::Segment,
                "{**}" => Piece::Rest,
                other if other.contains(['*', '{', '}']) => {
                    return invalid(
                        "`{*}` and `{**}` stand alone between two `/`, and there is no other `*`, `{` or `}`",
                    );
                }
                literal => {
                    if let Some(Piece::Literal(before)) = pieces.last_mut() {
                        before.push_str(literal);
                    }
                    continue;
                }
            };
            if pieces.contains(&Piece::Rest) {
                return invalid("`{**}` is the last operator");
            }
            pieces.push(operator);
        }
        let operators = pieces.iter().filter(|piece| !matches!(piece, Piece::Literal(_)));
        if operators.count() > OPERATORS_MAX {
            return invalid("at most five operators");
        }
        Ok(Self::Template(PathTemplate { pieces }))
    }

    /// Whether a path without its query string matches.
    pub fn matches(&self, path: Option<&str>) -> bool {
        match self {
            Self::Text(text) => text.matches(path),
            Self::Template(template) => path.is_some_and(|path| template.matches(path)),
        }
    }
}

impl PathTemplate {
    fn matches(&self, path: &str) -> bool {
        let mut rest = path;
        for (index, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Literal(literal) => match rest.strip_prefix(literal.as_str()) {
                    Some(after) => rest = after,
                    None => return false,
                },
                Piece::Segment => {
                    let end = rest.find('/').unwrap_or(rest.len());
                    if end == 0 || !rest[..end].bytes().all(is_path_character) {
                        return false;
                    }
                    rest = &rest[end..];
                }
                // It is the last operator, so that at most one literal follows.
                Piece::Rest => {
                    let end = match self.pieces.get(index + 1) {
                        Some(Piece::Literal(literal)) => literal.as_str(),
                        _ => "",
                    };
                    return rest
                        .strip_suffix(end)
                        .is_some_and(|middle| middle.bytes().all(|c| c == b'/' || is_path_character(c)));
                }
            }
        }
        rest.is_empty()
    }
}

/// What an operator of a template may stand for (Envoy `uri_template_internal.cc`, `kLiteral`).
fn is_path_character(character: u8) -> bool {
    character.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=".contains(&character)
}
