//! Remembered addresses that went to another pod after the cut, and the probed Service as its client saw it.

use std::net::Ipv4Addr;

use super::beliefs::{Past, Reader, held};
use super::dossier::{AddressStory, Held, Holder, RequestStory, ServiceStory, Viewer};
use crate::cluster::history::Path;
use crate::cluster::ids::{IstiodId, NodeId, PodId, ServiceId};
use crate::cluster::links::Party;
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

/// Nodes whose belief about an address is told: every cut one (at most two), then the first healthy worker that is not the
/// address's own node; if nothing was cut, the node of the probed server stands for the cut one.
fn onlookers(past: &Past, ip: Ipv4Addr) -> Vec<NodeId> {
    let blueprint = &past.shared.blueprint;
    let (home, _) = blueprint.addresses.locate(ip);
    let mut nodes: Vec<NodeId> = Vec::new();
    for (_, fact) in past.story.facts() {
        if let Fact::Cut { parties, .. } = fact {
            nodes.extend(parties.iter().filter_map(|party| match party {
                Party::Agent(node) => Some(*node),
                _ => None,
            }));
        }
    }
    let mut seen = Vec::new();
    nodes.retain(|node| {
        !seen.contains(node) && {
            seen.push(*node);
            true
        }
    });
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
        .find(|node| past.shared.ipcaches[node.index()].changes().count() == 1);
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
    let reader = Reader {
        shared: past.shared,
        path: &past.shared.service_proxies[node.index()],
        history: &past.shared.api.slices,
        delay: past.shared.service_proxy_delay(),
    };
    let mut times: Vec<SimTime> = reader.path.changes().collect();
    for (index, version) in reader.history.iter() {
        if version.key == service.0 {
            times.extend(reader.seen_at(index.get() as u32, version.time, past.end));
        }
    }
    let backends = held(times, |at| {
        let version = reader.history.at(service.0, reader.visible_at(at))?;
        Some(names(past, version.value.as_deref()?))
    });
    Some(ServiceStory {
        service: name,
        seen_by: Viewer::Node {
            node: past.node_name(node),
        },
        backends,
    })
}

/// Whom a pod's proxy followed since when.
fn follows(past: &Past, pod: PodId) -> Vec<(SimTime, IstiodId, Path)> {
    let facts = past.story.facts().filter_map(|(time, fact)| match fact {
        Fact::Follows { pod: own, istiod, path } if *own == pod => Some((time, *istiod, path.clone())),
        _ => None,
    });
    facts.collect()
}

fn as_proxy(past: &Past, follows: &[(SimTime, IstiodId, Path)], service: ServiceId) -> Vec<Held<Option<Vec<String>>>> {
    let reader = |number: usize| {
        let (_, istiod, path) = &follows[number];
        Reader {
            shared: past.shared,
            path,
            history: past.shared.snapshots[istiod.index()].output(),
            delay: past.shared.push_delay(),
        }
    };
    let mut times: Vec<SimTime> = Vec::new();
    for (number, &(from, ..)) in follows.iter().enumerate() {
        let reader = reader(number);
        times.push(from);
        for (index, version) in reader.history.iter() {
            if version.key == service.0 && version.time >= from {
                times.extend(reader.seen_at(index.get() as u32, version.time, past.end));
            }
        }
    }
    held(times, |at| {
        let number = follows.iter().rposition(|(from, ..)| *from <= at)?;
        let reader = reader(number);
        let version = reader.history.at(service.0, reader.visible_at(at))?;
        Some(names(past, version.value.as_deref()?))
    })
}

fn names(past: &Past, backends: &[crate::cluster::objects::Backend]) -> Vec<String> {
    backends
        .iter()
        .map(|backend| past.shared.pod_name(backend.pod))
        .collect()
}
