//! `meshfault policy --diff`: which verdicts differ between two folders of manifests, and which objects decide them.
//!
//! Belongs here: which questions both folders are asked, what a change is, and how changes look. Does not belong here: the answers
//! (`policy`) and the questions of one folder (`policy_table`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use super::error::CliError;
use super::policy::{Case, Folder, Format, Part, PolicyArgs, Question, tell_skipped};
use super::policy_output::{PassedOver, request, transport};
use super::policy_queries::Query;
use super::policy_table::name;
use super::{exit_code, print, tabular, terminal};
use crate::lab::lists::unique;
use crate::report::text::{many, wrapped};
use crate::scenario::manifests::Manifests;

/// How the outcome of a call changes, in the order of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    NowDenied,
    NowAllowed,
    /// The outcome is not known in one of the folders.
    NowUnknown,
    /// A layer changes, and both together do not.
    OneLayer,
}

impl Change {
    const ALL: [(Self, &str); 4] = [
        (Self::NowDenied, "Allowed before, denied after"),
        (Self::NowAllowed, "Denied before, allowed after"),
        (Self::NowUnknown, "Unknown before or after"),
        (Self::OneLayer, "A layer changes, the outcome does not"),
    ];

    /// How the outcome changes; none if no layer changes.
    fn of(layers: &[Layer]) -> Option<Self> {
        let together = layers.last()?.verdicts().map(class);
        match together {
            ["allow", "deny"] => Some(Self::NowDenied),
            ["deny", "allow"] => Some(Self::NowAllowed),
            [before, after] if before != after => Some(Self::NowUnknown),
            _ => layers.iter().any(Layer::changes).then_some(Self::OneLayer),
        }
    }
}

/// The verdict that counts: a mesh without a proxy lets everything pass.
fn class(verdict: &'static str) -> &'static str {
    if verdict == "n/a" { "allow" } else { verdict }
}

/// The two verdicts of a layer, or of both together.
struct Layer {
    name: &'static str,
    before: Part,
    after: Part,
}

impl Layer {
    const fn verdicts(&self) -> [&'static str; 2] {
        [self.before.verdict, self.after.verdict]
    }

    fn changes(&self) -> bool {
        let [before, after] = self.verdicts().map(class);
        before != after
    }
}

struct Changed {
    query: Query,
    change: Change,
    /// The layers whose verdicts differ.
    layers: Vec<Layer>,
}

/// What two folders differ in.
struct Diff {
    changed: Vec<Changed>,
    /// Calls with equal verdicts.
    same: usize,
    /// Workloads that only one of the folders has.
    only: [Vec<String>; 2],
}

/// Compares the folders and gives the exit code: 1 if a verdict differs.
pub(super) fn run(paths: &[PathBuf], arguments: &PolicyArgs) -> Result<u8, CliError> {
    let [before, after] = paths else {
        return Err(CliError::argument(
            "--diff",
            "needs two folders",
            "name BEFORE and AFTER",
        ));
    };
    let folders = [Folder::read(before, arguments)?, Folder::read(after, arguments)?];
    let (diff, manifests) = diff(folders, arguments)?;
    print(&match arguments.format {
        Format::Table => text(&diff),
        Format::Json => {
            let [before, after] = manifests.each_ref().map(PassedOver::of);
            tabular::json(&json!({
                "changes": diff.changed.iter().map(object).collect::<Vec<_>>(),
                "same": diff.same,
                "only_before": diff.only[0],
                "only_after": diff.only[1],
                "passed_over": {"before": before, "after": after},
            }))
        }
        Format::Csv => csv(&diff),
    })?;
    if arguments.format == Format::Table {
        manifests.iter().for_each(tell_skipped);
    }
    Ok(match diff.changed.is_empty() {
        true => exit_code::FINE,
        false => exit_code::VERDICTS_DIFFER,
    })
}

fn diff([mut before, mut after]: [Folder; 2], arguments: &PolicyArgs) -> Result<(Diff, [Manifests; 2]), CliError> {
    let (of_before, note) = before.questions(arguments)?;
    let (of_after, other_note) = after.questions(arguments)?;
    unique(note.into_iter().chain(other_note))
        .iter()
        .for_each(|note| terminal::tell(note));
    let both = calls(of_before.into_iter().chain(of_after), arguments.queries.is_none()).into_iter();
    let both = both.filter_map(|query| Some((before.question(&query)?, after.question(&query)?)));
    let (of_before, of_after): (Vec<_>, Vec<_>) = both.collect::<Vec<_>>().into_iter().unzip();
    let (before, of_before) = before.answers(of_before);
    let (after, of_after) = after.answers(of_after);
    let (mut changed, mut same) = (Vec::new(), 0);
    for (before, after) in of_before.into_iter().zip(of_after) {
        let query = before.query.clone();
        let mut layers = layers(before, after);
        match Change::of(&layers) {
            Some(change) => {
                layers.retain(Layer::changes);
                changed.push(Changed { query, change, layers });
            }
            None => same += 1,
        }
    }
    changed.sort_by_key(|of: &Changed| of.change);
    let only = [(&before, &after), (&after, &before)].map(|(one, other)| {
        let names = one.endpoints.iter().map(|endpoint| name(one, endpoint));
        names.filter(|name| other.endpoint_position(name).is_err()).collect()
    });
    Ok((Diff { changed, same, only }, [before, after]))
}

/// The questions of both folders, each once, in the order of their ends. Where rules of either folder name requests, a table asks
/// these and not the mere connection.
fn calls(questions: impl Iterator<Item = Question>, table: bool) -> Vec<Query> {
    let mut calls: BTreeMap<_, Vec<Query>> = BTreeMap::new();
    for (query, _) in questions {
        let call = (query.from.clone(), query.to.clone(), query.port, query.protocol);
        let queries = calls.entry(call).or_default();
        if !queries.contains(&query) {
            queries.push(query);
        }
    }
    for queries in calls.values_mut() {
        if table && queries.iter().any(Query::is_http) {
            queries.retain(Query::is_http);
        }
    }
    calls.into_values().flatten().collect()
}

/// The layers of a call, both together last.
fn layers(before: Case, after: Case) -> Vec<Layer> {
    let parts = |case: Case| {
        [
            ("network policy", case.network),
            ("Istio", case.mesh),
            ("together", case.together),
        ]
    };
    let pairs = parts(before).into_iter().zip(parts(after));
    pairs
        .map(|((name, before), (_, after))| Layer { name, before, after })
        .collect()
}

fn text(diff: &Diff) -> String {
    let width = terminal::window().map_or(usize::MAX, |look| look.width);
    let mut text = match diff.changed.len() {
        0 => format!("No verdict changes in {}.\n", many(diff.same, "call")),
        changed => format!(
            "Verdicts change in {changed} of {}.\n",
            many(changed + diff.same, "call")
        ),
    };
    for (change, title) in Change::ALL {
        let of_change: Vec<&Changed> = diff.changed.iter().filter(|of| of.change == change).collect();
        if !of_change.is_empty() {
            text.push_str(&format!("\n{title}: {}\n", of_change.len()));
        }
        for Changed { query, layers, .. } in of_change {
            let Query { from, to, port, .. } = query;
            let call = format!("{from} → {to}  {port}/{}  {}", transport(query), request(query));
            text.push_str(&format!("  {}\n", call.trim_end()));
            let mut shown = Vec::new();
            for Layer { name, before, after } in layers {
                text.push_str(&format!("    {name}: {} → {}\n", before.verdict, after.verdict));
                for reason in [("before", &before.because), ("after", &after.because)] {
                    // Both together mostly have the reason of the layer that decides.
                    if !shown.contains(&reason) {
                        let (when, because) = reason;
                        text.push_str(&wrapped(&format!("      {when}: "), "        ", because, width));
                        shown.push(reason);
                    }
                }
            }
        }
    }
    for (side, names) in ["BEFORE", "AFTER"].into_iter().zip(&diff.only) {
        if !names.is_empty() {
            let line = format!("Only in {side}, not compared: {}", names.join(", "));
            text.push_str(&format!("\n{}", wrapped("", "  ", &line, width)));
        }
    }
    text
}

fn object(changed: &Changed) -> Value {
    let mut value = json!(changed.query);
    value["change"] = json!(changed.change);
    for Layer { name, before, after } in &changed.layers {
        let part = |part: &Part| json!({"verdict": part.verdict, "because": part.because});
        value[key(name)] = json!({"before": part(before), "after": part(after)});
    }
    value
}

/// The name of a layer in JSON and CSV.
fn key(name: &str) -> String {
    name.to_lowercase().replace(' ', "_")
}

/// A row per layer that changes.
fn csv(diff: &Diff) -> String {
    let head = "from to port protocol method path change layer before after because_before because_after";
    let rows = diff.changed.iter().flat_map(|changed| {
        let Changed { query, change, layers } = changed;
        let change = json!(change).as_str().unwrap_or_default().to_owned();
        layers.iter().map(move |Layer { name, before, after }| {
            vec![
                query.from.clone(),
                query.to.clone(),
                query.port.to_string(),
                transport(query),
                query.method.clone().unwrap_or_default(),
                query.path.clone().unwrap_or_default(),
                change.clone(),
                key(name),
                before.verdict.to_owned(),
                after.verdict.to_owned(),
                before.because.clone(),
                after.because.clone(),
            ]
        })
    });
    tabular::csv(&head.split(' ').collect::<Vec<_>>(), rows)
}
