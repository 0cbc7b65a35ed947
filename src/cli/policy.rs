//! `meshfault policy`: the truth table of a folder of manifests, answers to a file of questions, or what differs between two folders.
//!
//! Reading belongs to `scenario::manifests`, evaluation to `policy`, how answers look to `policy_output`, files of questions
//! to `policy_queries`, two folders to `policy_diff`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::error::CliError;
use super::policy_ends::find;
use super::policy_queries::Query;
use super::{exit_code, load, policy_diff, policy_output, policy_queries, policy_table, print, terminal};
use crate::policy::layers::{Answer, Ask, Layers};
use crate::policy::network::{Cni, End, Enforcement, Options};
use crate::policy::{Because, Decision, Http, Verdict};
use crate::scenario::error::InputError;
use crate::scenario::manifests::{Excluded, Layer, Manifests, Purpose, ReadOptions, Side, read_folder};

/// Trust domain of a mesh that names none (istio/api `mesh/v1alpha1/config.proto`, default).
const TRUST_DOMAIN: &str = "cluster.local";

/// How answers are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table on a terminal; elsewhere a line per row, with tabs between the cells.
    #[default]
    Table,
    /// `{"cases": [...]}`; with `--diff`, `{"changes": [...]}`.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// The network that enforces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Network {
    /// Cilium: IP blocks never match pods of the cluster.
    #[default]
    Cilium,
    /// Any other: IP blocks also match pods whose IPs are known.
    Generic,
}

/// Cilium's enforcement mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// On workloads that a policy selects.
    #[default]
    Default,
    /// On all workloads.
    Always,
    /// On none.
    Never,
}

/// The arguments as they were typed.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// The folder, with its subfolders, or one file.
    #[arg(long, value_name = "DIR", required_unless_present = "diff")]
    manifests: Option<PathBuf>,
    /// Compare two folders and report every verdict that differs, with the objects that decide. Exit code 1 if one differs.
    #[arg(long, value_names = ["BEFORE", "AFTER"], num_args = 2, conflicts_with = "manifests")]
    diff: Option<Vec<PathBuf>>,
    /// A JSON array of questions: `{"id","from","to","port","protocol","method","path","headers"}`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "port"])]
    pub(super) queries: Option<PathBuf>,
    /// Skip files and folders of this name or path within DIR; `*`, `**` and `?` are wildcards; repeatable.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Only this client: `namespace/name`, `ip:ADDRESS` or `entity:NAME` (an entity of Cilium such as `host`).
    #[arg(long, value_name = "A")]
    pub(super) from: Option<String>,
    /// Only this server: as the client, or `dns:NAME`.
    #[arg(long, value_name = "B")]
    pub(super) to: Option<String>,
    /// Only this port of the pods. Default: every port that a pod declares or that a Service maps to.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Option<u16>,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
    /// Show the reasons in the table too.
    #[arg(long)]
    explain: bool,
    /// Turn errors about what is not evaluated into warnings; the verdicts that it may change are `unknown`.
    #[arg(long)]
    lenient: bool,
    /// The network that enforces.
    #[arg(long, value_enum, default_value_t)]
    cni: Network,
    /// Cilium's enforcement mode.
    #[arg(long, value_enum, default_value_t)]
    enforcement: Mode,
    /// IP blocks also match nodes under Cilium (its option `policy-cidr-match-mode: nodes`).
    #[arg(long)]
    cidr_matches_nodes: bool,
}

pub(super) struct Case {
    pub query: Query,
    pub network: Part,
    /// The network's verdict at the source, if that is a workload.
    pub egress: Option<Part>,
    /// The network's verdict at the destination, if that is a workload.
    pub ingress: Option<Part>,
    pub mesh: Part,
    /// Whether the request passes both layers.
    pub together: Part,
    /// All reasons in one text.
    pub because: String,
}

pub(super) struct Part {
    pub verdict: &'static str,
    /// The deciding policy and rule, with the place.
    pub because: String,
}

/// A folder of manifests with its policies.
pub(super) struct Folder {
    manifests: Manifests,
    layers: Layers,
    /// The DNS names that questions name.
    names: Vec<String>,
}

impl Folder {
    pub fn read(path: &Path, arguments: &PolicyArgs) -> Result<Self, CliError> {
        let options = ReadOptions {
            purpose: Purpose::Policy,
            lenient: arguments.lenient,
        };
        let excluded = Excluded::parse(&arguments.exclude);
        let manifests = read_folder(path, options, &excluded).map_err(load::wrong)?;
        for warning in &manifests.warnings {
            terminal::tell(&format!("warning: {warning}"));
        }
        Ok(Self {
            layers: layers(&manifests, arguments),
            manifests,
            names: Vec::new(),
        })
    }

    /// The questions of the file or of the truth table, and a note about workloads that have none.
    pub fn questions(&mut self, arguments: &PolicyArgs) -> Result<(Vec<Question>, Option<String>), CliError> {
        let Self {
            manifests,
            layers,
            names,
        } = self;
        match &arguments.queries {
            Some(file) => Ok((from_file(manifests, file, names)?, None)),
            None => policy_table::all(manifests, layers, arguments, names),
        }
    }

    /// A question about the ends of these names; none if the folder has no such end.
    pub fn question(&mut self, query: &Query) -> Option<Question> {
        let Self { manifests, names, .. } = self;
        let mut end = |argument, text: &str| find(manifests, argument, text, names).ok();
        Some((query.clone(), [end("from", &query.from)?, end("to", &query.to)?]))
    }

    pub fn answers(self, questions: Vec<Question>) -> (Manifests, Vec<Case>) {
        let Self {
            manifests,
            layers,
            names,
        } = self;
        let layers = layers.with_names(names);
        let answers = questions
            .into_iter()
            .map(|(query, ends)| answer(&manifests, &layers, query, ends));
        let answers = answers.collect();
        (manifests, answers)
    }
}

/// Lists on the error stream what no answer is based on.
pub(super) fn tell_skipped(manifests: &Manifests) {
    if !manifests.skipped.is_empty() {
        terminal::tell(policy_output::skipped(&manifests.skipped).trim_end());
    }
}

pub fn run(arguments: &PolicyArgs) -> Result<u8, CliError> {
    let path = match (&arguments.diff, &arguments.manifests) {
        (Some(folders), _) => return policy_diff::run(folders, arguments),
        (None, path) => path.as_deref().unwrap_or_else(|| Path::new(".")),
    };
    let mut folder = Folder::read(path, arguments)?;
    let (questions, note) = folder.questions(arguments)?;
    note.iter().for_each(|note| terminal::tell(note));
    let (manifests, cases) = folder.answers(questions);
    let passed_over = policy_output::PassedOver::of(&manifests);
    print(&policy_output::render(
        &cases,
        &passed_over,
        arguments.format,
        arguments.explain,
    ))?;
    if arguments.format == Format::Table {
        tell_skipped(&manifests);
    }
    Ok(exit_code::FINE)
}

fn layers(manifests: &Manifests, arguments: &PolicyArgs) -> Layers {
    let options = Options {
        cni: match arguments.cni {
            Network::Cilium => Cni::Cilium,
            Network::Generic => Cni::Generic,
        },
        enforcement: match arguments.enforcement {
            Mode::Default => Enforcement::Default,
            Mode::Always => Enforcement::Always,
            Mode::Never => Enforcement::Never,
        },
        cidr_matches_nodes: arguments.cidr_matches_nodes,
        ..Options::default()
    };
    let endpoints = manifests.endpoints.iter().map(|e| e.endpoint.clone()).collect();
    let network = manifests.network_policies(options).compile(endpoints);
    Layers::new(network, manifests.mesh_policies(TRUST_DOMAIN), TRUST_DOMAIN).with_routes(manifests.routes())
}

pub(super) type Question = (Query, [End; 2]);

fn from_file(manifests: &Manifests, file: &Path, names: &mut Vec<String>) -> Result<Vec<Question>, CliError> {
    let (mut questions, mut wrong) = (Vec::new(), Vec::new());
    for (index, query) in policy_queries::read(file)?.into_iter().enumerate() {
        let mut end = |argument, text: &str| match find(manifests, argument, text, names) {
            Ok(end) => Some(end),
            Err(error) => {
                // The question is found by its index, since an array of JSON has no other names.
                let located = InputError::in_file(file, format!("question {index}: {error}"));
                wrong.push(match error {
                    CliError::Argument { hint, .. } => located.with_hint(hint),
                    _ => located,
                });
                None
            }
        };
        let from = end("`from`", &query.from);
        let to = end("`to`", &query.to);
        questions.extend(from.zip(to).map(|(from, to)| (query, [from, to])));
    }
    if wrong.is_empty() {
        return Ok(questions);
    }
    Err(load::wrong(wrong))
}

fn answer(manifests: &Manifests, layers: &Layers, query: Query, [from, to]: [End; 2]) -> Case {
    let fields = query.header_fields();
    let host = fields
        .iter()
        .find(|(field, _)| field == "host" || field == ":authority")
        .map(|(_, value)| value.as_str());
    let http = query.is_http().then(|| Http {
        method: query.method.as_deref().unwrap_or("GET"),
        path: query.path.as_deref().unwrap_or("/"),
        host,
        headers: &fields,
    });
    let ask = Ask {
        from,
        to,
        port: query.port,
        protocol: query.protocol.into(),
        http,
    };
    let answer = layers.ask(&ask);
    let notes = layers.mesh_notes(&ask);
    let doubts = [Layer::Network, Layer::Mesh].map(|layer| doubt(manifests, [from, to], layer));
    case(query, &answer, &doubts, notes)
}

/// What was passed over, may concern one of the ends and acts on this layer.
fn doubt(manifests: &Manifests, ends: [End; 2], layer: Layer) -> Option<String> {
    ends.into_iter()
        .zip([Side::Client, Side::Server])
        .find_map(|(end, side)| {
            let End::Workload(index) = end else { return None };
            let endpoint = &manifests.endpoints[index];
            let subject = &endpoint.endpoint.subject;
            // What changes proxies changes nothing for who has none.
            let has_proxy = endpoint.endpoint.sidecar || endpoint.endpoint.ambient;
            let acts = |of: Layer| of == Layer::Any || of == layer && (layer == Layer::Network || has_proxy);
            let mut unknown = manifests.unknown.iter();
            let passed_over = unknown.find(|unknown| acts(unknown.layer) && unknown.may_concern(subject, side));
            endpoint
                .doubts
                .first()
                .cloned()
                .or(passed_over.map(|unknown| unknown.why.clone()))
        })
}

fn case(query: Query, answer: &Answer, doubts: &[Option<String>; 2], notes: Vec<String>) -> Case {
    let word = |decision: Decision, doubt: &Option<String>| match (decision, doubt) {
        (_, Some(_)) | (Decision::Unknown, None) => "unknown",
        (Decision::Allow, None) => "allow",
        (Decision::Deny, None) => "deny",
    };
    let [network_doubt, mesh_doubt] = doubts;
    let part = |verdict: &Verdict| Part {
        verdict: word(verdict.decision, network_doubt),
        because: network_doubt.clone().unwrap_or_else(|| reason(&verdict.because)),
    };
    let (egress, ingress) = (answer.egress.as_ref().map(part), answer.ingress.as_ref().map(part));
    let network = part(&answer.network);
    let mesh = match &answer.mesh {
        Some(verdict) => Part {
            verdict: word(verdict.decision, mesh_doubt),
            because: mesh_doubt.clone().unwrap_or_else(|| reason(&verdict.because)),
        },
        None => Part {
            verdict: "n/a",
            because: "no proxy at the destination enforces policies".to_owned(),
        },
    };
    let mesh_doubt = mesh_doubt.as_ref().filter(|_| answer.mesh.is_some());
    let seen = answer
        .together
        .disguise
        .map(|disguise| format!("{}: ", disguise.words()));
    let together = Part {
        verdict: match network_doubt.as_ref().or(mesh_doubt) {
            None => word(answer.together.verdict.decision, &None),
            Some(_) if network.verdict == "deny" || mesh.verdict == "deny" => "deny",
            Some(_) => "unknown",
        },
        because: format!(
            "{}{}",
            seen.as_deref().unwrap_or_default(),
            reason(&answer.together.verdict.because)
        ),
    };
    let directions = [("egress", &egress), ("ingress", &ingress)];
    let mut because: Vec<String> = directions
        .into_iter()
        .filter_map(|(name, part)| Some(format!("{name}: {}", part.as_ref()?.because)))
        .collect();
    if because.is_empty() {
        because.push(format!("network: {}", network.because));
    }
    because.push(format!("mesh: {}", mesh.because));
    because.extend(notes);
    because.extend(seen.map(|_| format!("together: {}", together.because)));
    Case {
        query,
        network,
        egress,
        ingress,
        mesh,
        together,
        because: because.join("; "),
    }
}

fn reason(because: &Because) -> String {
    let place = because.policy.as_ref().filter(|origin| !origin.file.is_empty());
    match place {
        None => because.to_string(),
        Some(origin) => match because.rule.and_then(|rule| origin.rule_lines.get(rule)) {
            Some(line) => format!("{because} at {}:{line}", origin.file),
            None => format!("{because} in {}", origin.file),
        },
    }
}
