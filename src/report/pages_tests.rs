//! All pages of one result together: the same numbers, and five questions answered at one place.

use super::figures::{Plot, Theme};
use super::page::{Commands, Content, PageFigure, PageFormat, content, render};
use super::short::Short;
use super::tests::finished;
use super::text::one_line;
use super::{result_figures, short, summary_md, table};
use crate::lab::Finished;

/// The pages of a result with their texts: terminal, summary and report, in one line each and without marks.
fn pages(finished: &Finished) -> (Content, [(&'static str, String); 3]) {
    let plots = result_figures::of_rows(finished);
    let startup = plots.iter().find_map(|plot| match plot {
        Plot::Startup(figure) => Some(figure),
        _ => None,
    });
    let commands = Commands {
        run: "meshfault run fake --replications 60".to_owned(),
        ..Commands::default()
    };
    let content = content(finished, startup, &commands, &[]);
    let figures = plots
        .iter()
        .flat_map(|plot| plot.names().iter().map(move |name| (plot, *name)));
    let figures: Vec<PageFigure> = figures
        .map(|(plot, name)| PageFigure {
            name: name.to_owned(),
            words: plot.words(name),
            drawing: plot.draw(name, Theme::Light).svg,
        })
        .collect();
    let look = table::Look {
        width: 1000,
        colour: false,
    };
    let terminal = table::render(&finished.manifest, &finished.summary, &content.answer, look);
    let summary = summary_md::render(&finished.manifest, &finished.summary, &content.answer);
    let html = render(&content, &figures, PageFormat::Html);
    let pages = [("terminal", terminal), ("summary.md", summary), ("report.html", html)];
    (content, pages.map(|(name, text)| (name, plain(&text))))
}

/// A text without tags and backticks, with single blanks.
fn plain(text: &str) -> String {
    let parts = text
        .split('<')
        .enumerate()
        .map(|(at, part)| match (at, part.split_once('>')) {
            (1.., Some((tag, rest))) if tag.starts_with(|c: char| c.is_alphabetic() || c == '/') => rest,
            _ => part,
        });
    let text: Vec<&str> = parts.collect();
    let text = text.join(" ").replace(['`', '|'], " ");
    one_line(&text.replace("&gt;", ">").replace("&lt;", "<"))
}

#[test]
fn one_result_has_the_same_numbers_everywhere() {
    let finished = finished();
    let (content, pages) = pages(&finished);
    let keys = table::present(&finished.summary);
    let stored = serde_json::to_value(&content).unwrap();
    for (design, row_of) in finished
        .summary
        .designs
        .iter()
        .zip(stored["designs"].as_array().unwrap())
    {
        let cells: Vec<Short> = keys.iter().map(|key| Short::of_design(design, &key.name)).collect();
        assert_eq!(
            row_of["cells"],
            serde_json::to_value(&cells).unwrap(),
            "report.json, {}",
            design.name
        );
        let row: Vec<String> = cells.iter().map(|cell| cell.joined(" ")).collect();
        for (name, page) in &pages {
            assert!(
                page.contains(&row.join(" ")),
                "{name} has other numbers of {} than {row:?}:\n{page}",
                design.name
            );
        }
        // The answer, the sentences and the figures write the same estimates in other places.
        let seconds_of = |measure: &str| design.measure(measure).and_then(|of| of.estimate).map(short::seconds);
        let median = seconds_of("startup_latency_p50").unwrap();
        assert!(
            pages[2].1.matches(&median).count() >= 3,
            "answer, table and figure: {median}"
        );
        let exposed = seconds_of("unauthorized_exposure_pod_ip").filter(|exposed| exposed != "0 s");
        assert!(exposed.is_none_or(|exposed| pages[2].1.matches(&exposed).count() >= 2));
    }
}

/// Five questions of a reader, each answered at one place of the first screen.
#[test]
fn the_first_screen_answers_five_questions() {
    let finished = finished();
    let (content, pages) = pages(&finished);
    for (name, page) in pages {
        let begin = page
            .find("✗ ")
            .unwrap_or_else(|| panic!("{name} names no breach:\n{page}"));
        let end = ["───", "## Result", "Designs Estimate"]
            .into_iter()
            .filter_map(|end| page[begin..].find(end))
            .min();
        let screen = &page[begin..begin + end.expect("the table comes after the answer")];
        let place = |question: &str, begins: &str| {
            assert_eq!(screen.matches(begins).count(), 1, "{name}: {question}\n{screen}");
            let text = screen.split(begins).nth(1).unwrap().trim_start_matches([':', '*', ' ']);
            assert!(text.starts_with(char::is_alphanumeric), "{name}: {question} {text}");
        };
        place("who got in?", "✗ ");
        place("what do I change?", "What closes it");
        place("what does it cost?", "What it costs");
        place("can I trust it?", "Rests on");
        place("how do I repeat it?", "Repeat it");
        for part in [
            "wrong client admitted in 36.7%",
            "right client never refused",
            "meshfault run fake --replications 60",
        ] {
            assert!(screen.contains(part), "{name}: {part}\n{screen}");
        }
    }
    assert!(content.answer.designs.len() + content.answer.notes.len() <= 12);
}
