//! Faults: one file each; what it touches, when it starts and ends.
//!
//! A fault acts on links, processes, clocks and limits through the context that components see, so that it shows in the
//! story, and says how many parties it touched.

mod cut;

use crate::cluster::context::Ctx;
use crate::cluster::spec::FaultSpec;

/// Starts or ends a fault; gives the number of parties that it touched.
#[must_use]
pub fn act(spec: &FaultSpec, starts: bool, ctx: &mut Ctx) -> u32 {
    cut::act(spec, starts, ctx)
}
