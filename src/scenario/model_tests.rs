//! The model files are complete, state where their values come from and agree with the typed parameters; the choice of a
//! set and the overrides do what they say.

use std::path::Path;

use super::Scenario;
use super::embedded;
use super::error::InputError;
use super::models::{COMPONENTS, Models, ParameterSet};
use super::overrides::Overrides;
use super::schema::Text;
use super::yaml::{Position, Spanned};

fn text(value: &str) -> Text {
    Spanned::new(value.to_owned(), Position::UNKNOWN, Position::UNKNOWN)
}

fn models() -> Models {
    Models::embedded().unwrap_or_else(|error| panic!("{error}"))
}

fn choose(component: &'static str, version: &str) -> Result<ParameterSet, InputError> {
    models().choose(component, Path::new("f"), &text(version))
}

fn all_sets() -> Vec<ParameterSet> {
    let models = models();
    let mut sets = vec![models.network().unwrap_or_else(|error| panic!("{error}"))];
    for component in ["kubernetes", "cilium", "istio"] {
        for version in models.versions(component) {
            sets.push(choose(component, version).unwrap_or_else(|error| panic!("{error}")));
        }
    }
    sets
}

#[test]
fn every_model_file_belongs_to_a_complete_set() {
    let mut used: Vec<&str> = all_sets().into_iter().flat_map(|set| set.files).collect();
    used.sort_unstable();
    used.dedup();
    let files: Vec<&str> = embedded::FILES
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| name.starts_with("models/"))
        .collect();
    assert_eq!(used, files);
    for set in all_sets() {
        let (_, fields) = COMPONENTS
            .iter()
            .find(|(component, _)| set.shown()[0].name.starts_with(&format!("{component}.")))
            .expect("every set belongs to a component");
        assert_eq!(set.shown().len(), fields.len());
    }
}

/// The doc comments of the typed parameters end in `[unit].`; the model files have to say the same.
#[test]
fn units_are_those_of_the_typed_parameters() {
    let source = include_str!("../cluster/params.rs");
    let mut unit = None;
    let mut units = Vec::new();
    for line in source.lines().map(str::trim) {
        if line.starts_with("///") {
            unit = line
                .strip_suffix(").")
                .and_then(|line| line.rsplit_once('('))
                .map(|(_, unit)| unit.to_owned());
        } else if let (Some(unit), Some((field, _))) = (unit.take(), line.split_once(": ")) {
            units.push((field.to_owned(), unit));
        }
    }
    let unit_of = |field: &str| {
        units
            .iter()
            .find(|(known, _)| known == field)
            .map(|(_, unit)| unit.as_str())
    };
    for parameter in all_sets().iter().flat_map(ParameterSet::shown) {
        let field = parameter.name.split('.').next_back().unwrap_or_default();
        assert_eq!(Some(parameter.unit.as_str()), unit_of(field), "{}", parameter.name);
    }
}

#[test]
fn every_value_has_a_source_that_names_a_place() {
    for parameter in all_sets().iter().flat_map(ParameterSet::shown) {
        let place = ["/", "#", "our estimate", "our choice"]
            .iter()
            .any(|sign| parameter.source.contains(sign));
        assert!(place, "{}: {}", parameter.name, parameter.source);
        assert_eq!(
            parameter.range.is_some(),
            parameter.confidence == "assumed",
            "{}",
            parameter.name
        );
    }
}

#[test]
fn assumed_values() {
    let mut table = String::new();
    for parameter in all_sets()
        .iter()
        .flat_map(ParameterSet::shown)
        .filter(|p| p.confidence == "assumed")
    {
        let range = parameter.range.as_deref().unwrap_or_default();
        let line = format!(
            "{} | {} | {} | {range}\n",
            parameter.model, parameter.name, parameter.value
        );
        if !table.contains(&line) {
            table.push_str(&line);
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_nearest_set_below_a_version_is_taken_and_said() {
    let model_of = |component, version| choose(component, version).map(|set| (set.shown()[0].model.clone(), set.note));
    assert_eq!(model_of("cilium", "1.12.0"), Ok(("cilium 1.12".to_owned(), None)));
    assert_eq!(model_of("cilium", "v1.15"), Ok(("cilium 1.15".to_owned(), None)));
    // Within the range of a set nothing is to be reported.
    assert_eq!(model_of("cilium", "1.16.3"), Ok(("cilium 1.15".to_owned(), None)));
    for version in ["1.26", "1.31", "1.40"] {
        assert_eq!(choose("kubernetes", version).map(|set| set.note), Ok(None), "{version}");
    }
    let applies = "1.17; the nearest set for later releases";
    let note = format!("cilium 1.18.3: the nearest parameter set that applies is 1.17 ({applies})");
    assert_eq!(choose("cilium", "1.18.3").map(|set| set.note), Ok(Some(note)));
    assert_eq!(
        model_of("istio", "1.9").map_err(|error| error.hint),
        Err(Some(
            "parameter sets exist for istio 1.14, 1.17, 1.21, 1.27, 1.29".to_owned()
        ))
    );
    assert!(choose("istio", "2").is_ok());
    assert!(choose("istio", "").is_err() && choose("istio", "1.x").is_err());
}

#[test]
fn a_set_inherits_what_it_does_not_say() {
    let set = choose("istio", "1.21").unwrap_or_else(|error| panic!("{error}"));
    let of = |name: &str| {
        set.shown()
            .iter()
            .find(|p| p.name == name)
            .map(|p| (p.value.as_str(), p.model.as_str()))
    };
    assert_eq!(of("istio.csr_redial_on_error"), Some(("true", "istio 1.21")));
    assert_eq!(of("istio.connection_age"), Some(("30m", "istio 1.14")));
    assert_eq!(
        set.files,
        [
            "models/istio/1.14.yaml",
            "models/istio/1.17.yaml",
            "models/istio/1.21.yaml"
        ]
    );
}

#[test]
fn notes_reach_the_design() {
    let overrides = Overrides::parse(&["cluster.cilium.version=1.18.3", "cluster.kubernetes=1.31"]);
    let overrides = overrides.unwrap_or_else(|error| panic!("{error}"));
    let scenario = Scenario::built_in("ip-reuse", &overrides).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(
        scenario.designs[0].notes,
        ["cilium 1.18.3: the nearest parameter set that applies is 1.17 (1.17; the nearest set for later releases)"]
    );
}
