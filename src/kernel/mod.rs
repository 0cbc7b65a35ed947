//! The kernel: time, order, queue, random streams, run loop, trace and fingerprint. No word of Kubernetes in it.
//!
//! Read `run_loop` first, then `order` and `stream`.

pub mod fingerprint;
pub mod law;
pub mod order;
pub mod queue;
pub mod run_loop;
pub mod stream;
pub mod time;
pub mod trace;

pub use fingerprint::Fingerprint;
pub use law::Law;
pub use order::{EventClass, SourceRank};
pub use queue::Timer;
pub use run_loop::{Kernel, Limits, Model, RunFailure, run};
pub use stream::{EntityKey, Purpose, RunKey, Stream};
pub use time::{SimDuration, SimTime};
pub use trace::{Trace, TraceLine};
