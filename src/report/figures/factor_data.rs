//! The plain data of curves over a factor, as a table and as a Vega-Lite specification.
//!
//! How they are drawn belongs to [`super::factor_curves`], where they come from to `result_figures`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Words;
use super::factor_curves::NAME;
use super::sheet::{Sheet, sheet_row};
use super::vega::{UNBROKEN, lines, nominal, number, specification, until};
use crate::lab::lists::unique;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FactorCurvesFigure {
    pub words: Words,
    pub factor: String,
    /// Its levels in order, as they are written in the experiment.
    pub levels: Vec<Level>,
    pub panels: Vec<FactorPanel>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Level {
    pub text: String,
    /// Its size in the basic unit of its kind (seconds, shares, …), if it is a number.
    pub size: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FactorPanel {
    pub measure: String,
    pub label: String,
    /// Unit; `1` for shares.
    pub unit: String,
    /// A line per design, and per point of the other factors.
    pub lines: Vec<FactorLine>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FactorLine {
    /// Name of the design, with the levels of other factors.
    pub name: String,
    pub points: Vec<FactorPoint>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FactorPoint {
    pub level: usize,
    /// Point estimate; absent if the data give none.
    pub estimate: Option<f64>,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    pub n: u64,
}

impl FactorCurvesFigure {
    /// The data as a table, in the units of the measures.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new("factor level level_order design measure unit estimate lower upper runs");
        for panel in &self.panels {
            for line in &panel.lines {
                for point in &line.points {
                    let level = self.levels.get(point.level).map_or("", |level| level.text.as_str());
                    sheet.push(sheet_row![
                        &self.factor,
                        level,
                        point.level as u64,
                        &line.name,
                        &panel.measure,
                        &panel.unit,
                        point.estimate,
                        point.lower,
                        point.upper,
                        point.n
                    ]);
                }
            }
        }
        sheet
    }

    pub fn vega(&self) -> Value {
        let levels: Vec<&str> = self.levels.iter().map(|level| level.text.as_str()).collect();
        let measures: Vec<&str> = self.panels.iter().map(|panel| panel.measure.as_str()).collect();
        let [colour, dash] = lines("design", &self.lines(), &[]);
        let title = "estimate";
        let labels: Map<String, Value> = self
            .panels
            .iter()
            .map(|panel| {
                let unit = if panel.unit == "1" { "share" } else { &panel.unit };
                (panel.measure.clone(), json!(format!("{} [{unit}]", panel.label)))
            })
            .collect();
        let mut row = nominal("measure", &measures);
        row["header"] = json!({ "labelExpr": format!("{}[datum.value]", Value::Object(labels)), "labelLimit": 0, "labelOrient": "top", "labelAnchor": "start" });
        let mut x = nominal("level", &levels);
        x["type"] = json!("ordinal");
        x["title"] = json!(self.factor);
        let body = json!({
            "facet": { "row": row },
            "spec": {
                "encoding": {
                    "x": x,
                    "color": colour,
                    "strokeDash": dash
                },
                "layer": [
                    {
                        "transform": [{ "filter": "isValid(toNumber(datum.lower)) && isValid(toNumber(datum.upper))" }],
                        "mark": "rule",
                        "encoding": {
                            "y": number("lower", title), "y2": until("upper"), "strokeDash": { "value": UNBROKEN }
                        }
                    },
                    {
                        "transform": [{ "filter": "isValid(toNumber(datum.estimate))" }],
                        "mark": { "type": "line", "point": true },
                        "encoding": { "y": number("estimate", title) }
                    },
                    {
                        "transform": [{ "filter": "!isValid(toNumber(datum.estimate)) && isValid(toNumber(datum.lower))" }],
                        "mark": { "type": "point", "shape": "triangle-up", "filled": true },
                        "encoding": { "y": number("lower", title), "strokeDash": { "value": UNBROKEN } }
                    }
                ],
                "width": 480,
                "height": 180
            },
            "resolve": { "scale": { "y": "independent" } }
        });
        specification(NAME, &self.words, body)
    }

    /// Names of the lines in the order in which they first appear.
    pub(super) fn lines(&self) -> Vec<&str> {
        let lines = self.panels.iter().flat_map(|panel| &panel.lines);
        unique(lines.map(|line| line.name.as_str()))
    }
}
