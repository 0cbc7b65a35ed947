//! Steps of a script that operators take: rollouts, nodes, waits, and steps that hold others.
//!
//! Belongs here: which of their keys go together, and what they name. Does not belong here: the other steps (`script`), and what a
//! step does (`cluster`).

use super::error::InputError;
use super::faults::{number, point, span};
use super::layers::Merged;
use super::schema::{self, Text};
use super::script::Reader;
use super::values::{amount, choice, complain};
use super::world::ALL;
use super::yaml::Spanned;
use crate::cluster::event::TRACKS_MAX;
use crate::cluster::faults::form::Amount;
use crate::cluster::ids::KindId;
use crate::cluster::party::PartyKind;
use crate::cluster::placement::{Effect, TAINT_OF_STEPS, Taint};
use crate::cluster::spec::{Daemons, NodeAt, Rollout, Step, TrackSpec, Until};
use crate::kernel::SimDuration;

pub(super) const EFFECTS: [(&str, Effect); 3] = Effect::ALL;

/// The DaemonSets, each with its `maxUnavailable`: Cilium's chart, and the default of Kubernetes, which kubeadm leaves.
pub(super) const DAEMON_SETS: [(&str, (PartyKind, u32)); 2] = [
    ("cilium_agent", (PartyKind::Agent, 2)),
    ("service_proxy", (PartyKind::ServiceProxy, 1)),
];

/// Whether the script goes on.
pub(super) const ON_TIMEOUT: [(&str, bool); 2] = [("stop", false), ("go_on", true)];

impl Reader<'_, '_> {
    /// Whatever one of several keys gives.
    fn only<T>(
        &self,
        step: &Spanned<schema::Step>,
        keys: &str,
        found: impl IntoIterator<Item = Option<T>>,
    ) -> Result<T, InputError> {
        let mut found = found.into_iter().flatten();
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (none, _) => {
                let count = if none.is_none() { "none" } else { "several" };
                let message = format!("the step has {count} of the keys {keys}");
                Err(complain(self.merged.file, step, message).with_hint("write one of them"))
            }
        }
    }

    /// A node by its name or by what runs there.
    pub(super) fn node(
        &self,
        step: &Spanned<schema::Step>,
        node: &Option<Text>,
        node_of: &Option<Text>,
    ) -> Result<NodeAt, InputError> {
        let merged = self.merged;
        let (name, by_name) = self.only(
            step,
            "`node` and `node_of`",
            [
                node.as_ref().map(|name| (name, true)),
                node_of.as_ref().map(|name| (name, false)),
            ],
        )?;
        let name = merged.text(name)?;
        if by_name {
            return self.targets.node(merged, name).map(NodeAt::Node);
        }
        let kind = self.targets.workload(merged, self.names, name)?;
        Ok(NodeAt::NodeOf(KindId(kind as u32)))
    }

    /// A Deployment; nothing if it is one of the system that the design does not have.
    fn deployment(&self, name: &Text) -> Result<Option<Rollout>, InputError> {
        let name = self.merged.text(name)?;
        let is_workload = self.names.workload(self.merged, name).is_ok();
        let kind = match name.value.as_str() {
            "istiod" if !is_workload && self.targets.istiods.is_none() => return Ok(None),
            "coredns" if !is_workload && self.targets.coredns == 0 => return Ok(None),
            "istiod" | "coredns" if !is_workload => self.targets.workload(self.merged, self.names, name)?,
            _ => self.applied_that_stays(name)?,
        };
        Ok(Some(Rollout::Deployment(KindId(kind as u32))))
    }

    /// A Job that exists.
    fn job(&self, name: &Text) -> Result<KindId, InputError> {
        let index = self.applied(name)?;
        if self.names.makes_jobs(index) {
            return Ok(KindId(index as u32));
        }
        let message = format!("`{}` is no Job", self.names.workload_name(index));
        Err(complain(self.merged.file, name, message).with_hint("wait for it by `ready`"))
    }

    /// A workload that exists and whose pods do not end by themselves for good.
    pub(super) fn applied_that_stays(&self, name: &Text) -> Result<usize, InputError> {
        let index = self.applied(name)?;
        if !self.names.makes_jobs(index) {
            return Ok(index);
        }
        let message = format!("`{}` is a Job, whose pods end", self.names.workload_name(index));
        let hint = format!(
            "a script can apply it, delete it and wait for it: `wait: {{job: {}, timeout: 10m}}`",
            name.value
        );
        Err(complain(self.merged.file, name, message).with_hint(hint))
    }

    /// The indexes of such workloads; `"*"` stands for all of them.
    pub(super) fn all_that_stay(&self, names: &[Text]) -> Result<Vec<usize>, InputError> {
        match names {
            [all] if all.value == ALL => {
                let mut found = self.all_applied(names)?;
                found.retain(|index| !self.names.makes_jobs(*index));
                Ok(found)
            }
            _ => names.iter().map(|name| self.applied_that_stays(name)).collect(),
        }
    }

    fn daemon_set(&self, name: &Text, max_unavailable: &Option<Text>) -> Result<Rollout, InputError> {
        let name = self.merged.text(name)?;
        let (of, default) = choice(self.merged.file, name, "DaemonSet", &DAEMON_SETS)?;
        let written = max_unavailable
            .as_ref()
            .map(|most| amount(self.merged.file, self.merged.text(most)?));
        let max_unavailable = match written.transpose()? {
            None => default,
            Some(Amount::Count(pods)) => pods,
            Some(Amount::Share(share)) => libm::ceil(f64::from(self.targets.nodes) * share - 1e-9) as u32,
        };
        Ok(Rollout::DaemonSet(Daemons { of, max_unavailable }))
    }

    pub(super) fn rollout_restart(
        &self,
        step: &Spanned<schema::Step>,
        restart: &schema::RolloutRestart,
    ) -> Result<Step, InputError> {
        let (workload, daemons) = (restart.workload.as_ref(), restart.daemonset.as_ref());
        let deployment = restart.deployment.as_ref();
        let keys = "`workload`, `deployment` and `daemonset`";
        let name = self.only(step, keys, [workload, deployment, daemons])?;
        if let (Some(most), None) = (&restart.max_unavailable, daemons) {
            let message = "`max_unavailable` is of a DaemonSet; a Deployment has its own in its manifest";
            return Err(complain(self.merged.file, most, message).with_hint("leave it out, or name a `daemonset`"));
        }
        let deadline = restart.deadline.as_ref().map(|deadline| span(self.merged, deadline));
        let deadline = deadline.transpose()?;
        let of = match (workload, daemons) {
            (Some(name), _) => Some(Rollout::Deployment(KindId(self.applied_that_stays(name)? as u32))),
            (_, Some(name)) => Some(self.daemon_set(name, &restart.max_unavailable)?),
            _ => self.deployment(name)?,
        };
        Ok(of.map_or(NOTHING, |of| Step::RolloutRestart { of, deadline }))
    }

    pub(super) fn taint(&self, step: &Spanned<schema::Step>, taint: &schema::Taint) -> Result<Step, InputError> {
        let (file, merged) = (self.merged.file, self.merged);
        let removes = match &taint.remove {
            Some(remove) => choice(
                file,
                merged.text(remove)?,
                "switch",
                &[("false", false), ("true", true)],
            )?,
            None => false,
        };
        Ok(Step::Taint {
            node: self.node(step, &taint.node, &taint.node_of)?,
            taint: Taint {
                key: named(merged, &taint.key)?.unwrap_or_else(|| TAINT_OF_STEPS.to_owned()),
                value: named(merged, &taint.value)?.unwrap_or_default(),
                effect: choice(file, merged.text(&taint.effect)?, "effect of a taint", &EFFECTS)?,
            },
            on: !removes,
        })
    }

    fn goes_on(&self, on_timeout: &Option<Text>) -> Result<bool, InputError> {
        let Some(written) = on_timeout else { return Ok(false) };
        choice(
            self.merged.file,
            self.merged.text(written)?,
            "end of a wait",
            &ON_TIMEOUT,
        )
    }

    pub(super) fn drain(&self, step: &Spanned<schema::Step>, drain: &schema::Drain) -> Result<Step, InputError> {
        Ok(Step::Drain {
            node: self.node(step, &drain.node, &drain.node_of)?,
            timeout: span(self.merged, &drain.timeout)?,
            goes_on: self.goes_on(&drain.on_timeout)?,
        })
    }

    pub(super) fn wait(&self, step: &Spanned<schema::Step>, wait: &schema::Wait) -> Result<Step, InputError> {
        let merged = self.merged;
        let keys = "`ready`, `deployment`, `daemonset`, `node`, `node_of`, `job` and `until`";
        let written = [
            &wait.deployment,
            &wait.daemonset,
            &wait.node,
            &wait.node_of,
            &wait.job,
            &wait.until,
        ];
        let names = written.map(|name| name.is_some().then_some(()));
        self.only(step, keys, names.into_iter().chain([wait.ready.as_ref().map(|_| ())]))?;
        if let Some(until) = &wait.until {
            if let Some(useless) = wait.timeout.as_ref().or(wait.on_timeout.as_ref()) {
                let message = "a wait until a time has no timeout";
                return Err(complain(merged.file, useless, message).with_hint("leave it out"));
            }
            return Ok(Step::WaitUntil(point(merged, self.targets, until)?));
        }
        let Some(timeout) = &wait.timeout else {
            let message = "the wait has no timeout";
            return Err(complain(merged.file, step, message).with_hint("write `timeout: 10m`"));
        };
        let until = match (&wait.ready, &wait.deployment, &wait.daemonset) {
            _ if let Some(name) = &wait.job => Some(Until::JobComplete(self.job(name)?)),
            (Some(workloads), ..) => Some(Until::Ready(self.all_that_stay(workloads)?)),
            (_, Some(name), _) => self.deployment(name)?.map(Until::Complete),
            (.., Some(name)) => Some(Until::Complete(self.daemon_set(name, &None)?)),
            _ => Some(Until::NodeReady(self.node(step, &wait.node, &wait.node_of)?)),
        };
        let (timeout, goes_on) = (span(merged, timeout)?, self.goes_on(&wait.on_timeout)?);
        Ok(until.map_or(NOTHING, |until| Step::Wait {
            until,
            timeout,
            goes_on,
        }))
    }

    pub(super) fn repeat(
        &mut self,
        step: &Spanned<schema::Step>,
        repeat: &schema::Repeat,
        behind: Option<&Spanned<schema::Step>>,
    ) -> Result<(), InputError> {
        let file = self.merged.file;
        let every = span(self.merged, &repeat.every)?;
        let times = repeat.times.as_ref().map(|times| number(self.merged, times, 1));
        let times = times.transpose()?;
        if repeat.steps.is_empty() {
            return Err(complain(file, step, "nothing is repeated").with_hint("write what under `steps`"));
        }
        if let (None, Some(behind)) = (times, behind) {
            let message = "the step never comes: the one before it repeats until the end of the run";
            let hint = "give `repeat` its `times`, or write tracks under `parallel`";
            return Err(complain(file, behind, message).with_hint(hint));
        }
        let at = self.steps.len();
        let head = |end| Step::Repeat { every, times, end };
        self.steps.push(head(0));
        let outer = std::mem::replace(&mut self.repeats, true);
        self.read(&repeat.steps);
        self.repeats = outer;
        self.steps[at] = head(self.steps.len());
        Ok(())
    }

    pub(super) fn parallel(
        &mut self,
        step: &Spanned<schema::Step>,
        written: &[schema::Track],
    ) -> Result<(), InputError> {
        let file = self.merged.file;
        if written.is_empty() {
            return Err(complain(file, step, "there are no tracks").with_hint("write `{name: NAME, steps: […]}`"));
        }
        let at = self.steps.len();
        let mut tracks = Vec::new();
        self.steps.push(NOTHING);
        for track in written {
            let (name, number) = (&track.name.value, self.tracks.len() as u32 + 1);
            if number >= TRACKS_MAX || !self.tracks.insert(name.clone()) {
                let message = match number {
                    TRACKS_MAX => format!("a script has at most {} tracks", TRACKS_MAX - 1),
                    _ => format!("the track `{name}` is there twice"),
                };
                let hint = "its name chooses the random numbers of a track: give each one its own";
                return Err(complain(file, &track.name, message).with_hint(hint));
            }
            let start = self.steps.len();
            self.read(&track.steps);
            tracks.push(TrackSpec {
                name: name.clone(),
                number,
                steps: start..self.steps.len(),
            });
        }
        let end = self.steps.len();
        self.steps[at] = Step::Parallel { tracks, end };
        Ok(())
    }
}

/// A word of the experiment that may be absent.
fn named(merged: &Merged<'_>, text: &Option<Text>) -> Result<Option<String>, InputError> {
    let text = text.as_ref().map(|text| merged.text(text)).transpose()?;
    Ok(text.map(|text| text.value.clone()))
}

/// What is left of a step that is about nothing in a design.
const NOTHING: Step = Step::Pause {
    duration: SimDuration::ZERO,
};
