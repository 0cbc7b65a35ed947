//! The seats and queues of one priority level of an API server: fair queuing among its users.
//!
//! Source: `docs/model/kubernetes.md#load-of-the-api-servers`.

use std::collections::VecDeque;

use crate::kernel::{SimDuration, SimTime};

/// Who gets to know what became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A component, by the number of its request.
    Component(u64),
    /// A client of a flow.
    Flow {
        /// The flow.
        id: u64,
        /// How often it has sent the request before.
        tries: u32,
        /// The client's user.
        user: u64,
    },
}

/// A request at an API server.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Who sent it.
    pub sender: Sender,
    /// The seats that it takes.
    pub seats: u32,
    /// What it does on its seats.
    pub work: Work,
}

/// What a request does on its seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Processor time that is part of the latency its sender has waited for: only what it is stretched by comes on top.
    Counted(SimDuration),
    /// Processor time for which its sender waits now.
    Whole(SimDuration),
    /// It waits for something else, and keeps its seats until they are released.
    Held,
}

/// A request in its queue.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    request: Request,
    number: u64,
    came: SimTime,
    came_at: f64,
}

#[derive(Clone, Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    seats_waiting: u32,
    executing: u32,
    /// The seat-seconds up to which it has been served, in virtual time.
    served: f64,
}

impl Queue {
    fn is_active(&self) -> bool {
        self.executing > 0 || !self.waiting.is_empty()
    }

    /// Nothing is served, in virtual time, before it has come.
    fn bound(&mut self) {
        if let Some(oldest) = self.waiting.front() {
            self.served = self.served.max(oldest.came_at);
        }
    }
}

/// How a level queues.
#[derive(Clone, Copy, Debug)]
pub struct Queuing {
    /// Seats that its shares give it.
    pub nominal: u32,
    /// How many of them it lends while it needs fewer.
    pub lendable: u32,
    /// Queues.
    pub queues: u32,
    /// Queues of one user, of which a request takes the shortest.
    pub hand: u32,
    /// Most requests in one queue.
    pub length: u32,
    /// A request that has waited for this long is refused.
    pub longest_wait: SimDuration,
    /// What a request is expected to take, until it has.
    pub expected: SimDuration,
}

/// A level: its seats, those who hold them and those who wait.
#[derive(Debug)]
pub struct Level {
    queuing: Queuing,
    /// The seats that it has now.
    limit: u32,
    in_use: u32,
    queues: Vec<Queue>,
    active: u32,
    waiting: u32,
    seats_waiting: u32,
    /// Virtual time: seat-seconds that a queue with work always waiting would have had.
    virtual_s: f64,
    now: SimTime,
    /// When each waiting request is refused, with its queue and number; those that were served stay until then.
    deadlines: VecDeque<(SimTime, usize, u64)>,
    arrivals: u64,
    turn: usize,
    expected_s: f64,
}

impl Level {
    /// An idle level.
    #[must_use]
    pub fn new(queuing: Queuing) -> Self {
        Self {
            limit: queuing.nominal,
            in_use: 0,
            queues: vec![Queue::default(); queuing.queues.max(1) as usize],
            active: 0,
            waiting: 0,
            seats_waiting: 0,
            virtual_s: 0.0,
            now: SimTime::ZERO,
            deadlines: VecDeque::new(),
            arrivals: 0,
            turn: 0,
            expected_s: queuing.expected.as_secs_f64(),
            queuing,
        }
    }

    /// Seats that are held or waited for.
    #[must_use]
    pub const fn demand(&self) -> u32 {
        self.in_use + self.seats_waiting
    }

    /// How it queues.
    #[must_use]
    pub const fn queuing(&self) -> &Queuing {
        &self.queuing
    }

    /// Gives it other seats than its nominal ones.
    pub const fn set_limit(&mut self, seats: u32) {
        self.limit = seats;
    }

    /// The next time at which a waiting request is refused.
    pub fn next_deadline(&mut self) -> Option<SimTime> {
        while let Some(&(at, queue, number)) = self.deadlines.front() {
            if self.queues[queue]
                .waiting
                .front()
                .is_some_and(|first| first.number == number)
            {
                return Some(at);
            }
            self.deadlines.pop_front();
        }
        None
    }

    /// A request comes; nothing if its queue is full and so are the seats.
    pub fn enqueue(&mut self, request: Request, user: u64, now: SimTime) -> Option<()> {
        self.pass(now);
        let index = self.queue_of(user);
        let full = self.queues[index].waiting.len() >= self.queuing.length as usize;
        if self.in_use >= self.limit && full {
            return None;
        }
        let queue = &mut self.queues[index];
        if !queue.is_active() {
            queue.served = self.virtual_s;
            self.active += 1;
        }
        let number = self.arrivals;
        queue.waiting.push_back(Waiting {
            request,
            number,
            came: now,
            came_at: self.virtual_s,
        });
        queue.seats_waiting += request.seats;
        queue.bound();
        self.waiting += 1;
        self.seats_waiting += request.seats;
        self.deadlines
            .push_back((now + self.queuing.longest_wait, index, number));
        Some(())
    }

    /// Serves the next request, if there is one and its seats are free; with its queue and the time for which it waited.
    pub fn dispatch(&mut self, now: SimTime) -> Option<(Request, usize, SimDuration)> {
        self.pass(now);
        if self.waiting == 0 || self.in_use >= self.limit {
            return None;
        }
        let index = self.next_queue()?;
        let seats = self.queues[index].waiting.front()?.request.seats;
        // A request that is wider than its level is served when the level is idle.
        if self.in_use + seats > self.limit && self.in_use > 0 {
            return None;
        }
        self.turn = index;
        let first = self.take_first(index)?;
        let queue = &mut self.queues[index];
        queue.executing += 1;
        queue.served += f64::from(seats) * self.expected_s;
        queue.bound();
        self.in_use += seats;
        Some((first.request, index, now.since(first.came)))
    }

    /// A request that was served for a span has ended.
    pub fn finish(&mut self, queue: usize, seats: u32, span: SimDuration, now: SimTime) {
        self.pass(now);
        self.in_use -= seats;
        let queue = &mut self.queues[queue];
        queue.executing -= 1;
        queue.served += f64::from(seats) * (span.as_secs_f64() - self.expected_s);
        queue.bound();
        if !queue.is_active() {
            self.active -= 1;
        }
    }

    /// Removes the request whose wait is over.
    pub fn expire(&mut self, now: SimTime) -> Option<Request> {
        self.pass(now);
        let (_, index, _) = self.deadlines.pop_front()?;
        let first = self.take_first(index)?;
        self.queues[index].bound();
        if !self.queues[index].is_active() {
            self.active -= 1;
        }
        Some(first.request)
    }

    fn take_first(&mut self, index: usize) -> Option<Waiting> {
        let queue = &mut self.queues[index];
        let first = queue.waiting.pop_front()?;
        queue.seats_waiting -= first.request.seats;
        self.waiting -= 1;
        self.seats_waiting -= first.request.seats;
        Some(first)
    }

    /// Virtual time passes as fast as every queue with work gets seats.
    fn pass(&mut self, now: SimTime) {
        let span = now.since(self.now).as_secs_f64();
        self.now = now;
        if self.active > 0 {
            let seats = self.demand().min(self.limit);
            self.virtual_s += span * f64::from(seats) / f64::from(self.active);
        }
    }

    /// The shortest queue of a user's hand.
    fn queue_of(&mut self, user: u64) -> usize {
        let hand = hand(user, self.queues.len(), self.queuing.hand as usize);
        let from = (self.arrivals % hand.len() as u64) as usize;
        self.arrivals += 1;
        let queues = &self.queues;
        let cards = hand[from..].iter().chain(&hand[..from]);
        cards
            .copied()
            .min_by_key(|&queue| queues[queue].seats_waiting)
            .unwrap_or_default()
    }

    /// The queue whose first request would end first in virtual time; equal ones take turns.
    fn next_queue(&self) -> Option<usize> {
        let count = self.queues.len();
        let ends = |index: usize| {
            let queue = &self.queues[index];
            let first = queue.waiting.front()?;
            Some((index, queue.served + f64::from(first.request.seats) * self.expected_s))
        };
        let in_turn = (1..=count).filter_map(|step| ends((self.turn + step) % count));
        let earlier = |first: (usize, f64), other: (usize, f64)| if other.1 < first.1 { other } else { first };
        in_turn.reduce(earlier).map(|(index, _)| index)
    }
}

/// The queues of a user: as many different ones as a hand has cards, dealt by the hash of its name.
fn hand(mut user: u64, queues: usize, cards: usize) -> Vec<usize> {
    let mut dealt: Vec<usize> = Vec::with_capacity(cards);
    for left in (0..=queues).rev().take(cards.clamp(1, queues)) {
        let left = left.max(1) as u64;
        let mut card = (user % left) as usize;
        user /= left;
        let mut before = dealt.clone();
        before.sort_unstable();
        // The so-and-so-many-th of those that are left.
        for other in before {
            card += usize::from(card >= other);
        }
        dealt.push(card);
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUING: Queuing = Queuing {
        nominal: 10,
        lendable: 0,
        queues: 128,
        hand: 6,
        length: 50,
        longest_wait: SimDuration::from_secs(15),
        expected: SimDuration::from_millis(3),
    };

    fn at(ms: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_millis(ms)
    }

    /// A user whose hash is as any other.
    const fn user(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn request(number: u64, seats: u32) -> Request {
        Request {
            sender: Sender::Component(number),
            seats,
            work: Work::Counted(SimDuration::from_millis(100)),
        }
    }

    #[test]
    fn a_hand_has_different_cards_of_all_queues() {
        let mut seen = vec![0_u32; 128];
        for number in 0..20_000 {
            let mut cards = hand(user(number), 128, 6);
            cards.iter().for_each(|&card| seen[card] += 1);
            cards.sort_unstable();
            cards.dedup();
            assert_eq!(cards.len(), 6);
        }
        // 937.5 expected of each queue, standard deviation 30.
        assert!(seen.iter().all(|&count| count.abs_diff(937) < 150), "{seen:?}");
        assert_eq!(hand(12345, 3, 6).len(), 3);
    }

    #[test]
    fn seats_are_held_and_given_back() {
        let mut level = Level::new(QUEUING);
        level.enqueue(request(0, 6), 1, at(0)).unwrap();
        level.enqueue(request(1, 6), 1, at(0)).unwrap();
        let (first, queue, wait) = level.dispatch(at(0)).unwrap();
        assert_eq!((first.sender, wait), (Sender::Component(0), SimDuration::ZERO));
        assert!(level.dispatch(at(10)).is_none(), "four seats are left");
        level.finish(queue, 6, SimDuration::from_millis(100), at(100));
        let (second, _, wait) = level.dispatch(at(100)).unwrap();
        assert_eq!(
            (second.sender, wait),
            (Sender::Component(1), SimDuration::from_millis(100))
        );
    }

    #[test]
    fn a_full_queue_refuses_and_a_long_wait_ends() {
        let mut level = Level::new(Queuing { hand: 1, ..QUEUING });
        level.enqueue(request(0, 20), 1, at(0)).unwrap();
        assert!(level.dispatch(at(0)).is_some(), "wider than the level, which is idle");
        for number in 1..=50 {
            level.enqueue(request(number, 1), 1, at(1)).unwrap();
        }
        assert!(level.enqueue(request(51, 1), 1, at(2)).is_none());
        level
            .enqueue(request(52, 1), 99, at(2))
            .expect("another user has another queue");
        assert_eq!(level.next_deadline(), Some(at(15_001)));
        assert_eq!(level.expire(at(15_001)).unwrap().sender, Sender::Component(1));
    }

    /// One user floods, another sends now and then: with queues of its own it is served next.
    #[test]
    fn a_flood_of_one_user_does_not_delay_another() {
        let mut level = Level::new(QUEUING);
        let mut executing = VecDeque::new();
        let (mut waits, mut flooded) = (Vec::new(), SimDuration::ZERO);
        for ms in 0..20_000_u64 {
            while executing.front().is_some_and(|&(_, started)| started + 100 <= ms) {
                let (queue, _) = executing.pop_front().unwrap();
                level.finish(queue, 1, SimDuration::from_millis(100), at(ms));
            }
            // 200 requests a second, of which 100 can be served.
            if ms % 5 == 0 {
                let _ = level.enqueue(request(0, 1), user(1), at(ms));
            }
            if ms % 1000 == 500 {
                level.enqueue(request(1, 1), user(2), at(ms)).unwrap();
            }
            while let Some((request, queue, wait)) = level.dispatch(at(ms)) {
                executing.push_back((queue, ms));
                match request.sender {
                    Sender::Component(1) => waits.push(wait),
                    _ => flooded = flooded.max(wait),
                }
            }
        }
        assert_eq!(waits.len(), 20);
        // The flood's own requests wait for seconds; this one at most until what was served on credit is accounted for.
        let most = waits.iter().max().copied().unwrap_or_default();
        assert!(
            most <= SimDuration::from_millis(300) && flooded > SimDuration::from_secs(2),
            "{most}, {flooded}"
        );
    }
}
