//! What the kinds of faults of processes share: whose process it is, and what they ask of the world.
//!
//! What a process makes of it belongs to `cluster/processes.rs` and to its own component; how a kind begins and ends is in its file.

use super::cut::CutMode;
use super::fault::{Effect, Fault, Words};
use super::form::Key;
use super::place::{Where, Whom};
use crate::cluster::ids::FaultId;
use crate::cluster::party::{NamedParty, Party, PartyKind};
use crate::kernel::Distribution;

/// The processes that can be frozen, and that can end.
const ALL: &[PartyKind] = &[
    PartyKind::Kubelet,
    PartyKind::Agent,
    PartyKind::ServiceProxy,
    PartyKind::IstiodProcess,
    PartyKind::ApiServer,
];

/// The processes of which it is known what they do by themselves, and how long that takes.
const TIMED: &[PartyKind] = &[
    PartyKind::Kubelet,
    PartyKind::Agent,
    PartyKind::IstiodProcess,
    PartyKind::ApiServer,
];

/// The key of the processes that a kind stops.
#[must_use]
pub const fn processes(meaning: &'static str) -> Key {
    Whom::processes(meaning, ALL)
}

/// The key of the processes that a kind slows.
#[must_use]
pub const fn timed_processes(meaning: &'static str) -> Key {
    Whom::processes(meaning, TIMED)
}

/// What faults of processes ask of the world.
pub trait Processes {
    /// A process is frozen.
    fn freeze(&mut self, party: Party, fault: FaultId);

    /// It goes on, unless another fault freezes it.
    fn thaw(&mut self, party: Party, fault: FaultId);

    /// A process ends at once, and again after each start.
    fn crash(&mut self, party: Party, fault: FaultId);

    /// A process is killed at once, and after each start once its memory is full.
    fn kill(&mut self, party: Party, fills_in: Distribution, fault: FaultId);

    /// Its memory suffices.
    fn has_memory(&mut self, party: Party, fault: FaultId);

    /// It stays up once it has started again.
    fn stays_up(&mut self, party: Party, fault: FaultId);

    /// A process ends in an orderly way and is started at once.
    fn restart(&mut self, party: Party, fault: FaultId);

    /// What a process does by itself takes so many times as long.
    fn slow(&mut self, party: Party, factor: f64, fault: FaultId);

    /// It takes as long as without this fault.
    fn full_speed(&mut self, party: Party, fault: FaultId);

    /// A client loses its API server.
    fn loses_server(&mut self, party: Party, mode: CutMode, fault: FaultId);

    /// The API server of a client is back.
    fn regains_server(&mut self, party: Party, fault: FaultId);
}

impl Whom {
    /// Whether a party is touched because it is a client of an API server whose process is.
    #[must_use]
    pub fn has_client(&self, party: PartyKind) -> bool {
        matches!(self.place, Where::ApiServers(_)) && party.is_client()
    }
}

/// What a client of an API server, or a party whose process gives no answers, does no more, in a sentence after a colon.
fn without_process(whom: &Whom, party: PartyKind) -> &'static str {
    match party {
        _ if whom.has_client(party) => "it had no answers until it had connected again",
        PartyKind::Kubelet => {
            "no pod of its node started or stopped, its lease was not renewed, and containers went on without it"
        }
        PartyKind::Agent => {
            "the datapath went on with the maps that it had, and calls of the network plugin waited or failed"
        }
        PartyKind::ServiceProxy => "its rules stayed as they were",
        PartyKind::Istiod | PartyKind::Webhook | PartyKind::IstiodClients | PartyKind::IstiodProcess => {
            "it signed no certificate, sent no configuration and injected no sidecar"
        }
        PartyKind::Node | PartyKind::Network => "nothing ran on it",
        PartyKind::Controllers => "no controller changed anything until another one led, or this one did again",
        PartyKind::ApiServer => "its clients had no answers until they had connected again",
    }
}

/// What is said of a kind whose processes end or stand still, and how long that lasts.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// What it is called.
    pub words: Words,
    /// What it is in a causal chain: `process ended`.
    pub effect: &'static str,
    /// What happened to the process, after its name.
    pub what: &'static str,
    /// What was noticed of it.
    pub how: &'static str,
    /// How connections to API servers at its target do not work.
    pub loses_servers: Option<CutMode>,
    /// Whether what it did lasts until the processes have started again.
    pub outlasts: bool,
    /// Whether it ends as soon as it has started.
    pub is_over_at_once: bool,
}

/// A kind whose processes end or stand still: it is a fault by what is said of it.
pub trait Stops {
    /// What is said of it.
    const STOP: Stop;

    /// Whose processes.
    fn target(&self) -> &Whom;
}

impl<Kind: Stops> Fault for Kind {
    fn whom(&self) -> &Whom {
        self.target()
    }

    fn cuts_off(&self) -> bool {
        true
    }

    fn loses_servers(&self) -> Option<CutMode> {
        Self::STOP.loses_servers
    }

    fn outlasts(&self) -> bool {
        Self::STOP.outlasts
    }

    fn is_over_at_once(&self) -> bool {
        Self::STOP.is_over_at_once
    }

    fn words(&self) -> Words {
        Self::STOP.words
    }

    fn consequence(&self, party: PartyKind) -> &'static str {
        without_process(self.target(), party)
    }

    fn effect(&self, party: &NamedParty) -> Effect {
        let Stop { effect, what, how, .. } = Self::STOP;
        let (word, what) = match self.target().has_client(party.kind) {
            true => ("server lost", format!("{} was lost", party.link())),
            false => (effect, format!("{party} {what}")),
        };
        Effect { word, what, how }
    }
}
