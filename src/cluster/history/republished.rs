//! A history that a component writes from what it read of another one: it has a queue, batches, a rate and retries, which belong to
//! that component. Its readers have paths over the output, so they lag behind the writer, not behind the source.

use super::delay::Delay;
use super::path::{Crossing, Path};
use super::versions::{History, VersionIndex};
use crate::kernel::{RunKey, SimTime};

/// The output of a component that republishes, under its own revisions 1, 2, …, with what of the source each version contains.
///
/// A version takes what a [`History`] takes and 4 bytes more.
#[derive(Clone, Debug)]
pub struct Republished<V> {
    output: History<V>,
    /// Of each output version, the version of the source that it contains.
    sources: Vec<VersionIndex>,
}

impl<V> Default for Republished<V> {
    fn default() -> Self {
        Self {
            output: History::default(),
            sources: Vec::new(),
        }
    }
}

impl<V> Republished<V> {
    /// What readers have their paths over.
    #[must_use]
    pub const fn output(&self) -> &History<V> {
        &self.output
    }

    /// Publishes an object as of a version of the source. Takes constant time, amortised.
    ///
    /// # Panics
    /// If time goes back.
    pub fn publish(
        &mut self,
        time: SimTime,
        key: u32,
        topic: Option<u32>,
        value: Option<V>,
        source: VersionIndex,
    ) -> VersionIndex {
        let revision = u32::try_from(self.output.len() + 1).expect("more than 2^32 revisions");
        self.sources.push(source);
        self.output.append(time, revision, key, topic, value)
    }

    /// The version of the source that an output version contains.
    #[must_use]
    pub fn source_of(&self, output: VersionIndex) -> VersionIndex {
        self.sources[output.get()]
    }

    /// As of which version of the source a reader of the first `visible` output versions knows an object, if it was told of it.
    /// Takes time in the newer output versions of the object.
    #[must_use]
    pub fn source_at(&self, key: u32, visible: u32) -> Option<VersionIndex> {
        let mut versions = self.output.of_key(key);
        versions
            .find(|index| index.0 < visible)
            .map(|output| self.source_of(output))
    }

    /// As [`Republished::source_at`], as a revision of the source; 0 if the reader was not told of the object.
    #[must_use]
    pub fn source_revision<S>(&self, source: &History<S>, key: u32, visible: u32) -> u32 {
        self.source_at(key, visible)
            .map_or(0, |index| source.revision_of(index.0 + 1))
    }

    /// The first output version of an object that contains this version of the source, or a later one, as all after it do. Takes
    /// time in those output versions.
    #[must_use]
    pub fn containing(&self, key: u32, source: VersionIndex) -> Option<VersionIndex> {
        let versions = self.output.of_key(key);
        versions.take_while(|output| self.source_of(*output) >= source).last()
    }

    /// When a reader of the output sees an object as of this version of the source, or a later one.
    #[must_use]
    pub fn crossing_of_source(
        &self,
        path: &Path,
        delay: &Delay,
        run_key: &RunKey,
        key: u32,
        source: VersionIndex,
    ) -> Crossing {
        self.containing(key, source).map_or(Crossing::NotYet, |output| {
            path.crossing(&self.output, delay, run_key, output)
        })
    }
}
