//! The items of a trace, each on its track: messages, spans, moments.

use crate::kernel::SimTime;
use crate::report::explain::{Told, command_words};
use crate::story::timeline::{API_SERVER, CONTROL_PLANE, FAULTS, NODE_LIFECYCLE, SCRIPT, SpanKind, Timeline, Track};

#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A message; lost if it never arrived.
    Message {
        from: usize,
        to: usize,
        sent: SimTime,
        arrives: Option<SimTime>,
        what: String,
    },
    /// A span; open at the end of the run if so marked.
    Span {
        track: usize,
        from: SimTime,
        to: SimTime,
        open: bool,
        kind: &'static str,
        what: String,
    },
    Moment {
        track: usize,
        time: SimTime,
        what: String,
    },
}

impl Item {
    pub(super) const fn begins(&self) -> SimTime {
        match self {
            Self::Message { sent, .. } => *sent,
            Self::Span { from, .. } => *from,
            Self::Moment { time, .. } => *time,
        }
    }

    pub(super) fn ends(&self) -> SimTime {
        match self {
            Self::Message { sent, arrives, .. } => arrives.unwrap_or(*sent),
            Self::Span { to, .. } => *to,
            Self::Moment { time, .. } => *time,
        }
    }

    /// Events that it takes: a message that arrives has two ends and a flow between them.
    pub(super) const fn events(&self) -> u64 {
        match self {
            Self::Message { arrives: Some(_), .. } => 4,
            Self::Span { .. } => 2,
            Self::Message { arrives: None, .. } | Self::Moment { .. } => 1,
        }
    }

    pub(super) fn touches(&self, chosen: &[bool]) -> bool {
        match self {
            Self::Message { from, to, .. } => chosen[*from] || chosen[*to],
            Self::Span { track, .. } | Self::Moment { track, .. } => chosen[*track],
        }
    }

    /// Whether some of it lies between two times.
    pub(super) fn is_within(&self, from: Option<SimTime>, to: Option<SimTime>) -> bool {
        from.is_none_or(|from| self.ends() >= from) && to.is_none_or(|to| self.begins() <= to)
    }
}

/// The tracks of a timeline, with those that the dossier's own facts stand on.
pub(super) fn tracks_of(timeline: &Timeline) -> Vec<Track> {
    let mut tracks = timeline.tracks.clone();
    for name in [API_SERVER, FAULTS, SCRIPT, NODE_LIFECYCLE] {
        let track = Track {
            group: CONTROL_PLANE.to_owned(),
            name: name.to_owned(),
        };
        if !tracks.contains(&track) {
            tracks.push(track);
        }
    }
    tracks
}

/// Everything that happened in a run up to `end`.
pub(super) fn items(told: &Told, tracks: &[Track], end: SimTime) -> Vec<Item> {
    let Some(dossier) = told.outcome.dossier.as_deref() else {
        return Vec::new();
    };
    let timeline = &dossier.timeline;
    let mut items: Vec<Item> = Vec::new();
    items.extend(
        timeline
            .messages
            .iter()
            .filter(|message| message.sent <= end)
            .map(|message| Item::Message {
                from: message.from,
                to: message.to,
                sent: message.sent,
                arrives: message.arrives.filter(|arrives| *arrives <= end),
                what: message.what.clone(),
            }),
    );
    items.extend(
        timeline
            .spans
            .iter()
            .filter(|span| span.from <= end)
            .map(|span| Item::Span {
                track: span.track,
                from: span.from,
                to: span.to.unwrap_or(end).min(end),
                open: span.to.is_none_or(|to| to > end),
                kind: kind_word(span.kind),
                what: span.what.clone(),
            }),
    );
    items.extend(timeline.decisions.iter().map(|decision| Item::Moment {
        track: decision.track,
        time: decision.time,
        what: decision.what.clone(),
    }));
    let of = |name: &str| {
        tracks
            .iter()
            .position(|track| track.group == CONTROL_PLANE && track.name == name)
    };
    if let Some(track) = of(SCRIPT) {
        items.extend(dossier.script.iter().map(|command| Item::Moment {
            track,
            time: command.time,
            what: command_words(command),
        }));
    }
    if let Some(track) = of(FAULTS) {
        items.extend(dossier.faults.iter().map(|fault| Item::Moment {
            track,
            time: fault.time,
            what: match (fault.begins, fault.parties.is_empty()) {
                (true, true) => format!("{} begins and touches nothing", fault.fault),
                (true, false) => format!("{} {} {}", fault.fault, fault.verb(), fault.whom().join(", ")),
                (false, _) => format!("{} ends", fault.fault),
            },
        }));
    }
    if let Some(track) = of(NODE_LIFECYCLE) {
        for up in &dossier.given_up {
            let given = (up.at, format!("marks {} NotReady", up.node));
            let returned = up.returned.map(|time| (time, format!("{} is ready again", up.node)));
            for (time, what) in std::iter::once(given).chain(returned) {
                items.push(Item::Moment { track, time, what });
            }
        }
    }
    items.retain(|item| item.ends() <= end);
    items
}

const fn kind_word(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Fault(noun) => noun,
        SpanKind::Phase => "startup phase",
        SpanKind::Connection => "connection",
        SpanKind::Wait => "wait",
        SpanKind::Review => "token review",
        SpanKind::Request => "request",
    }
}
