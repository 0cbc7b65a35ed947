//! Jobs as the API server has them: their creation, their end, and their deletion with their pods.
//!
//! **Modeled**: a Job object with its final condition; the garbage collector, which deletes the pods of a Job that is gone.
//! **Left out**: finalizers of pods, by which a pod outlives its deletion until its Job has counted it; foreground deletion.
//! **Parameters**: `garbage_collection_latency`. **Validated by**: `tests/world/jobs.rs`. Source: `docs/model/kubernetes.md#jobs`.

use super::api_server::{ApiServer, notify};
use super::context::Ctx;
use super::event::{Event, Source, Write};
use super::ids::{KindId, PodId, ReplicaSetId};
use super::objects::SetMeta;
use super::observed::{Fact, JobFact};
use super::purpose::Purpose;
use super::spec::Controller;
use super::subscription::Change;
use crate::kernel::EventClass;

impl ApiServer {
    /// Whether the latest Job of a kind is complete or has failed; nothing if it runs, or if there is none.
    #[must_use]
    pub fn latest_job(&self, kind: KindId, sets: &[SetMeta]) -> Option<bool> {
        let mut jobs = self.jobs.iter().rev();
        jobs.find(|(job, _)| sets[job.index()].kind == kind)
            .and_then(|(_, ended)| *ended)
    }
}

/// What commits of the API server do with Jobs.
impl Ctx<'_> {
    /// A Job was applied, or what makes Jobs was deleted.
    pub(super) fn scale_jobs(&mut self, kind: KindId, replicas: u32) {
        let controller = self.blueprint().kind(kind).controller;
        if !controller.makes_jobs() {
            return;
        }
        let sets = &self.shared.sets;
        let own = self.shared.api.jobs.keys().filter(|job| sets[job.index()].kind == kind);
        let own: Vec<ReplicaSetId> = own.copied().collect();
        if replicas == 0 {
            own.into_iter().for_each(|job| self.delete_job(job));
        } else if controller == Controller::Job && own.is_empty() {
            let earlier = sets.iter().filter(|set| set.kind == kind).count() as u32;
            let job = self.shared.add_set(kind, earlier + 1);
            self.create_job(job);
        }
    }

    /// Stores a Job.
    pub(super) fn create_job(&mut self, job: ReplicaSetId) {
        self.shared.api.next_revision();
        self.shared.api.jobs.insert(job, None);
        self.observe(Fact::Job(job, JobFact::Created));
        notify(self, Change::JobCreated(job));
    }

    /// A Job is complete, or has failed.
    pub(super) fn finish_job(&mut self, job: ReplicaSetId, complete: bool) {
        let Some(ended) = self.shared.api.jobs.get_mut(&job) else {
            return; // It was deleted meanwhile.
        };
        *ended = Some(complete);
        self.shared.api.next_revision();
        let fact = if complete { JobFact::Complete } else { JobFact::Failed };
        self.observe(Fact::Job(job, fact));
        notify(self, Change::JobFinished(job, complete));
    }

    /// Removes a Job; its pods follow.
    pub(super) fn delete_job(&mut self, job: ReplicaSetId) {
        if self.shared.api.jobs.remove(&job).is_none() {
            return;
        }
        self.shared.api.next_revision();
        self.observe(Fact::Job(job, JobFact::Deleted));
        let api = &self.shared.api;
        let pods = api.pods_of(self.shared.sets[job.index()].kind).iter();
        let own: Vec<PodId> = pods.filter(|pod| api.owner(**pod) == Some(job)).copied().collect();
        let distribution = self.blueprint().spec.kubernetes.garbage_collection_latency;
        for pod in own {
            let key = self.shared.key(pod).named("job");
            let latency = self.draw(Purpose::GarbageCollection, key, &distribution);
            let write = Event::Commit(Write::DeletePod(pod));
            self.after(Source::ApiServer, EventClass::Commit, latency, write);
        }
        notify(self, Change::JobDeleted(job));
    }
}
