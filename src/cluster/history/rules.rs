//! Write rules: what a reader makes of the changes that its path delivers. Which changes those are belongs to `reader`; the
//! rules of a real component belong to its own file.

use super::versions::Version;

/// A change that reaches a reader.
#[derive(Debug)]
pub enum Delivery<'a, V> {
    /// The object was created or changed to this.
    Upsert(&'a Version<V>),
    /// The object with this key is gone: its removal was watched, or a list no longer had it.
    Delete(u32),
}

impl<V> Clone for Delivery<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Delivery<'_, V> {}

impl<'a, V> From<&'a Version<V>> for Delivery<'a, V> {
    fn from(version: &'a Version<V>) -> Self {
        match version.value {
            Some(_) => Self::Upsert(version),
            None => Self::Delete(version.key),
        }
    }
}

/// Who may overwrite whom in a reader's entry for a topic, and whose delete counts.
pub trait WriteRules<V> {
    /// What the reader stores.
    type Entry;

    /// The entry after these deliveries, which come latest first, so that the rules can stop as soon as the entry is
    /// decided. Of a truncated history they are given at least back to the latest upsert below the floor, so rules
    /// must be decided there.
    fn entry<'a>(&self, latest_first: impl Iterator<Item = Delivery<'a, V>>) -> Option<Self::Entry>
    where
        V: 'a;
}
