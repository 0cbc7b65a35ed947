//! Whether Istio takes a pod into the mesh: by a sidecar, or by the ambient mode of its node.
//!
//! Belongs here: the injection webhook's selectors and the mark of the ambient mode. Does not belong here: what a pod in the
//! mesh enforces (`policy::istio`).

use crate::policy::labels::Labels;

/// Label and, in older manifests, annotation that switches the injection for one pod template.
pub(super) const INJECT: &str = "sidecar.istio.io/inject";
const NAMESPACE: &str = "istio-injection";
/// Label of a namespace or a pod for a named revision.
pub(super) const REVISION: &str = "istio.io/rev";
/// Label of a namespace or a pod for the ambient mode.
pub(super) const DATAPLANE_MODE: &str = "istio.io/dataplane-mode";
/// Namespaces that are never injected (Istio `pkg/kube/inject/inject.go`, `IgnoredNamespaces`).
const IGNORED: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// What decides about the mesh, as a pod template and its namespace say it.
pub(super) struct Facts<'a> {
    pub namespace: &'a str,
    pub namespace_labels: &'a Labels,
    pub labels: &'a Labels,
    /// Annotation [`INJECT`].
    pub annotation: Option<&'a str>,
    pub host_network: bool,
}

impl Facts<'_> {
    /// Whether a sidecar is injected. First the webhook has to be called for the pod (selectors of the chart
    /// `istiod`, `mutatingwebhook.yaml`), then its own check must agree (`pkg/kube/inject/inject.go`,
    /// `injectRequired`). Any named revision is taken to be installed.
    pub(super) fn injected(&self) -> bool {
        if self.host_network || IGNORED.contains(&self.namespace) {
            return false;
        }
        let label = self.labels.get(INJECT);
        let (namespace, revision) = (
            self.namespace_labels.get(NAMESPACE),
            self.namespace_labels.get(REVISION),
        );
        let called = match (namespace, revision) {
            (Some("enabled"), _) => label != Some("false"),
            (Some(_), _) => false,
            (None, Some(_)) => label != Some("false"),
            (None, None) if self.labels.get(REVISION).is_some() => label != Some("false"),
            (None, None) => label == Some("true"),
        };
        // Any other value than these two falls back to the default, which is to inject.
        called && label.or(self.annotation) != Some("false")
    }

    /// Whether a pod without a sidecar is in ambient mode: the pod's label overrides that of its namespace (Istio
    /// `cni/pkg/util/podutil.go`, `PodRedirectionEnabled`).
    pub(super) fn ambient(&self) -> bool {
        let mode = self.labels.get(DATAPLANE_MODE);
        let mode = mode.or_else(|| self.namespace_labels.get(DATAPLANE_MODE));
        !self.host_network && self.namespace != "kube-system" && mode == Some("ambient")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(namespace: &[(&str, &str)], pod: &[(&str, &str)], annotation: Option<&str>) -> (bool, bool) {
        let labels = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            Labels(pairs.collect())
        };
        let (namespace_labels, labels) = (labels(namespace), labels(pod));
        let facts = Facts {
            namespace: "a",
            namespace_labels: &namespace_labels,
            labels: &labels,
            annotation,
            host_network: false,
        };
        let in_host = Facts {
            host_network: true,
            ..facts
        };
        assert!(!in_host.injected() && !in_host.ambient());
        let in_system = Facts {
            namespace: "kube-system",
            host_network: false,
            ..in_host
        };
        assert!(!in_system.injected() && !in_system.ambient());
        let own = Facts {
            namespace: "a",
            ..in_system
        };
        (own.injected(), own.ambient())
    }

    #[test]
    fn the_webhook_is_called_by_namespace_revision_or_pod() {
        let (on, off) = ([("istio-injection", "enabled")], [("istio-injection", "disabled")]);
        let (yes, no) = ([(INJECT, "true")], [(INJECT, "false")]);
        let revision = [(REVISION, "canary")];
        for (namespace, pod, expected) in [
            (&on[..], &[][..], true),
            (&on, &no, false),
            (&on, &yes, true),
            (&off, &yes, false),
            (&off, &revision, false),
            (&revision, &[], true),
            (&revision, &no, false),
            (&[], &[], false),
            (&[], &yes, true),
            (&[], &revision, true),
            (&[], &[(REVISION, "canary"), (INJECT, "false")], false),
        ] {
            assert_eq!(facts(namespace, pod, None).0, expected, "{namespace:?} {pod:?}");
        }
    }

    #[test]
    fn the_annotation_opts_out_and_the_label_comes_first() {
        let on = [("istio-injection", "enabled")];
        assert!(!facts(&on, &[], Some("false")).0);
        assert!(facts(&on, &[(INJECT, "true")], Some("false")).0);
        assert!(facts(&on, &[], Some("no")).0);
        assert!(!facts(&[], &[], Some("true")).0);
    }

    #[test]
    fn ambient_is_a_label_of_the_namespace_or_the_pod() {
        let ambient = [(DATAPLANE_MODE, "ambient")];
        assert!(facts(&ambient, &[], None).1);
        assert!(facts(&[], &ambient, None).1);
        assert!(!facts(&ambient, &[(DATAPLANE_MODE, "none")], None).1);
        assert!(!facts(&[], &[], None).1);
    }
}
