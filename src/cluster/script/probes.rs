//! Probes of a script, and the loop that looks for a pod on a remembered address.

use super::super::blueprint::Blueprint;
use super::super::context::Ctx;
use super::super::ids::{KindId, PodId, ServiceId};
use super::super::observed::{Fact, ScriptFact};
use super::super::spec::{ProbeFrom, ProbeSpec, Rollout, Step};
use super::Script;
use crate::kernel::{EntityKey, SimDuration};

impl Script {
    /// Lists the pods and looks for one on a remembered address.
    pub(super) fn look_for_reuse(&mut self, track: u32, ctx: &mut Ctx) {
        let blueprint = ctx.shared.blueprint.clone();
        let place = self.track(track).step;
        let Step::FindReuse {
            workload,
            rollout_deadline,
            rollouts_max,
            ..
        } = blueprint.spec.script[place]
        else {
            return;
        };
        let api = &ctx.shared.api;
        let on_remembered = |&pod: &PodId| {
            let ip = api.pod(pod)?.ip?;
            self.remembered.contains(&ip).then_some((pod, ip))
        };
        let kind = KindId(workload as u32);
        let found = api.pods_of(kind).iter().find_map(on_remembered);
        let fact = found.map_or(ScriptFact::FoundNone, |(pod, ip)| ScriptFact::Found(pod, ip));
        ctx.observe(Fact::Script(track, fact));
        let rollouts = self.track(track).rollouts;
        match found {
            Some((pod, _)) => {
                self.track(track).found = Some(pod);
                self.advance(track, SimDuration::ZERO, ctx);
            }
            None if rollouts_max.is_some_and(|max| rollouts >= max) => {
                ctx.observe(Fact::Script(track, ScriptFact::NoReuse(place, rollouts)));
            }
            None => self.restart(track, Rollout::Deployment(kind), Some(rollout_deadline), ctx),
        }
    }

    /// Sends the probe of this step, from the same pod as before if it is sent again.
    pub(super) fn probe(&mut self, track: u32, ctx: &mut Ctx) {
        let blueprint = ctx.shared.blueprint.clone();
        let place = self.track(track).step;
        let Some(Step::Probe(probe)) = blueprint.spec.script.get(place) else {
            return;
        };
        let own = self.track(track);
        own.prober = match (own.prober, probe.from) {
            (Some(client), _) => Some(client),
            (None, ProbeFrom::Found) => own.found,
            (None, ProbeFrom::Workload(workload)) => first_ready(KindId(workload as u32), ctx),
        };
        match (own.prober, probe.from) {
            (Some(client), _) => {
                let sent = self.sent.entry(place).or_default();
                let key = probe_key(&blueprint, place, probe).child(*sent);
                *sent += 1;
                ctx.send_request(self.requests, client, place as u32, key);
                self.requests += 1;
            }
            (None, ProbeFrom::Workload(workload)) => ctx.request_unsent(KindId(workload as u32), place as u32),
            (None, ProbeFrom::Found) => self.advance(track, SimDuration::ZERO, ctx),
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
