//! What a component sees: the clock, its random streams, the API, the links, and the wire.
//!
//! A component gets a [`Ctx`] with each event. It writes through [`Ctx::write`], reads through paths, and tells others
//! by messages. `physics` is what is so: components touch it through what they do (a sandbox starts, a packet is sent),
//! and only the judge compares it with what was intended.

use std::net::Ipv4Addr;

use super::api_server::ApiServer;
use super::blueprint::{Blueprint, Kind, SharedBlueprint};
use super::event::{Event, Source, Write};
use super::history::{Crossing, Delay, Pace, Path, Republished, VersionIndex};
use super::ids::{BelievedIdentity, IstiodId, KindId, NodeId, PodId, ReplicaSetId, ServiceId, TrueIdentity};
use super::links::{Links, Party};
use super::objects::{Backends, PodMeta, SetMeta};
use super::observed::{Fact, Log, Message, PodFact};
use super::physics::Physics;
use super::purpose::Purpose;
use super::recorder::Recorder;
use super::spec::CutMode;
use super::watchlist::Watchlist;
use crate::kernel::{EntityKey, EventClass, Kernel, Law, RunKey, SimDuration, SimTime, Stream, Timer};

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
    /// What is so.
    pub physics: Physics,
    /// What the run leaves behind.
    pub recorder: Recorder,
    /// What somebody waits for or looks at.
    pub watchlist: Watchlist,
    /// Pods that were ever wished for.
    pub pods: Vec<PodMeta>,
    /// What each Istiod has pushed: the back ends of each Service, republished from EndpointSlices.
    pub snapshots: Vec<Republished<Backends>>,
    /// How each node's service proxy reads EndpointSlices.
    pub service_proxies: Vec<Path>,
    /// How each node's Cilium agent reads CiliumEndpoints.
    pub ipcaches: Vec<Path>,
    /// How each node's Cilium agent reads CiliumIdentities.
    pub identities: Vec<Path>,
    /// ReplicaSets that were ever made.
    pub sets: Vec<SetMeta>,
    /// Which Istiod each pod's proxy follows, or followed last, and how it reads that one's snapshots.
    pub proxies: Vec<Option<(IstiodId, Path)>>,
    /// Calls of the component at work to others, which are made as soon as it is done.
    pub calls: Vec<Event>,
    /// What is noted, if somebody asked for the run's story.
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

    /// How node proxies read EndpointSlices.
    #[must_use]
    pub fn service_proxy_delay(&self) -> Delay {
        let params = &self.blueprint.spec.kubernetes;
        Delay {
            purpose: Purpose::ServiceProxyDelay,
            law: params.watch_latency,
            then: Some(params.service_proxy_sync_latency),
            batch_period: params.watch_batch_period,
            pace: Some(Pace {
                interval: params.service_proxy_sync_interval,
                burst: params.service_proxy_sync_burst,
            }),
        }
    }

    /// How agents read CiliumEndpoints.
    #[must_use]
    pub fn ipcache_delay(&self) -> Delay {
        Delay {
            purpose: Purpose::IpcacheDelay,
            law: self.blueprint.spec.cilium.ipcache_latency,
            then: None,
            batch_period: self.blueprint.spec.cilium.ipcache_batch_period,
            pace: None,
        }
    }

    /// How agents read CiliumIdentities, up to the policy maps.
    #[must_use]
    pub fn identity_delay(&self) -> Delay {
        Delay {
            purpose: Purpose::IdentityDelay,
            law: self.blueprint.spec.cilium.identity_watch_latency,
            then: None,
            batch_period: self.blueprint.spec.kubernetes.watch_batch_period,
            pace: None,
        }
    }

    /// How informers read the API.
    #[must_use]
    pub fn watch_delay(&self) -> Delay {
        let params = &self.blueprint.spec.kubernetes;
        Delay {
            purpose: Purpose::WatchDelay,
            law: params.watch_latency,
            then: None,
            batch_period: params.watch_batch_period,
            pace: None,
        }
    }

    /// How proxies read their Istiod's snapshots.
    #[must_use]
    pub fn push_delay(&self) -> Delay {
        let params = &self.blueprint.istio().params;
        Delay {
            purpose: Purpose::PushDelay,
            law: params.push_latency,
            then: None,
            batch_period: SimDuration::from_nanos(1),
            pace: None,
        }
    }

    /// The number under which the agent of a node knows an identity from the API at a time.
    #[must_use]
    pub fn identity_read(&self, node: NodeId, identity: TrueIdentity, time: SimTime) -> Option<BelievedIdentity> {
        let (place, object) = self.api.created_identity(identity)?;
        (place < self.identities_seen(node, time)).then_some(object.number)
    }

    /// What the agent of a node takes a number for at a time; nothing if it has not read of it.
    #[must_use]
    pub fn meaning_at(&self, node: NodeId, number: BelievedIdentity, time: SimTime) -> Option<TrueIdentity> {
        let (place, object) = self.api.numbered_identity(number)?;
        (place < self.identities_seen(node, time)).then_some(object.stands_for)
    }

    fn identities_seen(&self, node: NodeId, time: SimTime) -> u32 {
        let path = &self.identities[node.index()];
        path.visible_at(&self.api.identities, &self.identity_delay(), &self.run_key, time)
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

    /// The backends that a node's service proxy sends connections to at a time.
    #[must_use]
    pub fn backends_at(&self, node: NodeId, service: ServiceId, time: SimTime) -> Option<Backends> {
        let slices = &self.api.slices;
        let path = &self.service_proxies[node.index()];
        let visible = path.visible_at(slices, &self.service_proxy_delay(), &self.run_key, time);
        slices.at(service.0, visible)?.value.clone()
    }

    /// The backends of a Service that a pod's proxy sends to at a time.
    #[must_use]
    pub fn proxy_backends(&self, pod: PodId, service: ServiceId, time: SimTime) -> Option<Backends> {
        let (istiod, path) = self.proxies.get(pod.index())?.as_ref()?;
        let snapshots = self.snapshots[istiod.index()].output();
        let visible = path.visible_at(snapshots, &self.push_delay(), &self.run_key, time);
        snapshots.at(service.0, visible)?.value.clone()
    }

    /// The Istiod that a pod's proxy follows or followed last.
    #[must_use]
    pub fn followed_by(&self, pod: PodId) -> Option<IstiodId> {
        let (istiod, _) = self.proxies.get(pod.index())?.as_ref()?;
        Some(*istiod)
    }

    /// When a pod's proxy reads a snapshot of an Istiod, if it follows that one.
    #[must_use]
    pub fn proxy_crossing(&self, pod: PodId, istiod: IstiodId, index: VersionIndex) -> Option<Crossing> {
        let (own, path) = self.proxies.get(pod.index())?.as_ref()?;
        let snapshots = self.snapshots[istiod.index()].output();
        (*own == istiod).then(|| path.crossing(snapshots, &self.push_delay(), &self.run_key, index))
    }

    /// When a pod's proxy reads the snapshots of its Istiod that may still be on their way at a time.
    #[must_use]
    pub fn proxy_crossings_since(&self, pod: PodId, time: SimTime) -> Vec<Crossing> {
        let Some(istiod) = self.followed_by(pod) else {
            return Vec::new();
        };
        let since = time.saturating_sub(self.push_delay().bound());
        let snapshots = self.snapshots[istiod.index()].output();
        let late = (0..snapshots.keys()).flat_map(|service| {
            snapshots
                .of_key(service)
                .take_while(|&index| snapshots.version(index).time >= since)
        });
        late.filter_map(|index| self.proxy_crossing(pod, istiod, index))
            .collect()
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
    pub fn draw(&self, purpose: Purpose, entity: EntityKey, law: &Law) -> SimDuration {
        self.stream(purpose, entity).duration(law)
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
                let params = &self.blueprint().spec.cilium;
                let key = party.key(self.blueprint()).child(cut.since.as_nanos());
                let age = self.draw(Purpose::ClientFrameAge, key, &params.api_last_frame_age);
                let silence = params.api_read_idle_timeout + params.api_ping_timeout;
                self.now() < cut.since + silence.saturating_sub(age)
            }
            Some(_) => false,
        }
    }

    /// Sends a write to the API server. It takes effect after a latency if the party's requests pass; says whether they do.
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
        let law = self.blueprint().spec.kubernetes.api_write_latency;
        let latency = self.draw(Purpose::ApiWrite, entity, &law);
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
        let law = self.blueprint().spec.kubernetes.api_write_latency;
        let sent = self.now() + wait;
        *latest = (sent + self.draw(Purpose::ApiWrite, entity, &law)).max(*latest);
        self.message(source, Source::ApiServer, sent, *latest, || write.words());
        self.at(source, EventClass::Commit, *latest, Event::Commit(write));
        true
    }

    /// Says what happened: the recorder hears of it, and the log if somebody asked for the story.
    #[inline]
    pub fn observe(&mut self, fact: Fact) {
        let now = self.now();
        let shared = &mut *self.shared;
        shared.recorder.observe(&fact, now, &shared.pods, &shared.blueprint);
        if let Some(log) = &mut shared.log {
            log.observe(now, fact);
        }
    }

    /// As [`Ctx::observe`], about a pod.
    #[inline]
    pub fn observe_pod(&mut self, pod: PodId, fact: PodFact) {
        self.observe(Fact::Pod(pod, fact));
    }

    /// As [`Ctx::observe`], of what only a story needs and costs something to say: nothing is made if nobody asked for one.
    pub fn observe_if_told(&mut self, fact: impl FnOnce(&Shared) -> Fact) {
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
        self.observe_if_told(|_| {
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

    /// Adds a pod that was just wished for.
    pub fn wish(&mut self, meta: PodMeta) -> PodId {
        let pod = PodId(u32::try_from(self.shared.pods.len()).expect("more than 2^32 pods"));
        self.shared.pods.push(meta);
        self.shared.physics.add_pod();
        self.observe_pod(pod, PodFact::Wished);
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
