//! Access classes and causes of delay: the word of each in files, and everything that any page says of it.
//!
//! The enums are facts of `cluster::records`; measures have their words in `measures`. Colours are chosen by `report`.

use super::cell::Word;
use crate::cluster::records::{AccessClass, DelayCause};

#[derive(Clone, Copy, Debug)]
pub struct ClassWords {
    /// The word in files and on command lines.
    pub word: &'static str,
    pub meaning: &'static str,
    /// What the end of its story is called.
    pub noun: &'static str,
    /// How it looks to the owner of the policies.
    pub tone: Tone,
    /// What an attempt would have been that is open for a while; none for classes that are no exposure.
    pub exposed: Option<&'static Exposed>,
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
    Good,
    /// Against all policy.
    Bad,
    /// Against some policy.
    Warning,
    /// Neither.
    Info,
}

/// A row per class: word, meaning, noun, tone, and of exposures what the attempt would be, the lane and the design.
macro_rules! classes {
    ($($class:ident $word:literal $meaning:literal $noun:literal $tone:ident
        $(($would_be:literal $open:literal $design:literal))?;)+) => {
        pub const fn words(self) -> ClassWords {
            match self {
                $(Self::$class => {
                    let exposed: &[Exposed] = &[$(Exposed { would_be: $would_be, open: $open, design: $design })?];
                    ClassWords { word: $word, meaning: $meaning, noun: $noun, tone: Tone::$tone, exposed: exposed.first() }
                })+
            }
        }
    };
}

impl AccessClass {
    classes! {
        Allowed "allowed" "it was meant to be let in, and it was" "the answer" Good;
        Denied "denied" "it was meant to be refused, and it was" "the answer" Good;
        Unauthorized "unauthorized" "it was meant to be refused, and every layer of the design let it in" "the breach" Bad
            ("unauthorized" "open" "is open to the wrong client");
        NetworkBypassed "network_bypassed" "the network let it through against its own policy, and the mesh refused it"
            "the bypass" Warning
            ("admitted by the network alone" "network open, mesh not" "would have been stopped by the mesh alone");
        MeshBypassed "mesh_bypassed" "the mesh let it through against its own policy, and the network refused it"
            "the bypass" Warning
            ("admitted by the mesh alone" "a layer open" "would have been stopped by the network alone");
        WronglyDenied "wrongly_denied" "it was meant to be let in, and a layer refused it" "the refusal" Warning
            ("wrongly denied" "closed" "keeps a client out that its policies admit");
        WrongServer "wrong_server" "a pod of another workload than the one called answered it" "the answer of another workload" Warning;
        Unreachable "unreachable" "it got no answer, and no layer had refused it" "the failure" Info;
    }

    /// Classes that an attempt can have for a while, the worst first.
    pub fn exposures() -> impl Iterator<Item = (Self, &'static Exposed)> {
        let all = Self::WORDS.iter();
        all.filter_map(|(class, _)| Some((*class, class.words().exposed?)))
    }
}

#[derive(Clone, Copy, Debug)]
pub struct CauseWords {
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
    pub fn by_with_letter(&self) -> String {
        match self.letter {
            "" => self.by.to_owned(),
            letter => format!("{} ({letter})", self.by),
        }
    }

    /// The head of its column, with the letter.
    pub fn head_with_letter(&self) -> String {
        match self.letter {
            "" => self.head.to_owned(),
            letter => format!("{letter}: {}", self.head),
        }
    }
}

/// A row per cause: word, letter, name, head, what happens, and what must hold for it.
macro_rules! causes {
    ($($cause:ident $word:literal $letter:literal $name:literal $head:literal $by:literal $assumption:literal;)+) => {
        pub const fn words(self) -> CauseWords {
            let [word, letter, name, head, by, assumption] = match self {
                $(Self::$cause => [$word, $letter, $name, $head, $by, $assumption]),+
            };
            CauseWords { word, letter, name, head, by, assumption }
        }
    };
}

impl DelayCause {
    causes! {
        TokenReview "token_review" "A" "TokenReview" "TokenReview" "a TokenReview that hung or failed"
            "the cut Istiod staying an endpoint of its Service and accepting connections while it cannot check a token at the API server";
        BlackHole "black_hole" "B" "black hole" "WireGuard peer"
            "a connection dropped by the cut node, whose WireGuard peers lack the new pod's IP"
            "the agent learning new IPs, and WireGuard's allowed IPs, only from the API server";
        Connection "connection" "" "connection" "other connection" "a connection that failed for another reason"
            "the Service keeping an endpoint that no longer answers";
        Webhook "webhook" "D" "webhook" "webhook" "an injection webhook that was not reached"
            "the path from the API server to that webhook being cut as well";
        EndpointLimiter "endpoint_limiter" "" "endpoint limiter" "Cilium's limiter" "Cilium's limiter of endpoint creations"
            "the agent's limits standing at their defaults";
        IstiodLimiter "istiod_limiter" "" "Istiod's limits" "Istiod's limiter" "an Istiod that refused for its own limits"
            "Istiod's limits standing at their defaults";
        KubeletApi "kubelet_api" "E" "kubelet's API limit" "kubelet's API limit" "the kubelet's limit of API requests"
            "so many pods starting on one node at once, and the kubelet's limit standing at its default; it needs no failure";
        Node "node" "F" "node" "node" "a node whose kubelet or Cilium agent did not work or had no API server"
            "the scheduler binding pods to the node until it is marked NotReady";
    }
}
