//! The fingerprint of a run: one number over everything that happened, in order.
//!
//! It contains times, classes and the events' own digests, never ranks or addresses, so that adding an idle component
//! changes nothing. It detects differences between runs; it is no cryptographic seal. The digest over stored rows
//! belongs to `lab`.

/// A running hash over events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0x6d65_7368_6661_756c)
    }
}

impl Fingerprint {
    /// Adds one event.
    pub fn mix(&mut self, time_ns: u64, class: u64, event: u64) {
        for word in [time_ns, class ^ event.rotate_left(8)] {
            // Multiply-and-fold of 64 bits: both halves of the product carry every input bit.
            let product = u128::from(self.0 ^ word) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
            self.0 = (product as u64) ^ ((product >> 64) as u64) ^ self.0.rotate_left(23);
        }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(events: &[(u64, u64, u64)]) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        for &(time, class, event) in events {
            fingerprint.mix(time, class, event);
        }
        fingerprint
    }

    #[test]
    fn every_part_and_the_order_matter() {
        let base = of(&[(1, 2, 3), (4, 5, 6)]);
        for other in [
            of(&[(4, 5, 6), (1, 2, 3)]),
            of(&[(1, 2, 3)]),
            of(&[(2, 2, 3), (4, 5, 6)]),
            of(&[(1, 3, 3), (4, 5, 6)]),
            of(&[(1, 2, 4), (4, 5, 6)]),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn nearby_inputs_do_not_collide() {
        let mut seen: Vec<u64> = (0..200_000_u64).map(|i| of(&[(i / 100, 4, i % 100)]).get()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 200_000);
    }
}
