//! The flows of a design: those that are described, and one for each workload and each Service of another if traffic follows from the policies.
//!
//! What is intended is evaluated as for the judge. What a flow is belongs to `flows`.

use super::blueprint::{Blueprint, Kind};
use super::flows::{CallSpec, Flow, FlowSpec};
use super::ids::{FlowId, KindId, ServiceId};
use super::records::LayerDecision;
use super::spec::{ServiceSpec, WorkloadSpec, WorldSpec};
use crate::kernel::EntityKey;

impl WorldSpec {
    /// Whether a Service leads to pods of a workload.
    fn leads_to(service: &ServiceSpec, workload: &WorkloadSpec) -> bool {
        service.namespace == workload.subject.namespace && service.selector.matches(&workload.subject.labels)
    }

    /// Every workload with every Service of another one, if traffic follows from policies.
    fn policy_pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let any = self.traffic.from_policies.is_some();
        let services = self.services.iter().enumerate().filter(move |_| any);
        let called =
            services.filter(|(_, service)| self.workloads.iter().any(|workload| Self::leads_to(service, workload)));
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
    // A flow that is written takes the place of one of the same name.
    let written = &spec.traffic.flows;
    let policies = policies.filter(|flow| written.iter().all(|own| own.name != flow.name));
    let all = written.iter().cloned().chain(policies);
    let keyed = all.map(|spec| Flow {
        key: EntityKey::root("flow").named(&spec.name),
        spec,
    });
    keyed.collect()
}

/// Whether the policies of all layers admit the requests of a flow.
fn is_admitted(blueprint: &Blueprint, client: &Kind, server: &Kind, service: ServiceId, call: &CallSpec) -> bool {
    let port = blueprint.target_port(service);
    let (from, to) = (client.identity, server.identity);
    blueprint.intends(from, to, port, &call.method, &call.path) == (LayerDecision::Allow, LayerDecision::Allow)
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
