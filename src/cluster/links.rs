//! Links between the API server and the parties that talk to it: which are cut, and whether a repair has reached the party.
//!
//! Several faults may cut one link: packets pass when the last of them has ended. The party has answers, and hears of changes,
//! when its connection has felt that (`api_connection` says when). What it makes of the silence belongs to the party.

use std::collections::{BTreeMap, BTreeSet};

use super::blueprint::Blueprint;
use super::faults::cut::CutMode;
use super::ids::{FaultId, NodeId};
use super::party::{Home, NamedParty, Party};
use crate::kernel::{EntityKey, SimTime, Timer};

impl Blueprint {
    /// The key of a party's connection for random streams.
    #[must_use]
    pub fn party_key(&self, party: Party) -> EntityKey {
        match party {
            Party::Kubelet(node) => self.node_key(node).named("kubelet"),
            Party::Node(node) => self.node_key(node),
            Party::Network(node) => self.node_key(node).named("network"),
            Party::Agent(node) => self.node_key(node).named("cilium agent"),
            Party::ServiceProxy(node) => self.node_key(node).named("service proxy"),
            Party::Istiod(istiod) => istiod.key(),
            Party::Webhook(istiod) => istiod.key().named("webhook"),
            Party::IstiodClients(istiod) => istiod.key().named("clients"),
            Party::Controllers(server) => EntityKey::root("controllers").child(u64::from(server)),
            Party::IstiodProcess(istiod) => istiod.key().named("process"),
            Party::ApiServer(server) => EntityKey::root("api server").child(u64::from(server)),
        }
    }

    /// A party by names.
    #[must_use]
    pub fn named(&self, party: Party) -> NamedParty {
        let of = match party.home() {
            Home::Node(node) => self.node_name(node),
            Home::Istiod(istiod) => istiod.to_string(),
            Home::ApiServer(server) => format!("api-server-{server}"),
        };
        NamedParty { kind: party.kind(), of }
    }
}

/// A cut of one link, as its party meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// How: the strongest mode of all faults that cut it, now or last.
    pub mode: CutMode,
    /// Since when the party has had no answer, whichever faults cut the link meanwhile.
    pub since: SimTime,
}

/// What one change of a link did to its party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: another fault cuts it as hard as before.
    None,
    /// A party that had answers has none.
    Cut,
    /// The party still has no answers, and the link is cut in another mode, or again before the last repair reached it.
    Mode,
    /// The last fault that cut it has ended: packets pass.
    Repaired,
}

/// What passes over a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Requests of the party, and their answers.
    Answers,
    /// What the API server sends to the party's watches.
    Watches,
}

#[derive(Clone, Debug)]
struct Cuts {
    since: SimTime,
    /// The faults that cut the link, each with its mode; none once it is repaired.
    causes: BTreeMap<FaultId, CutMode>,
    mode: CutMode,
    answers: bool,
    watches: bool,
    /// The events by which the party resumes, if that is under way: answers, then watches.
    resumes: [Option<Timer>; 2],
    /// Whether it connects anew for that; otherwise it keeps its connection.
    redials: bool,
    /// When requests left since then.
    requests: Vec<SimTime>,
    /// The API server to which it then has connected anew.
    next_server: Option<u32>,
}

impl Cuts {
    fn strongest(&self) -> Option<CutMode> {
        self.causes.values().copied().min()
    }
}

/// The links that are cut, or whose party has not felt their repair yet; all others are up.
#[derive(Debug, Default)]
pub struct Links {
    cuts: BTreeMap<Party, Cuts>,
    first_cut_agent: Option<NodeId>,
    /// The API servers that faults make unreachable, by fault, with how and since when.
    servers_down: BTreeMap<FaultId, (Vec<u32>, CutMode, SimTime)>,
    /// The API servers of parties that had to connect anew; all others have their first one.
    servers: BTreeMap<Party, u32>,
}

impl Links {
    /// A fault makes API servers unreachable, for new connections too.
    pub fn lose_servers(&mut self, fault: FaultId, servers: &[u32], mode: CutMode, now: SimTime) {
        let (down, ..) = self.servers_down.entry(fault).or_insert((Vec::new(), mode, now));
        down.extend(servers);
    }

    /// The API servers that no connection reaches, with how and since when, by fault.
    pub fn losses_of_servers(&self) -> impl Iterator<Item = (u32, CutMode, SimTime)> {
        let losses = self.servers_down.values();
        losses.flat_map(|(servers, mode, since)| servers.iter().map(|server| (*server, *mode, *since)))
    }

    /// An API server can be reached again for what a fault did to it.
    pub fn regain_server(&mut self, fault: FaultId, server: u32) {
        if let Some((servers, ..)) = self.servers_down.get_mut(&fault) {
            servers.retain(|down| *down != server);
            if servers.is_empty() {
                self.servers_down.remove(&fault);
            }
        }
    }

    /// The parties whose links a fault cuts.
    #[must_use]
    pub fn cut_by(&self, fault: FaultId) -> Vec<Party> {
        let cut = self.cuts.iter().filter(|(_, cuts)| cuts.causes.contains_key(&fault));
        cut.map(|(party, _)| *party).collect()
    }

    /// Whether something else than these faults cuts a party's link.
    #[must_use]
    pub fn cut_besides(&self, party: Party, faults: &BTreeSet<FaultId>) -> bool {
        let besides = |cuts: &Cuts| cuts.causes.keys().any(|fault| !faults.contains(fault));
        self.cuts.get(&party).is_some_and(besides)
    }

    /// A fault that made API servers unreachable ends; nothing if it was none of these.
    pub fn regain_servers(&mut self, fault: FaultId) {
        self.servers_down.remove(&fault);
    }

    /// The API servers that no connection reaches.
    #[must_use]
    pub fn servers_down(&self) -> Vec<u32> {
        let mut down: Vec<u32> = self.losses_of_servers().map(|(server, ..)| server).collect();
        down.sort_unstable();
        down.dedup();
        down
    }

    /// The API server that a party connected to anew, if it did.
    #[must_use]
    pub fn server_of(&self, party: Party) -> Option<u32> {
        self.servers.get(&party).copied()
    }

    /// Whether a party without answers is connecting to an API server that is down now.
    #[must_use]
    pub fn next_server_is_down(&self, party: Party) -> bool {
        let next = self
            .cuts
            .get(&party)
            .filter(|cuts| !cuts.answers)
            .and_then(|cuts| cuts.next_server);
        next.is_some_and(|server| self.servers_down().contains(&server))
    }

    /// Parties that would have answers if an API server could be reached: nothing else cuts them, and nothing is under way for them.
    #[must_use]
    pub fn without_server(&self) -> Vec<Party> {
        let by_servers = |cuts: &Cuts| cuts.causes.keys().all(|fault| self.servers_down.contains_key(fault));
        let waits = |cuts: &Cuts| !cuts.answers && cuts.resumes == [None; 2] && by_servers(cuts);
        let waiting = self.cuts.iter().filter(|(_, cuts)| waits(cuts));
        waiting.map(|(party, _)| *party).collect()
    }

    /// The faults that cut a party's link, if all of them make API servers unreachable: another server would serve it.
    #[must_use]
    pub fn cut_by_servers(&self, party: Party) -> Option<Vec<FaultId>> {
        let faults = self.cuts.get(&party)?.causes.keys();
        let of_servers = |fault: &&FaultId| self.servers_down.contains_key(fault);
        faults
            .clone()
            .all(|fault| of_servers(&fault))
            .then(|| faults.copied().collect())
    }

    /// The cut of a party's link, as long as the party has no answers.
    #[must_use]
    pub fn cut_of(&self, party: Party) -> Option<Cut> {
        // Nearly always nothing is cut, and nearly every event asks.
        if self.cuts.is_empty() {
            return None;
        }
        let cuts = self.cuts.get(&party).filter(|cuts| !cuts.answers)?;
        Some(Cut {
            mode: cuts.mode,
            since: cuts.since,
        })
    }

    /// Whether requests of the party are answered.
    #[must_use]
    pub fn is_up(&self, party: Party) -> bool {
        self.cuts.is_empty() || self.cuts.get(&party).is_none_or(|cuts| cuts.answers)
    }

    /// Whether the party's watches hear of changes.
    #[must_use]
    pub fn hears(&self, party: Party) -> bool {
        self.cuts.is_empty() || self.cuts.get(&party).is_none_or(|cuts| cuts.watches)
    }

    /// Whether packets pass, which the party may not have felt yet.
    #[must_use]
    pub fn passes(&self, party: Party) -> bool {
        self.cuts.get(&party).is_none_or(|cuts| cuts.causes.is_empty())
    }

    /// Whether no link is cut.
    #[must_use]
    pub fn all_up(&self) -> bool {
        self.cuts.is_empty()
    }

    /// A fault cuts a link. A repair that has not reached the party yet does not reach it: its events come back, to be cancelled.
    pub fn cut(&mut self, party: Party, mode: CutMode, now: SimTime, fault: FaultId) -> (Change, [Option<Timer>; 2]) {
        let before = self.cut_of(party);
        let cuts = self.cuts.entry(party).or_insert_with(|| Cuts {
            since: now,
            causes: BTreeMap::new(),
            mode,
            answers: true,
            watches: true,
            resumes: [None; 2],
            redials: false,
            requests: Vec::new(),
            next_server: None,
        });
        let again = cuts.causes.is_empty();
        cuts.causes.insert(fault, mode);
        if cuts.answers {
            cuts.since = now;
            cuts.requests.clear();
        }
        (cuts.answers, cuts.watches) = (false, false);
        cuts.mode = cuts.strongest().unwrap_or(mode);
        let resumes = std::mem::take(&mut cuts.resumes);
        if let (Party::Agent(node), None) = (party, self.first_cut_agent) {
            self.first_cut_agent = Some(node);
        }
        let change = match before {
            None => Change::Cut,
            Some(before) if again || Some(before.mode) != self.cut_of(party).map(|cut| cut.mode) => Change::Mode,
            Some(_) => Change::None,
        };
        (change, resumes)
    }

    /// A fault ends for a link, which stays cut if another one cuts it.
    pub fn restore(&mut self, party: Party, fault: FaultId) -> Change {
        let Some(cuts) = self.cuts.get_mut(&party) else {
            return Change::None;
        };
        if cuts.causes.remove(&fault).is_none() {
            return Change::None;
        }
        match cuts.strongest() {
            None => Change::Repaired,
            Some(mode) if mode == cuts.mode => Change::None,
            Some(mode) => {
                cuts.mode = mode;
                Change::Mode
            }
        }
    }

    /// The events by which a party resumes, and the API server to which it connects for that, if it does not keep its connection.
    pub fn will_resume(&mut self, party: Party, at: [Timer; 2], server: Option<u32>) {
        let cuts = self.cuts.get_mut(&party).expect("what resumes was cut");
        cuts.resumes = at.map(Some);
        (cuts.next_server, cuts.redials) = (server, server.is_some());
    }

    /// What was to come of a repair, or of another API server, is not to come: its events, to be cancelled.
    pub fn will_not_resume(&mut self, party: Party) -> [Option<Timer>; 2] {
        let cuts = self.cuts.get_mut(&party);
        cuts.map(|cuts| std::mem::take(&mut cuts.resumes)).unwrap_or_default()
    }

    /// The event by which a party was to resume one way, to be cancelled because it does so now.
    pub fn resumes_now(&mut self, party: Party, way: Way) -> Option<Timer> {
        self.cuts.get_mut(&party)?.resumes[way as usize].take()
    }

    /// The event by which a party resumes one way, if that is under way.
    #[must_use]
    pub fn resuming(&self, party: Party, way: Way) -> Option<Timer> {
        self.cuts.get(&party)?.resumes[way as usize]
    }

    /// The event by which a party resumes one way is another one.
    pub fn resumes_later(&mut self, party: Party, way: Way, timer: Timer) {
        if let Some(cuts) = self.cuts.get_mut(&party) {
            cuts.resumes[way as usize] = Some(timer);
        }
    }

    /// Since when a party has had no answers, or has heard of no changes, if that is so.
    #[must_use]
    pub fn silent_since(&self, party: Party) -> Option<SimTime> {
        self.cuts.get(&party).map(|cuts| cuts.since)
    }

    /// Whether a party without answers connects anew: what it asks then is served by whichever API server it reaches.
    #[must_use]
    pub fn redials(&self, party: Party) -> bool {
        self.cuts.get(&party).is_some_and(|cuts| cuts.redials && !cuts.answers)
    }

    /// Whether a party without answers keeps its connection, on which they are under way.
    #[must_use]
    pub fn keeps(&self, party: Party) -> bool {
        let under_way = |cuts: &Cuts| !cuts.answers && !cuts.redials && cuts.resumes[Way::Answers as usize].is_some();
        self.cuts.get(&party).is_some_and(under_way)
    }

    /// A party has reached an API server.
    pub fn reaches(&mut self, party: Party, server: u32) {
        if let Some(cuts) = self.cuts.get_mut(&party) {
            cuts.next_server = Some(server);
        }
    }

    /// A request of a party that has no answers leaves at a time.
    pub fn ask(&mut self, party: Party, at: SimTime) {
        if let Some(cuts) = self.cuts.get_mut(&party) {
            cuts.requests.push(at);
        }
    }

    /// When requests left since the party has had no answers.
    #[must_use]
    pub fn requests(&self, party: Party) -> &[SimTime] {
        self.cuts.get(&party).map_or(&[], |cuts| &cuts.requests)
    }

    /// A repair reaches the party, which had no answers since the time that comes back.
    pub fn resume(&mut self, party: Party, way: Way) -> SimTime {
        let cuts = self.cuts.get_mut(&party).expect("what resumes was cut");
        let since = cuts.since;
        match way {
            Way::Answers => {
                cuts.answers = true;
                // It no longer depends on a server that is down.
                cuts.causes.clear();
                if let Some(server) = cuts.next_server {
                    self.servers.insert(party, server);
                }
            }
            Way::Watches => cuts.watches = true,
        }
        if cuts.answers && cuts.watches {
            self.cuts.remove(&party);
        }
        since
    }

    /// The node whose agent was cut off before all others, if any was.
    #[must_use]
    pub const fn first_cut_agent(&self) -> Option<NodeId> {
        self.first_cut_agent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SimDuration;

    const AGENT: Party = Party::Agent(NodeId(2));

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs(seconds)
    }

    #[test]
    fn a_link_is_whole_when_the_last_fault_that_cuts_it_has_ended() {
        let mut links = Links::default();
        let cut = |links: &mut Links, mode, s, fault| links.cut(AGENT, mode, at(s), FaultId(fault)).0;
        assert_eq!(cut(&mut links, CutMode::RepliesOnly, 1, 0), Change::Cut);
        assert_eq!(cut(&mut links, CutMode::Drop, 2, 1), Change::Mode);
        assert_eq!(cut(&mut links, CutMode::Reject, 3, 2), Change::None);
        let cut = links.cut_of(AGENT).unwrap();
        assert_eq!((cut.mode, cut.since), (CutMode::Drop, at(1)));
        assert_eq!(links.restore(AGENT, FaultId(1)), Change::Mode);
        assert_eq!(links.cut_of(AGENT).unwrap().mode, CutMode::Reject);
        assert_eq!(links.restore(AGENT, FaultId(0)), Change::None);
        assert_eq!(
            links.restore(AGENT, FaultId(0)),
            Change::None,
            "an end before its start does nothing"
        );
        assert!(!links.passes(AGENT));
        assert_eq!(links.restore(AGENT, FaultId(2)), Change::Repaired);
        assert!(links.passes(AGENT) && !links.is_up(AGENT) && !links.hears(AGENT));
        links.resume(AGENT, Way::Answers);
        assert!(links.is_up(AGENT) && !links.hears(AGENT) && !links.all_up());
        links.resume(AGENT, Way::Watches);
        assert!(links.hears(AGENT) && links.all_up());
    }

    #[test]
    fn a_cut_before_a_repair_is_felt_continues_the_silence() {
        let mut links = Links::default();
        links.cut(AGENT, CutMode::Drop, at(1), FaultId(0));
        links.restore(AGENT, FaultId(0));
        assert_eq!(links.cut(AGENT, CutMode::Drop, at(5), FaultId(0)).0, Change::Mode);
        assert_eq!(links.cut_of(AGENT).unwrap().since, at(1));
        links.restore(AGENT, FaultId(0));
        links.resume(AGENT, Way::Answers);
        assert_eq!(links.cut(AGENT, CutMode::Reject, at(9), FaultId(0)).0, Change::Cut);
        assert_eq!(links.cut_of(AGENT).unwrap().since, at(9));
    }

    #[test]
    fn the_first_cut_agent_is_the_first_by_time() {
        let mut links = Links::default();
        links.cut(Party::Agent(NodeId(3)), CutMode::Drop, at(1), FaultId(0));
        links.cut(Party::Agent(NodeId(1)), CutMode::Drop, at(2), FaultId(1));
        assert_eq!(links.first_cut_agent(), Some(NodeId(3)));
    }
}
