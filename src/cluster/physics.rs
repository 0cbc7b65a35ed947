//! What is so: which pod holds an address on which node, and what runs.
//!
//! The wire obeys this; no component believes it. Invariant: an address has at most one holder.

use std::net::Ipv4Addr;

use rustc_hash::FxHashMap;

use super::ids::{NodeId, PodId};
use super::objects::Ended;
use crate::kernel::SimTime;

/// The physical state of one pod.
#[derive(Clone, Copy, Debug, Default)]
pub struct PodPhysics {
    /// Its node and address, while it has a sandbox with a network.
    pub place: Option<(NodeId, Ipv4Addr)>,
    /// Its endpoint's programs are in place: it can send and receive.
    pub connected: bool,
    /// Its own containers run.
    pub running: bool,
    /// Since when they do, or did.
    pub running_since: SimTime,
    /// Its proxy serves traffic.
    pub proxy_live: bool,
    /// How often its containers were started again.
    pub restarts: u32,
    /// All its containers have ended for good.
    pub ended: Option<Ended>,
}

/// The physical state of all pods.
#[derive(Clone, Debug, Default)]
pub struct Physics {
    pods: Vec<PodPhysics>,
    // Looked up, never iterated.
    holders: FxHashMap<Ipv4Addr, PodId>,
}

impl Physics {
    /// Makes room for one more pod.
    pub fn add_pod(&mut self) {
        self.pods.push(PodPhysics::default());
    }

    /// A pod's state.
    #[must_use]
    pub fn pod(&self, pod: PodId) -> &PodPhysics {
        &self.pods[pod.index()]
    }

    /// Gives a pod an address.
    ///
    /// # Panics
    /// If another pod holds it.
    pub fn take_address(&mut self, pod: PodId, node: NodeId, ip: Ipv4Addr) {
        let previous = self.holders.insert(ip, pod);
        assert!(
            previous.is_none(),
            "{ip} is given to {pod:?} while {previous:?} holds it"
        );
        self.pods[pod.index()].place = Some((node, ip));
    }

    /// Takes a pod's address away and ends all that runs in it.
    ///
    /// # Panics
    /// If another pod holds the address.
    pub fn release_address(&mut self, pod: PodId) {
        let state = &mut self.pods[pod.index()];
        let left = PodPhysics {
            restarts: state.restarts,
            ended: state.ended,
            ..PodPhysics::default()
        };
        if let Some((_, ip)) = std::mem::replace(state, left).place {
            let holder = self.holders.remove(&ip);
            assert!(holder == Some(pod), "{ip} of {pod:?} is held by {holder:?}");
        }
    }

    /// The endpoint's programs are in place.
    pub fn connect(&mut self, pod: PodId) {
        self.pods[pod.index()].connected = true;
    }

    /// The pod's containers run.
    pub fn starts_running(&mut self, pod: PodId, now: SimTime) {
        let state = &mut self.pods[pod.index()];
        state.running = true;
        state.running_since = now;
    }

    /// A run of the pod's own containers ends.
    pub fn run_ends(&mut self, pod: PodId) {
        self.pods[pod.index()].running = false;
    }

    /// The pod's containers are started again.
    pub fn restarts(&mut self, pod: PodId) {
        self.pods[pod.index()].restarts += 1;
    }

    /// All containers of the pod have ended for good.
    pub fn finishes(&mut self, pod: PodId, ended: Ended) {
        self.stops_running(pod);
        self.pods[pod.index()].ended = Some(ended);
    }

    /// The pod's containers stop, its proxy among them.
    pub fn stops_running(&mut self, pod: PodId) {
        let state = &mut self.pods[pod.index()];
        state.running = false;
        state.proxy_live = false;
    }

    /// The pod's node has no power: nothing of it is left but its address.
    pub fn loses_power(&mut self, pod: PodId) {
        self.stops_running(pod);
        self.pods[pod.index()].connected = false;
    }

    /// The pod's proxy serves traffic.
    pub fn set_proxy_live(&mut self, pod: PodId) {
        self.pods[pod.index()].proxy_live = true;
    }

    /// Who holds an address.
    #[must_use]
    pub fn holder(&self, ip: Ipv4Addr) -> Option<PodId> {
        self.holders.get(&ip).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "is given to")]
    fn an_address_has_one_holder() {
        let mut physics = Physics::default();
        physics.add_pod();
        physics.add_pod();
        let ip = Ipv4Addr::new(10, 244, 1, 1);
        physics.take_address(PodId(0), NodeId(1), ip);
        physics.take_address(PodId(1), NodeId(1), ip);
    }

    #[test]
    fn a_released_address_has_no_holder_and_the_pod_is_dead() {
        let mut physics = Physics::default();
        physics.add_pod();
        let ip = Ipv4Addr::new(10, 244, 1, 1);
        physics.take_address(PodId(0), NodeId(1), ip);
        physics.connect(PodId(0));
        physics.starts_running(PodId(0), SimTime::ZERO);
        physics.release_address(PodId(0));
        assert_eq!(physics.holder(ip), None);
        assert!(!physics.pod(PodId(0)).running && !physics.pod(PodId(0)).connected);
    }
}
