//! One experiment from plan to result folder: what lies there already, runs, tables, estimates, manifest.
//!
//! The order is such that a kill at any time leaves either a complete result or one that `--resume` can go on with:
//! the unfinished manifest comes first, segments follow, the complete manifest comes after all files that it speaks
//! of, and only then are the segments deleted. An interrupted experiment gives a valid result of the replications that
//! are complete for *all* designs, so that designs stay comparable; its segments stay for `--resume`. The folder is locked
//! meanwhile (`lock`). What a stage is, and whether another one follows, belongs to `plan` and `stopping`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use super::digest::{TableDigest, result_digest};
use super::error::LabError;
use super::lock::FolderLock;
use super::manifest::{BUILD, Manifest, RunInfo, write_json};
use super::numbers::DesignNumbers;
use super::plan::{Plan, Simulate};
use super::progress::{Bars, Both, Done, Event, Listen};
use super::result::{Finished, read_result};
use super::rows::TABLES;
use super::runner::{Work, workers};
use super::stopping::{Looks, Verdict};
use super::store::{BatchId, Held, PLAN_JSON, SUMMARY_JSON, Store};
use super::summary::summarize;
use super::tables;
use super::wall_clock::Stopwatch;
use super::warning::Warning;
use super::{design_table, measure_table};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Show it if it is complete, else stop.
    #[default]
    New,
    Resume,
    Fresh,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub dir: PathBuf,
    pub jobs: usize,
    pub start: Start,
    pub quiet: bool,
    pub command_line: Vec<String>,
}

/// Runs an experiment, or goes on with it, or checks the result that lies there.
///
/// `stop` ends it early with a valid partial result; `listener` receives the progress.
///
/// # Errors
/// If the plan makes no sense, the folder holds something else, or the file system refuses. A failed run is no error.
pub fn execute(
    plan: &Plan,
    simulator: &dyn Simulate,
    options: &Options,
    stop: &AtomicBool,
    listener: &dyn Listen,
) -> Result<Finished, LabError> {
    plan.check()?;
    let jobs = options.jobs.max(1);
    let pool = workers(jobs)?;
    let bars = Bars::new(options.quiet);
    let listener = Both(&bars, listener);
    let store = Store::new(&options.dir, plan);
    let dir = store.dir();
    look_before(&store, options.start)?;
    fs::create_dir_all(dir).map_err(LabError::file(dir, "create"))?;
    let _lock = FolderLock::take(dir, stop, || listener.hear(Event::Waiting { dir }))?;
    if let Some(found) = prepare(&store, options.start)? {
        return Ok(found);
    }
    let watch = Stopwatch::start();
    store.create()?;
    Manifest::of(plan).write(dir)?;
    if plan.shard.is_some() {
        write_json(&store.path(PLAN_JSON), plan)?;
    }
    listener.hear(Event::Started { plan, dir, jobs });

    let done = Done::new(plan.designs.len());
    let made = make_runs(
        &Work {
            store: &store,
            simulator,
            pool: &pool,
            listener: &listener,
            done: &done,
            stop,
        },
        &watch,
    );
    let running_s = watch.seconds();
    bars.finish(made.as_ref().map_or(0, |made| made.runs), running_s);
    let made = made?;
    let finished = pool.install(|| finish(&store, &made));
    let finished = finished.inspect_err(|_| tables::discard(dir))?;
    let info = RunInfo {
        build: BUILD.to_owned(),
        command_line: options.command_line.clone(),
        jobs,
        started_at: watch.started_at().to_owned(),
        running_s,
        total_s: watch.seconds(),
        runs: made.runs,
        runs_per_s: if running_s > 0.0 {
            made.runs as f64 / running_s
        } else {
            0.0
        },
        segments_made_again: made.damaged,
    };
    info.write(dir)?;
    finished.manifest.write(dir)?;
    if finished.manifest.complete {
        store.remove_segments()?;
    }
    Ok(finished)
}

/// Refuses what can be refused without touching the folder.
fn look_before(store: &Store<'_>, start: Start) -> Result<(), LabError> {
    let manifest = if start == Start::Fresh { None } else { store.manifest()? };
    match (manifest, start) {
        (Some(held), _) => held.check_same(&Manifest::of(store.plan()), store.dir()),
        (None, Start::Resume) => Err(LabError::NothingToResume(store.dir().to_owned())),
        (None, _) => store.refuse_foreign(),
    }
}

/// Looks at what lies in the locked folder; gives the result if there is nothing left to do.
fn prepare(store: &Store<'_>, start: Start) -> Result<Option<Finished>, LabError> {
    if start == Start::Fresh {
        return store.clear().map(|()| None);
    }
    look_before(store, start)?;
    match store.manifest()? {
        Some(held) if held.complete => {
            // Left behind only if the last thing that the program did was interrupted.
            store.remove_segments()?;
            read_result(store.dir()).map(Some)
        }
        Some(_) if start != Start::Resume => Err(LabError::Unfinished(store.dir().to_owned())),
        _ => Ok(None),
    }
}

struct Made<'a> {
    looks: Option<Looks<'a>>,
    /// Number of batches of each design that belong to a complete result; `None` if the experiment was interrupted.
    batches: Option<usize>,
    runs: u64,
    damaged: Vec<String>,
}

/// Makes stage after stage what is missing, until there is enough or it is interrupted.
fn make_runs<'a>(work: &Work<'a>, watch: &Stopwatch) -> Result<Made<'a>, LabError> {
    let (store, plan) = (work.store, work.store.plan());
    let mut made = Made {
        looks: plan.stopping.as_ref().map(|rule| Looks::new(plan, rule)),
        batches: None,
        runs: 0,
        damaged: Vec::new(),
    };
    let stages = plan.stages();
    let mut numbers = vec![DesignNumbers::default(); plan.designs.len()];
    for (index, stage) in stages.iter().enumerate() {
        let missing = missing(work, &store.batches_in(stage), &mut made.damaged)?;
        work.listener.hear(Event::Stage {
            end: stage.end - plan.range().start,
            there: &work.done.all(),
        });
        let batches = work.make_batches(&missing)?;
        let sizes = missing[..batches].iter().map(|id| store.replications(*id));
        made.runs += sizes.map(|range| range.end - range.start).sum::<u64>();
        if batches < missing.len() {
            return Ok(made);
        }
        if let Some(looks) = &mut made.looks {
            work.pool.install(|| tables::count_stage(store, stage, &mut numbers))?;
            let budget = plan.stopping.as_ref().and_then(|rule| rule.time_budget_s);
            let next = stages.get(index + 1).map_or(0, |next| next.end - next.start) * plan.designs.len() as u64;
            let fits = budget.is_none_or(|budget| fits(budget, watch.seconds(), made.runs, next));
            let (look, verdict) = work.pool.install(|| looks.look(stage.end, &numbers, fits));
            work.listener.hear(Event::Look { look, verdict });
            if verdict == Verdict::GoOn {
                continue;
            }
        }
        made.batches = Some(
            store
                .batches()
                .iter()
                .take_while(|batch| batch.end <= stage.end)
                .count(),
        );
        if made.looks.is_some() {
            break;
        }
    }
    Ok(made)
}

/// Whether `next` more runs fit into the budget at the rate so far.
fn fits(budget_s: f64, spent_s: f64, runs: u64, next: u64) -> bool {
    let expected_s = if runs == 0 {
        0.0
    } else {
        spent_s * next as f64 / runs as f64
    };
    spent_s + expected_s <= budget_s
}

/// The batches of which there is no sound segment; reports damaged ones.
fn missing(work: &Work<'_>, all: &[BatchId], damaged: &mut Vec<String>) -> Result<Vec<BatchId>, LabError> {
    let held = work.pool.install(|| {
        all.par_iter()
            .map(|id| work.store.held(*id))
            .collect::<Result<Vec<_>, _>>()
    })?;
    let mut missing = Vec::new();
    for (id, held) in all.iter().zip(held) {
        let range = work.store.replications(*id);
        match held {
            Held::Sound => {
                work.done.add(id.design, range.end - range.start);
                continue;
            }
            Held::Damaged(reason) => {
                let path = work.store.segment_path(*id);
                work.listener.hear(Event::Warning(&format!(
                    "{}: damaged: {reason}; replications {} to {} of {} are made again",
                    path.display(),
                    range.start,
                    range.end - 1,
                    work.store.plan().designs[id.design].name
                )));
                damaged.push(path.file_name().unwrap_or_default().display().to_string());
            }
            Held::Nothing => {}
        }
        missing.push(*id);
    }
    Ok(missing)
}

fn finish(store: &Store<'_>, made: &Made<'_>) -> Result<Finished, LabError> {
    let plan = store.plan();
    let batches = made.batches.unwrap_or_else(|| store.common_batches());
    let start = plan.range().start;
    let mut manifest = Manifest::of(plan);
    manifest.replications = batches.checked_sub(1).map_or(start, |last| store.batches()[last].end) - start;
    manifest.complete = made.batches.is_some();
    manifest.stopping = made.looks.as_ref().map(|looks| looks.record(manifest.replications));
    let (digests, numbers) = tables::write_tables(store, batches)?;
    conclude(plan, store.dir(), manifest, &digests, numbers)
}

/// Estimates, warnings and the digest of a result whose tables are written; its manifest is left to be written.
pub(super) fn conclude(
    plan: &Plan,
    dir: &Path,
    mut manifest: Manifest,
    digests: &[TableDigest; TABLES.len()],
    numbers: Vec<DesignNumbers>,
) -> Result<Finished, LabError> {
    for (table, digest) in manifest.tables.iter_mut().zip(digests) {
        table.rows = digest.rows();
    }
    manifest.result_digest = Some(result_digest(digests));
    let summary = summarize(plan, &numbers);
    manifest.warnings.extend(
        Warning::of(plan, &manifest, &numbers, &summary)
            .iter()
            .map(ToString::to_string),
    );
    write_json(&dir.join(SUMMARY_JSON), &summary)?;
    design_table::write(dir, &plan.designs)?;
    measure_table::write(dir, &manifest, &numbers)?;
    manifest.seal(dir)?;
    Ok(Finished {
        dir: dir.to_owned(),
        manifest,
        summary,
        numbers,
        found: false,
    })
}
