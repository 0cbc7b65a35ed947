//! `THIRD-PARTY-LICENSES.md`: what is linked into the program, under which licence, with the texts that have to go with it.
//!
//! `UPDATE_DOCUMENTS=1 cargo test --test documents licenses` writes it. Which licences are allowed stands in `deny.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Where there is a choice, the first of these is taken.
const PREFERRED: [&str; 7] = [
    "Apache-2.0",
    "MIT",
    "BSD-3-Clause",
    "BSD-2-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
];

/// Things that are no crates: what, licence, and where its text lies.
const OTHERS: [(&str, &str, &str); 2] = [
    (
        "DejaVu Sans, the font of figures",
        "Bitstream Vera, with changes in the public domain",
        "assets/DejaVuSans-LICENSE.txt",
    ),
    ("uPlot, the charts of report.html", "MIT", "assets/uplot/LICENSE"),
];

/// The packages of a Linux build, as Cargo resolves them.
fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("Cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("metadata is JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Packages that are linked: those that code needs which is neither a test, nor a build script, nor a macro.
fn linked(metadata: &Value) -> Vec<&Value> {
    let packages: BTreeMap<&str, &Value> = list(&metadata["packages"])
        .iter()
        .map(|package| (package["id"].as_str().unwrap_or_default(), package))
        .collect();
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| (node["id"].as_str().unwrap_or_default(), node))
        .collect();
    let is_macro = |id: &str| {
        list(&packages[id]["targets"])
            .iter()
            .any(|target| target["kind"][0] == "proc-macro")
    };
    let root = metadata["resolve"]["root"].as_str().expect("the program is the root");
    let mut seen = BTreeSet::from([root]);
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        for dependency in list(&nodes[id]["deps"]) {
            let is_linked = list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            let id = dependency["pkg"].as_str().unwrap_or_default();
            if is_linked && !is_macro(id) && seen.insert(id) {
                open.push(id);
            }
        }
    }
    seen.remove(root);
    let mut linked: Vec<&Value> = seen.into_iter().map(|id| packages[id]).collect();
    linked.sort_by_key(|package| (package["name"].to_string(), package["version"].to_string()));
    linked
}

/// The licences that are taken of an expression: one of each alternative.
fn taken(expression: &str) -> Vec<&'static str> {
    let one = |part: &str| {
        let part = part.replace(['(', ')'], "").replace('/', " OR ");
        let choices: Vec<&str> = part.split(" OR ").map(str::trim).collect();
        let found = PREFERRED.into_iter().find(|licence| choices.contains(licence));
        found.unwrap_or_else(|| panic!("no licence is taken of `{expression}`"))
    };
    expression.split(" AND ").map(one).collect()
}

/// Files of a package that have to go with its licences: texts other than that of Apache-2.0, and notices.
fn texts(folder: &Path, licences: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.push("zstd/LICENSE".to_owned());
    names.sort();
    let is_text = |name: &str| {
        let name = name.to_uppercase();
        let is_licence = ["LICENSE", "LICENCE", "COPYING", "ZSTD/LICENSE"]
            .iter()
            .any(|start| name.starts_with(start));
        let others = licences.iter().any(|licence| *licence != "Apache-2.0") || name.starts_with("ZSTD");
        name.starts_with("NOTICE") || (is_licence && others && !name.contains("APACHE"))
    };
    let read = |name: String| std::fs::read_to_string(folder.join(name)).ok();
    names
        .into_iter()
        .filter(|name| is_text(name))
        .filter_map(read)
        .collect()
}

/// The document.
fn document() -> String {
    let metadata = metadata();
    let mut text = "# Licences of what is linked\n\nmeshfault itself is under Apache-2.0 (`LICENSE`). A build for Linux contains the following, in the versions of \
                    `Cargo.lock`.\nWhere a package leaves a choice of licences, the one named here is taken; the text of Apache-2.0 is `LICENSE`, other texts follow.\n\
                    `UPDATE_DOCUMENTS=1 cargo test --test documents licenses` writes this file.\n\n| package | version | licence | source |\n|---|---|---|---|\n"
        .to_owned();
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in linked(&metadata) {
        let field = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
        let (name, version) = (field("name"), field("version"));
        let licences = taken(
            package["license"]
                .as_str()
                .unwrap_or_else(|| panic!("{name} names no licence")),
        );
        let _ = writeln!(
            text,
            "| {name} | {version} | {} | {} |",
            licences.join(" and "),
            field("repository")
        );
        let folder = Path::new(package["manifest_path"].as_str().unwrap_or_default())
            .parent()
            .expect("a folder");
        for licence in texts(folder, &licences) {
            owners.entry(flowed(&licence)).or_default().push(name.clone());
        }
    }
    for (what, licence, path) in OTHERS {
        let _ = writeln!(text, "| {what} | | {licence} | `{path}` |");
        let licence =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("its licence is there");
        owners.entry(flowed(&licence)).or_default().push(what.to_owned());
    }
    let mut sections: Vec<(String, String)> = owners
        .into_iter()
        .map(|(licence, names)| (names.join(", "), licence))
        .collect();
    sections.sort();
    for (names, licence) in sections {
        let _ = write!(text, "\n## {names}\n\n```text\n{licence}\n```\n");
    }
    text
}

/// A text without what differs between copies: ends of lines, trailing spaces, indentation, empty lines at its ends.
fn flowed(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join("\n").trim_matches(['\n', '\u{feff}']).replace("```", "'''")
}

#[test]
fn third_party_licenses_are_those_of_what_is_linked() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("THIRD-PARTY-LICENSES.md");
    let (held, wanted) = (std::fs::read_to_string(&path).unwrap_or_default(), document());
    if held != wanted && std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(path, wanted).expect("the document can be written");
        return;
    }
    assert!(
        held == wanted,
        "write it with UPDATE_DOCUMENTS=1 cargo test --test documents licenses"
    );
}

#[test]
fn one_of_each_choice_of_licences_is_taken() {
    assert_eq!(taken("MIT OR Apache-2.0"), ["Apache-2.0"]);
    assert_eq!(taken("Unlicense/MIT"), ["MIT"]);
    assert_eq!(
        taken("(MIT OR Apache-2.0) AND Unicode-3.0"),
        ["Apache-2.0", "Unicode-3.0"]
    );
}
