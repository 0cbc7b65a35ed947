//! The kernel: time, order, queue, random streams, run loop and fingerprint. No word of Kubernetes in it.
//!
//! Read `run_loop` first, then `order` and `stream`.

mod chacha;
pub mod distribution;
pub mod draw_log;
pub mod fingerprint;
pub mod interrupt;
pub mod ladder;
pub mod limits;
mod normal;
pub mod observer;
pub mod order;
pub mod queue;
pub mod run_loop;
pub mod stream;
pub mod time;

pub use distribution::{Distribution, Quantiles};
pub use draw_log::{Draw, DrawLog};
pub use fingerprint::Fingerprint;
pub use ladder::Ladder;
pub use limits::{Limits, RunFailure};
pub use observer::{Moment, Observer};
pub use order::{EventClass, SourceRank, TieKey, TieOrder};
pub use queue::Timer;
pub use run_loop::{Kernel, Model, run, run_observed};
pub use stream::{EntityKey, Purpose, RunKey, Stream};
pub use time::{SimDuration, SimTime};
