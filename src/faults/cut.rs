//! A cut: connections between the API server and chosen parties on a node, or of one Istiod, do not work.
//!
//! **Modelled**: three modes (packets vanish, packets are rejected, only the API server's packets vanish) and each party
//! separately. Readers' paths freeze at the cut; the party itself notices by its own time-outs.
//! **Left out**: loss of part of the packets, delay, cuts between pods; the back-off of clients after the repair: they list
//! again at once (in reality up to 60 s later, `kubernetes.md` 2.2).
//! **Parameters**: target, parties, mode, start, duration.

use crate::cluster::cilium::agent::AgentEvent;
use crate::cluster::context::Ctx;
use crate::cluster::event::{Event, Source};
use crate::cluster::ids::{IstiodId, KindId, NodeId};
use crate::cluster::istio::istiod::IstiodEvent;
use crate::cluster::kubelet::KubeletEvent;
use crate::cluster::links::Party;
use crate::cluster::node_lifecycle::NodeLifecycleEvent;
use crate::cluster::spec::{CutParty, CutTarget, FaultSpec};
use crate::cluster::story::Fact;
use crate::kernel::{EventClass, SimDuration};

/// Starts or ends a cut; gives the number of parties that it touched.
pub fn act(spec: &FaultSpec, starts: bool, ctx: &mut Ctx) -> u32 {
    let parties = if starts {
        parties(spec, ctx)
    } else {
        // What it has cut, even if a pod has moved meanwhile, and not what another fault has.
        ctx.shared.links.cut_parties(&spec.name).collect()
    };
    for &party in &parties {
        if starts {
            ctx.shared.links.cut(party, spec.mode, ctx.kernel.now(), &spec.name);
            freeze(party, ctx);
        } else if ctx.shared.links.restore(party) {
            restore(party, ctx);
        }
    }
    let (name, mode) = (&spec.name, spec.mode);
    ctx.note(|_| {
        let (fault, parties) = (name.clone(), parties.clone());
        if starts {
            Fact::Cut { fault, parties, mode }
        } else {
            Fact::Repaired { fault, parties }
        }
    });
    ctx.tell("fault", |shared| {
        let parties: Vec<String> = parties.iter().map(|party| party.told(&shared.blueprint)).collect();
        let parties = if parties.is_empty() {
            "nothing".to_owned()
        } else {
            parties.join(", ")
        };
        if starts {
            format!("{name} cuts {parties} ({mode:?})")
        } else {
            format!("{name} ends for {parties}")
        }
    });
    parties.len() as u32
}

/// The parties at the target now.
fn parties(spec: &FaultSpec, ctx: &Ctx) -> Vec<Party> {
    let (node, istiods) = match spec.target {
        CutTarget::Istiod(ordinal) => (None, vec![IstiodId(ordinal)]),
        CutTarget::Node(node) => (Some(NodeId(node)), istiods_on(NodeId(node), ctx)),
        CutTarget::NodeOf(workload) => {
            let api = &ctx.shared.api;
            let node = api
                .pods_of(KindId(workload as u32))
                .iter()
                .find_map(|&pod| api.pod(pod)?.node);
            (node, node.map(|node| istiods_on(node, ctx)).unwrap_or_default())
        }
    };
    let mut parties = Vec::new();
    for party in &spec.parties {
        match (party, node) {
            (CutParty::Kubelet, Some(node)) => parties.push(Party::Kubelet(node)),
            (CutParty::CiliumAgent, Some(node)) => parties.push(Party::Agent(node)),
            (CutParty::ServiceProxy, Some(node)) => parties.push(Party::ServiceProxy(node)),
            (CutParty::Kubelet | CutParty::CiliumAgent | CutParty::ServiceProxy, None) => {}
            (CutParty::Istiod, _) => parties.extend(istiods.iter().map(|&istiod| Party::Istiod(istiod))),
            (CutParty::Webhook, _) => parties.extend(istiods.iter().map(|&istiod| Party::Webhook(istiod))),
        }
    }
    parties
}

fn istiods_on(node: NodeId, ctx: &Ctx) -> Vec<IstiodId> {
    let Some(kind) = ctx.blueprint().istiod else {
        return Vec::new();
    };
    let api = &ctx.shared.api;
    let here = api
        .pods_of(kind)
        .iter()
        .filter(|&&pod| api.pod(pod).is_some_and(|object| object.node == Some(node)));
    here.map(|&pod| ctx.istiod_in(pod)).collect()
}

fn freeze(party: Party, ctx: &mut Ctx) {
    let now = ctx.now();
    match party {
        Party::Kubelet(node) => {
            ctx.after(
                Source::Fault,
                EventClass::Timer,
                SimDuration::ZERO,
                Event::NodeLifecycle(NodeLifecycleEvent::Cut(node)),
            );
        }
        Party::Agent(node) => {
            let delay = ctx.shared.ipcache_delay();
            let shared = &mut *ctx.shared;
            shared.ipcaches[node.index()].freeze(&shared.api.endpoints, &delay, &shared.run_key, now);
            let delay = shared.identity_delay();
            shared.identities[node.index()].freeze(&shared.api.identities, &delay, &shared.run_key, now);
        }
        Party::ServiceProxy(node) => {
            let delay = ctx.shared.service_proxy_delay();
            let shared = &mut *ctx.shared;
            shared.service_proxies[node.index()].freeze(&shared.api.slices, &delay, &shared.run_key, now);
        }
        Party::Istiod(_) | Party::Webhook(_) => {}
    }
}

fn restore(party: Party, ctx: &mut Ctx) {
    let now = ctx.now();
    let event = match party {
        Party::Kubelet(node) => {
            let event = Event::NodeLifecycle(NodeLifecycleEvent::Repaired(node));
            ctx.after(Source::Fault, EventClass::Timer, SimDuration::ZERO, event);
            Event::Kubelet(node, KubeletEvent::Repaired)
        }
        Party::Agent(node) => {
            let shared = &mut *ctx.shared;
            shared.ipcaches[node.index()].restore(&shared.api.endpoints, now);
            shared.identities[node.index()].restore(&shared.api.identities, now);
            Event::Agent(node, AgentEvent::Repaired)
        }
        Party::ServiceProxy(node) => {
            let shared = &mut *ctx.shared;
            shared.service_proxies[node.index()].restore(&shared.api.slices, now);
            return;
        }
        Party::Istiod(istiod) => Event::Istiod(istiod, IstiodEvent::Repaired),
        Party::Webhook(_) => return,
    };
    ctx.after(Source::Fault, EventClass::Timer, SimDuration::ZERO, event);
}
