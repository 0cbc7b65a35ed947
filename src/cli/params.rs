//! `meshfault params`: the parameters of a design with their sources, and where two designs differ in them.
//!
//! Which values a design has belongs to `scenario`; form belongs to `tabular`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::error::CliError;
use super::load::{self, LoadRequest};
use super::tabular::{self, Format};
use super::{exit_code, print, terminal};
use crate::report::columns;
use crate::report::table::Look;
use crate::scenario::ResolvedParameter;
use crate::scenario::error::candidates_hint;
use crate::scenario::json_schema;

/// The arguments as they were typed.
#[derive(Debug, Args)]
pub struct ParamsArgs {
    /// The design.
    design: String,
    /// Only parameters whose names begin with this, for example `cilium.` or `istio.csr_attempts`.
    #[arg(value_name = "PREFIX")]
    prefixes: Vec<String>,
    /// The experiment of the design: a file or a built-in one. Default: istiod-cut-off.
    #[arg(long, value_name = "EXPERIMENT")]
    experiment: Option<PathBuf>,
    /// Show only what differs in this design; `EXPERIMENT:DESIGN` is a design of another experiment.
    #[arg(long, value_name = "OTHER")]
    diff: Option<String>,
    /// Change a value of the experiment, for example `cluster.kubernetes=1.32`; repeatable.
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Shown {
    #[serde(flatten)]
    parameter: ResolvedParameter,
    meaning: String,
}

#[derive(Debug, Serialize)]
struct Parameters {
    experiment: String,
    design: String,
    title: String,
    notes: Vec<String>,
    parameters: Vec<Shown>,
}

/// A parameter that two designs do not have in common.
#[derive(Debug, Serialize)]
struct Difference {
    name: String,
    a: Option<Shown>,
    b: Option<Shown>,
}

#[derive(Debug, Serialize)]
struct Differences {
    a: String,
    b: String,
    equal: usize,
    differences: Vec<Difference>,
}

pub fn run(arguments: &ParamsArgs) -> Result<u8, CliError> {
    let of = |experiment: Option<&Path>, design: &str| {
        parameters(experiment, design, &arguments.changes, &arguments.prefixes)
    };
    let a = of(arguments.experiment.as_deref(), &arguments.design)?;
    let text = match &arguments.diff {
        None => show(&a, arguments.format),
        Some(other) => {
            // The last colon: a path may have one too.
            let b = match other.rsplit_once(':') {
                Some((experiment, design)) => of(Some(Path::new(experiment)), design)?,
                None => of(arguments.experiment.as_deref(), other)?,
            };
            show_differences(&differences(&a, &b), arguments.format)
        }
    };
    print(&text)?;
    Ok(exit_code::FINE)
}

fn parameters(
    experiment: Option<&Path>,
    design: &str,
    changes: &[String],
    prefixes: &[String],
) -> Result<Parameters, CliError> {
    let names = [design.to_owned()];
    let scenario = load::scenario(&LoadRequest::new(experiment, &names, changes))?;
    let designs = load::designs(&scenario, &names)?;
    let mut found = Parameters {
        experiment: scenario.name.clone(),
        design: design.to_owned(),
        title: String::new(),
        notes: Vec::new(),
        parameters: Vec::new(),
    };
    let Some(design) = designs.first() else {
        return Ok(found);
    };
    found.title.clone_from(&design.title);
    found.notes.clone_from(&design.notes);
    let known: Vec<(String, &str)> = json_schema::parameters()
        .map(|(name, _, meaning)| (name, meaning))
        .collect();
    for prefix in prefixes {
        if !known.iter().any(|(name, _)| name.starts_with(prefix.as_str())) {
            return Err(unknown(prefix, &known));
        }
    }
    let wanted = |name: &str| prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
    let shown = design.parameters.iter().filter(|parameter| wanted(&parameter.name));
    found.parameters = shown
        .map(|parameter| Shown {
            parameter: ResolvedParameter::clone(parameter),
            meaning: known
                .iter()
                .find(|(name, _)| *name == parameter.name)
                .map_or_else(String::new, |(_, meaning)| (*meaning).to_owned()),
        })
        .collect();
    Ok(found)
}

/// The complaint about a prefix that nothing begins with: a near match among full names, or else among names without
/// their component.
fn unknown(prefix: &str, known: &[(String, &str)]) -> CliError {
    let whole = known.iter().map(|(name, _)| name.as_str());
    let parts = known.iter().filter_map(|(name, _)| {
        let (_, field) = name.split_once('.')?;
        field.starts_with(prefix).then_some(name.as_str())
    });
    let part = parts.into_iter().next().map(|name| format!("did you mean `{name}`?"));
    let components = ["kubernetes.", "cilium.", "istio.", "network."];
    let near = crate::scenario::error::near_match(prefix, whole).map(|name| format!("did you mean `{name}`?"));
    CliError::Unknown {
        what: "parameter",
        name: prefix.to_owned(),
        hint: part.or(near).or_else(|| candidates_hint(prefix, components)),
    }
}

fn differences(a: &Parameters, b: &Parameters) -> Differences {
    let find = |of: &Parameters, name: &str| of.parameters.iter().find(|shown| shown.parameter.name == name).cloned();
    let mut names: Vec<&str> = a.parameters.iter().map(|shown| shown.parameter.name.as_str()).collect();
    for shown in &b.parameters {
        if !names.contains(&shown.parameter.name.as_str()) {
            names.push(&shown.parameter.name);
        }
    }
    let pairs = names.iter().map(|name| Difference {
        name: (*name).to_owned(),
        a: find(a, name),
        b: find(b, name),
    });
    let value = |of: &Option<Shown>| of.as_ref().map(|shown| shown.parameter.value.clone());
    let (equal, differences): (Vec<_>, Vec<_>) = pairs.partition(|pair| value(&pair.a) == value(&pair.b));
    let name = |of: &Parameters| match a.experiment == b.experiment {
        true => of.design.clone(),
        false => format!("{}:{}", of.experiment, of.design),
    };
    Differences {
        a: name(a),
        b: name(b),
        equal: equal.len(),
        differences,
    }
}

/// How well a value is known, in one cell.
fn confidence(parameter: &ResolvedParameter) -> String {
    match &parameter.range {
        Some(range) => format!("{}, {range}", parameter.confidence),
        None => parameter.confidence.clone(),
    }
}

fn show(found: &Parameters, format: Format) -> String {
    let full = |shown: &Shown| {
        let p = &shown.parameter;
        let texts = [&p.name, &p.value, &p.unit, &p.confidence].map(String::clone);
        let mut row = texts.to_vec();
        row.push(p.range.clone().unwrap_or_default());
        row.extend([p.model.clone(), p.overridden.to_string(), p.source.clone()]);
        row.extend([p.note.clone().unwrap_or_default(), shown.meaning.clone()]);
        row
    };
    let head = [
        "name",
        "value",
        "unit",
        "confidence",
        "range",
        "set",
        "overridden",
        "source",
        "note",
        "meaning",
    ];
    let rows: Vec<Vec<String>> = found.parameters.iter().map(full).collect();
    match (format, terminal::window(), rows.as_slice()) {
        (Format::Json, ..) => tabular::json(found),
        (Format::Csv, ..) => tabular::csv(&head, rows),
        (Format::Text, None, _) => tabular::lines(&head, &rows),
        // One parameter is shown with everything that is known of it.
        (Format::Text, Some(look), [_]) => columns::blocks(&head, &rows, look),
        (Format::Text, Some(look), _) => table(found, look),
    }
}

/// The parameters for a terminal.
fn table(found: &Parameters, look: Look) -> String {
    let shown = &found.parameters;
    let mut text = format!("{}, {}: {}\n", found.experiment, found.design, found.title);
    for note in &found.notes {
        text.push_str(&format!("{note}\n"));
    }
    if shown.is_empty() {
        return text + "The design has no Istio and none of its parameters.\n";
    }
    let rows = shown.iter().map(|shown| {
        let p = &shown.parameter;
        let set = match p.overridden {
            true => format!("{}, overridden", p.model),
            false => p.model.clone(),
        };
        let texts = [&p.name, &p.value, &p.unit, &confidence(p), &set, &p.source];
        texts.map(String::clone).to_vec()
    });
    let head = ["parameter", "value", "unit", "confidence", "set", "source"];
    format!("{text}\n{}", columns::fitted(&head, &rows.collect::<Vec<_>>(), look))
}

fn show_differences(found: &Differences, format: Format) -> String {
    let cell = |of: &Option<Shown>, get: fn(&ResolvedParameter) -> String| {
        of.as_ref().map_or_else(String::new, |shown| get(&shown.parameter))
    };
    let rows = found.differences.iter().map(|difference| {
        let Difference { name, a, b } = difference;
        let mut row = vec![name.clone()];
        for side in [a, b] {
            let none = || "none".to_owned();
            row.push(side.as_ref().map_or_else(none, |shown| shown.parameter.value.clone()));
        }
        for side in [a, b] {
            row.push(cell(side, |parameter| {
                format!("{}: {}", parameter.model, confidence(parameter))
            }));
        }
        row
    });
    let sources = [format!("{}, source", found.a), format!("{}, source", found.b)];
    let head = ["parameter", &found.a, &found.b, &sources[0], &sources[1]];
    match format {
        Format::Json => tabular::json(found),
        Format::Csv => tabular::csv(&head, rows),
        Format::Text => match terminal::window() {
            Some(_) if found.differences.is_empty() => format!(
                "{} and {} have the same {} parameters.\n",
                found.a, found.b, found.equal
            ),
            Some(_) => format!(
                "{}\n{} parameters are equal.\n",
                tabular::table(&head, rows),
                found.equal
            ),
            None => tabular::table(&head, rows),
        },
    }
}
