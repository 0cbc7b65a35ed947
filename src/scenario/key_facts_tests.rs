//! Every key has its facts, the facts fit the schema, and the examples make experiments that are read.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{UNIT, key_mut};
use crate::cluster::faults::KINDS;
use crate::lab::question_check;
use crate::scenario::error::InputError;
use crate::scenario::overrides::Overrides;
use crate::scenario::{Scenario, json_schema};

/// Where each place is in the file of examples, and the keys at the top that do not go with its examples.
const POINTERS: [(&str, &str, &[&str]); 61] = [
    ("", "", &[]),
    ("StoppingForm", "/stopping", &["replications"]),
    ("TargetForm", "/stopping/until/0", &["replications"]),
    ("Limits", "/limits", &[]),
    ("Published", "/published", &[]),
    ("Design", "/designs/0", &[]),
    ("Cluster", "/cluster", &[]),
    ("NodePool", "/cluster/node_pools/0", &[]),
    ("PoolTaint", "/cluster/node_pools/0/taints/0", &[]),
    ("Load", "/cluster/load/0", &[]),
    ("Cilium", "/cluster/cilium", &[]),
    ("Mesh", "/cluster/istio", &[]),
    ("Fault", "/faults/cut-node", &["script", "measures"]),
    ("Fault.cut", "/faults/cut-node/cut", &[]),
    ("Fault.partition", "/faults/cut-node/partition", &[]),
    ("Fault.loss", "/faults/cut-node/loss", &[]),
    ("Fault.delay", "/faults/cut-node/delay", &[]),
    ("Fault.overload", "/faults/cut-node/overload", &[]),
    ("Fault.etcd_quorum", "/faults/cut-node/etcd_quorum", &[]),
    ("Fault.stale_cache", "/faults/cut-node/stale_cache", &[]),
    ("Fault.node_down", "/faults/cut-node/node_down", &[]),
    ("Fault.hang", "/faults/cut-node/hang", &[]),
    ("Fault.crash", "/faults/cut-node/crash", &[]),
    ("Fault.restart", "/faults/cut-node/restart", &[]),
    ("Fault.out_of_memory", "/faults/cut-node/out_of_memory", &[]),
    ("Fault.slow", "/faults/cut-node/slow", &[]),
    ("Fault.webhook", "/faults/cut-node/webhook", &[]),
    ("Fault.clock_skew", "/faults/cut-node/clock_skew", &[]),
    ("Trigger", "/faults/cut-node/until", &["script", "measures"]),
    ("Condition", "/faults/cut-node/while", &["script", "measures"]),
    ("Repeats", "/faults/cut-node/repeats", &["script", "measures"]),
    ("Step", "/script", &[]),
    ("WaitReady", "/script/1/wait_ready", &[]),
    ("Scale", "/script/6/scale", &[]),
    ("RolloutRestart", "/script/7/rollout_restart", &[]),
    ("FindReuse", "/script/8/find_reuse", &[]),
    ("Probe", "/script/9/probe", &[]),
    ("DeletePods", "/script/11/delete_pods", &[]),
    ("AtNode", "/script/12/cordon", &[]),
    ("Taint", "/script/14/taint", &[]),
    ("Drain", "/script/15/drain", &[]),
    ("Wait", "/script/16/wait", &[]),
    ("Track", "/script/17/parallel/0", &[]),
    ("Repeat", "/script/19/repeat", &[]),
    ("Churn", "/churn/0", &[]),
    ("Traffic", "/traffic", &[]),
    ("Flow", "/traffic/flows/0", &[]),
    ("FromPolicies", "/traffic/from_policies", &[]),
    ("Connections", "/traffic/flows/0/connections", &[]),
    ("Retries", "/traffic/flows/0/retries", &[]),
    ("Measures", "/measures", &[]),
    ("Startup", "/measures/startup", &[]),
    ("Exposure", "/measures/exposure", &[]),
    ("FactorForm", "/factors/gap", &["sampling"]),
    ("SamplingForm", "/sampling", &[]),
    ("DistributionForm", "/churn/0/lifetime", &[]),
    ("DistributionForm.uniform", "/churn/0/lifetime/uniform", &[]),
    ("DistributionForm.log_normal", "/churn/0/lifetime/log_normal", &[]),
    ("DistributionForm.exponential", "/churn/0/lifetime/exponential", &[]),
    ("DistributionForm.weibull", "/churn/0/lifetime/weibull", &[]),
    ("DistributionForm.quantiles", "/churn/0/lifetime/quantiles", &[]),
];

/// Keys of which a file has one.
const RIVALS: [&[&str]; 17] = [
    &["nodes", "node_pools"],
    &[
        "cut",
        "partition",
        "loss",
        "delay",
        "overload",
        "etcd_quorum",
        "stale_cache",
        "node_down",
        "hang",
        "crash",
        "restart",
        "slow",
    ],
    &["at", "after", "while"],
    &["repeats", "after", "while"],
    &["for", "until", "while", "repeats"],
    &["fault", "node_not_ready", "rollout_of"],
    &["replications", "stopping"],
    &["workload", "deployment", "daemonset"],
    &["workload", "max_unavailable"],
    &["deployment", "max_unavailable"],
    &["ready", "deployment", "daemonset", "node", "node_of", "job", "until"],
    &["until", "timeout"],
    &["until", "on_timeout"],
    &["half_width", "relative"],
    &[
        "node_of",
        "node",
        "istiod",
        "nodes_of",
        "nodes_with",
        "nodes",
        "zones",
        "istiods",
        "api_servers",
    ],
    &["values", "from"],
    &[
        "constant",
        "uniform",
        "log_normal",
        "exponential",
        "weibull",
        "quantiles",
    ],
];

/// The keys of a place with their examples.
fn facts(place: &str) -> impl Iterator<Item = (&'static str, Value)> + use<'_> {
    let of_place = super::facts().filter(move |(of, ..)| *of == place);
    of_place.map(|(_, key, fact)| (key, fact[2].clone()))
}

/// The examples of a place together, with `chosen` instead of the keys that rule it out.
fn together(place: &str, chosen: &str) -> Value {
    let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.form.name).collect();
    let is_ruled_out = |key: &str, taken: &serde_json::Map<String, Value>| {
        // A fault is of one kind.
        let rivals = RIVALS.iter().copied().chain([kinds.as_slice()]);
        let mut groups = rivals.filter(|group| group.contains(&key));
        groups.any(|group| {
            group
                .iter()
                .any(|other| *other != key && (*other == chosen || taken.contains_key(*other)))
        })
    };
    let mut taken = serde_json::Map::new();
    for (key, example) in facts(place) {
        let is_range = place == "FactorForm" && ["from", "to", "steps", "scale", "whole"].contains(&key);
        let is_other = if chosen == "values" { is_range } else { key == "values" };
        if key == chosen || !(is_ruled_out(key, &taken) || is_other) {
            taken.insert(key.to_owned(), example);
        }
    }
    if taken.contains_key("api_servers")
        && let Some(processes) = taken.get_mut("processes")
    {
        *processes = json!(["api_server"]);
    }
    Value::Object(taken)
}

/// The file of the examples at the top, with all kinds of steps, and a range of each measure.
fn file(chosen: &str) -> Value {
    let mut file = together("", chosen);
    file["manifests"] = json!(format!(
        "{}/experiments/manifests/sleep-helloworld",
        env!("CARGO_MANIFEST_DIR")
    ));
    file["script"] = facts("Step").map(|(key, example)| json!({ key: example })).collect();
    file["measures"]["exposure"] = facts("Measures")
        .find(|(key, _)| *key == "exposure")
        .expect("it is there")
        .1;
    file
}

/// The same with these keys at a place.
fn file_with(place: &str, keys: Value, chosen: &str) -> Value {
    let (_, pointer, without) = POINTERS
        .into_iter()
        .find(|(of, ..)| *of == place)
        .unwrap_or_else(|| panic!("{place} has no place"));
    let mut file = file(match () {
        () if place.is_empty() => chosen,
        () if without.contains(&"replications") => "stopping",
        () => "",
    });
    for key in without {
        file.as_object_mut().expect("a map").remove(*key);
    }
    if place.starts_with("Fault") {
        // A design that changes the cut goes with no other kind.
        for design in file["designs"].as_array_mut().expect("a list") {
            design.as_object_mut().expect("a map").remove("faults");
        }
    }
    if place.starts_with("Fault.") {
        file["faults"]["cut-node"] = json!({});
    }
    // The example of a design changes the cut.
    if place == "Fault.node_down" || keys.get("node_down").is_some() {
        let designs = file["designs"].as_array_mut().into_iter().flatten();
        designs
            .filter_map(Value::as_object_mut)
            .for_each(|design| drop(design.remove("faults")));
    }
    if place == "Condition" {
        let other = json!({"cut": {"node": "worker-1", "parties": ["kubelet"], "mode": "drop"}, "at": "1m"});
        file["faults"]["other-fault"] = other;
    }
    if ["NodePool", "PoolTaint"].contains(&place) {
        file["cluster"].as_object_mut().expect("a map").remove("nodes");
        file["cluster"]["node_pools"] = json!([{"name": "all", "nodes": 3, "taints": [{}]}]);
    }
    if place == "Load" {
        file["cluster"]["load"] = json!([{}]);
    }
    if place.starts_with("DistributionForm.") {
        file["churn"][0]["lifetime"] = json!({});
    }
    let (around, own) = pointer.rsplit_once('/').unwrap_or_default();
    match own.parse::<usize>() {
        _ if place.is_empty() => {
            for (key, value) in keys.as_object().expect("a map") {
                if !["manifests", "script", "measures"].contains(&key.as_str()) {
                    file[key] = value.clone();
                }
            }
        }
        Ok(index) => file.pointer_mut(around).expect(pointer)[index] = keys,
        Err(_) => file.pointer_mut(around).expect(pointer)[own] = keys,
    }
    if file["faults"]["cut-node"]["cut"].is_null() {
        // The control design of the examples cuts nobody.
        let designs = file["designs"].as_array_mut().into_iter().flatten();
        designs.filter_map(Value::as_object_mut).for_each(|design| {
            design.remove("faults");
        });
    }
    file
}

fn load(file: &Value) -> Result<Scenario, Vec<InputError>> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("example.yaml");
    let mut file = file.clone();
    if file.to_string().contains("{\"job\":") {
        with_a_job(&mut file, dir.path());
    }
    std::fs::write(&path, file.to_string()).expect("a file can be written");
    let scenario = Scenario::load(&path, &Overrides::default())?;
    question_check::check(&scenario).map(|()| scenario)
}

/// Adds a Job to the manifests, which have none, and applies it first.
fn with_a_job(file: &mut Value, folder: &Path) {
    let own = folder.join("manifests");
    std::fs::create_dir(&own).expect("a folder can be made");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for from in [
        "experiments/manifests/sleep-helloworld",
        "tests/fixtures/cases/manifests-jobs",
    ] {
        for entry in std::fs::read_dir(root.join(from)).expect("it is there").flatten() {
            std::fs::copy(entry.path(), own.join(entry.file_name())).expect("a file can be copied");
        }
    }
    file["manifests"] = json!("manifests");
    let steps = file["script"].as_array_mut().expect("a list");
    steps.insert(0, json!({"apply": ["migrate"]}));
}

fn complaints(file: &Value) -> Vec<String> {
    let errors = load(file).err().into_iter().flatten();
    errors.map(|error| error.to_string()).collect()
}

#[test]
fn examples_are_read_and_checked_without_a_complaint() {
    let (mut read, mut all) = (0, Vec::new());
    for (place, ..) in POINTERS.into_iter().filter(|(place, ..)| *place != "Step") {
        let first = facts(place).next().map(|(key, _)| key);
        // Keys that do not rule each other out are tried together, with the first of them.
        let is_tried = |key: &str| {
            Some(key) == first
                || RIVALS.iter().any(|group| group.contains(&key))
                || KINDS.iter().any(|kind| kind.form.name == key)
        };
        for (key, _) in facts(place).filter(|(key, _)| is_tried(key)) {
            let file = file_with(place, together(place, key), key);
            all.extend(
                complaints(&file)
                    .into_iter()
                    .map(|error| format!("{place} {key}: {error}")),
            );
            read += 1;
        }
    }
    assert_eq!(all, Vec::<String>::new());
    assert!(read > 40, "{read}");
}

/// A key with its default gives the same experiment as none.
#[test]
fn defaults_are_those_of_the_reader() {
    let means = |file: &Value, at: &str| {
        let scenario = load(file).unwrap_or_else(|errors| panic!("{at}: {errors:?}"));
        let worlds: Vec<_> = scenario.designs.iter().map(|design| &design.world).collect();
        let head = (
            scenario.seed,
            &scenario.seed_group,
            scenario.independent,
            scenario.tie_order,
        );
        format!(
            "{head:?} {:?} {:?} {worlds:?}",
            scenario.stopping, scenario.traffic_rates
        )
    };
    let is_plain = |default: &Value| match default {
        Value::Array(all) => !all.is_empty(),
        Value::Object(_) | Value::Null => false,
        default => default != "required",
    };
    let mut compared = 0;
    for (place, key, fact) in super::facts().filter(|(.., fact)| is_plain(&fact[1])) {
        // Without it the rule needs a time budget alone, and a design the name of another.
        if [("StoppingForm", "at_most"), ("Design", "control")].contains(&(place, key)) {
            continue;
        }
        let mut keys = together(place, if key == "scale" { "from" } else { key });
        let own = keys.as_object_mut().expect("a map");
        own.remove(key);
        let without = match place {
            "" => {
                let mut file = file("");
                file.as_object_mut().expect("a map").remove(key);
                file
            }
            _ => file_with(place, keys.clone(), key),
        };
        keys[key] = fact[1].clone();
        let at = format!("{place}.{key}");
        assert_eq!(means(&without, &at), means(&file_with(place, keys, key), &at), "{at}");
        compared += 1;
    }
    assert!(compared > 18, "{compared}");
}

#[test]
fn examples_of_parameters_are_read() {
    let schema = json_schema::experiment();
    let parameters = schema["$defs"]["Parameters"]["properties"]
        .as_object()
        .expect("parameters");
    let mut file = file("");
    file["parameters"] = parameters
        .iter()
        .map(|(name, of)| (name.clone(), of["examples"][0].clone()))
        .collect();
    assert_eq!(complaints(&file), Vec::<String>::new());
}

/// Hands every map of keys in the schema to `each`, with its place.
fn places(at: &Value, place: &str, each: &mut impl FnMut(&str, &Value)) {
    let choices = at["oneOf"].as_array().into_iter().flatten();
    for of in [at].into_iter().chain(choices) {
        if !of["properties"].is_object() {
            continue;
        }
        each(place, of);
        for (key, value) in of["properties"].as_object().into_iter().flatten() {
            places(value, &format!("{place}.{key}"), each);
        }
    }
}

#[test]
fn every_key_has_unit_default_and_example_and_the_schema_takes_them() {
    let schema = json_schema::experiment();
    let definitions = schema["$defs"].clone();
    let mut seen = BTreeSet::new();
    let mut each = |place: &str, of: &Value| {
        let required = of["required"].as_array();
        for (key, form) in of["properties"].as_object().expect("keys") {
            let at = format!("{place}.{key}");
            let takes = |value: &Value| {
                let mut own = form.clone();
                own["$defs"] = definitions.clone();
                let validator = jsonschema::draft202012::new(&own).expect("a part of a schema is one");
                assert!(validator.is_valid(value), "{at} does not take {value}");
            };
            let unit = form[UNIT].as_str().unwrap_or_else(|| panic!("{at} has no unit"));
            let text = form.to_string();
            let is_amount = form["properties"].is_null()
                && ["Span", "Count", "Whole", "Number", "Rate"]
                    .iter()
                    .any(|form| text.contains(&format!("$defs/{form}")));
            let is_counted = !["none", ""].contains(&unit);
            assert!(
                is_counted || !is_amount || ["seed", "istiod"].contains(&key.as_str()),
                "{at} counts something"
            );
            let examples = form["examples"]
                .as_array()
                .unwrap_or_else(|| panic!("{at} has no example"));
            assert!(!examples.is_empty() && !examples.contains(&Value::Null), "{at}");
            examples.iter().for_each(takes);
            let is_required = required.is_some_and(|all| all.iter().any(|one| one == key));
            let by_version = place == "Parameters";
            match form.get("default") {
                Some(default) => {
                    assert!(!is_required, "{at} is required and has a default");
                    takes_default(default, &takes);
                }
                None => assert!(
                    is_required || by_version || at.starts_with("Fault."),
                    "{at} has no default"
                ),
            }
            seen.insert(at);
        }
    };
    places(&schema, "", &mut each);
    for (name, definition) in definitions.as_object().expect("definitions") {
        places(definition, name, &mut each);
    }
    let mut again = schema.clone();
    for (place, key, _) in super::facts() {
        assert!(
            key_mut(&mut again, place, key).is_some(),
            "there is no key {place}.{key}"
        );
        assert!(seen.contains(&format!("{place}.{key}")), "{place}.{key}");
    }
    assert!(seen.len() > 200, "{}", seen.len());
}

/// Nothing is the default of what need not be written, whether or not the key takes it.
fn takes_default(default: &Value, takes: &impl Fn(&Value)) {
    if !default.is_null() {
        takes(default);
    }
}

#[test]
fn the_example_file_needs_nothing_else() {
    assert_eq!(complaints(&file("")), Vec::<String>::new());
    assert!(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("experiments/manifests/sleep-helloworld")
            .is_dir()
    );
}
