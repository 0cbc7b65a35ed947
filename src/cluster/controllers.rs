//! Which controllers and which scheduler lead, and what becomes of their work while none does.
//!
//! **Modeled**: each API server has controllers and a scheduler beside it, which talk to it alone; those beside one of them lead. If
//! they are cut off, or their API server can write nothing, they end at their renewal deadline. Others take over when the lease has run out, at their next try, and
//! fill their caches first. Until then nothing that controllers or the scheduler would do is done; what they would have heard they list.
//! The node lifecycle controller judges all nodes anew then, with a grace period that begins with its start.
//! Without `leader_election` they act for as long as they can write, and go on when they can again.
//! **Left out**: what a leader still tries until its deadline, separate leaders of controllers and scheduler, a leader whose clock is wrong, the garbage collector.
//! **Parameters**: `leader_*`. **Validated by**: `tests/world/controllers.rs`, `tests/world/etcd_quorum.rs`.

use super::context::Ctx;
use super::event::{Event, Source};
use super::leaders::key;
use super::observed::Fact;
use super::party::Party;
use super::purpose::Purpose;
use crate::kernel::{EventClass, SimDuration};

impl Ctx<'_> {
    /// Whether no API server can be reached by new connections.
    #[must_use]
    pub fn without_api_servers(&self) -> bool {
        self.shared.links.servers_down().len() >= self.blueprint().spec.api_servers as usize
    }

    /// Whether the controllers beside an API server can hold a lease there.
    fn can_lead(&self, server: u32) -> bool {
        let elects = self.blueprint().spec.kubernetes.leader_election;
        let writes = !elects || self.shared.etcd.lost_since(server).is_none();
        writes && self.shared.links.is_up(Party::Controllers(server))
    }

    /// The link of controllers to their API server was cut or repaired, or the API server writes no more, or again.
    pub(super) fn controllers_change(&mut self) {
        let now = self.now();
        let params = &self.blueprint().spec.kubernetes;
        let (deadline, elects) = (params.leader_renew_deadline, params.leader_election);
        let leads = self.can_lead(self.shared.controllers.leader);
        let controllers = &mut self.shared.controllers;
        match controllers.halted {
            None if leads => return,
            None => {
                controllers.halted = Some(now);
                let leader = controllers.leader;
                self.observe(Fact::LeaderLost(leader));
            }
            // Back before they had to end.
            Some(since) if leads && (now < since + deadline || !elects) => {
                if let Some(timer) = self.shared.controllers.take_over.take() {
                    self.kernel.cancel(timer);
                }
                self.controllers_go_on();
                return;
            }
            Some(_) => {}
        }
        self.schedule_take_over();
    }

    fn schedule_take_over(&mut self) {
        let servers = self.blueprint().spec.api_servers;
        let params = &self.blueprint().spec.kubernetes;
        let one_can = params.leader_election && (0..servers).any(|server| self.can_lead(server));
        let controllers = &self.shared.controllers;
        let (Some(since), true, None) = (controllers.halted, one_can, controllers.take_over) else {
            return;
        };
        let (lease, retry) = (params.leader_lease_duration, params.leader_retry_period);
        let mut draws = self.stream(Purpose::TakeOver, key().child(u64::from(controllers.take_overs)));
        let runs_out = (since + lease.saturating_sub(draws.up_to(retry))).max(self.now());
        // They act when their caches are filled.
        let start = draws.duration(&params.leader_start_latency);
        let at = runs_out + draws.up_to(retry.scale(2.2)) + start;
        let timer = self.schedule_taking_over(at);
        let controllers = &mut self.shared.controllers;
        controllers.take_over = Some(timer);
        controllers.take_overs += 1;
    }

    /// The lease has run out: one of the others leads, if it is not cut off meanwhile.
    pub(super) fn controllers_take_over(&mut self) {
        self.shared.controllers.take_over = None;
        let servers = 0..self.blueprint().spec.api_servers;
        let able: Vec<u32> = servers.filter(|server| self.can_lead(*server)).collect();
        let turn = u64::from(self.shared.controllers.take_overs);
        let Some(&leader) = able.get(match able.len() {
            0 => return,
            some => self.stream(Purpose::Leader, key().child(turn)).below(some as u64) as usize,
        }) else {
            return;
        };
        let former = std::mem::replace(&mut self.shared.controllers.leader, leader);
        self.observe(Fact::LeaderTakesOver(leader));
        self.watches_anew(Party::Controllers(former));
        self.node_lifecycle_begins();
        self.controllers_go_on();
    }

    /// What was held is handled now.
    fn controllers_go_on(&mut self) {
        let controllers = &mut self.shared.controllers;
        controllers.halted = None;
        let held = std::mem::take(&mut controllers.held);
        // What the silence of a node leads to is judged anew.
        let mut silent: Vec<_> = held.iter().filter_map(Event::due_to_silence_of).collect();
        silent.sort_unstable();
        silent.dedup();
        for event in held.into_iter().filter(|event| event.due_to_silence_of().is_none()) {
            self.after(Source::Fault, EventClass::Deliver, SimDuration::ZERO, event);
        }
        silent.into_iter().for_each(|node| self.lease_is_cut(node));
    }
}
