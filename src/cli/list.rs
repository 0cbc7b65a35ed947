//! `meshfault list`: experiments, parameter sets, faults, steps, distributions, measures.
//!
//! Each list is made from what the program itself reads; form belongs to `tabular`.

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::common::prepare;
use super::error::CliError;
use super::load::{self, DEFAULT_EXPERIMENT, LoadRequest};
use super::tabular::{self, Format};
use super::{exit_code, print, terminal};
use crate::cluster::faults::KINDS;
use crate::cluster::faults::place::Whom;
use crate::lab::lists::unique;
use crate::lab::measures::{Frame, known_of};
use crate::report::columns;
use crate::report::table::Look;
use crate::report::text::wrapped;
use crate::scenario::models::{COMPONENTS, Models};
use crate::scenario::overrides::Overrides;
use crate::scenario::{Scenario, built_in_names, json_schema};

/// What is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Built-in experiments.
    #[default]
    Experiments,
    /// Parameter sets of `models/`.
    Models,
    /// Kinds of faults with their keys and values.
    Faults,
    /// Steps of a script.
    Steps,
    /// Distributions of a duration.
    #[value(alias = "laws")]
    Distributions,
    /// Measures of a result.
    Measures,
}

/// The arguments as they were typed.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// What to list.
    #[arg(value_enum, default_value_t)]
    kind: Kind,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A list: heads of its columns, and a cell for each in every row. In JSON, a row is a map from head to cell.
#[derive(Debug)]
struct List {
    head: &'static [&'static str],
    rows: Vec<Vec<String>>,
    /// The columns that a terminal shows, by head and cells, if they differ.
    on_terminal: Option<Columns>,
    /// Shown below the table on a terminal.
    remark: String,
}

type Columns = (&'static [&'static str], fn(&[String]) -> Vec<String>);

pub fn run(arguments: &ListArgs) -> Result<u8, CliError> {
    let list = match arguments.kind {
        Kind::Experiments => experiments()?,
        Kind::Models => models()?,
        Kind::Faults => faults(),
        Kind::Steps => variants(
            "Step",
            &["step", "keys", "meaning"],
            "`meshfault schema` describes every key.",
        ),
        Kind::Distributions => variants(
            "DistributionForm",
            &["distribution", "keys", "meaning"],
            "A plain duration is constant.",
        ),
        Kind::Measures => measures()?,
    };
    print(&match arguments.format {
        Format::Text => match terminal::window() {
            Some(look) => shown(&list, look),
            None => tabular::lines(list.head, &list.rows),
        },
        Format::Csv => tabular::csv(list.head, list.rows),
        Format::Json => tabular::json(&objects(&list)),
    })?;
    Ok(exit_code::FINE)
}

fn shown(list: &List, look: Look) -> String {
    let table = match list.on_terminal {
        Some((head, cells)) => {
            let rows: Vec<Vec<String>> = list.rows.iter().map(|row| cells(row)).collect();
            columns::fitted(head, &rows, look)
        }
        None => columns::fitted(list.head, &list.rows, look),
    };
    format!("{table}\n{}", wrapped("", "", &list.remark, look.width))
}

fn objects(list: &List) -> impl Serialize + use<> {
    let object = |row: &Vec<String>| {
        let cells = list.head.iter().zip(row);
        cells
            .map(|(head, cell)| (head.replace(' ', "_"), Value::from(cell.as_str())))
            .collect::<serde_json::Map<String, Value>>()
    };
    list.rows.iter().map(object).collect::<Vec<_>>()
}

fn experiments() -> Result<List, CliError> {
    let mut rows = Vec::new();
    for name in built_in_names() {
        let scenario = Scenario::built_in(name, &Overrides::default()).map_err(load::wrong)?;
        let designs = unique(scenario.designs.iter().map(|design| design.design.clone()));
        rows.push(vec![
            name.to_owned(),
            scenario.title,
            scenario.question,
            designs.join(", "),
            scenario.designs.len().to_string(),
        ]);
    }
    Ok(List {
        head: &["experiment", "title", "question", "designs", "points"],
        rows,
        on_terminal: None,
        remark: format!(
            "`meshfault run EXPERIMENT` runs an experiment; the default is {DEFAULT_EXPERIMENT}. `meshfault new NAME \
             --from EXPERIMENT` copies one. `points`: designs at all values of their factors."
        ),
    })
}

fn models() -> Result<List, CliError> {
    let models = Models::embedded().map_err(|error| load::wrong(vec![error]))?;
    let mut rows = Vec::new();
    for (component, _) in COMPONENTS {
        for version in models.versions(component) {
            let set = models
                .set(component, version)
                .map_err(|error| load::wrong(vec![error]))?;
            let of = |confidence: &str| {
                let shown = set.shown().iter();
                shown
                    .filter(|parameter| parameter.confidence == confidence)
                    .count()
                    .to_string()
            };
            let mut row = vec![component.to_owned(), version.to_owned(), set.applies.clone()];
            row.push(set.shown().len().to_string());
            row.extend(["source-code", "documented", "measured", "assumed"].map(of));
            rows.push(row);
        }
    }
    Ok(List {
        head: &[
            "component",
            "version",
            "applies to",
            "parameters",
            "source code",
            "documented",
            "measured",
            "assumed",
        ],
        rows,
        on_terminal: Some((
            &["set", "source code", "documented", "measured", "assumed", "applies to"],
            |row| {
                let set = format!("{} {}", row[0], row[1]);
                [&[set], &row[4..], &row[2..3]].concat()
            },
        )),
        remark: "Columns count values by their confidence. A design uses the set with the highest version that is not above \
                 its own. `meshfault params DESIGN` shows the values."
            .to_owned(),
    })
}

fn faults() -> List {
    let schema = json_schema::experiment();
    let mut rows = Vec::new();
    let of_all = schema["$defs"]["Fault"]["properties"].as_object();
    for (key, value) in of_all.into_iter().flatten() {
        rows.push(vec![key.clone(), flow(&value["examples"][0]), said(value)]);
    }
    for form in KINDS.iter().map(|kind| kind.form) {
        for key in form.keys() {
            let words: Vec<&str> = key.takes.words().into_iter().map(|(word, _)| word).collect();
            rows.push(vec![
                format!("{}.{}", form.name, key.name),
                words.join(", "),
                key.meaning.to_owned(),
            ]);
        }
        for key in form.keys() {
            let of_key = key.takes.words().into_iter();
            rows.extend(of_key.map(|(word, meaning)| {
                vec![
                    format!("{}.{}", form.name, key.name),
                    word.to_owned(),
                    meaning.to_owned(),
                ]
            }));
        }
    }
    let targets: Vec<&str> = Whom::KEYS.iter().map(|key| key.name).collect();
    List {
        head: &["key", "value", "meaning"],
        rows,
        on_terminal: None,
        remark: format!(
            "A fault has one target: {}. With `parties: []`, or `processes: []`, it affects no component. Beside a kind stands an example.",
            targets.join(", ")
        ),
    }
}

/// An example as it stands in a line of an experiment file.
fn flow(value: &Value) -> String {
    let all = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Object(map) => {
            let parts = map.iter().map(|(key, value)| format!("{key}: {}", flow(value)));
            format!("{{{}}}", all(parts.collect()))
        }
        Value::Array(list) => format!("[{}]", all(list.iter().map(flow).collect())),
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The variants of an enum of the experiment file, with their keys.
fn variants(definition: &str, head: &'static [&'static str], remark: &str) -> List {
    let schema = json_schema::experiment();
    let variants = schema["$defs"][definition]["oneOf"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let row = |variant: &Value| {
        let (name, value) = variant["properties"].as_object()?.iter().next()?;
        // A key of a variant is written in the variant, or in the definition that it refers to.
        let referred = value["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let keys = match referred {
            Some(definition) => schema["$defs"][definition]["properties"].as_object(),
            None => value["properties"].as_object(),
        };
        let keys = keys.map_or_else(String::new, |keys| keys.keys().cloned().collect::<Vec<_>>().join(", "));
        Some(vec![name.clone(), keys, said(variant)])
    };
    List {
        head,
        rows: variants.iter().filter_map(row).collect(),
        on_terminal: None,
        remark: remark.to_owned(),
    }
}

fn said(value: &Value) -> String {
    value["description"].as_str().unwrap_or_default().replace('\n', " ")
}

fn measures() -> Result<List, CliError> {
    let (_, plan, _) = prepare(&LoadRequest::default())?;
    let measures = known_of(&Frame::of_plan(&plan));
    Ok(List {
        head: &["measure", "unit", "estimand"],
        rows: measures
            .into_iter()
            .map(|measure| vec![measure.name, measure.unit.to_owned(), measure.estimand])
            .collect(),
        on_terminal: None,
        remark: format!(
            "Horizon and threshold are those of {DEFAULT_EXPERIMENT}. Unit 1: a share. A design has only the measures that \
             apply to it."
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_measure_of_the_results_is_listed_with_its_unit() {
        let listed = measures().expect("the default experiment is right").rows;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        let mut seen = 0;
        for folder in std::fs::read_dir(root)
            .expect("results are part of the project")
            .flatten()
        {
            let Ok(text) = std::fs::read_to_string(folder.path().join("summary.json")) else {
                continue;
            };
            let summary: crate::lab::Summary = serde_json::from_str(&text).expect("it is a summary");
            for (name, measure) in summary.designs.iter().flat_map(|design| &design.measures) {
                let row = listed.iter().find(|row| row[0] == *name);
                assert_eq!(row.map(|row| row[1].as_str()), Some(measure.unit.as_str()), "{name}");
                seen += 1;
            }
        }
        assert!(seen > 500, "{seen}");
    }

    #[test]
    fn every_list_has_rows_and_full_cells() {
        let lists = [
            experiments().expect("the built-in experiments are right"),
            models().expect("the models are right"),
            faults(),
            variants("Step", &["step", "keys", "meaning"], ""),
            variants("DistributionForm", &["distribution", "keys", "meaning"], ""),
            measures().expect("the default experiment is right"),
        ];
        for list in lists {
            assert!(list.rows.len() >= 4, "{list:?}");
            let table = shown(
                &list,
                Look {
                    width: 80,
                    colour: false,
                },
            );
            assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
            let words = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            let last = list.rows.last().map(|row| words(&row[0])).unwrap_or_default();
            assert!(words(&table).contains(&last), "{table}");
            for row in &list.rows {
                assert_eq!(row.len(), list.head.len());
                assert!(!row[0].is_empty() && !row[row.len() - 1].is_empty(), "{row:?}");
            }
        }
    }
}
