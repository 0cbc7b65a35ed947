//! Kills and companions: whatever ends the program, and whoever runs beside it, the result is that of an undisturbed run.

use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use super::support::{DESIGNS, assert_equal, errors, fine, json, meshfault, run, segments};

/// SplitMix64: the kills come at the same delays in every test run.
struct Words(u64);

impl Words {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

const REPLICATIONS: [&str; 4] = ["--replications", "60", "--jobs", "2"];

/// The program that goes on with what lies in `dir`, if anything does.
fn begun_or_resumed(dir: &std::path::Path) -> std::process::Command {
    let mut command = run(dir, &REPLICATIONS);
    if dir.join("manifest.json").exists() {
        command.arg("--resume");
    }
    command
}

/// Lets the program work until it has stored `count` segments, then kills it.
fn kill_after_segments(mut child: Child, dir: &std::path::Path, count: usize) {
    while segments(dir).len() < count && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_kill_in_the_middle_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (whole, dir) = (root.path().join("whole"), root.path().join("killed"));
    fine(&mut run(&whole, &REPLICATIONS));
    kill_after_segments(run(&dir, &REPLICATIONS).spawn().unwrap(), &dir, 60);
    let kept = segments(&dir).len();
    assert!((60..180).contains(&kept), "{kept} of 180 segments");
    assert_eq!(json(&dir.join("manifest.json"))["complete"], false);
    fine(run(&dir, &REPLICATIONS).arg("--resume"));
    assert_equal(&whole, &dir);
    let made = json(&dir.join("run-info.json"))["runs"].as_u64().unwrap();
    assert_eq!(made, 180 - kept as u64, "what was stored is not made again");
}

#[test]
fn kills_at_random_points_lose_nothing() {
    // For a longer look: MESHFAULT_KILLS=200.
    let wanted = std::env::var("MESHFAULT_KILLS").map_or(60, |number| number.parse::<u32>().unwrap());
    let root = tempfile::tempdir().unwrap();
    let whole = root.path().join("whole");
    fine(&mut run(&whole, &REPLICATIONS));
    let (mut words, mut kills, mut folder) = (Words(2022), 0, 0);
    let (mut while_running, mut after) = (0, 0);
    while kills < wanted {
        let dir = root.path().join(format!("killed-{folder}"));
        let mut kept = 0;
        loop {
            let mut child = begun_or_resumed(&dir).spawn().unwrap();
            sleep(Duration::from_micros(words.below(150_000)));
            let ended = child.try_wait().unwrap();
            if let Some(status) = ended {
                assert_eq!(status.code(), Some(0));
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            let complete = dir.join("manifest.json").exists() && json(&dir.join("manifest.json"))["complete"] == true;
            let now = segments(&dir).len();
            assert!(complete || now >= kept, "a kill lost segments: {now} of {kept}");
            kept = now;
            while_running += u32::from(now > 0 && !complete);
            after += u32::from(complete);
            if complete || kills >= wanted {
                break;
            }
        }
        // Of a complete result the last kill cut off pages and figures at most; they are made when it is shown.
        fine(&mut begun_or_resumed(&dir));
        assert_equal(&whole, &dir);
        folder += 1;
    }
    println!(
        "{folder} of {folder} equal; {kills} kills in {folder} results: {while_running} between segments, {after} behind the manifest"
    );
    assert!(
        while_running * 10 >= wanted * 3,
        "only {while_running} kills met the work itself"
    );
}

#[test]
fn the_same_shard_twice_at_once_is_made_once() {
    let root = tempfile::tempdir().unwrap();
    let (whole, dir) = (root.path().join("whole"), root.path().join("both"));
    let shard = ["--replications", "120", "--jobs", "2", "--shard", "2/2"];
    fine(&mut run(&whole, &shard));
    let start = || {
        let mut command = run(&dir, &shard);
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let outputs = [start(), start(), start()].map(|child| child.wait_with_output().unwrap());
    let said: Vec<String> = outputs
        .iter()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .collect();
    for output in &outputs {
        assert_eq!(output.status.code(), Some(0), "{}", errors(output));
    }
    let found = said.iter().filter(|text| text.contains("\nUp to date: ")).count();
    assert_eq!(found, 2, "one makes it, the others find it: {said:?}");
    assert!(
        outputs
            .iter()
            .any(|output| errors(output).contains("Waiting for another process"))
    );
    assert_equal(&whole, &dir);
}

#[test]
fn events_tell_a_program_what_happens() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    let told = fine(run(&dir, &["--replications", "4", "--format", "json"]).args(["--jobs", "1"]));
    let lines: Vec<serde_json::Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(
        (names[0], names[1], names[names.len() - 1]),
        ("started", "stage", "finished")
    );
    assert_eq!(names.iter().filter(|name| **name == "progress").count(), 12);
    assert!(lines.iter().all(|line| line["schema"] == "meshfault-events-v1"));
    let designs: Vec<&str> = DESIGNS.into_iter().filter(|word| !word.starts_with("--")).collect();
    assert_eq!(lines[0]["designs"], serde_json::json!(designs));
    let last = &lines[lines.len() - 1];
    let manifest = json(&dir.join("manifest.json"));
    assert_eq!(last["result_digest"], manifest["result_digest"]);
    assert_eq!((&last["complete"], &last["exit_code"]), (&true.into(), &0.into()));
    for file in ["manifest", "summary", "page"] {
        assert!(std::path::Path::new(last[file].as_str().unwrap()).is_file(), "{file}");
    }
    let output = meshfault(&["run", "no-such-file.yaml", "--format", "json"])
        .output()
        .unwrap();
    let failed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&failed["event"], &failed["exit_code"]), (&"failed".into(), &2.into()));
    assert!(failed["message"].as_str().unwrap().contains("no-such-file.yaml"));
    assert_eq!(output.status.code(), Some(2));
}

/// A run of some hours of work: fifty pods a second for a day on 400 nodes.
#[cfg(unix)]
#[test]
fn a_request_to_end_waits_for_no_run_that_takes_long() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    let mut command = run(&dir, &["--replications", "40", "--jobs", "2"]);
    command.args(["--set", "churn=[{rate: 50/s, for: 24h, lifetime: 5m}]"]);
    command.args(["--set", "cluster.nodes=400", "--set", "horizon=24h"]);
    let mut child = command.spawn().unwrap();
    sleep(Duration::from_secs(4));
    assert_eq!(child.try_wait().unwrap(), None, "it hangs");
    let pid = child.id().to_string();
    let asked = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .unwrap();
    assert!(asked.success());
    let ended = (0..60).find_map(|_| {
        sleep(Duration::from_millis(100));
        child.try_wait().unwrap()
    });
    if ended.is_none() {
        child.kill().unwrap();
    }
    assert_eq!(ended.expect("it ends within seconds").code(), Some(130));
    assert_eq!(json(&dir.join("manifest.json"))["complete"], false);
}
