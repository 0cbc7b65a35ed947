//! An overload: requests of clients that are not modeled come to API servers.
//!
//! **Modeled**: a flow as in `cluster.load`, at the API servers of the target, as long as the fault lasts. What the requests take of a
//! server, and what that makes others wait, is worked out by `api_load`.
//! **Left out**: bursts; several sorts of requests in one fault, for which several faults are written.
//! **Parameters**: target, level, verb, rate, objects, users, work. **Validated by**: `tests/world/api_load.rs`.

use super::fault::{Effect, Fault, Words};
use super::form::{Amount, Complaint, Form, Key, Role, Takes, Value, Written};
use super::place::Whom;
use crate::cluster::api_flow::{Flow, Level, Verb};
use crate::cluster::ids::FaultId;
use crate::cluster::party::{NamedParty, Party, PartyKind};

/// Requests that come to API servers.
#[derive(Clone, Debug, PartialEq)]
pub struct Overload {
    /// The API servers.
    pub whom: Whom,
    /// The requests. Each server gets its part of the rate.
    pub flow: Flow,
}

/// What an overload asks of the world.
pub trait Overloads {
    /// Requests come to an API server.
    fn flood(&mut self, server: u32, flow: &Flow, fault: FaultId);

    /// No more of them come.
    fn subside(&mut self, server: u32, fault: FaultId);
}

const fn key(name: &'static str, meaning: &'static str, takes: Takes, role: Role) -> Key {
    Key {
        name,
        meaning,
        takes,
        list: false,
        role,
    }
}

impl Overload {
    /// How it is written.
    pub const FORM: Form = Form {
        name: "overload",
        meaning: "Requests of clients that are not modeled, which come to API servers.",
        does: "overloads",
        done: "overloaded",
        keys: &[
            Whom::AT_API_SERVERS,
            &[
                Whom::parties("`[api_server]`, or `[]` in a control design.", &[PartyKind::ApiServer]),
                key(
                    "level",
                    "Priority level of the requests.",
                    Takes::Word("priority level", || {
                        Level::ALL.map(|(word, level)| (word, level.meaning())).to_vec()
                    }),
                    Role::Required,
                ),
                key(
                    "verb",
                    "What the requests do.",
                    Takes::Word("verb", || Verb::ALL.map(|(word, verb)| (word, verb.meaning())).to_vec()),
                    Role::Required,
                ),
                key(
                    "rate",
                    "Requests per time to all API servers of the cluster together, at random times; those of the target get their part.",
                    Takes::Rate,
                    Role::Required,
                ),
                key(
                    "objects",
                    "Objects of a list; the default is 1.",
                    Takes::Amount,
                    Role::Optional,
                ),
                key(
                    "users",
                    "Users that send them, each with queues of its own; the default is 1.",
                    Takes::Amount,
                    Role::Optional,
                ),
                key(
                    "work",
                    "Processor time of one request; the default follows from its objects.",
                    Takes::Span,
                    Role::Optional,
                ),
            ],
        ],
    };

    /// Reads one.
    ///
    /// # Errors
    /// If a number of objects or users is a share.
    pub fn read(written: &Written<'_>) -> Result<Self, Complaint> {
        let count = |key: &'static str| match written.of(key) {
            [(_, Value::Amount(Amount::Count(count))), ..] => Ok(*count),
            [(place, Value::Amount(Amount::Share(_))), ..] => Err(Complaint {
                key,
                place: *place,
                message: "is a share, and nothing is there that it could be a share of".to_owned(),
                hint: "write a whole number",
            }),
            _ => Ok(1),
        };
        Ok(Self {
            whom: Whom::read(written)?,
            flow: Flow {
                name: String::new(),
                level: Level::ALL[written.word("level")].1,
                verb: Verb::ALL[written.word("verb")].1,
                rate_per_s: written.number("rate").unwrap_or_default(),
                objects: count("objects")?,
                users: count("users")?,
                work: written.span("work"),
            },
        })
    }

    /// It starts to act on a party.
    pub fn begin(&self, fault: FaultId, party: Party, world: &mut (impl Overloads + ?Sized)) {
        if let Party::ApiServer(server) = party {
            world.flood(server, &self.flow, fault);
        }
    }

    /// It no longer acts on a party.
    pub fn end(&self, fault: FaultId, party: Party, world: &mut (impl Overloads + ?Sized)) {
        if let Party::ApiServer(server) = party {
            world.subside(server, fault);
        }
    }
}

impl Fault for Overload {
    fn whom(&self) -> &Whom {
        &self.whom
    }

    fn words(&self) -> Words {
        Words {
            noun: Self::FORM.name,
            does: Self::FORM.does,
            object: "the API server",
            did: "overloaded",
            word: "overload",
            how: "requests come in numbers",
            sentence: "Requests came in such numbers that others waited for seats and processors, or were refused.",
        }
    }

    fn consequence(&self, _: PartyKind) -> &'static str {
        "requests waited for seats and processors, and some were refused with status 429"
    }

    fn effect(&self, party: &NamedParty) -> Effect {
        Effect {
            word: "API server overloaded",
            what: format!("{} was overloaded", party.of),
            how: "requests waited for seats and processors, or were refused",
        }
    }
}
