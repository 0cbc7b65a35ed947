//! Traffic: the pods of workloads send the requests of flows, and send again what has no answer.
//!
//! **Modeled**: the first request of a pod as soon as its containers run or it is ready, then a Poisson process as long as its containers run; retries
//! of a client whose request has no answer. A refusal of a proxy is an answer. Each attempt is a request as that of a probe (`access`).
//! **Left out**: load of servers, responses that cause further requests, bursts, hedging. A pod that is to end sends until its processes end.
//! **Parameters**: those of the flow. **Validated by**: `tests/world/traffic.rs`, `tests/world/edges.rs`.

use rustc_hash::FxHashMap;

use super::context::Ctx;
use super::event::{Event, Source, TrafficEvent};
use super::flows::{AttemptEnd, FirstRequest};
use super::ids::{FlowId, PodId};
use super::observed::{Fact, FlowRequest};
use super::purpose::Purpose;
use crate::kernel::{EntityKey, EventClass, SimTime};

/// Requests of flows have numbers from here on: those before are the script's.
const NUMBERS_FROM: u32 = 1 << 31;

/// All flows of a run.
#[derive(Debug, Default)]
pub struct Traffic {
    // Looked up, never iterated.
    senders: FxHashMap<(PodId, FlowId), Sender>,
    /// Requests under way, by the number of their latest attempt.
    requests: FxHashMap<u32, Request>,
    attempts: u32,
}

/// What a pod sends of a flow.
#[derive(Debug, Default)]
struct Sender {
    /// Whether its next request is due some time.
    sends: bool,
    /// Requests so far.
    sent: u64,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    pod: PodId,
    flow: FlowId,
    key: EntityKey,
    /// Its number among those of its pod, which chooses the connection.
    number: u64,
    first: bool,
    sent: SimTime,
    attempts: u32,
    connections: u32,
}

impl Traffic {
    /// Handles an event.
    pub fn handle(&mut self, event: TrafficEvent, ctx: &mut Ctx) {
        match event {
            TrafficEvent::Begins(pod, ready) => self.begins(pod, ready, ctx),
            TrafficEvent::Send(pod, flow) => self.due(pod, flow, ctx),
            TrafficEvent::Again(number) => {
                if let Some(request) = self.requests.remove(&number) {
                    self.attempt(request, ctx);
                }
            }
            TrafficEvent::Ended(number, end) => self.ended(number, end, ctx),
        }
    }

    /// A pod's containers run, or it is ready.
    fn begins(&mut self, pod: PodId, ready: bool, ctx: &mut Ctx) {
        let kind = ctx.shared.pods[pod.index()].kind;
        let flows: Vec<FlowId> = ctx.blueprint().flows_from(kind).collect();
        for flow in flows {
            let call = &ctx.blueprint().flow(flow).spec.call;
            let (begin, on_ready) = (call.begin, call.first == FirstRequest::Ready);
            let sender = self.senders.entry((pod, flow)).or_default();
            if on_ready != ready || sender.sends {
                continue;
            }
            sender.sends = true;
            if ctx.now() >= begin {
                self.send(pod, flow, true, ctx);
            } else {
                self.schedule(pod, flow, begin, ctx);
            }
        }
    }

    /// A pod ran when the run began: it goes on with its requests, of which the first was sent long ago.
    pub fn has_sent(&mut self, pod: PodId, ctx: &mut Ctx) {
        let kind = ctx.shared.pods[pod.index()].kind;
        let flows: Vec<FlowId> = ctx.blueprint().flows_from(kind).collect();
        for flow in flows {
            self.senders.entry((pod, flow)).or_default().sends = true;
            let begin = ctx.blueprint().flow(flow).spec.call.begin;
            self.schedule(pod, flow, begin, ctx);
        }
    }

    /// The next request of a pod is due.
    fn due(&mut self, pod: PodId, flow: FlowId, ctx: &mut Ctx) {
        if ctx.shared.physics.pod(pod).running {
            self.send(pod, flow, false, ctx);
        } else {
            self.senders.entry((pod, flow)).or_default().sends = false;
        }
    }

    fn send(&mut self, pod: PodId, flow: FlowId, first: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        if now >= ctx.blueprint().flow(flow).spec.call.end {
            return;
        }
        let sender = self.senders.entry((pod, flow)).or_default();
        let number = sender.sent;
        sender.sent += 1;
        let request = Request {
            pod,
            flow,
            key: key_of(pod, flow, ctx).child(number),
            number,
            first,
            sent: now,
            attempts: 0,
            connections: 0,
        };
        self.attempt(request, ctx);
        self.schedule(pod, flow, now, ctx);
    }

    /// The next request comes after a wait of the Poisson process that goes on at this time.
    fn schedule(&self, pod: PodId, flow: FlowId, from: SimTime, ctx: &mut Ctx) {
        let sent = self.senders.get(&(pod, flow)).map_or(0, |sender| sender.sent);
        let key = key_of(pod, flow, ctx).child(sent);
        let spec = &ctx.blueprint().flow(flow).spec;
        let (rate, end) = (spec.rate_per_s, spec.call.end);
        let next = from + ctx.stream(Purpose::FlowArrival, key).until_next(rate);
        if next < end {
            let event = Event::Traffic(TrafficEvent::Send(pod, flow));
            ctx.at(Source::Traffic, EventClass::Script, next, event);
        }
    }

    fn attempt(&mut self, mut request: Request, ctx: &mut Ctx) {
        let number = NUMBERS_FROM + self.attempts;
        self.attempts = (self.attempts + 1) % NUMBERS_FROM;
        let key = request.key.child(u64::from(request.attempts));
        request.attempts += 1;
        self.requests.insert(number, request);
        ctx.send_flow_request(number, request.pod, request.flow, request.number, key);
    }

    fn ended(&mut self, number: u32, end: AttemptEnd, ctx: &mut Ctx) {
        let Some(mut request) = self.requests.remove(&number) else {
            return;
        };
        request.connections += u32::from(end.opened);
        let retries = ctx.blueprint().flow(request.flow).spec.call.retries;
        if let Some((times, delay)) = retries
            && !end.answered
            && request.attempts <= times
        {
            self.requests.insert(number, request);
            let event = Event::Traffic(TrafficEvent::Again(number));
            ctx.after(Source::Traffic, EventClass::Timer, delay, event);
            return;
        }
        ctx.observe(Fact::Requested(FlowRequest {
            flow: request.flow,
            class: end.class,
            meant: end.meant,
            first: request.first,
            sent: request.sent,
            attempts: request.attempts,
            connections: request.connections,
        }));
    }
}

fn key_of(pod: PodId, flow: FlowId, ctx: &Ctx) -> EntityKey {
    ctx.blueprint().flow(flow).key.child(ctx.shared.key(pod).get())
}

/// What other components call of traffic.
impl Ctx<'_> {
    /// The containers of a pod run, or its kubelet sees it ready.
    pub fn traffic_begins(&mut self, pod: PodId, ready: bool) {
        let kind = self.shared.pods[pod.index()].kind;
        if self.blueprint().flows_from(kind).next().is_some() {
            self.call(Event::Traffic(TrafficEvent::Begins(pod, ready)));
        }
    }

    /// An attempt of a request has ended.
    pub fn flow_attempt_ended(&mut self, number: u32, end: AttemptEnd) {
        self.call(Event::Traffic(TrafficEvent::Ended(number, end)));
    }
}
