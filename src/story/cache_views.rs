//! What nodes believed about an address at a moment, and over time: questions about the past, asked after the run.
//!
//! Nothing here was recorded. A cursor still knows what its reader had seen at any earlier time, and asking is free.

use std::net::Ipv4Addr;

use super::dossier::{Belief, Correction, Entry, Held, Identity, NodeBelief, Revision};
use crate::cluster::cilium::ipcache;
use crate::cluster::context::Shared;
use crate::cluster::faults::FaultSpec;
use crate::cluster::history::{VersionIndex, View};
use crate::cluster::ids::{BelievedIdentity, FaultId, NodeId, PodId, TrueIdentity};
use crate::cluster::observed::{Fact, Log, PodFact};
use crate::cluster::party::Party;
use crate::cluster::spec::{ProbeSpec, Step};
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
                Fact::Pod(pod, PodFact::Taken(node, ip)) => holders.push((*pod, *node, *ip, time, None)),
                Fact::Pod(pod, PodFact::Freed(ip)) => {
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

    /// Parties of a fault, by name.
    pub(super) fn parties(&self, parties: &[Party]) -> String {
        let blueprint = &self.shared.blueprint;
        let names: Vec<String> = parties
            .iter()
            .map(|party| blueprint.named(*party).to_string())
            .collect();
        match names.is_empty() {
            true => "nothing".to_owned(),
            false => names.join(", "),
        }
    }

    /// A fault of the design.
    pub(super) fn fault(&self, fault: FaultId) -> &'a FaultSpec {
        &self.shared.blueprint.spec.faults[fault.index()]
    }

    /// The request that a step of the script sends.
    pub(super) fn probe(&self, step: u32) -> &'a ProbeSpec {
        match &self.shared.blueprint.spec.script[step as usize] {
            Step::Probe(probe) => probe,
            other => unreachable!("{other:?} sends no request"),
        }
    }

    /// Who was kept from hearing of changes, when and by which fault.
    pub(super) fn cut_off(&self) -> impl Iterator<Item = (SimTime, FaultId, Party)> {
        self.story.facts().flat_map(|(time, fact)| {
            let (fault, parties) = match fact {
                Fact::FaultBegins { fault, parties, .. } if self.fault(*fault).kind.withholds_changes() => {
                    (*fault, parties.as_slice())
                }
                _ => (FaultId(0), [].as_slice()),
            };
            parties.iter().map(move |party| (time, fault, *party))
        })
    }

    /// The nodes whose agents were kept from hearing of changes, each once, the first one first.
    pub(super) fn nodes_without_api(&self) -> Vec<NodeId> {
        let mut nodes = Vec::new();
        for (_, _, party) in self.cut_off() {
            if let Party::Agent(node) = party
                && !nodes.contains(&node)
            {
                nodes.push(node);
            }
        }
        nodes
    }

    /// The fault that kept a party from hearing of changes since a time.
    fn fault_on(&self, wanted: Party, since: SimTime) -> Option<&'a FaultSpec> {
        let mut cut_off = self.cut_off();
        let found = cut_off.find(|(time, _, party)| (*time, *party) == (since, wanted));
        found.map(|(_, fault, _)| self.fault(fault))
    }

    /// What a node believed about an address at a time.
    pub(super) fn belief(&self, node: NodeId, ip: Ipv4Addr, at: SimTime) -> Belief {
        let shared = self.shared;
        let endpoints = &shared.api.endpoints;
        let entry = ipcache::entry(shared, node, ip, at);
        let api = ipcache::api_entry(shared, ip, at);
        let read = shared.ipcache_of(node).seen_at(at);
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
        let reader = self.shared.ipcache_of(node);
        if let Some(since) = reader.cursor.frozen_at(at) {
            let fault = self.fault_on(Party::Agent(node), since);
            return Correction::Frozen {
                since,
                cut_off: fault.is_none_or(|fault| fault.kind.cuts_off()),
                fault: fault.map(|fault| fault.name.clone()),
            };
        }
        let topic = self.shared.blueprint.addresses.topic(ip);
        let versions = self.shared.api.endpoints.iter();
        let published = versions
            .filter(|(_, version)| version.value.is_some_and(|value| value.pod == holder))
            .find(|(_, version)| version.value.is_some_and(|value| self.topic(value.ip) == topic));
        match published {
            Some((index, version)) if names(api) => Correction::UnderWay {
                written: version.time,
                until: self.seen(&reader, index),
            },
            published => Correction::NotPublished {
                until: published.map(|(_, version)| version.time),
            },
        }
    }

    pub(super) fn topic(&self, ip: Ipv4Addr) -> u32 {
        self.shared.blueprint.addresses.topic(ip)
    }

    /// When a reader first knew a version, if it ever did.
    pub(super) fn seen<V>(&self, reader: &View<V>, index: VersionIndex) -> Option<SimTime> {
        reader.first_seen(index).filter(|time| *time <= self.end)
    }

    /// What a node believed about an address over the whole run.
    pub(super) fn belief_over_time(&self, node: NodeId, ip: Ipv4Addr) -> NodeBelief {
        let reader = self.shared.ipcache_of(node);
        let topic = self.topic(ip);
        let mut times: Vec<SimTime> = reader.cursor.changes().collect();
        for index in reader.history.of_topic(topic) {
            times.extend(self.seen(&reader, index));
        }
        let cut = self.nodes_without_api().contains(&node);
        let mut withheld = self.cut_off().filter(|(_, _, party)| *party == Party::Agent(node));
        let behind = cut && withheld.all(|(_, fault, _)| !self.fault(fault).kind.cuts_off());
        NodeBelief {
            node: self.node_name(node),
            cut,
            how: if behind { "behind" } else { "cut off" },
            entries: held(times, |at| {
                ipcache::entry(self.shared, node, ip, at).map(|entry| self.entry(entry))
            }),
        }
    }

    /// What the API server had about an address over the whole run.
    pub(super) fn api_over_time(&self, ip: Ipv4Addr) -> Vec<Held<Option<Entry>>> {
        let endpoints = &self.shared.api.endpoints;
        let written = endpoints.of_topic(self.topic(ip));
        let times = written.map(|index| endpoints.version(index).time).collect();
        held(times, |at| {
            ipcache::api_entry(self.shared, ip, at).map(|entry| self.entry(entry))
        })
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
