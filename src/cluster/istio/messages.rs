//! What sidecars and Istiods send each other: the two channels, requests on them, and answers.

use crate::cluster::ids::PodId;
use crate::cluster::params::IstioParams;
use crate::cluster::purpose::Ordinal;
use crate::cluster::records::DelayCause;
use crate::kernel::{SimDuration, SimTime};

/// One of the two connections of a sidecar to the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The certificate request.
    Certificate,
    /// The configuration stream.
    Configuration,
}

impl Channel {
    /// Name in a story.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate request",
            Self::Configuration => "configuration stream",
        }
    }

    /// Addresses its connections.
    pub(super) const fn dial(self) -> Ordinal {
        match self {
            Self::Certificate => Ordinal::CERTIFICATE_DIAL,
            Self::Configuration => Ordinal::CONFIGURATION_DIAL,
        }
    }

    /// Addresses its requests.
    pub(super) const fn request(self) -> Ordinal {
        match self {
            Self::Certificate => Ordinal::CERTIFICATE_REQUEST,
            Self::Configuration => Ordinal::CONFIGURATION_REQUEST,
        }
    }

    /// Addresses the TokenReviews of its requests.
    pub(super) const fn review(self) -> Ordinal {
        match self {
            Self::Certificate => Ordinal::CERTIFICATE_REVIEW,
            Self::Configuration => Ordinal::CONFIGURATION_REVIEW,
        }
    }

    /// Addresses the answers to its requests.
    pub(super) const fn answer(self) -> Ordinal {
        match self {
            Self::Certificate => Ordinal::CERTIFICATE_ANSWER,
            Self::Configuration => Ordinal::CONFIGURATION_ANSWER,
        }
    }

    /// How long its sidecar waits while nothing passes on it.
    #[must_use]
    pub const fn dead_after(self, params: &IstioParams) -> SimDuration {
        match self {
            Self::Certificate => params.certificate_channel_dead_after,
            Self::Configuration => params.configuration_channel_dead_after,
        }
    }

    /// What a request on it is called.
    #[must_use]
    pub const fn asks_for(self) -> &'static str {
        match self {
            Self::Certificate => "request a certificate",
            Self::Configuration => "request the configuration",
        }
    }
}

/// Who asks for the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The agent's warm-up loop.
    WarmUp,
    /// Envoy, once its configuration refers to the certificate.
    Envoy,
    /// Envoy, which asks for the root on a stream of its own; without one in the cache that takes a certificate, too.
    EnvoyRoot,
}

/// A request of a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whose.
    pub pod: PodId,
    /// On which channel.
    pub channel: Channel,
    /// Number of the channel's connection.
    pub serial: u32,
    /// Number of the request of the channel.
    pub number: u32,
    /// When the connection is cut for its age.
    pub closes_at: SimTime,
}

impl Request {
    /// Its pod, and what distinguishes it from the pod's other requests, with a yes or no about it.
    pub(in crate::cluster) fn parts(&self, yes: bool) -> (u64, u64) {
        let Self {
            pod,
            channel,
            serial,
            number,
            closes_at: _,
        } = *self;
        let which = u64::from(serial) << 34 | u64::from(number) << 2 | (channel as u64) << 1 | u64::from(yes);
        (u64::from(pod.0), which)
    }
}

/// An answer of Istiod, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The certificate, or the first configuration.
    Ok,
    /// The token could not be checked, or was refused.
    Unauthenticated,
    /// The connection reached its age before the token was checked, and was cut.
    Unavailable,
    /// Too many new streams.
    ResourceExhausted,
    /// This Istiod does not serve yet: the request is not accepted.
    NotServing,
}

impl Answer {
    /// What it counts as if it is a failure.
    #[must_use]
    pub const fn cause(self) -> DelayCause {
        match self {
            Self::Ok | Self::Unauthenticated | Self::Unavailable => DelayCause::TokenReview,
            Self::ResourceExhausted => DelayCause::IstiodLimiter,
            Self::NotServing => DelayCause::Connection,
        }
    }

    /// What the answer is called.
    #[must_use]
    pub const fn words(self, channel: Channel) -> &'static str {
        match (channel, self) {
            (Channel::Certificate, Self::Ok) => "the certificate",
            (Channel::Configuration, Self::Ok) => "the configuration",
            (_, Self::Unauthenticated) => "Unauthenticated",
            (_, Self::Unavailable | Self::NotServing) => "Unavailable",
            (_, Self::ResourceExhausted) => "ResourceExhausted",
        }
    }
}
