//! The total order of events: the key and the class table.
//!
//! Two events at the same instant are ordered by class, then by the rank of the component that scheduled them, then by
//! that component's own counter. The order of the classes is behaviour: moving a line of the enum changes results.
//! Who schedules what belongs to the models; how keys are stored belongs to `queue`.

use super::time::SimTime;

/// What kind of thing happens, in the order in which things at the same instant happen.
///
/// The table in `ARCHITECTURE.md` is checked against [`EventClass::TABLE`] by a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EventClass {
    /// A fault starts or ends: everything later at the same instant meets the changed world.
    Fault = 0,
    /// Something physical happens: a process starts, a packet arrives.
    Physics = 1,
    /// A write reaches the server that orders all writes.
    Commit = 2,
    /// A reader learns of a write.
    Deliver = 3,
    /// A timer of a component fires.
    Timer = 4,
    /// A person or a script acts.
    Script = 5,
    /// An observer looks; it sees everything that happened at this instant.
    Observe = 6,
}

impl EventClass {
    /// Every class with its meaning, in order.
    pub const TABLE: [(Self, &'static str, &'static str); 7] = [
        (Self::Fault, "fault", "a fault starts or ends"),
        (
            Self::Physics,
            "physics",
            "a process starts or stops, a packet arrives or is lost",
        ),
        (
            Self::Commit,
            "commit",
            "a write reaches the server that orders all writes",
        ),
        (Self::Deliver, "deliver", "a reader learns of a write"),
        (Self::Timer, "timer", "a timer of a component fires"),
        (Self::Script, "script", "a person or a script acts"),
        (
            Self::Observe,
            "observe",
            "an observer looks, after everything else at this instant",
        ),
    ];
}

/// Number of bits of each part of the packed key below the time.
const SOURCE_BITS: u32 = 24;
const COUNTER_BITS: u32 = 32;

/// The place of an event in the total order: time, class, source and counter packed into 16 bytes (64, 8, 24, 32 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(u128);

impl EventKey {
    /// Packs a key. `source` is the rank of the scheduling component, below 2^24; `counter` its own running number.
    #[must_use]
    pub fn new(time: SimTime, class: EventClass, source: SourceRank, counter: u32) -> Self {
        let tail = ((class as u64) << (SOURCE_BITS + COUNTER_BITS))
            | (u64::from(source.0) << COUNTER_BITS)
            | u64::from(counter);
        Self((u128::from(time.as_nanos()) << 64) | u128::from(tail))
    }

    /// When the event happens.
    #[must_use]
    pub const fn time(self) -> SimTime {
        SimTime::from_nanos((self.0 >> 64) as u64)
    }

    /// The number of the class, see [`EventClass`].
    #[must_use]
    pub const fn class_number(self) -> u8 {
        (self.0 >> (SOURCE_BITS + COUNTER_BITS)) as u8
    }
}

/// Rank of a component among the sources of events, by its stable key. At most 2^24 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceRank(u32);

impl SourceRank {
    /// The largest rank.
    pub const MAX: u32 = (1 << SOURCE_BITS) - 1;

    /// A rank.
    ///
    /// # Panics
    /// If `rank` does not fit into 24 bits, which would break the total order.
    #[must_use]
    pub fn new(rank: u32) -> Self {
        assert!(
            rank <= Self::MAX,
            "rank {rank} of an event source does not fit into {SOURCE_BITS} bits"
        );
        Self(rank)
    }

    /// The rank as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(time: u64, class: EventClass, source: u32, counter: u32) -> EventKey {
        EventKey::new(SimTime::from_nanos(time), class, SourceRank::new(source), counter)
    }

    #[test]
    fn time_then_class_then_source_then_counter() {
        let sorted = [
            key(1, EventClass::Observe, 9, 9),
            key(2, EventClass::Fault, 9, 9),
            key(2, EventClass::Timer, 1, 9),
            key(2, EventClass::Timer, 2, 1),
            key(2, EventClass::Timer, 2, 2),
            key(2, EventClass::Script, 0, 0),
        ];
        assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn parts_come_back() {
        let k = key(77, EventClass::Deliver, SourceRank::MAX, u32::MAX);
        assert_eq!(k.time(), SimTime::from_nanos(77));
        assert_eq!(k.class_number(), EventClass::Deliver as u8);
    }

    #[test]
    fn the_table_lists_the_classes_in_their_order() {
        for (number, (class, _, _)) in EventClass::TABLE.iter().enumerate() {
            assert_eq!(*class as usize, number);
        }
    }

    #[test]
    #[should_panic(expected = "does not fit into 24 bits")]
    fn a_rank_beyond_24_bits_is_refused() {
        let _ = SourceRank::new(SourceRank::MAX + 1);
    }
}
