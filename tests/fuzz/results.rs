//! Stored results and shards: every file of a small one is changed, as a disk would, or by a person who puts digests and
//! seals right again. What opens is shown in every form; what does not is complained about.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use meshfault::lab::experiment::Start;
use meshfault::lab::files::write_whole;
use meshfault::lab::manifest::Manifest;
use meshfault::lab::merge::merge;
use meshfault::lab::open_result;
use meshfault::lab::parquet_read::{RowOrder, digest_of_files, read_cells};
use meshfault::lab::parquet_write::ParquetTable;
use meshfault::lab::rows::{TABLES, columns_of_all};
use meshfault::report;
use serde_json::Value;

use crate::stored::{
    Study, change_bytes, change_cell, change_json, check_complaint, check_memory, copy, files_of, owned,
};
use crate::support::{Numbers, cases};

/// Whether digests and seals are put right after a change.
#[derive(Clone, Copy, PartialEq)]
enum Seal {
    Broken,
    Right,
}

/// Changes one file of a result folder; says which.
fn change(dir: &Path, seal: Seal, numbers: &mut Numbers) -> String {
    let mut files = files_of(dir);
    files.retain(|file| {
        file.extension()
            .is_some_and(|ending| ending == "json" || ending == "parquet")
    });
    let file = &files[numbers.below(files.len())];
    let name = file.strip_prefix(dir).expect("it lies there").display().to_string();
    let table = TABLES.iter().position(|table| name == format!("{table}.parquet"));
    for _ in 0..=numbers.below(3) {
        match table {
            Some(table) if seal == Seal::Right => change_table(file, table, numbers),
            _ if name.ends_with(".json") && numbers.below(4) > 0 => {
                let bytes = fs::read(file).expect("the file is there");
                let Ok(mut tree) = serde_json::from_slice::<Value>(&bytes) else {
                    break;
                };
                change_json(&mut tree, numbers);
                write_whole(file, tree.to_string().as_bytes()).expect("it can be written");
            }
            _ => {
                let mut bytes = fs::read(file).expect("the file is there");
                change_bytes(&mut bytes, numbers);
                write_whole(file, &bytes).expect("it can be written");
            }
        }
    }
    if seal == Seal::Right {
        put_right(dir);
    }
    name
}

/// Writes a table again with some other cells, and some rows more or fewer.
fn change_table(file: &Path, table: usize, numbers: &mut Numbers) {
    let columns = &columns_of_all()[table];
    let mut rows = Vec::new();
    let read = read_cells(file, columns, |cells| {
        rows.push(cells.iter().map(owned).collect::<Vec<_>>());
        Ok(())
    });
    if read.is_err() || rows.is_empty() {
        return;
    }
    let row = numbers.below(rows.len());
    match numbers.below(8) {
        0 => drop(rows.remove(row)),
        1 => rows.insert(row, rows[row].clone()),
        2 => rows.clear(),
        _ => {
            let column = numbers.below(columns.len());
            change_cell(&mut rows[row][column], numbers);
        }
    }
    let mut again = ParquetTable::create(file, TABLES[table], columns).expect("it can be written");
    rows.iter().for_each(|row| again.push(row).expect("it can be written"));
    again.finish().expect("it can be written");
}

/// Gives a manifest the digests and the seal of what lies there, as far as it can be read.
fn put_right(dir: &Path) {
    let Ok(Some(mut manifest)) = Manifest::read(dir) else {
        return;
    };
    if let Ok(digest) = digest_of_files(dir, &RowOrder::of(&manifest)) {
        manifest.result_digest = Some(digest);
    }
    if manifest.seal(dir).is_ok() {
        manifest.write(dir).expect("it can be written");
    }
}

/// Opens a result and makes everything that a reader sees of it; says whether it opened.
fn read_all(case: u64, dir: &Path) -> bool {
    let finished = match open_result(dir) {
        Ok(finished) => finished,
        Err(error) => {
            check_complaint(case, &error);
            return false;
        }
    };
    assert!(report::texts(&finished).iter().all(|text| !text.is_empty()));
    true
}

/// The commands of the program that read a result end with a documented exit code and a short message.
fn commands_end_well(case: u64, dir: &Path, other: &Path, told: &str) {
    let folder = dir.to_str().expect("the folder has a plain name");
    let other = other.to_str().expect("the folder has a plain name");
    for arguments in [
        &["report", folder][..],
        &["compare", folder],
        &["compare", other, folder],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshfault"));
        let ended = command.args(arguments).output().expect("the program starts");
        let errors = String::from_utf8_lossy(&ended.stderr);
        let code = ended.status.code();
        assert!(
            matches!(code, Some(0 | 2)) && errors.len() < 40_000,
            "case {case}, {told}: {:?} ended with {code:?}: {errors:.2000}",
            arguments[0]
        );
    }
}

/// The results that changes start from: three designs, and points over factors.
fn seeds(root: &Path) -> Vec<PathBuf> {
    let studies = [
        (
            "plain",
            Study::new("ip-reuse", &["native-routing", "vxlan", "control"], 6),
        ),
        ("points", Study::new("heal-and-churn", &[], 1)),
    ];
    let made = studies.map(|(name, study)| {
        let dir = root.join(name);
        study.run(&dir, Start::New, None).expect("the experiment can be run");
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshfault"));
        let report = command.arg("report").arg(&dir).output().expect("the program starts");
        assert!(report.status.success());
        dir
    });
    made.into()
}

#[test]
fn changed_results_are_shown_or_complained_about() {
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    let seeds = seeds(root.path());
    let dir = root.path().join("changed");
    let (mut opened, mut refused) = (0_u32, 0_u32);
    for case in cases(60) {
        let mut numbers = Numbers(case);
        let seed = &seeds[numbers.below(seeds.len())];
        copy(seed, &dir);
        let seal = if numbers.below(3) > 0 {
            Seal::Right
        } else {
            Seal::Broken
        };
        let name = change(&dir, seal, &mut numbers);
        *(if read_all(case, &dir) {
            &mut opened
        } else {
            &mut refused
        }) += 1;
        if case % 15 == 0 {
            commands_end_well(case, &dir, seed, &name);
        }
    }
    assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused");
    check_memory();
}

#[test]
fn changed_shards_are_merged_or_complained_about() {
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    let shards = [1, 2].map(|index| {
        let dir = root.path().join(format!("shard-{index}"));
        let study = Study::new("ip-reuse", &["native-routing", "control"], 6).shard(index, 2);
        study.run(&dir, Start::New, None).expect("the shard can be run");
        dir
    });
    let changed = root.path().join("changed");
    let (mut merged, mut refused) = (0_u32, 0_u32);
    for case in cases(60) {
        let mut numbers = Numbers(case);
        copy(&shards[0], &changed);
        let seal = if numbers.below(4) > 0 {
            Seal::Right
        } else {
            Seal::Broken
        };
        change(&changed, seal, &mut numbers);
        let out = root.path().join("merged");
        let _ = fs::remove_dir_all(&out);
        let parts = [changed.clone(), shards[1].clone()];
        match merge(&parts, &out, &[], &(), &AtomicBool::new(false)) {
            Ok(_) => merged += 1,
            Err(error) => {
                check_complaint(case, &error);
                refused += 1;
            }
        }
    }
    assert!(merged > 0 && refused > 0, "{merged} merged, {refused} refused");
    check_memory();
}
