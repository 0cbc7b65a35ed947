//! Istiod: checks tokens, signs certificates, serves configuration, and republishes the backends of Services.
//!
//! **Modeled**: each certificate request and each configuration stream is authenticated by its own TokenReview, without
//! a deadline; the client's rate limit towards the API server; what a cut link makes of a review: before the dead
//! connection is detected everything in flight fails when it is, afterwards each review dials on its own and fails after
//! the dial timeout, or at once if packets are rejected; readiness that never looks at the API server again; snapshots
//! of backends after a debounce; the rate limit of new streams; the maximum age of connections; an Istiod that starts
//! while its link is cut, which dials again and again and begins its work after the repair.
//! **Left out**: CPU, generation order, leader work, other authenticators, restarts; a review in flight does not profit
//! from a repair of the link.
//! **Parameters**: `api_*`, `token_review_latency`, `sign_latency`, `first_push_latency`, `debounce_*`, `stream_*`.
//! **Validated by**: the closed forms of `docs/model/istio.md#one-bad-istiod-of-several` in
//! `tests/world/istiod_connections.rs`; `tests/world/istiod_repairs.rs`.

use crate::cluster::context::Ctx;
use crate::cluster::event::{Event, IstiodEvent, Source};
use crate::cluster::faults::cut::CutMode;
use crate::cluster::history::{History, VersionIndex};
use crate::cluster::ids::{IstiodId, NodeId, PodId, ServiceId};
use crate::cluster::istio::messages::{Answer, Channel, Request};
use crate::cluster::links::Cut;
use crate::cluster::observed::{ChannelFact, Fact, ReviewFailure};
use crate::cluster::party::Party;
use crate::cluster::purpose::Purpose;
use crate::cluster::subscription::{Change, Missed, Notification, Subscription};
use crate::cluster::token_bucket::TokenBucket;
use crate::kernel::{EventClass, SimDuration, SimTime, Timer};

/// All Istiods.
#[derive(Debug, Default)]
pub struct Istiods {
    istiods: Vec<Option<Istiod>>,
    /// Those that cannot begin, as their link is cut.
    waiting: Missed<Waiting>,
}

/// An Istiod that dials the API server since its link was found cut.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    pod: PodId,
    since: SimTime,
    mode: CutMode,
}

#[derive(Debug)]
struct Istiod {
    api_client: TokenBucket,
    streams: TokenBucket,
    /// Changes seen since the last snapshot.
    changed: Vec<(ServiceId, VersionIndex)>,
    first_change: SimTime,
    debounce: Option<Timer>,
}

impl Istiods {
    fn istiod(&mut self, id: IstiodId) -> Option<&mut Istiod> {
        self.istiods.get_mut(id.index())?.as_mut()
    }

    /// Handles an event of one Istiod.
    pub fn handle(&mut self, id: IstiodId, event: IstiodEvent, ctx: &mut Ctx) {
        match event {
            IstiodEvent::Start(pod) => self.start(id, pod, SimDuration::ZERO, ctx),
            IstiodEvent::Serving(pod) => self.serving(id, pod, ctx),
            IstiodEvent::SliceSeen(service, index) => {
                // A cut-off Istiod hears nothing.
                if ctx.shared.links.is_up(Party::Istiod(id)) {
                    self.changed(id, service, index, ctx);
                }
            }
            IstiodEvent::Debounced => self.snapshot(id, ctx),
            IstiodEvent::Request(request) => self.request(id, request, ctx),
            IstiodEvent::Reviewed(request, passed) => self.reviewed(id, request, passed, ctx),
            IstiodEvent::Repaired => {
                self.list(id, ctx);
                for waiting in self.waiting.hand_out(Party::Istiod(id)) {
                    let connected = connects(id, waiting, ctx);
                    self.start(id, waiting.pod, connected.since(ctx.now()), ctx);
                }
            }
        }
    }

    /// Its container starts, or its first connection stands after a wait: all its start still lies before it.
    fn start(&mut self, id: IstiodId, pod: PodId, wait: SimDuration, ctx: &mut Ctx) {
        if !self.waits(id, pod, ctx) {
            let distribution = ctx.blueprint().istio().params.istiod_start_latency;
            let latency = ctx.draw(Purpose::IstiodStart, ctx.shared.key(pod), &distribution);
            let event = Event::Istiod(id, IstiodEvent::Serving(pod));
            ctx.after(Source::Istiod(id), EventClass::Physics, wait + latency, event);
        }
    }

    /// Whether its link is cut, so that it waits for the repair.
    fn waits(&mut self, id: IstiodId, pod: PodId, ctx: &mut Ctx) -> bool {
        let Some(cut) = ctx.shared.links.cut_of(Party::Istiod(id)) else {
            return false;
        };
        ctx.observe(Fact::IstiodWaits(id));
        let (since, mode) = (ctx.now(), cut.mode);
        self.waiting.keep(Party::Istiod(id), Waiting { pod, since, mode });
        true
    }

    fn serving(&mut self, id: IstiodId, pod: PodId, ctx: &mut Ctx) {
        let Some((node, _)) = ctx.shared.physics.pod(pod).place else {
            return;
        };
        if !ctx.shared.physics.pod(pod).running || self.waits(id, pod, ctx) {
            return; // Before it has synced its caches it is not ready.
        }
        let params = &ctx.blueprint().istio().params;
        let istiod = Istiod {
            api_client: TokenBucket::new(params.api_client_qps, params.api_client_burst),
            streams: TokenBucket::new(params.stream_rate, 1),
            changed: Vec::new(),
            first_change: ctx.now(),
            debounce: None,
        };
        if self.istiods.len() <= id.index() {
            self.istiods.resize_with(id.index() + 1, || None);
        }
        self.istiods[id.index()] = Some(istiod);
        while ctx.shared.snapshots.len() <= id.index() {
            ctx.shared.snapshots.push(History::default());
        }
        self.list(id, ctx);
        ctx.istiod_ready(id, node, pod);
    }

    /// Takes in everything that the API server has.
    fn list(&mut self, id: IstiodId, ctx: &mut Ctx) {
        let now = ctx.now();
        if self.istiod(id).is_none() {
            return;
        }
        let shared = &mut *ctx.shared;
        let (slices, snapshots) = (&shared.api.slices, &mut shared.snapshots[id.index()]);
        for service in 0..shared.blueprint.services as u32 {
            if let Some(index) = slices.of_key(service).next()
                && let Some(backends) = &slices.version(index).value
            {
                snapshots.publish(now, service, backends.clone());
            }
        }
    }

    fn changed(&mut self, id: IstiodId, service: ServiceId, index: VersionIndex, ctx: &mut Ctx) {
        let now = ctx.now();
        let params = &ctx.shared.blueprint.istio().params;
        let (after, max) = (params.debounce_after, params.debounce_max);
        let Some(istiod) = self.istiod(id) else { return };
        istiod.changed.retain(|(other, _)| *other != service);
        istiod.changed.push((service, index));
        match istiod.debounce.take() {
            Some(timer) => ctx.kernel.cancel(timer),
            None => istiod.first_change = now,
        }
        // Sliding quiet, but bounded from the first change.
        let at = (now + after).min(istiod.first_change + max);
        istiod.debounce = Some(ctx.at(
            Source::Istiod(id),
            EventClass::Timer,
            at,
            Event::Istiod(id, IstiodEvent::Debounced),
        ));
    }

    fn snapshot(&mut self, id: IstiodId, ctx: &mut Ctx) {
        let now = ctx.now();
        let Some(istiod) = self.istiod(id) else { return };
        istiod.debounce = None;
        for (service, index) in std::mem::take(&mut istiod.changed) {
            if let Some(backends) = ctx.shared.api.slices.version(index).value.clone() {
                let index = ctx.shared.snapshots[id.index()].publish(now, service.0, backends);
                ctx.judge_hears_of_snapshot(id, service, index);
            }
        }
    }

    fn request(&mut self, id: IstiodId, request: Request, ctx: &mut Ctx) {
        let now = ctx.now();
        let stream_wait_max = ctx.blueprint().istio().params.stream_wait_max;
        let Some(istiod) = self.istiod(id) else {
            answer(id, request, Answer::NotServing, SimDuration::ZERO, ctx);
            return;
        };
        let turn = match request.channel {
            Channel::Certificate => Some(SimDuration::ZERO),
            Channel::Configuration => istiod.streams.reserve_within(now, stream_wait_max),
        };
        let Some(turn) = turn else {
            answer(id, request, Answer::ResourceExhausted, stream_wait_max, ctx);
            return;
        };
        let wait = turn + istiod.api_client.reserve(now + turn, 1);
        self.review(id, request, now + wait, ctx);
    }

    /// Sends a TokenReview at `start`.
    fn review(&self, id: IstiodId, request: Request, start: SimTime, ctx: &mut Ctx) {
        let (end, passed) = match ctx.shared.links.cut_of(Party::Istiod(id)) {
            None => {
                let key = request.channel.review().of(ctx.shared.key(request.pod));
                let key = key.child(u64::from(request.number));
                let distribution = ctx.blueprint().istio().params.token_review_latency;
                (start + ctx.draw(Purpose::TokenReview, key, &distribution), true)
            }
            Some(cut) => {
                let (end, why) = failure(id, cut, start, ctx);
                observe(request, ChannelFact::ReviewFails(start, end, why), ctx);
                (end, false)
            }
        };
        schedule_review(id, request, end, passed, ctx);
    }

    fn reviewed(&mut self, id: IstiodId, request: Request, passed: bool, ctx: &mut Ctx) {
        let cut = ctx.shared.links.cut_of(Party::Istiod(id));
        if let (true, Some(cut)) = (passed, cut) {
            // The link was cut while the review was under way.
            let (end, why) = failure(id, cut, cut.since, ctx);
            let end = end.max(ctx.now());
            observe(request, ChannelFact::ReviewFails(cut.since, end, why), ctx);
            schedule_review(id, request, end, false, ctx);
            return;
        }
        // A token is bound to its pod: once the pod is gone it is refused (`docs/model/kubernetes.md#service-account-tokens`).
        let authenticated = passed && ctx.shared.api.pod(request.pod).is_some();
        if !authenticated {
            observe(request, ChannelFact::Unauthenticated(id, passed), ctx);
            answer(id, request, Answer::Unauthenticated, SimDuration::ZERO, ctx);
            return;
        }
        let params = &ctx.blueprint().istio().params;
        let (purpose, distribution) = match request.channel {
            Channel::Certificate => (Purpose::Sign, params.sign_latency),
            Channel::Configuration => (Purpose::FirstPush, params.first_push_latency),
        };
        let latency = ctx.draw(
            purpose,
            ctx.shared.key(request.pod).child(u64::from(request.number)),
            &distribution,
        );
        answer(id, request, Answer::Ok, latency, ctx);
    }
}

fn observe(request: Request, fact: ChannelFact, ctx: &mut Ctx) {
    ctx.observe(Fact::Channel(request.pod, request.channel, fact));
}

/// When and how a review that is sent at `start` over a cut link fails.
fn failure(id: IstiodId, cut: Cut, start: SimTime, ctx: &Ctx) -> (SimTime, ReviewFailure) {
    let params = &ctx.blueprint().istio().params;
    let key = id.key().child(cut.since.as_nanos());
    match cut.mode {
        CutMode::Reject => {
            let end = start + ctx.draw(Purpose::ReviewRejected, key, &params.reject_latency);
            (end, ReviewFailure::Rejected)
        }
        CutMode::Drop | CutMode::RepliesOnly => {
            // The open connection is tested after its last frame grew old, then closed; later requests dial.
            let age = ctx.draw(Purpose::LastFrameAge, key, &params.api_last_frame_age);
            let detected = cut.since + (params.api_read_idle_timeout + params.api_ping_timeout).saturating_sub(age);
            if start < detected {
                (detected, ReviewFailure::DeadConnection)
            } else {
                (start + params.api_dial_timeout, ReviewFailure::DialTimeout)
            }
        }
    }
}

/// When an Istiod that dialled all the time has its first connection, now that the link works: at the next SYN of a dial
/// that is under way, or with its next dial.
fn connects(id: IstiodId, waiting: Waiting, ctx: &Ctx) -> SimTime {
    let now = ctx.now();
    let params = &ctx.blueprint().istio().params;
    let network = &ctx.blueprint().spec.network;
    let key = id.key().child(waiting.since.as_nanos());
    let mut backoffs = ctx.stream(Purpose::IstiodRedial, key);
    let mut dialled = waiting.since;
    for tries in 0..10_000_u32 {
        let mut syn = dialled;
        for sent in 0..=network.syn_retransmits.min(20) {
            if syn >= now || waiting.mode == CutMode::Reject {
                break;
            }
            syn += network.syn_retransmit_initial * (1 << sent);
        }
        let timed_out = match waiting.mode {
            CutMode::Reject => dialled + params.reject_latency.bound(),
            CutMode::Drop | CutMode::RepliesOnly => dialled + params.api_dial_timeout,
        };
        if syn >= now && syn <= timed_out {
            return syn;
        }
        // From one wait to twice as long.
        let least = params
            .api_backoff_initial
            .scale(libm::exp2(f64::from(tries.min(40))))
            .min(params.api_backoff_max);
        dialled = timed_out + least + backoffs.up_to(least);
    }
    dialled
}

fn schedule_review(id: IstiodId, request: Request, end: SimTime, passed: bool, ctx: &mut Ctx) {
    if end > request.closes_at {
        // The connection is cut for its age before the review ends.
        let wait = request.closes_at.since(ctx.now());
        answer(id, request, Answer::Unavailable, wait, ctx);
    } else {
        ctx.at(
            Source::Istiod(id),
            EventClass::Timer,
            end,
            Event::Istiod(id, IstiodEvent::Reviewed(request, passed)),
        );
    }
}

fn answer(id: IstiodId, request: Request, answer: Answer, wait: SimDuration, ctx: &mut Ctx) {
    let distribution = ctx.blueprint().spec.network.one_way_latency;
    let key = request.channel.answer().of(ctx.shared.key(request.pod));
    let one_way = ctx.draw(Purpose::OneWay, key.child(u64::from(request.number)), &distribution);
    ctx.answer_sidecar(id, request, answer, wait, one_way);
}

/// Verbs with which other components notify an Istiod.
impl Ctx<'_> {
    /// The kubelet of a node starts an Istiod's container.
    pub fn start_istiod(&mut self, node: NodeId, pod: PodId) {
        let istiod = self.istiod_in(pod);
        self.after(
            Source::Kubelet(node),
            EventClass::Physics,
            SimDuration::ZERO,
            Event::Istiod(istiod, IstiodEvent::Start(pod)),
        );
    }

    /// A sidecar's request reaches an Istiod after its way.
    pub fn ask_istiod(&mut self, istiod: IstiodId, request: Request, one_way: SimDuration) {
        let (source, now) = (Source::Sidecar(request.pod), self.now());
        self.message(source, Source::Istiod(istiod), now, now + one_way, || {
            (request.channel.asks_for(), Some(request.pod))
        });
        self.after(
            source,
            EventClass::Physics,
            one_way,
            Event::Istiod(istiod, IstiodEvent::Request(request)),
        );
    }

    /// The link of an Istiod works again.
    pub fn istiod_repaired(&mut self, istiod: IstiodId) {
        self.after(
            Source::Fault,
            EventClass::Timer,
            SimDuration::ZERO,
            Event::Istiod(istiod, IstiodEvent::Repaired),
        );
    }
}

/// EndpointSlices. An Istiod that is cut off hears of none; it lists them all after the repair.
pub const SUBSCRIPTION: Subscription = Subscription {
    key: |reader, _| match reader {
        Source::Istiod(istiod) => istiod.key().named("informer"),
        other => unreachable!("{other:?} is no Istiod"),
    },
    hears: |change, shared, notifications| {
        let Change::SliceWritten(service, index) = *change else {
            return;
        };
        for istiod in (0..shared.snapshots.len() as u32).map(IstiodId) {
            let event = Event::Istiod(istiod, IstiodEvent::SliceSeen(service, index));
            let words = ("the EndpointSlice changed", None);
            notifications.push(Notification {
                over: Some(Party::Istiod(istiod)),
                ..Notification::new(Source::Istiod(istiod), event, words)
            });
        }
    },
};
