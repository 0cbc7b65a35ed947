//! The script: what the person at the keyboard does, step after step.
//!
//! **Modeled**: commands that take time one after another; waits that end when the API server reports it, or, for a rollout, when
//! its Deployment has made no progress within its own deadline; remembered
//! addresses; the published loop that looks for a pod on a remembered address and restarts the Deployment until there is
//! one; probes, repeated while the client has no ready pod, or its proxy is not up.
//! **Left out**: failures of the person's own connection, output, everything that only looks.
//! **Parameters**: `client_command_latency`; the rest is in the steps.
//! **Validated by**: `tests/world/event_log.rs`, `tests/world/cases.rs`.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::blueprint::Blueprint;
use super::context::Ctx;
use super::event::{Event, ScriptEvent, Source, Write};
use super::ids::{FaultId, KindId, PodId, ServiceId};
use super::observed::{Fact, ScriptFact};
use super::purpose::Purpose;
use super::spec::{Look, ProbeFrom, ProbeSpec, Step};
use super::subscription::{Notification, Subscription};
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime, Timer};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// For nothing.
    No,
    /// For Istiod, before the first step.
    Prelude,
    /// For workloads to be ready.
    Ready,
    /// For addresses of all pods.
    Addresses,
    /// For a rollout to be complete.
    Rollout,
}

/// What of a rollout counts as progress (`kubernetes/kubernetes pkg/controller/deployment/util`, DeploymentProgressing): active pods
/// of the new revision, those of them that are ready, and old ones that are not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    updated: usize,
    ready: usize,
    old: usize,
}

/// The script's state.
#[derive(Debug)]
pub struct Script {
    step: usize,
    serial: u32,
    /// Commands given so far, by workload.
    commands: Vec<u64>,
    waiting: Waiting,
    waited_kinds: Vec<KindId>,
    /// How far the rollout has come, and what happens if it comes no further.
    progress: Option<(Progress, Timer)>,
    /// Replicas that were asked for, and revisions, by workload.
    desired: Vec<u32>,
    revisions: Vec<u32>,
    /// Addresses to find again, and how many rollouts it has waited for.
    remembered: BTreeSet<Ipv4Addr>,
    rollouts: u32,
    found: Option<PodId>,
    prober: Option<PodId>,
    /// How often the request of this step was sent so far.
    sent: u64,
    /// Requests sent so far.
    requests: u32,
}

impl Script {
    /// A script for a design with so many kinds of pods.
    #[must_use]
    pub fn new(kinds: usize) -> Self {
        Self {
            step: 0,
            serial: 0,
            commands: vec![0; kinds],
            waiting: Waiting::No,
            waited_kinds: Vec::new(),
            progress: None,
            desired: vec![0; kinds],
            revisions: vec![1; kinds],
            remembered: BTreeSet::new(),
            rollouts: 0,
            found: None,
            prober: None,
            sent: 0,
            requests: 0,
        }
    }

    /// Handles an event.
    pub fn handle(&mut self, event: ScriptEvent, ctx: &mut Ctx) {
        match event {
            ScriptEvent::Begin => {
                // Istiod and CoreDNS are there before the script, as in the published setup.
                let blueprint = ctx.blueprint();
                let kinds = blueprint.istiod.into_iter().chain(blueprint.dns.map(|(kind, _)| kind));
                let kinds: Vec<KindId> = kinds.collect();
                for &kind in &kinds {
                    let replicas = ctx.blueprint().kind(kind).replicas;
                    self.desired[kind.index()] = replicas;
                    let key = ctx.blueprint().kind(kind).key.named("command").child(0);
                    ctx.write(Source::Script, None, key, Write::ScaleDeployment(kind, replicas));
                }
                if kinds.is_empty() {
                    self.next(SimDuration::ZERO, ctx);
                } else {
                    self.wait(Waiting::Prelude, kinds, None, ctx);
                }
            }
            ScriptEvent::Next => self.run_step(ctx),
            ScriptEvent::Look => {
                if self.waiting != Waiting::No && self.satisfied(ctx) {
                    self.waited(ctx);
                } else if self.waiting == Waiting::Rollout {
                    self.watch_progress(ctx);
                }
            }
            ScriptEvent::Timeout(serial) => {
                if serial == self.serial {
                    self.timed_out(ctx);
                }
            }
            // `kubectl rollout status` ends with an error then, too.
            ScriptEvent::NoProgress => {
                if self.waiting == Waiting::Rollout {
                    self.timed_out(ctx);
                }
            }
            ScriptEvent::ProbeDone(not_up) => {
                let again = match &ctx.blueprint().spec.script[self.step] {
                    Step::Probe(probe) => probe.retry_until_up.filter(|_| not_up),
                    _ => None,
                };
                match again {
                    Some(pause) => {
                        ctx.after(
                            Source::Script,
                            EventClass::Script,
                            pause,
                            Event::Script(ScriptEvent::ProbeAgain),
                        );
                    }
                    None => self.advance(SimDuration::ZERO, ctx),
                }
            }
            ScriptEvent::ProbeAgain => self.probe(ctx),
        }
    }

    /// Goes on with the present step after a span.
    fn next(&self, after: SimDuration, ctx: &mut Ctx) {
        ctx.after(
            Source::Script,
            EventClass::Script,
            after,
            Event::Script(ScriptEvent::Next),
        );
    }

    /// Goes on with the step after this one.
    fn advance(&mut self, after: SimDuration, ctx: &mut Ctx) {
        self.step += 1;
        self.next(after, ctx);
    }

    fn run_step(&mut self, ctx: &mut Ctx) {
        let blueprint = ctx.shared.blueprint.clone();
        let Some(step) = blueprint.spec.script.get(self.step) else {
            ctx.observe(Fact::Script(ScriptFact::Ended));
            return;
        };
        ctx.observe(Fact::Script(ScriptFact::Step(self.step)));
        match step {
            Step::Apply { workloads } => {
                let mut spent = SimDuration::ZERO;
                for &workload in workloads {
                    let kind = KindId(workload as u32);
                    let replicas = blueprint.kind(kind).replicas;
                    self.desired[workload] = replicas;
                    spent = self.command(spent, kind, Write::ScaleDeployment(kind, replicas), ctx);
                }
                self.advance(spent, ctx);
            }
            Step::WaitReady { workloads, timeout } => {
                let kinds = workloads.iter().map(|&workload| KindId(workload as u32)).collect();
                self.wait(Waiting::Ready, kinds, Some(*timeout), ctx);
            }
            Step::Pause { duration } => self.advance(*duration, ctx),
            Step::RememberIps { workload } => {
                let kind = KindId(*workload as u32);
                let api = &ctx.shared.api;
                let addresses: Vec<_> = api.pods_of(kind).iter().filter_map(|&pod| api.pod(pod)?.ip).collect();
                self.remembered.extend(&addresses);
                ctx.observe(Fact::Script(ScriptFact::Remembered(kind, addresses)));
                self.advance(SimDuration::ZERO, ctx);
            }
            Step::StartFault { fault } | Step::EndFault { fault } => {
                let starts = matches!(step, Step::StartFault { .. });
                ctx.turn_fault(FaultId(*fault as u32), starts);
                self.advance(SimDuration::ZERO, ctx);
            }
            Step::Scale { workload, replicas } => {
                let kind = KindId(*workload as u32);
                self.desired[*workload] = *replicas;
                ctx.observe(Fact::Script(ScriptFact::Scaled(kind, *replicas)));
                let spent = self.command(SimDuration::ZERO, kind, Write::ScaleDeployment(kind, *replicas), ctx);
                self.advance(spent, ctx);
            }
            Step::RolloutRestart { workload, deadline } => self.restart(*workload, *deadline, ctx),
            Step::FindReuse { workload, look, .. } => match look {
                Look::AtOnce => self.look_for_reuse(ctx),
                Look::AfterIps => self.wait(Waiting::Addresses, vec![KindId(*workload as u32)], None, ctx),
            },
            Step::Probe(_) => {
                self.prober = None;
                self.sent = 0;
                self.probe(ctx);
            }
            Step::Churn(_) => {
                ctx.start_churn(self.step as u32);
                self.advance(SimDuration::ZERO, ctx);
            }
        }
    }

    /// Gives a command: the client starts, sends its write, and returns when it was answered. Commands follow one another.
    fn command(&mut self, spent: SimDuration, kind: KindId, write: Write, ctx: &mut Ctx) -> SimDuration {
        self.commands[kind.index()] += 1;
        let number = self.commands[kind.index()];
        let key = ctx.blueprint().kind(kind).key.named("command").child(number);
        let params = &ctx.blueprint().spec.kubernetes;
        let (start, api) = (params.client_command_latency, params.api_write_latency);
        let started = spent + ctx.draw(Purpose::ClientCommand, key, &start);
        ctx.write_after(Source::Script, None, key, started, write);
        // The same draw as the write's own latency: the command returns when the write was ordered.
        started + ctx.draw(Purpose::ApiWrite, key, &api)
    }

    fn wait(&mut self, what: Waiting, kinds: Vec<KindId>, timeout: Option<SimDuration>, ctx: &mut Ctx) {
        self.begin_wait(what, kinds, timeout, ctx);
        if self.satisfied(ctx) {
            self.waited(ctx);
        }
    }

    fn begin_wait(&mut self, what: Waiting, kinds: Vec<KindId>, timeout: Option<SimDuration>, ctx: &mut Ctx) {
        self.serial += 1;
        self.waiting = what;
        ctx.shared.watchlist.kinds.clone_from(&kinds);
        self.waited_kinds = kinds;
        if let Some(timeout) = timeout {
            let serial = self.serial;
            ctx.after(
                Source::Script,
                EventClass::Script,
                timeout,
                Event::Script(ScriptEvent::Timeout(serial)),
            );
        }
    }

    fn satisfied(&self, ctx: &Ctx) -> bool {
        let api = &ctx.shared.api;
        self.waited_kinds.iter().all(|&kind| {
            // As the controllers count: a pod with a deletion timestamp is not active.
            let active = || {
                let pods = api
                    .pods_of(kind)
                    .iter()
                    .map(|&pod| (pod, api.pod(pod).copied().unwrap_or_default()));
                pods.filter(|(_, object)| !object.deleting)
            };
            let complete = active().count() == self.desired[kind.index()] as usize;
            complete
                && active().all(|(pod, object)| match self.waiting {
                    Waiting::Addresses => object.ip.is_some(),
                    Waiting::Rollout => {
                        object.ready && ctx.shared.pods[pod.index()].revision == self.revisions[kind.index()]
                    }
                    Waiting::Ready | Waiting::Prelude | Waiting::No => object.ready,
                })
        })
    }

    /// The Deployment's own deadline begins anew with each progress.
    fn watch_progress(&mut self, ctx: &mut Ctx) {
        let Some(&kind) = self.waited_kinds.first() else { return };
        let api = &ctx.shared.api;
        let pods = api.pods_of(kind).iter();
        let active: Vec<(bool, bool)> = pods
            .filter_map(|&pod| {
                let object = api.pod(pod).filter(|object| !object.deleting)?;
                Some((
                    ctx.shared.pods[pod.index()].revision == self.revisions[kind.index()],
                    object.ready,
                ))
            })
            .collect();
        let count = |is: fn(&(bool, bool)) -> bool| active.iter().filter(|pod| is(pod)).count();
        let now = Progress {
            updated: count(|(new, _)| *new),
            ready: count(|(new, ready)| *new && *ready),
            old: count(|(new, _)| !*new),
        };
        if let Some((before, timer)) = self.progress {
            if now.updated <= before.updated && now.ready <= before.ready && now.old >= before.old {
                return;
            }
            ctx.kernel.cancel(timer);
        }
        let deadline = ctx
            .blueprint()
            .spec
            .workloads
            .get(kind.index())
            .map(|workload| workload.progress_deadline);
        let Some(deadline) = deadline else { return };
        let event = Event::Script(ScriptEvent::NoProgress);
        let timer = ctx.after(Source::Script, EventClass::Script, deadline, event);
        self.progress = Some((now, timer));
    }

    fn forget_progress(&mut self, ctx: &mut Ctx) {
        if let Some((_, timer)) = self.progress.take() {
            ctx.kernel.cancel(timer);
        }
    }

    /// What the script waited for is there.
    fn waited(&mut self, ctx: &mut Ctx) {
        self.serial += 1;
        self.forget_progress(ctx);
        ctx.shared.watchlist.kinds.clear();
        match std::mem::replace(&mut self.waiting, Waiting::No) {
            Waiting::No => {}
            Waiting::Prelude => self.next(SimDuration::ZERO, ctx),
            Waiting::Ready => self.advance(SimDuration::ZERO, ctx),
            Waiting::Addresses => self.look_for_reuse(ctx),
            Waiting::Rollout => {
                ctx.observe(Fact::Script(ScriptFact::RolloutComplete));
                self.rolled_out(ctx);
            }
        }
    }

    fn timed_out(&mut self, ctx: &mut Ctx) {
        self.serial += 1;
        self.forget_progress(ctx);
        ctx.shared.watchlist.kinds.clear();
        match std::mem::replace(&mut self.waiting, Waiting::No) {
            // `kubectl rollout status` times out at the deadline and the script goes on.
            Waiting::Rollout => {
                ctx.observe(Fact::Script(ScriptFact::RolloutOverdue));
                self.rolled_out(ctx);
            }
            Waiting::No => {}
            Waiting::Prelude | Waiting::Ready | Waiting::Addresses => {
                ctx.observe(Fact::Script(ScriptFact::NotReady(self.step)));
            }
        }
    }

    fn restart(&mut self, workload: usize, deadline: SimDuration, ctx: &mut Ctx) {
        let kind = KindId(workload as u32);
        self.revisions[workload] += 1;
        let spent = self.command(SimDuration::ZERO, kind, Write::RestartDeployment(kind), ctx);
        ctx.observe(Fact::Script(ScriptFact::Restarted(kind)));
        self.begin_wait(Waiting::Rollout, vec![kind], Some(spent + deadline), ctx);
        if self.satisfied(ctx) {
            // There is nothing to replace; the person sees that when the command returns, and not before.
            ctx.after(
                Source::Script,
                EventClass::Script,
                spent,
                Event::Script(ScriptEvent::Look),
            );
        } else {
            self.watch_progress(ctx);
        }
    }

    /// A rollout ended: the loop looks again, a plain step goes on.
    fn rolled_out(&mut self, ctx: &mut Ctx) {
        self.rollouts += 1;
        match ctx.blueprint().spec.script[self.step] {
            Step::FindReuse { .. } => self.look_for_reuse(ctx),
            _ => self.advance(SimDuration::ZERO, ctx),
        }
    }

    /// Lists the pods and looks for one on a remembered address.
    fn look_for_reuse(&mut self, ctx: &mut Ctx) {
        let blueprint = ctx.shared.blueprint.clone();
        let Step::FindReuse {
            workload,
            rollout_deadline,
            rollouts_max,
            ..
        } = blueprint.spec.script[self.step]
        else {
            return;
        };
        let api = &ctx.shared.api;
        let on_remembered = |&pod: &PodId| {
            let ip = api.pod(pod)?.ip?;
            self.remembered.contains(&ip).then_some((pod, ip))
        };
        let found = api.pods_of(KindId(workload as u32)).iter().find_map(on_remembered);
        let fact = found.map_or(ScriptFact::FoundNone, |(pod, ip)| ScriptFact::Found(pod, ip));
        ctx.observe(Fact::Script(fact));
        match found {
            Some((pod, _)) => {
                self.found = Some(pod);
                self.advance(SimDuration::ZERO, ctx);
            }
            None if rollouts_max.is_some_and(|max| self.rollouts >= max) => {
                ctx.observe(Fact::Script(ScriptFact::NoReuse(self.step, self.rollouts)));
            }
            None => self.restart(workload, rollout_deadline, ctx),
        }
    }

    /// Sends the probe of this step, from the same pod as before if it is sent again.
    fn probe(&mut self, ctx: &mut Ctx) {
        let blueprint = ctx.shared.blueprint.clone();
        let Some(Step::Probe(probe)) = blueprint.spec.script.get(self.step) else {
            return;
        };
        self.prober = match (self.prober, probe.from) {
            (Some(client), _) => Some(client),
            (None, ProbeFrom::Found) => self.found,
            (None, ProbeFrom::Workload(workload)) => first_ready(KindId(workload as u32), ctx),
        };
        match (self.prober, probe.from) {
            (Some(client), _) => {
                let key = probe_key(&blueprint, self.step, probe).child(self.sent);
                self.sent += 1;
                ctx.send_request(self.requests, client, self.step as u32, key);
                self.requests += 1;
            }
            (None, ProbeFrom::Workload(workload)) => ctx.request_unsent(KindId(workload as u32), self.step as u32),
            (None, ProbeFrom::Found) => self.advance(SimDuration::ZERO, ctx),
        }
    }
}

/// The key of the draws of a probe: whose it is, to which Service, and its number among the script's probes of these two.
fn probe_key(blueprint: &Blueprint, step: usize, probe: &ProbeSpec) -> EntityKey {
    let like = |other: &&Step| matches!(other, Step::Probe(other) if (other.from, other.to) == (probe.from, probe.to));
    let before = blueprint.spec.script[..step].iter().filter(like).count();
    let from = match probe.from {
        ProbeFrom::Found => EntityKey::root("probe").named("found"),
        ProbeFrom::Workload(workload) => blueprint.kind(KindId(workload as u32)).key.named("probe"),
    };
    let to = blueprint.service_key(ServiceId(probe.to as u32));
    from.child(to.get()).child(before as u64)
}

fn first_ready(kind: KindId, ctx: &Ctx) -> Option<PodId> {
    let api = &ctx.shared.api;
    let ready = |pod: &&PodId| api.pod(**pod).is_some_and(|object| object.ready && !object.deleting);
    api.pods_of(kind).iter().find(ready).copied()
}

/// Verbs with which other components notify the script.
impl Ctx<'_> {
    /// The script begins.
    pub fn begin_script(&mut self) {
        self.at(
            Source::Script,
            EventClass::Script,
            SimTime::ZERO,
            Event::Script(ScriptEvent::Begin),
        );
    }

    /// A probe has ended; `not_up` if the client's own pod or proxy was not up.
    pub fn probe_done(&mut self, not_up: bool) {
        self.after(
            Source::Access,
            EventClass::Script,
            SimDuration::ZERO,
            Event::Script(ScriptEvent::ProbeDone(not_up)),
        );
    }
}

/// Pods of kinds that the script waits for.
pub const SUBSCRIPTION: Subscription = Subscription {
    key: |_, _| EntityKey::root("script"),
    hears: |change, shared, notifications| {
        let Some((pod, _)) = change.of_pod() else { return };
        if shared.watchlist.kinds.contains(&shared.pods[pod.index()].kind) {
            notifications.push(Notification::new(
                Source::Script,
                Event::Script(ScriptEvent::Look),
                ("a watched pod changed", None),
            ));
        }
    },
};
