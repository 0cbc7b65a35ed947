//! Background churn: pods that come and go by themselves.
//!
//! **Modeled**: a Poisson process of creations, each pod with its own lifetime and service account; pods are created
//! directly, without a ReplicaSet, and go through scheduler, kubelet and agent like all others.
//! **Left out**: bursts, autoscaling, rollouts of real workloads, Services in front of churning pods.
//! **Parameters**: rate, distribution of the lifetime, duration, number of service accounts. **Validated by**: `tests/world/scale.rs`.

use super::context::Ctx;
use super::event::{ChurnEvent, Event, Source, Write};
use super::ids::KindId;
use super::objects::PodMeta;
use super::purpose::{Ordinal, Purpose};
use super::spec::{ChurnSpec, Step};
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime};

/// All processes of churn.
#[derive(Debug, Default)]
pub struct Churn {
    processes: Vec<Process>,
}

#[derive(Debug)]
struct Process {
    spec: ChurnSpec,
    /// Key of the family of its pods.
    key: EntityKey,
    /// Its number in the names of its pods: first those that begin by themselves, then those of the script.
    number: u32,
    ends: SimTime,
    created: u32,
}

impl Churn {
    /// Starts the process of a step of the script.
    fn start_by_script(&mut self, step: u32, ctx: &mut Ctx) {
        let (before, at) = ctx.blueprint().spec.script.split_at(step as usize);
        let Some(Step::Churn(spec)) = at.first().cloned() else {
            return;
        };
        let nth = before.iter().filter(|step| matches!(step, Step::Churn(_))).count() as u32;
        let key = EntityKey::root("churn of the script").child(u64::from(nth));
        let before = ctx.blueprint().spec.churn.len() as u32;
        self.start(spec, key, before + nth + 1, ctx);
    }

    fn start(&mut self, spec: ChurnSpec, key: EntityKey, number: u32, ctx: &mut Ctx) {
        let index = self.processes.len() as u32;
        self.processes.push(Process {
            spec,
            key,
            number,
            ends: ctx.now() + spec.duration,
            created: 0,
        });
        self.schedule(index, ctx);
    }

    /// Handles an event.
    pub fn handle(&mut self, event: ChurnEvent, ctx: &mut Ctx) {
        match event {
            ChurnEvent::Begin(number) => {
                let spec = ctx.blueprint().spec.churn[number as usize];
                let key = EntityKey::root("churn").child(u64::from(number));
                self.start(spec, key, number + 1, ctx);
            }
            ChurnEvent::Create(number) => self.create(number, ctx),
            ChurnEvent::StartByScript(step) => self.start_by_script(step, ctx),
            ChurnEvent::Delete(pod) => {
                let key = Ordinal::DELETION.of(ctx.shared.key(pod));
                ctx.write(Source::Churn, None, key, Write::DeletePod(pod));
            }
        }
    }

    fn schedule(&self, number: u32, ctx: &mut Ctx) {
        let process = &self.processes[number as usize];
        let key = process.key.child(u64::from(process.created));
        let wait = ctx
            .stream(Purpose::ChurnArrival, key)
            .until_next(process.spec.rate_per_s);
        if ctx.now() + wait < process.ends {
            ctx.after(
                Source::Churn,
                EventClass::Script,
                wait,
                Event::Churn(ChurnEvent::Create(number)),
            );
        }
    }

    fn create(&mut self, number: u32, ctx: &mut Ctx) {
        if ctx.without_api_servers() {
            let again = Event::Churn(ChurnEvent::Create(number));
            ctx.after(Source::Churn, EventClass::Script, SimDuration::from_secs(1), again);
            return;
        }
        let process = &mut self.processes[number as usize];
        let ordinal = process.created;
        process.created += 1;
        let spec = process.spec;
        let (key, revision) = (process.key.child(u64::from(ordinal)), process.number);
        let account = ctx
            .stream(Purpose::ChurnKind, key)
            .below(u64::from(spec.service_accounts.max(1))) as usize;
        let kind = KindId((ctx.blueprint().first_churn_kind + account) as u32);
        let pod = ctx.add_pod(PodMeta {
            kind,
            revision,
            ordinal,
            key,
        });
        ctx.create_pod(pod, None);
        let lifetime = ctx.draw(Purpose::ChurnLifetime, key, &spec.lifetime);
        ctx.after(
            Source::Churn,
            EventClass::Script,
            lifetime,
            Event::Churn(ChurnEvent::Delete(pod)),
        );
        self.schedule(number, ctx);
    }
}

/// What other components call of churn.
impl Ctx<'_> {
    /// The processes of the design that begin by themselves are scheduled.
    pub fn schedule_churn(&mut self) {
        let starts: Vec<SimTime> = self.blueprint().spec.churn.iter().map(|churn| churn.from).collect();
        for (number, from) in (0..).zip(starts) {
            let event = Event::Churn(ChurnEvent::Begin(number));
            self.at(Source::Churn, EventClass::Script, from, event);
        }
    }

    /// The script comes to a step that starts a process.
    pub fn start_churn(&mut self, step: u32) {
        self.call(Event::Churn(ChurnEvent::StartByScript(step)));
    }
}
