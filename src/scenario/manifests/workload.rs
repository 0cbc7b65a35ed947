//! Deployments: the strict reading of what decides number, identity, placement and rollout of pods.
//!
//! Belongs here: the Deployment and its pod template. Does not belong here: how a rollout proceeds (`cluster`), and
//! checks against other objects (`checks`).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::injection::INJECT;
use super::object::{Ignored, LabelPlace, NumberOrText, Object, RawSelector, SpannedMap, check_keys, labels, switch};
use super::{CountOrPercent, Workload};
use crate::policy::Subject;
use crate::policy::labels::{LabelSelector, Labels};
use crate::scenario::error::{InputError, Place};
use crate::scenario::yaml::{Document, Spanned};

/// Annotation of a pod template: its process ignores SIGTERM and runs until the grace period ends.
pub const IGNORES_SIGTERM: &str = "meshfault.dev/ignores-sigterm";
const HOSTNAME: &str = "kubernetes.io/hostname";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct DeploymentSpec {
    replicas: Option<u32>,
    selector: Spanned<RawSelector>,
    strategy: Option<Strategy>,
    progress_deadline_seconds: Option<Spanned<u64>>,
    min_ready_seconds: Option<Spanned<u64>>,
    template: Template,
    /// Only how many old, empty ReplicaSets are kept.
    _revision_history_limit: Ignored,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Strategy {
    r#type: Option<Spanned<String>>,
    rolling_update: Option<RollingUpdate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RollingUpdate {
    max_surge: Option<Spanned<CountOrPercent>>,
    max_unavailable: Option<Spanned<CountOrPercent>>,
}

impl<'de> Deserialize<'de> for CountOrPercent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = |value| u32::try_from(value).ok().map(Self::Count);
        let percent = |text: &str| text.strip_suffix('%')?.parse().ok().map(Self::Percent);
        let expected = "a count such as 3 or a share such as 25%";
        deserializer.deserialize_any(NumberOrText {
            expected,
            number,
            text: percent,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Template {
    #[serde(default)]
    metadata: TemplateMetadata,
    spec: PodSpec,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TemplateMetadata {
    #[serde(default)]
    labels: SpannedMap,
    #[serde(default)]
    annotations: SpannedMap,
    /// Pods get names of their own.
    _name: Ignored,
    /// Written by the cluster.
    _creation_timestamp: Ignored,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PodSpec {
    service_account_name: Option<Spanned<String>>,
    termination_grace_period_seconds: Option<u64>,
    containers: Spanned<Vec<Container>>,
    affinity: Option<Affinity>,
    #[serde(default)]
    _volumes: Vec<Volume>,
    /// Name resolution inside the pod is not modeled per pod.
    _dns_policy: Ignored,
    _dns_config: Ignored,
    _host_aliases: Ignored,
    /// A Deployment knows `Always` only.
    _restart_policy: Ignored,
    /// Users and capabilities of processes have no influence.
    _security_context: Ignored,
    /// Only which registry password is used.
    _image_pull_secrets: Ignored,
    /// Only environment variables.
    _enable_service_links: Ignored,
    /// The sidecar's token is projected separately.
    _automount_service_account_token: Ignored,
}

/// Volumes that exist on every node; others could tie the pod to one and are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Volume {
    _name: String,
    _empty_dir: Ignored,
    _config_map: Ignored,
    _secret: Ignored,
    _projected: Ignored,
    #[serde(rename = "downwardAPI")]
    _downward_api: Ignored,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Container {
    _name: String,
    /// How long an image takes to pull comes from the design's parameters, not from its name.
    _image: Ignored,
    #[serde(default)]
    ports: Vec<ContainerPort>,
    /// What runs in the container is not executed.
    _command: Ignored,
    _args: Ignored,
    _env: Ignored,
    _env_from: Ignored,
    _working_dir: Ignored,
    _tty: Ignored,
    _stdin: Ignored,
    _volume_mounts: Ignored,
    _security_context: Ignored,
    _termination_message_path: Ignored,
    _termination_message_policy: Ignored,
    /// Pull durations come from the design's parameters.
    _image_pull_policy: Ignored,
    /// Nodes are never full: pods are placed by anti-affinity and spreading, not by requests.
    _resources: Ignored,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ContainerPort {
    container_port: Spanned<u16>,
    name: Option<String>,
    /// A container port opens nothing; protocols are those of Services and policies.
    _protocol: Ignored,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Affinity {
    pod_anti_affinity: Option<PodAntiAffinity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PodAntiAffinity {
    #[serde(default)]
    required_during_scheduling_ignored_during_execution: Vec<AffinityTerm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AffinityTerm {
    /// Without a selector a term matches no pod (Kubernetes `v1.PodAffinityTerm`).
    label_selector: Option<RawSelector>,
    topology_key: Spanned<String>,
}

/// What the checks across objects need to know about a workload beyond [`Workload`].
pub(super) struct Draft {
    pub workload: Workload,
    pub selector: LabelSelector,
    pub selector_place: Place,
    pub selector_labels: Vec<LabelPlace>,
    pub account_place: Place,
    pub inject_annotation: Option<bool>,
}

pub(super) fn read(document: &Document<'_>, object: Object<DeploymentSpec>) -> Result<Draft, InputError> {
    let meta = &object.metadata;
    check_keys(document, &meta.labels, &[])?;
    check_keys(document, &meta.annotations, &[])?;
    let place = document.place(&meta.name);
    let Some(spec) = object.spec else {
        return Err(place.error("key `spec` is missing"));
    };
    let template = &spec.template;
    check_keys(document, &template.metadata.labels, &[INJECT])?;
    check_keys(document, &template.metadata.annotations, &[INJECT, IGNORES_SIGTERM])?;
    if let Some(seconds) = &spec.min_ready_seconds
        && seconds.value > 0
    {
        let message = format!("`minReadySeconds: {}` is not modeled", seconds.value);
        let hint = "a pod counts as available as soon as it is ready";
        return Err(document.error(seconds, message).with_hint(hint));
    }
    let (max_surge, max_unavailable) = rollout(document, spec.strategy.as_ref())?;
    let namespace = meta.namespace();
    let pod = &template.spec;
    if pod.containers.value.is_empty() {
        return Err(document.error(&pod.containers, "`containers: []` is empty"));
    }
    let account = pod.service_account_name.as_ref();
    let account_place = account.map_or_else(|| place.clone(), |a| document.place(a));
    let (container_ports, port_names) = ports(document, pod)?;
    switch(document, &template.metadata.labels, INJECT)?;
    let ignores_sigterm = switch(document, &template.metadata.annotations, IGNORES_SIGTERM)?;
    Ok(Draft {
        selector: spec.selector.value.convert(document)?,
        selector_place: document.place(&spec.selector),
        selector_labels: spec.selector.value.places(document),
        account_place,
        inject_annotation: switch(document, &template.metadata.annotations, INJECT)?,
        workload: Workload {
            name: meta.name.value.clone(),
            // The labels of the namespace follow when all files are read.
            subject: Subject::new(
                &namespace,
                Labels::default(),
                account.map_or("default", |a| &a.value),
                labels(&template.metadata.labels),
            ),
            namespace,
            replicas: spec.replicas.unwrap_or(1),
            grace_period_s: pod.termination_grace_period_seconds.unwrap_or(30),
            anti_affinity: anti_affinity(document, pod.affinity.as_ref())?,
            max_surge,
            max_unavailable,
            progress_deadline_s: spec.progress_deadline_seconds.map_or(600, |s| s.value),
            container_ports,
            port_names,
            containers: u32::try_from(pod.containers.value.len()).unwrap_or(u32::MAX),
            ignores_sigterm: ignores_sigterm.unwrap_or(false),
            injected: false,
            http_port: None,
            place,
        },
    })
}

/// Surge and unavailability of a rolling update; 25% each by default (Kubernetes `apps/v1` defaults).
fn rollout(
    document: &Document<'_>,
    strategy: Option<&Strategy>,
) -> Result<(CountOrPercent, CountOrPercent), InputError> {
    let default = CountOrPercent::Percent(25);
    let Some(strategy) = strategy else {
        return Ok((default, default));
    };
    match &strategy.r#type {
        Some(kind) if kind.value == "Recreate" => {
            let message = "`type: Recreate` is not modeled";
            let hint = "only `RollingUpdate` is evaluated";
            return Err(document.error(kind, message).with_hint(hint));
        }
        Some(kind) if kind.value != "RollingUpdate" => {
            let message = format!("unknown strategy `{}`", kind.value);
            let error = document.error(kind, message);
            return Err(error.with_candidates(&kind.value, ["RollingUpdate", "Recreate"]));
        }
        _ => {}
    }
    let Some(update) = &strategy.rolling_update else {
        return Ok((default, default));
    };
    let surge = update.max_surge.as_ref().map_or(default, |s| s.value);
    let unavailable = update.max_unavailable.as_ref();
    if let Some(unavailable) = unavailable {
        if matches!(unavailable.value, CountOrPercent::Percent(percent) if percent > 100) {
            return Err(document.error(unavailable, "`maxUnavailable` is more than 100%"));
        }
        if unavailable.value.is_zero() && surge.is_zero() {
            let message = "`maxUnavailable` and `maxSurge` are both 0";
            let hint = "with neither, a rollout cannot proceed";
            return Err(document.error(unavailable, message).with_hint(hint));
        }
    }
    Ok((surge, unavailable.map_or(default, |u| u.value)))
}

fn ports(document: &Document<'_>, pod: &PodSpec) -> Result<(Vec<u16>, BTreeMap<String, u16>), InputError> {
    let (mut numbers, mut names) = (Vec::new(), BTreeMap::new());
    for port in pod.containers.value.iter().flat_map(|c| &c.ports) {
        let number = port.container_port.value;
        if number == 0 {
            return Err(document.error(&port.container_port, "`containerPort: 0` is not a valid port"));
        }
        if !numbers.contains(&number) {
            numbers.push(number);
        }
        if let Some(name) = &port.name
            && names.insert(name.clone(), number).is_some()
        {
            let message = format!("a second port is named `{name}`");
            return Err(document.error(&port.container_port, message));
        }
    }
    Ok((numbers, names))
}

fn anti_affinity(document: &Document<'_>, affinity: Option<&Affinity>) -> Result<Vec<LabelSelector>, InputError> {
    let terms = affinity
        .and_then(|a| a.pod_anti_affinity.as_ref())
        .map(|a| a.required_during_scheduling_ignored_during_execution.as_slice());
    let mut selectors = Vec::new();
    for term in terms.unwrap_or_default() {
        let key = &term.topology_key;
        if key.value != HOSTNAME {
            let message = format!("`topologyKey: {}` is not modeled", key.value);
            let hint = format!("only `{HOSTNAME}` is evaluated");
            return Err(document.error(key, message).with_hint(hint));
        }
        if let Some(selector) = &term.label_selector {
            selectors.push(selector.convert(document)?);
        }
    }
    Ok(selectors)
}
