//! A stale cache: the watch caches of API servers lag behind etcd, or stand still.
//!
//! **Modeled**: clients of the server hear of changes later by `by`, or, without it, of those that were written meanwhile when the fault
//! ends; writes go to etcd as ever. What a client gets that connects to the server anew is in `stale_watches`.
//! **Left out**: caches of single kinds of objects, of which each has its own in reality.
//! **Parameters**: target, `by`, `cache_*`, `consistent_list_wait`. **Validated by**: `tests/world/stale_cache.rs`.

use super::fault::{Effect, Fault, Switch, Words};
use super::form::{Complaint, Form, Key, Role, Takes, Written};
use super::place::Whom;
use crate::cluster::ids::FaultId;
use crate::cluster::party::{NamedParty, Party, PartyKind};
use crate::kernel::SimDuration;

/// API servers whose watch caches are behind.
#[derive(Clone, Debug, PartialEq)]
pub struct StaleCache {
    /// The API servers.
    pub whom: Whom,
    /// By how much they lag; without it they stand still.
    pub by: Option<SimDuration>,
}

/// What a stale cache asks of the world.
pub trait Caches {
    /// The watch cache of an API server lags by so much, or stands still.
    fn fall_behind(&mut self, server: u32, by: Option<SimDuration>, fault: FaultId);

    /// It follows etcd again, as far as this fault is concerned.
    fn catch_up(&mut self, server: u32, fault: FaultId);
}

const BY: &str = "by";

impl StaleCache {
    /// How it is written.
    pub const FORM: Form = Form {
        name: "stale_cache",
        meaning: "Watch caches of API servers that lag behind etcd or stand still: their clients hear of changes late.",
        does: "keeps changes from",
        done: "kept from hearing of changes",
        keys: &[
            Whom::AT_API_SERVERS,
            &[
                Whom::parties("`[api_server]`, or `[]` in a control design.", &[PartyKind::ApiServer]),
                Key {
                    name: BY,
                    meaning: "By how much the caches lag; without it they stand still.",
                    takes: Takes::Span,
                    list: false,
                    role: Role::Optional,
                },
            ],
        ],
    };

    /// Reads one.
    ///
    /// # Errors
    /// If a party is not at the target.
    pub fn read(written: &Written<'_>) -> Result<Self, Complaint> {
        Ok(Self {
            whom: Whom::read(written)?,
            by: written.span(BY),
        })
    }

    /// It starts to act on a party.
    pub fn begin(&self, fault: FaultId, party: Party, world: &mut (impl Caches + ?Sized)) {
        if let Party::ApiServer(server) = party {
            world.fall_behind(server, self.by, fault);
        }
    }

    /// It no longer acts on a party.
    pub fn end(&self, fault: FaultId, party: Party, world: &mut (impl Caches + ?Sized)) {
        if let Party::ApiServer(server) = party {
            world.catch_up(server, fault);
        }
    }
}

impl Fault for StaleCache {
    fn whom(&self) -> &Whom {
        &self.whom
    }

    fn touches_clients(&self) -> bool {
        true
    }

    fn withholds_changes(&self) -> bool {
        true
    }

    fn words(&self) -> Words {
        let lags = self.by.is_some();
        Words {
            noun: Self::FORM.name,
            does: Self::FORM.does,
            object: "the watches",
            did: "kept from hearing of changes",
            word: Self::FORM.name,
            how: if lags {
                "the watch cache lagged"
            } else {
                "the watch cache stood still"
            },
            sentence: if lags {
                "The watch cache lagged behind etcd: clients heard of changes late."
            } else {
                "The watch cache stood still: clients heard of no change, and writes went to etcd."
            },
        }
    }

    fn consequence(&self, party: PartyKind) -> &'static str {
        match party {
            PartyKind::ApiServer => "its watch cache was behind etcd",
            _ => "it heard of changes late, and its requests were answered",
        }
    }

    fn effect(&self, party: &NamedParty) -> Effect {
        Effect {
            word: "stale watch cache",
            what: format!("the watch cache of the API server of {party} was behind etcd"),
            how: if self.by.is_some() {
                "it sent changes late"
            } else {
                "it sent no changes"
            },
        }
    }

    fn switches(&self, _: &str) -> Vec<Switch> {
        Vec::new()
    }
}
