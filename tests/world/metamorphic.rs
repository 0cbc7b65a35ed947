//! Invariants, whatever the numbers are: what no failure and no delay must give, what a change may only do in one
//! direction, and what is conserved.

use meshfault::cluster::records::{AccessClass, ExitCause, ExposureRecord, LayerDecision, Outcome, Via};
use meshfault::kernel::SimDuration;
use meshfault::scenario::built_in_names;

use crate::support::{Bench, Lab, measured};

/// Nothing is late: every reader reads a write when it is made, and every write is made at once.
const AT_ONCE: [&str; 7] = [
    "parameters.kubernetes.watch_latency=0s",
    "parameters.kubernetes.watch_batch_period=1ns",
    "parameters.kubernetes.service_proxy_sync_latency=0s",
    "parameters.kubernetes.endpoint_slice_sync_latency=0s",
    "parameters.kubernetes.api_write_latency=0s",
    "parameters.cilium.endpoint_publish_latency=0s",
    "parameters.cilium.ipcache_latency=0s",
];

#[test]
fn no_failure_and_no_delay_leave_nothing_unauthorized() {
    for experiment in ["ip-reuse", "istiod-cut-off"] {
        let lab = Bench::of(experiment, &AT_ONCE).only("control").ready();
        for replication in 0..60 {
            let outcome = lab.one(replication);
            assert_eq!(outcome.exposures, [], "{experiment}, run {replication}");
            for access in &outcome.accesses {
                let expected = [AccessClass::Allowed, AccessClass::Denied, AccessClass::Unreachable];
                assert!(
                    expected.contains(&access.class),
                    "{experiment}, run {replication}: {access:?}"
                );
            }
        }
    }
}

#[test]
fn no_delay_alone_does_not_help_a_node_that_is_cut_off() {
    let lab = Bench::of("ip-reuse", &AT_ONCE).only("vxlan-wireguard-1.12").ready();
    let exposed = (0..20)
        .filter(|&replication| !lab.one(replication).exposures.is_empty())
        .count();
    assert!(
        exposed > 10,
        "the test above would pass for want of anything to find: {exposed}"
    );
}

/// Seconds of exposure through the Service and by the address, by pod.
fn exposure(outcome: &Outcome, via: Via) -> Vec<(String, SimDuration)> {
    let windows = outcome.exposures.iter().filter(|window| window.via == via);
    let open = |window: &ExposureRecord| window.end.map_or(SimDuration::MAX, |end| end.since(window.start));
    windows.map(|window| (window.client.clone(), open(window))).collect()
}

/// The node is marked NotReady later: whoever reaches the server through the Service does so for no shorter time.
#[test]
fn a_longer_grace_period_never_shortens_exposure_through_the_service() {
    let graced = |seconds: &str| {
        let change = format!("parameters.kubernetes.node_monitor_grace_period={seconds}");
        Bench::of(
            "ip-reuse",
            &[&change, "options.look=after_ips", "options.rollout_deadline=1s"],
        )
        .only("vxlan-wireguard-1.12")
        .edit(|world| {
            // No restarts: what the script does must not depend on what it finds.
            let scaled = world.script.len() - 2;
            world.script.truncate(scaled);
        })
        .ready()
    };
    let labs: Vec<Lab> = ["20s", "40s", "50s", "90s"].map(graced).into_iter().collect();
    let mut longer = 0;
    for replication in 0..60 {
        let outcomes: Vec<Outcome> = labs.iter().map(|lab| lab.one(replication)).collect();
        for pair in outcomes.windows(2) {
            let (short, long) = (&pair[0], &pair[1]);
            // By the pod's address nothing changes: the entry stays wrong.
            assert_eq!(
                exposure(short, Via::PodIp),
                exposure(long, Via::PodIp),
                "run {replication}"
            );
            let (short, long) = (exposure(short, Via::Service), exposure(long, Via::Service));
            for (client, span) in &short {
                let other = long.iter().find(|(other, _)| other == client);
                let other = other
                    .unwrap_or_else(|| panic!("run {replication}: {client} is not exposed any more"))
                    .1;
                assert!(
                    other >= *span,
                    "run {replication}: {client} was exposed {span:?}, then {other:?}"
                );
                longer += u32::from(other > *span);
            }
        }
    }
    assert!(longer > 50, "{longer}");
}

/// The phases of a start follow one another without a gap; a start has one end; an access has the one class that its
/// decisions give. (That an address has one holder is asserted by every run itself.)
#[test]
fn starts_and_accesses_are_conserved() {
    for experiment in built_in_names() {
        let lab = Bench::of(experiment, &[]).ready();
        for design in lab.names() {
            for replication in 0..25 {
                let outcome = lab.run(design, replication);
                assert_eq!(outcome.run.pods as usize, outcome.pods.len());
                conserved(&outcome, &format!("{experiment}, {design}, run {replication}"));
            }
        }
    }
}

fn conserved(outcome: &Outcome, what: &str) {
    for pod in &outcome.pods {
        let total = pod
            .phases
            .0
            .iter()
            .flatten()
            .fold(SimDuration::ZERO, |sum, phase| sum + *phase);
        match pod.exit_cause {
            ExitCause::Ready => {
                assert_eq!(pod.ready, Some(pod.exit), "{what}: {pod:?}");
                assert_eq!(pod.exit.since(pod.desired), total, "{what}: {pod:?}");
                assert!(pod.running <= pod.ready && pod.running.is_some(), "{what}: {pod:?}");
            }
            ExitCause::Deleted | ExitCause::Censored => {
                assert_eq!(pod.ready, None, "{what}: {pod:?}");
                assert!(total <= pod.exit.since(pod.desired), "{what}: {pod:?}");
            }
        }
        assert!(pod.desired <= pod.exit, "{what}: {pod:?}");
    }
    for access in &outcome.accesses {
        let refused = [access.network_decided, access.mesh_decided].contains(&Some(LayerDecision::Deny));
        let meant = [access.network_intended, access.mesh_intended] == [LayerDecision::Allow; 2];
        let expected: &[AccessClass] = match (access.cause.as_str(), refused, meant) {
            ("answered", false, true) => &[AccessClass::Allowed],
            ("answered", false, false) => &[AccessClass::Unauthorized],
            (_, true, true) => &[AccessClass::WronglyDenied],
            (_, true, false) => &[
                AccessClass::Denied,
                AccessClass::NetworkBypassed,
                AccessClass::MeshBypassed,
            ],
            (_, false, _) => &[AccessClass::Unreachable],
        };
        assert!(expected.contains(&access.class), "{what}: {access:?}");
    }
    for window in &outcome.exposures {
        assert!(window.end.is_none_or(|end| window.start <= end), "{what}: {window:?}");
    }
}

/// Only the pods before the first restart are measured if that is asked for, and the world is the same.
#[test]
fn the_first_batch_is_the_same_in_every_run() {
    let bench = || Bench::of("istiod-cut-off", &[]).only("cilium-istio-1.21");
    let (all, first) = (
        bench().ready(),
        bench().edit(|world| world.measures.startup_first_batch = true).ready(),
    );
    let mut restarted = 0;
    for replication in 0..6 {
        let (all, first) = (all.one(replication), first.one(replication));
        assert_eq!(all.run.fingerprint, first.run.fingerprint);
        let names = |outcome: &Outcome| measured(outcome).map(|pod| pod.pod.clone()).collect::<Vec<_>>();
        let wanted: Vec<String> = names(&all).into_iter().filter(|name| name.contains("-1-")).collect();
        assert_eq!(names(&first), wanted);
        restarted += usize::from(names(&all).len() > wanted.len());
    }
    assert!(restarted > 0, "no run restarted, so nothing was tested");
}
