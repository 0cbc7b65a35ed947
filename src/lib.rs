//! meshfault: a deterministic discrete-event simulator of service-mesh and CNI failure modes.
//!
//! The house is described in `ARCHITECTURE.md`. Arrows point down only:
//! `cli → report → lab → scenario → story → cluster → policy, kernel`, with `stats` beside the kernel.

pub mod cli;
#[warn(missing_docs)]
pub mod cluster;
#[warn(missing_docs)]
pub mod kernel;
pub mod lab;
#[warn(missing_docs)]
pub mod policy;
pub mod report;
#[warn(missing_docs)]
pub mod scenario;
#[warn(missing_docs)]
pub mod stats;
#[warn(missing_docs)]
pub mod story;
