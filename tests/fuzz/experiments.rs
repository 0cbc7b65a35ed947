//! Experiment files: changed copies of all shipped ones, of `tests/bad_inputs` and of `tests/corpus/experiments`, read as
//! `meshfault check` reads them. What is fine is run once with small limits.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use meshfault::cli::load::{LoadRequest, overrides, read, wrong};
use meshfault::lab::designs::Simulator;

use crate::support::{Numbers, cases};

/// What stands in place of a value.
const EXTREMES: [&str; 36] = [
    "0",
    "-1",
    "1",
    "2",
    "1ns",
    "900ms",
    "1e308",
    "1e-308",
    "-1e308",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "100000h",
    "2251799s",
    "2251800s",
    "584y",
    "1e308/s",
    "1e-9/s",
    "1000000000/s",
    "5/h",
    "0/s",
    "nan",
    "inf",
    "null",
    "~",
    "[]",
    "{}",
    "[[]]",
    "true",
    "$gap",
    "0.5",
    "65535",
    "''",
    "\"\\e[31m\\u202e\"",
    "🦀",
    "!!binary x",
];
/// Limits that end a run soon.
const LIMITS: [&str; 4] = [
    "limits.events_max=3000",
    "limits.pending_max=20000",
    "limits.memory_max_mib=256",
    "replications=2",
];
/// Most bytes of a complaint.
const COMPLAINT_MAX: usize = 200_000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All experiments that changes start from, with manifests that are found from anywhere.
fn seeds() -> Vec<String> {
    let mut seeds = Vec::new();
    for folder in ["experiments", "tests/bad_inputs", "tests/corpus/experiments"] {
        let folder = root().join(folder);
        let entries = std::fs::read_dir(&folder).expect("the folder is part of the project");
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(file).expect("the file is part of the project");
            seeds.push(text.replace("\nmanifests: ", &format!("\nmanifests: {}/", folder.display())));
        }
    }
    seeds
}

/// Where words stand: keys, values, names.
fn words(text: &str) -> Vec<(usize, usize)> {
    let in_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-$%/@=".contains(&byte);
    let (mut found, mut start) = (Vec::new(), None);
    for (at, byte) in text.bytes().chain([b' ']).enumerate() {
        match (in_word(byte), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                found.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    found
}

/// One change of a text.
fn change(text: &mut String, numbers: &mut Numbers) {
    let words = words(text);
    let lines: Vec<&str> = text.lines().collect();
    if words.is_empty() || lines.is_empty() {
        return;
    }
    let (from, to) = words[numbers.below(words.len())];
    let (a, b) = (numbers.below(lines.len()), numbers.below(lines.len()));
    let joined = |lines: Vec<&str>| lines.join("\n") + "\n";
    match numbers.below(10) {
        0..=3 => text.replace_range(from..to, numbers.of(&EXTREMES)),
        4 => {
            let (other, end) = words[numbers.below(words.len())];
            let other = text[other..end].to_owned();
            text.replace_range(from..to, &other);
        }
        5 => {
            let mut lines = lines;
            lines.swap(a, b);
            *text = joined(lines);
        }
        6 => {
            let mut lines = lines;
            lines.remove(a);
            *text = joined(lines);
        }
        7 => {
            let mut lines = lines;
            let line = lines[a];
            lines.insert(b, line);
            *text = joined(lines);
        }
        8 => {
            let long = text[from..to].repeat(1 + numbers.below(3000));
            text.replace_range(from..to, &long);
        }
        _ => {
            let noise = numbers.of(&[
                "\u{0}",
                "\u{1b}[31m",
                "\t",
                ": ",
                "- ",
                "&a ",
                "*a",
                "{",
                "}",
                "'",
                "\u{2028}",
                "#",
            ]);
            text.insert_str(from, noise);
        }
    }
}

/// A complaint has a place or is about a whole file, and is not long.
fn check_complaints(case: u64, errors: Vec<meshfault::scenario::error::InputError>) {
    let mut pathless = String::new();
    for error in &errors {
        assert!(!error.file.as_os_str().is_empty(), "case {case}: {error}");
        let _ = writeln!(pathless, "{error}");
    }
    let shown = format!("{:?}", miette::Report::new(wrong(errors)));
    assert!(
        shown.len() < COMPLAINT_MAX,
        "case {case}: a complaint of {} bytes: {}",
        shown.len(),
        shown.chars().take(2000).collect::<String>()
    );
}

#[test]
fn changed_experiments_are_run_or_complained_about() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("changed.yaml");
    let (seeds, mut fine) = (seeds(), 0_u32);
    let changes = overrides(&LIMITS.map(str::to_owned)).expect("the limits are well formed");
    for case in cases(400) {
        let mut numbers = Numbers(case);
        let mut text = seeds[numbers.below(seeds.len())].clone();
        for _ in 0..=numbers.below(3) {
            change(&mut text, &mut numbers);
        }
        std::fs::write(&path, &text).expect("the folder can be written to");
        let request = LoadRequest {
            experiment: Some(path.clone()),
            ..LoadRequest::default()
        };
        match read(&request, &changes) {
            Err(errors) => check_complaints(case, errors),
            Ok(scenario) => {
                fine += 1;
                let simulator = Simulator::new(scenario.seed, &scenario.seed_group, scenario.designs.iter().take(1));
                let failure = simulator.run(0, 0).run.failure.map(|failure| format!("{failure:?}"));
                assert!(
                    failure
                        .as_ref()
                        .is_none_or(|failure| !failure.to_lowercase().contains("panic")),
                    "case {case}: {failure:?}\n{text}"
                );
                if fine % 25 == 1 && scenario.designs.len() < 10 {
                    ends_well(case, &path);
                }
            }
        }
    }
    assert!(fine > 0, "no changed experiment was fine");
}

/// The program runs what was fine: it neither refuses nor panics.
fn ends_well(case: u64, path: &Path) {
    let out = tempfile::tempdir().expect("a temporary folder can be made");
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshfault"));
    command
        .arg("run")
        .arg(path)
        .args(["--jobs", "1", "--quiet", "--out"])
        .arg(out.path().join("result"));
    for limit in LIMITS {
        command.args(["--set", limit]);
    }
    let ended = command.output().expect("the program starts");
    let code = ended.status.code();
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(
        code.is_some_and(|code| code != 101 && code != 2),
        "case {case}: {code:?} {told}\n{text}"
    );
}

#[test]
fn what_is_kept_of_hostile_experiments_is_run_or_refused_by_check_and_run_alike() {
    for file in [
        "horizon-900ms",
        "horizon-1000h",
        "factor-1e308",
        "traffic-1e308",
        "names",
        "base",
        "exposed-longer-than-the-run",
        "restart-of-nothing",
    ] {
        let path = root().join("tests/corpus/experiments").join(format!("{file}.yaml"));
        let program = || Command::new(env!("CARGO_BIN_EXE_meshfault"));
        let checked = program().arg("check").arg(&path).output().expect("the program starts");
        let refused = ["horizon-1000h", "factor-1e308", "traffic-1e308"].contains(&file);
        let told = String::from_utf8_lossy(&checked.stderr);
        assert_eq!(
            checked.status.code(),
            Some(if refused { 2 } else { 0 }),
            "{file}: {told}"
        );
        match refused {
            true => assert!(told.contains(".yaml:"), "{file} is refused without a place: {told}"),
            false => ends_well(0, &path),
        }
    }
}

/// Arguments, files and names that act on a terminal, or are endless, or long.
#[test]
fn what_is_told_is_short_and_only_text() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let long = "k".repeat(100_000);
    let line = folder.path().join("line.yaml");
    std::fs::write(&line, format!("meshfault: 1\ntitle: {} : y\n", "x".repeat(1 << 20))).expect("it can be written");
    let line = line.display().to_string();
    let base = root().join("tests/corpus/experiments/base.yaml").display().to_string();
    let names = root().join("tests/corpus/experiments/names.yaml").display().to_string();
    let (set, escape) = (format!("parameters.{long}=1"), "a\u{1b}[31m\u{9b}\u{202e}b");
    let manifests = root().join("tests/corpus/experiments/manifests").display().to_string();
    let cases: [&[&str]; 10] = [
        &["check", &line],
        &["check", "/dev/zero"],
        &["check", &base, "--set", &set],
        &["check", &base, "--set", escape],
        &["check", escape],
        &["check", &names],
        &["run", &base, "--design", &long],
        &["run", &base, "--design", escape],
        &["policy", "--manifests", &manifests, "--queries", "/dev/zero"],
        &["policy", "--manifests", &manifests, "--from", escape],
    ];
    for arguments in cases {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshfault"));
        let told = command.args(arguments).output().expect("the program starts");
        for text in [told.stdout, told.stderr] {
            assert!(text.len() < 20_000, "{} bytes from {:.200?}", text.len(), arguments);
            let text = String::from_utf8(text).expect("what is told is text");
            let hostile = text
                .chars()
                .find(|&letter| meshfault::lab::printable::is_hostile(letter));
            assert_eq!(hostile, None, "from {arguments:.200?}");
        }
    }
}

/// What a result shows of hostile names acts neither on a terminal nor in a page.
#[test]
fn pages_of_hostile_names_are_text() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let out = folder.path().join("result");
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshfault"));
    command.args([
        "run",
        "tests/corpus/experiments/names.yaml",
        "--jobs",
        "1",
        "--quiet",
        "--replications",
        "2",
        "--out",
    ]);
    let told = command
        .arg(&out)
        .current_dir(root())
        .output()
        .expect("the program starts");
    let mut pages = vec![String::from_utf8_lossy(&told.stdout).into_owned()];
    for name in ["summary.md", "report.md", "report.tex", "report.html"] {
        pages.push(std::fs::read_to_string(out.join(name)).expect("the page was written"));
    }
    for page in &pages {
        assert_eq!(
            page.chars()
                .find(|&letter| meshfault::lab::printable::is_hostile(letter)),
            None
        );
    }
    assert!(
        !pages[1].contains("<script>") && !pages[1].contains("![x]("),
        "{}",
        pages[1]
    );
}
