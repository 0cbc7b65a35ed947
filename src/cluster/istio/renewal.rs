//! A certificate from its signature to its renewal, and the token that it costs, each by the clock of whoever dates or checks it.
//!
//! **Modeled**: dates by the clock of the Istiod; the renewal, which pilot-agent schedules when the certificate comes: at a share of what
//! is then left of its life by the clock of its node, with a jitter from 1.24 on; a token that the API server checks by its own clock
//! against the dates that an API server wrote when it issued it.
//! **Left out**: refresh of tokens by the kubelet, due after 80% of 12 h; steps of a clock move no renewal that is scheduled, as in
//! reality (the agent's timer is monotonic). A certificate that has expired when it comes is renewed after a second; in reality at once.
//! **Parameters**: `certificate_lifetime`, `certificate_back_dating`, `certificate_renewal_*`, `token_lifetime`, `token_clock_leeway`.
//! **Validated by**: `tests/world/clock_skew.rs`. Sources: `docs/model/istio.md#certificates-and-clocks`.

use super::certificates::Certificate;
use crate::cluster::clocks::{Offset, shown};
use crate::cluster::context::Ctx;
use crate::cluster::event::Source;
use crate::cluster::faults::clock_skew::ClocksOff;
use crate::cluster::ids::{FaultId, IstiodId, NodeId, PodId};
use crate::cluster::observed::ReviewFailure;
use crate::cluster::party::Party;
use crate::cluster::purpose::Purpose;
use crate::kernel::{SimDuration, SimTime};

/// The shortest time between two certificates of a sidecar.
const RENEWAL_MIN: SimDuration = SimDuration::from_secs(1);

impl ClocksOff for Ctx<'_> {
    fn set_clock_off(&mut self, party: Party, by: Offset, fault: FaultId) {
        self.shared.clocks.set_off(party, by, fault);
        self.clock_changed(party);
    }

    fn correct_clock(&mut self, party: Party, fault: FaultId) {
        self.shared.clocks.correct(party, fault);
        self.clock_changed(party);
    }
}

impl Ctx<'_> {
    /// Handshakes end otherwise on a node whose clock was set.
    fn clock_changed(&mut self, party: Party) {
        if let Party::Node(node) = party {
            self.reads_again(Source::Fault, node);
        }
    }

    /// An Istiod signs a certificate for a pod.
    pub fn signs_certificate(&mut self, istiod: IstiodId, pod: PodId) {
        let clocks = &self.shared.clocks;
        let offset = if clocks.are_right() {
            Offset::default()
        } else {
            let node = self
                .shared
                .istiod_pod(istiod)
                .and_then(|pod| self.shared.physics.pod(pod).place);
            let of_node = node.map(|(node, _)| Party::Node(node));
            let parties: Vec<Party> = of_node.into_iter().chain([Party::IstiodProcess(istiod)]).collect();
            clocks.offset(&parties)
        };
        let now = shown(offset, self.now());
        let params = &self.blueprint().istio().params;
        let certificate = Certificate {
            signer: istiod,
            not_before: now.minus(params.certificate_back_dating),
            not_after: now.plus(params.certificate_lifetime),
        };
        self.shared.certificates.sign(pod, certificate);
    }

    /// The certificate of this number has reached a pod; when it is to be renewed, if that is in the run.
    pub fn takes_up_certificate(&mut self, pod: PodId, number: u32) -> Option<SimTime> {
        let certificate = self.shared.certificates.take_up(pod)?;
        let (node, _) = self.shared.physics.pod(pod).place?;
        let left = certificate
            .not_after
            .since(self.shared.clocks.shown(Party::Node(node), self.now()));
        let at = self.now() + self.renewed_after(pod, number, left);
        (at < self.blueprint().spec.horizon).then_some(at)
    }

    /// How long after it has come the certificate of this number is renewed, if so much of its life is left then.
    fn renewed_after(&self, pod: PodId, number: u32, left: SimDuration) -> SimDuration {
        let params = &self.blueprint().istio().params;
        let (share, jitter) = (
            params.certificate_renewal_ratio,
            params.certificate_renewal_jitter_ratio,
        );
        let key = self.shared.key(pod).child(u64::from(number));
        let around = self.stream(Purpose::CertificateRenewal, key).uniform() * 2.0 - 1.0;
        let share = (share + jitter * around).clamp(0.0, 1.0);
        left.scale(1.0 - share).max(RENEWAL_MIN)
    }

    /// A pod had its first certificate, signed by this Istiod, when the run began: its age is uniform on the time from one to the
    /// next. Gives the age, and when it is to be renewed, if that is in the run.
    pub fn has_certificate(&mut self, istiod: IstiodId, pod: PodId) -> (SimDuration, Option<SimTime>) {
        let lifetime = self.blueprint().istio().params.certificate_lifetime;
        let period = self.renewed_after(pod, 0, lifetime);
        let key = self.shared.key(pod).named("certificate");
        let age = self.stream(Purpose::AgeAtBegin, key).up_to(period);
        let signed = shown(Offset::default(), SimTime::ZERO).minus(age);
        let certificate = Certificate {
            signer: istiod,
            not_before: signed.minus(self.blueprint().istio().params.certificate_back_dating),
            not_after: signed.plus(lifetime),
        };
        self.shared.certificates.sign(pod, certificate);
        self.shared.certificates.take_up(pod);
        let at = SimTime::ZERO + period.saturating_sub(age);
        (age, (at < self.blueprint().spec.horizon).then_some(at))
    }

    /// The kubelet of a node has the token of a pod issued, after a wait.
    pub fn token_is_issued(&mut self, node: NodeId, pod: PodId, wait: SimDuration) {
        let server = Party::ApiServer(self.api_server_of(Party::Kubelet(node)));
        let reading = self.shared.clocks.shown(server, self.now() + wait);
        self.shared.clocks.token_issued(pod, reading);
    }

    /// Why the API server of an Istiod refuses the token of a pod, if it does.
    #[must_use]
    pub fn token_refused(&self, istiod: IstiodId, pod: PodId) -> Option<ReviewFailure> {
        // A token is bound to its pod: once the pod is gone it is refused (`docs/model/kubernetes.md#service-account-tokens`).
        if self.shared.api.pod(pod).is_none() {
            return Some(ReviewFailure::PodGone);
        }
        let issued = self.shared.clocks.issued(pod)?;
        let server = Party::ApiServer(self.api_server_of(Party::Istiod(istiod)));
        let now = self.shared.clocks.shown(server, self.now());
        let spec = &self.blueprint().spec;
        let leeway = spec.kubernetes.token_clock_leeway;
        if now.plus(leeway) < issued {
            return Some(ReviewFailure::TokenNotYetValid);
        }
        let expires = issued.plus(self.blueprint().istio().params.token_lifetime);
        (now.minus(leeway) > expires).then_some(ReviewFailure::TokenExpired)
    }
}

/// When the validity of one of two certificates changes next by the clock of the other side, if clocks stay as they are.
#[must_use]
pub fn handshake_changes(ctx: &Ctx, client: PodId, server: PodId) -> Option<SimTime> {
    let changes = [(server, client), (client, server)].into_iter().flat_map(|(of, by)| {
        let certificate = ctx.shared.certificates.of(of);
        let clock = ctx.shared.physics.pod(by).place.map(|(node, _)| Party::Node(node));
        let dates = certificate.map(|certificate| [certificate.not_before, certificate.not_after.plus(TICK)]);
        let dates = dates.into_iter().flatten();
        dates.filter_map(move |date| clock.map(|clock| ctx.shared.clocks.time_of(clock, date)))
    });
    changes
        .filter(|at| *at > ctx.now() && *at < ctx.blueprint().spec.horizon)
        .min()
}

/// A certificate is still valid at its last date.
const TICK: SimDuration = SimDuration::from_nanos(1);
