//! The simulated world as a whole: what its components do together, against published results, closed forms and invariants.
//!
//! One file per subject. What the built-in experiments need is altered in Rust ([`support::Bench`]), so that a test names
//! only what it changes. Reading files belongs to the tests of `scenario`, statistics to those of `stats`.

mod additions;
mod addresses;
mod api_load;
mod api_servers;
mod availability;
mod budgets;
mod capacity;
mod cases;
mod clock_skew;
mod controllers;
mod datapath_table;
mod determinism;
mod dns;
mod edges;
mod etcd_quorum;
mod event_log;
mod fault_kinds;
mod fault_times;
mod faults;
mod istiod_clients;
mod istiod_connections;
mod istiod_repairs;
mod kubelet_start;
mod measured_starts;
mod mechanisms;
mod metamorphic;
mod node_down;
mod node_lifecycle;
mod node_processes;
mod node_reads;
mod operators;
mod out_of_memory;
mod parameters;
mod paths;
mod placement;
mod processes;
mod public_cases;
mod published_results;
mod recovery;
mod relists;
mod renewal;
mod repairs;
mod rollouts;
mod scale;
mod stale_cache;
mod support;
mod traffic;
mod validation;
mod verify;
mod webhook;
mod webhook_answers;
mod workloads;
mod zones;
