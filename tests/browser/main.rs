//! The report in a browser: what a reader hovers, switches, clicks and replays works, without a network and without an error.
//!
//! Needs Chromium, named by `MESHFAULT_CHROMIUM`; without it the tests are skipped with a line, and fail where `CI` is set. The
//! browser is driven by its DevTools protocol (`driver`); `MESHFAULT_SCREENSHOTS` names a folder for pictures at two widths.

mod driver;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use driver::Browser;
use meshfault::lab::Manifest;
use serde_json::{Value, json};

const HOSTILE: &str =
    "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">";

/// Chromium, if it is named; CI has to.
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
fn report(dir: &Path, change: impl Fn(&mut Value)) -> PathBuf {
    let folder = dir.join("result");
    let out = folder.to_str().unwrap();
    meshfault(&["run", "ip-reuse", "--replications", "40", "--quiet", "--out", out]);
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
    let page = report(dir.path(), |_| ());
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
    pictures(&mut browser, "report");
}

#[test]
fn names_stay_text() {
    let Some(chromium) = chromium() else { return };
    let dir = tempfile::tempdir().unwrap();
    let page = report(dir.path(), |manifest| {
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
    let page = report(dir.path(), |_| ());
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

/// Screenshots, on request.
fn pictures(browser: &mut Browser, name: &str) {
    let Some(folder) = std::env::var_os("MESHFAULT_SCREENSHOTS").map(PathBuf::from) else {
        return;
    };
    std::fs::create_dir_all(&folder).unwrap();
    for width in [1280, 420] {
        browser.resize(width, 900);
        browser.wait_ms(300);
        std::fs::write(folder.join(format!("{name}-{width}.png")), browser.picture()).unwrap();
    }
}
