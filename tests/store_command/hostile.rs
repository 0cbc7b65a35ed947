//! What a stranger, a careless hand or a broken disk does to stored folders: nothing of a person's is lost, nothing edited is
//! believed, and every end has a documented exit code.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use super::support::{assert_equal, errors, fine, json, meshfault, refused, run};

const REPLICATIONS: [&str; 4] = ["--replications", "6", "--jobs", "1"];

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn names_alone_make_no_folder_ours() {
    let root = tempfile::tempdir().unwrap();
    for (folder, file) in [
        ("paper", "report.tex"),
        ("page", "report.md"),
        ("pictures", "figures/timeline.svg"),
        ("trips", "figures/trip/a.jpg"),
        ("genes", "segments/dna.fasta"),
        ("site", "manifest.json"),
        ("tables", "runs.parquet"),
    ] {
        let (dir, file) = (root.path().join(folder), root.path().join(folder).join(file));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "{\"mine\": 1}").unwrap();
        for arguments in [&[][..], &["--fresh"]] {
            let message = refused(run(&dir, &REPLICATIONS).args(arguments), root.path());
            assert!(
                message.contains("which does not belong to a result"),
                "{folder}: {message}"
            );
        }
        assert_eq!(text(&file), "{\"mine\": 1}");
    }
}

#[test]
fn what_a_person_made_of_a_result_stays() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    fine(&mut run(&dir, &REPLICATIONS));
    let whole = root.path().join("whole");
    fine(&mut run(&whole, &REPLICATIONS));
    let pages = ["report.md", "report.tex", "report.html", "summary.md"];
    let decided = |name: &str| format!("decided by Alice in {name}");
    pages
        .iter()
        .for_each(|name| fs::write(dir.join(name), decided(name)).unwrap());
    let report = meshfault(&["report", dir.to_str().unwrap(), "--format", "md"])
        .output()
        .unwrap();
    assert!(errors(&report).contains("is not as this program wrote it, and stays"));
    for arguments in [&[][..], &["--fresh"]] {
        let again = run(&dir, &REPLICATIONS).args(arguments).output().unwrap();
        assert!(errors(&again).contains("report.new.md"), "{}", errors(&again));
        for name in pages {
            assert_eq!(text(&dir.join(name)), decided(name));
            let (stem, ending) = name.split_once('.').unwrap();
            assert_eq!(text(&dir.join(format!("{stem}.new.{ending}"))), text(&whole.join(name)));
        }
    }
    // Fingerprints are ours, pictures of a person in the folder of figures are not.
    let out = dir.to_str().unwrap();
    fine(&mut meshfault(&[
        "verify",
        "ip-reuse",
        "--design",
        "vxlan",
        "--replications",
        "1",
        "--quiet",
        "--out",
        out,
    ]));
    fine(run(&dir, &REPLICATIONS).arg("--fresh"));
    assert!(dir.join("fingerprints.json").exists());
    fs::write(dir.join("figures/mine.png"), "mine").unwrap();
    assert!(refused(run(&dir, &REPLICATIONS).arg("--fresh"), root.path()).contains("holds figures/mine.png"));
    assert_eq!(text(&dir.join("figures/mine.png")), "mine");
    // A folder that was named gets nothing written over either.
    let beside = root.path().join("beside");
    fs::create_dir(&beside).unwrap();
    for name in ["report.md", "fingerprints.json"] {
        fs::write(beside.join(name), "mine").unwrap();
    }
    let to = beside.to_str().unwrap();
    fine(&mut meshfault(&["report", out, "--format", "md", "--out", to]));
    let verify = [
        "verify",
        "ip-reuse",
        "--design",
        "vxlan",
        "--replications",
        "1",
        "--quiet",
        "--out",
        to,
    ];
    assert_eq!(meshfault(&verify).output().unwrap().status.code(), Some(2));
    assert_eq!(
        (text(&beside.join("report.md")), text(&beside.join("fingerprints.json"))),
        ("mine".into(), "mine".into())
    );
}

#[cfg(unix)]
#[test]
fn a_named_file_is_written_through_links() {
    let root = tempfile::tempdir().unwrap();
    let (dir, link, real) = (
        root.path().join("out"),
        root.path().join("link"),
        root.path().join("real.xml"),
    );
    fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    fine(run(&dir, &REPLICATIONS).arg("--junit").arg(&link));
    assert!(link.is_symlink() && text(&real).contains("<testsuites"));
}

/// Changes a JSON file of a result.
fn edit(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut value = json(path);
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

#[test]
fn nothing_edited_is_believed() {
    let root = tempfile::tempdir().unwrap();
    let root = &root.path().canonicalize().unwrap();
    let dir = root.join("out");
    fine(&mut run(&dir, &REPLICATIONS));
    let damaged = |name: &str, change: &dyn Fn(&Path)| {
        let file = dir.join(name);
        let before = fs::read(&file).unwrap();
        change(&file);
        let message = refused(&mut run(&dir, &REPLICATIONS), root);
        assert!(message.contains(&format!("/out/{name}: damaged")), "{name}: {message}");
        assert!(message.contains("run again with --fresh"), "{message}");
        fs::write(&file, before).unwrap();
    };
    damaged("summary.json", &|file| {
        edit(file, |summary| summary["designs"][0]["failed"] = 1.into())
    });
    damaged("manifest.json", &|file| {
        edit(file, |manifest| manifest["horizon_s"] = 0.5.into())
    });
    damaged("manifest.json", &|file| {
        edit(file, |manifest| manifest["title"] = "Forged".into())
    });
    damaged("manifest.json", &|file| {
        edit(file, |manifest| manifest["warnings"] = serde_json::json!([]))
    });
    damaged("manifest.json", &|file| {
        edit(file, |manifest| {
            manifest.as_object_mut().unwrap().retain(|key, _| key != "seal")
        });
    });
    for table in ["designs.parquet", "measures.parquet"] {
        damaged(table, &|file| fs::write(file, "garbage").unwrap());
    }
    fine(&mut run(&dir, &REPLICATIONS));

    let shards: Vec<_> = (1..=2).map(|part| root.join(format!("part-{part}"))).collect();
    for (part, shard) in shards.iter().enumerate() {
        fine(run(shard, &REPLICATIONS).args(["--shard", &format!("{}/2", part + 1)]));
    }
    let merge = |out: &str| {
        let mut command = meshfault(&["merge"]);
        command.args(&shards).arg("--out").arg(root.join(out));
        command
    };
    let plan = fs::read(shards[0].join("plan.json")).unwrap();
    edit(&shards[0].join("plan.json"), |plan| plan["title"] = "Forged".into());
    assert!(refused(&mut merge("a"), root).contains("/part-1/plan.json: damaged"));
    fs::write(shards[0].join("plan.json"), plan).unwrap();
    let manifest = fs::read(shards[1].join("manifest.json")).unwrap();
    let other = json(&shards[0].join("manifest.json"))["shard"].clone();
    edit(&shards[1].join("manifest.json"), |manifest| manifest["shard"] = other);
    assert!(refused(&mut merge("b"), root).contains("/part-2/manifest.json: damaged"));
    fs::write(shards[1].join("manifest.json"), manifest).unwrap();
    fine(&mut merge("c"));
    assert_equal(&dir, &root.join("c"));
}

#[test]
fn nothing_compared_is_nothing_verified() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().to_str().unwrap();
    let verify = ["verify", "ip-reuse", "--replications", "1", "--quiet", "--design"];
    fine(meshfault(&verify).args(["vxlan", "--out", out]));
    let output = meshfault(&verify).args(["control", "--against", out]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("none of the 1 runs"), "{}", errors(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_stream_is_no_panic() {
    let full = || Stdio::from(fs::File::options().write(true).open("/dev/full").unwrap());
    assert_eq!(
        meshfault(&["check", "nonexistent"])
            .stderr(full())
            .status()
            .unwrap()
            .code(),
        Some(2)
    );
    for arguments in [&["--help"][..], &["--version"], &["list"]] {
        let status = meshfault(arguments)
            .stdout(full())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(2), "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn no_reader_waits_for_a_pipe_in_a_result() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    fine(&mut run(&dir, &REPLICATIONS));
    for name in [
        "manifest.json",
        "summary.json",
        "runs.parquet",
        "designs.parquet",
        "measures.parquet",
        ".lock",
    ] {
        let (file, kept) = (dir.join(name), root.path().join("kept"));
        fs::rename(&file, &kept).unwrap();
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&file)
                .status()
                .unwrap()
                .success()
        );
        let output = run(&dir, &REPLICATIONS).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {}", errors(&output));
        fs::remove_file(&file).unwrap();
        fs::rename(&kept, &file).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn who_ends_a_process_gets_its_partial_result() {
    let root = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-HUP", "-INT"] {
        let dir = root.path().join(signal);
        let mut child = run(&dir, &["--replications", "2000", "--jobs", "1"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while super::support::segments(&dir).len() < 9 {
            std::thread::yield_now();
        }
        let id = child.id().to_string();
        assert!(
            std::process::Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
        assert!(json(&dir.join("manifest.json"))["result_digest"].is_string());
        // The hint is to go on, not to begin again.
        fs::remove_file(dir.join("pods.parquet")).unwrap();
        let report = meshfault(&["report", dir.to_str().unwrap()]).output().unwrap();
        assert!(
            errors(&report).contains("--resume") && !errors(&report).contains("--fresh"),
            "{}",
            errors(&report)
        );
    }
}

/// A run of which there is no end in sight, because a fault starts every two milliseconds, ends soon after the request.
#[cfg(target_os = "linux")]
#[test]
fn a_run_that_takes_minutes_ends_within_seconds() {
    let root = tempfile::tempdir().unwrap();
    let (folder, dir) = (root.path().join("long"), root.path().join("result"));
    fine(&mut meshfault(&["new", folder.to_str().unwrap()]));
    let file = folder.join("long.yaml");
    let written = text(&file);
    let (before, rest) = written.split_once("    cut: {").unwrap();
    let (_, after) = rest.split_once("\n").unwrap();
    let (after, _) = after.split_once("  - name: control\n").unwrap();
    let fault = "    partition: {nodes: [worker-1], mode: drop}\n    repeats: {to_failure: 1ms, to_repair: 1ms}\n";
    let long = format!("{before}{fault}{after}")
        .replace("  - start_fault: cut-node\n", "")
        .replace(", since: cut-node", "");
    fs::write(&file, long).unwrap();
    let arguments = [
        "run",
        file.to_str().unwrap(),
        "-q",
        "-n",
        "2",
        "-j",
        "1",
        "-s",
        "horizon=24h",
        "-o",
    ];
    let mut child = meshfault(&arguments).arg(&dir).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(child.try_wait().unwrap(), None, "the run is over already");
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status()
        .unwrap();
    assert!(sent.success());
    // A second of patience, and a busy machine.
    let ended = (0..200).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        child.try_wait().unwrap()
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(130));
    assert!(json(&dir.join("manifest.json"))["result_digest"].is_string());
}

#[test]
fn sizes_beyond_sense_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let message = refused(
        &mut run(&root.path().join("out"), &["--replications", "40000000"]),
        root.path(),
    );
    assert!(message.contains("from 1 to 10000000"), "{message}");
    let output = run(root.path(), &["--jobs", "257"]).output().unwrap();
    assert!(errors(&output).contains("at most 256 workers"), "{}", errors(&output));
}
