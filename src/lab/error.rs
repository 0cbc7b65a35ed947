//! What can go wrong around an experiment, in words for the person who started it.
//!
//! Each error names the path, what failed, and, by [`LabError::hint`], what to do. Errors of one row belong to `cell`,
//! of a plan to `plan`. A run that fails is no error: it is a stored result.

use std::io;
use std::path::{Path, PathBuf};

use super::cell::BadRow;
use super::plan::BadPlan;

/// Why an experiment could not be run or its result not be read.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The plan makes no sense.
    #[error(transparent)]
    Plan(#[from] BadPlan),
    /// The file system refused.
    #[error("{path}: cannot {action}", path = path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, to follow "cannot".
        action: &'static str,
        /// What the file system said.
        source: io::Error,
    },
    /// The Parquet library refused.
    #[error("{path}: cannot {action} as Parquet", path = path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What was tried, to follow "cannot".
        action: &'static str,
        /// What the library said.
        source: parquet::errors::ParquetError,
    },
    /// A file holds something else than what was written.
    #[error("{path}: damaged: {reason}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that was seen.
        reason: String,
    },
    /// Unfinished work lies there and nobody said what to do with it.
    #[error("{path}: holds an unfinished result of the same experiment", path = .0.display())]
    Unfinished(PathBuf),
    /// The folder holds the result of other inputs.
    #[error("{path}: holds a result of {held}, not of {wanted}", path = path.display())]
    OtherResult {
        /// The folder.
        path: PathBuf,
        /// What lies there.
        held: String,
        /// What was asked for.
        wanted: String,
    },
    /// The folder holds what this program did not write.
    #[error("{path}: holds {found}, which is no part of a result", path = path.display())]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// The first foreign entry.
        found: String,
    },
    /// There is nothing to go on with.
    #[error("{path}: holds no unfinished result", path = .0.display())]
    NothingToResume(PathBuf),
    /// The folder holds nothing that runs can be compared with.
    #[error("{path}: {reason}", path = path.display())]
    NoReference {
        /// The folder or file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Rows that were written do not give the digest in the manifest.
    #[error("{path}: its rows have the digest {seen}, its manifest says {said}", path = path.display())]
    Digest {
        /// The folder.
        path: PathBuf,
        /// Digest of the rows.
        seen: String,
        /// Digest in the manifest.
        said: String,
    },
    /// No threads.
    #[error("cannot start {jobs} workers: {reason}")]
    Workers {
        /// How many were asked for.
        jobs: usize,
        /// What the system said.
        reason: String,
    },
}

impl LabError {
    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Plan(_) => Some("correct the experiment file or the arguments"),
            Self::File { .. } => Some("check the permissions and the free space, or choose another folder with --out"),
            Self::Parquet { .. } | Self::Damaged { .. } | Self::Digest { .. } => Some("run again with --fresh"),
            Self::Unfinished(_) => Some("--resume goes on where it stopped, --fresh starts again"),
            Self::OtherResult { .. } => Some("choose another folder with --out, or replace the result with --fresh"),
            Self::ForeignFolder { .. } => Some("choose an empty folder with --out; foreign files are never deleted"),
            Self::NoReference { .. } => Some(
                "name a folder that `meshfault verify --out` or `meshfault run` wrote for this experiment and seed",
            ),
            Self::NothingToResume(_) => Some("leave out --resume"),
            Self::Workers { .. } => Some("choose fewer with --jobs"),
        }
    }

    /// An error of the file system, ready for `map_err`.
    pub(crate) fn file(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, action, source }
    }

    /// An error of the Parquet library, ready for `map_err`.
    pub(super) fn parquet(path: &Path, action: &'static str) -> impl FnOnce(parquet::errors::ParquetError) -> Self {
        let path = path.to_owned();
        move |source| Self::Parquet { path, action, source }
    }

    /// A row that cannot be read, ready for `map_err`.
    pub(super) fn damaged(path: &Path) -> impl FnOnce(BadRow) -> Self {
        let path = path.to_owned();
        move |bad| Self::Damaged {
            path,
            reason: bad.to_string(),
        }
    }
}
