//! Connections of a sidecar to an Istiod: the choice of the replica, the SYN and its retransmissions, the replica reached, losses.
//!
//! **Modeled**: a new backend for each connection, chosen by the client node's service proxy; each SYN judged by the
//! datapath at the moment it is sent; a cut between sidecars and an Istiod; the time limit of the connect; a maximum age of the
//! connection.
//! **Left out**: TLS handshakes, name resolution, loss of packets other than by cuts and policy.
//! **Parameters**: `connect_timeout`, `syn_retransmit_initial`, `connection_age*`. What a channel does next belongs to
//! `certificate_channel` and `configuration_channel`.
//! **Validated by**: `tests/world/istiod_connections.rs`, `tests/world/mechanisms.rs`.

use crate::cluster::blueprint::ISTIOD_PORT;
use crate::cluster::cilium::datapath::forward;
use crate::cluster::cilium::passage::{Loss, Passage};
use crate::cluster::context::Ctx;
use crate::cluster::event::{Event, SidecarEvent, Source};
use crate::cluster::faults::cut::CutMode;
use crate::cluster::ids::{IstiodId, PodId};
use crate::cluster::istio::messages::Channel;
use crate::cluster::objects::Backend;
use crate::cluster::observed::{ChannelFact, Fact};
use crate::cluster::party::Party;
use crate::cluster::purpose::Purpose;
use crate::cluster::records::DelayCause;
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime};

/// A connect under way.
#[derive(Clone, Copy, Debug)]
pub struct Dial {
    /// The Istiod it was sent to.
    pub istiod: IstiodId,
    backend: Backend,
    /// When it began.
    pub started: SimTime,
    syns: u32,
    last_loss: Option<Loss>,
}

/// An established connection.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The Istiod at its other end.
    pub istiod: IstiodId,
    /// When that Istiod asks for a new connection.
    pub aged_at: SimTime,
    /// When it cuts what is still in flight.
    pub closes_at: SimTime,
}

/// What a SYN led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syn {
    /// It was answered: the connection stands after a round trip.
    Answered,
    /// No process listens.
    Refused,
    /// It vanished; the next event is scheduled.
    Lost,
}

impl Dial {
    /// Chooses an Istiod and sends the first SYN; nothing if the service proxy knows no Istiod.
    pub fn begin(pod: PodId, channel: Channel, serial: u32, ctx: &mut Ctx) -> Option<(Self, Syn)> {
        let (node, _) = ctx.shared.physics.pod(pod).place?;
        let service = ctx.blueprint().istiod_service?;
        let backends = ctx
            .shared
            .backends_at(node, service, ctx.now())
            .filter(|backends| !backends.is_empty())?;
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
        let mut dial = Self {
            istiod,
            backend,
            started: ctx.now(),
            syns: 0,
            last_loss: None,
        };
        let syn = dial.send(pod, channel, serial, ctx);
        Some((dial, syn))
    }

    /// Sends a SYN and schedules what follows it.
    pub fn send(&mut self, pod: PodId, channel: Channel, serial: u32, ctx: &mut Ctx) -> Syn {
        let now = ctx.now();
        let source = Source::Sidecar(pod);
        let passage = forward(ctx.shared, pod, self.backend.ip, ISTIOD_PORT, now);
        let cut = ctx.shared.links.cut_of(Party::IstiodClients(self.istiod));
        let reset = cut.is_some_and(|cut| cut.mode == CutMode::Reject);
        let passage = match passage {
            // A SYN whose answer is lost is sent again like one that is lost itself.
            Passage::Delivered(at) if at == self.backend.pod && cut.is_some() && !reset => {
                Passage::Lost(Loss::Cut { at })
            }
            passage => passage,
        };
        ctx.observe(Fact::Channel(pod, channel, ChannelFact::Syn(passage)));
        match passage {
            Passage::Delivered(to) if to == self.backend.pod && ctx.shared.physics.pod(to).running && !reset => {
                let distribution = ctx.blueprint().spec.network.one_way_latency;
                let one_way = ctx.draw(Purpose::OneWay, dial_key(pod, channel, serial, ctx), &distribution);
                ctx.after(
                    source,
                    EventClass::Physics,
                    one_way * 2,
                    Event::Sidecar(pod, SidecarEvent::Connected(channel, serial)),
                );
                Syn::Answered
            }
            Passage::Delivered(_) => Syn::Refused,
            Passage::Lost(loss) => {
                self.last_loss = Some(loss);
                let deadline = self.started + ctx.blueprint().istio().params.connect_timeout;
                let network = &ctx.blueprint().spec.network;
                // SYNs leave at 0, 1, 3, 7, 15 … times the first wait.
                let next = now + network.syn_retransmit_initial * (1 << self.syns.min(20));
                self.syns += 1;
                if next < deadline && self.syns <= network.syn_retransmits {
                    ctx.at(
                        source,
                        EventClass::Physics,
                        next,
                        Event::Sidecar(pod, SidecarEvent::Syn(channel, serial)),
                    );
                } else {
                    ctx.at(
                        source,
                        EventClass::Timer,
                        deadline,
                        Event::Sidecar(pod, SidecarEvent::ConnectTimeout(channel, serial)),
                    );
                }
                Syn::Lost
            }
        }
    }

    /// What the SYNs cost that were lost before it was answered.
    #[must_use]
    pub fn lost(&self, now: SimTime) -> Option<(DelayCause, SimDuration)> {
        (self.syns > 0).then(|| (self.cause(), now.since(self.started)))
    }

    /// What it counts as if it fails.
    #[must_use]
    pub const fn cause(&self) -> DelayCause {
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
        Connection {
            istiod: self.istiod,
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
