//! The report in a browser: what a reader hovers, switches, clicks and replays works, without a network and without an error.
//!
//! Needs Chromium, named by `MESHFAULT_CHROMIUM`; without it the tests are skipped with a line, and fail where `CI` is set. The
//! browser is driven by its DevTools protocol (`driver`). Pictures at two widths in two themes are in the folder that
//! `MESHFAULT_SCREENSHOTS` names, else in `target/tmp/screenshots`.

mod driver;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use driver::Browser;
use meshfault::lab::Manifest;
use serde_json::{Value, json};

const HOSTILE: &str =
    "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">";

/// Chromium, if the environment names it; CI has to.
fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("MESHFAULT_CHROMIUM").map(PathBuf::from);
    if named.is_none() {
        let ci = std::env::var_os("CI").is_some();
        assert!(!ci, "CI does not skip this test: MESHFAULT_CHROMIUM names no browser");
        eprintln!("skipped: MESHFAULT_CHROMIUM names no browser");
    }
    named
}

fn meshfault(arguments: &[&str]) -> String {
    let output = Command::cargo_bin("meshfault")
        .unwrap()
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A small result and its report.
fn report(dir: &Path, experiment: &str, change: impl Fn(&mut Value)) -> PathBuf {
    let folder = dir.join("result");
    let out = folder.to_str().unwrap();
    meshfault(&["run", experiment, "--replications", "40", "--quiet", "--out", out]);
    let manifest = folder.join("manifest.json");
    let mut value: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    change(&mut value);
    // A stranger's result comes with its seal.
    let mut changed: Manifest = serde_json::from_value(value).unwrap();
    changed.seal(&folder).unwrap();
    changed.write(&folder).unwrap();
    meshfault(&["report", out, "--format", "html"]);
    folder.join("report.html")
}

/// No error, no message, no request but the file itself.
fn assert_quiet(browser: &Browser, page: &Path) {
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
    let file = format!("file://{}", page.display());
    assert!(
        browser.requests.iter().all(|url| *url == file),
        "{:?}",
        browser.requests
    );
}

#[test]
fn a_reader_hovers_switches_zooms_and_replays() {
    let Some(chromium) = chromium() else { return };
    let dir = tempfile::tempdir().unwrap();
    let page = report(dir.path(), "ip-reuse", |_| ());
    let mut browser = Browser::start(&chromium, &dir.path().join("profile"));
    browser.resize(1280, 900);
    browser.open(&page);

    // A tooltip reads values of every design that is shown.
    let plot = "document.querySelector('#startup-chart .plot')";
    browser.run(&format!("{plot}.scrollIntoView({{block: 'center'}})"));
    let place = browser.run(&format!(
        "(() => {{ const r = {plot}.querySelector('.u-over').getBoundingClientRect(); return [r.left + r.width * 0.6, r.top + r.height / 2]; }})()"
    ));
    browser.mouse("mouseMoved", place[0].as_f64().unwrap(), place[1].as_f64().unwrap());
    let tip = browser.run(&format!(
        "{plot}.querySelector('.tip').hidden ? '' : {plot}.querySelector('.tip').innerText"
    ));
    let tip = tip.as_str().unwrap();
    assert!(
        tip.starts_with("ready within ") && tip.contains('%') && tip.contains('['),
        "{tip}"
    );

    // A design is switched off and on again, by keyboard.
    let shown = |browser: &mut Browser| browser.run(&format!("Number({plot}.dataset.series)")).as_u64().unwrap();
    let all = shown(&mut browser);
    assert!(all >= 2, "{all}");
    browser.run("document.querySelector('#startup-chart fieldset input').focus()");
    browser.press(" ", 32);
    assert_eq!(shown(&mut browser), all - 1);
    browser.press(" ", 32);
    assert_eq!(shown(&mut browser), all);

    // The log axis and the zoom change the range, and the arrow keys read values aloud.
    let range = |browser: &mut Browser| {
        browser
            .run(&format!("{plot}.dataset.range"))
            .as_str()
            .unwrap()
            .to_owned()
    };
    let whole = range(&mut browser);
    browser.run("document.querySelector('#startup-chart [data-does=\"in\"]').click()");
    assert_ne!(range(&mut browser), whole);
    browser.run("document.querySelector('#startup-chart [data-does=\"reset\"]').click()");
    assert_eq!(range(&mut browser), whole);
    browser.run("document.querySelector('#startup-chart [data-does=\"log-x\"]').click()");
    assert_eq!(browser.run(&format!("{plot}.dataset.logX")), json!("false"));
    browser.run(&format!("{plot}.focus()"));
    browser.press("ArrowRight", 39);
    let said = browser.run("document.querySelector('#startup-chart .status').innerText");
    assert!(said.as_str().unwrap().contains("ready within"), "{said}");

    // The largest run, by keyboard, and the command that replays it.
    browser.run("document.querySelector('#runs-chart .plot').focus()");
    browser.press("ArrowRight", 39);
    browser.press("Enter", 13);
    let by_keyboard = browser
        .run("document.getElementById('replay').textContent")
        .as_str()
        .unwrap()
        .to_owned();
    browser.run("document.querySelector('button[data-run]').click()");
    let by_button = browser
        .run("document.getElementById('replay').textContent")
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(by_keyboard, by_button);
    let replication = browser
        .run("document.querySelector('button[data-run]').dataset.run")
        .as_str()
        .unwrap()
        .to_owned();
    let words: Vec<&str> = by_button.split_whitespace().collect();
    assert_eq!(words[0], "meshfault");
    let told = meshfault(&words[1..]);
    assert!(told.contains(&format!("replication {replication}")), "{told}");

    // A click on a point does the same for the point under the pointer: here the largest, which the keyboard marks.
    browser.run(
        "(() => { document.getElementById('chosen').textContent = ''; const p = document.querySelector('#runs-chart .plot'); \
         p.scrollIntoView({block: 'center'}); p.focus(); })()",
    );
    browser.press("ArrowLeft", 37);
    let place = browser.run("document.querySelector('#runs-chart .plot').dataset.at");
    let place: Vec<f64> = place
        .as_str()
        .unwrap()
        .split(' ')
        .map(|part| part.parse().unwrap())
        .collect();
    let (x, y) = (place[0], place[1]);
    browser.mouse("mouseMoved", x + 2.0, y - 2.0);
    let tip = browser.run("document.querySelector('#runs-chart .tip').innerText");
    assert!(tip.as_str().unwrap().contains("run"), "{tip}");
    browser.mouse("mousePressed", x + 2.0, y - 2.0);
    browser.mouse("mouseReleased", x + 2.0, y - 2.0);
    let clicked = browser.run("document.getElementById('replay').textContent");
    assert_eq!(clicked.as_str().unwrap(), by_button);
    assert_quiet(&browser, &page);
}

#[test]
fn names_stay_text() {
    let Some(chromium) = chromium() else { return };
    let dir = tempfile::tempdir().unwrap();
    let page = report(dir.path(), "ip-reuse", |manifest| {
        manifest["title"] = json!(HOSTILE);
        manifest["question"] = json!(HOSTILE);
        manifest["warnings"] = json!([format!("workload `{HOSTILE}`")]);
        manifest["designs"][0]["title"] = json!(HOSTILE);
        manifest["designs"][0]["notes"] = json!([HOSTILE]);
        manifest["designs"][0]["parameters"][0]["source"] = json!(HOSTILE);
        manifest["inputs"][0]["name"] = json!(HOSTILE);
    });
    let mut browser = Browser::start(&chromium, &dir.path().join("profile"));
    browser.open(&page);
    assert_eq!(browser.run("document.title"), json!(HOSTILE));
    assert_eq!(browser.run("document.querySelector('h1').textContent"), json!(HOSTILE));
    assert_eq!(browser.run("document.querySelectorAll('script').length"), json!(3));
    assert_eq!(browser.run("document.querySelectorAll('img').length"), json!(0));
    assert_quiet(&browser, &page);
}

#[test]
fn a_narrow_window_shows_everything() {
    let Some(chromium) = chromium() else { return };
    let dir = tempfile::tempdir().unwrap();
    let page = report(dir.path(), "ip-reuse", |_| ());
    let mut browser = Browser::start(&chromium, &dir.path().join("profile"));
    browser.resize(400, 800);
    browser.open(&page);
    let width = browser.run("document.documentElement.scrollWidth");
    assert!(
        width.as_u64().unwrap() <= 400,
        "the page is {width} wide in a window of 400"
    );
    let unnamed = browser.run(
        "[...document.querySelectorAll('button, select, input, [tabindex=\"0\"]')].filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || (e.labels && e.labels.length && e.labels[0].textContent.trim()))).length",
    );
    assert_eq!(unnamed, json!(0), "controls without a name");
    let tables = browser.run("[...document.querySelectorAll('table')].every(table => table.caption)");
    assert_eq!(tables, json!(true));
    assert_quiet(&browser, &page);
}

/// What a reader cannot see or read at the present size and theme: a list of sentences.
const UNREADABLE: &str = include_str!("unreadable.js");

fn unreadable(browser: &mut Browser) -> Vec<String> {
    browser.run("document.querySelectorAll('details').forEach(part => { part.open = true; })");
    browser.wait_ms(100);
    let found = browser.run(UNREADABLE);
    found
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

/// Colors of the first figure: of its ground and of its first text.
fn colors(browser: &mut Browser) -> Value {
    browser.run(
        "(() => { const figure = document.querySelector('figure svg'); \
         return ['rect', 'text'].map(name => getComputedStyle(figure.querySelector(name)).fill); })()",
    )
}

#[test]
fn the_page_is_readable_at_two_widths_in_every_theme() {
    let Some(chromium) = chromium() else { return };
    let pictures = std::env::var_os("MESHFAULT_SCREENSHOTS").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots"),
        PathBuf::from,
    );
    std::fs::create_dir_all(&pictures).unwrap();
    for experiment in ["ip-reuse", "istiod-cut-off"] {
        let dir = tempfile::tempdir().unwrap();
        let page = report(dir.path(), experiment, |_| ());
        let mut browser = Browser::start(&chromium, &dir.path().join("profile"));
        let mut seen = Vec::new();
        for theme in ["light", "dark"] {
            let feature = json!({ "name": "prefers-color-scheme", "value": theme });
            browser.call("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
            for width in [1440, 480] {
                browser.resize(width, 900);
                browser.open(&page);
                let picture = browser.picture();
                std::fs::write(pictures.join(format!("{experiment}-{theme}-{width}.png")), picture).unwrap();
                assert_eq!(
                    unreadable(&mut browser),
                    Vec::<String>::new(),
                    "{experiment}, {theme}, {width} px"
                );
            }
            seen.push(colors(&mut browser));
        }
        browser.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));
        seen.push(colors(&mut browser));
        assert!(
            seen[0][0] != seen[1][0] && seen[0][1] != seen[1][1] && seen[2][1] == json!("rgb(0, 0, 0)"),
            "figures follow the theme: {seen:?}"
        );
        assert_quiet(&browser, &page);
    }
}

#[test]
fn the_first_screen_answers_and_the_appendix_begins_within_five() {
    let Some(chromium) = chromium() else { return };
    let dir = tempfile::tempdir().unwrap();
    let page = report(dir.path(), "istiod-cut-off", |_| ());
    let mut browser = Browser::start(&chromium, &dir.path().join("profile"));
    browser.resize(1440, 900);
    browser.open(&page);
    let lines = "[...document.querySelectorAll('.answer .designs li, .answer dl div')]";
    let heads = browser.run("[...document.querySelectorAll('.answer dt')].map(head => head.textContent)");
    assert_eq!(
        heads,
        json!(["What closes it", "What it costs", "Rests on", "Not tested", "Repeat it"])
    );
    let count = browser.run(&format!("{lines}.length")).as_u64().unwrap();
    assert!((6..=12).contains(&count), "{count} lines");
    let lowest = browser.run(&format!(
        "Math.max(...{lines}.map(line => line.getBoundingClientRect().bottom + scrollY))"
    ));
    assert!(lowest.as_f64().unwrap() <= 900.0, "the answer ends at {lowest} px");
    let appendix = browser.run("document.getElementById('appendix').getBoundingClientRect().top + scrollY");
    assert!(
        appendix.as_f64().unwrap() <= 5.0 * 900.0,
        "the appendix begins at {appendix} px"
    );
    assert_eq!(
        browser.run("document.getElementById('all-parameters').open"),
        json!(false)
    );
    // The axis of startup begins and ends with its data.
    let range = browser.run("document.querySelector('#startup-chart .plot').dataset.range");
    let data = browser.run("(() => { const x = JSON.parse(document.getElementById('data').textContent).startup.x; return x[0] + '..' + x[x.length - 1]; })()");
    assert_eq!(range, data);
    // Letters that a table uses are explained below it.
    let letters = browser.run("[...document.querySelectorAll('.finding th')].map(head => head.textContent.match(/^([A-E]): /)?.[1]).filter(Boolean)");
    let explained = browser.run("[...document.querySelectorAll('.letters dt')].map(head => head.textContent)");
    let (letters, explained) = (letters.as_array().unwrap(), explained.as_array().unwrap());
    assert!(
        !letters.is_empty() && letters.iter().all(|letter| explained.contains(letter)),
        "{letters:?} {explained:?}"
    );
}

/// The check of the page finds what it looks for.
#[test]
fn what_is_unreadable_is_found() {
    let Some(chromium) = chromium() else { return };
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("page.html");
    let figure =
        "<figure><svg width=\"200\" height=\"50\"><text x=\"0\" y=\"20\" font-size=\"12\">text</text></svg></figure>";
    let mut browser = Browser::start(&chromium, &dir.path().join("profile"));
    browser.resize(480, 900);
    let mut found = |body: &str| {
        let html = format!("<!DOCTYPE html><html data-ready=\"1\"><body><p>text</p>{body}</body></html>");
        std::fs::write(&page, html).unwrap();
        browser.open(&page);
        unreadable(&mut browser)
    };
    assert_eq!(found(figure), Vec::<String>::new());
    for (body, word) in [
        (figure.replace("\"12\"", "\"9\""), "small"),
        (figure.replace("x=\"0\"", "x=\"190\""), "outside its figure"),
        ("<div style=\"width: 900px\">wide</div>".to_owned(), "page is"),
        (
            "<div style=\"width: 40px; overflow: hidden; white-space: nowrap\">much too long</div>".to_owned(),
            "clipped",
        ),
        (
            "<div class=\"scroll\" style=\"width: 40px; overflow: auto; white-space: nowrap\">much too long</div>"
                .to_owned(),
            "hint",
        ),
    ] {
        let found = found(&body);
        assert!(found.len() == 1 && found[0].contains(word), "{word}: {found:?}");
    }
}
