//! Reports of made-up results: hostile names stay text, every format has what a reader needs, the same bytes twice.

use std::sync::atomic::AtomicBool;

use super::templates::{latex, markdown};
use super::{Commands, Content, PageFigure, PageFormat, content, render};
use crate::lab::testing::{Fake, plan};
use crate::lab::{Finished, Options, Start, execute};
use crate::report::figures::{Plot, Theme};
use crate::report::result_figures;

const HOSTILE: &str = "</script><script>alert(1)</script>";

fn finished(replications: u64) -> Finished {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        dir: dir.path().to_owned(),
        jobs: 2,
        start: Start::New,
        quiet: true,
        command_line: Vec::new(),
    };
    let mut plan = plan(replications);
    plan.designs[1].name = HOSTILE.to_owned();
    plan.designs[1].title = format!("{HOSTILE} & | _ % ` [x](javascript:y)");
    plan.title = format!("A title with {HOSTILE}");
    plan.warnings.push(format!("workload `{HOSTILE}` and ${HOSTILE}"));
    execute(&plan, &Fake::default(), &options, &AtomicBool::new(false), &()).unwrap()
}

fn commands() -> Commands {
    Commands {
        explain: "meshfault explain fake".to_owned(),
        run: "meshfault run fake --replications 60".to_owned(),
        changes: vec!["seed=7".to_owned(), "cluster.nodes=4".to_owned()],
    }
}

fn page(finished: &Finished, format: PageFormat) -> String {
    let plots = result_figures::of_rows(finished);
    let startup = plots.iter().find_map(|plot| match plot {
        Plot::Startup(figure) => Some(figure),
        _ => None,
    });
    let name = "startup_distribution";
    let drawing = match format {
        PageFormat::Html => plots[0].draw(name, Theme::Light).svg,
        PageFormat::Markdown | PageFormat::Latex => format!("figures/{name}.svg"),
    };
    let figure = PageFigure {
        name: name.to_owned(),
        words: plots[0].words(name),
        drawing,
    };
    render(&content(finished, startup, &commands(), &[]), &[figure], format)
}

#[test]
fn a_stored_content_gives_the_same_page() {
    let finished = finished(60);
    let plots = result_figures::of_rows(&finished);
    let Some(Plot::Startup(startup)) = plots.first() else {
        panic!("no pod was measured");
    };
    let made = content(&finished, Some(startup), &commands(), &[]);
    let stored: Content = serde_json::from_str(&serde_json::to_string(&made).unwrap()).unwrap();
    for format in PageFormat::ALL {
        assert!(render(&made, &[], format) == render(&stored, &[], format), "{format:?}");
    }
}

#[test]
fn hostile_names_stay_text_in_html() {
    let html = page(&finished(60), PageFormat::Html);
    // The page's own three elements, and nothing that a name has added.
    assert_eq!(html.matches("<script").count(), 3);
    assert_eq!(html.matches("</script").count(), 3);
    assert!(html.contains("&lt;/script&gt;") && html.contains("\\u003c/script\\u003e"));
    assert!(
        !html.contains("<link") && !html.contains(" src=\""),
        "something is loaded"
    );
}

#[test]
fn a_policy_forbids_the_network_and_names_the_scripts() {
    let html = page(&finished(60), PageFormat::Html);
    let policy = html.split("Content-Security-Policy\" content=\"").nth(1).unwrap();
    let policy = policy.split('"').next().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[test]
fn the_same_result_gives_the_same_bytes() {
    for format in [PageFormat::Html, PageFormat::Markdown, PageFormat::Latex] {
        assert!(page(&finished(60), format) == page(&finished(60), format), "{format:?}");
    }
}

#[test]
fn the_decision_record_is_readable() {
    let page = page(&finished(60), PageFormat::Markdown);
    assert_eq!(
        crate::report::tests::headings(&page),
        [
            r"# A title with &lt;/script\>&lt;script\>alert(1)&lt;/script\>",
            "## Answer",
            "## Context and question",
            "## Decision drivers",
            "## Considered options",
            "## What was measured",
            "### Differences",
            "### Figures",
            "## Decision outcome",
            "## Consequences",
            "### Availability by edge",
            "### Requests by flow",
            "### How often an address was reused",
            "### What explains the slow pods",
            "## Limits",
            "## How to reproduce",
        ]
    );
    for part in [
        "- Evidence: `fake`, meshfault 0.0.0-test, 60 replications of 3 designs, seed 1",
        r"- `</script><script>alert(1)</script>`: &lt;/script\>&lt;script\>alert(1)&lt;/script\> &amp; \| \_ % \` \[x\](javascript:y)",
        r"| `cilium-only` | 36.7% \[24.5%, 50.2%\] | 0% (≤ 5.97%) | 36.7% \[24.5%, 50.2%\] | 4.16 s \[4.01, 4.37\] | not reached 2.38% replaced first |",
        r"| `control` | 0% (≤ 5.97%) | 0% (≤ 5.97%) | 0% (≤ 5.97%) | 3.44 s \[3.33, 3.62\] | \> 4.99 s ",
        r"| `cilium-only` | `control` | `unauthorized_any` | 36.7 points \[22.7, 53.3\] | &lt; 0.0001 | 60 | Tango, exact McNemar test |",
        r"| `</script><script>alert(1)</script>` | `control` | `certificate_requests` | \-0.51 \[-1.84, 0.82\] | 0.67 | 59 |",
        "alert(1)&lt;/script\\>](figures/startup_distribution.svg)",
        r"| `cilium-only` | 53.3% \[39.9%, 66.4%\] | 0% (≤ 10.9%) | 62.5% \[47.3%, 76.1%\] | 65% \[51.5%, 76.9%\] |",
        r"| `cilium-only` | 27.9% \[24.2%, 31.5%\] | 27.9% | 27.9% | 33.7 s \[33.4, 34\] | 0% |",
        r"- Warning: workload `</script><script>alert(1)</script>` and \$&lt;/script\>",
        "  - `network.one_way_latency` = 40s (all)",
        "    meshfault run fake --replications 60\n",
        "    meshfault explain fake --design '</script><script>alert(1)</script>' --replication 42 --seed 7 --set cluster.nodes=4\n",
        "- Result digest: `a038f8f02e5eea983871044273c22aee271f583e140ea6c289b080eb749153a3`",
    ] {
        assert!(page.contains(part), "`{part}` is missing:\n{page}");
    }
}

#[test]
fn the_table_for_papers_is_readable() {
    insta::assert_snapshot!(page(&finished(60), PageFormat::Latex));
}

#[test]
fn many_runs_are_thinned_and_the_largest_kept() {
    let finished = finished(3_000);
    let runs = super::runs::runs(&finished).unwrap();
    assert!(runs.thinned.contains("of 9000 runs are shown"), "{}", runs.thinned);
    let html = page(&finished, PageFormat::Html);
    assert!(html.len() < 2_000_000, "{}", html.len());
    for outlier in &runs.outliers {
        let found = format!(
            "data-run=\"{}\" data-design=\"{}\"",
            outlier.replication, outlier.design_index
        );
        assert!(html.contains(&found), "{found}");
    }
}

/// The median startup of a run is that of its pods by the estimator of the designs: of one run both are one number.
#[test]
fn the_median_of_a_run_is_that_of_the_table() {
    let finished = finished(1);
    let runs = serde_json::to_value(super::runs::runs(&finished).unwrap()).unwrap();
    let measures = runs["measures"].as_array().unwrap();
    let at = measures
        .iter()
        .position(|of| of["label"] == "median startup of its pods")
        .unwrap();
    for (design, of) in finished.summary.designs.iter().zip(runs["series"].as_array().unwrap()) {
        let median = design.measure("startup_latency_p50").unwrap().estimate;
        let of_run = of["values"][at][0].as_f64();
        let written = |value: Option<f64>| value.map(crate::report::short::seconds);
        assert_eq!(written(of_run), written(median), "{}", design.name);
        assert!(of_run.is_some(), "{}", design.name);
    }
}

#[test]
fn nothing_is_a_mark_after_escaping() {
    assert_eq!(
        markdown("# a\n<b> `c` [d](e) | *f*"),
        "\\# a &lt;b\\> \\`c\\` \\[d\\](e) \\| \\*f\\*"
    );
    assert_eq!(
        latex("\\input{x} $y$ 50% a_b #1 & ~^<>"),
        "\\textbackslash{}input\\{x\\} \\$y\\$ 50\\% a\\_b \\#1 \\& \\textasciitilde{}\\textasciicircum{}\\textless{}\\textgreater{}"
    );
}
