//! Whom a fault touches: where it acts, by kind and selector, and which parties there.

use super::form::{Amount, Complaint, Key, Role, Takes, Value, Written};
use crate::cluster::ids::{IstiodId, NodeId};
use crate::cluster::party::PartyKind;

/// Where a fault acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// On these nodes.
    Nodes(Vec<NodeId>),
    /// On the node that hosts the (first) pod of a workload when the fault starts: index into the workloads.
    NodeOf(usize),
    /// On every node that hosts a pod of these workloads when the fault starts: indexes into the workloads.
    NodesOf(Vec<usize>),
    /// At these Istiods.
    Istiods(Vec<IstiodId>),
    /// At these API servers: their clients, and connections to them.
    ApiServers(Vec<u32>),
}

/// Whom a fault touches.
#[derive(Clone, Debug, PartialEq)]
pub struct Whom {
    /// Where.
    pub place: Where,
    /// Only so many of the nodes, Istiods or API servers there, drawn anew at each start; all if absent.
    pub pick: Option<Amount>,
    /// Which of the parties there, each once and in order. Empty in a control design.
    pub parties: Vec<PartyKind>,
}

const PROCESSES: &str = "processes";
const PICK: &str = "pick";

const NODE_OF: Key = target(
    "node_of",
    false,
    Takes::Workload,
    "The node that hosts the first pod of this workload when the fault starts.",
);
const NODE: Key = target("node", false, Takes::Node, "A node by name.");
const ISTIOD: Key = target("istiod", false, Takes::Istiod, "An Istiod by its ordinal.");
const NODES_OF: Key = target(
    "nodes_of",
    true,
    Takes::Workload,
    "Every node that hosts a pod of one of these workloads when the fault starts.",
);
const NODES_WITH: Key = target(
    "nodes_with",
    false,
    Takes::Labels,
    "Every node that hosts a pod with these labels when the fault starts: `app=sleep`, `app=sleep,version=v1`.",
);
const NODES: Key = target("nodes", true, Takes::Node, "Nodes by name, or `[all]`.");
const ZONES: Key = target(
    "zones",
    true,
    Takes::Zone,
    "All nodes of these zones: `zone-1`, `zone-2` and so on, as many as `cluster.zones` has.",
);
const ISTIODS: Key = target("istiods", true, Takes::Istiod, "Istiods by their ordinals, or `[all]`.");
const API_SERVERS: Key = target(
    "api_servers",
    true,
    Takes::ApiServer,
    "API servers by their ordinals, or `[all]`: the clients that are connected to them when the fault starts, and every new connection to them.",
);
const SOME: Key = Key {
    name: PICK,
    meaning: "Only so many of the nodes, Istiods or API servers of the target, `2` or `30%`, drawn at random each time that the fault starts.",
    takes: Takes::Amount,
    list: false,
    role: Role::Optional,
};

impl Whom {
    /// The key of the parties.
    pub const PARTIES: &'static str = "parties";

    /// The keys that say it.
    pub const KEYS: &'static [Key] = &[
        NODE_OF,
        NODE,
        ISTIOD,
        NODES_OF,
        NODES_WITH,
        NODES,
        ZONES,
        ISTIODS,
        API_SERVERS,
        SOME,
    ];

    /// The keys of a fault that acts at API servers alone.
    pub const AT_API_SERVERS: &'static [Key] = &[
        target(
            "api_servers",
            true,
            Takes::ApiServer,
            "API servers by their ordinals, or `[all]`.",
        ),
        SOME,
    ];

    /// Those of them that name nodes.
    pub const NODE_KEYS: &'static [Key] = &[NODE_OF, NODE, NODES_OF, NODES_WITH, NODES, ZONES, SOME];

    /// Those that name Istiods.
    pub const ISTIOD_KEYS: &'static [Key] = &[ISTIOD, ISTIODS];

    /// The key of the parties, with what it means for a kind of fault, and those on which that kind can act.
    #[must_use]
    pub const fn parties(meaning: &'static str, kinds: &'static [PartyKind]) -> Key {
        Key {
            role: Role::Required,
            ..Self::only(meaning, kinds)
        }
    }

    /// The same for a kind of fault that acts on all of these unless it is written.
    #[must_use]
    pub const fn only(meaning: &'static str, kinds: &'static [PartyKind]) -> Key {
        Key {
            name: Self::PARTIES,
            meaning,
            takes: Takes::Party(kinds),
            list: true,
            role: Role::Optional,
        }
    }

    /// The key of the processes, as [`Whom::parties`].
    #[must_use]
    pub const fn processes(meaning: &'static str, kinds: &'static [PartyKind]) -> Key {
        Key {
            name: PROCESSES,
            ..Self::parties(meaning, kinds)
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// If a party is not at the target.
    pub fn read(written: &Written<'_>) -> Result<Self, Complaint> {
        let targets = written.values.iter().filter(|(key, _)| key.role == Role::Target);
        let values = targets.flat_map(|(_, values)| values).map(|(_, value)| *value);
        let (mut nodes, mut workloads) = (Vec::new(), Vec::new());
        let (mut istiods, mut servers) = (Vec::new(), Vec::new());
        for value in values {
            match value {
                Value::Node(node) => nodes.push(node),
                Value::Workload(workload) => workloads.push(workload),
                Value::Istiod(istiod) => istiods.push(istiod),
                Value::ApiServer(server) => servers.push(server),
                _ => {}
            }
        }
        let place = match written.of("node_of") {
            [(_, Value::Workload(workload))] => Where::NodeOf(*workload),
            _ if !istiods.is_empty() => Where::Istiods(once(istiods)),
            _ if !servers.is_empty() => Where::ApiServers(once(servers)),
            _ if !workloads.is_empty() => Where::NodesOf(once(workloads)),
            _ => Where::Nodes(once(nodes)),
        };
        let mut parties = Vec::new();
        let of_processes = written.form.keys().any(|key| key.name == PROCESSES);
        let key = if of_processes { PROCESSES } else { Self::PARTIES };
        for (number, value) in written.of(key) {
            let Value::Party(kind) = *value else { continue };
            let wrong = |message, hint| Complaint {
                key,
                place: *number,
                message,
                hint,
            };
            match kind.is_of_istiod() {
                true if written.istiods.is_none() => {
                    let (done, design) = (written.form.done, written.design);
                    let message = format!("is {done} in design `{design}`, which has no Istio");
                    let hint = if of_processes {
                        "give the design Istio, or write other `processes` in it"
                    } else {
                        "give the design Istio, or write other `parties` in it"
                    };
                    return Err(wrong(message, hint));
                }
                _ if of_processes && (kind == PartyKind::ApiServer) != matches!(place, Where::ApiServers(_)) => {
                    let message = "is not at that target".to_owned();
                    return Err(wrong(
                        message,
                        "the target `api_servers` goes with the process api_server, and with no other",
                    ));
                }
                false if of_processes && matches!(place, Where::Istiods(_)) => {
                    let message = "does not belong to an Istiod".to_owned();
                    return Err(wrong(message, "an Istiod has the process istiod"));
                }
                false if matches!(place, Where::Istiods(_)) => {
                    let message = "does not belong to an Istiod".to_owned();
                    return Err(wrong(
                        message,
                        "an Istiod has the parties istiod, webhook and istiod_clients",
                    ));
                }
                _ if !of_processes
                    && matches!(place, Where::ApiServers(_))
                    && !kind.is_client()
                    && !kind.is_of_api_server() =>
                {
                    let message = "is no client of an API server".to_owned();
                    return Err(wrong(
                        message,
                        "the clients are kubelet, cilium_agent, service_proxy, istiod and controllers",
                    ));
                }
                _ if kind.is_of_api_server() && !matches!(place, Where::ApiServers(_)) => {
                    let message = "runs beside an API server".to_owned();
                    return Err(wrong(message, "name the target by `api_servers`"));
                }
                _ => parties.push(kind),
            }
        }
        let pick = match written.of(PICK) {
            [(_, Value::Amount(amount)), ..] => Some(*amount),
            _ => None,
        };
        let parties = once(parties);
        Ok(Self { place, pick, parties })
    }
}

const fn target(name: &'static str, list: bool, takes: Takes, meaning: &'static str) -> Key {
    Key {
        name,
        meaning,
        takes,
        list,
        role: Role::Target,
    }
}

/// Each of these once, in order.
fn once<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort();
    all.dedup();
    all
}
