//! The figures that are kept in `results/` are what this program draws from the data beside them, to the byte.

use std::path::Path;

use assert_cmd::Command;

#[test]
fn kept_figures_are_drawn_again_to_the_byte() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let mut compared = 0;
    for entry in std::fs::read_dir(&results).unwrap() {
        let kept = entry.unwrap().path().join("figures");
        if !kept.join("figures.json").exists() {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        let mut report = Command::cargo_bin("meshfault").unwrap();
        report
            .env_clear()
            .arg("report")
            .arg(kept.parent().unwrap())
            .arg("--out")
            .arg(dir.path());
        report.assert().code(0);
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let drawn = file.unwrap().path();
            let name = drawn.file_name().unwrap();
            let wanted = std::fs::read(kept.join(name)).unwrap_or_default();
            assert!(
                std::fs::read(&drawn).unwrap() == wanted,
                "{} is not what this program draws; write the results again",
                kept.join(name).display()
            );
            compared += 1;
        }
    }
    assert!(
        compared >= 12,
        "only {compared} kept figures have their data beside them"
    );
}
