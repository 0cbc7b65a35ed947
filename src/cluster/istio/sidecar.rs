//! The sidecar of a pod: pilot-agent and Envoy, from their start to the proxy being live.
//!
//! **Modeled**: two independent channels, certificate and configuration, that start together; Envoy asking for the
//! certificate once it has its configuration; the proxy being live when both are there and Envoy has warmed up; what the
//! proxy knows about backends, from its own Istiod; a stream on which nothing passes, closed after a time; readiness by the
//! kubelet's probe.
//! **Left out**: native sidecars, `holdApplicationUntilProxyStarts`, restarts by a startup probe, ambient mode.
//! **Parameters**: `agent_start_latency`, `key_generation_latency`, `envoy_warm_up_latency`, `probe_*`,
//! `*_channel_dead_after`.
//! **Validated by**: `tests/world/measured_starts.rs`.

use super::certificate_channel::CertificateChannel;
use super::configuration_channel::ConfigurationChannel;
use super::connection::Connection;
use super::messages::{Answer, Caller, Channel, Request};
use crate::cluster::api_connection::retransmission;
use crate::cluster::context::Ctx;
use crate::cluster::event::{Event, SidecarEvent, Source};
use crate::cluster::faults::cut::CutMode;
use crate::cluster::ids::{IstiodId, NodeId, PodId};
use crate::cluster::observed::{ChannelFact, Fact, PodFact};
use crate::cluster::purpose::{Ordinal, Purpose};
use crate::kernel::{EventClass, SimDuration, SimTime};

/// All sidecars.
#[derive(Debug, Default)]
pub struct Sidecars {
    sidecars: Vec<Option<Box<Sidecar>>>,
}

#[derive(Debug, Default)]
struct Sidecar {
    certificate: CertificateChannel,
    stream: ConfigurationChannel,
    has_certificate: bool,
    has_configuration: bool,
    attachments: u64,
}

/// Sends a request over an established connection.
pub fn send(pod: PodId, channel: Channel, serial: u32, number: u32, connection: Connection, ctx: &mut Ctx) {
    let request = Request {
        pod,
        channel,
        serial,
        number,
        closes_at: connection.closes_at,
    };
    ctx.observe(Fact::Channel(pod, channel, ChannelFact::Sent));
    if !ctx.shared.nodes_down.ended(connection.istiod, connection.since) {
        transmit(connection.istiod, request, 0, ctx);
    }
    wait_in_vain(pod, channel, serial, connection, ctx);
}

/// Sends a request, or sends it again until it is not lost.
fn transmit(istiod: IstiodId, request: Request, tries: u32, ctx: &mut Ctx) {
    let pod = request.pod;
    let distribution = ctx.blueprint().spec.network.one_way_latency;
    let key = request.channel.request().of(ctx.shared.key(pod));
    let key = key.child(u64::from(request.number));
    let mut one_way = ctx.draw(Purpose::OneWay, key, &distribution);
    if let Some(server) = ctx.shared.istiod_behind_faults(pod, istiod) {
        let packet = key.named("packet").child(u64::from(tries));
        if ctx.shared.loses(pod, server, packet) {
            let wait = retransmission(tries, &ctx.blueprint().spec.network);
            let event = Event::Sidecar(pod, SidecarEvent::SendsAgain(istiod, request, tries + 1));
            ctx.after(Source::Sidecar(pod), EventClass::Physics, wait, event);
            return;
        }
        one_way += ctx.shared.delayed(pod, server, packet);
    }
    ctx.ask_istiod(istiod, request, one_way);
}

/// Since when nothing has passed on a connection, and whether its packets are rejected.
fn silence(pod: PodId, connection: Connection, ctx: &Ctx) -> Option<(SimTime, bool)> {
    let died = ctx
        .shared
        .nodes_down
        .died(connection.istiod)
        .filter(|died| *died >= connection.since);
    let cut = ctx.shared.client_cut(pod, connection.istiod);
    died.map(|died| (died, false))
        .or_else(|| cut.map(|cut| (cut.since, cut.mode == CutMode::Reject)))
}

/// If nothing passes between a sidecar and its Istiod, it gives the connection up after a time, or at once where packets are rejected.
fn wait_in_vain(pod: PodId, channel: Channel, serial: u32, connection: Connection, ctx: &mut Ctx) {
    if let Some((_, reset)) = silence(pod, connection, ctx) {
        let wait = if reset {
            SimDuration::ZERO
        } else {
            channel.dead_after(&ctx.blueprint().istio().params)
        };
        let event = Event::Sidecar(pod, SidecarEvent::GivesUp(channel, serial));
        ctx.after(Source::Sidecar(pod), EventClass::Timer, wait, event);
    }
}

/// Whether nothing has passed on a connection for as long as its channel bears it.
fn is_silent(pod: PodId, connection: Connection, channel: Channel, ctx: &Ctx) -> bool {
    let dead_after = channel.dead_after(&ctx.blueprint().istio().params);
    silence(pod, connection, ctx).is_some_and(|(since, reset)| reset || since + dead_after <= ctx.now())
}

impl Sidecars {
    /// The sidecar of a pod was up when the run began. Without an Istiod it has lost its stream.
    pub fn has_started(&mut self, pod: PodId, ctx: &mut Ctx) {
        ctx.shared.physics.set_proxy_live(pod);
        let mut sidecar = Sidecar {
            has_certificate: true,
            has_configuration: true,
            attachments: 1,
            ..Sidecar::default()
        };
        let signer = Connection::before_the_run(pod, Channel::Certificate, None, ctx);
        let signer = signer.map_or(IstiodId(0), |connection| connection.istiod);
        let (age, renewal) = ctx.has_certificate(signer, pod);
        if let Some(at) = renewal {
            let event = Event::Sidecar(pod, SidecarEvent::Renews(sidecar.certificate.certificate()));
            ctx.at(Source::Sidecar(pod), EventClass::Timer, at, event);
        }
        if let Some(connection) = Connection::before_the_run(pod, Channel::Certificate, Some(age), ctx) {
            sidecar.certificate = CertificateChannel::before_the_run(connection);
        }
        match Connection::before_the_run(pod, Channel::Configuration, None, ctx) {
            Some(connection) => {
                sidecar.stream = ConfigurationChannel::before_the_run(connection, pod, ctx);
                let reader = Ordinal::SNAPSHOTS.of(ctx.shared.key(pod)).child(sidecar.attachments);
                ctx.shared.has_followed(pod, reader, connection.istiod);
                observe_cursor(pod, ctx);
            }
            None => sidecar.stream.retry(pod, ctx),
        }
        if self.sidecars.len() <= pod.index() {
            self.sidecars.resize_with(pod.index() + 1, || None);
        }
        self.sidecars[pod.index()] = Some(Box::new(sidecar));
    }

    /// Handles an event of one sidecar.
    pub fn handle(&mut self, pod: PodId, event: SidecarEvent, ctx: &mut Ctx) {
        if let SidecarEvent::Start = event {
            if self.sidecars.len() <= pod.index() {
                self.sidecars.resize_with(pod.index() + 1, || None);
            }
            let earlier = self.sidecars[pod.index()].take();
            self.sidecars[pod.index()] =
                Some(earlier.map_or_else(Box::default, |earlier| Box::new(earlier.restarted())));
            let distribution = ctx.blueprint().istio().params.agent_start_latency;
            let latency = ctx.draw(Purpose::AgentStart, ctx.shared.key(pod), &distribution);
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
                let distribution = ctx.blueprint().istio().params.key_generation_latency;
                let latency = ctx.draw(Purpose::KeyGeneration, ctx.shared.key(pod), &distribution);
                ctx.after(
                    Source::Sidecar(pod),
                    EventClass::Timer,
                    latency,
                    Event::Sidecar(pod, SidecarEvent::KeyReady),
                );
                sidecar.stream.open(pod, ctx);
            }
            SidecarEvent::KeyReady => sidecar.certificate.caller_asks(Caller::WarmUp, pod, ctx),
            SidecarEvent::Syn(Channel::Certificate, serial) => sidecar.certificate.syn(serial, pod, ctx),
            SidecarEvent::Syn(Channel::Configuration, serial) => sidecar.stream.syn(serial, pod, ctx),
            SidecarEvent::Connected(Channel::Certificate, serial) => sidecar.certificate.connected(serial, pod, ctx),
            SidecarEvent::Connected(Channel::Configuration, serial) => sidecar.stream.connected(serial, pod, ctx),
            SidecarEvent::ConnectTimeout(Channel::Certificate, serial) => {
                sidecar.certificate.connect_timeout(serial, pod, ctx)
            }
            SidecarEvent::ConnectTimeout(Channel::Configuration, serial) => {
                sidecar.stream.connect_timeout(serial, pod, ctx)
            }
            SidecarEvent::ChannelRedials(serial) => sidecar.certificate.channel_redials(serial, pod, ctx),
            SidecarEvent::AttemptAgain => sidecar.certificate.attempt_again(pod, ctx),
            SidecarEvent::CallerWakes(caller) => sidecar.certificate.caller_asks(caller, pod, ctx),
            SidecarEvent::Answer(Channel::Certificate, serial, number, answer) => {
                if sidecar.certificate.answered(serial, number, answer, pod, ctx) {
                    let number = sidecar.certificate.certificate();
                    if let Some(at) = ctx.takes_up_certificate(pod, number) {
                        let event = Event::Sidecar(pod, SidecarEvent::Renews(number));
                        ctx.at(Source::Sidecar(pod), EventClass::Timer, at, event);
                    }
                    if std::mem::replace(&mut sidecar.has_certificate, true) {
                        ctx.judge_looks_at(Source::Sidecar(pod), pod);
                    } else {
                        sidecar.warm_up(pod, ctx);
                    }
                }
            }
            SidecarEvent::Answer(Channel::Configuration, serial, number, answer) => {
                if let Some(connection) = sidecar.stream.answered(serial, number, answer, pod, ctx) {
                    sidecar.attach(connection, pod, ctx);
                }
            }
            SidecarEvent::Renews(number) => sidecar.certificate.renew(number, pod, ctx),
            SidecarEvent::StreamRetries => sidecar.stream.open(pod, ctx),
            SidecarEvent::StreamAged(serial) => {
                if sidecar.stream.open_stream(serial).is_some() {
                    detach(pod, ctx);
                    sidecar.stream.retry(pod, ctx);
                }
            }
            SidecarEvent::Silent(istiod) => {
                if let Some((serial, connection)) = sidecar.stream.connection()
                    && connection.istiod == istiod
                {
                    if sidecar.stream.open_stream(serial).is_some() {
                        ctx.shared.unfollow(pod, ctx.kernel.now());
                        observe_cursor(pod, ctx);
                    }
                    wait_in_vain(pod, Channel::Configuration, serial, connection, ctx);
                }
                if let Some((serial, connection)) = sidecar.certificate.waits_on(None)
                    && connection.istiod == istiod
                {
                    wait_in_vain(pod, Channel::Certificate, serial, connection, ctx);
                }
            }
            SidecarEvent::GivesUp(channel, serial) => {
                let connection = match channel {
                    Channel::Certificate => sidecar.certificate.waits_on(Some(serial)),
                    Channel::Configuration => sidecar.stream.connection().filter(|(latest, _)| *latest == serial),
                };
                let silent = |(_, connection): &(u32, Connection)| is_silent(pod, *connection, channel, ctx);
                if connection.is_some_and(|connection| silent(&connection)) {
                    match channel {
                        Channel::Certificate => sidecar.certificate.gives_up(serial, pod, ctx),
                        Channel::Configuration => sidecar.stream.gives_up(serial, pod, ctx),
                    }
                }
            }
            SidecarEvent::Heard(istiod) => {
                let open = sidecar.stream.connection();
                let open = open.and_then(|(serial, _)| sidecar.stream.open_stream(serial));
                let ended = |open: &Connection| ctx.shared.nodes_down.ended(istiod, open.since);
                if open.is_some_and(|open| open.istiod == istiod && !ended(&open)) {
                    ctx.shared.follow_again(pod, ctx.kernel.now());
                    observe_cursor(pod, ctx);
                    if ctx.shared.kind(pod).exposure_client {
                        ctx.judge_looks_at(Source::Sidecar(pod), pod);
                    }
                }
            }
            SidecarEvent::SendsAgain(istiod, request, tries) => {
                let latest = match request.channel {
                    Channel::Certificate => sidecar.certificate.waits_on(Some(request.serial)),
                    Channel::Configuration => sidecar.stream.connection(),
                };
                // The connection may have ended meanwhile.
                if latest.is_some_and(|(serial, _)| serial == request.serial) {
                    transmit(istiod, request, tries, ctx);
                }
            }
            SidecarEvent::Live => {
                ctx.shared.physics.set_proxy_live(pod);
                ctx.observe_pod(pod, PodFact::ProxyLive);
                ctx.judge_looks_at(Source::Sidecar(pod), pod);
                if let Some((node, _)) = ctx.shared.physics.pod(pod).place {
                    let params = &ctx.shared.blueprint.istio().params;
                    let (delay, period) = (params.probe_initial_delay, params.probe_period);
                    ctx.probe_succeeds(node, pod, delay, period);
                }
            }
        }
    }
}

impl Sidecar {
    /// The sidecar of the same pod after a boot of its node: what the earlier one waits for is not its own.
    fn restarted(&self) -> Self {
        Self {
            certificate: self.certificate.restarted(),
            stream: self.stream.restarted(),
            attachments: self.attachments,
            ..Self::default()
        }
    }

    /// The stream brought its first configuration: from now on the proxy follows this Istiod.
    fn attach(&mut self, connection: Connection, pod: PodId, ctx: &mut Ctx) {
        self.attachments += 1;
        let reader = Ordinal::SNAPSHOTS.of(ctx.shared.key(pod)).child(self.attachments);
        ctx.shared.follow(pod, reader, connection.istiod, ctx.kernel.now());
        observe_cursor(pod, ctx);
        // It may choose among other backends now.
        if ctx.shared.kind(pod).exposure_client {
            ctx.judge_looks_at(Source::Sidecar(pod), pod);
        }
        if !self.has_configuration {
            self.has_configuration = true;
            if !self.has_certificate {
                // Envoy's configuration refers to certificate and root: it asks for both, too.
                self.certificate.caller_asks(Caller::Envoy, pod, ctx);
                self.certificate.caller_asks(Caller::EnvoyRoot, pod, ctx);
            }
            self.warm_up(pod, ctx);
        }
    }

    fn warm_up(&self, pod: PodId, ctx: &mut Ctx) {
        if self.has_certificate && self.has_configuration {
            let distribution = ctx.blueprint().istio().params.envoy_warm_up_latency;
            let latency = ctx.draw(Purpose::EnvoyWarmUp, ctx.shared.key(pod), &distribution);
            ctx.after(
                Source::Sidecar(pod),
                EventClass::Physics,
                latency,
                Event::Sidecar(pod, SidecarEvent::Live),
            );
        }
    }
}

/// The stream ended: the proxy keeps what it has.
fn detach(pod: PodId, ctx: &mut Ctx) {
    if ctx.shared.unfollow(pod, ctx.kernel.now()) {
        ctx.observe(Fact::Channel(pod, Channel::Configuration, ChannelFact::Aged));
    }
    observe_cursor(pod, ctx);
}

fn observe_cursor(pod: PodId, ctx: &mut Ctx) {
    if ctx.shared.proxy_of(pod).is_some() {
        ctx.observe_for_story(|shared| {
            let (istiod, reader) = shared.proxy_of(pod).expect("it follows one");
            let cursor = reader.cursor.clone();
            Fact::Follows { pod, istiod, cursor }
        });
    }
}

/// Verbs with which other components notify a sidecar.
impl Ctx<'_> {
    /// Nothing passes any more between an Istiod and sidecars, or it passes again: those of all nodes, or those of one node or
    /// all if it is the Istiod's own.
    pub fn sidecars_hear(&mut self, istiod: IstiodId, near: Option<NodeId>) {
        let node = |pod: PodId| self.shared.physics.pod(pod).place.map(|(node, _)| node);
        let at_istiod = self.shared.istiod_pod(istiod).and_then(node);
        let near = near.filter(|_| near != at_istiod);
        for pod in (0..self.shared.pods.len() as u32).map(PodId) {
            let state = self.shared.physics.pod(pod);
            let is_near = near.is_none_or(|near| state.place.is_some_and(|(node, _)| node == near));
            if is_near && self.shared.kind(pod).has_sidecar() && state.running {
                let event = match self.shared.client_cut(pod, istiod) {
                    None => SidecarEvent::Heard(istiod),
                    Some(_) => SidecarEvent::Silent(istiod),
                };
                let event = Event::Sidecar(pod, event);
                self.after(Source::Istiod(istiod), EventClass::Physics, SimDuration::ZERO, event);
            }
        }
    }

    /// The kubelet of a node starts a pod's sidecar.
    pub fn start_sidecar(&mut self, node: NodeId, pod: PodId) {
        self.after(
            Source::Kubelet(node),
            EventClass::Physics,
            SimDuration::ZERO,
            Event::Sidecar(pod, SidecarEvent::Start),
        );
    }

    /// An Istiod sends its answer after a wait; it arrives after its way.
    pub fn answer_sidecar(
        &mut self,
        istiod: IstiodId,
        request: Request,
        answer: Answer,
        wait: SimDuration,
        one_way: SimDuration,
    ) {
        let Request {
            pod,
            channel,
            serial,
            number,
            ..
        } = request;
        let (source, sent) = (Source::Istiod(istiod), self.now() + wait);
        self.message(source, Source::Sidecar(pod), sent, sent + one_way, || {
            (answer.words(channel), Some(pod))
        });
        self.after(
            source,
            EventClass::Physics,
            wait + one_way,
            Event::Sidecar(pod, SidecarEvent::Answer(channel, serial, number, answer)),
        );
    }
}
