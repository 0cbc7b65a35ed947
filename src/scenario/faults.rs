//! The faults of one design: names become indexes, words become numbers, and each kind of fault checks what is its own.
//!
//! Belongs here: everything that can be wrong with a fault of any kind before it runs. Does not belong here: what a kind takes and
//! does (`cluster/faults`), how it is read (`fault_form`), and when the script starts it (`script`).

use super::error::{InputError, all};
use super::fault_form::{Condition, Fault, Repeats, Setting, Trigger};
use super::layers::Merged;
use super::schema::Text;
use super::values::{
    amount, choice, complain, count, distribution, duration, number_within, offset, positive_duration, rate, unknown,
};
use super::world::Names;
use crate::cluster::blueprint::{node_name, zone_in_pools, zone_name};
use crate::cluster::faults::form::{Form, Key, Role, Takes, Value, Written};
use crate::cluster::faults::place::Whom;
use crate::cluster::faults::when::{self, EVENTS, Event, Occurrence, Takes as Of};
use crate::cluster::faults::{FaultSpec, KINDS, When};
use crate::cluster::ids::{FaultId, IstiodId, KindId, NodeId};
use crate::cluster::placement::NodePool;
use crate::kernel::{Distribution, SimDuration, SimTime};

/// In a list of nodes or Istiods: all of them.
const ALL: &str = "all";

/// What faults can name in one design.
#[derive(Clone, Debug)]
pub struct Targets {
    /// Nodes, control plane included.
    pub nodes: u32,
    /// How many of them are control-plane nodes.
    pub control_plane_nodes: u32,
    /// Zones.
    pub zones: u32,
    /// Pools of workers.
    pub pools: Vec<NodePool>,
    /// API servers.
    pub api_servers: u32,
    /// Istiods; none without Istio.
    pub istiods: Option<u32>,
    /// Replicas of CoreDNS.
    pub coredns: u32,
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

    pub(super) fn node(&self, merged: &Merged<'_>, text: &Text) -> Result<NodeId, InputError> {
        let found = (0..self.nodes).find(|index| self.node_name(*index) == text.value);
        found.map(NodeId).ok_or_else(|| {
            let error = complain(merged.file, text, format!("unknown node `{}`", text.value));
            let shown: Vec<String> = (0..self.nodes.min(12)).map(|index| self.node_name(index)).collect();
            match self.nodes {
                0..=12 => error.with_hint(format!("known: {}", shown.join(", "))),
                many => error.with_hint(format!("known: {}, … {}", shown.join(", "), self.node_name(many - 1))),
            }
        })
    }

    /// A workload of the manifests, or `istiod` or `coredns`, which come behind them.
    pub(super) fn workload(&self, merged: &Merged<'_>, names: &Names, text: &Text) -> Result<usize, InputError> {
        let with_istiod = self.istiods.is_some();
        match names.workload(merged, text) {
            Err(_) if with_istiod && text.value == "istiod" => Ok(names.count()),
            Err(_) if self.coredns > 0 && text.value == "coredns" => Ok(names.count() + usize::from(with_istiod)),
            found => found,
        }
    }

    /// The nodes of a zone.
    fn zone(&self, merged: &Merged<'_>, text: &Text) -> Result<Vec<Value>, InputError> {
        let Some(zone) = (0..self.zones).find(|zone| zone_name(*zone) == text.value) else {
            let message = format!("there is no zone `{}`", text.value);
            let hint = format!(
                "`cluster.zones` is {}, and they are called zone-1, zone-2, …",
                self.zones
            );
            return Err(complain(merged.file, text, message).with_hint(hint));
        };
        let zone_of = |node| zone_in_pools(node, self.control_plane_nodes, self.zones, &self.pools);
        let nodes = (0..self.nodes).filter(|node| zone_of(*node) == zone);
        Ok(nodes.map(|node| Value::Node(NodeId(node))).collect())
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

    /// Whether the design has no Istio, or no CoreDNS, for this target.
    fn lacks(&self, takes: Takes, target: &str) -> bool {
        match takes {
            Takes::Istiod => self.istiods.is_none(),
            Takes::Workload => {
                (target == "istiod" && self.istiods.is_none()) || (target == "coredns" && self.coredns == 0)
            }
            _ => false,
        }
    }

    fn istiod(&self, merged: &Merged<'_>, form: &Form, text: &Text) -> Result<Vec<Value>, InputError> {
        let Some(replicas) = self.istiods else {
            let (done, design) = (form.done, &merged.design.name.value);
            let message = format!(
                "Istiod `{}` is {done} in design `{design}`, which has no Istio",
                text.value
            );
            let whose = form.keys().find(|key| matches!(key.takes, Takes::Party(_)));
            let whose = whose.map_or(Whom::PARTIES, |key| key.name);
            let hint = format!("give the design Istio, or write `{whose}: []` in it");
            return Err(complain(merged.file, text, message).with_hint(hint));
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
        nodes: targets.nodes,
        istiods: targets.istiods,
        values: Vec::new(),
    };
    // A fault without parties needs nothing of the design.
    let idle = settings
        .iter()
        .any(|setting| matches!(setting.key.takes, Takes::Party(_)) && setting.values.is_empty());
    for setting in settings {
        let absent = |text: &Text| idle && targets.lacks(setting.key.takes, &text.value);
        let mut values = Vec::new();
        for (place, text) in setting.values.iter().enumerate() {
            let text = merged.text(text)?;
            if absent(text) {
                continue;
            }
            let found = value(merged, names, targets, kind.form, setting.key, text)?;
            values.extend(found.into_iter().map(|value| (place, value)));
        }
        let distribution = setting
            .distribution
            .as_ref()
            .map(|written| distribution(merged.file, written));
        values.extend(distribution.transpose()?.map(|time| (0, Value::Distribution(time))));
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
    Ok(FaultSpec {
        name: name.value.clone(),
        when: when(merged, names, targets, name, fault)?,
        kind,
    })
}

/// When a fault acts. There is one reason for its start, and one for its end.
fn when(merged: &Merged<'_>, names: &Names, targets: &Targets, name: &Text, fault: &Fault) -> Result<When, InputError> {
    let starts_at = fault.at.as_ref().map(|at| point(merged, targets, at)).transpose()?;
    let duration = fault.duration.as_ref().map(|text| span(merged, text)).transpose()?;
    let trigger = |trigger: &Option<Trigger>| {
        let found = trigger
            .as_ref()
            .map(|trigger| occurrence(merged, names, targets, trigger));
        found.transpose()
    };
    let (after, until) = (trigger(&fault.after)?, trigger(&fault.until)?);
    let holds = fault
        .holds
        .as_ref()
        .map(|holds| condition(merged, names, targets, name, holds));
    let repeats = fault.repeats.as_ref().map(|repeats| repeats_of(merged, repeats));
    let (holds, repeats) = (holds.transpose()?, repeats.transpose()?);
    let rivals = |keys: &[(&str, bool)]| {
        let written: Vec<&str> = keys
            .iter()
            .filter(|(_, written)| *written)
            .map(|(key, _)| *key)
            .collect();
        match written.as_slice() {
            [one, other, ..] => {
                let message = format!("fault `{}` has both `{one}` and `{other}`", name.value);
                let hint = format!(
                    "write one of {}",
                    keys.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ")
                );
                Err(complain(merged.file, name, message).with_hint(hint))
            }
            _ => Ok(()),
        }
    };
    let at = ("at", starts_at.is_some());
    let (after_key, while_key, repeats_key) = (
        ("after", after.is_some()),
        ("while", holds.is_some()),
        ("repeats", repeats.is_some()),
    );
    let (for_key, until_key) = (("for", duration.is_some()), ("until", until.is_some()));
    rivals(&[at, after_key, while_key])?;
    rivals(&[repeats_key, after_key, while_key])?;
    rivals(&[for_key, until_key, while_key, repeats_key])?;
    Ok(When {
        starts_at,
        after,
        duration,
        until,
        holds,
        repeats,
    })
}

fn event(
    merged: &Merged<'_>,
    names: &Names,
    targets: &Targets,
    event: &Text,
    of: Option<&Text>,
) -> Result<Event, InputError> {
    let words: Vec<_> = EVENTS.iter().map(|event| (event.word, event)).collect();
    let form = choice(merged.file, merged.text(event)?, "event", &words)?;
    let of = of.map(|of| merged.text(of)).transpose()?;
    let Some(of) = of else {
        let message = format!("`{}` does not say of which {}", form.word, form.of.word());
        let hint = format!("write `of: {}`", form.of.example());
        return Err(complain(merged.file, event, message).with_hint(hint));
    };
    Ok(match form.of {
        Of::Workload(make) => make(KindId(targets.workload(merged, names, of)? as u32)),
        Of::Node(make) => make(targets.node(merged, of)?),
        Of::Fault(make) => make(fault_named(merged, of)?),
    })
}

fn fault_named(merged: &Merged<'_>, text: &Text) -> Result<FaultId, InputError> {
    let faults = &merged.experiment.faults.0;
    let found = faults.iter().position(|(name, _)| name.value == text.value);
    let known = faults.iter().map(|(name, _)| name.value.as_str());
    let found = found.map(|number| FaultId(number as u32));
    found.ok_or_else(|| unknown(merged.file, text, "fault", known))
}

fn occurrence(
    merged: &Merged<'_>,
    names: &Names,
    targets: &Targets,
    trigger: &Trigger,
) -> Result<Occurrence, InputError> {
    let wait = trigger
        .wait
        .as_ref()
        .map(|wait| duration(merged.file, merged.text(wait)?));
    let count = trigger.count.as_ref().map(|count| number(merged, count, 1));
    Ok(Occurrence {
        event: event(merged, names, targets, &trigger.event, trigger.of.as_ref())?,
        count: count.transpose()?.unwrap_or(1),
        wait: wait.transpose()?.unwrap_or(SimDuration::ZERO),
    })
}

fn condition(
    merged: &Merged<'_>,
    names: &Names,
    targets: &Targets,
    name: &Text,
    written: &Condition,
) -> Result<when::Condition, InputError> {
    let node = |node: &Text| targets.node(merged, merged.text(node)?).map(when::Condition::NotReady);
    let fault = |fault: &Text| {
        let fault = merged.text(fault)?;
        if fault.value == name.value {
            let message = format!("fault `{}` would act while it acts itself", name.value);
            return Err(complain(merged.file, fault, message).with_hint("name another fault"));
        }
        fault_named(merged, fault).map(when::Condition::Fault)
    };
    let rollout = |workload: &Text| {
        let workload = names.workload(merged, merged.text(workload)?)?;
        Ok(when::Condition::Rollout(KindId(workload as u32)))
    };
    match (&written.fault, &written.node_not_ready, &written.rollout_of) {
        (Some(of), None, None) => fault(of),
        (None, Some(of), None) => node(of),
        (None, None, Some(of)) => rollout(of),
        _ => {
            let message = format!("`while` of fault `{}` has to be one condition", name.value);
            let hint = "write one of `{fault: NAME}`, `{node_not_ready: NODE}`, `{rollout_of: WORKLOAD}`";
            Err(complain(merged.file, name, message).with_hint(hint))
        }
    }
}

fn repeats_of(merged: &Merged<'_>, written: &Repeats) -> Result<when::Repeats, InputError> {
    let times = written.times.as_ref().map(|times| number(merged, times, 1));
    let repeats = when::Repeats {
        to_failure: distribution(merged.file, &written.to_failure)?,
        to_repair: distribution(merged.file, &written.to_repair)?,
        times: times.transpose()?,
    };
    let is_zero = |span: &Distribution| span.quantile(0.999) == SimDuration::ZERO;
    if is_zero(&repeats.to_failure) && is_zero(&repeats.to_repair) {
        let message = "the fault would start and end all the time: both times are zero".to_owned();
        let hint = "give `to_failure` or `to_repair` a time above 0s";
        return Err(complain(merged.file, &written.to_failure, message).with_hint(hint));
    }
    Ok(repeats)
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
    let parties = form.keys().find(|key| matches!(key.takes, Takes::Party(_)));
    let whose = parties.map_or("parties", |key| key.name);
    match targets.as_slice() {
        _ if possible.is_empty() => {}
        [] => {
            let examples = [
                "node_of: WORKLOAD",
                "node: worker-1",
                "istiods: [0]",
                "api_servers: [0]",
            ];
            let fitting = examples.iter().filter(|example| {
                let key = example.split(':').next().unwrap_or_default();
                possible.contains(&key)
            });
            let fitting: Vec<String> = fitting
                .map(|example| format!("`{}: {{{example}, …}}`", form.name))
                .collect();
            let hint = format!("name a target: {}", fitting.join(" or "));
            return wrong(format!("fault `{fault}` {} nothing", form.does), hint);
        }
        [one] if one.values.is_empty() => {
            let hint = format!("name one under `{}`, or write `{whose}: []`", one.key.name);
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
                false if words.is_empty() => format!("write `{}: {}`", key.name, key.takes.example()),
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
        Takes::Node => targets.node(merged, text).map(|node| vec![Value::Node(node)]),
        Takes::Zone => targets.zone(merged, text),
        Takes::Workload => targets
            .workload(merged, names, text)
            .map(|workload| vec![Value::Workload(workload)]),
        Takes::Istiod => targets.istiod(merged, form, text),
        Takes::ApiServer => targets.api_server(merged, text),
        Takes::Labels => {
            let with = names.workloads_with(merged, text)?;
            Ok(with.into_iter().map(Value::Workload).collect())
        }
        Takes::Party(kinds) => {
            let words: Vec<_> = kinds.iter().map(|kind| (kind.words().word, *kind)).collect();
            let what = match key.name {
                "parties" => "party of a fault".to_owned(),
                _ => format!("process that a fault {}", form.does),
            };
            let found = choice(merged.file, text, &what, &words).map(|kind| vec![Value::Party(kind)]);
            // Where there is no choice, the meaning of the key says why.
            found.map_err(|error| match kinds.len() {
                1 => error.with_hint(key.meaning),
                _ => error,
            })
        }
        Takes::Word(what, words) => {
            let words: Vec<_> = words()
                .iter()
                .enumerate()
                .map(|(number, (word, _))| (*word, number))
                .collect();
            choice(merged.file, text, what, &words).map(|number| vec![Value::Word(number)])
        }
        // It is read with the setting.
        Takes::Span => positive_duration(merged.file, text).map(|span| vec![Value::Span(span)]),
        Takes::Distribution => {
            let span = duration(merged.file, text)?;
            Ok(vec![Value::Distribution(Distribution::Constant(span))])
        }
        Takes::Offset => offset(merged.file, text).map(|by| vec![Value::Offset(by)]),
        Takes::Number(min, max) => number_within(merged.file, text, min, max).map(|number| vec![Value::Number(number)]),
        Takes::Rate => rate(merged.file, text).map(|rate| vec![Value::Number(rate)]),
        Takes::Amount => amount(merged.file, text).map(|amount| vec![Value::Amount(amount)]),
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
