//! When nodes read CiliumEndpoints and EndpointSlices: no message was sent in the run, but a cursor knows when its reader saw
//! which version.

use super::{API_SERVER, Making, Sending};
use crate::cluster::ids::{FaultId, NodeId};
use crate::cluster::observed::Fact;
use crate::cluster::party::{Home, Party};
use crate::kernel::{SimDuration, SimTime};
use crate::story::dossier::RequestStory;

const NODES_MAX: usize = 8;
/// Most versions of one history whose reading is shown, per node.
const VERSIONS_MAX: usize = 4_000;
/// Reading is shown from this long before the cut on.
const BEFORE_CUT: SimDuration = SimDuration::from_secs(60);

/// Reading of those nodes that matter most: those that were cut, those of the requests, then the first others.
pub(super) fn readers(making: &mut Making, told: &[RequestStory]) {
    let past = making.past;
    let nodes = past.shared.blueprint.spec.nodes;
    let cut = past.story.facts().find_map(|(time, fact)| match fact {
        Fact::FaultBegins { fault, .. } if past.fault(*fault).kind.cuts_off() => Some(time),
        _ => None,
    });
    let nodes_of = |(_, _, party): (SimTime, FaultId, Party)| match party.home() {
        Home::Node(node) => Some(node),
        Home::Istiod(_) | Home::ApiServer(_) => None,
    };
    let mut chosen: Vec<NodeId> = past.cut_off().filter_map(nodes_of).collect();
    let of_requests = |node: &NodeId| {
        let name = past.node_name(*node);
        told.iter().any(|request| {
            request.client_node.as_deref() == Some(&name)
                || request.choice.as_ref().is_some_and(|choice| choice.node == name)
        })
    };
    chosen.extend((0..nodes).map(NodeId).filter(of_requests));
    chosen.extend((0..nodes).map(NodeId).take(NODES_MAX));
    let mut seen: Vec<NodeId> = Vec::new();
    chosen.retain(|node| {
        !seen.contains(node) && {
            seen.push(*node);
            true
        }
    });
    chosen.truncate(NODES_MAX);
    making.timeline.readers_omitted = nodes - chosen.len() as u32;
    let since = cut.map_or(SimTime::ZERO, |cut| cut.saturating_sub(BEFORE_CUT));
    for node in chosen {
        endpoints(making, node, since);
        slices(making, node, since);
    }
}

fn endpoints(making: &mut Making, node: NodeId, since: SimTime) {
    let past = making.past;
    let (from, to) = (making.track(None, API_SERVER), making.track(Some(node), "Cilium agent"));
    let reader = past.shared.ipcache_of(node);
    let versions = reader.history.iter().filter(|(_, version)| version.time >= since);
    for (index, version) in versions.take(VERSIONS_MAX) {
        let what = match &version.value {
            Some(endpoint) => format!(
                "CiliumEndpoint of {}: {}",
                past.shared.pod_name(endpoint.pod),
                endpoint.ip
            ),
            None => "CiliumEndpoint removed".to_owned(),
        };
        making.timeline.messages.push(Sending {
            from,
            to,
            sent: version.time,
            arrives: past.seen(&reader, index),
            what: format!("revision {}: {what}", version.revision),
        });
    }
}

fn slices(making: &mut Making, node: NodeId, since: SimTime) {
    let past = making.past;
    let (from, to) = (
        making.track(None, API_SERVER),
        making.track(Some(node), "service proxy"),
    );
    let reader = past.shared.service_proxy_of(node);
    let versions = reader.history.iter().filter(|(_, version)| version.time >= since);
    for (index, version) in versions.take(VERSIONS_MAX) {
        let backends = version.value.as_ref().map_or(0, |backends| backends.len());
        making.timeline.messages.push(Sending {
            from,
            to,
            sent: version.time,
            arrives: past.seen(&reader, index),
            what: format!("revision {}: EndpointSlice with {backends} backends", version.revision),
        });
    }
}
