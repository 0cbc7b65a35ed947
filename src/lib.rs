//! meshfault: a deterministic discrete-event simulator of service-mesh and CNI failure modes.

pub mod cluster;
pub mod faults;
pub mod kernel;
pub mod policy;
pub mod scenario;
pub mod stats;
