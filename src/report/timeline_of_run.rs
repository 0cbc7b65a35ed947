//! The timeline of one run: from its story to the plain data of a figure.
//!
//! Lanes from top to bottom: who truly holds the address, what the API server has, what the isolated node and a healthy one
//! believe, the node and the endpoint, then per pair of client and server its exposure and its requests. How lanes are drawn belongs to `figures`.

use super::explain::{Told, start_word};
use super::figures::{Lane, Mark, MarkKind, Span, SpanKind, TimelineFigure};
use super::short::seconds;
use crate::cluster::party::{NamedParty, PartyKind};
use crate::cluster::records::{ExposureRecord, Via};
use crate::kernel::SimTime;
use crate::lab::cell::Word;
use crate::lab::lists::unique;
use crate::lab::words::Tone;
use crate::story::dossier::{
    AddressStory, CommandKind, Dossier, Entry, Held, Holder, PodStory, RequestStory, ServiceStory, Viewer,
};

const BEFORE_S: f64 = 10.0;
const AFTER_S: f64 = 15.0;
/// How many slow pods get a lane where no address was reused.
const PODS_MAX: usize = 6;
/// How many faults get a lane.
const FAULTS_MAX: usize = 6;
/// How many events are written above the lanes, the first ones.
const EVENTS_MAX: usize = 16;
/// How many pairs of client and server get a lane.
const PAIRS_MAX: usize = 6;

pub fn figure(told: &Told) -> TimelineFigure {
    let outcome = told.outcome;
    let reused = outcome
        .dossier
        .as_ref()
        .is_some_and(|dossier| !dossier.addresses.is_empty());
    let title = match reused {
        true => format!("One run of {}: what each component believed, and when", told.design),
        false => format!("One run of {}: what happened, and when", told.design),
    };
    let mut figure = TimelineFigure {
        title,
        subtitle: told.subtitle(),
        ..TimelineFigure::default()
    };
    let Some(dossier) = outcome.dossier.as_deref() else {
        return figure;
    };
    if let Some(address) = dossier.addresses.first() {
        of_address(&mut figure, dossier, address);
    }
    fault_lanes(&mut figure, dossier);
    if let Some(service) = &dossier.service {
        figure.lanes.push(endpoint_lane(service));
    }
    figure.lanes.extend(exposure_lanes(dossier));
    figure.lanes.extend(request_lanes(dossier));
    if dossier.addresses.is_empty() {
        figure.lanes.extend(dossier.slow.iter().take(PODS_MAX).map(pod_lane));
    }
    figure.events = events(told, dossier);
    let cut = outcome.run.cut.map_or(0.0, SimTime::as_secs_f64);
    let last = figure.events.iter().map(|(time, _)| *time).fold(cut, f64::max);
    let marks = figure.lanes.iter().flat_map(|lane| &lane.marks).map(|mark| mark.at_s);
    let last = marks.fold(last, f64::max);
    let worst = dossier.exposed.iter().map(|exposed| exposed.window.start.as_secs_f64());
    let last = worst.fold(last, f64::max);
    let pods = dossier
        .slow
        .iter()
        .take(PODS_MAX)
        .map(|pod| pod.record.exit.as_secs_f64());
    let last = if dossier.addresses.is_empty() {
        pods.fold(last, f64::max)
    } else {
        last
    };
    figure.start_s = (cut - BEFORE_S).max(0.0);
    figure.end_s = (last + AFTER_S).min(dossier.setting.horizon.as_secs_f64());
    figure
}

fn span(from: SimTime, to: Option<SimTime>, label: impl Into<String>, kind: SpanKind) -> Span {
    Span {
        start_s: from.as_secs_f64(),
        end_s: to.map(SimTime::as_secs_f64),
        label: label.into(),
        kind,
    }
}

fn lane(label: impl Into<String>, spans: Vec<Span>) -> Lane {
    Lane {
        label: label.into(),
        spans,
        marks: Vec::new(),
    }
}

fn of_address(figure: &mut TimelineFigure, dossier: &Dossier, address: &AddressStory) {
    figure
        .lanes
        .push(lane(format!("{} belongs to", address.ip), truth(address)));
    figure
        .lanes
        .push(lane("in the API server", belief_spans(&address.api, &address.holders)));
    for belief in &address.beliefs {
        let cut = if belief.cut {
            format!(" ({})", belief.how)
        } else {
            String::new()
        };
        let healthy = if belief.cut || dossier.faults.iter().all(|fault| fault.parties.is_empty()) {
            ""
        } else {
            " (healthy)"
        };
        figure.lanes.push(lane(
            format!("{}{cut}{healthy} believes", belief.node),
            belief_spans(&belief.entries, &address.holders),
        ));
    }
}

fn truth(address: &AddressStory) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut free_since: Option<SimTime> = Some(SimTime::ZERO);
    for held in &address.holders {
        if let Some(free) = free_since.filter(|free| *free < held.from) {
            spans.push(span(free, Some(held.from), "no pod", SpanKind::Absent));
        }
        spans.push(span(held.from, held.to, held.what.pod.clone(), SpanKind::Truth));
        free_since = held.to;
    }
    spans.extend(free_since.map(|free| span(free, None, "no pod", SpanKind::Absent)));
    spans
}

/// Spans of a belief, split where the truth changes, so that each is true or not as a whole.
fn belief_spans(history: &[Held<Option<Entry>>], holders: &[Held<Holder>]) -> Vec<Span> {
    let changes = holders.iter().flat_map(|held| [Some(held.from), held.to]).flatten();
    let mut times: Vec<SimTime> = history.iter().map(|held| held.from).chain(changes).collect();
    times.sort_unstable();
    times.dedup();
    let mut spans: Vec<Span> = Vec::new();
    for from in times {
        let Some(belief) = history.iter().rev().find(|held| held.from <= from) else {
            continue;
        };
        let holder = holders
            .iter()
            .find(|held| held.from <= from && held.to.is_none_or(|to| from < to));
        let (label, kind) = match &belief.what {
            None => ("no entry".to_owned(), SpanKind::Absent),
            Some(entry) => {
                let right = holder.is_some_and(|held| held.what.pod == entry.owner);
                let kind = if right { SpanKind::Right } else { SpanKind::Stale };
                (format!("{}, r{}", entry.owner, entry.revision), kind)
            }
        };
        match spans.last_mut() {
            Some(last) if last.label == label && last.kind == kind => {}
            last => {
                if let Some(last) = last {
                    last.end_s = Some(from.as_secs_f64());
                }
                spans.push(span(from, None, label, kind));
            }
        }
    }
    spans
}

/// One lane per party that was cut, by what it is.
/// A lane per fault, with a span each time that it acted.
fn fault_lanes(figure: &mut TimelineFigure, dossier: &Dossier) {
    let names = unique(dossier.faults.iter().map(|fault| fault.fault.as_str()));
    let touched = |name: &&str| {
        let mut of_it = dossier.faults.iter().filter(|fault| fault.fault == **name);
        of_it.any(|fault| fault.begins && !fault.parties.is_empty())
    };
    let names: Vec<&str> = names.into_iter().filter(touched).collect();
    for (number, name) in names.iter().take(FAULTS_MAX).enumerate() {
        let (mut spans, mut acts, mut label) = (Vec::new(), None, (*name).to_owned());
        let mut since = SimTime::ZERO;
        for fault in dossier.faults.iter().filter(|fault| fault.fault == *name) {
            match acts.take() {
                None if fault.begins => {
                    let of_network = |party: &NamedParty| party.kind == PartyKind::Network;
                    if names.len() == 1 && fault.kind.cuts_off() && !fault.parties.iter().any(of_network) {
                        label = "link to the API server".to_owned();
                    }
                    let idle = if spans.is_empty() { "connected" } else { "" };
                    spans.push(span(since, Some(fault.time), idle, SpanKind::Neutral));
                    let short: Vec<String> = fault.parties.iter().map(NamedParty::short).collect();
                    acts = Some((fault.time, format!("{}: {}", fault.kind.words().did, short.join(", "))));
                }
                Some((from, what)) if !fault.begins => {
                    spans.push(span(from, Some(fault.time), what, SpanKind::Broken));
                    since = fault.time;
                }
                // Parties that come to where it acts already.
                still => acts = still,
            }
        }
        spans.extend(acts.map(|(from, what)| span(from, None, what, SpanKind::Broken)));
        let given_up = dossier.given_up.iter().filter(|_| number == 0);
        let marks = given_up.take(EVENTS_MAX).map(|up| Mark {
            at_s: up.at.as_secs_f64(),
            label: format!("{} NotReady", up.node),
            kind: MarkKind::Warning,
        });
        let marks = marks.collect();
        figure.lanes.push(Lane { label, spans, marks });
    }
}

fn endpoint_lane(service: &ServiceStory) -> Lane {
    let viewer = match &service.seen_by {
        Viewer::Node { node } => format!("endpoint, as {node} sees it"),
        Viewer::Proxy { .. } => "endpoint, as the client's proxy sees it".to_owned(),
    };
    let spans = service.backends.iter().map(|held| {
        let (label, kind) = match &held.what {
            None => ("not read yet".to_owned(), SpanKind::Absent),
            Some(names) if names.is_empty() => ("no endpoint".to_owned(), SpanKind::Absent),
            Some(names) => (names.join(", "), SpanKind::Neutral),
        };
        span(held.from, held.to, label, kind)
    });
    lane(viewer, spans.collect())
}

/// A lane per pair of client and server: the exposures of the probed address, and the longest one of the run, which comes
/// first and is always drawn.
fn exposure_lanes(dossier: &Dossier) -> Vec<Lane> {
    let longest = dossier.exposed.iter().map(|exposed| &exposed.window);
    let probed = dossier
        .addresses
        .first()
        .into_iter()
        .flat_map(|address| &address.exposures);
    let mut windows: Vec<&ExposureRecord> = Vec::new();
    for window in longest.chain(probed) {
        if !windows.contains(&window) {
            windows.push(window);
        }
    }
    let pairs = unique(windows.iter().map(|window| (&window.client, &window.server)));
    let of_pair = |(client, server): &(&String, &String)| {
        let own = windows
            .iter()
            .filter(|window| (&window.client, &window.server) == (*client, *server));
        let spans = own.map(|window| {
            let via = match window.via {
                Via::Service => "through the Service",
                Via::PodIp => "by pod IP",
            };
            let what = window.class.words().exposed.map_or("a layer open", |words| words.open);
            let length = match window.end {
                Some(end) => seconds(end.since(window.start).as_secs_f64()),
                None => "to the end of the run".to_owned(),
            };
            span(
                window.start,
                window.end,
                format!("{what} {via}, {length}"),
                SpanKind::Stale,
            )
        });
        lane(format!("{server} open to {client}"), spans.collect())
    };
    pairs.iter().take(PAIRS_MAX).map(of_pair).collect()
}

/// A lane per pair of client and server with the outcomes of its requests after the fault.
fn request_lanes(dossier: &Dossier) -> Vec<Lane> {
    let after = || dossier.requests.iter().filter(|request| request.record.after_cut);
    let pair = |request: &RequestStory| (request.record.client.clone(), request.record.server.clone());
    // The last pair is the one that the run is about.
    let mut pairs: Vec<(String, String)> = unique(after().map(pair));
    let pairs = pairs.split_off(pairs.len().saturating_sub(PAIRS_MAX));
    let of_pair = |of: &(String, String)| Lane {
        label: format!("{} calls {}", of.0, of.1),
        spans: Vec::new(),
        marks: joined(
            after()
                .filter(|request| pair(request) == *of)
                .map(request_mark)
                .collect(),
        ),
    };
    pairs.iter().map(of_pair).collect()
}

fn request_mark(request: &RequestStory) -> Mark {
    let record = &request.record;
    let cause = record.cause.replace('_', " ");
    Mark {
        at_s: (record.time + record.latency).as_secs_f64(),
        label: match request.choice {
            Some(_) => format!("{}: {cause}", record.class.word()),
            None => cause,
        },
        kind: match record.class.words().tone {
            Tone::Good => MarkKind::Good,
            Tone::Bad => MarkKind::Bad,
            Tone::Warning => MarkKind::Warning,
            Tone::Info => MarkKind::Info,
        },
    }
}

/// Equal marks that follow one another become one, with their number.
fn joined(marks: Vec<Mark>) -> Vec<Mark> {
    let mut kept: Vec<(Mark, u32)> = Vec::new();
    for mark in marks {
        match kept.last_mut() {
            Some((last, number)) if last.label == mark.label && last.kind == mark.kind => *number += 1,
            _ => kept.push((mark, 1)),
        }
    }
    kept.into_iter()
        .map(|(mark, number)| match number {
            1 => mark,
            _ => Mark {
                label: format!("{} (first of {number})", mark.label),
                ..mark
            },
        })
        .collect()
}

fn pod_lane(pod: &PodStory) -> Lane {
    let record = &pod.record;
    let mut spans = vec![Span {
        start_s: record.desired.as_secs_f64(),
        end_s: Some(record.exit.as_secs_f64()),
        label: match super::explain::losses_of(pod) {
            lost if record.delays.is_empty() => format!("not ready {lost}"),
            lost => lost,
        },
        kind: SpanKind::Broken,
    }];
    if record.ready.is_some() {
        spans.push(span(record.exit, None, "ready", SpanKind::Neutral));
    }
    lane(record.pod.clone(), spans)
}

fn events(told: &Told, dossier: &Dossier) -> Vec<(f64, String)> {
    let mut events: Vec<(SimTime, String)> = Vec::new();
    let run = &told.outcome.run;
    if let Some(cut) = run.cut {
        let text = match run.parties_cut {
            0 => "no fault",
            _ => start_word(dossier).trim_start_matches("the "),
        };
        events.push((cut, text.to_owned()));
    }
    let after = |time: &SimTime| run.cut.is_some_and(|cut| *time >= cut);
    for command in dossier.script.iter().filter(|command| after(&command.time)) {
        match &command.what {
            CommandKind::Scaled { workload, replicas } => {
                events.push((command.time, format!("{workload} to {replicas}")));
            }
            CommandKind::Restarted { workload } => events.push((command.time, format!("restart {workload}"))),
            _ => {}
        }
    }
    if let Some(address) = dossier.addresses.first() {
        let reuse = address.holders.iter().filter(|held| after(&held.from));
        events.extend(reuse.map(|held| (held.from, "address reused".to_owned())));
    }
    events.extend(run.probed.map(|time| (time, "probe".to_owned())));
    events.extend(
        dossier
            .given_up
            .iter()
            .map(|up| (up.at, format!("{} NotReady", up.node))),
    );
    if dossier.service.is_some() {
        events.extend(
            run.endpoint_withdrawn
                .map(|time| (time, "endpoint withdrawn".to_owned())),
        );
    }
    events.sort_by_key(|(time, _)| *time);
    events
        .into_iter()
        .take(EVENTS_MAX)
        .map(|(time, text)| (time.as_secs_f64(), text))
        .collect()
}
