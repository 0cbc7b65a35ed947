//! Slow pods: one line each, then one paragraph per mechanism with a pod as its example, connection by connection.

use std::collections::BTreeMap;

use super::page::{Page, at, span};
use super::slow_words::{Reason, asked_words, by_words, mechanism, phases, syns_of, wait_words};
use crate::cluster::istio::messages::Answer;
use crate::cluster::records::{DelayCause, ExitCause};
use crate::kernel::SimDuration;
use crate::report::text::{list, many};
use crate::story::dossier::{ChannelName, ChannelStory, ConnectionStory, Dossier, PodStory};

/// How many pods are listed; the JSON form has all of them.
const LISTED_MAX: usize = 40;
const CONNECTIONS_MAX: usize = 12;

pub(super) fn section(page: &mut Page, dossier: &Dossier) {
    let threshold = span(dossier.setting.delayed_threshold);
    let total = many(dossier.measured_pods as usize, "measured pod");
    if dossier.slow.is_empty() {
        page.paragraph(&format!(
            "None of {total}: each was ready or deleted within {threshold} of its creation, and lost less than that to \
             connections, limits, refusals and nodes that started no pods."
        ));
        return;
    }
    page.paragraph(&format!(
        "{} of {total} took {threshold} or more, or lost as much to the causes below. The last two columns list the Istiods that \
         a channel connected to, in parentheses where that failed; the channel marked * came last. Lost is the time of the costliest \
         cause before Ready, with that of the others in parentheses. Times count from the creation of the pod.",
        dossier.slow.len()
    ));
    table(page, &dossier.slow);
    let mut by_reason: BTreeMap<_, Vec<&PodStory>> = BTreeMap::new();
    for pod in &dossier.slow {
        by_reason.entry(Reason::of(pod).order()).or_default().push(pod);
    }
    for pods in by_reason.values().rev() {
        page.blank();
        page.paragraph(&mechanism(Reason::of(pods[0]), pods, dossier));
        // The example is the pod that lost most; of equals, the first.
        let worst = |pod: &&&PodStory| {
            (
                pod.record.exit.since(pod.record.desired),
                std::cmp::Reverse(pod.record.desired),
            )
        };
        if let Some(example) = pods.iter().max_by_key(worst) {
            in_full(page, example);
        }
    }
}

fn table(page: &mut Page, pods: &[PodStory]) {
    let mut rows = vec![[
        "pod".to_owned(),
        "outcome".to_owned(),
        "lost to".to_owned(),
        "certificate".to_owned(),
        "configuration".to_owned(),
    ]];
    for pod in pods.iter().take(LISTED_MAX) {
        let channel = |story: &ChannelStory, name: ChannelName| {
            let mark = if pod.critical == Some(name) { "*" } else { "" };
            format!("{}{mark}", connections(story))
        };
        rows.push([
            pod.record.pod.clone(),
            outcome(pod).replace(" after", "").replace(" for", ""),
            match (Reason::of(pod), pod.unexplained) {
                (Reason::HeldUp(held), _) => format!("{} ({} {})", by_words(held), held.phase, span(held.took)),
                (_, Some(found)) => format!("unexplained ({} {})", found.phase, span(found.took)),
                (_, None) => costliest(&pod.record.delays),
            },
            channel(&pod.certificate, ChannelName::Certificate),
            channel(&pod.configuration, ChannelName::Configuration),
        ]);
    }
    let widths: Vec<usize> = (0..5)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:<width$}"))
            .collect();
        page.line(&format!("  {}", cells.join("  ")));
    }
    if pods.len() > LISTED_MAX {
        page.line(&format!("  … and {} more", pods.len() - LISTED_MAX));
    }
}

fn outcome(pod: &PodStory) -> String {
    let spent = span(pod.record.exit.since(pod.record.desired));
    match pod.record.exit_cause {
        ExitCause::Ready => format!("ready after {spent}"),
        ExitCause::Deleted => format!("deleted after {spent}"),
        ExitCause::Censored => format!("waiting for {spent}"),
    }
}

/// The cause that cost most, and in parentheses what the others cost together.
fn costliest(delays: &[(DelayCause, SimDuration)]) -> String {
    let Some((cause, most)) = delays
        .iter()
        .max_by_key(|(cause, lost)| (*lost, std::cmp::Reverse(*cause)))
    else {
        return "–".to_owned();
    };
    let total = delays.iter().fold(SimDuration::ZERO, |sum, (_, lost)| sum + *lost);
    let rest = total.saturating_sub(*most);
    let others = if rest.as_secs_f64() < 0.1 {
        String::new()
    } else {
        format!(" (+ {})", span(rest))
    };
    format!("{} {}{others}", cause.words().name, span(*most))
}

pub(super) fn losses(delays: &[(DelayCause, SimDuration)]) -> String {
    let parts: Vec<String> = delays
        .iter()
        .filter(|(_, lost)| lost.as_secs_f64() >= 0.1)
        .map(|(cause, lost)| format!("{} {}", cause.words().name, span(*lost)))
        .collect();
    if parts.is_empty() {
        "–".to_owned()
    } else {
        parts.join(", ")
    }
}

fn succeeded(connection: &ConnectionStory) -> bool {
    connection
        .asked
        .iter()
        .any(|asked| asked.answered.is_some_and(|(_, answer)| answer == Answer::Ok))
}

fn connections(story: &ChannelStory) -> String {
    let names: Vec<String> = story
        .connections
        .iter()
        .map(|connection| match (&connection.istiod, succeeded(connection)) {
            (Some((istiod, _)), true) => number_of(istiod).to_owned(),
            (Some((istiod, _)), false) => format!("({})", number_of(istiod)),
            (None, _) => "(none)".to_owned(),
        })
        .collect();
    match names.len() {
        0 => "–".to_owned(),
        1..=6 => names.join(" "),
        many => format!("{} … {}, {many} in all", names[..2].join(" "), names[many - 1]),
    }
}

fn number_of(istiod: &str) -> &str {
    istiod.strip_prefix("istiod-").unwrap_or(istiod)
}

fn in_full(page: &mut Page, pod: &PodStory) {
    let record = &pod.record;
    let mut place = String::new();
    if let Some(ip) = record.ip {
        place.push_str(&format!(" on {ip}"));
    }
    if let Some(node) = &record.node {
        place.push_str(&format!(", {node}"));
    }
    page.labelled(
        "  ",
        &format!(
            "Example: {}{place}, created at {}, {}. Its time: {}.",
            record.pod,
            at(record.desired),
            outcome(pod),
            phases(record)
        ),
    );
    if !pod.refusals.is_empty() {
        let called: Vec<String> = pod
            .refusals
            .iter()
            .map(|(time, istiod)| format!("{} at {}", istiod.as_deref().unwrap_or("no Istiod"), at(*time)))
            .collect();
        page.labelled(
            "  ",
            &format!(
                "Its creation was refused, as no webhook admitted it: {}.",
                list(&called)
            ),
        );
    }
    channel(page, "certificate", &pod.certificate);
    channel(page, "configuration", &pod.configuration);
    if let Some(critical) = pod.critical {
        let (name, story) = match critical {
            ChannelName::Certificate => ("certificate", &pod.certificate),
            ChannelName::Configuration => ("configuration", &pod.configuration),
        };
        let lost = losses(&story.lost);
        let text = match story.done {
            Some(done) => format!(
                "The {name} came last, at {}, and made the pod wait. Lost there: {lost}.",
                at(done)
            ),
            None => format!("The {name} never came. Lost there: {lost}."),
        };
        page.labelled("  ", &text);
    }
}

fn channel(page: &mut Page, name: &str, story: &ChannelStory) {
    let count = story.connections.len();
    for (number, connection) in story.connections.iter().enumerate() {
        if count > CONNECTIONS_MAX && number == CONNECTIONS_MAX - 1 {
            page.labelled(&label(""), &format!("… {} more …", count - CONNECTIONS_MAX));
        }
        if count > CONNECTIONS_MAX && (CONNECTIONS_MAX - 1..count - 1).contains(&number) {
            continue;
        }
        page.labelled(
            &label(if number == 0 { name } else { "" }),
            &connection_words(connection),
        );
    }
}

fn label(name: &str) -> String {
    format!("    {name:<14} ")
}

fn connection_words(connection: &ConnectionStory) -> String {
    let mut text = match &connection.istiod {
        Some((istiod, node)) => format!("{}: to {istiod} on {node}", at(connection.dialled)),
        None => format!(
            "{}: the service proxy has no endpoint of Istiod",
            at(connection.dialled)
        ),
    };
    let mut parts: Vec<String> = syns_of(connection);
    if let Some(timed_out) = connection.timed_out {
        parts.push(format!(
            "no answer until {}, {} after the dial",
            at(timed_out),
            span(timed_out.since(connection.dialled))
        ));
    }
    parts.extend(asked_words(connection));
    if let Some(aged) = connection.aged {
        parts.push(format!("closed at its maximum age at {}", at(aged)));
    }
    let waits = wait_words(connection);
    if !waits.is_empty() {
        parts.push(waits);
    }
    for part in parts {
        text.push_str("; ");
        text.push_str(&part);
    }
    text.push('.');
    text
}
