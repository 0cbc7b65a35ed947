//! Words of the section on slow pods: mechanisms, phases, what happened on a connection.

use super::page::{at, span};
use super::request::correction_words;
use super::timeline::fate_words;
use crate::cluster::istio::messages::Answer;
use crate::cluster::observed::{ReviewFailure, Wait};
use crate::cluster::phases::PHASES;
use crate::cluster::records::{DelayCause, PodRecord};
use crate::kernel::{SimDuration, SimTime};
use crate::lab::lists::unique;
use crate::report::text::{list, many};
use crate::story::dossier::{Asked, ConnectionStory, Correction, Dossier, HeldUp, HeldUpBy, PodStory, SynFate};

/// Why pods were slow.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason<'d> {
    /// Nothing explains it; the longest phase.
    Unexplained(&'d str),
    /// The longest phase waited for a node, or for something on which a fault acted.
    HeldUp(&'d HeldUp),
    /// A mechanism that is measured cost most; nothing if none cost enough.
    Lost(Option<DelayCause>),
}

impl<'d> Reason<'d> {
    pub(super) fn of(pod: &'d PodStory) -> Self {
        match (pod.record.delayed_by, &pod.held_up, pod.unexplained) {
            (None, _, Some(found)) => Self::Unexplained(found.phase),
            (None, Some(held), None) => Self::HeldUp(held),
            (cause, ..) => Self::Lost(cause),
        }
    }

    /// Pods with the same are in one paragraph; those without a measured cause come last.
    pub(super) fn order(self) -> (Option<DelayCause>, u8, String) {
        match self {
            Self::Lost(cause) => (cause, 0, String::new()),
            Self::HeldUp(held) => (None, 1, format!("{} {}", held.phase, by_words(held))),
            Self::Unexplained(phase) => (None, 2, phase.to_owned()),
        }
    }
}

/// What held a start up, in few words.
pub(super) fn by_words(held: &HeldUp) -> String {
    match &held.by {
        HeldUpBy::Fault { fault, .. } => fault.clone(),
        HeldUpBy::NoNode { .. } => "no node".to_owned(),
    }
}

/// One paragraph about a reason and the pods that it delayed.
pub(super) fn mechanism(reason: Reason, pods: &[&PodStory], dossier: &Dossier) -> String {
    let mesh = dossier.setting.mesh;
    let number = many(pods.len(), "pod");
    let cause = match reason {
        Reason::Lost(cause) => cause,
        Reason::HeldUp(_) | Reason::Unexplained(_) => None,
    };
    let text = match (cause, reason) {
        (_, Reason::Unexplained(phase)) => unexplained(phase, pods, dossier),
        (_, Reason::HeldUp(held)) => held_up(held, pods, &number),
        (Some(DelayCause::TokenReview), _) => {
            let dial = mesh.map_or(SimDuration::ZERO, |mesh| mesh.api_dial_timeout);
            let again = match mesh.map(|mesh| mesh.certificate_dials_anew) {
                Some(true) => "the sidecar then dials anew and may meet another one",
                _ => {
                    "a certificate request then goes to the same Istiod again, as its connection is kept; a stream dials anew"
                }
            };
            format!(
                "A TokenReview that hung (A) delayed {number}. The Istiod was still an endpoint of its Service and accepted the \
                 connection, but could not check the token with the API server. A review in flight when the link was cut, or \
                 sent before the dead connection was noticed, failed when that was noticed; each later one failed after {} \
                 of dialing, and {again}.",
                span(dial)
            )
        }
        (Some(DelayCause::BlackHole), _) => {
            let connect = mesh.map_or(SimDuration::ZERO, |mesh| mesh.connect_timeout);
            format!(
                "A black hole (B) delayed {number}. The Istiod's node did not list the pod's address for the pod's node \
                 among its WireGuard peers, since its agent had not read the new CiliumEndpoint, and dropped every SYN \
                 silently; the connect timed out after {}, and the next one chose an Istiod anew.",
                span(connect)
            )
        }
        (Some(DelayCause::Connection), _) => format!(
            "A connection that failed otherwise delayed {number}: no Istiod behind the Service, a process that was gone, or \
             a policy."
        ),
        (Some(DelayCause::Webhook), _) => format!(
            "The injection webhook (D) delayed {number}: the API server called an Istiod that it did not reach, and refused \
             to create the pod until it called another one."
        ),
        (Some(DelayCause::EndpointLimiter), _) => {
            format!(
                "Cilium's limiter of endpoint creations delayed {number}: too many pods started on one node at once."
            )
        }
        (Some(DelayCause::IstiodLimiter), _) => format!("An Istiod refused {number} for its own limits."),
        (Some(DelayCause::KubeletApi), _) => format!(
            "The kubelet's limit of API requests (E) delayed {number}: tokens and statuses of all pods of a node share its \
             client, so that those of a batch wait for one another. It needs no failure."
        ),
        (Some(DelayCause::Node), _) => format!(
            "A node that could start no pod (F) delayed {number}: they were bound to it while its kubelet or Cilium agent did not work or \
             had no API server."
        ),
        (None, _) => format!(
            "{} took that long without having lost it to connections of the critical channel alone.",
            number[..1].to_uppercase() + &number[1..]
        ),
    };
    let names: Vec<&str> = pods.iter().take(8).map(|pod| pod.record.pod.as_str()).collect();
    let more = if pods.len() > 8 { " …" } else { "" };
    format!("{text} ({}{more})", names.join(", "))
}

/// The pods whose longest phase waited for a node, or for something on which a fault acted.
fn held_up(held: &HeldUp, pods: &[&PodStory], number: &str) -> String {
    let took = pods.iter().filter_map(|pod| pod.held_up.as_ref()).map(|held| held.took);
    let range = spans(took);
    match &held.by {
        HeldUpBy::Fault { fault, .. } => {
            format!(
                "{fault} delayed {number}: the longest phase, {} ({range}), waits for what that fault touches.",
                held.phase
            )
        }
        HeldUpBy::NoNode { why } => format!("No node could take {number} for {range}: {why}."),
    }
}

/// The shortest and the longest of spans.
fn spans(took: impl Iterator<Item = SimDuration> + Clone) -> String {
    let (least, most) = (took.clone().min().unwrap_or_default(), took.max().unwrap_or_default());
    match (span(least), span(most)) {
        (least, most) if least == most => least,
        (least, most) => format!("{least} to {most}"),
    }
}

/// The pods of one longest phase that no mechanism explains.
fn unexplained(phase: &str, pods: &[&PodStory], dossier: &Dossier) -> String {
    let range = spans(pods.iter().filter_map(|pod| pod.unexplained).map(|phase| phase.took));
    format!(
        "Unexplained: no known mechanism explains why {} took {} or more, as connections, limits, refusals and nodes that started no pods cost less than \
         half of what is beyond that. The longest phase was {phase} ({range}).",
        many(pods.len(), "pod"),
        span(dossier.setting.delayed_threshold)
    )
}

/// Where a pod's time went, phase by phase.
pub(super) fn phases(record: &PodRecord) -> String {
    let words: Vec<String> = PHASES
        .iter()
        .zip(record.phases.0)
        .filter_map(|(phase, spent)| Some((phase.words, spent?)))
        .filter(|(_, spent)| spent.as_nanos() > 0)
        .map(|(name, spent)| format!("{name} {}", span(spent)))
        .collect();
    list(&words)
}

pub(super) fn syns_of(connection: &ConnectionStory) -> Vec<String> {
    let lost: Vec<_> = connection
        .syns
        .iter()
        .filter(|syn| syn.fate != SynFate::Delivered)
        .collect();
    let mut parts = Vec::new();
    if let Some(first) = lost.first() {
        let where_lost = match (&connection.istiod, first.fate) {
            (Some((_, node)), SynFate::WireGuardPeer) => format!("dropped by {node}'s WireGuard"),
            (_, fate) => fate_words(fate).to_owned(),
        };
        parts.push(format!("{} {where_lost}", many(lost.len(), "SYN")));
    }
    if let Some(belief) = &connection.belief {
        let entry = match &belief.entry {
            Some(entry) => format!("it had {} as {} on {}", belief.ip, entry.owner, entry.node),
            None => format!("it had no entry for {}", belief.ip),
        };
        let why = match &belief.correction {
            Correction::Frozen {
                since, cut_off: true, ..
            } => format!("cut off since {}", at(*since)),
            Correction::Frozen { since, .. } => format!("behind since {}", at(*since)),
            _ => {
                let words = correction_words(belief);
                words.trim_end_matches('.').replacen("Not yet: ", "", 1)
            }
        };
        parts.push(format!("{entry}, {why}"));
    }
    if let Some(connected) = connection.connected
        && !lost.is_empty()
    {
        parts.push(format!("connected at {}", at(connected)));
    }
    parts
}

/// Requests on a connection; equal failures are listed once.
pub(super) fn asked_words(connection: &ConnectionStory) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let failed: Vec<&Asked> = connection.asked.iter().filter(|asked| asked.review.is_some()).collect();
    if failed.len() > 3 {
        for asked in &failed[..2] {
            parts.push(one_asked(asked));
        }
        let last = failed[failed.len() - 1];
        parts.push(format!(
            "{} more like that on the same connection, the last sent at {}",
            failed.len() - 2,
            at(last.sent)
        ));
    } else {
        parts.extend(failed.iter().map(|asked| one_asked(asked)));
    }
    let others = connection.asked.iter().filter(|asked| asked.review.is_none());
    parts.extend(others.map(one_asked));
    parts
}

fn one_asked(asked: &Asked) -> String {
    let review = asked.review.map(|(from, until, how)| {
        let spent = span(until.since(from));
        match how {
            ReviewFailure::DeadConnection => format!(
                "asked at {}; its TokenReview depended on a dead connection for {spent}, until {}",
                at(asked.sent),
                at(until)
            ),
            ReviewFailure::DialTimeout => format!(
                "asked at {}; its TokenReview could not reach the API server for {spent}, until {}",
                at(asked.sent),
                at(until)
            ),
            ReviewFailure::Rejected => {
                format!(
                    "asked at {}; its TokenReview was rejected after {spent}",
                    at(asked.sent)
                )
            }
            ReviewFailure::Late => format!(
                "asked at {}; its TokenReview waited {spent} until the repair reached the connection at {}",
                at(asked.sent),
                at(until)
            ),
            ReviewFailure::Queued => format!(
                "asked at {}; its TokenReview waited {spent} at the API server under load, until {}",
                at(asked.sent),
                at(until)
            ),
            ReviewFailure::TooManyRequests => format!(
                "asked at {}; its TokenReview and its repetitions were refused with too many requests for {spent}, until {}",
                at(asked.sent),
                at(until)
            ),
            ReviewFailure::PodGone => format!("asked at {}; the pod was gone", at(asked.sent)),
            ReviewFailure::TokenNotYetValid => format!(
                "asked at {}; the token was not yet valid by the clock of the API server",
                at(asked.sent)
            ),
            ReviewFailure::TokenExpired => format!(
                "asked at {}; the token had expired by the clock of the API server",
                at(asked.sent)
            ),
        }
    });
    let answer = match asked.answered {
        Some((time, Answer::Ok)) => format!("answered at {}", at(time)),
        Some((time, Answer::Unauthenticated)) => format!("answered Unauthenticated at {}", at(time)),
        Some((time, Answer::Unavailable)) => format!("cut at {}", at(time)),
        Some((time, Answer::NotServing)) => format!("refused by an Istiod that does not serve yet at {}", at(time)),
        Some((time, Answer::ResourceExhausted)) => format!("refused for Istiod's limits at {}", at(time)),
        None => "never answered".to_owned(),
    };
    match review {
        Some(review) => format!("{review}; {answer}"),
        None => answer,
    }
}

pub(super) fn wait_words(connection: &ConnectionStory) -> String {
    let Some(last) = connection.waits.iter().map(|wait| wait.until).max() else {
        return String::new();
    };
    let first: SimTime = connection.waits[0].from;
    let kinds = unique(connection.waits.iter().map(|wait| match wait.what {
        Wait::Attempt => "between attempts",
        Wait::Channel => "of the channel",
        Wait::WarmUp => "of the warm-up loop",
        Wait::EnvoySecret => "of Envoy's secret stream",
        Wait::EnvoyStream => "of Envoy's stream",
    }));
    if connection.waits.len() == 1 {
        format!("back-off {} {}", kinds[0], span(last.since(first)))
    } else {
        format!("{} back-offs, {}", connection.waits.len(), list(&kinds))
    }
}
