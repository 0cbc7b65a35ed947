//! What the manifests of an experiment describe, in the terms of the simulated world.
//!
//! Belongs here: finding the manifests of an experiment, on disk or in the binary, and their conversion. Does not belong
//! here: how a manifest is read and what is refused in it (`manifests`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::embedded;
use super::error::InputError;
use super::manifests::{self, CountOrPercent, Manifests, ReadOptions, ServiceManifest, Workload};
use super::schema::Text;
use super::values::complain;
use super::yaml;
use crate::cluster::spec::{Amount, ServiceSpec, WorkloadSpec};
use crate::kernel::SimDuration;
use crate::policy::labels::Labels;
use crate::policy::network::Options;
use crate::policy::{LabelSelector, MeshPolicies, NetworkPolicies};

/// Trust domain of every mesh (Istio's default).
pub const TRUST_DOMAIN: &str = "cluster.local";

/// Workloads, Services and policies of an experiment.
#[derive(Clone, Debug)]
pub struct Material {
    /// Deployments, by namespace and name.
    pub workloads: Arc<Vec<WorkloadSpec>>,
    /// Services, by namespace and name.
    pub services: Arc<Vec<ServiceSpec>>,
    /// Labels of the namespaces that are declared.
    pub namespaces: Arc<BTreeMap<String, Labels>>,
    /// Policies of the network.
    pub network_policies: Arc<NetworkPolicies>,
    /// Policies of the mesh.
    pub mesh_policies: Arc<MeshPolicies>,
    /// What looks like a mistake.
    pub warnings: Vec<String>,
}

/// A file of manifests: as messages name it, relative to the experiment, and its text.
pub type ManifestFile = (PathBuf, String, String);

/// Where experiments come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Files on disk.
    Disk,
    /// Files in the binary.
    Embedded,
}

/// The manifests in the folder that an experiment names, in the order of their names.
pub fn find(file: &Path, folder: &Text, origin: Origin) -> Result<Vec<ManifestFile>, InputError> {
    let relative = folder.value.trim_end_matches('/');
    let parent = file.parent().unwrap_or(Path::new(""));
    let missing = |known: Vec<String>| {
        complain(file, folder, format!("manifest folder `{relative}` does not exist"))
            .with_hint("the folder is relative to the experiment file")
            .with_candidates(relative, known.iter().map(String::as_str))
    };
    let found = match origin {
        Origin::Embedded => {
            let prefix = format!("experiments/{relative}/");
            let inside = embedded::FILES
                .iter()
                .filter_map(|(name, text)| Some((name.strip_prefix(&prefix)?, *text)));
            inside
                .map(|(name, text)| {
                    (
                        parent.join(relative).join(name),
                        format!("{relative}/{name}"),
                        text.to_owned(),
                    )
                })
                .collect()
        }
        Origin::Disk => {
            let path = parent.join(relative);
            if !path.is_dir() {
                return Err(missing(neighbours(parent, relative)));
            }
            let unreadable = |error: std::io::Error| InputError::in_file(&path, format!("cannot be read: {error}"));
            let mut found = Vec::new();
            for entry in fs::read_dir(&path).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?.path();
                let manifest = entry
                    .extension()
                    .is_some_and(|e| ["yaml", "yml", "json"].iter().any(|known| e == *known));
                if let (true, true, Some(name)) = (manifest, entry.is_file(), entry.file_name()) {
                    let name = format!("{relative}/{}", name.to_string_lossy());
                    found.push((entry.clone(), name, yaml::read_text(&entry)?));
                }
            }
            found.sort();
            found
        }
    };
    match (found.is_empty(), origin) {
        (false, _) => Ok(found),
        (true, Origin::Embedded) => Err(missing(Vec::new())),
        (true, Origin::Disk) => Err(
            complain(file, folder, format!("manifest folder `{relative}` has no manifest"))
                .with_hint("manifests end in .yaml, .yml or .json"),
        ),
    }
}

/// Folders beside the one that does not exist.
fn neighbours(parent: &Path, relative: &str) -> Vec<String> {
    let above = Path::new(relative).parent().unwrap_or(Path::new(""));
    let Ok(entries) = fs::read_dir(parent.join(above)) else {
        return Vec::new();
    };
    let folders = entries.flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders
        .map(|entry| above.join(entry.file_name()).to_string_lossy().replace('\\', "/"))
        .collect();
    names.sort();
    names
}

/// Reads the manifests.
///
/// # Errors
/// Everything that is wrong with them.
pub fn read(files: &[ManifestFile]) -> Result<Material, Vec<InputError>> {
    let texts: Vec<(PathBuf, &str)> = files
        .iter()
        .map(|(path, _, text)| (path.clone(), text.as_str()))
        .collect();
    let mut manifests = manifests::read_texts(&texts, ReadOptions::default())?;
    unique(
        manifests.workloads.iter().map(|w| (w.name.as_str(), &w.place)),
        "Deployments",
    )
    .map_err(one)?;
    unique(
        manifests.services.iter().map(|s| (s.name.as_str(), &s.place)),
        "Services",
    )
    .map_err(one)?;
    let mut warnings = manifests.warnings.clone();
    for service in manifests.services.iter().filter(|service| service.ports.len() > 1) {
        warnings.push(format!(
            "{}: only the first port of Service `{}` is called",
            service.place, service.name
        ));
    }
    let mesh_policies = Manifests::mesh_policies(&manifests, TRUST_DOMAIN);
    if let Err(error) = mesh_policies.check_simulated() {
        let file = files.first().map_or(Path::new(""), |(path, _, _)| path.as_path());
        return Err(one(InputError::in_file(file, error.to_string()).with_hint(error.hint())));
    }
    // Names of files, and the order in one, decide nothing in a run.
    manifests
        .workloads
        .sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    manifests
        .services
        .sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    let namespaces = manifests.namespaces.iter().map(|n| (n.name.clone(), n.labels.clone()));
    Ok(Material {
        namespaces: Arc::new(namespaces.collect()),
        workloads: Arc::new(manifests.workloads.iter().map(workload).collect()),
        services: Arc::new(manifests.services.iter().filter_map(service).collect()),
        network_policies: Arc::new(network_policies(&manifests).map_err(one)?),
        mesh_policies: Arc::new(mesh_policies),
        warnings,
    })
}

fn one(error: InputError) -> Vec<InputError> {
    vec![error]
}

/// The network's policies, if they say nothing that the simulated network could not be asked: its components know
/// identities and the world, but neither addresses outside the cluster nor the requests in a connection.
fn network_policies(manifests: &Manifests) -> Result<NetworkPolicies, InputError> {
    let policies = manifests.network_policies(Options::default());
    match policies.beyond_identities() {
        None => Ok(policies),
        Some((origin, rule, what)) => {
            let line = origin.rule_lines.get(rule).copied().filter(|line| *line > 0);
            let message = format!("{what} in a rule of {origin} is not modeled in an experiment");
            let error = InputError {
                line,
                column: line.map(|_| 1),
                ..InputError::in_file(Path::new(&origin.file), message)
            };
            Err(error.with_hint("`meshfault policy` evaluates it"))
        }
    }
}

/// Steps name workloads and Services without a namespace, so names must be unique across namespaces.
fn unique<'m>(names: impl Iterator<Item = (&'m str, &'m super::error::Place)>, what: &str) -> Result<(), InputError> {
    let mut seen: Vec<(&str, &super::error::Place)> = Vec::new();
    for (name, place) in names {
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == name) {
            let message = format!("two {what} of different namespaces are named `{name}`");
            return Err(place
                .error(message)
                .with_hint(format!("steps name them without a namespace; the first is at {first}")));
        }
        seen.push((name, place));
    }
    Ok(())
}

fn workload(manifest: &Workload) -> WorkloadSpec {
    WorkloadSpec {
        name: manifest.name.clone(),
        subject: manifest.subject.clone(),
        replicas: manifest.replicas,
        grace_period: seconds(manifest.grace_period_s),
        ignores_sigterm: manifest.ignores_sigterm,
        anti_affinity: manifest.anti_affinity.clone(),
        max_surge: amount(manifest.max_surge),
        max_unavailable: amount(manifest.max_unavailable),
        progress_deadline: seconds(manifest.progress_deadline_s),
        containers: manifest.containers,
        injected: manifest.injected,
    }
}

fn service(manifest: &ServiceManifest) -> Option<ServiceSpec> {
    Some(ServiceSpec {
        name: manifest.name.clone(),
        namespace: manifest.namespace.clone(),
        selector: LabelSelector {
            match_labels: manifest.selector.0.clone(),
            match_expressions: Vec::new(),
        },
        target_port: manifest.ports.first()?.target.number()?,
    })
}

const fn amount(written: CountOrPercent) -> Amount {
    match written {
        CountOrPercent::Count(pods) => Amount::Count(pods),
        CountOrPercent::Percent(share) => Amount::Percent(share),
    }
}

/// Seconds of a manifest; longer spans than the simulated clock knows become its longest.
fn seconds(count: u64) -> SimDuration {
    SimDuration::from_nanos(count.saturating_mul(1_000_000_000))
}
