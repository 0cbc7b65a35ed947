//! Seeded numbers and the time that a test has.

use std::time::{Duration, Instant};

/// Numbers from a seed (SplitMix64).
pub struct Numbers(pub u64);

impl Numbers {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// One of these.
    pub fn of<'t, T: ?Sized>(&mut self, all: &[&'t T]) -> &'t T {
        all[self.below(all.len())]
    }
}

/// How many cases are tried: a fixed number, or as many as fit into `MESHFAULT_FUZZ_S`.
pub fn cases(usual: u64) -> impl Iterator<Item = u64> {
    let seconds: Option<u64> = std::env::var("MESHFAULT_FUZZ_S")
        .ok()
        .and_then(|text| text.parse().ok());
    #[expect(
        clippy::disallowed_methods,
        reason = "a fuzzer that was given seconds watches the clock"
    )]
    let start = Instant::now();
    (0..).take_while(move |case| match seconds {
        Some(seconds) => {
            // What ends the whole process shows no message: this says where it was, with `--nocapture`.
            eprint!("\rcase {case} ");
            start.elapsed() < Duration::from_secs(seconds)
        }
        None => *case < usual,
    })
}
