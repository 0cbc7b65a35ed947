//! Every key of the schema can be set from the command line and varied by a factor, or it is said why not; and what a change
//! replaces.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{EXPERIMENT, Form};
use crate::cluster::faults::place::Where;
use crate::cluster::spec::Step;
use crate::kernel::SimDuration;
use crate::scenario::Scenario;
use crate::scenario::factors::levels::Levels;
use crate::scenario::factors::{Factor, target};
use crate::scenario::layers::Layers;
use crate::scenario::overrides::Overrides;
use crate::scenario::schema::Text;
use crate::scenario::yaml::{Position, Spanned};

/// Stands for any name.
const NAME: &str = "a.name";
/// A value that no other key has.
const MARK: &str = "a-mark";

/// All keys with values that are scalars or lists of scalars, as steps.
fn keys(form: Form, before: &[String], found: &mut Vec<Vec<String>>) {
    let entry = form.entry();
    if form.is_scalar() || entry.is_some_and(Form::is_scalar) {
        found.push(before.to_vec());
    }
    for below in [Some(form), entry].into_iter().flatten() {
        for key in below.keys() {
            let key = if key == "NAME" { NAME } else { key };
            // Steps hold steps: once is enough.
            if ["repeat", "parallel"].contains(&key) && before.iter().any(|step| step == "steps") {
                continue;
            }
            let child = below.child(key).expect("a key of the form is one");
            keys(child, &[before, &[key.to_owned()]].concat(), found);
        }
    }
}

/// A value of a form, with what is required and what is on the way along some steps.
fn sample(form: Form, steps: &[String]) -> Value {
    let (first, rest) = steps
        .split_first()
        .map_or((None, steps), |(first, rest)| (Some(first.as_str()), rest));
    let on_the_way = first.and_then(|first| form.child(first));
    if on_the_way.is_none()
        && let Some(entry) = form.entry()
    {
        return json!([sample(entry, steps)]);
    }
    if on_the_way.is_none() && form.is_scalar() {
        return json!("1");
    }
    let of_this_key = |simple: &&Form| first.is_none_or(|first| simple.child(first).is_some());
    let simple = form.simple();
    let simple = simple
        .iter()
        .filter(|simple| simple.is_map())
        .find(of_this_key)
        .expect("a map");
    let required = simple.0["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let mut pairs: Map<String, Value> = required
        .filter(|key| Some(*key) != first)
        .map(|key| (key.to_owned(), sample(simple.child(key).expect("a key"), &[])))
        .collect();
    if let Some((first, child)) = first.zip(on_the_way) {
        pairs.insert(first.to_owned(), sample(child, rest));
    }
    Value::Object(pairs)
}

/// All keys, each with an experiment that has it.
fn experiments() -> Vec<(String, String, Option<&'static str>)> {
    let mut found = Vec::new();
    keys(Form::experiment(), &[], &mut found);
    let experiment = |steps: Vec<String>| {
        let text = sample(Form::experiment(), &steps).to_string();
        (
            steps.join("."),
            text,
            Form::experiment().child(&steps[0]).and_then(Form::scope),
        )
    };
    found.into_iter().map(experiment).collect()
}

fn text(value: &str) -> Text {
    let at = Position { line: 1, column: 1 };
    Spanned::new(value.to_owned(), at, at)
}

#[test]
fn every_key_can_be_set() {
    let (all, mut fixed) = (experiments(), 0);
    for (key, written, scope) in &all {
        let overrides = match (Overrides::parse(&[format!("{key}={MARK}")]), scope) {
            (Err(error), Some("file")) => {
                assert!(error.to_string().contains("cannot be set"), "{error}");
                fixed += 1;
                continue;
            }
            (overrides, _) => overrides.unwrap_or_else(|error| panic!("{error}")),
        };
        let layers = Layers::read(Path::new("f"), written, &overrides)
            .expect("JSON is YAML")
            .0;
        let (before, after) = layers
            .experiment()
            .unwrap_or_else(|error| panic!("{key}: {error}\n{written}"));
        assert!(
            !format!("{before:?}").contains(MARK) && format!("{after:?}").contains(MARK),
            "{key}: {written}"
        );
    }
    assert!(all.len() - fixed > 500, "{} {fixed}", all.len());
}

#[test]
fn every_key_can_be_varied() {
    let overrides = Overrides::default();
    for (key, written, scope) in experiments() {
        let layers = Layers::read(Path::new("f"), &written, &overrides)
            .expect("JSON is YAML")
            .0;
        let sets = match (target::read(Path::new("f"), &layers, &text(&key)), scope) {
            (Err(error), Some(_)) => {
                assert!(
                    error.to_string().contains("is the same for the whole experiment"),
                    "{error}"
                );
                continue;
            }
            (sets, _) => sets.unwrap_or_else(|error| panic!("{error}\n{written}")),
        };
        let factor = Factor {
            name: text("factor"),
            sets,
            levels: Levels::default(),
        };
        let (experiment, _) = layers.experiment().expect("a sample has the form");
        let level = text(MARK);
        let found = layers
            .design(0, &experiment.designs[0])
            .at([(&factor, &level)].into_iter());
        let found = found.unwrap_or_else(|error| panic!("{key}: {error}\n{written}"));
        assert!(format!("{found:?}").contains(MARK), "{key}: {written}");
    }
}

#[test]
fn every_word_of_the_schema_about_changes_has_a_meaning() {
    for (key, form) in EXPERIMENT["properties"].as_object().expect("keys at the top") {
        assert!(
            matches!(Form(form).scope(), None | Some("experiment" | "file")),
            "{key}"
        );
    }
    assert_eq!(Form::experiment().rivals(), ["replications", "stopping"]);
}

fn built_in(changes: &[&str]) -> Scenario {
    let overrides = Overrides::parse(changes).unwrap_or_else(|error| panic!("{error}"));
    Scenario::built_in("ip-reuse", &overrides).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn refused(changes: &[&str]) -> String {
    match Overrides::parse(changes) {
        Err(error) => error.to_string(),
        Ok(overrides) => Scenario::built_in("ip-reuse", &overrides).expect_err("a wrong change")[0].to_string(),
    }
}

#[test]
fn the_later_change_counts_and_lists_are_changed_entry_by_entry() {
    let changes = [
        "cluster.nodes=40",
        "cluster={nodes: 9, cilium: {routing: native}}",
        "policies_in_force=none",
        "faults.cut-node.cut.node=worker-2",
        "script.pause=7s",
        "churn={rate: 20/s, for: 10m, lifetime: 60s}",
        "churn.rate=5/s",
        "title='t: u'",
    ];
    let scenario = built_in(&changes);
    assert_eq!(scenario.title, "t: u");
    for design in &scenario.designs {
        let world = &design.world;
        assert_eq!((world.nodes, world.network_enforced), (9, false));
        assert!(
            matches!(world.faults[0].kind.whom().place, Where::Nodes(_)),
            "in place of `node_of`"
        );
        assert_eq!(world.churn[0].rate_per_s, 5.0);
        let pauses = world.script.iter().filter_map(|step| match step {
            Step::Pause { duration } => Some(*duration),
            _ => None,
        });
        let pauses: Vec<SimDuration> = pauses.collect();
        assert!(
            !pauses.is_empty() && pauses.iter().all(|pause| *pause == SimDuration::from_secs(7)),
            "{pauses:?}"
        );
    }
}

#[test]
fn replications_replace_a_rule_and_a_distribution_another_distribution() {
    let rule = "stopping={time_budget: 1m}";
    assert!(built_in(&[rule]).stopping.is_some());
    assert!(built_in(&[rule, "replications=20"]).stopping.is_none());
    let distribution = "parameters.kubernetes.watch_latency={uniform: {min: 1ms, max: 2ms}}";
    let shown = |changes: &[&str]| {
        let scenario = built_in(changes);
        let found = scenario.designs[0]
            .parameters
            .iter()
            .find(|p| p.overridden)
            .map(|p| p.value.clone());
        found.expect("it is overridden")
    };
    assert_eq!(shown(&[distribution]), "uniform, 1ms to 2ms");
    assert_eq!(
        shown(&[distribution, "parameters.kubernetes.watch_latency.uniform.max=5ms"]),
        "uniform, 1ms to 5ms"
    );
    assert_eq!(
        shown(&[distribution, "parameters.kubernetes.watch_latency.constant=5ms"]),
        "5ms"
    );
}

#[test]
fn a_change_that_cannot_be_made_is_named() {
    for (change, complaint) in [
        (
            "cluster.node=400",
            "unknown key `cluster.node`\n  hint: did you mean `cluster.nodes`?",
        ),
        (
            "faults.cut-node.fr=1s",
            "unknown key `faults.cut-node.fr`\n  hint: did you mean `faults.cut-node.for`?",
        ),
        (
            "faults.cut-nod.for=1s",
            "unknown fault `cut-nod`\n  hint: did you mean `cut-node`?",
        ),
        ("designs=[a]", "`designs` cannot be set"),
        ("meshfault=2", "`meshfault` cannot be set"),
        ("churn=20/s", "expected a map (`key: value`), found `20/s`"),
        ("churn=[{rate: 1/s, for: 1m}]", "key `lifetime` is missing"),
        (
            "churn={rate: [1], for: 1m, lifetime: 1s}",
            "expected a string, found `[…]`",
        ),
        ("churn={rate: 20/s", ""),
        (
            "churn.rate=20/s",
            "`churn.rate`: the experiment has no such entry of `churn`",
        ),
        (
            "script.end_fault=x",
            "`script.end_fault`: the experiment has no such entry of `script`",
        ),
        ("cluster={nodes: many}", "`many` is not a whole number"),
        (
            "parameters.kubernetes.wach_latency=1s",
            "unknown parameter `kubernetes.wach_latency`\n  hint: did you mean",
        ),
        (
            "parameters.kubernetes.watch_latency.uniform.min=1ms",
            "key `max` is missing",
        ),
    ] {
        let found = refused(&["seed=2", change]);
        assert!(
            found.starts_with(&format!("--set {change}: {complaint}")),
            "{change}: {found}"
        );
    }
    assert!(refused(&["replications"]).contains("`replications` changes nothing"));
}
