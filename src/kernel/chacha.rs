//! ChaCha with eight rounds: the words behind every random number.
//!
//! A simulated run opens about as many streams as it handles events and mostly takes one number of each, so what counts
//! is the cost of *one* block. [`block`] computes just that; a generator that works ahead computes four. Long streams
//! continue in `rand_chacha`, which is faster in bulk and gives the same words ([`Bulk`]). Which key, which stream and
//! which number belong to `stream`.

use rand::rand_core::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Numbers of 64 bits in one block.
pub const BLOCK_NUMBERS: usize = 8;

/// A key of 256 bits as eight little-endian words.
pub type Key = [u32; 8];

type Row = [u32; 4];

/// "expand 32-byte k" in little-endian words.
const CONSTANTS: Row = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// Reads a key from its bytes.
pub fn key_from_bytes(bytes: &[u8; 32]) -> Key {
    std::array::from_fn(|word| {
        u32::from_le_bytes([
            bytes[4 * word],
            bytes[4 * word + 1],
            bytes[4 * word + 2],
            bytes[4 * word + 3],
        ])
    })
}

/// The block number `counter` of a stream: 16 words, joined to eight numbers with the lower word first.
///
/// The state is Bernstein's (2008): four words of constants, eight of key, two of counter, two of stream ("nonce").
pub fn block(key: &Key, stream: u64, counter: u64) -> [u64; BLOCK_NUMBERS] {
    let start = [
        CONSTANTS,
        [key[0], key[1], key[2], key[3]],
        [key[4], key[5], key[6], key[7]],
        [
            counter as u32,
            (counter >> 32) as u32,
            stream as u32,
            (stream >> 32) as u32,
        ],
    ];
    let [mut a, mut b, mut c, mut d] = start;
    for _ in 0..4 {
        quarter_rounds(&mut a, &mut b, &mut c, &mut d);
        // The diagonals become columns.
        b = rotated(b, 1);
        c = rotated(c, 2);
        d = rotated(d, 3);
        quarter_rounds(&mut a, &mut b, &mut c, &mut d);
        b = rotated(b, 3);
        c = rotated(c, 2);
        d = rotated(d, 1);
    }
    let mut numbers = [0; BLOCK_NUMBERS];
    for (row, (end, start)) in [a, b, c, d].iter().zip(start).enumerate() {
        let sum: Row = std::array::from_fn(|i| end[i].wrapping_add(start[i]));
        numbers[2 * row] = u64::from(sum[0]) | u64::from(sum[1]) << 32;
        numbers[2 * row + 1] = u64::from(sum[2]) | u64::from(sum[3]) << 32;
    }
    numbers
}

/// Four quarter rounds side by side, one per column. Rows are arrays, so that the compiler uses vector instructions.
#[inline(always)]
fn quarter_rounds(a: &mut Row, b: &mut Row, c: &mut Row, d: &mut Row) {
    add_xor_rotate(a, b, d, 16);
    add_xor_rotate(c, d, b, 12);
    add_xor_rotate(a, b, d, 8);
    add_xor_rotate(c, d, b, 7);
}

/// `x += y; z = (z ^ x) <<< bits`.
#[inline(always)]
fn add_xor_rotate(x: &mut Row, y: &Row, z: &mut Row, bits: u32) {
    for i in 0..4 {
        x[i] = x[i].wrapping_add(y[i]);
    }
    for i in 0..4 {
        z[i] = (z[i] ^ x[i]).rotate_left(bits);
    }
}

/// The row turned left by `by` places.
#[inline(always)]
fn rotated(row: Row, by: usize) -> Row {
    std::array::from_fn(|i| row[(i + by) % 4])
}

/// A long stream from its second block on.
#[derive(Clone, Debug)]
pub struct Bulk(ChaCha8Rng);

impl Bulk {
    /// Continues `stream` after its first block.
    pub fn after_first_block(key: &Key, stream: u64) -> Self {
        let mut seed = [0; 32];
        for (bytes, word) in seed.chunks_exact_mut(4).zip(key) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let mut cipher = ChaCha8Rng::from_seed(seed);
        cipher.set_stream(stream);
        cipher.set_word_pos(2 * BLOCK_NUMBERS as u128);
        Self(cipher)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        assert_eq!(hex.len(), 2 * N);
        std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hexadecimal digits"))
    }

    fn published(key: &str, stream: &str, counter: u64) -> String {
        let numbers = block(&key_from_bytes(&bytes(key)), u64::from_le_bytes(bytes(stream)), counter);
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Test cases 1, 2 and 7 for 256 bits and eight rounds of Strömbergson's "Test Vectors for the Stream Cipher ChaCha"
    /// (draft-strombergson-chacha-test-vectors); the second block of case 1 as in the same collection.
    #[test]
    fn published_key_streams() {
        let zero = "0".repeat(64);
        assert_eq!(
            published(&zero, "0000000000000000", 0),
            "3e00ef2f895f40d67f5bb8e81f09a5a12c840ec3ce9a7f3b181be188ef711a1e\
             984ce172b9216f419f445367456d5619314a42a3da86b001387bfdb80e0cfe42"
        );
        assert_eq!(
            published(&zero, "0000000000000000", 1),
            "d2aefa0deaa5c151bf0adb6c01f2a5adc0fd581259f9a2aadcf20f8fd566a26b\
             5032ec38bbc5da98ee0c6f568b872a65a08abf251deb21bb4b56e5d8821e68aa"
        );
        assert_eq!(
            published(
                "0100000000000000000000000000000000000000000000000000000000000000",
                "0000000000000000",
                0
            ),
            "cf5ee9a0494aa9613e05d5ed725b804b12f4a465ee635acc3a311de8740489ea\
             289d04f43c7518db56eb4433e498a1238cd8464d3763ddbb9222ee3bd8fae3c8"
        );
        assert_eq!(
            published(
                "00112233445566778899aabbccddeeffffeeddccbbaa99887766554433221100",
                "0f1e2d3c4b596877",
                0
            ),
            "60fdedbd1a280cb741d0593b6ea0309010acf18e1471f68968f4c9e311dca149\
             b8e027b47c81e0353db013891aa5f68ea3b13dd2f3b8dd0873bf3746e7d6c567"
        );
    }

    proptest! {
        /// Two independent implementations agree with ours at any key, stream and block, and beyond the first block.
        #[test]
        fn agrees_with_other_implementations(
            seed in any::<[u8; 32]>(),
            stream in any::<u64>(),
            // Word positions beyond 2^63 do not exist in all of them.
            counter in prop_oneof![0_u64..4, (1_u64 << 32) - 2..(1 << 32) + 2, any::<u64>().prop_map(|n| n >> 2)],
        ) {
            use chacha20::rand_core::{Rng as _, SeedableRng as _};
            let key = key_from_bytes(&seed);
            let mut first = ChaCha8Rng::from_seed(seed);
            first.set_stream(stream);
            first.set_word_pos(u128::from(counter) * 16);
            for next in 0..3 {
                for number in block(&key, stream, counter + next) {
                    prop_assert_eq!(number, first.next_u64());
                }
            }

            let mut second = chacha20::ChaCha8Rng::from_seed(seed);
            second.set_stream(stream);
            let mut bulk = Bulk::after_first_block(&key, stream);
            for number in block(&key, stream, 0) {
                prop_assert_eq!(number, second.next_u64());
            }
            for _ in 0..100 {
                prop_assert_eq!(bulk.next(), second.next_u64());
            }
        }
    }
}
