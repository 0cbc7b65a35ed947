//! meshfault: a deterministic discrete-event simulator of service-mesh and CNI failure modes.
//!
//! The house is described in `ARCHITECTURE.md`. Arrows point down only:
//! `cli → report → lab → scenario → faults → cluster → policy, kernel`, with `stats` beside the kernel.

pub mod cli;
pub mod cluster;
pub mod faults;
pub mod kernel;
pub mod lab;
pub mod policy;
pub mod report;
pub mod scenario;
pub mod stats;
