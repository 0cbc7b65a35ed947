//! Admission of pods: the injection webhook that the API server calls before it creates a pod with a sidecar.
//!
//! **Modeled**: calls over HTTP/1.1, each of which holds a connection while it runs; a pool of idle connections, of which
//! a call takes the one that was used last; with none idle a dial, to a backend that the service proxy of the control
//! plane's node chooses, and whichever comes first: that dial, or a connection that another call gives back; a time limit
//! per call, after which its connection is closed; refused connections, known at once; refusal of the creation
//! (`failurePolicy: Fail`); answers that are late or errors, and certificates that do not fit, by faults. Calls reach the webhook after the request's own way through the API server, so they overlap
//! the more, the slower the webhook answers. A repair reaches what is in flight as TCP sends it again: a request or an answer
//! at its next retransmission, a dial at its next SYN, if that comes within the call's time limit.
//! **Left out**: the validation webhook, several API servers, other webhooks, TLS handshakes, keep-alives of idle
//! connections.
//! **Parameters**: `webhook_*`, `reject_latency`, `api_write_latency`, `retransmit_*`, `syn_*`, `repair_reaches_at_once`.
//! **Validated by**: `tests/world/webhook.rs` (measured batches), `tests/world/mechanisms.rs`.
//! Source: `docs/model/istio.md#injection-webhook`.

use crate::cluster::api_connection::{Dial, passes};
use crate::cluster::api_requests::Asked;
use crate::cluster::context::Ctx;
use crate::cluster::event::{AdmissionEvent, Event, Source, Write};
use crate::cluster::faults::cut::CutMode;
use crate::cluster::ids::{IstiodId, NodeId, PodId, ReplicaSetId};
use crate::cluster::observed::PodFact;
use crate::cluster::party::Party;
use crate::cluster::purpose::{Ordinal, Purpose};
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime, Timer};

/// The API server's side of admission.
#[derive(Debug, Default)]
pub struct Admission {
    /// Idle connections; the one that was used last is the last.
    idle: Vec<Connection>,
    /// Calls under way, in the order in which they began.
    calls: Vec<Call>,
    calls_begun: u64,
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    istiod: IstiodId,
    pod: PodId,
    idle_since: SimTime,
}

#[derive(Debug)]
struct Call {
    number: u64,
    pod: PodId,
    owner: Option<ReplicaSetId>,
    begun: SimTime,
    /// The connection that it holds; without one it waits.
    holds: Option<Connection>,
    dials: Option<Connection>,
    /// What of it met a cut, and when it was first sent.
    lost: Option<(Lost, SimTime)>,
    /// When that is sent again, or its dial connects.
    again: Option<Timer>,
    time_limit: Option<Timer>,
}

/// What of a call was lost on the way.
#[derive(Clone, Copy, Debug)]
enum Lost {
    Syn,
    Request,
    Answer,
}

impl Call {
    /// Something of it was lost now; what was lost before is only sent again, in its series.
    fn loses(&mut self, what: Lost, now: SimTime) {
        let first = match self.lost {
            Some((Lost::Request, first)) if matches!(what, Lost::Request) => first,
            Some((Lost::Answer, first)) if matches!(what, Lost::Answer) => first,
            _ => now,
        };
        self.lost = Some((what, first));
    }

    /// The Istiod that it cannot reach, if it waits for one.
    fn waits_for(&self) -> Option<IstiodId> {
        let connection = match self.lost?.0 {
            Lost::Syn => self.dials,
            Lost::Request | Lost::Answer => self.holds,
        };
        connection.map(|connection| connection.istiod)
    }
}

impl Admission {
    /// Handles an event.
    pub fn handle(&mut self, event: AdmissionEvent, ctx: &mut Ctx) {
        match event {
            AdmissionEvent::Ask(pod, owner) if ctx.models_load() => ctx.ask_api_server(Asked::Creation(pod, owner)),
            AdmissionEvent::Ask(pod, owner) | AdmissionEvent::Served(pod, owner) => self.ask(pod, owner, ctx),
            AdmissionEvent::Connected(number) => {
                if let Some(call) = self.call(number)
                    && let Some(connection) = call.dials.take()
                {
                    let fits = !ctx
                        .shared
                        .webhooks
                        .has_bad_certificate(Party::Webhook(connection.istiod));
                    if call.holds.is_none() && !fits {
                        call.dials = Some(connection);
                        self.failed(number, ctx);
                    } else if call.holds.is_none() {
                        call.holds = Some(connection);
                        self.send(number, ctx);
                    } else if fits {
                        // Another call's connection came first; this one is for the next.
                        self.give_back(connection, ctx);
                    }
                }
            }
            AdmissionEvent::Refused(number) => {
                if self.call(number).is_some_and(|call| call.holds.is_none()) {
                    self.failed(number, ctx);
                }
            }
            AdmissionEvent::Answered(number) => self.answered(number, ctx),
            AdmissionEvent::Failed(number) => self.failed(number, ctx),
            AdmissionEvent::Repaired(istiod) => self.repaired(istiod, ctx),
            AdmissionEvent::SentAgain(number) => self.send(number, ctx),
        }
    }

    /// What was lost on the way to an Istiod passes when it is sent again.
    fn repaired(&mut self, istiod: IstiodId, ctx: &mut Ctx) {
        let now = ctx.now();
        if ctx.shared.links.cut_of(Party::Webhook(istiod)).is_some() {
            return; // It was cut again at the same instant.
        }
        let blueprint = ctx.shared.blueprint.clone();
        let (network, limit) = (&blueprint.spec.network, blueprint.istio().params.webhook_timeout);
        for call in self.calls.iter_mut().filter(|call| call.waits_for() == Some(istiod)) {
            let Some((lost, first)) = call.lost else { continue };
            let (begins, ends) = (first, call.begun + limit);
            let number = call.number;
            let next = match lost {
                Lost::Syn => {
                    let server = 0;
                    let syn = Dial { begins, ends, server }.connects(now, network);
                    syn.map(|at| (at, AdmissionEvent::Connected(number)))
                }
                Lost::Request => Some((passes(first, now, network), AdmissionEvent::SentAgain(number))),
                Lost::Answer => Some((passes(first, now, network), AdmissionEvent::Answered(number))),
            };
            if let Some(timer) = call.again.take() {
                ctx.kernel.cancel(timer);
            }
            call.again = next.filter(|(at, _)| *at < ends).map(|(at, event)| {
                let event = Event::Admission(event);
                ctx.at(Source::ApiServer, EventClass::Physics, at, event)
            });
        }
    }

    fn call(&mut self, number: u64) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.number == number)
    }

    fn ask(&mut self, pod: PodId, owner: Option<ReplicaSetId>, ctx: &mut Ctx) {
        self.calls_begun += 1;
        let number = self.calls_begun;
        let holds = self.take_idle(ctx);
        self.calls.push(Call {
            number,
            pod,
            owner,
            begun: ctx.now(),
            holds,
            dials: None,
            lost: None,
            again: None,
            time_limit: None,
        });
        if holds.is_some() {
            self.send(number, ctx);
        } else {
            self.dial(number, ctx);
        }
    }

    /// The idle connection that was used last, if one still stands.
    fn take_idle(&mut self, ctx: &Ctx) -> Option<Connection> {
        let longest = ctx.blueprint().istio().params.webhook_idle_timeout;
        let now = ctx.now();
        // An Istiod that ends closes its connections, and another certificate needs new ones.
        let stands = |connection: &Connection| {
            now.since(connection.idle_since) < longest
                && ctx.shared.physics.pod(connection.pod).running
                && !ctx
                    .shared
                    .webhooks
                    .has_bad_certificate(Party::Webhook(connection.istiod))
        };
        self.idle.retain(stands);
        self.idle.pop()
    }

    /// Dials an Istiod that the service proxy of the control plane's node picks.
    fn dial(&mut self, number: u64, ctx: &mut Ctx) {
        let Some(pod) = self.call(number).map(|call| call.pod) else {
            return;
        };
        let key = creation_key(pod, Ordinal::WEBHOOK_DIAL, ctx);
        let backends = ctx
            .blueprint()
            .istiod_service
            .and_then(|service| ctx.shared.backends_at(NodeId(0), service, ctx.now()))
            .filter(|backends| !backends.is_empty());
        let Some(backends) = backends else {
            refused(key, AdmissionEvent::Refused(number), ctx);
            return;
        };
        let choice = ctx.stream(Purpose::WebhookBackend, key).below(backends.len() as u64) as usize;
        let pod = backends[choice].pod;
        let connection = Connection {
            istiod: ctx.istiod_in(pod),
            pod,
            idle_since: ctx.now(),
        };
        let Some(call) = self.call(number) else { return };
        call.dials = Some(connection);
        match ctx.shared.links.cut_of(Party::Webhook(connection.istiod)) {
            // Its SYNs vanish.
            Some(cut) if cut.mode != CutMode::Reject => {
                call.loses(Lost::Syn, ctx.now());
                limit(call, ctx);
            }
            None if ctx.shared.physics.pod(pod).running => {
                let distribution = ctx.blueprint().spec.network.one_way_latency;
                let way = ctx.draw(Purpose::OneWay, key, &distribution);
                schedule(EventClass::Physics, way * 2, AdmissionEvent::Connected(number), ctx);
            }
            _ => refused(key, AdmissionEvent::Refused(number), ctx),
        }
    }

    /// Sends a call's request over the connection that it holds.
    fn send(&mut self, number: u64, ctx: &mut Ctx) {
        let Some(pod) = self.call(number).map(|call| call.pod) else {
            return;
        };
        let key = creation_key(pod, Ordinal::CREATION, ctx);
        let Some(call) = self.call(number) else { return };
        let Some(connection) = call.holds else { return };
        let params = &ctx.shared.blueprint.istio().params;
        match ctx.shared.links.cut_of(Party::Webhook(connection.istiod)) {
            None => {
                let latency = ctx.draw(Purpose::WebhookLatency, key, &params.webhook_latency)
                    + ctx.shared.webhooks.delay(Party::Webhook(connection.istiod));
                let distribution = ctx.shared.blueprint.spec.network.one_way_latency;
                let answer = latency + ctx.draw(Purpose::OneWay, key, &distribution) * 2;
                if ctx.now() + answer < call.begun + params.webhook_timeout {
                    schedule(EventClass::Physics, answer, AdmissionEvent::Answered(number), ctx);
                } else {
                    limit(call, ctx);
                }
            }
            Some(cut) if cut.mode == CutMode::Reject => refused(key, AdmissionEvent::Failed(number), ctx),
            // The request vanishes. With `replies_only`, too: what the API server sends is what is lost.
            Some(_) => {
                call.loses(Lost::Request, ctx.now());
                limit(call, ctx);
            }
        }
    }

    fn answered(&mut self, number: u64, ctx: &mut Ctx) {
        let Some(call) = self.call(number) else { return };
        let Some(connection) = call.holds else { return };
        match ctx.shared.links.cut_of(Party::Webhook(connection.istiod)) {
            None if ctx.shared.physics.pod(connection.pod).running => {}
            // The link was cut, or the process ended, while the webhook was at work.
            Some(cut) if cut.mode != CutMode::Reject => {
                call.loses(Lost::Answer, ctx.now());
                limit(call, ctx);
                return;
            }
            _ => {
                self.failed(number, ctx);
                return;
            }
        }
        if ctx.shared.webhooks.fails(Party::Webhook(connection.istiod)) {
            self.failed(number, ctx);
            self.give_back(connection, ctx);
            return;
        }
        let call = self.end(number, ctx);
        let write = Write::CreatePod(call.pod, call.owner);
        if ctx.models_load() {
            ctx.write_served(write); // It has had its seat since it came.
        } else {
            let event = Event::Commit(write);
            ctx.after(Source::ApiServer, EventClass::Commit, SimDuration::ZERO, event);
        }
        self.give_back(connection, ctx);
    }

    /// A call is over.
    fn end(&mut self, number: u64, ctx: &mut Ctx) -> Call {
        let index = self.calls.iter().position(|call| call.number == number);
        let mut call = self.calls.remove(index.expect("a call ends once"));
        for timer in [call.time_limit.take(), call.again.take()].into_iter().flatten() {
            ctx.kernel.cancel(timer);
        }
        ctx.creation_ends(call.pod);
        call
    }

    /// A connection goes to the call that has waited longest, or becomes idle.
    fn give_back(&mut self, mut connection: Connection, ctx: &mut Ctx) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.holds.is_none()) {
            call.holds = Some(connection);
            let number = call.number;
            self.send(number, ctx);
        } else if self.idle.len() < ctx.blueprint().istio().params.webhook_idle_connections as usize {
            connection.idle_since = ctx.now();
            self.idle.push(connection);
        }
    }

    /// A call failed: its connection is closed and the creation refused.
    fn failed(&mut self, number: u64, ctx: &mut Ctx) {
        if self.call(number).is_none() {
            return;
        }
        let call = self.end(number, ctx);
        let (pod, asked) = (call.pod, call.begun);
        let called = call.holds.or(call.dials);
        let istiod = called.map(|connection| connection.istiod);
        ctx.observe_pod(pod, PodFact::CreationRefused { istiod, asked });
        match call.owner {
            Some(owner) => ctx.refuse_creation(owner, pod),
            // No controller asks again.
            None => ctx.observe_pod(pod, PodFact::Dropped),
        }
    }
}

/// The call fails when its time is over.
fn limit(call: &mut Call, ctx: &mut Ctx) {
    if call.time_limit.is_none() {
        let at = call.begun + ctx.blueprint().istio().params.webhook_timeout;
        let event = Event::Admission(AdmissionEvent::Failed(call.number));
        call.time_limit = Some(ctx.at(Source::ApiServer, EventClass::Timer, at, event));
    }
}

/// A connection is refused or reset: that is known after a round trip.
fn refused(key: EntityKey, event: AdmissionEvent, ctx: &mut Ctx) {
    let distribution = ctx.blueprint().istio().params.reject_latency;
    let latency = ctx.draw(Purpose::WebhookRefused, key, &distribution);
    schedule(EventClass::Physics, latency, event, ctx);
}

fn schedule(class: EventClass, wait: SimDuration, event: AdmissionEvent, ctx: &mut Ctx) {
    ctx.after(Source::ApiServer, class, wait, Event::Admission(event));
}

/// The key of the draws of a pod's latest creation.
fn creation_key(pod: PodId, what: Ordinal, ctx: &Ctx) -> EntityKey {
    let tries = ctx.shared.api.creations[pod.index()];
    what.of(ctx.shared.key(pod)).child(u64::from(tries))
}

/// Verbs with which other components notify the API server's admission.
impl Ctx<'_> {
    /// The way to an Istiod's webhook is repaired.
    pub fn webhook_repaired(&mut self, istiod: IstiodId) {
        let event = Event::Admission(AdmissionEvent::Repaired(istiod));
        self.after(Source::Fault, EventClass::Physics, SimDuration::ZERO, event);
    }

    /// A request to create a pod has its seat.
    pub fn creation_served(&mut self, pod: PodId, owner: Option<ReplicaSetId>) {
        self.call(Event::Admission(AdmissionEvent::Served(pod, owner)));
    }

    /// A request to create a pod leaves its sender.
    pub fn create_pod(&mut self, pod: PodId, owner: Option<ReplicaSetId>) {
        let creations = &mut self.shared.api.creations;
        if creations.len() <= pod.index() {
            creations.resize(pod.index() + 1, 0);
        }
        creations[pod.index()] += 1;
        let key = creation_key(pod, Ordinal::CREATION, self);
        if !self.shared.kind(pod).has_sidecar() {
            self.write(Source::ApiServer, None, key, Write::CreatePod(pod, owner));
            return;
        }
        let distribution = self.blueprint().spec.kubernetes.api_write_latency;
        let latency = self.draw(Purpose::ApiWrite, key, &distribution);
        let latency = self.slowed_by_server(None, latency);
        schedule(EventClass::Physics, latency, AdmissionEvent::Ask(pod, owner), self);
    }
}
