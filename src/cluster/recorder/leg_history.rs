//! Where the connections of a sidecar's channel went, and what that cost its pod.

use smallvec::SmallVec;

use super::super::ids::IstiodId;
use super::super::istio::messages::Answer;
use super::super::observed::LegFact;
use super::super::records::DelayCause;
use crate::kernel::{SimDuration, SimTime};

/// Where a leg landed and what that cost.
#[derive(Clone, Debug, Default)]
pub struct LegHistory {
    /// Istiods in the order of connections, with whether the connection failed its purpose.
    landings: SmallVec<[(IstiodId, bool); 2]>,
    /// Time lost, by cause.
    pub lost: SmallVec<[(DelayCause, SimDuration); 2]>,
    attempt_started: SimTime,
    failed: Option<DelayCause>,
}

impl LegHistory {
    /// Takes in what happened on the leg.
    pub(super) fn observe(&mut self, fact: &LegFact, now: SimTime) {
        match *fact {
            LegFact::Attempt => self.attempt(now),
            LegFact::Dialled(istiod, ..) => self.landings.push((istiod, false)),
            LegFact::Connected(Some((cause, span))) => self.lose(cause, span),
            LegFact::NoEndpoint | LegFact::Refused => self.fail(DelayCause::Connection),
            LegFact::TimedOut(_, cause) => self.fail(cause),
            LegFact::Answered(answer) if answer != Answer::Ok => self.fail(answer.cause()),
            _ => {}
        }
    }

    /// An attempt begins, or the run ends: what the attempt before cost is known now.
    pub(super) fn attempt(&mut self, now: SimTime) {
        if let Some(cause) = self.failed.take() {
            self.lose(cause, now.since(self.attempt_started));
        }
        self.attempt_started = now;
    }

    fn fail(&mut self, cause: DelayCause) {
        if let Some(landing) = self.landings.last_mut() {
            landing.1 = true;
        }
        self.failed = Some(cause);
    }

    fn lose(&mut self, cause: DelayCause, span: SimDuration) {
        super::add(&mut self.lost, cause, span);
    }

    /// The story of landings, `istiod-1 istiod-0`.
    pub(super) fn landings_text(&self) -> String {
        let names: Vec<String> = self.landings.iter().map(|(istiod, _)| istiod.to_string()).collect();
        names.join(" ")
    }

    /// Landings that failed.
    pub(super) fn bad_landings(&self) -> u32 {
        self.landings.iter().filter(|(_, bad)| *bad).count() as u32
    }
}
