//! The four mechanisms that can delay a pod after a cut, each alone (`docs/model/published-experiments.md#five-explanations-of-the-delay`).
//!
//! A: an Istiod accepts the request and its TokenReview hangs. B: the connection to the Istiod on the cut node vanishes,
//! because that node's WireGuard peers do not list the new address. C: that Istiod's endpoint is withdrawn when its node
//! is marked NotReady, which ends delays and causes none. D: the API server cannot reach the injection webhook.
//!
//! Agents publish and hear of new addresses at once here, so that no packet vanishes between healthy nodes (in the experiment
//! itself some do, for seconds), and kubelets have no limit (E, `kubelet_start`): every second lost belongs to the mechanism under
//! test.

use meshfault::cluster::party::PartyKind;
use meshfault::cluster::records::{DelayCause, ExitCause, Outcome, PodRecord};
use meshfault::cluster::spec::{Step, WorldSpec};

use crate::support::{Bench, Lab, at, between, cut, measured, s};

const RUNS: u64 = 120;

/// `istiod-cut-off` up to the scaling of sleep-v2, with these parties cut, for 15 minutes.
fn cut_only(parties: &[PartyKind], changes: &[&str]) -> Lab {
    let alter = |world: &mut WorldSpec| {
        world.horizon = at(900.0);
        let scaled = world
            .script
            .iter()
            .position(|step| matches!(step, Step::FindReuse { .. }));
        world
            .script
            .truncate(scaled.expect("the script looks for a reused address"));
        cut(world, 0).whom.parties = parties.to_vec();
    };
    let mut all = vec![
        "parameters.cilium.ipcache_latency=1ms",
        "parameters.kubernetes.kubelet_client_qps=1000",
        "parameters.kubernetes.kubelet_client_burst=1000",
        "parameters.cilium.agent_client_qps=1000",
        "parameters.cilium.agent_client_burst=1000",
    ];
    all.extend(changes);
    Bench::of("istiod-cut-off", &all)
        .only("cilium-istio-1.21")
        .edit(alter)
        .ready()
}

/// Calls `check` with every measured pod and its run.
fn for_each_pod(lab: &Lab, mut check: impl FnMut(&PodRecord, &Outcome)) {
    for replication in 0..RUNS {
        let outcome = lab.one(replication);
        assert_eq!(measured(&outcome).count(), 14);
        measured(&outcome).for_each(|pod| check(pod, &outcome));
    }
}

/// Seconds that a pod lost to a cause.
fn lost_s(pod: &PodRecord, cause: DelayCause) -> f64 {
    let of_cause = pod.delays.iter().filter(|(other, _)| *other == cause);
    of_cause.map(|(_, lost)| lost.as_secs_f64()).sum()
}

/// Nothing but this cause and the limits of endpoint creations and of the kubelet, which have nothing to do with the cut.
fn only_cause(pod: &PodRecord, cause: Option<DelayCause>) {
    let at_start = [DelayCause::EndpointLimiter, DelayCause::KubeletApi];
    let known = |other: DelayCause| at_start.contains(&other) || Some(other) == cause;
    assert!(pod.delays.iter().all(|(other, _)| known(*other)), "{pod:?}");
    assert!(pod.delayed_by.is_none() || pod.delayed_by == cause, "{pod:?}");
}

/// Failed connections of the channel that came last.
fn critical_failures(pod: &PodRecord) -> u32 {
    if pod.phases.of("certificate").is_some_and(|phase| phase.as_nanos() > 0) {
        pod.certificate_landings_bad
    } else {
        pod.configuration_landings_bad
    }
}

#[test]
fn without_a_cut_nothing_is_lost_on_the_way_to_istiod() {
    for_each_pod(&cut_only(&[], &[]), |pod, _| {
        only_cause(pod, None);
        assert_eq!(
            pod.certificate_landings_bad + pod.configuration_landings_bad,
            0,
            "{pod:?}"
        );
    });
}

#[test]
fn a_alone_costs_up_to_45_seconds_while_the_dead_connection_is_unnoticed() {
    let (mut delayed, mut pods) = (0, 0);
    for_each_pod(&cut_only(&[PartyKind::Istiod], &[]), |pod, _| {
        only_cause(pod, Some(DelayCause::TokenReview));
        let lost = lost_s(pod, DelayCause::TokenReview);
        pods += 1;
        delayed += usize::from(lost > 0.0);
        match critical_failures(pod) {
            0 => assert_eq!(lost, 0.0, "{pod:?}"),
            // The request comes more than 5 s after the cut; its failure at most 45 s after it; then a back-off.
            1 => assert!((10.0..=40.8).contains(&lost), "{pod:?}"),
            n => assert!(
                (10.0 + 30.0 * f64::from(n - 1)..45.0 * f64::from(n)).contains(&lost),
                "{pod:?}"
            ),
        }
        assert_eq!(pod.exit_cause, ExitCause::Ready);
    });
    assert!(0 < delayed && delayed < pods, "{delayed} of {pods}");
}

#[test]
fn a_alone_costs_30_seconds_a_connection_once_the_dead_connection_is_closed() {
    for_each_pod(&cut_only(&[PartyKind::Istiod], &["options.gap=60s"]), |pod, _| {
        only_cause(pod, Some(DelayCause::TokenReview));
        if critical_failures(pod) == 1 {
            let lost = lost_s(pod, DelayCause::TokenReview);
            assert!((30.0..=30.8).contains(&lost), "{lost} s: {pod:?}");
            assert_eq!(pod.delayed_by, Some(DelayCause::TokenReview));
        }
    });
}

#[test]
fn b_alone_costs_20_to_23_seconds_a_connection() {
    let mut once = 0;
    for_each_pod(&cut_only(&[PartyKind::Agent], &[]), |pod, _| {
        only_cause(pod, Some(DelayCause::BlackHole));
        let lost = lost_s(pod, DelayCause::BlackHole);
        match critical_failures(pod) {
            0 => assert_eq!(lost, 0.0, "{pod:?}"),
            1 => {
                once += 1;
                assert!((20.0..=23.0).contains(&lost), "{lost} s: {pod:?}");
                assert_eq!(pod.delayed_by, Some(DelayCause::BlackHole));
            }
            n => assert!(lost >= 20.0 * f64::from(n), "{lost} s: {pod:?}"),
        }
        assert_eq!(pod.exit_cause, ExitCause::Ready);
    });
    assert!(once > 100, "{once}");
}

#[test]
fn c_alone_delays_no_pod() {
    let (cut, control) = (cut_only(&[PartyKind::Kubelet], &[]), cut_only(&[], &[]));
    for replication in 0..RUNS {
        let (outcome, twin) = (cut.one(replication), control.one(replication));
        assert!(outcome.run.node_given_up.is_some() && twin.run.node_given_up.is_none());
        assert_eq!(measured(&outcome).count(), 14);
        for (pod, twin) in measured(&outcome).zip(measured(&twin)) {
            only_cause(pod, None);
            assert_eq!((pod.ready, &pod.delays), (twin.ready, &twin.delays), "{}", pod.pod);
        }
    }
}

#[test]
fn c_ends_the_delays_of_b() {
    let (both, alone) = (
        cut_only(&[PartyKind::Agent, PartyKind::Kubelet], &[]),
        cut_only(&[PartyKind::Agent], &[]),
    );
    let silent = "gets no answer from istiod";
    let (mut ended, mut late_alone) = (0, 0);
    for replication in 0..RUNS {
        let (outcome, without) = (both.told(replication), alone.told(replication));
        let given_up = outcome.run.node_given_up.expect("the node is marked NotReady");
        // Pods, slice, service proxy: 3 s after the node; a connect that began just before that fails 20 s later.
        let last = given_up + s(3.0 + 20.0);
        for line in outcome.lines.iter().filter(|line| line.text.contains(silent)) {
            assert!(
                line.time <= last,
                "{line:?}, the node was marked NotReady at {given_up:?}"
            );
            ended += 1;
        }
        late_alone += without
            .lines
            .iter()
            .filter(|line| line.text.contains(silent) && line.time > last)
            .count();
    }
    eprintln!("B + C: {ended} failed connects; B alone: {late_alone} more after the withdrawal would have been");
    assert!(ended > 0 && late_alone > 0);
}

#[test]
fn d_alone_keeps_pods_back_for_ten_seconds_a_call() {
    let lab = cut_only(&[PartyKind::Webhook], &[]);
    let (mut whole, mut part, mut twice) = (0, 0, 0);
    for replication in 0..3 * RUNS {
        let outcome = lab.one(replication);
        for pod in measured(&outcome) {
            only_cause(pod, Some(DelayCause::Webhook));
        }
        let lost: Vec<f64> = measured(&outcome)
            .map(|pod| lost_s(pod, DelayCause::Webhook))
            .filter(|lost| *lost > 0.0)
            .collect();
        for pod in measured(&outcome).filter(|pod| lost_s(pod, DelayCause::Webhook) > 0.0) {
            let lost = lost_s(pod, DelayCause::Webhook);
            assert_eq!(
                Some(lost),
                pod.phases.of("admission").map(|phase| phase.as_secs_f64()),
                "{pod:?}"
            );
            // One call that meets the cut costs 10 s, and closes its connection.
            assert!(lost >= 10.0 && lost % 10.0 < 1.5, "{lost} s: {pod:?}");
        }
        match lost.len() {
            0 => {}
            14 => whole += 1,
            _ => part += 1,
        }
        twice += u64::from(lost.iter().any(|lost| *lost > 15.0));
    }
    let runs = 3 * RUNS;
    eprintln!("{whole} batches late as a whole, {part} in part, {twice} by two calls or more, of {runs}");
    // The first call of the batch takes one connection, or dials one, to one of three Istiods.
    assert!(
        (RUNS * 7 / 10..RUNS * 13 / 10).contains(&whole),
        "{whole} of {runs} runs"
    );
    assert!(part > 0 && part < runs / 3, "{part} of {runs} runs");
}

#[test]
fn releases_differ_in_whether_a_failed_request_draws_anew() {
    let stuck_share = |version: &str| {
        let (mut stuck, mut first_bad, mut pods) = (0, 0, 0);
        for_each_pod(&cut_only(&[PartyKind::Istiod], &[version]), |pod, outcome| {
            let first = pod.certificate_landings.split(' ').next().unwrap_or_default();
            let is_stuck = pod.exit_cause == ExitCause::Censored;
            pods += 1;
            stuck += usize::from(is_stuck);
            if is_stuck {
                assert_eq!(pod.certificate_landings, first, "a sticky channel lands once: {pod:?}");
                assert_eq!(pod.delayed_by, Some(DelayCause::TokenReview));
                // All it did since its containers ran is lost, and still counted at the horizon.
                let lost = lost_s(pod, DelayCause::TokenReview);
                let waited = between(outcome.run.cut.unwrap_or_default(), pod.exit);
                assert!(lost > 0.9 * (waited - 60.0), "{lost} of {waited} s: {pod:?}");
            }
            first_bad += usize::from(pod.certificate_landings_bad > 0);
        });
        (stuck, first_bad, pods)
    };
    let (stuck, bad, pods) = stuck_share("cluster.istio.version=1.14.3");
    assert!(
        0 < stuck && stuck == bad && stuck < pods / 2,
        "{stuck} stuck, {bad} bad, {pods} pods"
    );
    let (stuck, bad, _) = stuck_share("cluster.istio.version=1.21.0");
    assert!(stuck == 0 && bad > 0, "{stuck} stuck, {bad} bad");
}
