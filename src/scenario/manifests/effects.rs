//! What the fields of workloads, pods and Services are to a run: simulated, without influence, approximated, or refused.
//!
//! Belongs here: the table, and the remarks about fields that are not simulated as they are written. Does not belong here:
//! which fields there are (`fields`), and the reading of those that are simulated (`workload`, `service`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::fields::Written;
use super::types::Remarks;
use crate::scenario::error::Place;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Simulated, or without influence.
    None,
    /// For these values, simulated as the text says; refused unless the reading is lenient.
    Remarked(Values, bool, &'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    All,
    /// All but this one.
    AllBut(&'static str),
    Only(&'static str),
}

/// Every other field of a type.
const REST: &str = "*";

static EFFECTS: LazyLock<BTreeMap<(&'static str, &'static str), Effect>> = LazyLock::new(|| {
    let lines = include_str!("effects.txt").lines();
    lines.filter(|line| !line.starts_with('#')).flat_map(effects).collect()
});

fn effects(line: &'static str) -> Vec<((&'static str, &'static str), Effect)> {
    let mut words = line.splitn(3, ' ');
    let (Some(whose), Some(effect), Some(text)) = (words.next(), words.next(), words.next()) else {
        return Vec::new();
    };
    let Some((kind, field)) = whose.split_once('.') else {
        return text.split(' ').map(|field| ((whose, field), Effect::None)).collect();
    };
    let (field, values) = match (field.split_once('='), field.split_once(':')) {
        (Some((field, value)), _) => (field, Values::AllBut(value)),
        (_, Some((field, value))) => (field, Values::Only(value)),
        _ => (field, Values::All),
    };
    vec![((kind, field), Effect::Remarked(values, effect == "refused", text))]
}

fn effect(kind: &'static str, field: &str) -> Option<Effect> {
    let found = EFFECTS.get(&(kind, field)).or_else(|| EFFECTS.get(&(kind, REST)));
    found.copied()
}

/// Whether a run has something else than this value of a field.
pub(super) fn matters(kind: &'static str, field: &str, written: &Written) -> bool {
    let Some(Effect::Remarked(values, ..)) = effect(kind, field) else {
        return false;
    };
    let is = |value: &str| matches!(written, Written::Scalar(text) if text == value);
    *written != Written::Nothing
        && match values {
            Values::All => true,
            Values::AllBut(value) => !is(value),
            Values::Only(value) => is(value),
        }
}

/// Adds what a run has instead of a field that [`matters`].
pub(super) fn remark(remarks: &mut Remarks, place: Place, kind: &'static str, field: &str, written: &Written) {
    let Some(Effect::Remarked(_, refused, text)) = effect(kind, field) else {
        return;
    };
    let shown = match written {
        Written::Scalar(value) => format!("`{field}: {value}`"),
        _ => format!("`{field}`"),
    };
    match refused {
        true => remarks.refuse(place, &shown, text),
        false => remarks.approximate(place, &shown, text),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::fields::fields_of;
    use super::super::pods::PodsKind;
    use super::*;

    #[test]
    fn every_field_that_a_run_may_depend_on_is_classified() {
        let mut kinds: Vec<&str> = PodsKind::ALL.map(PodsKind::name).into();
        kinds.push("Service");
        let (mut seen, mut silent) = (BTreeSet::new(), BTreeSet::new());
        for line in include_str!("effects.txt").lines() {
            let mut words = line.split(' ');
            if let (Some(kind), Some("silent")) = (words.next(), words.next()) {
                silent.extend(words.map(|field| (kind, field)));
            }
        }
        while let Some(kind) = kinds.pop() {
            // What is under a label, an annotation, a port, a count or a duration is no object.
            if !seen.insert(kind) {
                continue;
            }
            for (field, inner) in fields_of(kind).unwrap_or_else(|| panic!("no type {kind}")) {
                let of = EFFECTS.get(&(kind, field)).or_else(|| EFFECTS.get(&(kind, REST)));
                let of = of.unwrap_or_else(|| panic!("{kind}.{field} is not classified"));
                let is_read = *of == Effect::None && !silent.contains(&(kind, field));
                kinds.extend(inner.filter(|inner| is_read && *inner != "OwnerReference"));
            }
        }
        for (kind, field) in EFFECTS.keys().filter(|(_, field)| *field != REST) {
            let fields = fields_of(kind).unwrap_or_else(|| panic!("no type {kind}"));
            assert!(fields.iter().any(|(name, _)| name == field), "no field {kind}.{field}");
            assert!(seen.contains(kind), "no field of type {kind} is read");
        }
    }

    #[test]
    fn empty_values_and_defaults_are_silent() {
        let scalar = |text: &str| Written::Scalar(text.to_owned());
        assert!(!matters("PodSpec", "hostNetwork", &Written::Nothing));
        assert!(matters("PodSpec", "hostNetwork", &scalar("true")));
        assert!(!matters("PodSpec", "schedulerName", &scalar("default-scheduler")));
        assert!(matters("PodSpec", "schedulerName", &scalar("mine")));
        assert!(matters("ServiceSpec", "clusterIP", &scalar("None")));
        assert!(!matters("ServiceSpec", "clusterIP", &scalar("10.96.0.1")));
        assert!(matters("Volume", "persistentVolumeClaim", &Written::More));
        assert!(!matters("Container", "resources", &Written::More));
    }
}
