//! Who starts a process again that has ended, and when.
//!
//! **Modeled**: systemd starts a kubelet after a fixed wait; a kubelet starts all others, at once after the first end and after a back-off
//! that doubles after later ones, looking again as often as its pod worker does; the back-off is forgotten after a time of running. A
//! kubelet that is away starts nothing. An agent that starts tries to reach the API server for a while and ends again if that is in
//! vain; one whose liveness probe needs the API server is ended when that has been away for long.
//! **Left out**: the kubelet of the node of an API server; what an agent does between its liveness probe's last failure and its end.
//! **Parameters**: `container_backoff_*`, `container_start_latency`, `kubelet_restart_wait`, `pleg_period`, `sandbox_retry`,
//! `*_start_latency`, `agent_connect_*`, `agent_liveness_*`. **Validated by**: `tests/world/processes.rs`,
//! `tests/world/node_processes.rs`. Sources: `docs/model/kubernetes.md#processes`.

use std::collections::BTreeSet;

use super::context::Ctx;
use super::faults::cut::{CutMode, Cuts};
use super::ids::{FaultId, IstiodId, NodeId, PodId};
use super::observed::{Fact, ProcessFact};
use super::party::Party;
use super::processes::link;
use super::purpose::{Ordinal, Purpose};
use crate::kernel::{Distribution, EntityKey, SimDuration, SimTime};

impl Ctx<'_> {
    /// A process ends, if it runs.
    pub(super) fn process_ends(&mut self, party: Party, fault: FaultId, orderly: bool) {
        if let Party::IstiodProcess(istiod) = party
            && !self.shared.processes.is_down(party)
            && !self
                .shared
                .istiod_pod(istiod)
                .is_some_and(|pod| self.shared.physics.pod(pod).running)
        {
            return; // It meets its fault when its container starts.
        }
        self.shared.processes.of(party).down_by.insert(fault);
        link(party)
            .into_iter()
            .for_each(|link| self.cut(link, CutMode::Reject, fault));
        if !self.shared.processes.is_down(party) {
            self.ends_now(party, orderly);
        }
    }

    fn ends_now(&mut self, party: Party, orderly: bool) {
        let now = self.now();
        let reset = self.blueprint().spec.kubernetes.container_backoff_reset;
        let process = self.shared.processes.of(party);
        process.down = true;
        if now.since(process.started) >= reset {
            process.ends = 0;
        }
        let how = if self.shared.processes.of(party).filled_by.is_empty() {
            ProcessFact::Ends
        } else {
            ProcessFact::IsKilled
        };
        self.observe(Fact::Process(party, how));
        let wait = if orderly {
            SimDuration::ZERO
        } else {
            self.supervisor_waits(party)
        };
        match party {
            Party::IstiodProcess(istiod) => {
                if let Some(pod) = self.shared.istiod_pod(istiod) {
                    self.shared.physics.stops_running(pod);
                    self.istiod_ends(istiod);
                    self.container_ends(pod, wait);
                }
            }
            _ => self.starts_after(party, wait),
        }
    }

    /// The pod of a process is replaced: the process ends in an orderly way, and its successor has no ends behind it.
    pub(super) fn process_is_replaced(&mut self, party: Party) {
        let process = self.shared.processes.of(party);
        process.replacements += 1;
        process.unreported = true;
        let number = process.replacements;
        process.down_by.insert(FaultId::BY_COMMAND);
        self.cut(party, CutMode::Reject, FaultId::BY_COMMAND);
        let process = self.shared.processes.of(party);
        process.ends = 0;
        if !std::mem::replace(&mut process.down, true) {
            self.observe(Fact::Process(party, ProcessFact::Ends));
        }
        let pause = self.pause_of_replacement(party, number);
        let container = self.draw(
            Purpose::ContainerStart,
            self.blueprint().party_key(party).named("replaced").child(number),
            &self.blueprint().spec.kubernetes.container_start_latency,
        );
        self.process_after(party, pause + container, false);
    }

    /// The pod of an Istiod has stopped for good: its connections are closed.
    pub(super) fn istiod_leaves(&mut self, pod: PodId) {
        let istiod = self.istiod_in(pod);
        self.istiod_ends(istiod);
        self.cut(Party::IstiodClients(istiod), CutMode::Reject, FaultId::BY_COMMAND);
    }

    /// How long the supervisor of a process that has ended waits before it starts it.
    fn supervisor_waits(&mut self, party: Party) -> SimDuration {
        let params = &self.shared.blueprint.spec.kubernetes;
        let process = self.shared.processes.of(party);
        process.ends += 1;
        let (ends, starts) = (process.ends, process.starts);
        if let Party::Kubelet(_) = party {
            return params.kubelet_restart_wait;
        }
        let (initial, most, retry) = (
            params.container_backoff_initial,
            params.container_backoff_max,
            params.sandbox_retry,
        );
        backoff(ends, initial, most, || {
            let key = self.blueprint().party_key(party).child(u64::from(starts));
            let key = key.child(u64::from(ends));
            (self.stream(Purpose::CrashRetry, key), retry)
        })
    }

    /// The supervisor of a process that has ended starts it after a wait. A kubelet sees the end at its next look, and a container takes
    /// its time.
    pub(super) fn starts_after(&mut self, party: Party, wait: SimDuration) {
        let params = &self.blueprint().spec.kubernetes;
        let by_kubelet = match party {
            Party::Kubelet(_) => SimDuration::ZERO,
            _ => {
                let (starts, ends) = self.shared.processes.counts(party);
                let key = self.blueprint().party_key(party).child(starts).child(ends);
                let look = self
                    .stream(Purpose::CrashRetry, key.named("look"))
                    .up_to(params.pleg_period);
                look + self.draw(Purpose::ContainerStart, key, &params.container_start_latency)
            }
        };
        self.process_after(party, wait + by_kubelet, false);
    }

    /// The supervisor of a process starts it.
    pub(super) fn process_starts(&mut self, party: Party) {
        if !self.shared.processes.is_down(party) {
            return;
        }
        let (nodes_down, processes) = (&self.shared.nodes_down, &self.shared.processes);
        let waits = match party {
            Party::Kubelet(node) => nodes_down.has(node),
            Party::Agent(node) | Party::ServiceProxy(node) => {
                nodes_down.has(node) || !processes.runs(Party::Kubelet(node))
            }
            _ => false,
        };
        if waits {
            self.shared.processes.of(party).parked = true;
            return;
        }
        if self.shared.processes.crashes(party) {
            self.observe(Fact::Process(party, ProcessFact::StartsAndEnds));
            let wait = self.supervisor_waits(party);
            self.starts_after(party, wait);
            return;
        }
        let spec = &self.blueprint().spec;
        let (kubernetes, cilium) = (&spec.kubernetes, &spec.cilium);
        let start = match party {
            Party::Kubelet(_) => kubernetes.kubelet_start_latency,
            Party::ServiceProxy(_) => kubernetes.service_proxy_start_latency,
            Party::Agent(_) => cilium.agent_start_latency,
            _ => kubernetes.api_server_start_latency,
        };
        let (interval, limit) = (cilium.agent_connect_interval, cilium.agent_connect_limit);
        let shared = &mut *self.shared;
        let without_api =
            matches!(party, Party::Agent(_)) && shared.links.cut_besides(party, &shared.processes.of(party).down_by);
        if without_api {
            let tries = self.shared.processes.of(party).tries + 1;
            let over = interval * u64::from(tries) >= limit;
            self.shared.processes.of(party).tries = if over { 0 } else { tries };
            if over {
                let wait = self.supervisor_waits(party);
                self.starts_after(party, wait + interval);
            } else {
                self.process_after(party, interval, false);
            }
            return;
        }
        let process = self.shared.processes.of(party);
        process.tries = 0;
        process.starts += 1;
        let starts = process.starts;
        let latency = self.start_latency(party, starts, &start);
        self.process_after(party, latency, true);
    }

    fn start_latency(&self, party: Party, starts: u32, distribution: &Distribution) -> SimDuration {
        let key = self.blueprint().party_key(party).child(u64::from(starts));
        self.draw(Purpose::ProcessStart, key, distribution)
    }

    /// A process that was started serves.
    pub(super) fn process_serves(&mut self, party: Party) {
        if !self.shared.processes.is_down(party) {
            return;
        }
        if self.shared.processes.crashes(party) {
            let wait = self.supervisor_waits(party);
            self.starts_after(party, wait);
            return;
        }
        let faults = self.is_up(party);
        for &fault in &faults {
            if let Some(link) = link(party) {
                self.feels(link, fault);
            }
            if let Party::ApiServer(server) = party {
                self.shared.links.regain_server(fault, server);
                for client in self.shared.links.cut_by(fault) {
                    if self.api_server_of(client) == server {
                        self.restore(client, fault);
                    }
                }
            }
        }
        if let Party::ApiServer(_) = party {
            self.api_server_returns();
        }
        if self.shared.processes.runs(party) {
            self.is_awake(party);
        }
        let process = self.shared.processes.of(party);
        let number = process.replacements;
        if std::mem::take(&mut process.unreported) {
            let probe = self.probe_of_replacement(party, number);
            self.daemon_is_ready_after(party, probe);
        }
    }

    /// A process is up again; gives the faults by which it was not.
    fn is_up(&mut self, party: Party) -> BTreeSet<FaultId> {
        let now = self.now();
        let process = self.shared.processes.of(party);
        process.down = false;
        process.started = now;
        let faults = std::mem::take(&mut process.down_by);
        self.observe(Fact::Process(party, ProcessFact::IsUp));
        self.memory_fills(party);
        faults
    }

    /// The memory of a process that starts is full after a time, if a fault fills it.
    fn memory_fills(&mut self, party: Party) {
        let process = self.shared.processes.of(party);
        let (starts, faults) = (process.starts, process.filled_by.clone());
        let times = faults.into_iter().map(|(fault, fills_in)| {
            let key = EntityKey::root(&self.blueprint().spec.faults[fault.index()].name);
            let key = key
                .child(self.blueprint().party_key(party).get())
                .child(u64::from(starts));
            self.draw(Purpose::MemoryFills, key, &fills_in)
        });
        // A memory that is full at once must not fill a run with starts and ends.
        if let Some(wait) = times.min() {
            self.memory_full_after(party, wait.max(SimDuration::from_millis(1)), starts);
        }
    }

    /// The memory of a process is full that was started so often: the kernel kills it, if it is the same one and still runs.
    pub(super) fn memory_is_full(&mut self, party: Party, starts: u32) {
        let process = self.shared.processes.of(party);
        if let (Some(&fault), false) = (process.filled_by.keys().next(), process.down)
            && process.starts == starts
        {
            self.process_ends(party, fault, false);
        }
    }

    /// The kubelet starts the container of an Istiod again. Returns how long it waits before the next start if it ends at once.
    pub(super) fn istiod_container_starts(&mut self, istiod: IstiodId, pod: PodId) -> Option<SimDuration> {
        let party = Party::IstiodProcess(istiod);
        if self.shared.processes.crashes(party) {
            self.observe(Fact::Process(party, ProcessFact::StartsAndEnds));
            return Some(self.supervisor_waits(party));
        }
        self.shared.processes.of(party).starts += 1;
        for fault in self.is_up(party) {
            self.feels(Party::IstiodClients(istiod), fault);
        }
        let now = self.now();
        self.shared.physics.starts_running(pod, now);
        None
    }

    /// An Istiod's container has started for the first time. Whether a fault that waits for it ends it at once.
    pub(super) fn istiod_meets_its_fault(&mut self, istiod: IstiodId) -> bool {
        let party = Party::IstiodProcess(istiod);
        let crashes = self.shared.processes.crashes(party) && !self.shared.processes.is_down(party);
        if crashes {
            self.ends_now(party, false);
        } else if self.shared.processes.is_filled(party) {
            self.memory_fills(party);
        }
        crashes
    }

    /// When the agent of a node that was cut off ended because its liveness probe needs the API server, if it did.
    #[must_use]
    pub fn agent_killed_at(&self, node: NodeId) -> Option<SimTime> {
        let cilium = &self.blueprint().spec.cilium;
        if !cilium.agent_liveness_needs_api {
            return None;
        }
        let cut = self.shared.links.cut_of(Party::Agent(node))?;
        let period = cilium.agent_liveness_period;
        let key = self.blueprint().party_key(Party::Agent(node));
        let phase = self.stream(Purpose::ProbePhase, key).up_to(period);
        let since = cut.since.since(SimTime::ZERO + phase).as_nanos();
        let first = phase + period * since.div_ceil(period.as_nanos().max(1));
        let last = period * u64::from(cilium.agent_liveness_threshold).saturating_sub(1);
        Some(SimTime::ZERO + first + last).filter(|&killed| killed <= self.now())
    }

    /// When an agent that ended without the API server is there again, if it can be reached from now on: its kubelet starts it at
    /// once and then after back-offs, and each start tries for a while.
    #[must_use]
    pub(super) fn agent_returns_at(&self, node: NodeId, killed: SimTime) -> SimTime {
        let spec = &self.blueprint().spec;
        let (kubernetes, cilium) = (&spec.kubernetes, &spec.cilium);
        let party = Party::Agent(node);
        let key = self.blueprint().party_key(party).child(killed.as_nanos());
        let mut begins = killed;
        let mut ends = 1;
        let interval = cilium.agent_connect_interval.max(SimDuration::from_millis(1));
        loop {
            let tries = self.now().since(begins).as_nanos().div_ceil(interval.as_nanos());
            let at = begins + interval * tries;
            if at < begins + cilium.agent_connect_limit {
                return at
                    + self.draw(
                        Purpose::ProcessStart,
                        Ordinal::RETURN.of(key),
                        &cilium.agent_start_latency,
                    );
            }
            ends += 1;
            let wait = backoff(
                ends,
                kubernetes.container_backoff_initial,
                kubernetes.container_backoff_max,
                || {
                    (
                        self.stream(Purpose::CrashRetry, key.child(u64::from(ends))),
                        kubernetes.sandbox_retry,
                    )
                },
            );
            begins += cilium.agent_connect_limit + wait;
        }
    }
}

/// How long a kubelet waits before it starts a container that has ended so often: not at all, then until the first look of its pod
/// worker after a back-off that doubles.
pub(super) fn backoff(
    ends: u32,
    initial: SimDuration,
    most: SimDuration,
    looks: impl FnOnce() -> (crate::kernel::Stream, Distribution),
) -> SimDuration {
    if ends < 2 {
        return SimDuration::ZERO;
    }
    let least = (initial * (1 << (ends - 2).min(20))).min(most);
    let (mut looks, between) = looks();
    let mut wait = SimDuration::ZERO;
    while wait < least {
        wait += looks.duration(&between).max(SimDuration::from_millis(1));
    }
    wait
}
