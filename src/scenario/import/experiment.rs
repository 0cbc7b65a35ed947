//! The experiment of a dump as text: what is known with where it is from, what is assumed with a mark, and a first question.
//!
//! Belongs here: the words of the file. Does not belong here: the numbers in it (`sizes`) and the edges (`edges`).

use std::collections::BTreeMap;
use std::fmt::Write;

use super::edges::{Edges, Server};
use super::pools::Pool;
use super::sizes::{Known, Sizes};
use super::workloads::Workload;
use super::write::scalar;
use crate::scenario::material::Material;

/// Most workloads of one list in a comment.
const NAMED_MAX: usize = 8;
/// Most groups of nodes that are listed.
const POOLS_MAX: usize = 20;
/// Most servers whose edges are listed.
const SERVERS_MAX: usize = 40;
/// Most clients whose exposure is watched, and most pairs of their pods with those of the server: watching takes most of the time of a
/// run.
const WATCHED_MAX: (usize, u32) = (20, 100);
/// What the text is made of.
pub(super) struct Parts<'p> {
    pub sizes: &'p Sizes,
    pub workloads: &'p [Workload],
    pub material: &'p Material,
    pub edges: &'p Edges,
    pub pools: &'p [Pool],
    /// Pods of each workload of the material.
    pub pods: &'p [u32],
}

impl Parts<'_> {
    fn name(&self, workload: usize) -> &str {
        &self.material.workloads[workload].name
    }

    /// Some names in a list, and how many more there are.
    fn named(&self, workloads: &[usize]) -> String {
        let shown: Vec<&str> = workloads.iter().take(NAMED_MAX).map(|of| self.name(*of)).collect();
        match (shown.len(), workloads.len() - shown.len()) {
            (0, _) => "no workload".to_owned(),
            (_, 0) => shown.join(", "),
            (_, more) => format!("{} and {more} more", shown.join(", ")),
        }
    }

    fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
        let names: Vec<String> = names.map(scalar).collect();
        format!("[{}]", names.join(", "))
    }
}

/// A line with a value and where it is from.
fn line<T: std::fmt::Display>(text: &mut String, key: &str, known: &Known<T>) {
    let entry = format!("  {key}: {}", known.value);
    _ = writeln!(text, "{entry:<30} # {}", known.from);
}

fn quoted(known: &Known<String>) -> Known<String> {
    Known {
        value: format!("\"{}\"", known.value),
        from: known.from.clone(),
    }
}

/// The text of the experiment.
pub(super) fn text(parts: &Parts<'_>) -> String {
    let mut text = String::new();
    head(&mut text, parts);
    cluster(&mut text, parts);
    edges(&mut text, parts);
    question(&mut text, parts);
    placement(&mut text, parts);
    text
}

fn pods(parts: &Parts<'_>) -> u64 {
    parts.workloads.iter().map(|of| u64::from(of.replicas)).sum()
}

fn head(text: &mut String, parts: &Parts<'_>) {
    let replications = match pods(parts) {
        0..=1_000 => 100,
        1_001..=20_000 => 20,
        _ => 3,
    };
    let question = match parts.edges.first(parts.pods) {
        Some(server) => format!(
            "When the node of `{}` loses the API server while pods are replaced, for how long are clients admitted that policy denies?",
            parts.name(server.workload)
        ),
        None => "When a node loses the API server while pods are replaced, how long do pods take to start?".to_owned(),
    };
    text.push_str("# yaml-language-server: $schema=experiment.schema.json\n#\n");
    _ = write!(
        text,
        "# Written by `meshfault import`. What the dump does not show has the mark `assumed:`; look at these lines first. The rest of the
# file is a first question, which runs as it is; `meshfault list steps` and `meshfault list faults` show what else can be asked.
meshfault: 1
title: A node of the imported cluster loses the API server
question: >-
  {question}

horizon: 30m
replications: {replications}
seed: 1

"
    );
}

fn cluster(text: &mut String, parts: &Parts<'_>) {
    let (sizes, settings, layout) = (parts.sizes, &parts.sizes.settings, &parts.sizes.layout);
    text.push_str("cluster:\n");
    line(text, "kubernetes", &quoted(&sizes.kubernetes));
    line(text, "nodes", &layout.nodes);
    line(text, "control_plane_nodes", &layout.control_plane_nodes);
    line(text, "zones", &layout.zones);
    line(text, "api_servers", &sizes.api_servers);
    line(text, "coredns", &sizes.coredns);
    line(text, "node_prefix_length", &sizes.prefix);
    text.push_str("  cilium:\n");
    line(text, "  version", &quoted(&sizes.cilium));
    line(text, "  routing", &settings.routing);
    line(text, "  encryption", &settings.encryption);
    match &sizes.istio {
        Some((version, replicas)) => {
            text.push_str("  istio:\n");
            line(text, "  version", &quoted(version));
            line(text, "  replicas", replicas);
        }
        None => text.push_str("  istio: none                 # neither Istiod nor a sidecar in the dump\n"),
    }
    pools(text, parts.pools);
    text.push_str("\nmanifests: manifests\n");
    let layers = match (settings.enforced, sizes.istio.is_some()) {
        (true, true) => "[network, mesh]",
        (true, false) => "[network]",
        (false, true) => "[mesh]",
        (false, false) => "[]",
    };
    _ = writeln!(text, "policies_in_force: {layers}\n");
    text.push_str("parameters:\n");
    line(text, "kubernetes.pods_per_node_max", &sizes.pods_per_node_max);
    for (key, known) in &settings.parameters {
        line(text, key, known);
    }
    text.push('\n');
}

/// The nodes of the cluster in groups that are alike, as far as they are not all alike.
fn pools(text: &mut String, pools: &[Pool]) {
    if pools.len() < 2 && pools.iter().all(|pool| pool.taints.is_empty()) {
        return;
    }
    text.push_str("\n# Workers that are alike in the cluster. All nodes of a run are alike.\n");
    for pool in pools.iter().take(POOLS_MAX) {
        let [processors, memory] = &pool.allocatable;
        let mut words = vec![format!("{processors} CPU, {memory} memory")];
        let labels = pool.labels.iter().map(|(key, value)| format!("{key}: {value}"));
        words.extend(labels);
        let taints = pool
            .taints
            .iter()
            .map(|[key, value, effect]| format!("taint {key}={value}:{effect}"));
        words.extend(taints);
        let shown = pool
            .nodes
            .iter()
            .take(NAMED_MAX)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        let more = match pool.nodes.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        _ = writeln!(text, "#   {}: {shown}{more}", words.join(", "));
    }
    if pools.len() > POOLS_MAX {
        _ = writeln!(text, "#   and {} more groups", pools.len() - POOLS_MAX);
    }
}

fn edges(text: &mut String, parts: &Parts<'_>) {
    let edges = parts.edges;
    _ = writeln!(
        text,
        "# Edges that policy restricts: {} of {} servers behind Services. `edges.csv` lists all edges with the verdict of each layer.",
        edges.servers.len() + edges.left_out,
        edges.candidates
    );
    for server in edges.servers.iter().take(SERVERS_MAX) {
        let Server {
            port, allowed, denied, ..
        } = server;
        _ = writeln!(
            text,
            "#   {} port {port}: admits {}; denies {}",
            parts.name(server.workload),
            parts.named(allowed),
            parts.named(denied)
        );
    }
    let more = edges.servers.len().saturating_sub(SERVERS_MAX) + edges.left_out;
    if more > 0 {
        _ = writeln!(text, "#   and {more} more");
    }
    text.push('\n');
}

/// The clients whose exposure is watched: as many as the limits allow, those with the fewest pods first.
fn watched(parts: &Parts<'_>, server: &Server) -> Vec<usize> {
    let replicas = |of: usize| parts.pods[of];
    let mut clients = server.denied.clone();
    clients.sort_by_key(|of| replicas(*of));
    let (mut watched, mut pairs) = (Vec::new(), 0);
    for client in clients {
        pairs += replicas(client) * replicas(server.workload);
        if watched.len() == WATCHED_MAX.0 || (pairs > WATCHED_MAX.1 && !watched.is_empty()) {
            break;
        }
        watched.push(client);
    }
    watched
}

fn question(text: &mut String, parts: &Parts<'_>) {
    let first = parts.edges.first(parts.pods);
    let target = match first {
        Some(server) => Some(server.workload),
        None => parts.pods.iter().position(|pods| *pods > 0),
    };
    let place = match target {
        Some(server) => format!("node_of: {}", scalar(parts.name(server))),
        None => "node: worker-1".to_owned(),
    };
    _ = write!(
        text,
        "# The kubelet and the Cilium agent of one node get no answers from the API server.
faults:
  cut-node:
    cut: {{{place}, parties: [kubelet, cilium_agent], mode: replies_only}}

script:
  - pause: 30s
"
    );
    let jobs = parts.material.workloads.iter().filter(|of| of.controller.makes_jobs());
    let jobs: Vec<&str> = jobs.map(|of| of.name.as_str()).collect();
    if !jobs.is_empty() {
        let jobs = Parts::list(jobs.into_iter());
        _ = writeln!(
            text,
            "  - apply: {jobs}   # assumed: Jobs begin anew, and schedules of CronJobs are in UTC"
        );
    }
    text.push_str("  - start_fault: cut-node\n  - pause: 5s\n");
    if let Some(churn) = parts.sizes.churn {
        _ = write!(
            text,
            "  # assumed: {} of {} living pods are younger than {} h. If lives are exponential, they last this long on average, and so many
  # pods are replaced. Lives that are shorter for some pods are missed in part: the true rate is then higher.
  - churn: {{rate: {}/h, lifetime: {{exponential: {{mean: {}s, max: {}s}}}}, for: 10m}}
",
            churn.young,
            churn.living,
            churn.window_h,
            churn.rate(),
            churn.lifetime_s,
            churn.lifetime_s * 10
        );
    }
    let restarted = |text: &mut String, of: usize| {
        if parts.material.workloads[of].controller.makes_jobs() {
            return;
        }
        let name = scalar(parts.name(of));
        _ = writeln!(text, "  - rollout_restart: {{workload: {name}, deadline: 2m}}");
    };
    if let Some(server) = first {
        text.push_str("  # assumed: what is released meanwhile. A client that policy denies may get an IP that an admitted client had.\n");
        server.allowed.iter().take(1).for_each(|of| restarted(text, *of));
        let clients = watched(parts, server);
        clients.iter().take(1).for_each(|of| restarted(text, *of));
        if let Some(client) = clients.first() {
            let (client, to) = (
                scalar(parts.name(*client)),
                &parts.material.services[server.service].name,
            );
            _ = writeln!(
                text,
                "  - probe: {{from: {client}, to: {}, path: /, time_limit: 10s}}   # policy denies it",
                scalar(to)
            );
        }
        _ = write!(
            text,
            "
measures:
  startup: {{workloads: {}, since: cut-node}}
  # Time during which a request would be admitted although policy denies it.{}
  exposure: {{clients: {}, servers: [{}], port: {}}}
  # exposure: all   # every edge of `edges.csv`; takes the longer, the more pods there are
",
            Parts::list(clients.iter().map(|of| parts.name(*of))),
            match server.denied.len() - clients.len() {
                0 => String::new(),
                more => format!(" {more} more denied clients are not watched."),
            },
            Parts::list(clients.iter().map(|of| parts.name(*of))),
            scalar(parts.name(server.workload)),
            server.port
        );
    } else {
        // Something has to start while the node is cut off, else nothing is measured.
        if let Some(of) = target {
            restarted(text, of);
        }
        let started = target.map(|of| parts.name(of));
        _ = write!(
            text,
            "\nmeasures:\n  startup: {{workloads: {}, since: cut-node}}\n",
            Parts::list(started.into_iter())
        );
    }
    text.push_str(
        "
designs:
  - name: as-it-is
    title: The cluster as it is in the dump
  - name: control
    title: The same without the fault
    faults: {cut-node: {cut: {parties: []}}}
",
    );
}

fn placement(text: &mut String, parts: &Parts<'_>) {
    // Workloads are placed on workers only.
    let workers = parts
        .sizes
        .layout
        .list
        .iter()
        .filter(|of| of.name.starts_with("worker-"));
    let names: BTreeMap<&str, &str> = workers.map(|of| (of.own.as_str(), of.name.as_str())).collect();
    let is_placed = |of: &&Workload| matches!(of.written_kind(), "Deployment" | "StatefulSet");
    let placed = parts.workloads.iter().filter(is_placed).filter_map(|of| {
        let nodes = of.nodes.iter().filter_map(|node| names.get(node.as_str()).copied());
        let nodes: Vec<&str> = nodes.take(of.replicas as usize).collect();
        (!nodes.is_empty()).then(|| format!("  {}: {}\n", scalar(&of.written), Parts::list(nodes.into_iter())))
    });
    let placed: String = placed.collect();
    text.push_str("\n# All pods run when a run begins.\nrunning: [\"*\"]\n");
    if !placed.is_empty() {
        text.push_str("\n# Where the pods are; `nodes.csv` has the names of the nodes in the cluster.\nplacement:\n");
        text.push_str(&placed);
    }
}
