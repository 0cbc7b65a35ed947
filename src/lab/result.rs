//! A stored result, new or found: what is known of it, and opening it with its rows checked against the digest.
//!
//! Making one belongs to `experiment` and `merge`, the files to `store`.

use std::path::{Path, PathBuf};

use super::error::LabError;
use super::lock::FolderLock;
use super::manifest::{Manifest, read_json};
use super::numbers::DesignNumbers;
use super::parquet_read::{RowOrder, digest_of_files, read_rows};
use super::plan::{Plan, horizon_of};
use super::rows::RowKey;
use super::store::SUMMARY_JSON;
use super::summary::Summary;
use crate::cluster::records::{AccessRecord, EdgeRecord, ExposureRecord, FlowRecord, PodRecord, RunRecord};
use crate::kernel::SimTime;

/// A result, new or found.
#[derive(Clone, Debug)]
pub struct Finished {
    pub dir: PathBuf,
    pub manifest: Manifest,
    pub summary: Summary,
    /// The numbers behind the estimates, per design of the manifest.
    pub numbers: Vec<DesignNumbers>,
    /// Whether it lay there already and was only checked.
    pub found: bool,
}

impl Finished {
    pub fn failed_runs(&self) -> u64 {
        self.summary.designs.iter().map(|design| design.failed).sum()
    }
}

/// The default folder below `root`: the experiment's name and twelve digits of the plan's digest.
pub fn result_dir(root: &Path, plan: &Plan) -> PathBuf {
    root.join(format!("{}-{}", plan.experiment, &plan.digest().to_hex()[..12]))
}

/// Opens a stored result and checks everything that counts in it.
///
/// # Errors
/// If a file is absent or damaged, the digest is another, or another process is at work there.
pub fn open_result(dir: &Path) -> Result<Finished, LabError> {
    read_result(dir).map_err(|error| {
        if FolderLock::is_taken(dir) {
            return LabError::Busy(dir.to_owned());
        }
        match Manifest::read(dir) {
            Ok(Some(manifest)) if !manifest.complete => LabError::NotYet(dir.to_owned()),
            _ => error,
        }
    })
}

/// The same for the process that works there.
pub(super) fn read_result(dir: &Path) -> Result<Finished, LabError> {
    let manifest = Manifest::read(dir)?.ok_or_else(|| LabError::Damaged {
        path: dir.to_owned(),
        reason: "it has no manifest.json".to_owned(),
    })?;
    check(dir, &manifest)?;
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

/// The one door for stored results: checks manifest, estimates and rows of a result against its seal and its digest, and that
/// what it says can be.
///
/// # Errors
/// Names the first file that is not as it was written.
pub fn check(dir: &Path, manifest: &Manifest) -> Result<(), LabError> {
    manifest.check_seal(dir)?;
    manifest.check_sense(dir)?;
    let said = manifest.result_digest.clone().unwrap_or_default();
    let seen = digest_of_files(dir, &RowOrder::of(manifest))?;
    if seen != said {
        return Err(LabError::Digest {
            path: dir.to_owned(),
            seen,
            said,
        });
    }
    Ok(())
}

/// The numbers behind the estimates, design by design, from the stored rows of a result.
///
/// Runs stand in them by their place in the result, so those of a shard from 0 as well.
///
/// # Errors
/// If a file is absent or damaged, or names a design that the manifest does not.
pub fn read_numbers(dir: &Path, manifest: &Manifest) -> Result<Vec<DesignNumbers>, LabError> {
    let horizon = SimTime::ZERO + horizon_of(manifest.horizon_s);
    let threshold = horizon_of(manifest.delayed_threshold_s);
    let first = manifest.first_replication();
    let mut numbers = vec![DesignNumbers::default(); manifest.designs.len()];
    let index = |key: RowKey<'_>| {
        let found = manifest.designs.iter().position(|design| design.name == key.design);
        found.ok_or_else(|| LabError::Damaged {
            path: dir.to_owned(),
            reason: format!("a row belongs to {}, a design that is not in the manifest", key.design),
        })
    };
    read_rows(dir, horizon, |key, run: RunRecord| {
        numbers[index(key)?].run(&run, horizon);
        Ok(())
    })?;
    read_rows(dir, horizon, |key, pod: PodRecord| {
        numbers[index(key)?].pod(key.replication.wrapping_sub(first), &pod, threshold);
        Ok(())
    })?;
    read_rows(dir, horizon, |key, access: AccessRecord| {
        numbers[index(key)?].access(key.replication.wrapping_sub(first), &access);
        Ok(())
    })?;
    read_rows(dir, horizon, |key, window: ExposureRecord| {
        numbers[index(key)?].exposure(key.replication.wrapping_sub(first), &window, horizon);
        Ok(())
    })?;
    read_rows(dir, horizon, |key, span: EdgeRecord| {
        numbers[index(key)?].edge(key.replication.wrapping_sub(first), &span, horizon);
        Ok(())
    })?;
    read_rows(dir, horizon, |key, flow: FlowRecord| {
        numbers[index(key)?].flow(key.replication.wrapping_sub(first), &flow);
        Ok(())
    })?;
    Ok(numbers)
}
