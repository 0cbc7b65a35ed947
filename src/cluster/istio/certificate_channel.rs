//! The certificate channel of a sidecar: pilot-agent's request, its callers, its attempts and its gRPC channel.
//!
//! **Modeled**: three callers of one request behind a mutex, the warm-up loop with its back-off and Envoy's streams for
//! the certificate and for the root, each with its own; five attempts of one call on codes that are retried;
//! Unauthenticated, which is not; the channel that is kept after a failure (up to 1.20) or closed and dialled anew at once
//! (from 1.21); after a failed connect, calls that wait for the channel's next one (up to 1.20) or fail until it stands
//! (from 1.21); the connection's age; renewals, for which Envoy's stream for the certificate asks again.
//! **Left out**: the flat back-off after 15 minutes, keep-alive of the channel, the kernel's own give-up.
//! **Parameters**: `csr_*`, `warm_up_*`, `envoy_*`, `channel_*`. **Validated by**: the measured starts in
//! `tests/world/measured_starts.rs`; closed forms in `tests/world/istiod_connections.rs`.
//! Source: `docs/model/istio.md#certificate-request`.

use smallvec::SmallVec;

use super::connection::{Connection, Dial, FIRST, Syn};
use super::messages::{Answer, Caller, Channel};
use crate::cluster::context::Ctx;
use crate::cluster::event::{Event, SidecarEvent, Source};
use crate::cluster::ids::PodId;
use crate::cluster::observed::{ChannelFact, Fact, Wait};
use crate::cluster::purpose::{Ordinal, Purpose};
use crate::kernel::{EventClass, SimDuration};

#[derive(Clone, Copy, Debug)]
enum Grpc {
    Idle,
    Connecting(Dial),
    Ready(Connection),
    /// Waiting before it may dial again.
    Failed,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    caller: Caller,
    attempt: u32,
    waiting_for_channel: bool,
}

/// The state of the channel.
#[derive(Debug)]
pub struct CertificateChannel {
    grpc: Grpc,
    serial: u32,
    requests: u32,
    connect_failures: u32,
    call: Option<Call>,
    /// Callers that wait for the mutex, in order.
    waiting: SmallVec<[Caller; 3]>,
    failures: [u32; 3],
    obtained: bool,
    /// The number of the certificate among those of the pod.
    certificate: u32,
    /// Whether it is a renewal.
    renews: bool,
}

impl Default for CertificateChannel {
    fn default() -> Self {
        Self {
            grpc: Grpc::Idle,
            serial: 0,
            requests: 0,
            connect_failures: 0,
            call: None,
            waiting: SmallVec::new(),
            failures: [0; 3],
            obtained: false,
            certificate: 0,
            renews: false,
        }
    }
}

impl CertificateChannel {
    /// That of a pod that had its first certificate, over this connection, when the run began.
    pub fn before_the_run(connection: Connection) -> Self {
        Self {
            grpc: Grpc::Ready(connection),
            serial: FIRST,
            requests: FIRST,
            obtained: true,
            ..Self::default()
        }
    }

    /// That of the same pod after a boot of its node: its connections and requests have other numbers.
    pub fn restarted(&self) -> Self {
        Self {
            serial: self.serial + 1,
            requests: self.requests + 1,
            certificate: self.certificate + 1,
            ..Self::default()
        }
    }

    /// A caller asks for the certificate: it waits if another call is under way, else it starts one.
    pub fn caller_asks(&mut self, caller: Caller, pod: PodId, ctx: &mut Ctx) {
        if self.obtained {
            return;
        }
        if self.call.is_some() {
            self.waiting.push(caller);
        } else {
            self.call = Some(Call {
                caller,
                attempt: 1,
                waiting_for_channel: false,
            });
            self.issue(pod, ctx);
        }
    }

    /// The number of the certificate among those of the pod.
    #[must_use]
    pub const fn certificate(&self) -> u32 {
        self.certificate
    }

    /// The certificate of this number is due for renewal: Envoy's stream for it asks for another one.
    pub fn renew(&mut self, number: u32, pod: PodId, ctx: &mut Ctx) {
        if self.obtained && number == self.certificate {
            (self.obtained, self.renews) = (false, true);
            self.certificate += 1;
            self.failures = [0; 3];
            self.waiting.clear();
            self.caller_asks(Caller::Envoy, pod, ctx);
        }
    }

    /// Sends the request, or makes it wait for the channel, or fails it.
    fn issue(&mut self, pod: PodId, ctx: &mut Ctx) {
        let now = ctx.now();
        let fails_fast = ctx.blueprint().istio().params.channel_fails_fast_while_redialling;
        match self.grpc {
            Grpc::Ready(connection) if now < connection.aged_at => {
                observe(pod, ChannelFact::Attempt, ctx);
                self.send(connection, pod, ctx);
            }
            Grpc::Ready(_) | Grpc::Idle => {
                self.wait_for_grpc(pod, ctx);
                self.dial(pod, ctx);
            }
            Grpc::Connecting(_) if fails_fast && self.connect_failures > 0 => self.attempt_failed(true, pod, ctx),
            Grpc::Connecting(_) => self.wait_for_grpc(pod, ctx),
            Grpc::Failed => self.attempt_failed(true, pod, ctx),
        }
    }

    fn wait_for_grpc(&mut self, pod: PodId, ctx: &mut Ctx) {
        observe(pod, ChannelFact::Attempt, ctx);
        if let Some(call) = &mut self.call {
            call.waiting_for_channel = true;
        }
    }

    fn dial(&mut self, pod: PodId, ctx: &mut Ctx) {
        self.serial += 1;
        match Dial::begin(pod, Channel::Certificate, self.serial, ctx) {
            (dial, Syn::Answered | Syn::UnderWay) => self.grpc = Grpc::Connecting(dial),
            (_, Syn::Failed(how)) => self.connect_failed(how, pod, ctx),
        }
    }

    /// A retransmission of the SYN is due.
    pub fn syn(&mut self, serial: u32, pod: PodId, ctx: &mut Ctx) {
        if serial != self.serial {
            return;
        }
        if let Grpc::Connecting(dial) = &mut self.grpc
            && let Syn::Failed(how) = dial.next(pod, Channel::Certificate, serial, ctx)
        {
            self.connect_failed(how, pod, ctx);
        }
    }

    /// The connect ran out of time.
    pub fn connect_timeout(&mut self, serial: u32, pod: PodId, ctx: &mut Ctx) {
        if let (true, Grpc::Connecting(dial)) = (serial == self.serial, self.grpc) {
            self.connect_failed(dial.timed_out(), pod, ctx);
        }
    }

    /// The connection stands.
    pub fn connected(&mut self, serial: u32, pod: PodId, ctx: &mut Ctx) {
        let (true, Grpc::Connecting(dial)) = (serial == self.serial, self.grpc) else {
            return;
        };
        observe(pod, ChannelFact::Connected(dial.lost(ctx.now())), ctx);
        let connection = dial.established(pod, Channel::Certificate, serial, ctx);
        self.grpc = Grpc::Ready(connection);
        self.connect_failures = 0;
        if self.call.is_some_and(|call| call.waiting_for_channel) {
            self.send(connection, pod, ctx);
        }
    }

    fn send(&mut self, connection: Connection, pod: PodId, ctx: &mut Ctx) {
        if let Some(call) = &mut self.call {
            call.waiting_for_channel = false;
        }
        self.requests += 1;
        super::sidecar::send(pod, Channel::Certificate, self.serial, self.requests, connection, ctx);
    }

    /// The connection of this number, if a request waits for its answer on it; of the latest one without a number.
    #[must_use]
    pub fn waits_on(&self, serial: Option<u32>) -> Option<(u32, Connection)> {
        let waits = self.call.is_some_and(|call| !call.waiting_for_channel);
        match self.grpc {
            Grpc::Ready(connection) if waits && serial.is_none_or(|serial| serial == self.serial) => {
                Some((self.serial, connection))
            }
            _ => None,
        }
    }

    /// The request that waits for its answer gets none: the connection is closed.
    pub fn gives_up(&mut self, serial: u32, pod: PodId, ctx: &mut Ctx) {
        self.answered(serial, self.requests, Answer::Unavailable, pod, ctx);
    }

    /// Istiod answered. Returns whether the certificate is there now.
    pub fn answered(&mut self, serial: u32, number: u32, answer: Answer, pod: PodId, ctx: &mut Ctx) -> bool {
        if serial != self.serial || number != self.requests || self.obtained || self.call.is_none() {
            return false;
        }
        observe(pod, ChannelFact::Answered(answer), ctx);
        match answer {
            Answer::Ok => {
                self.obtained = true;
                self.call = None;
                true
            }
            Answer::Unauthenticated => {
                self.call_failed(pod, ctx);
                false
            }
            Answer::Unavailable | Answer::NotServing => {
                // The connection has ended; the next attempt dials.
                self.grpc = Grpc::Idle;
                self.attempt_failed(true, pod, ctx);
                false
            }
            Answer::ResourceExhausted => {
                self.attempt_failed(true, pod, ctx);
                false
            }
        }
    }

    fn connect_failed(&mut self, how: ChannelFact, pod: PodId, ctx: &mut Ctx) {
        observe(pod, how, ctx);
        self.grpc = Grpc::Failed;
        let params = &ctx.blueprint().istio().params;
        let centre = params
            .channel_backoff_initial
            .scale(libm::pow(
                params.channel_backoff_multiplier,
                f64::from(self.connect_failures),
            ))
            .min(params.channel_backoff_max);
        let key = Ordinal::CHANNEL_BACKOFF
            .of(ctx.shared.key(pod))
            .child(u64::from(self.serial));
        // The first wait has no spread.
        let wait = if self.connect_failures == 0 {
            centre
        } else {
            ctx.stream(Purpose::ChannelBackoff, key)
                .around(centre, params.channel_backoff_jitter_ratio)
        };
        self.connect_failures += 1;
        observe(pod, ChannelFact::Waits(Wait::Channel, ctx.now() + wait), ctx);
        let serial = self.serial;
        ctx.after(
            Source::Sidecar(pod),
            EventClass::Timer,
            wait,
            Event::Sidecar(pod, SidecarEvent::ChannelRedials(serial)),
        );
        if self.call.is_some_and(|call| call.waiting_for_channel) {
            self.attempt_failed(true, pod, ctx);
        }
    }

    /// The channel's back-off is over: it dials by itself if calls fail meanwhile, else with the next call.
    pub fn channel_redials(&mut self, serial: u32, pod: PodId, ctx: &mut Ctx) {
        if serial == self.serial && matches!(self.grpc, Grpc::Failed) && !self.obtained {
            if ctx.blueprint().istio().params.channel_fails_fast_while_redialling {
                self.dial(pod, ctx);
            } else {
                self.grpc = Grpc::Idle;
            }
        }
    }

    /// One attempt of the call failed.
    fn attempt_failed(&mut self, retried: bool, pod: PodId, ctx: &mut Ctx) {
        let params = &ctx.shared.blueprint.istio().params;
        let Some(call) = &mut self.call else { return };
        call.waiting_for_channel = false;
        if !retried || call.attempt >= params.csr_attempts {
            self.call_failed(pod, ctx);
            return;
        }
        let centre = params.csr_attempt_backoff * (1 << (call.attempt - 1).min(20));
        call.attempt += 1;
        let key = Ordinal::ATTEMPT_BACKOFF
            .of(ctx.shared.key(pod))
            .child(u64::from(self.serial))
            .child(u64::from(call.attempt));
        let wait = ctx
            .stream(Purpose::AttemptBackoff, key)
            .around(centre, params.csr_attempt_jitter_ratio);
        observe(pod, ChannelFact::Waits(Wait::Attempt, ctx.now() + wait), ctx);
        ctx.after(
            Source::Sidecar(pod),
            EventClass::Timer,
            wait,
            Event::Sidecar(pod, SidecarEvent::AttemptAgain),
        );
    }

    /// The wait between two attempts of one call is over.
    pub fn attempt_again(&mut self, pod: PodId, ctx: &mut Ctx) {
        if self.call.is_some_and(|call| !call.waiting_for_channel) {
            self.issue(pod, ctx);
        }
    }

    /// The call failed for good: its caller backs off, and one that waited goes on at once.
    fn call_failed(&mut self, pod: PodId, ctx: &mut Ctx) {
        let Some(call) = self.call.take() else { return };
        if ctx.blueprint().istio().params.csr_redial_on_error {
            // The new channel connects by itself.
            self.connect_failures = 0;
            self.dial(pod, ctx);
        }
        let wait = self.back_off(call.caller, pod, ctx);
        let whose = match call.caller {
            Caller::WarmUp => Wait::WarmUp,
            Caller::Envoy | Caller::EnvoyRoot => Wait::EnvoySecret,
        };
        observe(pod, ChannelFact::Waits(whose, ctx.now() + wait), ctx);
        ctx.after(
            Source::Sidecar(pod),
            EventClass::Timer,
            wait,
            Event::Sidecar(pod, SidecarEvent::CallerWakes(call.caller)),
        );
        if !self.waiting.is_empty() {
            let next = self.waiting.remove(0);
            self.caller_asks(next, pod, ctx);
        }
    }

    fn back_off(&mut self, caller: Caller, pod: PodId, ctx: &Ctx) -> SimDuration {
        let params = &ctx.blueprint().istio().params;
        let failures = self.failures[caller as usize];
        self.failures[caller as usize] += 1;
        let key = Ordinal::CALLER_BACKOFF
            .of(ctx.shared.key(pod))
            .child(u64::from(failures));
        let key = if self.renews {
            key.child(u64::from(self.certificate))
        } else {
            key
        };
        match caller {
            Caller::WarmUp => {
                let centre = params
                    .warm_up_backoff_initial
                    .scale(libm::pow(params.warm_up_backoff_multiplier, f64::from(failures)))
                    .min(params.warm_up_backoff_max);
                ctx.stream(Purpose::WarmUpBackoff, key)
                    .around(centre, params.warm_up_backoff_jitter_ratio)
            }
            Caller::Envoy | Caller::EnvoyRoot => {
                let upper = params
                    .envoy_backoff_initial
                    .scale(libm::exp2(f64::from(failures.min(40))))
                    .min(params.envoy_backoff_max);
                let purpose = if caller == Caller::Envoy {
                    Purpose::EnvoySecretBackoff
                } else {
                    Purpose::EnvoyRootBackoff
                };
                ctx.stream(purpose, key).up_to(upper)
            }
        }
    }
}

fn observe(pod: PodId, fact: ChannelFact, ctx: &mut Ctx) {
    ctx.observe(Fact::Channel(pod, Channel::Certificate, fact));
}
