//! What an import reports: what was read, what was left out, what is assumed, and what no dump shows.
//!
//! Belongs here: the sentences. Does not belong here: where they are printed (`cli`).

use super::dump::Dump;
use super::edges::Edges;
use super::policies::Counts;
use super::settings;
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
    /// Metrics of autoscalers that are not of processors or memory.
    pub metrics_left_out: usize,
    /// Keys that were given by the user.
    pub given: &'f [String],
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
        counted(sizes.layout.nodes.value as usize, "node"),
        versions.into_iter().flatten().collect::<Vec<_>>().join(", ")
    ));
}

fn changed(lines: &mut Vec<String>, facts: &Facts<'_>) {
    let Facts { found, sizes, .. } = facts;
    let other: Vec<&str> = found
        .all
        .iter()
        .filter(|of| of.written_kind() != of.kind)
        .map(|of| of.kind.as_str())
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
        found.by_hand,
        "workload",
        " with `updateStrategy: OnDelete`: a restart replaces all pods",
    );
    note(
        facts.metrics_left_out,
        "metric",
        " of autoscalers left out, which are not of processors or memory",
    );
    note(found.ambient, "workload", " in ambient mode: simulated without a mesh");
    let layout = &sizes.layout;
    note(
        layout.mixed,
        "control-plane node",
        " on which pods run: simulated as workers",
    );
    let (workers, control) = layout.moved;
    if workers + control > 0 {
        let zones = layout.sizes.iter().zip(1..);
        let zones = zones.map(|((name, nodes), at)| match facts.redacted {
            true => format!("zone {at} {nodes}"),
            false => format!("{name} {nodes}"),
        });
        lines.push(format!(
            "{} and {} in another zone than in the cluster: an experiment spreads nodes over zones in turn; nodes by zone: {}",
            counted(workers, "worker"),
            counted(control, "control-plane node"),
            zones.collect::<Vec<_>>().join(", ")
        ));
    }
    for (reason, number) in facts.services.1 {
        lines.push(format!("Services {reason}: {number}"));
    }
    for (reason, number) in facts.policies.2 {
        lines.push(format!("policies, {reason}: {number}"));
    }
    for (reason, names) in facts.left_out {
        lines.push(format!("left out, {reason}: {}", named(names)));
    }
    lines.extend(
        sizes
            .settings
            .unlike
            .iter()
            .map(|what| format!("unlike the cluster: {what}")),
    );
    lines.extend(settings::identities(facts.dump, facts.redacted));
}

fn assumed(lines: &mut Vec<String>, facts: &Facts<'_>) {
    let (sizes, layout, settings) = (facts.sizes, &facts.sizes.layout, &facts.sizes.settings);
    let mut assumed = Vec::new();
    let mut of = |key: &str, value: &dyn std::fmt::Display, from: &str| {
        let why = from.strip_prefix("assumed: ");
        let is_given = facts.given.iter().any(|given| given == key);
        assumed.extend(
            why.filter(|_| !is_given)
                .map(|why| format!("assumed: {key}={value}, since {why}")),
        );
    };
    of("cluster.kubernetes", &sizes.kubernetes.value, &sizes.kubernetes.from);
    of("cluster.nodes", &layout.nodes.value, &layout.nodes.from);
    let control = &layout.control_plane_nodes;
    of("cluster.control_plane_nodes", &control.value, &control.from);
    of("cluster.zones", &layout.zones.value, &layout.zones.from);
    of("cluster.api_servers", &sizes.api_servers.value, &sizes.api_servers.from);
    of("cluster.coredns", &sizes.coredns.value, &sizes.coredns.from);
    of("cluster.node_prefix_length", &sizes.prefix.value, &sizes.prefix.from);
    of("cluster.cilium.version", &sizes.cilium.value, &sizes.cilium.from);
    of(
        "cluster.cilium.routing",
        &settings.routing.value,
        &settings.routing.from,
    );
    of(
        "cluster.cilium.encryption",
        &settings.encryption.value,
        &settings.encryption.from,
    );
    let most = &sizes.pods_per_node_max;
    of("parameters.kubernetes.pods_per_node_max", &most.value, &most.from);
    if let Some((version, replicas)) = &sizes.istio {
        of("cluster.istio.version", &version.value, &version.from);
        of("cluster.istio.replicas", &replicas.value, &replicas.from);
    }
    let any = !assumed.is_empty();
    lines.append(&mut assumed);
    lines.push(match sizes.churn {
        Some(churn) => format!(
            "assumed: {} pods replaced per hour and a mean life of {:.1} h, fitted to the ages of {}, {} of them younger than {} h \
             (exponential lives, older ages censored); the true rate is higher if some pods live much shorter than others",
            churn.rate(),
            churn.lifetime_s as f64 / 3600.0,
            counted(churn.living, "living pod"),
            churn.young,
            churn.window_h
        ),
        None => {
            "assumed: no pods are replaced, since the ages of pods show no rate; add `churn` to the script".to_owned()
        }
    });
    if any {
        lines.push(
            "if you know better: import again with `--set KEY=VALUE` for each, or edit the experiment".to_owned(),
        );
    }
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
    lines.push(format!(
        "edges.csv: {}{}",
        counted(edges.all.len(), "edge"),
        match edges.unlisted {
            0 => String::new(),
            more => format!("; those to {} are left out, there are too many", counted(more, "port")),
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

/// Names and zones of nodes in the experiment and in the cluster.
pub(super) fn nodes(sizes: &Sizes) -> String {
    let mut text = String::from("experiment,cluster,zone,experiment_zone\n");
    for of in &sizes.layout.list {
        text.push_str(&format!("{},{},{},{}\n", of.name, of.own, of.own_zone, of.zone));
    }
    text
}
