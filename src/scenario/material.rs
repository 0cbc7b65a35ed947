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
use super::manifests::{
    self, CountOrPercent, Excluded, Found, Manifests, ReadOptions, Remarks, ServiceManifest, Workload,
};
use super::remarks::Used;
use super::schema::Experiment;
use super::values::complain;
use crate::cluster::placement::Budget;
use crate::cluster::spec::{Amount, ServiceSpec, WorkloadSpec};
use crate::kernel::SimDuration;
use crate::policy::cidr::Block;
use crate::policy::labels::Labels;
use crate::policy::network::Options;
use crate::policy::{LabelSelector, MeshPolicies, NetworkPolicies, Protocol};

/// Trust domain of every mesh (Istio's default).
pub const TRUST_DOMAIN: &str = "cluster.local";

/// Where the addresses of all pods are, in clusters of every size.
const POD_NETWORK: &str = "10.0.0.0/8";

/// Workloads, Services and policies of an experiment.
#[derive(Clone, Debug)]
pub struct Material {
    /// Workloads, by namespace and name.
    pub workloads: Arc<Vec<WorkloadSpec>>,
    /// Services, by namespace and name.
    pub services: Arc<Vec<ServiceSpec>>,
    /// PodDisruptionBudgets.
    pub budgets: Arc<Vec<Budget>>,
    /// Labels of the namespaces that are declared.
    pub namespaces: Arc<BTreeMap<String, Labels>>,
    /// Policies of the network.
    pub network_policies: Arc<NetworkPolicies>,
    /// Policies of the mesh.
    pub mesh_policies: Arc<MeshPolicies>,
    /// What looks like a mistake.
    pub warnings: Vec<String>,
    /// What of workloads and Services is not simulated as it is written.
    pub remarks: Used,
}

/// The manifests of an experiment, and their names relative to it.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    found: Found,
    names: Vec<String>,
}

impl Sources {
    /// The names and texts of files that are not on a disk.
    pub fn of(files: &[(String, String)]) -> Self {
        Self {
            names: files.iter().map(|(name, _)| name.clone()).collect(),
            found: Found {
                texts: files
                    .iter()
                    .map(|(name, text)| (PathBuf::from(name), text.clone()))
                    .collect(),
                ..Found::default()
            },
        }
    }

    /// The names and texts of the files.
    pub fn files(self) -> impl Iterator<Item = (String, String)> {
        let texts = self.found.texts.into_iter().map(|(_, text)| text);
        self.names.into_iter().zip(texts)
    }
}

/// Where experiments come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Files on disk.
    Disk,
    /// Files in the binary.
    Embedded,
}

/// The manifests in the folder that an experiment names and in its subfolders, in the order of their names.
pub fn find(file: &Path, experiment: &Experiment, origin: Origin) -> Result<Sources, InputError> {
    let folder = &experiment.manifests;
    let relative = folder.value.trim_end_matches('/');
    let parent = file.parent().unwrap_or(Path::new(""));
    let missing = |known: Vec<String>| {
        complain(file, folder, format!("manifest folder `{relative}` does not exist"))
            .with_hint("the folder is relative to the experiment file")
            .with_candidates(relative, known.iter().map(String::as_str))
    };
    let path = parent.join(relative);
    let found = match origin {
        Origin::Embedded => {
            let prefix = format!("experiments/{relative}/");
            let inside = embedded::FILES
                .iter()
                .filter_map(|(name, text)| Some((path.join(name.strip_prefix(&prefix)?), (*text).to_owned())));
            let texts: Vec<(PathBuf, String)> = inside.collect();
            match texts.is_empty() {
                true => return Err(missing(Vec::new())),
                false => Found {
                    texts,
                    ..Found::default()
                },
            }
        }
        Origin::Disk if !path.exists() => return Err(missing(neighbours(parent, relative))),
        Origin::Disk => {
            let patterns: Vec<&String> = experiment.exclude.iter().flatten().map(|text| &text.value).collect();
            let found = manifests::find(&path, &Excluded::parse(&patterns))?;
            if found.files == 0 {
                let error = complain(file, folder, format!("manifest folder `{relative}` has no manifest"));
                return Err(error.with_hint("manifests end in .yaml, .yml or .json"));
            }
            found
        }
    };
    let name = |at: &Path| match at.strip_prefix(&path) {
        Ok(inside) if inside != Path::new("") => format!("{relative}/{}", inside.display()).replace('\\', "/"),
        _ => relative.to_owned(),
    };
    Ok(Sources {
        names: found.texts.iter().map(|(at, _)| name(at)).collect(),
        found,
    })
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

/// Reads the manifests; leniently, what is not simulated is a warning.
///
/// # Errors
/// Everything that is wrong with them.
pub fn read(sources: &Sources, lenient: bool) -> Result<Material, Vec<InputError>> {
    let options = ReadOptions {
        lenient,
        ..ReadOptions::default()
    };
    let mut manifests = manifests::read_found(sources.found.clone(), options)?;
    let mut warnings = passed_over(&manifests);
    warnings.append(&mut manifests.warnings);
    let mut wrong = Vec::new();
    let mut not_simulated = |error: InputError| match lenient {
        true => warnings.push(format!("{}; what depends on it counts as denied", error.in_one_line())),
        false => wrong.push(error),
    };
    let mesh_policies = Manifests::mesh_policies(&manifests, TRUST_DOMAIN);
    if let Err(error) = mesh_policies.check_simulated() {
        let file = sources
            .found
            .texts
            .first()
            .map_or(Path::new(""), |(path, _)| path.as_path());
        not_simulated(InputError::in_file(file, error.to_string()).with_hint(error.hint()));
    }
    let network_policies = manifests.network_policies(Options::default());
    let network_policies = match Block::parse(POD_NETWORK, &[] as &[&str]) {
        Ok(pods) => network_policies.among_pods(&pods),
        Err(_) => network_policies,
    };
    if let Some(error) = beyond_identities(&network_policies) {
        not_simulated(error);
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    // Names of files, and the order in one, decide nothing in a run.
    manifests
        .workloads
        .sort_by(|a, b| (&a.namespace, &a.name, a.kind).cmp(&(&b.namespace, &b.name, b.kind)));
    manifests
        .services
        .sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    let names = names(
        manifests
            .workloads
            .iter()
            .map(|w| (&w.namespace, w.kind.name(), &w.name)),
    );
    let workloads = manifests.workloads.iter().zip(names);
    let (services, service_remarks) = services(&manifests.services);
    let namespaces = manifests.namespaces.iter().map(|n| (n.name.clone(), n.labels.clone()));
    Ok(Material {
        namespaces: Arc::new(namespaces.collect()),
        budgets: Arc::new(manifests.budgets),
        workloads: Arc::new(workloads.map(|(manifest, name)| workload(manifest, name)).collect()),
        services: Arc::new(services),
        network_policies: Arc::new(network_policies),
        mesh_policies: Arc::new(mesh_policies),
        warnings,
        remarks: Used {
            workloads: manifests.workloads.into_iter().map(|w| w.remarks).collect(),
            services: service_remarks,
            lenient,
        },
    })
}

/// Files that are no manifests, by the reason, since what is in them is missing in a run.
fn passed_over(manifests: &Manifests) -> Vec<String> {
    let mut reasons: BTreeMap<&str, Vec<&Path>> = BTreeMap::new();
    let files = manifests
        .skipped
        .iter()
        .filter(|skipped| skipped.kind.is_empty() && skipped.reason != "excluded");
    for file in files {
        reasons.entry(&file.reason).or_default().push(&file.file);
    }
    let line = |(reason, files): (&str, Vec<&Path>)| {
        let more = match files.len() {
            1 => String::new(),
            count => format!(" (and {} more files)", count - 1),
        };
        let reason = if reason.is_empty() {
            "no Kubernetes object"
        } else {
            reason
        };
        format!("{}: is passed over: {reason}{more}", files[0].display())
    };
    reasons.into_iter().map(line).collect()
}

/// What the network's policies say that the simulated network could not be asked: its components know identities and the
/// world, but neither addresses outside the cluster nor the requests in a connection.
fn beyond_identities(policies: &NetworkPolicies) -> Option<InputError> {
    let (origin, rule, what) = policies.beyond_identities()?;
    let line = origin.rule_lines.get(rule).copied().filter(|line| *line > 0);
    let message = format!("{what} in a rule of {origin} is not modeled in an experiment");
    let error = InputError {
        line,
        column: line.map(|_| 1),
        ..InputError::in_file(Path::new(&origin.file), message)
    };
    Some(error.with_hint("`meshfault policy` evaluates it"))
}

/// Names by which an experiment means each of these: bare where they are unique, else with the namespace, and with the kind if
/// need be.
fn names<'m>(of: impl Iterator<Item = (&'m String, &'static str, &'m String)> + Clone) -> Vec<String> {
    let (mut bare, mut qualified) = (BTreeMap::<&str, usize>::new(), BTreeMap::<(&str, &str), usize>::new());
    for (namespace, _, name) in of.clone() {
        *bare.entry(name).or_default() += 1;
        *qualified.entry((namespace, name)).or_default() += 1;
    }
    let name = |(namespace, kind, name): (&'m String, &str, &'m String)| match (
        bare[name.as_str()],
        qualified[&(namespace.as_str(), name.as_str())],
    ) {
        (1, _) => name.clone(),
        (_, 1) => format!("{namespace}/{name}"),
        _ => format!("{namespace}/{kind}/{name}"),
    };
    of.map(name).collect()
}

/// The Services that can be called, with their remarks: those with pods behind them and a port of TCP.
fn services(manifests: &[ServiceManifest]) -> (Vec<ServiceSpec>, Vec<Remarks>) {
    let names = names(manifests.iter().map(|s| (&s.namespace, "Service", &s.name)));
    let read = manifests.iter().zip(names).filter_map(|(manifest, name)| {
        let port = manifest.ports.iter().find(|port| port.protocol == Protocol::Tcp)?;
        let mut remarks = manifest.remarks.clone();
        if manifest.ports.len() > 1 {
            let warning = format!("only the first port of Service `{}` is called", manifest.name);
            remarks.approximated.push((manifest.place.clone(), warning));
        }
        let spec = ServiceSpec {
            name,
            namespace: manifest.namespace.clone(),
            selector: LabelSelector {
                match_labels: manifest.selector.0.clone(),
                match_expressions: Vec::new(),
            },
            // A name that no pod has is an error where the Service is called.
            target_port: port.target.number().unwrap_or(port.port),
        };
        (!manifest.selector.0.is_empty()).then_some((spec, remarks))
    });
    read.unzip()
}

fn workload(manifest: &Workload, name: String) -> WorkloadSpec {
    WorkloadSpec {
        name,
        key: [manifest.kind.name().to_owned(), manifest.name.clone()],
        controller: manifest.controller,
        subject: manifest.subject.clone(),
        replicas: manifest.replicas,
        grace_period: seconds(manifest.grace_period_s),
        ignores_sigterm: manifest.ignores_sigterm,
        anti_affinity: manifest.anti_affinity.clone(),
        placement: manifest.placement.clone(),
        max_surge: amount(manifest.max_surge),
        max_unavailable: amount(manifest.max_unavailable),
        progress_deadline: seconds(manifest.progress_deadline_s),
        containers: manifest.containers,
        init_containers: manifest.init_containers,
        probed: manifest.probed.clone(),
        answers_after: manifest.answers_after,
        injected: manifest.injected,
        runs: manifest.runs,
        restart: manifest.restart,
        job: manifest.job.clone(),
        images: manifest.images.clone(),
    }
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
