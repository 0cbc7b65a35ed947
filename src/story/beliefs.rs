//! What nodes believed about an address at a moment, and over time: questions about the past, asked after the run.
//!
//! Nothing here was recorded. A path still knows what its reader had seen at any earlier time, and asking is free.

use std::net::Ipv4Addr;

use super::dossier::{Belief, Correction, Entry, Held, Identity, NodeBelief, Revision};
use crate::cluster::cilium::ipcache;
use crate::cluster::context::Shared;
use crate::cluster::history::{Delay, History, Path};
use crate::cluster::ids::{BelievedIdentity, NodeId, PodId, TrueIdentity};
use crate::cluster::links::Party;
use crate::cluster::observed::{Fact, Log};
use crate::kernel::SimTime;

/// The world and what was noted, for questions after the run.
pub(super) struct Past<'a> {
    pub(super) shared: &'a Shared,
    pub(super) story: &'a Log,
    pub(super) end: SimTime,
    /// Who truly held addresses: pod, node, address, from, until.
    holders: Vec<(PodId, NodeId, Ipv4Addr, SimTime, Option<SimTime>)>,
}

impl<'a> Past<'a> {
    pub(super) fn new(shared: &'a Shared, story: &'a Log, end: SimTime) -> Self {
        let mut holders: Vec<(PodId, NodeId, Ipv4Addr, SimTime, Option<SimTime>)> = Vec::new();
        for (time, fact) in story.facts() {
            match fact {
                Fact::Taken { pod, node, ip } => holders.push((*pod, *node, *ip, time, None)),
                Fact::Freed { pod, ip } => {
                    let open = holders
                        .iter_mut()
                        .rev()
                        .find(|held| held.0 == *pod && held.2 == *ip && held.4.is_none());
                    if let Some(held) = open {
                        held.4 = Some(time);
                    }
                }
                _ => {}
            }
        }
        Self {
            shared,
            story,
            end,
            holders,
        }
    }

    pub(super) fn holders(&self, ip: Ipv4Addr) -> impl Iterator<Item = (PodId, NodeId, SimTime, Option<SimTime>)> {
        let of_address = self.holders.iter().filter(move |held| held.2 == ip);
        of_address.map(|(pod, node, _, from, to)| (*pod, *node, *from, *to))
    }

    pub(super) fn holder(&self, ip: Ipv4Addr, time: SimTime) -> Option<PodId> {
        self.holders(ip)
            .filter(|(_, _, from, to)| *from <= time && to.is_none_or(|to| time < to))
            .map(|(pod, ..)| pod)
            .last()
    }

    pub(super) fn place(&self, pod: PodId, time: SimTime) -> Option<(NodeId, Ipv4Addr)> {
        let held = self.holders.iter().filter(|held| held.0 == pod && held.3 <= time);
        held.filter(|held| held.4.is_none_or(|to| time < to))
            .map(|held| (held.1, held.2))
            .next_back()
    }

    pub(super) fn node_name(&self, node: NodeId) -> String {
        self.shared.blueprint.node_name(node)
    }

    /// Namespace and service account of a true identity.
    pub(super) fn account(&self, identity: TrueIdentity) -> String {
        let subject = &self.shared.blueprint.subjects[identity.0 as usize];
        format!("{}/{}", subject.namespace, subject.service_account)
    }

    /// The labels of the pods of a true identity.
    fn labels(&self, identity: TrueIdentity) -> String {
        self.shared.blueprint.subjects[identity.0 as usize].labels.to_string()
    }

    /// A numeric identity with its meaning.
    pub(super) fn identity(&self, number: BelievedIdentity) -> Identity {
        let meaning = self.shared.api.meaning(number);
        Identity {
            number: number.0,
            meaning: meaning.map_or("world".to_owned(), |identity| self.account(identity)),
            labels: meaning.map_or(String::new(), |identity| self.labels(identity)),
        }
    }

    /// The identity of a pod as its own node knows it.
    pub(super) fn own_identity(&self, pod: PodId) -> Identity {
        let identity = self.shared.kind(pod).identity;
        let number = self.shared.api.identity(identity).unwrap_or(BelievedIdentity::WORLD);
        Identity {
            number: number.0,
            meaning: self.account(identity),
            labels: self.labels(identity),
        }
    }

    pub(super) fn entry(&self, entry: ipcache::Entry) -> Entry {
        Entry {
            owner: self.shared.pod_name(entry.endpoint.pod),
            identity: self.identity(entry.endpoint.identity),
            node: self.node_name(entry.endpoint.node),
            revision: entry.revision,
            written: entry.written,
        }
    }

    /// The fault that cut a party's link at a time.
    fn fault_on(&self, wanted: Party, since: SimTime) -> Option<String> {
        self.story.facts().find_map(|(time, fact)| match fact {
            Fact::Cut { fault, parties, .. } if time == since && parties.contains(&wanted) => Some(fault.clone()),
            _ => None,
        })
    }

    /// What a node believed about an address at a time.
    pub(super) fn belief(&self, node: NodeId, ip: Ipv4Addr, at: SimTime) -> Belief {
        let shared = self.shared;
        let endpoints = &shared.api.endpoints;
        let entry = ipcache::entry(shared, node, ip, at);
        let api = ipcache::api_entry(shared, ip, at);
        let read = self.ipcache_of(node).visible_at(at);
        let holder = self.holder(ip, at);
        let revision = |versions: u32| {
            let version = endpoints.get(versions.checked_sub(1)?)?;
            Some(Revision {
                number: version.revision,
                written: version.time,
            })
        };
        Belief {
            at,
            node: self.node_name(node),
            ip,
            holder: holder.map(|pod| shared.pod_name(pod)),
            entry: entry.map(|entry| self.entry(entry)),
            api: api.map(|entry| self.entry(entry)),
            read: revision(read),
            head: revision(endpoints.written_by(at)),
            correction: self.correction(node, ip, at, entry, api),
        }
    }

    fn correction(
        &self,
        node: NodeId,
        ip: Ipv4Addr,
        at: SimTime,
        entry: Option<ipcache::Entry>,
        api: Option<ipcache::Entry>,
    ) -> Correction {
        let Some(holder) = self.holder(ip, at) else {
            return Correction::NoHolder;
        };
        let names = |entry: Option<ipcache::Entry>| entry.is_some_and(|entry| entry.endpoint.pod == holder);
        if names(entry) {
            return Correction::True;
        }
        let reader = self.ipcache_of(node);
        if let Some(since) = reader.path.frozen_at(at) {
            let fault = self.fault_on(Party::Agent(node), since);
            return Correction::Frozen { since, fault };
        }
        let topic = self.shared.blueprint.addresses.topic(ip);
        let versions = self.shared.api.endpoints.iter();
        let published = versions
            .filter(|(_, version)| version.value.is_some_and(|value| value.pod == holder))
            .find(|(_, version)| version.value.is_some_and(|value| self.topic(value.ip) == topic));
        match published {
            Some((index, version)) if names(api) => Correction::UnderWay {
                written: version.time,
                until: reader.seen_at(index.get() as u32, version.time, self.end),
            },
            published => Correction::NotPublished {
                until: published.map(|(_, version)| version.time),
            },
        }
    }

    pub(super) fn topic(&self, ip: Ipv4Addr) -> u32 {
        self.shared.blueprint.addresses.topic(ip)
    }

    pub(super) fn ipcache_of(&self, node: NodeId) -> Reader<'_, crate::cluster::objects::EndpointObject> {
        Reader {
            shared: self.shared,
            path: &self.shared.ipcaches[node.index()],
            history: &self.shared.api.endpoints,
            delay: self.shared.ipcache_delay(),
        }
    }

    /// What a node believed about an address over the whole run.
    pub(super) fn belief_over_time(&self, node: NodeId, ip: Ipv4Addr) -> NodeBelief {
        let reader = self.ipcache_of(node);
        let topic = self.topic(ip);
        let mut times: Vec<SimTime> = reader.path.changes().collect();
        for index in self.shared.api.endpoints.of_topic_since(topic, SimTime::ZERO) {
            let written = self.shared.api.endpoints.version(index).time;
            times.extend(reader.seen_at(index.get() as u32, written, self.end));
        }
        let cut = self.story.facts().any(|(_, fact)| match fact {
            Fact::Cut { parties, .. } => parties.contains(&Party::Agent(node)),
            _ => false,
        });
        NodeBelief {
            node: self.node_name(node),
            cut,
            entries: held(times, |at| {
                ipcache::entry(self.shared, node, ip, at).map(|entry| self.entry(entry))
            }),
        }
    }

    /// What the API server had about an address over the whole run.
    pub(super) fn api_over_time(&self, ip: Ipv4Addr) -> Vec<Held<Option<Entry>>> {
        let endpoints = &self.shared.api.endpoints;
        let written = endpoints.of_topic_since(self.topic(ip), SimTime::ZERO);
        let times = written.map(|index| endpoints.version(index).time).collect();
        held(times, |at| {
            ipcache::api_entry(self.shared, ip, at).map(|entry| self.entry(entry))
        })
    }
}

/// A reader of a history, for questions about the past.
pub(super) struct Reader<'a, V> {
    pub(super) shared: &'a Shared,
    pub(super) path: &'a Path,
    pub(super) history: &'a History<V>,
    pub(super) delay: Delay,
}

impl<V> Reader<'_, V> {
    pub(super) fn visible_at(&self, time: SimTime) -> u32 {
        self.path
            .visible_at(self.history, &self.delay, &self.shared.run_key, time)
    }

    /// When the reader first knew a version, if it ever did by `end`. What a reader knows only grows, so the moment is
    /// found by halving.
    pub(super) fn seen_at(&self, index: u32, written: SimTime, end: SimTime) -> Option<SimTime> {
        if self.visible_at(end) <= index {
            return None;
        }
        let (mut before, mut after) = (written.as_nanos(), end.as_nanos().max(written.as_nanos()));
        while before < after {
            let middle = before + (after - before) / 2;
            if self.visible_at(SimTime::from_nanos(middle)) > index {
                after = middle;
            } else {
                before = middle + 1;
            }
        }
        Some(SimTime::from_nanos(after))
    }
}

/// What holds between the times at which it may change, equal neighbours joined.
pub(super) fn held<T: PartialEq>(mut times: Vec<SimTime>, at: impl Fn(SimTime) -> T) -> Vec<Held<T>> {
    times.push(SimTime::ZERO);
    times.sort_unstable();
    times.dedup();
    let mut spans: Vec<Held<T>> = Vec::new();
    for from in times {
        let what = at(from);
        match spans.last_mut() {
            Some(last) if last.what == what => {}
            last => {
                if let Some(last) = last {
                    last.to = Some(from);
                }
                spans.push(Held { from, to: None, what });
            }
        }
    }
    spans
}
