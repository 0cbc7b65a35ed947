//! Which faults act, from when to when, and on whom. What a kind of fault does to a party belongs to its file in `faults/`.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Ctx;
use super::event::{Event, FaultEvent, Source};
use super::faults::FaultSpec;
use super::faults::cut::CutMode;
use super::faults::place::{Where, Whom};
use super::faults::when::{self, Repeats};
use super::ids::{FaultId, IstiodId, KindId, NodeId, PodId};
use super::links::Way;
use super::observed::{Fact, PodFact, ScriptFact};
use super::party::{Home, Party, PartyKind};
use super::purpose::Purpose;
use super::spec::Rollout;
use crate::kernel::{Distribution, EntityKey, EventClass, SimDuration, SimTime, Timer};

/// What the start or the end of a fault did.
#[derive(Debug, Default)]
pub struct Effect {
    /// The parties on which it acts, or acted.
    pub parties: Vec<Party>,
    /// How many of them it touched that no other fault touched.
    pub touched: u32,
}

/// Starts (`true`) or ends a fault.
pub type FaultHandler = fn(FaultId, &FaultSpec, bool, &mut Ctx) -> Effect;

/// Starts or ends a fault as it should be; the other handlers are those of tests.
pub fn act(fault: FaultId, spec: &FaultSpec, starts: bool, ctx: &mut Ctx) -> Effect {
    let of_servers = match spec.kind.whom().place {
        // Without parties it touches nothing.
        Where::ApiServers(_) if !spec.kind.whom().parties.is_empty() => spec.kind.loses_servers(),
        _ => None,
    };
    let parties = if starts {
        parties(spec, of_servers, fault, ctx)
    } else {
        if !spec.kind.outlasts() {
            ctx.shared.links.regain_servers(fault);
        }
        ctx.shared.touched.end(fault)
    };
    let mut touched = 0;
    for &party in &parties {
        if starts {
            touched += u32::from(ctx.shared.touched.add(party, fault));
            spec.kind.begin(fault, party, ctx);
        } else {
            spec.kind.end(fault, party, ctx);
        }
    }
    if !starts && of_servers.is_some() && !spec.kind.outlasts() {
        ctx.api_server_returns();
    }
    Effect { parties, touched }
}

/// The parties at the target now. For those of Istiods that come to the node later, the fault waits.
fn parties(spec: &FaultSpec, of_servers: Option<CutMode>, fault: FaultId, ctx: &mut Ctx) -> Vec<Party> {
    let whom = spec.kind.whom();
    let draw = Draw {
        fault: EntityKey::root(&spec.name).child(u64::from(ctx.shared.triggers.starts(fault))),
        whom,
    };
    let at = |home: Home| whom.parties.iter().filter_map(move |kind| kind.at(home));
    let nodes = match &whom.place {
        Where::Istiods(istiods) => {
            let istiods = draw.pick(istiods.clone(), |istiod| istiod.key(), ctx);
            return istiods
                .into_iter()
                .flat_map(|istiod| at(Home::Istiod(istiod)))
                .collect();
        }
        Where::ApiServers(servers) => {
            let key = |server: &u32| EntityKey::root("api server").child(u64::from(*server));
            let servers = draw.pick(servers.clone(), key, ctx);
            if let Some(mode) = of_servers {
                let now = ctx.now();
                ctx.shared.links.lose_servers(fault, &servers, mode, now);
            }
            let of_them = servers.iter().flat_map(|server| at(Home::ApiServer(*server)));
            let mut parties: Vec<Party> = of_them.collect();
            let with_clients = of_servers.is_some() || spec.kind.touches_clients() && !parties.is_empty();
            if with_clients || !whom.parties.contains(&PartyKind::ApiServer) {
                parties.extend(clients_of(&servers, whom, ctx));
            }
            return parties;
        }
        Where::Nodes(nodes) => nodes.clone(),
        Where::NodeOf(workload) => nodes_of(*workload, ctx).take(1).collect(),
        Where::NodesOf(workloads) => {
            let nodes: BTreeSet<NodeId> = workloads.iter().flat_map(|workload| nodes_of(*workload, ctx)).collect();
            nodes.into_iter().collect()
        }
    };
    let mut parties = Vec::new();
    for node in draw.pick(nodes, |node| ctx.blueprint().node_key(*node), ctx) {
        parties.extend(at(Home::Node(node)));
        let istiods = istiods_on(node, ctx);
        for &kind in whom.parties.iter().filter(|kind| kind.is_of_istiod()) {
            parties.extend(istiods.iter().filter_map(|&istiod| kind.at(Home::Istiod(istiod))));
            ctx.shared.touched.wait(fault, node, kind);
        }
    }
    parties
}

/// Draws some of the places of a fault.
struct Draw<'a> {
    fault: EntityKey,
    whom: &'a Whom,
}

impl Draw<'_> {
    /// Those that it takes, in their order; each has its own lot, so another place changes no one else's.
    fn pick<T: Ord>(&self, mut all: Vec<T>, key: impl Fn(&T) -> EntityKey, ctx: &Ctx) -> Vec<T> {
        let Some(amount) = self.whom.pick else { return all };
        let keep = amount.of(all.len());
        let lot = |place: &T| {
            ctx.stream(Purpose::FaultPick, self.fault.child(key(place).get()))
                .bits()
        };
        all.sort_by_cached_key(|place| lot(place));
        all.truncate(keep);
        all.sort();
        all
    }
}

/// The parties that are connected to these API servers.
fn clients_of(servers: &[u32], whom: &Whom, ctx: &Ctx) -> Vec<Party> {
    let nodes = (0..ctx.blueprint().spec.nodes).map(|node| Home::Node(NodeId(node)));
    let istiods = ctx
        .blueprint()
        .istiod
        .into_iter()
        .flat_map(|kind| ctx.shared.api.pods_of(kind));
    let homes = nodes.chain(istiods.map(|&pod| Home::Istiod(ctx.istiod_in(pod))));
    // The process of an API server has all its clients with it.
    let named = if whom.parties.contains(&PartyKind::ApiServer) {
        PartyKind::CLIENTS
    } else {
        whom.parties.as_slice()
    };
    let kinds = || named.iter().filter(|kind| kind.is_client());
    let mut clients: Vec<Party> = homes
        .flat_map(|home| kinds().filter_map(move |kind| kind.at(home)))
        .filter(|&party| servers.contains(&ctx.api_server_of(party)))
        .collect();
    clients.sort();
    clients.dedup();
    clients
}

/// The nodes of a workload's pods, in the order of the pods.
fn nodes_of(workload: usize, ctx: &Ctx) -> impl Iterator<Item = NodeId> {
    let api = &ctx.shared.api;
    let pods = api.pods_of(KindId(workload as u32)).iter();
    pods.filter_map(|&pod| api.pod(pod)?.node)
}

/// The Istiods on a node, as the API server has it.
pub(super) fn istiods_on(node: NodeId, ctx: &Ctx) -> Vec<IstiodId> {
    let Some(kind) = ctx.blueprint().istiod else {
        return Vec::new();
    };
    let api = &ctx.shared.api;
    let here = api
        .pods_of(kind)
        .iter()
        .filter(|&&pod| api.pod(pod).is_some_and(|object| object.node == Some(node)));
    here.map(|&pod| ctx.istiod_in(pod)).collect()
}

/// The faults of a run.
#[derive(Debug)]
pub struct Faults {
    handler: FaultHandler,
    /// Faults that act now, each with the end that it has of itself.
    active: BTreeMap<FaultId, Option<Timer>>,
}

impl Faults {
    /// No fault acts yet.
    #[must_use]
    pub const fn new(handler: FaultHandler) -> Self {
        Self {
            handler,
            active: BTreeMap::new(),
        }
    }

    /// A fault starts or ends. One that acts cannot start again, and one that does not act cannot end: nothing happens then.
    pub fn handle(&mut self, event: FaultEvent, ctx: &mut Ctx) {
        let (fault, starts) = match event {
            FaultEvent::Start(fault) => (fault, true),
            FaultEvent::End(fault) => (fault, false),
            FaultEvent::Answers(party) => return ctx.resumes(party, Way::Answers),
            FaultEvent::TakeOver => return ctx.controllers_take_over(),
            FaultEvent::Boots(node) => return ctx.boots(node),
            FaultEvent::ProcessStarts(party) => return ctx.process_starts(party),
            FaultEvent::ProcessServes(party) => return ctx.process_serves(party),
            FaultEvent::MemoryFull(party, starts) => return ctx.memory_is_full(party, starts),
            FaultEvent::Watches(party) => return ctx.lists(party),
            FaultEvent::Listed(party, timer) => {
                if ctx.shared.links.resuming(party, Way::Watches) == Some(timer) {
                    ctx.resumes(party, Way::Watches);
                }
                return;
            }
        };
        if starts == self.active.contains_key(&fault) {
            return;
        }
        let blueprint = ctx.shared.blueprint.clone();
        let spec = &blueprint.spec.faults[fault.index()];
        let Effect { parties, touched } = (self.handler)(fault, spec, starts, ctx);
        if !starts {
            ctx.observe(Fact::FaultEnds { fault, parties });
            // Ended by the script before its time: its own end must not end a later start.
            let own_end = self.active.remove(&fault).flatten();
            for timer in own_end.into_iter().chain(ctx.shared.triggers.ended(fault)) {
                ctx.kernel.cancel(timer);
            }
            if let Some(repeats) = &spec.when.repeats {
                ctx.schedule_failure(fault, repeats, SimDuration::ZERO);
            }
            ctx.happened(when::Event::FaultEnds(fault));
            return;
        }
        ctx.shared.triggers.started(fault);
        ctx.observe(Fact::FaultBegins {
            fault,
            parties,
            touched,
            later: false,
        });
        let repair = spec
            .when
            .repeats
            .as_ref()
            .map(|repeats| ctx.time_to(fault, &repeats.to_repair, "repair"));
        let at_once = spec.kind.is_over_at_once().then_some(SimDuration::ZERO);
        let end = spec.when.duration.or(repair).or(at_once).map(|duration| {
            let event = Event::Fault(FaultEvent::End(fault));
            ctx.after(Source::Fault, EventClass::Fault, duration, event)
        });
        self.active.insert(fault, end);
        ctx.happened(when::Event::FaultStarts(fault));
    }
}

impl Ctx<'_> {
    /// A fact was observed: it may start or end faults.
    pub(super) fn triggers(&mut self, fact: &Fact) {
        if !self.shared.triggers.is_empty()
            && let Some(event) = self.event_of(fact)
        {
            self.happened(event);
        }
    }

    /// What a fact is for faults.
    fn event_of(&self, fact: &Fact) -> Option<when::Event> {
        let kind_of = |pod: PodId| self.shared.pods[pod.index()].kind;
        Some(match *fact {
            Fact::Pod(pod, PodFact::Created) => when::Event::PodCreated(kind_of(pod)),
            Fact::Pod(pod, PodFact::Updated(old, new)) if new.ready && !old.ready => {
                when::Event::PodReady(kind_of(pod))
            }
            Fact::Pod(pod, PodFact::Removed) => when::Event::PodGone(kind_of(pod)),
            Fact::MarkedNotReady(node, _) => when::Event::NodeNotReady(node),
            Fact::Returned(node) => when::Event::NodeReady(node),
            Fact::Script(_, ScriptFact::Restarted(Rollout::Deployment(kind), _)) => when::Event::RolloutBegins(kind),
            Fact::Script(
                _,
                ScriptFact::RolloutComplete(Rollout::Deployment(kind))
                | ScriptFact::RolloutOverdue(Rollout::Deployment(kind)),
            ) => when::Event::RolloutComplete(kind),
            _ => return None,
        })
    }

    /// Something has happened that may start or end faults.
    fn happened(&mut self, event: when::Event) {
        for (fault, starts, wait) in self.shared.triggers.see(event) {
            let what = if starts {
                FaultEvent::Start(fault)
            } else {
                FaultEvent::End(fault)
            };
            let timer = self.after(Source::Fault, EventClass::Fault, wait, Event::Fault(what));
            if !starts {
                self.shared.triggers.ends(fault, timer);
            }
        }
    }

    fn time_to(&self, fault: FaultId, distribution: &Distribution, what: &str) -> SimDuration {
        let key = EntityKey::root(&self.blueprint().spec.faults[fault.index()].name);
        let key = key.child(u64::from(self.shared.triggers.starts(fault))).named(what);
        self.draw(Purpose::FaultLaw, key, distribution)
    }

    /// A fault that repeats starts next, unless it has started as often as it is to.
    fn schedule_failure(&mut self, fault: FaultId, repeats: &Repeats, from: SimDuration) {
        if repeats
            .times
            .is_none_or(|times| self.shared.triggers.starts(fault) < times)
        {
            let wait = from + self.time_to(fault, &repeats.to_failure, "failure");
            // Times of zero must not fill a run with starts and ends.
            let wait = wait.max(SimDuration::from_millis(1));
            self.after(
                Source::Fault,
                EventClass::Fault,
                wait,
                Event::Fault(FaultEvent::Start(fault)),
            );
        }
    }
}

/// Verbs with which other components notify faults.
impl Ctx<'_> {
    /// The faults of the design that start by themselves are scheduled.
    pub fn schedule_faults(&mut self) {
        let blueprint = self.shared.blueprint.clone();
        for (number, fault) in (0..).zip(&blueprint.spec.faults) {
            if let Some(repeats) = &fault.when.repeats {
                let from = fault
                    .when
                    .starts_at
                    .map_or(SimDuration::ZERO, |at| at.since(SimTime::ZERO));
                self.schedule_failure(FaultId(number), repeats, from);
            } else if let Some(at) = fault.when.starts_at {
                let event = Event::Fault(FaultEvent::Start(FaultId(number)));
                self.at(Source::Fault, EventClass::Fault, at, event);
            }
        }
    }

    /// A party that was cut off will have answers, and will hear of changes, at these times.
    pub fn schedule_resumption(&mut self, party: Party, answers: SimTime, watches: SimTime) -> [Timer; 2] {
        let now = self.now();
        [
            (answers, FaultEvent::Answers(party)),
            (watches, FaultEvent::Watches(party)),
        ]
        .map(|(at, event)| self.at(Source::Fault, EventClass::Physics, at.max(now), Event::Fault(event)))
    }

    /// A party lists at a time.
    pub fn schedule_list(&mut self, party: Party, at: SimTime) -> Timer {
        let event = Event::Fault(FaultEvent::Watches(party));
        self.at(Source::Fault, EventClass::Physics, at, event)
    }

    /// A party has listed what it reads: it is current again, unless its link was cut meanwhile.
    pub fn list_served(&mut self, party: Party, timer: Timer) {
        self.call(Event::Fault(FaultEvent::Listed(party, timer)));
    }

    /// A node that has its power again will have booted after a span.
    pub fn schedule_boot(&mut self, node: NodeId, wait: SimDuration) -> Timer {
        let event = Event::Fault(FaultEvent::Boots(node));
        self.after(Source::Fault, EventClass::Physics, wait, event)
    }

    /// Other controllers take over at a time.
    pub fn schedule_taking_over(&mut self, at: SimTime) -> Timer {
        self.at(Source::Fault, EventClass::Timer, at, Event::Fault(FaultEvent::TakeOver))
    }

    /// A process that has ended is started after a wait, or serves then.
    pub(super) fn process_after(&mut self, party: Party, wait: SimDuration, serves: bool) {
        let event = if serves {
            FaultEvent::ProcessServes(party)
        } else {
            FaultEvent::ProcessStarts(party)
        };
        self.after(Source::Fault, EventClass::Physics, wait, Event::Fault(event));
    }

    /// The memory of a process that was started so often is full after a wait.
    pub(super) fn memory_full_after(&mut self, party: Party, wait: SimDuration, starts: u32) {
        let event = Event::Fault(FaultEvent::MemoryFull(party, starts));
        self.after(Source::Fault, EventClass::Physics, wait, event);
    }

    /// A step of the script starts or ends a fault.
    pub fn turn_fault(&mut self, fault: FaultId, starts: bool) {
        let event = if starts {
            FaultEvent::Start(fault)
        } else {
            FaultEvent::End(fault)
        };
        self.after(
            Source::Script(0),
            EventClass::Fault,
            SimDuration::ZERO,
            Event::Fault(event),
        );
    }

    /// An Istiod comes to a node: what acts on those of the node acts on it too.
    pub fn istiod_arrives(&mut self, pod: PodId, node: NodeId) {
        let istiod = self.istiod_in(pod);
        let blueprint = self.shared.blueprint.clone();
        for (fault, kind) in self.shared.touched.waiting_at(node) {
            let Some(party) = kind.at(Home::Istiod(istiod)) else {
                continue;
            };
            self.shared.touched.add(party, fault);
            blueprint.spec.faults[fault.index()].kind.begin(fault, party, self);
            self.observe(Fact::FaultBegins {
                fault,
                parties: vec![party],
                touched: 0,
                later: true,
            });
        }
    }
}
