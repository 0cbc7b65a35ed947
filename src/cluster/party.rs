//! Parties: who talks to the API server or to an Istiod, or is called by it, and processes: what can be touched by a fault. All words
//! for them are in one table.
//!
//! What a fault does to a party belongs to `faults`, what the party makes of it to the party's own file.

use std::fmt;

use serde::{Serialize, Serializer};

use super::ids::{IstiodId, NodeId};

/// Where a party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// On this node.
    Node(NodeId),
    /// In this Istiod.
    Istiod(IstiodId),
    /// In this API server.
    ApiServer(u32),
}

/// What a kind of party is called.
#[derive(Debug)]
pub struct PartyWords {
    /// In experiment files.
    pub word: &'static str,
    /// What it is and does.
    pub meaning: &'static str,
    /// Before the name of its node or Istiod, without an article.
    name: &'static str,
    /// Around its name, for its connection to the API server.
    link: (&'static str, &'static str),
}

macro_rules! parties {
    ($($kind:ident($of:ident) in $home:ident, $word:literal $name:literal, ($before:literal, $behind:literal), $meaning:literal;)+) => {
        /// A party, by its node or its Istiod.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Party {
            $(#[doc = concat!("Of this one: ", $meaning, ".")] $kind($of),)+
        }

        /// A kind of party.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum PartyKind {
            $(#[doc = concat!("For ", $meaning, ".")] $kind,)+
        }

        impl Party {
            /// What it is.
            #[must_use]
            pub const fn kind(self) -> PartyKind {
                match self { $(Self::$kind(_) => PartyKind::$kind,)+ }
            }

            /// Where it is.
            #[must_use]
            pub const fn home(self) -> Home {
                match self { $(Self::$kind(of) => Home::$home(of),)+ }
            }
        }

        impl PartyKind {
            /// The party of this kind there, if there is one.
            #[must_use]
            pub const fn at(self, home: Home) -> Option<Party> {
                match (self, home) {
                    $((Self::$kind, Home::$home(of)) => Some(Party::$kind(of)),)+
                    _ => None,
                }
            }

            /// Whether it is in an Istiod, and not on a node by itself.
            #[must_use]
            pub const fn is_of_istiod(self) -> bool {
                self.at(Home::Istiod(IstiodId(0))).is_some()
            }

            /// Whether it is in an API server.
            #[must_use]
            pub const fn is_of_api_server(self) -> bool {
                self.at(Home::ApiServer(0)).is_some()
            }

            /// Whether it is a client of the API servers that connects to any of them.
            #[must_use]
            pub const fn is_client(self) -> bool {
                matches!(self, Self::Kubelet | Self::Agent | Self::ServiceProxy | Self::Istiod)
            }

            /// The clients of the API server.
            pub const CLIENTS: &[Self] = &[Self::Kubelet, Self::Agent, Self::ServiceProxy, Self::Istiod];

            /// What it is called.
            #[must_use]
            pub const fn words(self) -> PartyWords {
                match self {
                    $(Self::$kind => PartyWords {
                        word: $word,
                        meaning: $meaning,
                        name: $name,
                        link: ($before, $behind),
                    },)+
                }
            }
        }
    };
}

parties! {
    Kubelet(NodeId) in Node, "kubelet" "kubelet of",
        ("the link between ", " and the API server"),
        "the kubelet of the node: lease, status of pods, new pods";
    Agent(NodeId) in Node, "cilium_agent" "Cilium agent of",
        ("the link between ", " and the API server"),
        "the Cilium agent of the node";
    ServiceProxy(NodeId) in Node, "service_proxy" "service proxy of",
        ("the link between ", " and the API server"),
        "the service proxy of the node";
    Istiod(IstiodId) in Istiod, "istiod" "API connection of",
        ("", ""),
        "connections of the Istiod on the node, or of the Istiod named, to the API server";
    Webhook(IstiodId) in Istiod, "webhook" "webhook of",
        ("the path from the API server to ", ""),
        "calls of the API server to the injection webhook of that Istiod";
    IstiodClients(IstiodId) in Istiod, "istiod_clients" "clients of",
        ("the path from sidecars to ", ""),
        "connections of sidecars to that Istiod: certificate requests and configuration streams";
    IstiodProcess(IstiodId) in Istiod, "istiod" "process of",
        ("the connections of ", ""),
        "the process of the Istiod on the node, or of the Istiod named";
    Controllers(u32) in ApiServer, "controllers" "controllers beside",
        ("the link between ", " and the API server"),
        "controllers and scheduler, if those that lead run beside that API server";
    ApiServer(u32) in ApiServer, "api_server" "process of",
        ("the connections of ", ""),
        "the process of the API server named; its target is `api_servers`";
    Node(NodeId) in Node, "node" "node",
        ("the network of ", ""),
        "the node with all that runs on it";
    Network(NodeId) in Node, "network" "network of",
        ("", ""),
        "packets between pods of the node and pods of other nodes";
}

/// A party by names: what stands in a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedParty {
    /// What it is.
    pub kind: PartyKind,
    /// Name of its node or its Istiod.
    pub of: String,
}

impl NamedParty {
    /// A party of a kind on a node or in an Istiod of this name.
    #[must_use]
    pub fn new(kind: PartyKind, of: &str) -> Self {
        Self {
            kind,
            of: of.to_owned(),
        }
    }

    /// Whether it is this party, or the process to which that belongs.
    #[must_use]
    pub fn includes(&self, party: &Self) -> bool {
        let belongs = self.kind == PartyKind::IstiodProcess && party.kind.is_of_istiod();
        self.of == party.of && (self.kind == party.kind || belongs)
    }

    /// Its name without an article.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{} {}", self.kind.words().name, self.of)
    }

    /// Its connection to the API server.
    #[must_use]
    pub fn link(&self) -> String {
        let (before, behind) = self.kind.words().link;
        format!("{before}{self}{behind}")
    }
}

impl fmt::Display for NamedParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.kind.words().name, self.of)
    }
}

impl Serialize for NamedParty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
