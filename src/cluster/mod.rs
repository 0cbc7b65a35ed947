//! The simulated world: histories and cursors, links, physics, then one file per real component.
//!
//! Begin with `event` (which components there are and what they handle), `world` (what a run is made of), `context` (what a
//! component sees) and `history` (how staleness works).
//! What is so lives in `physics`, what a component believes is read through a `Cursor`, and only `judge` compares the two.

pub mod access;
mod api_connection;
pub mod api_flow;
pub mod api_load;
pub mod api_requests;
pub mod api_server;
pub mod blueprint;
pub mod churn;
pub mod cilium;
pub mod clocks;
pub mod context;
pub mod controllers;
mod cut_off;
pub mod daemon_sets;
pub mod deployment;
pub mod endpoint_slice;
pub mod etcd;
pub mod event;
pub mod fault;
pub mod faults;
pub mod history;
pub mod ids;
pub mod intent;
pub mod ipam;
pub mod istio;
pub mod judge;
pub mod kubelet;
pub mod kubelet_client;
pub mod leaders;
pub mod links;
pub mod node_cores;
pub mod node_lifecycle;
pub mod objects;
pub mod observed;
pub mod params;
pub mod party;
mod path_faults;
pub mod paths;
pub mod phases;
pub mod physics;
pub mod placement;
pub mod power;
pub mod process_states;
pub mod processes;
pub mod purpose;
mod quorum;
pub mod readers;
pub mod recorder;
pub mod records;
pub mod replica_set;
pub mod scheduler;
pub mod script;
pub mod spec;
mod stale_watches;
mod steps;
pub mod subscription;
mod supervision;
pub mod token_bucket;
pub mod watch_cache;
pub mod watchlist;
pub mod world;
mod zone_taints;
