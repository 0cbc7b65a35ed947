//! The last links of every chain: what a fault did to a party since when, and the fault.

use super::{Ids, Link, LinkKind};
use crate::cluster::faults::FaultKind;
use crate::cluster::party::{NamedParty, PartyKind};
use crate::kernel::SimTime;
use crate::report::explain::page::at;
use crate::report::explain::sentences::first_of;
use crate::story::dossier::{Dossier, FaultStory};

/// The fault that had cut a party off, or acted on its network, at a time: the latest that had begun and not ended.
pub(super) fn on<'d>(dossier: &'d Dossier, party: &NamedParty, time: SimTime) -> Option<&'d FaultStory> {
    let mut began = dossier.faults.iter().filter(|fault| {
        let stops = fault.kind.withholds_changes() || matches!(fault.kind, FaultKind::Webhook(_));
        let acts = stops || party.kind == PartyKind::Network;
        fault.begins && fault.time <= time && acts && fault.parties.iter().any(|of| of.includes(party))
    });
    began.rfind(|fault| end_of(dossier, fault, party).is_none_or(|end| end > time))
}

/// The faults that set a clock off at a time, or before: what it dated lasts.
pub(super) fn of_clock(dossier: &Dossier, party: &NamedParty, time: SimTime) -> Vec<Link> {
    let is_skew = |fault: &&FaultStory| {
        let of = matches!(fault.kind, FaultKind::ClockSkew(_));
        of && fault.begins && fault.time <= time && fault.parties.contains(party)
    };
    let found = dossier.faults.iter().rfind(is_skew);
    found.map_or_else(Vec::new, |fault| links(dossier, party, fault))
}

/// The first fault that kept a party from its work at some time of a span.
pub(super) fn during<'d>(
    dossier: &'d Dossier,
    party: &NamedParty,
    from: SimTime,
    to: SimTime,
) -> Option<&'d FaultStory> {
    dossier.faults.iter().find(|fault| {
        let acts = fault.kind.cuts_off() || matches!(fault.kind, FaultKind::NodeDown(_));
        let touches = fault.begins && acts && fault.parties.iter().any(|of| of.includes(party));
        touches && fault.time < to && end_of(dossier, fault, party).is_none_or(|end| end > from)
    })
}

/// When a fault ended for a party, if it did.
fn end_of(dossier: &Dossier, fault: &FaultStory, party: &NamedParty) -> Option<SimTime> {
    let mut all = dossier.faults.iter();
    all.find(|end| end.is_end_of(fault, party)).map(|end| end.time)
}

pub(super) fn links(dossier: &Dossier, party: &NamedParty, fault: &FaultStory) -> Vec<Link> {
    let effect = fault.kind.effect(party);
    let until = end_of(dossier, fault, party);
    // A party that came into its reach later met a fault that had begun.
    let whole =
        |other: &&FaultStory| other.begins && !other.moved && other.fault == fault.fault && other.time <= fault.time;
    let began = dossier.faults.iter().rfind(whole).unwrap_or(fault);
    let end = until.map_or("to the end of the run".to_owned(), |end| format!("to {}", at(end)));
    vec![
        Link {
            kind: LinkKind::Effect(effect.word),
            time: fault.time,
            until,
            place: party.to_string(),
            text: format!("{} from {} {end}: {}", effect.what, at(fault.time), effect.how),
            ids: Ids {
                fault: Some(fault.fault.clone()),
                parties: vec![party.to_string()],
                ..Ids::default()
            },
        },
        Link {
            kind: LinkKind::Fault,
            time: began.time,
            until,
            place: began.fault.clone(),
            text: format!(
                "the fault {} began at {} and {} {}",
                began.fault,
                at(began.time),
                began.kind.words().did,
                first_of(&began.whom())
            ),
            ids: Ids {
                fault: Some(began.fault.clone()),
                parties: began.whom(),
                ..Ids::default()
            },
        },
    ]
}

/// There was no fault behind it.
pub(super) fn none(time: SimTime, place: &str) -> Link {
    Link {
        kind: LinkKind::NoFault,
        time,
        until: None,
        place: place.to_owned(),
        text: "no fault acted there: this is the ordinary delay of a healthy cluster".to_owned(),
        ids: Ids::default(),
    }
}
