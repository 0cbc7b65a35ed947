//! The blueprint of a design: what all its runs share and none of them changes.
//!
//! It is computed once from a [`WorldSpec`]: kinds of pods, their true identities, who may be placed beside whom, which
//! Service has which pods, and the verdict of each layer for each pair of identities. State of a run belongs to `world`.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use super::flows::Flow;
use super::ids::{AddressPlan, BelievedIdentity, KindId, NodeId, ServiceId, TrueIdentity};
use super::job_spec::{Image, JobSpec, RestartPolicy};
use super::node_pools::{KindPlace, Nodes};
pub use super::node_pools::{node_name, zone_in_pools, zone_name, zone_of};
use super::objects::PodMeta;
use super::placement::{Budget, REVISION, Resources, Spread};
use super::policy_flows::flows_of;
use super::records::LayerDecision;
use super::spec::{Amount, Controller, IstioSpec, ProbeSpec, ProbedContainer, Step, WorldSpec};
use crate::kernel::{Distribution, EntityKey, SimDuration};
use crate::policy::istio::Request;
use crate::policy::labels::Labels;
use crate::policy::{Peer, Protocol, Reserved, Subject, Verdict};

/// Port of an Istiod's service for certificates and configuration.
pub const ISTIOD_PORT: u16 = 15012;
/// What Istiod requests in Istio's chart (`istio/istio manifests/charts/istio-control/istio-discovery/values.yaml`).
const ISTIOD_REQUESTS: Resources = Resources {
    cpu_milli: 500,
    memory: 2048 << 20,
};
/// What CoreDNS requests as kubeadm installs it, and its priority (`kubernetes/kubernetes cmd/kubeadm/app/phases/addons/dns/manifests.go`).
const DNS_REQUESTS: Resources = Resources {
    cpu_milli: 100,
    memory: 70 << 20,
};
/// The value of the class `system-cluster-critical`.
pub const SYSTEM_CLUSTER_CRITICAL: i32 = 2_000_000_000;
/// Namespace of Istiod.
const ISTIO_NAMESPACE: &str = "istio-system";

/// What all pods of one kind have in common.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Name of the workload.
    pub name: String,
    /// What its pods truly are.
    pub identity: TrueIdentity,
    /// Replicas when it is applied.
    pub replicas: u32,
    /// Termination grace period.
    pub grace_period: SimDuration,
    /// Whether processes run until they are killed.
    pub ignores_sigterm: bool,
    /// Containers of its own.
    pub containers: u32,
    /// Init containers of its own.
    pub init_containers: u32,
    /// Probes of its containers, of those that have any.
    pub probed: Vec<ProbedContainer>,
    /// From the start of its containers to the first probe that they answer.
    pub answers_after: SimDuration,
    /// How long its containers run and how probably a run fails, if they end by themselves.
    pub runs: Option<(Distribution, f64)>,
    /// Whether they are started again.
    pub restart: RestartPolicy,
    /// What is asked of its Jobs.
    pub job: JobSpec,
    /// Images of its containers.
    pub images: Vec<Image>,
    /// What controls its pods.
    pub controller: Controller,
    /// What its pods find on the nodes.
    pub place: KindPlace,
    /// PodDisruptionBudgets that protect its pods (indexes into `budgets`).
    pub budgets: Vec<usize>,
    /// Topology spread constraints.
    pub spread: Vec<KindSpread>,
    /// Kinds whose pods it rather is near, or not: the weight, whether in a zone or on a node, and the kind. Those that prefer this kind
    /// are among them.
    pub near: Vec<(i64, bool, KindId)>,
    /// What carries its traffic in this design.
    pub proxy: Proxy,
    /// Rolling update.
    pub max_surge: Amount,
    /// Rolling update.
    pub max_unavailable: Amount,
    /// Services whose backends its pods are.
    pub services: Vec<ServiceId>,
    /// Kinds with which its pods share no node.
    pub conflicts: Vec<KindId>,
    /// Key of the family of its pods.
    pub key: EntityKey,
    /// What role the simulator gives it.
    pub role: Role,
    /// Whether its pods belong to the startup measures.
    pub measured: bool,
    /// Whether its addresses are watched for exposure as a client.
    pub exposure_client: bool,
    /// Ports of its pods at which exposure is judged; none if it is not.
    pub exposure_ports: Vec<u16>,
}

/// A topology spread constraint of a kind.
#[derive(Clone, Debug)]
pub struct KindSpread {
    /// The constraint.
    pub spread: Spread,
    /// Kinds whose pods count.
    pub kinds: Vec<KindId>,
    /// Whether of its own kind only pods of the same revision count.
    pub per_revision: bool,
}

impl Kind {
    /// Whether its pods are clients or servers of edges that are judged all the time.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.exposure_client || !self.exposure_ports.is_empty()
    }

    /// Whether its pods start with an Envoy of their own.
    #[must_use]
    pub const fn has_sidecar(&self) -> bool {
        matches!(self.proxy, Proxy::Sidecar)
    }

    /// Whether its pods belong to the mesh: their connections carry their identity.
    #[must_use]
    pub const fn is_meshed(&self) -> bool {
        matches!(self.proxy, Proxy::Sidecar)
    }
}

/// What carries the traffic of a pod in the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// Nothing: the pod is in no mesh.
    None,
    /// An Envoy of its own, beside its containers.
    Sidecar,
}

/// The role of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A workload of the manifests.
    Workload,
    /// Istiod.
    Istiod,
    /// CoreDNS.
    Dns,
    /// A pod of the background churn.
    Churn,
}

/// What all runs of a design share.
#[derive(Debug)]
pub struct Blueprint {
    /// The description it was made from.
    pub spec: WorldSpec,
    /// Kinds of pods: workloads in the order of the description, then Istiod, then CoreDNS, then churn.
    pub kinds: Vec<Kind>,
    /// Subjects by true identity.
    pub subjects: Vec<Subject>,
    /// Labels, taints and capacity of the nodes.
    pub nodes: Nodes,
    /// After which times on a node whose lease was not renewed pods of some kind are deleted, each once.
    pub stays_unreachable: Vec<SimDuration>,
    /// Where addresses lie.
    pub addresses: AddressPlan,
    /// The kind of Istiod, if there is one.
    pub istiod: Option<KindId>,
    /// The Service of Istiod, if there is one.
    pub istiod_service: Option<ServiceId>,
    /// The kind of CoreDNS, with its Service, if there is one.
    pub dns: Option<(KindId, ServiceId)>,
    /// First kind of churn.
    pub first_churn_kind: usize,
    /// Number of Services, those of Istiod and CoreDNS included.
    pub services: usize,
    /// Flows of requests.
    pub flows: Vec<Flow>,
    service_keys: Vec<EntityKey>,
    network: Arc<NetworkVerdicts>,
}

/// Verdicts of the network's policy, for true identities and for the world: a row per port and own identity, which is
/// decided at the first query, since most identities of a large cluster are never queried.
#[derive(Debug)]
struct NetworkVerdicts {
    ports: Vec<u16>,
    identities: usize,
    ingress: Vec<OnceLock<Box<[bool]>>>,
    egress: Vec<OnceLock<Box<[bool]>>>,
}

/// The source or destination as the network believes it: a pod's identity or the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkPeer {
    /// A pod of this identity.
    Pod(TrueIdentity),
    /// Not known: the world.
    World,
}

impl Blueprint {
    /// Makes the blueprint.
    #[must_use]
    pub fn new(spec: WorldSpec) -> Self {
        Self::like(spec, None)
    }

    /// The same; verdicts are taken from another blueprint where it has them for the same policies, pods and ports, which
    /// is so for most points of an experiment with factors. In large folders of manifests they are nearly all of the work.
    #[must_use]
    pub fn like(spec: WorldSpec, other: Option<&Self>) -> Self {
        let mut subjects: Vec<Subject> = Vec::new();
        let mut positions: FxHashMap<Subject, usize> = FxHashMap::default();
        let mut intern = |subject: Subject| {
            let position = *positions.entry(subject).or_insert_with_key(|subject| {
                subjects.push(subject.clone());
                subjects.len() - 1
            });
            TrueIdentity(u16::try_from(position).expect("`scenario` refuses more identities than Cilium has"))
        };
        let mesh = spec.istio.is_some();
        let nodes = Nodes::new(&spec);
        let sidecar = spec.istio.as_ref().map_or(Resources::default(), |istio| Resources {
            cpu_milli: (istio.params.sidecar_cpu_request * 1000.0) as u64,
            memory: u64::from(istio.params.sidecar_memory_request) << 20,
        });
        let mut kinds: Vec<Kind> = spec
            .workloads
            .iter()
            .enumerate()
            .map(|(index, workload)| Kind {
                name: workload.name.clone(),
                identity: intern(workload.subject.clone()),
                replicas: workload.replicas,
                grace_period: workload.grace_period,
                ignores_sigterm: workload.ignores_sigterm,
                containers: workload.containers,
                init_containers: workload.init_containers,
                probed: workload.probed.clone(),
                answers_after: workload.answers_after,
                runs: workload
                    .runs
                    .map(|runs| (runs.lasts.unwrap_or(spec.kubernetes.job_run), runs.fails)),
                restart: workload.restart,
                job: workload.job.clone().unwrap_or_default(),
                images: workload.images.clone(),
                controller: workload.controller,
                place: KindPlace::new(
                    &spec,
                    &nodes,
                    &workload.placement,
                    workload.controller,
                    if workload.injected {
                        sidecar
                    } else {
                        Resources::default()
                    },
                ),
                budgets: protecting(&spec, &workload.subject),
                spread: Vec::new(),
                near: Vec::new(),
                proxy: if mesh && workload.injected {
                    Proxy::Sidecar
                } else {
                    Proxy::None
                },
                max_surge: workload.max_surge,
                max_unavailable: workload.max_unavailable,
                services: Vec::new(),
                conflicts: Vec::new(),
                key: EntityKey::root("workload")
                    .named(&workload.subject.namespace)
                    .named(&workload.key[0])
                    .named(&workload.key[1]),
                role: Role::Workload,
                measured: spec.measures.startup_workloads.contains(&index),
                exposure_client: spec.measures.exposure_clients.contains(&index),
                exposure_ports: spec.measures.exposure_ports(index),
            })
            .collect();
        let plain = |name: String, identity, role, replicas| Kind {
            place: KindPlace::plain(&spec, Resources::default(), 0),
            budgets: Vec::new(),
            key: EntityKey::root(&name),
            name,
            identity,
            replicas,
            grace_period: spec.kubernetes.termination_grace_period_default,
            ignores_sigterm: false,
            containers: 1,
            init_containers: 0,
            probed: Vec::new(),
            answers_after: SimDuration::ZERO,
            runs: None,
            restart: RestartPolicy::Always,
            job: JobSpec::default(),
            images: Vec::new(),
            controller: Controller::Deployment,
            spread: Vec::new(),
            near: Vec::new(),
            proxy: Proxy::None,
            max_surge: Amount::Percent(0),
            max_unavailable: Amount::Percent(0),
            services: Vec::new(),
            conflicts: Vec::new(),
            role,
            measured: false,
            exposure_client: false,
            exposure_ports: Vec::new(),
        };
        let istiod = spec.istio.as_ref().map(|istio| {
            let identity = intern(subject(
                &spec,
                ISTIO_NAMESPACE,
                "istiod",
                &[("app", "istiod"), ("istio", "pilot")],
            ));
            // As in Istio's chart.
            kinds.push(Kind {
                max_surge: Amount::Percent(100),
                max_unavailable: Amount::Percent(25),
                place: KindPlace::plain(&spec, ISTIOD_REQUESTS, 0),
                ..plain("istiod".to_owned(), identity, Role::Istiod, istio.replicas)
            });
            KindId(kinds.len() as u32 - 1)
        });
        let dns = (spec.coredns > 0).then(|| {
            let identity = intern(subject(&spec, "kube-system", "coredns", &[("k8s-app", "kube-dns")]));
            // As kubeadm installs it.
            kinds.push(Kind {
                max_surge: Amount::Percent(25),
                max_unavailable: Amount::Count(1),
                // Where nodes are never full, it would only be queued before others.
                place: KindPlace::plain(
                    &spec,
                    DNS_REQUESTS,
                    if nodes.can_be_full { SYSTEM_CLUSTER_CRITICAL } else { 0 },
                ),
                ..plain("coredns".to_owned(), identity, Role::Dns, spec.coredns)
            });
            KindId(kinds.len() as u32 - 1)
        });
        let first_churn_kind = kinds.len();
        let churn_accounts = spec
            .churn
            .iter()
            .map(|churn| churn.service_accounts)
            .chain(spec.script.iter().filter_map(|step| match step {
                Step::Churn(churn) => Some(churn.service_accounts),
                _ => None,
            }))
            .max()
            .unwrap_or(0);
        for account in 0..churn_accounts {
            let name = format!("churn-{account}");
            let identity = intern(subject(&spec, "default", &name, &[("app", "churn")]));
            kinds.push(plain(name, identity, Role::Churn, 0));
        }
        for (index, service) in spec.services.iter().enumerate() {
            for kind in &mut kinds {
                let pod = &subjects[kind.identity.0 as usize];
                if pod.namespace == service.namespace && service.selector.matches(&pod.labels) {
                    kind.services.push(ServiceId(index as u32));
                }
            }
        }
        let istiod_service = istiod.map(|kind| {
            let service = ServiceId(spec.services.len() as u32);
            kinds[kind.index()].services.push(service);
            service
        });
        let dns = dns.map(|kind| {
            let service = ServiceId((spec.services.len() + usize::from(istiod_service.is_some())) as u32);
            kinds[kind.index()].services.push(service);
            (kind, service)
        });
        let mut conflicts: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); kinds.len()];
        for (a, workload) in spec.workloads.iter().enumerate() {
            if workload.anti_affinity.is_empty() {
                continue;
            }
            for b in 0..kinds.len() {
                let other = &subjects[kinds[b].identity.0 as usize];
                let mut selectors = workload.anti_affinity.iter();
                if workload.subject.namespace == other.namespace
                    && selectors.any(|selector| selector.matches(&other.labels))
                {
                    conflicts[a].insert(b);
                    conflicts[b].insert(a);
                }
            }
        }
        for (a, workload) in spec.workloads.iter().enumerate() {
            if workload.controller == Controller::DaemonSet {
                conflicts[a].insert(a);
                let place = &kinds[a].place;
                let may_have = |node: &usize| place.matches(*node) && place.tolerates(nodes.tainted[*node], &nodes);
                kinds[a].replicas = (0..spec.nodes as usize).filter(may_have).count() as u32;
            }
            let spread = workload.placement.spread.iter();
            kinds[a].spread = spread.map(|spread| kind_spread(spread, a, &kinds, &subjects)).collect();
        }
        for (a, workload) in spec.workloads.iter().enumerate() {
            for near in &workload.placement.near {
                for b in 0..kinds.len() {
                    let other = &subjects[kinds[b].identity.0 as usize];
                    if workload.subject.namespace == other.namespace && near.selector.matches(&other.labels) {
                        for (of, to) in [(a, b), (b, a)] {
                            kinds[of].near.push((near.weight, near.by_zone, KindId(to as u32)));
                        }
                    }
                }
            }
        }
        for (kind, conflicts) in kinds.iter_mut().zip(conflicts) {
            kind.conflicts = conflicts.into_iter().map(|other| KindId(other as u32)).collect();
        }
        let mut stays_unreachable: Vec<SimDuration> =
            kinds.iter().filter_map(|kind| kind.place.stays_unreachable).collect();
        stays_unreachable.push(spec.kubernetes.unreachable_toleration);
        stays_unreachable.sort_unstable();
        stays_unreachable.dedup();
        let mut ports: Vec<u16> = spec.services.iter().map(|service| service.target_port).collect();
        ports.extend(spec.measures.exposure_servers.iter().map(|(_, port)| *port));
        ports.push(ISTIOD_PORT);
        ports.sort_unstable();
        ports.dedup();
        let known = other.filter(|other| {
            Arc::ptr_eq(&other.spec.network_policies, &spec.network_policies)
                && other.network.ports == ports
                && other.subjects == subjects
        });
        let network = known.map_or_else(
            || Arc::new(NetworkVerdicts::new(subjects.len(), ports)),
            |known| Arc::clone(&known.network),
        );
        let addresses = AddressPlan::new(spec.nodes, spec.node_prefix_length);
        let mut service_keys: Vec<EntityKey> = spec
            .services
            .iter()
            .map(|service| {
                // Where two Services have one name, the namespace is a part of it.
                let own = service.name.rsplit('/').next().unwrap_or(&service.name);
                EntityKey::root("service").named(&service.namespace).named(own)
            })
            .collect();
        service_keys.extend(istiod_service.map(|_| EntityKey::root("service of istiod")));
        service_keys.extend(dns.map(|_| EntityKey::root("service of coredns")));
        let mut blueprint = Self {
            flows: Vec::new(),
            kinds,
            subjects,
            nodes,
            stays_unreachable,
            addresses,
            istiod,
            istiod_service,
            dns,
            first_churn_kind,
            services: service_keys.len(),
            service_keys,
            network,
            spec,
        };
        blueprint.flows = flows_of(&blueprint);
        blueprint
    }

    /// A kind.
    #[must_use]
    pub fn kind(&self, kind: KindId) -> &Kind {
        &self.kinds[kind.index()]
    }

    /// Istio's part of the description.
    ///
    /// # Panics
    /// If the design has no Istio; only components of Istio ask.
    #[must_use]
    pub fn istio(&self) -> &IstioSpec {
        self.spec
            .istio
            .as_ref()
            .expect("a component of Istio in a design without it")
    }

    /// Kinds whose pods run when a run begins: Istiod and CoreDNS first, so that an Istiod is among the first pods. Empty if no
    /// workload does.
    #[must_use]
    pub fn running(&self) -> Vec<KindId> {
        let workloads = self.spec.running.iter().map(|workload| KindId(*workload as u32));
        let system = self.istiod.into_iter().chain(self.dns.map(|(kind, _)| kind));
        match self.spec.running.is_empty() {
            true => Vec::new(),
            false => system.chain(workloads).collect(),
        }
    }

    /// A pod's name: workload, revision and ordinal; without the revision in a StatefulSet.
    #[must_use]
    pub fn pod_name(&self, meta: &PodMeta) -> String {
        let kind = self.kind(meta.kind);
        match kind.controller.keeps_names() {
            true => format!("{}-{}", kind.name, meta.ordinal),
            false => format!("{}-{}-{}", kind.name, meta.revision, meta.ordinal),
        }
    }

    /// Name of a node, as kind numbers them: the control plane first, then workers from 1.
    #[must_use]
    pub fn node_name(&self, node: NodeId) -> String {
        node_name(node.0, self.spec.control_plane_nodes)
    }

    /// The zone of a node, counted from 0.
    #[must_use]
    pub fn zone_of(&self, node: NodeId) -> u32 {
        self.nodes.zones[node.index()]
    }

    /// How many nodes each zone has, the control plane included.
    #[must_use]
    pub fn zone_sizes(&self) -> Vec<u32> {
        let mut sizes = vec![0; self.spec.zones as usize];
        for node in 0..self.spec.nodes {
            sizes[self.zone_of(NodeId(node)) as usize] += 1;
        }
        sizes
    }

    /// The key of a node for random streams: its role and its number in that role, as its name has them, so that a node
    /// more shifts no other one.
    #[must_use]
    pub fn node_key(&self, node: NodeId) -> EntityKey {
        let (role, number) = match node.0.checked_sub(self.spec.control_plane_nodes) {
            Some(number) => ("worker", number),
            None => ("control-plane", node.0),
        };
        EntityKey::root("node").named(role).child(u64::from(number))
    }

    /// The key of a Service for random streams: namespace and name.
    #[must_use]
    pub fn service_key(&self, service: ServiceId) -> EntityKey {
        self.service_keys[service.index()]
    }

    /// Name of a Service.
    #[must_use]
    pub fn service_name(&self, service: ServiceId) -> &str {
        self.spec
            .services
            .get(service.index())
            .map_or("istiod", |service| &service.name)
    }

    /// Port on the pods of a Service.
    #[must_use]
    pub fn target_port(&self, service: ServiceId) -> u16 {
        self.spec
            .services
            .get(service.index())
            .map_or(ISTIOD_PORT, |service| service.target_port)
    }

    /// Whether packets between nodes carry the sender's identity (`docs/model/cilium.md#identity-of-a-packet`).
    #[must_use]
    pub fn identity_in_packet(&self) -> bool {
        use super::spec::{Encryption, Routing};
        match (self.spec.datapath.routing, self.spec.datapath.encryption) {
            (Routing::Native, _) => false,
            (Routing::Vxlan, Encryption::None) => true,
            (Routing::Vxlan, Encryption::WireGuard) => self.spec.cilium.wireguard_encapsulates,
        }
    }

    /// Whether a receiving node drops packets whose source its WireGuard peers do not list: where pod addresses are in
    /// the peers' allowed IPs, which is where packets are not encapsulated before they are encrypted (rows 2 and 5).
    #[must_use]
    pub fn wireguard_checks_pod_addresses(&self) -> bool {
        use super::spec::{Encryption, Routing};
        match (self.spec.datapath.routing, self.spec.datapath.encryption) {
            (_, Encryption::None) => false,
            (Routing::Native, Encryption::WireGuard) => true,
            (Routing::Vxlan, Encryption::WireGuard) => !self.spec.cilium.wireguard_encapsulates,
        }
    }

    /// What the network's policy decides about a connection, from intent: both directions on true identities.
    #[must_use]
    pub fn network_intent(&self, from: TrueIdentity, to: TrueIdentity, port: u16) -> LayerDecision {
        let admitted = self.egress_admits(from, NetworkPeer::Pod(to), port)
            && self.ingress_admits(NetworkPeer::Pod(from), to, port);
        if admitted {
            LayerDecision::Allow
        } else {
            LayerDecision::Deny
        }
    }

    /// Whether ingress policy of `to` admits a connection that seems to come from `from`.
    #[must_use]
    pub fn ingress_admits(&self, from: NetworkPeer, to: TrueIdentity, port: u16) -> bool {
        let own = &self.subjects[to.0 as usize];
        let row = self.network.ingress[self.network.row(to, port)].get_or_init(|| {
            let policies = &self.spec.network_policies;
            of_all_peers(&self.subjects, |peer| {
                policies.ingress(own, peer, port, Protocol::Tcp, None)
            })
        });
        row[self.network.column(from)]
    }

    /// Whether egress policy of `from` admits a connection that seems to go to `to`.
    #[must_use]
    pub fn egress_admits(&self, from: TrueIdentity, to: NetworkPeer, port: u16) -> bool {
        let own = &self.subjects[from.0 as usize];
        let row = self.network.egress[self.network.row(from, port)].get_or_init(|| {
            let policies = &self.spec.network_policies;
            of_all_peers(&self.subjects, |peer| {
                policies.egress(own, peer, port, Protocol::Tcp, None)
            })
        });
        row[self.network.column(to)]
    }

    /// The network's verdict on ingress with its reason, for a story.
    #[must_use]
    pub fn explain_ingress(&self, from: NetworkPeer, to: TrueIdentity, port: u16) -> Verdict {
        let peer = match from {
            NetworkPeer::Pod(identity) => Peer::Endpoint(&self.subjects[identity.0 as usize]),
            NetworkPeer::World => Peer::Reserved(Reserved::World),
        };
        self.spec
            .network_policies
            .ingress(&self.subjects[to.0 as usize], peer, port, Protocol::Tcp, None)
    }

    /// The mesh's verdict on a request with its reason. The principal is the one in the client's certificate.
    #[must_use]
    pub fn mesh_verdict(
        &self,
        principal: Option<TrueIdentity>,
        to: TrueIdentity,
        port: u16,
        method: &str,
        path: &str,
    ) -> Verdict {
        let principal = principal.map(|identity| self.principal(identity));
        let request = Request {
            port,
            method: Some(method),
            path: Some(path),
            host: None,
        };
        self.spec
            .mesh_policies
            .request(&self.subjects[to.0 as usize], principal.as_deref(), &request)
    }

    /// What the mesh's policy intends for a request of a probe.
    #[must_use]
    pub fn mesh_intent(
        &self,
        from: TrueIdentity,
        to: TrueIdentity,
        port: u16,
        method: &str,
        path: &str,
    ) -> LayerDecision {
        self.mesh_verdict(Some(from), to, port, method, path).decision.into()
    }

    /// What is intended for a request of a client with this true identity: by the network's policy, and by the mesh's.
    #[must_use]
    pub fn intends(
        &self,
        from: TrueIdentity,
        to: TrueIdentity,
        port: u16,
        method: &str,
        path: &str,
    ) -> (LayerDecision, LayerDecision) {
        (
            self.network_intent(from, to, port),
            self.mesh_intent(from, to, port, method, path),
        )
    }

    /// The principal in a certificate of this identity.
    #[must_use]
    pub fn principal(&self, identity: TrueIdentity) -> String {
        self.subjects[identity.0 as usize].principal(&self.spec.trust_domain)
    }

    /// The last probe of the script, which the demonstration depends on.
    #[must_use]
    pub fn last_probe(&self) -> Option<&ProbeSpec> {
        self.spec.script.iter().rev().find_map(|step| match step {
            Step::Probe(probe) => Some(probe),
            _ => None,
        })
    }
}

/// The budgets that protect pods; an empty selector protects none
/// (`kubernetes/kubernetes pkg/registry/core/pod/storage/eviction.go`, getPodDisruptionBudgets).
fn protecting(spec: &WorldSpec, pods: &Subject) -> Vec<usize> {
    let protects = |budget: &Budget| {
        budget.namespace == pods.namespace && !budget.selector.is_empty() && budget.selector.matches(&pods.labels)
    };
    let found = spec.budgets.iter().enumerate().filter(|(_, budget)| protects(budget));
    found.map(|(place, _)| place).collect()
}

fn kind_spread(spread: &Spread, own: usize, kinds: &[Kind], subjects: &[Subject]) -> KindSpread {
    let subject = |kind: &Kind| &subjects[kind.identity.0 as usize];
    let of_own = subject(&kinds[own]);
    let counts = |kind: &Kind| {
        let other = subject(kind);
        let mut same = spread.same.iter().filter(|key| *key != REVISION);
        other.namespace == of_own.namespace
            && spread.selector.matches(&other.labels)
            && same.all(|key| other.labels.get(key) == of_own.labels.get(key))
    };
    let per_revision = spread.same.iter().any(|key| key == REVISION);
    let counted = kinds
        .iter()
        .enumerate()
        .filter(|(index, kind)| counts(kind) && (!per_revision || *index == own));
    KindSpread {
        kinds: counted.map(|(index, _)| KindId(index as u32)).collect(),
        per_revision,
        spread: spread.clone(),
    }
}

/// What a pod is that no manifest describes. Its namespace has the labels that the manifests give it.
fn subject(spec: &WorldSpec, namespace: &str, account: &str, labels: &[(&str, &str)]) -> Subject {
    let namespace_labels = spec.namespaces.get(namespace).cloned().unwrap_or_default();
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Subject::new(namespace, namespace_labels, account, Labels(labels.collect()))
}

impl NetworkVerdicts {
    fn new(identities: usize, ports: Vec<u16>) -> Self {
        let rows = || (0..ports.len() * identities).map(|_| OnceLock::new()).collect();
        Self {
            ingress: rows(),
            egress: rows(),
            identities,
            ports,
        }
    }

    fn row(&self, own: TrueIdentity, port: u16) -> usize {
        let port = self
            .ports
            .binary_search(&port)
            .expect("verdicts exist for every port that is used");
        port * self.identities + own.0 as usize
    }

    fn column(&self, peer: NetworkPeer) -> usize {
        match peer {
            NetworkPeer::Pod(identity) => identity.0 as usize,
            NetworkPeer::World => self.identities,
        }
    }
}

/// What a rule decides about every identity and, last, of the world.
fn of_all_peers(subjects: &[Subject], rule: impl Fn(Peer<'_>) -> Verdict) -> Box<[bool]> {
    let peers = subjects.iter().map(Peer::Endpoint);
    peers
        .chain([Peer::Reserved(Reserved::World)])
        .map(|peer| rule(peer).is_allowed())
        .collect()
}

/// A blueprint shared by the runs of a design.
pub type SharedBlueprint = Arc<Blueprint>;

/// The numeric identity that Cilium's allocator gives to the `k`-th identity created.
#[must_use]
pub const fn numeric_identity(k: u32) -> BelievedIdentity {
    BelievedIdentity(BelievedIdentity::FIRST_POD + k)
}
