//! One design: from its merged to the checked description of its world.
//!
//! Belongs here: the cluster, the parameters, the policies in force and the measures of a design. Does not belong here:
//! faults (`faults`), steps (`script`), parameter sets (`models`) and the reading of manifests (`manifests`).

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

use super::asked::{self, Cost};
use super::cluster_of_design::{API_SERVERS_MAX, NODES_MAX, built, cluster, with_istio};
use super::error::{InputError, keep, keep_one};
use super::faults::{Targets, faults};
use super::layers::Merged;
use super::load::load;
use super::material::Material;
use super::models::{Models, ParameterSet, ResolvedParameter};
use super::placement::placement;
use super::point_name::full_name;
use super::schema::{Exposure, Text};
use super::script::{churn, script};
use super::traffic::{check_size, traffic};
use super::values::{choice, complain, count, positive_duration, unknown};
use super::yaml::Spanned;
use crate::cluster::node_pools::TAINTS_MAX;
use crate::cluster::params::{CiliumParams, IstioParams, KubernetesParams, NetworkParams};
use crate::cluster::spec::{IstioSpec, Measures, RunLimits, Step, TieRule, WorldSpec};
use crate::kernel::{SimDuration, SimTime};
use crate::policy::labels::Labels;

/// A delay that counts where no threshold is given.
const DELAYED_THRESHOLD: SimDuration = SimDuration::from_secs(20);

pub(super) const LAYERS: [(&str, bool); 2] = [("network", false), ("mesh", true)];

/// In a list of workloads: all of them.
pub(super) const ALL: &str = "*";

/// Names that an experiment can use.
#[derive(Clone, Debug)]
pub struct Names {
    workloads: Vec<String>,
    /// The same with their namespaces.
    qualified: Vec<String>,
    /// Labels of the pods of each workload.
    labels: Vec<Labels>,
    /// Which of them make Jobs.
    jobs: Vec<bool>,
    services: Vec<String>,
    qualified_services: Vec<String>,
}

impl Names {
    /// The names of some manifests.
    pub fn of(material: &Material) -> Self {
        Self {
            workloads: material
                .workloads
                .iter()
                .map(|workload| workload.name.clone())
                .collect(),
            qualified: material
                .workloads
                .iter()
                .map(|workload| format!("{}/{}", workload.subject.namespace, workload.name))
                .collect(),
            jobs: material
                .workloads
                .iter()
                .map(|workload| workload.controller.makes_jobs())
                .collect(),
            qualified_services: material
                .services
                .iter()
                .map(|service| format!("{}/{}", service.namespace, service.name))
                .collect(),
            labels: material
                .workloads
                .iter()
                .map(|workload| workload.subject.labels.clone())
                .collect(),
            services: material.services.iter().map(|service| service.name.clone()).collect(),
        }
    }

    /// The index of a workload.
    pub fn workload(&self, merged: &Merged<'_>, name: &Text) -> Result<usize, InputError> {
        index(merged, name, "workload", [&self.workloads, &self.qualified])
    }

    /// The indexes of workloads, or of all of them for `"*"`.
    pub fn workloads_or_all(&self, merged: &Merged<'_>, names: &[Text]) -> Result<Vec<usize>, InputError> {
        match names {
            [all] if all.value == ALL => Ok((0..self.count()).collect()),
            _ => self.workloads(merged, names),
        }
    }

    /// The indexes of workloads.
    pub fn workloads(&self, merged: &Merged<'_>, names: &[Text]) -> Result<Vec<usize>, InputError> {
        names.iter().map(|name| self.workload(merged, name)).collect()
    }

    /// The indexes of the workloads whose pods have these labels, `app=sleep,version=v1`.
    ///
    /// # Errors
    /// If that is no list of labels, or no workload has them.
    pub fn workloads_with(&self, merged: &Merged<'_>, text: &Text) -> Result<Vec<usize>, InputError> {
        let wrong = |message: &str, hint: &str| {
            Err(complain(merged.file, text, format!("{message} `{}`", text.value)).with_hint(hint))
        };
        let pairs = text.value.split(',').map(|pair| pair.trim().split_once('='));
        let Some(pairs) = pairs.collect::<Option<Vec<(&str, &str)>>>() else {
            return wrong("no labels are", "write `app=sleep` or `app=sleep,version=v1`");
        };
        let has = |labels: &Labels| pairs.iter().all(|(key, value)| labels.get(key) == Some(*value));
        let found = self.labels.iter().enumerate().filter(|(_, labels)| has(labels));
        let found: Vec<usize> = found.map(|(workload, _)| workload).collect();
        if found.is_empty() {
            return wrong(
                "no workload has pods with the labels",
                "the manifests have the labels of each workload's pods",
            );
        }
        Ok(found)
    }

    /// The index of a Service.
    pub fn service(&self, merged: &Merged<'_>, name: &Text) -> Result<usize, InputError> {
        index(merged, name, "Service", [&self.services, &self.qualified_services])
    }

    /// Whether a workload makes Jobs.
    pub fn makes_jobs(&self, index: usize) -> bool {
        self.jobs[index]
    }

    /// The number of workloads.
    pub fn count(&self) -> usize {
        self.workloads.len()
    }

    /// The name of a workload.
    pub fn workload_name(&self, index: usize) -> &str {
        &self.workloads[index]
    }
}

/// What a name means: as it is shown, or with its namespace.
fn index(
    merged: &Merged<'_>,
    name: &Text,
    what: &str,
    [known, qualified]: [&[String]; 2],
) -> Result<usize, InputError> {
    let name = merged.text(name)?;
    let position = |names: &[String]| names.iter().position(|known| *known == name.value);
    position(known)
        .or_else(|| position(qualified))
        .ok_or_else(|| unknown(merged.file, name, what, known.iter().map(String::as_str)))
}

/// What is the same for all designs.
#[derive(Debug)]
pub struct Shared<'a> {
    /// All parameter sets.
    pub models: &'a Models,
    /// What the manifests describe.
    pub material: &'a Material,
    /// Its names.
    pub names: Names,
    /// The end of every run.
    pub horizon: SimTime,
    /// Wall-clock time of the beginning of every run.
    pub begins: jiff::Timestamp,
    /// What ends a run as failed.
    pub limits: RunLimits,
    /// How ties are ordered.
    pub tie_order: TieRule,
    /// Whether each design and point draws random numbers of its own.
    pub independent: bool,
}

/// A checked design at one point of its factors.
#[derive(Clone, Debug)]
pub struct Design {
    /// Its name in results, `DESIGN` or `DESIGN@factor=value,factor=value`.
    pub name: String,
    /// Its name in the experiment, the same for all points.
    pub design: String,
    /// The level of each factor that it takes, as texts.
    pub factors: IndexMap<String, String>,
    /// Whether it draws random numbers of its own instead of those that all designs share.
    pub independent: bool,
    /// One-line title.
    pub title: String,
    /// What it costs, if the experiment states it.
    pub cost: Option<Cost>,
    /// The design that it names as its control.
    pub control: Option<String>,
    /// Versions of its Kubernetes, Cilium and Istio, by component.
    pub versions: IndexMap<String, String>,
    /// Its world.
    pub world: WorldSpec,
    /// Its parameters with their sources; points of one design share what is equal.
    pub parameters: Vec<Arc<ResolvedParameter>>,
    /// What is to be reported about it, such as a parameter set that stands for a later version.
    pub notes: Vec<String>,
    pub(super) model_files: Vec<&'static str>,
}

impl Design {
    /// The seed group of its runs in an experiment of this seed group.
    pub fn seed_group(&self, group: &str) -> String {
        match self.independent {
            true => format!("{group}/{}", self.name),
            false => group.to_owned(),
        }
    }

    /// Gives it the place at a point of its factors, and shares with an earlier point what is equal.
    pub(super) fn at(&mut self, factors: IndexMap<String, String>, earlier: Option<&Self>) {
        self.name = full_name(&self.design, &factors);
        if !factors.is_empty() {
            let levels: Vec<String> = factors.iter().map(|(name, level)| format!("{name} {level}")).collect();
            self.title = format!("{}: {}", self.title, levels.join(", "));
        }
        self.factors = factors;
        let Some(earlier) = earlier else { return };
        for (own, shared) in self.parameters.iter_mut().zip(&earlier.parameters) {
            if own == shared {
                *own = Arc::clone(shared);
            }
        }
    }
}

/// Checks one design.
pub fn design(shared: &Shared<'_>, merged: &Merged<'_>) -> Result<Design, Vec<InputError>> {
    let names = &shared.names;
    let mut errors = Vec::new();
    let cluster = keep(&mut errors, cluster(shared, merged));
    // Where the cluster is wrong, the rest is read for one that has everything.
    let any = Targets {
        nodes: NODES_MAX,
        control_plane_nodes: NODES_MAX / 2,
        zones: NODES_MAX,
        pools: Vec::new(),
        api_servers: API_SERVERS_MAX,
        istiods: with_istio(merged).then_some(NODES_MAX),
        coredns: 0,
        horizon: shared.horizon,
        accounts_max: u32::MAX,
    };
    let targets = cluster.as_ref().map_or(&any, |cluster| &cluster.targets);
    let in_force = keep_one(&mut errors, in_force(merged, targets.istiods.is_some()));
    let faults = keep(&mut errors, faults(merged, names, targets));
    let running = keep_one(&mut errors, running(merged, names));
    // Where these are wrong no step is wrong because of it.
    let any: Vec<usize> = (0..names.count()).collect();
    let script = keep(
        &mut errors,
        script(merged, names, targets, running.as_deref().unwrap_or(&any)),
    );
    let (steps, runs) = (
        script.as_deref().unwrap_or_default(),
        running.as_deref().unwrap_or_default(),
    );
    errors.extend(shared.material.remarks.refused(steps, runs));
    let churn = keep(&mut errors, churn(merged, targets));
    let traffic = keep(&mut errors, traffic(merged, names, targets));
    let placement = keep(
        &mut errors,
        placement(merged, names, &shared.material.workloads, targets),
    );
    let load = keep(&mut errors, load(merged, targets));
    let measures = keep_one(
        &mut errors,
        measures(merged, shared, script.as_deref().unwrap_or_default()),
    );
    let (
        Some(cluster),
        Some((network_enforced, mesh_enforced)),
        Some(faults),
        Some(script),
        Some(running),
        Some(churn),
        Some(traffic),
        Some(placement),
        Some(load),
        Some(measures),
    ) = (
        &cluster, in_force, faults, script, running, churn, traffic, placement, load, measures,
    )
    else {
        return Err(errors);
    };
    let steps = script.iter().filter_map(|step| match step {
        Step::Taint { taint, .. } => Some(taint),
        _ => None,
    });
    let taints: BTreeSet<_> = targets
        .pools
        .iter()
        .flat_map(|pool| &pool.taints)
        .chain(steps)
        .collect();
    if taints.len() >= TAINTS_MAX {
        let message = format!("{} different taints of pools and steps are too many", taints.len());
        let error = complain(merged.file, &merged.design.name, message);
        errors.push(error.with_hint(format!("write fewer than {TAINTS_MAX}")));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let sets = [
        Some(&cluster.sets.kubernetes),
        Some(&cluster.sets.cilium),
        cluster.sets.istio.as_ref(),
        Some(&cluster.sets.network),
    ];
    let used = || sets.into_iter().flatten();
    let istio = cluster
        .sets
        .istio
        .as_ref()
        .zip(targets.istiods)
        .map(|(set, replicas)| IstioSpec {
            replicas,
            params: built(IstioParams::build(|name, _| Ok(set.value(name)))),
        });
    let world = WorldSpec {
        horizon: shared.horizon,
        begins: shared.begins,
        limits: shared.limits,
        tie_order: shared.tie_order,
        nodes: targets.nodes,
        control_plane_nodes: targets.control_plane_nodes,
        zones: targets.zones,
        pools: targets.pools.clone(),
        api_servers: targets.api_servers,
        coredns: targets.coredns,
        load,
        node_prefix_length: cluster.node_prefix_length,
        kubernetes: built(KubernetesParams::build(|name, _| {
            Ok(cluster.sets.kubernetes.value(name))
        })),
        cilium: built(CiliumParams::build(|name, _| Ok(cluster.sets.cilium.value(name)))),
        datapath: cluster.datapath,
        network: built(NetworkParams::build(|name, _| Ok(cluster.sets.network.value(name)))),
        istio,
        workloads: Arc::clone(&shared.material.workloads),
        services: Arc::clone(&shared.material.services),
        budgets: Arc::clone(&shared.material.budgets),
        namespaces: Arc::clone(&shared.material.namespaces),
        network_policies: Arc::clone(&shared.material.network_policies),
        mesh_policies: Arc::clone(&shared.material.mesh_policies),
        network_enforced,
        mesh_enforced,
        trust_domain: "cluster.local".to_owned(),
        faults,
        script,
        churn,
        traffic,
        placement,
        running,
        measures,
    };
    check_size(merged, &world).map_err(|error| vec![error])?;
    let cost = merged.design.cost.as_ref().map(|text| asked::cost(merged.file, text));
    Ok(Design {
        name: merged.design.name.value.clone(),
        design: merged.design.name.value.clone(),
        factors: IndexMap::new(),
        independent: shared.independent,
        title: merged
            .design
            .title
            .clone()
            .unwrap_or_else(|| merged.design.name.value.clone()),
        cost: cost.transpose().map_err(|error| vec![error])?,
        control: merged.design.control.as_ref().map(|control| control.value.clone()),
        versions: cluster.sets.versions.clone(),
        world,
        parameters: used().flat_map(ParameterSet::shown).cloned().map(Arc::new).collect(),
        notes: used().filter_map(|set| set.note.clone()).collect(),
        model_files: used().flat_map(|set| set.files.iter().copied()).collect(),
    })
}

/// The workloads that run when a run begins, each once.
fn running(merged: &Merged<'_>, names: &Names) -> Result<Vec<usize>, InputError> {
    let named = &merged.experiment.running;
    let mut running: BTreeSet<usize> = names.workloads_or_all(merged, named)?.into_iter().collect();
    // Jobs are not among all: the script applies those that are to begin.
    if named.len() == 1 && named[0].value == ALL {
        running.retain(|index| !names.makes_jobs(*index));
    }
    for name in named.iter().filter(|name| name.value != ALL) {
        if names.makes_jobs(names.workload(merged, name)?) {
            let message = format!("`{}` is a Job, which does not run all the time", name.value);
            let hint = "leave it out, and `apply` it in the script";
            return Err(complain(merged.file, name, message).with_hint(hint));
        }
    }
    Ok(running.into_iter().collect())
}

/// Whether network and mesh enforce their policies; both where nothing is said and there is a mesh.
fn in_force(merged: &Merged<'_>, with_istio: bool) -> Result<(bool, bool), InputError> {
    let Some(written) = &merged.experiment.policies_in_force else {
        return Ok((true, with_istio));
    };
    let (mut network, mut mesh) = (false, false);
    for layer in written {
        match choice(merged.file, layer, "layer", &LAYERS)? {
            false => network = true,
            true if with_istio => mesh = true,
            true => {
                let message = format!(
                    "mesh policies are in force in design `{}`, which has no Istio",
                    merged.design.name.value
                );
                let hint = "give the design Istio, or write `policies_in_force: [network]` in it";
                return Err(complain(merged.file, layer, message).with_hint(hint));
            }
        }
    }
    Ok((network, mesh))
}

fn measures(merged: &Merged<'_>, shared: &Shared<'_>, script: &[Step]) -> Result<Measures, InputError> {
    let names = &shared.names;
    let written = &merged.experiment.measures;
    let mut measures = Measures {
        delayed_threshold: DELAYED_THRESHOLD,
        ..Measures::default()
    };
    if let Some(threshold) = &written.delayed_threshold {
        measures.delayed_threshold = positive_duration(merged.file, threshold)?;
    }
    if let Some(startup) = &written.startup {
        measures.startup_workloads = names.workloads(merged, &startup.workloads)?;
        if let Some(first_batch) = &startup.first_batch {
            measures.startup_first_batch =
                choice(merged.file, first_batch, "switch", &[("false", false), ("true", true)])?;
        }
        if let Some(since) = &startup.since {
            let faults = &merged.experiment.faults;
            let Some(fault) = faults.keys().position(|known| known == since.value) else {
                return Err(unknown(merged.file, since, "fault", faults.keys()));
            };
            let step = script
                .iter()
                .position(|step| matches!(step, Step::StartFault { fault: f } if *f == fault));
            let never = || {
                let message = format!("no step starts `{}`", since.value);
                complain(merged.file, since, message).with_hint(format!("write `- start_fault: {}`", since.value))
            };
            // A script that could not be read has been complained about already.
            measures.startup_since_step = match script.is_empty() {
                true => 0,
                false => step.ok_or_else(never)?,
            };
        }
    }
    if let Some(exposure) = &written.exposure {
        (measures.exposure_clients, measures.exposure_servers) = watched(merged, shared, exposure)?;
    }
    Ok(measures)
}

/// A workload that can be called, with one of its ports.
type Server = (usize, u16);

/// The clients and servers between which exposure is watched.
fn watched(
    merged: &Merged<'_>,
    shared: &Shared<'_>,
    exposure: &Spanned<Exposure>,
) -> Result<(Vec<usize>, Vec<Server>), InputError> {
    let (names, material) = (&shared.names, shared.material);
    let wrong = |message: &str| complain(merged.file, exposure, message.to_owned());
    let of = |server: usize| {
        service_ports(material, server)
            .into_iter()
            .map(move |port| (server, port))
    };
    let watched = match &exposure.value {
        Exposure::Word(word) if word == "all" => {
            let servers: Vec<Server> = (0..names.count()).flat_map(of).collect();
            if servers.is_empty() {
                return Err(wrong("exposure of `all`, but no workload is behind a Service")
                    .with_hint("write clients, servers and a port"));
            }
            return Ok(((0..names.count()).collect(), servers));
        }
        Exposure::Word(word) => {
            return Err(wrong(&format!("`{word}` is no exposure"))
                .with_hint("write `all`, or a map such as {clients: [sleep], servers: [helloworld], port: 5000}"));
        }
        Exposure::Watched(watched) => watched,
    };
    let clients = names.workloads(merged, &watched.clients)?;
    let mut servers = Vec::new();
    for name in &watched.servers {
        let server = names.workload(merged, name)?;
        match &watched.port {
            Some(text) => {
                let port = count(merged.file, text, 1, u32::from(u16::MAX))?;
                let port = u16::try_from(port).unwrap_or(u16::MAX);
                check_port(merged, material, server, name, port, text)?;
                servers.push((server, port));
            }
            None => {
                servers.extend(of(server));
                if !servers.iter().any(|(known, _)| *known == server) {
                    let message = format!("no Service leads to `{}`, and no port is given", name.value);
                    return Err(complain(merged.file, name, message).with_hint("write `port` beside `servers`"));
                }
            }
        }
    }
    Ok((clients, servers))
}

/// The ports of a workload's pods to which Services lead, each once.
fn service_ports(material: &Material, workload: usize) -> Vec<u16> {
    let subject = &material.workloads[workload].subject;
    let own = material
        .services
        .iter()
        .filter(|service| service.namespace == subject.namespace && service.selector.matches(&subject.labels));
    let ports: BTreeSet<u16> = own.map(|service| service.target_port).collect();
    ports.into_iter().collect()
}

/// Whether the Services of a server lead to the port at which exposure is judged. One without a Service may have any.
fn check_port(
    merged: &Merged<'_>,
    material: &Material,
    server: usize,
    name: &Text,
    port: u16,
    at: &Text,
) -> Result<(), InputError> {
    let ports = service_ports(material, server);
    if ports.is_empty() || ports.contains(&port) {
        return Ok(());
    }
    let shown: Vec<String> = ports.iter().map(u16::to_string).collect();
    let message = format!(
        "exposure at port {port}, but the Services of `{}` lead to {}",
        name.value,
        shown.join(", ")
    );
    let hint = "exposure has one port, which all its servers have to serve; write an experiment for each port";
    Err(complain(merged.file, at, message).with_hint(hint))
}
