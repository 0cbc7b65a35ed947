//! Two courses of a run over time: certificate requests by Istiod, and stale entries by node.
//!
//! Requests were noted as facts; what a node had read at any earlier time its cursor still knows, so staleness is asked after
//! the run. How the courses are drawn belongs to `report`.

use std::collections::{BTreeMap, BTreeSet};

use super::cache_views::Past;
use super::dossier::{CertificateRequest, Courses, StaleCourse};
use crate::cluster::cilium::ipcache;
use crate::cluster::ids::{IstiodId, NodeId, PodId};
use crate::cluster::istio::messages::Answer;
use crate::cluster::istio::messages::Channel;
use crate::cluster::observed::{ChannelFact, Fact};
use crate::kernel::SimTime;

const NODES_MAX: usize = 8;
/// Most versions of endpoints times nodes that are followed; beyond that the story would cost more than the run.
const WORK_MAX: usize = 60_000;

/// Both courses.
pub(super) fn courses(past: &Past) -> Courses {
    let (stale, nodes_left_out) = stale(past);
    Courses {
        requests: requests(past),
        stale,
        nodes_left_out,
    }
}

/// Every certificate request, with the Istiod that it was sent to.
fn requests(past: &Past) -> Vec<CertificateRequest> {
    let mut connected: BTreeMap<PodId, IstiodId> = BTreeMap::new();
    let mut open: BTreeMap<PodId, usize> = BTreeMap::new();
    let mut requests: Vec<CertificateRequest> = Vec::new();
    for (time, fact) in past.story.facts() {
        let Fact::Channel(pod, Channel::Certificate, fact) = fact else {
            continue;
        };
        match fact {
            ChannelFact::Dialled(istiod, ..) => {
                connected.insert(*pod, *istiod);
            }
            ChannelFact::Sent => {
                if let Some(istiod) = connected.get(pod) {
                    open.insert(*pod, requests.len());
                    requests.push(CertificateRequest {
                        sent: time,
                        istiod: istiod.to_string(),
                        pod: past.shared.pod_name(*pod),
                        signed: None,
                    });
                }
            }
            ChannelFact::Answered(Answer::Ok) => {
                if let Some(index) = open.remove(pod) {
                    requests[index].signed = Some(time);
                }
            }
            _ => {}
        }
    }
    requests
}

/// Nodes to follow: every one that was ever cut off, then others; and how many are left out.
fn followed(past: &Past) -> (Vec<(NodeId, bool)>, u32) {
    let cut = past.nodes_without_api();
    let nodes = past.shared.blueprint.spec.nodes;
    let versions = past.shared.api.endpoints.len().max(1);
    let room = NODES_MAX.min(WORK_MAX / versions);
    let healthy = (0..nodes)
        .map(NodeId)
        .filter(|node| !cut.contains(node))
        .map(|node| (node, false));
    let followed: Vec<(NodeId, bool)> = cut.iter().map(|node| (*node, true)).chain(healthy).take(room).collect();
    let left_out = nodes - followed.len() as u32;
    (followed, left_out)
}

fn stale(past: &Past) -> (Vec<StaleCourse>, u32) {
    let (nodes, left_out) = followed(past);
    let stale = nodes.into_iter().map(|(node, cut)| StaleCourse {
        node: past.node_name(node),
        cut,
        steps: steps(past, node),
    });
    (stale.collect(), left_out)
}

/// How many addresses a node takes for something else than the API server says, from when on. Only an address whose version
/// was just written or just read can change sides, so each version is looked at twice.
fn steps(past: &Past, node: NodeId) -> Vec<(SimTime, u32)> {
    let endpoints = &past.shared.api.endpoints;
    let reader = past.shared.ipcache_of(node);
    let mut changes: BTreeMap<SimTime, BTreeSet<u32>> = BTreeMap::new();
    // A delete does not state of which address; it is one that the pod was published with before.
    let mut topics_of: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (index, version) in endpoints.iter() {
        let topics = topics_of.entry(version.key).or_default();
        topics.extend(version.value.map(|endpoint| past.topic(endpoint.ip)));
        let seen = past.seen(&reader, index);
        for time in [Some(version.time), seen].into_iter().flatten() {
            changes.entry(time).or_default().extend(topics.iter().copied());
        }
    }
    let mut stale: BTreeSet<u32> = BTreeSet::new();
    let mut steps: Vec<(SimTime, u32)> = Vec::new();
    for (time, topics) in changes {
        let (seen, written) = (reader.seen_at(time), endpoints.written_by(time));
        for topic in topics {
            let entry = |versions| ipcache::entry_of(endpoints, topic, versions).map(|entry| entry.revision);
            if entry(seen) == entry(written) {
                stale.remove(&topic);
            } else {
                stale.insert(topic);
            }
        }
        let count = stale.len() as u32;
        if steps.last().map_or(0, |(_, before)| *before) != count {
            steps.push((time, count));
        }
    }
    steps
}
