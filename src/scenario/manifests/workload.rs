//! Workloads of a run: what decides number, rollout and start of the pods that an object of any kind carries.
//!
//! Belongs here: replicas, rollout, containers and their probes. Does not belong here: on which nodes pods may be
//! (`placement`), what policies can see of them (`pods`), how a rollout proceeds (`cluster`), and what is left out of each field
//! (`effects`).

use serde::{Deserialize, Deserializer};

use super::jobs::{self, CRASHES_AFTER, FAILS, RUNS_FOR};
use super::object::{LabelPlace, NumberOrText, RawSelector, SpannedMap, switch};
use super::placement::{self, RawPlacement};
use super::pods::{self, PodsKind};
use super::requests::{self, RawResources};
use super::scheduling::RawPriority;
use super::types::{CountOrPercent, Remarks, Workload};
use crate::cluster::placement::Placement;
use crate::cluster::spec::{Controller, Probe, ProbedContainer};
use crate::kernel::SimDuration;
use crate::scenario::error::InputError;
use crate::scenario::yaml::{Document, Spanned};

/// Annotation of a pod template: its process ignores SIGTERM and runs until the grace period ends.
pub const IGNORES_SIGTERM: &str = "meshfault.dev/ignores-sigterm";
/// Annotation of a pod template: its containers answer their probes so long after their start.
pub const ANSWERS_AFTER: &str = "meshfault.dev/answers-after";
pub(super) const OWN_KEYS: [&str; 5] = [IGNORES_SIGTERM, ANSWERS_AFTER, RUNS_FOR, FAILS, CRASHES_AFTER];
/// What all these begin with.
pub(super) const OWN_PREFIX: &str = "meshfault.dev/";

#[derive(Deserialize)]
struct RawObject {
    spec: Option<RawSpec>,
}

#[derive(Deserialize, Default)]
struct RawMetadata {
    annotations: Option<SpannedMap>,
}

#[derive(Deserialize)]
struct RawPod {
    metadata: RawMetadata,
    spec: RawPodSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpec {
    replicas: Option<u32>,
    strategy: Option<Strategy>,
    update_strategy: Option<Strategy>,
    progress_deadline_seconds: Option<u64>,
    pod_management_policy: Option<String>,
    template: Option<Template>,
    job_template: Option<Box<RawJob>>,
}

#[derive(Deserialize)]
struct RawJob {
    spec: Option<RawSpec>,
}

#[derive(Deserialize)]
struct RawSelecting {
    spec: Option<RawSelectingSpec>,
}

#[derive(Deserialize)]
struct RawSelectingSpec {
    selector: Option<Spanned<RawSelector>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Strategy {
    r#type: Option<Spanned<String>>,
    rolling_update: Option<RollingUpdate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
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
struct Template {
    metadata: Option<RawMetadata>,
    spec: Option<RawPodSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPodSpec {
    termination_grace_period_seconds: Option<u64>,
    restart_policy: Option<String>,
    containers: Option<Vec<RawContainer>>,
    init_containers: Option<Vec<RawContainer>>,
    node_selector: Option<SpannedMap>,
    affinity: Option<placement::Affinity>,
    tolerations: Option<Vec<placement::Toleration>>,
    resources: Option<RawResources>,
    overhead: Option<requests::Amounts>,
    priority_class_name: Option<Spanned<String>>,
    priority: Option<i32>,
    preemption_policy: Option<String>,
    topology_spread_constraints: Option<Vec<placement::Constraint>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawContainer {
    restart_policy: Option<String>,
    resources: Option<RawResources>,
    image: Option<String>,
    image_pull_policy: Option<String>,
    readiness_probe: Option<RawProbe>,
    startup_probe: Option<RawProbe>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawProbe {
    initial_delay_seconds: Option<u64>,
    period_seconds: Option<u64>,
    success_threshold: Option<u32>,
}

impl RawProbe {
    /// With the defaults of the API server (Kubernetes `pkg/apis/core/v1/defaults.go`, `SetDefaults_Probe`).
    fn read(&self) -> Probe {
        let set = |value: Option<u64>| value.filter(|value| *value > 0);
        Probe {
            initial_delay: seconds(self.initial_delay_seconds.unwrap_or(0)),
            period: seconds(set(self.period_seconds).unwrap_or(10)),
            successes: self.success_threshold.unwrap_or(1).max(1),
        }
    }
}

/// Seconds of a manifest; longer spans than the simulated clock knows become its longest.
pub(super) fn seconds(count: u64) -> SimDuration {
    SimDuration::from_nanos(count.saturating_mul(1_000_000_000))
}

/// Reads an object that carries pods; `pods` is what policies see of them, and `remarks` what is said of its fields.
pub(super) fn read(document: &Document<'_>, pods: &pods::Draft, mut remarks: Remarks) -> Result<Workload, InputError> {
    own_template(document, pods)?;
    let mut spec = match pods.kind {
        PodsKind::Pod => {
            let pod: RawPod = document.parse()?;
            RawSpec::of_pod(pod)
        }
        _ => document.parse::<RawObject>()?.spec.unwrap_or_else(RawSpec::empty),
    };
    if let Some(job) = spec.job_template.take().and_then(|job| job.spec) {
        spec = job;
    }
    let template = spec.template.take();
    let (metadata, pod) = template.map_or((None, None), |t| (t.metadata, t.spec));
    let Some(pod) = pod else {
        return Err(pods.place.error("key `spec` of the pod template is missing"));
    };
    let asked = RawPlacement {
        node_selector: pod.node_selector,
        affinity: pod.affinity,
        tolerations: pod.tolerations,
        topology_spread_constraints: pod.topology_spread_constraints,
    };
    let containers = pod.containers.as_deref().unwrap_or_default();
    if containers.is_empty() {
        return Err(pods.place.error("a pod without containers"));
    }
    let annotations = metadata.and_then(|m| m.annotations).unwrap_or_default();
    own_keys(document, &annotations)?;
    let answers_after = jobs::span(document, &annotations, ANSWERS_AFTER)?;
    let job = jobs::job(document, pods.kind)?;
    let (controller, max_surge, max_unavailable) = kind(document, pods, &spec, &mut remarks)?;
    let init = pod.init_containers.as_deref().unwrap_or_default();
    let all = init.iter().chain(containers);
    let images = all.filter_map(|c| jobs::image(c.image.as_deref(), c.image_pull_policy.as_deref()));
    let stays = |container: &&RawContainer| container.restart_policy.as_deref() == Some("Always");
    let sidecars = init.iter().filter(stays).count();
    let probed = init.iter().filter(stays).chain(containers).map(|c| ProbedContainer {
        startup: c.startup_probe.as_ref().map(RawProbe::read),
        readiness: c.readiness_probe.as_ref().map(RawProbe::read),
    });
    let probed = probed.filter(|c| *c != ProbedContainer::default()).collect();
    let requested = requests::of_pod(
        containers.iter().map(|c| c.resources.as_ref()),
        init.iter().map(|c| (c.resources.as_ref(), stays(&c))),
        pod.resources.as_ref(),
        pod.overhead.as_ref(),
    );
    let class = pod.priority_class_name.filter(|name| !name.value.is_empty());
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(Workload {
        name: pods.name.trim_end_matches('-').to_owned(),
        namespace: pods.namespace.clone(),
        kind: pods.kind,
        controller,
        // The labels of the namespace follow when all files are read.
        subject: crate::policy::Subject::new(
            &pods.namespace,
            Default::default(),
            &pods.service_account,
            pods.labels.clone(),
        ),
        // An object that is applied exists, also if it has no pods.
        replicas: job
            .as_ref()
            .map_or(spec.replicas.unwrap_or(1), |job| job.parallelism.max(1)),
        grace_period_s: pod.termination_grace_period_seconds.unwrap_or(30),
        anti_affinity: placement::anti_affinity(document, &asked, &mut remarks)?,
        placement: Placement {
            requests: requested,
            ..placement::read(document, &asked, &mut remarks)?
        },
        priority: RawPriority {
            class: class.map(|name| (name.value.clone(), document.place(&name))),
            value: pod.priority,
            policy: pod.preemption_policy,
        },
        max_surge,
        max_unavailable,
        progress_deadline_s: spec.progress_deadline_seconds.unwrap_or(600),
        containers: count(containers.len() + sidecars),
        init_containers: count(init.len() - sidecars),
        probed,
        answers_after: answers_after.unwrap_or(SimDuration::ZERO),
        runs: jobs::runs(document, pods.kind, &annotations)?,
        restart: jobs::restart(pods.kind, pod.restart_policy.as_deref()),
        job,
        images: images.collect(),
        ignores_sigterm: switch(document, &annotations, IGNORES_SIGTERM)?.unwrap_or(false),
        injected: false,
        remarks,
        place: pods.place.clone(),
    })
}

impl RawSpec {
    fn empty() -> Self {
        Self {
            replicas: None,
            strategy: None,
            update_strategy: None,
            progress_deadline_seconds: None,
            pod_management_policy: None,
            template: None,
            job_template: None,
        }
    }

    fn of_pod(pod: RawPod) -> Self {
        let template = Template {
            metadata: Some(pod.metadata),
            spec: Some(pod.spec),
        };
        Self {
            template: Some(template),
            ..Self::empty()
        }
    }
}

/// What controls its pods, and the sizes of its rollouts.
fn kind(
    document: &Document<'_>,
    pods: &pods::Draft,
    spec: &RawSpec,
    remarks: &mut Remarks,
) -> Result<(Controller, CountOrPercent, CountOrPercent), InputError> {
    use CountOrPercent::{Count, Percent};
    let place = || pods.place.clone();
    Ok(match pods.kind {
        PodsKind::Deployment => {
            let (surge, unavailable) = rollout(document, spec.strategy.as_ref(), (Percent(25), Percent(25)))?;
            (Controller::Deployment, surge, unavailable)
        }
        PodsKind::StatefulSet => {
            let parallel = spec.pod_management_policy.as_deref() == Some("Parallel");
            let controller = match parallel {
                true => Controller::ParallelStatefulSet,
                false => Controller::StatefulSet,
            };
            (controller, Count(0), Count(1))
        }
        PodsKind::DaemonSet => {
            let (surge, unavailable) = rollout(document, spec.update_strategy.as_ref(), (Count(0), Count(1)))?;
            (Controller::DaemonSet, surge, unavailable)
        }
        PodsKind::ReplicaSet | PodsKind::ReplicationController => (Controller::Deployment, Percent(25), Percent(25)),
        PodsKind::Pod => {
            let text = "as of a Deployment, another pod replaces it when it goes";
            remarks.approximate(place(), "a Pod without a controller", text);
            (Controller::Deployment, Percent(25), Percent(25))
        }
        PodsKind::Job => (Controller::Job, Count(0), Count(1)),
        PodsKind::CronJob => (Controller::CronJob, Count(0), Count(1)),
    })
}

/// Surge and unavailability of a rolling update (Kubernetes `apps/v1` defaults).
fn rollout(
    document: &Document<'_>,
    strategy: Option<&Strategy>,
    default: (CountOrPercent, CountOrPercent),
) -> Result<(CountOrPercent, CountOrPercent), InputError> {
    let Some(strategy) = strategy else {
        return Ok(default);
    };
    const TYPES: [&str; 3] = ["RollingUpdate", "Recreate", "OnDelete"];
    match &strategy.r#type {
        Some(kind) if kind.value == "Recreate" => {
            return Ok((CountOrPercent::Count(0), CountOrPercent::Percent(100)));
        }
        Some(kind) if !TYPES.contains(&kind.value.as_str()) => {
            let error = document.error(kind, format!("unknown strategy `{}`", kind.value));
            return Err(error.with_candidates(&kind.value, TYPES));
        }
        _ => {}
    }
    let Some(update) = &strategy.rolling_update else {
        return Ok(default);
    };
    let surge = update.max_surge.as_ref().map_or(default.0, |s| s.value);
    let Some(unavailable) = update.max_unavailable.as_ref() else {
        return Ok((surge, default.1));
    };
    if matches!(unavailable.value, CountOrPercent::Percent(percent) if percent > 100) {
        return Err(document.error(unavailable, "`maxUnavailable` is more than 100%"));
    }
    if unavailable.value.is_zero() && surge.is_zero() {
        let message = "`maxUnavailable` and `maxSurge` are both 0";
        let hint = "with neither, a rollout cannot proceed";
        return Err(document.error(unavailable, message).with_hint(hint));
    }
    Ok((surge, unavailable.value))
}

/// The program's own annotations are known, so that a misspelt one does not vanish.
fn own_keys(document: &Document<'_>, annotations: &SpannedMap) -> Result<(), InputError> {
    let is_own = |(key, _): &(&String, &Spanned<String>)| key.starts_with(OWN_PREFIX);
    match annotations
        .iter()
        .filter(is_own)
        .find(|(key, _)| !OWN_KEYS.contains(&key.as_str()))
    {
        None => Ok(()),
        Some((key, value)) => {
            let error = document.error(value, format!("unknown label or annotation `{key}`"));
            Err(error.with_candidates(key, OWN_KEYS))
        }
    }
}

/// An object whose selector does not match its own template is refused by the API server.
fn own_template(document: &Document<'_>, pods: &pods::Draft) -> Result<(), InputError> {
    let selects = [
        PodsKind::Deployment,
        PodsKind::StatefulSet,
        PodsKind::DaemonSet,
        PodsKind::ReplicaSet,
    ];
    if !selects.contains(&pods.kind) {
        return Ok(());
    }
    let spec = document.parse::<RawSelecting>()?.spec;
    let Some(raw) = spec.and_then(|spec| spec.selector) else {
        return Err(pods.place.error("key `selector` is missing"));
    };
    let selector = raw.value.convert(document)?;
    let labels = &pods.labels;
    if selector.is_empty() {
        return Err(document.error(&raw, "an empty `selector` is not allowed here"));
    }
    if selector.matches(labels) {
        return Ok(());
    }
    let differs = |l: &LabelPlace| labels.get(&l.key) != Some(l.value.as_str());
    Err(match raw.value.places(document).into_iter().find(differs) {
        Some(label) => {
            let message = format!(
                "`{}: {}` is not a label of the pod template, so the selector matches nothing",
                label.key, label.value
            );
            let hint = match labels.get(&label.key) {
                Some(value) => format!("the template has `{}: {value}`", label.key),
                None => format!("the template has `{labels}`"),
            };
            label.place.error(message).with_hint(hint)
        }
        None => {
            let error = document.error(&raw, "the selector does not match the labels of the pod template");
            error.with_hint(format!("the template has `{labels}`"))
        }
    })
}
