//! What a component sees: the clock, its random streams, the API, the links, and the wire.
//!
//! A component gets a [`Ctx`] with each event. It writes through [`Ctx::write`], reads through cursors, and notifies others
//! by messages. `physics` is what is so: components touch it through what they do (a sandbox starts, a packet is sent),
//! and only the judge compares it with what was intended.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::api_server::ApiServer;
use super::blueprint::{Blueprint, Kind, SharedBlueprint};
use super::clocks::Clocks;
use super::etcd::Etcd;
use super::event::{Event, Source, Write};
use super::faults::cut::CutMode;
use super::faults::touched::Touched;
use super::faults::triggers::Triggers;
use super::history::History;
use super::ids::{IstiodId, KindId, NodeId, PodId, ReplicaSetId};
use super::istio::certificates::Certificates;
use super::istio::webhook_answers::WebhookAnswers;
use super::leaders::Controllers;
use super::links::Links;
use super::objects::{Backends, PodMeta, SetMeta};
use super::observed::{Fact, Log, Message, PodFact};
use super::party::Party;
use super::paths::Paths;
use super::physics::Physics;
use super::power::NodesDown;
use super::process_states::Processes;
use super::purpose::Purpose;
use super::readers::Readers;
use super::recorder::Recorder;
use super::watch_cache::WatchCaches;
use super::watchlist::Watchlist;
use crate::kernel::{Distribution, EntityKey, EventClass, Kernel, RunKey, SimDuration, SimTime, Stream, Timer};

/// Everything that components share.
pub struct Shared {
    /// What all runs of the design share.
    pub blueprint: SharedBlueprint,
    /// The key of the run's random numbers.
    pub run_key: RunKey,
    /// The API server.
    pub api: ApiServer,
    /// Links to it.
    pub links: Links,
    /// Paths between nodes.
    pub paths: Paths,
    /// Whether the API servers can write.
    pub etcd: Etcd,
    /// Nodes whose renewal waits for a seat, since when.
    pub late_leases: BTreeMap<NodeId, SimTime>,
    /// How far their watch caches are behind.
    pub caches: WatchCaches,
    /// Nodes without power.
    pub nodes_down: NodesDown,
    /// Whom faults touch.
    pub touched: Touched,
    /// Processes that faults touch.
    pub processes: Processes,
    /// Clocks that faults set off.
    pub clocks: Clocks,
    /// Injection webhooks that faults disturb.
    pub webhooks: WebhookAnswers,
    /// The certificates of sidecars.
    pub certificates: Certificates,
    /// What starts or ends faults because it happens.
    pub triggers: Triggers,
    /// Which controllers lead.
    pub controllers: Controllers,
    /// What is so.
    pub physics: Physics,
    /// What the run leaves behind.
    pub recorder: Recorder,
    /// What components wait for or watch.
    pub watchlist: Watchlist,
    /// Pods that were ever desired.
    pub pods: Vec<PodMeta>,
    /// What each Istiod has pushed: the backends of each Service, republished from EndpointSlices.
    pub snapshots: Vec<History<Backends>>,
    /// Who has read how much of which history.
    pub readers: Readers,
    /// ReplicaSets that were ever made.
    pub sets: Vec<SetMeta>,
    /// Calls of the component at work to others, which are made as soon as it is done.
    pub calls: Vec<Event>,
    /// What is noted, if the run's story is recorded.
    pub log: Option<Box<Log>>,
}

impl Shared {
    /// A pod's kind.
    #[must_use]
    pub fn kind(&self, pod: PodId) -> &Kind {
        self.blueprint.kind(self.pods[pod.index()].kind)
    }

    /// A pod's key for random streams.
    #[must_use]
    pub fn key(&self, pod: PodId) -> EntityKey {
        self.pods[pod.index()].key
    }

    /// A pod's name: workload, revision and ordinal.
    #[must_use]
    pub fn pod_name(&self, pod: PodId) -> String {
        self.blueprint.pod_name(&self.pods[pod.index()])
    }

    /// The pod of an Istiod.
    #[must_use]
    pub fn istiod_pod(&self, istiod: IstiodId) -> Option<PodId> {
        let kind = self.blueprint.istiod?;
        let of = |meta: &PodMeta| meta.kind == kind && meta.ordinal == istiod.0;
        let place = self.pods.iter().position(of)?;
        Some(PodId(place as u32))
    }

    /// Adds an empty ReplicaSet.
    pub fn add_set(&mut self, kind: KindId, revision: u32) -> ReplicaSetId {
        self.sets.push(SetMeta {
            kind,
            revision,
            members: Vec::new(),
        });
        ReplicaSetId(self.sets.len() as u32 - 1)
    }

    /// Ready pods of a ReplicaSet, as known by the first `seen` versions of pods.
    #[must_use]
    pub fn available(&self, set: ReplicaSetId, seen: u32) -> u32 {
        let pods = &self.api.pods;
        let known = |pod: &PodId| pods.at(pod.0, seen).and_then(|version| version.value.as_ref());
        let known = self.sets[set.index()].members.iter().filter_map(known);
        known.filter(|object| object.ready && !object.deleting).count() as u32
    }
}

/// A component's view of the world while it handles one event.
pub struct Ctx<'a> {
    /// The schedule.
    pub kernel: &'a mut Kernel<Event>,
    /// What components share.
    pub shared: &'a mut Shared,
}

impl Ctx<'_> {
    /// The present.
    #[must_use]
    pub fn now(&self) -> SimTime {
        self.kernel.now()
    }

    /// The blueprint of the design.
    #[must_use]
    pub fn blueprint(&self) -> &Blueprint {
        &self.shared.blueprint
    }

    /// Opens a random stream.
    #[must_use]
    pub fn stream(&self, purpose: Purpose, entity: EntityKey) -> Stream {
        self.shared.run_key.stream(purpose, entity)
    }

    /// Draws one duration of a pod.
    #[must_use]
    pub fn draw(&self, purpose: Purpose, entity: EntityKey, distribution: &Distribution) -> SimDuration {
        self.stream(purpose, entity).duration(distribution)
    }

    /// Schedules an event after a span.
    pub fn after(&mut self, source: Source, class: EventClass, span: SimDuration, event: Event) -> Timer {
        let at = self.now() + span;
        self.kernel.schedule(source.rank(), class, at, event)
    }

    /// Schedules an event at a time.
    pub fn at(&mut self, source: Source, class: EventClass, at: SimTime, event: Event) -> Timer {
        self.kernel.schedule(source.rank(), class, at, event)
    }

    /// Calls another component: it handles the event at once, as soon as the present one is handled. A call is no event of
    /// the schedule and not in the fingerprint.
    pub fn call(&mut self, event: Event) {
        self.shared.calls.push(event);
    }

    /// Whether a write of a party takes effect if it is sent now. Where only answers are lost it does on a connection that
    /// still stands, if the sender needs no answer before it.
    fn takes_effect(&self, party: Party, write: &Write) -> bool {
        match self.shared.links.cut_of(party) {
            None => true,
            Some(cut) if cut.mode == CutMode::RepliesOnly && write.needs_no_answer_before() => {
                self.now() < self.closes(party, cut)
            }
            Some(_) => false,
        }
    }

    /// Sends a write to the API server. It takes effect after a latency if the party's requests pass; returns whether they do.
    /// `entity` addresses the latency.
    pub fn write(&mut self, source: Source, party: Option<Party>, entity: EntityKey, write: Write) -> bool {
        self.write_after(source, party, entity, SimDuration::ZERO, write)
    }

    /// As [`Ctx::write`], after a wait of the sender.
    pub fn write_after(
        &mut self,
        source: Source,
        party: Option<Party>,
        entity: EntityKey,
        wait: SimDuration,
        write: Write,
    ) -> bool {
        if party.is_some_and(|party| !self.takes_effect(party, &write)) {
            return false;
        }
        let distribution = self.blueprint().spec.kubernetes.api_write_latency;
        let latency = self.draw(Purpose::ApiWrite, entity, &distribution);
        let latency = self.slowed_by_server(party, latency);
        let sent = self.now() + wait;
        self.message(source, Source::ApiServer, sent, sent + latency, || write.words());
        self.after(source, EventClass::Commit, wait + latency, Event::Commit(write));
        true
    }

    /// As [`Ctx::write_after`], but never before an earlier write of the same sender about the same thing: `latest` is when that
    /// one is ordered.
    pub fn write_in_order(
        &mut self,
        source: Source,
        party: Option<Party>,
        entity: EntityKey,
        wait: SimDuration,
        latest: &mut SimTime,
        write: Write,
    ) -> bool {
        if party.is_some_and(|party| !self.takes_effect(party, &write)) {
            return false;
        }
        let distribution = self.blueprint().spec.kubernetes.api_write_latency;
        let sent = self.now() + wait;
        let latency = self.draw(Purpose::ApiWrite, entity, &distribution);
        *latest = (sent + self.slowed_by_server(party, latency)).max(*latest);
        self.message(source, Source::ApiServer, sent, *latest, || write.words());
        self.at(source, EventClass::Commit, *latest, Event::Commit(write));
        true
    }

    /// Records what happened: in the recorder, and in the log if the story is recorded.
    #[inline]
    pub fn observe(&mut self, fact: Fact) {
        let now = self.now();
        let shared = &mut *self.shared;
        shared.recorder.observe(&fact, now, &shared.pods, &shared.blueprint);
        self.triggers(&fact);
        self.judge_notices(&fact);
        let shared = &mut *self.shared;
        if let Some(log) = &mut shared.log {
            log.observe(now, fact);
        }
    }

    /// As [`Ctx::observe`], about a pod.
    #[inline]
    pub fn observe_pod(&mut self, pod: PodId, fact: PodFact) {
        self.observe(Fact::Pod(pod, fact));
    }

    /// As [`Ctx::observe`], for facts that only a story needs and that cost something to make: without a story nothing is made.
    pub fn observe_for_story(&mut self, fact: impl FnOnce(&Shared) -> Fact) {
        if self.shared.log.is_some() {
            self.observe(fact(self.shared));
        }
    }

    /// A message was sent; `what` is how it is called and the pod that it is about.
    pub fn message(
        &mut self,
        from: Source,
        to: Source,
        sent: SimTime,
        arrives: SimTime,
        what: impl FnOnce() -> (&'static str, Option<PodId>),
    ) {
        self.observe_for_story(|_| {
            let (what, about) = what();
            Fact::Sent(Message {
                from,
                to,
                sent,
                arrives,
                what,
                about,
            })
        });
    }

    /// Adds a pod that was just desired.
    pub fn add_pod(&mut self, meta: PodMeta) -> PodId {
        let pod = PodId(u32::try_from(self.shared.pods.len()).expect("more than 2^32 pods"));
        self.shared.pods.push(meta);
        self.shared.physics.add_pod();
        self.observe_pod(pod, PodFact::Desired);
        pod
    }

    /// The Istiod that runs in a pod.
    #[must_use]
    pub fn istiod_in(&self, pod: PodId) -> IstiodId {
        IstiodId(self.shared.pods[pod.index()].ordinal)
    }

    /// The pod that holds an address now, if any.
    #[must_use]
    pub fn holder(&self, ip: Ipv4Addr) -> Option<PodId> {
        self.shared.physics.holder(ip)
    }
}
