//! A cut: connections of chosen parties on nodes, or of Istiods, do not work: those to the API server, of the API server to a
//! webhook, or of sidecars to an Istiod.
//!
//! **Modeled**: three modes (packets vanish, packets are rejected, only the API server's packets vanish) and each party
//! separately; several faults on one party, which is whole again when the last has ended, the strongest mode being in force
//! (`drop`, then `reject`, then `replies_only`); Istiods that come to a cut node while the fault lasts. Readers' cursors freeze
//! at the cut; the party itself notices by its own timeouts.
//! A fault cuts the parties that it names and no others: a node whose `service_proxy` is not named keeps reading Services,
//! although its packets come from the same host network.
//! When its end reaches a party is the matter of the party's connection (`api_connection`,
//! `docs/model/kubernetes.md#losing-the-api-server`).
//! **Left out**: loss of part of the packets, delay and cuts between other pods, which are kinds of their own.
//! **Parameters**: target, parties, mode, start, duration. **Validated by**: `tests/world/faults.rs`, `tests/world/mechanisms.rs`.

use serde::Serialize;

use super::fault::{Effect, Fault, Switch, Words};
use super::form::{Complaint, Form, Key, Role, Takes, Written};
use super::place::Whom;
use crate::cluster::ids::FaultId;
use crate::cluster::party::{NamedParty, Party, PartyKind};

/// Connections that do not work.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// Whose connections are cut.
    pub whom: Whom,
    /// How they are cut.
    pub mode: CutMode,
}

/// How a connection is cut, the strongest mode first: packets that vanish on the way meet no reset behind it, and a reset that comes
/// back is no silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CutMode {
    /// Packets vanish in both directions.
    Drop,
    /// Packets are answered by a reset: both sides notice at once.
    Reject,
    /// Only the API server's packets to the party vanish: requests on open connections still take effect.
    RepliesOnly,
}

/// The modes, each with its word and its meaning.
const MODES: [(CutMode, &str, &str); 3] = [
    (CutMode::Drop, "drop", "packets vanish in both directions"),
    (
        CutMode::Reject,
        "reject",
        "packets are answered by a reset: both sides notice at once",
    ),
    (
        CutMode::RepliesOnly,
        "replies_only",
        "the API server's packets to the party vanish: requests on open connections still take effect",
    ),
];

/// What a cut asks of the world.
pub trait Cuts {
    /// A fault cuts the connection of a party.
    fn cut(&mut self, party: Party, mode: CutMode, fault: FaultId);

    /// A fault ends for the connection of a party, which stays cut if another one cuts it.
    fn restore(&mut self, party: Party, fault: FaultId);
}

impl Cut {
    /// Whose connections it can cut.
    pub const PARTIES: &[PartyKind] = &[
        PartyKind::Kubelet,
        PartyKind::Agent,
        PartyKind::ServiceProxy,
        PartyKind::Istiod,
        PartyKind::Webhook,
        PartyKind::IstiodClients,
        PartyKind::Controllers,
    ];

    /// How it is written.
    pub const FORM: Form = Form {
        name: "cut",
        meaning: "Connections that are cut.",
        does: "cuts",
        done: "cut",
        keys: &[
            Whom::KEYS,
            &[
                Whom::parties("Whose connections are cut there.", Self::PARTIES),
                Key {
                    name: "mode",
                    meaning: "`drop`, `reject` or `replies_only`.",
                    takes: Takes::Word("mode of a cut", || {
                        MODES.map(|(_, word, meaning)| (word, meaning)).to_vec()
                    }),
                    list: false,
                    role: Role::Required,
                },
            ],
        ],
    };

    /// Reads one.
    ///
    /// # Errors
    /// If a party is not at the target.
    pub fn read(written: &Written<'_>) -> Result<Self, Complaint> {
        let whom = Whom::read(written)?;
        let (mode, ..) = MODES[written.word("mode")];
        Ok(Self { whom, mode })
    }

    /// It starts to act on a party.
    pub fn begin(&self, fault: FaultId, party: Party, world: &mut (impl Cuts + ?Sized)) {
        world.cut(party, self.mode, fault);
    }

    /// It no longer acts on a party.
    pub fn end(&self, fault: FaultId, party: Party, world: &mut (impl Cuts + ?Sized)) {
        world.restore(party, fault);
    }
}

impl Fault for Cut {
    fn whom(&self) -> &Whom {
        &self.whom
    }

    fn cuts_off(&self) -> bool {
        true
    }

    fn loses_servers(&self) -> Option<CutMode> {
        Some(self.mode)
    }

    fn words(&self) -> Words {
        let (word, how, sentence) = match self.mode {
            CutMode::Drop => (
                "drop",
                "packets vanish",
                "Packets vanished in both directions, so both sides noticed only silence.",
            ),
            CutMode::Reject => (
                "reject",
                "packets are rejected",
                "Packets were rejected, so both sides noticed at once.",
            ),
            CutMode::RepliesOnly => (
                "replies_only",
                "answers vanish",
                "Only packets from the API server vanished: what the parties sent on open connections still took effect, \
                 but they heard nothing any more.",
            ),
        };
        Words {
            noun: Self::FORM.name,
            does: Self::FORM.does,
            object: "the link",
            did: "cut off",
            word,
            how,
            sentence,
        }
    }

    fn consequence(&self, party: PartyKind) -> &'static str {
        match party {
            PartyKind::Kubelet if self.mode == CutMode::RepliesOnly => {
                "it heard of no change any more, and its lease was renewed once more at most"
            }
            PartyKind::Kubelet => "it heard of no change any more, and its lease was not renewed again",
            PartyKind::Agent => "its ipcache, and the WireGuard peers fed from it, stayed as they were",
            PartyKind::ServiceProxy => "it kept its list of endpoints as it was",
            PartyKind::Istiod => {
                "it stayed ready and went on accepting sidecars, but could check no token and heard of no new endpoint"
            }
            PartyKind::Webhook => "the API server could not call it to inject sidecars",
            PartyKind::Controllers => "no controller changed anything until another one led, or this one did again",
            PartyKind::Node | PartyKind::Network => "nothing passed",
            PartyKind::IstiodClients => "no sidecar reached it, and proxies that followed it kept what they had",
            PartyKind::IstiodProcess | PartyKind::ApiServer => "no client reached it",
        }
    }

    fn effect(&self, party: &NamedParty) -> Effect {
        let how = match self.mode {
            CutMode::Drop => "packets vanished in both directions",
            CutMode::Reject => "packets were rejected",
            CutMode::RepliesOnly => {
                "only the API server's packets vanished, so requests still took effect and answers were lost"
            }
        };
        let what = format!("{} was cut", party.link());
        let word = "link cut";
        Effect { word, what, how }
    }

    fn switches(&self, fault: &str) -> Vec<Switch> {
        let others = MODES.iter().filter(|(mode, ..)| *mode != self.mode);
        let switch = |(mode, word, _): &(CutMode, &str, &str)| {
            let how = match mode {
                CutMode::Drop => "had vanished in both directions",
                CutMode::Reject => "had been rejected",
                CutMode::RepliesOnly => "of the API server alone had vanished",
            };
            Switch {
                name: format!("{fault} by {word}"),
                words: format!("packets on the links that {fault} cut {how}"),
                set: format!("faults.{fault}.cut.mode={word}"),
            }
        };
        others.map(switch).collect()
    }
}
