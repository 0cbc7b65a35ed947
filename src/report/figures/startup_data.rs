//! The plain data of the startup figures, as a table and as a Vega-Lite specification.
//!
//! How they are drawn belongs to [`super::startup`], where they come from to `result_figures`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Words;
use super::sheet::{Cell, Sheet, sheet_row};
use super::startup::Side;
use super::vega::{UNBROKEN, last_of, lines, logarithmic, share, specification, until};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StartupFigure {
    pub words: Words,
    pub complement: Words,
    /// When a run ends, counted from the creation of its first measured pod \[s\]; the end of the axis.
    pub horizon_s: f64,
    /// Confidence of the bands, between 0 and 1.
    pub confidence: f64,
    /// One entry per design, in the order of the experiment.
    pub series: Vec<StartupSeries>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StartupSeries {
    pub design: String,
    /// The design that it is drawn against (grey, behind it), if there is one.
    #[serde(default)]
    pub control: Option<String>,
    /// Share of all measured pods that were ready at most so many seconds after they were created: `(seconds, share)`
    /// in ascending order, a step at each entry, 0 before the first.
    pub points: Vec<(f64, f64)>,
    /// Confidence band of the same share: `(seconds, lower, upper)`, steps as in `points`.
    pub band: Vec<(f64, f64, f64)>,
    /// When pods were last seen still waiting: `(seconds, number of pods)`.
    pub censored: Vec<(f64, u64)>,
    /// When half, 90% and 99% of the pods are ready \[s\]; absent if they never are.
    pub ready_after_s: [Option<f64>; 3],
    pub ready_share: f64,
    pub n_pods: u64,
    pub n_runs: u64,
    /// Share of the pods that were deleted before they became ready.
    pub deleted_share: f64,
    /// Share of the pods that existed at the horizon and were not ready.
    pub never_share: f64,
}

impl StartupSeries {
    fn band_at(&self, time: f64) -> Option<(f64, f64)> {
        let after = self.band.partition_point(|entry| entry.0 <= time);
        let (_, lower, upper) = self.band.get(after.checked_sub(1)?)?;
        Some((*lower, *upper))
    }
}

impl StartupFigure {
    /// The designs that others are drawn against.
    pub(super) fn controls(&self) -> Vec<&str> {
        let is_control = |design: &&str| self.series.iter().any(|of| of.control.as_deref() == Some(*design));
        self.series
            .iter()
            .map(|series| series.design.as_str())
            .filter(is_control)
            .collect()
    }

    pub fn words(&self, side: Side) -> &Words {
        match side {
            Side::Distribution => &self.words,
            Side::Complement => &self.complement,
        }
    }

    /// The data as a table: a row per step of a curve, and one per time at which pods were last seen waiting.
    pub fn sheet(&self, side: Side) -> Sheet {
        let mut sheet = Sheet::new(match side {
            Side::Distribution => "design time_s share_ready share_ready_lower share_ready_upper pods_censored",
            Side::Complement => {
                "design time_s share_not_ready share_not_ready_lower share_not_ready_upper pods_censored"
            }
        });
        for series in &self.series {
            let curve = |time: f64, value: f64, pods: Option<u64>| {
                let (lower, upper) = series.band_at(time).unzip();
                let (value, lower, upper) = match side {
                    Side::Distribution => (value, lower, upper),
                    Side::Complement => {
                        let rest = |share: f64| rounded(1.0 - share);
                        (rest(value), upper.map(rest), lower.map(rest))
                    }
                };
                sheet_row![&series.design, time, value, lower, upper, pods]
            };
            let mut rows: Vec<(f64, bool, Vec<Cell>)> = Vec::new();
            rows.extend(
                series
                    .points
                    .iter()
                    .map(|(time, value)| (*time, false, curve(*time, *value, None))),
            );
            for (time, pods) in &series.censored {
                let after = series.points.partition_point(|point| point.0 <= *time);
                let value = after
                    .checked_sub(1)
                    .and_then(|index| series.points.get(index))
                    .map_or(0.0, |point| point.1);
                rows.push((*time, true, curve(*time, value, Some(*pods))));
            }
            rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            rows.into_iter().for_each(|(_, _, row)| sheet.push(row));
        }
        sheet
    }

    pub fn vega(&self, side: Side) -> Value {
        let names: Vec<&str> = self.series.iter().map(|series| series.design.as_str()).collect();
        let [colour, dash] = lines("design", &names, &self.controls());
        let mut time = logarithmic("time_s", "time from the creation of the pod [s]");
        time["scale"] = json!({ "type": "log", "nice": false, "domainMax": self.horizon_s });
        let [last, horizon] = last_of("time_s", "design", self.horizon_s);
        let held = "datum.time_s == datum.last && datum.last < datum.until";
        let unbroken = json!({ "value": UNBROKEN });
        let (value, lower, upper, title) = match side {
            Side::Distribution => (
                "share_ready",
                "share_ready_lower",
                "share_ready_upper",
                "share of measured pods that are ready",
            ),
            Side::Complement => (
                "share_not_ready",
                "share_not_ready_lower",
                "share_not_ready_upper",
                "share of measured pods that are not ready yet",
            ),
        };
        let mut shown = share(value, title);
        let mut low = share(lower, title);
        let kept = match side {
            Side::Distribution => "true".to_owned(),
            Side::Complement => {
                for channel in [&mut shown, &mut low] {
                    channel["scale"] = json!({ "type": "log" });
                }
                format!("datum.{value} > 0")
            }
        };
        let band = match side {
            Side::Distribution => format!("datum.{lower} != null"),
            Side::Complement => format!("datum.{lower} > 0"),
        };
        let body = json!({
            "transform": [last, horizon, { "filter": kept }],
            "encoding": { "x": time, "color": colour, "strokeDash": dash },
            "layer": [
                {
                    "transform": [{ "filter": band }],
                    "mark": { "type": "area", "interpolate": "step-after", "opacity": 0.22 },
                    "encoding": { "y": low, "y2": until(upper), "strokeDash": unbroken }
                },
                {
                    "mark": { "type": "line", "interpolate": "step-after" },
                    "encoding": { "y": shown }
                },
                {
                    "transform": [{ "filter": format!("{held} && {band}") }],
                    "mark": { "type": "rect", "opacity": 0.22 },
                    "encoding": { "x2": until("until"), "y": low, "y2": until(upper), "strokeDash": unbroken }
                },
                {
                    "transform": [{ "filter": held }],
                    "mark": { "type": "rule", "strokeWidth": 2 },
                    "encoding": { "x2": until("until"), "y": shown }
                },
                {
                    "transform": [{ "filter": "datum.pods_censored > 0" }],
                    "mark": { "type": "tick", "orient": "vertical" },
                    "encoding": { "y": shown, "strokeDash": unbroken }
                }
            ],
            "width": 560,
            "height": 320
        });
        specification(side.name(), self.words(side), body)
    }
}

fn rounded(share: f64) -> f64 {
    libm::round(share * 1e9) / 1e9
}
