//! Golden stories with their causes and what would have prevented them: a breach, a bypass, a slow start; as text, JSON and
//! Mermaid.

use super::chain::{Focus, LinkKind, Subject};
use super::{Cause, Told, causes, happened, json, mermaid, render_with};
use crate::cluster::records::{AccessClass, Outcome};
use crate::lab::designs::Simulator;
use crate::lab::what_if::{Change, RepairBound, Replays};
use crate::scenario::Scenario;
use crate::scenario::overrides::Overrides;

const BREACH: (&str, &str, u64) = ("ip-reuse", "vxlan-wireguard-1.12", 1);
const BYPASS: (&str, &str, u64) = ("istiod-cut-off", "cilium-istio-1.21", 8);
const SLOW: (&str, &str, u64) = ("istiod-cut-off", "cilium-istio-1.21", 18);

fn load(experiment: &str, changes: &[String]) -> Option<Scenario> {
    Scenario::built_in(experiment, &Overrides::parse(changes).ok()?).ok()
}

/// A run with its causes, and what would have prevented them.
fn explained(run: (&str, &str, u64), focus: &Focus) -> (Outcome, Vec<Cause>) {
    let (experiment, name, replication) = run;
    let scenario = load(experiment, &[]).unwrap();
    let design = scenario.designs.iter().find(|known| known.name == name).unwrap();
    let outcome = Simulator::new(scenario.seed, &scenario.seed_group, [design]).run(0, replication, true);
    let mut causes = causes(&outcome, focus);
    let reload = |changes: &[String]| load(experiment, changes);
    let mut replays = Replays::new(&scenario, design, replication, &reload);
    for cause in &mut causes {
        cause.what_if = Some(replays.what_if(&outcome, &happened(&cause.chain.subject)));
    }
    (outcome, causes)
}

fn told<'a>((experiment, design, replication): (&'a str, &'a str, u64), outcome: &'a Outcome) -> Told<'a> {
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

/// The causes of the JSON form.
fn causes_of(text: &str) -> String {
    let whole: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(whole["schema"], json::SCHEMA);
    serde_json::to_string_pretty(&whole["causes"]).unwrap()
}

#[test]
fn a_breach_is_explained() {
    let (outcome, causes) = explained(BREACH, &Focus::All);
    let told = told(BREACH, &outcome);
    insta::assert_snapshot!("breach_text", why(&render_with(&told, &causes, None)));
    insta::assert_snapshot!(
        "breach_json",
        causes_of(&json::render(&told, &causes, &again, None, false))
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
    insta::assert_snapshot!("bypass_text", why(&render_with(&told, &causes, None)));
    insta::assert_snapshot!("bypass_mermaid", mermaid::render(&told, &causes));
}

#[test]
fn a_slow_start_is_explained() {
    let (outcome, causes) = explained(SLOW, &Focus::Start(Some("sleep-v2-1-12".to_owned())));
    let told = told(SLOW, &outcome);
    assert!(matches!(&causes[0].chain.subject, Subject::SlowStart { pod } if pod.pod == "sleep-v2-1-12"));
    insta::assert_snapshot!("slow_text", why(&render_with(&told, &causes[..1], None)));
    insta::assert_snapshot!(
        "slow_json",
        causes_of(&json::render(&told, &causes[..1], &again, None, false))
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
    use LinkKind::{Belief, Fault, Identity, LinkCut, PathFrozen, Reuse, Verdict};
    assert_eq!(kinds, [Verdict, Identity, Belief, Reuse, PathFrozen, LinkCut, Fault]);
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
        let run = Simulator::new(scenario.seed, &scenario.seed_group, [design]).run(0, BREACH.2, false);
        let breached = run
            .accesses
            .iter()
            .any(|access| access.class == AccessClass::Unauthorized);
        assert!(!breached, "{span}");
    }
}
