//! The form of a trace: every event has its fields, flows and spans pair up, times lie within the run, names survive.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Filter, Trace, chrome};
use crate::kernel::SimTime;
use crate::lab::designs::Simulator;
use crate::report::explain::Told;
use crate::scenario::Scenario;
use crate::scenario::overrides::Overrides;
use crate::story::ToldRun;

fn outcome(experiment: &str, design: &str, replication: u64) -> ToldRun {
    let scenario = Scenario::built_in(experiment, &Overrides::parse::<&str>(&[]).unwrap()).unwrap();
    let design = scenario.designs.iter().find(|known| known.name == design).unwrap();
    Simulator::new(scenario.seed, &scenario.seed_group, [design]).told(0, replication)
}

fn trace(outcome: &ToldRun, filter: &Filter) -> Trace {
    let told = Told {
        experiment: "experiment",
        design: "design",
        title: "title",
        replication: 0,
        seed: 1,
        command: "command",
        outcome,
    };
    chrome(&told, filter).unwrap()
}

fn events(trace: &Trace) -> Vec<Value> {
    let whole: Value = serde_json::from_str(&trace.json).unwrap();
    whole["traceEvents"].as_array().unwrap().clone()
}

/// Checks the form and gives the number of events per phase.
fn checked(trace: &Trace, horizon: SimTime) -> BTreeMap<String, usize> {
    let end = horizon.as_nanos() as f64 / 1000.0;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut flows: BTreeMap<u64, Vec<(String, f64)>> = BTreeMap::new();
    let mut spans: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    let mut named: Vec<(u64, u64)> = Vec::new();
    let mut slices: BTreeMap<(u64, u64), Vec<(f64, f64)>> = BTreeMap::new();
    let mut last = 0.0;
    let all = events(trace);
    for event in &all {
        let phase = event["ph"].as_str().unwrap().to_owned();
        let place = (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
        assert!(event["name"].is_string(), "{event}");
        *counts.entry(phase.clone()).or_default() += 1;
        if phase == "M" {
            if event["name"] == "thread_name" {
                assert!(event["args"]["name"].is_string());
                named.push(place);
            }
            continue;
        }
        let ts = event["ts"].as_f64().unwrap();
        assert!(ts >= last && ts <= end, "{event} lies outside the run or out of order");
        last = ts;
        assert!(named.contains(&place), "{event} is on a track without a name");
        match phase.as_str() {
            "X" => {
                let dur = event["dur"].as_f64().unwrap();
                assert!(dur >= 0.0 && ts + dur <= end + 1e-6, "{event}");
                slices.entry(place).or_default().push((ts, ts + dur));
            }
            "s" | "f" => flows
                .entry(event["id"].as_u64().unwrap())
                .or_default()
                .push((phase, ts)),
            "b" | "e" => {
                let id = format!("{}/{}", event["cat"].as_str().unwrap(), event["id"].as_str().unwrap());
                spans.entry(id).or_default().push((phase, ts));
            }
            "i" => assert_eq!(event["s"], "t"),
            _ => panic!("{event}"),
        }
    }
    for (id, ends) in &flows {
        let [(first, from), (second, to)] = ends.as_slice() else {
            panic!("flow {id}: {ends:?}");
        };
        assert!(first == "s" && second == "f" && from <= to, "flow {id}: {ends:?}");
    }
    for (id, ends) in &spans {
        let [(first, from), (second, to)] = ends.as_slice() else {
            panic!("span {id}: {ends:?}");
        };
        assert!(first == "b" && second == "e" && from <= to, "span {id}: {ends:?}");
    }
    // Slices of one track are equal in place or apart, so a viewer can nest them.
    for (place, slices) in &slices {
        for pair in slices.windows(2) {
            let ((from, to), (next, _)) = (pair[0], pair[1]);
            assert!(from == next || to <= next + 1e-6, "{place:?}: {pair:?}");
        }
    }
    counts
}

fn horizon(outcome: &ToldRun) -> SimTime {
    outcome.dossier.as_ref().unwrap().setting.horizon
}

#[test]
fn flows_and_spans_pair_up_within_the_run() {
    for (experiment, design, replication) in [
        ("ip-reuse", "vxlan-wireguard-1.12", 0),
        ("istiod-cut-off", "cilium-istio-1.21", 18),
        ("one-istiod-of-three", "drop-sticky", 0),
    ] {
        let outcome = outcome(experiment, design, replication);
        let trace = trace(&outcome, &Filter::default());
        let counts = checked(&trace, horizon(&outcome));
        for phase in ["M", "X", "s", "f", "b", "e", "i"] {
            assert!(
                counts.get(phase).is_some_and(|count| *count > 10),
                "{design}: {counts:?}"
            );
        }
        assert_eq!(counts["s"], counts["f"]);
        assert_eq!(trace.left_out, None);
        let shown: usize = counts
            .iter()
            .filter(|(phase, _)| *phase != "M")
            .map(|(_, count)| count)
            .sum();
        assert_eq!(shown as u64, trace.events);
    }
}

#[test]
fn a_trace_shows_the_cut_the_reuse_and_the_verdict_on_their_tracks() {
    let outcome = outcome("ip-reuse", "vxlan-wireguard-1.12", 1);
    let all = events(&trace(&outcome, &Filter::default()));
    let track = |group: &str, name: &str| {
        let process = all
            .iter()
            .find(|event| event["name"] == "process_name" && event["args"]["name"] == group);
        let process = &process.unwrap()["pid"];
        let threads = all
            .iter()
            .filter(|event| event["name"] == "thread_name" && event["pid"] == *process);
        let mut threads = threads.filter(|event| event["args"]["name"] == name);
        (process.clone(), threads.next().unwrap()["tid"].clone())
    };
    let on = |(pid, tid): (Value, Value), phase: &str, text: &str| {
        let events = all
            .iter()
            .filter(|event| event["pid"] == pid && event["tid"] == tid && event["ph"] == phase);
        events
            .filter(|event| event["name"].as_str().unwrap().contains(text))
            .count()
    };
    assert_eq!(on(track("worker-2", "Cilium agent"), "b", "cut-node cuts"), 1);
    assert_eq!(
        on(
            track("worker-1", "Cilium agent"),
            "i",
            "gives 10.244.1.228 to sleep-v2-3-5"
        ),
        1
    );
    assert_eq!(
        on(
            track("worker-2", "network"),
            "i",
            "admits the SYN of sleep-v2-3-5 as identity 258"
        ),
        1
    );
    assert_eq!(
        on(track("worker-2", "Cilium agent"), "f", "sleep-v2-3-5: 10.244.1.228"),
        0
    );
    assert_eq!(
        on(track("worker-3", "Cilium agent"), "f", "sleep-v2-3-5: 10.244.1.228"),
        1
    );
    assert!(on(track("control plane", "API server"), "X", "lost: ") > 0);
}

#[test]
fn filters_leave_out_and_say_so() {
    let outcome = outcome("ip-reuse", "vxlan-wireguard-1.12", 0);
    let whole = trace(&outcome, &Filter::default());
    let only = trace(
        &outcome,
        &Filter {
            only: vec!["Kubelet".to_owned()],
            ..Filter::default()
        },
    );
    checked(&only, horizon(&outcome));
    assert!(only.events > 100 && only.events < whole.events);
    let window = Filter {
        from: Some(SimTime::from_nanos(70_000_000_000)),
        to: Some(SimTime::from_nanos(80_000_000_000)),
        ..Filter::default()
    };
    let window = trace(&outcome, &window);
    checked(&window, horizon(&outcome));
    assert!(window.events > 10 && window.events < whole.events);
    let capped = Filter {
        events_max: 500,
        ..Filter::default()
    };
    let capped = trace(&outcome, &capped);
    checked(&capped, horizon(&outcome));
    assert!(capped.events <= 500 && capped.events > 490);
    let said = capped.left_out.unwrap();
    assert!(
        said.contains(&format!("{} events from", whole.events - capped.events)),
        "{said}"
    );
    let told = Told {
        experiment: "",
        design: "",
        title: "",
        replication: 0,
        seed: 1,
        command: "",
        outcome: &outcome,
    };
    let unknown = Filter {
        only: vec!["worker-9".to_owned()],
        ..Filter::default()
    };
    let unknown = chrome(&told, &unknown).unwrap_err();
    assert!(unknown.known.contains(&"worker-2".to_owned()), "{unknown:?}");
}

#[test]
fn the_bytes_are_the_same_twice_and_hostile_names_stay_text() {
    let mut outcome = outcome("ip-reuse", "vxlan-wireguard-1.12", 0);
    assert_eq!(
        trace(&outcome, &Filter::default()),
        trace(
            &super::tests::outcome("ip-reuse", "vxlan-wireguard-1.12", 0),
            &Filter::default()
        )
    );
    let name = "</script>\"\\\u{1}\n,{\"ph\":\"X\"}";
    let timeline = &mut outcome.dossier.as_mut().unwrap().timeline;
    timeline.tracks[0].name = name.to_owned();
    timeline.decisions[0].what = name.to_owned();
    let trace = trace(&outcome, &Filter::default());
    checked(&trace, horizon(&outcome));
    let found = events(&trace).iter().filter(|event| event["name"] == name).count();
    assert_eq!(found, 1);
}
