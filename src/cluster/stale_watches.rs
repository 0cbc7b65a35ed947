//! The watch caches of API servers, from which clients list and are sent changes: how far each is behind etcd, and what waits meanwhile.
//!
//! **Modeled**: a cache that lags sends each change so much later; one that stands still sends what was written meanwhile when it goes on.
//! A client that connects to such a server anew asks for a list that is not older than what it has. If the cache is, the request waits for
//! `cache_wait`, fails with "Too large resource version", and comes again after `cache_retry`, at most `api_client_retries`
//! times; then the reflector asks for a consistent list, which is read from etcd, from 1.31 on after `consistent_list_wait`. A client
//! that streams its lists asks for a consistent one at its second try, which waits for the cache each time. A new process has
//! nothing and takes what the cache has: it goes back in time. Requests other than lists and watches are served from etcd, and
//! TokenReviews look pods and accounts up there that their informers do not have.
//! **Left out**: what a kubelet or an Istiod lists from a cache that is behind but not older than what it has: it gets what is in etcd;
//! controllers that take over beside such a server; a TokenReview for a pod that is gone and still in the informer.
//! **Parameters**: `cache_wait`, `cache_retry`, `consistent_list_wait`, `api_client_retries`, `api_watch_list_redial`.
//! **Validated by**: `tests/world/stale_cache.rs`. Source: `docs/model/kubernetes.md#watch-cache`.

use super::context::Ctx;
use super::event::Source;
use super::faults::stale_cache::Caches;
use super::history::Behind;
use super::ids::{FaultId, IstiodId, NodeId};
use super::party::Party;
use super::watch_cache::List;
use crate::kernel::{SimDuration, SimTime};

fn stands_still(behind: Option<Behind>) -> bool {
    behind.is_some_and(|behind| behind.by.is_none())
}

impl Caches for Ctx<'_> {
    fn fall_behind(&mut self, server: u32, by: Option<SimDuration>, fault: FaultId) {
        let before = self.shared.caches.behind(server);
        let since = self.now();
        let of_server = self.shared.caches.behind.entry(server).or_default();
        of_server.push((fault, Behind { since, by }));
        self.cache_changes(server, before);
    }

    fn catch_up(&mut self, server: u32, fault: FaultId) {
        let before = self.shared.caches.behind(server);
        let behind = &mut self.shared.caches.behind;
        if let Some(of_server) = behind.get_mut(&server) {
            of_server.retain(|(other, _)| *other != fault);
            if of_server.is_empty() {
                behind.remove(&server);
            }
        }
        self.cache_changes(server, before);
    }
}

impl Ctx<'_> {
    /// How the cache is behind from which a party lists and is sent changes, if it is.
    #[must_use]
    pub(super) fn cache_of(&self, party: Party) -> Option<Behind> {
        if self.shared.caches.are_fresh() {
            return None;
        }
        self.shared.caches.behind(self.server_of_reader(party))
    }

    /// The faults that keep that cache behind.
    pub(super) fn cache_faults_of(&self, party: Party) -> Vec<FaultId> {
        let of_server = self.shared.caches.behind.get(&self.server_of_reader(party));
        of_server.into_iter().flatten().map(|(fault, _)| *fault).collect()
    }

    fn server_of_reader(&self, party: Party) -> u32 {
        match party {
            Party::Controllers(server) => server,
            _ => self.api_server_of(party),
        }
    }

    /// The party over whose link a reader watches; nothing for the script, whose client asks etcd.
    pub(super) fn party_of_reader(&self, reader: Source) -> Option<Party> {
        match reader {
            Source::Kubelet(node) => Some(Party::Kubelet(node)),
            Source::Istiod(istiod) => Some(Party::Istiod(istiod)),
            Source::Script(_) => None,
            _ => Some(Party::Controllers(self.shared.controllers.leader())),
        }
    }

    /// The readers that hear of changes from a server.
    fn readers_at(&self, server: u32) -> Vec<Party> {
        let nodes = (0..self.blueprint().spec.nodes).map(NodeId);
        let of_node = |node| [Party::Kubelet(node), Party::Agent(node), Party::ServiceProxy(node)];
        let istiods = (0..self.shared.snapshots.len() as u32).map(|istiod| Party::Istiod(IstiodId(istiod)));
        let all = nodes.flat_map(of_node).chain(istiods);
        all.filter(|&party| self.shared.links.hears(party) && self.api_server_of(party) == server)
            .collect()
    }

    /// What a server's cache shows is another thing than before.
    fn cache_changes(&mut self, server: u32, before: Option<Behind>) {
        let after = self.shared.caches.behind(server);
        let now = self.now();
        for party in self.readers_at(server) {
            match (stands_still(before), stands_still(after)) {
                (true, true) => {}
                (false, true) => self.shared.freeze_readers(party, now),
                (true, false) => {
                    self.shared.restore_readers(party, now, None);
                    self.shared.lag_readers(party, Behind::lag(after), now);
                    if let Party::Agent(node) | Party::ServiceProxy(node) = party {
                        self.reads_again(Source::Fault, node);
                    }
                }
                (false, false) => self.shared.lag_readers(party, Behind::lag(after), now),
            }
        }
        if stands_still(before) && !stands_still(after) {
            for party in self.shared.api.parties_of_held() {
                if self.server_of_reader(party) == server {
                    self.sends_what_was_held(party);
                }
            }
            let wait = self.blueprint().spec.kubernetes.cache_wait;
            let lists = self.shared.caches.lists.iter();
            let waiting = lists.filter(|(_, list)| now.since(list.since) <= wait);
            for party in waiting.map(|(party, _)| *party).collect::<Vec<_>>() {
                if self.api_server_of(party) == server {
                    self.lists(party);
                }
            }
        }
    }

    /// Until when a list of a party has to wait, if it does, because the cache of its server is older than what it needs.
    pub(super) fn list_waits(&mut self, party: Party) -> Option<SimTime> {
        let now = self.now();
        let behind = self.cache_of(party)?;
        let params = &self.blueprint().spec.kubernetes;
        let (wait, retry, retries) = (params.cache_wait, params.cache_retry, params.api_client_retries);
        let consistent = params.consistent_list_wait;
        let streams = self.client(party).watch_list_redial > SimDuration::ZERO;
        let list = self.shared.caches.lists.get(&party).copied();
        let failed = list.map_or(0, |list| list.failed);
        if list.and_then(|list| list.served).is_some_and(|served| served <= now) {
            return None;
        }
        if !streams && failed > retries {
            self.shared.caches.consistent.insert(party);
            return None;
        }
        let needs = self.shared.newest(party, streams && failed > 0, now);
        let served = needs.map_or(Some(now), |needs| behind.shows_at(needs));
        let served = served.filter(|served| *served <= now + wait);
        let fails = match (streams, failed == retries) {
            (true, _) => wait,
            (false, true) => wait + consistent,
            (false, false) => wait + retry,
        };
        let until = served.unwrap_or(now + fails);
        if until <= now {
            return None;
        }
        let failed = failed + u32::from(served.is_none());
        let list = List {
            failed,
            since: now,
            served,
        };
        self.shared.caches.lists.insert(party, list);
        Some(until)
    }

    /// The watches of a party begin anew: it has listed.
    pub(super) fn watches_anew(&mut self, party: Party) {
        self.shared.caches.lists.remove(&party);
        self.shared.caches.consistent.remove(&party);
        self.sends_what_was_held(party);
    }
}
