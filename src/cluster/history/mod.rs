//! One ordered history, many cursors: what was written, and what each reader has read of it.
//!
//! A [`History`] is an append-only list of object versions under increasing revisions, indexed by key and by topic (a
//! second index, for example the address that a version concerns). A [`Cursor`] states how far one reader has read: watched
//! with a bounded delay per dispatch batch, listed, frozen while its link is cut or the cache of its server stands still. A [`View`] is a cursor with the history that
//! it reads and is what questions are put to. What a reader makes of what it has seen is its own (`cilium::ipcache`, …). A
//! reader that acts on every version as it arrives has an [`Inbox`] instead, which gives the same times.
//!
//! Asking is free: a question draws only numbers addressed by reader and batch, so more questions change nothing. A cursor
//! remembers its latest answer to find the next one faster; that memo never changes an answer.

mod cursor;
mod delay;
mod inbox;
#[cfg(test)]
mod tests;
mod versions;

pub use cursor::{Behind, Cursor, View};
pub use delay::{Delay, Pace};
pub use inbox::Inbox;
pub use versions::{History, Version, VersionIndex};
