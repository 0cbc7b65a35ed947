//! A log of everything that was drawn in a run, for those who compare runs or look for streams that are shared.
//!
//! It is kept only on request and changes no number. What a stream is belongs to `stream`; what two logs
//! that differ mean belongs to whoever compares them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::stream::EntityKey;

/// One number that was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// What it was for.
    pub purpose: &'static str,
    /// For whom.
    pub entity: EntityKey,
    /// Its place in the stream, from 0. It is 0 again when the stream is opened again.
    pub ordinal: u32,
    /// The number.
    pub bits: u64,
}

/// What a stream is opened by: a purpose and an entity.
pub type Address = (&'static str, EntityKey);

/// Two addresses that own the same numbers, which makes what should be independent equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collision {
    /// The number of the stream that both own.
    pub stream: u64,
    /// Who opened it first.
    pub first: Address,
    /// Who opened it later.
    pub second: Address,
}

#[derive(Debug, Default)]
struct Log {
    draws: Vec<Draw>,
    owners: BTreeMap<u64, Address>,
    collision: Option<Collision>,
}

/// The log of one run. Clones write to the same log.
#[derive(Clone, Debug, Default)]
pub struct DrawLog(Arc<Mutex<Log>>);

impl DrawLog {
    /// The draws since this was last asked, in the order in which they were made.
    pub fn take(&self) -> Vec<Draw> {
        std::mem::take(&mut self.lock().draws)
    }

    /// The first two addresses that were found to own one stream, if any.
    pub fn collision(&self) -> Option<Collision> {
        self.lock().collision
    }

    /// How many different streams were opened.
    pub fn streams(&self) -> usize {
        self.lock().owners.len()
    }

    pub(super) fn open(&self, stream: u64, address: Address) {
        let mut log = self.lock();
        let first = *log.owners.entry(stream).or_insert(address);
        if first != address && log.collision.is_none() {
            log.collision = Some(Collision {
                stream,
                first,
                second: address,
            });
        }
    }

    pub(super) fn add(&self, draw: Draw) {
        self.lock().draws.push(draw);
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        // Whoever panicked while holding the lock left a log that is whole: each change is one push or one insertion.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_addresses_of_one_stream_are_a_collision_and_one_address_twice_is_none() {
        let log = DrawLog::default();
        let (a, b) = (("p", EntityKey::root("a")), ("p", EntityKey::root("b")));
        log.open(1, a);
        log.open(1, a);
        log.open(2, b);
        assert_eq!((log.collision(), log.streams()), (None, 2));
        log.open(1, b);
        log.open(2, a);
        assert_eq!(
            log.collision(),
            Some(Collision {
                stream: 1,
                first: a,
                second: b
            })
        );
    }
}
