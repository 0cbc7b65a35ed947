//! The state with which a run begins: workloads that run then, with Istiod and CoreDNS, as if they had been applied long before.
//!
//! What a pod that runs is to a component belongs to that component; here is their order. Nothing of it is an event, every write
//! is of the time zero, and every reader has read it.

use super::World;
use crate::cluster::blueprint::Role;
use crate::cluster::context::Ctx;
use crate::cluster::event::Event;
use crate::cluster::ids::PodId;
use crate::cluster::objects::{Backend, PodMeta, PodObject};
use crate::kernel::{Kernel, SimDuration, SimTime};

impl World {
    /// Makes the pods that run when the run begins.
    pub(super) fn has_run(&mut self, kernel: &mut Kernel<Event>) {
        let blueprint = self.shared.blueprint.clone();
        let mut ready = Vec::new();
        for kind in blueprint.running() {
            let replicas = blueprint.kind(kind).replicas;
            let ctx = &mut Ctx {
                kernel,
                shared: &mut self.shared,
            };
            let set = ctx.shared.add_set(kind, 1);
            let key = blueprint.kind(kind).key.child(1);
            let pods = (0..replicas).map(|ordinal| PodMeta {
                kind,
                revision: 1,
                ordinal,
                key: key.child(u64::from(ordinal)),
            });
            let pods: Vec<PodId> = pods.map(|meta| ctx.add_pod(meta)).collect();
            for &pod in &pods {
                let node = self.scheduler.has_placed(pod, ctx);
                let ip = node.and_then(|node| self.agents.has_connected(node, pod, ctx));
                let runs = ip.is_some();
                let object = PodObject {
                    node,
                    ip,
                    running: runs,
                    ready: runs,
                    ..PodObject::default()
                };
                ctx.shared.api.add_pod(SimTime::ZERO, pod, kind, Some(set), object);
                let Some(node) = node else { continue };
                ctx.token_is_issued(node, pod, SimDuration::ZERO);
                match ip {
                    Some(ip) => {
                        self.kubelets.has_started(node, pod, ip, ctx);
                        self.traffic.has_sent(pod, ctx);
                        ready.push(Backend { pod, ip });
                    }
                    None => self.kubelets.assigned(node, pod, ctx),
                }
            }
            ctx.shared.api.has_scaled(kind, replicas);
            self.replica_sets.has_created(set, pods, ctx);
            self.deployments.has_scaled(kind, set, replicas, ctx);
            self.script.has_applied(kind, replicas);
        }
        self.have_served(&ready, kernel);
    }

    /// Services know the pods, and sidecars follow Istiods.
    fn have_served(&mut self, ready: &[Backend], kernel: &mut Kernel<Event>) {
        let ctx = &mut Ctx {
            kernel,
            shared: &mut self.shared,
        };
        self.endpoint_slices.has_published(ready, ctx);
        ctx.shared.have_read_all();
        for backend in ready {
            if ctx.shared.kind(backend.pod).role == Role::Istiod {
                self.istiods.begins(ctx.istiod_in(backend.pod), ctx);
            }
        }
        for backend in ready {
            if ctx.shared.kind(backend.pod).has_sidecar() {
                self.sidecars.has_started(backend.pod, ctx);
            }
        }
    }
}
