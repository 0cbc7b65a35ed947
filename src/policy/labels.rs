//! Labels and label selectors as Kubernetes defines them.
//!
//! Belongs here: the four operators of `metav1.LabelSelector` and their evaluation over a plain map or over any
//! other look-up. Does not belong here: Cilium's label sources (`network::cilium::selector`) and reading YAML.

use std::collections::BTreeMap;
use std::fmt;

/// A set of labels, ordered by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(pub BTreeMap<String, String>);

impl Labels {
    /// The value of a label, if it is there.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for Labels {
    fn from(pairs: [(K, V); N]) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{key}={value}")?;
        }
        Ok(())
    }
}

/// One requirement on one key (Kubernetes `metav1.LabelSelectorRequirement`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Requirement {
    /// The label is there and has one of these values.
    In(Vec<String>),
    /// The label is absent or has none of these values.
    NotIn(Vec<String>),
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl Requirement {
    /// Whether a label with this value (none = absent) satisfies the requirement
    /// (Kubernetes `k8s.io/apimachinery/pkg/labels`, `Requirement.Matches`).
    pub fn is_met_by(&self, value: Option<&str>) -> bool {
        match self {
            Self::In(values) => value.is_some_and(|value| values.iter().any(|v| v == value)),
            Self::NotIn(values) => value.is_none_or(|value| values.iter().all(|v| v != value)),
            Self::Exists => value.is_some(),
            Self::DoesNotExist => value.is_none(),
        }
    }
}

/// A Kubernetes label selector; every entry must be met, and the empty selector matches everything
/// (Kubernetes `metav1.LabelSelector`).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelSelector {
    /// Labels that must be there with exactly this value.
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements, each on one key.
    pub match_expressions: Vec<(String, Requirement)>,
}

impl LabelSelector {
    /// Whether the selector has no entry and therefore matches everything.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether the labels satisfy every entry.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
            && self
                .match_expressions
                .iter()
                .all(|(key, requirement)| requirement.is_met_by(labels.get(key)))
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for LabelSelector {
    fn from(pairs: [(K, V); N]) -> Self {
        Self {
            match_labels: Labels::from(pairs).0,
            match_expressions: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, requirement: Requirement) -> LabelSelector {
        LabelSelector {
            match_labels: BTreeMap::new(),
            match_expressions: vec![(key.into(), requirement)],
        }
    }

    fn sleep_v1() -> Labels {
        Labels::from([("app", "sleep"), ("version", "v1")])
    }

    #[test]
    fn empty_selector_matches_everything() {
        assert!(LabelSelector::default().matches(&sleep_v1()));
        assert!(LabelSelector::default().matches(&Labels::default()));
    }

    #[test]
    fn match_labels_are_all_required() {
        assert!(LabelSelector::from([("app", "sleep")]).matches(&sleep_v1()));
        assert!(!LabelSelector::from([("app", "sleep"), ("version", "v2")]).matches(&sleep_v1()));
    }

    #[test]
    fn in_needs_the_label_and_one_of_the_values() {
        let selector = with("version", Requirement::In(vec!["v1".into(), "v2".into()]));
        assert!(selector.matches(&sleep_v1()));
        assert!(!selector.matches(&Labels::default()));
    }

    #[test]
    fn not_in_is_met_by_an_absent_label() {
        let selector = with("version", Requirement::NotIn(vec!["v1".into()]));
        assert!(!selector.matches(&sleep_v1()));
        assert!(selector.matches(&Labels::default()));
    }

    #[test]
    fn exists_and_does_not_exist_look_at_the_key_only() {
        assert!(with("app", Requirement::Exists).matches(&sleep_v1()));
        assert!(!with("tier", Requirement::Exists).matches(&sleep_v1()));
        assert!(!with("app", Requirement::DoesNotExist).matches(&sleep_v1()));
        assert!(with("tier", Requirement::DoesNotExist).matches(&sleep_v1()));
    }
}
