//! What is kept in `results/` belongs together, and is all that documents show and no more.

use std::collections::BTreeSet;
use std::path::Path;

use meshfault::lab::Manifest;

/// Files that are kept of every result, beside the figures that its report shows.
const KEPT: [&str; 3] = ["manifest.json", "report.md", "summary.json"];

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    entries.flatten().map(name).collect()
}

/// Where the images of a Markdown page lie.
fn images(page: &str) -> BTreeSet<String> {
    let images = page.split("![").skip(1).filter_map(|image| image.split_once("]("));
    images
        .filter_map(|(_, rest)| Some(rest.split_once(')')?.0.to_owned()))
        .collect()
}

#[test]
fn a_kept_result_is_whole_and_is_what_documents_show() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let list = std::fs::read_to_string(results.join("README.md")).expect("results/README.md");
    let mut kept = 0;
    for name in names(&results).iter().filter(|name| *name != "README.md") {
        let folder = results.join(name);
        assert!(
            list.contains(&format!("]({name}/report.md)")),
            "results/README.md does not list {name}"
        );
        let text = |file: &str| {
            std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{name}/{file}: {error}"))
        };
        let manifest: Manifest = serde_json::from_str(&text("manifest.json")).expect("a manifest");
        let (report, summary) = (text("report.md"), text("summary.json"));

        assert!(manifest.complete, "{name} is not finished");
        assert!(
            manifest.result_digest.is_some_and(|digest| report.contains(&digest)),
            "{name}/report.md is of another result"
        );
        let digest = blake3::hash(summary.as_bytes()).to_hex().to_string();
        assert_eq!(
            manifest.files.get("summary.json"),
            Some(&digest),
            "{name}/summary.json is of another result"
        );

        let shown: BTreeSet<String> = images(&report)
            .iter()
            .map(|image| image.replace("figures/", ""))
            .collect();
        assert!(shown.len() > 3, "{name}/report.md shows {shown:?}");
        // A working copy may hold the rest, made again; .gitignore decides what is tracked.
        assert!(
            names(&folder.join("figures")).is_superset(&shown),
            "{name} lacks figures of its report"
        );
        assert!(KEPT.iter().all(|file| folder.join(file).exists()));
        kept += 1;
    }
    assert!(kept >= 4, "only {kept} results are kept");
}
