//! Snapshots of what readers see.

use std::sync::atomic::AtomicBool;

use super::answer::Answer;
use super::{compare, slow_pods, summary_md, table};
use crate::lab::compare::{Asked, Baseline, compare_within};
use crate::lab::designs::Simulator;
use crate::lab::testing::{Fake, plan};
use crate::lab::{Finished, Options, Start, execute};
use crate::scenario::Scenario;
use crate::scenario::overrides::Overrides;

pub(super) fn finished() -> Finished {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        dir: dir.path().to_owned(),
        jobs: 2,
        start: Start::New,
        quiet: true,
        command_line: Vec::new(),
    };
    execute(&plan(60), &Fake::default(), &options, &AtomicBool::new(false), &()).unwrap()
}

fn answer(finished: &Finished) -> Answer {
    Answer::of(
        &finished.manifest,
        &finished.summary,
        &[],
        "meshfault run fake --replications 60",
    )
}

#[test]
fn the_table_is_readable() {
    let finished = finished();
    let text = table::render(
        &finished.manifest,
        &finished.summary,
        &answer(&finished),
        table::Look::default(),
    );
    assert!(text.lines().all(|line| line.chars().count() <= table::WIDTH), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn tables_are_as_wide_as_the_window() {
    let finished = finished();
    let drawn = |width: usize| table::table(&finished.summary, table::Look { width, colour: false });
    for width in [40, 60, 80, 100, 120, 200] {
        let text = drawn(width);
        assert!(
            text.lines().all(|line| line.chars().count() <= width),
            "{width}:\n{text}"
        );
        for key in table::present(&finished.summary).iter().take(3) {
            let head = table::column_head(key);
            let head = head.split_whitespace().next().unwrap_or_default();
            assert!(text.contains(head), "{head} is lost at {width}:\n{text}");
        }
    }
    assert!(drawn(60).matches("design").count() > drawn(120).matches("design").count());
    insta::assert_snapshot!(drawn(80));
}

#[test]
fn escape_sequences_are_for_terminals() {
    let finished = finished();
    let drawn = |colour: bool| table::table(&finished.summary, table::Look { width: 120, colour });
    assert!(drawn(true).contains('\u{1b}') && !drawn(false).contains('\u{1b}'));
}

#[test]
fn the_page_is_readable() {
    let finished = finished();
    let page = summary_md::render(&finished.manifest, &finished.summary, &answer(&finished));
    assert_eq!(
        headings(&page),
        [
            "# A made-up experiment",
            "## Answer",
            "## Result",
            "## Availability by edge",
            "## Requests by flow",
            "## How often an address was reused",
            "## What explains the slow pods",
            "## Differences between designs",
            "## Runs for a given width",
            "## All measures",
            "## Estimands and methods",
            "## Warnings",
            "## Notes on the designs",
            "## Assumed parameters",
            "## What was run",
            "## Not modeled",
        ]
    );
    // Every measure has a row with its values, and a line with its estimand.
    for design in &finished.summary.designs {
        for name in design.measures.keys() {
            let (row, line) = (format!("\n| `{name}` | "), format!("\n- `{name}` ("));
            assert!(
                page.contains(&row) && page.contains(&line),
                "{name} is missing:\n{page}"
            );
        }
    }
    for part in [
        "| `cilium-only` | The network alone | 36.7% [24.5%, 50.2%] | 0% (≤ 5.97%) | 36.7% [24.5%, 50.2%] | 4.16 s [4.01, 4.37] | not reached 2.38% replaced first |",
        "| `control` | No cut | 0% (≤ 5.97%) |",
        "3.44 s [3.33, 3.62] | > 4.99 s |",
        "| `both` | 54.2% [40.7%, 67.3%] | 0% (≤ 11.1%) | 62.5% [47.3%, 76.1%] | 66.1% [52.6%, 78%] |",
        "| `cilium-only` | 27.9% [24.2%, 31.5%] | 27.9% | 27.9% | 33.7 s [33.4, 34] |",
        "| `cilium-only` − `control` | 36.7 points [22.7, 53.3] | < 0.0001 | 0%, 36.7% | 60 | – | 1 |",
        "| `cilium-only` | 11,000 | 360 | 11,000 | 54 | – | 790 | 360 | 2,600 | – | 4 | 4 | 9,500 | 360 |",
        "| `reused_at_first_look` | 62.5% [47.3%, 76.1%] (n 48) |",
        "| `node_given_up_delay` | 46.8 s [45.7, 48] | 46.8 s [45.6, 48] | – (n 0) |",
        "| `unauthorized_exposure_pod_ip` | 107 s [49.5, 203] | 0 s | 0 s |",
        "| `exposure_window_p90` | > 840 s (n 22) |",
        "| `network.one_way_latency` | 40s |",
        "- Result digest: bf22e18461b24ccf644ebb851f305017ef88a7181bf7e28c977a4e2216479448",
    ] {
        assert!(page.contains(part), "`{part}` is missing:\n{page}");
    }
}

/// The headings of a Markdown page.
pub(super) fn headings(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.starts_with('#')).collect()
}

#[test]
fn an_empty_result_is_shown_without_invented_numbers() {
    let mut finished = finished();
    for design in &mut finished.summary.designs {
        design.measures.clear();
    }
    let text = table::render(
        &finished.manifest,
        &finished.summary,
        &answer(&finished),
        table::Look::default(),
    );
    assert!(text.contains("cilium-only") && !text.contains("[0"), "{text}");
    assert!(!summary_md::render(&finished.manifest, &finished.summary, &answer(&finished)).contains("What explains"));
}

#[test]
fn comparisons_are_readable() {
    let finished = finished();
    let compared = compare_within(&finished, &Asked::default()).unwrap();
    let text = compare::sentences(&compared);
    assert!(text.lines().all(|line| line.chars().count() <= table::WIDTH), "{text}");
    insta::assert_snapshot!(text);
    let look = table::Look {
        width: 80,
        colour: false,
    };
    let text = compare::tables(&compared, Some(look));
    assert!(text.lines().all(|line| line.chars().count() <= look.width), "{text}");
    insta::assert_snapshot!(text);
    // Without a window, a comparison is a line with its measure.
    let text = compare::tables(&compared, None);
    for of in &compared.comparisons {
        let of_pair = |line: &&str| {
            [&of.measure, &of.a, &of.b]
                .iter()
                .all(|name| line.contains(name.as_str()))
        };
        assert_eq!(text.lines().filter(of_pair).count(), 1, "{text}");
    }
    let against = Asked {
        baseline: Baseline::Design("control".to_owned()),
        measures: vec!["delayed_share".to_owned(), "certificate_requests".to_owned()],
        ..Asked::default()
    };
    let compared = compare_within(&finished, &against).unwrap();
    insta::assert_snapshot!(compare::markdown(&compared));
}

/// A real experiment of a few runs, with changes.
fn small(designs: &[&str], changes: &[&str]) -> Finished {
    let scenario = Scenario::built_in("mechanisms", &Overrides::parse(changes).unwrap()).unwrap();
    let chosen: Vec<_> = scenario
        .designs
        .iter()
        .filter(|design| designs.contains(&design.name.as_str()))
        .collect();
    let mut plan = crate::lab::designs::plan(&scenario, &chosen);
    plan.replications = 3;
    let simulator = Simulator::new(scenario.seed, &scenario.seed_group, chosen);
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        dir: dir.path().to_owned(),
        jobs: 2,
        start: Start::New,
        quiet: true,
        command_line: Vec::new(),
    };
    execute(&plan, &simulator, &options, &AtomicBool::new(false), &()).unwrap()
}

/// Containers that take 30 s count as not delayed; terminal and finding name their phase.
#[test]
fn slow_pods_without_a_mechanism_have_their_phase() {
    let told = |designs: &[&str], changes: &[&str]| {
        let finished = small(designs, changes);
        let terminal = table::render(
            &finished.manifest,
            &finished.summary,
            &answer(&finished),
            table::Look::default(),
        );
        let finding = slow_pods::finding(&finished.manifest, &finished.summary).unwrap();
        let share = |name: &str| {
            let measure = finished.summary.designs[0].measure(name);
            measure.and_then(|measure| measure.estimate)
        };
        let shares = [
            "delayed_share",
            "long_start_share",
            "unexplained_share",
            "unexplained_share_containers",
        ]
        .map(share);
        (
            terminal.split_whitespace().collect::<Vec<_>>().join(" "),
            finding,
            shares,
        )
    };
    let (terminal, finding, shares) = told(&["control"], &["parameters.kubernetes.container_start_latency=30s"]);
    assert_eq!(shares, [Some(0.0), Some(1.0), Some(1.0), Some(1.0)]);
    let sentence = "100% of the measured pods took at least 10 s; 100% without a known mechanism, mostly in the phase";
    assert!(terminal.contains(&format!("{sentence} containers.")), "{terminal}");
    assert!(
        finding
            .points
            .iter()
            .any(|point| point.contains(&format!("{sentence} `containers`."))),
        "{:?}",
        finding.points
    );
    assert!(finding.heads.contains(&"unexplained".to_owned()), "{:?}", finding.heads);

    // A TokenReview explains its pods, so they are not unexplained.
    let (terminal, finding, shares) = told(&["a-token-review-1.21"], &[]);
    assert!(
        shares[0] > Some(0.1) && shares[1] >= shares[0] && shares[2] == Some(0.0),
        "{shares:?}"
    );
    assert!(!terminal.contains("without a known mechanism") && !finding.heads.contains(&"unexplained".to_owned()));
    assert!(
        finding.points[0].contains("a TokenReview that hung or failed (A)"),
        "{:?}",
        finding.points
    );
}

/// Text about a publication is in the reports of the experiment that names it, and in no other.
#[test]
fn a_publication_is_data_of_its_experiment() {
    let points = |changes: &[&str]| {
        let finished = small(&["a-token-review-1.21"], changes);
        slow_pods::finding(&finished.manifest, &finished.summary)
            .unwrap()
            .points
    };
    let about = |points: Vec<String>| points.into_iter().find(|point| point.starts_with("Published"));
    assert_eq!(about(points(&[])), None);
    let published = "published={startup: 30s, text: it took \"30 seconds or so\", source: A paper}";
    let told = about(points(&[published])).expect("the pods are set beside it");
    let begin =
        "Published: it took \"30 seconds or so\" (A paper). Closest to 30 s are the pods delayed by a TokenReview";
    assert!(told.starts_with(begin), "{told}");
    let naming: Vec<&str> = crate::scenario::built_in_names()
        .filter(|name| {
            Scenario::built_in(name, &Overrides::default())
                .unwrap()
                .published
                .is_some()
        })
        .collect();
    assert_eq!(naming, ["istiod-cut-off"]);
}
