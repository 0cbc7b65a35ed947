//! The faults of one design: names become indexes, words become numbers, and each kind of fault checks what is its own.
//!
//! Belongs here: everything that can be wrong with a fault of any kind before it runs. Does not belong here: what a kind takes and
//! does (`cluster/faults`), how it is read (`fault_form`), and when the script starts it (`script`).

use super::error::{InputError, all};
use super::fault_form::{Fault, Setting};
use super::layers::Merged;
use super::schema::Text;
use super::values::{complain, count, duration, positive_duration, unknown};
use super::world::Names;
use crate::cluster::blueprint::node_name;
use crate::cluster::faults::form::{Form, Key, Role, Takes, Value, Written};
use crate::cluster::faults::{FaultSpec, KINDS, When};
use crate::cluster::ids::{IstiodId, NodeId};
use crate::kernel::{SimDuration, SimTime};

/// In a list of nodes or Istiods: all of them.
const ALL: &str = "all";

/// What faults can name in one design.
#[derive(Clone, Copy, Debug)]
pub struct Targets {
    /// Nodes, control plane included.
    pub nodes: u32,
    /// How many of them are control-plane nodes.
    pub control_plane_nodes: u32,
    /// API servers.
    pub api_servers: u32,
    /// Istiods; none without Istio.
    pub istiods: Option<u32>,
    /// The end of every run.
    pub horizon: SimTime,
    /// Most service accounts of churn: each takes an identity, and manifests have taken some.
    pub accounts_max: u32,
}

impl Targets {
    /// The name of a node: `control-plane`, `control-plane-2`, …, `worker-1`, ….
    fn node_name(&self, index: u32) -> String {
        node_name(index, self.control_plane_nodes)
    }

    fn node(&self, merged: &Merged<'_>, text: &Text) -> Result<Value, InputError> {
        let found = (0..self.nodes).find(|index| self.node_name(*index) == text.value);
        found.map(|node| Value::Node(NodeId(node))).ok_or_else(|| {
            let error = complain(merged.file, text, format!("unknown node `{}`", text.value));
            let shown: Vec<String> = (0..self.nodes.min(12)).map(|index| self.node_name(index)).collect();
            match self.nodes {
                0..=12 => error.with_hint(format!("known: {}", shown.join(", "))),
                many => error.with_hint(format!("known: {}, … {}", shown.join(", "), self.node_name(many - 1))),
            }
        })
    }

    fn api_server(&self, merged: &Merged<'_>, text: &Text) -> Result<Vec<Value>, InputError> {
        let servers = self.api_servers;
        if text.value == ALL {
            return Ok((0..servers).map(Value::ApiServer).collect());
        }
        match text.value.parse() {
            Ok(ordinal) if ordinal < servers => Ok(vec![Value::ApiServer(ordinal)]),
            _ => Err(
                complain(merged.file, text, format!("there is no API server `{}`", text.value)).with_hint(format!(
                    "`cluster.api_servers` is {servers}, and they are counted from 0"
                )),
            ),
        }
    }

    fn istiod(&self, merged: &Merged<'_>, form: &Form, text: &Text) -> Result<Vec<Value>, InputError> {
        let Some(replicas) = self.istiods else {
            let (done, design) = (form.done, &merged.design.name.value);
            let message = format!(
                "Istiod `{}` is {done} in design `{design}`, which has no Istio",
                text.value
            );
            return Err(complain(merged.file, text, message).with_hint("give the design Istio"));
        };
        if text.value == ALL {
            return Ok((0..replicas).map(|ordinal| Value::Istiod(IstiodId(ordinal))).collect());
        }
        match text.value.parse() {
            Ok(ordinal) if ordinal < replicas => Ok(vec![Value::Istiod(IstiodId(ordinal))]),
            _ => Err(
                complain(merged.file, text, format!("there is no Istiod `{}`", text.value))
                    .with_hint(format!("the {replicas} Istiods are counted from 0")),
            ),
        }
    }
}

/// The faults of one design, in the order of the experiment.
///
/// # Errors
/// For every one that is wrong.
pub fn faults(merged: &Merged<'_>, names: &Names, targets: &Targets) -> Result<Vec<FaultSpec>, Vec<InputError>> {
    let faults = merged.experiment.faults.0.iter();
    all(faults.map(|(name, written)| fault(merged, names, targets, name, written)))
}

fn fault(
    merged: &Merged<'_>,
    names: &Names,
    targets: &Targets,
    name: &Text,
    fault: &Fault,
) -> Result<FaultSpec, InputError> {
    let [(kind, settings)] = fault.kinds.as_slice() else {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.form.name).collect();
        let message = format!("fault `{}` has to be of one kind", name.value);
        return Err(complain(merged.file, name, message).with_hint(format!("known: {}", known.join(", "))));
    };
    let kind = &KINDS[*kind];
    keys(merged, name, kind.form, settings)?;
    let mut written = Written {
        form: kind.form,
        design: &merged.design.name.value,
        istiods: targets.istiods,
        values: Vec::new(),
    };
    for setting in settings {
        let mut values = Vec::new();
        for (place, text) in setting.values.iter().enumerate() {
            let found = value(merged, names, targets, kind.form, setting.key, merged.text(text)?)?;
            values.extend(found.into_iter().map(|value| (place, value)));
        }
        written.values.push((setting.key, values));
    }
    let kind = (kind.read)(&written).map_err(|complaint| {
        let setting = settings.iter().find(|setting| setting.key.name == complaint.key);
        let text = setting.and_then(|setting| setting.values.get(complaint.place));
        match text.map_or(Ok(name), |text| merged.text(text)) {
            Ok(text) => {
                complain(merged.file, text, format!("`{}` {}", text.value, complaint.message)).with_hint(complaint.hint)
            }
            Err(error) => error,
        }
    })?;
    let starts_at = fault.at.as_ref().map(|at| point(merged, targets, at)).transpose()?;
    let duration = fault.duration.as_ref().map(|text| span(merged, text)).transpose()?;
    Ok(FaultSpec {
        name: name.value.clone(),
        when: When { starts_at, duration },
        kind,
    })
}

/// There is one target, which names something, and all keys that are required.
fn keys(merged: &Merged<'_>, name: &Text, form: &'static Form, settings: &[Setting]) -> Result<(), InputError> {
    let wrong = |message: String, hint: String| Err(complain(merged.file, name, message).with_hint(hint));
    let fault = &name.value;
    let possible: Vec<&str> = form
        .keys()
        .filter(|key| key.role == Role::Target)
        .map(|key| key.name)
        .collect();
    let targets: Vec<&Setting> = settings
        .iter()
        .filter(|setting| setting.key.role == Role::Target)
        .collect();
    match targets.as_slice() {
        _ if possible.is_empty() => {}
        [] => {
            let hint = format!(
                "name a target: `{}: {{node_of: WORKLOAD, …}}`, `node: worker-1` or `istiod: 0`",
                form.name
            );
            return wrong(format!("fault `{fault}` {} nothing", form.does), hint);
        }
        [one] if one.values.is_empty() => {
            let hint = format!("name one under `{}`, or write `parties: []`", one.key.name);
            return wrong(format!("fault `{fault}` {} nothing", form.does), hint);
        }
        [_] => {}
        _ => {
            let hint = format!("write one of {}", possible.join(", "));
            return wrong(format!("fault `{fault}` has several targets"), hint);
        }
    }
    let absent = |key: &&Key| key.role == Role::Required && settings.iter().all(|setting| setting.key.name != key.name);
    let mut missing: Vec<&Key> = form.keys().filter(absent).collect();
    missing.sort_by_key(|key| key.list);
    match missing.first() {
        None => Ok(()),
        Some(key) => {
            let words: Vec<&str> = key.takes.words().iter().map(|(word, _)| *word).collect();
            let hint = match key.list {
                true => format!("a list of {}; `[]` {} none", words.join(", "), form.does),
                false => format!("one of {}", words.join(", ")),
            };
            wrong(format!("fault `{fault}` has no `{}`", key.name), hint)
        }
    }
}

/// What one text stands for: mostly one value.
fn value(
    merged: &Merged<'_>,
    names: &Names,
    targets: &Targets,
    form: &Form,
    key: &Key,
    text: &Text,
) -> Result<Vec<Value>, InputError> {
    match key.takes {
        Takes::Node if key.list && text.value == ALL => {
            Ok((0..targets.nodes).map(|node| Value::Node(NodeId(node))).collect())
        }
        Takes::Node => targets.node(merged, text).map(|node| vec![node]),
        Takes::Workload => names
            .workload(merged, text)
            .map(|workload| vec![Value::Workload(workload)]),
        Takes::Istiod => targets.istiod(merged, form, text),
        Takes::ApiServer => targets.api_server(merged, text),
        Takes::Labels => {
            let with = names.workloads_with(merged, text)?;
            Ok(with.into_iter().map(Value::Workload).collect())
        }
        Takes::Word(what, words) => {
            let words = words();
            let found = words.iter().position(|(word, _)| *word == text.value);
            let known = words.iter().map(|(word, _)| *word);
            found
                .map(|number| vec![Value::Word(number)])
                .ok_or_else(|| unknown(merged.file, text, what, known))
        }
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
