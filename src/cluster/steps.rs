//! The steps of a script, as the simulator gets them: a flat list, in which a step that contains others stands before them.
//!
//! What a step does belongs to `script`, how it is read to `scenario`.

use std::ops::Range;

use super::ids::{KindId, NodeId};
use super::party::PartyKind;
use super::placement::Taint;
use crate::kernel::{Distribution, SimDuration, SimTime};

/// One step of the script.
#[derive(Clone, Debug)]
pub enum Step {
    /// Creates Deployments (indexes into `workloads`).
    Apply {
        /// Which.
        workloads: Vec<usize>,
    },
    /// Waits until all pods of the workloads are ready; after `timeout` the script stops.
    WaitReady {
        /// Which.
        workloads: Vec<usize>,
        /// Longest wait.
        timeout: SimDuration,
    },
    /// Waits.
    Pause {
        /// How long.
        duration: SimDuration,
    },
    /// Remembers the addresses of a workload's pods.
    RememberIps {
        /// Whose.
        workload: usize,
    },
    /// Starts a fault (index into `faults`). Also marks the time of the cut in designs where it touches nothing.
    StartFault {
        /// Which.
        fault: usize,
    },
    /// Ends a fault.
    EndFault {
        /// Which.
        fault: usize,
    },
    /// Scales a Deployment.
    Scale {
        /// Which.
        workload: usize,
        /// To how many.
        replicas: u32,
    },
    /// Restarts what a controller owns and waits for it, at most until `deadline`; without one it does not wait.
    RolloutRestart {
        /// What.
        of: Rollout,
        /// Longest wait.
        deadline: Option<SimDuration>,
    },
    /// Looks for a pod of the workload on a remembered address, and restarts the Deployment until there is one.
    FindReuse {
        /// Whose pods.
        workload: usize,
        /// When it looks first.
        look: Look,
        /// Longest wait for one restart.
        rollout_deadline: SimDuration,
        /// Most restarts, without end if absent.
        rollouts_max: Option<u32>,
    },
    /// Sends a request.
    Probe(ProbeSpec),
    /// Starts churn in the background.
    Churn(ChurnSpec),
    /// Deletes Deployments.
    Delete {
        /// Which.
        workloads: Vec<usize>,
    },
    /// Deletes pods of a workload.
    DeletePods {
        /// Whose.
        workload: usize,
        /// How many, drawn at random; all if absent.
        count: Option<u32>,
    },
    /// Cordons a node (`true`) or uncordons it.
    Cordon(NodeAt, bool),
    /// Sets a taint of a node (`true`), or removes it.
    Taint {
        /// Of which node.
        node: NodeAt,
        /// Which.
        taint: Taint,
        /// Whether it is set.
        on: bool,
    },
    /// Cordons a node, evicts its pods and waits until they are gone.
    Drain {
        /// Which.
        node: NodeAt,
        /// Longest wait.
        timeout: SimDuration,
        /// Whether the track goes on after a wait that was too long.
        goes_on: bool,
    },
    /// Waits until something is so.
    Wait {
        /// What.
        until: Until,
        /// Longest wait.
        timeout: SimDuration,
        /// Whether the track goes on after a wait that was too long.
        goes_on: bool,
    },
    /// Waits until this time of the run.
    WaitUntil(SimTime),
    /// Repeats the steps behind it, before `end`.
    Repeat {
        /// From the beginning of one repetition to that of the next, unless that one takes longer.
        every: SimDuration,
        /// How often; until the end of the run if absent.
        times: Option<u32>,
        /// The place of the first step that is not repeated.
        end: usize,
    },
    /// Runs tracks side by side; the script goes on at `end` when all of them have ended.
    Parallel {
        /// The tracks.
        tracks: Vec<TrackSpec>,
        /// The place of the first step behind them.
        end: usize,
    },
}

/// Pods that come and go by themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChurnSpec {
    /// Pods created per second, as a Poisson process (1/s).
    pub rate_per_s: f64,
    /// Distribution of a pod's life from its creation to its deletion.
    pub lifetime: Distribution,
    /// Start, if it starts by itself.
    pub from: SimTime,
    /// How long pods are created.
    pub duration: SimDuration,
    /// Number of different service accounts among which the pods are spread.
    pub service_accounts: u32,
}

/// Steps that run beside those of other tracks.
#[derive(Clone, Debug)]
pub struct TrackSpec {
    /// Its name, which chooses its random numbers.
    pub name: String,
    /// Its number among all tracks of the script; the script itself has 0.
    pub number: u32,
    /// The places of its steps.
    pub steps: Range<usize>,
}

/// What a rollout replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// The pods of a Deployment: a workload, Istiod or CoreDNS.
    Deployment(KindId),
    /// The pods of a DaemonSet.
    DaemonSet(Daemons),
}

/// A rolling update of a DaemonSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Daemons {
    /// What runs on each node.
    pub of: PartyKind,
    /// Most pods that may be unavailable.
    pub max_unavailable: u32,
}

/// A node, by its name or by what runs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeAt {
    /// This one.
    Node(NodeId),
    /// That of the first pod of a kind; none if there is no such pod.
    NodeOf(KindId),
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// All pods of these workloads are ready.
    Ready(Vec<usize>),
    /// A rollout is complete.
    Complete(Rollout),
    /// A node is Ready.
    NodeReady(NodeAt),
    /// A Job is complete; of a CronJob its latest one.
    JobComplete(KindId),
}

impl Step {
    /// What is missing when the wait of the step has lasted too long.
    #[must_use]
    pub const fn missing(&self) -> &'static str {
        match self {
            Self::Wait {
                until: Until::Complete(_),
                ..
            } => "the rollout was not complete",
            Self::Wait {
                until: Until::NodeReady(_),
                ..
            } => "the node was not Ready",
            Self::Wait {
                until: Until::JobComplete(_),
                ..
            } => "the Job was not complete",
            Self::Drain { .. } => "pods of the node were not gone",
            _ => "pods were not ready",
        }
    }

    /// The places of the steps inside it, and of the first one behind it.
    fn inside(&self, place: usize) -> Option<(Vec<Range<usize>>, usize)> {
        match self {
            Self::Repeat { end, .. } => Some((std::iter::once(place + 1..*end).collect(), *end)),
            Self::Parallel { tracks, end } => {
                let steps = tracks.iter().map(|track| track.steps.clone());
                Some((steps.collect(), *end))
            }
            _ => None,
        }
    }
}

/// The name of a track; that of the script itself is empty.
#[must_use]
pub fn track_name(script: &[Step], number: u32) -> &str {
    let tracks = script.iter().filter_map(|step| match step {
        Step::Parallel { tracks, .. } => Some(tracks),
        _ => None,
    });
    let found = tracks.flatten().find(|track| track.number == number);
    found.map_or("", |track| &track.name)
}

/// The name of the track that a step belongs to; empty for a step of the script itself.
#[must_use]
pub fn track_of(script: &[Step], place: usize) -> &str {
    let tracks = script.iter().filter_map(|step| match step {
        Step::Parallel { tracks, .. } => Some(tracks),
        _ => None,
    });
    let mut found = tracks.flatten().filter(|track| track.steps.contains(&place));
    found.next_back().map_or("", |track| &track.name)
}

/// How a step is called: its number, after a point that inside the step which contains it; for tracks with the name before it.
#[must_use]
pub fn step_name(script: &[Step], place: usize) -> String {
    let (mut at, mut number, mut name) = (0, 1, String::new());
    while at < place {
        let Some((ranges, end)) = script[at].inside(at) else {
            (at, number) = (at + 1, number + 1);
            continue;
        };
        if end <= place {
            (at, number) = (end, number + 1);
            continue;
        }
        name.push_str(&format!("{number}."));
        let track = ranges.iter().position(|range| range.contains(&place)).unwrap_or(0);
        if let Step::Parallel { tracks, .. } = &script[at] {
            name.push_str(&format!("{}.", tracks[track].name));
        }
        (at, number) = (ranges[track].start, 1);
    }
    format!("{name}{number}")
}

/// When the script looks for a reused address first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Right after the last command, as the published script does.
    AtOnce,
    /// When all desired pods have addresses.
    AfterIps,
}

/// A request of the script.
#[derive(Clone, Debug)]
pub struct ProbeSpec {
    /// From which pod.
    pub from: ProbeFrom,
    /// To which Service: index into `services`.
    pub to: usize,
    /// HTTP method.
    pub method: String,
    /// HTTP path.
    pub path: String,
    /// Time limit of the client.
    pub time_limit: SimDuration,
    /// Tries again this often while the client's own pod or proxy is not up; once if absent.
    pub retry_until_up: Option<SimDuration>,
}

/// The client of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeFrom {
    /// The pod that `FindReuse` found; the step is passed over if it found none.
    Found,
    /// The first ready pod of a workload.
    Workload(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_called_by_what_contains_them() {
        let pause = Step::Pause {
            duration: SimDuration::ZERO,
        };
        let track = |name: &str, number, steps| TrackSpec {
            name: name.to_owned(),
            number,
            steps,
        };
        let every = SimDuration::from_secs(1);
        let repeat = |end| Step::Repeat {
            every,
            times: None,
            end,
        };
        let script = [
            pause.clone(),
            Step::Parallel {
                tracks: vec![track("a", 1, 2..5), track("b", 2, 5..7)],
                end: 7,
            },
            pause.clone(),
            repeat(5),
            pause.clone(),
            pause.clone(),
            pause.clone(),
            pause.clone(),
            repeat(10),
            pause,
        ];
        let names: Vec<String> = (0..script.len()).map(|place| step_name(&script, place)).collect();
        let expected = ["1", "2", "2.a.1", "2.a.2", "2.a.2.1", "2.b.1", "2.b.2", "3", "4", "4.1"];
        assert_eq!(names, expected);
    }
}
