//! Every command in the README and in the book is run, and prints what the page shows.
//!
//! A page is one session: its `console` blocks run one after the other in a new folder. A line `$ COMMAND` runs `COMMAND` in a shell;
//! the lines below it are its output. A line `...` stands for any lines, `[..]` for any text within a line, and `? N` after the
//! output for the exit code, 0 by default. `UPDATE_DOCUMENTS=1` writes new output where a page has no such placeholder.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::citations::files;

/// A command of a page with what is shown below it.
struct Step<'page> {
    command: &'page str,
    shown: Vec<&'page str>,
    exit_code: i32,
    /// The lines of the page with the output, from and to.
    lines: (usize, usize),
}

/// The commands in the `console` blocks of a page.
fn steps(page: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (number, line) in page.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            if let Some(command) = line.strip_prefix("$ ") {
                steps.push(Step {
                    command,
                    shown: Vec::new(),
                    exit_code: 0,
                    lines: (number + 1, number + 1),
                });
                continue;
            }
            let step = steps.last_mut().expect("a console block begins with `$ `");
            match line.strip_prefix("? ") {
                Some(code) => step.exit_code = code.parse().expect("`? ` is followed by an exit code"),
                None => {
                    step.shown.push(line);
                    step.lines.1 = number + 1;
                }
            }
        }
    }
    steps
}

/// Whether a line is the shown one, in which `[..]` stands for any text.
fn is_line(shown: &str, line: &str) -> bool {
    let Some((before, after)) = shown.split_once("[..]") else {
        return shown == line;
    };
    let Some(rest) = line.strip_prefix(before) else {
        return false;
    };
    let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.any(|at| is_line(after, &rest[at..]))
}

/// Whether lines are the shown ones, in which `...` stands for any lines.
fn is_output(shown: &[&str], lines: &[&str]) -> bool {
    match shown.split_first() {
        None => lines.is_empty(),
        Some((&"...", rest)) => (0..=lines.len()).any(|skipped| is_output(rest, &lines[skipped..])),
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(line, lines)| is_line(first, line) && is_output(rest, lines)),
    }
}

/// The output of a command in a folder, without spaces at the ends of lines, and its exit code.
fn output(command: &str, folder: &Path) -> (String, i32) {
    let program = Path::new(env!("CARGO_BIN_EXE_meshfault"));
    let own = program.parent().expect("the program lies in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let done = Command::new("bash")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", own.display()))
        .env_remove("NO_COLOR")
        .env("COLUMNS", "100")
        .output()
        .expect("there is a shell");
    let text = String::from_utf8_lossy(&done.stdout);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    (lines.join("\n").trim_end().to_owned(), done.status.code().unwrap_or(-1))
}

/// Runs a page; gives what differs, and the page with the output that was seen.
fn run(page: &str) -> (Vec<String>, String) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let old: Vec<&str> = page.lines().collect();
    let (mut wrong, mut new, mut copied) = (Vec::new(), String::new(), 0);
    for step in steps(page) {
        // In the project's own folder the program is run by cargo.
        let command = step.command.replace("cargo run --release --", "meshfault");
        let (seen, exit_code) = output(&command, folder.path());
        let lines: Vec<&str> = seen.lines().collect();
        let mut shown = step.shown.clone();
        while shown.last().is_some_and(|line| line.is_empty()) {
            shown.pop();
        }
        let fixed = shown.iter().any(|line| *line == "..." || line.contains("[..]"));
        for line in &old[copied..step.lines.0] {
            new.push_str(&format!("{line}\n"));
        }
        copied = step.lines.1;
        if exit_code != step.exit_code || !is_output(&shown, &lines) {
            let (command, expected) = (step.command, step.exit_code);
            wrong.push(format!(
                "$ {command}\nexit code {exit_code}, shown {expected}; output:\n{seen}\n"
            ));
            if !fixed {
                new.push_str(&format!("{seen}\n"));
                continue;
            }
        }
        for line in &old[step.lines.0..step.lines.1] {
            new.push_str(&format!("{line}\n"));
        }
    }
    for line in &old[copied..] {
        new.push_str(&format!("{line}\n"));
    }
    (wrong, new)
}

#[test]
fn every_command_of_a_page_prints_what_the_page_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> = vec![root.join("README.md")];
    files(&root.join("docs"), &["md"], &mut pages);
    let mut wrong = Vec::new();
    for path in pages {
        let page = std::fs::read_to_string(&path).expect("a page is text");
        let (differs, new) = run(&page);
        if !differs.is_empty() && std::env::var_os("UPDATE_DOCUMENTS").is_some() {
            std::fs::write(&path, new).expect("a page can be written");
        }
        wrong.extend(differs.into_iter().map(|what| format!("{}: {what}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_page_that_shows_something_else_is_found() {
    let page = "```console\n$ echo one; echo two\none\n...\n$ echo three 3.5 s; exit 2\nthree [..] s\n? 2\n```\n";
    assert_eq!(run(page), (Vec::new(), page.to_owned()));
    assert_eq!(run(&page.replace("? 2", "? 3")).0.len(), 1);
    assert_eq!(run(&page.replace("three [", "four [")).0.len(), 1);
    let page = "```console\n$ echo one\ntwo\n```\nend\n";
    assert_eq!(run(page).1, page.replace("two", "one"));
}
