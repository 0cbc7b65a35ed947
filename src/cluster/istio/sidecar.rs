//! The sidecar of a pod: pilot-agent and Envoy, from their start to the proxy being live.
//!
//! **Modelled**: two independent legs, certificate and configuration, that start together; Envoy asking for the
//! certificate once it has its configuration; the proxy being live when both are there and Envoy has warmed up; what the
//! proxy knows about back ends, from its own Istiod; readiness by the kubelet's probe.
//! **Left out**: native sidecars, `holdApplicationUntilProxyStarts`, restarts by a start-up probe, ambient mode.
//! **Parameters**: `agent_start_latency`, `key_generation_latency`, `envoy_warm_up_latency`, `probe_*`.
//! **Validated by**: `tests/world/measured_starts.rs`.

use super::certificate_leg::{Caller, CertificateLeg};
use super::connection::{Connection, Leg};
use super::istiod::{IstiodEvent, Request};
use super::stream_leg::StreamLeg;
use crate::cluster::context::Ctx;
use crate::cluster::event::{Event, Source};
use crate::cluster::history::{Crossing, Path, VersionIndex};
use crate::cluster::ids::{IstiodId, PodId, ServiceId};
use crate::cluster::judge::JudgeEvent;
use crate::cluster::kubelet::Kubelets;
use crate::cluster::objects::Backends;
use crate::cluster::purpose::Purpose;
use crate::cluster::records::DelayCause;
use crate::cluster::story::messages::request_words;
use crate::cluster::story::{Fact, LegFact};
use crate::kernel::{EventClass, SimDuration};

/// Something a sidecar handles.
#[derive(Clone, Copy, Debug)]
pub enum SidecarEvent {
    /// Its container starts.
    Start,
    /// The agent is up: both legs begin.
    AgentUp,
    /// Key and request are made.
    KeyReady,
    /// A SYN is retransmitted.
    Syn(Leg, u32),
    /// A connection stands.
    Connected(Leg, u32),
    /// A connect ran out of time.
    ConnectTimeout(Leg, u32),
    /// The certificate channel dials again.
    ChannelRedials(u32),
    /// A failed attempt of a certificate call is made again.
    AttemptAgain,
    /// A caller asks for the certificate again.
    CallerWakes(Caller),
    /// Istiod answered request number so and so on a connection.
    Answer(Leg, u32, u32, Answer),
    /// Envoy opens its stream again.
    StreamRetries,
    /// The stream has reached its age.
    StreamAged(u32),
    /// Envoy has warmed up.
    Live,
}

/// An answer of Istiod, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The certificate, or the first configuration.
    Ok,
    /// The token could not be checked, or was refused.
    Unauthenticated,
    /// The connection reached its age before the token was checked, and was cut.
    Unavailable,
    /// Too many new streams.
    ResourceExhausted,
    /// This Istiod does not serve yet: nobody took the request.
    NotServing,
}

impl Answer {
    /// What it counts as if it is a failure.
    #[must_use]
    pub const fn cause(self) -> DelayCause {
        match self {
            Self::Ok | Self::Unauthenticated | Self::Unavailable => DelayCause::TokenReview,
            Self::ResourceExhausted => DelayCause::IstiodLimiter,
            Self::NotServing => DelayCause::Connection,
        }
    }
}

/// All sidecars.
#[derive(Debug, Default)]
pub struct Sidecars {
    sidecars: Vec<Option<Box<Sidecar>>>,
}

#[derive(Debug, Default)]
struct Sidecar {
    certificate: CertificateLeg,
    stream: StreamLeg,
    has_certificate: bool,
    has_configuration: bool,
    live: bool,
    attached: Option<(IstiodId, Path)>,
    attachments: u64,
}

/// Sends a request over an established connection.
pub fn send(pod: PodId, leg: Leg, serial: u32, number: u32, connection: Connection, ctx: &mut Ctx) {
    let law = ctx.blueprint().spec.network.one_way_latency;
    let key = ctx.shared.key(pod).child(240 + leg as u64).child(u64::from(number));
    let one_way = ctx.draw(Purpose::OneWay, key, &law);
    let request = Request {
        pod,
        leg,
        serial,
        number,
        closes_at: connection.closes_at,
    };
    let istiod = connection.istiod;
    ctx.note(|_| Fact::Leg(pod, leg, LegFact::Sent));
    let now = ctx.now();
    let to = Source::Istiod(istiod);
    ctx.message(Source::Sidecar(pod), to, now, now + one_way, || {
        (request_words(leg), Some(pod))
    });
    ctx.after(
        Source::Sidecar(pod),
        EventClass::Physics,
        one_way,
        Event::Istiod(istiod, IstiodEvent::Request(request)),
    );
}

impl Sidecars {
    /// Handles an event of one sidecar.
    pub fn handle(&mut self, pod: PodId, event: SidecarEvent, kubelets: &mut Kubelets, ctx: &mut Ctx) {
        if let SidecarEvent::Start = event {
            if self.sidecars.len() <= pod.index() {
                self.sidecars.resize_with(pod.index() + 1, || None);
            }
            self.sidecars[pod.index()] = Some(Box::default());
            let law = ctx.blueprint().istio().params.agent_start_latency;
            let latency = ctx.draw(Purpose::AgentStart, ctx.shared.key(pod), &law);
            ctx.after(
                Source::Sidecar(pod),
                EventClass::Physics,
                latency,
                Event::Sidecar(pod, SidecarEvent::AgentUp),
            );
            return;
        }
        if !ctx.shared.physics.pod(pod).running {
            return; // It was stopped: nothing of it goes on.
        }
        let Some(sidecar) = self.sidecars.get_mut(pod.index()).and_then(Option::as_mut) else {
            return;
        };
        match event {
            SidecarEvent::Start => {}
            SidecarEvent::AgentUp => {
                let law = ctx.blueprint().istio().params.key_generation_latency;
                let latency = ctx.draw(Purpose::KeyGeneration, ctx.shared.key(pod), &law);
                ctx.after(
                    Source::Sidecar(pod),
                    EventClass::Timer,
                    latency,
                    Event::Sidecar(pod, SidecarEvent::KeyReady),
                );
                sidecar.stream.open(pod, ctx);
            }
            SidecarEvent::KeyReady => sidecar.certificate.caller_asks(Caller::WarmUp, pod, ctx),
            SidecarEvent::Syn(Leg::Certificate, serial) => sidecar.certificate.syn(serial, pod, ctx),
            SidecarEvent::Syn(Leg::Configuration, serial) => sidecar.stream.syn(serial, pod, ctx),
            SidecarEvent::Connected(Leg::Certificate, serial) => sidecar.certificate.connected(serial, pod, ctx),
            SidecarEvent::Connected(Leg::Configuration, serial) => sidecar.stream.connected(serial, pod, ctx),
            SidecarEvent::ConnectTimeout(Leg::Certificate, serial) => {
                sidecar.certificate.connect_timeout(serial, pod, ctx)
            }
            SidecarEvent::ConnectTimeout(Leg::Configuration, serial) => {
                sidecar.stream.connect_timeout(serial, pod, ctx)
            }
            SidecarEvent::ChannelRedials(serial) => sidecar.certificate.channel_redials(serial, pod, ctx),
            SidecarEvent::AttemptAgain => sidecar.certificate.attempt_again(pod, ctx),
            SidecarEvent::CallerWakes(caller) => sidecar.certificate.caller_asks(caller, pod, ctx),
            SidecarEvent::Answer(Leg::Certificate, serial, number, answer) => {
                if sidecar.certificate.answered(serial, number, answer, pod, ctx) {
                    sidecar.has_certificate = true;
                    ctx.shared.recorder.certificate_obtained(pod, ctx.kernel.now());
                    sidecar.warm_up(pod, ctx);
                }
            }
            SidecarEvent::Answer(Leg::Configuration, serial, number, answer) => {
                if let Some(connection) = sidecar.stream.answered(serial, number, answer, pod, ctx) {
                    sidecar.attach(connection, pod, ctx);
                }
            }
            SidecarEvent::StreamRetries => sidecar.stream.open(pod, ctx),
            SidecarEvent::StreamAged(serial) => {
                if sidecar.stream.is_open(serial) {
                    sidecar.detach(pod, ctx);
                    sidecar.stream.retry(pod, ctx);
                }
            }
            SidecarEvent::Live => {
                sidecar.live = true;
                ctx.shared.physics.set_proxy_live(pod);
                ctx.after(
                    Source::Sidecar(pod),
                    EventClass::Observe,
                    SimDuration::ZERO,
                    Event::Judge(JudgeEvent::Connected(pod)),
                );
                if let Some((node, _)) = ctx.shared.physics.pod(pod).place {
                    let params = &ctx.shared.blueprint.istio().params;
                    let (delay, period) = (params.probe_initial_delay, params.probe_period);
                    kubelets.probe_succeeds(node, pod, delay, period, ctx);
                }
            }
        }
        // Landings and losses are kept up to date, for pods that are deleted or never become ready.
        if !sidecar.live {
            ctx.shared
                .recorder
                .legs(pod, &sidecar.certificate.history, &sidecar.stream.history);
        }
    }

    /// The back ends of a Service that a pod's proxy sends to.
    #[must_use]
    pub fn backends(&self, pod: PodId, service: ServiceId, ctx: &Ctx) -> Option<Backends> {
        let sidecar = self.sidecars.get(pod.index())?.as_ref()?;
        let (istiod, path) = sidecar.attached.as_ref()?;
        let snapshots = ctx.shared.snapshots[istiod.index()].output();
        let visible = path.visible_at(snapshots, &ctx.shared.push_delay(), &ctx.shared.run_key, ctx.now());
        snapshots.at(service.0, visible)?.value.clone()
    }

    /// The Istiod that a pod's proxy follows or followed last.
    #[must_use]
    pub fn followed_by(&self, pod: PodId) -> Option<IstiodId> {
        let sidecar = self.sidecars.get(pod.index())?.as_ref()?;
        sidecar.attached.as_ref().map(|(istiod, _)| *istiod)
    }

    /// When a pod's proxy reads a snapshot of an Istiod, if it is attached to that one.
    #[must_use]
    pub fn crossing(&self, pod: PodId, istiod: IstiodId, index: VersionIndex, ctx: &Ctx) -> Option<Crossing> {
        let (own, path) = self.sidecars.get(pod.index())?.as_ref()?.attached.as_ref()?;
        let shared = &*ctx.shared;
        let snapshots = shared.snapshots[istiod.index()].output();
        (*own == istiod).then(|| path.crossing(snapshots, &shared.push_delay(), &shared.run_key, index))
    }

    /// When a pod's proxy reads the snapshots of its Istiod that may still be on their way.
    #[must_use]
    pub fn crossings_since(&self, pod: PodId, ctx: &Ctx) -> Vec<Crossing> {
        let attached = self
            .sidecars
            .get(pod.index())
            .and_then(|sidecar| sidecar.as_ref()?.attached.as_ref());
        let Some((istiod, _)) = attached else {
            return Vec::new();
        };
        let since = ctx.now().saturating_sub(ctx.shared.push_delay().bound());
        let snapshots = ctx.shared.snapshots[istiod.index()].output();
        let late = (0..snapshots.keys()).flat_map(|service| {
            snapshots
                .of_key(service)
                .take_while(|&index| snapshots.version(index).time >= since)
        });
        late.filter_map(|index| self.crossing(pod, *istiod, index, ctx))
            .collect()
    }

    /// Settles what unfinished legs have lost by the end of the run.
    pub fn settle(&mut self, ctx: &mut Ctx) {
        for (index, sidecar) in self.sidecars.iter_mut().enumerate() {
            let pod = PodId(index as u32);
            if let Some(sidecar) = sidecar
                && !sidecar.live
                && ctx.shared.physics.pod(pod).running
            {
                sidecar.certificate.history.attempt(ctx.kernel.now());
                sidecar.stream.history.attempt(ctx.kernel.now());
                ctx.shared
                    .recorder
                    .legs(pod, &sidecar.certificate.history, &sidecar.stream.history);
            }
        }
    }
}

impl Sidecar {
    /// The stream brought its first configuration: from now on the proxy follows this Istiod.
    fn attach(&mut self, connection: Connection, pod: PodId, ctx: &mut Ctx) {
        self.attachments += 1;
        let reader = ctx.shared.key(pod).child(250).child(self.attachments);
        let snapshots = ctx.shared.snapshots[connection.istiod.index()].output();
        self.attached = Some((connection.istiod, Path::listing(reader, snapshots, ctx.now())));
        self.note_path(pod, ctx);
        // It may choose among other backends now.
        if ctx.shared.kind(pod).exposure_client {
            let event = Event::Judge(JudgeEvent::Connected(pod));
            ctx.after(Source::Sidecar(pod), EventClass::Observe, SimDuration::ZERO, event);
        }
        if !self.has_configuration {
            self.has_configuration = true;
            ctx.shared.recorder.configuration_received(pod, ctx.kernel.now());
            if !self.has_certificate {
                // Envoy's configuration refers to certificate and root: it asks for both, too.
                self.certificate.caller_asks(Caller::Envoy, pod, ctx);
                self.certificate.caller_asks(Caller::EnvoyRoot, pod, ctx);
            }
            self.warm_up(pod, ctx);
        }
    }

    /// The stream ended: the proxy keeps what it has.
    fn detach(&mut self, pod: PodId, ctx: &mut Ctx) {
        if let Some((istiod, path)) = &mut self.attached {
            let snapshots = ctx.shared.snapshots[istiod.index()].output();
            path.freeze(snapshots, &ctx.shared.push_delay(), &ctx.shared.run_key, ctx.now());
            ctx.note(|_| Fact::Leg(pod, Leg::Configuration, LegFact::Aged));
        }
        self.note_path(pod, ctx);
    }

    fn note_path(&self, pod: PodId, ctx: &mut Ctx) {
        if let Some((istiod, path)) = &self.attached {
            ctx.note(|_| Fact::Follows {
                pod,
                istiod: *istiod,
                path: path.clone(),
            });
        }
    }

    fn warm_up(&self, pod: PodId, ctx: &mut Ctx) {
        if self.has_certificate && self.has_configuration {
            let law = ctx.blueprint().istio().params.envoy_warm_up_latency;
            let latency = ctx.draw(Purpose::EnvoyWarmUp, ctx.shared.key(pod), &law);
            ctx.after(
                Source::Sidecar(pod),
                EventClass::Physics,
                latency,
                Event::Sidecar(pod, SidecarEvent::Live),
            );
        }
    }
}
