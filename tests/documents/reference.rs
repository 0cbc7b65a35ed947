//! The file reference in the book is made from the schema of experiment files. `UPDATE_DOCUMENTS=1` writes it.

use std::fmt::Write;
use std::path::Path;

use meshfault::scenario::json_schema;
use serde_json::Value;

const BEGIN: &str = "<!-- keys: begin -->\n";
const END: &str = "<!-- keys: end -->";

/// The last part of a reference to a definition.
fn referred(of: &Value) -> Option<&str> {
    of["$ref"].as_str()?.rsplit('/').next()
}

/// A type that is a section of its own links to it; the others are said in words.
fn type_of(of: &Value, schema: &Value) -> String {
    if let Some(name) = referred(of) {
        let definition = &schema["$defs"][name];
        return match name {
            "Scalar" => "text".to_owned(),
            "Form" => "`1`".to_owned(),
            "PositiveSpan" => "duration above 0".to_owned(),
            "Span" => "duration".to_owned(),
            "Count" => "whole number from 1".to_owned(),
            "Whole" => "whole number from 0".to_owned(),
            "Number" => "number".to_owned(),
            "Switch" => "`true` or `false`".to_owned(),
            "Version" => "version".to_owned(),
            "Rate" => "rate".to_owned(),
            "HttpPath" => "path".to_owned(),
            "Name" => "name".to_owned(),
            "Parameters" => "[parameters](#parameters)".to_owned(),
            _ if definition.get("properties").is_some() || definition.get("oneOf").is_some() => {
                format!("[{name}](#{})", name.to_lowercase())
            }
            _ => type_of(definition, schema),
        };
    }
    if let Some(words) = of["enum"].as_array() {
        let quoted: Vec<String> = words
            .iter()
            .map(|word| format!("`{}`", word.as_str().unwrap_or("?")))
            .collect();
        return quoted.join(", ");
    }
    if let Some(word) = of["const"].as_str() {
        return format!("`{word}`");
    }
    if let Some(any) = of["anyOf"].as_array() {
        let is_null = |one: &Value| one["type"] == "null";
        let mut types: Vec<String> = any
            .iter()
            .filter(|one| !is_null(one))
            .map(|one| type_of(one, schema))
            .collect();
        types.dedup();
        return types.join(" or ");
    }
    if of["pattern"] == "^\\$" {
        return "`$option`".to_owned();
    }
    if of.get("items").is_some() {
        return format!("list of {}", type_of(&of["items"], schema));
    }
    if of.get("additionalProperties").is_some_and(Value::is_object) {
        return format!("map of names to {}", type_of(&of["additionalProperties"], schema));
    }
    match &of["type"] {
        Value::String(one) if one == "boolean" => "`true` or `false`".to_owned(),
        Value::Array(several) if several.iter().any(|one| one == "boolean") => "`true` or `false`".to_owned(),
        _ => "text".to_owned(),
    }
}

/// A value as it is written in one line of a file.
fn written(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Array(all) => format!("[{}]", all.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Object(all) => {
            let pairs: Vec<String> = all
                .iter()
                .map(|(key, value)| format!("{key}: {}", written(value)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        // In quotes where it would be read as a number or ends a list.
        Value::String(text) if text.parse::<f64>().is_ok() || text.contains([',', '#']) => format!("\"{text}\""),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The key of an object as rows of a table, and the objects that are written below it.
fn rows(place: &str, of: &Value, schema: &Value, page: &mut String, below: &mut Vec<(String, Value)>) {
    let required = |key: &str| {
        of["required"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == key))
    };
    let code = |value: &Value| match value {
        Value::Null => "none".to_owned(),
        value => format!("`{}`", written(value).replace('|', "\\|")),
    };
    for (key, value) in of["properties"].as_object().into_iter().flatten() {
        let default = match value.get("default") {
            Some(default) => code(default),
            // Of a choice one key is written.
            None if schema["$defs"][place]["oneOf"].is_array() => String::new(),
            None if required(key) => "required".to_owned(),
            None if place == "Parameters" => "by version".to_owned(),
            None => "required unless inherited".to_owned(),
        };
        let kind = match value["properties"].is_object() {
            true => {
                let name = format!("{place}.{key}");
                let link = format!("[{name}](#{})", name.to_lowercase().replace('.', ""));
                below.push((name, value.clone()));
                link
            }
            false => type_of(value, schema),
        };
        let (unit, example) = (
            value["x-unit"].as_str().unwrap_or_default(),
            code(&value["examples"][0]),
        );
        let unit = if unit == "none" { "" } else { unit };
        let meaning = value["description"].as_str().or(of["description"].as_str());
        let meaning = meaning.unwrap_or_default().replace('\n', " ");
        let _ = writeln!(
            page,
            "| `{key}` | {kind} | {unit} | {default} | {example} | {meaning} |"
        );
    }
}

/// The section of a map of keys, or of a choice of one key, and of the objects in it.
fn section(name: &str, of: &Value, schema: &Value, page: &mut String) {
    let described = of["description"].as_str().unwrap_or_default();
    let head = if of["oneOf"].is_array() { "one of" } else { "key" };
    let _ = write!(page, "\n## {name}\n\n");
    if !described.is_empty() && name != "Top level" {
        let _ = write!(page, "{described}\n\n");
    }
    let _ = writeln!(
        page,
        "| {head} | type | unit | default | example | meaning |\n|---|---|---|---|---|---|"
    );
    let mut below = Vec::new();
    let place = if name == "Top level" { "" } else { name };
    for one in of["oneOf"].as_array().into_iter().flatten().chain([of]) {
        rows(place, one, schema, page, &mut below);
    }
    for (name, of) in below {
        section(&name, &of, schema, page);
    }
}

fn reference() -> String {
    let schema = json_schema::experiment();
    let mut page = String::new();
    section("Top level", &schema, &schema, &mut page);
    for (name, of) in schema["$defs"].as_object().into_iter().flatten() {
        if of["oneOf"].is_array() || of["properties"].is_object() {
            section(name, of, &schema, &mut page);
        }
    }
    page.trim_start().to_owned()
}

#[test]
fn the_file_reference_is_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/experiment.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let (before, rest) = page.split_once(BEGIN).expect("the page says where the keys begin");
    let (held, after) = rest.split_once(END).expect("the page says where the keys end");
    let made = reference();
    if held != made && std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{made}{END}{after}")).expect("the page can be written");
        return;
    }
    assert!(
        held == made,
        "write it with UPDATE_DOCUMENTS=1 cargo test --test documents reference"
    );
}
