//! The script and the background churn of one design: names become indexes, and the order of steps is checked.
//!
//! Belongs here: what can be wrong with a step before it runs, such as a pod that is scaled before it exists. Does not
//! belong here: what a step does (`cluster`).

use std::collections::BTreeSet;

use super::error::{InputError, all};
use super::faults::{Targets, number, point, span};
use super::layers::Merged;
use super::schema::{self, Text};
use super::values::{choice, complain, distribution, duration, rate, unknown};
use super::world::{ALL, Names};
use super::yaml::Spanned;
use crate::cluster::spec::{ChurnSpec, Look, ProbeFrom, ProbeSpec, Step};
use crate::kernel::SimTime;

pub(super) const LOOKS: [(&str, Look); 2] = [("at_once", Look::AtOnce), ("after_ips", Look::AfterIps)];

pub(super) const METHODS: [(&str, &str); 7] = [
    ("GET", "GET"),
    ("HEAD", "HEAD"),
    ("POST", "POST"),
    ("PUT", "PUT"),
    ("PATCH", "PATCH"),
    ("DELETE", "DELETE"),
    ("OPTIONS", "OPTIONS"),
];

/// Reads the steps in order and knows what the earlier ones have done.
pub(super) struct Reader<'r, 'a> {
    pub(super) merged: &'r Merged<'a>,
    pub(super) names: &'r Names,
    pub(super) targets: &'r Targets,
    pub(super) applied: BTreeSet<usize>,
    deleted: BTreeSet<usize>,
    remembered: bool,
    searched: bool,
    /// Names of the tracks so far.
    pub(super) tracks: BTreeSet<String>,
    /// Whether the present steps are repeated.
    pub(super) repeats: bool,
    pub(super) steps: Vec<Step>,
    pub(super) errors: Vec<InputError>,
}

/// The script of one design, with the steps inside others behind those. Workloads that run when it begins need no `apply`.
///
/// # Errors
/// For every step that is wrong.
pub fn script(
    merged: &Merged<'_>,
    names: &Names,
    targets: &Targets,
    running: &[usize],
) -> Result<Vec<Step>, Vec<InputError>> {
    let mut reader = Reader {
        merged,
        names,
        targets,
        applied: running.iter().copied().collect(),
        deleted: BTreeSet::new(),
        remembered: false,
        searched: false,
        tracks: BTreeSet::new(),
        repeats: false,
        steps: Vec::new(),
        errors: Vec::new(),
    };
    reader.read(&merged.experiment.script);
    if reader.errors.is_empty() {
        Ok(reader.steps)
    } else {
        Err(reader.errors)
    }
}

/// The churn of one design that starts by itself.
///
/// # Errors
/// For every one that is wrong.
pub fn churn(merged: &Merged<'_>, targets: &Targets) -> Result<Vec<ChurnSpec>, Vec<InputError>> {
    let written = merged.experiment.churn.iter();
    all(written.map(|spec| churn_spec(merged, targets, &spec.value)))
}

fn churn_spec(merged: &Merged<'_>, targets: &Targets, written: &schema::Churn) -> Result<ChurnSpec, InputError> {
    Ok(ChurnSpec {
        rate_per_s: rate(merged.file, merged.text(&written.rate)?)?,
        lifetime: distribution(merged.file, &written.lifetime)?,
        from: written
            .from
            .as_ref()
            .map_or(Ok(SimTime::ZERO), |from| point(merged, targets, from))?,
        duration: span(merged, &written.duration)?,
        service_accounts: written
            .service_accounts
            .as_ref()
            .map_or(Ok(1), |accounts| service_accounts(merged, targets, accounts))?,
    })
}

fn service_accounts(merged: &Merged<'_>, targets: &Targets, text: &Text) -> Result<u32, InputError> {
    let accounts = number(merged, text, 1)?;
    if accounts <= targets.accounts_max {
        return Ok(accounts);
    }
    let message = format!("{accounts} service accounts need more identities than are left");
    let hint = format!(
        "write at most {}: each account is an identity, and Cilium numbers 65280 of them, those of the manifests included",
        targets.accounts_max
    );
    Err(complain(merged.file, merged.text(text)?, message).with_hint(hint))
}

/// The path of a request; `/` if none is written.
pub(super) fn path(merged: &Merged<'_>, written: Option<&Text>) -> Result<String, InputError> {
    let Some(written) = written else {
        return Ok("/".to_owned());
    };
    let path = merged.text(written)?;
    if path.value.starts_with('/') {
        return Ok(path.value.clone());
    }
    let message = format!("`{}` is not a valid path", path.value);
    Err(complain(merged.file, path, message).with_hint("a path begins with `/`"))
}

impl Reader<'_, '_> {
    /// Reads steps one after another, with those inside them.
    pub(super) fn read(&mut self, steps: &[Spanned<schema::Step>]) {
        for (number, step) in steps.iter().enumerate() {
            let done = match &step.value {
                schema::Step::Repeat(repeat) => self.repeat(step, repeat, steps.get(number + 1)),
                schema::Step::Parallel(tracks) => self.parallel(step, tracks),
                _ => self.step(step).map(|step| self.steps.push(step)),
            };
            self.errors.extend(done.err());
        }
    }

    fn step(&mut self, step: &Spanned<schema::Step>) -> Result<Step, InputError> {
        let merged = self.merged;
        Ok(match &step.value {
            schema::Step::Apply(workloads) => {
                let found = self.names.workloads_or_all(merged, workloads);
                match &found {
                    Ok(found) => self.applied.extend(found),
                    // What was meant is not known: no later step is wrong because of it.
                    Err(_) => self.applied.extend(0..self.names.count()),
                }
                Step::Apply { workloads: found? }
            }
            schema::Step::WaitReady(wait) => Step::WaitReady {
                workloads: self.all_that_stay(&wait.workloads)?,
                timeout: span(merged, &wait.timeout)?,
            },
            schema::Step::Pause(pause) => Step::Pause {
                duration: duration(merged.file, merged.text(pause)?)?,
            },
            schema::Step::RememberIps(workload) => {
                self.remembered = true;
                Step::RememberIps {
                    workload: self.applied(workload)?,
                }
            }
            schema::Step::StartFault(fault) => Step::StartFault {
                fault: self.fault(fault)?,
            },
            schema::Step::EndFault(fault) => Step::EndFault {
                fault: self.fault(fault)?,
            },
            schema::Step::Scale(scale) => Step::Scale {
                workload: self.applied_that_stays(&scale.workload)?,
                replicas: number(merged, &scale.replicas, 0)?,
            },
            schema::Step::RolloutRestart(restart) => self.rollout_restart(step, restart)?,
            schema::Step::FindReuse(find) => self.find_reuse(step, find)?,
            schema::Step::Probe(probe) => Step::Probe(self.probe(probe)?),
            schema::Step::Churn(churn) => {
                if let Some(from) = &churn.from {
                    let message = "churn of the script starts with its step";
                    return Err(complain(merged.file, from, message).with_hint("leave `from` out"));
                }
                if self.repeats {
                    let message = "churn cannot be started again and again";
                    let hint = "write it before `repeat`, with a longer `for`, or as several steps";
                    return Err(complain(merged.file, step, message).with_hint(hint));
                }
                Step::Churn(churn_spec(merged, self.targets, churn)?)
            }
            schema::Step::Delete(workloads) => {
                let workloads = self.all_applied(workloads)?;
                self.applied.retain(|workload| !workloads.contains(workload));
                self.deleted.extend(&workloads);
                Step::Delete { workloads }
            }
            schema::Step::DeletePods(delete) => Step::DeletePods {
                workload: self.applied(&delete.workload)?,
                count: delete
                    .count
                    .as_ref()
                    .map(|count| number(merged, count, 1))
                    .transpose()?,
            },
            schema::Step::Cordon(at) => Step::Cordon(self.node(step, &at.node, &at.node_of)?, true),
            schema::Step::Uncordon(at) => Step::Cordon(self.node(step, &at.node, &at.node_of)?, false),
            schema::Step::Taint(taint) => self.taint(step, taint)?,
            schema::Step::Drain(drain) => self.drain(step, drain)?,
            schema::Step::Wait(wait) => self.wait(step, wait)?,
            schema::Step::Repeat(_) | schema::Step::Parallel(_) => unreachable!("they hold several steps"),
        })
    }

    /// The indexes of workloads that exist; `"*"` stands for all of them.
    pub(super) fn all_applied(&self, names: &[Text]) -> Result<Vec<usize>, InputError> {
        match names {
            [all] if all.value == ALL && !self.applied.is_empty() => Ok(self.applied.iter().copied().collect()),
            _ => names.iter().map(|name| self.applied(name)).collect(),
        }
    }

    fn find_reuse(&mut self, step: &Spanned<schema::Step>, find: &schema::FindReuse) -> Result<Step, InputError> {
        let merged = self.merged;
        self.searched = true;
        if !self.remembered {
            let message = "`find_reuse` looks for remembered addresses, but no step before it remembers any";
            return Err(complain(merged.file, step, message).with_hint("write `- remember_ips: WORKLOAD` before it"));
        }
        Ok(Step::FindReuse {
            workload: self.applied_that_stays(&find.workload)?,
            look: choice(merged.file, merged.text(&find.look)?, "time of a look", &LOOKS)?,
            rollout_deadline: span(merged, &find.rollout_deadline)?,
            rollouts_max: find
                .rollouts_max
                .as_ref()
                .map(|max| number(merged, max, 0))
                .transpose()?,
        })
    }

    fn probe(&self, probe: &schema::Probe) -> Result<ProbeSpec, InputError> {
        let merged = self.merged;
        let client = merged.text(&probe.from)?;
        let from = match client.value.as_str() {
            "found" if self.searched => ProbeFrom::Found,
            "found" => {
                let message = "`found` is the pod that `find_reuse` finds, but no step before it looks for one";
                return Err(
                    complain(merged.file, client, message).with_hint("name a workload, or write `find_reuse` first")
                );
            }
            _ => ProbeFrom::Workload(self.applied(client)?),
        };
        let retry = match &probe.retry_until_up {
            Some(retry) if merged.text(retry)?.value != "never" => Some(span(merged, retry)?),
            _ => None,
        };
        Ok(ProbeSpec {
            from,
            to: self.names.service(merged, &probe.to)?,
            method: match &probe.method {
                Some(method) => choice(merged.file, merged.text(method)?, "HTTP method", &METHODS)?.to_owned(),
                None => "GET".to_owned(),
            },
            path: path(merged, probe.path.as_ref())?,
            time_limit: span(merged, &probe.time_limit)?,
            retry_until_up: retry,
        })
    }

    pub(super) fn applied(&self, name: &Text) -> Result<usize, InputError> {
        let index = self.names.workload(self.merged, name)?;
        if self.applied.contains(&index) {
            return Ok(index);
        }
        let shown = self.names.workload_name(index);
        let message = match self.deleted.contains(&index) {
            true => format!("`{shown}` does not exist any more: a step before it deletes it"),
            false => format!("`{shown}` does not exist yet"),
        };
        let hint = format!("an `apply: [{shown}]` has to come before, or name it in `running`");
        Err(complain(self.merged.file, name, message).with_hint(hint))
    }

    fn fault(&self, name: &Text) -> Result<usize, InputError> {
        let name = self.merged.text(name)?;
        let faults = &self.merged.experiment.faults;
        let index = faults.keys().position(|known| known == name.value);
        index.ok_or_else(|| unknown(self.merged.file, name, "fault", faults.keys()))
    }
}
