//! The faults of one design: names become indexes, words become targets, parties and modes.
//!
//! Belongs here: everything that can be wrong with a fault before it runs. Does not belong here: what a cut does
//! (`cluster`), and when the script starts it (`script`).

use super::error::InputError;
use super::layers::Merged;
use super::schema::{Cut, Fault, Text};
use super::values::{choice, complain, count, duration, positive_duration};
use super::world::Names;
use crate::cluster::spec::{CutMode, CutParty, CutTarget, FaultSpec};
use crate::kernel::{SimDuration, SimTime};

pub(crate) const PARTIES: [(&str, CutParty); 5] = [
    ("kubelet", CutParty::Kubelet),
    ("cilium_agent", CutParty::CiliumAgent),
    ("service_proxy", CutParty::ServiceProxy),
    ("istiod", CutParty::Istiod),
    ("webhook", CutParty::Webhook),
];

pub(crate) const MODES: [(&str, CutMode); 3] = [
    ("drop", CutMode::Drop),
    ("reject", CutMode::Reject),
    ("replies_only", CutMode::RepliesOnly),
];

/// What faults can name in one design.
#[derive(Clone, Copy, Debug)]
pub struct Targets {
    /// Nodes, control plane included.
    pub nodes: u32,
    /// How many of them are control-plane nodes.
    pub control_plane_nodes: u32,
    /// Istiods; none without Istio.
    pub istiods: Option<u32>,
    /// The end of every run.
    pub horizon: SimTime,
    /// Most service accounts of churn: each takes an identity, and manifests have taken some.
    pub accounts_max: u32,
}

impl Targets {
    /// The name of a node: `control-plane`, `control-plane-2`, …, `worker-1`, ….
    pub fn node_name(&self, index: u32) -> String {
        match index.checked_sub(self.control_plane_nodes) {
            Some(worker) => format!("worker-{}", worker + 1),
            None if index == 0 => "control-plane".to_owned(),
            None => format!("control-plane-{}", index + 1),
        }
    }

    fn node(&self, merged: &Merged<'_>, text: &Text) -> Result<CutTarget, InputError> {
        let found = (0..self.nodes).find(|index| self.node_name(*index) == text.value);
        found.map(CutTarget::Node).ok_or_else(|| {
            let error = complain(merged.file, text, format!("unknown node `{}`", text.value));
            let shown: Vec<String> = (0..self.nodes.min(12)).map(|index| self.node_name(index)).collect();
            match self.nodes {
                0..=12 => error.with_hint(format!("known: {}", shown.join(", "))),
                many => error.with_hint(format!("known: {}, … {}", shown.join(", "), self.node_name(many - 1))),
            }
        })
    }
}

/// The faults of one design, in the order of the experiment.
///
/// # Errors
/// For the first thing that is wrong with one of them.
pub fn faults(merged: &Merged<'_>, names: &Names, targets: &Targets) -> Result<Vec<FaultSpec>, InputError> {
    let faults = merged.experiment.faults.0.iter();
    faults
        .map(|(name, written)| fault(merged, names, targets, name, written))
        .collect()
}

fn fault(
    merged: &Merged<'_>,
    names: &Names,
    targets: &Targets,
    name: &Text,
    written: &Fault,
) -> Result<FaultSpec, InputError> {
    let target = target(merged, names, targets, name, &written.cut)?;
    let missing = |key: &str, hint: &str| {
        complain(merged.file, name, format!("fault `{}` has no `{key}`", name.value)).with_hint(hint)
    };
    let mode = match &written.cut.mode {
        Some(mode) => choice(merged.file, merged.text(mode)?, "mode of a cut", &MODES)?,
        None => return Err(missing("mode", "one of drop, reject, replies_only")),
    };
    let Some(parties) = &written.cut.parties else {
        return Err(missing(
            "parties",
            "a list of kubelet, cilium_agent, service_proxy, istiod, webhook; `[]` cuts nobody",
        ));
    };
    let mut cut = Vec::new();
    for party in parties {
        let party = merged.text(party)?;
        let is = choice(merged.file, party, "party of a cut", &PARTIES)?;
        let of_istio = matches!(is, CutParty::Istiod | CutParty::Webhook);
        if of_istio && targets.istiods.is_none() {
            let message = format!(
                "`{}` is cut in design `{}`, which has no Istio",
                party.value, merged.design.name.value
            );
            return Err(complain(merged.file, party, message)
                .with_hint("give the design Istio, or write other `parties` in it"));
        }
        if !of_istio && matches!(target, CutTarget::Istiod(_)) {
            let message = format!("`{}` does not belong to an Istiod", party.value);
            return Err(complain(merged.file, party, message).with_hint("at an Istiod, istiod and webhook can be cut"));
        }
        cut.push(is);
    }
    cut.sort();
    cut.dedup();
    let starts_at = match &written.at {
        Some(at) => Some(point(merged, targets, at)?),
        None => None,
    };
    let span = written
        .duration
        .as_ref()
        .map(|text| positive_duration(merged.file, merged.text(text)?))
        .transpose()?;
    Ok(FaultSpec {
        name: name.value.clone(),
        starts_at,
        duration: span,
        target,
        parties: cut,
        mode,
    })
}

fn target(
    merged: &Merged<'_>,
    names: &Names,
    targets: &Targets,
    name: &Text,
    cut: &Cut,
) -> Result<CutTarget, InputError> {
    match (&cut.node_of, &cut.node, &cut.istiod) {
        (Some(workload), None, None) => names.workload(merged, workload).map(CutTarget::NodeOf),
        (None, Some(node), None) => targets.node(merged, merged.text(node)?),
        (None, None, Some(istiod)) => {
            let text = merged.text(istiod)?;
            let Some(replicas) = targets.istiods else {
                let message = format!(
                    "Istiod `{}` is cut in design `{}`, which has no Istio",
                    text.value, merged.design.name.value
                );
                return Err(complain(merged.file, text, message).with_hint("give the design Istio"));
            };
            match text.value.parse() {
                Ok(ordinal) if ordinal < replicas => Ok(CutTarget::Istiod(ordinal)),
                _ => Err(
                    complain(merged.file, text, format!("there is no Istiod `{}`", text.value))
                        .with_hint(format!("the {replicas} Istiods are counted from 0")),
                ),
            }
        }
        (None, None, None) => Err(
            complain(merged.file, name, format!("fault `{}` cuts nothing", name.value))
                .with_hint("name a target: `cut: {node_of: WORKLOAD, …}`, `node: worker-1` or `istiod: 0`"),
        ),
        _ => Err(
            complain(merged.file, name, format!("fault `{}` has several targets", name.value))
                .with_hint("write one of node_of, node, istiod"),
        ),
    }
}

/// A point in time before the end of the run.
///
/// # Errors
/// If it is none, or lies at or after the end.
pub fn point(merged: &Merged<'_>, targets: &Targets, text: &Text) -> Result<SimTime, InputError> {
    let text = merged.text(text)?;
    let time = SimTime::ZERO + duration(merged.file, text)?;
    if time >= targets.horizon {
        let message = format!("`{}` lies at or after the end of the run", text.value);
        let end = targets.horizon.since(SimTime::ZERO);
        return Err(complain(merged.file, text, message).with_hint(format!("the horizon is {end}")));
    }
    Ok(time)
}

/// A span that is not zero, with options.
pub fn span(merged: &Merged<'_>, text: &Text) -> Result<SimDuration, InputError> {
    positive_duration(merged.file, merged.text(text)?)
}

/// A count, with options.
pub fn number(merged: &Merged<'_>, text: &Text, min: u32) -> Result<u32, InputError> {
    count(merged.file, merged.text(text)?, min, u32::MAX)
}
