//! Snapshots of what people see.

use std::sync::atomic::AtomicBool;

use super::{compare, summary_md, table};
use crate::lab::compare::{Asked, compare_within};
use crate::lab::testing::{Fake, plan};
use crate::lab::{Finished, Options, Start, execute};

fn finished() -> Finished {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        dir: dir.path().to_owned(),
        jobs: 2,
        start: Start::New,
        quiet: true,
        command_line: Vec::new(),
    };
    execute(&plan(60), &Fake::default(), &options, &AtomicBool::new(false)).unwrap()
}

#[test]
fn the_table_is_readable() {
    let finished = finished();
    let text = table::render(&finished.manifest, &finished.summary);
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
        for key in table::present(&finished.summary).take(3) {
            let head = key.head.split_whitespace().next().unwrap_or_default();
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
    insta::assert_snapshot!(summary_md::render(&finished.manifest, &finished.summary));
}

#[test]
fn an_empty_result_is_shown_without_invented_numbers() {
    let mut finished = finished();
    for design in &mut finished.summary.designs {
        design.measures.clear();
    }
    let text = table::render(&finished.manifest, &finished.summary);
    assert!(text.contains("cilium-only") && !text.contains("[0"), "{text}");
    assert!(!summary_md::render(&finished.manifest, &finished.summary).contains("What explains"));
}

#[test]
fn comparisons_are_readable() {
    let finished = finished();
    let compared = compare_within(&finished, &Asked::default()).unwrap();
    let text = compare::text(&compared);
    assert!(text.lines().all(|line| line.chars().count() <= table::WIDTH), "{text}");
    insta::assert_snapshot!(text);
    let against = Asked {
        baseline: Some("control".to_owned()),
        measures: vec!["delayed_share".to_owned(), "certificate_requests".to_owned()],
        ..Asked::default()
    };
    let compared = compare_within(&finished, &against).unwrap();
    insta::assert_snapshot!(compare::markdown(&compared));
}
