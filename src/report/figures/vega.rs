//! Vega-Lite specifications of figures, for notebooks: each carries its data, so that it needs no other file.
//!
//! What a figure shows is decided by the figure; here are the parts that all specifications share. Version 5 of the
//! grammar; field names are those of the CSV columns, which hold no dot and no bracket.

use serde_json::{Map, Value, json};

use super::Words;
use super::theme::Theme;

/// The colours of [`super::palette`], the control last.
const RANGE: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8a8a",
];

/// A whole specification: the common head and then `body` (`layer`, `facet`, `encoding`, …).
pub fn specification(name: &str, words: &Words, body: Value) -> Value {
    let mut specification = Map::new();
    specification.insert(
        "$schema".to_owned(),
        json!("https://vega.github.io/schema/vega-lite/v5.json"),
    );
    specification.insert("description".to_owned(), json!(words.caption));
    let lines: Vec<&str> = words.subtitle.lines().collect();
    specification.insert(
        "title".to_owned(),
        json!({ "text": words.title, "subtitle": lines, "anchor": "start" }),
    );
    // The values come from the table of the figure.
    specification.insert("data".to_owned(), json!({ "name": name }));
    if let Value::Object(body) = body {
        specification.extend(body);
    }
    specification.insert(
        "config".to_owned(),
        json!({ "range": { "category": RANGE }, "legend": { "symbolLimit": 0 } }),
    );
    Value::Object(specification)
}

pub fn number(field: &str, title: &str) -> Value {
    json!({ "field": field, "type": "quantitative", "title": title })
}

pub fn logarithmic(field: &str, title: &str) -> Value {
    json!({ "field": field, "type": "quantitative", "title": title, "scale": { "type": "log" } })
}

/// A share of 0 to 1, written in per cent.
pub fn share(field: &str, title: &str) -> Value {
    json!({ "field": field, "type": "quantitative", "title": title, "axis": { "format": "%" } })
}

pub fn nominal(field: &str, order: &[&str]) -> Value {
    json!({ "field": field, "type": "nominal", "title": Value::Null, "sort": order })
}

/// Colour and dash of lines by name, those of the drawing: where colours repeat the dashes differ. Controls are grey.
pub fn lines(field: &str, names: &[&str], controls: &[&str]) -> [Value; 2] {
    let mut used = 0;
    let (mut colours, mut dashes) = (Vec::new(), Vec::new());
    for name in names {
        let look = if controls.contains(name) {
            Theme::Light.control()
        } else {
            used += 1;
            Theme::Light.series(used - 1)
        };
        let plotters::style::RGBColor(red, green, blue) = look.colour;
        colours.push(format!("#{red:02x}{green:02x}{blue:02x}"));
        dashes.push(if look.dash.is_empty() {
            UNBROKEN.to_vec()
        } else {
            look.dash.to_vec()
        });
    }
    [json!(colours), json!(dashes)].map(|range| {
        json!({
            "field": field, "type": "nominal", "title": Value::Null, "sort": names,
            "scale": { "domain": names, "range": range },
            "legend": { "symbolType": "stroke", "symbolOpacity": 1, "symbolSize": 400, "symbolStrokeWidth": 2 }
        })
    })
}

/// The dashes of a line that has none, for marks that shall not take on those of their curve.
pub const UNBROKEN: [f64; 2] = [1.0, 0.0];

/// Transforms that write the last value of `field` for each `group` into `last` and the end of the axis into `until`: a
/// step function holds its last value to the end, which its table does not repeat.
pub fn last_of(field: &str, group: &str, until: f64) -> [Value; 2] {
    [
        json!({ "joinaggregate": [{ "op": "max", "field": field, "as": "last" }], "groupby": [group] }),
        json!({ "calculate": until.to_string(), "as": "until" }),
    ]
}

/// The other end of a range.
pub fn until(field: &str) -> Value {
    json!({ "field": field })
}
