//! Paths between nodes: which faults packets between pods of two nodes meet, and since when nothing has passed.
//!
//! What a packet makes of it belongs to its sender; who hears of a change, to `path_faults`. Packets inside a node touch no path.

use std::collections::BTreeSet;

use super::faults::cut::CutMode;
use super::faults::path::{Between, Direction, Impairment};
use super::ids::{FaultId, NodeId};
use super::links::Cut;
use crate::kernel::{Distribution, SimTime};

/// What faults do to paths; all other paths are whole.
#[derive(Debug, Default)]
pub struct Paths {
    /// Faults that act, and cuts that ended while others acted.
    spans: Vec<Span>,
}

/// What one fault does from one of its starts to its end.
#[derive(Debug)]
struct Span {
    fault: FaultId,
    /// The nodes of its target.
    nodes: BTreeSet<NodeId>,
    between: Between,
    what: Impairment,
    from: SimTime,
    to: Option<SimTime>,
}

impl Span {
    /// Whether a node is on the other side.
    fn faces(&self, node: NodeId) -> bool {
        match &self.between.others {
            Some(others) => others.contains(&node),
            None => !self.nodes.contains(&node),
        }
    }

    /// Whether it acts on packets that go from one node to another one.
    fn touches(&self, from: NodeId, to: NodeId) -> bool {
        let outbound = self.nodes.contains(&from) && self.faces(to);
        let inbound = self.nodes.contains(&to) && self.faces(from);
        from != to
            && match self.between.direction {
                Direction::Both => outbound || inbound,
                Direction::Outbound => outbound,
                Direction::Inbound => inbound,
            }
    }

    /// How it cuts packets that go from one node to another one, if it does.
    fn cuts(&self, from: NodeId, to: NodeId) -> Option<CutMode> {
        match self.what {
            Impairment::Cut(mode) if self.touches(from, to) => Some(mode),
            _ => None,
        }
    }
}

impl Paths {
    /// A fault acts on the packets between a node of its target and the other side.
    pub fn impair(&mut self, node: NodeId, between: &Between, what: Impairment, fault: FaultId, now: SimTime) {
        let acting = self
            .spans
            .iter_mut()
            .find(|span| span.fault == fault && span.to.is_none());
        match acting {
            Some(span) => drop(span.nodes.insert(node)),
            None => self.spans.push(Span {
                fault,
                nodes: BTreeSet::from([node]),
                between: between.clone(),
                what,
                from: now,
                to: None,
            }),
        }
    }

    /// A fault ends, for all nodes of its target.
    pub fn mend(&mut self, fault: FaultId, now: SimTime) {
        for span in &mut self.spans {
            if span.fault == fault {
                span.to = span.to.or(Some(now));
            }
        }
        self.forget(now);
    }

    /// Forgets what has ended, but for a cut that may be the beginning of a silence that goes on: another one that began while it acted
    /// still acts or is such a beginning itself, or may begin now.
    fn forget(&mut self, now: SimTime) {
        let is_cut = |span: &Span| matches!(span.what, Impairment::Cut(_));
        let silence = self.acting().any(is_cut);
        // They are in the order in which they began. The latest first: what continues a cut began after it.
        let mut begins: Vec<SimTime> = Vec::new();
        for place in (0..self.spans.len()).rev() {
            let span = &self.spans[place];
            let goes_on = |to: SimTime| to >= now || begins.iter().any(|begin| span.from < *begin && *begin <= to);
            if !span.to.is_none_or(|to| silence && is_cut(span) && goes_on(to)) {
                self.spans.remove(place);
            } else if is_cut(span) {
                begins.push(span.from);
            }
        }
    }

    fn acting(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(|span| span.to.is_none())
    }

    /// Whether no fault acts.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether no fault acts on packets between two nodes.
    #[must_use]
    pub fn are_whole(&self, one: NodeId, other: NodeId) -> bool {
        !self
            .acting()
            .any(|span| span.touches(one, other) || span.touches(other, one))
    }

    /// The cut of the path from a client to a server, if nothing passes: as the client meets it.
    #[must_use]
    pub fn cut(&self, client: NodeId, server: NodeId) -> Option<Cut> {
        let strongest = |from, to| self.acting().filter_map(move |span| span.cuts(from, to)).min();
        let mode = match (strongest(client, server), strongest(server, client)) {
            (Some(mode), _) => mode,
            // What the server sends vanishes, or is rejected where only the server notices.
            (None, Some(_)) => CutMode::RepliesOnly,
            (None, None) => return None,
        };
        let cuts = |span: &&Span| span.cuts(client, server).or(span.cuts(server, client)).is_some();
        let mut since = SimTime::NEVER;
        loop {
            let goes_on = |span: &&Span| span.from < since && span.to.is_none_or(|to| to >= since);
            match self
                .spans
                .iter()
                .filter(cuts)
                .filter(goes_on)
                .map(|span| span.from)
                .min()
            {
                Some(from) => since = from,
                None => return Some(Cut { mode, since }),
            }
        }
    }

    /// The share of packets from one node to another one that is lost.
    #[must_use]
    pub fn share_lost(&self, from: NodeId, to: NodeId) -> f64 {
        let passing = self.acting().filter_map(|span| match span.what {
            Impairment::Loss(share) if span.touches(from, to) => Some(1.0 - share),
            _ => None,
        });
        1.0 - passing.product::<f64>()
    }

    /// What is added to the way of a packet from one node to another one, by each fault.
    pub fn delays(&self, from: NodeId, to: NodeId) -> impl Iterator<Item = (FaultId, Distribution)> {
        self.acting().filter_map(move |span| match span.what {
            Impairment::Delay(latency) if span.touches(from, to) => Some((span.fault, latency)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SimDuration;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);
    const C: NodeId = NodeId(3);

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs(seconds)
    }

    fn between(others: Option<Vec<NodeId>>, direction: Direction) -> Between {
        Between { others, direction }
    }

    fn mode(paths: &Paths, client: NodeId, server: NodeId) -> Option<CutMode> {
        paths.cut(client, server).map(|cut| cut.mode)
    }

    #[test]
    fn without_another_side_all_other_nodes_are_cut_off() {
        let mut paths = Paths::default();
        let drop = Impairment::Cut(CutMode::Drop);
        for node in [A, B] {
            paths.impair(node, &between(None, Direction::Both), drop, FaultId(0), at(1));
        }
        for (one, other) in [(A, C), (C, A), (B, C), (C, B)] {
            assert_eq!(mode(&paths, one, other), Some(CutMode::Drop));
            assert!(!paths.are_whole(one, other));
        }
        for (one, other) in [(A, B), (B, A), (A, A), (C, C)] {
            assert_eq!(mode(&paths, one, other), None, "inside a side");
            assert!(paths.are_whole(one, other));
        }
        paths.mend(FaultId(0), at(2));
        assert!(paths.spans.is_empty());
    }

    #[test]
    fn one_direction_is_enough_to_cut_both_and_only_its_sender_is_rejected() {
        let mut paths = Paths::default();
        let reject = Impairment::Cut(CutMode::Reject);
        let outbound = between(Some(vec![B]), Direction::Outbound);
        paths.impair(A, &outbound, reject, FaultId(0), at(1));
        assert_eq!(mode(&paths, A, B), Some(CutMode::Reject));
        assert_eq!(mode(&paths, B, A), Some(CutMode::RepliesOnly));
        let inbound = between(Some(vec![B]), Direction::Inbound);
        paths.impair(A, &inbound, Impairment::Cut(CutMode::Drop), FaultId(1), at(1));
        assert_eq!(mode(&paths, A, B), Some(CutMode::Reject));
        assert_eq!(mode(&paths, B, A), Some(CutMode::Drop));
        assert_eq!(mode(&paths, A, C), None);
    }

    #[test]
    fn a_silence_begins_with_the_first_of_cuts_that_overlap() {
        let mut paths = Paths::default();
        let both = between(None, Direction::Both);
        let drop = Impairment::Cut(CutMode::Drop);
        let since = |paths: &Paths| paths.cut(C, A).map(|cut| cut.since);
        paths.impair(A, &both, drop, FaultId(0), at(1));
        paths.impair(A, &both, drop, FaultId(1), at(5));
        paths.mend(FaultId(0), at(6));
        assert_eq!(since(&paths), Some(at(1)));
        // The same fault again, and one that touches both ends.
        paths.impair(C, &both, drop, FaultId(0), at(7));
        paths.mend(FaultId(1), at(8));
        assert_eq!(since(&paths), Some(at(1)));
        paths.mend(FaultId(0), at(9));
        assert_eq!(since(&paths), None);
        paths.impair(A, &both, drop, FaultId(0), at(10));
        assert_eq!(since(&paths), Some(at(10)), "it passed in between");
    }

    /// A cut that comes and goes while another lasts: what has ended before the other one's silence began is not kept.
    #[test]
    fn cuts_that_repeat_leave_nothing_behind() {
        let mut paths = Paths::default();
        let drop = Impairment::Cut(CutMode::Drop);
        let both = between(None, Direction::Both);
        paths.impair(A, &both, drop, FaultId(0), at(1));
        for turn in 1..100 {
            paths.impair(B, &both, drop, FaultId(1), at(2 * turn));
            assert_eq!(paths.cut(B, C).map(|cut| cut.since), Some(at(2 * turn)));
            paths.mend(FaultId(1), at(2 * turn + 1));
            assert_eq!(paths.cut(A, B).map(|cut| cut.since), Some(at(1)));
        }
        assert!(paths.spans.len() <= 2, "{:?}", paths.spans);
    }

    #[test]
    fn shares_and_delays_of_several_faults_combine() {
        let mut paths = Paths::default();
        let there = between(Some(vec![B]), Direction::Outbound);
        paths.impair(A, &there, Impairment::Loss(0.5), FaultId(0), at(1));
        paths.impair(A, &there, Impairment::Loss(0.2), FaultId(1), at(1));
        assert!((paths.share_lost(A, B) - 0.6).abs() < 1e-12);
        assert!(paths.share_lost(B, A).abs() < 1e-12);
        let late = Distribution::Constant(SimDuration::from_secs(1));
        paths.impair(A, &there, Impairment::Delay(late), FaultId(2), at(1));
        assert_eq!(paths.delays(A, B).collect::<Vec<_>>(), [(FaultId(2), late)]);
        assert_eq!(paths.delays(B, A).count(), 0);
        assert_eq!(paths.cut(A, B), None);
    }
}
