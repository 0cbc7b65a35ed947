//! The last links of every chain: which link was cut since when, and by which fault.

use super::{Ids, Link, LinkKind};
use crate::cluster::spec::CutMode;
use crate::cluster::story::dossier::{Dossier, FaultStory};
use crate::kernel::SimTime;
use crate::report::explain::page::at;
use crate::report::text::list;

/// How a cut acts, after "packets".
pub(super) const fn mode_words(mode: Option<CutMode>) -> &'static str {
    match mode {
        Some(CutMode::Drop) => "packets vanished in both directions",
        Some(CutMode::Reject) => "packets were rejected",
        Some(CutMode::RepliesOnly) => {
            "only the API server's packets vanished, so requests still took effect and answers were lost"
        }
        None => "packets were lost",
    }
}

fn link_words(party: &str) -> String {
    if party.starts_with("the API connection") {
        party.to_owned()
    } else if party.starts_with("the webhook") {
        format!("the path from the API server to {party}")
    } else {
        format!("the link between {party} and the API server")
    }
}

/// The fault that had cut a party at a time: the latest that had begun and not ended.
pub(super) fn on<'d>(dossier: &'d Dossier, party: &str, time: SimTime) -> Option<&'d FaultStory> {
    let mut began = dossier
        .faults
        .iter()
        .filter(|fault| fault.begins && fault.time <= time && fault.parties.iter().any(|known| known == party));
    began.rfind(|fault| end_of(dossier, fault).is_none_or(|end| end > time))
}

/// When a fault ended, if it did.
pub(super) fn end_of(dossier: &Dossier, fault: &FaultStory) -> Option<SimTime> {
    let ends = dossier
        .faults
        .iter()
        .filter(|other| !other.begins && other.fault == fault.fault);
    ends.map(|other| other.time).find(|end| *end >= fault.time)
}

pub(super) fn links(dossier: &Dossier, party: &str, fault: &FaultStory) -> Vec<Link> {
    let until = end_of(dossier, fault);
    let end = until.map_or("to the end of the run".to_owned(), |end| format!("to {}", at(end)));
    vec![
        Link {
            kind: LinkKind::LinkCut,
            time: fault.time,
            until,
            place: party.to_owned(),
            text: format!(
                "{} was cut from {} {end}: {}",
                link_words(party),
                at(fault.time),
                mode_words(fault.mode)
            ),
            ids: Ids {
                fault: Some(fault.fault.clone()),
                parties: vec![party.to_owned()],
                ..Ids::default()
            },
        },
        Link {
            kind: LinkKind::Fault,
            time: fault.time,
            until,
            place: fault.fault.clone(),
            text: format!(
                "the fault {} began at {} and cut off {}",
                fault.fault,
                at(fault.time),
                list(&fault.parties)
            ),
            ids: Ids {
                fault: Some(fault.fault.clone()),
                parties: fault.parties.clone(),
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
        text: "no link was cut there: this is the ordinary delay of a healthy cluster".to_owned(),
        ids: Ids::default(),
    }
}
