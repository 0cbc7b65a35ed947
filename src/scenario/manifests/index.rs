//! Subjects by their namespace and labels, so that a selector is not held against every workload.
//!
//! Belongs here: finding the few that can match. Does not belong here: whether they match (`policy::labels`).

use std::collections::BTreeMap;

use crate::policy::Subject;

pub(super) struct Party<'p> {
    pub name: &'p str,
    pub subject: &'p Subject,
}

/// Parties by namespace and labels; all lists are in the order of the parties.
pub(super) struct Index<'p> {
    pub parties: Vec<Party<'p>>,
    all: Vec<usize>,
    by_namespace: BTreeMap<&'p str, Vec<usize>>,
    by_label: ByLabel<'p>,
    by_both: BTreeMap<&'p str, ByLabel<'p>>,
}

/// Key, value, who has that label.
type ByLabel<'p> = BTreeMap<&'p str, BTreeMap<&'p str, Vec<usize>>>;

impl<'p> Index<'p> {
    pub(super) fn new(parties: Vec<Party<'p>>) -> Self {
        let mut index = Self {
            all: (0..parties.len()).collect(),
            by_namespace: BTreeMap::new(),
            by_label: BTreeMap::new(),
            by_both: BTreeMap::new(),
            parties: Vec::new(),
        };
        for (number, party) in parties.iter().enumerate() {
            let namespace = party.subject.namespace.as_str();
            index.by_namespace.entry(namespace).or_default().push(number);
            for (key, value) in &party.subject.labels.0 {
                for labels in [&mut index.by_label, index.by_both.entry(namespace).or_default()] {
                    labels.entry(key).or_default().entry(value).or_default().push(number);
                }
            }
        }
        index.parties = parties;
        index
    }

    /// Those of a namespace (none means every namespace).
    pub(super) fn within(&self, namespace: Option<&str>) -> &[usize] {
        match namespace {
            None => &self.all,
            Some(namespace) => self.by_namespace.get(namespace).map_or(&[], Vec::as_slice),
        }
    }

    fn with_label(&self, namespace: Option<&str>, key: &str, value: &str) -> &[usize] {
        let labels = match namespace {
            None => Some(&self.by_label),
            Some(namespace) => self.by_both.get(namespace),
        };
        let list = labels.and_then(|l| l.get(key)).and_then(|values| values.get(value));
        list.map_or(&[], Vec::as_slice)
    }

    /// Those of a namespace (none means every namespace) that can have all these labels: the shortest list that
    /// one of the labels gives.
    pub(super) fn candidates<'i, 'l>(
        &'i self,
        namespace: Option<&str>,
        labels: impl Iterator<Item = (&'l str, &'l str)>,
    ) -> &'i [usize] {
        let mut best = self.within(namespace);
        for (key, value) in labels {
            let list = self.with_label(namespace, key, value);
            if list.len() < best.len() {
                best = list;
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Labels;

    #[test]
    fn the_shortest_list_of_a_label_is_taken() {
        let subject = |namespace: &str, app: &str, tier: &str| {
            Subject::new(
                namespace,
                Labels::default(),
                "default",
                Labels::from([("app", app), ("tier", tier)]),
            )
        };
        let subjects = [subject("a", "x", "1"), subject("a", "y", "1"), subject("b", "x", "1")];
        let party = |subject| Party { name: "p", subject };
        let index = Index::new(subjects.iter().map(party).collect());
        let find = |namespace, labels: &[(&'static str, &'static str)]| {
            index.candidates(namespace, labels.iter().copied()).to_vec()
        };
        assert_eq!(find(Some("a"), &[]), [0, 1]);
        assert_eq!(find(Some("a"), &[("tier", "1"), ("app", "x")]), [0]);
        assert_eq!(find(None, &[("app", "x")]), [0, 2]);
        assert!(find(None, &[("app", "z")]).is_empty() && find(Some("c"), &[]).is_empty());
    }
}
