//! Istiod: checks tokens, signs certificates, serves configuration, and republishes the backends of Services.
//!
//! **Modeled**: each certificate request and each configuration stream is authenticated by its own TokenReview, without
//! a deadline; the client's rate limit towards the API server; what a cut link makes of a review: before the dead
//! connection is detected everything in flight fails when it is, afterwards each review dials on its own and fails after
//! the dial timeout, or at once if packets are rejected; readiness that never looks at the API server again; snapshots
//! of backends after a debounce; the rate limit of new streams; the maximum age of connections; an Istiod that starts
//! while its link is cut, which dials again and again and begins its work after the repair; reviews that are answered when a
//! repair has reached the connection; a process that is frozen, whose work waits, or that ends and starts anew; requests and answers that are stuck because nothing passes between sidecars and the Istiod.
//! **Left out**: CPU, generation order, leader work, other authenticators, draining before an orderly end.
//! **Parameters**: `api_*`, `token_review_latency`, `sign_latency`, `first_push_latency`, `debounce_*`, `stream_*`.
//! **Validated by**: the closed forms of `docs/model/istio.md#one-bad-istiod-of-several` in
//! `tests/world/istiod_connections.rs`; `tests/world/istiod_repairs.rs`.

use std::collections::BTreeMap;

use crate::cluster::api_connection::{Choice, Dials, passes, retransmission};
use crate::cluster::api_requests::Asked;
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
use crate::kernel::{Distribution, EntityKey, EventClass, SimDuration, SimTime, Timer};

/// All Istiods.
#[derive(Debug, Default)]
pub struct Istiods {
    istiods: Vec<Option<Istiod>>,
    /// Those that cannot begin, as their link is cut.
    waiting: Missed<Waiting>,
    /// Reviews on connections that were cut.
    held: Vec<Held>,
    /// Requests and answers on connections of sidecars on which nothing passes.
    stuck: Vec<Stuck>,
    /// What frozen ones have to do.
    frozen: Missed<IstiodEvent>,
    /// Those that start.
    starting: BTreeMap<IstiodId, Timer>,
}

/// A request that does not reach its Istiod, or whose answer does not come back.
#[derive(Debug)]
struct Stuck {
    istiod: IstiodId,
    request: Request,
    answer: Option<Answer>,
    sent: SimTime,
}

/// A review that fails, unless a repair reaches its connection before.
#[derive(Debug)]
struct Held {
    istiod: IstiodId,
    request: Request,
    sent: SimTime,
    fails: Timer,
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
        let process = Party::IstiodProcess(id);
        if !ctx.shared.processes.runs(process)
            && !matches!(
                event,
                IstiodEvent::Clients(_) | IstiodEvent::Path(_) | IstiodEvent::Ends | IstiodEvent::Dies
            )
        {
            if !ctx.shared.processes.is_down(process) {
                self.frozen.keep(process, event);
            }
            return;
        }
        match event {
            IstiodEvent::Start(_) if ctx.istiod_meets_its_fault(id) => {}
            IstiodEvent::Start(pod) => self.start(id, pod, SimDuration::ZERO, ctx),
            IstiodEvent::Serving(pod) => self.serving(id, pod, ctx),
            IstiodEvent::SliceSeen(service, index) => {
                // A cut-off Istiod hears nothing.
                if ctx.shared.links.hears(Party::Istiod(id)) {
                    self.changed(id, service, index, ctx);
                }
            }
            IstiodEvent::Debounced => self.snapshot(id, ctx),
            IstiodEvent::Request(request) => {
                let cut = ctx.shared.client_cut(request.pod, id);
                if cut.is_some_and(|cut| cut.mode != CutMode::RepliesOnly) {
                    self.stick(id, request, None, ctx);
                } else {
                    self.request(id, request, ctx);
                }
            }
            IstiodEvent::Undelivered(request, answer) => self.stick(id, request, Some(answer), ctx),
            IstiodEvent::Thaws => self.thaws(id, ctx),
            IstiodEvent::Ends => self.ends(id, ctx),
            IstiodEvent::Clients(reach) => {
                // It may have changed again at the same instant.
                if ctx.shared.links.is_up(Party::IstiodClients(id)) == reach {
                    self.clients(id, None, ctx);
                }
            }
            IstiodEvent::Path(node) => self.clients(id, Some(node), ctx),
            IstiodEvent::Sends(request, answer, tries) => transmit(id, request, answer, tries, ctx),
            IstiodEvent::Reviewed(..) if ctx.shared.nodes_down.has_istiod(id) => {}
            IstiodEvent::Reviewed(request, passed) => self.reviewed(id, request, passed, ctx),
            IstiodEvent::ReviewServed(request, since, served) => {
                if served && since < ctx.now() {
                    observe(request, ChannelFact::ReviewQueued(since), ctx);
                } else if !served {
                    let why = ReviewFailure::TooManyRequests;
                    observe(request, ChannelFact::ReviewFails(since, ctx.now(), why), ctx);
                }
                self.answered(id, request, served, ctx);
            }
            IstiodEvent::Dies => {
                if let Some(istiod) = self.istiods.get_mut(id.index()) {
                    *istiod = None;
                }
                self.waiting.hand_out(Party::Istiod(id));
                self.stuck.retain(|stuck| stuck.istiod != id);
                for held in self.held.extract_if(.., |held| held.istiod == id) {
                    ctx.kernel.cancel(held.fails);
                }
            }
            IstiodEvent::Repaired => {
                if ctx.shared.links.hears(Party::Istiod(id)) {
                    self.list(id, ctx);
                }
                for waiting in self.waiting.hand_out(Party::Istiod(id)) {
                    let connected = first_connection(id, waiting, ctx);
                    self.start(id, waiting.pod, connected.since(ctx.now()), ctx);
                }
            }
            IstiodEvent::Answered => {
                let now = ctx.now();
                for Held {
                    request, sent, fails, ..
                } in self.held.extract_if(.., |held| held.istiod == id).collect::<Vec<_>>()
                {
                    ctx.kernel.cancel(fails);
                    observe(request, ChannelFact::ReviewWaited(sent), ctx);
                    self.review(id, request, sent.max(now), ctx);
                }
            }
        }
    }

    /// It does what has waited. A review that ended meanwhile is answered by now.
    fn thaws(&mut self, id: IstiodId, ctx: &mut Ctx) {
        for event in self.frozen.hand_out(Party::IstiodProcess(id)) {
            match event {
                IstiodEvent::Reviewed(request, _) if self.istiod(id).is_some() => {
                    self.held.retain(|held| held.istiod != id || held.request != request);
                    self.review(id, request, ctx.now(), ctx);
                }
                event => self.handle(id, event, ctx),
            }
        }
        if self.istiod(id).is_some()
            && let Some(pod) = ctx.shared.istiod_pod(id)
            && let Some((node, _)) = ctx.shared.physics.pod(pod).place
        {
            let period = ctx.blueprint().istio().params.readiness_probe_period;
            let at = ctx.next_readiness_probe(pod, period);
            ctx.probe_ends(node, pod, at, true);
        }
    }

    /// Its process ends, and with it all that was under way.
    fn ends(&mut self, id: IstiodId, ctx: &mut Ctx) {
        if let Some(istiod) = self.istiods.get_mut(id.index()).and_then(Option::take) {
            istiod.debounce.into_iter().for_each(|timer| ctx.kernel.cancel(timer));
        }
        self.starting
            .remove(&id)
            .into_iter()
            .for_each(|timer| ctx.kernel.cancel(timer));
        self.held
            .extract_if(.., |held| held.istiod == id)
            .for_each(|held| ctx.kernel.cancel(held.fails));
        self.stuck.retain(|stuck| stuck.istiod != id);
        self.waiting.hand_out(Party::Istiod(id));
        self.frozen.hand_out(Party::IstiodProcess(id));
    }

    /// Nothing passes between a sidecar and its Istiod: what was sent is sent again until it passes.
    /// Where packets are rejected, or the Istiod is dead, the connection has ended.
    fn stick(&mut self, id: IstiodId, request: Request, answer: Option<Answer>, ctx: &Ctx) {
        let cut = ctx.shared.client_cut(request.pod, id);
        let ended = cut.is_some_and(|cut| cut.mode == CutMode::Reject) || ctx.shared.nodes_down.has_istiod(id);
        if ended {
            return;
        }
        self.stuck.push(Stuck {
            istiod: id,
            request,
            answer,
            sent: ctx.now(),
        });
    }

    /// Its clients reach it again, so that what is stuck passes at its next retransmission, or do no more: all, or those of a node.
    fn clients(&mut self, id: IstiodId, near: Option<NodeId>, ctx: &mut Ctx) {
        ctx.sidecars_hear(id, near);
        let now = ctx.now();
        let passes_again =
            |stuck: &mut Stuck| stuck.istiod == id && ctx.shared.client_cut(stuck.request.pod, id).is_none();
        for stuck in self.stuck.extract_if(.., passes_again).collect::<Vec<_>>() {
            let at = passes(stuck.sent, now, &ctx.blueprint().spec.network);
            if at >= stuck.sent + stuck.request.channel.dead_after(&ctx.blueprint().istio().params) {
                continue; // Its sidecar closes the connection before.
            }
            match stuck.answer {
                Some(answer) => answer_after(id, stuck.request, answer, at.since(now), ctx),
                None => {
                    let event = Event::Istiod(id, IstiodEvent::Request(stuck.request));
                    ctx.at(Source::Sidecar(stuck.request.pod), EventClass::Physics, at, event);
                }
            }
        }
    }

    /// Its container starts, or its first connection stands after a wait: all its start still lies before it.
    fn start(&mut self, id: IstiodId, pod: PodId, wait: SimDuration, ctx: &mut Ctx) {
        if !self.waits(id, pod, ctx) {
            let distribution = ctx.blueprint().istio().params.istiod_start_latency;
            let starts = ctx
                .shared
                .processes
                .starts(Party::IstiodProcess(id))
                .unwrap_or_default();
            let key = match starts {
                0 => ctx.shared.key(pod),
                starts => ctx.shared.key(pod).child(u64::from(starts)),
            };
            let latency = ctx.draw(Purpose::IstiodStart, key, &distribution);
            let event = Event::Istiod(id, IstiodEvent::Serving(pod));
            let timer = ctx.after(Source::Istiod(id), EventClass::Physics, wait + latency, event);
            self.starting.insert(id, timer);
        }
    }

    /// Whether its link is cut, so that it waits for the repair.
    fn waits(&mut self, id: IstiodId, pod: PodId, ctx: &mut Ctx) -> bool {
        let cut = ctx.shared.links.cut_of(Party::Istiod(id));
        let Some(cut) = cut.filter(|_| !ctx.shared.links.passes(Party::Istiod(id))) else {
            return false;
        };
        ctx.observe(Fact::IstiodWaits(id));
        let (since, mode) = (ctx.now(), cut.mode);
        self.waiting.keep(Party::Istiod(id), Waiting { pod, since, mode });
        true
    }

    fn serving(&mut self, id: IstiodId, pod: PodId, ctx: &mut Ctx) {
        self.starting.remove(&id);
        let Some((node, _)) = ctx.shared.physics.pod(pod).place else {
            return;
        };
        if !ctx.shared.physics.pod(pod).running || self.waits(id, pod, ctx) {
            return; // Before it has synced its caches it is not ready.
        }
        self.begins(id, ctx);
        ctx.istiod_ready(id, node, pod);
    }

    /// It has an empty state and lists.
    pub fn begins(&mut self, id: IstiodId, ctx: &mut Ctx) {
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
    fn review(&mut self, id: IstiodId, request: Request, start: SimTime, ctx: &mut Ctx) {
        if !ctx.connects(Party::Istiod(id), start) {
            self.hold(id, request, start, ctx);
            return;
        }
        let key = request.channel.review().of(ctx.shared.key(request.pod));
        let key = key.child(u64::from(request.number));
        let distribution = ctx.blueprint().istio().params.token_review_latency;
        let latency = ctx.draw(Purpose::TokenReview, key, &distribution);
        let latency = ctx.slowed(Party::IstiodProcess(id), latency);
        let end = start + ctx.slowed_by_server(Some(Party::Istiod(id)), latency);
        schedule_review(id, request, end, true, ctx);
    }

    /// A review that is sent at `sent` gets no answer: it fails, unless a repair reaches its connection before.
    fn hold(&mut self, id: IstiodId, request: Request, sent: SimTime, ctx: &mut Ctx) {
        let party = Party::Istiod(id);
        let cut = ctx.shared.links.cut_of(party).expect("a link without answers is cut");
        let (end, why) = failure(id, cut, sent, ctx);
        let end = end.max(ctx.now());
        observe(request, ChannelFact::ReviewFails(sent, end, why), ctx);
        ctx.shared.links.ask(party, sent);
        let fails = schedule_review(id, request, end, false, ctx);
        if let Some(fails) = fails.filter(|_| !ctx.blueprint().spec.network.repair_reaches_at_once) {
            self.held.push(Held {
                istiod: id,
                request,
                sent,
                fails,
            });
        }
    }

    fn reviewed(&mut self, id: IstiodId, request: Request, passed: bool, ctx: &mut Ctx) {
        if self.istiod(id).is_none() {
            return; // Its process has ended meanwhile.
        }
        let cut = ctx.shared.links.cut_of(Party::Istiod(id));
        if let (true, Some(cut)) = (passed, cut) {
            // The link was cut while the review was under way.
            self.hold(id, request, cut.since, ctx);
            return;
        }
        if !passed && ctx.shared.links.keeps(Party::Istiod(id)) {
            // The client has heard something before it would have closed the connection: the answer is under way.
            let end = ctx.now() + ctx.blueprint().istio().params.api_dial_timeout;
            let fails = schedule_review(id, request, end, false, ctx);
            let mut held = self
                .held
                .iter_mut()
                .filter(|held| held.istiod == id && held.request == request);
            if let (Some(held), Some(fails)) = (held.next(), fails) {
                held.fails = fails;
            }
            return;
        }
        self.held.retain(|held| held.istiod != id || held.request != request);
        if passed && ctx.models_load() {
            ctx.ask_api_server(Asked::Review(id, request));
            return;
        }
        self.answered(id, request, passed, ctx);
    }

    /// A TokenReview has come back.
    fn answered(&self, id: IstiodId, request: Request, passed: bool, ctx: &mut Ctx) {
        if ctx.now() > request.closes_at {
            answer(id, request, Answer::Unavailable, SimDuration::ZERO, ctx);
            return;
        }
        let refused = passed.then(|| ctx.token_refused(id, request.pod)).flatten();
        if !passed || refused.is_some() {
            observe(request, ChannelFact::Unauthenticated(id, refused), ctx);
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
        let latency = ctx.slowed(Party::IstiodProcess(id), latency);
        if request.channel == Channel::Certificate {
            ctx.signs_certificate(id, request.pod);
        }
        answer(id, request, Answer::Ok, latency, ctx);
    }
}

fn observe(request: Request, fact: ChannelFact, ctx: &mut Ctx) {
    ctx.observe(Fact::Channel(request.pod, request.channel, fact));
}

/// When and how a review that is sent at `start` over a cut link fails.
fn failure(id: IstiodId, cut: Cut, start: SimTime, ctx: &Ctx) -> (SimTime, ReviewFailure) {
    let params = &ctx.blueprint().istio().params;
    if cut.mode == CutMode::Reject {
        let key = id.key().child(cut.since.as_nanos());
        let end = start + ctx.draw(Purpose::ReviewRejected, key, &params.reject_latency);
        return (end, ReviewFailure::Rejected);
    }
    let closes = ctx.closes(Party::Istiod(id), cut);
    if start < closes {
        (closes, ReviewFailure::DeadConnection)
    } else {
        (start + params.api_dial_timeout, ReviewFailure::DialTimeout)
    }
}

/// When an Istiod that dialled all the time has its first connection, now that the link works: at the next SYN of a dial
/// that is under way, or with its next dial.
fn first_connection(id: IstiodId, waiting: Waiting, ctx: &Ctx) -> SimTime {
    let client = ctx.client(Party::Istiod(id));
    let lasts = match waiting.mode {
        CutMode::Reject => ctx.blueprint().istio().params.reject_latency.bound(),
        CutMode::Drop | CutMode::RepliesOnly => client.dial_timeout,
    };
    let backoffs = ctx.stream(Purpose::IstiodRedial, id.key().child(waiting.since.as_nanos()));
    let choice = Choice {
        servers: 1,
        withdrawn: Vec::new(),
        draws: ctx.stream(Purpose::ApiServerChoice, id.key().named("first")),
    };
    let mut dials = Dials::of_watch(waiting.since, lasts, &client, backoffs, choice);
    let (now, network) = (ctx.now(), &ctx.blueprint().spec.network);
    let connected = dials.find_map(|dial| dial.connects(now, network));
    connected.expect("dials do not end")
}

/// A review ends; nothing if the connection of its request is cut for its age before.
fn schedule_review(id: IstiodId, request: Request, end: SimTime, passed: bool, ctx: &mut Ctx) -> Option<Timer> {
    if end > request.closes_at {
        // The connection is cut for its age before the review ends.
        let wait = request.closes_at.since(ctx.now());
        answer(id, request, Answer::Unavailable, wait, ctx);
        return None;
    }
    let event = Event::Istiod(id, IstiodEvent::Reviewed(request, passed));
    Some(ctx.at(Source::Istiod(id), EventClass::Timer, end, event))
}

fn answer(id: IstiodId, request: Request, answer: Answer, wait: SimDuration, ctx: &mut Ctx) {
    if ctx.shared.client_cut(request.pod, id).is_none() {
        answer_after(id, request, answer, wait, ctx);
    } else {
        ctx.call(Event::Istiod(id, IstiodEvent::Undelivered(request, answer)));
    }
}

fn answer_after(id: IstiodId, request: Request, answer: Answer, wait: SimDuration, ctx: &mut Ctx) {
    if ctx.shared.istiod_behind_faults(request.pod, id).is_some() {
        let event = Event::Istiod(id, IstiodEvent::Sends(request, answer, 0));
        ctx.after(Source::Istiod(id), EventClass::Physics, wait, event);
        return;
    }
    let one_way = ctx.draw(Purpose::OneWay, answer_key(request, ctx), &one_way_latency(ctx));
    ctx.answer_sidecar(id, request, answer, wait, one_way);
}

/// Sends an answer now, or sends it again until it is not lost.
fn transmit(id: IstiodId, request: Request, answer: Answer, tries: u32, ctx: &mut Ctx) {
    let key = answer_key(request, ctx);
    let packet = key.named("packet").child(u64::from(tries));
    let mut one_way = ctx.draw(Purpose::OneWay, key, &one_way_latency(ctx));
    if ctx.shared.client_cut(request.pod, id).is_some() {
        ctx.call(Event::Istiod(id, IstiodEvent::Undelivered(request, answer)));
        return;
    }
    if let Some(server) = ctx.shared.istiod_behind_faults(request.pod, id) {
        if ctx.shared.loses(server, request.pod, packet) {
            let wait = retransmission(tries, &ctx.blueprint().spec.network);
            let event = Event::Istiod(id, IstiodEvent::Sends(request, answer, tries + 1));
            ctx.after(Source::Istiod(id), EventClass::Physics, wait, event);
            return;
        }
        one_way += ctx.shared.delayed(server, request.pod, packet);
    }
    ctx.answer_sidecar(id, request, answer, SimDuration::ZERO, one_way);
}

fn answer_key(request: Request, ctx: &Ctx) -> EntityKey {
    let key = request.channel.answer().of(ctx.shared.key(request.pod));
    key.child(u64::from(request.number))
}

fn one_way_latency(ctx: &Ctx) -> Distribution {
    ctx.blueprint().spec.network.one_way_latency
}

/// Verbs with which other components notify an Istiod.
impl Ctx<'_> {
    /// The kubelet of a node starts an Istiod's container, which takes a while.
    pub fn start_istiod(&mut self, node: NodeId, pod: PodId, wait: SimDuration) {
        let istiod = self.istiod_in(pod);
        self.after(
            Source::Kubelet(node),
            EventClass::Physics,
            wait,
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

    /// A TokenReview that asked for a seat at a time had one, or was refused too often.
    pub fn review_served(&mut self, istiod: IstiodId, request: Request, since: SimTime, served: bool) {
        self.call(Event::Istiod(istiod, IstiodEvent::ReviewServed(request, since, served)));
    }

    /// The link of an Istiod works again, or its watches are current again.
    pub fn istiod_repaired(&mut self, istiod: IstiodId) {
        self.tell_istiod(istiod, IstiodEvent::Repaired);
    }

    /// The process of an Istiod dies with its node.
    pub fn istiod_dies(&mut self, istiod: IstiodId) {
        self.call(Event::Istiod(istiod, IstiodEvent::Dies));
    }

    /// The clients of an Istiod reach it again, or do no more.
    pub fn clients_reach_istiod(&mut self, istiod: IstiodId, reach: bool) {
        self.tell_istiod(istiod, IstiodEvent::Clients(reach));
    }

    /// Packets of a node pass no more, or again: what does that change between an Istiod and sidecars?
    pub fn path_to_istiod_changes(&mut self, istiod: IstiodId, node: NodeId) {
        self.tell_istiod(istiod, IstiodEvent::Path(node));
    }

    /// The process of an Istiod, which was frozen, goes on.
    pub fn istiod_thaws(&mut self, istiod: IstiodId) {
        self.tell_istiod(istiod, IstiodEvent::Thaws);
    }

    /// The process of an Istiod ends.
    pub fn istiod_ends(&mut self, istiod: IstiodId) {
        self.call(Event::Istiod(istiod, IstiodEvent::Ends));
    }

    /// A repair has reached the connection of an Istiod.
    pub fn istiod_answered(&mut self, istiod: IstiodId) {
        self.tell_istiod(istiod, IstiodEvent::Answered);
    }

    fn tell_istiod(&mut self, istiod: IstiodId, event: IstiodEvent) {
        self.after(
            Source::Fault,
            EventClass::Timer,
            SimDuration::ZERO,
            Event::Istiod(istiod, event),
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
