//! Clocks of nodes, Istiods and API servers: by how much each is off, and what it shows.
//!
//! Whoever measures a span of time reads only differences of one clock, which is right here at any offset: leases, leader elections,
//! time limits and back-offs do not know this file. What is written down by one clock and read by another is a [`Reading`]: the
//! validity of a certificate and of a token.

use std::collections::BTreeMap;
use std::fmt;

use super::ids::{FaultId, PodId};
use super::party::Party;
use crate::kernel::{SimDuration, SimTime};

/// By how much a clock is off: ahead, or behind if it is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset(i64);

impl Offset {
    /// So far ahead.
    #[must_use]
    pub fn ahead(span: SimDuration) -> Self {
        Self(signed(span))
    }

    /// So far behind.
    #[must_use]
    pub fn behind(span: SimDuration) -> Self {
        Self(-signed(span))
    }

    /// Whether it is ahead.
    #[must_use]
    pub const fn is_ahead(self) -> bool {
        self.0 > 0
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = SimDuration::from_nanos(self.0.unsigned_abs());
        write!(f, "{span} {}", if self.is_ahead() { "ahead" } else { "behind" })
    }
}

/// What a clock shows, in nanoseconds since the start of the run by a clock that is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading(i64);

impl Reading {
    /// A span later.
    #[must_use]
    pub fn plus(self, span: SimDuration) -> Self {
        Self(self.0.saturating_add(signed(span)))
    }

    /// A span earlier.
    #[must_use]
    pub fn minus(self, span: SimDuration) -> Self {
        Self(self.0.saturating_sub(signed(span)))
    }

    /// How long after another one it is; nothing if it is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> SimDuration {
        let span = self.0.saturating_sub(earlier.0);
        SimDuration::from_nanos(if span > 0 { span.unsigned_abs() } else { 0 })
    }
}

fn signed(span: SimDuration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

/// The clocks that faults set off, all others are right; and when tokens were issued.
#[derive(Debug, Default)]
pub struct Clocks {
    offsets: BTreeMap<Party, BTreeMap<FaultId, Offset>>,
    /// What the clock of its API server showed when the token of a pod was issued.
    issued: BTreeMap<PodId, Reading>,
}

impl Clocks {
    /// A fault sets a clock off, on top of what other faults do to it.
    pub fn set_off(&mut self, party: Party, by: Offset, fault: FaultId) {
        self.offsets.entry(party).or_default().insert(fault, by);
    }

    /// A fault no longer sets a clock off.
    pub fn correct(&mut self, party: Party, fault: FaultId) {
        if let Some(faults) = self.offsets.get_mut(&party) {
            faults.remove(&fault);
            if faults.is_empty() {
                self.offsets.remove(&party);
            }
        }
    }

    /// Whether no clock is off.
    #[must_use]
    pub fn are_right(&self) -> bool {
        self.offsets.is_empty()
    }

    /// By how much clocks are off together: that of an Istiod and that of its node.
    #[must_use]
    pub fn offset(&self, parties: &[Party]) -> Offset {
        if self.are_right() {
            return Offset::default();
        }
        let faults = parties.iter().filter_map(|party| self.offsets.get(party));
        let offsets = faults.flat_map(BTreeMap::values);
        offsets.fold(Offset::default(), |sum, one| Offset(sum.0.saturating_add(one.0)))
    }

    /// What the clock of a party shows at a time.
    #[must_use]
    pub fn shown(&self, party: Party, time: SimTime) -> Reading {
        shown(self.offset(&[party]), time)
    }

    /// When the clock of a party will show this, or has, if it stays as it is.
    #[must_use]
    pub fn time_of(&self, party: Party, reading: Reading) -> SimTime {
        let nanos = reading.0.saturating_sub(self.offset(&[party]).0);
        SimTime::from_nanos(u64::try_from(nanos).unwrap_or_default())
    }

    /// A token was issued to a pod.
    pub fn token_issued(&mut self, pod: PodId, reading: Reading) {
        self.issued.insert(pod, reading);
    }

    /// What the clock showed by which the token of a pod was issued.
    #[must_use]
    pub fn issued(&self, pod: PodId) -> Option<Reading> {
        self.issued.get(&pod).copied()
    }
}

/// What a clock shows that is off by so much.
#[must_use]
pub fn shown(offset: Offset, time: SimTime) -> Reading {
    let nanos = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    Reading(nanos.saturating_add(offset.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ids::NodeId;

    #[test]
    fn offsets_of_several_faults_add_up_and_leave_with_them() {
        let (node, time) = (Party::Node(NodeId(2)), SimTime::ZERO + SimDuration::from_secs(100));
        let mut clocks = Clocks::default();
        clocks.set_off(node, Offset::ahead(SimDuration::from_secs(30)), FaultId(0));
        clocks.set_off(node, Offset::behind(SimDuration::from_secs(50)), FaultId(1));
        let right = shown(Offset::default(), time);
        assert_eq!(right.since(clocks.shown(node, time)), SimDuration::from_secs(20));
        assert_eq!(clocks.time_of(node, clocks.shown(node, time)), time);
        clocks.correct(node, FaultId(1));
        assert_eq!(clocks.shown(node, time).since(right), SimDuration::from_secs(30));
        assert_eq!(clocks.shown(Party::Node(NodeId(1)), time), right);
        clocks.correct(node, FaultId(0));
        assert!(clocks.are_right());
    }

    #[test]
    fn an_offset_has_its_direction_in_words() {
        let span = SimDuration::from_secs(600);
        assert_eq!(Offset::behind(span).to_string(), format!("{span} behind"));
        assert_eq!(Offset::ahead(span).to_string(), format!("{span} ahead"));
    }
}
