//! The story of each request: the choice of the backend, each SYN, what the server's node believed, what each layer decided.

use super::cache_views::Past;
use super::dossier::{
    Basis, Choice, MeshVerdict, PassageStory, PeerCheck, RequestStory, SynFate, SynStory, VerdictStory, Viewer,
};
use crate::cluster::blueprint::NetworkPeer;
use crate::cluster::cilium::datapath::source_identity;
use crate::cluster::cilium::ipcache;
use crate::cluster::cilium::passage::{Loss, Passage};
use crate::cluster::ids::{IstiodId, PodId, ServiceId};
use crate::cluster::istio::certificates::Refusal;
use crate::cluster::objects::{Backend, PodMeta};
use crate::cluster::observed::{AccessFact, Fact};
use crate::cluster::party::{NamedParty, Party};
use crate::cluster::records::{AccessRecord, LayerDecision};
use crate::cluster::spec::{ProbeSpec, track_of};
use crate::kernel::SimTime;
use crate::policy::Verdict;

/// What was noted of one request.
struct Noted<'a> {
    client: PodId,
    probe: &'a ProbeSpec,
    step: u32,
    service: ServiceId,
    began: SimTime,
    chosen: Option<(Option<IstiodId>, u32, Backend)>,
    syns: Vec<(SimTime, Passage)>,
    refusal: Option<Refusal>,
    record: Option<u32>,
}

/// All requests that ended, in the order in which they did.
pub(super) fn requests(past: &Past, records: &[AccessRecord]) -> Vec<RequestStory> {
    let mut noted: Vec<Noted> = Vec::new();
    let mut ended = 0;
    for (time, fact) in past.story.facts() {
        let (number, fact) = match fact {
            Fact::Access(number, fact) => (number, fact),
            Fact::AccessEnded(number, _) => {
                if let Some(number) = number {
                    noted[*number as usize].record = Some(ended);
                }
                ended += 1;
                continue;
            }
            _ => continue,
        };
        match fact {
            AccessFact::Began { client, step } => noted.push(Noted {
                client: *client,
                probe: past.probe(*step),
                step: *step,
                service: ServiceId(past.probe(*step).to as u32),
                began: time,
                chosen: None,
                syns: Vec::new(),
                refusal: None,
                record: None,
            }),
            AccessFact::Chosen {
                istiod,
                candidates,
                backend,
            } => noted[*number as usize].chosen = Some((*istiod, *candidates, *backend)),
            AccessFact::Syn(passage) => noted[*number as usize].syns.push((time, *passage)),
            AccessFact::Refused(refusal) => noted[*number as usize].refusal = Some(*refusal),
        }
    }
    noted.sort_by_key(|noted| noted.record);
    let told = noted
        .iter()
        .filter_map(|noted| Some(request(past, noted, records.get(noted.record? as usize)?)));
    told.collect()
}

fn request(past: &Past, noted: &Noted, record: &AccessRecord) -> RequestStory {
    let blueprint = &past.shared.blueprint;
    let place = past.place(noted.client, noted.began);
    let from = past.shared.kind(noted.client).identity;
    let port = blueprint.target_port(noted.service);
    let server_kind = blueprint
        .kinds
        .iter()
        .find(|kind| kind.services.contains(&noted.service));
    // Who held the address when the last packet was sent to it, whoever was meant.
    let holder = noted.syns.last().and_then(|(time, passage)| match passage {
        Passage::Delivered(server) => Some(*server),
        Passage::Lost(loss) => loss.reached().or_else(|| past.holder(noted.chosen?.2.ip, *time)),
    });
    let server = holder
        .or_else(|| noted.chosen.map(|(_, _, backend)| backend.pod))
        .map(|pod| past.shared.kind(pod))
        .or(server_kind);
    let network_intent = server.map(|server| {
        let ingress = blueprint.explain_ingress(NetworkPeer::Pod(from), server.identity, port);
        let meant = blueprint.network_intent(from, server.identity, port) == LayerDecision::Allow;
        if ingress.is_allowed() == meant {
            verdict(&ingress)
        } else {
            VerdictStory {
                allowed: meant,
                because: "egress policy of the client".to_owned(),
            }
        }
    });
    let mesh_intent = server.map(|server| {
        verdict(&blueprint.mesh_verdict(
            Some(from),
            server.identity,
            port,
            &noted.probe.method,
            &noted.probe.path,
        ))
    });
    let choice = noted.chosen.map(|(istiod, candidates, backend)| Choice {
        by: match (istiod, place) {
            (Some(_), _) => Viewer::Proxy {
                pod: past.shared.pod_name(noted.client),
                istiod: istiod.map(|istiod| istiod.to_string()),
            },
            (None, place) => Viewer::Node {
                node: place.map_or_else(String::new, |(node, _)| past.node_name(node)),
            },
        },
        candidates,
        pod: past.shared.pod_name(backend.pod),
        ip: backend.ip,
        node: past.node_name(blueprint.addresses.locate(backend.ip).0),
    });
    RequestStory {
        record: record.clone(),
        track: track_of(&blueprint.spec.script, noted.step as usize).to_owned(),
        request: format!("{} {}", noted.probe.method, noted.probe.path),
        client_node: place.map(|(node, _)| past.node_name(node)),
        client_identity: past.own_identity(noted.client),
        network_intent,
        mesh_intent,
        choice,
        holder: holder.map(|pod| past.shared.pod_name(pod)),
        syns: noted.syns.iter().map(|(time, passage)| syn(*time, *passage)).collect(),
        passage: noted
            .syns
            .last()
            .and_then(|(time, passage)| passage_story(past, noted, *time, *passage, port)),
        mesh: record.mesh_decided.and(server).map(|server| {
            let principal = past.shared.kind(noted.client).is_meshed().then_some(from);
            let answer =
                blueprint.mesh_verdict(principal, server.identity, port, &noted.probe.method, &noted.probe.path);
            MeshVerdict {
                principal: principal.map(|identity| blueprint.principal(identity)),
                verdict: noted
                    .refusal
                    .map_or_else(|| verdict(&answer), |refusal| refused(past, refusal)),
                clocks: noted
                    .refusal
                    .map_or_else(Vec::new, |refusal| clocks(past, refusal, record.time)),
            }
        }),
    }
}

/// A handshake that one side refused, as a verdict.
fn refused(past: &Past, refusal: Refusal) -> VerdictStory {
    VerdictStory {
        allowed: false,
        because: format!(
            "the certificate of {}, signed by {}, was {} by the clock of {}",
            past.shared.pod_name(refusal.of),
            refusal.signer,
            refusal.why.words(),
            past.shared.pod_name(refusal.by)
        ),
    }
}

/// Whose clocks a refusal depends on: that of the node that refused, then those by which the certificate was dated.
fn clocks(past: &Past, refusal: Refusal, time: SimTime) -> Vec<NamedParty> {
    let node = |pod| past.place(pod, time).map(|(node, _)| Party::Node(node));
    let meta = |meta: &PodMeta| Some(meta.kind) == past.shared.blueprint.istiod && meta.ordinal == refusal.signer.0;
    let istiod = past.shared.pods.iter().position(meta);
    let parties = [
        node(refusal.by),
        Some(Party::IstiodProcess(refusal.signer)),
        istiod.and_then(|istiod| node(PodId(istiod as u32))),
    ];
    let parties = parties.into_iter().flatten();
    parties.map(|party| past.shared.blueprint.named(party)).collect()
}

/// What became of the last SYN at the server's node; nothing if it did not get there.
fn passage_story(past: &Past, noted: &Noted, time: SimTime, passage: Passage, port: u16) -> Option<PassageStory> {
    let shared = past.shared;
    let blueprint = &shared.blueprint;
    let server = match passage {
        Passage::Delivered(server) => server,
        Passage::Lost(loss) => loss.reached()?,
    };
    let (from_node, from_ip) = past.place(noted.client, time)?;
    let (to_node, _) = past.place(server, time)?;
    let basis = if from_node == to_node {
        Basis::SameNode
    } else if blueprint.identity_in_packet() {
        Basis::Packet
    } else {
        Basis::Ipcache
    };
    let taken_for = source_identity(shared, noted.client, from_node, from_ip, to_node, time);
    let peer = shared
        .true_identity_at(to_node, taken_for, time)
        .map_or(NetworkPeer::World, NetworkPeer::Pod);
    let asked = blueprint.spec.network_enforced && !matches!(passage, Passage::Lost(Loss::WireGuardPeer { .. }));
    let peer_check = if from_node == to_node || !blueprint.wireguard_checks_pod_addresses() {
        PeerCheck::None
    } else if ipcache::entry(shared, to_node, from_ip, time).is_some_and(|entry| entry.endpoint.node == from_node) {
        PeerCheck::Listed
    } else {
        PeerCheck::NotListed
    };
    Some(PassageStory {
        belief: past.belief(to_node, from_ip, time),
        basis,
        peer_check,
        taken_for: past.identity(taken_for),
        verdict: asked.then(|| verdict(&blueprint.explain_ingress(peer, shared.kind(server).identity, port))),
    })
}

/// A SYN with its fate.
pub(super) fn syn(time: SimTime, passage: Passage) -> SynStory {
    let fate = match passage {
        Passage::Delivered(_) => SynFate::Delivered,
        Passage::Lost(Loss::NoPod) => SynFate::NoPod,
        Passage::Lost(Loss::Cut { .. }) => SynFate::Cut,
        Passage::Lost(Loss::Path { .. }) => SynFate::Path,
        Passage::Lost(Loss::EgressPolicy { .. }) => SynFate::EgressPolicy,
        Passage::Lost(Loss::WireGuardPeer { .. }) => SynFate::WireGuardPeer,
        Passage::Lost(Loss::IngressPolicy { .. }) => SynFate::IngressPolicy,
    };
    SynStory { time, fate }
}

fn verdict(verdict: &Verdict) -> VerdictStory {
    VerdictStory {
        allowed: verdict.is_allowed(),
        because: verdict.because.to_string(),
    }
}
