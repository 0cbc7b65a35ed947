//! Why something happened, link by link from the end back to the fault: plain data, for text, JSON and diagrams.
//!
//! A chain belongs to one subject: an access that went wrong, an exposure without an attempt, or a slow pod. Each link is the
//! cause of the one before it. What would have prevented it belongs to `lab::what_if`, how it reads to `why`.

mod breach;
mod fault;
mod start;

use std::net::Ipv4Addr;

use serde::{Serialize, Serializer};

use crate::cluster::records::{AccessClass, AccessRecord, ExposureRecord, Outcome, PodRecord};
use crate::kernel::{SimDuration, SimTime};
use crate::story::dossier::{Dossier, Identity, PodStory, RequestStory};

pub use breach::{of_access, of_exposure};
pub(super) use start::what_happened;
pub use start::{critical_channel, of_start};

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Subject {
    /// A request that was let in against a policy, or refused although it was meant.
    Access {
        access: AccessRecord,
    },
    /// A span in which an attempt would have been admitted; none was made.
    Exposure {
        window: ExposureRecord,
    },
    SlowStart {
        pod: Box<PodRecord>,
    },
}

/// Why something happened: the first link is the end, each next one the cause of the one before it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chain {
    pub subject: Subject,
    pub summary: String,
    /// From the end back to the fault.
    pub links: Vec<Link>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    Verdict,
    /// For which identity the enforcing node took the sender, and from which source.
    Identity,
    /// What that node believed, beside what the API server had.
    Belief,
    Reuse,
    /// The reader has read nothing since: its path is frozen at a revision.
    PathFrozen,
    /// The write that would have corrected it was under way, or not yet written.
    WriteUnderWay,
    Fault,
    /// No fault: the ordinary delay of a healthy cluster.
    NoFault,
    /// A pod's start came to its end, or never did.
    Start,
    /// The API server refused to create the pod.
    Refused,
    /// A connection of a sidecar: where it went and what it cost.
    Attempt,
    /// Why connections failed there, or what made the start wait.
    Mechanism,
    /// No known mechanism explains the start: its longest phase.
    Unexplained,
    /// What a fault did to a party.
    #[serde(untagged, serialize_with = "snake_case")]
    Effect(&'static str),
}

impl LinkKind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::Identity => "identity",
            Self::Belief => "belief",
            Self::Reuse => "reuse",
            Self::PathFrozen => "path frozen",
            Self::WriteUnderWay => "under way",
            Self::Effect(word) => word,
            Self::Fault => "fault",
            Self::NoFault => "no fault",
            Self::Start => "start",
            Self::Refused => "refused",
            Self::Attempt => "attempt",
            Self::Mechanism => "mechanism",
            Self::Unexplained => "unexplained",
        }
    }
}

fn snake_case<S: Serializer>(word: &&str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&word.replace(' ', "_"))
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Link {
    pub kind: LinkKind,
    /// When it happened, or since when it held.
    pub time: SimTime,
    /// Until when it held; absent for a moment and for the end of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<SimTime>,
    pub place: String,
    pub text: String,
    pub ids: Ids,
}

/// Names and numbers of a link; only those that it is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ids {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The pod that had the address before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_pod: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub istiod: Option<String>,
    /// As whom the sender was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub believed: Option<Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<Identity>,
    /// How far a reader lagged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// The layer, policy and rule behind a verdict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<LayerVerdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<SimDuration>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parties: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerVerdict {
    /// `network`, `wireguard` or `mesh`.
    pub layer: &'static str,
    pub allowed: bool,
    pub meant: bool,
    pub because: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gap {
    /// The latest revision that it had read.
    pub read: u32,
    /// The API server's latest revision of the same kind.
    pub head: u32,
    pub revisions: u32,
    pub seconds: SimDuration,
    /// The same for the address in question: the revision of the believed entry, that of the API server's entry, and the time
    /// between these two writes; absent if one of them had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryGap>,
}

/// How far a believed entry lagged behind the API server's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EntryGap {
    pub believed: u32,
    /// Revision of the API server's entry.
    pub head: u32,
    pub revisions: u32,
    pub seconds: SimDuration,
}

/// Whom a person asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Focus {
    /// Whatever went wrong.
    #[default]
    All,
    /// A pod's start, by the pod's name; without one, the worst.
    Start(Option<String>),
    Access(AccessClass),
    Exposure,
}

/// The chains of a run: at most one about access and one about a slow start, in the order in which they were asked for.
pub fn chains(dossier: &Dossier, outcome: &Outcome, focus: &Focus) -> Vec<Chain> {
    let access = || {
        // The same access as `lab::pick` finds in a result: before the first fault a server may just not be ready yet.
        let is_first = |access: &&AccessRecord, class: AccessClass| {
            access.class == class && (class != AccessClass::Unreachable || access.after_cut)
        };
        let request = match focus {
            Focus::Access(class) => {
                let first = outcome.accesses.iter().find(|access| is_first(access, *class))?;
                match dossier.requests.iter().find(|request| request.record == *first) {
                    None => return Some(breach::of_unsent(first)),
                    found => found,
                }
            }
            Focus::Exposure => None,
            _ => wrong(dossier),
        };
        match (request, &dossier.exposed) {
            (Some(request), _) => Some(of_access(dossier, request)),
            (None, Some(exposed)) if outcome.run.cut.is_some() => Some(of_exposure(dossier, exposed)),
            _ => None,
        }
    };
    let start = |pod: Option<&str>| slowest(dossier, pod).map(|pod| of_start(dossier, pod));
    match focus {
        Focus::Start(pod) => start(pod.as_deref()).into_iter().chain(access()).collect(),
        _ => access().into_iter().chain(start(None)).collect(),
    }
}

/// The access that the run is about: the first unauthorized one, else the first that a layer let in or refused wrongly.
fn wrong(dossier: &Dossier) -> Option<&RequestStory> {
    let of = |class: AccessClass| dossier.requests.iter().find(|request| request.record.class == class);
    of(AccessClass::Unauthorized)
        .or_else(|| of(AccessClass::NetworkBypassed))
        .or_else(|| of(AccessClass::MeshBypassed))
        .or_else(|| of(AccessClass::WronglyDenied))
        .or_else(|| of(AccessClass::WrongServer))
}

/// A slow pod by name, also if it was not slow but the slowest; without a name the one that took longest, those that were never ready first; of equals the first.
fn slowest<'d>(dossier: &'d Dossier, name: Option<&str>) -> Option<&'d PodStory> {
    if let Some(name) = name {
        let mut told = dossier.slow.iter().chain(&dossier.slowest);
        return told.find(|pod| pod.record.pod == name);
    }
    let rank = |index: &usize| {
        let record = &dossier.slow[*index].record;
        let never = record.exit_cause == crate::cluster::records::ExitCause::Censored;
        (never, record.exit.since(record.desired), std::cmp::Reverse(*index))
    };
    let worst = (0..dossier.slow.len()).max_by_key(rank)?;
    dossier.slow.get(worst)
}
