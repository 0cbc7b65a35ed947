//! What happened over time in one run, as plain data: certificate requests by Istiod, stale entries by node.
//!
//! `over_time` fills it.

use crate::kernel::SimTime;

/// Courses of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Courses {
    /// Every certificate request, in the order in which they were sent.
    pub requests: Vec<CertificateRequest>,
    /// Stale entries of the nodes that were followed: every one that was cut off first.
    pub stale: Vec<StaleCourse>,
    /// How many nodes were not followed.
    pub nodes_left_out: u32,
}

/// A certificate request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// When it was sent.
    pub sent: SimTime,
    /// To which Istiod.
    pub istiod: String,
    /// By the sidecar of which pod.
    pub pod: String,
    /// When the certificate came as its answer; absent if it never did.
    pub signed: Option<SimTime>,
}

/// How many entries of a node's ipcache differ from the API server's, over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleCourse {
    /// The node.
    pub node: String,
    /// Whether its agent was ever cut off.
    pub cut: bool,
    /// The number from each time on; none before the first.
    pub steps: Vec<(SimTime, u32)>,
}
