//! The configuration channel of a sidecar: Envoy's stream, proxied by pilot-agent to an Istiod.
//!
//! **Modeled**: a new connection, and so a new choice of Istiod, for every attempt; retries with full jitter that grow and
//! are reset by a message; the end of a stream by its age, after which the proxy keeps what it has and connects again.
//! **Left out**: the content of the configuration, apart from the backends of Services.
//! **Parameters**: `connect_timeout`, `envoy_backoff_*`, `connection_age*`. Source: `docs/model/istio.md#configuration-stream`.
//! **Validated by**: `tests/world/measured_starts.rs`, `tests/world/istiod_connections.rs`.

use super::connection::{Connection, Dial, FIRST, Syn};
use super::messages::{Answer, Channel};
use crate::cluster::context::Ctx;
use crate::cluster::event::{Event, SidecarEvent, Source};
use crate::cluster::ids::PodId;
use crate::cluster::observed::{ChannelFact, Fact, Wait};
use crate::cluster::purpose::{Ordinal, Purpose};
use crate::kernel::EventClass;

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Waiting,
    Connecting(Dial),
    Asking(Connection),
    Open(Connection),
}

/// The state of the channel.
#[derive(Debug, Default)]
pub struct ConfigurationChannel {
    state: State,
    serial: u32,
    requests: u32,
    failures: u32,
}

impl ConfigurationChannel {
    /// That of a pod whose stream was open when the run began.
    pub fn before_the_run(connection: Connection, pod: PodId, ctx: &mut Ctx) -> Self {
        ages(pod, FIRST, connection, ctx);
        Self {
            state: State::Open(connection),
            serial: FIRST,
            requests: FIRST,
            failures: 0,
        }
    }

    /// That of the same pod after a boot of its node: its connections and requests have other numbers.
    pub fn restarted(&self) -> Self {
        Self {
            serial: self.serial + 1,
            requests: self.requests + 1,
            ..Self::default()
        }
    }

    /// Opens a stream.
    pub fn open(&mut self, pod: PodId, ctx: &mut Ctx) {
        self.serial += 1;
        observe(pod, ChannelFact::Attempt, ctx);
        match Dial::begin(pod, Channel::Configuration, self.serial, ctx) {
            (dial, Syn::Answered | Syn::UnderWay) => self.state = State::Connecting(dial),
            (_, Syn::Failed(how)) => self.failed(how, pod, ctx),
        }
    }

    /// A retransmission of the SYN is due.
    pub fn syn(&mut self, serial: u32, pod: PodId, ctx: &mut Ctx) {
        if serial != self.serial {
            return;
        }
        if let State::Connecting(dial) = &mut self.state
            && let Syn::Failed(how) = dial.next(pod, Channel::Configuration, serial, ctx)
        {
            self.failed(how, pod, ctx);
        }
    }

    /// The connect ran out of time.
    pub fn connect_timeout(&mut self, serial: u32, pod: PodId, ctx: &mut Ctx) {
        if let (true, State::Connecting(dial)) = (serial == self.serial, self.state) {
            self.failed(dial.timed_out(), pod, ctx);
        }
    }

    /// The connection stands.
    pub fn connected(&mut self, serial: u32, pod: PodId, ctx: &mut Ctx) {
        let (true, State::Connecting(dial)) = (serial == self.serial, self.state) else {
            return;
        };
        observe(pod, ChannelFact::Connected(dial.lost(ctx.now())), ctx);
        let connection = dial.established(pod, Channel::Configuration, serial, ctx);
        self.state = State::Asking(connection);
        self.requests += 1;
        super::sidecar::send(pod, Channel::Configuration, serial, self.requests, connection, ctx);
    }

    /// Istiod answered. Gives the connection if it brought the configuration.
    pub fn answered(
        &mut self,
        serial: u32,
        number: u32,
        answer: Answer,
        pod: PodId,
        ctx: &mut Ctx,
    ) -> Option<Connection> {
        let (true, true, State::Asking(connection)) = (serial == self.serial, number == self.requests, self.state)
        else {
            return None;
        };
        if answer != Answer::Ok {
            self.failed(ChannelFact::Answered(answer), pod, ctx);
            return None;
        }
        observe(pod, ChannelFact::Answered(answer), ctx);
        self.failures = 0;
        self.state = State::Open(connection);
        ages(pod, serial, connection, ctx);
        Some(connection)
    }

    /// The connection of the open stream of this number, if it is still that one.
    #[must_use]
    pub fn open_stream(&self, serial: u32) -> Option<Connection> {
        match self.state {
            State::Open(connection) if serial == self.serial => Some(connection),
            _ => None,
        }
    }

    /// The latest connection, if it stands.
    #[must_use]
    pub fn connection(&self) -> Option<(u32, Connection)> {
        match self.state {
            State::Open(connection) | State::Asking(connection) => Some((self.serial, connection)),
            State::Waiting | State::Connecting(_) => None,
        }
    }

    /// Nothing has passed on the connection of this number for long: it is closed.
    pub fn gives_up(&mut self, serial: u32, pod: PodId, ctx: &mut Ctx) {
        match self.state {
            State::Asking(_) => drop(self.answered(serial, self.requests, Answer::Unavailable, pod, ctx)),
            _ => self.retry(pod, ctx),
        }
    }

    fn failed(&mut self, how: ChannelFact, pod: PodId, ctx: &mut Ctx) {
        observe(pod, how, ctx);
        self.retry(pod, ctx);
    }

    /// Opens a new stream after Envoy's back-off.
    pub fn retry(&mut self, pod: PodId, ctx: &mut Ctx) {
        self.state = State::Waiting;
        let params = &ctx.blueprint().istio().params;
        let upper = params
            .envoy_backoff_initial
            .scale(libm::exp2(f64::from(self.failures.min(40))))
            .min(params.envoy_backoff_max);
        let key = Ordinal::STREAM_BACKOFF
            .of(ctx.shared.key(pod))
            .child(u64::from(self.serial));
        let wait = ctx.stream(Purpose::EnvoyStreamBackoff, key).up_to(upper);
        self.failures += 1;
        observe(pod, ChannelFact::Waits(Wait::EnvoyStream, ctx.now() + wait), ctx);
        ctx.after(
            Source::Sidecar(pod),
            EventClass::Timer,
            wait,
            Event::Sidecar(pod, SidecarEvent::StreamRetries),
        );
    }
}

/// The stream ends when its connection is closed for its age.
fn ages(pod: PodId, serial: u32, connection: Connection, ctx: &mut Ctx) {
    let wait = connection.closes_at.since(ctx.now());
    let event = Event::Sidecar(pod, SidecarEvent::StreamAged(serial));
    ctx.after(Source::Sidecar(pod), EventClass::Timer, wait, event);
}

fn observe(pod: PodId, fact: ChannelFact, ctx: &mut Ctx) {
    ctx.observe(Fact::Channel(pod, Channel::Configuration, fact));
}
