//! Istio: Istiod, the sidecar with its two channels, and the injection webhook.

pub mod certificate_channel;
pub mod configuration_channel;
pub mod connection;
pub mod injection;
pub mod istiod;
pub mod mesh;
pub mod messages;
pub mod sidecar;
