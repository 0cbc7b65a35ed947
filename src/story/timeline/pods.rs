//! Phases of starting pods, and what their sidecars waited for.

use std::collections::BTreeMap;

use super::{Making, Span, SpanKind};
use crate::cluster::ids::{IstiodId, PodId};
use crate::cluster::istio::messages::Channel;
use crate::cluster::observed::{ChannelFact, Fact, ReviewFailure, Wait};
use crate::cluster::phases::PHASES;
use crate::cluster::records::PodRecord;
use crate::kernel::SimTime;

/// The start of every pod, phase after phase; the last one is open if the pod never got through it.
pub(super) fn phases(making: &mut Making, records: &[PodRecord]) {
    let api = &making.past.shared.api;
    let started = (0..making.past.shared.pods.len() as u32).map(PodId);
    for (pod, record) in started.filter(|pod| !api.ran_before(*pod)).zip(records) {
        let track = making.pod(pod);
        let mut from = record.desired;
        for (phase, length) in PHASES.iter().zip(record.phases.0) {
            let Some(length) = length else { continue };
            making.timeline.spans.push(Span {
                track,
                from,
                to: Some(from + length),
                kind: SpanKind::Phase,
                what: phase.words.to_owned(),
            });
            from += length;
        }
        if record.ready.is_none() && from < record.exit {
            making.timeline.spans.push(Span {
                track,
                from,
                to: Some(record.exit),
                kind: SpanKind::Phase,
                what: "not ready".to_owned(),
            });
        }
    }
}

/// A channel of a sidecar and its connections so far.
struct ChannelState {
    pod: PodId,
    channel: Channel,
    istiod: Option<IstiodId>,
    dialled: Option<SimTime>,
}

/// Connections, waits and failing reviews of every channel.
pub(super) fn channels(making: &mut Making) {
    let past = making.past;
    let mut states: Vec<ChannelState> = Vec::new();
    let mut numbers: BTreeMap<(PodId, u8), usize> = BTreeMap::new();
    for (time, fact) in past.story.facts() {
        let Fact::Channel(pod, channel, fact) = fact else {
            continue;
        };
        let number = *numbers.entry((*pod, *channel as u8)).or_insert_with(|| {
            states.push(ChannelState {
                pod: *pod,
                channel: *channel,
                istiod: None,
                dialled: None,
            });
            states.len() - 1
        });
        one(making, &mut states[number], time, fact);
    }
}

fn one(making: &mut Making, state: &mut ChannelState, time: SimTime, fact: &ChannelFact) {
    let track = making.pod(state.pod);
    let channel = state.channel.name();
    let span = |making: &mut Making, track, from, to, kind, what| {
        making.timeline.spans.push(Span {
            track,
            from,
            to: Some(to),
            kind,
            what,
        });
    };
    match fact {
        ChannelFact::Dialled(istiod, ..) => {
            state.istiod = Some(*istiod);
            state.dialled = Some(time);
        }
        ChannelFact::Connected(_) | ChannelFact::TimedOut(..) => {
            if let (Some(from), Some(istiod)) = (state.dialled.take(), state.istiod) {
                let how = match fact {
                    ChannelFact::TimedOut(..) => ": no answer",
                    _ => "",
                };
                let what = format!("{channel}: connects to {istiod}{how}");
                span(making, track, from, time, SpanKind::Connection, what);
            }
        }
        ChannelFact::ReviewFails(..)
        | ChannelFact::ReviewWaited(_)
        | ChannelFact::ReviewQueued(_)
        | ChannelFact::Unauthenticated(..) => {
            if let (Some(istiod), Some((from, until, how))) = (state.istiod, fact.failing_review(time)) {
                let pod = making.past.shared.pod_name(state.pod);
                let how = match how {
                    ReviewFailure::DeadConnection => "depends on a dead connection",
                    ReviewFailure::DialTimeout => "dials the API server in vain",
                    ReviewFailure::Rejected => "is rejected",
                    ReviewFailure::Late => "waits for the repair",
                    ReviewFailure::Queued => "waits at the API server under load",
                    ReviewFailure::TooManyRequests => "is refused with too many requests",
                    ReviewFailure::PodGone => "finds the pod gone",
                    ReviewFailure::TokenNotYetValid => "finds the token not yet valid",
                    ReviewFailure::TokenExpired => "finds the token expired",
                };
                let track = making.istiod(istiod);
                let until = until.min(making.past.end);
                if matches!(fact, ChannelFact::ReviewWaited(_)) {
                    // It was said to fail later.
                    let spans = &mut making.timeline.spans;
                    let said = |span: &Span| span.track == track && span.kind == SpanKind::Review && span.from == from;
                    if let Some(place) = spans.iter().rposition(said) {
                        spans.remove(place);
                    }
                }
                span(
                    making,
                    track,
                    from,
                    until,
                    SpanKind::Review,
                    format!("TokenReview of {pod} {how}"),
                );
            }
        }
        ChannelFact::Waits(what, until) => {
            let name = match what {
                Wait::Attempt => "between attempts",
                Wait::Channel => "of the channel",
                Wait::WarmUp => "of the warm-up loop",
                Wait::EnvoySecret => "of Envoy's secret stream",
                Wait::EnvoyStream => "of Envoy's stream",
            };
            let until = (*until).min(making.past.end);
            span(
                making,
                track,
                time,
                until,
                SpanKind::Wait,
                format!("{channel}: back-off {name}"),
            );
        }
        ChannelFact::NoEndpoint => making.decision(
            track,
            time,
            format!("{channel}: the service proxy has no endpoint of Istiod"),
        ),
        ChannelFact::Asked(false) => {
            making.decision(track, time, format!("{channel}: a query to CoreDNS gets no answer"))
        }
        ChannelFact::NotResolved => making.decision(track, time, format!("{channel}: Istiod's name is not resolved")),
        ChannelFact::Aged => making.decision(track, time, format!("{channel}: closed for its age")),
        ChannelFact::Attempt
        | ChannelFact::Asked(true)
        | ChannelFact::Refused
        | ChannelFact::Syn(_)
        | ChannelFact::Sent
        | ChannelFact::Answered(_) => {}
    }
}
