//! The schema is the one in the repository, takes what the reader takes, and refuses what is wrong by its form.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::schema::Text;
use super::super::values::{count, duration, rate};
use super::super::yaml::{self, Position, Spanned};
use super::super::{Overrides, Scenario};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&super::experiment()).expect("the schema is one of 2020-12")
}

/// A definition of the schema on its own.
fn definition(name: &str) -> Validator {
    let mut schema = super::experiment();
    let definitions = schema["$defs"].take();
    assert!(definitions[name].is_object(), "there is no definition {name}");
    let schema = json!({"$ref": format!("#/$defs/{name}"), "$defs": definitions});
    jsonschema::draft202012::new(&schema).expect("a definition is a schema")
}

/// What a YAML file holds, and nothing if it is no YAML.
fn read(path: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).expect("a test reads what is there");
    yaml::parse(path, &text).ok()
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .expect("the folder is part of the project")
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder}");
    files
}

#[test]
fn the_schema_in_the_repository_is_current() {
    let path = root().join("schema/experiment.schema.json");
    let wanted = format!("{:#}\n", super::experiment());
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    if held != wanted && std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::create_dir_all(root().join("schema")).expect("a folder can be made");
        std::fs::write(path, wanted).expect("the schema can be written");
        return;
    }
    assert!(
        held == wanted,
        "write it with UPDATE_DOCUMENTS=1 cargo test --lib json_schema"
    );
}

#[test]
fn the_built_in_experiments_are_valid() {
    let validator = validator();
    for path in files("experiments") {
        let file = read(&path).expect("an experiment is YAML");
        let errors: Vec<String> = validator
            .iter_errors(&file)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
    }
}

/// Which of the bad inputs the schema refuses; the others are wrong by names, by places or by values that contradict
/// each other, which no schema sees.
#[test]
fn bad_inputs_are_refused_if_their_form_is_wrong() {
    let validator = validator();
    let mut table = String::new();
    for path in files("tests/bad_inputs") {
        let verdict = match read(&path) {
            None => "no YAML".to_owned(),
            Some(file) => match validator.iter_errors(&file).next() {
                None => "valid".to_owned(),
                Some(error) => format!("refused at `{}`", error.instance_path()),
            },
        };
        let name = path.file_stem().expect("a file has a name").to_string_lossy();
        table.push_str(&format!("{name}: {verdict}\n"));
        assert!(Scenario::load(&path, &Overrides::default()).is_err(), "{name}");
    }
    insta::assert_snapshot!(table);
}

/// Each line is put in place of a line of an experiment that the reader takes.
#[test]
fn the_schema_takes_what_the_reader_takes() {
    let good = std::fs::read_to_string(root().join("experiments/ip-reuse.yaml")).expect("it is there");
    let good = good.replace(
        "manifests: manifests/",
        &format!("manifests: {}/experiments/manifests/", root().display()),
    );
    let validator = validator();
    let dir = tempfile::tempdir().expect("a folder for a file");
    let path = dir.path().join("changed.yaml");
    for (old, new) in [
        ("meshfault: 1", "meshfault: \"1\""),
        ("title: A reused", "title: 5 # A reused"),
        ("horizon: 15m", "horizon: 14 minutes, 60s"),
        ("horizon: 15m", "horizon: 00:15:00"),
        ("replications: 1000", "replications: \"1000\""),
        ("seed: 1", "seed: 18446744073709551615"),
        ("seed: 1", "seed: ~"),
        ("kubernetes: \"1.24\"", "kubernetes: 1.24"),
        ("  nodes: 4", "  nodes: \"+4\""),
        ("istio: none", "istio: {version: 1.21, replicas: 2}"),
        ("seed: 1", "seed: 1\nlimits: {events_max: 1000000}"),
        ("seed: 1", "seed: 1\ntie_order: permuted"),
        (
            "seed: 1",
            "seed: 1\nparameters: {kubernetes.watch_latency: {constant: 5ms}, cilium.endpoint_create_rate: \"0.5\"}",
        ),
        (
            "seed: 1",
            "seed: 1\nchurn: [{rate: 20/s, for: 1m, lifetime: {weibull: {scale: 1s, shape: 0.7, max: 1m}}}]",
        ),
        ("parties: [kubelet, cilium_agent, service_proxy]", "parties: [$gap]"),
        ("  - pause: 30s", "  - pause: $gap"),
    ] {
        let changed = good.replacen(old, new, 1);
        assert_ne!(changed, good, "{old}");
        std::fs::write(&path, &changed).expect("a file can be written");
        let file = read(&path).expect("it is YAML");
        assert!(
            validator.is_valid(&file),
            "{new}: {:?}",
            validator.iter_errors(&file).next()
        );
        // An option of a wrong kind is the reader's to see.
        if new != "parties: [$gap]" {
            Scenario::load(&path, &Overrides::default()).unwrap_or_else(|errors| panic!("{new}: {errors:?}"));
        }
    }
}

fn text(value: &str) -> Text {
    Spanned::new(value.to_owned(), Position::UNKNOWN, Position::UNKNOWN)
}

proptest! {
    /// Whatever the reader takes for a span, a rate or a number, the schema takes.
    #[test]
    fn forms_of_scalars_are_not_narrower_than_the_reader(value in r"[+]?[0-9]{1,3}([.,:][0-9]{1,3}){0,2} ?(h|m|s|ms|us|µs|ns|hrs|mins|secs|d|)(,? ?[0-9]{1,2} ?(m|s|ms|seconds|))?(/(s|min|h))?") {
        let (file, written) = (Path::new("f"), text(&value));
        for (form, taken) in [
            ("Span", duration(file, &written).is_ok()),
            ("Rate", rate(file, &written).is_ok()),
            ("Whole", count(file, &written, 0, u32::MAX).is_ok()),
        ] {
            prop_assert!(!taken || definition(form).is_valid(&json!(value)), "{form} {value}");
        }
    }
}

#[test]
fn a_span_on_a_clock_may_end_in_a_space() {
    let value = "0:0:5 ";
    assert!(duration(Path::new("f"), &text(value)).is_ok());
    assert!(definition("Span").is_valid(&json!(value)));
}

#[test]
fn every_parameter_has_a_meaning_with_its_unit() {
    let mut seen = 0;
    for (name, _, meaning) in super::parameters() {
        assert!(meaning.ends_with(").") && meaning.len() > 20, "{name}: {meaning}");
        seen += 1;
    }
    assert!(seen > 90, "{seen}");
}
