//! Snapshots of stories, and that asking for one changes nothing.

use std::path::Path;

use super::{Focus, Told, causes, page, render_with};
use crate::cluster::records::LayerDecision;
use crate::lab::designs::Simulator;
use crate::report::figures::timeline;
use crate::report::timeline_of_run;
use crate::scenario::Scenario;
use crate::scenario::overrides::Overrides;
use crate::story::ToldRun;

/// The story of a run, with its causes but without what would have prevented them.
fn render(told: &Told) -> String {
    render_with(told, &causes(told.outcome, &Focus::All), None)
}

fn run(experiment: &str, design: &str, replication: u64, story: bool) -> (Scenario, usize, ToldRun) {
    let unchanged = Overrides::default();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(experiment);
    let scenario = match file.is_file() {
        true => Scenario::load(&file, &unchanged),
        false => Scenario::built_in(experiment, &unchanged),
    };
    let scenario = scenario.unwrap();
    let number = scenario.designs.iter().position(|known| known.name == design).unwrap();
    let simulator = Simulator::new(scenario.seed, &scenario.seed_group, &scenario.designs);
    let outcome = match story {
        true => simulator.told(number, replication),
        false => ToldRun {
            outcome: simulator.run(number, replication),
            lines: Vec::new(),
            dossier: None,
        },
    };
    (scenario, number, outcome)
}

fn with_told<T>(experiment: &str, design: &str, replication: u64, use_it: impl Fn(&Told) -> T) -> T {
    let (scenario, number, outcome) = run(experiment, design, replication, true);
    let command = crate::lab::plan::command(&format!("meshfault explain {experiment}"), design, replication, &[]);
    use_it(&Told {
        experiment,
        design,
        title: &scenario.designs[number].title,
        replication,
        seed: scenario.seed,
        command: &command,
        outcome: &outcome,
    })
}

fn text(experiment: &str, design: &str, replication: u64) -> String {
    let text = with_told(experiment, design, replication, render);
    assert!(
        text.lines().all(|line| line.chars().count() <= page::WIDTH),
        "a line is too long:\n{text}"
    );
    text
}

/// Titles of the sections of a page.
pub(super) fn sections(page: &str) -> Vec<&str> {
    let ruled = page
        .lines()
        .zip(page.lines().skip(1))
        .filter(|(_, rule)| rule.starts_with("---"));
    ruled.map(|(title, _)| title).collect()
}

/// Each of these stands somewhere on the page, however its lines are broken.
pub(super) fn assert_says(page: &str, parts: &[&str]) {
    let flat = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(flat.contains(part), "`{part}` is missing:\n{page}");
    }
}

/// What follows the causes on every page.
const SECTIONS: [&str; 7] = [
    "The run",
    "Faults",
    "Which address went from whom to whom",
    "The request",
    "What ended it",
    "Slow pods",
    "To see it again",
];

#[test]
fn a_demonstration_is_told() {
    let page = text("ip-reuse", "vxlan-wireguard-1.12", 1);
    assert_eq!(
        sections(&page),
        [&["Why it happened: the breach"], &SECTIONS[..]].concat()
    );
    assert_says(
        &page,
        &[
            "ip-reuse, design vxlan-wireguard-1.12, replication 1, seed 1",
            "called helloworld-v1 at 122.720 s, 43.45 s after the cut",
            "the script records 15 IPs of sleep-v1",
            "107.722 s +28.450 s the rollout is complete",
            "109.463 s +30.191 s sleep-v2-3-5 gets 10.244.1.228",
            "122.728 s +43.456 s the call of sleep-v2-3-5 to helloworld-v1 ends: answered (unauthorized)",
            "123.692 s +44.420 s the node lifecycle controller marks worker-2 NotReady",
            "30 entries in the ipcache of the affected node",
            "sleep-v1-1-0 on worker-1 from 35.888 s to 85.775 s",
            "from 110.139 s sleep-v2-3-5, identity 259 (default/sleep-v2), on worker-1 (revision 320",
            "from 84.710 s no entry",
            "sleep-v1 to helloworld-v2 denied (network ingress policy)",
            "helloworld-v1-1-0 at 10.244.2.159 on worker-2",
            "1 SYN at 122.720 s: delivered",
            "revision 402 and had sleep-v2-3-5",
            "an allow rule matches (CiliumNetworkPolicy default/v1, rule 0)",
            "lost its last endpoint in the API at 123.716 s, 44.44 s after the cut",
            "13 min 10 s later",
            "None of 44 measured pods",
            "meshfault explain ip-reuse --design vxlan-wireguard-1.12 --replication 1",
        ],
    );
}

#[test]
fn a_bypass_of_the_network_with_slow_pods_of_both_mechanisms_is_told() {
    let page = text("istiod-cut-off", "cilium-istio-1.21", 18);
    let causes = ["Why it happened: the bypass", "Why it happened: the slow start"];
    assert_eq!(sections(&page), [&causes[..], &SECTIONS].concat());
    assert_says(
        &page,
        &[
            "sleep-v2-1-6 on 10.244.1.16, which had belonged to sleep-v1-1-9",
            "5 of 14 measured pods were slow",
            "ALLOW policies select the workload and none matches (AuthorizationPolicy default/deny-all)",
            "113 revisions and 57.619 s behind",
            "sleep-v1-1-9 had lost it at 101.866 s, 1.10 s before",
            "Lost: TokenReview 31.63 s, kubelet's API limit 2.91 s",
            "admission 1.08 s, scheduling 36 ms, sandbox 3.43 s, network plugin 375 ms, containers 2.08 s, certificate 31.86 s",
            "attempt 1 for the certificate went to istiod-0 (worker-2), one of 3 endpoints",
            "attempt 2 for the certificate went to istiod-2 (worker-1)",
            "back-off of Envoy's secret stream 432 ms",
            "102.966 s +7.439 s sleep-v2-1-6 gets 10.244.1.16",
            "the call of sleep-v2-1-6 to helloworld-v1 ends: mesh policy (network_bypassed)",
            "139.547 s +44.021 s the last endpoint of helloworld-v1 is withdrawn",
            "the API connection of istiod-0: it stayed ready",
            "28 entries in the ipcache of the affected node",
            "10.244.1.171 sleep-v1-1-3 (until 102.151 s), then sleep-v2-1-12",
            "chose with the configuration of istiod-2",
            "revision 198 and had sleep-v2-1-6",
            "meshfault explain istiod-cut-off --design cilium-istio-1.21 --replication 18",
        ],
    );
}

#[test]
fn a_run_in_which_nothing_is_cut_is_told() {
    insta::assert_snapshot!(text("istiod-cut-off", "control", 0));
}

#[test]
fn a_run_without_probe_is_told() {
    insta::assert_snapshot!(text("one-istiod-of-three", "drop-sticky", 0));
}

#[test]
fn a_story_changes_no_byte_of_a_run() {
    for (experiment, design, replication) in [
        ("ip-reuse", "vxlan", 3),
        ("istiod-cut-off", "as-published", 5),
        ("one-istiod-of-three", "drop-redraw", 1),
    ] {
        let (_, _, without) = run(experiment, design, replication, false);
        let (_, _, with) = run(experiment, design, replication, true);
        assert!(without.dossier.is_none());
        assert!(with.dossier.is_some() && !with.lines.is_empty());
        assert_eq!(without.run, with.run);
        assert_eq!(without.pods, with.pods);
        assert_eq!(without.accesses, with.accesses);
        assert_eq!(without.exposures, with.exposures);
    }
}

#[test]
fn what_was_decided_follows_from_what_the_node_believed() {
    // The dossier asks again, after the run; the run's own verdicts were taken while it went.
    for (design, replication) in [
        ("vxlan-wireguard-1.12", 0),
        ("vxlan", 1),
        ("native-routing", 2),
        ("control", 3),
    ] {
        let (_, _, outcome) = run("ip-reuse", design, replication, true);
        let requests = &outcome.dossier.as_ref().unwrap().requests;
        assert_eq!(requests.len(), outcome.accesses.len());
        for request in requests {
            let verdict = request.passage.as_ref().and_then(|passage| passage.verdict.as_ref());
            if let Some(verdict) = verdict {
                let admitted = request.record.network_decided == Some(LayerDecision::Allow);
                assert_eq!(verdict.allowed, admitted, "{request:?}");
            }
        }
    }
}

#[test]
fn the_timeline_shows_belief_and_truth_of_the_probed_address() {
    let figure = with_told("ip-reuse", "vxlan-wireguard-1.12", 0, timeline_of_run::figure);
    let labels: Vec<&str> = figure.lanes.iter().map(|lane| lane.label.as_str()).collect();
    insta::assert_snapshot!(labels.join("\n"));
    assert!(figure.end_s > figure.start_s && figure.events.len() >= 5);
    assert_eq!(timeline(&figure).name, "timeline");
}

#[test]
fn the_longest_exposure_of_a_run_is_drawn() {
    let drawn = |told: &Told| {
        let window = &told.outcome.dossier.as_ref().unwrap().exposed.as_ref().unwrap().window;
        let figure = timeline_of_run::figure(told);
        let label = format!("{} open to {}", window.server, window.client);
        let lane = figure.lanes.iter().find(|lane| lane.label == label).expect(&label);
        let start = window.start.as_secs_f64();
        assert!(
            lane.spans.iter().any(|span| span.start_s == start) && figure.end_s > start,
            "{lane:?}"
        );
    };
    with_told("ip-reuse", "native-routing", 0, |told| {
        drawn(told);
        // Also where it is that of no address which the script recorded.
        let mut outcome = told.outcome.clone();
        outcome.dossier.as_mut().unwrap().addresses.clear();
        drawn(&Told {
            outcome: &outcome,
            ..*told
        });
    });
}

/// A run of an experiment with changes.
fn changed(experiment: &str, design: &str, changes: &[&str]) -> (Scenario, usize, ToldRun) {
    let scenario = Scenario::built_in(experiment, &Overrides::parse(changes).unwrap()).unwrap();
    let number = scenario.designs.iter().position(|known| known.name == design).unwrap();
    let simulator = Simulator::new(scenario.seed, &scenario.seed_group, &scenario.designs);
    let outcome = simulator.told(number, 0);
    (scenario, number, outcome)
}

/// Containers that take 30 s by themselves are slow without any mechanism; with a cut Istiod the same words name the TokenReview.
#[test]
fn what_no_mechanism_explains_is_said_with_its_longest_phase() {
    let told = |design: &str, changes: &[&str]| {
        let (scenario, number, outcome) = changed("mechanisms", design, changes);
        let text = render(&Told {
            experiment: "mechanisms",
            design,
            title: &scenario.designs[number].title,
            replication: 0,
            seed: scenario.seed,
            command: "meshfault explain …",
            outcome: &outcome,
        });
        (text, *outcome.dossier.unwrap())
    };
    let (text, dossier) = told("control", &["parameters.kubernetes.container_start_latency=30s"]);
    let all = dossier.slow.len();
    assert!(all >= 14, "{all}");
    for pod in &dossier.slow {
        let found = pod.unexplained.expect("nothing explains it");
        assert!(
            found.phase == "containers" && found.took.as_secs_f64() >= 30.0,
            "{found:?}"
        );
    }
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("Unexplained: no known mechanism explains why 14 pods"),
        "{text}"
    );
    assert!(
        flat.contains("The longest phase was containers (") && !flat.contains("(A) delayed"),
        "{text}"
    );
    let chain = super::chain::of_start(&dossier, &dossier.slow[0]);
    assert_eq!(chain.links.last().unwrap().kind, super::chain::LinkKind::Unexplained);

    // With ordinary containers nothing is slow, so the sentence has something to lose.
    let (text, dossier) = told("control", &[]);
    assert!(dossier.slow.is_empty() && !text.contains("Unexplained"), "{text}");

    let (text, dossier) = told("a-token-review-1.21", &[]);
    assert!(!dossier.slow.is_empty() && dossier.slow.iter().all(|pod| pod.unexplained.is_none()));
    assert!(
        text.contains("TokenReview that hung (A) delayed") && !text.contains("Unexplained"),
        "{text}"
    );
}

/// A kubelet with a low limit: the chain names the kubelet's limit, and the limits of 1.27 prevent it.
#[test]
fn a_start_that_waits_for_the_kubelet_leads_to_its_limit_and_no_fault() {
    use super::chain::{LinkKind, of_start};
    use crate::cluster::records::DelayCause;
    use crate::lab::what_if::{Effect, Happened, Replays};
    let changes = [
        "parameters.kubernetes.kubelet_client_qps=2",
        "parameters.kubernetes.kubelet_client_burst=4",
    ];
    let (scenario, number, outcome) = changed("mechanisms", "e-kubelet-client", &changes);
    let dossier = outcome.dossier.as_deref().unwrap();
    let slow = dossier.slow.iter().max_by_key(|pod| pod.record.exit).unwrap();
    assert_eq!(slow.record.delayed_by, Some(DelayCause::KubeletApi));
    let chain = of_start(dossier, slow);
    let of = |kind: LinkKind| chain.links.iter().filter(move |link| link.kind == kind);
    let cost = |words: &str| {
        let links = of(LinkKind::Mechanism).filter(|link| link.text.contains(words));
        links
            .filter_map(|link| link.ids.cost)
            .map(|cost| cost.as_secs_f64())
            .sum::<f64>()
    };
    let (tokens, report) = (cost("service account tokens"), cost("the report that it was ready"));
    let lost = &slow
        .record
        .delays
        .iter()
        .find(|(cause, _)| *cause == DelayCause::KubeletApi)
        .unwrap()
        .1;
    assert!(tokens > 1.0 && report > 1.0, "{:#?}", chain.links);
    assert!(
        (tokens + report - lost.as_secs_f64()).abs() < 1e-6,
        "{tokens} + {report}, {lost:?}"
    );
    let end = chain.links.last().unwrap();
    assert_eq!(end.kind, LinkKind::NoFault);
    assert!(
        end.text
            .contains("kubernetes.kubelet_client_qps 2, kubernetes.kubelet_client_burst 4"),
        "{}",
        end.text
    );

    let reload = |set: &[String]| {
        let set: Vec<&str> = changes.into_iter().chain(set.iter().map(String::as_str)).collect();
        Scenario::built_in("mechanisms", &Overrides::parse(&set).ok()?).ok()
    };
    let mut replays = Replays::new(&scenario, &scenario.designs[number], 0, &reload);
    let answers = replays
        .what_if(&outcome, &Happened::SlowStart(Box::new(slow.record.clone())))
        .answers;
    let switch = answers
        .iter()
        .find(|answer| answer.switch.name == "limits of the kubelet of 1.27")
        .unwrap();
    assert_eq!(switch.seen.effect, Effect::Prevented);
    assert!(answers.iter().any(|answer| answer.seen.effect == Effect::Happens));

    // With the later kubelet there is nothing to name and nothing to switch.
    let (scenario, number, outcome) = changed("mechanisms", "control", &[]);
    let dossier = outcome.dossier.as_deref().unwrap();
    let slowest = dossier.slowest.as_ref().unwrap();
    let chain = of_start(dossier, slowest);
    assert!(
        !chain.links.iter().any(|link| link.text.contains("kubelet's limit")),
        "{:#?}",
        chain.links
    );
    let mut replays = Replays::new(&scenario, &scenario.designs[number], 0, &reload);
    let answers = replays
        .what_if(&outcome, &Happened::SlowStart(Box::new(slowest.record.clone())))
        .answers;
    assert!(answers.iter().all(|answer| !answer.switch.name.starts_with("limits")));
}

#[test]
fn a_slow_start_is_explained_by_the_fault_of_its_path() {
    let story = |design: &str| text("tests/fixtures/cases/many-faults.yaml", design, 0);
    assert_says(
        &story("partitioned"),
        &[
            "In short: a fault partitioned the network of worker-1 and the network of worker-2.",
            "5 SYNs lost on the path between the nodes, no answer until",
            "was cut from 60.000 s to 130.000 s: packets vanished.",
            "the fault split began at 60.000 s and partitioned the network of worker-1 and the network of worker-2.",
        ],
    );
    assert_says(
        &story("lossy"),
        &[
            "In short: a fault lost packets of the network of worker-1",
            "lost 30% of the packets from 60.000 s to 180.000 s: each was sent again after waits that double.",
            "the fault lossy began at 60.000 s and lost packets of the network of worker-1",
        ],
    );
}

/// A run of a file, or of an experiment, with changes: its story and its text.
fn file_told(experiment: &str, design: &str, replication: u64, changes: &[&str]) -> (String, ToldRun) {
    let changes = Overrides::parse(changes).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(experiment);
    let scenario = match file.is_file() {
        true => Scenario::load(&file, &changes),
        false => Scenario::built_in(experiment, &changes),
    };
    let scenario = scenario.unwrap();
    let found = scenario.designs.iter().find(|known| known.name == design).unwrap();
    let outcome = Simulator::new(scenario.seed, &scenario.seed_group, [found]).told(0, replication);
    let text = render(&Told {
        experiment,
        design,
        title: &found.title,
        replication,
        seed: scenario.seed,
        command: "meshfault explain …",
        outcome: &outcome,
    });
    (text, outcome)
}

const MANY: &str = "tests/fixtures/cases/many-faults.yaml";

/// The phase that took longest leads to the fault that acted on what it waits for.
#[test]
fn a_start_behind_a_stale_cache_leads_to_that_fault() {
    let (text, outcome) = file_told(MANY, "stale", 0, &[]);
    let slow = &outcome.dossier.as_deref().unwrap().slow;
    assert!(
        !slow.is_empty() && slow.iter().all(|pod| pod.unexplained.is_none()),
        "{text}"
    );
    assert_says(
        &text,
        &[
            "the phase of its start that took longest is sandbox, 2 min 28 s: it waits for the kubelet of worker-",
            "the watch cache of the API server of the kubelet of worker-5 was behind etcd",
            "the fault old began at 61.000 s and kept from hearing of changes the process of api-server-0",
            "waits for what that fault touches.",
            "After the start of the fault none was sent",
        ],
    );
    assert!(
        !text.contains("unexplained") && !text.contains("cuts nothing"),
        "{text}"
    );
}

#[test]
fn a_start_on_slow_paths_leads_to_that_fault() {
    let changes = ["faults.slow-path.delay.latency=4s", "measures.delayed_threshold=6s"];
    let (text, outcome) = file_told(MANY, "slow-paths", 0, &changes);
    let slow = &outcome.dossier.as_deref().unwrap().slow;
    assert!(
        slow.iter().any(|pod| pod.record.node.as_deref() == Some("worker-1")),
        "{text}"
    );
    assert_says(
        &text,
        &["the fault slow-path began at 60.000 s and delayed packets of the network of worker-1"],
    );
}

#[test]
fn a_pod_without_a_node_says_so_and_what_took_the_nodes() {
    let full = ["parameters.kubernetes.pods_per_node_max=4"];
    let (text, _) = file_told("mechanisms", "control", 0, &full);
    assert_says(
        &text,
        &[
            "the scheduler found no node that can take it (1 node has a taint that it does not tolerate,",
            "no fault and no step took a node away",
            "No node could take",
        ],
    );
    assert!(!text.contains("unexplained"), "{text}");
}

/// The page opens with the request that the first chain is about.
#[test]
fn the_summary_is_about_the_request_that_is_explained() {
    use super::chain::Subject;
    use crate::cluster::records::AccessClass;
    let (_, outcome) = file_told("ip-reuse", "vxlan-wireguard-1.12", 1, &[]);
    for class in [AccessClass::Denied, AccessClass::Allowed, AccessClass::Unauthorized] {
        let causes = causes(&outcome, &Focus::Access(class));
        let Subject::Access { access } = &causes[0].chain.subject else {
            panic!("{causes:?}")
        };
        let first = outcome.accesses.iter().find(|access| access.class == class).unwrap();
        assert_eq!(access, first);
        let dossier = outcome.dossier.as_deref().unwrap();
        let headline = super::sentences::headline(dossier, &outcome, &causes);
        assert!(
            headline.contains(&format!("called {} at {}", first.server, page::at(first.time))),
            "{headline}"
        );
    }
}

/// Packets of one request that meet different ends are listed one by one.
#[test]
fn each_packet_of_a_request_has_its_own_end() {
    use super::chain::of_access;
    use crate::story::dossier::{SynFate, SynStory};
    let (_, outcome) = file_told("ip-reuse", "vxlan-wireguard-1.12", 1, &[]);
    let mut dossier = (**outcome.dossier.as_ref().unwrap()).clone();
    let request = dossier
        .requests
        .iter_mut()
        .rfind(|request| request.syns.len() == 1)
        .unwrap();
    let (first, wait) = (request.syns[0], crate::kernel::SimDuration::from_secs(1));
    let again = SynStory {
        time: first.time + wait,
        fate: SynFate::IngressPolicy,
    };
    request.syns.push(again);
    let request = request.clone();
    let text = &of_access(&dossier, &request).links[0].text;
    assert!(
        text.contains("delivered and 1 SYN at") && text.contains("dropped by ingress policy"),
        "{text}"
    );
    let mut alike = request.clone();
    alike.syns.pop();
    assert!(!of_access(&dossier, &alike).links[0].text.contains("its packets"));
}

/// Tracks that run side by side are named, and so is the client whose call ends.
#[test]
fn commands_and_calls_name_their_track() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tracks.yaml");
    let text = format!(
        "meshfault: 1\ntitle: T\nquestion: Q?\nhorizon: 10m\nreplications: 1\ncluster: {{kubernetes: \"1.31\", nodes: 6, cilium: {{version: \
         \"1.16.5\"}}, istio: none}}\nmanifests: {}\nscript:\n  - apply: [server, client]\n  - wait_ready: {{workloads: [server, client], \
         timeout: 3m}}\n  - parallel:\n      - {{name: one, steps: [{{scale: {{workload: client, replicas: 9}}}}]}}\n      - {{name: two, steps: [{{cordon: {{node: worker-1}}}}, \
         {{probe: {{from: client, to: server, time_limit: 1s}}}}]}}\ndesigns: [{{name: only}}]\n",
        root.join("tests/fixtures/cases/manifests-starter").display()
    );
    std::fs::write(&file, text).unwrap();
    let (text, outcome) = file_told(&file.display().to_string(), "only", 0, &[]);
    assert_says(&text, &["track one scales client to 9", "track two cordons worker-1"]);
    let requests = &outcome.dossier.as_deref().unwrap().requests;
    assert_eq!(
        requests
            .iter()
            .map(|request| request.track.as_str())
            .collect::<Vec<_>>(),
        ["two"]
    );
}
