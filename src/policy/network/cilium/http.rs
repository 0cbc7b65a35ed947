//! HTTP rules of Cilium policies, matched as Cilium's Envoy does.
//!
//! Belongs here: the rules, their regular expressions and matching. Does not belong here: which connections have to
//! pass them (`lower`, `super::super::evaluate`).

use regex::bytes::{Regex, RegexBuilder};

use super::super::super::{Http, PolicyError};
use super::super::tri::Tri;

/// A regular expression that has to match the whole text: Envoy matches `safe_regex` in full, by RE2, whose classes
/// such as `\d` are ASCII (Cilium `pkg/envoy/xds_server.go`, `getHTTPRule`).
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Reads an expression.
    ///
    /// # Errors
    /// If it is none, or uses what RE2 and this engine read differently.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if has_nested_class(text) {
            return Err(PolicyError::NotModelled {
                what: "regular expression",
                value: text.to_owned(),
                hint: "a `[` inside of a class, `&&`, `--` or `~~` have another meaning here; escape them",
            });
        }
        let whole = format!(r"\A(?:{text})\z");
        let regex = RegexBuilder::new(&whole).unicode(false).size_limit(1 << 20).build();
        let regex = regex.map_err(|_| PolicyError::Invalid {
            what: "regular expression",
            value: text.to_owned(),
            hint: "the syntax is RE2's, without `\\Q`, `\\C` and classes of Unicode",
        })?;
        Ok(Self {
            text: text.to_owned(),
            regex,
        })
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text.as_bytes())
    }
}

/// Whether a class holds what RE2 takes literally and this engine as a set operation. `[[:alpha:]]` is the same in both.
fn has_nested_class(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut index, mut inside) = (0, false);
    while index < bytes.len() {
        match bytes[index] {
            b'\\' => index += 1,
            b'[' if !inside => {
                inside = true;
                // A `]` that comes first, perhaps behind `^`, is literal.
                let first = index + 1 + usize::from(bytes.get(index + 1) == Some(&b'^'));
                if bytes.get(first) == Some(&b']') {
                    index = first;
                }
            }
            b'[' => match text[index..].strip_prefix("[:").and_then(|rest| rest.find(":]")) {
                Some(length) => index += length + 3,
                None => return true,
            },
            b']' => inside = false,
            b'&' | b'-' | b'~' if inside && bytes.get(index + 1) == Some(&bytes[index]) => return true,
            _ => {}
        }
        index += 1;
    }
    false
}

/// What a header field has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderMatch {
    /// It is there.
    Present(String),
    /// Its value is this.
    Value(String, String),
    /// Its value is a secret that cannot be seen from here.
    Secret(String),
}

/// One HTTP rule (Cilium `pkg/policy/api/http.go`, `PortRuleHTTP`); whatever is not given is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpRule {
    /// Path with its query.
    pub path: Option<Pattern>,
    /// Method.
    pub method: Option<Pattern>,
    /// Host, with its port where the request names one.
    pub host: Option<Pattern>,
    /// Header fields; all of them.
    pub headers: Vec<HeaderMatch>,
}

impl HttpRule {
    /// Whether a request matches.
    pub fn matches(&self, request: &Http<'_>) -> Tri {
        let by = |pattern: &Option<Pattern>, text: &str| Tri::from(pattern.as_ref().is_none_or(|p| p.matches(text)));
        let host = match (&self.host, request.host.or_else(|| request.header("host"))) {
            (None, _) => Tri::Yes,
            (Some(_), None) => Tri::Unknown,
            (Some(pattern), Some(host)) => pattern.matches(host).into(),
        };
        let fixed = by(&self.path, request.path).and(by(&self.method, request.method));
        fixed
            .and(host)
            .and(Tri::all(self.headers.iter().map(|h| h.matches(request))))
    }
}

impl HeaderMatch {
    /// Reads an entry of `headers`: `X-Name` or `X-Name: value` (Cilium `getHTTPRule`: split at the first blank).
    pub fn parse(text: &str) -> Self {
        match text.split_once(' ') {
            None => Self::Present(text.to_owned()),
            Some((name, value)) => Self::Value(name.trim_end_matches(':').to_owned(), value.to_owned()),
        }
    }

    fn matches(&self, request: &Http<'_>) -> Tri {
        match self {
            Self::Present(name) => joined(request, name).is_some().into(),
            Self::Value(name, value) => (joined(request, name).as_deref() == Some(value)).into(),
            Self::Secret(name) => match joined(request, name) {
                None => Tri::No,
                Some(_) => Tri::Unknown,
            },
        }
    }
}

/// The value of a field; several fields of one name are one, divided by commas, as Envoy sees them.
fn joined(request: &Http<'_>, name: &str) -> Option<String> {
    let fields = request.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
    let values: Vec<&str> = fields.map(|(_, value)| value.as_str()).collect();
    match (values.is_empty(), request.host) {
        (true, Some(host)) if name.eq_ignore_ascii_case("host") => Some(host.to_owned()),
        (true, _) => None,
        (false, _) => Some(values.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_text() {
        let matches = |pattern: &str, text: &str| Pattern::parse(pattern).expect("valid").matches(text);
        assert!(matches("/public", "/public"));
        assert!(!matches("/public", "/public/a") && !matches("/public", "/a/public"));
        assert!(matches("/a|/b", "/b") && !matches("/a|/b", "/a/b"));
        assert!(matches("/public/.*", "/public/x?y=1") && !matches("/p$", "/p\n"));
        assert!(matches(r"/\d+", "/42") && !matches(r"/\d+", "/٤"));
    }

    #[test]
    fn what_the_engines_read_differently_is_refused() {
        for pattern in ["[a&&b]", "[a[b]", "[a--b]", "[", r"\Qa\E", "(?=a)"] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
        for pattern in ["[[:alpha:]]+", "[]a]", "[^]a-z]", r"\[a&&b", "a&&b", "[[:alpha:]x][ab]"] {
            assert!(Pattern::parse(pattern).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn header_entries_are_names_or_names_with_a_value() {
        assert_eq!(HeaderMatch::parse("X-Y"), HeaderMatch::Present("X-Y".into()));
        assert_eq!(
            HeaderMatch::parse("X-Y: true"),
            HeaderMatch::Value("X-Y".into(), "true".into())
        );
    }
}
