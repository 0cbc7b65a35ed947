//! What manifests say of the ends of containers: Jobs, CronJobs, restart policies, images, and the annotations for what no manifest says.
//!
//! Belongs here: their reading, with the defaults of the API server. Does not belong here: the rest of a workload (`workload`), and what a
//! controller makes of it (`cluster`).

use serde::Deserialize;

use super::object::SpannedMap;
use super::pods::PodsKind;
use super::workload::seconds;
use crate::cluster::job_spec::{Concurrency, CronSpec, Image, JobSpec, RestartPolicy, Runs, Schedule};
use crate::kernel::SimDuration;
use crate::scenario::error::InputError;
use crate::scenario::values;
use crate::scenario::yaml::{Document, Spanned};

/// Annotation of a pod template: its containers end by themselves so long after their start.
pub(super) const RUNS_FOR: &str = "meshfault.dev/runs-for";
/// Annotation of a pod template: the probability that a run of its containers fails.
pub(super) const FAILS: &str = "meshfault.dev/fails";
/// Annotation of a pod template: its containers fail so long after each start.
pub(super) const CRASHES_AFTER: &str = "meshfault.dev/crashes-after";

/// The keys of the spec of a Job that are simulated.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawJobSpec {
    parallelism: Option<u32>,
    completions: Option<Spanned<u32>>,
    completion_mode: Option<Spanned<String>>,
    backoff_limit: Option<u32>,
    active_deadline_seconds: Option<u64>,
    ttl_seconds_after_finished: Option<u64>,
    suspend: Option<bool>,
}

/// The keys of the spec of a CronJob that are simulated.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCronSpec {
    schedule: Option<Spanned<String>>,
    concurrency_policy: Option<Spanned<String>>,
    starting_deadline_seconds: Option<u64>,
    suspend: Option<bool>,
    failed_jobs_history_limit: Option<u32>,
    successful_jobs_history_limit: Option<u32>,
    job_template: Option<RawTemplate>,
}

#[derive(Deserialize)]
struct RawObject<T> {
    spec: Option<T>,
}

#[derive(Deserialize)]
struct RawTemplate {
    spec: Option<RawJobSpec>,
}

/// The Job of an object, if it makes any.
pub(super) fn job(document: &Document<'_>, kind: PodsKind) -> Result<Option<JobSpec>, InputError> {
    match kind {
        PodsKind::Job => {
            let raw: RawObject<RawJobSpec> = document.parse()?;
            job_spec(document, raw.spec.unwrap_or_default(), None).map(Some)
        }
        PodsKind::CronJob => {
            let raw: RawObject<RawCronSpec> = document.parse()?;
            let Some(mut spec) = raw.spec else { return Ok(None) };
            let job = spec.job_template.take().and_then(|template| template.spec);
            let cron = cron_spec(document, &spec)?;
            job_spec(document, job.unwrap_or_default(), cron).map(Some)
        }
        _ => Ok(None),
    }
}

/// With the defaults of Kubernetes `pkg/apis/batch/v1/defaults.go`.
fn job_spec(document: &Document<'_>, raw: RawJobSpec, cron: Option<CronSpec>) -> Result<JobSpec, InputError> {
    let modes = [("NonIndexed", false), ("Indexed", true)];
    let indexed = choice(document, raw.completion_mode.as_ref(), "completion mode", &modes)?.unwrap_or(false);
    if let (true, Some(place), None) = (indexed, &raw.completion_mode, &raw.completions) {
        return Err(document.error(place, "`completionMode: Indexed` needs `completions`"));
    }
    let completions = match (raw.parallelism, raw.completions) {
        (None, None) => Some(1),
        (_, completions) => completions.map(|completions| completions.value),
    };
    Ok(JobSpec {
        completions,
        parallelism: raw.parallelism.unwrap_or(1),
        indexed,
        backoff_limit: raw.backoff_limit.unwrap_or(6),
        active_deadline: raw.active_deadline_seconds.map(seconds),
        ttl: raw.ttl_seconds_after_finished.map(seconds),
        suspended: raw.suspend.unwrap_or(false),
        cron,
    })
}

fn cron_spec(document: &Document<'_>, raw: &RawCronSpec) -> Result<Option<CronSpec>, InputError> {
    let Some(schedule) = &raw.schedule else { return Ok(None) };
    let read = Schedule::parse(&schedule.value).map_err(|why| {
        let message = format!("`{}` is not a valid schedule: {why}", schedule.value);
        document
            .error(schedule, message)
            .with_hint("write minute, hour, day of month, month and day of week, such as \"*/5 * * * *\"")
    })?;
    let policies = [
        ("Allow", Concurrency::Allow),
        ("Forbid", Concurrency::Forbid),
        ("Replace", Concurrency::Replace),
    ];
    let concurrency = choice(
        document,
        raw.concurrency_policy.as_ref(),
        "concurrency policy",
        &policies,
    )?;
    Ok(Some(CronSpec {
        schedule: read,
        starting_deadline: raw.starting_deadline_seconds.map(seconds),
        concurrency: concurrency.unwrap_or_default(),
        suspended: raw.suspend.unwrap_or(false),
        keeps: [
            raw.failed_jobs_history_limit.unwrap_or(1),
            raw.successful_jobs_history_limit.unwrap_or(3),
        ],
    }))
}

fn choice<T: Copy>(
    document: &Document<'_>,
    written: Option<&Spanned<String>>,
    what: &str,
    choices: &[(&str, T)],
) -> Result<Option<T>, InputError> {
    let Some(written) = written else { return Ok(None) };
    match choices.iter().find(|(word, _)| *word == written.value) {
        Some((_, value)) => Ok(Some(*value)),
        None => {
            let error = document.error(written, format!("unknown {what} `{}`", written.value));
            Err(error.with_candidates(&written.value, choices.iter().map(|(word, _)| *word)))
        }
    }
}

/// `restartPolicy`; other controllers than a Job accept only `Always`.
pub(super) fn restart(kind: PodsKind, written: Option<&str>) -> RestartPolicy {
    match (kind, written) {
        (PodsKind::Job | PodsKind::CronJob | PodsKind::Pod, Some("OnFailure")) => RestartPolicy::OnFailure,
        (PodsKind::Pod, Some("Never")) | (PodsKind::Job | PodsKind::CronJob, _) => RestartPolicy::Never,
        _ => RestartPolicy::Always,
    }
}

/// The span of an annotation.
pub(super) fn span(document: &Document<'_>, map: &SpannedMap, key: &str) -> Result<Option<SimDuration>, InputError> {
    let read = map
        .get(key)
        .map(|text| located(document, text, values::duration(document.file(), text)));
    read.transpose()
}

fn located<T>(document: &Document<'_>, at: &Spanned<String>, read: Result<T, InputError>) -> Result<T, InputError> {
    read.map_err(|error| InputError {
        line: Some(document.place(at).line),
        column: Some(document.place(at).column),
        ..error
    })
}

/// How long its containers run, if they end by themselves.
pub(super) fn runs(
    document: &Document<'_>,
    kind: PodsKind,
    annotations: &SpannedMap,
) -> Result<Option<Runs>, InputError> {
    let is_job = matches!(kind, PodsKind::Job | PodsKind::CronJob);
    let (lasts, crashes) = (
        span(document, annotations, RUNS_FOR)?,
        span(document, annotations, CRASHES_AFTER)?,
    );
    let fails = annotations.get(FAILS).map(|text| {
        let read = values::number_within(document.file(), text, 0.0, 1.0);
        located(document, text, read)
    });
    let fails = fails.transpose()?;
    if let (Some(at), true) = (
        annotations.get(CRASHES_AFTER),
        crashes.is_some() && (lasts.is_some() || fails.is_some()),
    ) {
        let message = format!("`{CRASHES_AFTER}` stands for a run that always fails");
        return Err(document
            .error(at, message)
            .with_hint(format!("leave out `{RUNS_FOR}` and `{FAILS}`")));
    }
    if let (Some(at), false, None) = (annotations.get(FAILS), is_job, lasts) {
        let message = format!("`{FAILS}` needs `{RUNS_FOR}`: containers of this object do not end by themselves");
        return Err(document.error(at, message));
    }
    let lasts = lasts.or(crashes);
    let fails = fails.unwrap_or(if crashes.is_some() { 1.0 } else { 0.0 });
    // A run that is over at once would fill a run of the simulator.
    let lasts = lasts.map(|span| span.max(SimDuration::from_millis(1)));
    let lasts = lasts.map(crate::kernel::Distribution::Constant);
    Ok((is_job || lasts.is_some()).then_some(Runs { lasts, fails }))
}

/// The image of a container; none that a node pulls where it is not to be pulled.
pub(super) fn image(written: Option<&str>, policy: Option<&str>) -> Option<Image> {
    let name = written.filter(|_| policy != Some("Never"))?;
    let tag = name.rsplit('/').next().unwrap_or(name);
    // Without a tag it is the latest one, which is always compared (Kubernetes `pkg/apis/core/v1/defaults.go`, SetDefaults_Container).
    let latest = !tag.contains('@') && tag.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    Some(Image {
        name: name.to_owned(),
        always: policy.map_or(latest, |policy| policy == "Always"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{read, refused};
    use super::*;
    use crate::cluster::spec::Controller;
    use crate::kernel::Distribution;

    const JOBS: &str = "apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec:
  completions: 5
  parallelism: 2
  completionMode: Indexed
  backoffLimit: 1
  activeDeadlineSeconds: 60
  ttlSecondsAfterFinished: 30
  template:
    metadata: {annotations: {meshfault.dev/runs-for: 30s, meshfault.dev/fails: 10%}}
    spec:
      restartPolicy: OnFailure
      containers: [{name: a, image: 'r.example:5000/a:1'}, {name: b, image: r.example/b}, {name: c, image: 'c@sha256:0', imagePullPolicy: Always}, {name: d, image: d, imagePullPolicy: Never}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: c}
spec:
  schedule: '*/5 2 * * MON'
  concurrencyPolicy: Replace
  startingDeadlineSeconds: 10
  jobTemplate: {spec: {parallelism: 3, template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'a:latest'}]}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: p, annotations: {meshfault.dev/crashes-after: 1m}}
spec: {restartPolicy: OnFailure, containers: [{name: a}]}
";

    #[test]
    fn jobs_are_read_with_the_defaults_of_the_api_server() {
        let manifests = read(JOBS).expect("valid");
        let of = |name: &str| manifests.workload("default", name).expect("it is there").clone();
        let s = SimDuration::from_secs;
        let job = of("j");
        let expected = JobSpec {
            completions: Some(5),
            parallelism: 2,
            indexed: true,
            backoff_limit: 1,
            active_deadline: Some(s(60)),
            ttl: Some(s(30)),
            ..JobSpec::default()
        };
        assert_eq!(
            (job.controller, job.restart),
            (Controller::Job, RestartPolicy::OnFailure)
        );
        assert_eq!(job.job, Some(expected));
        let lasts = |span| Some(Distribution::Constant(s(span)));
        assert_eq!(
            job.runs,
            Some(Runs {
                lasts: lasts(30),
                fails: 0.1
            })
        );
        let images = job.images.iter().map(|image| (image.name.as_str(), image.always));
        let expected = [
            ("r.example:5000/a:1", false),
            ("r.example/b", true),
            ("c@sha256:0", true),
        ];
        assert_eq!(images.collect::<Vec<_>>(), expected);
        let cron = of("c");
        assert_eq!(
            (cron.controller, cron.runs),
            (Controller::CronJob, Some(Runs::default()))
        );
        let spec = cron.job.expect("it makes Jobs");
        assert_eq!((spec.completions, spec.parallelism, spec.backoff_limit), (None, 3, 6));
        let times = spec.cron.expect("a schedule");
        assert_eq!((times.concurrency, times.keeps), (Concurrency::Replace, [1, 3]));
        assert_eq!(times.starting_deadline, Some(s(10)));
        let pod = of("p");
        assert_eq!(
            (pod.controller, pod.restart),
            (Controller::Deployment, RestartPolicy::OnFailure)
        );
        assert_eq!(
            pod.runs,
            Some(Runs {
                lasts: lasts(60),
                fails: 1.0
            })
        );
    }

    #[test]
    fn what_no_job_can_be_is_refused() {
        for (wrong, right, message) in [
            (
                "'* * * *'",
                "'*/5 2 * * MON'",
                "a.yaml:21:13: `* * * *` is not a valid schedule: 4 fields instead of 5",
            ),
            ("Never2", "Replace", "unknown concurrency policy `Never2`"),
            ("Index", "Indexed", "unknown completion mode `Index`"),
            (
                "{meshfault.dev/fails: 110%}",
                "{meshfault.dev/runs-for: 30s, meshfault.dev/fails: 10%}",
                "`110%` is not a number from 0 to 1",
            ),
            (
                "{meshfault.dev/runs-for: soon}",
                "{meshfault.dev/runs-for: 30s, meshfault.dev/fails: 10%}",
                "`soon` is not a valid duration",
            ),
            (
                "meshfault.dev/fails: 10%",
                "meshfault.dev/crashes-after: 1m",
                "`meshfault.dev/fails` needs `meshfault.dev/runs-for`",
            ),
            (
                "meshfault.dev/crashes-after: 1m, meshfault.dev/runs-for: 1m",
                "meshfault.dev/crashes-after: 1m",
                "stands for a run that always fails",
            ),
        ] {
            let said = refused(&JOBS.replace(right, wrong));
            assert!(said.contains(message), "{message}: {said}");
        }
        let without = JOBS.replace("  completions: 5\n", "");
        assert!(refused(&without).contains("`completionMode: Indexed` needs `completions`"));
    }
}
