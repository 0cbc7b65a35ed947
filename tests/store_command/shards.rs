//! Shards: parts that know what they are, and that become the undivided result or a clear refusal.

use std::fs;
use std::path::{Path, PathBuf};

use super::support::{assert_equal, fine, json, meshfault, refused, run};

const REPLICATIONS: [&str; 2] = ["--replications", "25"];

fn shard(root: &Path, name: &str, part: &str, more: &[&str]) -> PathBuf {
    let dir = root.join(name);
    fine(run(&dir, &REPLICATIONS).args(["--shard", part]).args(more));
    dir
}

fn merge(shards: &[&Path], out: &Path) -> std::process::Command {
    let mut command = meshfault(&["merge"]);
    command.args(shards).arg("--out").arg(out);
    command
}

#[test]
fn merged_shards_are_the_undivided_run_for_any_number_of_workers() {
    let root = tempfile::tempdir().unwrap();
    let whole = root.path().join("whole");
    fine(run(&whole, &REPLICATIONS).args(["--jobs", "2"]));
    for jobs in ["1", "8"] {
        let other = root.path().join(format!("jobs-{jobs}"));
        fine(run(&other, &REPLICATIONS).args(["--jobs", jobs]));
        assert_equal(&whole, &other);
    }
    let parts: Vec<PathBuf> = (1..=4)
        .map(|part| shard(root.path(), &format!("s{part}"), &format!("{part}/4"), &["--jobs", "2"]))
        .collect();
    let manifest = json(&parts[1].join("manifest.json"));
    assert_eq!(
        (
            &manifest["shard"]["first"],
            &manifest["shard"]["end"],
            &manifest["replications"]
        ),
        (&6.into(), &12.into(), &6.into())
    );
    let merged = root.path().join("merged");
    let order = [&parts[2], &parts[0], &parts[3], &parts[1]].map(PathBuf::as_path);
    fine(&mut merge(&order, &merged));
    assert_equal(&whole, &merged);
    // What people look at as well, with the figures of one run: the experiment was found by the record of the shards.
    for name in [
        "report.html",
        "report.md",
        "report.tex",
        "report.json",
        "figures/figures.json",
    ] {
        let [a, b] = [&whole, &merged].map(|folder| fs::read(folder.join(name)).unwrap());
        assert!(a == b, "{name} differs");
    }
    // The undivided run finds the merged result, and a second merge finds it as well.
    assert!(fine(&mut run(&merged, &REPLICATIONS)).contains("\nUp to date: "));
    assert!(fine(&mut merge(&order, &merged)).contains("\nUp to date: "));
    // A merge that was killed is made again over what it left.
    let mut unfinished = json(&merged.join("manifest.json"));
    unfinished["complete"] = false.into();
    fs::write(merged.join("manifest.json"), unfinished.to_string()).unwrap();
    fs::write(merged.join("pods.unfinished"), "half").unwrap();
    fs::remove_file(merged.join("runs.parquet")).unwrap();
    fine(&mut merge(&order, &merged));
    assert_equal(&whole, &merged);
}

#[test]
fn a_copy_of_a_shard_is_noted() {
    let root = tempfile::tempdir().unwrap();
    let one = shard(root.path(), "one", "1/2", &[]);
    let again = shard(root.path(), "again", "1/2", &["--jobs", "1"]);
    let two = shard(root.path(), "two", "2/2", &[]);
    let out = root.path().join("out");
    let output = merge(&[&one, &again, &two], &out).output().unwrap();
    let note = super::support::errors(&output);
    assert_eq!(output.status.code(), Some(0), "{note}");
    assert!(note.contains("hold the same shard 1/2 with equal rows"), "{note}");
    let whole = root.path().join("whole");
    fine(&mut run(&whole, &REPLICATIONS));
    assert_equal(&whole, &out);
}

#[test]
fn what_makes_no_whole_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let root = &root.path().canonicalize().unwrap();
    let [one, two, three] = ["1/3", "2/3", "3/3"].map(|part| shard(root, &part.replace('/', "-of-"), part, &[]));
    let seed = shard(root, "other-seed", "2/3", &["--seed", "2"]);
    let half = shard(root, "half", "1/2", &[]);
    let whole = root.join("whole");
    fine(&mut run(&whole, &["--replications", "5"]));
    let (damaged, unequal, unfinished) = (root.join("damaged"), root.join("unequal"), root.join("unfinished"));
    for copy in [&damaged, &unequal, &unfinished] {
        fs::create_dir(copy).unwrap();
        for entry in fs::read_dir(&two)
            .unwrap()
            .flatten()
            .filter(|entry| entry.path().is_file())
        {
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
    }
    // A shard of the same name whose rows are others, as another build might have made them.
    for table in ["runs", "pods", "accesses", "exposures", "edges", "flows"] {
        let file = format!("{table}.parquet");
        fs::copy(seed.join(&file), unequal.join(&file)).unwrap();
    }
    fs::copy(seed.join("pods.parquet"), damaged.join("pods.parquet")).unwrap();
    let change = |dir: &Path, change: &dyn Fn(&mut serde_json::Value)| {
        let mut manifest = json(&dir.join("manifest.json"));
        change(&mut manifest);
        fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
    };
    let other = json(&seed.join("manifest.json"))["result_digest"].clone();
    change(&unequal, &|manifest| manifest["result_digest"] = other.clone());
    change(&unfinished, &|manifest| {
        manifest["complete"] = false.into();
        manifest["replications"] = 3.into();
    });

    let out = root.join("out");
    let mut told = String::new();
    for (what, shards) in [
        ("a gap", vec![&one, &three]),
        ("two gaps", vec![&two]),
        ("another seed", vec![&one, &seed, &three]),
        ("an overlap", vec![&half, &one, &two, &three]),
        ("twice the same folder", vec![&one, &two, &two, &three]),
        ("a whole result", vec![&one, &whole, &three]),
        ("no result", vec![&one, root, &three]),
        ("no folder", vec![&one, &out, &three]),
        ("unfinished", vec![&one, &unfinished, &three]),
        ("damaged", vec![&one, &damaged, &three]),
        ("other rows", vec![&one, &two, &unequal, &three]),
    ] {
        let shards: Vec<&Path> = shards.into_iter().map(PathBuf::as_path).collect();
        told.push_str(&format!("{what}: {}\n", refused(&mut merge(&shards, &out), root)));
        assert!(!out.exists(), "{what} left a folder behind");
    }
    // What lies in the folder of the result stays there.
    fs::create_dir(&out).unwrap();
    fs::write(out.join("thesis.txt"), "mine").unwrap();
    let all = [&one, &two, &three].map(PathBuf::as_path);
    told.push_str(&format!(
        "a foreign folder: {}\n",
        refused(&mut merge(&all, &out), root)
    ));
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    told.push_str(&format!(
        "another result: {}\n",
        refused(&mut merge(&all, &whole), root)
    ));
    told.push_str(&format!(
        "too many shards: {}\n",
        refused(
            run(&out.join("s"), &["--replications", "5"]).args(["--shard", "2/6"]),
            root
        )
    ));
    let told = regex::Regex::new("[0-9a-f]{12,}").unwrap().replace_all(&told, "DIGEST");
    insta::assert_snapshot!(told);
}
