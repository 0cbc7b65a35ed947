//! Where the connections of a sidecar's channel went, and what that cost its pod.

use smallvec::SmallVec;

use crate::cluster::ids::IstiodId;
use crate::cluster::records::DelayCause;
use crate::kernel::{SimDuration, SimTime};

/// Where a leg landed and what that cost.
#[derive(Clone, Debug, Default)]
pub struct LegHistory {
    /// Istiods in the order of connections, with whether the connection failed its purpose.
    pub landings: SmallVec<[(IstiodId, bool); 2]>,
    /// Time lost, by cause.
    pub lost: SmallVec<[(DelayCause, SimDuration); 2]>,
    attempt_started: SimTime,
    failed: Option<DelayCause>,
}

impl LegHistory {
    /// A connection goes to this Istiod.
    pub fn landed(&mut self, istiod: IstiodId) {
        self.landings.push((istiod, false));
    }

    /// An attempt begins: what the one before cost is known now.
    pub fn attempt(&mut self, now: SimTime) {
        if let Some(cause) = self.failed.take() {
            self.lose(cause, now.since(self.attempt_started));
        }
        self.attempt_started = now;
    }

    /// The attempt failed.
    pub fn fail(&mut self, cause: DelayCause) {
        if let Some(landing) = self.landings.last_mut() {
            landing.1 = true;
        }
        self.failed = Some(cause);
    }

    /// Time lost without a failure.
    pub fn lose(&mut self, cause: DelayCause, span: SimDuration) {
        match self.lost.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, total)) => *total += span,
            None => self.lost.push((cause, span)),
        }
    }

    /// The story of landings, `istiod-1 istiod-0`.
    #[must_use]
    pub fn landings_text(&self) -> String {
        let names: Vec<String> = self.landings.iter().map(|(istiod, _)| istiod.to_string()).collect();
        names.join(" ")
    }

    /// Landings that failed.
    #[must_use]
    pub fn bad_landings(&self) -> u32 {
        self.landings.iter().filter(|(_, bad)| *bad).count() as u32
    }
}
