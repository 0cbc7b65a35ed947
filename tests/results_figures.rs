//! The figures and reports that are kept in `results/` are what this program makes of the data beside them, to the byte.

use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// What is drawn from; everything else that is kept beside it is drawn again.
const SOURCES: [&str; 3] = ["manifest.json", "report.json", "figures/figures.json"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

#[test]
fn kept_figures_and_reports_are_made_again_to_the_byte() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let (mut figures, mut reports) = (0, 0);
    for entry in std::fs::read_dir(&results).unwrap() {
        let kept = entry.unwrap().path();
        if !kept.join("manifest.json").exists() {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("figures")).unwrap();
        for source in SOURCES {
            std::fs::copy(kept.join(source), dir.path().join(source)).unwrap();
        }
        let mut report = Command::cargo_bin("meshfault").unwrap();
        report.env_clear().arg("report").arg(dir.path());
        report.assert().code(0);
        for made in files(dir.path()) {
            let name = made.strip_prefix(dir.path()).unwrap();
            if name == Path::new(".written.json") {
                // Says who wrote what in this folder, and is not kept.
                continue;
            }
            let wanted = std::fs::read(kept.join(name)).unwrap_or_default();
            assert!(
                std::fs::read(&made).unwrap() == wanted,
                "{} is not what this program makes; write the results again",
                kept.join(name).display()
            );
            figures += usize::from(name.extension().is_some_and(|ending| ending == "svg"));
            reports += usize::from(name == Path::new("report.html"));
        }
    }
    assert!(
        figures >= 12 && reports >= 3,
        "only {figures} figures and {reports} reports are kept"
    );
}
