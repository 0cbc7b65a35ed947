//! Remarks on manifests that matter because the experiment uses the object: errors of a design, or warnings.
//!
//! Belongs here: which workloads and Services a script uses, and equal remarks in one line. Does not belong here: the remarks
//! themselves (`manifests`).

use std::collections::{BTreeMap, BTreeSet};

use super::error::{InputError, Place};
use super::manifests::{Remarks, Where, folded};
use super::world::Design;
use crate::cluster::spec::Step;

/// Remarks by the positions of workloads and Services.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// On each workload.
    pub workloads: Vec<Remarks>,
    /// On each Service.
    pub services: Vec<Remarks>,
    /// Whether what is not modeled is a warning.
    pub lenient: bool,
}

impl Used {
    /// Those on what runs when a script begins, and on what it creates and calls.
    fn of<'r>(&'r self, script: &'r [Step], running: &'r [usize]) -> impl Iterator<Item = &'r Remarks> {
        let mut workloads: BTreeSet<&usize> = running.iter().collect();
        let mut services = BTreeSet::new();
        for step in script {
            match step {
                Step::Apply { workloads: applied } => workloads.extend(applied),
                Step::Probe(probe) => _ = services.insert(probe.to),
                _ => {}
            }
        }
        let workloads = workloads.into_iter().map(|&index| &self.workloads[index]);
        workloads.chain(services.into_iter().map(|index| &self.services[index]))
    }

    /// Whether reading leniently turns an error into a warning.
    fn is_passed_over(&self, error: &InputError) -> bool {
        self.lenient && error.class == super::error::Class::NotEvaluated
    }

    /// What a script and the workloads that run when it begins may not use.
    pub fn refused(&self, script: &[Step], running: &[usize]) -> Vec<InputError> {
        let refused = self.of(script, running).flat_map(|remarks| &remarks.refused);
        refused.filter(|error| !self.is_passed_over(error)).cloned().collect()
    }

    /// What designs use that is simulated otherwise, each text once, with the first of its places.
    pub fn warnings<'d>(&'d self, designs: &'d [Design]) -> Vec<String> {
        let mut places: BTreeMap<&str, BTreeSet<&Place>> = BTreeMap::new();
        let mut passed_over = BTreeSet::new();
        let of_design = |design: &'d Design| {
            self.of(&design.world.script, &design.world.running)
                .map(move |remarks| (design, remarks))
        };
        for (design, remarks) in designs.iter().flat_map(of_design) {
            let is_so = |of: &&(Place, Where, String)| of.1.holds(&design.world.pools);
            for (place, _, text) in remarks.conditional.iter().filter(is_so) {
                places.entry(text).or_default().insert(place);
            }
            for (place, text) in &remarks.approximated {
                places.entry(text).or_default().insert(place);
            }
            let refused = remarks.refused.iter().filter(|error| self.is_passed_over(error));
            passed_over.extend(refused.map(InputError::in_one_line));
        }
        let folded = places.into_iter().map(|(text, places)| {
            let places: Vec<Place> = places.into_iter().cloned().collect();
            folded(text, &places)
        });
        passed_over.into_iter().chain(folded).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Scenario;
    use super::super::overrides::Overrides;

    /// Two workloads of one name in two namespaces, a Job, a DaemonSet in the host's network, and files that are no manifests.
    const MANIFESTS: [(&str, &str); 4] = [
        (
            "a/web.yaml",
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: web, namespace: a}\nspec:\n  selector: &labels {matchLabels: {app: web}}\n  \
             volumeClaimTemplates: [{metadata: {name: v}}]\n  \
             template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, readinessProbe: {httpGet: {port: 80}}}]}}\n",
        ),
        (
            "b/web.yaml",
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: web, namespace: b}\n  spec: {selector: {matchLabels: &l {app: web}}, template: {metadata: {labels: *l}, spec: {containers: [{name: web}]}}}\n\
             - apiVersion: batch/v1\n  kind: Job\n  metadata: {name: once, namespace: b}\n  spec: {template: {spec: {containers: [{name: once}]}}}\n\
             - {apiVersion: v1, kind: Service, metadata: {name: web, namespace: b}, spec: {selector: *l, ports: [{port: 80}]}}\n\
             - {apiVersion: v1, kind: Service, metadata: {name: none, namespace: b}, spec: {selector: {app: wb}, ports: [{port: 80}]}}\n",
        ),
        (
            "node.yaml",
            "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: node}\nspec: {selector: {matchLabels: {app: node}}, template: {metadata: {labels: {app: node}}, spec: {hostNetwork: true, containers: [{name: node}]}}}\n",
        ),
        ("chart/values.yaml", "replicas: 3\n"),
    ];

    /// Warnings or errors of an experiment with these steps and changes, without the path of the folder.
    fn loaded(steps: &str, changes: &[&str]) -> Result<Vec<String>, Vec<String>> {
        with_file(("empty.yaml", ""), steps, changes)
    }

    fn with_file(file: (&str, &str), steps: &str, changes: &[&str]) -> Result<Vec<String>, Vec<String>> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in MANIFESTS.into_iter().chain([file]) {
            let file = folder.path().join("manifests").join(name);
            fs::create_dir_all(file.parent().expect("a parent")).expect("made");
            fs::write(file, text).expect("written");
        }
        let experiment = folder.path().join("x.yaml");
        let head = "meshfault: 1\ntitle: t\nquestion: q\nhorizon: 1m\nreplications: 1\nmanifests: manifests\n";
        let cluster = "cluster: {kubernetes: \"1.24\", nodes: 4, control_plane_nodes: 1, cilium: {version: \"1.15\"}}\ndesigns: [{name: one}]\n";
        fs::write(&experiment, format!("{head}{cluster}script:\n{steps}")).expect("written");
        let overrides = Overrides::parse(changes).expect("well formed");
        let shown = |text: String| text.replace(&format!("{}/", folder.path().display()), "");
        match Scenario::load(&experiment, &overrides) {
            Ok(scenario) => Ok(scenario.warnings.into_iter().map(shown).collect()),
            Err(errors) => Err(errors.iter().map(|error| shown(error.to_string())).collect()),
        }
    }

    fn said(lines: &[String], text: &str) -> bool {
        lines.iter().any(|line| line.contains(text))
    }

    #[test]
    fn only_what_the_script_uses_is_remarked() {
        let warnings = loaded(
            "- apply: [a/web, b/web]\n- probe: {from: a/web, to: web, time_limit: 1s}\n",
            &[],
        )
        .expect("fine");
        assert!(
            said(&warnings, "`volumeClaimTemplates` is approximated"),
            "{warnings:?}"
        );
        assert!(
            said(
                &warnings,
                "manifests/chart/values.yaml: is passed over: values of a Helm chart"
            ),
            "{warnings:?}"
        );
        assert!(
            !said(&warnings, "hostNetwork") && !said(&warnings, "Job"),
            "{warnings:?}"
        );
        let errors = loaded(
            "- apply: [a/web, once, node]\n- probe: {from: a/web, to: none, time_limit: 1s}\n",
            &[],
        )
        .expect_err("refused");
        for text in [
            "`hostNetwork: true` is not modeled",
            "Service b/none matches nothing: `app: wb`",
        ] {
            assert!(said(&errors, text), "{text}: {errors:?}");
        }
        assert_eq!(errors.len(), 2);
    }

    #[test]
    fn lenient_reading_goes_on_and_what_is_excluded_is_not_read() {
        let steps = "- apply: [once, node]\n";
        let warnings = loaded(steps, &["lenient=true"]).expect("fine");
        assert!(
            said(
                &warnings,
                "`hostNetwork: true` is not modeled; with `--lenient`: its pods have addresses"
            ),
            "{warnings:?}"
        );
        let errors = loaded(steps, &["exclude=[\"node.yaml\", \"chart\"]"]).expect_err("refused");
        assert!(said(&errors, "unknown workload `node`"), "{errors:?}");
        let warnings = loaded("- apply: [web]\n", &["exclude=[a, node.yaml]", "lenient=true"]).expect("fine");
        assert!(!said(&warnings, "a/web.yaml"), "{warnings:?}");
    }

    #[test]
    fn names_and_blocks_outside_of_the_pods_are_no_obstacle() {
        let policy = |block: &str| {
            format!(
                "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p}}\nspec:\n  endpointSelector: {{}}\n  egress:\n  \
                 - toFQDNs: [{{matchName: a.example}}]\n  - toCIDRSet: [{{cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}, {{cidr: 192.168.0.0/16}}]\n  \
                 - toCIDR: [{block}]\n"
            )
        };
        let check = |block: &str, changes: &[&str]| with_file(("p.yaml", &policy(block)), "- pause: 1s\n", changes);
        assert!(check("0.0.0.0/0", &[]).is_ok());
        let errors = check("10.20.0.0/16", &[]).expect_err("refused");
        assert!(
            errors[0].starts_with("manifests/p.yaml:9:1: a block of addresses in a rule of"),
            "{errors:?}"
        );
        let warnings = check("10.20.0.0/16", &["lenient=true"]).expect("fine");
        assert!(said(&warnings, "a block of addresses in a rule of"), "{warnings:?}");
    }
}
