//! Faults: one file each; what it touches, when it starts and ends.
//!
//! A fault acts on links, processes, clocks and limits through the context that components see, so that it shows in the
//! story, and says whom it touched.

mod cut;

use crate::cluster::context::Ctx;
use crate::cluster::fault::Effect;
use crate::cluster::spec::FaultSpec;

/// Starts or ends a fault.
#[must_use]
pub fn act(spec: &FaultSpec, starts: bool, ctx: &mut Ctx) -> Effect {
    cut::act(spec, starts, ctx)
}
