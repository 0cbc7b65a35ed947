//! How answers about policy look: a table, JSON, or comma-separated values.
//!
//! Belongs here: form only. Does not belong here: what the answers are (`policy`).

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use super::policy::{Case, Format};
use super::tabular::quoted;
use crate::scenario::manifests::Skipped;

/// Width of a table that is not shown in a terminal, in characters.
const WIDTH: u16 = 160;

/// The answers in the form asked for.
pub(super) fn render(cases: &[Case], format: Format, explain: bool) -> String {
    match format {
        Format::Table => table(cases, explain),
        Format::Json => json_text(cases),
        Format::Csv => csv(cases),
    }
}

/// The request in words: `GET /hello`, or nothing.
fn request(case: &Case) -> String {
    let query = &case.query;
    if query.is_http() {
        let method = query.method.as_deref().unwrap_or("GET");
        format!("{method} {}", query.path.as_deref().unwrap_or("/"))
    } else {
        String::new()
    }
}

fn transport(case: &Case) -> String {
    crate::policy::Protocol::from(case.query.protocol).to_string()
}

fn table(cases: &[Case], explain: bool) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(WIDTH);
    }
    let mut head = vec!["from", "to", "port", "request", "network policy", "Istio", "together"];
    if explain {
        head.push("because");
    }
    table.set_header(head);
    for case in cases {
        let mut row = vec![
            case.query.from.clone(),
            case.query.to.clone(),
            format!("{}/{}", case.query.port, transport(case)),
            request(case),
            case.network.to_owned(),
            case.mesh.to_owned(),
            case.together.to_owned(),
        ];
        if explain {
            row.push(case.because.clone());
        }
        table.add_row(row);
    }
    format!("{table}\n")
}

fn json_text(cases: &[Case]) -> String {
    let cases: Vec<serde_json::Value> = cases
        .iter()
        .map(|case| {
            let mut value = json!(case.query);
            value["network_policy"] = json!(case.network);
            for (key, part) in [("egress", &case.egress), ("ingress", &case.ingress)] {
                if let Some(part) = part {
                    value[key] = json!({ "verdict": part.verdict, "because": part.because });
                }
            }
            value["istio"] = json!(case.mesh);
            value["together"] = json!(case.together);
            value["because"] = json!(case.because);
            value
        })
        .collect();
    format!("{:#}\n", json!({ "cases": cases }))
}

fn csv(cases: &[Case]) -> String {
    let mut text = "id,from,to,port,protocol,method,path,network_policy,istio,together,because\n".to_owned();
    for case in cases {
        let query = &case.query;
        let id = match &query.id {
            Some(serde_json::Value::String(id)) => id.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let fields = [
            id,
            query.from.clone(),
            query.to.clone(),
            query.port.to_string(),
            transport(case),
            query.method.clone().unwrap_or_default(),
            query.path.clone().unwrap_or_default(),
            case.network.to_owned(),
            case.mesh.to_owned(),
            case.together.to_owned(),
            case.because.clone(),
        ];
        text.push_str(&fields.map(|field| quoted(&field)).join(","));
        text.push('\n');
    }
    text
}

/// What of the folder has no influence.
pub(super) fn skipped(skipped: &[Skipped]) -> String {
    let mut text = format!("{} objects or files without influence were skipped:\n", skipped.len());
    for one in skipped {
        let what = format!("{} {}", one.kind, one.name);
        let reason = if one.reason.is_empty() {
            String::new()
        } else {
            format!(" ({})", one.reason)
        };
        text.push_str(&format!("  {}: {}{reason}\n", one.file.display(), what.trim()));
    }
    text
}
