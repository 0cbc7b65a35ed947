//! All kinds of faults alike: started twice, overlapping, ended before their start, for a party that does not exist in a design, aimed
//! at nothing. A kind that is added to the table has to be added to [`example`].

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::Event;
use meshfault::cluster::fault::act;
use meshfault::cluster::faults::KINDS;
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment};
use meshfault::scenario::Scenario;
use meshfault::scenario::overrides::Overrides;

use crate::support::{Bench, case_path};

/// Two faults of one kind as they are written, how many parties each touches, and the key with a party of Istio.
struct Example {
    settings: &'static [(&'static str, u32)],
    of_istio: Option<&'static str>,
}

const DOWN: &str = "on a node without power";

/// What a kind is tried with.
fn example(kind: &str) -> Example {
    match kind {
        "cut" => Example {
            settings: &[
                (
                    "{node: worker-1, parties: [kubelet, cilium_agent, service_proxy], mode: drop}",
                    3,
                ),
                (
                    "{istiods: [0], parties: [istiod, webhook, istiod_clients], mode: reject}",
                    3,
                ),
                ("{api_servers: [0], parties: [kubelet], mode: replies_only}", 4),
            ],
            of_istio: Some("{node: worker-1, parties: [istiod], mode: drop}"),
        },
        "hang" | "crash" | "restart" => Example {
            settings: &[
                ("{node: worker-1, processes: [kubelet, cilium_agent, service_proxy]}", 3),
                ("{istiods: [0], processes: [istiod]}", 1),
                // Itself, three clients on each of four nodes, and two Istiods.
                ("{api_servers: [0], processes: [api_server]}", 15),
            ],
            of_istio: Some("{node: worker-1, processes: [istiod]}"),
        },
        "slow" => Example {
            settings: &[
                ("{node: worker-1, processes: [kubelet, cilium_agent], factor: 3}", 2),
                ("{istiods: [0], processes: [istiod], factor: 3}", 1),
                ("{api_servers: [0], processes: [api_server], factor: 3}", 1),
            ],
            of_istio: Some("{node: worker-1, processes: [istiod], factor: 3}"),
        },
        "partition" => Example {
            settings: &[
                ("{node: worker-1, parties: [network], mode: drop}", 1),
                (
                    "{nodes: [worker-1, worker-2], to_nodes: [worker-3], direction: outbound, mode: reject}",
                    2,
                ),
                (
                    "{zones: [zone-1], parties: [network, kubelet, cilium_agent, service_proxy], mode: drop, direction: inbound}",
                    16,
                ),
            ],
            of_istio: Some("{node: worker-1, parties: [istiod], mode: drop}"),
        },
        "loss" => Example {
            settings: &[
                ("{node: worker-1, parties: [network], share: 30%}", 1),
                (
                    "{node_of: istiod, to_zones: [zone-1], direction: inbound, share: 0.9}",
                    1,
                ),
            ],
            of_istio: None,
        },
        "delay" => Example {
            settings: &[
                ("{node: worker-1, parties: [network], latency: 50ms}", 1),
                (
                    "{nodes: [all], to_nodes: [all], latency: {exponential: {mean: 100ms, max: 3s}}}",
                    4,
                ),
            ],
            of_istio: None,
        },
        "overload" => Example {
            settings: &[(
                "{api_servers: [0], parties: [api_server], level: workload-low, verb: list, rate: 5/s}",
                1,
            )],
            of_istio: None,
        },
        "etcd_quorum" => Example {
            settings: &[("{api_servers: [0], parties: [api_server]}", 1)],
            of_istio: None,
        },
        "stale_cache" => Example {
            settings: &[
                // Itself, three clients on each of four nodes, and two Istiods.
                ("{api_servers: [0], parties: [api_server]}", 15),
                ("{api_servers: [0], parties: [api_server], by: 10s}", 15),
            ],
            of_istio: None,
        },
        "node_down" => Example {
            settings: &[("{node: worker-1}", 1)],
            of_istio: None,
        },
        "out_of_memory" => Example {
            settings: &[
                (
                    "{node: worker-1, processes: [kubelet, cilium_agent, service_proxy], fills_in: 30s}",
                    3,
                ),
                (
                    "{istiods: [0], processes: [istiod], fills_in: {exponential: {mean: 5s, max: 1m}}}",
                    1,
                ),
            ],
            of_istio: Some("{node: worker-1, processes: [istiod], fills_in: 30s}"),
        },
        "webhook" => Example {
            settings: &[
                ("{istiods: [0], parties: [webhook], answer: refuse}", 1),
                ("{istiods: [0, 1], answer: slow, delay: 5s}", 2),
                ("{istiods: [all], answer: silent}", 2),
                ("{istiod: 0, answer: error}", 1),
                ("{istiod: 0, answer: bad_certificate}", 1),
            ],
            of_istio: None,
        },
        "clock_skew" => Example {
            settings: &[
                ("{node: worker-1, parties: [node], by: -10m}", 1),
                ("{istiods: [all], by: 10m}", 2),
                ("{api_servers: [0], by: 2h}", 1),
            ],
            of_istio: Some("{node: worker-1, parties: [istiod], by: 5m}"),
        },
        other => panic!("the kind `{other}` has no example here"),
    }
}

/// A small meshed world with these faults and this script, written to a file of this name.
pub fn written(name: &str, faults: &str, steps: &str, istio: bool) -> PathBuf {
    let case = std::fs::read_to_string(case_path("random-mesh")).expect("the case is there");
    let mut folder = case_path("random-mesh");
    folder.pop();
    let mut text = case
        .replace(
            "manifests-starter",
            &folder.join("manifests-starter").display().to_string(),
        )
        .replace("  - pause: 10s\n", &format!("  - pause: 60s\n{steps}  - pause: 10m\n"))
        .replace("script:", &format!("faults:\n{faults}script:"));
    if !istio {
        text = text
            .replace("istio: {version: \"1.21.0\", replicas: 2}", "istio: none")
            .replace("[network, mesh]", "[network]");
    }
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.yaml"));
    std::fs::write(&path, text).expect("the folder can be written to");
    path
}

/// What is left of faults at the last event, and how many processes do not run.
#[derive(Default)]
struct Left {
    touched: bool,
    cut: bool,
}

impl Watch for Left {
    fn event(&mut self, _: &Moment, _: &Event, shared: &Shared) -> ControlFlow<()> {
        self.touched = !shared.touched.is_empty();
        self.cut = !shared.links.all_up() || !shared.paths.is_empty();
        ControlFlow::Continue(())
    }
}

#[test]
fn every_kind_bears_being_started_twice_overlapped_and_ended_early() {
    let start = |fault: &str| format!("  - start_fault: {fault}\n  - pause: 20s\n");
    let end = |fault: &str| format!("  - end_fault: {fault}\n  - pause: 20s\n");
    let orders = [
        ("once", vec![start("a"), end("a")]),
        ("twice", vec![start("a"), start("a"), end("a")]),
        ("overlapping", vec![start("a"), start("b"), end("a"), end("b")]),
        ("nested", vec![start("a"), start("b"), end("b"), end("a")]),
        ("ended early", vec![end("a"), start("a"), end("a"), end("a")]),
        (DOWN, vec![start("down"), start("a"), end("a"), end("down")]),
    ];
    for kind in KINDS {
        let name = kind.form.name;
        for (number, (settings, parties)) in example(name).settings.iter().enumerate() {
            for (order, steps) in &orders {
                let mut faults = "  down: {node_down: {node: worker-1}}\n".to_owned();
                for fault in ["a", "b"] {
                    writeln!(faults, "  {fault}: {{{name}: {settings}}}").expect("a text can be written to");
                }
                let path = written(&format!("{name}-{number}"), &faults, &steps.concat(), true);
                let bench = Bench::load(&path, &[]);
                let mut left = Left::default();
                let outcome = bench.simulator(act).watched(0, 0, DrawLog::default(), &mut left);
                let what = format!("{name} {settings} {order}");
                assert_eq!(outcome.run.failure, None, "{what}");
                assert!(!left.touched && !left.cut, "{what} leaves something");
                // What another fault touches is not counted anew; one that is over at once touches it anew.
                let touched = outcome.run.parties_cut;
                let again = touched > *parties && name == "restart" && order != &"once";
                let counted = *order == DOWN || touched == *parties;
                assert!(counted || again, "{what}: {touched} of {parties} parties");
                let told = bench.ready().told(0);
                let begins = told
                    .lines
                    .iter()
                    .filter(|line| line.text.starts_with("a ") && line.text.contains(kind.form.does));
                assert!(begins.count() >= 1, "{what} is not told");
            }
        }
    }
}

#[test]
fn every_kind_tells_when_it_has_no_party() {
    let complaint = |path: &PathBuf| {
        let errors = Scenario::load(path, &Overrides::default()).err().unwrap_or_default();
        let with_hints = errors
            .iter()
            .map(|error| (error.message.clone(), error.hint.clone(), error.line));
        with_hints.collect::<Vec<_>>()
    };
    for kind in KINDS {
        let (name, form) = (kind.form.name, kind.form);
        let example = example(name);
        if let Some(settings) = example.of_istio {
            let fault = format!("  a: {{{name}: {settings}, at: 1m}}\n");
            let found = complaint(&written(&format!("{name}-istio"), &fault, "", false));
            let [(message, Some(_), Some(_))] = found.as_slice() else {
                panic!("{name}: {found:?}");
            };
            let words = format!("`istiod` is {} in design `one`, which has no Istio", form.done);
            assert_eq!(*message, words);
        }
        // No target at all.
        let settings = example.settings[0]
            .0
            .replace("node: worker-1", "")
            .replace("api_servers: [0]", "")
            .replace("istiods: [0]", "");
        let settings = settings.replace("{, ", "{");
        let found = complaint(&written(
            &format!("{name}-nothing"),
            &format!("  a: {{{name}: {settings}, at: 1m}}\n"),
            "",
            true,
        ));
        let [(message, Some(_), Some(_))] = found.as_slice() else {
            panic!("{name}: {found:?}");
        };
        assert_eq!(*message, format!("fault `a` {} nothing", form.does));
    }
}

/// A file of faults that touch nobody is a control: it runs, and touches nobody.
#[test]
fn a_fault_without_parties_touches_nobody() {
    for kind in KINDS {
        let name = kind.form.name;
        let settings = example(name).settings[0].0;
        let lists = ["parties: ", "processes: "];
        let list = lists
            .iter()
            .find_map(|list| settings.split_once(list).map(|around| (list, around)));
        let Some((list, (before, rest))) = list else { continue };
        let (_, after) = rest.split_once(']').expect("a list ends");
        let fault = format!("  a: {{{name}: {before}{list}[]{after}, at: 1m}}\n");
        let outcome = Bench::load(&written(&format!("{name}-nobody"), &fault, "", true), &[])
            .ready()
            .one(0);
        assert_eq!(
            (outcome.run.parties_cut, outcome.run.cut.is_some()),
            (0, true),
            "{name}"
        );
    }
}
