//! One run as a trace in Chrome's format, for the Perfetto viewer: a process per node and one for the control plane, a track
//! per component and pod, flows for messages, spans for cuts, phases and waits, instants for decisions.
//!
//! Belongs here: which items a trace holds and which are left out. How they are written belongs to `json`, what happened to
//! `cluster::story`. The same run gives the same bytes.

mod items;
mod json;
#[cfg(test)]
mod tests;

use crate::kernel::SimTime;
use crate::report::explain::Told;
use crate::story::timeline::{Timeline, Track};
use items::{Item, items, tracks_of};

/// Most events of a trace by default; the viewer takes some hundred thousand with ease.
pub const EVENTS_DEFAULT: u64 = 200_000;

/// What is left out of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Only these components, nodes and pods, and what they exchange with others; all if empty.
    pub only: Vec<String>,
    pub from: Option<SimTime>,
    pub to: Option<SimTime>,
    pub events_max: u64,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            only: Vec::new(),
            from: None,
            to: None,
            events_max: EVENTS_DEFAULT,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    pub json: String,
    pub events: u64,
    /// What was left out without being asked for.
    pub left_out: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    pub name: String,
    pub known: Vec<String>,
}

/// The trace of a run.
///
/// # Errors
/// If the filter names something that the run does not have.
pub fn chrome(told: &Told, filter: &Filter) -> Result<Trace, UnknownName> {
    let empty = Timeline::default();
    let dossier = told.outcome.dossier.as_deref();
    let timeline = dossier.map_or(&empty, |dossier| &dossier.timeline);
    let tracks = tracks_of(timeline);
    let chosen = chosen(&tracks, &filter.only)?;
    let end = dossier.map_or(SimTime::ZERO, |dossier| dossier.setting.horizon);
    let mut kept: Vec<Item> = items(told, &tracks, end);
    kept.retain(|item| item.touches(&chosen) && item.is_within(filter.from, filter.to));
    kept.sort_by_key(|item| (item.begins(), item.ends()));
    let (mut events, mut whole) = (0, 0);
    for item in &kept {
        if events + item.events() > filter.events_max {
            break;
        }
        events += item.events();
        whole += 1;
    }
    let left_out = left_out(&kept, whole, timeline, filter);
    kept.truncate(whole);
    Ok(Trace {
        json: json::write(told, &tracks, &kept),
        events,
        left_out,
    })
}

/// Which tracks are shown: those with the name, those of the node, or those of the kind.
fn chosen(tracks: &[Track], only: &[String]) -> Result<Vec<bool>, UnknownName> {
    if only.is_empty() {
        return Ok(vec![true; tracks.len()]);
    }
    let mut chosen = vec![false; tracks.len()];
    for name in only {
        let mut found = false;
        for (track, chosen) in tracks.iter().zip(&mut chosen) {
            let same = |known: &str| known.eq_ignore_ascii_case(name);
            if same(&track.name) || same(&track.group) {
                (found, *chosen) = (true, true);
            }
        }
        if !found {
            let mut known: Vec<String> = tracks
                .iter()
                .flat_map(|track| [track.group.clone(), track.name.clone()])
                .collect();
            known.sort();
            known.dedup();
            let name = name.clone();
            return Err(UnknownName { name, known });
        }
    }
    Ok(chosen)
}

/// What the limits left out, in words.
fn left_out(kept: &[Item], whole: usize, timeline: &Timeline, filter: &Filter) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(first) = kept.get(whole) {
        let events: u64 = kept[whole..].iter().map(Item::events).sum();
        parts.push(format!(
            "{events} events from {:.3} s on were left out, as a trace holds at most {} (--trace-max); --trace-only, \
             --trace-from and --trace-to choose which",
            first.begins().as_secs_f64(),
            filter.events_max
        ));
    }
    if timeline.messages_omitted > 0 {
        parts.push(format!(
            "{} messages of the run were not kept",
            timeline.messages_omitted
        ));
    }
    if timeline.readers_omitted > 0 {
        parts.push(format!(
            "what {} nodes read of CiliumEndpoints and EndpointSlices is not shown",
            timeline.readers_omitted
        ));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}
