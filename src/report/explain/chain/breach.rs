//! From an access, or an exposure, back to the fault: verdict, identity, belief, reuse, frozen path, cut link, fault.

use super::{Chain, EntryGap, Gap, Ids, LayerVerdict, Link, LinkKind, Subject, fault};
use crate::cluster::party::{NamedParty, PartyKind};
use crate::cluster::records::{AccessClass, AccessRecord, LayerDecision};
use crate::kernel::SimTime;
use crate::lab::cell::Word;
use crate::report::explain::page::{at, span};
use crate::report::explain::timeline::syns_words;
use crate::report::text::many;
use crate::story::dossier::{
    Basis, Belief, Correction, Dossier, ExposedStory, Identity, PassageStory, PeerCheck, RequestStory, SynFate,
};

pub fn of_access(dossier: &Dossier, request: &RequestStory) -> Chain {
    let record = &request.record;
    let mut links = vec![verdict(request)];
    if let Some(passage) = &request.passage {
        links.extend(identity(passage, &request.client_identity));
        behind(dossier, &passage.belief, &request.client_identity, &mut links);
    }
    let clocks = request.mesh.iter().flat_map(|mesh| &mesh.clocks);
    let off = clocks.flat_map(|clock| fault::of_clock(dossier, clock, record.time));
    links.extend(off);
    links.extend(on_the_way(dossier, request));
    let summary = format!(
        "{} called {} at {}: {} ({}).",
        record.client,
        record.server,
        at(record.time),
        record.class.words().meaning,
        record.class.word()
    );
    Chain {
        subject: Subject::Access { access: record.clone() },
        summary,
        links,
    }
}

/// A request that no pod could send.
pub fn of_unsent(record: &AccessRecord) -> Chain {
    let text = format!(
        "nothing was sent to {}: {} had no ready pod",
        record.server, record.client_workload
    );
    Chain {
        summary: format!(
            "The request of {} to {} at {} was not sent: {} ({}).",
            record.client_workload,
            record.server,
            at(record.time),
            record.class.words().meaning,
            record.class.word()
        ),
        links: vec![Link {
            kind: LinkKind::Verdict,
            time: record.time,
            until: None,
            place: record.client_workload.clone(),
            text,
            ids: Ids::default(),
        }],
        subject: Subject::Access { access: record.clone() },
    }
}

/// Whether every policy intends a request to be let in.
fn is_meant(record: &AccessRecord) -> bool {
    record.network_intended != LayerDecision::Deny && record.mesh_intended != LayerDecision::Deny
}

/// The fault that lost packets of a request between two nodes.
fn on_the_way(dossier: &Dossier, request: &RequestStory) -> Vec<Link> {
    let lost = request.syns.iter().find(|syn| syn.fate == SynFate::Path);
    let (Some(lost), Some(choice)) = (lost, &request.choice) else {
        return Vec::new();
    };
    let ends = [request.client_node.as_deref(), Some(choice.node.as_str())];
    let mut acting = ends.into_iter().flatten().filter_map(|end| {
        let network = NamedParty::new(PartyKind::Network, end);
        Some(fault::links(
            dossier,
            &network,
            fault::on(dossier, &network, lost.time)?,
        ))
    });
    acting.next().unwrap_or_default()
}

pub fn of_exposure(dossier: &Dossier, exposed: &ExposedStory) -> Chain {
    let window = &exposed.window;
    let end = window.end.unwrap_or(dossier.setting.horizon);
    let length = span(end.since(window.start));
    let mut links = vec![Link {
        kind: LinkKind::Verdict,
        time: window.start,
        until: window.end,
        place: window.node.clone(),
        text: format!(
            "for {length}, until {}, {} would have let {} ({}) reach {}; an attempt would have been {}",
            at(end),
            window.node,
            window.client,
            window.ip,
            window.server,
            window.class.word()
        ),
        ids: Ids {
            pod: Some(window.client.clone()),
            ip: Some(window.ip),
            ..Ids::default()
        },
    }];
    behind(dossier, &exposed.belief, &exposed.client_identity, &mut links);
    Chain {
        summary: format!(
            "No wrong client got in, but from {} on {} was open to {} for {length} ({}).",
            at(window.start),
            window.server,
            window.client,
            window.class.word()
        ),
        subject: Subject::Exposure { window: window.clone() },
        links,
    }
}

/// An identity in words: `identity 258 (default/sleep-v1, app=sleep,version=v1)`.
pub(super) fn identity_words(identity: &Identity) -> String {
    let labels = if identity.labels.is_empty() {
        String::new()
    } else {
        format!(", {}", identity.labels)
    };
    format!("identity {} ({}{labels})", identity.number, identity.meaning)
}

fn verdict(request: &RequestStory) -> Link {
    let record = &request.record;
    let meant =
        |intent: &Option<crate::story::dossier::VerdictStory>| intent.as_ref().is_some_and(|intent| intent.allowed);
    let mut verdicts = Vec::new();
    let mut words = Vec::new();
    if let Some(passage) = &request.passage {
        if passage.peer_check == PeerCheck::NotListed {
            verdicts.push(LayerVerdict {
                layer: "wireguard",
                allowed: false,
                meant: true,
                because: format!("no peer may send from {}", passage.belief.ip),
            });
            words.push(format!("WireGuard on {} dropped the packets", passage.belief.node));
        }
        if let Some(verdict) = &passage.verdict {
            verdicts.push(LayerVerdict {
                layer: "network",
                allowed: verdict.allowed,
                meant: record.network_intended == LayerDecision::Allow,
                because: verdict.because.clone(),
            });
            let word = if verdict.allowed {
                "let it through"
            } else {
                "dropped it"
            };
            words.push(format!("the network {word}: {}", verdict.because));
        }
    } else if request.syns.iter().any(|syn| syn.fate == SynFate::EgressPolicy) {
        verdicts.push(LayerVerdict {
            layer: "network",
            allowed: false,
            meant: record.network_intended == LayerDecision::Allow,
            because: "egress policy of the client".to_owned(),
        });
        words.push("the client's own node dropped it: egress policy".to_owned());
    }
    if let Some(mesh) = &request.mesh {
        verdicts.push(LayerVerdict {
            layer: "mesh",
            allowed: mesh.verdict.allowed,
            meant: meant(&request.mesh_intent),
            because: mesh.verdict.because.clone(),
        });
        let word = if mesh.verdict.allowed {
            "let it in"
        } else {
            "refused it"
        };
        words.push(format!("the mesh {word}: {}", mesh.verdict.because));
    }
    let fates = request.syns.iter().map(|syn| syn.fate);
    if fates.clone().any(|fate| Some(fate) != fates.clone().next()) || words.is_empty() {
        let sent = match request.syns.as_slice() {
            [] => format!("nothing was sent: {}", record.cause.replace('_', " ")),
            _ => format!("its packets: {}", syns_words(request)),
        };
        words.push(sent);
    }
    let (should, intents) = match record.class {
        AccessClass::WronglyDenied | AccessClass::WrongServer | AccessClass::Unreachable if is_meant(record) => {
            ("be let in", [&request.network_intent, &request.mesh_intent])
        }
        AccessClass::MeshBypassed => ("be refused by the mesh", [&request.mesh_intent, &None]),
        _ => ("be refused", [&request.network_intent, &request.mesh_intent]),
    };
    let intent = intents.into_iter().flatten().next();
    let meant = intent.map_or(String::new(), |intent| {
        format!("; it was meant to {should}: {}", intent.because)
    });
    let choice = request.choice.as_ref();
    Link {
        kind: LinkKind::Verdict,
        time: request.syns.last().map_or(record.time, |syn| syn.time),
        until: None,
        place: choice.map_or_else(|| record.server.clone(), |choice| choice.node.clone()),
        text: format!("{}{meant}", words.join(", and ")),
        ids: Ids {
            pod: Some(record.client.clone()),
            ip: record.client_ip,
            verdicts,
            ..Ids::default()
        },
    }
}

fn identity(passage: &PassageStory, actual: &Identity) -> Option<Link> {
    let belief = &passage.belief;
    let taken = identity_words(&passage.taken_for);
    let truly = if passage.taken_for.number == actual.number {
        String::new()
    } else {
        format!("; the sender is {}", identity_words(actual))
    };
    let text = match (passage.peer_check, passage.basis) {
        (PeerCheck::NotListed, _) => format!(
            "{}'s WireGuard peers come from its ipcache and did not list {} for the node from which the packets came",
            belief.node, belief.ip
        ),
        (_, Basis::SameNode) => format!(
            "both pods are on {}, which has the identities of its own pods: {taken}{truly}",
            belief.node
        ),
        (_, Basis::Packet) => format!("the packet carried {taken}{truly}"),
        (_, Basis::Ipcache) => format!(
            "the packet carried no identity, so {} looked {} up in its own ipcache and took the sender for {taken}{truly}",
            belief.node, belief.ip
        ),
    };
    Some(Link {
        kind: LinkKind::Identity,
        time: belief.at,
        until: None,
        place: belief.node.clone(),
        text,
        ids: Ids {
            ip: Some(belief.ip),
            believed: Some(passage.taken_for.clone()),
            actual: Some(actual.clone()),
            ..Ids::default()
        },
    })
}

pub(super) fn behind(dossier: &Dossier, belief: &Belief, actual: &Identity, links: &mut Vec<Link>) {
    links.push(believed(belief, actual));
    links.extend(reuse(dossier, belief));
    let agent = NamedParty::new(PartyKind::Agent, &belief.node);
    match &belief.correction {
        Correction::True | Correction::NoHolder => {}
        Correction::Frozen { since, .. } => {
            links.push(frozen(belief, *since));
            match fault::on(dossier, &agent, belief.at) {
                Some(began) => links.extend(fault::links(dossier, &agent, began)),
                None => links.push(fault::none(*since, &belief.node)),
            }
        }
        Correction::NotPublished { until } => {
            let text = match until {
                Some(until) => format!(
                    "the new owner's CiliumEndpoint reached the API server only at {}, {} later",
                    at(*until),
                    span(until.since(belief.at))
                ),
                None => "no CiliumEndpoint of the new owner ever reached the API server".to_owned(),
            };
            links.push(under_way(belief, *until, text));
            links.extend(publisher(dossier, belief));
        }
        Correction::UnderWay { written, until } => {
            let read = until.map_or("was never read there".to_owned(), |until| {
                format!(
                    "was read there at {}, {} later",
                    at(until),
                    span(until.since(belief.at))
                )
            });
            let text = format!(
                "the write of {} that corrects it was on its way and {read}",
                at(*written)
            );
            links.push(under_way(belief, *until, text));
            match fault::on(dossier, &agent, *written) {
                Some(began) => links.extend(fault::links(dossier, &agent, began)),
                None => links.push(fault::none(*written, &belief.node)),
            }
        }
    }
}

/// The fault at the agent that had to publish the new owner, if that one was cut off.
fn publisher(dossier: &Dossier, belief: &Belief) -> Vec<Link> {
    let address = dossier.addresses.iter().find(|address| address.ip == belief.ip);
    let holder = address.and_then(|address| address.holders.iter().rfind(|held| held.from <= belief.at));
    let agent = holder.map(|held| NamedParty::new(PartyKind::Agent, &held.what.node));
    match agent.and_then(|agent| Some((fault::on(dossier, &agent, belief.at)?, agent))) {
        Some((began, agent)) => fault::links(dossier, &agent, began),
        None => vec![fault::none(belief.at, &belief.node)],
    }
}

fn believed(belief: &Belief, actual: &Identity) -> Link {
    let gap = gap(belief);
    let mut text = match &belief.entry {
        Some(entry) => format!(
            "{} believed {} to belong to {}, {}, by revision {} of {}",
            belief.node,
            belief.ip,
            entry.owner,
            identity_words(&entry.identity),
            entry.revision,
            at(entry.written)
        ),
        None => format!(
            "{} had no entry for {}, which makes it the world",
            belief.node, belief.ip
        ),
    };
    match &belief.api {
        Some(api) => text.push_str(&format!(
            "; the API server had {}, {}, by revision {} of {}",
            api.owner,
            identity_words(&api.identity),
            api.revision,
            at(api.written)
        )),
        None => text.push_str("; the API server had no entry"),
    }
    if let Some(gap) = &gap {
        text.push_str(&format!(
            ". The node had read up to revision {} and the API server was at {}: {} and {:.3} s behind",
            gap.read,
            gap.head,
            many(gap.revisions as usize, "revision"),
            gap.seconds.as_secs_f64()
        ));
    }
    Link {
        kind: LinkKind::Belief,
        time: belief.at,
        until: None,
        place: belief.node.clone(),
        text,
        ids: Ids {
            pod: belief.holder.clone(),
            previous_pod: belief.entry.as_ref().map(|entry| entry.owner.clone()),
            ip: Some(belief.ip),
            believed: belief.entry.as_ref().map(|entry| entry.identity.clone()),
            actual: Some(actual.clone()),
            gap,
            ..Ids::default()
        },
    }
}

/// How far the reader lagged; nothing if nothing was read or written.
fn gap(belief: &Belief) -> Option<Gap> {
    let (read, head) = (belief.read?, belief.head?);
    let entry = belief
        .entry
        .as_ref()
        .zip(belief.api.as_ref())
        .map(|(entry, api)| EntryGap {
            believed: entry.revision,
            head: api.revision,
            revisions: api.revision.saturating_sub(entry.revision),
            seconds: api.written.since(entry.written),
        });
    Some(Gap {
        read: read.number,
        head: head.number,
        revisions: head.number.saturating_sub(read.number),
        seconds: head.written.since(read.written),
        entry,
    })
}

/// How the address changed hands, if it did.
fn reuse(dossier: &Dossier, belief: &Belief) -> Option<Link> {
    let address = dossier.addresses.iter().find(|address| address.ip == belief.ip)?;
    let now = address.holders.iter().rposition(|held| held.from <= belief.at)?;
    let before = &address.holders[now.checked_sub(1)?];
    let now = &address.holders[now];
    let freed = before.to.map_or(String::new(), |freed| {
        format!(
            "; {} had lost it at {}, {} before",
            before.what.pod,
            at(freed),
            span(now.from.since(freed))
        )
    });
    Some(Link {
        kind: LinkKind::Reuse,
        time: now.from,
        until: now.to,
        place: now.what.node.clone(),
        text: format!(
            "{} was given to {} at {}{freed}",
            address.ip,
            now.what.pod,
            at(now.from)
        ),
        ids: Ids {
            pod: Some(now.what.pod.clone()),
            previous_pod: Some(before.what.pod.clone()),
            ip: Some(address.ip),
            ..Ids::default()
        },
    })
}

pub(super) fn frozen(belief: &Belief, since: SimTime) -> Link {
    let revision = belief.read.map_or("before the first revision".to_owned(), |read| {
        format!("at revision {} (written at {})", read.number, at(read.written))
    });
    Link {
        kind: LinkKind::PathFrozen,
        time: since,
        until: None,
        place: NamedParty::new(PartyKind::Agent, &belief.node).to_string(),
        text: format!(
            "its reading of CiliumEndpoints was frozen {revision} since {}, {} before",
            at(since),
            span(belief.at.since(since))
        ),
        ids: Ids {
            gap: gap(belief),
            ..Ids::default()
        },
    }
}

fn under_way(belief: &Belief, until: Option<SimTime>, text: String) -> Link {
    Link {
        kind: LinkKind::WriteUnderWay,
        time: belief.at,
        until,
        place: belief.node.clone(),
        text,
        ids: Ids::default(),
    }
}
