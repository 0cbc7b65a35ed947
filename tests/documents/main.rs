//! The documents say what the code does: tables that are behavior are compared with the enums that they describe.

mod book;
mod citations;
mod commands;
mod house;
mod licenses;
mod reference;
mod results;
mod words;

use meshfault::kernel::EventClass;

const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");

/// The table of event classes in `ARCHITECTURE.md` is made from the enum. `UPDATE_DOCUMENTS=1 cargo test --test documents`
/// writes it.
#[test]
fn the_class_table_is_the_enum() {
    let wanted = EventClass::markdown();
    let head = wanted.lines().next().expect("the table has a head");
    let from = ARCHITECTURE.find(head).expect("ARCHITECTURE.md has the table");
    let length = ARCHITECTURE[from..]
        .find("\n\n")
        .map_or(ARCHITECTURE.len() - from, |end| end + 1);
    let held = &ARCHITECTURE[from..from + length];
    if held != wanted && std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
        std::fs::write(path, ARCHITECTURE.replace(held, &wanted)).expect("ARCHITECTURE.md can be written");
        return;
    }
    assert_eq!(
        held, wanted,
        "write it with UPDATE_DOCUMENTS=1 cargo test --test documents"
    );
}

#[test]
fn every_folder_of_the_map_exists_and_none_is_missing() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<String> = std::fs::read_dir(root.join("src"))
        .expect("the sources are there")
        .filter_map(|entry| {
            let entry = entry.ok()?;
            entry
                .file_type()
                .ok()?
                .is_dir()
                .then(|| entry.file_name().to_string_lossy().into_owned())
        })
        .collect();
    folders.sort();
    for folder in &folders {
        assert!(
            ARCHITECTURE.contains(&format!("| `src/{folder}/` |")),
            "src/{folder}/ is not on the map"
        );
    }
    assert_eq!(
        ARCHITECTURE.matches("| `src/").count(),
        folders.len(),
        "the map names a folder that is not there"
    );
}

fn sources(folder: &std::path::Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("the sources are there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source is text");
            found.push((path.display().to_string().replace('\\', "/"), text));
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    sources(
        &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    found
}

#[test]
fn one_file_creates_random_generators() {
    for (path, text) in all_sources() {
        let creates = [
            "from_seed(",
            "seed_from_u64(",
            "from_os_rng(",
            "rand::rng(",
            "thread_rng(",
        ];
        let allowed = path.ends_with("src/kernel/chacha.rs");
        assert!(
            allowed || !creates.iter().any(|call| text.contains(call)),
            "{path} creates a generator: ask kernel::RunKey for a stream instead"
        );
    }
}

/// Words that may stand in no source, where they may all the same, and what to use instead.
const BANNED: [(&[&str], &str, &str); 4] = [
    (
        &["Instant", "SystemTime", "Timestamp::now", "Zoned::now"],
        "src/lab/wall_clock.rs",
        "reads the machine's clock: simulated time is kernel::SimTime, wall time is lab::wall_clock",
    ),
    (
        &["HashMap", "HashSet", "RandomState", "DefaultHasher"],
        "",
        "uses a map whose order is random: use BTreeMap, IndexMap, or FxHashMap for look-ups that are never iterated",
    ),
    (
        &["OsRng", "SysRng", "getrandom", "ThreadRng"],
        "",
        "asks the system for chance: ask kernel::RunKey for a stream",
    ),
    (
        &["thread_local", "static mut"],
        "src/lab/runner.rs",
        "keeps state outside the run: put it into the component",
    ),
];

fn has_word(text: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(part_of_name) && !after.starts_with(part_of_name)
    })
}

#[test]
fn no_source_asks_clocks_chance_or_randomized_maps() {
    for (path, text) in all_sources() {
        let code: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        for (words, allowed, instead) in BANNED {
            if !allowed.is_empty() && path.ends_with(allowed) {
                continue;
            }
            for word in words {
                assert!(!has_word(&code, word), "{path} has `{word}`: it {instead}");
            }
        }
    }
}

#[test]
fn banned_words_are_found_as_words_only() {
    assert!(has_word("use std::collections::HashMap;", "HashMap"));
    assert!(!has_word("use rustc_hash::FxHashMap;", "HashMap"));
    assert!(has_word("let t = Instant::now();", "Instant"));
}

#[test]
fn every_file_opens_with_its_duty() {
    for (path, text) in all_sources() {
        assert!(text.starts_with("//! "), "{path} does not open with its duty");
    }
}

/// A large snapshot is accepted unread: assert on structure and on chosen values instead.
#[test]
fn snapshots_are_short_enough_to_be_read() {
    let mut snapshots = Vec::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "tests"] {
        citations::files(&root.join(folder), &["snap"], &mut snapshots);
    }
    assert!(snapshots.len() > 50, "only {} snapshots", snapshots.len());
    for path in snapshots {
        let bytes = std::fs::metadata(&path).expect("a snapshot is a file").len();
        assert!(bytes <= 8 << 10, "{} has {bytes} bytes", path.display());
    }
}
