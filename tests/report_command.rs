//! `meshfault report` of the real program: the same bytes as `run` wrote, from rows and from stored data, without fonts and
//! without an environment; and what it says when it is used wrongly.

use std::collections::BTreeMap;
use std::path::Path;

use assert_cmd::Command;

/// The program without fonts, home or any other variable of this machine.
fn program() -> Command {
    let mut command = Command::cargo_bin("meshfault").unwrap();
    command
        .env_clear()
        .env("FONTCONFIG_FILE", "/dev/null")
        .env("HOME", "/nonexistent");
    command
}

fn done(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    // Lines are wrapped for people; here only the words count.
    let told = String::from_utf8(output.stderr).unwrap();
    told.split_whitespace()
        .filter(|word| *word != "│")
        .collect::<Vec<_>>()
        .join(" ")
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    files
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read(&path).unwrap(),
            )
        })
        .collect()
}

/// A small result of a built-in experiment.
fn result(dir: &Path) {
    let mut run = program();
    run.args(["run", "istiod-cut-off", "--replications", "4", "--quiet", "--out"])
        .arg(dir);
    run.args([
        "--design",
        "cilium-only",
        "--design",
        "cilium-istio-1.14",
        "--design",
        "control",
    ]);
    done(&mut run);
}

/// What `report --out again` wrote is what `run` wrote: figures, and reports that show them.
fn assert_same(figures: &BTreeMap<String, Vec<u8>>, made: &Path, again: &Path, source: &str) {
    let mut drawn = files(again);
    drawn.remove(".written.json").expect("the list of what was written");
    for name in ["report.html", "report.md", "report.tex"] {
        let of_run = std::fs::read_to_string(made.join(name)).unwrap();
        // There pictures lie in a folder of their own, here beside the record.
        let wanted = of_run.replace("](figures/", "](");
        let page = String::from_utf8(drawn.remove(name).expect(name)).unwrap();
        assert!(page == wanted, "{source} give another {name}");
    }
    assert!(drawn == *figures, "{source} give other figures");
}

#[test]
fn figures_and_reports_are_made_again_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (made, again, stored) = (
        dir.path().join("made"),
        dir.path().join("again"),
        dir.path().join("stored"),
    );
    result(&made);
    let mut written = files(&made.join("figures"));
    written.remove("figures.json").expect("the data of all figures");
    for name in [
        "startup_distribution",
        "startup_complement",
        "startup_phases",
        "access_classes",
        "exposure_distribution",
        "differences",
        "timeline",
        "certificate_requests",
        "stale_entries",
    ] {
        for ending in ["svg", "png", "csv", "vl.json"] {
            assert!(written.contains_key(&format!("{name}.{ending}")), "{name}.{ending}");
        }
    }
    let told = done(program().arg("report").arg(&made).arg("--out").arg(&again));
    assert!(
        told.ends_with("9 figures, light theme, from the stored rows\n"),
        "{told}"
    );
    assert_same(&written, &made, &again, "the rows");

    // A file that cannot be read stops no command while the rows are there.
    let of_run = std::fs::read(made.join("report.json")).unwrap();
    std::fs::write(made.join("report.json"), "{").unwrap();
    let told = done(
        program()
            .arg("report")
            .arg(&made)
            .args(["--format", "tex", "--out"])
            .arg(dir.path().join("damaged")),
    );
    assert!(told.contains("from the stored rows"), "{told}");
    std::fs::write(made.join("report.json"), of_run).unwrap();

    for table in ["runs", "pods", "accesses", "exposures", "edges", "flows"] {
        std::fs::remove_file(made.join(format!("{table}.parquet"))).unwrap();
    }
    let told = done(program().arg("report").arg(&made).arg("--out").arg(&stored));
    assert!(told.contains("the folder has no rows"), "{told}");
    assert_same(&written, &made, &stored, "the stored data");

    let mut dark = program();
    dark.arg("report")
        .arg(&made)
        .args(["--figure", "timeline", "--theme", "dark", "--format", "svg"]);
    done(&mut dark);
    let themed = files(&made.join("figures/dark"));
    assert_eq!(themed.keys().collect::<Vec<_>>(), ["timeline.svg"]);
    assert_ne!(themed["timeline.svg"], written["timeline.svg"]);

    let told = refused(
        program()
            .arg("report")
            .arg(&made)
            .args(["--figure", "startup_distributon"]),
    );
    assert!(
        told.contains("startup_distributon") && told.contains("did you mean `startup_distribution`?"),
        "{told}"
    );
    let told = refused(
        program()
            .arg("report")
            .arg(&made)
            .args(["--figure", "nothing-of-the-kind"]),
    );
    assert!(
        told.contains("known: startup_distribution, startup_complement"),
        "{told}"
    );
    let told = refused(program().arg("report").arg(&made).args(["--figure", "factor_map"]));
    assert!(
        told.contains("varies fewer than two factors") && told.contains("it has:"),
        "{told}"
    );

    let beside = dir.path().join("beside");
    let mut one = program();
    one.arg("report").arg(&made).arg("--out").arg(&beside);
    done(one.args(["--figure", "differences", "--format", "md", "--format", "svg"]));
    let beside = files(&beside);
    assert_eq!(
        beside.keys().collect::<Vec<_>>(),
        [".written.json", "differences.svg", "report.md"]
    );
    let record = String::from_utf8(beside["report.md"].clone()).unwrap();
    assert_eq!(record.matches("](").count(), 1, "one picture and no other link");
    assert!(record.contains("](differences.svg)"), "{record}");

    std::fs::remove_file(made.join("report.json")).unwrap();
    let told = refused(program().arg("report").arg(&made).args(["--format", "html"]));
    assert!(told.contains("nor the data of its figures and reports"), "{told}");
    std::fs::remove_file(made.join("figures/figures.json")).unwrap();
    let told = refused(program().arg("report").arg(&made));
    assert!(
        told.contains("neither the rows of the result nor the data of its figures and reports"),
        "{told}"
    );
}

#[test]
fn a_folder_without_a_result_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let told = refused(program().arg("report").arg(dir.path()));
    assert!(
        told.contains("holds no result") && told.contains("meshfault run"),
        "{told}"
    );
}
