//! Gives a release build its commit, for `meshfault --version` and `run-info.json`. A debug build gets none, so that a commit does
//! not compile everything again.

use std::path::Path;
use std::process::Command;

/// Changes with every commit.
const HEAD_LOG: &str = ".git/logs/HEAD";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    if variable("PROFILE") != "release" || !Path::new(HEAD_LOG).exists() {
        return;
    }
    println!("cargo::rerun-if-changed={HEAD_LOG}");
    let commit = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let commit = commit.ok().filter(|done| done.status.success());
    if let Some(commit) = commit.and_then(|done| String::from_utf8(done.stdout).ok()) {
        let version = variable("CARGO_PKG_VERSION");
        println!("cargo::rustc-env=MESHFAULT_BUILD={version} ({})", commit.trim());
    }
}
