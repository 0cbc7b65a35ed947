//! Stale entries of one run: how many entries of each node differ from the API server, over time.
//!
//! Which run is drawn and where its counts come from belongs to `result_figures`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::axis::Axis;
use super::canvas::{Canvas, MARGIN, SMALL, TINY, WIDTH};
use super::chart::Frame;
use super::panel::{Panel, Tick, round_ticks};
use super::requests::{EVENTS_HEAD, events, time_axis, time_name};
use super::shapes::name;
use super::sheet::{Sheet, sheet_row};
use super::style::{Font, Style};
use super::theme::Theme;
use super::vega::{last_of, nominal, number, specification, until};
use super::{Figure, Words, palette, without_data};

const NAME: &str = "stale_entries";
const LEFT: f64 = 168.0;
const RIGHT: f64 = 26.0;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StaleFigure {
    pub words: Words,
    pub start_s: f64,
    pub end_s: f64,
    /// What happened to the cluster: `(seconds, label)`.
    pub events: Vec<(f64, String)>,
    pub nodes: Vec<StaleNode>,
    /// Nodes that are not drawn, all of them never cut off.
    pub left_out: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StaleNode {
    pub node: String,
    /// Whether its agent was ever cut off.
    pub cut: bool,
    /// `(seconds, stale entries from then on)`; none before the first.
    pub steps: Vec<(f64, u32)>,
}

impl StaleFigure {
    /// The data as a table: a row per change.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new("node cut_off time_s stale_entries");
        for node in &self.nodes {
            let cut = if node.cut { "yes" } else { "no" };
            for (time, entries) in &node.steps {
                sheet.push(sheet_row![&node.node, cut, *time, u64::from(*entries)]);
            }
        }
        sheet
    }

    pub fn vega(&self) -> Value {
        let nodes: Vec<&str> = self.nodes.iter().map(|node| node.node.as_str()).collect();
        let mut time = number("time_s", "time in the run [s]");
        time["scale"] = json!({ "domain": [self.start_s, self.end_s], "nice": false });
        let mut cut_off = nominal("cut_off", &["yes", "no"]);
        cut_off["title"] = json!("ever cut off");
        let body = json!({
            "transform": last_of("time_s", "node", self.end_s),
            "layer": [
                { "mark": { "type": "line", "interpolate": "step-after", "clip": true } },
                {
                    "transform": [{ "filter": "datum.time_s == datum.last && datum.last < datum.until" }],
                    "mark": { "type": "rule", "strokeWidth": 2, "clip": true },
                    "encoding": { "x2": until("until") }
                }
            ],
            "encoding": {
                "x": time,
                "y": number("stale_entries", "stale entries"),
                "color": nominal("node", &nodes),
                "strokeDash": cut_off
            },
            "width": 560,
            "height": 300
        });
        specification(NAME, &self.words, body)
    }
}

/// Draws the stale entries of one run, a panel per node with a common axis.
pub fn stale_entries(figure: &StaleFigure, theme: Theme) -> Figure {
    let words = &figure.words;
    let (from, to) = (figure.start_s, figure.end_s);
    if figure.nodes.is_empty() || !(from.is_finite() && to.is_finite() && to > from) {
        let reason = "no node's view was followed in this run";
        return without_data(NAME, &words.title, &words.subtitle, reason, theme);
    }
    let within = |node: &StaleNode| {
        let steps = node.steps.iter().filter(|(time, _)| *time <= to);
        steps.map(|(_, entries)| *entries).max().unwrap_or(0)
    };
    let most = figure.nodes.iter().map(within).max().unwrap_or(0).max(1);
    let mut canvas = Canvas::new(theme);
    let top = canvas.heading(&words.title, &words.subtitle) + EVENTS_HEAD;
    let font = Font::regular(SMALL, palette::INK);
    canvas.text(
        "stale entries of the node's ipcache",
        [MARGIN, top - EVENTS_HEAD + 16.0],
        font,
    );
    let height = if figure.nodes.len() > 6 { 42.0 } else { 66.0 };
    let edges = [LEFT, WIDTH - RIGHT];
    let (time, ticks) = time_axis(from, to, edges);
    let count = figure.nodes.len();
    let bottom = top + count as f64 * (height + 12.0) - 12.0;
    let mut key = String::new();
    for (index, node) in figure.nodes.iter().enumerate() {
        let panel_top = top + index as f64 * (height + 12.0);
        let last = index + 1 == count;
        let panel = Panel {
            frame: Frame {
                left: edges[0],
                right: edges[1],
                top: panel_top,
                bottom: panel_top + height,
                left_labels: LEFT,
                bottom_labels: if last { 37.0 } else { 0.0 },
            },
            x: time.clone(),
            y: Axis::linear(0.0, f64::from(most) * 1.1),
        };
        let counts = round_ticks(0.0, f64::from(most) * 1.1, 2.0, |value| format!("{value}"));
        let counts: Vec<Tick> = counts.into_iter().filter(|(value, _)| value.fract() == 0.0).collect();
        let axis = if last { time_name(to) } else { "" };
        panel.draw_axes(&mut canvas, &ticks, &counts, [edges[0] - 24.0, WIDTH - 2.0], axis);
        if index == 0 {
            key = events(&mut canvas, &panel, &figure.events, bottom);
        }
        let look = if node.cut { theme.series(1) } else { theme.series(0) };
        let steps = node.steps.iter().map(|(time, entries)| (*time, f64::from(*entries)));
        let before = node
            .steps
            .iter()
            .rfind(|(time, _)| *time < from)
            .map_or(0, |(_, entries)| *entries);
        let corners = panel.steps(f64::from(before), steps.filter(|(time, _)| *time >= from));
        let area: Vec<[f64; 2]> = corners
            .iter()
            .copied()
            .chain([
                [panel.frame.right, panel.frame.bottom],
                [panel.frame.left, panel.frame.bottom],
            ])
            .collect();
        canvas.path(&area, true, Style::fill(look.colour).translucent(look.band_opacity));
        panel.curve(&mut canvas, &corners, look, 2.0);
        let middle = panel_top + height / 2.0;
        name(
            &mut canvas,
            &node.node,
            [MARGIN, middle - 6.0],
            LEFT - MARGIN - 46.0,
            2,
            font,
        );
        let state = if node.cut { "cut off" } else { "never cut off" };
        let small = Font::regular(TINY, palette::GREY);
        canvas.text(
            &format!("{state}, most {}", within(node)),
            [MARGIN, middle + 12.0],
            small,
        );
    }
    let left_out = match figure.left_out {
        0 => String::new(),
        more => format!(" {more} more nodes, never cut off, are not drawn."),
    };
    let end = canvas.caption(&format!("{}{left_out} {key}", words.caption), bottom + 50.0);
    canvas.figure(NAME, end, &words.title)
}
