//! In what two designs differ, so that only a change of one thing is called a cure.
//!
//! A thing is what a person decides at once: a version, a routing, the mesh with its policies, a parameter. Which changes are tried
//! belongs to `switches`.

use std::fmt::Debug;

use crate::cluster::faults::FaultSpec;
use crate::cluster::faults::place::Whom;
use crate::cluster::party::PartyKind;
use crate::cluster::spec::WorldSpec;
use crate::scenario::Design;

/// Differences that cure nothing: what happens is different, or where it happens.
const NO_CURES: [&str; 6] = ["faults", "script", "churn", "placement", "random numbers", "horizon"];

/// The things in which two designs differ, in a fixed order.
pub(super) fn differing(a: &Design, b: &Design) -> Vec<String> {
    let (one, other) = (&a.world, &b.world);
    let mesh_differs = one.istio.is_some() != other.istio.is_some();
    let mut found: Vec<String> = Vec::new();
    let mut add = |what: &str, differs: bool| {
        if differs {
            found.push(what.to_owned());
        }
    };
    add("faults", faults_differ(one, other, mesh_differs));
    add("script", differ(&one.script, &other.script));
    add("churn", differ(&one.churn, &other.churn));
    add("placement", one.placement != other.placement);
    add("random numbers", a.independent || b.independent);
    add("horizon", one.horizon != other.horizon);
    let nodes = |design: &Design| (design.world.nodes, design.world.control_plane_nodes);
    add("nodes", nodes(a) != nodes(b));
    add("zones", one.zones != other.zones);
    add("API servers", one.api_servers != other.api_servers);
    add("CoreDNS", one.coredns != other.coredns);
    add("load", differ(&one.load, &other.load));
    add("addresses per node", one.node_prefix_length != other.node_prefix_length);
    add("routing", one.datapath.routing != other.datapath.routing);
    add("encryption", one.datapath.encryption != other.datapath.encryption);
    add("network policies", one.network_enforced != other.network_enforced);
    // A mesh comes and goes with its policies.
    add("mesh", mesh_differs);
    add(
        "mesh policies",
        !mesh_differs && one.mesh_enforced != other.mesh_enforced,
    );
    let replicas = |design: &Design| design.world.istio.as_ref().map(|istio| istio.replicas);
    add("Istiods", !mesh_differs && replicas(a) != replicas(b));
    for (component, version) in &a.versions {
        let differs = b.versions.get(component).is_some_and(|of_b| of_b != version);
        add(component, differs);
    }
    // A version is one thing with all that it changes; what a design sets beyond that is another one.
    let set = |of: &Design, to: &Design| {
        let set = of.parameters.iter().filter(|parameter| parameter.overridden);
        let differs = |name: &str, value: &str| {
            let known = to.parameters.iter().find(|known| known.name == name);
            known.is_some_and(|known| known.value != value)
        };
        let names = set.filter(|parameter| differs(&parameter.name, &parameter.value));
        names.map(|parameter| parameter.name.clone()).collect::<Vec<_>>()
    };
    let mut names = set(a, b);
    names.extend(set(b, a));
    names.sort();
    names.dedup();
    found.extend(names);
    found
}

/// Whether designs with these differences are one change apart, and that change may be a cure.
pub(super) fn is_one_change(differing: &[String]) -> bool {
    matches!(differing, [only] if !NO_CURES.contains(&only.as_str()))
}

/// Whether other faults act, or elsewhere. A design without a mesh cannot have those of Istiods, so these are left out there.
fn faults_differ(one: &WorldSpec, other: &WorldSpec, mesh_differs: bool) -> bool {
    if !mesh_differs {
        return differ(&one.faults, &other.faults);
    }
    let outside = |world: &WorldSpec| {
        let fault = |fault: &FaultSpec| {
            let Whom { place, pick, parties } = fault.kind.whom();
            let parties: Vec<&PartyKind> = parties.iter().filter(|party| !party.is_of_istiod()).collect();
            format!(
                "{:?} {place:?} {pick:?} {parties:?} {}",
                fault.when,
                fault.kind.words().word
            )
        };
        world.faults.iter().map(fault).collect::<Vec<_>>()
    };
    outside(one) != outside(other)
}

/// Descriptions are compared as they are printed, which has all of them.
fn differ<T: Debug>(one: &T, other: &T) -> bool {
    format!("{one:?}") != format!("{other:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::scenario::overrides::Overrides;

    fn differing_of(experiment: &str, names: [&str; 2]) -> Vec<String> {
        let scenario = Scenario::built_in(experiment, &Overrides::default()).unwrap();
        let design = |name: &str| scenario.designs.iter().find(|design| design.name == name).unwrap();
        differing(design(names[0]), design(names[1]))
    }

    #[test]
    fn designs_of_the_default_experiment_differ_in_these_things() {
        let of = |names| differing_of("istiod-cut-off", names);
        assert_eq!(of(["cilium-only", "cilium-istio-1.21"]), ["mesh"]);
        assert_eq!(of(["cilium-only", "istio-only"]), ["network policies", "mesh"]);
        assert_eq!(of(["cilium-istio-1.14", "cilium-istio-1.21"]), ["istio"]);
        assert!(is_one_change(&of(["cilium-only", "cilium-istio-1.21"])));
        assert!(!is_one_change(&of(["cilium-only", "istio-only"])));
    }

    #[test]
    fn another_placement_or_other_random_numbers_cure_nothing() {
        let scenario = Scenario::built_in("ip-reuse", &Overrides::default()).unwrap();
        let a = &scenario.designs[0];
        assert_eq!(differing(a, a), Vec::<String>::new());
        let mut moved = a.clone();
        moved.world.placement = vec![vec![crate::cluster::ids::NodeId(1)]];
        let mut drawn = a.clone();
        drawn.independent = true;
        assert_eq!(differing(a, &moved), ["placement"]);
        assert_eq!(differing(a, &drawn), ["random numbers"]);
        for other in [&moved, &drawn] {
            assert!(!is_one_change(&differing(a, other)));
        }
    }
}
