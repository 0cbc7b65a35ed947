//! Random numbers by address: every draw belongs to a named stream of one run.
//!
//! A component asks for a stream by what the number is for and for whom, so that one more draw somewhere shifts nothing
//! else. Nothing else in the project creates random numbers. Distributions of durations belong to `distribution`, the cipher's block
//! function to `chacha`, the record of what was drawn to `draw_log`.
//!
//! # The contract
//!
//! These five steps decide every result and never change; golden values hold each of them.
//!
//! 1. **Key of a run.** BLAKE3 (32 bytes) over the parts `meshfault-rng-v1`, master seed, seed group, replication. Each part
//!    is preceded by its length in bytes; lengths and numbers are 8 bytes, little-endian. The hash is the ChaCha key.
//! 2. **Stream.** `mix(hash(purpose's name) ^ rotate_left(entity, 32))`, 64 bits, where `mix` is the finaliser of SplitMix64
//!    and `hash` is FNV-1a of 64 bits followed by `mix`. An entity is `hash(name)` for a root and
//!    `mix(owner ^ mix(ordinal + 0x9e3779b97f4a7c15))` for a child; the ordinal of a child that has a name is
//!    `hash(name)`. The stream is the cipher's 64-bit nonce.
//! 3. **Block.** ChaCha with 8 rounds, original layout: 64-bit block counter from 0, 64-bit nonce.
//! 4. **Number.** Words are taken in order, two for each number, the lower half first: block k holds numbers 8k to 8k+7.
//! 5. **Variates.** Uniform: the upper 52 bits `n` give `(n + 0.5) / 2^52`, strictly between 0 and 1. Integer below n:
//!    the upper half of `number * n` in 128 bits. Every other variate is a distribution's quantile function at one uniform. All of
//!    them grow with the number, so that whatever is long, late or last is so where the number is large.

use super::chacha::{BLOCK_NUMBERS, Bulk, Key, block, key_from_bytes};
use super::distribution::{Distribution, exponential, full_jitter, jitter};
use super::draw_log::{Draw, DrawLog};
use super::time::SimDuration;

/// What a number is for. A model's list of purposes is an enum whose names are part of the results: renaming one
/// changes every draw of that purpose.
pub trait Purpose: Copy {
    /// The stable name.
    fn name(self) -> &'static str;

    /// [`hash_name`] of the name. A list of purposes answers from constants, since this is asked at every opening.
    fn name_hash(self) -> u64 {
        hash_name(self.name())
    }
}

/// The stable key of an entity, made from its owner's key and its name, or its ordinal among what the owner makes; never
/// from a generated name, nor from a place in a list that another component may lengthen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey(u64);

impl EntityKey {
    /// The root of a family of entities, by its name.
    pub fn root(name: &str) -> Self {
        Self(hash_name(name))
    }

    /// The `ordinal`-th child of this entity.
    pub const fn child(self, ordinal: u64) -> Self {
        Self(mix(self.0 ^ mix(ordinal.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// The child of this entity that has this name. Names are hashed one by one, so none can run into the next.
    pub const fn named(self, name: &str) -> Self {
        self.child(hash_name(name))
    }

    /// The number behind the key.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The key of one run's random numbers.
#[derive(Clone, Debug)]
pub struct RunKey {
    key: Key,
    log: Option<DrawLog>,
}

impl RunKey {
    /// Derives the key of a run. Designs that share `seed_group` use the same random events in equal replications.
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
            key: key_from_bytes(hasher.finalize().as_bytes()),
            log: None,
        }
    }

    /// The same key; every stream that is opened by it and every number drawn is also written to `log`.
    pub fn with_log(self, log: DrawLog) -> Self {
        Self { log: Some(log), ..self }
    }

    /// Opens the stream of `entity` for `purpose`. This costs next to nothing; the first number costs one block.
    #[inline]
    pub fn stream(&self, purpose: impl Purpose, entity: EntityKey) -> Stream {
        let id = mix(purpose.name_hash() ^ entity.0.rotate_left(32));
        let mut stream = Stream {
            words: [0; BLOCK_NUMBERS],
            ready: 0,
            taken: 0,
            id,
            key: self.key,
            beyond: None,
        };
        if let Some(log) = &self.log {
            stream.listen(log, purpose.name(), entity);
        }
        stream
    }
}

/// A sequence of random numbers of one purpose and one entity.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The first block, once a number of it was asked for.
    words: [u64; BLOCK_NUMBERS],
    /// How many of the words are valid: all or none.
    ready: u32,
    /// How many numbers of the first block were taken or passed over.
    taken: u32,
    id: u64,
    key: Key,
    beyond: Option<Box<Beyond>>,
}

/// What few streams need: more numbers than one block holds, or a listener.
#[derive(Clone, Debug)]
struct Beyond {
    bulk: Bulk,
    listener: Option<Listener>,
}

/// The log of a stream that is listened to; it also holds the first block, which a stream without a listener keeps at hand.
#[derive(Clone, Debug)]
struct Listener {
    log: DrawLog,
    purpose: &'static str,
    entity: EntityKey,
    ordinal: u32,
    first: [u64; BLOCK_NUMBERS],
}

impl Stream {
    /// The next 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        if self.taken < self.ready {
            let number = self.words[self.taken as usize % BLOCK_NUMBERS];
            self.taken += 1;
            number
        } else {
            self.further_bits()
        }
    }

    /// Passes over one number, as if it had been drawn.
    #[inline]
    fn pass_over(&mut self) {
        if self.taken < BLOCK_NUMBERS as u32 {
            self.taken += 1;
        } else {
            self.further_bits();
        }
    }

    /// The first number that is asked for, those beyond the first block, and all of a stream that is listened to.
    #[inline(never)]
    fn further_bits(&mut self) -> u64 {
        if (self.taken as usize) < BLOCK_NUMBERS {
            self.words = block(&self.key, self.id, 0);
            self.ready = BLOCK_NUMBERS as u32;
            let number = self.words[self.taken as usize];
            self.taken += 1;
            return number;
        }
        let (key, id) = (&self.key, self.id);
        let beyond = self.beyond.get_or_insert_with(|| {
            Box::new(Beyond {
                bulk: Bulk::after_first_block(key, id),
                listener: None,
            })
        });
        let Some(listener) = &mut beyond.listener else {
            return beyond.bulk.next();
        };
        let bits = match listener.first.get(listener.ordinal as usize) {
            Some(number) => *number,
            None => beyond.bulk.next(),
        };
        listener.log.add(Draw {
            purpose: listener.purpose,
            entity: listener.entity,
            ordinal: listener.ordinal,
            bits,
        });
        listener.ordinal += 1;
        bits
    }

    /// From now on every number goes the long way and is logged.
    #[cold]
    fn listen(&mut self, log: &DrawLog, purpose: &'static str, entity: EntityKey) {
        log.open(self.id, (purpose, entity));
        self.taken = BLOCK_NUMBERS as u32;
        self.beyond = Some(Box::new(Beyond {
            bulk: Bulk::after_first_block(&self.key, self.id),
            listener: Some(Listener {
                log: log.clone(),
                purpose,
                entity,
                ordinal: 0,
                first: block(&self.key, self.id, 0),
            }),
        }));
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

    /// A duration drawn from `distribution`.
    pub fn duration(&mut self, distribution: &Distribution) -> SimDuration {
        match distribution {
            // A constant needs no number, but takes one, so that turning it into a distribution later shifts no other draw.
            Distribution::Constant(value) => {
                self.pass_over();
                *value
            }
            _ => distribution.quantile(self.uniform()),
        }
    }

    /// A span spread uniformly within `ratio` around `centre`, for example ±10 %.
    pub fn around(&mut self, centre: SimDuration, ratio: f64) -> SimDuration {
        jitter(centre, ratio, self.uniform())
    }

    /// A span uniform on [0, `max`): full jitter.
    pub fn up_to(&mut self, max: SimDuration) -> SimDuration {
        full_jitter(max, self.uniform())
    }

    /// The time to the next event of a Poisson process that has `rate_per_s` events a second.
    pub fn until_next(&mut self, rate_per_s: f64) -> SimDuration {
        SimDuration::from_secs_f64(exponential(self.uniform()) / rate_per_s)
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64 bits.
pub(super) const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Whether no two of these hashes are equal; usable in a constant, so that a list of purposes is checked when it is built.
pub const fn all_differ(hashes: &[u64]) -> bool {
    let mut i = 0;
    while i < hashes.len() {
        let mut j = i + 1;
        while j < hashes.len() {
            if hashes[i] == hashes[j] {
                return false;
            }
            j += 1;
        }
        i += 1;
    }
    true
}

/// FNV-1a over the bytes of a name, then mixed. Stable for ever: it decides which stream a name owns.
pub const fn hash_name(name: &str) -> u64 {
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

    /// The worked example of the contract; `ARCHITECTURE.md` shows the same values.
    #[test]
    fn each_step_of_the_contract_has_its_golden_value() {
        const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");
        let entity = EntityKey::root("pods").child(3);
        let run_key = RunKey::derive(20_220_729, "istiod-cut-off", 17);
        let mut stream = run_key.stream(Named("kubelet.setup"), entity);
        let key: String = run_key
            .key
            .iter()
            .map(|word| format!("{:08x}", word.swap_bytes()))
            .collect();
        let id = stream.id;
        let (first, second) = (stream.bits(), stream.bits());
        let mut again = run_key.stream(Named("kubelet.setup"), entity);
        for (what, value) in [
            ("key of the run", key),
            ("entity", format!("{:016x}", entity.get())),
            ("hash of the purpose", format!("{:016x}", hash_name("kubelet.setup"))),
            ("stream", format!("{id:016x}")),
            ("first number", format!("{first:016x}")),
            ("second number", format!("{second:016x}")),
            ("first uniform", again.uniform().to_string()),
        ] {
            let row = format!("| {what} | `{value}` |");
            assert!(ARCHITECTURE.contains(&row), "ARCHITECTURE.md has no line {row}");
        }
    }

    #[test]
    fn a_stream_is_one_sequence_however_it_is_read() {
        let key = RunKey::derive(3, "sequence", 0);
        let entity = EntityKey::root("x");
        let mut plain = key.stream(Named("p"), entity);
        let numbers: Vec<u64> = (0..40).map(|_| plain.bits()).collect();
        // Passing over a number, here by a constant, is drawing it.
        let constant = Distribution::Constant(SimDuration::ZERO);
        for passed in 0..20 {
            let mut stream = key.stream(Named("p"), entity);
            for _ in 0..passed {
                stream.duration(&constant);
            }
            let rest: Vec<u64> = (passed..40).map(|_| stream.bits()).collect();
            assert_eq!(rest, numbers[passed..]);
            // A clone goes on where its original stood.
            let mut original = key.stream(Named("p"), entity);
            for _ in 0..passed {
                original.bits();
            }
            let mut clone = original.clone();
            assert_eq!((original.bits(), clone.bits()), (numbers[passed], numbers[passed]));
        }
    }

    #[test]
    fn a_log_changes_no_number_and_has_them_all() {
        let (log, entity) = (DrawLog::default(), EntityKey::root("x"));
        let silent = RunKey::derive(3, "log", 0);
        let logged = silent.clone().with_log(log.clone());
        let mut plain = silent.stream(Named("p"), entity);
        let mut stream = logged.stream(Named("p"), entity);
        let constant = Distribution::Constant(SimDuration::ZERO);
        let mut expected = Vec::new();
        for ordinal in 0..30 {
            let bits = plain.bits();
            if ordinal % 3 == 0 {
                stream.duration(&constant);
            } else {
                assert_eq!(stream.bits(), bits);
            }
            expected.push(Draw {
                purpose: "p",
                entity,
                ordinal,
                bits,
            });
        }
        assert_eq!(log.take(), expected);
        assert_eq!((log.take(), log.streams(), log.collision()), (Vec::new(), 1, None));
    }

    #[test]
    fn opening_copies_two_cache_lines_at_most() {
        assert!(size_of::<Stream>() <= 128, "{}", size_of::<Stream>());
    }

    #[test]
    fn equal_hashes_are_found() {
        assert!(all_differ(&[1, 2, 3]) && !all_differ(&[1, 2, 1]));
    }

    #[test]
    fn names_stand_where_they_stand() {
        let root = EntityKey::root("workload");
        let keys = [
            root.named("a").named("bc"),
            root.named("ab").named("c"),
            root.named("bc").named("a"),
            root.named("abc"),
            root.named("").named("abc"),
            EntityKey::root("abc"),
        ];
        for (i, key) in keys.iter().enumerate() {
            assert!(!keys[..i].contains(key), "{i}");
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
