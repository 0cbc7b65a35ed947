//! The EndpointSlice controller: republishes which ready pods stand behind a Service.
//!
//! **Modeled**: a sync after a change of its pods, on what the controller has read; a slice is a new object version
//! with its own revision, so its readers lag behind the controller and not behind the pods.
//! **Left out**: several slices per Service, serving and terminating flags, the one-second delay after slice changes.
//! **Parameters**: `endpoint_slice_sync_latency`. **Validated by**: `tests/world/event_log.rs`,
//! `tests/world/mechanisms.rs` (withdrawal).

use super::context::Ctx;
use super::event::{EndpointSliceEvent, Event, Source, Write};
use super::ids::{PodId, ServiceId};
use super::objects::{Backend, Backends};
use super::observed::Fact;
use super::purpose::Purpose;
use super::subscription::{Change, Notification, Subscription};
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime};

/// The controller's state.
#[derive(Debug)]
pub struct EndpointSlices {
    pending: Vec<bool>,
    syncs: Vec<u64>,
    latest_writes: Vec<SimTime>,
    /// Pods of each Service that the controller has heard of and not seen go, in that order.
    members: Vec<Vec<PodId>>,
    seen: u32,
}

impl EndpointSlices {
    /// The controller for so many Services.
    #[must_use]
    pub fn new(services: usize) -> Self {
        Self {
            pending: vec![false; services],
            syncs: vec![0; services],
            latest_writes: vec![SimTime::ZERO; services],
            members: vec![Vec::new(); services],
            seen: 0,
        }
    }

    /// These pods were behind their Services when the run began.
    pub fn has_published(&mut self, pods: &[Backend], ctx: &mut Ctx) {
        let mut backends: Vec<Vec<Backend>> = vec![Vec::new(); self.members.len()];
        for backend in pods {
            for service in &ctx.shared.kind(backend.pod).services {
                self.members[service.index()].push(backend.pod);
                backends[service.index()].push(*backend);
            }
        }
        self.seen = ctx.shared.api.pods.len() as u32;
        for (service, backends) in (0..).map(ServiceId).zip(backends) {
            if !backends.is_empty() {
                ctx.observe(Fact::SliceWritten(service, backends.len() as u32));
                ctx.shared.api.put_slice(SimTime::ZERO, service, backends.into());
            }
        }
    }

    /// Handles an event.
    pub fn handle(&mut self, event: EndpointSliceEvent, ctx: &mut Ctx) {
        match event {
            EndpointSliceEvent::PodChanged(pod, seen) => {
                self.seen = self.seen.max(seen);
                let distribution = ctx.blueprint().spec.kubernetes.endpoint_slice_sync_latency;
                for position in 0..ctx.shared.kind(pod).services.len() {
                    let service = ctx.shared.kind(pod).services[position];
                    let members = &mut self.members[service.index()];
                    if !members.contains(&pod) {
                        members.push(pod);
                    }
                    if !std::mem::replace(&mut self.pending[service.index()], true) {
                        self.syncs[service.index()] += 1;
                        let key = ctx.blueprint().service_key(service).child(self.syncs[service.index()]);
                        let latency = ctx.draw(Purpose::EndpointSliceSync, key, &distribution);
                        ctx.after(
                            Source::EndpointSlice,
                            EventClass::Timer,
                            latency,
                            Event::EndpointSlice(EndpointSliceEvent::Sync(service)),
                        );
                    }
                }
            }
            EndpointSliceEvent::Sync(service) => {
                self.pending[service.index()] = false;
                let api = &ctx.shared.api;
                let known = |pod: PodId| api.pods.at(pod.0, self.seen).and_then(|version| version.value.as_ref());
                let members = &mut self.members[service.index()];
                members.retain(|&pod| known(pod).is_some());
                let backends: Backends = members
                    .iter()
                    .filter_map(|&pod| {
                        let object = known(pod)?;
                        let ready = object.ready && !object.deleting;
                        ready.then_some(Backend { pod, ip: object.ip? })
                    })
                    .collect();
                ctx.observe(Fact::BackEndsFound(service, backends.len() as u32));
                let key = ctx.blueprint().service_key(service).child(self.syncs[service.index()]);
                let latest = &mut self.latest_writes[service.index()];
                ctx.write_in_order(
                    Source::EndpointSlice,
                    None,
                    key,
                    SimDuration::ZERO,
                    latest,
                    Write::WriteSlice(service, backends),
                );
            }
        }
    }
}

/// Pods behind a Service that are ready, or were.
pub const SUBSCRIPTION: Subscription = Subscription {
    key: |_, _| EntityKey::root("endpoint slice controller"),
    hears: |change, shared, notifications| {
        let pod = match *change {
            Change::PodUpdated(pod, old, new)
                if (new.ready || old.ready)
                    && (new.ready != old.ready || new.deleting != old.deleting || new.ip != old.ip) =>
            {
                pod
            }
            Change::PodRemoved(pod, old) if old.ready => pod,
            _ => return,
        };
        if !shared.kind(pod).services.is_empty() {
            let seen = shared.api.pods.len() as u32;
            notifications.push(Notification::new(
                Source::EndpointSlice,
                Event::EndpointSlice(EndpointSliceEvent::PodChanged(pod, seen)),
                ("a backend changed", None),
            ));
        }
    },
};
