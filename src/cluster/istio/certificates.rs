//! The certificates of sidecars: from when to when each is valid, by the clock of whoever checks it.
//!
//! **Modeled**: an Istiod dates a certificate by its own clock, back by a grace period, and ends it after its lifetime; in a new
//! connection between two sidecars each side checks the other's certificate by the clock of its own node; a certificate that has
//! expired stays in use until another one comes.
//! **Left out**: expiry of the certificates of Istiods and of the root; open connections, which are not checked again.
//! **Parameters**: `certificate_lifetime`, `certificate_back_dating`. **Validated by**: `tests/world/clock_skew.rs`.
//! Sources: `docs/model/istio.md#certificates-and-clocks`.

use crate::cluster::clocks::Reading;
use crate::cluster::ids::{IstiodId, PodId};

/// A certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Who signed it.
    pub signer: IstiodId,
    /// It is valid from then on.
    pub not_before: Reading,
    /// It is valid until then.
    pub not_after: Reading,
}

impl Certificate {
    /// What is wrong with it by a clock that shows this.
    #[must_use]
    pub fn invalid_at(&self, shown: Reading) -> Option<Invalid> {
        if shown < self.not_before {
            Some(Invalid::NotYetValid)
        } else {
            (shown > self.not_after).then_some(Invalid::Expired)
        }
    }
}

/// Why a certificate is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It is valid only later.
    NotYetValid,
    /// It is no longer valid.
    Expired,
}

impl Invalid {
    /// The cause of a request that is refused for it.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::NotYetValid => "certificate_not_yet_valid",
            Self::Expired => "certificate_expired",
        }
    }

    /// What the certificate is, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotYetValid => "not yet valid",
            Self::Expired => "expired",
        }
    }
}

/// A handshake between two sidecars that one of them refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whose certificate was refused.
    pub of: PodId,
    /// By whom.
    pub by: PodId,
    /// Why.
    pub why: Invalid,
    /// Which Istiod had signed it.
    pub signer: IstiodId,
}

/// The certificates of all sidecars.
#[derive(Debug, Default)]
pub struct Certificates {
    /// Those in use, by pod.
    used: Vec<Option<Certificate>>,
    /// Those that were signed last, by pod.
    signed: Vec<Option<Certificate>>,
}

impl Certificates {
    /// An Istiod has signed one for a pod.
    pub fn sign(&mut self, pod: PodId, certificate: Certificate) {
        put(&mut self.signed, pod, certificate);
    }

    /// The one that was signed for a pod last has reached it: it is in use from now on.
    pub fn take_up(&mut self, pod: PodId) -> Option<Certificate> {
        let certificate = self.signed.get_mut(pod.index())?.take()?;
        put(&mut self.used, pod, certificate);
        Some(certificate)
    }

    /// The one that a pod shows.
    #[must_use]
    pub fn of(&self, pod: PodId) -> Option<&Certificate> {
        self.used.get(pod.index())?.as_ref()
    }
}

fn put(all: &mut Vec<Option<Certificate>>, pod: PodId, certificate: Certificate) {
    if all.len() <= pod.index() {
        all.resize(pod.index() + 1, None);
    }
    all[pod.index()] = Some(certificate);
}
