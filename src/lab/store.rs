//! The result folder: which files it has, which segments are there, and what may be deleted.
//!
//! Formats belong to `segment`, `parquet_write` and `manifest`. Nothing that this program did not write is ever deleted.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::error::LabError;
use super::lock::LOCK;
use super::plan::Plan;
use super::rows::TABLES;
use super::segment::{BatchRows, SegmentKey, read_segment, write_segment};

/// Name of the manifest.
pub const MANIFEST: &str = "manifest.json";
/// Name of the file with volatile facts.
pub const RUN_INFO: &str = "run-info.json";
/// Name of the estimates for programs.
pub const SUMMARY_JSON: &str = "summary.json";
/// Name of the estimates for people.
pub const SUMMARY_MD: &str = "summary.md";
/// Name of a shard's plan, by which shards are put together.
pub const PLAN_JSON: &str = "plan.json";
/// Folder of figures.
pub const FIGURES: &str = "figures";
/// The report for a browser.
pub const REPORT_HTML: &str = "report.html";
/// The report as a decision record.
pub const REPORT_MD: &str = "report.md";
/// Tables for papers.
pub const REPORT_TEX: &str = "report.tex";
/// What all reports say, as plain data.
pub const REPORT_JSON: &str = "report.json";
const SEGMENTS: &str = "segments";
const DESIGN_TABLE: &str = "designs.parquet";

/// A result folder and the plan that fills it.
pub struct Store<'a> {
    dir: PathBuf,
    plan: &'a Plan,
    plan_digest: blake3::Hash,
    batches: Vec<Range<u64>>,
}

/// What is there of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// No segment.
    Nothing,
    /// A sound segment.
    Sound,
    /// A segment that cannot be used, and why.
    Damaged(String),
}

/// One batch of one design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchId {
    /// Index of the batch; first, so that designs are interleaved.
    pub batch: u64,
    /// Index of the design.
    pub design: usize,
}

impl<'a> Store<'a> {
    /// The store in `dir`. Touches nothing.
    #[must_use]
    pub fn new(dir: &Path, plan: &'a Plan) -> Self {
        Self {
            dir: dir.to_owned(),
            plan,
            plan_digest: plan.digest(),
            batches: plan.batches(),
        }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// The result folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The path of one of its files.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The Parquet file of a table.
    #[must_use]
    pub fn table_path(&self, table: &str) -> PathBuf {
        table_path(&self.dir, table)
    }

    /// Makes the folders.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn create(&self) -> Result<(), LabError> {
        let segments = self.path(SEGMENTS);
        fs::create_dir_all(&segments).map_err(LabError::file(&segments, "create"))
    }

    /// The batches of each design.
    #[must_use]
    pub fn batches(&self) -> &[Range<u64>] {
        &self.batches
    }

    /// The batches whose replications lie in `stage`, designs interleaved, in the order in which they are made.
    #[must_use]
    pub fn batches_in(&self, stage: &Range<u64>) -> Vec<BatchId> {
        let inside = |range: &Range<u64>| stage.start <= range.start && range.end <= stage.end;
        let batches = self.batches.iter().enumerate().filter(|(_, range)| inside(range));
        let designs = self.plan.designs.len();
        let ids = batches.flat_map(|(batch, _)| {
            (0..designs).map(move |design| BatchId {
                batch: batch as u64,
                design,
            })
        });
        ids.collect()
    }

    /// Number of leading batches that every design has.
    #[must_use]
    pub fn common_batches(&self) -> usize {
        let has = |id| matches!(self.held(id), Ok(Held::Sound));
        let has_all = |batch: &usize| {
            (0..self.plan.designs.len()).all(|design| {
                has(BatchId {
                    batch: *batch as u64,
                    design,
                })
            })
        };
        (0..self.batches.len()).take_while(has_all).count()
    }

    /// The replications of a batch.
    #[must_use]
    pub fn replications(&self, id: BatchId) -> Range<u64> {
        self.batches[id.batch as usize].clone()
    }

    /// Writes the segment of a batch.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write(&self, id: BatchId, rows: &BatchRows) -> Result<(), LabError> {
        write_segment(&self.segment_path(id), &self.key(id), rows)
    }

    /// Reads the segment of a batch and checks it.
    ///
    /// # Errors
    /// If it is absent or damaged.
    pub fn read(&self, id: BatchId) -> Result<BatchRows, LabError> {
        read_segment(&self.segment_path(id), &self.key(id))
    }

    /// What is there of a batch. A damaged segment stays where it is until it is made again.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn held(&self, id: BatchId) -> Result<Held, LabError> {
        if !self.segment_path(id).exists() {
            return Ok(Held::Nothing);
        }
        match self.read(id) {
            Ok(_) => Ok(Held::Sound),
            Err(LabError::Damaged { reason, .. }) => Ok(Held::Damaged(reason)),
            Err(error) => Err(error),
        }
    }

    /// Whether there is a folder of segments.
    #[must_use]
    pub fn has_segments(&self) -> bool {
        self.path(SEGMENTS).exists()
    }

    /// Deletes all segments.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn remove_segments(&self) -> Result<(), LabError> {
        let segments = self.path(SEGMENTS);
        if !segments.exists() {
            return Ok(());
        }
        fs::remove_dir_all(&segments).map_err(LabError::file(&segments, "delete"))
    }

    /// Deletes the result that lies in the folder, if all of it is ours; the lock stays.
    ///
    /// # Errors
    /// If something in the folder is not ours, or the file system refuses.
    pub fn clear(&self) -> Result<(), LabError> {
        self.refuse_foreign()?;
        // The manifest first: what a kill leaves behind is no result any more, and nobody takes it for a damaged one.
        let manifest = self.path(MANIFEST);
        if manifest.exists() {
            fs::remove_file(&manifest).map_err(LabError::file(&manifest, "delete"))?;
        }
        for name in self.entries()?.iter().filter(|name| *name != LOCK) {
            let path = self.path(name);
            let gone = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            gone.map_err(LabError::file(&path, "delete"))?;
        }
        Ok(())
    }

    /// Fails if something in the folder is not ours.
    ///
    /// # Errors
    /// Names the first foreign entry.
    pub fn refuse_foreign(&self) -> Result<(), LabError> {
        let names = self.entries()?;
        let ours = [
            MANIFEST,
            RUN_INFO,
            SUMMARY_JSON,
            SUMMARY_MD,
            FIGURES,
            REPORT_HTML,
            REPORT_MD,
            REPORT_TEX,
            REPORT_JSON,
            PLAN_JSON,
            SEGMENTS,
            DESIGN_TABLE,
            LOCK,
        ];
        let is_ours = |name: &str| {
            let stem = Path::new(name).file_stem().unwrap_or_default();
            ours.contains(&name)
                || TABLES.iter().any(|table| name == format!("{table}.parquet"))
                || name.ends_with(".unfinished")
                    && ours
                        .iter()
                        .chain(&TABLES)
                        .any(|our| stem == *our || Path::new(our).file_stem() == Some(stem))
        };
        match names.into_iter().find(|name| !is_ours(name)) {
            Some(found) => Err(LabError::ForeignFolder {
                path: self.dir.clone(),
                found,
            }),
            None => Ok(()),
        }
    }

    /// Names in the folder, sorted; none if it does not exist.
    fn entries(&self) -> Result<Vec<String>, LabError> {
        if !self.dir.exists() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&self.dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.map_err(LabError::file(&self.dir, "list"))?;
        let names = entries.iter().map(|entry| entry.file_name().display().to_string());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The file of a batch's segment.
    #[must_use]
    pub fn segment_path(&self, id: BatchId) -> PathBuf {
        self.path(SEGMENTS)
            .join(format!("batch-{:06}-design-{:03}.rows", id.batch, id.design))
    }

    fn key(&self, id: BatchId) -> SegmentKey {
        SegmentKey {
            plan: self.plan_digest,
            design: id.design as u64,
            replications: self.replications(id),
        }
    }
}

/// The Parquet file of a table in a result folder.
#[must_use]
pub fn table_path(dir: &Path, table: &str) -> PathBuf {
    dir.join(format!("{table}.parquet"))
}
