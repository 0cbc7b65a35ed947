//! Texts that a user reads use the words of Kubernetes, Istio, Cilium and statistics, not the words that these replaced.
//!
//! Read are the texts quoted in what is built of `src/`, the templates of pages, all Markdown, the help of every command, the schema,
//! and experiments and models. A text of one word is a name, such as a key or a column.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::citations::{files, text_of};
use super::house;

/// Replaced words, and what to write instead.
const REPLACED: [(&[&str], &str); 11] = [
    (&["wish", "wishes", "wished"], "desire, desired, create"),
    (
        &["misfortune", "misfortunes"],
        "common random numbers, the same random events",
    ),
    (
        &["give up", "gives up", "gave up", "given up", "giving up"],
        "mark NotReady, time out, stop",
    ),
    (&["law", "laws"], "distribution"),
    (&["landing", "landings"], "connection"),
    (&["leg", "legs"], "channel"),
    (&["hang on", "hangs on", "goes back to"], "depends on, is caused by"),
    (&["tell", "tells", "told", "says"], "report, show"),
    (&["somebody", "nobody"], "a component, no one"),
    (&["besides", "makes runs"], "also, runs"),
    (
        &[
            "time-out",
            "time-outs",
            "back end",
            "back ends",
            "set-up",
            "set-ups",
            "start-up",
            "start-ups",
        ],
        "timeout, backend, setup, startup",
    ),
];

/// The replaced words of a text, each with what to write instead.
fn replaced(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-')
        .filter(|word| !word.is_empty())
        .collect();
    let mut found = Vec::new();
    for (phrases, instead) in REPLACED {
        for phrase in phrases {
            let parts: Vec<&str> = phrase.split(' ').collect();
            let places = (0..words.len()).filter(|at| words[*at..].starts_with(&parts));
            found.extend(places.map(|at| {
                let around = words[at.saturating_sub(4)..words.len().min(at + 6)].join(" ");
                format!("`{phrase}` in \"{around}\"; write {instead}")
            }));
        }
    }
    found
}

/// A quoted text without escapes and without the names of what is put in: `{told}` is a value.
fn plain(quoted: &str) -> String {
    let name = |inside: &str| inside.chars().all(|c| c.is_alphanumeric() || "_:?.<>$".contains(c));
    let lines = quoted.replace("\\n", " ");
    let mut parts = lines.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| match part.split_once('}') {
        Some((inside, after)) if name(inside) => text + after,
        _ => text + part,
    })
}

/// The texts quoted in a source that a user may read.
fn readable(source: &str) -> impl Iterator<Item = String> {
    let quoted = house::quoted_texts(source).into_iter();
    quoted.filter(|text| text.contains(' ')).map(plain)
}

/// The help of the program and of each of its commands.
fn helps() -> Vec<(String, String)> {
    let help = |command: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_meshfault"))
            .args(command)
            .arg("--help")
            .output()
            .expect("the program runs");
        assert!(done.status.success(), "{command:?}");
        String::from_utf8(done.stdout).expect("a help is text")
    };
    let all = help(&[]);
    let commands: Vec<&str> = all
        .lines()
        .filter(|line| line.starts_with("  ") && !line.trim_start().starts_with('-'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let known = |name: &&str| {
        let done = Command::new(env!("CARGO_BIN_EXE_meshfault"))
            .args([*name, "--help"])
            .output();
        done.is_ok_and(|done| done.status.success())
    };
    let mut helps: Vec<(String, String)> = commands
        .into_iter()
        .filter(known)
        .map(|name| (format!("meshfault {name} --help"), help(&[name])))
        .collect();
    helps.push(("meshfault --help".to_owned(), all));
    helps
}

/// Every text with the file, or the command, that has it.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let name = |path: &str| {
        path.trim_start_matches(&*root.display().to_string())
            .trim_start_matches('/')
            .to_owned()
    };
    let mut texts = Vec::new();
    let script = root.join("src/report/page/assets/page.js");
    let scripts = [(script.display().to_string(), text_of(&script))];
    for (path, source) in house::built_sources().into_iter().chain(scripts) {
        texts.extend(readable(&source).map(|text| (name(&path), text)));
    }
    let mut whole = vec![root.join("schema/experiment.schema.json")];
    let top = std::fs::read_dir(root).expect("the folder is there").flatten();
    let own =
        |path: &Path| path.extension().is_some_and(|end| end == "md") && !path.ends_with("THIRD-PARTY-LICENSES.md");
    whole.extend(top.map(|entry| entry.path()).filter(|path| own(path)));
    for folder in ["docs", "results", "tests", ".github"] {
        files(&root.join(folder), &["md"], &mut whole);
    }
    for folder in ["experiments", "models", "src"] {
        files(&root.join(folder), &["md", "yaml", "html", "tex"], &mut whole);
    }
    texts.extend(
        whole
            .iter()
            .map(|path| (name(&path.display().to_string()), text_of(path))),
    );
    texts.extend(helps());
    texts
}

#[test]
fn texts_of_users_have_no_replaced_word() {
    let texts = texts();
    assert!(texts.len() > 3_000, "only {} texts", texts.len());
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (place, text) in &texts {
        found.entry(place).or_default().extend(replaced(text));
    }
    found.retain(|_, held| !held.is_empty());
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_planted_word_is_found() {
    let source = "// nobody\nconst A: &str = \"a law of time, {told}\"; const B: &str = \"law\";\n\
        const C: &str = r#\"it gives\\\n up\"#;\n#[cfg(test)]\nmod tests { const D: &str = \"somebody asks\"; }";
    let found: Vec<String> = readable(source).flat_map(|text| replaced(&text)).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(replaced("Nobody's legs: a start-up.").len(), 3);
    assert_eq!(
        replaced("node_given_up_delay, certificate_landings, legal, outlaw, retold"),
        [""; 0]
    );
    assert!(
        helps()
            .iter()
            .any(|(command, help)| command == "meshfault run --help" && help.contains("--replications"))
    );
}

/// Comments may say "tells" of a function, but not the words that have a better one in the field.
const IN_COMMENTS: [&str; 10] = [
    "wish",
    "wishes",
    "wished",
    "misfortune",
    "misfortunes",
    "landing",
    "landings",
    "somebody",
    "nobody",
    "gives up",
];

#[test]
fn comments_use_the_words_of_the_field_too() {
    let found = house::built_sources().into_iter().flat_map(|(path, source)| {
        let comments = source.lines().map(str::trim).filter(|line| line.starts_with("//"));
        let of_line = |line: &str| {
            let bad = replaced(line);
            let named = |text: &String| IN_COMMENTS.iter().any(|word| text.starts_with(&format!("`{word}`")));
            bad.into_iter().filter(named).collect::<Vec<_>>()
        };
        let found: Vec<String> = comments.flat_map(of_line).map(|bad| format!("{path}: {bad}")).collect();
        found
    });
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}
