//! A partition: no packet passes between pods of two groups of nodes, in both directions or in one.
//!
//! **Modeled**: new connections between pods, in either direction, since a SYN without an answer connects nothing; requests, answers and
//! streams on connections of sidecars to Istiods; queries to CoreDNS; exposure, which has no window where nothing passes. Connections
//! live through it as through a cut of `istiod_clients`. `reject` answers with a reset to who sends in a direction that is cut; the
//! other side notices only silence. Clients of API servers on the nodes of the target may be cut by the same fault.
//! **Left out**: paths between API servers, etcd and nodes, which have no place in the network; webhooks, unless they are a party;
//! probes of kubelets, which stay inside a node; tunnels that take another way.
//! **Parameters**: target, other side, direction, mode, parties, start, duration. **Validated by**: `tests/world/paths.rs`.

use super::cut::{CutMode, Cuts};
use super::fault::{Effect, Fault, Switch, Words};
use super::form::{Complaint, Form, Key, Role, Takes, Written};
use super::path::{self, Between, Direction, Impairment, Paths};
use super::place::Whom;
use crate::cluster::ids::FaultId;
use crate::cluster::party::{NamedParty, Party, PartyKind};

/// Paths that are cut.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// The nodes of the target, and whose connections are cut there.
    pub whom: Whom,
    /// The other side.
    pub between: Between,
    /// Whether packets are rejected; otherwise they vanish.
    pub rejects: bool,
}

const MODE: &str = "mode";

/// The modes, each with its meaning.
const MODES: [(&str, &str); 2] = [
    ("drop", "packets vanish"),
    (
        "reject",
        "packets are answered by a reset: their sender notices at once",
    ),
];

impl Partition {
    /// How it is written.
    pub const FORM: Form = Form {
        name: "partition",
        meaning: "Paths between pods of two groups of nodes that are cut: the nodes of the target, and the other side.",
        does: "partitions",
        done: "partitioned",
        keys: &[
            Whom::NODE_KEYS,
            path::KEYS,
            &[
                Key {
                    name: MODE,
                    meaning: "`drop` or `reject`.",
                    takes: Takes::Word("mode of a partition", || MODES.to_vec()),
                    list: false,
                    role: Role::Required,
                },
                Whom::only(
                    "What is cut at the target: packets of its pods; and, if named, its clients of API servers, wherever these are.",
                    &[
                        PartyKind::Network,
                        PartyKind::Kubelet,
                        PartyKind::Agent,
                        PartyKind::ServiceProxy,
                        PartyKind::Istiod,
                        PartyKind::Webhook,
                    ],
                ),
            ],
        ],
    };

    /// Reads one.
    ///
    /// # Errors
    /// If a party is not at the target, or there is no path between the two sides.
    pub fn read(written: &Written<'_>) -> Result<Self, Complaint> {
        let (whom, between) = Between::read(written)?;
        let rejects = written.word(MODE) == 1;
        Ok(Self { whom, between, rejects })
    }

    /// What packets between pods meet.
    const fn impairment(&self) -> Impairment {
        Impairment::Cut(if self.rejects { CutMode::Reject } else { CutMode::Drop })
    }

    /// What a client of the API servers meets.
    const fn mode(&self) -> CutMode {
        match (self.between.direction, self.rejects) {
            (Direction::Inbound, _) => CutMode::RepliesOnly,
            (_, true) => CutMode::Reject,
            (_, false) => CutMode::Drop,
        }
    }

    /// It starts to act on a party.
    pub fn begin(&self, fault: FaultId, party: Party, world: &mut (impl Paths + Cuts + ?Sized)) {
        match party {
            Party::Network(node) => world.impair(node, &self.between, self.impairment(), fault),
            client => world.cut(client, self.mode(), fault),
        }
    }

    /// It no longer acts on a party.
    pub fn end(&self, fault: FaultId, party: Party, world: &mut (impl Paths + Cuts + ?Sized)) {
        match party {
            Party::Network(node) => world.mend(node, self.impairment(), fault),
            client => world.restore(client, fault),
        }
    }
}

impl Fault for Partition {
    fn whom(&self) -> &Whom {
        &self.whom
    }

    fn cuts_off(&self) -> bool {
        self.whom.parties.iter().any(|party| *party != PartyKind::Network)
    }

    fn words(&self) -> Words {
        let (word, how, sentence) = if self.rejects {
            (
                "reject",
                "packets are rejected",
                "Packets between the two sides were rejected, so their senders noticed at once.",
            )
        } else {
            (
                "drop",
                "packets vanish",
                "Packets between the two sides vanished, so both noticed only silence.",
            )
        };
        Words {
            word,
            ..Self::FORM.words("the path", how, sentence)
        }
    }

    fn consequence(&self, party: PartyKind) -> &'static str {
        match party {
            PartyKind::Network => "its pods reached no pod on the other side, and none there reached them",
            _ => "it had no answers from the API server",
        }
    }

    fn effect(&self, party: &NamedParty) -> Effect {
        let how = if self.rejects {
            "packets were rejected"
        } else {
            "packets vanished"
        };
        let what = format!("{} was cut", party.link());
        Effect {
            word: "path cut",
            what,
            how,
        }
    }

    fn switches(&self, fault: &str) -> Vec<Switch> {
        let (word, how) = if self.rejects {
            ("drop", "had vanished")
        } else {
            ("reject", "had been rejected")
        };
        vec![Switch {
            name: format!("{fault} by {word}"),
            words: format!("packets on the paths that {fault} cuts {how}"),
            set: format!("faults.{fault}.partition.mode={word}"),
        }]
    }
}
