//! Random numbers by address: every draw belongs to a named stream of one run.
//!
//! The key of a run is `BLAKE3("meshfault-rng-v1", master seed, seed group, replication)`, each part length-prefixed.
//! A stream within it is chosen by purpose and entity, and is a ChaCha8 stream under that key. Nothing else in the
//! project creates a generator. A component asks for a stream by what the number is for and for whom, so that one more
//! draw somewhere shifts nobody else (`architecture.md` 1.4). Laws of durations belong to `law`.

use rand::rand_core::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::law::Law;
use super::time::SimDuration;

/// What a number is for. A model's list of purposes is an enum whose names are part of the results: renaming one
/// changes every draw of that purpose.
pub trait Purpose: Copy {
    /// The stable name.
    fn name(self) -> &'static str;
}

/// The stable key of an entity, made from its owner's key and its ordinal; never from a generated name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey(u64);

impl EntityKey {
    /// The root of a family of entities, by its name.
    #[must_use]
    pub fn root(name: &str) -> Self {
        Self(hash_name(name))
    }

    /// The `ordinal`-th child of this entity.
    #[must_use]
    pub const fn child(self, ordinal: u64) -> Self {
        Self(mix(self.0 ^ mix(ordinal.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// The number behind the key.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The key of one run's random numbers.
#[derive(Clone, Debug)]
pub struct RunKey {
    cipher: ChaCha8Rng,
}

impl RunKey {
    /// Derives the key of a run. Designs that share `seed_group` meet the same misfortunes in equal replications.
    #[must_use]
    pub fn derive(master_seed: u64, seed_group: &str, replication: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [
            b"meshfault-rng-v1".as_slice(),
            &master_seed.to_le_bytes(),
            seed_group.as_bytes(),
            &replication.to_le_bytes(),
        ] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self {
            cipher: ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()),
        }
    }

    /// Opens the stream of `entity` for `purpose`.
    #[must_use]
    pub fn stream(&self, purpose: impl Purpose, entity: EntityKey) -> Stream {
        let mut cipher = self.cipher.clone();
        cipher.set_stream(mix(hash_name(purpose.name()) ^ entity.0.rotate_left(32)));
        Stream { cipher }
    }
}

/// A sequence of random numbers of one purpose and one entity.
#[derive(Clone, Debug)]
pub struct Stream {
    cipher: ChaCha8Rng,
}

impl Stream {
    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.cipher.next_u64()
    }

    /// A uniform variate strictly between 0 and 1, on a grid of 2^52 points.
    pub fn uniform(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 52) as f64;
        ((self.bits() >> 12) as f64 + 0.5) * STEP
    }

    /// A uniform integer below `n`; the bias is below n / 2^64 and one draw is always enough.
    ///
    /// # Panics
    /// If `n` is zero.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "cannot draw an integer below zero");
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// A duration of `law`.
    pub fn duration(&mut self, law: &Law) -> SimDuration {
        match law {
            // A constant needs no number, but takes one, so that turning it into a law later shifts no other draw.
            Law::Constant(value) => {
                self.bits();
                *value
            }
            _ => law.quantile(self.uniform()),
        }
    }

    /// A span spread uniformly within `ratio` around `centre`, for example ±10 %.
    pub fn around(&mut self, centre: SimDuration, ratio: f64) -> SimDuration {
        centre.scale(1.0 - ratio + 2.0 * ratio * self.uniform())
    }

    /// A span uniform on [0, `max`): full jitter.
    pub fn up_to(&mut self, max: SimDuration) -> SimDuration {
        max.scale(self.uniform())
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64 bits.
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// FNV-1a over the bytes of a name, then mixed. Stable for ever: it decides which stream a name owns.
const fn hash_name(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    mix(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Named(&'static str);
    impl Purpose for Named {
        fn name(self) -> &'static str {
            self.0
        }
    }

    fn draw(seed: u64, group: &str, replication: u64, purpose: &'static str, entity: &str) -> u64 {
        RunKey::derive(seed, group, replication)
            .stream(Named(purpose), EntityKey::root(entity))
            .bits()
    }

    #[test]
    fn the_derivation_has_golden_values() {
        assert_eq!(draw(1, "g", 0, "p", "e"), draw(1, "g", 0, "p", "e"));
        insta::assert_debug_snapshot!([
            draw(1, "g", 0, "p", "e"),
            draw(1, "g", 1, "p", "e"),
            draw(2, "g", 0, "p", "e"),
            draw(1, "h", 0, "p", "e"),
            draw(1, "g", 0, "q", "e"),
            draw(1, "g", 0, "p", "f"),
        ]);
    }

    #[test]
    fn another_implementation_of_the_cipher_gives_the_same_stream() {
        use chacha20::rand_core::{Rng as _, SeedableRng as _};
        let mut other = chacha20::ChaCha8Rng::from_seed([7; 32]);
        other.set_stream(42);
        let mut ours = ChaCha8Rng::from_seed([7; 32]);
        ours.set_stream(42);
        for _ in 0..100 {
            assert_eq!(ours.next_u64(), other.next_u64());
        }
    }

    #[test]
    fn children_differ_from_each_other_and_from_their_owner() {
        let root = EntityKey::root("pods");
        let mut keys: Vec<u64> = (0..10_000).map(|k| root.child(k).get()).collect();
        keys.push(root.get());
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 10_001);
    }

    #[test]
    fn uniform_is_uniform() {
        let mut stream = RunKey::derive(1, "uniform", 0).stream(Named("u"), EntityKey::root("x"));
        let n = 100_000_u32;
        let mut bins = [0_u32; 100];
        for _ in 0..n {
            bins[(stream.uniform() * 100.0) as usize] += 1;
        }
        let expected = f64::from(n) / 100.0;
        let chi2: f64 = bins
            .iter()
            .map(|&count| {
                let off = f64::from(count) - expected;
                off * off / expected
            })
            .sum();
        // 99 degrees of freedom: mean 99, standard deviation 14.1; four of them are far out.
        assert!((chi2 - 99.0).abs() < 4.0 * 14.1, "{chi2}");
    }
}
