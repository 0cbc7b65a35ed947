//! One API server under load: who executes, with how much of its processors, and what comes next. Worked out on demand: requests
//! of flows are no events of a run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::queues::{Level, Queuing, Request, Sender, Work};
use super::retry_after::RetryAfter;
use super::shares::levels;
use crate::cluster::api_flow::{Flow, Level as LevelName, Verb};
use crate::cluster::params::KubernetesParams;
use crate::kernel::{EntityKey, SimDuration, SimTime, Stream};

/// What became of a request of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was served.
    Served,
    /// It was refused, and may come again after this.
    Refused(SimDuration),
}

/// A request that executes. Ordered by its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Executing {
    /// The processor time, in picoseconds for each request, at which it ends.
    ends: u64,
    number: u64,
    level: usize,
    queue: usize,
    seats: u32,
    started: SimTime,
    /// The component that is told of its end.
    tell: Option<u64>,
}

/// A request that holds its seats until it is released.
#[derive(Clone, Copy, Debug)]
struct Held {
    level: usize,
    queue: usize,
    seats: u32,
    started: SimTime,
}

/// The requests of a flow that are still to come to one server.
#[derive(Debug)]
pub struct Arrivals {
    /// Whose requests they are: a flow ends by this number.
    pub id: u64,
    /// The flow.
    pub flow: Flow,
    /// How many come to this server (1/s).
    pub rate_per_s: f64,
    /// The next one.
    pub next: SimTime,
    /// None comes from then on.
    pub until: SimTime,
    /// When they come.
    pub times: Stream,
    /// Who sends them.
    pub users: Stream,
    /// The owner of the keys of its users.
    pub key: EntityKey,
}

/// A refused request of a flow that comes again. Ordered by when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Again {
    at: SimTime,
    number: u64,
    id: u64,
    tries: u32,
    user: u64,
}

/// What comes next at a server; at one instant in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Ends,
    Expires(usize),
    Again,
    Arrives(usize),
    Lends,
}

/// Requests that came to a server, and those that it refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests, each time that they came.
    pub requests: u64,
    /// Answered with status 429.
    pub refused: u64,
}

/// An API server.
#[derive(Debug)]
pub struct Server {
    now: SimTime,
    params: ServerParams,
    /// Processor time that each executing request has had since the beginning, in picoseconds.
    given: u64,
    executing: BinaryHeap<Reverse<Executing>>,
    held: BTreeMap<u64, Held>,
    levels: Vec<Level>,
    retry_after: Vec<RetryAfter>,
    arrivals: Vec<Arrivals>,
    again: BinaryHeap<Reverse<Again>>,
    numbers: u64,
    next_lending: SimTime,
    /// Requests of components that wait for a decision.
    components: u32,
    decided: Vec<(u64, Decision)>,
    /// What came and what was refused.
    pub counts: Counts,
}

/// What a server is like.
#[derive(Clone, Copy, Debug)]
struct ServerParams {
    cores: u64,
    retries: u32,
    retry_after_max: u64,
    lending_period: SimDuration,
    lends: bool,
    seats_per_list_max: u32,
    objects_per_seat: u32,
    work: SimDuration,
    work_per_object: SimDuration,
}

impl Server {
    /// An idle server.
    #[must_use]
    pub fn new(params: &KubernetesParams) -> Self {
        let levels: Vec<Level> = levels(params).into_iter().map(Level::new).collect();
        let lends = levels.iter().any(|level| level.queuing().lendable > 0);
        Self {
            now: SimTime::ZERO,
            given: 0,
            executing: BinaryHeap::new(),
            held: BTreeMap::new(),
            retry_after: levels.iter().map(|_| RetryAfter::default()).collect(),
            levels,
            arrivals: Vec::new(),
            again: BinaryHeap::new(),
            numbers: 0,
            next_lending: SimTime::ZERO + params.api_lending_period,
            components: 0,
            decided: Vec::new(),
            counts: Counts::default(),
            params: ServerParams {
                cores: u64::from(params.api_server_cores.max(1)),
                retries: params.api_client_retries,
                retry_after_max: params.api_retry_after_max.as_nanos() / 1_000_000_000,
                lending_period: params.api_lending_period,
                lends,
                seats_per_list_max: params.api_list_seats_max.max(1),
                objects_per_seat: params.api_objects_per_seat.max(1),
                work: params.api_request_work,
                work_per_object: params.api_list_work_per_object,
            },
        }
    }

    /// Seats and work of a request.
    #[must_use]
    pub fn cost(&self, verb: Verb, objects: u32) -> (u32, SimDuration) {
        let params = &self.params;
        match verb {
            Verb::Get | Verb::Write => (1, params.work),
            Verb::List => (
                objects
                    .div_ceil(params.objects_per_seat)
                    .clamp(1, params.seats_per_list_max),
                params.work + params.work_per_object * u64::from(objects),
            ),
        }
    }

    /// A flow begins.
    pub fn begin(&mut self, arrivals: Arrivals) {
        self.arrivals.push(arrivals);
    }

    /// A flow ends: what was refused of it does not come again either.
    pub fn end(&mut self, id: u64, now: SimTime) {
        self.advance(now);
        self.arrivals.retain(|arrivals| arrivals.id != id);
    }

    /// A request of a component comes.
    pub fn ask(&mut self, number: u64, level: LevelName, user: u64, (seats, work): (u32, Work), now: SimTime) {
        self.advance(now);
        self.components += 1;
        let request = Request {
            sender: Sender::Component(number),
            seats,
            work,
        };
        self.enter(level as usize, user, request);
    }

    /// A request that holds its seats gives them back.
    pub fn release(&mut self, number: u64, now: SimTime) {
        self.advance(now);
        if let Some(held) = self.held.remove(&number) {
            let span = now.since(held.started);
            self.levels[held.level].finish(held.queue, held.seats, span, now);
            self.dispatch(held.level);
        }
    }

    /// Up to when its events are worked out.
    #[must_use]
    pub const fn now(&self) -> SimTime {
        self.now
    }

    /// What became of requests of components since this was last asked.
    pub fn decided(&mut self) -> Vec<(u64, Decision)> {
        std::mem::take(&mut self.decided)
    }

    /// When a request of a component may be decided next, if one waits.
    pub fn next_decision(&mut self) -> Option<SimTime> {
        if self.components == 0 {
            return None;
        }
        let ends = self.next_end();
        let deadlines = self.levels.iter_mut().filter_map(Level::next_deadline);
        deadlines.chain(ends).min()
    }

    /// Works out what happens up to a time.
    pub fn advance(&mut self, until: SimTime) {
        while let Some((at, step)) = self.next().filter(|(at, _)| *at <= until) {
            self.pass(at);
            self.step(step);
        }
        self.pass(until);
    }

    fn next_end(&self) -> Option<SimTime> {
        let first = self.executing.peek()?.0;
        let left = u128::from(first.ends.saturating_sub(self.given));
        let sharing = u128::from(self.executing.len() as u64).max(u128::from(self.params.cores));
        let nanos = (left * sharing).div_ceil(u128::from(self.params.cores) * 1_000);
        Some(self.now + SimDuration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 2)))
    }

    fn next(&mut self) -> Option<(SimTime, Step)> {
        let mut next = self.next_end().map(|at| (at, Step::Ends));
        let mut earlier = |at: SimTime, step: Step| {
            if next.is_none_or(|next| (at, step) < next) {
                next = Some((at, step));
            }
        };
        for (index, level) in self.levels.iter_mut().enumerate() {
            if let Some(at) = level.next_deadline() {
                earlier(at, Step::Expires(index));
            }
        }
        if let Some(Reverse(again)) = self.again.peek() {
            earlier(again.at, Step::Again);
        }
        for (index, arrivals) in self.arrivals.iter().enumerate() {
            if arrivals.next < arrivals.until {
                earlier(arrivals.next, Step::Arrives(index));
            }
        }
        if self.params.lends {
            earlier(self.next_lending, Step::Lends);
        }
        next
    }

    /// Executing requests share the processors equally, each at most one of them.
    fn pass(&mut self, at: SimTime) {
        let span = u128::from(at.since(self.now).as_nanos()) * 1_000;
        let sharing = u128::from(self.executing.len() as u64).max(u128::from(self.params.cores));
        let given = span * u128::from(self.params.cores) / sharing;
        self.given += u64::try_from(given).unwrap_or(u64::MAX / 2);
        self.now = at;
    }

    fn step(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Ends => {
                let Some(Reverse(ended)) = self.executing.pop() else {
                    return;
                };
                let span = now.since(ended.started);
                self.levels[ended.level].finish(ended.queue, ended.seats, span, now);
                if let Some(number) = ended.tell {
                    self.decide(number, Decision::Served);
                }
                self.dispatch(ended.level);
            }
            Step::Expires(level) => {
                if let Some(request) = self.levels[level].expire(now) {
                    self.refuse(level, request.sender);
                }
                self.dispatch(level);
            }
            Step::Again => {
                let Some(Reverse(Again { id, tries, user, .. })) = self.again.pop() else {
                    return;
                };
                self.arrive(id, tries, user);
            }
            Step::Arrives(flow) => {
                let arrivals = &mut self.arrivals[flow];
                arrivals.next += arrivals.times.until_next(arrivals.rate_per_s);
                let user = arrivals.users.below(u64::from(arrivals.flow.users.max(1)));
                let (id, user) = (arrivals.id, arrivals.key.child(user).get());
                self.arrive(id, 0, user);
            }
            Step::Lends => {
                self.lend();
                self.next_lending += self.params.lending_period;
            }
        }
    }

    /// A request of a flow comes, if the flow has not ended.
    fn arrive(&mut self, id: u64, tries: u32, user: u64) {
        let Some(arrivals) = self.arrivals.iter().find(|arrivals| arrivals.id == id) else {
            return;
        };
        let of = &arrivals.flow;
        let (level, work) = (of.level, of.work);
        let (seats, computed) = self.cost(of.verb, of.objects);
        let request = Request {
            sender: Sender::Flow { id, tries, user },
            seats,
            work: Work::Whole(work.unwrap_or(computed)),
        };
        self.enter(level as usize, user, request);
    }

    fn enter(&mut self, level: usize, user: u64, request: Request) {
        self.counts.requests += 1;
        if self.levels[level].enqueue(request, user, self.now).is_none() {
            self.refuse(level, request.sender);
        }
        self.dispatch(level);
    }

    fn dispatch(&mut self, level: usize) {
        let now = self.now;
        while let Some((request, queue, _)) = self.levels[level].dispatch(now) {
            self.numbers += 1;
            let number = match request.sender {
                Sender::Component(number) => Some(number),
                Sender::Flow { .. } => None,
            };
            let crowded = self.executing.len() as u64 >= self.params.cores;
            let (work, waits) = match (request.work, number) {
                (Work::Counted(work), _) => (work, crowded),
                (Work::Whole(work), _) => (work, true),
                (Work::Held, None) => continue,
                (Work::Held, Some(number)) => {
                    let held = Held {
                        level,
                        queue,
                        seats: request.seats,
                        started: now,
                    };
                    self.held.insert(number, held);
                    self.decide(number, Decision::Served);
                    continue;
                }
            };
            self.executing.push(Reverse(Executing {
                ends: self.given + work.as_nanos().saturating_mul(1_000),
                number: self.numbers,
                level,
                queue,
                seats: request.seats,
                started: now,
                tell: number.filter(|_| waits),
            }));
            if let (Some(number), false) = (number, waits) {
                self.decide(number, Decision::Served);
            }
        }
    }

    fn decide(&mut self, number: u64, decision: Decision) {
        self.components -= 1;
        self.decided.push((number, decision));
    }

    fn refuse(&mut self, level: usize, sender: Sender) {
        self.counts.refused += 1;
        let wait = self.retry_after[level].refuse(self.now, self.params.retry_after_max);
        match sender {
            Sender::Component(number) => self.decide(number, Decision::Refused(wait)),
            Sender::Flow { id, tries, user } if tries < self.params.retries => {
                self.numbers += 1;
                self.again.push(Reverse(Again {
                    at: self.now + wait,
                    number: self.numbers,
                    id,
                    tries: tries + 1,
                    user,
                }));
            }
            Sender::Flow { .. } => {}
        }
    }

    /// Levels that need fewer seats than they have lend some of them to those that need more.
    fn lend(&mut self) {
        let needs: Vec<(u32, Queuing)> = self
            .levels
            .iter()
            .map(|level| (level.demand(), *level.queuing()))
            .collect();
        let short = |(need, level): &(u32, Queuing)| need.saturating_sub(level.nominal);
        let spare = |(need, level): &(u32, Queuing)| level.nominal.saturating_sub(*need).min(level.lendable);
        let missing: u64 = needs.iter().map(|of| u64::from(short(of))).sum();
        let spared: u64 = needs.iter().map(|of| u64::from(spare(of))).sum();
        for (level, of) in self.levels.iter_mut().zip(&needs) {
            let seats = match (missing, short(of)) {
                (0, _) => of.1.nominal,
                (_, 0) => of.1.nominal - spare(of),
                (_, short) => of.1.nominal + (spared * u64::from(short) / missing) as u32,
            };
            level.set_limit(seats);
        }
        for level in 0..self.levels.len() {
            self.dispatch(level);
        }
    }
}
