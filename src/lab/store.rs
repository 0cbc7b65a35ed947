//! The result folder: which files it has, which segments are there, and what may be deleted.
//!
//! Formats belong to `segment`, `parquet_write` and `manifest`. Nothing that this program did not write is ever deleted.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::cell::BadRow;
use super::error::{LabError, REASON_MAX};
use super::files::{JSON_MAX, UNFINISHED, read};
use super::lock::LOCK;
use super::manifest::Manifest;
use super::plan::Plan;
use super::printable::cut;
use super::rows::TABLES;
use super::segment::{BatchRows, SegmentKey, read_segment, write_segment};
use super::tables::check_rows;
use super::written::{WRITTEN, Written};

pub const MANIFEST: &str = "manifest.json";
/// Name of the file with volatile facts.
pub const RUN_INFO: &str = "run-info.json";
pub const SUMMARY_JSON: &str = "summary.json";
pub const SUMMARY_MD: &str = "summary.md";
/// Name of a shard's plan, by which shards are put together.
pub const PLAN_JSON: &str = "plan.json";
pub const FIGURES: &str = "figures";
/// The folder of the experiment and its manifests.
pub const INPUTS: &str = "inputs";
pub const REPORT_HTML: &str = "report.html";
/// The report as a decision record.
pub const REPORT_MD: &str = "report.md";
pub const REPORT_TEX: &str = "report.tex";
/// What all reports say, as plain data.
pub const REPORT_JSON: &str = "report.json";
/// The plain data of the figures, in their folder.
pub const FIGURES_JSON: &str = "figures.json";
pub const FINGERPRINTS: &str = "fingerprints.json";
/// What people read, and may change.
const PAGES: [&str; 4] = [SUMMARY_MD, REPORT_HTML, REPORT_MD, REPORT_TEX];
const SEGMENTS: &str = "segments";
pub const DESIGN_TABLE: &str = "designs.parquet";
pub const MEASURE_TABLE: &str = "measures.parquet";

/// A result folder and the plan that fills it.
pub struct Store<'a> {
    dir: PathBuf,
    plan: &'a Plan,
    plan_digest: blake3::Hash,
    batches: Vec<Range<u64>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    Nothing,
    Sound,
    Damaged(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchId {
    /// Index of the batch; first, so that designs are interleaved.
    pub batch: u64,
    pub design: usize,
}

impl<'a> Store<'a> {
    pub fn new(dir: &Path, plan: &'a Plan) -> Self {
        Self {
            dir: dir.to_owned(),
            plan,
            plan_digest: plan.digest(),
            batches: plan.batches(),
        }
    }

    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn create(&self) -> Result<(), LabError> {
        let segments = self.path(SEGMENTS);
        fs::create_dir_all(&segments).map_err(LabError::file(&segments, "create"))
    }

    pub fn batches(&self) -> &[Range<u64>] {
        &self.batches
    }

    /// The batches whose replications lie in `stage`, designs interleaved, in the order in which they are made.
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

    pub fn replications(&self, id: BatchId) -> Range<u64> {
        self.batches[id.batch as usize].clone()
    }

    pub fn write(&self, id: BatchId, rows: &BatchRows) -> Result<(), LabError> {
        write_segment(&self.segment_path(id), &self.key(id), rows)
    }

    pub fn read(&self, id: BatchId) -> Result<BatchRows, LabError> {
        read_segment(&self.segment_path(id), &self.key(id))
    }

    /// What is there of a batch. A damaged segment stays where it is until it is made again.
    pub fn held(&self, id: BatchId) -> Result<Held, LabError> {
        if !self.segment_path(id).exists() {
            return Ok(Held::Nothing);
        }
        match self.read(id) {
            Ok(rows) => match check_rows(self.plan, id.design, &self.replications(id), &rows) {
                Ok(()) => Ok(Held::Sound),
                Err(BadRow(reason)) => Ok(Held::Damaged(cut(&reason, REASON_MAX).into_owned())),
            },
            Err(LabError::Damaged { reason, .. }) => Ok(Held::Damaged(cut(&reason, REASON_MAX).into_owned())),
            Err(error) => Err(error),
        }
    }

    pub fn has_segments(&self) -> bool {
        self.path(SEGMENTS).exists()
    }

    pub fn remove_segments(&self) -> Result<(), LabError> {
        for name in self.entries(SEGMENTS)?.iter().filter(|name| is_segment(name)) {
            self.remove(&format!("{SEGMENTS}/{name}"))?;
        }
        self.remove_empty(SEGMENTS);
        Ok(())
    }

    /// Deletes the result that lies in the folder, if all of it is ours, file by file; the lock, fingerprints, and what a person
    /// has changed stay.
    pub fn clear(&self) -> Result<(), LabError> {
        self.refuse_foreign()?;
        if self.path(MANIFEST).exists() {
            // First: what a kill leaves behind is an unfinished result, never mistaken for a damaged or a foreign one.
            Manifest::of(self.plan).write(&self.dir)?;
        }
        for name in self.entries("")?.iter().filter(|name| *name != MANIFEST) {
            if is_part(name) || is_unfinished(name) {
                self.remove(name)?;
            }
        }
        self.remove_segments()?;
        let written = Written::of(&self.dir);
        for name in written.names().filter(|name| written.holds(&self.dir, name)) {
            self.remove(name)?;
        }
        let figures = format!("{FIGURES}/{FIGURES_JSON}");
        if self.path(&figures).exists() {
            self.remove(&figures)?;
        }
        self.remove_empty_below(FIGURES)?;
        self.remove_empty_below(INPUTS)
    }

    /// Deletes a folder and those in it, as far as they are empty.
    fn remove_empty_below(&self, folder: &str) -> Result<(), LabError> {
        for entry in self.entries(folder)? {
            let below = format!("{folder}/{entry}");
            if self.path(&below).is_dir() {
                self.remove_empty_below(&below)?;
            }
        }
        self.remove_empty(folder);
        Ok(())
    }

    /// Fails if something in the folder is not ours. Names alone prove nothing: without the manifest of a result only locks,
    /// segments and unfinished files are ours; figures are ours if they were recorded when they were written.
    ///
    /// # Errors
    /// Names the first foreign entry.
    pub fn refuse_foreign(&self) -> Result<(), LabError> {
        // Entries first: another process may write its manifest meanwhile, and what it names then is its own.
        let entries = self.entries("")?;
        let is_result = self.is_result();
        let written = Written::of(&self.dir);
        let mut found = None;
        for name in entries {
            let is_folder = self.path(&name).is_dir();
            let ours = match name.as_str() {
                LOCK | WRITTEN => !is_folder,
                SEGMENTS if is_folder => {
                    let foreign = self.entries(SEGMENTS)?.into_iter().find(|name| !is_segment(name));
                    found = foreign.map(|name| format!("{SEGMENTS}/{name}"));
                    found.is_none()
                }
                FIGURES | INPUTS if is_folder && is_result => {
                    found = self.foreign_file(&name, &written)?;
                    found.is_none()
                }
                _ if is_folder => false,
                MANIFEST | FINGERPRINTS => is_result,
                name => {
                    is_unfinished(name) || is_result && (is_part(name) || PAGES.contains(&name) || written.knows(name))
                }
            };
            if !ours {
                let found = found.unwrap_or(name);
                return Err(LabError::ForeignFolder {
                    path: self.dir.clone(),
                    found,
                });
            }
        }
        Ok(())
    }

    /// The first entry below `folder` that was not recorded.
    fn foreign_file(&self, folder: &str, written: &Written) -> Result<Option<String>, LabError> {
        for entry in self.entries(folder)? {
            let name = format!("{folder}/{entry}");
            let stem = name.strip_suffix(UNFINISHED).unwrap_or(&name);
            let foreign = if self.path(&name).is_dir() {
                self.foreign_file(&name, written)?
            } else if written.knows(stem) || stem.strip_prefix("figures/") == Some(FIGURES_JSON) {
                None
            } else {
                Some(name)
            };
            if foreign.is_some() {
                return Ok(foreign);
            }
        }
        Ok(None)
    }

    /// The manifest of the result in the folder; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read, or is the manifest of something else.
    pub fn manifest(&self) -> Result<Option<Manifest>, LabError> {
        if self.path(MANIFEST).exists() && !self.is_result() {
            self.refuse_foreign()?;
        }
        Manifest::read(&self.dir)
    }

    /// Whether a manifest of this program lies there, whole or cut off.
    fn is_result(&self) -> bool {
        const HEAD: &[u8] = b"{\n  \"format\": ";
        let Ok(bytes) = read(&self.path(MANIFEST), JSON_MAX) else {
            return false;
        };
        match serde_json::from_slice::<serde_json::Value>(&bytes) {
            Ok(manifest) => ["row_format", "plan_digest"]
                .iter()
                .all(|key| manifest.get(key).is_some()),
            Err(_) => bytes.starts_with(HEAD) || HEAD.starts_with(&bytes),
        }
    }

    fn remove(&self, name: &str) -> Result<(), LabError> {
        let path = self.path(name);
        fs::remove_file(&path).map_err(LabError::file(&path, "delete"))
    }

    /// Deletes a folder if it is empty; that a person has something in it is no error.
    fn remove_empty(&self, name: &str) {
        let _ = fs::remove_dir(self.path(name));
    }

    /// Names in the folder below the result's, sorted; none if it does not exist.
    fn entries(&self, below: &str) -> Result<Vec<String>, LabError> {
        let folder = self.path(below);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.map_err(LabError::file(&folder, "list"))?;
        let names = entries.iter().map(|entry| entry.file_name().display().to_string());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        Ok(names)
    }

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

/// Whether a file of this name is a part of a result that only this program has a reason to change.
fn is_part(name: &str) -> bool {
    let table = name.strip_suffix(".parquet");
    let files = [
        MANIFEST,
        RUN_INFO,
        SUMMARY_JSON,
        REPORT_JSON,
        PLAN_JSON,
        DESIGN_TABLE,
        MEASURE_TABLE,
    ];
    files.contains(&name) || table.is_some_and(|table| TABLES.contains(&table))
}

/// Whether a file of this name was being written when the program was ended.
fn is_unfinished(name: &str) -> bool {
    let stem = name.strip_suffix(UNFINISHED);
    stem.is_some_and(|stem| is_part(stem) || PAGES.contains(&stem) || stem == WRITTEN || TABLES.contains(&stem))
}

/// Whether a file of this name is a segment, or was to become one.
fn is_segment(name: &str) -> bool {
    let name = name.strip_suffix(UNFINISHED).unwrap_or(name);
    let numbers = name.strip_prefix("batch-").and_then(|name| name.strip_suffix(".rows"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers
        .and_then(|numbers| numbers.split_once("-design-"))
        .is_some_and(|(batch, design)| is_number(batch) && is_number(design))
}

/// The Parquet file of a table in a result folder.
pub fn table_path(dir: &Path, table: &str) -> PathBuf {
    dir.join(format!("{table}.parquet"))
}
