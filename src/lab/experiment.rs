//! One experiment from plan to result folder: what lies there already, runs, tables, estimates, manifest.
//!
//! The order is such that a kill at any time leaves either a complete result or one that `--resume` can go on with:
//! the unfinished manifest comes first, segments follow, the complete manifest comes after all files that it speaks
//! of, and only then are the segments deleted. An interrupted experiment gives a valid result of the replications that
//! are complete for *all* designs, so that designs stay comparable; its segments stay for `--resume`.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use super::cell::BadRow;
use super::design_table;
use super::digest::{TableDigest, result_digest};
use super::error::LabError;
use super::manifest::{Manifest, RunInfo, read_json, write_json};
use super::numbers::DesignNumbers;
use super::parquet_read::{digest_of_files, read_rows};
use super::parquet_write::ParquetTable;
use super::plan::{Plan, Simulate, horizon_of};
use super::rows::{Record, RowKey, TABLES, columns_of_all, decode_cells, record_of};
use super::runner::{make_batches, progress_bar, replications, workers};
use super::segment::{BatchRows, TableRows};
use super::store::{BatchId, SUMMARY_JSON, Store};
use super::summary::{Summary, summarize};
use super::wall_clock::Stopwatch;
use super::warning::Warning;
use crate::cluster::records::{AccessRecord, ExposureRecord, PodRecord, RunRecord};
use crate::kernel::SimTime;

/// What to do with a result that lies in the folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Show it if it is complete, else stop.
    #[default]
    New,
    /// Go on with it.
    Resume,
    /// Delete it and run again.
    Fresh,
}

/// How to run an experiment.
#[derive(Clone, Debug)]
pub struct Options {
    /// The result folder.
    pub dir: PathBuf,
    /// Workers, at least 1.
    pub jobs: usize,
    /// What to do with a result that lies there.
    pub start: Start,
    /// Whether to show no progress.
    pub quiet: bool,
    /// The command, for `run-info.json`.
    pub command_line: Vec<String>,
}

/// A result, new or found.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The result folder.
    pub dir: PathBuf,
    /// What the result is.
    pub manifest: Manifest,
    /// The estimates.
    pub summary: Summary,
    /// The numbers behind the estimates, per design of the manifest.
    pub numbers: Vec<DesignNumbers>,
    /// Whether it lay there already and was only checked.
    pub found: bool,
}

impl Finished {
    /// Number of failed runs in all designs.
    #[must_use]
    pub fn failed_runs(&self) -> u64 {
        self.summary.designs.iter().map(|design| design.failed).sum()
    }
}

/// The default folder below `root`: the experiment's name and twelve digits of the plan's digest.
#[must_use]
pub fn result_dir(root: &Path, plan: &Plan) -> PathBuf {
    root.join(format!("{}-{}", plan.experiment, &plan.digest().to_hex()[..12]))
}

/// Runs an experiment, or goes on with it, or checks the result that lies there.
///
/// `stop` ends it early with a valid partial result.
///
/// # Errors
/// If the plan makes no sense, the folder holds something else, or the file system refuses. A failed run is no error.
pub fn execute(
    plan: &Plan,
    simulator: &dyn Simulate,
    options: &Options,
    stop: &AtomicBool,
) -> Result<Finished, LabError> {
    plan.check()?;
    let watch = Stopwatch::start();
    let store = Store::new(&options.dir, plan);
    if let Some(found) = prepare(&store, plan, options.start)? {
        return Ok(found);
    }
    let pool = workers(options.jobs.max(1))?;
    store.create()?;
    Manifest::of(plan).write(store.dir())?;

    let all: Vec<BatchId> = store.batches().collect();
    let there = pool.install(|| all.par_iter().map(|id| store.has(*id)).collect::<Result<Vec<_>, _>>())?;
    let missing: Vec<BatchId> = all
        .iter()
        .zip(&there)
        .filter(|(_, there)| !**there)
        .map(|(id, _)| *id)
        .collect();
    let runs_left: u64 = missing.iter().map(|id| replications(plan, *id)).sum();
    let runs_all = plan.replications * plan.designs.len() as u64;
    let progress = progress_bar(runs_all, runs_all - runs_left, options.quiet);
    let made = make_batches(&store, plan, simulator, &missing, &pool, &progress, stop);
    progress.finish_and_clear();
    let made = made?;
    let running_s = watch.seconds();

    let finished = pool.install(|| finish(&store, plan, made == runs_left))?;
    let info = RunInfo {
        command_line: options.command_line.clone(),
        jobs: options.jobs.max(1),
        started_at: watch.started_at().to_owned(),
        running_s,
        total_s: watch.seconds(),
        runs: made,
        runs_per_s: if running_s > 0.0 { made as f64 / running_s } else { 0.0 },
    };
    info.write(store.dir())?;
    finished.manifest.write(store.dir())?;
    if finished.manifest.complete {
        store.remove_segments()?;
    }
    Ok(finished)
}

/// Looks at what lies in the folder; gives the result if there is nothing left to do.
fn prepare(store: &Store<'_>, plan: &Plan, start: Start) -> Result<Option<Finished>, LabError> {
    if start == Start::Fresh {
        store.clear()?;
        return Ok(None);
    }
    let Some(held) = Manifest::read(store.dir())? else {
        return match start {
            Start::Resume => Err(LabError::NothingToResume(store.dir().to_owned())),
            _ if store.dir().exists() => store.refuse_foreign().map(|()| None),
            _ => Ok(None),
        };
    };
    let wanted = Manifest::of(plan);
    if held.plan_digest != wanted.plan_digest {
        let name = |manifest: &Manifest| {
            let Manifest {
                experiment,
                version,
                seed,
                replications_planned,
                ..
            } = manifest;
            let inputs = manifest.input_digest.get(..12).unwrap_or(&manifest.input_digest);
            format!("{experiment} {version} (inputs {inputs}, seed {seed}, {replications_planned} replications)")
        };
        let (held, wanted) = (name(&held), name(&wanted));
        return Err(LabError::OtherResult {
            path: store.dir().to_owned(),
            held,
            wanted,
        });
    }
    if held.complete {
        // Left behind only if the last thing that the program did was interrupted.
        store.remove_segments()?;
        return open_result(store.dir()).map(Some);
    }
    match start {
        Start::Resume => Ok(None),
        _ => Err(LabError::Unfinished(store.dir().to_owned())),
    }
}

/// Opens a stored result and checks its rows against the digest.
///
/// # Errors
/// If a file is absent or damaged, or the digest is another.
pub fn open_result(dir: &Path) -> Result<Finished, LabError> {
    let manifest = Manifest::read(dir)?.ok_or_else(|| LabError::Damaged {
        path: dir.to_owned(),
        reason: "it has no manifest.json".to_owned(),
    })?;
    let said = manifest.result_digest.clone().unwrap_or_default();
    let seen = digest_of_files(dir)?;
    if seen != said {
        return Err(LabError::Digest {
            path: dir.to_owned(),
            seen,
            said,
        });
    }
    let summary: Summary = read_json(&dir.join(SUMMARY_JSON))?;
    let numbers = read_numbers(dir, &manifest)?;
    Ok(Finished {
        dir: dir.to_owned(),
        manifest,
        summary,
        numbers,
        found: true,
    })
}

/// The numbers behind the estimates, design by design, from the stored rows of a result.
///
/// # Errors
/// If a file is absent or damaged, or names a design that the manifest does not.
pub fn read_numbers(dir: &Path, manifest: &Manifest) -> Result<Vec<DesignNumbers>, LabError> {
    let horizon = SimTime::ZERO + horizon_of(manifest.horizon_s);
    let mut numbers = vec![DesignNumbers::default(); manifest.designs.len()];
    let index = |key: RowKey<'_>| {
        let found = manifest.designs.iter().position(|design| design.name == key.design);
        found.ok_or_else(|| LabError::Damaged {
            path: dir.to_owned(),
            reason: format!(
                "a row belongs to {}, a design that the manifest does not know",
                key.design
            ),
        })
    };
    read_rows(dir, |key, run: RunRecord| {
        numbers[index(key)?].run(&run, horizon);
        Ok(())
    })?;
    read_rows(dir, |key, pod: PodRecord| {
        numbers[index(key)?].pod(key.replication, &pod);
        Ok(())
    })?;
    read_rows(dir, |key, access: AccessRecord| {
        if let Some(run) = numbers[index(key)?].sound_run(key.replication) {
            run.access(&access);
        }
        Ok(())
    })?;
    read_rows(dir, |key, window: ExposureRecord| {
        if let Some(run) = numbers[index(key)?].sound_run(key.replication) {
            run.exposure(&window, horizon);
        }
        Ok(())
    })?;
    Ok(numbers)
}

/// Makes tables and estimates from the segments.
fn finish(store: &Store<'_>, plan: &Plan, all_made: bool) -> Result<Finished, LabError> {
    let batches = if all_made {
        plan.batches()
    } else {
        common_batches(store, plan)
    };
    let mut manifest = Manifest::of(plan);
    manifest.replications = if batches == 0 { 0 } else { plan.batch(batches - 1).end };
    manifest.complete = all_made;

    let (digests, numbers) = write_tables(store, plan, batches)?;
    for (table, digest) in manifest.tables.iter_mut().zip(&digests) {
        table.rows = digest.rows();
    }
    manifest.result_digest = Some(result_digest(&digests));
    let summary = summarize(plan, &numbers);
    manifest.warnings.extend(
        Warning::of(plan, &manifest, &numbers, &summary)
            .iter()
            .map(ToString::to_string),
    );
    write_json(&store.path(SUMMARY_JSON), &summary)?;
    design_table::write(store.dir(), &plan.designs)?;
    Ok(Finished {
        dir: store.dir().to_owned(),
        manifest,
        summary,
        numbers,
        found: false,
    })
}

/// Number of leading batches that every design has.
fn common_batches(store: &Store<'_>, plan: &Plan) -> u64 {
    let has_all = |batch: &u64| {
        (0..plan.designs.len()).all(|design| store.has(BatchId { batch: *batch, design }).unwrap_or(false))
    };
    (0..plan.batches()).take_while(has_all).count() as u64
}

/// A table on its way into file and digest.
struct TableSink {
    parquet: ParquetTable,
    digest: TableDigest,
}

/// Streams segments, in the order of designs and replications, into Parquet, digests and numbers.
fn write_tables(
    store: &Store<'_>,
    plan: &Plan,
    batches: u64,
) -> Result<([TableDigest; 4], Vec<DesignNumbers>), LabError> {
    let tables = TABLES.iter().zip(columns_of_all());
    let sinks = tables.map(|(table, columns)| {
        let parquet = ParquetTable::create(&store.table_path(table), table, &columns)?;
        Ok(TableSink {
            parquet,
            digest: TableDigest::default(),
        })
    });
    let mut sinks = sinks.collect::<Result<Vec<_>, LabError>>()?;
    let mut numbers = vec![DesignNumbers::default(); plan.designs.len()];
    let horizon = SimTime::ZERO + plan.horizon();
    let in_order: Vec<BatchId> = (0..plan.designs.len())
        .flat_map(|design| (0..batches).map(move |batch| BatchId { batch, design }))
        .collect();
    // A few batches at a time: each table by one worker, the numbers by another, and the next batches are read meanwhile.
    let chunks: Vec<&[BatchId]> = in_order.chunks(2 * rayon::current_num_threads()).collect();
    let read = |chunk: Option<&&[BatchId]>| {
        let ids = chunk.copied().unwrap_or_default().par_iter();
        ids.map(|id| store.read(*id)).collect::<Result<Vec<_>, _>>()
    };
    let mut rows = read(chunks.first())?;
    for (index, chunk) in chunks.iter().enumerate() {
        let write = || {
            sinks.par_iter_mut().enumerate().try_for_each(|(table, sink)| {
                rows.iter()
                    .try_for_each(|batch| sink.take(&batch.0[table]).map_err(InTable::at(store, table)))
            })
        };
        let count = || {
            chunk.iter().zip(&rows).try_for_each(|(id, batch)| {
                count(&mut numbers[id.design], batch, horizon).map_err(LabError::damaged(store.dir()))
            })
        };
        let (written, (counted, next)) = rayon::join(write, || rayon::join(count, || read(chunks.get(index + 1))));
        written?;
        counted?;
        rows = next?;
    }
    let mut digests: [TableDigest; 4] = Default::default();
    for (sink, digest) in sinks.into_iter().zip(&mut digests) {
        sink.parquet.finish()?;
        *digest = sink.digest;
    }
    Ok((digests, numbers))
}

/// What can go wrong while rows become a table.
enum InTable {
    Row(BadRow),
    File(LabError),
}

impl InTable {
    fn at<'a>(store: &'a Store<'_>, table: usize) -> impl FnOnce(Self) -> LabError + 'a {
        move |error| match error {
            Self::Row(bad) => LabError::damaged(&store.table_path(TABLES[table]))(bad),
            Self::File(error) => error,
        }
    }
}

impl TableSink {
    fn take(&mut self, rows: &TableRows) -> Result<(), InTable> {
        self.digest.update(rows.rows, &rows.bytes);
        let (mut rest, mut cells) = (rows.bytes.as_slice(), Vec::new());
        while !rest.is_empty() {
            decode_cells(&mut rest, &mut cells).map_err(InTable::Row)?;
            self.parquet.push(&cells).map_err(InTable::File)?;
        }
        Ok(())
    }
}

/// Takes the numbers out of the rows of a batch.
fn count(numbers: &mut DesignNumbers, batch: &BatchRows, horizon: SimTime) -> Result<(), BadRow> {
    let [runs, pods, accesses, exposures] = &batch.0;
    for_each::<RunRecord>(runs, |_, run| numbers.run(&run, horizon))?;
    for_each::<PodRecord>(pods, |key, pod| numbers.pod(key.replication, &pod))?;
    for_each::<AccessRecord>(accesses, |key, access| {
        if let Some(run) = numbers.sound_run(key.replication) {
            run.access(&access);
        }
    })?;
    for_each::<ExposureRecord>(exposures, |key, window| {
        if let Some(run) = numbers.sound_run(key.replication) {
            run.exposure(&window, horizon);
        }
    })
}

fn for_each<R: Record>(table: &TableRows, mut each: impl FnMut(RowKey<'_>, R)) -> Result<(), BadRow> {
    let (mut rest, mut cells) = (table.bytes.as_slice(), Vec::new());
    while !rest.is_empty() {
        decode_cells(&mut rest, &mut cells)?;
        let (key, record) = record_of(&cells)?;
        each(key, record);
    }
    Ok(())
}
