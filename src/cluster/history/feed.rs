//! What a path reads from: the history itself, or servers whose watch caches are paths over it.

use super::delay::Delay;
use super::path::{Crossing, Path};
use super::versions::History;
use crate::kernel::{RunKey, SimDuration, SimTime};

/// Where readers get versions from. A feed hands out the versions of one history in their order, by one or more servers.
pub trait Feed {
    /// Value of the objects.
    type Value;

    /// The history behind it.
    fn history(&self) -> &History<Self::Value>;

    /// When a server has this version, if its own path stays as it is; nothing if not yet. Never earlier than the version before.
    fn handed_out(&self, server: u32, index: u32) -> Option<SimTime>;

    /// Number of versions that a server had before `time`, but at least `from`.
    fn handed_out_before(&self, server: u32, from: u32, time: SimTime) -> u32;

    /// Number of versions that a server has at `time`.
    fn handed_out_by(&self, server: u32, time: SimTime) -> u32;

    /// Changes whenever a server's path changes, so that nobody relies on what it would have done.
    fn epoch(&self, server: u32) -> u32;
}

/// One server that is always up to date.
impl<V> Feed for History<V> {
    type Value = V;

    fn history(&self) -> &Self {
        self
    }

    fn handed_out(&self, _: u32, index: u32) -> Option<SimTime> {
        self.get(index).map(|version| version.time)
    }

    fn handed_out_before(&self, _: u32, from: u32, time: SimTime) -> u32 {
        self.written_before(from, time)
    }

    fn handed_out_by(&self, _: u32, time: SimTime) -> u32 {
        self.written_by(time)
    }

    fn epoch(&self, _: u32) -> u32 {
        0
    }
}

/// Servers with watch caches that lag behind a history, as API servers do behind etcd.
///
/// A reader's batches are those of its server's dispatch: of the time at which the server has a version. A question about
/// one version costs what [`Path::first_seen`] costs for the server. Servers themselves never go back.
#[derive(Clone, Copy, Debug)]
pub struct Servers<'a, F> {
    /// What the servers read from.
    pub upstream: &'a F,
    /// How each of them reads it.
    pub paths: &'a [Path],
    /// How versions reach them.
    pub delay: &'a Delay,
    /// The run's random numbers.
    pub run_key: &'a RunKey,
}

impl<F: Feed> Servers<'_, F> {
    fn path(&self, server: u32) -> &Path {
        &self.paths[server as usize]
    }
}

impl<F: Feed> Feed for Servers<'_, F> {
    type Value = F::Value;

    fn history(&self) -> &History<F::Value> {
        self.upstream.history()
    }

    fn handed_out(&self, server: u32, index: u32) -> Option<SimTime> {
        let path = self.path(server);
        match path.first_seen(self.upstream, self.delay, self.run_key, index) {
            Crossing::At(time) => Some(time),
            Crossing::NotYet => None,
        }
    }

    fn handed_out_before(&self, server: u32, from: u32, time: SimTime) -> u32 {
        if time == SimTime::ZERO {
            return from;
        }
        from.max(self.handed_out_by(server, time.saturating_sub(SimDuration::from_nanos(1))))
    }

    fn handed_out_by(&self, server: u32, time: SimTime) -> u32 {
        self.path(server)
            .visible_at(self.upstream, self.delay, self.run_key, time)
    }

    fn epoch(&self, server: u32) -> u32 {
        let path = self.path(server);
        path.changes().count() as u32 + self.upstream.epoch(path.server())
    }
}
