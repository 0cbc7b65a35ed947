//! Pods that end: Jobs, CronJobs, containers that start again, images. Latencies are constants, as in `event_log`, so that times are exact.

use std::sync::Arc;

use meshfault::cluster::job_spec::{Concurrency, Runs};
use meshfault::cluster::records::Outcome;
use meshfault::cluster::spec::{Step, Until, WorkloadSpec, WorldSpec};
use meshfault::kernel::{Distribution, SimTime};
use meshfault::story::ToldRun;

use crate::event_log::PLAIN;
use crate::support::{Bench, at, between, pause, s, workload};

/// Images are there, unless a test says otherwise.
const HERE: [&str; 3] = [
    "parameters.kubernetes.image_pull=0s",
    "parameters.kubernetes.job_sync_period=1s",
    "parameters.kubernetes.endpoint_slice_sync_latency=10ms",
];

fn bench(changes: &[&str], names: &[&str], alter: impl Fn(&mut WorldSpec)) -> Bench {
    let mut all = PLAIN.to_vec();
    all.extend(HERE);
    all.extend(changes);
    Bench::case("jobs", &all).edit(|world| {
        let workloads = names.iter().map(|name| workload(world, name)).collect();
        world.script = vec![Step::Apply { workloads }];
        alter(world);
    })
}

fn told(changes: &[&str], names: &[&str], alter: impl Fn(&mut WorldSpec)) -> ToldRun {
    let told = bench(changes, names, alter).ready().told(0);
    assert_eq!(told.outcome.run.failure, None);
    told
}

fn run(changes: &[&str], names: &[&str], alter: impl Fn(&mut WorldSpec)) -> Outcome {
    told(changes, names, alter).outcome
}

fn of<'w>(world: &'w mut WorldSpec, name: &str) -> &'w mut WorkloadSpec {
    let index = workload(world, name);
    &mut Arc::make_mut(&mut world.workloads)[index]
}

fn lasts(seconds: f64, fails: f64) -> Option<Runs> {
    Some(Runs {
        lasts: Some(Distribution::Constant(s(seconds))),
        fails,
    })
}

/// When a story says something.
fn times(told: &ToldRun, text: &str) -> Vec<SimTime> {
    let lines = told.lines.iter().filter(|line| line.text.contains(text));
    lines.map(|line| line.time).collect()
}

/// Each failure in a row is followed by twice the wait of the one before, from the end of the containers; one more than the limit ends it.
#[test]
fn a_job_waits_after_each_failed_pod_twice_as_long() {
    let told = told(&[], &["migrate"], |world| {
        of(world, "migrate").job.as_mut().expect("a Job").backoff_limit = 3;
    });
    let (binds, fails) = (times(&told, "binds migrate"), times(&told, "have failed"));
    assert_eq!((binds.len(), fails.len()), (4, 4), "{:?}", told.lines);
    for (number, wait) in [10.0, 20.0, 40.0].into_iter().enumerate() {
        // A sync, a write, a watch, a cycle and another write, each of a few milliseconds.
        let later = between(fails[number], binds[number + 1]) - wait;
        assert!((0.0..0.06).contains(&later), "{number}: {later}");
    }
    let failed = times(&told, "the Job migrate-1 has failed");
    assert_eq!(failed.len(), 1);
    // It hears of the last one after a look and a report, and collects changes for a second.
    assert!((1.0..1.1).contains(&between(fails[3], failed[0])));
}

#[test]
fn a_job_that_is_too_late_fails_and_its_pods_go() {
    let told = told(&[], &["fan-out"], |world| {
        of(world, "fan-out").job.as_mut().expect("a Job").active_deadline = Some(s(15.0));
    });
    let (created, failed) = (times(&told, "the Job fan-out-1 is created"), times(&told, "has failed"));
    assert!((15.0..15.1).contains(&between(created[0], failed[0])));
    assert_eq!(times(&told, "removes fan-out").len(), 3, "those that ran");
}

/// Seven pods of ten seconds, three at a time: three rounds. Then the wait of the script is over, the objects are still there, and they go with
/// their Job.
#[test]
fn a_job_runs_as_many_pods_as_it_may_until_all_have_succeeded() {
    let told = told(&[], &["fan-out"], |world| {
        let index = workload(world, "fan-out");
        let kind = meshfault::cluster::ids::KindId(index as u32);
        world.script.extend([
            Step::Wait {
                until: Until::JobComplete(kind),
                timeout: s(120.0),
                goes_on: false,
            },
            pause(5.0),
            Step::Delete { workloads: vec![index] },
        ]);
    });
    let (starts, ends) = (times(&told, "binds fan-out"), times(&told, "has succeeded"));
    assert_eq!((starts.len(), ends.len()), (7, 7));
    for (number, start) in starts.iter().enumerate() {
        let ended = ends.iter().filter(|end| *end < start).count();
        assert!(number + 1 - ended <= 3, "{number}");
    }
    let complete = times(&told, "is complete")[0];
    assert!((30.0..45.0).contains(&between(starts[0], complete)));
    assert!(told.outcome.pods.iter().all(|pod| pod.pod.contains("fan-out-1-")));
    let (frees, removes) = (times(&told, "frees"), times(&told, "removes fan-out"));
    assert_eq!((frees.len(), removes.len()), (7, 7));
    assert!(
        frees.iter().all(|at| *at < complete),
        "the address is free when the sandbox has stopped"
    );
    assert!(
        removes.iter().all(|at| between(complete, *at) > 5.0),
        "the object stays"
    );
}

/// A finished pod has no address any more; another one gets it, while the object still shows it.
#[test]
fn the_address_of_a_finished_pod_is_used_again() {
    let told = told(&["cluster.node_prefix_length=28"], &["fan-out"], |world| {
        let fan_out = of(world, "fan-out");
        fan_out.job.as_mut().expect("a Job").completions = Some(40);
    });
    let mut addresses: Vec<_> = told.outcome.pods.iter().filter_map(|pod| pod.ip).collect();
    assert_eq!(addresses.len(), 40);
    addresses.sort_unstable();
    addresses.dedup();
    assert!(addresses.len() <= 14, "{addresses:?}");
    assert_eq!(times(&told, "removes fan-out").len(), 0, "the objects are there");
}

/// Jobs of 90 s, one each minute.
fn jobs_of(policy: Concurrency) -> ToldRun {
    told(&[], &["report"], move |world| {
        world.horizon = at(290.0);
        let job = of(world, "report").job.as_mut().expect("a CronJob");
        job.cron.as_mut().expect("a schedule").concurrency = policy;
    })
}

fn seconds(times: &[SimTime]) -> Vec<u64> {
    times.iter().map(|time| time.as_nanos() / 1_000_000_000).collect()
}

#[test]
fn a_cron_job_makes_jobs_beside_each_other_one_after_another_or_in_place_of_each_other() {
    let minutes = [60, 120, 180, 240];
    let allow = jobs_of(Concurrency::Allow);
    assert_eq!(seconds(&times(&allow, "is created")), minutes);
    assert!(times(&allow, "is deleted").is_empty());
    assert_eq!(seconds(&times(&allow, "is complete")), [152, 212, 272]);
    // The minute that passed while a Job ran is made up for as soon as it has ended.
    let forbid = jobs_of(Concurrency::Forbid);
    assert_eq!(seconds(&times(&forbid, "is created")), [60, 152, 244]);
    assert_eq!(seconds(&times(&forbid, "is complete")), [152, 244]);
    let replace = jobs_of(Concurrency::Replace);
    assert_eq!(seconds(&times(&replace, "is created")), minutes);
    assert_eq!(seconds(&times(&replace, "is deleted")), minutes[1..]);
    assert!(times(&replace, "is complete").is_empty());
}

#[test]
fn a_cron_job_keeps_as_many_finished_jobs_as_it_says_and_none_that_is_too_late() {
    let told_with = |alter: fn(&mut meshfault::cluster::job_spec::CronSpec)| {
        told(&[], &["report"], |world| {
            let report = of(world, "report");
            report.runs = lasts(5.0, 0.0);
            alter(
                report
                    .job
                    .as_mut()
                    .and_then(|job| job.cron.as_mut())
                    .expect("a schedule"),
            );
        })
    };
    let kept = told_with(|cron| cron.keeps = [1, 2]);
    assert_eq!(times(&kept, "is created").len(), 9);
    assert_eq!(times(&kept, "is deleted").len(), 7);
    assert_eq!(times(&told_with(|cron| cron.suspended = true), "is created").len(), 0);
    let late = told_with(|cron| (cron.concurrency, cron.starting_deadline) = (Concurrency::Forbid, Some(s(20.0))));
    assert_eq!(times(&late, "is created").len(), 9, "none is late");
    let late = told(&[], &["report"], |world| {
        let job = of(world, "report").job.as_mut().expect("a CronJob");
        let cron = job.cron.as_mut().expect("a schedule");
        (cron.concurrency, cron.starting_deadline) = (Concurrency::Forbid, Some(s(20.0)));
        world.horizon = at(290.0);
    });
    assert_eq!(
        seconds(&times(&late, "is created")),
        [60, 180],
        "the one at 120 s was 32 s late"
    );
}

/// Waits in the story of one pod that fails after `runs_s` each time.
fn waits(runs_s: f64, horizon_s: f64) -> Vec<String> {
    let told = told(&[], &["crashing"], |world| {
        of(world, "crashing").runs = lasts(runs_s, 1.0);
        world.horizon = at(horizon_s);
    });
    assert_eq!(told.outcome.pods.len(), 1, "it is the same pod");
    let again = |line: &str| Some(line.split_once("again in ")?.1.to_owned());
    told.lines.iter().filter_map(|line| again(&line.text)).collect()
}

#[test]
fn containers_that_fail_start_again_after_a_back_off() {
    let expected = [0, 10, 20, 40, 80, 160, 300, 300, 300].map(|wait| format!("{wait}.000 s"));
    assert_eq!(waits(1.0, 1_200.0), expected);
    // After ten minutes of running it is forgotten.
    assert_eq!(waits(600.0, 2_000.0), vec!["0.000 s"; 3]);
    assert_eq!(waits(599.0, 2_000.0), ["0.000 s", "10.000 s", "20.000 s"]);
}

/// A deploy of pods that fail is not complete; they are ready for as long as they run.
#[test]
fn a_pod_whose_containers_failed_is_not_ready() {
    let told = told(&[], &["crashing"], |world| {
        of(world, "crashing").runs = lasts(30.0, 1.0);
        world.horizon = at(100.0);
        let ready = |timeout_s| Step::Wait {
            until: Until::Ready(vec![workload(world, "crashing")]),
            timeout: s(timeout_s),
            goes_on: true,
        };
        // It runs from 1 s to 31 s, to 61 s, and again from 71 s on.
        let steps = [pause(20.0), ready(0.1), pause(44.0), ready(4.0), ready(10.0)];
        world.script.extend(steps);
    });
    assert_eq!(
        (
            times(&told, "runs the containers").len(),
            times(&told, "have failed").len()
        ),
        (3, 2)
    );
    assert_eq!(seconds(&times(&told, "pods were not ready in time")), [68]);
}

#[test]
fn a_pod_that_never_restarts_finishes_and_is_not_replaced() {
    let told = told(&[], &["once"], |_| ());
    assert_eq!(times(&told, "has succeeded").len(), 1);
    assert_eq!((told.outcome.pods.len(), times(&told, "frees").len()), (1, 1));
}

#[test]
fn the_images_of_a_node_are_pulled_once_and_one_after_another() {
    let changes = [
        "parameters.kubernetes.image_pull=20s",
        "parameters.kubernetes.image_check=1s",
    ];
    let running = |changes: &[&str], always: bool| {
        let outcome = run(changes, &["server"], |world| {
            let server = of(world, "server");
            server.images.iter_mut().for_each(|image| image.always = always);
            server.replicas = 2;
        });
        let mut running: Vec<SimTime> = outcome.pods.iter().filter_map(|pod| pod.running).collect();
        running.sort_unstable();
        assert_eq!(running.len(), 2);
        running
    };
    let here = running(&[], false);
    let pulls = running(&changes, false);
    assert!((39.9..40.1).contains(&between(here[0], pulls[0])), "two images");
    // The other pod asked for the first image while it was pulled: its turn comes behind that, and costs a comparison.
    assert!((0.0..2.1).contains(&between(pulls[0], pulls[1])), "{pulls:?}");
    let beside = [changes[0], changes[1], "parameters.kubernetes.image_pulls_serial=false"];
    let beside = running(&beside, false);
    assert!((39.0..40.1).contains(&between(here[1], beside[1])), "{beside:?}");
}
