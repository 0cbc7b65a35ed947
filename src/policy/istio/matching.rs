//! The string patterns of Istio's AuthorizationPolicy: exact, prefix, suffix, presence.
//!
//! Belongs here: parsing and matching of one pattern. Does not belong here: what is matched (`authorization`).

use super::super::PolicyError;

/// A pattern as in `principals`, `namespaces`, `methods`, `paths` and `hosts`
/// (Istio `pilot/pkg/security/authz/matcher/string.go`; `istio.md` section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Reads a pattern. A `*` in the middle is refused: Istio reads it as an ordinary character in some fields
    /// and as a wildcard in others.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let invalid = |hint| PolicyError::Invalid {
            what: "pattern",
            value: text.to_owned(),
            hint,
        };
        if text.is_empty() {
            return Err(invalid("write `*` for any value"));
        }
        let (pattern, rest) = if text == "*" {
            (Self::Present, "")
        } else if let Some(suffix) = text.strip_prefix('*') {
            (Self::Suffix(suffix.to_owned()), suffix)
        } else if let Some(prefix) = text.strip_suffix('*') {
            (Self::Prefix(prefix.to_owned()), prefix)
        } else {
            (Self::Exact(text.to_owned()), text)
        };
        if rest.contains('*') {
            return Err(invalid("one `*` may stand at the beginning or at the end"));
        }
        Ok(pattern)
    }

    /// As [`StringMatch::parse`]; refuses path templates such as `/users/{*}`.
    pub fn parse_path(text: &str) -> Result<Self, PolicyError> {
        if text.contains(['{', '}']) {
            return Err(PolicyError::NotModelled {
                what: "path template",
                value: text.to_owned(),
                hint: "write the path exactly, or with one `*` at the beginning or at the end",
            });
        }
        Self::parse(text)
    }

    /// Whether a value matches; an absent value (none) matches no pattern.
    pub fn matches(&self, value: Option<&str>) -> bool {
        value.is_some_and(|value| match self {
            Self::Present => !value.is_empty(),
            Self::Exact(text) => value == text,
            Self::Prefix(text) => value.starts_with(text),
            Self::Suffix(text) => value.ends_with(text),
        })
    }

    /// The same pattern in lower case, for host names (Istio `matcher.HostMatcher` ignores case).
    #[must_use]
    pub fn lower_case(&self) -> Self {
        self.map(|text| text.to_ascii_lowercase())
    }

    /// In a policy the trust domain `cluster.local` stands for the mesh's own, whatever its name
    /// (Istio `pilot/pkg/security/trustdomain/bundle.go`).
    #[must_use]
    pub fn with_trust_domain(&self, trust_domain: &str) -> Self {
        if matches!(self, Self::Suffix(_)) {
            return self.clone();
        }
        self.map(|text| match text.strip_prefix("cluster.local/") {
            Some(rest) => format!("{trust_domain}/{rest}"),
            None => text.to_owned(),
        })
    }

    fn map(&self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Present => Self::Present,
            Self::Exact(text) => Self::Exact(change(text)),
            Self::Prefix(text) => Self::Prefix(change(text)),
            Self::Suffix(text) => Self::Suffix(change(text)),
        }
    }
}
