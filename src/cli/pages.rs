//! Writing what people look at into the folder of a result: the page and the figures.
//!
//! What they show belongs to `report`, the pictures to `figures`.

use super::figures::{self, Retelling};
use super::{CliError, run};
use crate::lab::lock::FolderLock;
use crate::lab::runner::workers;
use crate::lab::segment::write_whole;
use crate::lab::store::SUMMARY_MD;
use crate::lab::{Finished, Manifest, Simulate};
use crate::report::summary_md;

/// Writes what people look at. Pages and figures are pure functions of the result: a found result gets them again, in case
/// they were lost. The folder is locked anew for that, because a process that waited for the result writes them as well; if
/// another one has replaced the result meanwhile, it writes its own.
///
/// # Errors
/// If the file system refuses.
pub fn write(
    finished: &Finished,
    simulator: Option<&dyn Simulate>,
    retelling: &Retelling,
    jobs: usize,
) -> Result<(), CliError> {
    let _lock = FolderLock::take(&finished.dir, &run::STOP, || ())?;
    let of = |manifest: &Manifest| (manifest.plan_digest.clone(), manifest.result_digest.clone());
    if Manifest::read(&finished.dir)?.as_ref().map(of) != Some(of(&finished.manifest)) {
        return Ok(());
    }
    let page = summary_md::render(&finished.manifest, &finished.summary);
    write_whole(&finished.dir.join(SUMMARY_MD), page.as_bytes())?;
    let pool = workers(jobs)?;
    pool.install(|| figures::write(finished, simulator, retelling))
}
