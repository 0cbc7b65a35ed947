//! The Job controller: runs pods until as many as asked for have succeeded.
//!
//! **Modeled**: completions, parallelism and indexes; a wait after failures in a row that doubles, from the end of the latest one;
//! `backoffLimit`, for pods that failed or were deleted, and with `restartPolicy: OnFailure` for restarts; `activeDeadlineSeconds`;
//! `suspend`; `ttlSecondsAfterFinished`; changes of pods collected for a while before it acts; expectations (no action before its own writes
//! are seen); batches of 1, 2, 4, … creations (`docs/model/kubernetes.md#jobs`).
//! **Left out**: limits by index, pod failure policies, success policies, pods that are replaced only when they have ended, the second of
//! resolution of the times in statuses; a Job that fails is over at once, and not when its pods have ended.
//! **Parameters**: `job_*`, `controller_client_*`, `controller_sync_latency`, `slow_start_initial_batch`, `replica_set_burst`.
//! **Validated by**: `tests/world/jobs.rs`.

use std::collections::{BTreeMap, VecDeque};

use super::context::Ctx;
use super::event::{Event, JobEvent, Source, Write};
use super::ids::{PodId, ReplicaSetId};
use super::job_progress::{Progress, wait_after};
use super::job_spec::RestartPolicy;
use super::objects::{Ended, PodMeta, PodObject};
use super::observed::PodFact;
use super::purpose::{Ordinal, Purpose};
use super::subscription::{Change, Notification, Subscription};
use super::token_bucket::TokenBucket;
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime, Timer};

/// The first wait after a refused creation, and the longest one
/// (`kubernetes/kubernetes pkg/controller/job/job_controller.go`, DefaultJobApiBackOff and MaxJobApiBackOff).
const REFUSED_INITIAL: SimDuration = SimDuration::from_secs(1);
const REFUSED_MAX: SimDuration = SimDuration::from_secs(60);

#[derive(Debug, Default)]
struct Job {
    began: SimTime,
    /// Pods that were created, in order.
    pods: Vec<PodId>,
    progress: Progress,
    /// Pods that are to be created.
    pending: VecDeque<PodId>,
    /// Creations under way.
    asked: u32,
    refused: bool,
    /// Refused batches in a row.
    refusals: u32,
    next_batch: u32,
    /// How many pods it has ever wanted.
    wanted: u32,
    /// It has its condition, or is gone.
    over: bool,
    sync: Option<(SimTime, Timer)>,
    syncs: u64,
}

/// The controller's state.
#[derive(Debug)]
pub struct Jobs {
    jobs: BTreeMap<ReplicaSetId, Job>,
    bucket: TokenBucket,
    /// Versions of pods that it has read.
    seen: u32,
}

impl Jobs {
    /// The controller with its client's limit.
    #[must_use]
    pub fn new(qps: f64, burst: u32) -> Self {
        Self {
            jobs: BTreeMap::new(),
            bucket: TokenBucket::new(qps, burst),
            seen: 0,
        }
    }

    /// Handles an event.
    pub fn handle(&mut self, event: JobEvent, ctx: &mut Ctx) {
        match event {
            JobEvent::Created(id) => {
                let began = ctx.now();
                self.jobs.entry(id).or_default().began = began;
                self.sync_in(id, SimDuration::ZERO, ctx);
            }
            JobEvent::Deleted(id) => {
                let job = self.jobs.entry(id).or_default();
                job.over = true;
                for pod in std::mem::take(&mut job.pending) {
                    ctx.observe_pod(pod, PodFact::Dropped);
                }
            }
            JobEvent::Request(id, pod) => {
                if self.jobs.entry(id).or_default().over {
                    ctx.observe_pod(pod, PodFact::Dropped);
                } else {
                    ctx.create_pod(pod, Some(id));
                }
            }
            JobEvent::PodCreated(id, pod, seen) => {
                self.seen = self.seen.max(seen);
                let job = self.jobs.entry(id).or_default();
                job.pods.push(pod);
                if job.over {
                    // It came after the deletion of its Job.
                    self.delete(&[pod], ctx);
                } else {
                    self.answered(id, ctx);
                }
            }
            JobEvent::Refused(id, pod) => {
                let job = self.jobs.entry(id).or_default();
                job.refused = true;
                job.pending.push_front(pod);
                ctx.observe_pod(pod, PodFact::WaitsForWebhook);
                self.answered(id, ctx);
            }
            JobEvent::PodChanged(id, seen) => {
                self.seen = self.seen.max(seen);
                let period = ctx.blueprint().spec.kubernetes.job_sync_period;
                self.sync_in(id, period, ctx);
            }
            JobEvent::Sync(id) => self.sync(id, ctx),
            JobEvent::Expired(id) => {
                let key = key(id, ctx).named("expired");
                ctx.write(Source::Job, None, key, Write::DeleteJob(id));
            }
        }
    }

    /// Acts after a wait, unless it will act earlier anyway.
    fn sync_in(&mut self, id: ReplicaSetId, wait: SimDuration, ctx: &mut Ctx) {
        let job = self.jobs.entry(id).or_default();
        if job.over {
            return;
        }
        job.syncs += 1;
        let key = key(id, ctx).named("sync").child(job.syncs);
        let distribution = ctx.blueprint().spec.kubernetes.controller_sync_latency;
        let at = ctx.now() + wait + ctx.draw(Purpose::ControllerSync, key, &distribution);
        match job.sync {
            Some((earlier, _)) if earlier <= at => return,
            Some((_, timer)) => ctx.kernel.cancel(timer),
            None => {}
        }
        let event = Event::Job(JobEvent::Sync(id));
        job.sync = Some((at, ctx.at(Source::Job, EventClass::Timer, at, event)));
    }

    fn known(&self, pod: PodId, ctx: &Ctx) -> Option<PodObject> {
        let version = ctx.shared.api.pods.at(pod.0, self.seen)?;
        version.value
    }

    fn sync(&mut self, id: ReplicaSetId, ctx: &mut Ctx) {
        let job = self.jobs.entry(id).or_default();
        job.sync = None;
        if job.over || job.asked > 0 {
            return;
        }
        let (now, blueprint) = (ctx.now(), ctx.shared.blueprint.clone());
        let kind = blueprint.kind(ctx.shared.sets[id.index()].kind);
        let spec = &kind.job;
        let pods: Vec<PodId> = job
            .pods
            .iter()
            .filter(|pod| !job.progress.counted.contains(pod))
            .copied()
            .collect();
        let known: Vec<(PodId, Option<PodObject>)> = pods.iter().map(|&pod| (pod, self.known(pod, ctx))).collect();
        // A pod that is to go, or is gone, counts as failed.
        let failed = Ended {
            at: now,
            succeeded: false,
        };
        let end = |object: &Option<PodObject>| match object {
            None => Some(failed),
            Some(object) => object.ended.or(object.deleting.then_some(failed)),
        };
        let ended: Vec<(PodId, Ended)> = known
            .iter()
            .filter_map(|(pod, object)| Some((*pod, end(object)?)))
            .collect();
        let active: Vec<(PodId, u32)> = known
            .iter()
            .filter(|(_, object)| end(object).is_none())
            .map(|(pod, object)| (*pod, object.map_or(0, |object| object.restarts)))
            .collect();
        let running = active.len() as u32;
        let restarts: u32 = active.iter().map(|(_, restarts)| restarts).sum();
        let ordinal = |pod: PodId| ctx.shared.pods[pod.index()].ordinal;
        let job = self.jobs.entry(id).or_default();
        job.progress.count(&ended, ordinal);
        let left = spec.active_deadline.map(|deadline| (job.began + deadline).since(now));
        let limit = spec.backoff_limit;
        let too_often = kind.restart == RestartPolicy::OnFailure && restarts > 0 && restarts >= limit;
        let late = left.is_some_and(|left| left == SimDuration::ZERO);
        if late || job.progress.failed > limit || too_often {
            self.ends(id, false, ctx);
            let active: Vec<PodId> = active.iter().map(|(pod, _)| *pod).collect();
            self.delete(&active, ctx);
            return;
        }
        if job.progress.is_complete(spec, running) {
            self.ends(id, true, ctx);
            return;
        }
        let missing = job.progress.wants(spec, running).saturating_sub(running);
        let params = &ctx.blueprint().spec.kubernetes;
        let (batch, burst) = (params.slow_start_initial_batch.max(1), params.replica_set_burst);
        let wait = wait_after(
            job.progress.in_a_row,
            params.job_backoff_initial,
            params.job_backoff_max,
        );
        let remaining = (job.progress.latest_failure + wait).since(now);
        if missing > 0 && !spec.suspended {
            if job.progress.in_a_row > 0 && remaining > SimDuration::ZERO {
                self.sync_in(id, remaining, ctx);
            } else {
                self.want(id, missing.min(burst), &active, spec.indexed, ctx);
                self.jobs.entry(id).or_default().next_batch = batch;
                self.ask(id, ctx);
            }
        }
        if let Some(left) = left {
            self.sync_in(id, left, ctx);
        }
    }

    /// So many more pods are wanted than are pending.
    fn want(&mut self, id: ReplicaSetId, missing: u32, active: &[(PodId, u32)], indexed: bool, ctx: &mut Ctx) {
        let job = self.jobs.entry(id).or_default();
        let set = &ctx.shared.sets[id.index()];
        let (kind, revision) = (set.kind, set.revision);
        let mut taken = job.progress.done.clone();
        let theirs = active.iter().map(|(pod, _)| pod).chain(&job.pending);
        taken.extend(theirs.map(|pod| ctx.shared.pods[pod.index()].ordinal));
        while job.pending.len() < missing as usize {
            let number = job.wanted;
            job.wanted += 1;
            let free = (0..).find(|ordinal| !taken.contains(ordinal)).unwrap_or(number);
            let ordinal = if indexed { free } else { number };
            taken.insert(ordinal);
            let key = key(id, ctx).child(u64::from(number));
            let pod = ctx.add_pod(PodMeta {
                kind,
                revision,
                ordinal,
                key,
            });
            job.pending.push_back(pod);
        }
    }

    /// Sends the next batch of creations.
    fn ask(&mut self, id: ReplicaSetId, ctx: &mut Ctx) {
        let requests = ctx.blueprint().spec.kubernetes.controller_requests_per_pod;
        let job = self.jobs.entry(id).or_default();
        job.refused = false;
        let size = (job.next_batch as usize).min(job.pending.len());
        job.next_batch = job.next_batch.saturating_mul(2);
        job.asked += size as u32;
        for pod in job.pending.drain(..size).collect::<Vec<_>>() {
            let wait = self.bucket.reserve(ctx.now(), requests);
            let event = Event::Job(JobEvent::Request(id, pod));
            ctx.after(Source::Job, EventClass::Timer, wait, event);
        }
    }

    /// One creation was answered.
    fn answered(&mut self, id: ReplicaSetId, ctx: &mut Ctx) {
        let period = ctx.blueprint().spec.kubernetes.job_sync_period;
        let job = self.jobs.entry(id).or_default();
        job.asked = job.asked.saturating_sub(1);
        if job.asked > 0 || job.over {
            return;
        }
        if job.refused {
            job.refusals += 1;
            let wait = wait_after(job.refusals, REFUSED_INITIAL, REFUSED_MAX);
            self.sync_in(id, wait, ctx);
        } else if job.pending.is_empty() {
            job.refusals = 0;
            self.sync_in(id, period, ctx);
        } else {
            self.ask(id, ctx);
        }
    }

    /// A Job is complete, or has failed.
    fn ends(&mut self, id: ReplicaSetId, complete: bool, ctx: &mut Ctx) {
        let job = self.jobs.entry(id).or_default();
        job.over = true;
        for pod in std::mem::take(&mut job.pending) {
            ctx.observe_pod(pod, PodFact::Dropped);
        }
        let key = key(id, ctx).named("finished");
        ctx.write(Source::Job, None, key, Write::FinishJob(id, complete));
        let kind = ctx.shared.sets[id.index()].kind;
        if let Some(ttl) = ctx.blueprint().kind(kind).job.ttl {
            let event = Event::Job(JobEvent::Expired(id));
            ctx.after(Source::Job, EventClass::Timer, ttl, event);
        }
    }

    /// Deletes pods that have not ended.
    fn delete(&mut self, pods: &[PodId], ctx: &mut Ctx) {
        let requests = ctx.blueprint().spec.kubernetes.controller_requests_per_pod;
        let stays = |pod: &&PodId| {
            let object = self.known(**pod, ctx);
            object.is_some_and(|object| !object.deleting && object.ended.is_none())
        };
        for pod in pods.iter().filter(stays).copied().collect::<Vec<_>>() {
            let wait = self.bucket.reserve(ctx.now(), requests);
            let key = Ordinal::DELETION.of(ctx.shared.key(pod));
            ctx.write_after(Source::Job, None, key, wait, Write::DeletePod(pod));
        }
    }
}

/// The key of a Job for random streams: workload and number.
fn key(id: ReplicaSetId, ctx: &Ctx) -> EntityKey {
    let set = &ctx.shared.sets[id.index()];
    ctx.blueprint().kind(set.kind).key.child(u64::from(set.revision))
}

/// Verbs with which other components notify the Job controller.
impl Ctx<'_> {
    /// The API server refuses to create a pod of a Job.
    pub(super) fn refuse_pod_of_job(&mut self, job: ReplicaSetId, pod: PodId) {
        let event = Event::Job(JobEvent::Refused(job, pod));
        self.after(Source::ApiServer, EventClass::Deliver, SimDuration::ZERO, event);
    }
}

/// Jobs and their pods.
pub const SUBSCRIPTION: Subscription = Subscription {
    key: |_, _| EntityKey::root("job controller"),
    hears: |change, shared, notifications| {
        let seen = shared.api.pods.len() as u32;
        let of_job = |pod: PodId| match shared.kind(pod).controller.makes_jobs() {
            true => shared.api.owner(pod),
            false => None,
        };
        let (event, words) = match *change {
            Change::JobCreated(job) => (JobEvent::Created(job), ("the Job was created", None)),
            Change::JobDeleted(job) => (JobEvent::Deleted(job), ("the Job is gone", None)),
            Change::PodCreated(pod, Some(owner)) if of_job(pod).is_some() => {
                let event = JobEvent::PodCreated(owner, pod, seen);
                (event, ("the pod was created", Some(pod)))
            }
            _ => match change.of_pod() {
                Some((pod, true)) if let Some(owner) = of_job(pod) => {
                    (JobEvent::PodChanged(owner, seen), ("the pod changed", Some(pod)))
                }
                _ => return,
            },
        };
        notifications.push(Notification::new(Source::Job, Event::Job(event), words));
    },
};
