//! How answers about policy look: a table, JSON, or comma-separated values.
//!
//! Belongs here: form only. Does not belong here: what the answers are (`policy`).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::policy::{Case, Format};
use super::policy_queries::Query;
use super::tabular;
use crate::report::text::many;
use crate::scenario::manifests::{Manifests, Skipped};

/// Objects of one kind, or files, of the folder that no answer is based on. Those that decide who may talk to whom stand
/// alone.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PassedOver {
    kind: String,
    api_version: String,
    /// Of the first of them, as the file and the line.
    name: String,
    file: String,
    line: u32,
    count: usize,
    /// Whether it decides who may talk to whom where something enforces it, so that answers may be wrong without it.
    decides: bool,
    why: String,
}

impl PassedOver {
    /// In the order of the files; first those that decide.
    pub(super) fn of(manifests: &Manifests) -> Vec<Self> {
        let decides = manifests.unknown.iter().map(|unknown| Self {
            kind: unknown.kind.clone(),
            api_version: unknown.api_version.clone(),
            name: unknown.name.clone(),
            file: unknown.place.file.display().to_string(),
            line: unknown.place.line,
            count: 1,
            decides: true,
            why: unknown.why.clone(),
        });
        let mut all: Vec<Self> = decides.collect();
        let mut numbers: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
        let (deciding, others): (Vec<&Skipped>, Vec<&Skipped>) = manifests.skipped.iter().partition(|s| s.decides);
        for one in deciding.into_iter().chain(others) {
            let key = (one.kind.as_str(), one.api_version.as_str(), one.reason.as_str());
            match numbers.get(&key).filter(|_| !one.decides) {
                Some(number) => all[*number].count += 1,
                None => {
                    numbers.insert(key, all.len());
                    all.push(Self {
                        kind: one.kind.clone(),
                        api_version: one.api_version.clone(),
                        name: one.name.clone(),
                        file: one.file.display().to_string(),
                        line: one.line,
                        count: 1,
                        decides: one.decides,
                        why: match one.reason.as_str() {
                            "" => "does not decide who may communicate".to_owned(),
                            reason => reason.to_owned(),
                        },
                    });
                }
            }
        }
        all
    }
}

pub(super) fn render(cases: &[Case], passed_over: &[PassedOver], format: Format, explain: bool) -> String {
    match format {
        Format::Table => table(cases, explain),
        Format::Json => json_text(cases, passed_over),
        Format::Csv => csv(cases),
    }
}

/// The request in words: `GET /hello`, or nothing.
pub(super) fn request(query: &Query) -> String {
    if query.is_http() {
        let method = query.method.as_deref().unwrap_or("GET");
        format!("{method} {}", query.path.as_deref().unwrap_or("/"))
    } else {
        String::new()
    }
}

pub(super) fn transport(query: &Query) -> String {
    crate::policy::Protocol::from(query.protocol).to_string()
}

fn table(cases: &[Case], explain: bool) -> String {
    let mut head = vec!["from", "to", "port", "request", "network policy", "Istio", "together"];
    if explain {
        head.push("because");
    }
    let rows = cases.iter().map(|case| {
        let mut row = vec![
            case.query.from.clone(),
            case.query.to.clone(),
            format!("{}/{}", case.query.port, transport(&case.query)),
            request(&case.query),
            case.network.verdict.to_owned(),
            case.mesh.verdict.to_owned(),
            case.together.verdict.to_owned(),
        ];
        if explain {
            row.push(case.because.clone());
        }
        row
    });
    tabular::table(&head, rows)
}

fn json_text(cases: &[Case], passed_over: &[PassedOver]) -> String {
    let cases: Vec<serde_json::Value> = cases
        .iter()
        .map(|case| {
            let mut value = json!(case.query);
            value["network_policy"] = json!(case.network.verdict);
            for (key, part) in [("egress", &case.egress), ("ingress", &case.ingress)] {
                if let Some(part) = part {
                    value[key] = json!({ "verdict": part.verdict, "because": part.because });
                }
            }
            value["istio"] = json!(case.mesh.verdict);
            value["together"] = json!(case.together.verdict);
            value["because"] = json!(case.because);
            value
        })
        .collect();
    tabular::json(&json!({ "cases": cases, "passed_over": passed_over }))
}

fn csv(cases: &[Case]) -> String {
    let head = "id from to port protocol method path network_policy istio together because";
    let rows = cases.iter().map(|case| {
        let query = &case.query;
        let id = match &query.id {
            Some(serde_json::Value::String(id)) => id.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        vec![
            id,
            query.from.clone(),
            query.to.clone(),
            query.port.to_string(),
            transport(&case.query),
            query.method.clone().unwrap_or_default(),
            query.path.clone().unwrap_or_default(),
            case.network.verdict.to_owned(),
            case.mesh.verdict.to_owned(),
            case.together.verdict.to_owned(),
            case.because.clone(),
        ]
    });
    tabular::csv(&head.split(' ').collect::<Vec<_>>(), rows)
}

/// What of the folder has no influence.
pub(super) fn skipped(skipped: &[Skipped]) -> String {
    let mut text = format!("skipped: {}\n", many(skipped.len(), "object"));
    for one in skipped {
        let what = format!("{} {}", one.kind, one.name);
        let reason = if one.reason.is_empty() {
            String::new()
        } else {
            format!(" ({})", one.reason)
        };
        let place = format!("{}:{}", one.file.display(), one.line);
        text.push_str(&format!("  {place}: {}{reason}\n", what.trim()));
    }
    text
}
