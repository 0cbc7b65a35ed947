//! Citations lead somewhere: pages with their sections, links, and the tests that model cards name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Pages of results: in a source their names are no citations.
const OF_RESULTS: [&str; 4] = ["report.md", "summary.md", "report.new.md", "report.new2.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files with one of these endings below a folder of the repository.
pub fn files(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, endings, found);
        } else if endings
            .iter()
            .any(|ending| path.extension().is_some_and(|own| own == *ending))
        {
            found.push(path);
        }
    }
}

pub fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut anchors = BTreeSet::new();
    for line in page.lines() {
        fenced ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if !fenced && heading.len() < line.len() && heading.starts_with(' ') {
            let kept = |c: char| (c.is_alphanumeric() || "-_ ".contains(c)).then_some(if c == ' ' { '-' } else { c });
            anchors.insert(heading.trim().to_lowercase().chars().filter_map(kept).collect());
        }
    }
    anchors
}

/// What is wrong with a citation of a file, and of a section in it if there is one, as seen from a folder.
fn complaint(from: &Path, target: &str) -> Option<String> {
    let (path, section) = target.split_once('#').unwrap_or((target, ""));
    let file = from.join(path);
    if !file.exists() {
        return Some(format!("`{target}`: there is no such file"));
    }
    let missing = !section.is_empty() && !anchors(&text_of(&file)).contains(section);
    missing.then(|| format!("`{target}`: the page has no such section"))
}

/// Words of a text that name a Markdown page, with their section.
fn pages(text: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| c.is_ascii_alphanumeric() || "_./#-".contains(c);
    text.split(move |c| !part(c))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.ends_with(".md") || word.contains(".md#"))
}

/// A page that is cited by a bare name or below `docs/` belongs to this repository; other paths belong to those of others.
fn complaints(text: &str) -> Vec<String> {
    pages(text)
        .filter(|page| (page.starts_with("docs/") || !page.contains('/')) && !OF_RESULTS.contains(page))
        .filter_map(|page| complaint(root(), page))
        .collect()
}

#[test]
fn every_cited_page_and_section_exists() {
    let mut found = Vec::new();
    for folder in ["src", "tests", "examples", "benches"] {
        files(&root().join(folder), &["rs"], &mut found);
    }
    for folder in ["models", "experiments"] {
        files(&root().join(folder), &["yaml"], &mut found);
    }
    let mut wrong = Vec::new();
    for path in found {
        let rust = path.extension().is_some_and(|ending| ending == "rs");
        for line in text_of(&path).lines() {
            if !rust || line.trim_start().starts_with("//") {
                wrong.extend(
                    complaints(line)
                        .into_iter()
                        .map(|what| format!("{}: {what}", path.display())),
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_citation_is_found() {
    assert_eq!(
        complaints("as `docs/model/istio.md#authorization` says, and report.md.").len(),
        0
    );
    assert_eq!(
        complaints("kubernetes/community sig-scalability/slos/api_call_latency.md").len(),
        0
    );
    assert_eq!(complaints("(`istio.md` section 6)").len(), 1);
    assert_eq!(complaints("`docs/model/istio.md#authorisation`").len(), 1);
    assert_eq!(
        anchors("# A page\n```\n# no heading\n```\n## What's `it`, then?").len(),
        2
    );
}

/// The documents that people read, with their folders.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["docs", "experiments", "models", "tests"] {
        files(&root().join(folder), &["md"], &mut found);
    }
    let top = std::fs::read_dir(root()).expect("the repository is there").flatten();
    found.extend(
        top.map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "md")),
    );
    found.push(root().join("results/README.md"));
    found
}

#[test]
fn every_link_of_a_document_leads_to_a_file_and_a_section() {
    let mut wrong = Vec::new();
    for page in documents() {
        let text = text_of(&page);
        let folder = page.parent().expect("a file is in a folder");
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target)
        {
            let own = format!("{}{target}", page.file_name().expect("a page has a name").display());
            let target = if target.starts_with('#') { &own } else { target };
            if !target.contains("://") {
                wrong.extend(complaint(folder, target).map(|what| format!("{}: {what}", page.display())));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Names of all parameters.
fn parameters() -> BTreeSet<String> {
    let mut sets = Vec::new();
    files(&root().join("models"), &["yaml"], &mut sets);
    let name = |line: &str| Some(line.strip_prefix("  ")?.strip_suffix(':')?.to_owned());
    let names: BTreeSet<String> = sets
        .iter()
        .flat_map(|path| text_of(path).lines().filter_map(name).collect::<Vec<_>>())
        .collect();
    assert!(names.len() > 90, "{names:?}");
    names
}

/// The last column of a table with parameters names parameters, and tests that are named exist.
#[test]
fn facts_name_parameters_and_tests_that_exist() {
    let parameters = parameters();
    let mut pages = Vec::new();
    files(&root().join("docs/model"), &["md"], &mut pages);
    assert!(pages.len() >= 7);
    for page in pages {
        let text = text_of(&page);
        let mut of_parameters = false;
        for line in text.lines() {
            of_parameters = line.starts_with('|') && (of_parameters || line.ends_with("| parameter |"));
            let last = line.rsplit('|').nth(1).unwrap_or_default();
            for name in quoted(last).filter(|name| of_parameters && !name.contains('/')) {
                let known = match name.strip_suffix('*') {
                    Some(start) => parameters.iter().any(|own| own.starts_with(start)),
                    None => parameters.contains(name),
                };
                assert!(known, "{}: there is no parameter `{name}`", page.display());
            }
            for path in quoted(line).filter(|path| path.starts_with("tests/")) {
                assert!(root().join(path).exists(), "{}: there is no {path}", page.display());
            }
        }
    }
}

/// What a model card names as its validation: test files, and test functions of its own file.
fn validation(card: &str) -> Option<&str> {
    let rest = card.split_once("**Validated by**:")?.1;
    let end = ["**", "Source:", "\n\n"]
        .iter()
        .filter_map(|mark| rest.find(mark))
        .min();
    Some(&rest[..end.unwrap_or(rest.len())])
}

#[test]
fn every_model_card_names_the_tests_that_validate_it() {
    let mut found = Vec::new();
    files(&root().join("src"), &["rs"], &mut found);
    let mut cards = 0;
    for path in found {
        let text = text_of(&path);
        let opening: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).collect();
        let card = opening.join("\n");
        if !card.contains("**Modeled**") && !card.contains("**Validated by**") {
            continue;
        }
        cards += 1;
        let named = validation(&card).unwrap_or_else(|| panic!("{}: the card has no **Validated by**", path.display()));
        let tests: Vec<&str> = quoted(named).filter(|word| !word.starts_with("docs/")).collect();
        assert!(!tests.is_empty(), "{}: no test is named in{named}", path.display());
        for test in tests {
            let exists = match test.starts_with("tests/") {
                true => std::fs::read_to_string(root().join(test)).is_ok_and(|text| text.contains("#[test]")),
                false => text.contains(&format!("fn {test}(")),
            };
            assert!(exists, "{}: there is no test `{test}`", path.display());
        }
    }
    assert!(cards >= 20, "only {cards} model cards are there");
}

#[test]
fn a_card_is_read_to_the_end_of_its_validation() {
    let card = " Title.\n **Validated by**: `tests/a.rs` and\n `below`. Source: `docs/x.md`.\n\n `more`";
    assert_eq!(
        validation(card).map(|named| quoted(named).collect()),
        Some(vec!["tests/a.rs", "below"])
    );
}
