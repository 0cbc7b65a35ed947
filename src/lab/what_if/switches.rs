//! Candidate switches of a design: single changes with a meaning for whoever runs the cluster, each as what one would type.
//!
//! Which of them help is not decided here: each is tried by a replay. Earlier repair is no switch and belongs to `repair`.

use serde::Serialize;

use super::Change;
use super::differing::{differing, is_one_change};
use crate::cluster::party::PartyKind;
use crate::cluster::records::{DelayCause, Outcome};
use crate::cluster::spec::{Encryption, Routing, WorldSpec};
use crate::kernel::SimDuration;
use crate::lab::controls::controls;
use crate::scenario::point_name::base_of;
use crate::scenario::{Design, Scenario};

/// Most other designs of the experiment that are tried.
const DESIGNS_MAX: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Switch {
    pub name: String,
    pub words: String,
    pub change: Change,
    /// Whether it changes one thing, which may be a cure; another design may differ in several, or in what happens to it.
    pub one: bool,
}

/// The switches that mean something for a design, in a fixed order.
pub(super) fn switches(scenario: &Scenario, design: &Design, original: &Outcome) -> Vec<Switch> {
    let mut found = Vec::new();
    let mut add = |name: &str, words: String, set: String| {
        let change = Change {
            design: design.name.clone(),
            set: vec![set],
        };
        found.push(Switch {
            name: name.to_owned(),
            words,
            change,
            one: true,
        });
    };
    let world = &design.world;
    identity(world, &mut add);
    let acting = world
        .faults
        .iter()
        .filter(|fault| !fault.kind.whom().parties.is_empty());
    for fault in acting.filter(|_| original.run.parties_cut > 0) {
        for switch in fault.kind.switches(&fault.name) {
            add(&switch.name, switch.words, switch.set);
        }
    }
    kubernetes(world, original, &mut add);
    mesh(world, &mut add);
    found.extend(kubelet(design, original));
    let designs = &scenario.designs;
    let named = designs.iter().filter_map(|other| other.control.as_deref());
    // A control is a yardstick: a cluster without the fault closes nothing.
    let controls = controls(designs.iter().map(|other| other.name.as_str()), named);
    let is_option = |other: &&Design| other.name != design.name && !controls.contains(base_of(&other.name));
    let others = designs.iter().filter(is_option);
    found.extend(others.take(DESIGNS_MAX).map(|other| {
        let differs = differing(design, other);
        let one = is_one_change(&differs);
        let several = if one {
            String::new()
        } else {
            format!(" (differs in {})", differs.join(", "))
        };
        Switch {
            name: format!("design {}", other.name),
            words: format!("the design had been {}: {}{several}", other.name, other.title),
            change: Change {
                design: other.name.clone(),
                set: Vec::new(),
            },
            one,
        }
    }));
    found
}

type Add<'a> = &'a mut dyn FnMut(&str, String, String);

/// Whether packets carry the sender's identity.
fn identity(world: &WorldSpec, add: Add) {
    let (routing, encryption) = (world.datapath.routing, world.datapath.encryption);
    if encryption == Encryption::WireGuard {
        if routing == Routing::Vxlan && !world.cilium.wireguard_encapsulates {
            add(
                "identity in the tunnel",
                "packets inside WireGuard had carried the sender's identity".to_owned(),
                "parameters.cilium.wireguard_encapsulates=true".to_owned(),
            );
            add(
                "Cilium 1.15",
                "Cilium had been 1.15, whose WireGuard carries the tunnel".to_owned(),
                "cluster.cilium.version=1.15.0".to_owned(),
            );
        }
        add(
            "no encryption",
            "packets between nodes had not been encrypted".to_owned(),
            "cluster.cilium.encryption=none".to_owned(),
        );
    }
    if routing == Routing::Native {
        add(
            "VXLAN",
            "packets between nodes had travelled in VXLAN".to_owned(),
            "cluster.cilium.routing=vxlan".to_owned(),
        );
    }
}

/// How soon a silent node is marked NotReady, and how many addresses there are.
fn kubernetes(world: &WorldSpec, original: &Outcome, add: Add) {
    let kubelet_cut = world
        .faults
        .iter()
        .any(|fault| fault.kind.cuts_off() && fault.kind.whom().parties.contains(&PartyKind::Kubelet));
    if kubelet_cut {
        add(
            "NotReady sooner",
            "a silent node had been marked NotReady after 20 s".to_owned(),
            "parameters.kubernetes.node_monitor_grace_period=20s".to_owned(),
        );
    }
    if original.run.remembered > 0 && world.node_prefix_length > 20 {
        add(
            "more addresses per node",
            "each node had had 4,096 addresses to give, so that another one came next".to_owned(),
            "cluster.node_prefix_length=20".to_owned(),
        );
    }
}

/// The limit of the kubelet's API client as from Kubernetes 1.27, if the one of this run cost any pod a second.
fn kubelet(design: &Design, original: &Outcome) -> Option<Switch> {
    let (qps, burst) = (50, 100);
    let limits = &design.world.kubernetes;
    let lower = limits.kubelet_client_qps < f64::from(qps) || limits.kubelet_client_burst < burst;
    let second = SimDuration::from_secs(1);
    let mut delays = original.pods.iter().flat_map(|pod| &pod.delays);
    let felt = delays.any(|(cause, lost)| *cause == DelayCause::KubeletApi && *lost >= second);
    (lower && felt).then(|| Switch {
        name: "limits of the kubelet of 1.27".to_owned(),
        words: format!(
            "the kubelet's client had had the limits of Kubernetes 1.27, {qps} requests per second and {burst} at once"
        ),
        change: Change {
            design: design.name.clone(),
            set: vec![
                format!("parameters.kubernetes.kubelet_client_qps={qps}"),
                format!("parameters.kubernetes.kubelet_client_burst={burst}"),
            ],
        },
        one: true,
    })
}

/// Releases and timeouts of the mesh.
fn mesh(world: &WorldSpec, add: Add) {
    let Some(istio) = &world.istio else { return };
    if istio.params.csr_redial_on_error {
        add(
            "Istio 1.14",
            "Istio had been 1.14, which keeps the connection of a failed certificate request".to_owned(),
            "cluster.istio.version=1.14.3".to_owned(),
        );
    } else {
        add(
            "Istio 1.21",
            "Istio had been 1.21, which dials anew after a failed certificate request".to_owned(),
            "cluster.istio.version=1.21.0".to_owned(),
        );
    }
    add(
        "shorter connects",
        "the connect timeout of sidecars had been 2 s".to_owned(),
        "parameters.istio.connect_timeout=2s".to_owned(),
    );
    add(
        "shorter dials of Istiod",
        "the dial timeout of Istiods had been 2 s".to_owned(),
        "parameters.istio.api_dial_timeout=2s".to_owned(),
    );
}
