//! Requests of the script's clients: the choice of the backend, each SYN with its fate, the answer.

use super::{Making, Sending, Span, SpanKind};
use crate::cluster::access::has_answer;
use crate::cluster::ids::{NodeId, PodId};
use crate::story::dossier::{Choice, RequestStory, SynFate, SynStory, Viewer};

/// The track at a node on which verdicts about packets stand.
const NETWORK: &str = "network";

pub(super) fn requests(making: &mut Making, told: &[RequestStory]) {
    for request in told {
        one(making, request);
    }
}

fn one(making: &mut Making, request: &RequestStory) {
    let record = &request.record;
    let client = named(making, &record.client);
    let end = record.time + record.latency;
    making.timeline.spans.push(Span {
        track: client,
        from: record.time,
        to: Some(end),
        kind: SpanKind::Request,
        what: format!(
            "{} to {}: {}",
            request.request,
            record.server,
            record.cause.replace('_', " ")
        ),
    });
    let Some(choice) = &request.choice else { return };
    let viewer = match &choice.by {
        Viewer::Node { node } => {
            let node = node_named(making, node);
            making.track(node, "service proxy")
        }
        Viewer::Proxy { .. } => client,
    };
    making.decision(viewer, record.time, format!("chooses {} at {}", choice.pod, choice.ip));
    for sent in &request.syns {
        syn(making, request, choice, *sent, client);
    }
    let delivered = request.syns.iter().any(|syn| syn.fate == SynFate::Delivered);
    if delivered && has_answer(&record.cause) {
        let server = named(making, request.server(choice));
        if let Some(mesh) = &request.mesh {
            let verb = if mesh.verdict.allowed { "lets in" } else { "refuses" };
            let what = format!("the proxy {verb} {}: {}", record.client, mesh.verdict.because);
            making.decision(server, record.time, what);
        }
        making.timeline.messages.push(Sending {
            from: server,
            to: client,
            sent: request.syns.last().map_or(record.time, |syn| syn.time),
            arrives: Some(end),
            what: format!("answer to {}", request.request),
        });
    }
}

fn syn(making: &mut Making, request: &RequestStory, choice: &Choice, syn: SynStory, client: usize) {
    let at_server = node_named(making, &choice.node);
    let at_client = request.client_node.as_deref().and_then(|node| node_named(making, node));
    let passage = request.passage.as_ref();
    let taken = passage.map_or(String::new(), |passage| {
        let identity = &passage.taken_for;
        format!(" as identity {} ({})", identity.number, identity.meaning)
    });
    let because = passage
        .and_then(|passage| passage.verdict.as_ref())
        .map_or(String::new(), |verdict| format!(": {}", verdict.because));
    let (node, word) = match syn.fate {
        SynFate::Delivered => (
            at_server,
            format!("admits the SYN of {}{taken}{because}", request.record.client),
        ),
        SynFate::IngressPolicy => (
            at_server,
            format!("drops the SYN of {}{taken}{because}", request.record.client),
        ),
        SynFate::WireGuardPeer => {
            let what = format!(
                "WireGuard drops the SYN of {}: no peer may send from there",
                request.record.client
            );
            (at_server, what)
        }
        SynFate::EgressPolicy => (
            at_client,
            format!("egress policy drops the SYN of {}", request.record.client),
        ),
        SynFate::NoPod => (at_server, format!("no pod holds {}", choice.ip)),
        SynFate::Path => (
            at_client,
            format!("the path between the nodes loses it on the way to {}", choice.ip),
        ),
        SynFate::Cut => (at_client, format!("nothing passes on the way to {}", choice.ip)),
    };
    let network = making.track(node, NETWORK);
    making.decision(network, syn.time, word);
    making.timeline.messages.push(Sending {
        from: client,
        to: network,
        sent: syn.time,
        arrives: Some(syn.time),
        what: format!("SYN to {}", choice.ip),
    });
    if syn.fate == SynFate::Delivered {
        let server = named(making, request.server(choice));
        making.timeline.messages.push(Sending {
            from: network,
            to: server,
            sent: syn.time,
            arrives: Some(syn.time),
            what: format!("SYN from {}", request.record.client),
        });
    }
}

fn named(making: &mut Making, name: &str) -> usize {
    let shared = making.past.shared;
    let pod = (0..shared.pods.len()).find(|pod| shared.pod_name(PodId(*pod as u32)) == name);
    match pod {
        Some(pod) => making.pod(PodId(pod as u32)),
        None => making.track(None, name),
    }
}

fn node_named(making: &Making, name: &str) -> Option<NodeId> {
    let nodes = (0..making.past.shared.blueprint.spec.nodes).map(NodeId);
    nodes.into_iter().find(|node| making.past.node_name(*node) == name)
}
