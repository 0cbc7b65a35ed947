//! Times of one pod's start, and the record that they become.

use std::net::Ipv4Addr;

use smallvec::SmallVec;

use super::super::blueprint::{Blueprint, Kind, Role};
use super::super::ids::NodeId;
use super::super::istio::messages::{Answer, Channel};
use super::super::observed::{ChannelFact, PodFact};
use super::super::phases::{Mark, Marks, Phases};
use super::super::records::{DelayCause, ExitCause, PodRecord};
use super::add;
use super::channel_history::ChannelHistory;
use super::silences::Silences;
use crate::kernel::{SimDuration, SimTime};

/// Times and facts of one pod.
#[derive(Debug, Default)]
pub(super) struct PodTimes {
    /// When it was created.
    pub(super) desired: SimTime,
    marks: Marks,
    certificate: Option<SimTime>,
    configuration: Option<SimTime>,
    address: Option<SimTime>,
    running: Option<SimTime>,
    ready: Option<SimTime>,
    removed: Option<SimTime>,
    /// Its ReplicaSet was refused a creation.
    refused: bool,
    /// How often its own creation was refused.
    pub(super) refusals: u32,
    /// It is desired and not Ready.
    pub(super) waits: bool,
    /// It ran when the run began: its start is no part of the run.
    pub(super) ran_before: bool,
    proxy_live: bool,
    node: Option<NodeId>,
    ip: Option<Ipv4Addr>,
    /// Its address is one that the script remembered.
    pub(super) reused_ip: bool,
    delays: SmallVec<[(DelayCause, SimDuration); 1]>,
    /// Certificate and configuration channel, until the proxy is live.
    channels: Option<Box<[ChannelHistory; 2]>>,
}

impl PodTimes {
    pub(super) fn desired(now: SimTime) -> Self {
        let mut times = Self {
            desired: now,
            waits: true,
            ..Self::default()
        };
        times.marks.set(Mark::Desired, Some(now));
        times
    }

    /// Takes in what happened to the pod.
    #[inline]
    pub(super) fn observe(&mut self, fact: &PodFact, now: SimTime) {
        // What comes after it was ready is another start, after a boot of its node.
        let again = self.ready.is_some();
        match *fact {
            PodFact::NetworkCalled(_)
            | PodFact::NetworkReady
            | PodFact::ContainersUp
            | PodFact::EndpointAdmitted(_)
            | PodFact::EndpointRefused(_)
            | PodFact::NetworkFailed(..)
            | PodFact::KubeletLimit { .. }
                if again => {}
            PodFact::RanBefore(node, ip) => {
                (self.node, self.ip, self.ready) = (Some(node), Some(ip), Some(now));
                (self.ran_before, self.proxy_live, self.waits) = (true, true, false);
            }
            PodFact::Created => {
                self.marks.set(Mark::Created, Some(now));
                if self.refused {
                    add(&mut self.delays, DelayCause::Webhook, now.since(self.desired));
                }
            }
            PodFact::WaitsForWebhook => self.refused = true,
            PodFact::CreationRefused { .. } => self.refusals += 1,
            PodFact::Updated(old, new) => {
                self.waits = !new.ready && !new.deleting;
                if old.node.is_none() && new.node.is_some() {
                    self.marks.set(Mark::Bound, Some(now));
                    self.node = new.node;
                }
                let firsts = [
                    (old.ip.is_none() && new.ip.is_some(), &mut self.address),
                    (!old.running && new.running, &mut self.running),
                    (!old.ready && new.ready, &mut self.ready),
                    (!old.deleting && new.deleting, &mut self.removed),
                ];
                for (happens, first) in firsts {
                    if happens {
                        first.get_or_insert(now);
                    }
                }
            }
            PodFact::Removed | PodFact::Dropped => {
                self.waits = false;
                self.removed.get_or_insert(now);
            }
            PodFact::NetworkCalled(_) => {
                self.marks.set(Mark::NetworkCalled, Some(now));
                (self.certificate, self.configuration, self.proxy_live) = (None, None, false);
            }
            PodFact::Taken(_, ip) => self.ip = Some(ip),
            PodFact::NetworkReady => self.marks.set(Mark::NetworkReady, Some(now)),
            PodFact::ContainersUp => self.marks.set(Mark::ContainersUp, Some(now)),
            PodFact::ProxyLive => self.proxy_live = true,
            PodFact::EndpointAdmitted(wait) | PodFact::EndpointRefused(wait) | PodFact::NetworkFailed(wait, true) => {
                add(&mut self.delays, DelayCause::EndpointLimiter, wait);
            }
            PodFact::KubeletLimit { lost, .. } => add(&mut self.delays, DelayCause::KubeletApi, lost),
            PodFact::Desired
            | PodFact::NoNode(_)
            | PodFact::Preempted(..)
            | PodFact::Bound(_)
            | PodFact::NoAddress
            | PodFact::Freed(_)
            | PodFact::NoIdentity
            | PodFact::IdentityTimedOut
            | PodFact::AgentNotReached
            | PodFact::NetworkFailed(..)
            | PodFact::Pulls(_)
            | PodFact::RunEnds(_)
            | PodFact::StartsAgain(_)
            | PodFact::Stopped => {}
            PodFact::Finished(_) => {
                self.waits = false;
                self.removed.get_or_insert(now);
            }
        }
    }

    /// Takes in what happened on a channel of its sidecar; what comes after the proxy is live is no part of the start.
    pub(super) fn observe_channel(&mut self, channel: Channel, fact: &ChannelFact, now: SimTime) {
        if self.proxy_live {
            return;
        }
        if let ChannelFact::Answered(Answer::Ok) = fact {
            let got = match channel {
                Channel::Certificate => &mut self.certificate,
                Channel::Configuration => &mut self.configuration,
            };
            got.get_or_insert(now);
        }
        self.channels.get_or_insert_default()[channel as usize].observe(fact, now);
    }

    /// Certificate and configuration channel of its sidecar, if it had one.
    pub(super) fn channels(&self) -> Option<&[ChannelHistory; 2]> {
        self.channels.as_deref()
    }

    /// The run ends while the pod still runs: what its channels have lost so far counts.
    pub(super) fn settle(&mut self, now: SimTime) {
        if !self.proxy_live {
            self.channels
                .iter_mut()
                .flat_map(|channels| channels.iter_mut())
                .for_each(|channel| channel.attempt(now));
        }
    }

    /// For how long its node could not connect it, or not report that it was ready, apart from waits that have causes of their own.
    fn silent(&self, silences: &Silences, marks: &Marks, exit: SimTime) -> SimDuration {
        let (Some(node), Some(bound)) = (self.node, marks.get(Mark::Bound)) else {
            return SimDuration::ZERO;
        };
        let spans = [
            (Some(bound), marks.get(Mark::NetworkReady)),
            (marks.get(Mark::Up), marks.get(Mark::Ready)),
        ];
        let lost = spans.into_iter().filter_map(|(from, to)| {
            let (from, to) = (from?, to.unwrap_or(exit).min(exit));
            (from < to).then(|| silences.within(node, from, to))
        });
        let of_others = self.delays.iter().fold(SimDuration::ZERO, |sum, (_, lost)| sum + *lost);
        lost.fold(SimDuration::ZERO, |sum, lost| sum + lost)
            .saturating_sub(of_others)
    }

    /// The pod's record at the end of the run, but for its name and whether it is measured.
    pub(super) fn record(&self, kind: &Kind, blueprint: &Blueprint, silences: &Silences, end: SimTime) -> PodRecord {
        // A report that was under way when the pod was deleted does not make it ready.
        let ready = self
            .ready
            .filter(|ready| self.removed.is_none_or(|removed| *ready <= removed));
        let (exit_cause, exit) = match (ready, self.removed) {
            (Some(ready), _) => (ExitCause::Ready, ready),
            (None, Some(removed)) => (ExitCause::Deleted, removed),
            (None, None) => (ExitCause::Censored, end),
        };
        let (containers_up, sidecar) = (self.marks.get(Mark::ContainersUp), kind.has_sidecar());
        let channels = self.certificate.and_then(|at| Some(at.max(self.configuration?)));
        let certificate_last = self.certificate.is_none() || self.certificate >= self.configuration;
        let mut marks = self.marks;
        marks.set(Mark::Channels, channels);
        // The channel that came first took no time of the start, but is over only with the other.
        let first = channels.filter(|end| *end <= exit).and(containers_up);
        marks.set(Mark::Certificate, if certificate_last { channels } else { first });
        marks.set(Mark::Up, if sidecar { channels } else { containers_up });
        marks.set(Mark::Ready, ready);
        let silent = self.silent(silences, &marks, exit);
        let mut record = PodRecord {
            workload: if kind.role == Role::Churn {
                "churn".to_owned()
            } else {
                kind.name.clone()
            },
            node: self.node.map(|node| blueprint.node_name(node)),
            ip: self.ip,
            reused_ip: self.reused_ip,
            desired: self.desired,
            address: self.address.filter(|address| *address <= exit),
            running: self.running.filter(|running| *running <= exit),
            ready,
            exit_cause,
            exit,
            phases: Phases::between(&marks, sidecar, exit),
            delays: self.delays.to_vec(),
            ..PodRecord::default()
        };
        if let Some(channels) = &self.channels {
            let [certificate, configuration] = &**channels;
            record.certificate_landings = certificate.replicas_text();
            record.certificate_landings_bad = certificate.failed();
            record.configuration_landings = configuration.replicas_text();
            record.configuration_landings_bad = configuration.failed();
            // Only the channel that came last delayed the pod.
            let critical = if certificate_last { certificate } else { configuration };
            for &(cause, lost) in &critical.lost {
                add(&mut record.delays, cause, lost);
            }
        }
        if silent.as_nanos() > 0 {
            add(&mut record.delays, DelayCause::Node, silent);
        }
        // A pod that no webhook admitted has waited for one all the time.
        if self.refused && self.marks.get(Mark::Created).is_none() {
            add(&mut record.delays, DelayCause::Webhook, exit.since(self.desired));
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
}
