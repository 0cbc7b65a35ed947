//! What can go wrong around an experiment, in words for the person who started it.
//!
//! Each error names the path, what failed, and, by [`LabError::hint`], what to do. Errors of one row belong to `cell`,
//! of a plan to `plan`. A run that fails is no error: it is a stored result.

use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

use super::cell::BadRow;
use super::merge::MergeError;
use super::plan::BadPlan;
use super::printable::cut;

/// Longest reason of a complaint, in characters: what stands in a damaged file may be of any length.
pub(super) const REASON_MAX: usize = 500;

/// Why an experiment could not be run or its result not be read.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    #[error(transparent)]
    Plan(#[from] BadPlan),
    #[error("{path}: cannot {action}", path = path.display())]
    File {
        path: PathBuf,
        action: &'static str,
        source: io::Error,
    },
    #[error("{path}: cannot {action} as Parquet", path = path.display())]
    Parquet {
        path: PathBuf,
        action: &'static str,
        source: parquet::errors::ParquetError,
    },
    #[error("{path}: damaged: {reason}", path = path.display(), reason = cut(reason, REASON_MAX))]
    Damaged { path: PathBuf, reason: String },
    #[error("{path}: holds an unfinished result of the same experiment", path = .0.display())]
    Unfinished(PathBuf),
    #[error("{path}: holds an unfinished result, whose tables are not put together yet", path = .0.display())]
    NotYet(PathBuf),
    #[error("{path}: holds a result of {held}, not of {wanted}", path = path.display(), held = cut(held, REASON_MAX))]
    OtherResult {
        path: PathBuf,
        held: String,
        wanted: String,
    },
    #[error("{path}: holds {found}, which does not belong to a result", path = path.display())]
    ForeignFolder { path: PathBuf, found: String },
    #[error("{path}: another process is working on the result in this folder", path = .0.display())]
    Busy(PathBuf),
    #[error("{path}: stopped before the shards were put together", path = .0.display())]
    Stopped(PathBuf),
    #[error(transparent)]
    Merging(Box<LabError>),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error("{path}: holds no unfinished result", path = .0.display())]
    NothingToResume(PathBuf),
    #[error("{path}: {reason}", path = path.display())]
    NoReference { path: PathBuf, reason: String },
    #[error("{path}: its rows have the digest {seen}, its manifest has {said}", path = path.display(), said = cut(said, REASON_MAX))]
    Digest { path: PathBuf, seen: String, said: String },
    #[error("cannot start {jobs} workers: {reason}")]
    Workers { jobs: usize, reason: String },
}

impl LabError {
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Plan(BadPlan::EmptyShards { .. }) => Some("choose fewer shards"),
            Self::Plan(BadPlan::ShardWithStopping(_)) => {
                Some("set a fixed number with --replications, or run the whole experiment in one piece")
            }
            Self::Plan(BadPlan::StoppingDesign(_)) => Some("name a design that is run, or leave out --design"),
            Self::Plan(_) => Some("correct the experiment file or the arguments"),
            Self::File { source, .. } => Some(hint_of_file(source)),
            Self::Busy(_) => Some("wait until it has ended, or choose another folder with --out"),
            Self::Stopped(_) => Some("the same `meshfault merge` begins again; the shards are as they were"),
            Self::Merging(error) => match &**error {
                Self::File { source, .. } if is_full(source) => {
                    Some("make room, then merge again; the shards are as they were")
                }
                error => error.hint(),
            },
            Self::Merge(error) => Some(error.hint()),
            Self::Damaged { path, .. } if path.extension().is_some_and(|kind| kind == "rows") => {
                Some("--resume finds damaged segments and makes them again")
            }
            Self::Parquet { .. } | Self::Damaged { .. } | Self::Digest { .. } => Some("run again with --fresh"),
            Self::Unfinished(_) => Some("--resume goes on where it stopped, --fresh starts again"),
            Self::NotYet(_) => {
                Some("go on with the same `meshfault run` and --resume: the runs that were made are kept")
            }
            Self::OtherResult { .. } => {
                Some("choose another folder with --out; `meshfault run --fresh` replaces a result")
            }
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

    /// An error of the Parquet library, ready for `map_err`; what the file system said through it is an error of that.
    pub(super) fn parquet(path: &Path, action: &'static str) -> impl FnOnce(parquet::errors::ParquetError) -> Self {
        let path = path.to_owned();
        move |source| match source {
            ParquetError::External(cause) => match cause.downcast::<io::Error>() {
                Ok(source) => Self::File {
                    path,
                    action,
                    source: *source,
                },
                Err(cause) => Self::Parquet {
                    path,
                    action,
                    source: ParquetError::External(cause),
                },
            },
            source => Self::Parquet { path, action, source },
        }
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

/// What to do about what the file system said.
fn hint_of_file(source: &io::Error) -> &'static str {
    use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
    match source.kind() {
        _ if is_full(source) => {
            "make room, then go on with --resume: the runs that were made are kept; or choose another folder with --out"
        }
        PermissionDenied | ReadOnlyFilesystem => "choose a folder that can be written to with --out",
        NotFound => "check the path",
        _ => "check the permissions and the free space, or choose another folder with --out",
    }
}

/// Whether there was no room, or no more may be written.
fn is_full(source: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
