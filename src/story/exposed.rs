//! The longest exposure of a run and what lay behind it, for runs in which no client tried.

use serde::Serialize;

use super::cache_views::Past;
use super::dossier::{Belief, Identity};
use crate::cluster::ids::{NodeId, PodId};
use crate::cluster::records::{ExposureRecord, Outcome};

/// The longest span during which an attempt would have been let in that should not have been, and what lay behind it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExposedStory {
    /// The span.
    pub window: ExposureRecord,
    /// What the enforcing node believed about the client's address when it began.
    pub belief: Belief,
    /// The client's true identity.
    pub client_identity: Identity,
}

/// The longest exposure, with what the enforcing node believed when it began; of equal ones the first. One that was open at
/// the end of the run counts up to there.
pub(super) fn longest(past: &Past, outcome: &Outcome) -> Option<ExposedStory> {
    let length = |index: &usize| {
        let window = &outcome.exposures[*index];
        window.end.unwrap_or(past.end).since(window.start)
    };
    let indexes = (0..outcome.exposures.len()).filter(|index| outcome.exposures[*index].class.is_breach());
    let longest = indexes.max_by_key(|index| (length(index), std::cmp::Reverse(*index)))?;
    let window = &outcome.exposures[longest];
    let blueprint = &past.shared.blueprint;
    let node = (0..blueprint.spec.nodes)
        .map(NodeId)
        .find(|node| past.node_name(*node) == window.node)?;
    let client: PodId = past.holder(window.ip, window.start)?;
    Some(ExposedStory {
        window: window.clone(),
        belief: past.belief(node, window.ip, window.start),
        client_identity: past.own_identity(client),
    })
}
