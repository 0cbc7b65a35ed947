//! The real program: expectations and their exit codes, JUnit XML, and comparisons of stored results.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;

/// The built-in experiment `ip-reuse` with two of its designs and these keys at its end.
fn experiment(dir: &Path, keys: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let manifests = dir.join("manifests/sleep-helloworld");
    fs::create_dir_all(&manifests).unwrap();
    for entry in fs::read_dir(root.join("manifests/sleep-helloworld")).unwrap().flatten() {
        fs::copy(entry.path(), manifests.join(entry.file_name())).unwrap();
    }
    let text = fs::read_to_string(root.join("ip-reuse.yaml")).unwrap();
    let file = dir.join("mine.yaml");
    fs::write(&file, format!("{text}\n{keys}\n")).unwrap();
    file
}

fn meshfault(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("meshfault").unwrap();
    command.args(arguments).current_dir(dir).output().unwrap()
}

const RUN: [&str; 9] = [
    "run",
    "mine.yaml",
    "--quiet",
    "--replications",
    "30",
    "--design",
    "vxlan-wireguard-1.12",
    "--design",
    "vxlan",
];

fn run(dir: &Path, more: &[&str]) -> Output {
    meshfault(dir, &[&RUN[..], more].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A text as its words, wherever lines were broken.
fn words(text: &str) -> String {
    text.split_whitespace()
        .filter(|word| *word != "│")
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs with one expectation; gives the exit code and what was printed.
fn outcome(claim: &str) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    experiment(dir.path(), &format!("expectations:\n  - {claim}"));
    let output = run(dir.path(), &["--out", "result"]);
    let page = fs::read_to_string(dir.path().join("result/summary.md")).unwrap_or_default();
    assert_eq!(
        page.contains("## Expectations"),
        output.status.code() != Some(2),
        "{page}"
    );
    (
        output.status.code(),
        words(&(text(&output.stdout) + &text(&output.stderr))),
    )
}

#[test]
fn an_expectation_that_comes_true_passes() {
    let (code, said) = outcome("unauthorized_any of vxlan < 0.2");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("expectation pass: unauthorized_any of vxlan < 0.2 [vxlan]"),
        "{said}"
    );
}

#[test]
fn an_expectation_that_is_violated_fails() {
    // Of both designs: one fulfils it, the other does not.
    let (code, said) = outcome("unauthorized_any < 0.2");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("expectation FAIL: unauthorized_any < 0.2 [vxlan-wireguard-1.12]"),
        "{said}"
    );
    assert!(
        said.contains("expectation pass: unauthorized_any < 0.2 [vxlan]"),
        "{said}"
    );
}

#[test]
fn an_expectation_that_the_runs_do_not_decide_is_inconclusive() {
    let (code, said) = outcome("unauthorized_any of vxlan < 0.001");
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("expectation inconclusive") && said.contains("more replications"),
        "{said}"
    );
}

#[test]
fn an_expectation_of_a_missing_measure_is_inconclusive_and_says_why() {
    let (code, said) = outcome("certificate_requests of vxlan < 10");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("the design has no mesh"), "{said}");
}

/// Without `measures.exposure` an exposure is missing; with it, one that is never seen is bounded by the number of runs.
#[test]
fn an_exposure_that_nothing_watches_is_missing_and_one_that_is_never_seen_is_bounded() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases");
    let said = |case: &str, replications: &str| {
        let (dir, file) = (tempfile::tempdir().unwrap(), cases.join(format!("{case}.yaml")));
        let file = file.display().to_string();
        let output = meshfault(dir.path(), &["run", &file, "-q", "-n", replications, "--out", "result"]);
        words(&text(&output.stdout))
    };
    let unwatched = said("exposure-unwatched", "100");
    let missing = "no `unauthorized_exposure_pod_ip`: no exposure is watched, see `measures.exposure`";
    assert!(
        unwatched.contains("expectation inconclusive: nobody is exposed"),
        "{unwatched}"
    );
    assert!(unwatched.contains(missing), "{unwatched}");
    // At most 3.6% of runs, for at most 300 s each.
    let few = said("exposure-watched", "100");
    assert!(
        few.contains("unauthorized_exposure_pod_ip of watched: 0 s [0, 10.9]"),
        "{few}"
    );
    assert!(few.contains("expectation inconclusive: nobody is exposed"), "{few}");
    let many = said("exposure-watched", "1300");
    assert!(many.contains("expectation pass: nobody is exposed"), "{many}");
}

#[test]
fn a_design_that_was_not_run_decides_nothing() {
    let (code, said) = outcome("unauthorized_any of control < 0.2");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("no design `control` was run"), "{said}");
}

#[test]
fn two_designs_are_compared_replication_by_replication() {
    let (code, said) = outcome("startup_latency_p50 of vxlan <= 1.1 * vxlan-wireguard-1.12 + 2s");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("startup_latency_p50 of vxlan - 1.1 * vxlan-wireguard-1.12"),
        "{said}"
    );
}

#[test]
fn claims_without_meaning_are_refused_at_their_place() {
    let cases = [
        ("unauthorised_any < 0.1", "did you mean `unauthorized_any`?"),
        ("unauthorized_any of vxlam < 0.1", "did you mean `vxlan`?"),
        ("unauthorized_any < 2s", "the measure is a share"),
        ("startup_latency_p50 < 2", "the measure is a time"),
        ("node_given_up_delay_max < 2s", "observed extreme"),
        ("unauthorized_any about 0.1", "expected `<`"),
    ];
    for (claim, hint) in cases {
        let (code, said) = outcome(claim);
        assert_eq!(code, Some(2), "{claim}: {said}");
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(hint), "{claim}: {said}");
        assert!(said.contains("mine.yaml:"), "{claim}: {said}");
    }
}

#[test]
fn margins_without_meaning_are_refused_at_their_place() {
    let cases = [
        ("unauthorised_any: 1%", "did you mean `unauthorized_any`?"),
        ("startup_latency_p50: 2", "the measure is a time"),
        ("unauthorized_any: 0", "`0` is not a valid margin"),
        ("unauthorized_any: 200%", "a share lies between 0 and 1"),
    ];
    for (margin, message) in cases {
        let dir = tempfile::tempdir().unwrap();
        experiment(dir.path(), &format!("margins:\n  {margin}"));
        let output = meshfault(dir.path(), &["check", "mine.yaml"]);
        let told = words(&text(&output.stderr));
        assert_eq!(output.status.code(), Some(2), "{margin}: {told}");
        assert!(
            told.contains(message) && told.contains("mine.yaml:"),
            "{margin}: {told}"
        );
    }
}

#[test]
fn a_found_result_gives_its_exit_code_again_and_writes_junit() {
    let dir = tempfile::tempdir().unwrap();
    let keys = "expectations:\n  nobody <gets> in: unauthorized_any < 0.2\n  few pods: startup_latency_p50 < 60s";
    experiment(dir.path(), keys);
    let first = run(dir.path(), &["--out", "result", "--junit", "first.xml"]);
    let second = run(dir.path(), &["--out", "result", "--junit", "second.xml"]);
    assert_eq!((first.status.code(), second.status.code()), (Some(1), Some(1)));
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let xml = read("first.xml");
    assert_eq!(xml, read("second.xml"));
    assert!(xml.contains("tests=\"5\"") && xml.contains("failures=\"1\""), "{xml}");
    assert!(xml.contains("nobody &lt;gets&gt; in"), "{xml}");
    let summary: serde_json::Value = serde_json::from_str(&read("result/summary.json")).unwrap();
    let outcomes: Vec<&str> = summary["expectations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["fail", "pass", "pass", "pass"]);
}

#[test]
fn stored_results_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    experiment(dir.path(), "");
    assert_eq!(run(dir.path(), &["--out", "one"]).status.code(), Some(0));
    assert_eq!(
        run(dir.path(), &["--out", "two", "--set", "options.gap=20s"])
            .status
            .code(),
        Some(0)
    );
    assert_eq!(
        run(dir.path(), &["--out", "other", "--seed", "7"]).status.code(),
        Some(0)
    );
    let compare = |arguments: &[&str]| {
        let output = meshfault(dir.path(), &[&["compare"], arguments].concat());
        (output.status.code(), text(&output.stdout), words(&text(&output.stderr)))
    };
    let ask = ["one", "--measure", "unauthorized_any", "--baseline", "vxlan"];
    let (code, said, _) = compare(&ask);
    assert_eq!(code, Some(0));
    let row = said
        .lines()
        .find(|line| line.starts_with("unauthorized_any  vxlan-wireguard-1.12  vxlan "));
    assert!(
        row.is_some_and(|row| row.ends_with("worse") && row.contains(" points [")),
        "{said}"
    );
    assert!(!said.contains("lets the wrong client in"), "{said}");
    let (code, said, _) = compare(&[&ask[..], &["--sentences"]].concat());
    assert_eq!(code, Some(0));
    let said = words(&said);
    assert!(
        said.contains("`vxlan-wireguard-1.12` lets the wrong client in"),
        "{said}"
    );
    assert!(said.contains("percentage points more often than `vxlan`."), "{said}");
    assert!(said.contains("Pareto set over unauthorized_any"), "{said}");

    let (code, said, _) = compare(&["one", "--format", "json"]);
    assert_eq!(code, Some(0));
    let made: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        made["family"].as_u64(),
        Some(made["comparisons"].as_array().unwrap().len() as u64)
    );
    assert!(made["comparisons"][0]["sentence"].as_str().unwrap().ends_with('.'));
    assert!(
        compare(&["one", "--format", "md"])
            .1
            .starts_with("# Comparison of designs")
    );

    let (code, said, _) = compare(&["one", "two", "--measure", "startup_latency_p50"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("vxlan (first)") && said.contains("inputs:"), "{said}");

    let (code, _, said) = compare(&["one", "other"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("seed: 1 and 7"), "{said}");
    let (code, said, _) = compare(&[
        "one",
        "other",
        "--unpaired",
        "--measure",
        "unauthorized_any",
        "--sentences",
    ]);
    assert_eq!(code, Some(0));
    assert!(said.contains("Newcombe") && said.contains("independent"), "{said}");

    let (code, _, said) = compare(&["one", "--measure", "unauthorised_any"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("did you mean `unauthorized_any`?"), "{said}");
    let (code, _, said) = compare(&["one", "--baseline", "vxlam"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("did you mean `vxlan`?"), "{said}");
    assert_eq!(compare(&["nowhere"]).0, Some(2));
}
