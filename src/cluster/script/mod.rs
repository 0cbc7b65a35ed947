//! The script: what the person at the keyboard does, step after step, and what other tracks do beside it.
//!
//! **Modeled**: commands that take time one after another; waits that end when the API server reports it, or, for a rollout, when
//! its Deployment has made no progress within its own deadline; remembered
//! addresses; the published loop that looks for a pod on a remembered address and restarts the Deployment until there is
//! one; probes, repeated while the client has no ready pod, or its proxy is not up; repeated steps; tracks that run side by side,
//! each with its own commands, waits and random numbers; a drain, which cordons a node, evicts its pods but for those of DaemonSets and
//! waits for their end; what a PodDisruptionBudget refuses is tried again after 5 s.
//! **Left out**: failures of the person's own connection, output, everything that only looks; the
//! intervals at which `kubectl` polls.
//! **Parameters**: `client_command_latency`; the rest is in the steps.
//! **Validated by**: `tests/world/event_log.rs`, `tests/world/cases.rs`, `tests/world/operators.rs`, `tests/world/rollouts.rs`.

mod commands;
mod probes;
mod track;
mod waits;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::blueprint::Blueprint;
use super::context::Ctx;
use super::event::{Event, ScriptEvent, Source, Write};
use super::ids::{FaultId, KindId, PodId};
use super::objects::NodeMark;
use super::observed::{Fact, ScriptFact};
use super::party::PartyKind;
use super::spec::{Look, Rollout, Step, Until, track_name};
use super::subscription::{Change, Notification, Subscription};
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime, Timer};
use track::{Track, Waiting};

/// The script's state.
#[derive(Debug)]
pub struct Script {
    /// The script itself, then the tracks that run beside it, by their numbers.
    tracks: Vec<Track>,
    /// Replicas that were asked for, and revisions, by kind.
    desired: Vec<u32>,
    revisions: Vec<u32>,
    /// DaemonSets that are rolled out.
    rolling: BTreeSet<PartyKind>,
    /// Addresses to find again.
    remembered: BTreeSet<Ipv4Addr>,
    /// How often the request of a step was sent so far.
    sent: BTreeMap<usize, u64>,
    /// Requests sent so far.
    requests: u32,
}

impl Script {
    /// A script with these steps for a design with so many kinds of pods.
    #[must_use]
    pub fn new(steps: &[Step], kinds: usize) -> Self {
        Self {
            tracks: track::of_script(steps),
            desired: vec![0; kinds],
            revisions: vec![1; kinds],
            rolling: BTreeSet::new(),
            remembered: BTreeSet::new(),
            sent: BTreeMap::new(),
            requests: 0,
        }
    }

    /// A workload had its size when the run began.
    pub fn has_applied(&mut self, kind: KindId, replicas: u32) {
        self.desired[kind.index()] = replicas;
    }

    fn track(&mut self, track: u32) -> &mut Track {
        &mut self.tracks[track as usize]
    }

    /// Handles an event.
    pub fn handle(&mut self, event: ScriptEvent, ctx: &mut Ctx) {
        match event {
            ScriptEvent::Begin => self.begin(ctx),
            ScriptEvent::Next(track) => self.run_step(track, ctx),
            ScriptEvent::Look(track) => {
                let waiting = self.track(track).waiting;
                if waiting != Waiting::No && self.satisfied(track, ctx) {
                    self.waited(track, ctx);
                } else if waiting == Waiting::Rollout {
                    self.watch_progress(track, ctx);
                }
            }
            ScriptEvent::Timeout(serial, track) => {
                if serial == self.track(track).serial {
                    self.timed_out(track, ctx);
                }
            }
            // `kubectl rollout status` ends with an error then, too.
            ScriptEvent::NoProgress(track) => {
                if self.track(track).waiting == Waiting::Rollout {
                    self.timed_out(track, ctx);
                }
            }
            ScriptEvent::ProbeDone(not_up, step) => {
                let Some(track) = self.tracks.iter().position(|track| track.step == step as usize) else {
                    return;
                };
                let track = track as u32;
                let again = match &ctx.blueprint().spec.script[step as usize] {
                    Step::Probe(probe) => probe.retry_until_up.filter(|_| not_up),
                    _ => None,
                };
                match again {
                    Some(pause) => {
                        after(track, pause, ScriptEvent::ProbeAgain(track), ctx);
                    }
                    None => self.advance(track, SimDuration::ZERO, ctx),
                }
            }
            ScriptEvent::ProbeAgain(track) => self.probe(track, ctx),
            ScriptEvent::EvictionRefused(pod, track) => {
                ctx.observe(Fact::Script(track, ScriptFact::EvictionRefused(pod)));
                after(track, EVICTION_RETRY, ScriptEvent::EvictAgain(pod, track), ctx);
            }
            ScriptEvent::EvictAgain(pod, track) => self.evict_again(track, pod, ctx),
            ScriptEvent::DaemonsReplaced(of) => {
                self.rolling.remove(&of);
                for track in 0..self.tracks.len() as u32 {
                    if self.track(track).waiting == Waiting::Daemons(of) {
                        self.waited(track, ctx);
                    }
                }
            }
        }
    }

    /// Istiod and CoreDNS are there before the script, as in the published setup.
    fn begin(&mut self, ctx: &mut Ctx) {
        let blueprint = ctx.blueprint();
        let kinds = blueprint.istiod.into_iter().chain(blueprint.dns.map(|(kind, _)| kind));
        let kinds: Vec<KindId> = kinds.collect();
        // Where workloads run when the run begins these do too.
        let new = ctx.blueprint().spec.running.is_empty();
        for &kind in kinds.iter().filter(|_| new) {
            let replicas = ctx.blueprint().kind(kind).replicas;
            self.desired[kind.index()] = replicas;
            let key = ctx.blueprint().kind(kind).key.named("command").child(0);
            ctx.write(Source::Script(0), None, key, Write::ScaleDeployment(kind, replicas));
        }
        if kinds.is_empty() {
            next(0, SimDuration::ZERO, ctx);
        } else {
            self.wait(0, Waiting::Prelude, kinds, None, ctx);
        }
    }

    /// Goes on with the step after this one.
    fn advance(&mut self, track: u32, wait: SimDuration, ctx: &mut Ctx) {
        self.track(track).step += 1;
        next(track, wait, ctx);
    }

    fn run_step(&mut self, track: u32, ctx: &mut Ctx) {
        let blueprint = ctx.shared.blueprint.clone();
        let script = &blueprint.spec.script;
        if let Some(at) = self.track(track).repeats(ctx.now()) {
            next(track, at.since(ctx.now()), ctx);
            return;
        }
        let place = self.track(track).step;
        if place >= self.track(track).end {
            self.ends(track, script, ctx);
            return;
        }
        ctx.observe(Fact::Script(track, ScriptFact::Step(place)));
        match &script[place] {
            Step::Apply { workloads } => self.apply(track, workloads, ctx),
            Step::WaitReady { workloads, timeout } => {
                let kinds = kinds_of(workloads);
                self.wait(track, Waiting::Ready, kinds, Some(*timeout), ctx);
            }
            Step::Pause { duration } => self.advance(track, *duration, ctx),
            Step::WaitUntil(at) => self.advance(track, at.since(ctx.now()), ctx),
            Step::RememberIps { workload } => {
                let kind = KindId(*workload as u32);
                let api = &ctx.shared.api;
                let addresses: Vec<_> = api.pods_of(kind).iter().filter_map(|&pod| api.pod(pod)?.ip).collect();
                self.remembered.extend(&addresses);
                ctx.observe(Fact::Script(track, ScriptFact::Remembered(kind, addresses)));
                self.advance(track, SimDuration::ZERO, ctx);
            }
            Step::StartFault { fault } | Step::EndFault { fault } => {
                let starts = matches!(script[place], Step::StartFault { .. });
                ctx.turn_fault(FaultId(*fault as u32), starts);
                self.advance(track, SimDuration::ZERO, ctx);
            }
            Step::Scale { workload, replicas } => self.scale(track, *workload, *replicas, ctx),
            Step::Delete { workloads } => self.delete(track, workloads, ctx),
            Step::DeletePods { workload, count } => self.delete_pods(track, *workload, *count, ctx),
            Step::Cordon(node, on) => self.mark(track, *node, NodeMark::Cordoned, *on, ctx),
            Step::Taint { node, taint, on } => {
                let taint = blueprint.nodes.id(taint).expect("taints of steps are known");
                self.mark(track, *node, NodeMark::Taint(taint), *on, ctx);
            }
            Step::Drain { node, timeout, .. } => self.drain(track, *node, *timeout, ctx),
            Step::RolloutRestart { of, deadline } => self.restart(track, *of, *deadline, ctx),
            Step::FindReuse { workload, look, .. } => match look {
                Look::AtOnce => self.look_for_reuse(track, ctx),
                Look::AfterIps => {
                    let kinds = vec![KindId(*workload as u32)];
                    self.wait(track, Waiting::Addresses, kinds, None, ctx);
                }
            },
            Step::Probe(_) => {
                self.track(track).prober = None;
                self.probe(track, ctx);
            }
            Step::Churn(_) => {
                ctx.start_churn(place as u32);
                self.advance(track, SimDuration::ZERO, ctx);
            }
            Step::Wait { until, timeout, .. } => self.wait_until(track, until, *timeout, ctx),
            Step::Repeat { every, times, end } => {
                let now = ctx.now();
                self.track(track).enter(*every, *times, *end, now);
                next(track, SimDuration::ZERO, ctx);
            }
            Step::Parallel { tracks, end } => {
                let own = self.track(track);
                (own.step, own.children) = (*end, tracks.len());
                for spec in tracks {
                    ctx.observe(Fact::Script(track, ScriptFact::Begins(spec.number)));
                    self.track(spec.number).begins(track, spec);
                    next(spec.number, SimDuration::ZERO, ctx);
                }
            }
        }
    }

    /// A track comes to its end. The one that it was started by goes on when the last one has ended.
    fn ends(&mut self, track: u32, script: &[Step], ctx: &mut Ctx) {
        ctx.observe(Fact::Script(track, ScriptFact::Ended));
        // It is at no step: what is behind it belongs to another one.
        self.track(track).step = script.len();
        if let Some(parent) = self.track(track).parent {
            let parent_track = self.track(parent);
            parent_track.children -= 1;
            if parent_track.children == 0 {
                next(parent, SimDuration::ZERO, ctx);
            }
        }
    }

    fn wait_until(&mut self, track: u32, until: &Until, timeout: SimDuration, ctx: &mut Ctx) {
        match until {
            Until::Ready(workloads) => self.wait(track, Waiting::Ready, kinds_of(workloads), Some(timeout), ctx),
            Until::Complete(Rollout::Deployment(kind)) => {
                self.wait(track, Waiting::Rollout, vec![*kind], Some(timeout), ctx);
                if self.track(track).waiting == Waiting::Rollout {
                    self.watch_progress(track, ctx);
                }
            }
            Until::Complete(Rollout::DaemonSet(daemons)) => {
                let waiting = Waiting::Daemons(daemons.of);
                self.wait(track, waiting, Vec::new(), Some(timeout), ctx);
            }
            Until::JobComplete(kind) => self.wait(track, Waiting::JobComplete, vec![*kind], Some(timeout), ctx),
            Until::NodeReady(node) => match commands::node(*node, ctx) {
                Some(node) => self.wait(track, Waiting::NodeReady(node), Vec::new(), Some(timeout), ctx),
                None => self.advance(track, SimDuration::ZERO, ctx),
            },
        }
    }

    /// Schedules that a wait, or a Deployment's own deadline, is over.
    fn over_after(track: u32, wait: SimDuration, serial: Option<u32>, ctx: &mut Ctx) -> Timer {
        let event = match serial {
            Some(serial) => ScriptEvent::Timeout(serial, track),
            None => ScriptEvent::NoProgress(track),
        };
        after(track, wait, event, ctx)
    }

    /// A track looks once more after a wait.
    fn look_after(track: u32, wait: SimDuration, ctx: &mut Ctx) {
        after(track, wait, ScriptEvent::Look(track), ctx);
    }
}

fn kinds_of(workloads: &[usize]) -> Vec<KindId> {
    workloads.iter().map(|&workload| KindId(workload as u32)).collect()
}

fn after(track: u32, wait: SimDuration, event: ScriptEvent, ctx: &mut Ctx) -> Timer {
    ctx.after(Source::Script(track), EventClass::Script, wait, Event::Script(event))
}

/// Goes on with the present step of a track after a span.
fn next(track: u32, wait: SimDuration, ctx: &mut Ctx) {
    after(track, wait, ScriptEvent::Next(track), ctx);
}

/// The key of a track: that of the script itself adds nothing to other keys.
fn key_of_track(key: EntityKey, track: u32, blueprint: &Blueprint) -> EntityKey {
    match track_name(&blueprint.spec.script, track) {
        "" => key,
        name => key.named(name),
    }
}

/// A refused eviction is sent again after this (`kubernetes/kubernetes staging/src/k8s.io/kubectl/pkg/drain/drain.go`, evictPods).
const EVICTION_RETRY: SimDuration = SimDuration::from_secs(5);

/// Verbs with which other components notify the script.
impl Ctx<'_> {
    /// A budget does not allow an eviction of a track.
    pub fn eviction_is_refused(&mut self, pod: PodId, track: u32) {
        let event = Event::Script(ScriptEvent::EvictionRefused(pod, track));
        self.after(Source::ApiServer, EventClass::Script, SimDuration::ZERO, event);
    }

    /// The script begins.
    pub fn begin_script(&mut self) {
        self.at(
            Source::Script(0),
            EventClass::Script,
            SimTime::ZERO,
            Event::Script(ScriptEvent::Begin),
        );
    }

    /// The probe of a step has ended; `not_up` if the client's own pod or proxy was not up.
    pub fn probe_done(&mut self, step: u32, not_up: bool) {
        self.after(
            Source::Access,
            EventClass::Script,
            SimDuration::ZERO,
            Event::Script(ScriptEvent::ProbeDone(not_up, step)),
        );
    }

    /// The rollout of a DaemonSet is complete.
    pub fn daemons_are_replaced(&mut self, of: PartyKind) {
        let event = Event::Script(ScriptEvent::DaemonsReplaced(of));
        self.after(Source::DaemonSet, EventClass::Script, SimDuration::ZERO, event);
    }
}

/// Pods of kinds, and nodes, that tracks wait for.
pub const SUBSCRIPTION: Subscription = Subscription {
    key: |reader, _| match reader {
        Source::Script(0) => EntityKey::root("script"),
        Source::Script(track) => EntityKey::root("script").named("track").child(u64::from(track)),
        other => unreachable!("{other:?} is no script"),
    },
    hears: |change, shared, notifications| {
        let watchlist = &shared.watchlist;
        let (tracks, words): (Vec<u32>, _) = match *change {
            Change::NodeReady(node, _) => {
                let waits = watchlist.nodes.iter().filter(|(_, watched)| **watched == node);
                (waits.map(|(track, _)| *track).collect(), "the watched node changed")
            }
            Change::JobFinished(job, _) => {
                let kind = shared.sets[job.index()].kind;
                let waits = watchlist.kinds.iter().filter(|(_, kinds)| kinds.contains(&kind));
                (waits.map(|(track, _)| *track).collect(), "a watched Job has finished")
            }
            _ => {
                let Some((pod, _)) = change.of_pod() else { return };
                let kind = shared.pods[pod.index()].kind;
                let waits = watchlist.kinds.iter().filter(|(_, kinds)| kinds.contains(&kind));
                (waits.map(|(track, _)| *track).collect(), "a watched pod changed")
            }
        };
        for track in tracks {
            notifications.push(Notification::new(
                Source::Script(track),
                Event::Script(ScriptEvent::Look(track)),
                (words, None),
            ));
        }
    },
};
