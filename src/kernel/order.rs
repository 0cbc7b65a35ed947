//! The total order of events: the key and the class table.
//!
//! Two events at the same instant are ordered by class, then by the rank of the component that scheduled them, then by
//! that component's own counter. The order of the classes is behavior: moving a line of the enum changes results.
//! Who schedules what belongs to the models; how keys are stored belongs to `queue`.

use super::stream::mix;
use super::time::SimTime;

/// What kind of thing happens, in the order in which things at the same instant happen.
///
/// The table in `ARCHITECTURE.md` is made from [`EventClass::TABLE`]: `UPDATE_DOCUMENTS=1 cargo test --test documents`.
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

impl EventClass {
    /// The class of a number below [`EventClass::TABLE`]'s length.
    pub const fn of_number(number: u8) -> Self {
        Self::TABLE[number as usize].0
    }

    /// The class's name.
    pub const fn name(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// The table of the classes as it stands in `ARCHITECTURE.md`.
    pub fn markdown() -> String {
        let mut table = "| class | name | what |\n|---|---|---|\n".to_owned();
        for (class, name, what) in Self::TABLE {
            table.push_str(&format!("| {} | {name} | {what} |\n", class as u8));
        }
        table
    }
}

/// Number of bits of each part of the packed key below the time.
const SOURCE_BITS: u32 = 24;
const COUNTER_BITS: u32 = 32;

/// The place of an event in the total order: time, class, source and counter packed into 16 bytes (64, 8, 24, 32 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(u128);

impl EventKey {
    /// Packs a key. `source` is the rank of the scheduling component, below 2^24; `counter` its own running number.
    pub fn new(time: SimTime, class: EventClass, source: SourceRank, counter: u32) -> Self {
        let tail = ((class as u64) << (SOURCE_BITS + COUNTER_BITS))
            | (u64::from(source.0) << COUNTER_BITS)
            | u64::from(counter);
        Self((u128::from(time.as_nanos()) << 64) | u128::from(tail))
    }

    /// The time in nanoseconds, and what orders events of one time.
    #[inline]
    pub const fn parts(self) -> (u64, u64) {
        ((self.0 >> 64) as u64, self.0 as u64)
    }

    /// The key of these [`parts`](Self::parts).
    #[inline]
    pub const fn from_parts(time_ns: u64, tail: u64) -> Self {
        Self(((time_ns as u128) << 64) | tail as u128)
    }

    /// When the event happens.
    pub const fn time(self) -> SimTime {
        SimTime::from_nanos((self.0 >> 64) as u64)
    }

    /// The number of the class, see [`EventClass`].
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
    pub fn new(rank: u32) -> Self {
        assert!(
            rank <= Self::MAX,
            "rank {rank} of an event source does not fit into {SOURCE_BITS} bits"
        );
        Self(rank)
    }

    /// The rank as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How events of different sources at the same instant and of the same class are ordered.
///
/// A question whose answer moves with this order depends on a tie that the model does not decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TieOrder {
    /// By the rank of the source.
    #[default]
    Ranked,
    /// By a permutation of all ranks that the key chooses; the events of one source keep their order.
    Permuted(TieKey),
}

/// Chooses the permutation of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TieKey(u64);

/// Rounds of the network; four make a permutation that passes for a random one.
const ROUNDS: u64 = 4;
const HALF_BITS: u32 = SOURCE_BITS / 2;
const HALF: u32 = (1 << HALF_BITS) - 1;

impl TieKey {
    /// The key of a run, a hash of what its random numbers are derived from. It is no draw: no stream knows of it.
    pub fn derive(master_seed: u64, seed_group: &str, replication: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [
            b"meshfault-ties-v1".as_slice(),
            &master_seed.to_le_bytes(),
            seed_group.as_bytes(),
            &replication.to_le_bytes(),
        ] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut key = [0; 8];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Self(u64::from_le_bytes(key))
    }
}

impl TieOrder {
    /// The place of a source among the sources: a bijection of the ranks, so that keys stay different.
    pub const fn place(self, source: SourceRank) -> SourceRank {
        let Self::Permuted(TieKey(key)) = self else {
            return source;
        };
        // A Feistel network (Luby and Rackoff 1988): each round can be undone, whatever its function is.
        let (mut left, mut right) = (source.0 >> HALF_BITS, source.0 & HALF);
        let mut round = 0;
        while round < ROUNDS {
            let scrambled = mix(key ^ (round << 32) ^ right as u64) as u32 & HALF;
            (left, right) = (right, left ^ scrambled);
            round += 1;
        }
        SourceRank((left << HALF_BITS) | right)
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
    fn a_permuted_order_is_a_permutation_of_all_ranks() {
        for replication in 0..3 {
            let order = TieOrder::Permuted(TieKey::derive(1, "group", replication));
            let mut seen = vec![false; SourceRank::MAX as usize + 1];
            for rank in 0..=SourceRank::MAX {
                let place = order.place(SourceRank::new(rank));
                assert!(!std::mem::replace(&mut seen[place.index()], true), "{rank}");
            }
        }
    }

    #[test]
    fn every_run_has_an_order_of_its_own_and_half_of_all_pairs_change_places() {
        let order = |replication| TieOrder::Permuted(TieKey::derive(1, "group", replication));
        let changed = |order: TieOrder| {
            let place = |rank| order.place(SourceRank::new(rank));
            (0..1_000).filter(|rank| place(2 * rank) > place(2 * rank + 1)).count()
        };
        // Binomial with 1,000 trials: five standard deviations are 79.
        for replication in 0..20 {
            assert!(changed(order(replication)).abs_diff(500) < 79);
        }
        assert_ne!(order(0).place(SourceRank::new(1)), order(1).place(SourceRank::new(1)));
        assert_eq!(TieOrder::Ranked.place(SourceRank::new(7)), SourceRank::new(7));
    }

    #[test]
    #[should_panic(expected = "does not fit into 24 bits")]
    fn a_rank_beyond_24_bits_is_refused() {
        let _ = SourceRank::new(SourceRank::MAX + 1);
    }
}
