//! Remembered addresses that went to another pod after the cut, and the probed Service as its client saw it.

use std::net::Ipv4Addr;

use super::cache_views::{Past, held};
use super::dossier::{AddressStory, Held, Holder, RequestStory, ServiceStory, Viewer};
use crate::cluster::history::{Cursor, View};
use crate::cluster::ids::{IstiodId, NodeId, PodId, ServiceId};
use crate::cluster::objects::Backends;
use crate::cluster::observed::{AccessFact, Fact, PodFact};
use crate::cluster::records::{ExposureRecord, Outcome};
use crate::kernel::SimTime;

/// Addresses that were given to another pod after the cut: those that were probed from first, then in order of reuse.
pub(super) fn reused(past: &Past, outcome: &Outcome, requests: &[RequestStory]) -> Vec<AddressStory> {
    let Some(cut) = outcome.run.cut else {
        return Vec::new();
    };
    let mut found: Vec<(bool, SimTime, Ipv4Addr)> = Vec::new();
    for (time, fact) in past.story.facts() {
        if let Fact::Pod(_, PodFact::Taken(_, ip)) = fact
            && time >= cut
            && past.shared.recorder.remembers(*ip)
            && !found.iter().any(|(_, _, known)| known == ip)
        {
            let probed = requests
                .iter()
                .any(|request| request.record.after_cut && request.record.client_ip == Some(*ip));
            found.push((!probed, time, *ip));
        }
    }
    found.sort_unstable();
    found
        .into_iter()
        .map(|(not_probed, _, ip)| address(past, ip, !not_probed, &outcome.exposures))
        .collect()
}

fn address(past: &Past, ip: Ipv4Addr, probed: bool, exposures: &[ExposureRecord]) -> AddressStory {
    let holders = past.holders(ip).map(|(pod, node, from, to)| Held {
        from,
        to,
        what: Holder {
            pod: past.shared.pod_name(pod),
            workload: past.shared.kind(pod).name.clone(),
            node: past.node_name(node),
        },
    });
    AddressStory {
        ip,
        probed,
        holders: holders.collect(),
        api: past.api_over_time(ip),
        beliefs: onlookers(past, ip)
            .into_iter()
            .map(|node| past.belief_over_time(node, ip))
            .collect(),
        exposures: exposures.iter().filter(|window| window.ip == ip).cloned().collect(),
    }
}

/// Nodes whose belief about an address is shown: every cut one (at most two), then the first healthy worker that is not the
/// address's own node; if nothing was cut, the node of the probed server stands for the cut one.
fn onlookers(past: &Past, ip: Ipv4Addr) -> Vec<NodeId> {
    let blueprint = &past.shared.blueprint;
    let (home, _) = blueprint.addresses.locate(ip);
    let mut nodes = past.nodes_without_api();
    nodes.truncate(2);
    if nodes.is_empty() {
        nodes.extend(past.story.facts().find_map(|(_, fact)| match fact {
            Fact::Access(_, AccessFact::Chosen { backend, .. }) => Some(blueprint.addresses.locate(backend.ip).0),
            _ => None,
        }));
    }
    let workers = (blueprint.spec.control_plane_nodes..blueprint.spec.nodes).map(NodeId);
    let healthy = workers
        .filter(|node| *node != home && !nodes.contains(node))
        .find(|node| past.shared.ipcache_of(*node).cursor.changes().count() == 1);
    nodes.extend(healthy);
    nodes
}

/// The Service of the last probe after the cut, as that probe's client saw it.
pub(super) fn probed_service(past: &Past, outcome: &Outcome) -> Option<ServiceStory> {
    let cut = outcome.run.cut?;
    let began = past.story.facts().filter_map(|(time, fact)| match fact {
        Fact::Access(_, AccessFact::Began { client, step }) if time >= cut => {
            Some((time, *client, ServiceId(past.probe(*step).to as u32)))
        }
        _ => None,
    });
    let (time, client, service) = began.last()?;
    let (node, _) = past.place(client, time)?;
    let name = past.shared.blueprint.service_name(service).to_owned();
    if past.shared.kind(client).is_meshed() {
        let follows = follows(past, client);
        let followed = follows.iter().rfind(|(from, ..)| *from <= time).or(follows.first());
        return Some(ServiceStory {
            service: name,
            seen_by: Viewer::Proxy {
                pod: past.shared.pod_name(client),
                istiod: followed.map(|(_, istiod, _)| istiod.to_string()),
            },
            backends: as_proxy(past, &follows, service),
        });
    }
    let reader = past.shared.service_proxy_of(node);
    let mut times: Vec<SimTime> = reader.cursor.changes().collect();
    let written = reader.history.of_key(service.0);
    times.extend(written.filter_map(|index| past.seen(&reader, index)));
    let backends = held(times, |at| Some(names(past, reader.at(service.0, at)?)));
    Some(ServiceStory {
        service: name,
        seen_by: Viewer::Node {
            node: past.node_name(node),
        },
        backends,
    })
}

/// Whom a pod's proxy followed since when.
fn follows(past: &Past, pod: PodId) -> Vec<(SimTime, IstiodId, Cursor)> {
    let facts = past.story.facts().filter_map(|(time, fact)| match fact {
        Fact::Follows {
            pod: own,
            istiod,
            cursor,
        } if *own == pod => Some((time, *istiod, cursor.clone())),
        _ => None,
    });
    facts.collect()
}

fn as_proxy(
    past: &Past,
    follows: &[(SimTime, IstiodId, Cursor)],
    service: ServiceId,
) -> Vec<Held<Option<Vec<String>>>> {
    let reader = |number: usize| -> View<'_, Backends> {
        let (_, istiod, cursor) = &follows[number];
        cursor.over(&past.shared.snapshots[istiod.index()], &past.shared.run_key)
    };
    let mut times: Vec<SimTime> = Vec::new();
    for (number, &(from, ..)) in follows.iter().enumerate() {
        let reader = reader(number);
        times.push(from);
        let written = reader.history.of_key(service.0);
        let later = written.take_while(|index| reader.history.version(*index).time >= from);
        times.extend(later.filter_map(|index| past.seen(&reader, index)));
    }
    held(times, |at| {
        let number = follows.iter().rposition(|(from, ..)| *from <= at)?;
        Some(names(past, reader(number).at(service.0, at)?))
    })
}

fn names(past: &Past, backends: &Backends) -> Vec<String> {
    backends
        .iter()
        .map(|backend| past.shared.pod_name(backend.pod))
        .collect()
}
