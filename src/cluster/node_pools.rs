//! The nodes of a design as a scheduler sees them, and what each kind of pods finds there.
//!
//! Belongs here: labels, zones, taints and capacity of every node, from pools or from the simple form; which nodes a kind may have and
//! prefers. Does not belong here: what changes in a run (`scheduler`, `api_server`) and what pools and pods are (`placement`).

use super::ids::TaintId;
use super::placement::{
    CONTROL_PLANE, Effect, HOSTNAME, NodePool, OS, Placement, Resources, TAINT_OF_STEPS, Taint, Toleration,
    UNREACHABLE, UNSCHEDULABLE, ZONE,
};
use super::spec::{Controller, Step, WorldSpec};
use crate::kernel::SimDuration;
use crate::policy::labels::{LabelSelector, Labels, Requirement};

/// Most different taints of a design.
pub const TAINTS_MAX: usize = 64;

/// What of a node pods may request; nothing where there is no end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Thousandths of a core.
    pub cpu_milli: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
}

/// The nodes of a design.
#[derive(Clone, Debug)]
pub struct Nodes {
    /// All taints that nodes have or get.
    pub taints: Vec<Taint>,
    /// Taints with the effects NoSchedule and NoExecute.
    pub hard: u64,
    /// Those with the effect NoExecute.
    pub evicting: u64,
    /// Those with the effect PreferNoSchedule.
    pub soft: u64,
    /// The taints of each node as a run begins.
    pub tainted: Vec<u64>,
    /// The zone of each node.
    pub zones: Vec<u32>,
    /// What each node has.
    pub capacity: Vec<Capacity>,
    /// Whether any node can be full.
    pub can_be_full: bool,
    labels: Vec<Labels>,
}

/// Name of the node with this index.
#[must_use]
pub fn node_name(index: u32, control_plane_nodes: u32) -> String {
    match (index < control_plane_nodes, control_plane_nodes) {
        (true, 1) => "control-plane".to_owned(),
        (true, _) => format!("control-plane-{}", index + 1),
        (false, _) => format!("worker-{}", index + 1 - control_plane_nodes),
    }
}

/// The zone of the node with this index, counted from 0: the nodes of each role are spread over the zones in turn.
#[must_use]
pub const fn zone_of(index: u32, control_plane_nodes: u32, zones: u32) -> u32 {
    let number = match index.checked_sub(control_plane_nodes) {
        Some(number) => number,
        None => index,
    };
    number % zones
}

/// Name of the zone with this index.
#[must_use]
pub fn zone_name(index: u32) -> String {
    format!("zone-{}", index + 1)
}

/// The pool of a worker, counted from 0.
fn pool_of(pools: &[NodePool], mut worker: u32) -> Option<&NodePool> {
    pools.iter().find(|pool| {
        let inside = worker < pool.nodes;
        worker = worker.saturating_sub(pool.nodes);
        inside
    })
}

/// The zone of the node with this index, counted from 0.
#[must_use]
pub fn zone_in_pools(index: u32, control_plane_nodes: u32, zones: u32, pools: &[NodePool]) -> u32 {
    let worker = index.checked_sub(control_plane_nodes);
    let own = worker.and_then(|worker| pool_of(pools, worker)?.zone);
    own.unwrap_or_else(|| zone_of(index, control_plane_nodes, zones))
}

impl Nodes {
    /// The nodes of a design.
    #[must_use]
    pub fn new(spec: &WorldSpec) -> Self {
        let control_plane = Taint::of(CONTROL_PLANE, Effect::NoSchedule);
        let of_steps = spec.script.iter().filter_map(|step| match step {
            Step::Taint { taint, .. } => Some(taint),
            _ => None,
        });
        let mut taints = vec![control_plane];
        for taint in spec.pools.iter().flat_map(|pool| &pool.taints).chain(of_steps) {
            if !taints.contains(taint) {
                taints.push(taint.clone());
            }
        }
        assert!(taints.len() <= TAINTS_MAX, "`scenario` refuses more taints");
        let set = |of: &dyn Fn(&Taint) -> bool| {
            let found = taints.iter().enumerate().filter(|(_, taint)| of(taint));
            found.fold(0, |set, (place, _)| set | 1 << place)
        };
        let pool = |node: u32| {
            let worker = node.checked_sub(spec.control_plane_nodes)?;
            pool_of(&spec.pools, worker)
        };
        let zone = |node| zone_in_pools(node, spec.control_plane_nodes, spec.zones, &spec.pools);
        let tainted = |node: u32| match node < spec.control_plane_nodes {
            true => 1,
            false => pool(node).map_or(0, |pool| set(&|taint| pool.taints.contains(taint))),
        };
        let labels = |node: u32| {
            let mut labels = pool(node).map(|pool| pool.labels.clone()).unwrap_or_default();
            let own = [
                (HOSTNAME, node_name(node, spec.control_plane_nodes)),
                (ZONE, zone_name(zone(node))),
                (OS, "linux".to_owned()),
            ];
            labels.0.extend(own.map(|(key, value)| (key.to_owned(), value)));
            if node < spec.control_plane_nodes {
                labels.0.insert(CONTROL_PLANE.to_owned(), String::new());
            }
            labels
        };
        let capacity = |node| {
            let pool = pool(node);
            Capacity {
                cpu_milli: pool.and_then(|pool| pool.cpu_milli),
                memory: pool.and_then(|pool| pool.memory),
            }
        };
        Self {
            hard: set(&|taint| taint.effect != Effect::PreferNoSchedule),
            evicting: set(&|taint| taint.effect == Effect::NoExecute),
            soft: set(&|taint| taint.effect == Effect::PreferNoSchedule),
            tainted: (0..spec.nodes).map(tainted).collect(),
            zones: (0..spec.nodes).map(zone).collect(),
            capacity: (0..spec.nodes).map(capacity).collect(),
            can_be_full: spec
                .pools
                .iter()
                .any(|pool| pool.cpu_milli.is_some() || pool.memory.is_some()),
            labels: (0..spec.nodes).map(labels).collect(),
            taints,
        }
    }

    /// The number of a taint.
    #[must_use]
    pub fn id(&self, taint: &Taint) -> Option<TaintId> {
        let place = self.taints.iter().position(|known| known == taint)?;
        Some(TaintId(place as u8))
    }

    /// A taint in words: `NoSchedule` for one of a step without a key, else `dedicated=gpu:NoSchedule`.
    #[must_use]
    pub fn words(&self, taint: TaintId) -> String {
        let Taint { key, value, effect } = &self.taints[usize::from(taint.0)];
        let effect = Effect::ALL
            .iter()
            .find(|(_, known)| known == effect)
            .map_or("", |(word, _)| word);
        match (key.as_str(), value.as_str()) {
            (TAINT_OF_STEPS, "") => effect.to_owned(),
            (key, "") => format!("{key}:{effect}"),
            (key, value) => format!("{key}={value}:{effect}"),
        }
    }

    /// Whether some node has a label of this key.
    fn show(&self, key: &str) -> bool {
        self.labels.iter().any(|labels| labels.get(key).is_some())
    }

    /// What of a selector is about labels that some node has: what no node shows is taken to hold.
    fn shown(&self, selector: &LabelSelector) -> LabelSelector {
        let mut shown = selector.clone();
        let asks = |requirement: &Requirement| matches!(requirement, Requirement::In(_) | Requirement::Exists);
        shown
            .match_expressions
            .retain(|(key, requirement)| !asks(requirement) || self.show(key));
        shown
    }

    /// By node, whether one of the terms matches; empty if there are none.
    fn matching(&self, terms: &[LabelSelector]) -> Vec<bool> {
        if terms.is_empty() {
            return Vec::new();
        }
        let terms: Vec<LabelSelector> = terms.iter().map(|term| self.shown(term)).collect();
        let matches = |labels: &Labels| terms.iter().any(|term| term.matches(labels));
        self.labels.iter().map(matches).collect()
    }
}

/// What pods of a kind find on the nodes.
#[derive(Clone, Debug, Default)]
pub struct KindPlace {
    /// By node, whether it has the labels that they ask for; empty if every node has.
    matching: Vec<bool>,
    /// By node, the sum of the weights of the terms that prefer it; empty if none does.
    preferred: Vec<u32>,
    /// Taints that they tolerate.
    pub tolerated: u64,
    /// How long they tolerate each taint with NoExecute; for ever if absent.
    stays: Vec<(TaintId, SimDuration)>,
    /// How long they stay on a node whose lease was not renewed; for ever if absent.
    pub stays_unreachable: Option<SimDuration>,
    /// Whether they are placed on such a node.
    pub tolerates_unreachable: bool,
    /// Whether they are placed on a cordoned node.
    pub tolerates_cordon: bool,
    /// What the scheduler counts for one of them.
    pub requests: Resources,
    /// Their priority.
    pub priority: i32,
    /// Whether they pre-empt pods of a lower one.
    pub preempts: bool,
}

impl KindPlace {
    /// That of pods which no manifest describes.
    #[must_use]
    pub fn plain(spec: &WorldSpec, requests: Resources, priority: i32) -> Self {
        Self {
            stays_unreachable: Some(spec.kubernetes.unreachable_toleration),
            requests,
            priority,
            preempts: true,
            ..Self::default()
        }
    }

    /// That of the pods of a workload.
    #[must_use]
    pub fn new(spec: &WorldSpec, nodes: &Nodes, of: &Placement, controller: Controller, sidecar: Resources) -> Self {
        let mut tolerations = of.tolerations.clone();
        if controller == Controller::DaemonSet {
            // Those that its controller adds and that nodes of a run can have
            // (`kubernetes/kubernetes pkg/controller/daemon/util/daemonset_util.go`, AddOrUpdateDaemonPodTolerations).
            let of_daemons = [(UNREACHABLE, Effect::NoExecute), (UNSCHEDULABLE, Effect::NoSchedule)];
            tolerations.extend(of_daemons.map(|(key, effect)| Toleration {
                key: Some(key.to_owned()),
                effect: Some(effect),
                ..Toleration::default()
            }));
        }
        let tolerates = |taint: &Taint| tolerations.iter().any(|toleration| toleration.tolerates(taint));
        let stays = |taint: &Taint| {
            let used = tolerations.iter().filter(|toleration| toleration.tolerates(taint));
            used.filter_map(|toleration| toleration.stays).min()
        };
        let numbered = || (0..).map(TaintId).zip(&nodes.taints);
        let unreachable = |effect| Taint::of(UNREACHABLE, effect);
        let (schedule, execute) = (unreachable(Effect::NoSchedule), unreachable(Effect::NoExecute));
        let preferred = |labels: &Labels| {
            let terms = of.preferred.iter().filter(|(_, term)| term.matches(labels));
            terms.map(|(weight, _)| *weight).sum()
        };
        Self {
            matching: nodes.matching(&of.nodes),
            preferred: match of.preferred.is_empty() {
                true => Vec::new(),
                false => nodes.labels.iter().map(preferred).collect(),
            },
            tolerated: numbered()
                .filter(|(_, taint)| tolerates(taint))
                .fold(0, |set, (id, _)| set | id.bit()),
            stays: numbered()
                .filter(|(_, taint)| taint.effect == Effect::NoExecute)
                .filter_map(|(id, taint)| Some((id, stays(taint)?)))
                .collect(),
            // An admission plugin adds the default (`kubernetes/kubernetes plugin/pkg/admission/defaulttolerationseconds`).
            stays_unreachable: match tolerates(&execute) {
                true => stays(&execute),
                false => Some(spec.kubernetes.unreachable_toleration),
            },
            tolerates_unreachable: tolerates(&schedule) && tolerates(&execute),
            tolerates_cordon: tolerates(&Taint::of(UNSCHEDULABLE, Effect::NoSchedule)),
            requests: of.requests.with_sidecar(sidecar),
            priority: of.priority,
            preempts: !of.waits_its_turn,
        }
    }

    /// Whether a node has the labels that they ask for.
    #[must_use]
    pub fn matches(&self, node: usize) -> bool {
        self.matching.get(node).is_none_or(|matches| *matches)
    }

    /// Whether they tolerate these taints, but for those that only prefer other nodes.
    #[must_use]
    pub const fn tolerates(&self, taints: u64, nodes: &Nodes) -> bool {
        taints & nodes.hard & !self.tolerated == 0
    }

    /// How long they stay on a node that has these taints: for ever if absent.
    #[must_use]
    pub fn stays(&self, taints: u64, nodes: &Nodes) -> Option<SimDuration> {
        if taints & nodes.evicting & !self.tolerated != 0 {
            return Some(SimDuration::ZERO);
        }
        let on_it = self.stays.iter().filter(|(id, _)| taints & id.bit() != 0);
        on_it.map(|(_, span)| *span).min()
    }

    /// The weight of the terms that prefer a node, and whether there are any.
    #[must_use]
    pub fn preferred(&self, node: usize) -> Option<u32> {
        self.preferred.get(node).copied()
    }
}
