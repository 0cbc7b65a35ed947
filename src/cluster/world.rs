//! One run of a design: the components together, and the loop that hands each event to its component.
//!
//! What a component does belongs to its own file; what faults do belongs to `faults`. A
//! component that panics ends its run as failed, with time and component; what is printed of it belongs to `lab`.

mod running;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::access::Accesses;
use super::api_load::ApiLoads;
use super::api_server::{ApiServer, Commits};
use super::blueprint::SharedBlueprint;
use super::churn::Churn;
use super::cilium::agent::Agents;
use super::cilium::ipcache;
use super::clocks::Clocks;
use super::context::{Ctx, Shared};
use super::cron_jobs::{self, CronJobs};
use super::daemon_sets::{self, DaemonSets};
use super::deployment::{self, Deployments};
use super::endpoint_slice::{self, EndpointSlices};
use super::etcd::Etcd;
use super::event::{Event, components};
use super::fault::{FaultHandler, Faults};
use super::faults::touched::Touched;
use super::faults::triggers::Triggers;
use super::history::History;
use super::ids::{KindId, NodeId, ServiceId};
use super::istio::certificates::Certificates;
use super::istio::injection::Admission;
use super::istio::istiod::{self, Istiods};
use super::istio::sidecar::Sidecars;
use super::istio::webhook_answers::WebhookAnswers;
use super::jobs::{self, Jobs};
use super::judge::Judge;
use super::kubelet::{self, Kubelets};
use super::leaders::Controllers;
use super::links::Links;
use super::node_lifecycle::{self, NodeLifecycle};
use super::observed::Log;
use super::paths::Paths;
use super::physics::Physics;
use super::power::NodesDown;
use super::process_states::Processes;
use super::readers::Readers;
use super::recorder::Recorder;
use super::records::{Outcome, RunRecord};
use super::replica_set::{self, ReplicaSets};
use super::scheduler::{self, Scheduler};
use super::script::{self, Script};
use super::spec::{ProbeSpec, Step, TieRule, WorldSpec};
use super::subscription::Subscription;
use super::traffic::Traffic;
use super::watch_cache::WatchCaches;
use super::watchlist::Watchlist;
use crate::kernel::{
    DrawLog, Kernel, Limits, Model, Moment, Observer, RunFailure, RunKey, SimTime, TieKey, TieOrder, run, run_observed,
};

/// Who watches the API server. Notifications go out in this order.
const SUBSCRIPTIONS: &[&Subscription] = &[
    &scheduler::SUBSCRIPTION,
    &kubelet::SUBSCRIPTION,
    &replica_set::SUBSCRIPTION,
    &deployment::SUBSCRIPTION,
    &endpoint_slice::SUBSCRIPTION,
    &script::SUBSCRIPTION,
    &node_lifecycle::SUBSCRIPTION,
    &daemon_sets::SUBSCRIPTION,
    &jobs::SUBSCRIPTION,
    &cron_jobs::SUBSCRIPTION,
    &istiod::SUBSCRIPTION,
];

macro_rules! define_world {
    ($(
        $number:literal $variant:ident $([$whose:ident: $Whose:ty])? ($event:ty) $name:literal
            $(by $source:ident $(($of:ident: $Of:ty))? = $rank:expr)?, $field:ident: $state:ident;
    )+) => {
        /// Everything that lives in one run.
        struct World {
            shared: Shared,
            $($field: $state,)+
        }

        impl World {
            fn dispatch(&mut self, event: Event, kernel: &mut Kernel<Event>) {
                if self.shared.controllers.are_halted() && event.is_of_controllers() {
                    self.shared.controllers.hold(event);
                    return;
                }
                let ctx = &mut Ctx {
                    kernel,
                    shared: &mut self.shared,
                };
                match event {
                    $(Event::$variant($($whose,)? event) => self.$field.handle($($whose,)? event, ctx),)+
                }
            }
        }
    };
}
components!(define_world);

/// Which run of a design.
#[derive(Clone, Copy, Debug)]
pub struct RunId<'a> {
    /// Seed of the whole experiment.
    pub master_seed: u64,
    /// Name shared by designs that use the same random events.
    pub seed_group: &'a str,
    /// Number of the run.
    pub replication: u64,
}

/// Looks at every event of a run before it is handled, and at what is shared as it is before. It changes nothing.
pub trait Watch {
    /// Sees an event; `Break` ends the run there.
    fn event(&mut self, moment: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()>;
}

/// Adapts a `Watch` to the kernel's `Observer`.
struct Watching<'a>(&'a mut dyn Watch);

impl Observer<World> for Watching<'_> {
    fn event(&mut self, moment: &Moment, event: &Event, world: &World) -> ControlFlow<()> {
        self.0.event(moment, event, &world.shared)
    }
}

/// Makes something of a run that has got as far as a time: from the world as it is then, what was noted, and the records.
pub type MakeStory<T> = fn(&Shared, &Log, &Outcome, SimTime) -> T;

/// Runs a design once.
#[must_use]
pub fn simulate(blueprint: &SharedBlueprint, id: RunId, faults: FaultHandler) -> Outcome {
    let world = World::new(blueprint, run_key(id), faults);
    whole_run::<()>(world, kernel(&blueprint.spec, id), run, None).0
}

/// As [`simulate`]; what components observe is kept, and `make_story` makes something of that, unless a panic left the
/// world in a state of which nothing can be said.
#[must_use]
pub fn simulate_with_story<T>(
    blueprint: &SharedBlueprint,
    id: RunId,
    faults: FaultHandler,
    make_story: MakeStory<T>,
) -> (Outcome, Option<T>) {
    let mut world = World::new(blueprint, run_key(id), faults);
    world.shared.log = Some(Box::default());
    whole_run(world, kernel(&blueprint.spec, id), run, Some(make_story))
}

/// As [`simulate`], without a story but with a watch, and every number that is drawn is noted in `log`.
#[must_use]
pub fn simulate_watched(
    blueprint: &SharedBlueprint,
    id: RunId,
    faults: FaultHandler,
    log: DrawLog,
    watch: &mut dyn Watch,
) -> Outcome {
    let world = World::new(blueprint, run_key(id).with_log(log), faults);
    let run = |world: &mut World, kernel: &mut Kernel<Event>| run_observed(world, kernel, &mut Watching(watch));
    whole_run::<()>(world, kernel(&blueprint.spec, id), run, None).0
}

fn run_key(id: RunId) -> RunKey {
    RunKey::derive(id.master_seed, id.seed_group, id.replication)
}

fn kernel(spec: &WorldSpec, id: RunId) -> Kernel<Event> {
    let limits = Limits {
        horizon: spec.horizon,
        events_max: spec.limits.events_max,
        events_per_instant_max: spec.limits.events_per_instant_max,
        pending_max: usize::try_from(spec.limits.pending_max).unwrap_or(usize::MAX),
        memory_max_bytes: spec.limits.memory_max_mib.saturating_mul(1 << 20),
    };
    let ties = match spec.tie_order {
        TieRule::Ranked => TieOrder::Ranked,
        TieRule::Permuted => TieOrder::Permuted(TieKey::derive(id.master_seed, id.seed_group, id.replication)),
    };
    Kernel::new(limits).with_ties(ties)
}

/// From the first event to the records. A panic leaves a failed run without rows of pods and accesses, because the state
/// that they would be made from may be half changed. If its story is recorded, it is made up to there.
fn whole_run<T>(
    mut world: World,
    mut kernel: Kernel<Event>,
    run: impl FnOnce(&mut World, &mut Kernel<Event>) -> Result<(), RunFailure>,
    make_story: Option<MakeStory<T>>,
) -> (Outcome, Option<T>) {
    let done = catch_unwind(AssertUnwindSafe(|| {
        world.begin(&mut kernel);
        let result = run(&mut world, &mut kernel);
        let end = kernel.horizon();
        let (mut outcome, story) = world.finish(&mut kernel, end, make_story);
        outcome.run.failure = result.err();
        (outcome, story)
    }));
    done.unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let failure = Some(RunFailure {
            time: kernel.now(),
            component: kernel.component().to_owned(),
            reason: format!("panic: {}", text.unwrap_or("without a message")),
        });
        let now = kernel.now();
        let mut so_far = || catch_unwind(AssertUnwindSafe(|| world.finish(&mut kernel, now, make_story))).ok();
        if let Some((mut outcome, story)) = make_story.and_then(|_| so_far()) {
            outcome.run.failure = failure;
            return (outcome, story);
        }
        let outcome = Outcome {
            run: RunRecord {
                failure,
                events: kernel.handled(),
                fingerprint: kernel.fingerprint().get(),
                ..RunRecord::default()
            },
            ..Outcome::default()
        };
        (outcome, None)
    })
}

impl World {
    fn new(blueprint: &SharedBlueprint, run_key: RunKey, faults: FaultHandler) -> Self {
        let spec = &blueprint.spec;
        let kinds = blueprint.kinds.len();
        let probed = blueprint
            .last_probe()
            .map(|probe: &ProbeSpec| ServiceId(probe.to as u32));
        Self {
            faults: Faults::new(faults),
            commits: Commits,
            deployments: Deployments::default(),
            replica_sets: ReplicaSets::new(
                spec.kubernetes.controller_client_qps,
                spec.kubernetes.controller_client_burst,
            ),
            admission: Admission::default(),
            daemon_sets: DaemonSets::default(),
            scheduler: Scheduler::new(&blueprint.nodes, kinds),
            jobs: Jobs::new(
                spec.kubernetes.controller_client_qps,
                spec.kubernetes.controller_client_burst,
            ),
            cron_jobs: CronJobs::default(),
            node_lifecycle: NodeLifecycle::new(blueprint),
            endpoint_slices: EndpointSlices::new(blueprint.services),
            kubelets: Kubelets::default(),
            agents: Agents::new(blueprint, &run_key),
            istiods: Istiods::default(),
            sidecars: Sidecars::default(),
            script: Script::new(&blueprint.spec.script, kinds),
            churn: Churn::default(),
            accesses: Accesses::default(),
            judge: Judge::new(blueprint),
            loads: ApiLoads::new(blueprint, &run_key),
            traffic: Traffic::default(),
            shared: Shared {
                blueprint: blueprint.clone(),
                controllers: Controllers::new(&run_key, blueprint.spec.api_servers),
                run_key,
                api: ApiServer::new(blueprint, SUBSCRIPTIONS),
                links: Links::default(),
                paths: Paths::default(),
                etcd: Etcd::default(),
                late_leases: std::collections::BTreeMap::new(),
                caches: WatchCaches::default(),
                nodes_down: NodesDown::default(),
                touched: Touched::default(),
                processes: Processes::default(),
                clocks: Clocks::default(),
                webhooks: WebhookAnswers::default(),
                certificates: Certificates::default(),
                triggers: Triggers::new(&blueprint.spec.faults),
                physics: Physics::default(),
                recorder: Recorder::new(probed),
                watchlist: Watchlist::default(),
                pods: Vec::new(),
                snapshots: Vec::new(),
                readers: Readers::new(blueprint),
                sets: Vec::new(),
                calls: Vec::new(),
                log: None,
            },
        }
    }

    fn begin(&mut self, kernel: &mut Kernel<Event>) {
        self.has_run(kernel);
        let mut ctx = Ctx {
            kernel,
            shared: &mut self.shared,
        };
        ctx.schedule_faults();
        ctx.schedule_renewals();
        ctx.schedule_churn();
        ctx.begin_script();
    }

    /// The records of a run that has got as far as `end`.
    fn finish<T>(
        &mut self,
        kernel: &mut Kernel<Event>,
        end: SimTime,
        make_story: Option<MakeStory<T>>,
    ) -> (Outcome, Option<T>) {
        let shared = &mut self.shared;
        shared
            .recorder
            .settle(kernel.now(), end, |pod| shared.physics.pod(pod).running);
        let blueprint = shared.blueprint.clone();
        let cut_node = shared.links.first_cut_agent();
        let stale = cut_node.map_or(0, |node| stale_entries(shared, node, end));
        let first_batch = blueprint.spec.script.iter().find_map(|step| match step {
            Step::FindReuse { workload, .. } => Some(
                shared
                    .recorder
                    .reused_in_first_batch(KindId(*workload as u32), &shared.pods),
            ),
            _ => None,
        });
        let mut record = shared.recorder.run.clone();
        record.reused_in_first_batch = record.reused_in_first_batch.and(first_batch);
        record.events = kernel.handled();
        record.fingerprint = kernel.fingerprint().get();
        record.stale_entries = stale;
        record.pods = shared.pods.len() as u64;
        let counts = self.loads.finish(end);
        if !counts.is_empty() {
            record.api_requests = Some(counts.iter().map(|of| of.requests).sum());
            record.api_refused = Some(counts.iter().map(|of| of.refused).sum());
            record.longest_review = Some(self.loads.longest_review());
        }
        let outcome = Outcome {
            run: record,
            pods: shared.recorder.pod_records(&shared.pods, &blueprint, end),
            accesses: std::mem::take(&mut shared.recorder.accesses),
            exposures: std::mem::take(&mut shared.recorder.exposures),
            edges: shared.recorder.edges.finish(end, &blueprint),
            flows: shared.recorder.flow_records(&blueprint),
        };
        let log = shared.log.take();
        let story = make_story
            .zip(log)
            .map(|(make_story, log)| make_story(shared, &log, &outcome, end));
        (outcome, story)
    }
}

impl Model for World {
    type Event = Event;

    fn handle(&mut self, event: Event, kernel: &mut Kernel<Event>) {
        self.dispatch(event, kernel);
        // Calls wait until their caller is done; a call may make others.
        while !self.shared.calls.is_empty() {
            let call = self.shared.calls.remove(0);
            self.dispatch(call, kernel);
        }
    }

    fn digest(&self, event: &Event) -> u64 {
        event.digest(&self.shared.blueprint)
    }

    fn component(event: &Event) -> &'static str {
        event.component()
    }

    fn memory_bytes(&self) -> u64 {
        let shared = &self.shared;
        // A pod with its state in all components, a version with its places in the indexes, a record with its texts.
        let pods = shared.pods.len() * 1_500;
        let snapshots: usize = shared.snapshots.iter().map(History::len).sum();
        let versions = (shared.api.revision() as usize + snapshots) * 120;
        let records =
            (shared.recorder.accesses.len() + shared.recorder.exposures.len() + shared.recorder.edges.len()) * 300;
        (pods + versions + records) as u64
    }
}

/// Addresses whose entry at a node differs from the API server's.
fn stale_entries(shared: &Shared, node: NodeId, end: SimTime) -> u32 {
    let plan = shared.blueprint.addresses;
    let addresses = (0..shared.blueprint.spec.nodes)
        .flat_map(|other| (0..plan.pool_size()).map(move |offset| plan.address(NodeId(other), offset)));
    let differs = |ip: &std::net::Ipv4Addr| {
        let believed = ipcache::entry(shared, node, *ip, end).map(|entry| entry.revision);
        believed != ipcache::head_entry(shared, *ip).map(|entry| entry.revision)
    };
    addresses.filter(differs).count() as u32
}
