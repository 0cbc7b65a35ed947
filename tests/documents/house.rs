//! Folders of the house use only those below them, wherever a path is written: in full, in a group, or by `super`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Folders in the order of the house: each may use those after it, and `stats` stands on the ground.
const HOUSE: [&str; 9] = [
    "cli", "report", "lab", "scenario", "story", "cluster", "policy", "stats", "kernel",
];
/// Largest circle of files of `cluster/` that import each other.
const CIRCLE_MAX: usize = 6;
/// Components of more than one file: their events are named in all of these.
const COMPONENTS_OF_MORE_FILES: [&[&str]; 3] = [
    &[
        "kubelet",
        "kubelet::ends",
        "kubelet::images",
        "kubelet::probes",
        "kubelet::start",
        "kubelet::verbs",
        "kubelet_client",
    ],
    &["judge", "judge::hears"],
    &[
        "istio::sidecar",
        "istio::certificate_channel",
        "istio::configuration_channel",
        "istio::connection",
    ],
];

/// What a piece of a source is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Comment,
    Quoted,
}

/// Comments and quoted texts of a source, each with its place.
fn pieces(text: &str) -> Vec<(Piece, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (piece, length) = if rest.starts_with("//") {
            (Piece::Comment, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (Piece::Comment, rest.find("*/").map_or(rest.len(), |end| end + 2))
        } else {
            (Piece::Quoted, quoted(text, at))
        };
        if length > 0 {
            found.push((piece, at..at + length));
        }
        at += length.max(rest.chars().next().map_or(1, char::len_utf8));
    }
    found
}

/// The length of the string or the character that begins here; 0 if none does.
fn quoted(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    if let Some(quoted) = rest.strip_prefix('"') {
        let mut escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        end.map_or(rest.len(), |end| end + 2)
    } else if let Some(hashes) = raw_string(text, at) {
        let close = format!("\"{}", "#".repeat(hashes));
        let body = hashes + 2;
        rest[body..]
            .find(&close)
            .map_or(rest.len(), |end| body + end + close.len())
    } else if let Some(escaped) = rest.strip_prefix("'\\") {
        escaped.find('\'').map_or(rest.len(), |end| end + 3).max(4)
    } else {
        // A character between quotes; else the quote begins a lifetime.
        let mut characters = rest.chars();
        let quoted = characters.next() == Some('\'');
        let inside = characters.next().map_or(0, char::len_utf8);
        if quoted && characters.next() == Some('\'') {
            inside + 2
        } else {
            0
        }
    }
}

/// The source with spaces in place of comments and of what is quoted, so that brackets and names are code.
fn code_of(text: &str) -> String {
    let mut code = text.as_bytes().to_vec();
    for byte in pieces(text).into_iter().flat_map(|(_, range)| range) {
        if code[byte] != b'\n' {
            code[byte] = b' ';
        }
    }
    String::from_utf8(code).expect("whole characters are replaced")
}

/// The texts that what is built of a source quotes, outside its tests.
pub fn quoted_texts(text: &str) -> Vec<&str> {
    let tests = of_tests(&code_of(text));
    let built = |range: &Range<usize>| !tests.iter().any(|of_tests| of_tests.contains(&range.start));
    let quoted = pieces(text).into_iter().filter(|(piece, _)| *piece == Piece::Quoted);
    quoted
        .map(|(_, range)| range)
        .filter(built)
        .map(|range| &text[range])
        .collect()
}

/// Sources of which something is built: not those of modules that are compiled for tests only.
pub fn built_sources() -> Vec<(String, String)> {
    let sources = crate::all_sources();
    let tests: BTreeSet<String> = sources
        .iter()
        .flat_map(|(path, text)| files_of_tests(path, text, &code_of(text)))
        .collect();
    // A module `x` of tests is `x.rs`, or `x/mod.rs` with all that is below it.
    let of_tests = |path: &str| {
        let own = path.trim_end_matches(".rs").trim_end_matches("/mod");
        tests.contains(path) || own.match_indices('/').any(|(at, _)| tests.contains(&own[..at])) || tests.contains(own)
    };
    sources.into_iter().filter(|(path, _)| !of_tests(path)).collect()
}

/// Number of `#` of a raw string that begins here.
fn raw_string(text: &str, at: usize) -> Option<usize> {
    let after = text[at..].strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let own_word = !text[..at]
        .trim_end_matches('b')
        .ends_with(|c: char| c.is_alphanumeric() || c == '_');
    (own_word && after[hashes..].starts_with('"')).then_some(hashes)
}

/// The end of the item that begins here: its semicolon, or the bracket that closes its body.
fn end_of_item(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    let body = !code[from..].trim_start().trim_start_matches("pub ").starts_with("use ");
    for (at, c) in code[from..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (c == ';' || (c == '}' && body)) {
            return from + at + 1;
        }
    }
    code.len()
}

/// Where items stand that are compiled for tests only.
fn of_tests(code: &str) -> Vec<Range<usize>> {
    const MARK: &str = "#[cfg(test)]";
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in code.match_indices(MARK) {
        if found.last().is_some_and(|last| last.contains(&at)) {
            continue;
        }
        let mut item = at + MARK.len();
        while code[item..].trim_start().starts_with("#[") {
            item += code[item..].find(']').expect("an attribute ends") + 1;
        }
        found.push(at..end_of_item(code, item));
    }
    found
}

/// Files of modules that are compiled for tests only, as the file that declares them names them.
fn files_of_tests(path: &str, text: &str, code: &str) -> Vec<String> {
    let folder = match path.rsplit_once('/') {
        Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder,
        _ => path.trim_end_matches(".rs"),
    };
    let declared = |range: &Range<usize>| {
        let (text, code) = (&text[range.clone()], &code[range.clone()]);
        let name = code.strip_suffix(';')?.rsplit_once("mod ")?.1.trim();
        if let Some((_, named)) = text.split_once("#[path = \"") {
            let beside = path.rsplit_once('/').map_or("", |(beside, _)| beside);
            return Some(format!("{beside}/{}", named.split('"').next()?));
        }
        Some(format!("{folder}/{name}"))
    };
    of_tests(code).iter().filter_map(declared).collect()
}

/// All paths of a tree as `use` has it: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn branches(tree: &str, before: &[&str], found: &mut Vec<Vec<String>>) {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let tree = tree.trim_start();
    let name = &tree[..tree.find(|c| !word(c)).unwrap_or(tree.len())];
    if let Some(group) = tree.strip_prefix('{') {
        let mut depth = 0_usize;
        let mut from = 0;
        for (at, c) in group.char_indices() {
            if depth == 0 && (c == ',' || c == '}') {
                branches(&group[from..at], before, found);
                from = at + 1;
            }
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                _ => {}
            }
        }
    } else if !name.is_empty() {
        let path = [before, &[name]].concat();
        match tree[name.len()..].trim_start().strip_prefix("::") {
            Some(rest) => branches(rest, &path, found),
            None => found.push(path.into_iter().map(str::to_owned).collect()),
        }
    }
}

/// The folder of the house that a path leads to, from the module of a file.
fn folder(path: &[String], module: &[&str]) -> Option<String> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    if path[0] == "crate" {
        path.get(1).cloned()
    } else if ups > 0 && ups == module.len() {
        path.get(ups).cloned()
    } else {
        None
    }
}

/// What is built of a source: code outside of comments, texts and tests.
fn built(text: &str) -> String {
    let mut code = code_of(text);
    for range in of_tests(&code) {
        code.replace_range(range.clone(), &" ".repeat(range.len()));
    }
    code
}

/// The module of a file, `cluster/istio/mod.rs` being `["cluster", "istio"]`.
fn module_of(path: &str) -> Vec<&str> {
    let inside = path.rsplit_once("/src/").map_or(path, |(_, inside)| inside);
    inside
        .trim_end_matches(".rs")
        .trim_end_matches("/mod")
        .split('/')
        .collect()
}

/// Folders that what is built of a source uses, outside its tests.
fn used(path: &str, text: &str) -> BTreeSet<String> {
    let module = module_of(path);
    paths_in(&built(text))
        .iter()
        .filter_map(|path| folder(path, &module))
        .collect()
}

/// All paths in code that begin with `crate` or `super`.
fn paths_in(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for start in ["crate", "super"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].trim_end();
            let begins = !before.ends_with("::") && !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if begins && code[at + start.len()..].trim_start().starts_with("::") {
                branches(&code[at..], &[], &mut paths);
            }
        }
    }
    paths
}

/// The modules of `cluster/` with what is built of them; `history` counts with its files.
fn world() -> BTreeMap<String, String> {
    let sources = built_sources();
    let of_world = sources.iter().filter(|(path, _)| path.contains("/src/cluster/"));
    let named = |(path, text): &(String, String)| (module_of(path)[1..].join("::"), built(text));
    of_world.map(named).collect()
}

/// The modules of `cluster/` that one of them imports.
fn imports(module: &str, code: &str, world: &BTreeMap<String, String>) -> BTreeSet<String> {
    let own: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
    let resolved = paths_in(code).into_iter().filter_map(|path| {
        let ups = path.iter().take_while(|part| *part == "super").count();
        let full: Vec<String> = match (path[0].as_str(), path.get(1).map(String::as_str)) {
            ("crate", Some("cluster")) => path[2..].to_vec(),
            ("crate", _) => return None,
            _ if ups > own.len() => return None,
            _ => own[..own.len() - ups]
                .iter()
                .map(|part| (*part).to_owned())
                .chain(path[ups..].iter().cloned())
                .collect(),
        };
        let longest = (1..=full.len()).rev().map(|length| full[..length].join("::"));
        longest
            .into_iter()
            .find(|name| world.contains_key(name) && name != module)
    });
    resolved.collect()
}

#[test]
fn circles_of_imports_in_the_world_are_small() {
    let world = world();
    let direct: BTreeMap<&str, BTreeSet<String>> = world
        .iter()
        .map(|(module, code)| (module.as_str(), imports(module, code, &world)))
        .collect();
    let reached = |from: &str| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(module) = next.pop() {
            for other in &direct[module.as_str()] {
                if seen.insert(other.clone()) {
                    next.push(other.clone());
                }
            }
        }
        seen
    };
    let all: BTreeMap<&str, BTreeSet<String>> = direct.keys().map(|module| (*module, reached(module))).collect();
    assert!(all.len() > 50 && direct.values().map(BTreeSet::len).sum::<usize>() > 200);
    for (module, reaches) in &all {
        let circle: Vec<&String> = reaches
            .iter()
            .filter(|other| all[other.as_str()].contains(*module))
            .collect();
        assert!(
            circle.len() <= CIRCLE_MAX,
            "{module} is in a circle of imports: {circle:?}"
        );
    }
}

/// Whether code holds a word.
fn names(code: &str, name: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric()).any(|word| word == name)
}

/// A component is notified by verbs of the context: only its own files name its events, and no component imports another.
#[test]
fn components_name_their_own_events_and_import_no_other() {
    let world = world();
    let events: Vec<String> = {
        let table = &world["event"];
        let words: BTreeSet<&str> = table.split(|c: char| !c.is_alphanumeric()).collect();
        let names = words
            .into_iter()
            .filter(|word| word.ends_with("Event") && *word != "Event");
        names.map(str::to_owned).collect()
    };
    assert!(events.len() >= 14, "{events:?}");
    let mut components: Vec<Vec<&str>> = Vec::new();
    for event in &events {
        let naming = world
            .iter()
            .filter(|(module, code)| *module != "event" && names(code, event));
        let naming: Vec<&str> = naming.map(|(module, _)| module.as_str()).collect();
        let one = naming.len() == 1;
        let known = COMPONENTS_OF_MORE_FILES
            .iter()
            .any(|files| naming.iter().all(|module| files.contains(module)));
        assert!(one || known, "{event} is named in {naming:?}");
        components.push(naming);
    }
    for own in &components {
        for module in own {
            let others = imports(module, &world[*module], &world);
            let foreign: Vec<&String> = others
                .iter()
                .filter(|other| {
                    !own.contains(&other.as_str()) && components.iter().any(|files| files.contains(&other.as_str()))
                })
                .collect();
            assert!(foreign.is_empty(), "{module} imports the components {foreign:?}");
        }
    }
}

/// Components say what happened and never ask what was recorded: the context hands every observation on, and the world takes the
/// records when the run is over.
#[test]
fn components_ask_the_recorder_nothing() {
    let world = world();
    let own = |module: &str| module == "recorder" || module.starts_with("recorder::");
    let naming = world
        .iter()
        .filter(|(module, code)| !own(module) && names(code, "recorder"));
    let naming: Vec<&str> = naming.map(|(module, _)| module.as_str()).collect();
    assert_eq!(naming, ["", "context", "world"]);
    let calls: Vec<&str> = world["context"].split(".recorder").skip(1).collect();
    assert!(
        matches!(calls[..], [call] if call.starts_with(".observe(")),
        "{calls:?}"
    );
}

#[test]
fn arrows_point_down_only() {
    let (mut seen, mut upward) = (0, Vec::new());
    // Tests may look up; what is built may not.
    for (path, text) in &built_sources() {
        let Some(own) = HOUSE
            .iter()
            .position(|folder| path.contains(&format!("/src/{folder}/")))
        else {
            continue; // lib.rs and main.rs
        };
        seen += 1;
        let above = used(path, text)
            .into_iter()
            .filter(|name| HOUSE[..own].contains(&name.as_str()));
        upward.extend(above.map(|folder| format!("{path} uses {folder}, which stands above it")));
    }
    assert!(upward.is_empty(), "{}", upward.join("\n"));
    assert!(seen > 300, "only {seen} sources were looked at");
}

#[test]
fn an_upward_arrow_is_seen_wherever_it_stands() {
    let of = |text: &str| {
        used("/src/cluster/history/mod.rs", text)
            .into_iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(of("#[cfg(test)]\nmod tests;\nuse crate::lab::Rows;"), ["lab"]);
    assert_eq!(
        of("use crate::{kernel::{SimTime, Law}, report::short};"),
        ["kernel", "report"]
    );
    assert_eq!(
        of("use super::super::{cli, lab::rows};\nuse super::context::Ctx;"),
        ["cli", "lab"]
    );
    assert_eq!(
        of("fn f() -> crate::stats::Interval { crate :: story::told() }"),
        ["stats", "story"]
    );
    assert_eq!(
        of("// crate::lab::a\nconst A: &str = \"crate::lab::b\"; const B: char = '\"'; // \""),
        [""; 0]
    );
    assert_eq!(
        of("#[cfg(test)]\n#[allow(x)]\nmod tests { use crate::lab::{A}; fn f() {} }\nuse crate::kernel::Law;"),
        ["kernel"]
    );
    assert_eq!(
        of("const A: &str = r#\"a \" crate::lab::b\"#; fn f<'a>(_: &'a crate::policy::Labels) {}"),
        ["policy"]
    );
}
