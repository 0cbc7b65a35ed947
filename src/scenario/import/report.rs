//! What an import reports: what was read, what was left out, what is assumed, and what no dump shows.
//!
//! Belongs here: the sentences. Does not belong here: where they are printed (`cli`).

use super::dump::Dump;
use super::edges::Edges;
use super::policies::Counts;
use super::settle::LeftOut;
use super::sizes::Sizes;
use super::workloads::Workloads;

/// Most policies that a line names.
const NAMED_MAX: usize = 5;

/// A run with more pods takes many minutes.
const MANY_PODS: usize = 20_000;

pub(super) struct Facts<'f> {
    pub dump: &'f Dump,
    pub found: &'f Workloads,
    pub sizes: &'f Sizes,
    /// Written, and left out or changed.
    pub services: (usize, &'f Counts),
    /// Read, written, and left out or changed.
    pub policies: (usize, usize, &'f Counts),
    pub left_out: &'f LeftOut,
    pub edges: &'f Edges,
    pub redacted: bool,
}

/// A count with its noun: `1 pod`, `1,000 pods`.
fn counted(number: usize, noun: &str) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let ending = if number == 1 { "" } else { "s" };
    format!("{grouped} {noun}{ending}")
}

/// Names of a list, and how many more there are.
fn named(names: &[String]) -> String {
    let shown = names.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

pub(super) fn lines(facts: &Facts<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    read(&mut lines, facts);
    changed(&mut lines, facts);
    assumed(&mut lines, facts);
    unknown(&mut lines, facts);
    lines
}

fn read(lines: &mut Vec<String>, facts: &Facts<'_>) {
    let Facts { dump, found, sizes, .. } = facts;
    let kinds = dump.read.iter().map(|(kind, number)| format!("{kind} {number}"));
    lines.push(format!("read: {}", kinds.collect::<Vec<_>>().join(", ")));
    let skipped: usize = dump.skipped.values().sum();
    if skipped > 0 {
        let kinds = dump.skipped.iter().map(|(kind, number)| format!("{kind} {number}"));
        lines.push(format!(
            "passed over, of other kinds: {}",
            kinds.collect::<Vec<_>>().join(", ")
        ));
    }
    if dump.secrets > 0 {
        lines.push(format!("passed over unread: {}", counted(dump.secrets, "Secret")));
    }
    if dump.duplicates > 0 {
        let times = counted(dump.duplicates, "object");
        lines.push(format!("passed over: {times} that were in the dump before"));
    }
    let pods: usize = found.all.iter().map(|of| of.replicas as usize).sum();
    let version = |name: &str, of: &str| format!("{name} {of}");
    let istio = sizes.istio.as_ref().map(|(of, _)| version("Istio", &of.value));
    let versions = [
        Some(version("Kubernetes", &sizes.kubernetes.value)),
        Some(version("Cilium", &sizes.cilium.value)),
        istio,
    ];
    lines.push(format!(
        "written: {} in {}, {}, {}, {}; {}",
        counted(pods, "pod"),
        counted(found.all.len(), "workload"),
        counted(facts.services.0, "Service"),
        match facts.policies.1 {
            1 => "1 policy".to_owned(),
            number => counted(number, "policie"),
        },
        counted(sizes.nodes.value as usize, "node"),
        versions.into_iter().flatten().collect::<Vec<_>>().join(", ")
    ));
}

fn changed(lines: &mut Vec<String>, facts: &Facts<'_>) {
    let Facts { found, sizes, .. } = facts;
    let other: Vec<&str> = found
        .all
        .iter()
        .map(|of| of.kind.as_str())
        .filter(|kind| *kind != "Deployment")
        .collect();
    let mut kinds = other.clone();
    kinds.sort_unstable();
    kinds.dedup();
    if !kinds.is_empty() {
        let counts = kinds.iter().map(|kind| {
            let number = other.iter().filter(|of| *of == kind).count();
            format!("{kind} {number}")
        });
        lines.push(format!(
            "simulated as Deployments: {}",
            counts.collect::<Vec<_>>().join(", ")
        ));
    }
    let mut note = |number: usize, noun: &str, what: &str| {
        if number > 0 {
            lines.push(format!("{}{what}", counted(number, noun)));
        }
    };
    note(
        found.host_network,
        "workload",
        " in the host network left out: policy knows no identity of its pods",
    );
    note(
        found.cut,
        "pod",
        " of the dump left out, as asked by --pods-max: the workloads have fewer replicas",
    );
    note(found.ended, "Job", " without a running pod left out");
    note(
        found.not_running,
        "pod",
        " of the dump not Running: started like all others",
    );
    note(
        found.rules_left_out,
        "rule",
        " of anti-affinity left out: only required ones per hostname are simulated",
    );
    note(
        found.recreated,
        "workload",
        " with strategy Recreate: all pods are replaced at once by a rolling update",
    );
    note(found.ambient, "workload", " in ambient mode: simulated without a mesh");
    note(
        sizes.moved,
        "node",
        " in another zone than in the cluster: an experiment spreads nodes over zones in turn",
    );
    for (reason, number) in facts.services.1 {
        lines.push(format!("Services {reason}: {number}"));
    }
    for (reason, number) in facts.policies.2 {
        lines.push(format!("policies, {reason}: {number}"));
    }
    for (reason, names) in facts.left_out {
        lines.push(format!("left out, {reason}: {}", named(names)));
    }
    lines.extend(sizes.unlike.iter().map(|what| format!("unlike the cluster: {what}")));
}

fn assumed(lines: &mut Vec<String>, facts: &Facts<'_>) {
    let sizes = facts.sizes;
    let of = |key: &str, value: String, from: &str| {
        let why = from.strip_prefix("assumed: ")?;
        Some(format!(
            "assumed: {key} {value}, since {why}; edit the experiment if you know better"
        ))
    };
    let numbers = [
        of(
            "cluster.kubernetes",
            sizes.kubernetes.value.clone(),
            &sizes.kubernetes.from,
        ),
        of("cluster.nodes", sizes.nodes.value.to_string(), &sizes.nodes.from),
        of(
            "cluster.control_plane_nodes",
            sizes.control_plane_nodes.value.to_string(),
            &sizes.control_plane_nodes.from,
        ),
        of("cluster.zones", sizes.zones.value.to_string(), &sizes.zones.from),
        of(
            "cluster.api_servers",
            sizes.api_servers.value.to_string(),
            &sizes.api_servers.from,
        ),
        of("cluster.coredns", sizes.coredns.value.to_string(), &sizes.coredns.from),
        of(
            "cluster.node_prefix_length",
            sizes.prefix.value.to_string(),
            &sizes.prefix.from,
        ),
        of("cluster.cilium.version", sizes.cilium.value.clone(), &sizes.cilium.from),
        of(
            "cluster.cilium.routing",
            sizes.routing.value.to_owned(),
            &sizes.routing.from,
        ),
        of(
            "cluster.cilium.encryption",
            sizes.encryption.value.to_owned(),
            &sizes.encryption.from,
        ),
        of(
            "kubernetes.pods_per_node_max",
            sizes.pods_per_node_max.value.to_string(),
            &sizes.pods_per_node_max.from,
        ),
    ];
    lines.extend(numbers.into_iter().flatten());
    if let Some((version, replicas)) = &sizes.istio {
        lines.extend(of("cluster.istio.version", version.value.clone(), &version.from));
        lines.extend(of("cluster.istio.replicas", replicas.value.to_string(), &replicas.from));
    }
    lines.push(match sizes.churn {
        Some(churn) => format!(
            "assumed: {} replaced in {} h, by their ages; pods that came and went are not in a dump",
            counted(churn.pods, "pod"),
            churn.window_h
        ),
        None => {
            "assumed: no pods are replaced, since the ages of pods show no rate; add `churn` to the script".to_owned()
        }
    });
}

fn unknown(lines: &mut Vec<String>, facts: &Facts<'_>) {
    let edges = facts.edges;
    lines.push(format!(
        "edges: policy restricts {} of {} behind Services{}",
        edges.servers.len() + edges.left_out,
        counted(edges.candidates, "server"),
        match edges.left_out {
            0 => String::new(),
            more => format!("; the clients of {more} of them were not looked at, there are too many"),
        }
    ));
    let pods: usize = facts.found.all.iter().map(|of| of.replicas as usize).sum();
    if pods > MANY_PODS {
        let pods = counted(pods, "pod");
        lines.push(format!(
            "{pods} take long to simulate; `--pods-max N` keeps the workloads with fewer replicas"
        ));
    }
    lines.push(
        "not in a dump: load of the API servers (`cluster.load`), latencies of the network (`parameters`), who calls whom how often, \
         faults"
            .to_owned(),
    );
    if facts.redacted {
        lines.push("renamed: namespaces, workloads, Services, accounts, labels, policies, hosts, paths; images are not written".to_owned());
    }
}

/// Names of nodes in the experiment and in the cluster.
pub(super) fn nodes(sizes: &Sizes) -> String {
    let mut text = String::from("experiment,cluster,zone\n");
    for (name, own, zone) in &sizes.node_list {
        text.push_str(&format!("{name},{own},{zone}\n"));
    }
    text
}
