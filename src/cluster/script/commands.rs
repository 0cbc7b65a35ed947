//! The commands of a script: each starts a client, sends what it has to send, and returns when that was answered.

use super::super::context::Ctx;
use super::super::event::{Source, Write};
use super::super::ids::{KindId, NodeId, PodId};
use super::super::objects::NodeMark;
use super::super::observed::{Fact, ScriptFact};
use super::super::purpose::{Ordinal, Purpose};
use super::super::spec::{Controller, NodeAt, Rollout};
use super::track::Waiting;
use super::{Script, key_of_track};
use crate::kernel::{EntityKey, SimDuration};

impl Script {
    /// Gives a command about something of this key: the client starts, sends its write, and returns when it was answered. Commands
    /// follow one another.
    fn command(&mut self, track: u32, spent: SimDuration, of: EntityKey, write: Write, ctx: &mut Ctx) -> SimDuration {
        let (started, key) = self.client_starts(track, spent, of, ctx);
        ctx.write_after(Source::Script(track), None, key, started, write);
        // The same draw as the write's own latency: the command returns when the write was ordered.
        let api = ctx.blueprint().spec.kubernetes.api_write_latency;
        started + ctx.draw(Purpose::ApiWrite, key, &api)
    }

    /// When the client of the next command about something has started, and the key of its draws.
    fn client_starts(&mut self, track: u32, spent: SimDuration, of: EntityKey, ctx: &Ctx) -> (SimDuration, EntityKey) {
        let number = self.track(track).commands.entry(of.get()).or_default();
        *number += 1;
        let key = key_of_track(of.named("command"), track, ctx.blueprint()).child(*number);
        let start = ctx.blueprint().spec.kubernetes.client_command_latency;
        (spent + ctx.draw(Purpose::ClientCommand, key, &start), key)
    }

    pub(super) fn apply(&mut self, track: u32, workloads: &[usize], ctx: &mut Ctx) {
        let mut spent = SimDuration::ZERO;
        for &workload in workloads {
            let replicas = ctx.blueprint().kind(KindId(workload as u32)).replicas;
            spent = self.resize(track, spent, workload, replicas, ctx);
        }
        self.advance(track, spent, ctx);
    }

    pub(super) fn scale(&mut self, track: u32, workload: usize, replicas: u32, ctx: &mut Ctx) {
        let fact = ScriptFact::Scaled(KindId(workload as u32), replicas);
        ctx.observe(Fact::Script(track, fact));
        let spent = self.resize(track, SimDuration::ZERO, workload, replicas, ctx);
        self.advance(track, spent, ctx);
    }

    /// Deletes Deployments. Their pods go as if they were scaled to none.
    pub(super) fn delete(&mut self, track: u32, workloads: &[usize], ctx: &mut Ctx) {
        let mut spent = SimDuration::ZERO;
        for &workload in workloads {
            let fact = ScriptFact::Deleted(KindId(workload as u32));
            ctx.observe(Fact::Script(track, fact));
            spent = self.resize(track, spent, workload, 0, ctx);
        }
        self.advance(track, spent, ctx);
    }

    fn resize(&mut self, track: u32, spent: SimDuration, workload: usize, replicas: u32, ctx: &mut Ctx) -> SimDuration {
        let kind = KindId(workload as u32);
        self.desired[workload] = replicas;
        let key = ctx.blueprint().kind(kind).key;
        self.command(track, spent, key, Write::ScaleDeployment(kind, replicas), ctx)
    }

    /// Deletes pods of a workload that are not on their way out.
    pub(super) fn delete_pods(&mut self, track: u32, workload: usize, count: Option<u32>, ctx: &mut Ctx) {
        let kind = KindId(workload as u32);
        let (started, key) = self.client_starts(track, SimDuration::ZERO, ctx.blueprint().kind(kind).key, ctx);
        let api = &ctx.shared.api;
        let stays = |pod: &&PodId| api.pod(**pod).is_some_and(|object| !object.deleting);
        let mut pods: Vec<PodId> = api.pods_of(kind).iter().filter(stays).copied().collect();
        if let Some(count) = count {
            let lot = |pod: &PodId| {
                let key = key.child(ctx.shared.key(*pod).get());
                ctx.stream(Purpose::PodPick, key).bits()
            };
            pods.sort_by_cached_key(lot);
            pods.truncate(count as usize);
        }
        let fact = ScriptFact::DeletedPods(kind, pods.len() as u32);
        ctx.observe(Fact::Script(track, fact));
        let spent = end_pods(track, &pods, started, false, ctx);
        self.advance(track, spent, ctx);
    }

    pub(super) fn mark(&mut self, track: u32, node: NodeAt, mark: NodeMark, on: bool, ctx: &mut Ctx) {
        let spent = match self::node(node, ctx) {
            Some(node) => self.mark_node(track, node, mark, on, ctx),
            None => SimDuration::ZERO,
        };
        self.advance(track, spent, ctx);
    }

    fn mark_node(&mut self, track: u32, node: NodeId, mark: NodeMark, on: bool, ctx: &mut Ctx) -> SimDuration {
        ctx.observe(Fact::Script(track, ScriptFact::Marked(node, mark, on)));
        let key = ctx.blueprint().node_key(node);
        self.command(track, SimDuration::ZERO, key, Write::MarkNode(node, mark, on), ctx)
    }

    /// Cordons a node, evicts its pods, but for those of DaemonSets, and waits until they are gone.
    pub(super) fn drain(&mut self, track: u32, node: NodeAt, timeout: SimDuration, ctx: &mut Ctx) {
        let Some(node) = self::node(node, ctx) else {
            self.advance(track, SimDuration::ZERO, ctx);
            return;
        };
        let spent = self.mark_node(track, node, NodeMark::Cordoned, true, ctx);
        self.begin_wait(track, Waiting::Cordoned(node), Vec::new(), Some(timeout), ctx);
        Self::look_after(track, spent, ctx);
    }

    /// The node of a drain is cordoned: its pods are listed and evicted.
    pub(super) fn evict(&mut self, track: u32, node: NodeId, ctx: &mut Ctx) {
        let (api, metas) = (&ctx.shared.api, &ctx.shared.pods);
        let mut pods = api.pods_on(node);
        pods.retain(|pod| ctx.shared.kind(*pod).controller != Controller::DaemonSet);
        let stays = |pod: &&PodId| api.pod(**pod).is_some_and(|object| !object.deleting);
        let evicted: Vec<PodId> = pods.iter().filter(stays).copied().collect();
        let kinds = pods.iter().map(|pod| metas[pod.index()].kind).collect();
        let own = self.track(track);
        (own.waiting, own.waited_pods) = (Waiting::Gone, pods);
        ctx.shared.watchlist.kinds.insert(track, kinds);
        ctx.observe(Fact::Script(track, ScriptFact::Drains(node, evicted.len() as u32)));
        let spent = end_pods(track, &evicted, SimDuration::ZERO, true, ctx);
        // With nothing to evict it returns at once.
        Self::look_after(track, spent, ctx);
    }

    /// A budget has refused an eviction: it is sent again, unless the drain is over.
    pub(super) fn evict_again(&mut self, track: u32, pod: PodId, ctx: &mut Ctx) {
        let own = self.track(track);
        let drains = own.waiting == Waiting::Gone && own.waited_pods.contains(&pod);
        if drains && ctx.shared.api.pod(pod).is_some_and(|object| !object.deleting) {
            let key = Ordinal::DELETION
                .of(ctx.shared.key(pod))
                .named("again")
                .child(ctx.now().as_nanos());
            ctx.write(Source::Script(track), None, key, Write::EvictPod(pod, track));
        }
    }

    pub(super) fn restart(&mut self, track: u32, of: Rollout, deadline: Option<SimDuration>, ctx: &mut Ctx) {
        let (key, write, waiting, kinds) = match of {
            Rollout::Deployment(kind) => {
                self.revisions[kind.index()] += 1;
                let key = ctx.blueprint().kind(kind).key;
                (key, Write::RestartDeployment(kind), Waiting::Rollout, vec![kind])
            }
            Rollout::DaemonSet(daemons) => {
                self.rolling.insert(daemons.of);
                let key = EntityKey::root("daemon set").named(daemons.of.words().word);
                let write = Write::RestartDaemons(daemons.of, daemons.max_unavailable);
                (key, write, Waiting::Daemons(daemons.of), Vec::new())
            }
        };
        let spent = self.command(track, SimDuration::ZERO, key, write, ctx);
        let fact = ScriptFact::Restarted(of, deadline.is_some());
        ctx.observe(Fact::Script(track, fact));
        let Some(deadline) = deadline else {
            self.advance(track, spent, ctx);
            return;
        };
        self.begin_wait(track, waiting, kinds, Some(spent + deadline), ctx);
        if self.satisfied(track, ctx) {
            // There is nothing to replace; the person sees that when the command returns, and not before.
            Self::look_after(track, spent, ctx);
        } else if waiting == Waiting::Rollout {
            self.watch_progress(track, ctx);
        }
    }
}

/// The client sends the deletions of pods, or their evictions, side by side; when the last one was answered.
fn end_pods(track: u32, pods: &[PodId], started: SimDuration, evicts: bool, ctx: &mut Ctx) -> SimDuration {
    let api = ctx.blueprint().spec.kubernetes.api_write_latency;
    pods.iter().fold(started, |spent, &pod| {
        let key = Ordinal::DELETION.of(ctx.shared.key(pod));
        let write = match evicts && !ctx.shared.kind(pod).budgets.is_empty() {
            true => Write::EvictPod(pod, track),
            false => Write::EndPod(pod),
        };
        ctx.write_after(Source::Script(track), None, key, started, write);
        spent.max(started + ctx.draw(Purpose::ApiWrite, key, &api))
    })
}

/// The node that a step is about, if there is one now.
pub(super) fn node(at: NodeAt, ctx: &Ctx) -> Option<NodeId> {
    match at {
        NodeAt::Node(node) => Some(node),
        NodeAt::NodeOf(kind) => {
            let api = &ctx.shared.api;
            api.pods_of(kind).iter().find_map(|&pod| api.pod(pod)?.node)
        }
    }
}
