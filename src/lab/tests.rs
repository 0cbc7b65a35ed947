//! Tests of the laboratory as a whole, with the made-up simulator of `testing`.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::parquet_read::read_rows;
use super::testing::{Fake, plan};
use super::*;
use crate::cluster::records::{PodRecord, RunRecord};
use crate::kernel::SimTime;

const TABLE_FILES: [&str; 6] = [
    "runs.parquet",
    "pods.parquet",
    "accesses.parquet",
    "exposures.parquet",
    "edges.parquet",
    "flows.parquet",
];

pub(super) fn run(dir: &Path, plan: &Plan, fake: &Fake, jobs: usize, start: Start) -> Result<Finished, LabError> {
    let options = Options {
        dir: dir.to_owned(),
        jobs,
        start,
        quiet: true,
        command_line: Vec::new(),
    };
    execute(plan, fake, &options, fake.stop(), &())
}

fn bytes(dir: &Path, names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| fs::read(dir.join(name)).unwrap()).collect()
}

fn all_results(dir: &Path) -> Vec<Vec<u8>> {
    let mut names = TABLE_FILES.to_vec();
    names.extend(["manifest.json", "summary.json"]);
    bytes(dir, &names)
}

#[test]
fn any_number_of_workers_gives_the_same_bytes() {
    let plan = plan(120);
    let results: Vec<_> = [1, 2, 8]
        .into_iter()
        .map(|jobs| {
            let dir = tempfile::tempdir().unwrap();
            let finished = run(dir.path(), &plan, &Fake::default(), jobs, Start::New).unwrap();
            assert!(finished.manifest.complete && !dir.path().join("segments").exists());
            (finished.manifest.result_digest, all_results(dir.path()))
        })
        .collect();
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}

#[test]
fn an_interrupted_experiment_goes_on_to_the_same_bytes() {
    let plan = plan(120);
    let whole = tempfile::tempdir().unwrap();
    run(whole.path(), &plan, &Fake::default(), 2, Start::New).unwrap();
    for (after, jobs) in [(1, 1), (40, 2), (200, 8), (355, 2)] {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake::stopping_after(after);
        let part = run(dir.path(), &plan, &fake, jobs, Start::New).unwrap();
        assert!(!part.manifest.complete);
        assert!(part.manifest.replications < 120 && part.manifest.replications * 3 <= fake.begun());
        assert!(
            part.summary
                .designs
                .iter()
                .all(|design| design.replications == part.manifest.replications)
        );
        open_result(dir.path()).expect("a partial result is valid");
        let again = run(dir.path(), &plan, &Fake::default(), 2, Start::New).unwrap_err();
        assert!(matches!(again, LabError::Unfinished(_)), "{again}");
        let rest = Fake::default();
        run(dir.path(), &plan, &rest, 2, Start::Resume).unwrap();
        assert_eq!(rest.begun() + fake.begun(), 360, "no run is made twice");
        assert_eq!(all_results(dir.path()), all_results(whole.path()));
    }
}

#[test]
fn a_run_does_not_depend_on_how_many_are_made() {
    let rows = |replications| {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path(), &plan(replications), &Fake::default(), 2, Start::New).unwrap();
        let (mut runs, mut pods) = (Vec::new(), Vec::new());
        read_rows(dir.path(), SimTime::from_nanos(u64::MAX), |key, run: RunRecord| {
            runs.extend((key.replication == 17).then(|| (key.design.to_owned(), run)));
            Ok(())
        })
        .unwrap();
        read_rows(dir.path(), SimTime::from_nanos(u64::MAX), |key, pod: PodRecord| {
            pods.extend((key.replication == 17).then(|| (key.design.to_owned(), pod)));
            Ok(())
        })
        .unwrap();
        assert_eq!((runs.len(), pods.len()), (3, 24));
        (runs, pods)
    };
    assert_eq!(rows(20), rows(100));
}

#[test]
fn rows_come_back_from_the_files_as_they_were_made() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(30);
    run(dir.path(), &plan, &Fake::default(), 2, Start::New).unwrap();
    let fake = Fake::default();
    let mut expected = Vec::new();
    for design in 0..3 {
        for replication in 0..30 {
            let pods = fake.outcome(design, replication).pods;
            expected.extend(
                pods.into_iter()
                    .map(|pod| (plan.designs[design].name.clone(), replication, pod)),
            );
        }
    }
    let mut seen = Vec::new();
    read_rows(dir.path(), SimTime::from_nanos(u64::MAX), |key, pod: PodRecord| {
        seen.push((key.design.to_owned(), key.replication, pod));
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, expected);
}

#[test]
fn more_rows_than_a_row_group_come_back_with_the_same_digest() {
    let dir = tempfile::tempdir().unwrap();
    let finished = run(dir.path(), &plan(800), &Fake::default(), 2, Start::New).unwrap();
    assert!(finished.manifest.tables[1].rows > 16_384);
    open_result(dir.path()).expect("the digest of the files is that of the rows");
}

#[test]
fn a_panic_is_a_stored_failed_run() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake {
        panic_at: Some(5),
        ..Fake::default()
    };
    let finished = run(dir.path(), &plan(20), &fake, 2, Start::New).unwrap();
    // One run of the fake fails by itself.
    assert_eq!(finished.failed_runs(), 2);
    assert_eq!(finished.summary.designs[0].failed, 1);
    assert_eq!(finished.summary.designs[0].measures["unauthorized_any"].n, 19);
    let mut failures = Vec::new();
    read_rows(dir.path(), SimTime::from_nanos(u64::MAX), |key, run: RunRecord| {
        failures.extend(
            run.failure
                .map(|failure| format!("{} {}: {failure}", key.design, key.replication)),
        );
        Ok(())
    })
    .unwrap();
    assert_eq!(
        failures[0],
        "cilium-only 5: at 0.000 s, in simulator: panic: replication 5 panics on request"
    );
    assert!(
        finished
            .manifest
            .warnings
            .iter()
            .any(|warning| warning.starts_with("cilium-only: 1 of 20 runs failed"))
    );
}

#[test]
fn a_damaged_segment_is_seen_and_made_again() {
    let plan = plan(120);
    let whole = tempfile::tempdir().unwrap();
    run(whole.path(), &plan, &Fake::default(), 2, Start::New).unwrap();
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &plan, &Fake::stopping_after(200), 2, Start::New).unwrap();
    let segment = dir.path().join("segments/batch-000004-design-001.rows");
    let mut content = fs::read(&segment).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&segment, content).unwrap();
    fs::write(dir.path().join("segments/batch-000005-design-000.rows"), b"short").unwrap();
    run(dir.path(), &plan, &Fake::default(), 2, Start::Resume).unwrap();
    assert_eq!(all_results(dir.path()), all_results(whole.path()));
}

#[test]
fn a_complete_result_is_checked_and_shown_without_running() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(20);
    let first = run(dir.path(), &plan, &Fake::default(), 2, Start::New).unwrap();
    let idle = Fake::default();
    let second = run(dir.path(), &plan, &idle, 2, Start::New).unwrap();
    assert!(second.found && idle.begun() == 0);
    assert_eq!((second.summary, second.manifest), (first.summary, first.manifest));

    // Rows of other runs under the same manifest.
    let other = tempfile::tempdir().unwrap();
    let fake = Fake {
        panic_at: Some(3),
        ..Fake::default()
    };
    run(other.path(), &plan, &fake, 2, Start::New).unwrap();
    fs::copy(other.path().join("runs.parquet"), dir.path().join("runs.parquet")).unwrap();
    let error = run(dir.path(), &plan, &idle, 2, Start::New).unwrap_err();
    assert!(matches!(error, LabError::Digest { .. }), "{error}");
    let fresh = Fake::default();
    run(dir.path(), &plan, &fresh, 2, Start::Fresh).unwrap();
    assert_eq!(fresh.begun(), 60);
}

#[test]
fn folders_of_others_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    run(dir.path(), &plan(5), &fake, 1, Start::New).unwrap();
    let error = run(dir.path(), &plan(6), &fake, 1, Start::New).unwrap_err();
    assert!(matches!(error, LabError::OtherResult { .. }), "{error}");
    fs::write(dir.path().join("thesis.txt"), "mine").unwrap();
    let error = run(dir.path(), &plan(6), &fake, 1, Start::Fresh).unwrap_err();
    assert!(matches!(error, LabError::ForeignFolder { .. }), "{error}");
    assert!(dir.path().join("thesis.txt").exists() && dir.path().join("runs.parquet").exists());
    let nothing = dir.path().join("nothing");
    let error = run(&nothing, &plan(6), &fake, 1, Start::Resume).unwrap_err();
    assert!(matches!(error, LabError::NothingToResume(_)), "{error}");
    assert!(!nothing.exists());
}

#[test]
fn a_bad_plan_leaves_no_folder() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    let mut bad = plan(0);
    assert!(matches!(
        run(&dir, &bad, &Fake::default(), 1, Start::New),
        Err(LabError::Plan(_))
    ));
    bad = plan(5);
    bad.horizon_s = f64::NAN;
    assert!(matches!(
        run(&dir, &bad, &Fake::default(), 1, Start::Fresh),
        Err(LabError::Plan(_))
    ));
    bad = plan(5);
    bad.designs[1].name = "control".to_owned();
    assert!(matches!(
        run(&dir, &bad, &Fake::default(), 1, Start::New),
        Err(LabError::Plan(_))
    ));
    assert!(!dir.exists());
}

#[test]
fn interrupted_before_the_first_batch_is_a_valid_empty_result() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(20);
    let stop = AtomicBool::new(false);
    stop.store(true, Ordering::SeqCst);
    let options = Options {
        dir: dir.path().to_owned(),
        jobs: 2,
        start: Start::New,
        quiet: true,
        command_line: Vec::new(),
    };
    let finished = execute(&plan, &Fake::default(), &options, &stop, &()).unwrap();
    assert_eq!((finished.manifest.replications, finished.manifest.complete), (0, false));
    let measure = &finished.summary.designs[0].measures["startup_latency_p50"];
    assert_eq!((measure.estimate, measure.n), (None, 0));
    open_result(dir.path()).expect("an empty result is valid");
}

#[test]
fn another_seed_is_another_result() {
    let mut other = plan(20);
    other.seed = 2;
    let root = Path::new("out");
    assert_ne!(result_dir(root, &plan(20)), result_dir(root, &other));
    assert_ne!(result_dir(root, &plan(20)), result_dir(root, &plan(21)));
}

#[test]
fn a_killed_experiment_goes_on_to_the_same_bytes() {
    let plan = plan(120);
    let whole = tempfile::tempdir().unwrap();
    run(whole.path(), &plan, &Fake::default(), 2, Start::New).unwrap();
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &plan, &Fake::stopping_after(200), 2, Start::New).unwrap();
    // What a kill leaves behind: a manifest, segments with gaps, and files without their names.
    for name in
        TABLE_FILES
            .into_iter()
            .chain(["summary.json", "run-info.json", "segments/batch-000007-design-001.rows"])
    {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    Manifest::of(&plan).write(dir.path()).unwrap();
    fs::write(
        dir.path().join("segments/batch-000090-design-001.rows.unfinished"),
        b"half",
    )
    .unwrap();
    fs::write(dir.path().join("pods.parquet.unfinished"), b"half").unwrap();
    run(dir.path(), &plan, &Fake::default(), 2, Start::Resume).unwrap();
    assert_eq!(all_results(dir.path()), all_results(whole.path()));
    assert!(!dir.path().join("segments").exists() && !dir.path().join("pods.parquet.unfinished").exists());
}

#[test]
fn stored_rows_give_the_stored_estimates() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(60);
    let finished = run(dir.path(), &plan, &Fake::default(), 2, Start::New).unwrap();
    let numbers = result::read_numbers(dir.path(), &finished.manifest).unwrap();
    assert_eq!(numbers, finished.numbers);
    assert_eq!(summary::summarize(&plan, &numbers), finished.summary);
}

#[test]
fn what_was_not_tried_has_no_share() {
    let plan = plan(20);
    let run = RunRecord::default();
    let mut numbers = vec![numbers::DesignNumbers::default(); 3];
    for of_design in &mut numbers {
        (0..20).for_each(|_| of_design.run(&run, crate::kernel::SimTime::from_nanos(1)));
    }
    let summary = summary::summarize(&plan, &numbers);
    let empty = [
        "unauthorized_any",
        "demonstrated_any",
        "reused_at_first_look",
        "reuse_per_rollout",
        "delayed_share",
    ];
    for name in empty
        .into_iter()
        .chain(["node_given_up_delay", "startup_latency_p90", "first_unauthorized"])
    {
        let measure = summary.designs[0].measure(name).unwrap();
        assert_eq!(
            (measure.estimate, measure.lower, measure.upper, measure.n),
            (None, None, None, 0),
            "{name}"
        );
    }
    assert!(
        summary.designs[0].measure("no_bad_landing_share").is_none(),
        "a design without mesh has no landings"
    );
}

#[test]
fn documented_columns_stand_in_the_files() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let dir = tempfile::tempdir().unwrap();
    let finished = run(dir.path(), &plan(5), &Fake::default(), 1, Start::New).unwrap();
    for table in &finished.manifest.tables {
        let file = fs::File::open(dir.path().join(format!("{}.parquet", table.name))).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let metadata = reader.metadata().file_metadata();
        let value = |key: &str| {
            let pairs = metadata.key_value_metadata().unwrap();
            pairs
                .iter()
                .find(|pair| pair.key == key)
                .and_then(|pair| pair.value.clone())
                .unwrap()
        };
        assert_eq!(value("meshfault.format"), rows::ROW_FORMAT);
        assert_eq!(value("meshfault.table"), table.name);
        let columns: Vec<rows::ColumnInfo> = serde_json::from_str(&value("meshfault.columns")).unwrap();
        assert_eq!(columns, table.columns);
        assert!(columns.iter().all(|column| column.doc.ends_with('.')));
        assert_eq!(metadata.num_rows() as u64, table.rows);
    }
}
