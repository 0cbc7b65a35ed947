//! Flows of requests between workloads, as a design describes them: who calls which Service, how often and how.
//!
//! Here is also what follows from the policies: a flow for each workload and each Service of another. Sending belongs to `traffic`, a request to
//! `access`, reading the description to `scenario`.

use super::blueprint::{Blueprint, Kind};
use super::ids::{FlowId, KindId, ServiceId};
use super::istio::mesh::Asked;
use super::records::LayerDecision;
use super::spec::{ServiceSpec, WorkloadSpec, WorldSpec};
use crate::kernel::{EntityKey, SimDuration, SimTime};

/// Requests of the pods of one workload to one Service.
#[derive(Clone, Debug)]
pub struct FlowSpec {
    /// Its name, which addresses its random numbers.
    pub name: String,
    /// The workload of the clients: index into `workloads`.
    pub from: usize,
    /// The Service: index into `services`.
    pub to: usize,
    /// Requests of one pod per second \[1/s\].
    pub rate_per_s: f64,
    /// How each is sent.
    pub call: CallSpec,
}

/// How the requests of a flow are sent.
#[derive(Clone, Debug)]
pub struct CallSpec {
    /// HTTP method.
    pub method: String,
    /// HTTP path.
    pub path: String,
    /// Time limit of an attempt.
    pub time_limit: SimDuration,
    /// Connections that are kept; without it each attempt of a client without a sidecar opens one.
    pub connections: Option<PoolSpec>,
    /// How often a request that has no answer is sent again, and after which wait.
    pub retries: Option<(u32, SimDuration)>,
    /// When a pod sends its first request.
    pub first: FirstRequest,
    /// No request is sent before.
    pub begin: SimTime,
    /// None is sent from then on.
    pub end: SimTime,
}

/// Connections that a client keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// How many each pod has.
    pub per_pod: u32,
    /// How long the client uses one; without it until it breaks.
    pub life: Option<SimDuration>,
}

/// When a pod sends its first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstRequest {
    /// As soon as its containers run.
    Container,
    /// As soon as its kubelet sees it ready.
    Ready,
}

/// A flow for each workload and each Service of another one.
#[derive(Clone, Debug)]
pub struct PolicyTraffic {
    /// Requests of one pod per second where the policies admit them \[1/s\].
    pub rate_per_s: f64,
    /// The same where they refuse them \[1/s\].
    pub denied_rate_per_s: f64,
    /// How each is sent.
    pub call: CallSpec,
}

/// The traffic of a design.
#[derive(Clone, Debug, Default)]
pub struct TrafficSpec {
    /// Flows that are described one by one.
    pub flows: Vec<FlowSpec>,
    /// Flows that follow from the policies.
    pub from_policies: Option<PolicyTraffic>,
}

/// A flow of a design.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its description.
    pub spec: FlowSpec,
    /// Addresses its random numbers.
    pub key: EntityKey,
}

impl Flow {
    /// The Service.
    #[must_use]
    pub const fn service(&self) -> ServiceId {
        ServiceId(self.spec.to as u32)
    }
}

impl WorldSpec {
    /// Whether a Service leads to pods of a workload.
    fn leads_to(service: &ServiceSpec, workload: &WorkloadSpec) -> bool {
        service.namespace == workload.subject.namespace && service.selector.matches(&workload.subject.labels)
    }

    /// Every workload with every Service of another one, if traffic follows from policies.
    fn policy_pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let any = self.traffic.from_policies.is_some();
        let services = self.services.iter().enumerate().filter(move |_| any);
        let called = services
            .filter(|(_, service)| self.workloads.iter().any(|workload| Self::leads_to(service, workload)))
            .map(|(to, service)| (to, service));
        called.flat_map(move |(to, service)| {
            let others = self.workloads.iter().enumerate();
            let others = others.filter(move |(_, workload)| !Self::leads_to(service, workload));
            others.map(move |(from, _)| (from, to))
        })
    }

    /// How many flows the traffic has.
    #[must_use]
    pub fn flow_count(&self) -> usize {
        self.traffic.flows.len() + self.policy_pairs().count()
    }

    /// How many requests of flows a run sends on average at most, retries not counted.
    #[must_use]
    pub fn requests_expected(&self) -> f64 {
        let of = |from: usize, rate: f64, call: &CallSpec| {
            let end = call.end.min(self.horizon);
            f64::from(self.most_pods(from)) * (1.0 + rate * end.since(call.begin.min(end)).as_secs_f64())
        };
        let flows = self.traffic.flows.iter();
        let written: f64 = flows.map(|flow| of(flow.from, flow.rate_per_s, &flow.call)).sum();
        let policies = self.traffic.from_policies.iter().flat_map(|policies| {
            let rate = policies.rate_per_s.max(policies.denied_rate_per_s);
            self.policy_pairs().map(move |(from, _)| of(from, rate, &policies.call))
        });
        written + policies.sum::<f64>()
    }
}

/// Most spans of time in which requests are counted.
const SPANS_MAX: u64 = 120;
/// Lengths of such a span [s].
const SPANS_S: [u64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

/// How long the spans of time are in which requests are counted: at most 120 in a run.
#[must_use]
pub fn span_of(horizon: SimTime) -> SimDuration {
    let least = horizon.as_nanos().div_ceil(SPANS_MAX);
    let lengths = SPANS_S.map(SimDuration::from_secs);
    let found = lengths.into_iter().find(|length| length.as_nanos() >= least);
    found.unwrap_or(SimDuration::from_nanos(least))
}

/// All flows of a design.
#[must_use]
pub fn flows_of(blueprint: &Blueprint) -> Vec<Flow> {
    let spec = &blueprint.spec;
    let policies = spec.policy_pairs().filter_map(|(from, to)| {
        let policies = spec.traffic.from_policies.as_ref()?;
        let client = blueprint.kind(KindId(from as u32));
        let service = ServiceId(to as u32);
        let server = blueprint.kinds.iter().find(|kind| kind.services.contains(&service))?;
        let admitted = is_admitted(blueprint, client, server, service, &policies.call);
        Some(FlowSpec {
            name: format!("{} to {}", client.name, blueprint.service_name(service)),
            from,
            to,
            rate_per_s: if admitted {
                policies.rate_per_s
            } else {
                policies.denied_rate_per_s
            },
            call: policies.call.clone(),
        })
    });
    let all = spec.traffic.flows.iter().cloned().chain(policies);
    let keyed = all.map(|spec| Flow {
        key: EntityKey::root("flow").named(&spec.name),
        spec,
    });
    keyed.collect()
}

/// Whether the policies of all layers admit the requests of a flow.
fn is_admitted(blueprint: &Blueprint, client: &Kind, server: &Kind, service: ServiceId, call: &CallSpec) -> bool {
    let asked = Asked {
        port: blueprint.target_port(service),
        method: &call.method,
        path: &call.path,
    };
    blueprint.intends(client.identity, server.identity, asked) == (LayerDecision::Allow, LayerDecision::Allow)
}

impl Blueprint {
    /// A flow.
    #[must_use]
    pub fn flow(&self, flow: FlowId) -> &Flow {
        &self.flows[flow.index()]
    }

    /// The flows whose clients are the pods of a kind.
    pub fn flows_from(&self, kind: KindId) -> impl Iterator<Item = FlowId> {
        let flows = self.flows.iter().zip(0..);
        let own = flows.filter(move |(flow, _)| flow.spec.from == kind.index());
        own.map(|(_, number)| FlowId(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_at_most_so_many_spans() {
        let of = |seconds: u64| span_of(SimTime::ZERO + SimDuration::from_secs(seconds)).as_secs_f64();
        assert_eq!(
            [60, 120, 121, 900, 7200, 86_400].map(of),
            [1.0, 1.0, 2.0, 10.0, 60.0, 1800.0]
        );
        assert!(of(10_000_000) * 120.0 >= 10_000_000.0);
    }
}
