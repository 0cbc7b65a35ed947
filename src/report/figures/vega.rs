//! Vega-Lite specifications of figures, for notebooks: the data come from the CSV file beside the specification.
//!
//! What a figure shows is decided by the figure; here are the parts that all specifications share. Version 5 of the
//! grammar; field names are those of the CSV columns, which hold no dot and no bracket.

use serde_json::{Map, Value, json};

use super::Words;

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
    specification.insert("data".to_owned(), json!({ "url": format!("{name}.csv") }));
    if let Value::Object(body) = body {
        specification.extend(body);
    }
    specification.insert("config".to_owned(), json!({ "range": { "category": RANGE } }));
    Value::Object(specification)
}

/// A number with its axis title.
pub fn number(field: &str, title: &str) -> Value {
    json!({ "field": field, "type": "quantitative", "title": title })
}

/// A number on a logarithmic axis.
pub fn logarithmic(field: &str, title: &str) -> Value {
    json!({ "field": field, "type": "quantitative", "title": title, "scale": { "type": "log" } })
}

/// A share of 0 to 1, written in per cent.
pub fn share(field: &str, title: &str) -> Value {
    json!({ "field": field, "type": "quantitative", "title": title, "axis": { "format": "%" } })
}

/// A name, in the order of `order`.
pub fn nominal(field: &str, order: &[&str]) -> Value {
    json!({ "field": field, "type": "nominal", "title": Value::Null, "sort": order })
}

/// The other end of a range.
pub fn until(field: &str) -> Value {
    json!({ "field": field })
}
