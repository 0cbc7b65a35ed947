//! What a run leaves behind, collected while it goes: times of pods, judged accesses, exposure windows, facts about the run.
//!
//! It listens to the observations and never decides: no component asks it anything (a test holds that). What the records mean
//! is in `records`, how the times of a pod become its record in `pod_times`.

mod channel_history;
mod deploys;
mod edges;
mod flows;
mod pod_times;
mod recovery;
mod silences;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::blueprint::{Blueprint, Kind};
use super::faults::FaultKind;
use super::ids::{KindId, PodId, ServiceId};
use super::istio::messages::Channel;
use super::objects::PodMeta;
use super::observed::{AccessEnd, AccessFact, ChannelFact, Fact, PodFact, ProcessFact, ScriptFact};
use super::party::Party;
use super::records::{AccessRecord, DelayCause, ExposureRecord, FlowRecord, PodRecord, RunRecord, Via};
use super::spec::{ProbeFrom, Step, step_name};
use crate::kernel::{SimDuration, SimTime};
use deploys::Deploys;
use edges::EdgeSpans;
use flows::FlowCounts;
use pod_times::PodTimes;
use recovery::Recovery;
use silences::Silences;

/// Collects a run's records.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Facts about the run.
    pub run: RunRecord,
    /// Judged accesses.
    pub accesses: Vec<AccessRecord>,
    /// Exposure windows.
    pub exposures: Vec<ExposureRecord>,
    /// What was so along edges.
    pub edges: EdgeSpans,
    pods: Vec<PodTimes>,
    remembered: BTreeSet<Ipv4Addr>,
    /// When the step began from which pods are measured.
    measured_since: Option<SimTime>,
    probed_service: Option<ServiceId>,
    deploys: Deploys,
    flows: FlowCounts,
    recovery: Recovery,
    silences: Silences,
}

impl Recorder {
    /// A recorder that follows the endpoint of the Service that the demonstration depends on.
    #[must_use]
    pub fn new(probed_service: Option<ServiceId>) -> Self {
        Self {
            probed_service,
            ..Self::default()
        }
    }

    /// Takes in what happened. `metas` and `blueprint` give it names.
    #[inline]
    pub fn observe(&mut self, fact: &Fact, now: SimTime, metas: &[PodMeta], blueprint: &Blueprint) {
        match fact {
            Fact::Pod(pod, fact) => self.pod(*pod, fact, now),
            Fact::Channel(pod, channel, fact) => self.channel(*pod, *channel, fact, now),
            Fact::Script(track, fact) => self.script(*track, fact, now, blueprint),
            Fact::FaultBegins {
                fault,
                parties,
                touched,
                ..
            } => {
                self.run.parties_cut += touched;
                self.fault_begins(now);
                let kind = &blueprint.spec.faults[fault.index()].kind;
                let cuts_off = kind.cuts_off();
                self.recovery.fault_begins(*fault, if cuts_off { parties } else { &[] });
                if cuts_off || matches!(kind, FaultKind::NodeDown(_)) {
                    parties.iter().for_each(|party| self.silences.begins(*party, now));
                }
            }
            Fact::FaultEnds { fault, parties } => {
                let at_once = blueprint.spec.network.repair_reaches_at_once;
                let back = if at_once { parties.as_slice() } else { &[] };
                self.recovery.fault_ends(*fault, back, &self.pods, now);
                back.iter().for_each(|party| self.silences.ends(*party, now));
            }
            Fact::Resumes { party, answers, .. } => {
                if !answers {
                    self.recovery.reads(*party, now);
                    self.silences.ends(*party, now);
                }
            }
            // It works again when its link does.
            Fact::Process(_, ProcessFact::IsUp) => {}
            Fact::Process(party, _) => self.silences.begins(*party, now),
            Fact::Booted(node) => self.silences.ends(Party::Node(*node), now),
            Fact::SliceWritten(service, 0) => {
                if self.run.cut.is_some() && self.probed_service == Some(*service) {
                    self.run.endpoint_withdrawn.get_or_insert(now);
                }
            }
            Fact::MarkedNotReady(node, runs) => {
                self.run.node_given_up.get_or_insert(now);
                self.recovery.not_ready(*node);
                self.run.nodes_marked_not_ready += 1;
                self.run.nodes_falsely_not_ready += u32::from(*runs);
            }
            Fact::Returned(node) => self.recovery.ready(*node, now),
            Fact::Evicted(_, pods) => self.run.pods_evicted += pods,
            Fact::Access(_, AccessFact::Began { step, .. }) => {
                let step = &blueprint.spec.script[*step as usize];
                if matches!(step, Step::Probe(probe) if probe.from == ProbeFrom::Found) {
                    self.run.probed.get_or_insert(now);
                }
            }
            Fact::Requested(request) => self.flows.count(request, blueprint),
            Fact::AccessEnded(_, end) => self.access(end, now, metas, blueprint),
            Fact::WindowOpened {
                client,
                client_ip,
                server,
                node,
                port,
                via,
                class,
            } => self.exposures.push(ExposureRecord {
                ip: *client_ip,
                client: blueprint.pod_name(&metas[client.index()]),
                client_workload: blueprint.kind(metas[client.index()].kind).name.clone(),
                server: blueprint.pod_name(&metas[server.index()]),
                server_workload: blueprint.kind(metas[server.index()].kind).name.clone(),
                port: *port,
                node: blueprint.node_name(*node),
                via: *via,
                class: *class,
                start: now,
                end: None,
                end_cause: "horizon".to_owned(),
            }),
            Fact::WindowClosed(number, cause) => {
                let record = &mut self.exposures[*number];
                record.end = Some(now);
                record.end_cause = (*cause).to_owned();
            }
            Fact::Edge {
                edge,
                pairs,
                availability,
            } => self.edges.observe(*edge, (*pairs, *availability), now),
            Fact::SetResized(..)
            | Fact::EndpointWritten(..)
            | Fact::BackEndsFound(..)
            | Fact::SliceWritten(..)
            | Fact::LeaderLost(_)
            | Fact::LeaderTakesOver(_)
            | Fact::Job(..)
            | Fact::Left { .. }
            | Fact::Entered { .. }
            | Fact::IstiodWaits(_)
            | Fact::Follows { .. }
            | Fact::Access(..)
            | Fact::Sent(_) => {}
        }
    }

    #[inline]
    fn pod(&mut self, pod: PodId, fact: &PodFact, now: SimTime) {
        if let PodFact::Desired = fact {
            debug_assert_eq!(pod.index(), self.pods.len());
            self.pods.push(PodTimes::desired(now));
            return;
        }
        let times = &mut self.pods[pod.index()];
        match fact {
            PodFact::CreationRefused { .. } => {
                self.run.creations_refused += 1;
                self.run.creations_repeated += u32::from(times.refusals > 0);
            }
            PodFact::Created => self.run.creations_repeated += u32::from(times.refusals > 0),
            PodFact::Taken(_, ip) => times.reused_ip = self.remembered.contains(ip),
            _ => {}
        }
        let waited = times.waits;
        times.observe(fact, now);
        if times.waits != waited {
            self.recovery.pod_changed(pod, times.waits, now);
        }
    }

    /// The first fault begins: deploys before it do not count.
    fn fault_begins(&mut self, now: SimTime) {
        if self.run.cut.is_none() {
            self.run.cut = Some(now);
            self.deploys.begin_anew(&mut self.run);
        }
    }

    #[inline]
    fn channel(&mut self, pod: PodId, channel: Channel, fact: &ChannelFact, now: SimTime) {
        if let (Channel::Certificate, ChannelFact::Sent) = (channel, fact) {
            self.run.certificate_requests += 1;
        }
        self.pods[pod.index()].observe_channel(channel, fact, now);
    }

    fn script(&mut self, track: u32, fact: &ScriptFact, now: SimTime, blueprint: &Blueprint) {
        let script = &blueprint.spec.script;
        self.deploys.observe(track, fact, script, now, &mut self.run);
        if let ScriptFact::Step(number) = fact
            && matches!(script[*number], Step::StartFault { .. })
        {
            self.fault_begins(now);
        }
        let run = &mut self.run;
        match fact {
            ScriptFact::Step(number) => {
                if *number == blueprint.spec.measures.startup_since_step {
                    self.measured_since.get_or_insert(now);
                }
                if let Step::FindReuse { .. } = script[*number] {
                    run.reused_in_first_batch = Some(false);
                }
            }
            ScriptFact::Remembered(_, addresses) => {
                self.remembered.extend(addresses);
                run.remembered = self.remembered.len() as u32;
            }
            ScriptFact::RolloutComplete(_) | ScriptFact::RolloutOverdue(_) => run.rollouts += 1,
            ScriptFact::FoundNone => {
                run.found_at_first_look.get_or_insert(false);
            }
            ScriptFact::Found(..) => {
                run.found_at_first_look.get_or_insert(true);
                run.rollout_hits += u32::from(run.rollouts > 0);
                run.found = Some(now);
            }
            // The first reason counts.
            ScriptFact::TimedOut(step, true) => {
                let missing = script[*step].missing();
                let text = || format!("step {}: {missing} in time", step_name(script, *step));
                run.script_stopped.get_or_insert_with(text);
            }
            ScriptFact::NoReuse(step, restarts) => {
                let name = step_name(script, *step);
                let text = || format!("step {name}: no reused address after {restarts} restarts");
                run.script_stopped.get_or_insert_with(text);
            }
            ScriptFact::Ended if track == 0 => run.script_end = Some(now),
            ScriptFact::Ended
            | ScriptFact::Begins(_)
            | ScriptFact::TimedOut(_, false)
            | ScriptFact::Scaled(..)
            | ScriptFact::Restarted(..)
            | ScriptFact::Deleted(_)
            | ScriptFact::DeletedPods(..)
            | ScriptFact::Marked(..)
            | ScriptFact::Drains(..)
            | ScriptFact::EvictionRefused(_) => {}
        }
    }

    fn access(&mut self, end: &AccessEnd, now: SimTime, metas: &[PodMeta], blueprint: &Blueprint) {
        let cut = self.run.cut;
        let kind = |pod: PodId| blueprint.kind(metas[pod.index()].kind);
        let record = AccessRecord {
            time: end.started,
            after_cut: cut.is_some_and(|cut| end.started >= cut),
            client: end
                .client
                .map_or_else(String::new, |client| blueprint.pod_name(&metas[client.index()])),
            client_workload: blueprint.kind(end.workload).name.clone(),
            server: blueprint.service_name(end.service).to_owned(),
            via: Via::Service,
            client_ip: end.client_ip,
            reused_ip: cut.is_some() && end.client_ip.is_some_and(|ip| self.remembers(ip)),
            reached: end.reached,
            reached_workload: end.server.map(|server| kind(server).name.clone()),
            network_intended: end.network.0,
            network_decided: end.network.1,
            mesh_intended: end.mesh.0,
            mesh_decided: end.mesh.1,
            class: end.class,
            cause: end.cause.to_owned(),
            latency: now.since(end.started),
        };
        self.run.demonstrated |= record.reused_ip && record.reached;
        self.accesses.push(record);
    }

    /// Whether an address is one that the script remembered.
    #[must_use]
    pub fn remembers(&self, ip: Ipv4Addr) -> bool {
        self.remembered.contains(&ip)
    }

    /// What the certificate channel and the configuration channel of a pod's sidecar lost, by cause.
    #[must_use]
    pub fn lost(&self, pod: PodId) -> [&[(DelayCause, SimDuration)]; 2] {
        let channels = self.pods[pod.index()].channels();
        channels.map_or([&[], &[]], |channels| [&channels[0].lost, &channels[1].lost])
    }

    /// Whether a pod of the first batch of a workload got a remembered address.
    #[must_use]
    pub fn reused_in_first_batch(&self, kind: KindId, metas: &[PodMeta]) -> bool {
        self.pods
            .iter()
            .zip(metas)
            .any(|(times, meta)| meta.kind == kind && meta.revision == 1 && times.reused_ip)
    }

    /// The run ends, `now` being its last event: what unfinished channels have lost is known, and what has recovered. `runs` states whether a pod still runs.
    pub fn settle(&mut self, now: SimTime, end: SimTime, runs: impl Fn(PodId) -> bool) {
        self.deploys.settle(end, &mut self.run);
        self.recovery.settle(&mut self.run);
        for (times, pod) in self.pods.iter_mut().zip(0..) {
            if runs(PodId(pod)) {
                times.settle(now);
            }
        }
    }

    /// The records of all pods that started in the run, at its end.
    #[must_use]
    pub fn pod_records(&self, metas: &[PodMeta], blueprint: &Blueprint, end: SimTime) -> Vec<PodRecord> {
        let started = self.pods.iter().zip(metas).filter(|(times, _)| !times.ran_before);
        let records = started.map(|(times, meta)| {
            let kind = blueprint.kind(meta.kind);
            let mut record = times.record(kind, blueprint, &self.silences, end);
            record.pod = blueprint.pod_name(meta);
            record.measured = self.is_measured(times, *meta, kind, blueprint);
            record
        });
        records.collect()
    }

    /// The requests of flows.
    #[must_use]
    pub fn flow_records(&self, blueprint: &Blueprint) -> Vec<FlowRecord> {
        self.flows.records(blueprint)
    }

    fn is_measured(&self, times: &PodTimes, meta: PodMeta, kind: &Kind, blueprint: &Blueprint) -> bool {
        kind.measured
            && self.measured_since.is_some_and(|since| times.desired >= since)
            && (meta.revision == 1 || !blueprint.spec.measures.startup_first_batch)
    }
}

/// Adds a span to what a cause has cost so far.
fn add<D>(delays: &mut D, cause: DelayCause, span: SimDuration)
where
    D: AsMut<[(DelayCause, SimDuration)]> + Extend<(DelayCause, SimDuration)>,
{
    match delays.as_mut().iter_mut().find(|(known, _)| *known == cause) {
        Some((_, total)) => *total += span,
        None => delays.extend([(cause, span)]),
    }
}
