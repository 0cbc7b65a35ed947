//! The CronJob controller: makes a Job when the schedule says so.
//!
//! **Modeled**: the latest time of the schedule that was not used; `startingDeadlineSeconds`; `Allow`, `Forbid`, with which a time that passed
//! while a Job ran is made up for when it has ended, and `Replace`; `suspend`; the limits of finished Jobs that are kept
//! (`docs/model/kubernetes.md#jobs`).
//! **Left out**: time zones other than UTC.
//! **Parameters**: the wall-clock time of the beginning of a run; `controller_sync_latency`. **Validated by**: `tests/world/jobs.rs`.

use std::collections::BTreeMap;

use super::context::Ctx;
use super::event::{CronJobEvent, Event, Source, Write};
use super::ids::{KindId, ReplicaSetId};
use super::job_spec::{Concurrency, CronSpec};
use super::purpose::Purpose;
use super::spec::Controller;
use super::subscription::{Change, Notification, Subscription};
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime};

/// The controller acts this long after a time of the schedule
/// (`kubernetes/kubernetes pkg/controller/cronjob/cronjob_controllerv2.go`, nextScheduleDelta).
const AFTER_SCHEDULE: SimDuration = SimDuration::from_millis(100);

#[derive(Debug, Default)]
struct CronJob {
    exists: bool,
    /// The latest time of the schedule that was used; before that the creation.
    used: SimTime,
    /// The time for which it is set.
    due: Option<SimTime>,
    /// Jobs that run.
    active: Vec<ReplicaSetId>,
    /// Jobs that have failed, and those that are complete.
    finished: [Vec<ReplicaSetId>; 2],
    syncs: u64,
}

/// The controller's state.
#[derive(Debug, Default)]
pub struct CronJobs {
    jobs: BTreeMap<KindId, CronJob>,
}

/// The latest time of a schedule after one and up to another.
fn latest(spec: &CronSpec, begins: jiff::Timestamp, after: SimTime, until: SimTime) -> Option<SimTime> {
    let next = |time: &SimTime| spec.schedule.after(begins, *time).filter(|next| *next <= until);
    std::iter::successors(next(&after), next).last()
}

impl CronJobs {
    /// Handles an event.
    pub fn handle(&mut self, event: CronJobEvent, ctx: &mut Ctx) {
        match event {
            CronJobEvent::Applied(kind, exists) => {
                let now = ctx.now();
                let job = self.jobs.entry(kind).or_default();
                if exists && !job.exists {
                    *job = CronJob {
                        exists,
                        used: now,
                        syncs: job.syncs,
                        ..CronJob::default()
                    };
                    self.sync(kind, ctx);
                } else if !exists {
                    job.exists = false;
                }
            }
            CronJobEvent::Due(kind) => self.sync(kind, ctx),
            CronJobEvent::Finished(id, complete) => {
                let kind = ctx.shared.sets[id.index()].kind;
                let spec = ctx.shared.blueprint.clone();
                let Some(spec) = &spec.kind(kind).job.cron else { return };
                let job = self.jobs.entry(kind).or_default();
                job.active.retain(|other| *other != id);
                let (of, keeps) = (usize::from(complete), spec.keeps[usize::from(complete)]);
                job.finished[of].push(id);
                let surplus = job.finished[of].len().saturating_sub(keeps as usize);
                for old in job.finished[of].drain(..surplus).collect::<Vec<_>>() {
                    delete(old, ctx);
                }
                self.sync(kind, ctx);
            }
            CronJobEvent::Deleted(id) => {
                let kind = ctx.shared.sets[id.index()].kind;
                let job = self.jobs.entry(kind).or_default();
                job.active.retain(|other| *other != id);
                job.finished
                    .iter_mut()
                    .for_each(|jobs| jobs.retain(|other| *other != id));
                self.sync(kind, ctx);
            }
        }
    }

    fn sync(&mut self, kind: KindId, ctx: &mut Ctx) {
        let blueprint = ctx.shared.blueprint.clone();
        let Some(spec) = &blueprint.kind(kind).job.cron else {
            return;
        };
        let (now, begins) = (ctx.now(), blueprint.spec.begins);
        let job = self.jobs.entry(kind).or_default();
        if !job.exists || spec.suspended {
            return;
        }
        if job.due.is_none_or(|due| due <= now) {
            job.due = spec.schedule.after(begins, now).map(|next| next + AFTER_SCHEDULE);
            if let Some(due) = job.due {
                let event = Event::CronJob(CronJobEvent::Due(kind));
                ctx.at(Source::CronJob, EventClass::Timer, due, event);
            }
        }
        let too_late = |time: SimTime| spec.starting_deadline.is_some_and(|deadline| time + deadline < now);
        let Some(time) = latest(spec, begins, job.used, now).filter(|time| !too_late(*time)) else {
            return;
        };
        match spec.concurrency {
            Concurrency::Forbid if !job.active.is_empty() => return,
            Concurrency::Replace => std::mem::take(&mut job.active)
                .into_iter()
                .for_each(|old| delete(old, ctx)),
            Concurrency::Forbid | Concurrency::Allow => {}
        }
        job.used = time;
        job.syncs += 1;
        let set = ctx.shared.add_set(kind, job.syncs as u32);
        job.active.push(set);
        let key = blueprint.kind(kind).key.named("cron").child(job.syncs);
        let latency = ctx.draw(
            Purpose::ControllerSync,
            key,
            &blueprint.spec.kubernetes.controller_sync_latency,
        );
        ctx.write_after(Source::CronJob, None, key, latency, Write::CreateJob(set));
    }
}

fn delete(job: ReplicaSetId, ctx: &mut Ctx) {
    let set = &ctx.shared.sets[job.index()];
    let key = ctx
        .blueprint()
        .kind(set.kind)
        .key
        .named("delete")
        .child(u64::from(set.revision));
    ctx.write(Source::CronJob, None, key, Write::DeleteJob(job));
}

/// CronJobs and their Jobs.
pub const SUBSCRIPTION: Subscription = Subscription {
    key: |_, _| EntityKey::root("cron job controller"),
    hears: |change, shared, notifications| {
        let is_cron = |kind: KindId| shared.blueprint.kind(kind).controller == Controller::CronJob;
        let made = |job: ReplicaSetId| is_cron(shared.sets[job.index()].kind);
        let (event, words) = match *change {
            Change::DeploymentScaled(kind, replicas) if is_cron(kind) => {
                (CronJobEvent::Applied(kind, replicas > 0), "the CronJob changed")
            }
            Change::JobFinished(job, complete) if made(job) => {
                (CronJobEvent::Finished(job, complete), "a Job has finished")
            }
            Change::JobDeleted(job) if made(job) => (CronJobEvent::Deleted(job), "a Job is gone"),
            _ => return,
        };
        let event = Event::CronJob(event);
        notifications.push(Notification::new(Source::CronJob, event, (words, None)));
    },
};
