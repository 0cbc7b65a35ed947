//! Istio: Istiod, the sidecar with its two channels, and the injection webhook.

pub mod certificate_channel;
pub mod certificates;
pub mod configuration_channel;
pub mod connection;
pub mod injection;
pub mod istiod;
pub mod mesh;
pub mod messages;
pub mod renewal;
pub mod sidecar;
pub mod webhook_answers;
mod webhook_faults;
