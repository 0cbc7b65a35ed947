//! The same world with more of everything: it runs to its end and leaks nothing.

use std::collections::BTreeMap;

use meshfault::cluster::records::ExitCause;
use meshfault::kernel::SimTime;

use crate::support::{Bench, at};

const CHURN: &str = "churn={rate: 2/s, for: 60s, lifetime: {exponential: {mean: 20s, max: 60s}}, service_accounts: 10}";

/// A pod that is gone, and the address that it gave back when it went, by the story.
fn freed(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("frees ")?
        .split_once(" of ")
        .map(|(ip, pod)| (pod, ip))
}

fn given(text: &str) -> Option<(&str, &str)> {
    let (ip, rest) = text.strip_prefix("gives ")?.split_once(" on ")?;
    Some((rest.rsplit_once(" to ")?.1, ip))
}

#[test]
fn forty_nodes_with_churn_leak_no_address() {
    let lab = Bench::of("istiod-cut-off", &["cluster.nodes=40", CHURN, "horizon=10m"])
        .only("control")
        .ready();
    for replication in 0..2 {
        let outcome = lab.told(replication);
        assert!(outcome.run.script_end.is_some(), "{:?}", outcome.run.script_stopped);
        let churned: Vec<_> = outcome.pods.iter().filter(|pod| pod.workload == "churn").collect();
        // Poisson with mean 120: four standard deviations are 44.
        assert!((76..=164).contains(&churned.len()), "{}", churned.len());
        let ready = churned.iter().filter(|pod| pod.exit_cause == ExitCause::Ready).count();
        assert!(ready * 10 > churned.len() * 7, "{ready} of {}", churned.len());

        // Every address that was given to a churning pod was given back by that pod, and to no other pod meanwhile.
        let mut holders: BTreeMap<String, String> = BTreeMap::new();
        let mut last_return = SimTime::ZERO;
        for line in &outcome.lines {
            if let Some((pod, ip)) = given(&line.text) {
                let before = holders.insert(ip.to_owned(), pod.to_owned());
                assert_eq!(before, None, "{line:?}");
            } else if let Some((pod, ip)) = freed(&line.text) {
                assert_eq!(holders.remove(ip).as_deref(), Some(pod), "{line:?}");
                if pod.starts_with("churn") {
                    last_return = line.time;
                }
            }
        }
        let leaked: Vec<_> = holders.values().filter(|pod| pod.starts_with("churn")).collect();
        assert!(leaked.is_empty(), "{leaked:?}");
        assert!(last_return < at(240.0), "{last_return:?}");
        // What is left is what the manifests ask for: three Istiods, two servers, fifteen clients.
        assert_eq!(holders.len(), 20, "{holders:?}");
    }
}

#[test]
fn churn_is_the_same_pods_whatever_the_size_of_the_cluster() {
    let lifetimes = |nodes: &str| {
        let lab = Bench::of("ip-reuse", &[nodes, CHURN]).only("control").ready();
        let pods = lab.one(0).pods;
        let churned = pods.into_iter().filter(|pod| pod.workload == "churn");
        churned.map(|pod| (pod.pod, pod.desired)).collect::<Vec<_>>()
    };
    assert_eq!(lifetimes("cluster.nodes=4"), lifetimes("cluster.nodes=40"));
}
