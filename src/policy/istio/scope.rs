//! Which Services the sidecar of a client knows: by Sidecar objects and by what Services are exported to.
//!
//! Belongs here: `egress[].hosts` of Sidecars. Does not belong here: what is sent to a Service that is known (`client`); a call to
//! another leaves the client's sidecar as it came.

use super::super::Subject;
use super::super::labels::LabelSelector;
use super::destination_rule::matches;

/// The evaluated part of a Sidecar (istio/api `networking/v1alpha3/sidecar.proto`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SidecarScope {
    /// Its namespace.
    pub namespace: String,
    /// `workloadSelector`: the clients that it is for; none means all of the namespace, in the root namespace of the mesh.
    pub clients: Option<LabelSelector>,
    /// `egress[].hosts` as written, `NAMESPACE/HOST`; none means every Service.
    pub hosts: Option<Vec<String>>,
    /// `metadata.creationTimestamp` as the API server writes it.
    pub created: Option<String>,
}

impl SidecarScope {
    /// `.` is the namespace of the client, also in the Sidecar of the root namespace (Istio `pilot/pkg/model/sidecar.go`,
    /// `convertToSidecarScope`).
    fn imports(&self, client_namespace: &str, namespace: &str, host: &str) -> bool {
        let Some(hosts) = &self.hosts else { return true };
        hosts
            .iter()
            .filter_map(|entry| entry.split_once('/'))
            .any(|(of, pattern)| {
                let in_namespace = match of {
                    "*" => true,
                    "." => namespace == client_namespace,
                    other => other == namespace,
                };
                in_namespace && matches(pattern, host)
            })
    }
}

/// Whether the sidecar of a client knows a Service. A Sidecar that selects the client comes first, then the one for its
/// namespace, then that of the root namespace; of several the oldest (Istio `pilot/pkg/model/push_context.go`,
/// `getSidecarScope`).
pub(super) fn knows(
    scopes: &[SidecarScope],
    root_namespace: &str,
    client: &Subject,
    (namespace, name): (&str, &str),
) -> bool {
    let oldest = |of: &str, by_selector: bool| {
        let fits = |scope: &&SidecarScope| {
            scope.namespace == of
                && match (&scope.clients, by_selector) {
                    (Some(selector), true) => selector.matches(&client.labels),
                    (None, false) => true,
                    _ => false,
                }
        };
        scopes.iter().filter(fits).min_by_key(|scope| scope.created.clone())
    };
    let scope = oldest(&client.namespace, true)
        .or_else(|| oldest(&client.namespace, false))
        .or_else(|| oldest(root_namespace, false));
    let host = format!("{name}.{namespace}.svc.cluster.local");
    scope.is_none_or(|scope| scope.imports(&client.namespace, namespace, &host))
}
