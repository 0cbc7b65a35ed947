//! The few sentences that say what a run came to.

use super::chain::{Chain, Subject};
use super::page::{at, span};
use super::{Cause, after_cut, decisive};
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

/// What the time is called at which the first fault began: `the cut` if it is one.
pub(in crate::report) fn start_word(dossier: &Dossier) -> &'static str {
    let mut began = dossier.faults.iter().filter(|fault| fault.begins);
    let first = began
        .clone()
        .find(|fault| !fault.parties.is_empty())
        .or_else(|| began.next());
    match first.map(|fault| fault.kind.words().noun) {
        None | Some("cut") => "the cut",
        Some("partition") => "the partition",
        Some("crash") => "the crash",
        Some("restart") => "the restart",
        Some("overload") => "the overload",
        Some(_) => "the start of the fault",
    }
}

pub(super) fn headline(dossier: &Dossier, outcome: &Outcome, causes: &[Cause]) -> String {
    let mut text = "In short: ".to_owned();
    match outcome.run.cut {
        None => text.push_str("no fault acted in this run."),
        Some(_) if outcome.run.parties_cut == 0 => {
            let start = start_word(dossier);
            text.push_str(&format!(
                "no fault acts in this design; the time at which it acts in others is called {start} all the same."
            ));
        }
        Some(_) => {
            // Faults that do the same are one phrase.
            let mut done: Vec<(&str, Vec<String>)> = Vec::new();
            for fault in dossier
                .faults
                .iter()
                .filter(|fault| fault.begins && !fault.moved && !fault.parties.is_empty())
            {
                let did = fault.kind.words().did;
                match done.iter_mut().find(|(known, _)| *known == did) {
                    Some((_, parties)) => parties.extend(fault.whom()),
                    None => done.push((did, fault.whom())),
                }
            }
            let done: Vec<String> = done
                .iter()
                .map(|(did, parties)| format!("{did} {}", first_of(parties)))
                .collect();
            text.push_str(&format!("a fault {}.", list(&done)));
        }
    }
    match decisive(dossier, causes) {
        _ if unsent(dossier, causes).is_some() => {
            let chain = unsent(dossier, causes).map(|chain| chain.summary.as_str());
            text.push_str(&format!(" {}", chain.unwrap_or_default()));
        }
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

/// Parties that a sentence names.
const PARTIES_MAX: usize = 6;

/// The first of many parties, and how many more there are.
pub(super) fn first_of(parties: &[String]) -> String {
    match parties.len().checked_sub(PARTIES_MAX) {
        None | Some(0 | 1) => list(parties),
        Some(more) => format!("{} and {more} others", parties[..PARTIES_MAX].join(", ")),
    }
}

fn request_sentence(dossier: &Dossier, request: &RequestStory, outcome: &Outcome) -> String {
    let record = &request.record;
    let since = outcome.run.cut.map_or(String::new(), |cut| match record.time >= cut {
        true => format!(", {} after {}", span(record.time.since(cut)), start_word(dossier)),
        false => format!(", {} before {}", span(cut.since(record.time)), start_word(dossier)),
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
    let attempts = after_cut(dossier)
        .filter(|other| other.record.time <= record.time)
        .count();
    let tries = if attempts > 1 && record.after_cut && request.choice.is_some() {
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

/// The chain about a request that no pod could send.
fn unsent<'c>(dossier: &Dossier, causes: &'c [Cause]) -> Option<&'c Chain> {
    let chain = &causes.first()?.chain;
    match &chain.subject {
        Subject::Access { access } => {
            let sent = dossier.requests.iter().any(|request| request.record == *access);
            (!sent).then_some(chain)
        }
        _ => None,
    }
}
