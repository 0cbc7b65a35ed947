//! What other components call of kubelets.

use super::super::context::Ctx;
use super::super::event::{Event, KubeletEvent, Source};
use super::super::ids::{IstiodId, NodeId, PodId};
use super::super::party::{Home, Party};
use super::next_look;
use crate::kernel::{EventClass, SimDuration, SimTime, Timer};

/// Verbs with which other components notify a kubelet.
impl Ctx<'_> {
    /// The call under way of a kubelet's worker had its seat.
    pub fn status_served(&mut self, node: NodeId) {
        self.call(Event::Kubelet(node, KubeletEvent::StatusServed));
    }

    /// The token requests of a pod had their seat.
    pub fn tokens_served(&mut self, node: NodeId, pod: PodId) {
        self.call(Event::Kubelet(node, KubeletEvent::TokensServed(pod)));
    }

    /// The network plugin has connected a pod.
    pub fn network_ready(&mut self, node: NodeId, pod: PodId) {
        self.after(
            Source::Agent(node),
            EventClass::Physics,
            SimDuration::ZERO,
            Event::Kubelet(node, KubeletEvent::NetworkReady(pod)),
        );
    }

    /// The network plugin's call for a pod failed; `limited` if the agent's limiter refused it.
    pub fn network_failed(&mut self, node: NodeId, pod: PodId, limited: bool) {
        self.after(
            Source::Agent(node),
            EventClass::Physics,
            SimDuration::ZERO,
            Event::Kubelet(node, KubeletEvent::NetworkFailed(pod, limited)),
        );
    }

    /// A pod's container answers its probe from now on: the next tick of the probe sees it.
    pub fn probe_succeeds(&mut self, node: NodeId, pod: PodId, initial_delay: SimDuration, period: SimDuration) {
        let first = self.shared.physics.pod(pod).running_since + initial_delay;
        let ticks = self.now().since(first).as_nanos().div_ceil(period.as_nanos().max(1));
        self.at(
            Source::Kubelet(node),
            EventClass::Timer,
            first + period * ticks,
            Event::Kubelet(node, KubeletEvent::ReportReady(pod)),
        );
    }

    /// An Istiod serves: its pod is ready at once.
    pub fn istiod_ready(&mut self, istiod: IstiodId, node: NodeId, pod: PodId) {
        let event = match self.shared.processes.starts(Party::IstiodProcess(istiod)) {
            None => KubeletEvent::ReportReady(pod),
            Some(_) => KubeletEvent::Probed(pod, true),
        };
        self.after(
            Source::Istiod(istiod),
            EventClass::Timer,
            SimDuration::ZERO,
            Event::Kubelet(node, event),
        );
    }

    /// The kubelet of a node sees after a span that the pod of a process is ready.
    pub(in crate::cluster) fn daemon_is_ready_after(&mut self, party: Party, wait: SimDuration) {
        if let Home::Node(node) = party.home() {
            let event = Event::Kubelet(node, KubeletEvent::DaemonReady(party));
            self.after(Source::Kubelet(node), EventClass::Timer, wait, event);
        }
    }

    /// The kubelet of a node starts after a boot.
    pub fn kubelet_boots(&mut self, node: NodeId) {
        let event = Event::Kubelet(node, KubeletEvent::Booted);
        self.after(Source::Fault, EventClass::Timer, SimDuration::ZERO, event);
    }

    /// The next readiness probe of an Istiod's pod.
    #[must_use]
    pub(in crate::cluster) fn next_readiness_probe(&self, pod: PodId, period: SimDuration) -> SimTime {
        let since = self.shared.physics.pod(pod).running_since;
        let ticks = self.now().since(since).as_nanos().div_ceil(period.as_nanos().max(1));
        since + period * ticks
    }

    /// A readiness probe ends otherwise than the one before.
    pub(in crate::cluster) fn probe_ends(&mut self, node: NodeId, pod: PodId, at: SimTime, passed: bool) -> Timer {
        let event = Event::Kubelet(node, KubeletEvent::Probed(pod, passed));
        self.at(Source::Kubelet(node), EventClass::Timer, at, event)
    }

    /// The container of an Istiod ends: its kubelet sees that at its next look, reports it, and starts it again after a wait.
    pub(in crate::cluster) fn container_ends(&mut self, pod: PodId, wait: SimDuration) {
        let Some((node, _)) = self.shared.physics.pod(pod).place else {
            return;
        };
        let look = next_look(node, self.now(), self);
        self.probe_ends(node, pod, look, false);
        let event = Event::Kubelet(node, KubeletEvent::StartAgain(pod));
        self.at(Source::Kubelet(node), EventClass::Timer, look + wait, event);
    }

    /// The link of a node's kubelet works again.
    pub fn kubelet_repaired(&mut self, node: NodeId) {
        self.after(
            Source::Fault,
            EventClass::Timer,
            SimDuration::ZERO,
            Event::Kubelet(node, KubeletEvent::Repaired),
        );
    }
}
