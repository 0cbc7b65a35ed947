//! From a dump of a cluster, as `kubectl get … -o yaml` prints it, to an experiment that runs.
//!
//! Belongs here: everything between the texts of a dump and the texts of an experiment: objects (`stream`, `prune`, `dump`, `template`),
//! pods and their owners (`workloads`, `companions`), nodes, sizes, versions and settings (`zones`, `relocate`, `pools`, `sizes`,
//! `settings`, `churn`), policies and Services (`policies`, `settle`), other names (`redact`), and the files (`edges`, `experiment`, `write`,
//! `changes`). Does not belong here: reading arguments and writing files (`cli`). Secrets are counted
//! and never parsed in YAML; values of environment variables and volumes of no object are kept.

mod changes;
mod churn;
mod companions;
mod dump;
mod edges;
mod experiment;
mod json;
mod policies;
mod pools;
mod prune;
mod redact;
mod relocate;
mod report;
mod settings;
mod settle;
mod sizes;
mod stream;
mod template;
mod versions;
mod workloads;
mod write;
mod zones;

#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod reading_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use super::error::InputError;
use super::models::Models;
use changes::Changes;
use dump::{Dump, Policy, Text};
use edges::InForce;
use policies::Counts;
use report::Facts;
use workloads::{Workload, unique};

/// Kinds of workloads that are written as what they are, because runs simulate them.
const AS_SUCH: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"];

/// The files of an experiment, and what is to be reported.
#[derive(Debug)]
pub struct Imported {
    /// Paths below the folder of the experiment, and texts. The first is the experiment.
    pub files: Vec<(String, String)>,
    /// The text of the experiment with the values that were given, if there are any.
    pub changed: Option<String>,
    /// What was read, left out and assumed, a line each.
    pub report: Vec<String>,
}

/// What an import is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Values of the experiment, `key=value`, as `run` takes them.
    pub changes: Vec<String>,
    /// Whether everything gets another name.
    pub redact: bool,
    /// About how many pods are kept; all if absent.
    pub pods_max: Option<u32>,
}

/// A dump that is being read.
#[derive(Debug, Default)]
pub struct Import {
    dump: Dump,
}

impl Import {
    /// Reads a text of the dump.
    ///
    /// # Errors
    /// If it cannot be read as objects of Kubernetes.
    pub fn read(&mut self, file: &Path, mut from: impl BufRead) -> Result<(), InputError> {
        // Some shells write a byte order mark.
        const MARK: &[u8] = "\u{feff}".as_bytes();
        if from.fill_buf().is_ok_and(|begin| begin.starts_with(MARK)) {
            from.consume(MARK.len());
        }
        let mut wrong = None;
        let dump = &mut self.dump;
        stream::read(file, from, &mut |found| {
            if let (None, Err(error)) = (&wrong, dump.take(found)) {
                wrong = Some(error);
            }
        })?;
        wrong.map_or(Ok(()), Err)
    }

    /// The experiment of what was read; `name` is that of its file.
    ///
    /// # Errors
    /// If there is nothing to simulate.
    pub fn finish(self, name: &str, options: &Options) -> Result<Imported, Vec<InputError>> {
        let one = |error: InputError| vec![error];
        let dump = self.dump;
        let models = Models::embedded().map_err(one)?;
        let mut found = workloads::workloads(&dump, &AS_SUCH);
        if found.all.iter().all(|of| of.replicas == 0) {
            let error = InputError::in_file(Path::new("DUMP"), "the dump has no workload that can be simulated");
            let hint = "it needs Deployments or other workloads, or pods: `kubectl get deployments,pods -A -o yaml`";
            return Err(vec![error.with_hint(hint)]);
        }
        found.keep(options.pods_max);
        let changes = Changes::parse(&options.changes).map_err(one)?;
        let sizes = sizes::sizes(&dump, &found, &models).map_err(one)?;
        relocate::relocate(&mut found.all, &sizes.layout);
        let mut pools = pools::pools(&dump, &sizes.layout, &found.all);
        let (mut companions, metrics_left_out) = companions::companions(&dump, &found.all);
        let (mut service_counts, mut policy_counts) = (Counts::new(), Counts::new());
        let mut services = policies::services(&dump, &found.all, &mut service_counts);
        let mut policies = {
            let domain = sizes.settings.trust_domain.clone();
            policies::policies(&dump, &found.all, domain, &mut policy_counts)
        };
        let mut namespaces = namespaces(&dump, &found.all, &services, &policies);
        if options.redact {
            redact::redact(&mut redact::Everything {
                workloads: &mut found.all,
                services: &mut services,
                policies: &mut policies,
                companions: &mut companions,
                pools: &mut pools,
                namespaces: &mut namespaces,
            });
        }
        let of_workload = |of: &Workload| [of.name.clone(), of.namespace.clone(), of.kind.to_lowercase()];
        unique(&mut found.all, of_workload, |of, name| of.written = name);
        let of_service = |of: &policies::Written| [of.name.clone(), of.namespace.clone(), "service".to_owned()];
        unique(&mut services, of_service, |of, name| of.written = name);
        policies::rename_services(&mut policies, &services);
        let mut files = write::manifests(&found.all, &services, &companions, &namespaces);
        let mut left_out = settle::LeftOut::new();
        let read = policies.len();
        let policies = settle::settle(policies, &found.all, &files[0].1, &mut left_out);
        files.extend(write::policies(&policies));
        let material = settle::together(&files)?;
        let in_force = InForce {
            network: sizes.settings.enforced,
            mesh: sizes.istio.is_some(),
        };
        let edges = edges::edges(&material, &services, in_force);
        let replicas: BTreeMap<&str, u32> = found.all.iter().map(|of| (of.written.as_str(), of.replicas)).collect();
        let pods = material.workloads.iter().map(|of| replicas.get(of.name.as_str()));
        let pods: Vec<u32> = pods.map(|pods| pods.copied().unwrap_or(0)).collect();
        let text = experiment::text(&experiment::Parts {
            sizes: &sizes,
            workloads: &found.all,
            material: &material,
            edges: &edges,
            pools: &pools,
            pods: &pods,
        });
        let changed = changes.written_into(&text).map_err(one)?;
        let report = report::lines(&Facts {
            dump: &dump,
            found: &found,
            sizes: &sizes,
            services: (services.len(), &service_counts),
            policies: (read, policies.len(), &policy_counts),
            left_out: &left_out,
            edges: &edges,
            redacted: options.redact,
            metrics_left_out,
            given: &changes.keys,
        });
        let mut all = vec![(format!("{name}.yaml"), text)];
        all.extend(
            files
                .into_iter()
                .map(|(file, text)| (format!("manifests/{file}"), text)),
        );
        all.push(("edges.csv".to_owned(), edges.table(&material)));
        if !options.redact {
            all.push(("nodes.csv".to_owned(), report::nodes(&sizes)));
        }
        Ok(Imported {
            files: all,
            changed,
            report,
        })
    }
}

/// The namespaces of everything that is written, with their labels.
fn namespaces(
    dump: &Dump,
    workloads: &[Workload],
    services: &[policies::Written],
    policies: &[Policy],
) -> BTreeMap<String, Text> {
    let of_workloads = workloads.iter().map(|of| &of.namespace);
    let of_services = services.iter().map(|of| &of.namespace);
    let of_policies = policies.iter().map(|of| &of.namespace).filter(|of| !of.is_empty());
    let named = of_workloads.chain(of_services).chain(of_policies);
    let labels = |name: &String| dump.namespaces.get(name).cloned().unwrap_or_default();
    named.map(|name| (name.clone(), labels(name))).collect()
}
