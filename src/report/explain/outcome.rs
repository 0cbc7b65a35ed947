//! What ended it: the node marked NotReady, the endpoint withdrawn; and how long exposures lasted.

use super::page::{Page, at, span};
use super::request::joined;
use super::sentences::start_word;
use crate::cluster::party::PartyKind;
use crate::cluster::records::{ExposureRecord, Outcome, Via};
use crate::kernel::SimTime;
use crate::lab::cell::Word;
use crate::story::dossier::{Dossier, ServiceStory, Viewer};

pub(super) fn section(page: &mut Page, dossier: &Dossier, outcome: &Outcome) {
    let start = start_word(dossier);
    let Some(cut) = outcome.run.cut else {
        page.paragraph("No fault began.");
        return;
    };
    let after = |time: SimTime| format!("{}, {} after {start}", at(time), span(time.since(cut)));
    match dossier.given_up.first() {
        Some(up) => page.paragraph(&format!(
            "The node lifecycle controller marked {} NotReady at {}; its pods became not Ready and lost their endpoints.",
            up.node,
            after(up.at)
        )),
        None if outcome.run.parties_cut == 0 => page.paragraph("No node was marked NotReady, as no fault acted."),
        None if kubelet_touched(dossier) => page.paragraph(&format!(
            "No node was marked NotReady before the end of the run at {}.",
            at(dossier.setting.horizon)
        )),
        None => page.paragraph("No node was marked NotReady: no fault touched a kubelet, so every node renewed its lease."),
    }
    if let Some(service) = &dossier.service {
        withdrawal(page, service, outcome, (cut, start));
    }
    windows(page, dossier, outcome, cut);
}

fn kubelet_touched(dossier: &Dossier) -> bool {
    let mut parties = dossier.faults.iter().flat_map(|fault| &fault.parties);
    parties.any(|party| matches!(party.kind, PartyKind::Kubelet | PartyKind::Node))
}

fn withdrawal(page: &mut Page, service: &ServiceStory, outcome: &Outcome, (cut, start): (SimTime, &str)) {
    let viewer = match &service.seen_by {
        Viewer::Node { node } => format!("the service proxy of {node}, the client's node,"),
        Viewer::Proxy { pod, istiod } => {
            let from = istiod
                .as_ref()
                .map_or(String::new(), |istiod| format!(", configured by {istiod},"));
            format!("the proxy of {pod}{from}")
        }
    };
    let read = service
        .backends
        .iter()
        .find(|held| held.from > cut && held.what.as_ref().is_some_and(Vec::is_empty));
    match (outcome.run.endpoint_withdrawn, read) {
        (Some(written), Some(read)) => {
            let probed = outcome.run.probed.map_or(String::new(), |probed| {
                if probed < read.from {
                    format!(" The first probe was {} earlier.", span(read.from.since(probed)))
                } else {
                    format!(" The first probe came {} later.", span(probed.since(read.from)))
                }
            });
            let knew = service
                .backends
                .iter()
                .any(|held| held.from < read.from && held.what.as_ref().is_some_and(|names| !names.is_empty()));
            let read_words = if knew {
                "read it at"
            } else {
                "started later and had no endpoint from the start, at"
            };
            page.paragraph(&format!(
                "{} lost its last endpoint in the API at {}, {} after {start}; {viewer} {read_words} {}.{probed}",
                service.service,
                at(written),
                span(written.since(cut)),
                at(read.from)
            ));
        }
        (Some(written), None) => page.paragraph(&format!(
            "{} lost its last endpoint in the API at {}; {viewer} never read it.",
            service.service,
            at(written)
        )),
        (None, _) => {
            let last = service.backends.last().and_then(|held| held.what.as_ref());
            page.paragraph(&format!(
                "{} kept its endpoint ({} as {viewer} saw it at the end of the run).",
                service.service,
                last.map_or("nothing".to_owned(), |names| joined(names))
            ));
        }
    }
}

fn windows(page: &mut Page, dossier: &Dossier, outcome: &Outcome, cut: SimTime) {
    let windows: Vec<&ExposureRecord> = outcome
        .exposures
        .iter()
        .filter(|window| window.end.is_none_or(|end| end >= cut))
        .collect();
    if windows.is_empty() {
        let start = start_word(dossier);
        page.paragraph(&format!(
            "After {start}, no layer would have admitted an attempt that its policy refuses."
        ));
        return;
    }
    page.blank();
    page.paragraph(
        "Exposure: when a layer would have admitted an attempt that its policy refuses, whether or not one was made:",
    );
    let mut closed: Vec<&ExposureRecord> = Vec::new();
    for window in windows {
        let probed = dossier
            .addresses
            .iter()
            .any(|address| address.probed && address.ip == window.ip);
        if probed || dossier.addresses.iter().all(|address| !address.probed) {
            window_line(page, window, dossier.setting.horizon);
        } else {
            closed.push(window);
        }
    }
    if !closed.is_empty() {
        let total = |via: Via| {
            let spans = closed.iter().filter(|window| window.via == via).map(|window| {
                let end = window.end.unwrap_or(dossier.setting.horizon);
                end.since(window.start).as_secs_f64()
            });
            let spans: Vec<f64> = spans.collect();
            format!("{} of {:.1} s in all", spans.len(), spans.iter().sum::<f64>())
        };
        page.labelled(
            "  - ",
            &format!(
                "from other reused addresses: through the Service {}, by pod IP {}",
                total(Via::Service),
                total(Via::PodIp)
            ),
        );
    }
}

fn window_line(page: &mut Page, window: &ExposureRecord, horizon: SimTime) {
    let via = match window.via {
        Via::Service => "through the Service",
        Via::PodIp => "by pod IP",
    };
    let end = match window.end {
        Some(end) => format!(
            "to {}, {}: {}",
            at(end),
            span(end.since(window.start)),
            window.end_cause.replace('_', " ")
        ),
        None => format!(
            "on; still open at the end of the run, {} later",
            span(horizon.since(window.start))
        ),
    };
    page.labelled(
        "  - ",
        &format!(
            "{} ({}) to {} {via}, {}: from {} {end}",
            window.client,
            window.ip,
            window.server,
            window.class.word(),
            at(window.start)
        ),
    );
}
