//! One ordered history, many cursors: what was written, and what each reader has read of it.
//!
//! A [`History`] is an append-only list of object versions under increasing revisions, indexed by key and by topic (a
//! second index, for example the address that a version concerns). A [`Path`] says how one reader reads it: watched
//! with a bounded delay per dispatch batch, listed, frozen, restored from disk, moved to another server. What it reads from
//! is a [`Feed`]: the history itself, or servers whose watch caches are paths over it ([`Servers`]). What a reader believes
//! is the fold of what its path delivered with its own [`WriteRules`] (`cilium::ipcache`, …). A history that another
//! component writes from what it read is [`Republished`].
//!
//! Asking is free: a question draws only numbers addressed by reader and batch, so more questions change nothing. A path
//! remembers its latest answer to find the next one faster; that memo never changes an answer.
//!
//! **In use by the world**: [`History`], [`Path`] watching, listing, frozen and restored, [`Inbox`], [`Republished`] (Istiods'
//! snapshots), [`WriteRules`] over the versions seen (`cilium::ipcache`). **Ready, and exercised by tests and
//! `examples/history_limits.rs` only**: pins and truncation, [`Servers`], paths restored from disk, questions through a
//! [`Reader`] with folds over what was really delivered, [`Subscription`], crossings of a source revision.

mod delay;
mod feed;
mod inbox;
#[cfg(test)]
mod naive;
mod path;
mod reader;
mod republished;
mod rules;
#[cfg(test)]
mod tests;
mod versions;

pub use delay::{Delay, Pace};
pub use feed::{Feed, Servers};
pub use inbox::Inbox;
pub use path::{Crossing, ListFrom, Path};
pub use reader::{Reader, Subscription};
pub use republished::Republished;
pub use rules::{Delivery, WriteRules};
pub use versions::{History, Version, VersionIndex};
