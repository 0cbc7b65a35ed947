//! Where the connections of a sidecar's channel went, and what that cost its pod.

use smallvec::SmallVec;

use super::super::ids::IstiodId;
use super::super::istio::messages::Answer;
use super::super::observed::ChannelFact;
use super::super::records::DelayCause;
use crate::kernel::{SimDuration, SimTime};

/// Which replicas a channel connected to, and what that cost.
#[derive(Clone, Debug, Default)]
pub struct ChannelHistory {
    /// Istiods in the order of connections, with whether the connection failed its purpose.
    connections: SmallVec<[(IstiodId, bool); 2]>,
    /// Time lost, by cause.
    pub lost: SmallVec<[(DelayCause, SimDuration); 2]>,
    attempt_started: SimTime,
    failed: Option<DelayCause>,
}

impl ChannelHistory {
    /// Takes in what happened on the channel.
    pub(super) fn observe(&mut self, fact: &ChannelFact, now: SimTime) {
        match *fact {
            ChannelFact::Attempt => self.attempt(now),
            ChannelFact::Dialled(istiod, ..) => self.connections.push((istiod, false)),
            ChannelFact::Connected(Some((cause, span))) => self.lose(cause, span),
            ChannelFact::ReviewWaited(from) | ChannelFact::ReviewQueued(from) => {
                self.lose(Answer::Unauthenticated.cause(), now.since(from));
            }
            ChannelFact::NoEndpoint | ChannelFact::NotResolved | ChannelFact::Refused => {
                self.fail(DelayCause::Connection)
            }
            ChannelFact::TimedOut(_, cause) => self.fail(cause),
            ChannelFact::Answered(answer) if answer != Answer::Ok => self.fail(answer.cause()),
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
        if let Some(connection) = self.connections.last_mut() {
            connection.1 = true;
        }
        self.failed = Some(cause);
    }

    fn lose(&mut self, cause: DelayCause, span: SimDuration) {
        super::add(&mut self.lost, cause, span);
    }

    /// The replicas connected to, in order: `istiod-1 istiod-0`.
    pub(super) fn replicas_text(&self) -> String {
        let names: Vec<String> = self.connections.iter().map(|(istiod, _)| istiod.to_string()).collect();
        names.join(" ")
    }

    /// Connections that failed.
    pub(super) fn failed(&self) -> u32 {
        self.connections.iter().filter(|(_, bad)| *bad).count() as u32
    }
}
