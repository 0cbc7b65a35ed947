//! The few sentences that say what a run came to.

use super::page::{at, span};
use super::{after_cut, decisive};
use crate::cluster::records::Outcome;
use crate::kernel::SimTime;
use crate::lab::cell::Word;
use crate::report::text::list;
use crate::story::dossier::{AddressStory, Dossier, Entry, Holder, RequestStory};

/// Who truly held an address at a time, and who did before.
pub(super) fn holders_at(address: &AddressStory, time: SimTime) -> (Option<&Holder>, Option<&Holder>) {
    let until: Vec<_> = address.holders.iter().filter(|held| held.from <= time).collect();
    match until.as_slice() {
        [] => (None, None),
        [only] => (Some(&only.what), None),
        [.., before, now] => (Some(&now.what), Some(&before.what)),
    }
}

/// An entry in words: `sleep-v1-1-7, identity 258 (default/sleep-v1), on worker-1`.
pub(super) fn entry_words(entry: &Entry) -> String {
    format!(
        "{}, identity {} ({}), on {}",
        entry.owner, entry.identity.number, entry.identity.meaning, entry.node
    )
}

pub(super) fn headline(dossier: &Dossier, outcome: &Outcome) -> String {
    let mut text = "In short: ".to_owned();
    match outcome.run.cut {
        None => text.push_str("nothing was cut in this run."),
        Some(_) if outcome.run.parties_cut == 0 => {
            text.push_str("this design cuts nothing; the moment at which others are cut is still called the cut.");
        }
        Some(_) => {
            // Faults that do the same are one phrase.
            let mut done: Vec<(&str, Vec<String>)> = Vec::new();
            for fault in dossier
                .faults
                .iter()
                .filter(|fault| fault.begins && !fault.parties.is_empty())
            {
                let did = fault.kind.words().did;
                match done.iter_mut().find(|(known, _)| *known == did) {
                    Some((_, parties)) => parties.extend(fault.whom()),
                    None => done.push((did, fault.whom())),
                }
            }
            let done: Vec<String> = done
                .iter()
                .map(|(did, parties)| format!("{did} {}", list(parties)))
                .collect();
            text.push_str(&format!("a fault {}.", list(&done)));
        }
    }
    match decisive(dossier) {
        Some(request) => text.push_str(&format!(" {}", request_sentence(dossier, request, outcome))),
        None if dossier.remembered > 0 => match &outcome.run.script_stopped {
            Some(reason) => text.push_str(&format!(" The script ended before its probe step: {reason}.")),
            None if outcome.run.cut.is_some() => {
                text.push_str(" The run ended before the probe step of the script.");
            }
            None => {}
        },
        None => {}
    }
    match dossier.slow.len() {
        0 if dossier.measured_pods > 0 => text.push_str(" No measured pod was slow."),
        0 => {}
        slow => text.push_str(&format!(
            " {slow} of {} measured pods were slow or never ready.",
            dossier.measured_pods
        )),
    }
    text
}

fn request_sentence(dossier: &Dossier, request: &RequestStory, outcome: &Outcome) -> String {
    let record = &request.record;
    let since = outcome.run.cut.map_or(String::new(), |cut| {
        format!(", {} after the cut", span(record.time.since(cut)))
    });
    let address = dossier
        .addresses
        .iter()
        .find(|address| Some(address.ip) == record.client_ip && record.reused_ip);
    let before = address.and_then(|address| holders_at(address, record.time).1);
    let on = match (record.client_ip, before) {
        (Some(ip), Some(before)) => format!(" on {ip}, which had belonged to {},", before.pod),
        (Some(ip), None) => format!(" on {ip}"),
        (None, _) => String::new(),
    };
    let attempts = after_cut(dossier).count();
    let tries = if attempts > 1 && request.choice.is_some() {
        format!(" (attempt {attempts})")
    } else {
        String::new()
    };
    format!(
        "{}{on} called {} at {}{since}{tries}: {} ({}).",
        record.client,
        record.server,
        at(record.time),
        record.class.words().meaning,
        record.class.word()
    )
}
