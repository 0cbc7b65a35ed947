//! Golden stories with their causes and what would have prevented them: a breach, a bypass, a slow start; as text, JSON and
//! Mermaid.

use serde_json::{Value, json};

use super::chain::{Focus, LinkKind, Subject};
use super::tests::{assert_says, sections};
use super::{Cause, Told, causes, happened, json, mermaid, render_with};
use crate::cluster::records::AccessClass;
use crate::lab::designs::Simulator;
use crate::lab::what_if::{Change, RepairBound, Replays};
use crate::scenario::Scenario;
use crate::scenario::overrides::Overrides;
use crate::story::ToldRun;

const BREACH: (&str, &str, u64) = ("ip-reuse", "vxlan-wireguard-1.12", 1);
const BYPASS: (&str, &str, u64) = ("istiod-cut-off", "cilium-istio-1.21", 8);
const SLOW: (&str, &str, u64) = ("istiod-cut-off", "cilium-istio-1.21", 18);

fn load(experiment: &str, changes: &[String]) -> Option<Scenario> {
    Scenario::built_in(experiment, &Overrides::parse(changes).ok()?).ok()
}

/// A run with its causes, and what would have prevented them.
fn explained(run: (&str, &str, u64), focus: &Focus) -> (ToldRun, Vec<Cause>) {
    let (experiment, name, replication) = run;
    let scenario = load(experiment, &[]).unwrap();
    let design = scenario.designs.iter().find(|known| known.name == name).unwrap();
    let outcome = Simulator::new(scenario.seed, &scenario.seed_group, [design]).told(0, replication);
    let mut causes = causes(&outcome, focus);
    let reload = |changes: &[String]| load(experiment, changes);
    let mut replays = Replays::new(&scenario, design, replication, &reload);
    for cause in &mut causes {
        cause.what_if = Some(replays.what_if(&outcome, &happened(&cause.chain.subject)));
    }
    (outcome, causes)
}

fn told<'a>((experiment, design, replication): (&'a str, &'a str, u64), outcome: &'a ToldRun) -> Told<'a> {
    Told {
        experiment,
        design,
        title: "the title",
        replication,
        seed: 1,
        command: "meshfault explain …",
        outcome,
    }
}

fn again(change: &Change) -> String {
    format!("--design {} {}", change.design, change.set.join(" "))
}

/// The sections about causes, without the rest of the page.
fn why(page: &str) -> String {
    let (_, from) = page.split_once("Why it happened").expect("there is a cause");
    let (sections, _) = from.split_once("\nThe run\n").expect("the run is told");
    format!("Why it happened{sections}")
}

/// The only cause of the JSON form, after a look at its shape.
fn cause_of(text: &str) -> Value {
    let whole: Value = serde_json::from_str(text).unwrap();
    assert_eq!(whole["schema"], json::SCHEMA);
    let [cause] = whole["causes"].as_array().unwrap().as_slice() else {
        panic!("one thing is explained: {}", whole["causes"]);
    };
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(cause), "chain what_if commands");
    assert_eq!(keys(&cause["chain"]), "subject summary links");
    assert_eq!(keys(&cause["what_if"]), "repairs answers replays bounded");
    for answer in cause["what_if"]["answers"].as_array().unwrap() {
        assert_eq!(keys(answer), "switch seen");
    }
    cause.clone()
}

/// The words at one key of all elements of a list.
fn words<'v>(list: &'v Value, pointer: &str) -> Vec<&'v str> {
    let word = |value: &'v Value| value.pointer(pointer).and_then(Value::as_str).unwrap();
    list.as_array().unwrap().iter().map(word).collect()
}

/// Chosen values of a JSON document, by their places.
fn assert_holds(document: &Value, chosen: &[(&str, Value)]) {
    for (pointer, wanted) in chosen {
        assert_eq!(document.pointer(pointer), Some(wanted), "{pointer}");
    }
}

#[test]
fn a_breach_is_explained() {
    let (outcome, causes) = explained(BREACH, &Focus::All);
    let told = told(BREACH, &outcome);
    insta::assert_snapshot!("breach_text", why(&render_with(&told, &causes, None)));
    let cause = cause_of(&json::render(&told, &causes, &again, None, false));
    let kinds = [
        "verdict",
        "identity",
        "belief",
        "reuse",
        "path_frozen",
        "link_cut",
        "fault",
    ];
    assert_eq!(words(&cause["chain"]["links"], "/kind"), kinds);
    let effects = words(&cause["what_if"]["answers"], "/seen/effect");
    assert_eq!(
        effects,
        [["prevented"; 5].as_slice(), &["not_reached"; 4], &["happens"; 2]].concat()
    );
    assert_holds(
        &cause,
        &[
            ("/chain/subject/kind", json!("access")),
            ("/chain/subject/access/time", json!(122.719757335)),
            ("/chain/subject/access/client_ip", json!("10.244.1.228")),
            ("/chain/subject/access/class", json!("unauthorized")),
            ("/chain/links/0/ids/verdicts/0/allowed", json!(true)),
            ("/chain/links/0/ids/verdicts/0/meant", json!(false)),
            ("/chain/links/1/ids/believed/number", json!(258)),
            ("/chain/links/1/ids/actual/meaning", json!("default/sleep-v2")),
            ("/chain/links/2/ids/previous_pod", json!("sleep-v1-1-0")),
            ("/chain/links/2/ids/gap/revisions", json!(330)),
            ("/chain/links/2/ids/gap/entry/seconds", json!(72.83210216)),
            ("/chain/links/3/time", json!(109.463337297)),
            ("/chain/links/5/ids/fault", json!("cut-node")),
            ("/chain/links/6/ids/parties/2", json!("the service proxy of worker-2")),
            ("/what_if/replays", json!(20)),
            ("/what_if/repairs/0/bound/kind", json!("found")),
            ("/what_if/repairs/0/bound/repaired", json!(121.371909011)),
            ("/what_if/repairs/0/bound/too_late", json!(121.471909011)),
            ("/what_if/answers/1/switch/name", json!("Cilium 1.15")),
            (
                "/commands/0/command",
                json!("--design vxlan-wireguard-1.12 faults.cut-node.for=42.1s"),
            ),
        ],
    );
    insta::assert_snapshot!("breach_mermaid", mermaid::render(&told, &causes));
}

#[test]
fn a_bypass_is_explained() {
    let (outcome, causes) = explained(BYPASS, &Focus::All);
    let told = told(BYPASS, &outcome);
    let Subject::Access { access } = &causes[0].chain.subject else {
        panic!("{:?}", causes[0].chain);
    };
    assert_eq!(access.class, AccessClass::NetworkBypassed);
    let page = why(&render_with(&told, &causes, None));
    let of = ["the bypass", "the slow start"];
    let titles = of.map(|what| {
        [
            format!("Why it happened: {what}"),
            format!("What would have prevented it: {what}"),
        ]
    });
    assert_eq!(sections(&page), titles.concat());
    assert_says(
        &page,
        &[
            "sleep-v2-1-14 called helloworld-v1 at 111.878 s",
            "CiliumNetworkPolicy default/v1, rule 0",
            "AuthorizationPolicy default/deny-all",
            "worker-3 looked 10.244.2.136 up in its own ipcache",
            "identity 259 (default/sleep-v1, app=sleep,version=v1)",
            "118 revisions and 58.010 s behind",
            "sleep-v1-1-11 had lost it at 98.707 s, 4.84 s before",
            "frozen at revision 84",
            "the fault cut-node began at 92.288 s",
            "24 replays",
            "--set faults.cut-node.for=18.5s",
            "--set cluster.cilium.version=1.15.0",
            "--design istio-only",
            "--set faults.cut-node.cut.mode=reject",
            "sleep-v2-1-13 was ready 31.80 s after",
            "5 SYNs dropped by WireGuard there",
            "It cost 21.00 s",
            "no entry for 10.244.2.74",
            "32 replays",
            "--set parameters.istio.connect_timeout=2s",
        ],
    );
    insta::assert_snapshot!("bypass_mermaid", mermaid::render(&told, &causes));
}

#[test]
fn a_slow_start_is_explained() {
    let (outcome, causes) = explained(SLOW, &Focus::Start(Some("sleep-v2-1-12".to_owned())));
    let told = told(SLOW, &outcome);
    assert!(matches!(&causes[0].chain.subject, Subject::SlowStart { pod } if pod.pod == "sleep-v2-1-12"));
    insta::assert_snapshot!("slow_text", why(&render_with(&told, &causes[..1], None)));
    let cause = cause_of(&json::render(&told, &causes[..1], &again, None, false));
    let kinds = [
        "start",
        "attempt",
        "attempt",
        "mechanism",
        "mechanism",
        "link_cut",
        "fault",
    ];
    assert_eq!(words(&cause["chain"]["links"], "/kind"), kinds);
    let effects = words(&cause["what_if"]["answers"], "/seen/effect");
    assert_eq!(
        effects,
        [["prevented"; 2].as_slice(), &["happens"; 12], &["unknown"]].concat()
    );
    assert_holds(
        &cause,
        &[
            ("/chain/subject/kind", json!("slow_start")),
            ("/chain/subject/pod/pod", json!("sleep-v2-1-12")),
            ("/chain/subject/pod/wished", json!(100.856007564)),
            ("/chain/subject/pod/ready", json!(140.886813362)),
            ("/chain/subject/pod/certificate", json!(31.858043655)),
            ("/chain/subject/pod/certificate_landings", json!("istiod-0 istiod-2")),
            ("/chain/subject/pod/delayed_by", json!("token_review")),
            ("/chain/links/0/ids/cost", json!(40.030805798)),
            ("/chain/links/1/until", json!(139.712772681)),
            ("/chain/links/1/ids/istiod", json!("istiod-0")),
            ("/chain/links/1/ids/cost", json!(31.634202293)),
            ("/chain/links/2/place", json!("worker-1")),
            ("/chain/links/3/place", json!("kubelet of worker-1")),
            ("/chain/links/4/ids/cost", json!(31.633522774)),
            ("/chain/links/6/ids/parties/3", json!("the API connection of istiod-0")),
            ("/what_if/replays", json!(25)),
            ("/what_if/repairs/0/bound/repaired", json!(109.126193037)),
            ("/what_if/answers/0/seen/slow_pods/0", json!(4)),
            ("/what_if/answers/0/switch/name", json!("cut-node by reject")),
            ("/commands/15/command", json!("--design as-published ")),
        ],
    );
    insta::assert_snapshot!("slow_mermaid", mermaid::render(&told, &causes[..1]));
}

#[test]
fn a_breach_names_address_identities_gap_and_fault() {
    let (outcome, causes) = explained(BREACH, &Focus::All);
    let page = why(&render_with(&told(BREACH, &outcome), &causes, None));
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "10.244.1.228 was given to sleep-v2-3-5",
        "identity 258 (default/sleep-v1, app=sleep,version=v1)",
        "identity 259 (default/sleep-v2, app=sleep,version=v2)",
        "frozen at revision 72",
        "330 revisions and",
        "the fault cut-node began at 79.272 s",
    ] {
        assert!(page.contains(part), "`{part}` is missing:\n{page}");
    }
    let chain = &causes[0].chain;
    let kinds: Vec<LinkKind> = chain.links.iter().map(|link| link.kind).collect();
    use LinkKind::{Belief, Effect, Fault, Identity, PathFrozen, Reuse, Verdict};
    assert_eq!(
        kinds,
        [Verdict, Identity, Belief, Reuse, PathFrozen, Effect("link cut"), Fault]
    );
    let belief = &chain.links[2].ids;
    let gap = belief.gap.unwrap();
    assert_eq!(gap.revisions, gap.head - gap.read);
    assert!(gap.seconds.as_secs_f64() > 10.0, "{gap:?}");
    let numbers = [&belief.believed, &belief.actual].map(|identity| identity.as_ref().unwrap().number);
    assert_ne!(numbers[0], numbers[1]);
}

#[test]
fn healing_before_the_reuse_takes_the_breach_away() {
    let (_, causes) = explained(BREACH, &Focus::All);
    let reuse = causes[0]
        .chain
        .links
        .iter()
        .find(|link| link.kind == LinkKind::Reuse)
        .unwrap();
    let [repair] = causes[0].what_if.as_ref().unwrap().repairs.as_slice() else {
        panic!("one fault was cut");
    };
    let RepairBound::Found { repaired, .. } = &repair.bound else {
        panic!("{repair:?}");
    };
    assert!(*repaired > repair.began);
    // Healed at any time between the cut and the reuse: no replay has the breach.
    let before = reuse.time.since(repair.began).as_secs_f64();
    for share in [0.25, 0.5, 0.9] {
        let span = format!("faults.cut-node.for={:.1}s", before * share);
        let scenario = load(BREACH.0, std::slice::from_ref(&span)).unwrap();
        let design = scenario.designs.iter().find(|known| known.name == BREACH.1).unwrap();
        let run = Simulator::new(scenario.seed, &scenario.seed_group, [design]).run(0, BREACH.2);
        let breached = run
            .accesses
            .iter()
            .any(|access| access.class == AccessClass::Unauthorized);
        assert!(!breached, "{span}");
    }
}
