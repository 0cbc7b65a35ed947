//! The timeline of a run, line by line, and its faults.

use super::after_cut;
use super::page::{Page, at, span};
use super::sentences::start_word;
use crate::cluster::records::Outcome;
use crate::kernel::SimTime;
use crate::lab::cell::Word;
use crate::report::text::{capital, list, many};
use crate::story::dossier::{Command, CommandKind, Dossier, FaultStory, RequestStory, SynFate};

/// The timeline of the run: time, time since the first fault, what happened.
pub(super) fn lines(page: &mut Page, dossier: &Dossier, outcome: &Outcome) {
    // What happens at one moment is in the order of cause and effect.
    let mut rows: Vec<(SimTime, u8, String)> = Vec::new();
    let idle = dossier.faults.iter().all(|fault| fault.parties.is_empty());
    // What touches nothing is worth a line only where nothing else acts.
    for fault in dossier.faults.iter().filter(|fault| idle || !fault.parties.is_empty()) {
        let parties = match fault.parties.len() {
            0 => "nothing".to_owned(),
            _ => list(&fault.whom()),
        };
        rows.push((fault.time, 1, format!("{} {} {parties}", fault.fault, fault.verb())));
    }
    for command in &dossier.script {
        let rank = if matches!(command.what, CommandKind::Remembered { .. }) {
            0
        } else {
            4
        };
        rows.push((command.time, rank, command_words(command)));
    }
    for address in dossier.addresses.iter().filter(|address| address.probed) {
        for held in &address.holders {
            let after = |time: &SimTime| outcome.run.cut.is_some_and(|cut| *time >= cut);
            if after(&held.from) {
                rows.push((held.from, 2, format!("{} gets {}", held.what.pod, address.ip)));
            }
            if let Some(to) = held.to.filter(after) {
                rows.push((to, 2, format!("{} loses {}", held.what.pod, address.ip)));
            }
        }
    }
    for up in &dossier.given_up {
        rows.push((
            up.at,
            2,
            format!("the node lifecycle controller marks {} NotReady", up.node),
        ));
        if let Some(returned) = up.returned {
            rows.push((returned, 2, format!("{} is ready again", up.node)));
        }
    }
    if let (Some(time), Some(service)) = (outcome.run.endpoint_withdrawn, &dossier.service) {
        let text = format!("the last endpoint of {} is withdrawn in the API", service.service);
        rows.push((time, 3, text));
    }
    rows.extend(request_rows(dossier));
    rows.sort_by_key(|(time, rank, _)| (*time, *rank));
    for (time, _, text) in rows {
        let since = match outcome.run.cut {
            Some(cut) if time == cut => start_word(dossier).replacen("the start of ", "", 1),
            Some(cut) if time > cut => format!("+{:.3} s", time.since(cut).as_secs_f64()),
            _ => String::new(),
        };
        page.labelled(&format!("  {:>12}  {since:>12}  ", at(time)), &text);
    }
}

/// Attempts that could not even be sent are one row.
fn request_rows(dossier: &Dossier) -> Vec<(SimTime, u8, String)> {
    let mut rows = Vec::new();
    let unsent: Vec<&RequestStory> = after_cut(dossier).filter(|request| request.choice.is_none()).collect();
    if let (Some(first), Some(last)) = (unsent.first(), unsent.last()) {
        let text = match unsent.len() {
            1 => format!(
                "{} cannot call: {}",
                first.record.client,
                first.record.cause.replace('_', " ")
            ),
            many => format!(
                "{} tries to call, {many} times until {}: {}",
                first.record.client,
                at(last.record.time),
                last.record.cause.replace('_', " ")
            ),
        };
        rows.push((first.record.time, 5, text));
    }
    for request in after_cut(dossier).filter(|request| request.choice.is_some()) {
        let record = &request.record;
        let track = match request.track.as_str() {
            "" => String::new(),
            track => format!(", track {track}"),
        };
        rows.push((
            record.time,
            5,
            format!("{} calls {}{track}", record.client, record.server),
        ));
        let answer = format!(
            "the call of {} to {} ends{track}: {} ({})",
            record.client,
            record.server,
            record.cause.replace('_', " "),
            record.class.word()
        );
        rows.push((record.time + record.latency, 3, answer));
    }
    rows
}

/// What the script, or a track, did or saw, in words.
pub(in crate::report) fn command_words(command: &Command) -> String {
    let who = match command.track.as_str() {
        "" => "the script".to_owned(),
        track => format!("track {track}"),
    };
    match &command.what {
        CommandKind::Remembered { workload, addresses } => {
            format!("{who} records {addresses} IPs of {workload}")
        }
        CommandKind::Scaled { workload, replicas } => format!("{who} scales {workload} to {replicas}"),
        CommandKind::Restarted { workload } => format!("{who} restarts {workload}"),
        CommandKind::RolloutComplete => "the rollout is complete".to_owned(),
        CommandKind::RolloutOverdue => format!("the rollout has exceeded its deadline; {who} goes on"),
        CommandKind::FoundNone => format!("{who} finds no pod on a recorded IP"),
        CommandKind::Found { pod, ip } => {
            let ip = ip.map_or(String::new(), |ip| format!(", {ip}"));
            format!("{who} finds {pod} on a recorded IP{ip}")
        }
        CommandKind::Other { did } => format!("{who} {did}"),
        CommandKind::Ended => format!("{who} has ended"),
    }
}

pub(super) fn faults(page: &mut Page, dossier: &Dossier, outcome: &Outcome) {
    if dossier.faults.is_empty() {
        page.paragraph("No fault began.");
        return;
    }
    let (idle, acting): (Vec<&FaultStory>, Vec<&FaultStory>) = dossier
        .faults
        .iter()
        .filter(|fault| fault.begins)
        .partition(|fault| fault.parties.is_empty());
    for fault in idle.iter().filter(|_| acting.is_empty()) {
        page.paragraph(&format!(
            "{} began at {} and touched nothing. All that follows is the ordinary delay of a healthy cluster.",
            fault.fault,
            at(fault.time)
        ));
    }
    for fault in &acting {
        let when = at(fault.time);
        let touched = if fault.moved {
            "reached, from then on,"
        } else {
            "touched"
        };
        let began = if fault.moved { "acted already at" } else { "began at" };
        page.paragraph(&format!("{} {began} {when} and {touched}", fault.fault));
        for party in &fault.parties {
            page.labelled("  - ", &format!("{party}: {}", fault.kind.consequence(party.kind)));
        }
        if !fault.moved {
            page.paragraph(fault.kind.words().sentence);
        }
    }
    let ended = dossier.faults.iter().filter(|fault| !fault.begins && !fault.moved);
    for fault in ended.filter(|fault| acting.is_empty() || !fault.parties.is_empty()) {
        page.paragraph(&format!("{} ended at {}.", fault.fault, at(fault.time)));
    }
    if outcome.run.stale_entries > 0 {
        let entries = match outcome.run.stale_entries {
            1 => "1 entry".to_owned(),
            many => format!("{many} entries"),
        };
        page.paragraph(&format!(
            "At the end of the run {entries} in the ipcache of the affected node differed from the API server."
        ));
    }
}

/// SYNs in words: `1 SYN at 90.001 s, delivered`.
pub(super) fn syns_words(request: &RequestStory) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = request.syns.as_slice();
    while let [first, ..] = rest {
        let alike = rest.iter().take_while(|syn| syn.fate == first.fate).count();
        let last = rest[alike - 1];
        let times = if alike == 1 {
            format!("at {}", at(first.time))
        } else {
            format!("within {} from {}", span(last.time.since(first.time)), at(first.time))
        };
        parts.push(format!("{} {times}: {}", many(alike, "SYN"), fate_words(first.fate)));
        rest = &rest[alike..];
    }
    capital(&list(&parts))
}

/// What became of a SYN, after "the SYN".
pub(super) const fn fate_words(fate: SynFate) -> &'static str {
    match fate {
        SynFate::Delivered => "delivered",
        SynFate::Cut => "lost, because nothing passed on the way",
        SynFate::Path => "lost on the path between the two nodes",
        SynFate::NoPod => "lost, because no pod had the address",
        SynFate::EgressPolicy => "dropped by egress policy at the client's node",
        SynFate::WireGuardPeer => "dropped by the receiving node's WireGuard",
        SynFate::IngressPolicy => "dropped by ingress policy at the server's node",
    }
}
