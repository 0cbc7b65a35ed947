//! Access classes and causes of delay: the word of each in files, and everything that any page says of it.
//!
//! The enums are facts of `cluster::records`; measures have their words in `measures`. Colours are chosen by `report`.

use super::cell::Word;
use crate::cluster::records::{AccessClass, DelayCause};

/// What is said of a class of accesses.
#[derive(Clone, Copy, Debug)]
pub struct ClassWords {
    /// The word in files and on command lines.
    pub word: &'static str,
    /// What happened to the access.
    pub meaning: &'static str,
    /// What the end of its story is called.
    pub noun: &'static str,
    /// How it looks to the owner of the policies.
    pub tone: Tone,
    /// What an attempt would have been that is open for a while; none for classes that are no exposure.
    pub exposed: Option<Exposed>,
}

/// What is said of an attempt that would get past a layer.
#[derive(Clone, Copy, Debug)]
pub struct Exposed {
    /// The attempt would have been so.
    pub would_be: &'static str,
    /// In a lane of one run.
    pub open: &'static str,
    /// Of a design in which it happens.
    pub design: &'static str,
}

/// How something looks to the owner of the policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it was meant.
    Good,
    /// Against all policy.
    Bad,
    /// Against some policy.
    Warning,
    /// Neither.
    Info,
}

impl AccessClass {
    /// What is said of it.
    #[must_use]
    pub const fn words(self) -> ClassWords {
        const fn words(word: &'static str, meaning: &'static str, noun: &'static str, tone: Tone) -> ClassWords {
            ClassWords {
                word,
                meaning,
                noun,
                tone,
                exposed: None,
            }
        }
        match self {
            Self::Allowed => words(
                "allowed",
                "it was meant to be let in, and it was",
                "the answer",
                Tone::Good,
            ),
            Self::Denied => words(
                "denied",
                "it was meant to be refused, and it was",
                "the answer",
                Tone::Good,
            ),
            Self::Unauthorized => ClassWords {
                exposed: Some(Exposed {
                    would_be: "unauthorized",
                    open: "open",
                    design: "stands open to the wrong client",
                }),
                ..words(
                    "unauthorized",
                    "it was meant to be refused, and every layer of the design let it in",
                    "the breach",
                    Tone::Bad,
                )
            },
            Self::NetworkBypassed => ClassWords {
                exposed: Some(Exposed {
                    would_be: "admitted by the network alone",
                    open: "network open, mesh not",
                    design: "would have been stopped by the mesh alone",
                }),
                ..words(
                    "network_bypassed",
                    "the network let it through against its own policy, and the mesh refused it",
                    "the bypass",
                    Tone::Warning,
                )
            },
            Self::MeshBypassed => ClassWords {
                exposed: Some(Exposed {
                    would_be: "admitted by the mesh alone",
                    open: "a layer open",
                    design: "would have been stopped by the network alone",
                }),
                ..words(
                    "mesh_bypassed",
                    "the mesh let it through against its own policy, and the network refused it",
                    "the bypass",
                    Tone::Warning,
                )
            },
            Self::WronglyDenied => words(
                "wrongly_denied",
                "it was meant to be let in, and a layer refused it",
                "the refusal",
                Tone::Warning,
            ),
            Self::Unreachable => words(
                "unreachable",
                "it got no answer before any layer had said no",
                "the failure",
                Tone::Info,
            ),
        }
    }

    /// Classes that an attempt can have for a while, the worst first.
    pub fn exposures() -> impl Iterator<Item = (Self, Exposed)> {
        let all = Self::WORDS.iter();
        all.filter_map(|(class, _)| Some((*class, class.words().exposed?)))
    }
}

/// What is said of a cause of delay.
#[derive(Clone, Copy, Debug)]
pub struct CauseWords {
    /// The word in files.
    pub word: &'static str,
    /// The letter that documents call it by; empty without one.
    pub letter: &'static str,
    /// In a table of one run.
    pub name: &'static str,
    /// In the head of a column.
    pub head: &'static str,
    /// What happens, after "by".
    pub by: &'static str,
    /// What must hold for it, after "It rests on".
    pub assumption: &'static str,
}

impl CauseWords {
    /// What happens, with the letter.
    #[must_use]
    pub fn by_with_letter(&self) -> String {
        match self.letter {
            "" => self.by.to_owned(),
            letter => format!("{} ({letter})", self.by),
        }
    }

    /// The head of its column, with the letter.
    #[must_use]
    pub fn head_with_letter(&self) -> String {
        match self.letter {
            "" => self.head.to_owned(),
            letter => format!("{letter}: {}", self.head),
        }
    }
}

impl DelayCause {
    /// What is said of it.
    #[must_use]
    pub const fn words(self) -> CauseWords {
        match self {
            Self::TokenReview => CauseWords {
                word: "token_review",
                letter: "A",
                name: "TokenReview",
                head: "TokenReview",
                by: "a TokenReview that hung or failed",
                assumption: "the cut Istiod staying an endpoint of its Service and accepting connections while it cannot ask \
                             the API server about a token",
            },
            Self::BlackHole => CauseWords {
                word: "black_hole",
                letter: "B",
                name: "black hole",
                head: "WireGuard peer",
                by: "a connection black-holed by the other node's WireGuard peers",
                assumption: "the cut node's agent knowing fresh addresses, and so WireGuard peers, only from the API server",
            },
            Self::Connection => CauseWords {
                word: "connection",
                letter: "",
                name: "connection",
                head: "other connection",
                by: "a connection that failed for another reason",
                assumption: "the Service keeping an endpoint that no longer answers",
            },
            Self::Webhook => CauseWords {
                word: "webhook",
                letter: "D",
                name: "webhook",
                head: "webhook",
                by: "an injection webhook that was not reached",
                assumption: "the path from the API server to that webhook being cut as well",
            },
            Self::EndpointLimiter => CauseWords {
                word: "endpoint_limiter",
                letter: "",
                name: "endpoint limiter",
                head: "Cilium's limiter",
                by: "Cilium's limiter of endpoint creations",
                assumption: "the agent's limits standing at their defaults",
            },
            Self::IstiodLimiter => CauseWords {
                word: "istiod_limiter",
                letter: "",
                name: "Istiod's limits",
                head: "Istiod's limiter",
                by: "an Istiod that refused for its own limits",
                assumption: "Istiod's limits standing at their defaults",
            },
            Self::KubeletApi => CauseWords {
                word: "kubelet_api",
                letter: "E",
                name: "kubelet's API limit",
                head: "kubelet's API limit",
                by: "the kubelet's limit of API requests",
                assumption: "so many pods starting on one node at once, and the kubelet's limit standing at its default; it \
                             needs no failure",
            },
        }
    }
}
