//! On which nodes pods may be, and what nodes and pods are to a scheduler: plain data of the world and its evaluation.
//!
//! Belongs here: node selectors, taints and tolerations, requests, spread over domains, budgets of disruptions. Does not belong here:
//! what follows for the nodes of a design (`node_pools`), the choice among the nodes that are left (`scheduler`) and the reading of
//! manifests (`scenario`).
//! Sources: `docs/model/kubernetes.md#placement`.

use crate::kernel::SimDuration;
use crate::policy::labels::{LabelSelector, Labels};

/// Label with a node's name.
pub const HOSTNAME: &str = "kubernetes.io/hostname";
/// Label with a node's zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// Label with a node's operating system, `linux`.
pub const OS: &str = "kubernetes.io/os";
/// Label and taint of control-plane nodes.
pub const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
/// Taint of a node whose lease was not renewed.
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// Taint that a cordoned node has for those who tolerate it.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// Key of the taint of a step that names none.
pub const TAINT_OF_STEPS: &str = "maintenance";

/// What a taint does with pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// No such pod is placed there.
    NoSchedule,
    /// Nor does one stay there.
    NoExecute,
    /// Other nodes are preferred.
    PreferNoSchedule,
}

impl Effect {
    /// The effects with their words.
    pub const ALL: [(&'static str, Self); 3] = [
        ("NoSchedule", Self::NoSchedule),
        ("NoExecute", Self::NoExecute),
        ("PreferNoSchedule", Self::PreferNoSchedule),
    ];
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, perhaps empty.
    pub value: String,
    /// Its effect.
    pub effect: Effect,
}

impl Taint {
    /// A taint without a value.
    #[must_use]
    pub fn of(key: &str, effect: Effect) -> Self {
        Self {
            key: key.to_owned(),
            value: String::new(),
            effect,
        }
    }
}

/// A toleration of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toleration {
    /// The key of the taints; any without it.
    pub key: Option<String>,
    /// Their value; any without it (`Exists`).
    pub value: Option<String>,
    /// Their effect; any without it.
    pub effect: Option<Effect>,
    /// How long a pod stays after such a taint with NoExecute has come; for ever without it.
    pub stays: Option<SimDuration>,
}

impl Toleration {
    /// Whether it tolerates a taint (`kubernetes/kubernetes staging/src/k8s.io/api/core/v1/toleration.go`, ToleratesTaint).
    #[must_use]
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.effect.is_none_or(|effect| effect == taint.effect)
            && self.key.as_ref().is_none_or(|key| *key == taint.key)
            && self.value.as_ref().is_none_or(|value| *value == taint.value)
    }
}

/// Processor time and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Thousandths of a core.
    pub cpu_milli: u64,
    /// Bytes.
    pub memory: u64,
}

impl Resources {
    /// Both added.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            cpu_milli: self.cpu_milli.saturating_add(other.cpu_milli),
            memory: self.memory.saturating_add(other.memory),
        }
    }

    /// Each of the greater ones.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        Self {
            cpu_milli: self.cpu_milli.max(other.cpu_milli),
            memory: self.memory.max(other.memory),
        }
    }
}

/// What the containers of a pod request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Those that run beside one another, and the overhead of the pod.
    pub running: Resources,
    /// The most that is requested while init containers run.
    pub starting: Resources,
}

impl Requests {
    /// What the scheduler counts, with a sidecar that requests so much.
    #[must_use]
    pub fn with_sidecar(&self, sidecar: Resources) -> Resources {
        self.running.plus(sidecar).most(self.starting)
    }
}

/// What a workload asks of the nodes of its pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// A node matches one of these; without any, every node.
    pub nodes: Vec<LabelSelector>,
    /// Nodes that are preferred, with the weight of each term.
    pub preferred: Vec<(u32, LabelSelector)>,
    /// Which taints its pods tolerate.
    pub tolerations: Vec<Toleration>,
    /// Topology spread constraints.
    pub spread: Vec<Spread>,
    /// Pods that it rather is near, or not.
    pub near: Vec<Near>,
    /// What its containers request.
    pub requests: Requests,
    /// Its priority.
    pub priority: i32,
    /// Whether it never pre-empts pods of a lower one (`preemptionPolicy: Never`).
    pub waits_its_turn: bool,
}

/// Nodes that are alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodePool {
    /// Its name, for messages.
    pub name: String,
    /// How many.
    pub nodes: u32,
    /// What of its processors pods may request, in thousandths of a core; without it there is no end.
    pub cpu_milli: Option<u64>,
    /// What of its memory pods may request \[bytes\]; without it there is no end.
    pub memory: Option<u64>,
    /// Labels beside those that every node has.
    pub labels: Labels,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Their zone, counted from 0; without it they are spread over the zones in turn.
    pub zone: Option<u32>,
}

/// A number of pods or a share of the desired number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Pods.
    Count(u32),
    /// Per cent of the desired number.
    Percent(u32),
}

/// A PodDisruptionBudget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Whose pods it protects.
    pub selector: LabelSelector,
    /// How many have to be ready, or may be missing.
    pub limit: Limit,
    /// Whether pods that are not ready may always be evicted (`unhealthyPodEvictionPolicy: AlwaysAllow`).
    pub ignores_unready: bool,
}

/// What a PodDisruptionBudget limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `minAvailable`.
    MinAvailable(Amount),
    /// `maxUnavailable`.
    MaxUnavailable(Amount),
}

impl Limit {
    /// How many pods have to be ready if the controllers want so many; shares are rounded up
    /// (`kubernetes/kubernetes pkg/controller/disruption/disruption.go`, getExpectedPodCount).
    #[must_use]
    pub fn desired_healthy(self, scale: u32) -> u32 {
        let pods = |amount| match amount {
            Amount::Count(pods) => pods,
            Amount::Percent(percent) => (u64::from(scale) * u64::from(percent)).div_ceil(100) as u32,
        };
        match self {
            Self::MinAvailable(amount) => pods(amount),
            Self::MaxUnavailable(amount) => scale.saturating_sub(pods(amount)),
        }
    }
}

/// A preferred affinity of pods, or anti-affinity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// Its weight, negative for anti-affinity.
    pub weight: i64,
    /// Whether the domains are zones; otherwise nodes.
    pub by_zone: bool,
    /// Pods of the own namespace that it is about.
    pub selector: LabelSelector,
}

/// A topology spread constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Whether the domains are zones; otherwise nodes.
    pub by_zone: bool,
    /// `maxSkew`.
    pub max_skew: u32,
    /// Pods of the own namespace that count.
    pub selector: LabelSelector,
    /// Labels in which they have to be like the pod that is placed (`matchLabelKeys`).
    pub same: Vec<String>,
    /// Whether it only prefers nodes (`whenUnsatisfiable: ScheduleAnyway`).
    pub anyway: bool,
    /// Whether nodes with a taint that the pod does not tolerate are no domains (`nodeTaintsPolicy: Honor`).
    pub honors_taints: bool,
}

/// The label that the Deployment controller gives the pods of a revision.
pub const REVISION: &str = "pod-template-hash";

/// Whether a domain may have one more pod: of all domains that count, given by their pods, none has fewer by more than the
/// skew (Kubernetes `pkg/scheduler/framework/plugins/podtopologyspread/filtering.go`).
#[must_use]
pub fn may_grow(pods: u32, domains: impl Iterator<Item = u32>, max_skew: u32) -> bool {
    let fewest = domains.min().unwrap_or(0);
    (pods + 1).saturating_sub(fewest) <= max_skew
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toleration_covers_keys_values_and_effects() {
        let taint = Taint {
            value: "gpu".to_owned(),
            ..Taint::of("dedicated", Effect::NoExecute)
        };
        let of = |key: Option<&str>, value: Option<&str>, effect| Toleration {
            key: key.map(str::to_owned),
            value: value.map(str::to_owned),
            effect,
            stays: None,
        };
        assert!(of(None, None, None).tolerates(&taint));
        assert!(of(Some("dedicated"), None, Some(Effect::NoExecute)).tolerates(&taint));
        assert!(of(Some("dedicated"), Some("gpu"), None).tolerates(&taint));
        assert!(!of(Some("dedicated"), Some(""), None).tolerates(&taint));
        assert!(!of(Some("other"), None, None).tolerates(&taint));
        assert!(!of(None, None, Some(Effect::NoSchedule)).tolerates(&taint));
    }

    #[test]
    fn shares_of_budgets_are_rounded_up() {
        let healthy = |limit: Limit| limit.desired_healthy(7);
        assert_eq!(healthy(Limit::MinAvailable(Amount::Count(3))), 3);
        assert_eq!(healthy(Limit::MinAvailable(Amount::Percent(50))), 4);
        assert_eq!(healthy(Limit::MaxUnavailable(Amount::Percent(50))), 3);
        assert_eq!(healthy(Limit::MaxUnavailable(Amount::Count(9))), 0);
    }

    #[test]
    fn a_pod_requests_what_runs_or_what_its_init_containers_need() {
        let of = |cpu_milli, memory| Resources { cpu_milli, memory };
        let requests = Requests {
            running: of(300, 64),
            starting: of(1000, 32),
        };
        assert_eq!(requests.with_sidecar(of(100, 128)), of(1000, 192));
        assert_eq!(requests.with_sidecar(Resources::default()), of(1000, 64));
    }

    #[test]
    fn a_domain_grows_as_long_as_no_other_is_left_behind() {
        let grows = |pods: u32, max_skew| may_grow(pods, [pods, 1, 2].into_iter(), max_skew);
        assert!(grows(0, 1) && grows(1, 1) && !grows(2, 1) && grows(2, 2) && !grows(3, 2));
        assert!(!may_grow(1, [0, 1].into_iter(), 1), "a domain without pods counts");
    }
}
