//! Connections of a sidecar to an Istiod: the choice of the replica, the SYN and its retransmissions, the replica reached, losses.
//!
//! **Modeled**: queries to CoreDNS before it, if the design has CoreDNS, each to a replica chosen anew, with their time limit; a new
//! backend for each connection, chosen by the client node's service proxy; each SYN judged by the
//! datapath at the moment it is sent; cuts between sidecars and an Istiod, and loss and delay of packets; the time limit of the connect; a maximum age of the
//! connection.
//! **Left out**: TLS handshakes, policies on queries, rejected queries, which wait like lost ones.
//! **Parameters**: `connect_timeout`, `syn_retransmit_initial`, `connection_age*`, `dns_*`. What a channel does next belongs to
//! `certificate_channel` and `configuration_channel`.
//! **Validated by**: `tests/world/istiod_connections.rs`, `tests/world/mechanisms.rs`.

use crate::cluster::blueprint::ISTIOD_PORT;
use crate::cluster::cilium::datapath::{forward, reaches};
use crate::cluster::cilium::passage::{Loss, Passage};
use crate::cluster::context::Ctx;
use crate::cluster::event::{Event, SidecarEvent, Source};
use crate::cluster::faults::cut::CutMode;
use crate::cluster::ids::{IstiodId, PodId};
use crate::cluster::istio::messages::Channel;
use crate::cluster::objects::Backend;
use crate::cluster::observed::{ChannelFact, Fact};
use crate::cluster::purpose::Purpose;
use crate::cluster::records::DelayCause;
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime};

/// A connect under way: its name is resolved, then its SYN is sent.
#[derive(Clone, Copy, Debug)]
pub struct Dial {
    /// The Istiod to which it is sent, with the backend that it is; nothing as long as its name is not resolved.
    target: Option<(IstiodId, Backend)>,
    /// When it began.
    started: SimTime,
    syns: u32,
    last_loss: Option<Loss>,
    names: Names,
}

/// What is left of resolving a name.
#[derive(Clone, Copy, Debug, Default)]
struct Names {
    /// Names that are still to be asked for, the present one included.
    left: u32,
    /// Queries for the present one so far.
    asked: u32,
    /// All queries so far.
    queries: u32,
    /// Whether the next event is an answer; otherwise nothing came within the time limit.
    answers: bool,
    /// Queries without an answer.
    lost: u32,
}

/// An established connection.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The Istiod at its other end.
    pub istiod: IstiodId,
    /// Since when it stands.
    pub since: SimTime,
    /// When that Istiod asks for a new connection.
    pub aged_at: SimTime,
    /// When it cuts what is still in flight.
    pub closes_at: SimTime,
}

impl Connection {
    /// The connection to an Istiod that a channel of a pod has when the run begins: the first of the channel, so old that
    /// nothing of its beginning is left. Without an age it may be of any, up to its end. Nothing without a backend of Istiod.
    pub fn before_the_run(pod: PodId, channel: Channel, age: Option<SimDuration>, ctx: &Ctx) -> Option<Self> {
        let (service, place) = (ctx.blueprint().istiod_service?, ctx.shared.physics.pod(pod).place?);
        let backends = ctx.shared.backends_at(place.0, service, SimTime::ZERO)?;
        let key = dial_key(pod, channel, FIRST, ctx);
        let choice = ctx.stream(Purpose::BackendChoice, key).below(backends.len() as u64);
        let params = &ctx.blueprint().istio().params;
        let ages_after = ctx
            .stream(Purpose::ConnectionAge, key)
            .around(params.connection_age, params.connection_age_jitter_ratio);
        let closes_after = ages_after + params.connection_age_grace;
        let age = age.unwrap_or_else(|| ctx.stream(Purpose::AgeAtBegin, key).up_to(closes_after));
        Some(Self {
            istiod: ctx.istiod_in(backends[choice as usize].pod),
            since: SimTime::ZERO,
            aged_at: SimTime::ZERO + ages_after.saturating_sub(age),
            closes_at: SimTime::ZERO + closes_after.saturating_sub(age),
        })
    }
}

/// The number of the first connection of a channel.
pub const FIRST: u32 = 1;

/// What a step of a dial led to.
#[derive(Clone, Copy, Debug)]
pub enum Syn {
    /// The SYN was answered: the connection stands after a round trip.
    Answered,
    /// The dial has failed, in this way.
    Failed(ChannelFact),
    /// The SYN vanished, or the name is being resolved; the next event is scheduled.
    UnderWay,
}

impl Dial {
    /// Resolves Istiod's name if names cost anything, then chooses an Istiod and sends the first SYN.
    pub fn begin(pod: PodId, channel: Channel, serial: u32, ctx: &mut Ctx) -> (Self, Syn) {
        let names = match ctx.blueprint().dns {
            Some(_) => ctx.blueprint().spec.network.dns_names_per_dial,
            None => 0,
        };
        let mut dial = Self {
            target: None,
            started: ctx.now(),
            syns: 0,
            last_loss: None,
            names: Names {
                left: names,
                ..Names::default()
            },
        };
        let syn = if names > 0 {
            dial.ask(pod, channel, serial, ctx)
        } else {
            dial.choose(pod, channel, serial, ctx)
        };
        (dial, syn)
    }

    /// Goes on: with the next query, or with a SYN.
    pub fn next(&mut self, pod: PodId, channel: Channel, serial: u32, ctx: &mut Ctx) -> Syn {
        if self.target.is_some() {
            return self.send(pod, channel, serial, ctx);
        }
        let names = &mut self.names;
        if names.answers {
            (names.left, names.asked) = (names.left - 1, 0);
        } else if names.asked >= ctx.blueprint().spec.network.dns_attempts {
            return Syn::Failed(ChannelFact::NotResolved);
        }
        match self.names.left {
            0 => self.choose(pod, channel, serial, ctx),
            _ => self.ask(pod, channel, serial, ctx),
        }
    }

    /// Sends a query to a replica of CoreDNS. Policies are not asked: who denies them denies everything.
    fn ask(&mut self, pod: PodId, channel: Channel, serial: u32, ctx: &mut Ctx) -> Syn {
        let now = ctx.now();
        let names = &mut self.names;
        names.asked += 1;
        names.queries += 1;
        let key = dial_key(pod, channel, serial, ctx).child(u64::from(names.queries));
        let answerer = replica(pod, key, ctx)
            .filter(|&to| reaches(ctx.shared, pod, to, now) && !ctx.shared.loses_either(pod, to, key));
        let network = &ctx.blueprint().spec.network;
        let answer = answerer.and_then(|to| {
            let one_way = ctx.draw(Purpose::OneWay, key, &network.one_way_latency);
            let wait = one_way * 2 + ctx.draw(Purpose::DnsAnswer, key, &network.dns_latency);
            let added = ctx.shared.delayed_both(pod, to, key);
            let in_time = added == SimDuration::ZERO || wait + added < network.dns_timeout;
            in_time.then_some(wait + added)
        });
        let wait = answer.unwrap_or(network.dns_timeout);
        self.names.answers = answer.is_some();
        self.names.lost += u32::from(answer.is_none());
        ctx.observe(Fact::Channel(pod, channel, ChannelFact::Asked(answer.is_some())));
        self.schedule(pod, channel, serial, now + wait, ctx);
        Syn::UnderWay
    }

    /// The next step is due at a time, unless the time limit of the connect comes before.
    fn schedule(&self, pod: PodId, channel: Channel, serial: u32, at: SimTime, ctx: &mut Ctx) {
        let deadline = self.started + ctx.blueprint().istio().params.connect_timeout;
        let (class, at, event) = if at < deadline {
            (EventClass::Physics, at, SidecarEvent::Syn(channel, serial))
        } else {
            (
                EventClass::Timer,
                deadline,
                SidecarEvent::ConnectTimeout(channel, serial),
            )
        };
        ctx.at(Source::Sidecar(pod), class, at, Event::Sidecar(pod, event));
    }

    /// Chooses an Istiod, as the node's service proxy does, and sends the first SYN.
    fn choose(&mut self, pod: PodId, channel: Channel, serial: u32, ctx: &mut Ctx) -> Syn {
        let service = ctx.blueprint().istiod_service;
        let place = ctx.shared.physics.pod(pod).place;
        let backends = place.zip(service).and_then(|((node, _), service)| {
            let backends = ctx.shared.backends_at(node, service, ctx.now())?;
            (!backends.is_empty()).then_some(backends)
        });
        let Some(backends) = backends else {
            return Syn::Failed(ChannelFact::NoEndpoint);
        };
        let choice = ctx
            .stream(Purpose::BackendChoice, dial_key(pod, channel, serial, ctx))
            .below(backends.len() as u64) as usize;
        let backend = backends[choice];
        let istiod = ctx.istiod_in(backend.pod);
        let candidates = backends.len() as u32;
        ctx.observe(Fact::Channel(
            pod,
            channel,
            ChannelFact::Dialled(istiod, backend, candidates),
        ));
        self.target = Some((istiod, backend));
        self.send(pod, channel, serial, ctx)
    }

    /// Sends a SYN and schedules what follows it.
    fn send(&mut self, pod: PodId, channel: Channel, serial: u32, ctx: &mut Ctx) -> Syn {
        let (istiod, backend) = self.target.expect("its name is resolved");
        let now = ctx.now();
        let source = Source::Sidecar(pod);
        let passage = forward(ctx.shared, pod, backend.ip, ISTIOD_PORT, now);
        let cut = ctx.shared.client_cut(pod, istiod);
        let reset = cut.is_some_and(|cut| cut.mode == CutMode::Reject);
        let dial = dial_key(pod, channel, serial, ctx);
        let packet = dial.named("syn").child(u64::from(self.syns));
        let passage = match passage {
            // A SYN whose answer is lost is sent again like one that is lost itself.
            Passage::Delivered(at) if at == backend.pod && cut.is_some() && !reset => Passage::Lost(Loss::Cut { at }),
            Passage::Delivered(at) if ctx.shared.loses_either(pod, at, packet) => Passage::Lost(Loss::Path { at }),
            passage => passage,
        };
        ctx.observe(Fact::Channel(pod, channel, ChannelFact::Syn(passage)));
        match passage {
            Passage::Delivered(to) if to == backend.pod && ctx.shared.physics.pod(to).running && !reset => {
                let distribution = ctx.blueprint().spec.network.one_way_latency;
                let one_way = ctx.draw(Purpose::OneWay, dial, &distribution);
                let added = ctx.shared.delayed_both(pod, to, packet);
                let deadline = self.started + ctx.blueprint().istio().params.connect_timeout;
                if added > SimDuration::ZERO && now + one_way * 2 + added >= deadline {
                    self.schedule(pod, channel, serial, deadline, ctx);
                    return Syn::UnderWay;
                }
                ctx.after(
                    source,
                    EventClass::Physics,
                    one_way * 2 + added,
                    Event::Sidecar(pod, SidecarEvent::Connected(channel, serial)),
                );
                Syn::Answered
            }
            Passage::Lost(Loss::Path { .. }) if reset => Syn::Failed(ChannelFact::Refused),
            Passage::Delivered(_) => Syn::Failed(ChannelFact::Refused),
            Passage::Lost(loss) => {
                self.last_loss = Some(loss);
                let deadline = self.started + ctx.blueprint().istio().params.connect_timeout;
                let network = &ctx.blueprint().spec.network;
                // SYNs leave at 0, 1, 3, 7, 15 … times the first wait.
                let next = now + network.syn_retransmit_initial * (1 << self.syns.min(20));
                self.syns += 1;
                let more = self.syns <= network.syn_retransmits;
                self.schedule(pod, channel, serial, if more { next } else { deadline }, ctx);
                Syn::UnderWay
            }
        }
    }

    /// What the queries and the SYNs cost that were lost before it was answered.
    #[must_use]
    pub fn lost(&self, now: SimTime) -> Option<(DelayCause, SimDuration)> {
        (self.syns + self.names.lost > 0).then(|| (self.cause(), now.since(self.started)))
    }

    /// How it fails when its time is over.
    #[must_use]
    pub const fn timed_out(&self) -> ChannelFact {
        match self.target {
            Some((istiod, _)) => ChannelFact::TimedOut(istiod, self.cause()),
            None => ChannelFact::NotResolved,
        }
    }

    const fn cause(&self) -> DelayCause {
        match self.last_loss {
            Some(Loss::WireGuardPeer { .. }) => DelayCause::BlackHole,
            _ => DelayCause::Connection,
        }
    }

    /// The connection that it became.
    #[must_use]
    pub fn established(&self, pod: PodId, channel: Channel, serial: u32, ctx: &Ctx) -> Connection {
        let params = &ctx.blueprint().istio().params;
        let age = ctx
            .stream(Purpose::ConnectionAge, dial_key(pod, channel, serial, ctx))
            .around(params.connection_age, params.connection_age_jitter_ratio);
        let aged_at = ctx.now() + age;
        let (istiod, _) = self.target.expect("it was dialled");
        Connection {
            istiod,
            since: ctx.now(),
            aged_at,
            closes_at: aged_at + params.connection_age_grace,
        }
    }
}

/// The key of the draws of one connection.
#[must_use]
pub fn dial_key(pod: PodId, channel: Channel, serial: u32, ctx: &Ctx) -> EntityKey {
    channel.dial().of(ctx.shared.key(pod)).child(u64::from(serial))
}

/// The replica of CoreDNS that the node's service proxy chooses for a query, if it knows one.
fn replica(pod: PodId, key: EntityKey, ctx: &Ctx) -> Option<PodId> {
    let (node, _) = ctx.shared.physics.pod(pod).place?;
    let (_, service) = ctx.blueprint().dns?;
    let replicas = ctx.shared.backends_at(node, service, ctx.now())?;
    let choice = ctx
        .stream(Purpose::DnsReplica, key)
        .below((replicas.len() as u64).max(1));
    let replica = replicas.get(choice as usize)?;
    let holder = ctx.shared.physics.holder(replica.ip)?;
    (holder == replica.pod && ctx.shared.physics.pod(holder).running).then_some(holder)
}
