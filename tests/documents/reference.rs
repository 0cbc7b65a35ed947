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

fn example_of(of: &Value, schema: &Value) -> String {
    let own = of["examples"].as_array().and_then(|all| all.first());
    if let Some(example) = own {
        return match example {
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
    }
    let inner = of["anyOf"].as_array().into_iter().flatten().chain(of.get("items"));
    let next = referred(of).map(|name| &schema["$defs"][name]);
    let found = inner.chain(next).map(|one| example_of(one, schema));
    found
        .into_iter()
        .find(|example| !example.is_empty())
        .unwrap_or_default()
}

/// A table with a row per key of an object.
fn keys(of: &Value, schema: &Value, page: &mut String) {
    page.push_str("| key | type | default | example | meaning |\n|---|---|---|---|---|\n");
    let required = |key: &str| {
        of["required"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == key))
    };
    for (key, value) in of["properties"].as_object().into_iter().flatten() {
        let default = match value.get("default") {
            Some(Value::String(text)) => format!("`{text}`"),
            Some(other) if !other.is_null() => format!("`{other}`"),
            _ if required(key) => "required".to_owned(),
            _ => String::new(),
        };
        let meaning = value["description"].as_str().unwrap_or_default().replace('\n', " ");
        let (kind, example) = (type_of(value, schema), example_of(value, schema));
        let _ = writeln!(page, "| `{key}` | {kind} | {default} | {example} | {meaning} |");
    }
}

fn reference() -> String {
    let schema = json_schema::experiment();
    let mut page = "## Top level\n\n".to_owned();
    keys(&schema, &schema, &mut page);
    for (name, of) in schema["$defs"].as_object().into_iter().flatten() {
        let described = of["description"].as_str().unwrap_or_default();
        if let Some(all) = of["oneOf"].as_array() {
            let _ = writeln!(
                page,
                "\n## {name}\n\n{described}\n\n| one of | type | meaning |\n|---|---|---|"
            );
            for one in all {
                for (key, value) in one["properties"].as_object().into_iter().flatten() {
                    let meaning = one["description"].as_str().unwrap_or_default().replace('\n', " ");
                    let _ = writeln!(page, "| `{key}` | {} | {meaning} |", type_of(value, &schema));
                }
            }
        } else if of.get("properties").is_some() {
            let _ = writeln!(page, "\n## {name}\n\n{described}\n");
            keys(of, &schema, &mut page);
        }
    }
    page
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
