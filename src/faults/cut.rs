//! A cut: connections between the API server and chosen parties on a node, or of one Istiod, do not work.
//!
//! **Modelled**: three modes (packets vanish, packets are rejected, only the API server's packets vanish) and each party
//! separately; several faults on one party, which is whole again when the last has ended, the strongest mode being in force
//! (`drop`, then `reject`, then `replies_only`); Istiods that come to a cut node while the fault lasts. Readers' cursors freeze
//! at the cut; the party itself notices by its own timeouts.
//! A fault cuts the parties that it names and no others: a node whose `service_proxy` is not named keeps reading Services,
//! although its packets come from the same host network.
//! **Left out**: loss of part of the packets, delay, cuts between pods; the back-off of clients after the repair: they list
//! again at once (in reality up to 60 s later, `docs/model/kubernetes.md#losing-the-api-server`).
//! **Parameters**: target, parties, mode, start, duration. **Validated by**: `tests/world/faults.rs`, `tests/world/mechanisms.rs`.

use crate::cluster::context::Ctx;
use crate::cluster::event::Source;
use crate::cluster::fault::Effect;
use crate::cluster::ids::{IstiodId, KindId, NodeId};
use crate::cluster::links::{Change, Party};
use crate::cluster::spec::{CutParty, CutTarget, FaultSpec};

/// Starts or ends a cut.
pub fn act(spec: &FaultSpec, starts: bool, ctx: &mut Ctx) -> Effect {
    let faults = &ctx.blueprint().spec.faults;
    let fault = faults
        .iter()
        .position(|other| other.name == spec.name)
        .unwrap_or_default() as u32;
    let parties = if starts {
        parties(spec, fault, ctx)
    } else {
        ctx.shared.links.restore_node(fault);
        // What it has cut, even if a pod has moved meanwhile, and not what another fault has.
        ctx.shared.links.cut_parties(fault)
    };
    let mut touched = 0;
    for &party in &parties {
        let now = ctx.now();
        let links = &mut ctx.shared.links;
        let change = if starts {
            links.cut(party, spec.mode, now, fault)
        } else {
            links.restore(party, fault)
        };
        match change {
            Change::None => {}
            Change::Cut => {
                touched += 1;
                freeze(party, ctx);
            }
            Change::Mode => changes_mode(party, ctx),
            Change::Repaired => restore(party, ctx),
        }
    }
    Effect { parties, touched }
}

/// The parties at the target now. Istiods that come to the node later are noted with the links.
fn parties(spec: &FaultSpec, fault: u32, ctx: &mut Ctx) -> Vec<Party> {
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
            (CutParty::Istiod | CutParty::Webhook, _) => {
                let of: fn(IstiodId) -> Party = match party {
                    CutParty::Webhook => Party::Webhook,
                    _ => Party::Istiod,
                };
                parties.extend(istiods.iter().map(|&istiod| of(istiod)));
                if let Some(node) = node {
                    ctx.shared.links.cut_node(node, of, spec.mode, fault);
                }
            }
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

/// A kubelet's lease is judged anew; others make no difference between ways to be cut off.
fn changes_mode(party: Party, ctx: &mut Ctx) {
    if let Party::Kubelet(node) = party {
        ctx.lease_is_cut(node);
    }
}

fn freeze(party: Party, ctx: &mut Ctx) {
    let now = ctx.now();
    ctx.shared.freeze_readers(party, now);
    changes_mode(party, ctx);
}

fn restore(party: Party, ctx: &mut Ctx) {
    let now = ctx.now();
    ctx.shared.restore_readers(party, now);
    match party {
        Party::Kubelet(node) => {
            ctx.lease_is_repaired(node);
            ctx.kubelet_repaired(node);
        }
        Party::Agent(node) => {
            ctx.reads_again(Source::Fault, node);
            ctx.agent_repaired(node);
        }
        Party::ServiceProxy(node) => ctx.reads_again(Source::Fault, node),
        Party::Istiod(istiod) => ctx.istiod_repaired(istiod),
        Party::Webhook(_) => {}
    }
}
