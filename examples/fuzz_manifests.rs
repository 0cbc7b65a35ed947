//! Reads mutated manifests for a given time and stops at the first panic, slow input or error without a place.
//!
//! Belongs here: the mutation of the kept corpus and the check of one input. Does not belong here: what is right in a manifest
//! (tests of `scenario::manifests`). `cargo run --example fuzz_manifests -- SECONDS [SEED]`; the same seed gives the same
//! inputs. An input that is found goes to `tests/corpus/manifests/`, which a plain `cargo test` replays.

#![allow(
    clippy::disallowed_methods,
    reason = "a budget in seconds needs the clock; nothing of it goes into a result"
)]

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use meshfault::scenario::manifests::{Purpose, ReadOptions, read_texts};

/// Longest input [bytes]; longer ones are cut.
const INPUT_MAX: usize = 16 * 1024;
/// Longest time for one input.
const INPUT_TIME_MAX: Duration = Duration::from_secs(5);
/// Pieces that have a meaning somewhere.
const PIECES: &[&str] = &[
    "\n",
    " ",
    "  ",
    "\t",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "'",
    "|\n",
    ">\n",
    "&a ",
    "*a",
    "<<: *a\n",
    "!!str ",
    "#",
    "---\n",
    "...\n",
    "~",
    "null",
    "true",
    "-1",
    "0",
    "65536",
    "18446744073709551616",
    "1e999",
    "\u{feff}",
    "\u{0}",
    "é",
    "{{ x }}",
    "items:\n- ",
    "kind: List\n",
    "apiVersion: v1\n",
    "spec:\n",
    "metadata:\n",
    "ownerReferences",
    "template",
    "  labels:\n",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
    "istio-proxy",
    "matchLabels",
    "\\",
    "%",
    "@",
    "`",
    "? ",
];

/// Numbers from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(1);
        usize::try_from(self.next() % limit).unwrap_or(0)
    }
}

fn mutate(random: &mut Random, corpus: &[String]) -> String {
    let mut bytes = corpus[random.below(corpus.len())].clone().into_bytes();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(40)).min(bytes.len());
        match random.below(7) {
            0 => _ = bytes.splice(at..end, []),
            1 | 2 => {
                let piece = PIECES[random.below(PIECES.len())].bytes();
                bytes.splice(at..at, piece);
            }
            3 => {
                let other = corpus[random.below(corpus.len())].as_bytes();
                let from = random.below(other.len() + 1);
                let to = (from + random.below(200)).min(other.len());
                bytes.splice(at..at, other[from..to].to_vec());
            }
            4 => {
                let piece = bytes[at..end].to_vec();
                let times = 1 + random.below(200);
                bytes.splice(at..at, piece.repeat(times));
            }
            5 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(random.below(128)).unwrap_or(b' ');
                }
            }
            _ => {
                let target = random.below(bytes.len() + 1);
                let piece = bytes[at..end].to_vec();
                bytes.splice(target..target, piece);
            }
        }
        bytes.truncate(INPUT_MAX);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What is wrong with the reading of an input, if anything.
fn check(file: &Path, text: &str) -> Option<String> {
    let ways = [
        (Purpose::Simulate, false),
        (Purpose::Policy, false),
        (Purpose::Policy, true),
    ];
    for (purpose, lenient) in ways {
        let begun = Instant::now();
        let options = ReadOptions { purpose, lenient };
        let read = catch_unwind(|| read_texts(&[(file.to_owned(), text)], options));
        match read {
            Err(_) => return Some("panics".to_owned()),
            Ok(Err(errors)) if errors.iter().any(|e| e.line.is_none() || e.column.is_none()) => {
                return Some(format!("an error without a place: {errors:?}"));
            }
            Ok(Err(errors))
                if errors
                    .iter()
                    .any(|e| e.message.len() + e.hint.as_ref().map_or(0, String::len) > 20_000) =>
            {
                return Some("a message without bounds".to_owned());
            }
            Ok(_) if begun.elapsed() > INPUT_TIME_MAX => return Some(format!("takes {:?}", begun.elapsed())),
            Ok(_) => {}
        }
    }
    None
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().and_then(|a| a.parse().ok()).unwrap_or(60);
    let seed: u64 = arguments.next().and_then(|a| a.parse().ok()).unwrap_or(1);
    let folder = std::env::args().nth(3).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/manifests"),
        PathBuf::from,
    );
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the corpus")
        .flatten()
        .map(|e| e.path())
        .collect();
    files.sort();
    let corpus: Vec<String> = files
        .iter()
        .map(|file| String::from_utf8_lossy(&fs::read(file).expect("a file")).into_owned())
        .collect();
    let mut random = Random(seed);
    let begun = Instant::now();
    let mut count = 0_u64;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let text = mutate(&mut random, &corpus);
        if let Some(wrong) = check(Path::new("a.yaml"), &text) {
            let target = std::env::temp_dir().join("meshfault-fuzz-found.yaml");
            fs::write(&target, &text).expect("written");
            println!("input {count} of seed {seed} {wrong}; it is in {}", target.display());
            std::process::exit(1);
        }
        count += 1;
    }
    println!("{count} inputs of seed {seed} in {seconds} s: each an error with a place, or a result");
}
