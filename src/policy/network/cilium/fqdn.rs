//! DNS names of `toFQDNs`: names and patterns.
//!
//! Belongs here: their form and matching. Does not belong here: which addresses a name has, which is learnt while running.

use regex::Regex;

use super::super::super::PolicyError;

/// An entry of `toFQDNs`.
#[derive(Debug, Clone)]
pub struct NamePattern {
    text: String,
    regex: Regex,
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for NamePattern {}

impl NamePattern {
    /// Reads `matchName`: one name.
    pub fn name(text: &str) -> Result<Self, PolicyError> {
        match text.contains('*') {
            true => Err(invalid(text, "write a pattern under `matchPattern`")),
            false => Self::pattern(text),
        }
    }

    /// Reads `matchPattern`: a name in which `*` stands for any number of characters of one label, and `**.` at the beginning
    /// for any number of labels (Cilium `pkg/fqdn/matchpattern/matchpattern.go`). A `*` alone is every name.
    ///
    /// # Errors
    /// If it is no DNS name with such characters.
    pub fn pattern(text: &str) -> Result<Self, PolicyError> {
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.*".contains(c);
        if name.is_empty() || !name.chars().all(allowed) {
            return Err(invalid(
                text,
                "a DNS name of letters, digits, `-`, `_` and `.`; in patterns `*` too",
            ));
        }
        let label = "[-a-zA-Z0-9_]";
        let expression = match name.as_str() {
            "*" | "**" => ".*".to_owned(),
            name => {
                let (head, rest) = match name.strip_prefix("**.") {
                    Some(rest) => (format!(r"(?:{label}+\.)+"), rest),
                    None => (String::new(), name),
                };
                let rest = rest.replace('.', r"\.").replace('*', &format!("{label}*"));
                format!("{head}{rest}")
            }
        };
        let regex = Regex::new(&format!(r"\A(?:{expression})\z")).map_err(|_| invalid(text, "a DNS name"))?;
        Ok(Self { text: name, regex })
    }

    /// Whether it means this name.
    pub fn matches(&self, name: &str) -> bool {
        self.regex.is_match(&name.trim_end_matches('.').to_ascii_lowercase())
    }
}

fn invalid(text: &str, hint: &'static str) -> PolicyError {
    PolicyError::Invalid {
        what: "DNS name",
        value: text.to_owned(),
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_its_label() {
        let matches = |pattern: &str, name: &str| NamePattern::pattern(pattern).expect("valid").matches(name);
        assert!(matches("*.example.com", "api.example.com"));
        assert!(!matches("*.example.com", "example.com"));
        assert!(!matches("*.example.com", "a.b.example.com"));
        assert!(matches("**.example.com", "a.b.example.com"));
        assert!(!matches("**.example.com", "example.com"));
        assert!(matches("api-*.example.com", "API-7.Example.com."));
        assert!(matches("*", "a.b.c"));
        assert!(!matches("example.com", "examplexcom"));
        assert!(
            NamePattern::name("api.example.com")
                .expect("valid")
                .matches("api.example.com")
        );
        assert!(NamePattern::name("*.example.com").is_err());
        assert!(NamePattern::pattern("exa mple.com").is_err());
    }
}
