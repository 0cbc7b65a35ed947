//! How the judge hears of what may change its answers: the verbs of other components, and the facts about pods.

use std::net::Ipv4Addr;

use super::super::context::Ctx;
use super::super::event::{Event, JudgeEvent, Source};
use super::super::history::VersionIndex;
use super::super::ids::{IstiodId, NodeId, PodId, ServiceId};
use super::super::observed::{Fact, PodFact};
use crate::kernel::{EventClass, SimDuration};

/// Verbs with which other components notify the judge. It receives only what some pair depends on.
impl Ctx<'_> {
    /// A pod can send and receive, or its proxy came up or may choose among other backends.
    pub fn judge_looks_at(&mut self, by: Source, pod: PodId) {
        self.notify_judge(by, JudgeEvent::Connected(pod));
    }

    /// A pod ran when the run began: it may send and serve.
    pub fn judge_counts(&mut self, by: Source, pod: PodId) {
        self.notify_judge(by, JudgeEvent::Changed(pod));
    }

    /// An identity was created.
    pub fn judge_hears_of_identity(&mut self, index: VersionIndex) {
        if !self.shared.watchlist.addresses.is_empty() {
            self.notify_judge(Source::ApiServer, JudgeEvent::IdentityWritten(index));
        }
    }

    /// Exposure windows that depend on this address are looked at again when the nodes concerned have read the write.
    pub fn judge_hears_of_endpoint(&mut self, ip: Ipv4Addr, index: VersionIndex) {
        if self.shared.watchlist.addresses.contains(&ip) {
            self.notify_judge(Source::ApiServer, JudgeEvent::EndpointWritten(ip, index));
        }
    }

    /// The backends of a Service changed.
    pub fn judge_hears_of_slice(&mut self, service: ServiceId, index: VersionIndex) {
        if self.shared.watchlist.services.contains(&service) {
            self.notify_judge(Source::ApiServer, JudgeEvent::SliceWritten(service, index));
        }
    }

    /// An Istiod made a snapshot of a Service.
    pub fn judge_hears_of_snapshot(&mut self, istiod: IstiodId, service: ServiceId, index: VersionIndex) {
        if self.shared.watchlist.services.contains(&service) {
            let event = JudgeEvent::SnapshotWritten(service, index, istiod);
            self.notify_judge(Source::Istiod(istiod), event);
        }
    }

    /// A pod lost its address.
    pub fn address_released(&mut self, by: Source, pod: PodId, ip: Ipv4Addr) {
        if self.shared.watchlist.addresses.contains(&ip) {
            self.notify_judge(by, JudgeEvent::Released(pod, ip));
        }
    }

    /// Something happened to a pod: it may send or serve from now on, or no more.
    #[inline]
    pub fn judge_notices(&mut self, fact: &Fact) {
        let Fact::Pod(pod, fact) = fact else { return };
        let counts = match fact {
            PodFact::Updated(old, new) => (old.ready, old.deleting) != (new.ready, new.deleting),
            PodFact::NetworkReady | PodFact::ContainersUp | PodFact::ProxyLive | PodFact::Stopped => true,
            PodFact::Freed(_) | PodFact::Removed => true,
            _ => false,
        };
        if counts && self.shared.kind(*pod).is_watched() {
            self.call(Event::Judge(JudgeEvent::Changed(*pod)));
        }
    }

    /// Packets pass no more between some nodes, or again.
    pub fn judge_hears_of_paths(&mut self) {
        let watchlist = &mut self.shared.watchlist;
        let now = self.kernel.now();
        if !watchlist.addresses.is_empty() && watchlist.paths_changed.replace(now) != Some(now) {
            self.notify_judge(Source::Fault, JudgeEvent::PathsChanged);
        }
    }

    /// A reader of a node whose cursor was cut off reads again.
    pub fn reads_again(&mut self, by: Source, node: NodeId) {
        if !self.shared.watchlist.addresses.is_empty() {
            // From a cache that is behind, versions are on their way.
            let event = if self.shared.caches.are_fresh() {
                JudgeEvent::ReadsAgain(node)
            } else {
                JudgeEvent::ReadsLate(node)
            };
            self.notify_judge(by, event);
        }
    }

    fn notify_judge(&mut self, by: Source, event: JudgeEvent) {
        self.after(by, EventClass::Observe, SimDuration::ZERO, Event::Judge(event));
    }
}
