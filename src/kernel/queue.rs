//! The queue of pending events: an indexed 4-ary heap over a slab, with true cancellation.
//!
//! The heap holds times and slots, four siblings in one cache line, so one level costs one miss and three comparisons
//! without a branch. What orders events of one instant stands beside the event in the slab and is looked at on ties only.
//! Events never move while they wait. A cancelled event leaves the heap at once, so timeouts that are nearly always
//! cancelled do not fill memory. `docs/performance.md` states which other structures were measured. What the keys mean
//! belongs to `order`.

use std::hint::select_unpredictable;

use super::order::EventKey;

const ARITY: usize = 4;
/// Where the heap begins: entries are numbered so that the children of each fill one group exactly.
const ROOT: usize = ARITY - 1;
/// No slot: the end of the list of free slots, and what stands in a vacant place.
const NONE: u32 = u32::MAX;

/// A handle to a pending event. It stays valid to hold after the event has fired; cancelling then does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    slot: u32,
    generation: u32,
}

/// Four siblings in one cache line. A vacant place has the latest time and no slot.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Siblings {
    times: [u64; ARITY],
    slots: [u32; ARITY],
}

impl Siblings {
    const VACANT: Self = Self {
        times: [u64::MAX; ARITY],
        slots: [NONE; ARITY],
    };

    /// The earliest time, its place, and whether another sibling has it too. Which of four is the earliest cannot be predicted, so
    /// nothing branches on it.
    #[inline(always)]
    fn earliest(&self) -> (u64, usize, bool) {
        let [a, b, c, d] = self.times;
        let (left, left_place) = (a.min(b), select_unpredictable(b < a, 1, 0));
        let (right, right_place) = (c.min(d), select_unpredictable(d < c, 3, 2));
        let place = select_unpredictable(right < left, right_place, left_place);
        let tie = (left == right) | select_unpredictable(right < left, c == d, a == b);
        (left.min(right), place, tie)
    }
}

struct Slot<E> {
    /// What orders events of one instant.
    tail: u64,
    event: Option<E>,
}

/// Where the event of a slot is.
#[derive(Clone, Copy)]
struct Place {
    /// Its position in the heap; of a free slot, the next free slot.
    position: u32,
    /// How many events have left the slot.
    generation: u32,
}

/// Pending events in the order of their keys. Push, pop and cancel take O(log n); nothing is allocated once the queue has
/// been as long as it gets. An event costs 24 bytes (heap 16, place 8) and its slot: 8 bytes and the event.
pub struct Queue<E> {
    /// Times and slots by position, in groups of siblings.
    heap: Vec<Siblings>,
    /// The place of each slot's event. Apart from the slab, because the heap writes here whenever an entry moves.
    places: Vec<Place>,
    slab: Vec<Slot<E>>,
    /// The free slot that is used next.
    free: u32,
    len: usize,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self {
            heap: Vec::new(),
            places: Vec::new(),
            slab: Vec::new(),
            free: NONE,
            len: 0,
        }
    }
}

impl<E> Queue<E> {
    /// Number of pending events.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is pending.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The key of the earliest event.
    #[inline]
    pub fn peek(&self) -> Option<EventKey> {
        if self.len == 0 {
            return None;
        }
        let group = self.heap.first()?;
        let tail = self.slab[group.slots[ROOT] as usize].tail;
        Some(EventKey::from_parts(group.times[ROOT], tail))
    }

    /// Adds an event.
    ///
    /// # Panics
    /// If more than 2^32 - 4 events are pending.
    #[inline]
    pub fn push(&mut self, key: EventKey, event: E) -> Timer {
        let (time, tail) = key.parts();
        let slot = self.free;
        if slot == NONE {
            return self.push_into_new_slot(time, tail, event);
        }
        let Place { position, generation } = self.places[slot as usize];
        self.free = position;
        self.slab[slot as usize] = Slot {
            tail,
            event: Some(event),
        };
        self.insert(time, tail, slot);
        Timer { slot, generation }
    }

    #[inline(never)]
    fn push_into_new_slot(&mut self, time: u64, tail: u64, event: E) -> Timer {
        // Positions run ahead of the number of events by ROOT.
        let slot = u32::try_from(self.slab.len() + ROOT).expect("more than 2^32 pending events") - ROOT as u32;
        // Growing by a sixth and not by a factor of two leaves little memory idle.
        if self.slab.len() == self.slab.capacity() {
            let more = self.slab.len() / 6 + 16;
            self.slab.reserve_exact(more);
            self.places.reserve_exact(more);
            self.heap.reserve_exact(more / ARITY + 1);
        }
        self.slab.push(Slot {
            tail,
            event: Some(event),
        });
        self.places.push(Place {
            position: 0,
            generation: 0,
        });
        self.insert(time, tail, slot);
        Timer { slot, generation: 0 }
    }

    /// Takes the earliest event.
    ///
    /// # Panics
    /// If two events have the same key: the order of the run would be undefined.
    #[inline]
    pub fn pop(&mut self) -> Option<(EventKey, E)> {
        let key = self.peek()?;
        let event = self.remove_at(ROOT);
        if self.heap[0].times[ROOT] == key.parts().0 {
            assert!(
                self.peek() != Some(key),
                "two events have the same place in the order: {key:?}"
            );
        }
        Some((key, event))
    }

    /// Removes a pending event and returns it, or nothing if it has fired or was cancelled before.
    #[inline]
    pub fn cancel(&mut self, timer: Timer) -> Option<E> {
        // A slot's generation rises when its event leaves, so no timer holds the generation of a free slot.
        let place = self.places.get(timer.slot as usize)?;
        if place.generation != timer.generation {
            return None;
        }
        Some(self.remove_at(place.position as usize))
    }

    /// Puts an entry at the end of the heap and lets it rise.
    #[inline]
    fn insert(&mut self, time: u64, tail: u64, slot: u32) {
        let position = self.len + ROOT;
        if position / ARITY == self.heap.len() {
            self.heap.push(Siblings::VACANT);
        }
        self.len += 1;
        self.rise(position, time, tail, slot);
    }

    #[inline]
    fn remove_at(&mut self, position: usize) -> E {
        let slot = self.heap[position / ARITY].slots[position % ARITY];
        // The last entry leaves its place and fills the hole.
        self.len -= 1;
        let last = self.len + ROOT;
        let group = &mut self.heap[last / ARITY];
        let (last_time, last_slot) = (group.times[last % ARITY], group.slots[last % ARITY]);
        group.times[last % ARITY] = u64::MAX;
        group.slots[last % ARITY] = NONE;
        if position != last {
            let hole = self.sink_hole(position);
            let last_tail = self.slab[last_slot as usize].tail;
            self.rise(hole, last_time, last_tail, last_slot);
        }
        let place = &mut self.places[slot as usize];
        place.position = self.free;
        place.generation = place.generation.wrapping_add(1);
        self.free = slot;
        self.slab[slot as usize]
            .event
            .take()
            .expect("a pending slot holds an event")
    }

    /// Fills a hole by its earliest child, and so on down to a leaf, where the hole ends.
    ///
    /// What replaces a removed entry comes from the end of the heap and nearly always belongs there again, so it is not
    /// compared on the way down (Wegener's bottom-up heap sort, 1993).
    #[inline]
    fn sink_hole(&mut self, mut hole: usize) -> usize {
        loop {
            let below = hole - (ROOT - 1);
            if below * ARITY >= self.len + ROOT {
                return hole;
            }
            let siblings = &self.heap[below];
            let (time, mut place, tie) = siblings.earliest();
            if tie {
                place = self.earliest_of_equals(siblings, time);
            }
            let slot = siblings.slots[place % ARITY];
            self.place(hole, time, slot);
            hole = below * ARITY + place;
        }
    }

    /// The place of the earliest among siblings of this time. Vacant places have the time of what never happens; they come
    /// after every event of that time.
    #[inline(never)]
    fn earliest_of_equals(&self, siblings: &Siblings, time: u64) -> usize {
        let tail = |place: &usize| {
            let slot = siblings.slots[*place] as usize;
            self.slab.get(slot).map_or((true, 0), |entry| (false, entry.tail))
        };
        (0..ARITY)
            .filter(|place| siblings.times[*place] == time)
            .min_by_key(tail)
            .unwrap_or_default()
    }

    /// Moves later ancestors down until the entry fits, and puts it there.
    #[inline(always)]
    fn rise(&mut self, mut position: usize, time: u64, tail: u64, slot: u32) {
        while position > ROOT {
            let parent = position / ARITY + (ROOT - 1);
            let group = &self.heap[parent / ARITY];
            let (above, moved) = (group.times[parent % ARITY], group.slots[parent % ARITY]);
            if above < time || (above == time && self.slab[moved as usize].tail <= tail) {
                break;
            }
            self.place(position, above, moved);
            position = parent;
        }
        self.place(position, time, slot);
    }

    #[inline(always)]
    fn place(&mut self, position: usize, time: u64, slot: u32) {
        let group = &mut self.heap[position / ARITY];
        group.times[position % ARITY] = time;
        group.slots[position % ARITY] = slot;
        self.places[slot as usize].position = position as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::super::order::{EventClass, SourceRank};
    use super::super::time::SimTime;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn key(time: u64, counter: u32) -> EventKey {
        EventKey::new(
            SimTime::from_nanos(time),
            EventClass::Timer,
            SourceRank::new(0),
            counter,
        )
    }

    #[derive(Clone, Debug)]
    enum Operation {
        Push(u64),
        Pop,
        Cancel(usize),
    }

    proptest! {
        /// Against a plain ordered map: same pops, same results of cancelling.
        #[test]
        fn behaves_like_an_ordered_map(operations in prop::collection::vec(
            prop_oneof![
                // Few times make ties, and `NEVER` is the time of vacant places.
                2 => (0_u64..50).prop_map(Operation::Push),
                2 => any::<u64>().prop_map(Operation::Push),
                1 => Just(Operation::Push(u64::MAX)),
                3 => Just(Operation::Pop),
                1 => (0_usize..600).prop_map(Operation::Cancel),
            ], 0..1000)
        ) {
            let mut queue = Queue::default();
            let mut model: BTreeMap<EventKey, u32> = BTreeMap::new();
            let mut timers: Vec<(Timer, EventKey)> = Vec::new();
            for (number, operation) in operations.into_iter().enumerate() {
                match operation {
                    Operation::Push(time) => {
                        // Later pushes come first among equal times, so ties depend on the tail and not on the history.
                        let k = key(time, 1000 - number as u32);
                        timers.push((queue.push(k, number as u32), k));
                        model.insert(k, number as u32);
                    }
                    Operation::Pop => prop_assert_eq!(queue.pop(), model.pop_first()),
                    Operation::Cancel(which) => {
                        if let Some((timer, k)) = timers.get(which) {
                            prop_assert_eq!(queue.cancel(*timer), model.remove(k));
                        }
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.peek(), model.keys().next().copied());
            }
        }
    }

    #[test]
    fn re_arming_a_time_out_does_not_grow_the_queue() {
        let mut queue = Queue::default();
        let mut timer = queue.push(key(1, 0), ());
        for counter in 1..10_000 {
            assert!(queue.cancel(timer).is_some());
            timer = queue.push(key(1, counter), ());
        }
        assert_eq!((queue.len(), queue.slab.len()), (1, 1));
    }

    #[test]
    #[should_panic(expected = "same place in the order")]
    fn equal_keys_are_a_defect() {
        let mut queue = Queue::default();
        queue.push(key(1, 1), ());
        queue.push(key(1, 1), ());
        queue.pop();
    }
}
