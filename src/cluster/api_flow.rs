//! Requests of clients that are not modeled, as experiment files describe them: flows of the background, and those of a fault.

use crate::kernel::{SimDuration, SimTime};

/// A priority level of the API servers, among which they divide their seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What kubelets do for pods: statuses, tokens.
    System,
    /// Node leases and node statuses.
    NodeHigh,
    /// Controllers, scheduler, and service accounts of `kube-system`: Cilium.
    WorkloadHigh,
    /// All other service accounts: Istiod.
    WorkloadLow,
    /// Every other user.
    GlobalDefault,
}

impl Level {
    /// All levels, each with its name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("system", Self::System),
        ("node-high", Self::NodeHigh),
        ("workload-high", Self::WorkloadHigh),
        ("workload-low", Self::WorkloadLow),
        ("global-default", Self::GlobalDefault),
    ];

    /// Whose requests are in it.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::System => "what kubelets do for pods: statuses, tokens",
            Self::NodeHigh => "node leases and node statuses",
            Self::WorkloadHigh => "controllers, the scheduler, service accounts of `kube-system`: Cilium",
            Self::WorkloadLow => "all other service accounts: Istiod",
            Self::GlobalDefault => "every other user",
        }
    }
}

/// What a request does, as far as it decides the seats and the work that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads one object.
    Get,
    /// Lists objects.
    List,
    /// Writes one object.
    Write,
}

impl Verb {
    /// All verbs, each with its name.
    pub const ALL: [(&'static str, Self); 6] = [
        ("get", Self::Get),
        ("list", Self::List),
        ("create", Self::Write),
        ("update", Self::Write),
        ("patch", Self::Write),
        ("delete", Self::Write),
    ];

    /// What it does.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Get => "reads one object",
            Self::List => "lists objects: a seat for each 100 of them, and processor time for each",
            Self::Write => "writes one object",
        }
    }
}

/// Requests of one sort, which come at random times.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Its name, which chooses its random numbers.
    pub name: String,
    /// The priority level of its requests.
    pub level: Level,
    /// What they do.
    pub verb: Verb,
    /// How many come to all API servers together, as a Poisson process (1/s).
    pub rate_per_s: f64,
    /// Objects of a list.
    pub objects: u32,
    /// Users that send them: each has queues of its own.
    pub users: u32,
    /// Processor time of one request; computed from its objects if absent.
    pub work: Option<SimDuration>,
}

/// A flow of the background.
#[derive(Clone, Debug, PartialEq)]
pub struct Background {
    /// Its requests.
    pub flow: Flow,
    /// When they begin.
    pub from: SimTime,
    /// For how long they come; to the end of the run if absent.
    pub duration: Option<SimDuration>,
}
