//! The queue of pending events: an indexed 4-ary heap over a slab, with true cancellation.
//!
//! Keys are 16 bytes and lie beside each other; events stay in the slab and never move while they wait. A cancelled
//! event leaves the heap at once, so time-outs that are nearly always cancelled do not fill memory. What the keys mean
//! belongs to `order`.

use super::order::EventKey;

const ARITY: usize = 4;
const VACANT: u32 = u32::MAX;

/// A handle to a pending event. It stays valid to hold after the event has fired; cancelling then does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    slot: u32,
    generation: u32,
}

struct Slot<E> {
    event: Option<E>,
    position: u32,
    generation: u32,
}

/// Pending events in the order of their keys. Push, pop and cancel take O(log n); a pending event costs 20 bytes
/// in the heap plus its slot.
pub struct Queue<E> {
    keys: Vec<EventKey>,
    slots_of: Vec<u32>,
    slab: Vec<Slot<E>>,
    free: Vec<u32>,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            slots_of: Vec::new(),
            slab: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<E> Queue<E> {
    /// Number of pending events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key of the earliest event.
    #[must_use]
    pub fn peek(&self) -> Option<EventKey> {
        self.keys.first().copied()
    }

    /// Adds an event.
    pub fn push(&mut self, key: EventKey, event: E) -> Timer {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let slot = u32::try_from(self.slab.len()).expect("more than 2^32 pending events");
                self.slab.push(Slot {
                    event: None,
                    position: VACANT,
                    generation: 0,
                });
                slot
            }
        };
        self.slab[slot as usize].event = Some(event);
        self.keys.push(key);
        self.slots_of.push(slot);
        self.sift_up(self.keys.len() - 1);
        Timer {
            slot,
            generation: self.slab[slot as usize].generation,
        }
    }

    /// Takes the earliest event.
    ///
    /// # Panics
    /// If two events have the same key: the order of the run would be undefined.
    pub fn pop(&mut self) -> Option<(EventKey, E)> {
        let key = self.peek()?;
        let event = self.remove_at(0);
        if let Some(next) = self.peek() {
            assert!(next != key, "two events have the same place in the order: {key:?}");
        }
        Some((key, event))
    }

    /// Removes a pending event and returns it, or nothing if it has fired or was cancelled before.
    pub fn cancel(&mut self, timer: Timer) -> Option<E> {
        let slot = self.slab.get(timer.slot as usize)?;
        if slot.generation != timer.generation || slot.position == VACANT {
            return None;
        }
        let position = slot.position as usize;
        Some(self.remove_at(position))
    }

    fn remove_at(&mut self, position: usize) -> E {
        let slot = self.slots_of[position];
        let last = self.keys.len() - 1;
        self.keys.swap(position, last);
        self.slots_of.swap(position, last);
        self.keys.pop();
        self.slots_of.pop();
        if position < self.keys.len() {
            self.slab[self.slots_of[position] as usize].position = position as u32;
            let moved = self.sift_down(position);
            self.sift_up(moved);
        }
        let entry = &mut self.slab[slot as usize];
        entry.position = VACANT;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(slot);
        entry.event.take().expect("a pending slot holds an event")
    }

    fn place(&mut self, position: usize, key: EventKey, slot: u32) {
        self.keys[position] = key;
        self.slots_of[position] = slot;
        self.slab[slot as usize].position = position as u32;
    }

    fn sift_up(&mut self, mut position: usize) {
        let (key, slot) = (self.keys[position], self.slots_of[position]);
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if self.keys[parent] <= key {
                break;
            }
            self.place(position, self.keys[parent], self.slots_of[parent]);
            position = parent;
        }
        self.place(position, key, slot);
    }

    fn sift_down(&mut self, mut position: usize) -> usize {
        let (key, slot) = (self.keys[position], self.slots_of[position]);
        loop {
            let first = position * ARITY + 1;
            if first >= self.keys.len() {
                break;
            }
            let end = (first + ARITY).min(self.keys.len());
            let mut least = first;
            for child in first + 1..end {
                if self.keys[child] < self.keys[least] {
                    least = child;
                }
            }
            if key <= self.keys[least] {
                break;
            }
            self.place(position, self.keys[least], self.slots_of[least]);
            position = least;
        }
        self.place(position, key, slot);
        position
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
                3 => (0_u64..50).prop_map(Operation::Push),
                2 => Just(Operation::Pop),
                1 => (0_usize..200).prop_map(Operation::Cancel),
            ], 0..300)
        ) {
            let mut queue = Queue::default();
            let mut model: BTreeMap<EventKey, u32> = BTreeMap::new();
            let mut timers: Vec<(Timer, EventKey)> = Vec::new();
            for (number, operation) in operations.into_iter().enumerate() {
                match operation {
                    Operation::Push(time) => {
                        let k = key(time, number as u32);
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
