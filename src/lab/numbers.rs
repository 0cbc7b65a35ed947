//! The few numbers of each run that estimates are made from, so that rows need not stay in memory.
//!
//! One [`RunNumbers`] per run and two waits per measured pod. Everything is taken from rows as they stream by on their
//! way into files, so that a fresh, a resumed and a stored experiment give the same estimates. Which estimate is made
//! from which number belongs to `measures`.

use std::collections::BTreeMap;

use super::cell::Word;
use super::edges::{EdgeTime, OfEdges};
use super::flows::{OfFlows, TrafficNumbers};
use crate::cluster::phases::PHASES;
use crate::cluster::records::{
    AccessClass, AccessRecord, DelayCause, EdgeRecord, ExitCause, ExposureRecord, FlowRecord, LayerDecision, PodRecord,
    RunRecord, Via,
};
use crate::kernel::{RunFailure, SimDuration, SimTime};
use crate::stats::{Observation, Outcome};

pub const CAUSES: usize = DelayCause::WORDS.len();
const CLASSES: usize = AccessClass::WORDS.len();

/// Exposure of one class by one way, summed over the windows of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExposureKind {
    pub class: AccessClass,
    pub via: Via,
}

/// Phases of the measured pods of one run that became ready. They are a partition of each pod's start, so their sums are
/// one of the sum of starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseSums {
    pub ready: u32,
    /// Time spent in each phase, summed over them, in the order of [`PHASES`].
    pub spent: [SimDuration; PHASES.len()],
}

impl PhaseSums {
    fn add(&mut self, pod: &PodRecord) {
        self.ready += 1;
        for (sum, phase) in self.spent.iter_mut().zip(pod.phases.0) {
            *sum += phase.unwrap_or(SimDuration::ZERO);
        }
    }

    pub fn total(&self) -> SimDuration {
        self.spent.iter().fold(SimDuration::ZERO, |sum, spent| sum + *spent)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodCounts {
    pub all: u32,
    pub never_ready: u32,
    pub deleted: u32,
    /// Delayed, by the cause that cost most.
    pub delayed_by: [u32; CAUSES],
    /// That took as long as a delay counts from, whatever the reason.
    pub took_long: u32,
    /// Those of them whose losses do not explain it, by their longest phase.
    pub unexplained: [u32; PHASES.len()],
    pub no_bad_landing: u32,
    pub two_bad_landings: u32,
    /// Whose certificate took at least [`STUCK_AFTER`], or had not come by the horizon.
    pub certificate_stuck: u32,
}

/// A certificate that takes longer than this waits for a connection to end: it is far beyond every back-off and timeout,
/// and far below the age at which Istiod ends a connection.
pub const STUCK_AFTER: SimDuration = SimDuration::from_secs(600);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunNumbers {
    pub record: RunRecord,
    /// Whether it failed; then nothing else counts.
    pub failed: bool,
    /// Its accesses, by class.
    accesses: [u32; CLASSES],
    /// Whether a layer decided about one of them or a server answered it, so that policy was put to the test.
    tested: bool,
    /// Whether one of those came after the cut.
    tested_after_cut: bool,
    /// Whether a request that policy refuses was put to the test after the cut: from any address, and from a reused one.
    refusal_tested: [bool; 2],
    /// Classes of the requests from a reused address after the cut, a bit each.
    reused_classes: u8,
    /// Whether an access from a reused address after the cut reached a live server.
    pub reused_probe_reached: bool,
    /// Whether the network admitted one of them that was not meant.
    pub reused_probe_admitted: bool,
    /// Whether a client asked after the cut that policy allows.
    pub allowed_asked: bool,
    /// Whether one of them got no answer.
    pub allowed_unanswered: bool,
    /// From the cut to the first unauthorized access, and whether it happened; absent without a cut.
    first_unauthorized: Option<(SimDuration, bool)>,
    pub pods: PodCounts,
    pub phases: PhaseSums,
    pub exposure: BTreeMap<ExposureKind, SimDuration>,
    /// The part of it since the first fault.
    pub exposure_since_fault: BTreeMap<ExposureKind, SimDuration>,
    /// Times of its edges, summed: in the whole run, and since the first fault.
    pub edges: [EdgeTime; 2],
    /// Requests of flows.
    pub traffic: TrafficNumbers,
    /// Lengths of the windows by the pod's address, and whether they were seen to close.
    pub windows: Vec<(SimDuration, bool)>,
}

impl RunNumbers {
    /// The numbers of a run without pods, accesses and windows so far.
    pub fn new(run: &RunRecord, horizon: SimTime) -> Self {
        Self {
            failed: run.failure.is_some(),
            first_unauthorized: run.cut.map(|cut| (horizon.since(cut), false)),
            record: run.clone(),
            ..Self::default()
        }
    }

    /// Whether any access put policy to the test: a layer decided about it or a server answered. One that no pod could
    /// send, or for which the Service had no endpoint, tests nothing.
    pub const fn tested(&self) -> bool {
        self.tested
    }

    /// Whether a request that policy refuses was put to the test after the cut; from a reused address, where the script
    /// recorded any.
    #[must_use]
    pub const fn refusal_tested(&self) -> bool {
        self.refusal_tested[(self.record.remembered > 0) as usize]
    }

    /// The longest window of unauthorized exposure by either way, summed over pairs.
    #[must_use]
    pub fn longest_open(&self) -> SimDuration {
        let unauthorized = self
            .exposure
            .iter()
            .filter(|(kind, _)| kind.class == AccessClass::Unauthorized);
        unauthorized.map(|(_, span)| *span).max().unwrap_or(SimDuration::ZERO)
    }

    /// From the cut to the first unauthorized access, and whether it happened; only of runs that asked after the cut.
    pub fn first_unauthorized(&self) -> Option<(SimDuration, bool)> {
        self.first_unauthorized.filter(|_| self.tested_after_cut)
    }

    /// Its accesses of a class.
    #[must_use]
    pub const fn count(&self, class: AccessClass) -> u32 {
        self.accesses[class as usize]
    }

    /// All its accesses.
    #[must_use]
    pub fn all_accesses(&self) -> u32 {
        self.accesses.iter().sum()
    }

    pub fn has(&self, class: AccessClass) -> bool {
        self.count(class) > 0
    }

    /// Whether a client on a reused address asked for anything after the cut.
    pub const fn reused_asked(&self) -> bool {
        self.reused_classes != 0
    }

    /// Whether a client on a reused address met the class after the cut.
    pub const fn reused_met(&self, class: AccessClass) -> bool {
        self.reused_classes & bit(class) != 0
    }

    pub fn access(&mut self, access: &AccessRecord) {
        self.accesses[access.class as usize] += 1;
        let tested = access.is_tested();
        self.tested |= tested;
        if tested && access.after_cut && access.class.refused_by_policy() {
            self.refusal_tested[0] = true;
            self.refusal_tested[1] |= access.reused_ip;
        }
        self.tested_after_cut |= tested && access.after_cut;
        let meant = [access.network_intended, access.mesh_intended] == [LayerDecision::Allow; 2];
        if meant && access.after_cut {
            self.allowed_asked = true;
            self.allowed_unanswered |= access.class == AccessClass::Unreachable;
        }
        if access.after_cut && access.reused_ip {
            self.reused_classes |= bit(access.class);
            if access.reached {
                self.reused_probe_reached = true;
                let admitted = matches!(access.class, AccessClass::Unauthorized | AccessClass::NetworkBypassed);
                self.reused_probe_admitted |= admitted;
            }
        }
        if access.class == AccessClass::Unauthorized
            && let (Some(cut), Some(first)) = (self.record.cut, &mut self.first_unauthorized)
            && access.time >= cut
        {
            let since = access.time.since(cut);
            if !first.1 || since < first.0 {
                *first = (since, true);
            }
        }
    }

    /// The part of a window that is later than the first fault.
    fn since_fault(&self, window: &ExposureRecord, horizon: SimTime) -> SimDuration {
        let cut = self.record.cut.unwrap_or(horizon).max(window.start);
        window.end.unwrap_or(horizon).since(cut)
    }

    pub fn exposure(&mut self, window: &ExposureRecord, horizon: SimTime) {
        let length = window.end.unwrap_or(horizon).since(window.start);
        let kind = ExposureKind {
            class: window.class,
            via: window.via,
        };
        *self.exposure.entry(kind).or_default() += length;
        let since_fault = self.since_fault(window, horizon);
        *self.exposure_since_fault.entry(kind).or_default() += since_fault;
        if window.via == Via::PodIp && window.class.is_breach() {
            self.windows.push((length, window.end.is_some()));
        }
    }
}

const fn bit(class: AccessClass) -> u8 {
    1 << class as u8
}

/// The numbers of one design, replication by replication.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DesignNumbers {
    /// Runs in the order of replications.
    pub runs: Vec<RunNumbers>,
    /// Waits of measured pods for Ready; competing: deleted; censored: the horizon. Failed runs have none.
    pub startup: Vec<Observation>,
    pub running: Vec<Observation>,
    /// Waits for Ready of those of them that count as delayed, by what delayed them most.
    pub delayed: [Vec<Observation>; CAUSES],
    /// Certificate phases of stuck pods that got theirs in the end: how many, shortest and longest.
    pub unstuck: Option<(u64, SimDuration, SimDuration)>,
    /// Exposure by edge.
    pub edges: OfEdges,
    /// Requests by flow.
    pub flows: OfFlows,
    /// Reasons for which scripts stopped early, with counts.
    pub script_stops: BTreeMap<String, u64>,
    /// The first run that failed, and how.
    pub first_failure: Option<(u64, RunFailure)>,
}

impl DesignNumbers {
    /// Takes a run into account; runs come in the order of replications.
    pub fn run(&mut self, run: &RunRecord, horizon: SimTime) {
        if let Some(stop) = run.script_stopped.as_ref().filter(|_| run.failure.is_none()) {
            *self.script_stops.entry(stop.clone()).or_default() += 1;
        }
        if let (None, Some(failure)) = (&self.first_failure, &run.failure) {
            self.first_failure = Some((self.runs.len() as u64, failure.clone()));
        }
        self.runs.push(RunNumbers::new(run, horizon));
    }

    /// The run of a replication, unless it failed or was never taken into account.
    pub fn sound_run(&mut self, replication: u64) -> Option<&mut RunNumbers> {
        self.runs.get_mut(replication as usize).filter(|run| !run.failed)
    }

    pub fn access(&mut self, replication: u64, access: &AccessRecord) {
        if let Some(run) = self.sound_run(replication) {
            run.access(access);
        }
    }

    pub fn exposure(&mut self, replication: u64, window: &ExposureRecord, horizon: SimTime) {
        if let Some(run) = self.sound_run(replication) {
            run.exposure(window, horizon);
            let length = window.end.unwrap_or(horizon).since(window.start);
            let since_fault = run.since_fault(window, horizon);
            self.edges.exposure(replication as u32, window, [length, since_fault]);
        }
    }

    pub fn edge(&mut self, replication: u64, span: &EdgeRecord, horizon: SimTime) {
        if let Some(run) = self.sound_run(replication) {
            let from = [SimTime::ZERO, run.record.cut.unwrap_or(horizon)];
            let times = from.map(|from| EdgeTime::of(span, from));
            run.edges.iter_mut().zip(times).for_each(|(sum, time)| sum.add(time));
            self.edges.span(replication as u32, span, times, horizon);
        }
    }

    /// Takes requests of a flow into account.
    pub fn flow(&mut self, replication: u64, flow: &FlowRecord) {
        if let Some(run) = self.sound_run(replication) {
            run.traffic.count(flow);
            self.flows.count(replication as u32, flow);
        }
    }

    /// Takes a pod of a replication into account; a start is long from `threshold` on.
    pub fn pod(&mut self, replication: u64, pod: &PodRecord, threshold: SimDuration) {
        let run_index = replication as u32;
        let Some(run) = self.sound_run(replication).filter(|_| pod.measured) else {
            return;
        };
        if pod.exit_cause == ExitCause::Ready {
            run.phases.add(pod);
        }
        let counts = &mut run.pods;
        counts.all += 1;
        counts.never_ready += u32::from(pod.exit_cause == ExitCause::Censored);
        counts.deleted += u32::from(pod.exit_cause == ExitCause::Deleted);
        if let Some(cause) = pod.delayed_by {
            counts.delayed_by[cause as usize] += 1;
        }
        counts.took_long += u32::from(pod.took(threshold));
        if let Some((phase, _)) = pod.unexplained(threshold) {
            counts.unexplained[phase] += 1;
        }
        let bad = [pod.certificate_landings_bad, pod.configuration_landings_bad];
        counts.no_bad_landing += u32::from(bad == [0, 0]);
        counts.two_bad_landings += u32::from(bad.iter().any(|landings| *landings >= 2));
        let waited = pod.phases.of("certificate").filter(|waited| *waited >= STUCK_AFTER);
        let waiting = pod.exit_cause == ExitCause::Censored
            && pod.phases.of("certificate").is_none()
            && pod.certificate_landings_bad > 0;
        counts.certificate_stuck += u32::from(waited.is_some() || waiting);
        let ended = match pod.exit_cause {
            ExitCause::Ready => Outcome::Event,
            ExitCause::Deleted => Outcome::Competing,
            ExitCause::Censored => Outcome::Censored,
        };
        let wait = |until: SimTime, outcome| Observation {
            run: run_index,
            time_ns: until.since(pod.desired).as_nanos(),
            outcome,
        };
        if let Some(waited) = waited {
            let (count, shortest, longest) = self.unstuck.unwrap_or((0, waited, waited));
            self.unstuck = Some((count + 1, shortest.min(waited), longest.max(waited)));
        }
        let seen = wait(pod.exit, ended);
        if let Some(cause) = pod.delayed_by {
            self.delayed[cause as usize].push(seen);
        }
        self.startup.push(seen);
        self.running.push(match pod.running {
            Some(running) => wait(running, Outcome::Event),
            None => wait(
                pod.exit,
                if ended == Outcome::Event {
                    Outcome::Censored
                } else {
                    ended
                },
            ),
        });
    }

    pub fn sound(&self) -> impl Iterator<Item = &RunNumbers> {
        self.runs.iter().filter(|run| !run.failed)
    }

    pub fn failed(&self) -> u64 {
        self.runs.iter().filter(|run| run.failed).count() as u64
    }
}
