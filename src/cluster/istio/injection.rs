//! Admission of pods: the injection webhook that the API server calls before it creates a pod with a sidecar.
//!
//! **Modelled**: one connection of the API server to one Istiod that it keeps as long as it works; a time-out when the
//! Istiod cannot be reached; refusal of the creation (`failurePolicy: Fail`); another Istiod once the dead connection is
//! detected.
//! **Left out**: the validation webhook, several API servers, other webhooks.
//! **Parameters**: `webhook_timeout`, `webhook_latency`, `api_read_idle_timeout`, `api_ping_timeout`.
//! **Validated by**: the webhook test in `tests/`. That the API server's calls stick to one connection is reported, not
//! confirmed in source (`istio.md` section 5).

use crate::cluster::context::Ctx;
use crate::cluster::event::{Event, Source};
use crate::cluster::ids::{IstiodId, NodeId, PodId, ReplicaSetId};
use crate::cluster::links::Party;
use crate::cluster::objects::Write;
use crate::cluster::purpose::Purpose;
use crate::cluster::replica_set::ReplicaSetEvent;
use crate::cluster::story::Fact;
use crate::kernel::{EntityKey, EventClass, SimTime};

/// The API server's side of admission.
#[derive(Debug, Default)]
pub struct Admission {
    connection: Option<(IstiodId, PodId)>,
    dials: u64,
}

impl Admission {
    /// A request to create a pod has reached the API server.
    pub fn create(&mut self, pod: PodId, owner: Option<ReplicaSetId>, ctx: &mut Ctx) {
        let key = ctx.shared.key(pod).child(CREATE);
        if !ctx.shared.kind(pod).sidecar {
            ctx.write(Source::ApiServer, None, key, Write::CreatePod(pod, owner));
            return;
        }
        let now = ctx.now();
        if self
            .connection
            .is_none_or(|(istiod, pod)| !alive(istiod, pod, now, ctx))
        {
            self.connection = self.dial(ctx);
        }
        let reached = self
            .connection
            .filter(|(istiod, _)| ctx.shared.links.is_up(Party::Webhook(*istiod)));
        let params = &ctx.blueprint().istio().params;
        if reached.is_some() {
            let law = params.webhook_latency;
            let latency = ctx.draw(Purpose::WebhookLatency, key, &law);
            ctx.write_after(Source::ApiServer, None, key, latency, Write::CreatePod(pod, owner));
            return;
        }
        // With an Istiod that does not answer the call times out; without any it fails at once.
        let wait = if self.connection.is_some() {
            params.webhook_timeout
        } else {
            params.reject_latency.bound()
        };
        let what = self.connection;
        ctx.note(|_| Fact::CreationRefused {
            pod,
            istiod: what.map(|(istiod, _)| istiod),
        });
        ctx.tell("api server", |shared| match what {
            Some((istiod, _)) => format!(
                "gets no answer from the webhook of {istiod} for {}",
                shared.pod_name(pod)
            ),
            None => format!("has no Istiod to ask about {}", shared.pod_name(pod)),
        });
        if let Some(owner) = owner {
            ctx.after(
                Source::ApiServer,
                EventClass::Deliver,
                wait,
                Event::ReplicaSet(ReplicaSetEvent::Refused(owner, pod)),
            );
        }
    }

    /// Picks an Istiod as the control plane node's service proxy does.
    fn dial(&mut self, ctx: &Ctx) -> Option<(IstiodId, PodId)> {
        let service = ctx.blueprint().istiod_service?;
        let backends = ctx
            .backends_at(NodeId(0), service)
            .filter(|backends| !backends.is_empty())?;
        self.dials += 1;
        let key = EntityKey::root("webhook").child(self.dials);
        let choice = ctx.stream(Purpose::WebhookBackend, key).below(backends.len() as u64) as usize;
        let pod = backends[choice].pod;
        Some((ctx.istiod_in(pod), pod))
    }
}

/// Whether the connection still stands as far as the API server can tell.
fn alive(istiod: IstiodId, pod: PodId, now: SimTime, ctx: &Ctx) -> bool {
    if !ctx.shared.physics.pod(pod).running {
        return false;
    }
    let params = &ctx.blueprint().istio().params;
    ctx.shared
        .links
        .cut_of(Party::Webhook(istiod))
        .is_none_or(|cut| now.since(cut.since) < params.api_read_idle_timeout + params.api_ping_timeout)
}

/// Addresses the latency of a pod's creation.
const CREATE: u64 = 104;
