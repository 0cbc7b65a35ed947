//! The book: every page is in its table of contents, and every link stays within the book.

use std::path::Path;

use super::citations::files;

/// Targets of the links of a page that are no addresses.
fn links(page: &str) -> Vec<&str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).collect()
}

#[test]
fn every_page_is_in_the_contents_and_links_stay_within_the_book() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let contents = std::fs::read_to_string(book.join("SUMMARY.md")).expect("the book has contents");
    let listed: Vec<&str> = links(&contents);
    let (mut pages, mut wrong) = (Vec::new(), Vec::new());
    files(&book, &["md"], &mut pages);
    for path in pages {
        let name = path
            .strip_prefix(&book)
            .expect("a page lies in the book")
            .display()
            .to_string();
        if name != "SUMMARY.md" && !listed.contains(&name.as_str()) {
            wrong.push(format!("{name} is not in SUMMARY.md"));
        }
        let page = std::fs::read_to_string(&path).expect("a page is text");
        let folder = path.parent().expect("a page lies in a folder");
        for target in links(&page) {
            let file = target.split('#').next().unwrap_or_default();
            let within = folder
                .join(file)
                .canonicalize()
                .is_ok_and(|file| file.starts_with(&book));
            if !file.is_empty() && !within {
                wrong.push(format!("{name}: `{target}` leads out of the book"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
