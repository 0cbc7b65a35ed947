//! What a run leaves behind, collected while it goes: times of pods, judged accesses, exposure windows, facts.
//!
//! The recorder observes and never decides. Two small questions are answered here because asking them anew would cost
//! events: whether the script or the judge wants to hear about a change. What the records mean is in `records`.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use smallvec::SmallVec;

use super::blueprint::Blueprint;
use super::ids::{KindId, NodeId, PodId, ServiceId};
use super::istio::leg_history::LegHistory;
use super::objects::PodMeta;
use super::objects::PodObject;
use super::records::{AccessRecord, DelayCause, ExitCause, ExposureRecord, PodRecord, RunRecord};
use crate::kernel::{SimDuration, SimTime};

/// Times and facts of one pod.
#[derive(Clone, Debug, Default)]
pub struct PodTimes {
    /// When it was wished for.
    pub wished: SimTime,
    /// When it was created.
    pub created: Option<SimTime>,
    /// When it was bound.
    pub bound: Option<SimTime>,
    called: Option<SimTime>,
    network_ready: Option<SimTime>,
    containers_up: Option<SimTime>,
    certificate: Option<SimTime>,
    configuration: Option<SimTime>,
    address: Option<SimTime>,
    running: Option<SimTime>,
    /// When it was first ready.
    pub ready: Option<SimTime>,
    removed: Option<SimTime>,
    refused: bool,
    node: Option<NodeId>,
    ip: Option<Ipv4Addr>,
    reused_ip: bool,
    delays: SmallVec<[(DelayCause, SimDuration); 1]>,
    legs: Option<Box<(LegHistory, LegHistory)>>,
}

impl PodTimes {
    /// Certificate and configuration leg of its sidecar, if it had one.
    #[must_use]
    pub fn legs(&self) -> Option<&(LegHistory, LegHistory)> {
        self.legs.as_deref()
    }
}

/// Collects a run's records.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Facts about the run.
    pub run: RunRecord,
    /// Judged accesses.
    pub accesses: Vec<AccessRecord>,
    /// Exposure windows.
    pub exposures: Vec<ExposureRecord>,
    pods: Vec<PodTimes>,
    remembered: BTreeSet<Ipv4Addr>,
    /// When the step began from which pods are measured.
    measured_since: Option<SimTime>,
    probed_service: Option<ServiceId>,
}

impl Recorder {
    /// A recorder that follows the endpoint of the Service that the demonstration hangs on.
    #[must_use]
    pub fn new(probed_service: Option<ServiceId>) -> Self {
        Self {
            probed_service,
            ..Self::default()
        }
    }

    /// A pod's times.
    #[must_use]
    pub fn times(&self, pod: PodId) -> &PodTimes {
        &self.pods[pod.index()]
    }

    pub(super) fn wished(&mut self, pod: PodId, now: SimTime) {
        debug_assert_eq!(pod.index(), self.pods.len());
        self.pods.push(PodTimes {
            wished: now,
            ..PodTimes::default()
        });
    }

    pub(super) fn created(&mut self, pod: PodId, now: SimTime) {
        let times = &mut self.pods[pod.index()];
        times.created = Some(now);
        if times.refused {
            let waited = now.since(times.wished);
            add(&mut times.delays, DelayCause::Webhook, waited);
        }
    }

    pub(super) fn creation_refused(&mut self, pod: PodId) {
        self.pods[pod.index()].refused = true;
    }

    pub(super) fn updated(&mut self, pod: PodId, old: &PodObject, new: &PodObject, now: SimTime) {
        let times = &mut self.pods[pod.index()];
        if old.node.is_none() && new.node.is_some() {
            times.bound = Some(now);
            times.node = new.node;
        }
        if old.ip.is_none() && new.ip.is_some() {
            times.address.get_or_insert(now);
        }
        if !old.running && new.running {
            times.running.get_or_insert(now);
        }
        if !old.ready && new.ready {
            times.ready.get_or_insert(now);
        }
        if !old.deleting && new.deleting {
            times.removed.get_or_insert(now);
        }
    }

    pub(super) fn removed(&mut self, pod: PodId, now: SimTime) {
        self.pods[pod.index()].removed.get_or_insert(now);
    }

    pub(super) fn network_called(&mut self, pod: PodId, now: SimTime) {
        let times = &mut self.pods[pod.index()];
        times.called = Some(now);
    }

    pub(super) fn address_taken(&mut self, pod: PodId, ip: Ipv4Addr) {
        let reused = self.remembered.contains(&ip);
        let times = &mut self.pods[pod.index()];
        times.ip = Some(ip);
        times.reused_ip = reused;
    }

    pub(super) fn network_ready(&mut self, pod: PodId, now: SimTime) {
        self.pods[pod.index()].network_ready = Some(now);
    }

    pub(super) fn containers_up(&mut self, pod: PodId, now: SimTime) {
        self.pods[pod.index()].containers_up = Some(now);
    }

    pub(super) fn certificate_obtained(&mut self, pod: PodId, now: SimTime) {
        self.pods[pod.index()].certificate = Some(now);
    }

    pub(super) fn configuration_received(&mut self, pod: PodId, now: SimTime) {
        self.pods[pod.index()].configuration = Some(now);
    }

    pub(super) fn legs(&mut self, pod: PodId, certificate: &LegHistory, configuration: &LegHistory) {
        let legs = &mut self.pods[pod.index()].legs;
        match legs {
            Some(legs) => {
                legs.0.clone_from(certificate);
                legs.1.clone_from(configuration);
            }
            None => *legs = Some(Box::new((certificate.clone(), configuration.clone()))),
        }
    }

    pub(super) fn delay(&mut self, pod: PodId, cause: DelayCause, span: SimDuration) {
        add(&mut self.pods[pod.index()].delays, cause, span);
    }

    pub(super) const fn certificate_requested(&mut self) {
        self.run.certificate_requests += 1;
    }

    pub(super) fn slice_written(&mut self, service: ServiceId, empty: bool, now: SimTime) {
        if empty && self.run.cut.is_some() && self.probed_service == Some(service) {
            self.run.endpoint_withdrawn.get_or_insert(now);
        }
    }

    pub(super) fn node_given_up(&mut self, _node: NodeId, now: SimTime) {
        self.run.node_given_up.get_or_insert(now);
    }

    /// The step began from which pods are measured.
    pub fn measure_from(&mut self, now: SimTime) {
        self.measured_since.get_or_insert(now);
    }

    /// The script remembers addresses.
    pub fn remember(&mut self, addresses: impl IntoIterator<Item = Ipv4Addr>) {
        self.remembered.extend(addresses);
        self.run.remembered = self.remembered.len() as u32;
    }

    /// Whether an address is one that the script remembers.
    #[must_use]
    pub fn is_remembered(&self, ip: Ipv4Addr) -> bool {
        self.remembered.contains(&ip)
    }

    /// The records of all pods at the end of the run.
    #[must_use]
    pub fn pod_records(&self, metas: &[PodMeta], blueprint: &Blueprint, end: SimTime) -> Vec<PodRecord> {
        self.pods
            .iter()
            .zip(metas)
            .map(|(times, meta)| self.pod_record(times, *meta, blueprint, end))
            .collect()
    }

    fn pod_record(&self, times: &PodTimes, meta: PodMeta, blueprint: &Blueprint, end: SimTime) -> PodRecord {
        let kind = blueprint.kind(meta.kind);
        // A report that was under way when the pod was deleted does not make it ready.
        let ready = times
            .ready
            .filter(|ready| times.removed.is_none_or(|removed| *ready <= removed));
        let (exit_cause, exit) = match (ready, times.removed) {
            (Some(ready), _) => (ExitCause::Ready, ready),
            (None, Some(removed)) => (ExitCause::Deleted, removed),
            (None, None) => (ExitCause::Censored, end),
        };
        // What a deleted pod still went through is no part of its start.
        let span = |from: Option<SimTime>, to: Option<SimTime>| Some(to.filter(|to| *to <= exit)?.since(from?));
        let legs_end = if kind.has_sidecar() {
            times.certificate.and_then(|at| Some(at.max(times.configuration?)))
        } else {
            times.containers_up
        };
        let certificate_last = times.certificate.is_none() || times.certificate >= times.configuration;
        let phase = |last: bool| {
            if last {
                span(times.containers_up, legs_end)
            } else {
                legs_end.filter(|end| *end <= exit).map(|_| SimDuration::ZERO)
            }
        };
        let mut record = PodRecord {
            pod: format!("{}-{}-{}", kind.name, meta.revision, meta.ordinal),
            workload: if kind.role == super::blueprint::Role::Churn {
                "churn".to_owned()
            } else {
                kind.name.clone()
            },
            measured: kind.measured
                && self.measured_since.is_some_and(|since| times.wished >= since)
                && (meta.revision == 1 || !blueprint.spec.measures.startup_first_batch),
            node: times.node.map(|node| blueprint.node_name(node)),
            ip: times.ip,
            reused_ip: times.reused_ip,
            wished: times.wished,
            address: times.address.filter(|address| *address <= exit),
            running: times.running.filter(|running| *running <= exit),
            ready,
            exit_cause,
            exit,
            admission: span(Some(times.wished), times.created),
            scheduling: span(times.created, times.bound),
            sandbox: span(times.bound, times.called),
            identity: span(times.called, times.network_ready),
            containers: span(times.network_ready, times.containers_up),
            certificate: kind.has_sidecar().then(|| phase(certificate_last)).flatten(),
            configuration: kind.has_sidecar().then(|| phase(!certificate_last)).flatten(),
            readiness: span(legs_end, ready),
            delays: times.delays.to_vec(),
            ..PodRecord::default()
        };
        if let Some(legs) = &times.legs {
            let (certificate, configuration) = &**legs;
            record.certificate_landings = certificate.landings_text();
            record.certificate_landings_bad = certificate.bad_landings();
            record.configuration_landings = configuration.landings_text();
            record.configuration_landings_bad = configuration.bad_landings();
            // Only the leg that came last delayed the pod.
            let critical = if certificate_last { certificate } else { configuration };
            for &(cause, lost) in &critical.lost {
                add_vec(&mut record.delays, cause, lost);
            }
        }
        // A pod that no webhook admitted has waited for one all the time.
        if times.refused && times.created.is_none() {
            add_vec(&mut record.delays, DelayCause::Webhook, exit.since(times.wished));
        }
        record.delays.retain(|(_, lost)| lost.as_nanos() > 0);
        record.delays.sort_by_key(|(cause, _)| *cause);
        let total = record
            .delays
            .iter()
            .fold(SimDuration::ZERO, |sum, (_, lost)| sum + *lost);
        if total >= blueprint.spec.measures.delayed_threshold && total.as_nanos() > 0 {
            record.delayed_by = record
                .delays
                .iter()
                .max_by_key(|(cause, lost)| (*lost, std::cmp::Reverse(*cause)))
                .map(|(cause, _)| *cause);
        }
        record
    }

    /// Whether a pod of the first batch of a workload got a remembered address.
    #[must_use]
    pub fn reused_in_first_batch(&self, kind: KindId, metas: &[PodMeta]) -> bool {
        self.pods
            .iter()
            .zip(metas)
            .any(|(times, meta)| meta.kind == kind && meta.revision == 1 && times.reused_ip)
    }
}

fn add(delays: &mut SmallVec<[(DelayCause, SimDuration); 1]>, cause: DelayCause, span: SimDuration) {
    match delays.iter_mut().find(|(known, _)| *known == cause) {
        Some((_, total)) => *total += span,
        None => delays.push((cause, span)),
    }
}

fn add_vec(delays: &mut Vec<(DelayCause, SimDuration)>, cause: DelayCause, span: SimDuration) {
    match delays.iter_mut().find(|(known, _)| *known == cause) {
        Some((_, total)) => *total += span,
        None => delays.push((cause, span)),
    }
}
