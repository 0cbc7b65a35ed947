//! Loss: a share of the packets between pods of two groups of nodes is lost.
//!
//! **Modeled**: each SYN, request, answer and query is lost or not by a random number of its own, for each direction that the fault
//! acts on; what is lost is sent again by TCP, a SYN with its waits, a segment with those of the network's retransmission. Shares of
//! several faults combine as if they acted one after the other. It ends no connection: nothing that TCP or gRPC waits for is that short.
//! **Left out**: connections to API servers and webhooks; pushes of configuration on open streams; the throughput of long transfers;
//! acknowledgments; connections that time out because nearly everything is lost; bursts of loss, which are repeated short partitions.
//! **Parameters**: target, other side, direction, share, start, duration; `syn_*`, `retransmit_*`, `dns_timeout`.
//! **Validated by**: `tests/world/paths.rs`.

use super::fault::{Effect, Fault, Switch, Words};
use super::form::{Complaint, Form, Key, Role, Takes, Written};
use super::path::{self, Between, Impairment, Paths};
use super::place::Whom;
use crate::cluster::ids::FaultId;
use crate::cluster::party::{NamedParty, Party, PartyKind};

/// Paths that lose packets.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// The nodes of the target.
    pub whom: Whom,
    /// The other side.
    pub between: Between,
    /// The share of packets that is lost in each direction.
    pub share: f64,
}

const SHARE: &str = "share";

impl Loss {
    /// How it is written.
    pub const FORM: Form = Form {
        name: "loss",
        meaning: "Paths between pods of two groups of nodes that lose a share of the packets.",
        does: "loses packets of",
        done: "hit by loss",
        keys: &[
            Whom::NODE_KEYS,
            path::KEYS,
            &[
                Key {
                    name: SHARE,
                    meaning: "The share of packets that is lost in each direction, at most 95%; a `partition` loses all.",
                    takes: Takes::Number(0.0, 0.95),
                    list: false,
                    role: Role::Required,
                },
                Whom::only(
                    "`[network]`, or `[]` in a control design. Connections to API servers lose no packets; a `partition` can cut them.",
                    &[PartyKind::Network],
                ),
            ],
        ],
    };

    /// Reads one.
    ///
    /// # Errors
    /// If there is no path between the two sides.
    pub fn read(written: &Written<'_>) -> Result<Self, Complaint> {
        let (whom, between) = Between::read(written)?;
        let share = written.number(SHARE).unwrap_or_default();
        Ok(Self { whom, between, share })
    }

    /// What packets meet.
    const fn impairment(&self) -> Impairment {
        Impairment::Loss(self.share)
    }

    /// It starts to act on a party.
    pub fn begin(&self, fault: FaultId, party: Party, world: &mut (impl Paths + ?Sized)) {
        self.between.begin(self.impairment(), fault, party, world);
    }

    /// It no longer acts on a party.
    pub fn end(&self, fault: FaultId, party: Party, world: &mut (impl Paths + ?Sized)) {
        self.between.end(self.impairment(), fault, party, world);
    }
}

impl Fault for Loss {
    fn whom(&self) -> &Whom {
        &self.whom
    }

    fn words(&self) -> Words {
        Words {
            did: "lost packets of",
            ..Self::FORM.words(
                "the path",
                "packets are lost",
                "A share of the packets was lost and sent again, so connections were slower, and none ended.",
            )
        }
    }

    fn consequence(&self, _: PartyKind) -> &'static str {
        "its pods sent packets to the other side again, and some connections took seconds"
    }

    fn effect(&self, party: &NamedParty) -> Effect {
        Effect {
            word: "packets lost",
            what: format!("{} lost {:.0}% of the packets", party.link(), self.share * 100.0),
            how: "each was sent again after waits that double",
        }
    }

    fn switches(&self, fault: &str) -> Vec<Switch> {
        vec![Switch {
            name: format!("{fault} without loss"),
            words: format!("{fault} had lost no packet"),
            set: format!("faults.{fault}.loss.share=0"),
        }]
    }
}
