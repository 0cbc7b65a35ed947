//! What a cut does in the world: links change, readers freeze, and the affected parties are notified; and when a repair
//! reaches a party, which then has answers and lists what it has missed.
//!
//! What a party makes of the silence belongs to the party, which faults cut a link, and how hard, to `links`, and how a connection
//! lives through a cut to `api_connection`.

use super::api_connection::{Choice, Client, Dial, Dials, Heartbeats, Reach, Resumption, Silence};
use super::api_requests::Asked;
use super::context::Ctx;
use super::event::Source;
use super::faults::cut::{CutMode, Cuts};
use super::ids::FaultId;
use super::links::{Change, Cut, Way};
use super::node_lifecycle::renewals_around;
use super::observed::Fact;
use super::party::Party;
use super::purpose::Purpose;
use crate::kernel::{Distribution, EntityKey, SimDuration, SimTime, Timer};

impl Cuts for Ctx<'_> {
    fn cut(&mut self, party: Party, mode: CutMode, fault: FaultId) {
        let now = self.now();
        let (change, resumes) = self.shared.links.cut(party, mode, now, fault);
        self.cancel(resumes);
        if change != Change::None {
            self.shared.freeze_readers(party, now);
        }
        self.lease_changes(party, change);
        match (change, party) {
            (Change::Cut | Change::Mode, Party::IstiodClients(istiod)) => self.clients_reach_istiod(istiod, false),
            (Change::Cut, Party::Controllers(_)) => self.controllers_change(),
            _ => {}
        }
        self.connects_elsewhere(party);
    }

    fn restore(&mut self, party: Party, fault: FaultId) {
        if self.repairs(party, fault) != Change::Repaired {
            return;
        }
        // The API server calls a webhook over a connection for each call under way: the next call dials, or takes an idle one.
        // Sidecars have connections of their own.
        let dials_anew = !party.kind().is_client();
        let at_once = self.blueprint().spec.network.repair_reaches_at_once;
        if dials_anew || at_once {
            self.resumes(party, Way::Watches);
            self.resumes(party, Way::Answers);
            if let (Party::Webhook(istiod), false) = (party, at_once) {
                self.webhook_repaired(istiod);
            }
            return;
        }
        self.will_resume(party, true);
        if let Party::Istiod(istiod) = party {
            self.istiod_repaired(istiod);
        }
    }
}

impl Ctx<'_> {
    /// A fault ends for the link of a party: what that changes at the link.
    pub(super) fn repairs(&mut self, party: Party, fault: FaultId) -> Change {
        let change = self.shared.links.restore(party, fault);
        self.lease_changes(party, change);
        if change != Change::Repaired {
            self.connects_elsewhere(party);
        }
        change
    }

    /// A lease is judged anew in another mode; others make no difference between ways to be cut off.
    fn lease_changes(&mut self, party: Party, change: Change) {
        if let (Change::Cut | Change::Mode, Party::Kubelet(node)) = (change, party) {
            self.lease_is_cut(node);
        }
    }

    /// The process of a party that was dead starts: it waits for no retransmission.
    pub(super) fn connects_afresh(&mut self, party: Party, fault: FaultId) {
        let change = self.shared.links.restore(party, fault);
        self.lease_changes(party, change);
        if change == Change::Repaired {
            self.resumes(party, Way::Watches);
            self.resumes(party, Way::Answers);
        } else {
            self.connects_elsewhere(party);
        }
    }

    fn cancel(&mut self, timers: impl IntoIterator<Item = Option<Timer>>) {
        for timer in timers.into_iter().flatten() {
            self.kernel.cancel(timer);
        }
    }

    /// The API server to which a party is connected, or was last.
    #[must_use]
    pub fn api_server_of(&self, party: Party) -> u32 {
        let first = || {
            self.choice(party, self.blueprint().party_key(party))
                .next(SimTime::ZERO)
        };
        self.shared.links.server_of(party).unwrap_or_else(first)
    }

    /// The API servers to which the connections of a party go that have this key.
    fn choice(&self, party: Party, key: EntityKey) -> Choice {
        // A webhook is called by an API server, and calls none.
        let alone = !party.kind().is_client();
        Choice {
            servers: if alone { 1 } else { self.blueprint().spec.api_servers },
            withdrawn: self.servers_withdrawn(),
            draws: self.stream(Purpose::ApiServerChoice, key),
        }
    }

    /// The API servers that get no new connection, each from when on. A load balancer withdraws those whose checks fail, the
    /// `kubernetes` Service those whose lease ends: one that only its clients cannot reach renews its lease and stays.
    fn servers_withdrawn(&self) -> Vec<(u32, SimTime)> {
        let spec = &self.blueprint().spec.kubernetes;
        let withdrawn = |(server, mode, since): (u32, CutMode, SimTime)| {
            let key = EntityKey::root("api server")
                .child(u64::from(server))
                .child(since.as_nanos());
            let mut draws = self.stream(Purpose::ServerWithdrawal, key);
            let after = match (spec.api_load_balancer, mode) {
                (true, _) => {
                    let interval = spec.load_balancer_check_interval;
                    draws.up_to(interval) + interval * u64::from(spec.load_balancer_check_failures.saturating_sub(1))
                }
                (false, mode) if mode == CutMode::Reject || !self.shared.processes.runs(Party::ApiServer(server)) => {
                    let interval = spec.endpoint_lease_interval;
                    let age = draws.up_to(interval);
                    spec.endpoint_lease_ttl.saturating_sub(age) + draws.up_to(interval)
                }
                (false, _) => return None,
            };
            Some((server, since + after))
        };
        self.shared.links.losses_of_servers().filter_map(withdrawn).collect()
    }

    /// If only its API server is away, a party closes its connection and connects to another one.
    fn connects_elsewhere(&mut self, party: Party) {
        let by_servers = || self.shared.links.cut_by_servers(party);
        if party.kind().is_client() && by_servers().is_some_and(|faults| !faults.is_empty()) {
            self.will_resume(party, false);
        }
    }

    /// An API server can be reached again: that may be what parties wait for.
    pub(super) fn api_server_returns(&mut self) {
        let clients = self.shared.links.without_server().into_iter();
        for party in clients.filter(|party| party.kind().is_client()) {
            let repaired = self.shared.links.passes(party);
            self.will_resume(party, repaired);
        }
    }

    /// Schedules when a party has answers and hears of changes: its link is repaired, or another API server serves it.
    fn will_resume(&mut self, party: Party, repaired: bool) {
        let earlier = self.shared.links.will_not_resume(party);
        self.cancel(earlier);
        if self.shared.links.servers_down().len() >= self.blueprint().spec.api_servers as usize {
            return;
        }
        let mut resumption = self.resumption(party, repaired);
        if let Party::Agent(node) = party
            && let Some(killed) = self.agent_killed_at(node)
        {
            let back = self.agent_returns_at(node, killed);
            resumption.answers = resumption.answers.max(back);
            resumption.reads = resumption.reads.max(back);
        }
        let timers = self.schedule_resumption(party, resumption.answers, resumption.reads);
        self.shared.links.will_resume(party, timers, resumption.server);
    }

    /// The watches of a party are opened again: with what they list they are current.
    pub(super) fn lists(&mut self, party: Party) {
        if let Some(timer) = self.shared.links.resuming(party, Way::Watches)
            && let Some(until) = self.list_waits(party)
        {
            self.kernel.cancel(timer);
            let timer = self.schedule_list(party, until);
            self.shared.links.resumes_later(party, Way::Watches, timer);
            return;
        }
        match self.shared.links.resuming(party, Way::Watches) {
            Some(timer) if self.models_load() => self.ask_api_server(Asked::List(party, timer)),
            _ => self.resumes(party, Way::Watches),
        }
    }

    /// A repair reaches a party, or another API server serves it.
    pub(super) fn resumes(&mut self, party: Party, way: Way) {
        let now = self.now();
        let early = self.shared.links.resumes_now(party, way);
        self.cancel([early]);
        if self.shared.links.next_server_is_down(party) {
            // The one that it was connecting to went away meanwhile.
            let repaired = self.shared.links.passes(party);
            self.will_resume(party, repaired);
            return;
        }
        for fault in self.shared.links.cut_by_servers(party).unwrap_or_default() {
            if self.shared.touched.leave(party, fault) {
                let parties = vec![party];
                self.observe(Fact::Left { fault, parties });
            }
        }
        let at_once = self.blueprint().spec.network.repair_reaches_at_once;
        let since = self.shared.links.resume(party, way);
        if way == Way::Watches {
            let behind = self.cache_of(party).map(|behind| {
                let consistent = self.shared.caches.consistent.contains(&party);
                (behind, if consistent { now } else { behind.shows(now) })
            });
            self.shared.restore_readers(party, now, behind);
            for fault in self.cache_faults_of(party) {
                let parties = vec![party];
                self.observe(Fact::Entered { fault, parties });
            }
            self.watches_anew(party);
        }
        if !at_once && party.kind().is_client() {
            let answers = way == Way::Answers;
            self.observe(Fact::Resumes { party, answers, since });
        }
        match (party, way) {
            (Party::Kubelet(node), _) => {
                if way == Way::Answers {
                    self.lease_is_repaired(node);
                }
                if self.shared.links.is_up(party) && self.shared.links.hears(party) {
                    self.kubelet_repaired(node);
                }
            }
            (Party::Agent(node) | Party::ServiceProxy(node), Way::Watches) => self.reads_again(Source::Fault, node),
            (Party::Agent(node), Way::Answers) => self.agent_repaired(node),
            (Party::Istiod(istiod), Way::Watches) => self.istiod_repaired(istiod),
            (Party::Istiod(istiod), Way::Answers) if !at_once => self.istiod_answered(istiod),
            (Party::Controllers(_), Way::Answers) => self.controllers_change(),
            (Party::IstiodClients(istiod), Way::Answers) => self.clients_reach_istiod(istiod, true),
            _ => {}
        }
    }

    /// Whether a request that a cut-off party sends at a time connects at once, since its link works again and it has closed its
    /// old connection. What else waits for a connection is then served by the same.
    pub fn connects(&mut self, party: Party, at: SimTime) -> bool {
        let Some(cut) = self.shared.links.cut_of(party) else {
            return true;
        };
        let links = &self.shared.links;
        if !links.passes(party) || !links.redials(party) || at < self.closes(party, cut) {
            return false;
        }
        let key = self.blueprint().party_key(party).child(at.as_nanos());
        let server = self.choice(party, key.named("dial")).next(at);
        if self.shared.links.servers_down().contains(&server) {
            return false;
        }
        self.shared.links.reaches(party, server);
        self.resumes(party, Way::Answers);
        true
    }

    /// When a party closes a connection that was cut, if it hears nothing before.
    #[must_use]
    pub fn closes(&self, party: Party, cut: Cut) -> SimTime {
        if cut.mode == CutMode::Reject {
            return cut.since;
        }
        let client = self.client(party);
        let silent = cut.since + (client.read_idle + client.ping_timeout).saturating_sub(self.frame_age(party, cut));
        match (party, client.heartbeats) {
            (Party::Kubelet(node), Some(heartbeats)) if heartbeats.failures_close_connections => {
                silent.min(renewals_around(node, cut.since, self).1 + heartbeats.timeout * 2)
            }
            _ => silent,
        }
    }

    fn frame_age(&self, party: Party, cut: Cut) -> SimDuration {
        let key = self.blueprint().party_key(party).child(cut.since.as_nanos());
        let purpose = match party {
            Party::Istiod(_) => Purpose::LastFrameAge,
            _ => Purpose::ClientFrameAge,
        };
        self.draw(purpose, key, &self.last_frame_age(party))
    }

    fn last_frame_age(&self, party: Party) -> Distribution {
        let spec = &self.blueprint().spec;
        match party {
            Party::Kubelet(_) | Party::Controllers(_) | Party::Node(_) | Party::Network(_) => {
                spec.kubernetes.kubelet_last_frame_age
            }
            Party::ServiceProxy(_) => spec.kubernetes.service_proxy_last_frame_age,
            Party::Agent(_) => spec.cilium.api_last_frame_age,
            Party::ApiServer(_) => Distribution::Constant(SimDuration::ZERO),
            Party::Istiod(_) | Party::Webhook(_) | Party::IstiodClients(_) | Party::IstiodProcess(_) => {
                self.blueprint().istio().params.api_last_frame_age
            }
        }
    }

    /// The rules of a party's client.
    #[must_use]
    pub fn client(&self, party: Party) -> Client {
        let spec = &self.blueprint().spec;
        let (node, agent) = (&spec.kubernetes, &spec.cilium);
        let no_locks = (0, Distribution::Constant(SimDuration::ZERO));
        let of_node = |watches, heartbeats| Client {
            read_idle: node.api_read_idle_timeout,
            ping_timeout: node.api_ping_timeout,
            dial_timeout: node.api_dial_timeout,
            watch_list_redial: node.api_watch_list_redial,
            backoff_initial: node.api_backoff_initial,
            backoff_max: node.api_backoff_max,
            watches,
            locks: no_locks,
            heartbeats,
        };
        match party {
            Party::Kubelet(_) => {
                let heartbeats = Heartbeats {
                    timeout: node.heartbeat_timeout,
                    failures_close_connections: node.heartbeat_failures_close_connections,
                    backoff_initial: node.heartbeat_backoff_initial,
                    backoff_max: node.heartbeat_backoff_max,
                };
                of_node(node.kubelet_watches, Some(heartbeats))
            }
            Party::ServiceProxy(_) | Party::Controllers(_) | Party::Node(_) | Party::Network(_) => {
                of_node(node.service_proxy_watches, None)
            }
            // It has no connection of its own.
            Party::ApiServer(_) => of_node(0, None),
            Party::Agent(_) => Client {
                read_idle: agent.api_read_idle_timeout,
                ping_timeout: agent.api_ping_timeout,
                dial_timeout: agent.api_dial_timeout,
                watch_list_redial: agent.api_watch_list_redial,
                backoff_initial: agent.api_backoff_initial,
                backoff_max: agent.api_backoff_max,
                watches: agent.api_watches,
                locks: no_locks,
                heartbeats: None,
            },
            Party::Istiod(_) | Party::Webhook(_) | Party::IstiodClients(_) | Party::IstiodProcess(_) => {
                let istio = &self.blueprint().istio().params;
                Client {
                    read_idle: istio.api_read_idle_timeout,
                    ping_timeout: istio.api_ping_timeout,
                    dial_timeout: istio.api_dial_timeout,
                    watch_list_redial: istio.api_watch_list_redial,
                    backoff_initial: istio.api_backoff_initial,
                    backoff_max: istio.api_backoff_max,
                    watches: istio.api_watches,
                    locks: (istio.api_locks, istio.api_lock_interval),
                    heartbeats: None,
                }
            }
        }
    }

    /// When the repair of a party's link reaches it, or when another API server serves it.
    fn resumption(&self, party: Party, repaired: bool) -> Resumption {
        let now = self.now();
        let cut = self
            .shared
            .links
            .cut_of(party)
            .expect("a link that is repaired was cut");
        let client = self.client(party);
        let network = &self.blueprint().spec.network;
        let key = self.blueprint().party_key(party).child(cut.since.as_nanos());
        let closes = self.closes(party, cut);
        let requests = self.shared.links.requests(party);
        // Its program sends at the rate at which it was heard; at the latest its ping is lost.
        let by_itself = cut.since + self.draw(Purpose::NextFrame, key, &self.last_frame_age(party));
        let ping = cut.since + client.read_idle.saturating_sub(self.frame_age(party, cut));
        let mut client_sent = by_itself.min(ping);
        if let Party::Kubelet(node) = party {
            client_sent = client_sent.min(renewals_around(node, cut.since, self).1);
        }
        let silence = Silence {
            repaired: now,
            closes,
            client_sent: requests.iter().copied().fold(client_sent, SimTime::min),
            server_sent: self.shared.first_missed(party, cut.since),
        };
        let down = self.shared.links.servers_down();
        let reach = Reach { down: &down, network };
        if repaired
            && now < closes
            && let Some(resumption) = silence.survives(network)
        {
            return resumption;
        }
        let lasts = match (cut.mode, party) {
            (CutMode::Drop | CutMode::RepliesOnly, _) => client.dial_timeout,
            (CutMode::Reject, Party::Istiod(_)) => self.blueprint().istio().params.reject_latency.bound(),
            (CutMode::Reject, _) => network.one_way_latency.bound() * 2,
        };
        let watch = |number: u32| {
            let key = key.child(u64::from(number));
            let backoffs = self.stream(Purpose::Redial, key);
            let dials = Dials::of_watch(closes, lasts, &client, backoffs, self.choice(party, key.named("watch")));
            // A watch that ends by a reset is opened again at once; one on a connection that was closed as dead is listed anew.
            match cut.mode {
                CutMode::Reject => dials,
                CutMode::Drop | CutMode::RepliesOnly => dials.after_wait().in_one_call(&client),
            }
        };
        let lock = |number: u32| {
            let key = key.child(u64::from(number));
            let waits = self.stream(Purpose::LockInterval, key);
            Dials::of_lock(closes, lasts, &client, waits, self.choice(party, key.named("lock"))).after_wait()
        };
        let heartbeats = client.heartbeats.map(|heartbeats| {
            let backoffs = self.stream(Purpose::HeartbeatBackoff, key);
            let choice = self.choice(party, key.named("heartbeat"));
            Dials::of_heartbeats(closes, heartbeats.timeout.min(lasts), &heartbeats, backoffs, choice)
        });
        let mut choice = self.choice(party, key.named("request"));
        let pending = requests.iter().filter(|&&at| at >= closes).map(|&begins| Dial {
            begins,
            ends: begins + lasts,
            server: choice.next(begins),
        });
        let others = (1..client.watches).map(watch).chain((0..client.locks.0).map(lock));
        silence.redials(watch(0), others.chain(heartbeats), pending, reach)
    }
}
