//! Putting shards together: folders that each hold a part of the replications become the result of one undivided run,
//! byte for byte in tables, summary, manifest and digest.
//!
//! Every shard is checked against its own digest, and all against one another; what does not fit is refused before anything
//! is written. Which replications a shard has belongs to `shard`. A merge that was killed is simply made again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::cell::Cell;
use super::digest::TableDigest;
use super::error::LabError;
use super::experiment::conclude;
use super::lock::FolderLock;
use super::manifest::{BUILD, Manifest, RunInfo, read_json};
use super::parquet_read::RowReader;
use super::plan::Plan;
use super::progress::{Event, Listen};
use super::result::{Finished, check, read_numbers, read_result};
use super::rows::{TABLES, columns_of_all};
use super::shard::{Shard, ShardRecord};
use super::store::{PLAN_JSON, Store, table_path};
use super::tables::{discard, finish, sinks};
use super::wall_clock::Stopwatch;

#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error("{path}: holds no result", path = .0.display())]
    NoResult(PathBuf),
    #[error("{path}: holds no shard, but all {replications} replications", path = path.display())]
    NoShard { path: PathBuf, replications: u64 },
    #[error("{path}: shard {shard} is unfinished: {done} of {planned} replications", path = path.display())]
    Unfinished {
        path: PathBuf,
        shard: Shard,
        done: u64,
        planned: u64,
    },
    #[error("{path}: is a shard of {held}, not of {wanted} as {first}", path = path.display(), first = first.display())]
    Foreign {
        path: PathBuf,
        held: String,
        wanted: String,
        first: PathBuf,
    },
    #[error("{path}: is named twice", path = .0.display())]
    Twice(PathBuf),
    #[error(
        "{a} and {b} both hold shard {shard}, but with different rows (digests {of_a} and {of_b})",
        a = a.display(), b = b.display()
    )]
    Unequal {
        a: PathBuf,
        b: PathBuf,
        shard: Shard,
        of_a: String,
        of_b: String,
    },
    #[error("{a} (replications {of_a}) and {b} (replications {of_b}) overlap", a = a.display(), b = b.display())]
    Overlap {
        a: PathBuf,
        b: PathBuf,
        of_a: String,
        of_b: String,
    },
    #[error("no shard holds replications {0}")]
    Gap(String),
}

impl MergeError {
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoResult(_) | Self::NoShard { .. } => "name folders that `meshfault run --shard I/N` has written",
            Self::Unfinished { .. } => "finish it with the same `meshfault run --shard` and --resume",
            Self::Foreign { .. } => {
                "shards fit together if program version, inputs, changes, seed and number of replications are equal"
            }
            Self::Twice(_) => "name each folder once",
            Self::Unequal { .. } => {
                "equal shards have equal rows: one of the two was made by another build or machine that computes otherwise; \
                 `meshfault verify` finds out which"
            }
            Self::Overlap { .. } => "use shards of one partition: the same N in every --shard I/N",
            Self::Gap(_) => "make the missing shards and name them too",
        }
    }
}

struct Part {
    dir: PathBuf,
    manifest: Manifest,
    shard: ShardRecord,
    plan: Plan,
}

/// Puts the shards in `shards` together into the folder `dir`.
///
/// # Errors
/// If they do not make a whole, a file is damaged, something else lies in `dir`, or the file system refuses.
pub fn merge(
    shards: &[PathBuf],
    dir: &Path,
    command_line: &[String],
    listener: &dyn Listen,
    stop: &AtomicBool,
) -> Result<Finished, LabError> {
    let made = put_together(shards, dir, command_line, listener, stop);
    made.map_err(|error| match error {
        LabError::File { .. } => LabError::Merging(Box::new(error)),
        error => error,
    })
}

fn put_together(
    shards: &[PathBuf],
    dir: &Path,
    command_line: &[String],
    listener: &dyn Listen,
    stop: &AtomicBool,
) -> Result<Finished, LabError> {
    let watch = Stopwatch::start();
    let parts = whole(shards, dir, listener, stop)?;
    let mut plan = parts[0].plan.clone();
    plan.shard = None;

    let store = Store::new(dir, &plan);
    if let Some(held) = store.manifest()? {
        held.check_same(&Manifest::of(&plan), dir)?;
    } else {
        store.refuse_foreign()?;
    }
    fs::create_dir_all(dir).map_err(LabError::file(dir, "create"))?;
    let _lock = FolderLock::take(dir, stop, || listener.hear(Event::Waiting { dir }))?;
    if let Some(held) = store.manifest()? {
        held.check_same(&Manifest::of(&plan), dir)?;
        if held.complete {
            return read_result(dir);
        }
        if store.has_segments() {
            return Err(LabError::Unfinished(dir.to_owned()));
        }
    }
    let mut manifest = Manifest::of(&plan);
    manifest.write(dir)?;
    manifest.replications = plan.replications;
    manifest.complete = true;
    let made = write_tables(&store, &parts, stop).and_then(|digests| {
        let numbers = read_numbers(dir, &manifest)?;
        stopped(dir, stop)?;
        conclude(&plan, dir, manifest, &digests, numbers)
    });
    let finished = made.inspect_err(|_| discard(dir))?;
    let info = RunInfo {
        build: BUILD.to_owned(),
        command_line: command_line.to_vec(),
        jobs: 1,
        started_at: watch.started_at().to_owned(),
        running_s: 0.0,
        total_s: watch.seconds(),
        runs: 0,
        runs_per_s: 0.0,
        segments_made_again: Vec::new(),
    };
    info.write(dir)?;
    finished.manifest.write(dir)?;
    Ok(finished)
}

/// The shards in the order of their replications, each once, if they make a whole.
fn whole(shards: &[PathBuf], out: &Path, listener: &dyn Listen, stop: &AtomicBool) -> Result<Vec<Part>, LabError> {
    let mut parts: Vec<Part> = Vec::new();
    let mut seen: Vec<PathBuf> = Vec::new();
    for dir in shards {
        stopped(out, stop)?;
        let real = fs::canonicalize(dir).map_err(LabError::file(dir, "open"))?;
        if seen.contains(&real) {
            return Err(MergeError::Twice(dir.clone()).into());
        }
        seen.push(real);
        let part = part(dir)?;
        if let Some(first) = parts.first() {
            same_whole(first, &part)?;
        }
        let name = |part: &Part| format!("{} to {}", part.shard.first, part.shard.end - 1);
        let overlaps = |other: &&Part| part.shard.first < other.shard.end && other.shard.first < part.shard.end;
        let (a, b) = match parts.iter().find(overlaps) {
            None => {
                parts.push(part);
                continue;
            }
            Some(other) => (other, &part),
        };
        let short = |part: &Part| {
            let digest = part.manifest.result_digest.as_deref().unwrap_or_default();
            digest.get(..12).unwrap_or(digest).to_owned()
        };
        if (a.shard.first, a.shard.end) != (b.shard.first, b.shard.end) {
            let (of_a, of_b) = (name(a), name(b));
            let (a, b) = (a.dir.clone(), b.dir.clone());
            return Err(MergeError::Overlap { a, b, of_a, of_b }.into());
        }
        if a.manifest.result_digest != b.manifest.result_digest {
            let (of_a, of_b) = (short(a), short(b));
            let shard = b.shard.shard();
            let (a, b) = (a.dir.clone(), b.dir.clone());
            return Err(MergeError::Unequal {
                a,
                b,
                shard,
                of_a,
                of_b,
            }
            .into());
        }
        listener.hear(Event::Warning(&format!(
            "{} and {} hold the same shard {} with equal rows; the first is used",
            a.dir.display(),
            b.dir.display(),
            b.shard.shard()
        )));
    }
    parts.sort_by_key(|part| part.shard.first);
    no_gap(&parts)?;
    Ok(parts)
}

fn part(dir: &Path) -> Result<Part, LabError> {
    let manifest = Manifest::read(dir)?.ok_or_else(|| MergeError::NoResult(dir.to_owned()))?;
    let path = dir.to_owned();
    let Some(shard) = manifest.shard.clone() else {
        let replications = manifest.replications;
        return Err(MergeError::NoShard { path, replications }.into());
    };
    if !manifest.complete {
        return Err(MergeError::Unfinished {
            path,
            shard: shard.shard(),
            done: manifest.replications,
            planned: manifest.replications_planned,
        }
        .into());
    }
    check(dir, &manifest)?;
    let plan_file = dir.join(PLAN_JSON);
    let plan: Plan = read_json(&plan_file)?;
    let damaged = |reason: String| LabError::Damaged {
        path: plan_file,
        reason,
    };
    if let Err(bad) = plan.check() {
        return Err(damaged(bad.to_string()));
    }
    if !manifest.is_of(&plan) || manifest.replications != manifest.replications_planned {
        return Err(damaged("its plan is not that of its manifest".to_owned()));
    }
    Ok(Part {
        dir: path,
        manifest,
        shard,
        plan,
    })
}

fn same_whole(first: &Part, part: &Part) -> Result<(), MergeError> {
    // Where the experiment lay may differ from machine to machine.
    let plan = Plan {
        shard: first.plan.shard,
        explain: first.plan.explain.clone(),
        changes: first.plan.changes.clone(),
        ..part.plan.clone()
    };
    if first.plan == plan {
        return Ok(());
    }
    let name = |part: &Part| {
        let (manifest, all) = (&part.manifest, part.shard.replications_of_all);
        let inputs = manifest.input_digest.get(..12).unwrap_or(&manifest.input_digest);
        let (experiment, version, seed) = (&manifest.experiment, &manifest.version, manifest.seed);
        let designs = manifest.designs.len();
        format!("{experiment} {version} (inputs {inputs}, seed {seed}, {all} replications of {designs} designs)")
    };
    Err(MergeError::Foreign {
        path: part.dir.clone(),
        held: name(part),
        wanted: name(first),
        first: first.dir.clone(),
    })
}

fn no_gap(parts: &[Part]) -> Result<(), MergeError> {
    let mut next = 0;
    let mut gaps = Vec::new();
    let end = parts.first().map_or(0, |part| part.shard.replications_of_all);
    let edges = parts.iter().map(|part| (part.shard.first, part.shard.end));
    for (first, behind) in edges.chain([(end, end)]) {
        if first > next {
            gaps.push(format!("{next} to {}", first - 1));
        }
        next = behind;
    }
    if gaps.is_empty() {
        Ok(())
    } else {
        Err(MergeError::Gap(gaps.join(", ")))
    }
}

fn stopped(dir: &Path, stop: &AtomicBool) -> Result<(), LabError> {
    match stop.load(Ordering::SeqCst) {
        true => Err(LabError::Stopped(dir.to_owned())),
        false => Ok(()),
    }
}

/// Copies the rows of all shards, design by design, in the order of replications.
fn write_tables(store: &Store<'_>, parts: &[Part], stop: &AtomicBool) -> Result<[TableDigest; TABLES.len()], LabError> {
    let mut sinks = sinks(store.dir())?;
    let mut bytes = Vec::new();
    for ((table, columns), sink) in TABLES.iter().zip(columns_of_all()).zip(&mut sinks) {
        let readers = parts
            .iter()
            .map(|part| RowReader::open(&table_path(&part.dir, table), &columns));
        let mut readers = readers.collect::<Result<Vec<_>, _>>()?;
        for design in &store.plan().designs {
            for reader in &mut readers {
                stopped(store.dir(), stop)?;
                while reader
                    .design_ahead()?
                    .is_some_and(|ahead| ahead == Cell::Utf8(design.name.as_str().into()))
                {
                    if let Some(cells) = reader.next_row()? {
                        sink.push(&cells, &mut bytes)?;
                    }
                }
            }
        }
        for (reader, part) in readers.iter_mut().zip(parts) {
            if reader.design_ahead()?.is_some() {
                return Err(LabError::Damaged {
                    path: table_path(&part.dir, table),
                    reason: "its designs are others than in its manifest, or in another order".to_owned(),
                });
            }
        }
    }
    finish(sinks)
}
