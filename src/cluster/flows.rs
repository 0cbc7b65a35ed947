//! Flows of requests between workloads, as a design describes them: who calls which Service, how often and how.
//!
//! Which flows follow from the policies is in `policy_flows`. Sending belongs to `traffic`, a request to `access`, reading the description to
//! `scenario`.

use super::ids::ServiceId;
use super::records::AccessClass;
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

/// How an attempt of a request of a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptEnd {
    /// Its class.
    pub class: AccessClass,
    /// Whether the policies of all layers admit it.
    pub meant: bool,
    /// Whether the client heard of a server or proxy that decided about it.
    pub answered: bool,
    /// Whether it opened a connection.
    pub opened: bool,
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
