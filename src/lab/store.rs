//! The result folder: which files it has, which segments are there, and what may be deleted.
//!
//! Formats belong to `segment`, `parquet_write` and `manifest`. Nothing that this program did not write is ever deleted.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::LabError;
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
/// Folder of figures.
pub const FIGURES: &str = "figures";
const REPORT_HTML: &str = "report.html";
const SEGMENTS: &str = "segments";
const DESIGN_TABLE: &str = "designs.parquet";

/// A result folder and the plan that fills it.
pub struct Store<'a> {
    dir: PathBuf,
    plan: &'a Plan,
    plan_digest: blake3::Hash,
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
        }
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

    /// All batches, designs interleaved, in the order in which they are made.
    pub fn batches(&self) -> impl Iterator<Item = BatchId> + '_ {
        let designs = self.plan.designs.len();
        (0..self.plan.batches()).flat_map(move |batch| (0..designs).map(move |design| BatchId { batch, design }))
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

    /// Whether a sound segment of the batch is there; a damaged one is deleted, and reported as absent.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn has(&self, id: BatchId) -> Result<bool, LabError> {
        let path = self.segment_path(id);
        if !path.exists() {
            return Ok(false);
        }
        match self.read(id) {
            Ok(_) => Ok(true),
            Err(LabError::Damaged { .. }) => {
                fs::remove_file(&path).map_err(LabError::file(&path, "delete the damaged file"))?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
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

    /// Deletes the result that lies in the folder, if all of it is ours.
    ///
    /// # Errors
    /// If something in the folder is not ours, or the file system refuses.
    pub fn clear(&self) -> Result<(), LabError> {
        if !self.dir.exists() {
            return Ok(());
        }
        self.refuse_foreign()?;
        fs::remove_dir_all(&self.dir).map_err(LabError::file(&self.dir, "delete"))
    }

    /// Fails if something in the folder is not ours.
    ///
    /// # Errors
    /// Names the first foreign entry.
    pub fn refuse_foreign(&self) -> Result<(), LabError> {
        let list = LabError::file(&self.dir, "list");
        let entries = fs::read_dir(&self.dir)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(list)?;
        let mut names: Vec<String> = entries
            .iter()
            .map(|entry| entry.file_name().display().to_string())
            .collect();
        names.sort_unstable();
        let ours = [
            MANIFEST,
            RUN_INFO,
            SUMMARY_JSON,
            SUMMARY_MD,
            FIGURES,
            REPORT_HTML,
            SEGMENTS,
            DESIGN_TABLE,
        ];
        let is_ours = |name: &str| {
            let stem = Path::new(name).file_stem().unwrap_or_default();
            ours.contains(&name)
                || TABLES.iter().any(|table| name == format!("{table}.parquet"))
                || name.ends_with(".unfinished")
                    && ours
                        .iter()
                        .chain(&TABLES)
                        .any(|our| Path::new(our).file_stem() == Some(stem))
        };
        match names.into_iter().find(|name| !is_ours(name)) {
            Some(found) => Err(LabError::ForeignFolder {
                path: self.dir.clone(),
                found,
            }),
            None => Ok(()),
        }
    }

    fn segment_path(&self, id: BatchId) -> PathBuf {
        self.path(SEGMENTS)
            .join(format!("batch-{:06}-design-{:03}.rows", id.batch, id.design))
    }

    fn key(&self, id: BatchId) -> SegmentKey {
        SegmentKey {
            plan: self.plan_digest,
            design: id.design as u64,
            replications: self.plan.batch(id.batch),
        }
    }
}

/// The Parquet file of a table in a result folder.
#[must_use]
pub fn table_path(dir: &Path, table: &str) -> PathBuf {
    dir.join(format!("{table}.parquet"))
}
