//! A loss of quorum of etcd: API servers can write nothing.
//!
//! **Modeled**: a request to create a pod fails after etcd's own time limit, and its controller tries again; other writes are tried again
//! after each such time limit, until one succeeds; leases are not renewed. The controllers that lead end when they have not renewed
//! theirs in time, and those that lead after the fault count no silence before: no node is past its grace. Without leader
//! election the node lifecycle controller finds all nodes past their grace. Reads from caches go on: watches, lists, and TokenReviews, which look up account and pod in informers
//! (`kubernetes/kubernetes pkg/controller/serviceaccount/tokengetter.go`).
//! With some API servers in the target, it is these that have lost etcd.
//! **Left out**: reads that have to be consistent; compaction and slow watches
//! after the return.
//! **Parameters**: target, `etcd_request_timeout`. **Validated by**: `tests/world/etcd_quorum.rs`.

use super::fault::{Effect, Fault, Words};
use super::form::{Complaint, Form, Written};
use super::place::Whom;
use crate::cluster::ids::FaultId;
use crate::cluster::party::{NamedParty, Party, PartyKind};

/// API servers that cannot write.
#[derive(Clone, Debug, PartialEq)]
pub struct EtcdQuorum {
    /// The API servers.
    pub whom: Whom,
}

/// What a loss of quorum asks of the world.
pub trait Quorum {
    /// An API server can write nothing.
    fn lose_quorum(&mut self, server: u32, fault: FaultId);

    /// It can write again, as far as this fault is concerned.
    fn regain_quorum(&mut self, server: u32, fault: FaultId);
}

impl EtcdQuorum {
    /// How it is written.
    pub const FORM: Form = Form {
        name: "etcd_quorum",
        meaning: "A loss of quorum of etcd: API servers can write nothing, and answer from their caches.",
        does: "stops the writes of",
        done: "kept from writing",
        keys: &[
            Whom::AT_API_SERVERS,
            &[Whom::parties(
                "`[api_server]`, or `[]` in a control design.",
                &[PartyKind::ApiServer],
            )],
        ],
    };

    /// Reads one.
    ///
    /// # Errors
    /// If a party is not at the target.
    pub fn read(written: &Written<'_>) -> Result<Self, Complaint> {
        Whom::read(written).map(|whom| Self { whom })
    }

    /// It starts to act on a party.
    pub fn begin(&self, fault: FaultId, party: Party, world: &mut (impl Quorum + ?Sized)) {
        if let Party::ApiServer(server) = party {
            world.lose_quorum(server, fault);
        }
    }

    /// It no longer acts on a party.
    pub fn end(&self, fault: FaultId, party: Party, world: &mut (impl Quorum + ?Sized)) {
        if let Party::ApiServer(server) = party {
            world.regain_quorum(server, fault);
        }
    }
}

impl Fault for EtcdQuorum {
    fn whom(&self) -> &Whom {
        &self.whom
    }

    fn words(&self) -> Words {
        Words {
            noun: Self::FORM.name,
            does: Self::FORM.does,
            object: "the API server",
            did: "kept from writing",
            word: "etcd_quorum",
            how: "nothing can be written",
            sentence: "etcd had no quorum: nothing could be written, and reads came from caches.",
        }
    }

    fn consequence(&self, _: PartyKind) -> &'static str {
        "it wrote nothing, no lease and no pod, and went on answering from its caches"
    }

    fn effect(&self, party: &NamedParty) -> Effect {
        Effect {
            word: "no quorum of etcd",
            what: format!("{} could write nothing", party.of),
            how: "etcd had no quorum",
        }
    }
}
