//! Faults: one file per kind, and the table of kinds. A kind owns its form in experiment files, its checks with their messages, how
//! it starts and ends for one party, its words, the switches that a counterfactual may turn and its link in a causal chain.
//!
//! Adding a kind means its own file, a line in the table and one for its module, and the component that feels it. A kind does
//! not reach into the world: its file declares by a trait of its own what it needs from the world, and the affected component
//! implements that trait for the context. Who is touched when, and by which faults, belongs to `cluster/fault.rs`.

pub mod clock_skew;
pub mod crash;
pub mod cut;
pub mod delay;
pub mod etcd_quorum;
pub mod fault;
pub mod form;
pub mod hang;
pub mod loss;
pub mod node_down;
pub mod out_of_memory;
pub mod overload;
pub mod partition;
pub mod path;
pub mod place;
pub mod process;
pub mod restart;
pub mod slow;
pub mod stale_cache;
pub mod touched;
pub mod triggers;
pub mod webhook;
pub mod when;

use std::ops::Deref;

use super::ids::FaultId;
use super::party::Party;
use fault::Fault;
use form::{Complaint, Form, Written};
pub use when::When;

/// A fault.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultSpec {
    /// Its name in the experiment.
    pub name: String,
    /// When it acts.
    pub when: When,
    /// What it does, where and to whom.
    pub kind: FaultKind,
}

/// A kind of fault as experiment files have it.
#[derive(Debug)]
pub struct KindForm {
    /// Its form.
    pub form: &'static Form,
    /// Makes a fault of what is written.
    pub read: fn(&Written<'_>) -> Result<FaultKind, Complaint>,
}

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident($kind:path) by $($verbs:path),+;)+) => {
        /// What a fault does, where and to whom.
        #[derive(Clone, Debug, PartialEq)]
        pub enum FaultKind {
            $($(#[$doc])* $variant($kind),)+
        }

        /// All kinds of faults.
        pub const KINDS: &[KindForm] = &[$(KindForm {
            form: &<$kind>::FORM,
            read: |written| <$kind>::read(written).map(FaultKind::$variant),
        },)+];

        impl FaultKind {
            /// It starts to act on a party.
            pub fn begin<W: $($($verbs +)+)+ ?Sized>(&self, fault: FaultId, party: Party, world: &mut W) {
                match self { $(Self::$variant(kind) => kind.begin(fault, party, world),)+ }
            }

            /// It no longer acts on a party.
            pub fn end<W: $($($verbs +)+)+ ?Sized>(&self, fault: FaultId, party: Party, world: &mut W) {
                match self { $(Self::$variant(kind) => kind.end(fault, party, world),)+ }
            }
        }

        impl Deref for FaultKind {
            type Target = dyn Fault;

            fn deref(&self) -> &(dyn Fault + 'static) {
                match self { $(Self::$variant(kind) => kind,)+ }
            }
        }
    };
}

// The kinds, each with what it asks of the world.
faults! {
    /// Connections to the API server are cut.
    Cut(cut::Cut) by cut::Cuts;
    /// Paths between nodes are cut.
    Partition(partition::Partition) by path::Paths, cut::Cuts;
    /// Paths between nodes lose packets.
    Loss(loss::Loss) by path::Paths;
    /// Paths between nodes are slow.
    Delay(delay::Delay) by path::Paths;
    /// Requests come to API servers.
    Overload(overload::Overload) by overload::Overloads;
    /// API servers can write nothing.
    EtcdQuorum(etcd_quorum::EtcdQuorum) by etcd_quorum::Quorum;
    /// Watch caches of API servers are behind.
    StaleCache(stale_cache::StaleCache) by stale_cache::Caches;
    /// Nodes have no power.
    NodeDown(node_down::NodeDown) by node_down::Powers;
    /// Processes are frozen.
    Hang(hang::Hang) by process::Processes;
    /// Processes end, and again after each start.
    Crash(crash::Crash) by process::Processes;
    /// Processes are restarted once.
    Restart(restart::Restart) by process::Processes;
    /// Processes are killed for lack of memory.
    OutOfMemory(out_of_memory::OutOfMemory) by process::Processes;
    /// Processes are slow.
    Slow(slow::Slow) by process::Processes;
    /// Injection webhooks are disturbed.
    Webhook(webhook::Webhook) by webhook::Webhooks;
    /// Clocks are off.
    ClockSkew(clock_skew::ClockSkew) by clock_skew::ClocksOff;
}
