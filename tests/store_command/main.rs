//! The real program and its result folders: shards and their merging, kills, locks, full disks, stopping rules, events.

mod faults;
mod hostile;
mod kills;
mod shards;
mod stopping;
mod support;
