//! Cilium: the agent on each node, what it believes about addresses, and what the datapath makes of it.

pub mod agent;
pub mod create_limiter;
pub mod datapath;
pub mod ipcache;
pub mod passage;
