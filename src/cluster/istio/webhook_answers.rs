//! The injection webhooks that faults disturb, and what each makes of a call that reaches it. Calls that do not reach one belong to `links`.

use std::collections::BTreeMap;

use crate::cluster::faults::webhook::Answer;
use crate::cluster::ids::FaultId;
use crate::cluster::party::Party;
use crate::kernel::SimDuration;

/// The webhooks that answer otherwise than they should; all others do their work.
#[derive(Debug, Default)]
pub struct WebhookAnswers {
    disturbed: BTreeMap<Party, BTreeMap<FaultId, Answer>>,
}

impl WebhookAnswers {
    /// A fault disturbs a webhook.
    pub fn disturb(&mut self, party: Party, answer: Answer, fault: FaultId) {
        self.disturbed.entry(party).or_default().insert(fault, answer);
    }

    /// A fault no longer disturbs it.
    pub fn calm(&mut self, party: Party, fault: FaultId) {
        if let Some(faults) = self.disturbed.get_mut(&party) {
            faults.remove(&fault);
        }
    }

    fn of(&self, party: Party) -> impl Iterator<Item = &Answer> {
        self.disturbed.get(&party).into_iter().flat_map(BTreeMap::values)
    }

    /// Whether handshakes with it fail.
    #[must_use]
    pub fn has_bad_certificate(&self, party: Party) -> bool {
        self.of(party).any(|answer| *answer == Answer::BadCertificate)
    }

    /// Whether its answers are errors.
    #[must_use]
    pub fn fails(&self, party: Party) -> bool {
        self.of(party).any(|answer| *answer == Answer::Error)
    }

    /// How much later its answers come.
    #[must_use]
    pub fn delay(&self, party: Party) -> SimDuration {
        let delays = self.of(party).filter_map(|answer| match answer {
            Answer::Slow(delay) => Some(*delay),
            _ => None,
        });
        delays.fold(SimDuration::ZERO, |sum, delay| sum + delay)
    }
}
