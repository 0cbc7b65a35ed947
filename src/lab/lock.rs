//! The lock of a result folder: one process works in it, a second one waits.
//!
//! The same shard is sometimes started twice, by a person or by a scheduler that tries again. Segments alone would bear
//! that, each is renamed into place whole; but tables, manifest and the deletion of segments would not. So the folder
//! holds an empty file that is locked as long as a process works there. The system frees the lock when the process ends,
//! however it ends. The file stays: deleting it would let a third process lock another file of the same name. Rejected:
//! a file that exists as long as the work, because it would outlive a kill.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use super::error::LabError;
use super::files::regular;

pub const LOCK: &str = ".lock";

/// How long a waiting process waits before it looks again.
const PAUSE: Duration = Duration::from_millis(50);

/// A result folder of which this process is the only user as long as this value lives.
pub struct FolderLock(#[expect(dead_code, reason = "the lock lives as long as the open file")] File);

impl FolderLock {
    /// Waits until no other process works in `dir`, and keeps others out. `waiting` is called once if there is a wait.
    ///
    /// # Errors
    /// If the file system refuses, or `stop` is set while another process works there.
    pub fn take(dir: &Path, stop: &AtomicBool, waiting: impl FnOnce()) -> Result<Self, LabError> {
        let path = dir.join(LOCK);
        // Opened for writing, because some network file systems lock nothing else exclusively.
        if let Ok(found) = fs::metadata(&path) {
            regular(&path, &found)?;
        }
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(LabError::file(&path, "create"))?;
        let mut waiting = Some(waiting);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(error)) => return Err(LabError::file(&path, "lock")(error)),
                Err(TryLockError::WouldBlock) if stop.load(Ordering::SeqCst) => {
                    return Err(LabError::Busy(dir.to_owned()));
                }
                Err(TryLockError::WouldBlock) => {
                    if let Some(tell) = waiting.take() {
                        tell();
                    }
                    sleep(PAUSE);
                }
            }
        }
    }

    /// Whether another process works in `dir`; touches nothing.
    pub fn is_taken(dir: &Path) -> bool {
        let path = dir.join(LOCK);
        let file = fs::metadata(&path).ok().filter(fs::Metadata::is_file);
        let file = file.and_then(|_| File::open(&path).ok());
        file.is_some_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_user_waits_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let never = AtomicBool::new(false);
        let first = FolderLock::take(dir.path(), &never, || panic!("no other process holds it")).unwrap();
        let stopped = FolderLock::take(dir.path(), &AtomicBool::new(true), || ())
            .err()
            .unwrap();
        assert!(matches!(stopped, LabError::Busy(_)), "{stopped}");
        let waited = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let second = scope
                .spawn(|| FolderLock::take(dir.path(), &never, || waited.store(true, Ordering::SeqCst)).map(|_| ()));
            while !waited.load(Ordering::SeqCst) {
                sleep(Duration::from_millis(1));
            }
            assert!(!second.is_finished());
            drop(first);
            second.join().unwrap().unwrap();
        });
    }
}
