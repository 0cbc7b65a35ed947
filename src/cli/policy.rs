//! `meshfault policy`: the truth table of a folder of manifests, or answers to a file of questions.
//!
//! Reading belongs to `scenario::manifests`, evaluation to `policy`, how answers look to `policy_output`, files of questions
//! to `policy_queries`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::error::CliError;
use super::policy_queries::Query;
use super::{exit_code, load, policy_output, policy_queries, print};
use crate::policy::layers::{Answer, Ask, Layers};
use crate::policy::network::{Cni, End, Enforcement, Options};
use crate::policy::{Because, Decision, Http, Protocol};
use crate::scenario::manifests::{EndpointManifest, Manifests, Purpose, ReadOptions, read_folder_for};

/// Most rows of a truth table; a larger one is asked for in parts.
const ROWS_MAX: usize = 1_000_000;
/// Most workloads that a note names.
const NAMED_MAX: usize = 5;
/// Trust domain of a mesh that names none (istio/api `mesh/v1alpha1/config.proto`, default).
const TRUST_DOMAIN: &str = "cluster.local";

/// How answers are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    #[default]
    Table,
    /// `{"cases": [...]}`.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// The network that enforces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Network {
    /// Cilium: blocks of addresses never mean pods of the cluster.
    #[default]
    Cilium,
    /// Any other: blocks of addresses mean pods too, where their addresses are known.
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
    #[arg(long, value_name = "DIR")]
    manifests: PathBuf,
    /// A JSON array of questions: `{"id","from","to","port","protocol","method","path","headers"}`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "port"])]
    queries: Option<PathBuf>,
    /// Only from this workload or address: `namespace/name`, `ip:ADDRESS`.
    #[arg(long, value_name = "A")]
    from: Option<String>,
    /// Only to this workload or address.
    #[arg(long, value_name = "B")]
    to: Option<String>,
    /// Only this port of the pods; without it, every port that they declare or that a Service leads to.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// How answers are printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Say why, in a table too.
    #[arg(long)]
    explain: bool,
    /// What is not evaluated is a warning, and the verdicts that it may change are `unknown`.
    #[arg(long)]
    lenient: bool,
    /// The network that enforces.
    #[arg(long, value_enum, default_value_t)]
    cni: Network,
    /// Cilium's enforcement mode.
    #[arg(long, value_enum, default_value_t)]
    enforcement: Mode,
}

/// A question with its answer.
pub(super) struct Case {
    /// The question.
    pub query: Query,
    /// What the network says.
    pub network: &'static str,
    /// What the mesh says.
    pub mesh: &'static str,
    /// Whether the request gets through both layers.
    pub together: &'static str,
    /// Why, for all of them.
    pub because: String,
}

/// Does what the arguments say.
///
/// # Errors
/// If the folder or the questions are wrong, or the output refuses.
pub fn run(arguments: &PolicyArgs) -> Result<u8, CliError> {
    let options = ReadOptions {
        purpose: Purpose::Policy,
        lenient: arguments.lenient,
    };
    let manifests = read_folder_for(&arguments.manifests, options).map_err(|error| load::wrong(vec![error]))?;
    for warning in &manifests.warnings {
        eprintln!("warning: {warning}");
    }
    let layers = layers(&manifests, arguments);
    let questions = match &arguments.queries {
        Some(file) => from_file(&manifests, file)?,
        None => all(&manifests, arguments)?,
    };
    let cases: Vec<Case> = questions
        .into_iter()
        .map(|(query, ends)| answer(&manifests, &layers, query, ends))
        .collect();
    print(&policy_output::render(&cases, arguments.format, arguments.explain))?;
    if !manifests.skipped.is_empty() && arguments.format == Format::Table {
        eprint!("{}", policy_output::skipped(&manifests.skipped));
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
        ..Options::default()
    };
    let endpoints = manifests.endpoints.iter().map(|e| e.endpoint.clone()).collect();
    let network = manifests.network_policies(options).compile(endpoints);
    Layers::new(network, manifests.mesh_policies(TRUST_DOMAIN), TRUST_DOMAIN).with_routes(manifests.routes())
}

/// A question with its client and its server.
type Question = (Query, [End; 2]);

fn from_file(manifests: &Manifests, file: &Path) -> Result<Vec<Question>, CliError> {
    let queries = policy_queries::read(file)?.into_iter();
    queries
        .map(|query| {
            let from = find(manifests, "`from` of a question", &query.from)?;
            let to = find(manifests, "`to` of a question", &query.to)?;
            Ok((query, [from, to]))
        })
        .collect()
}

/// Every pair of workloads on every declared port, as far as the arguments ask for it.
fn all(manifests: &Manifests, arguments: &PolicyArgs) -> Result<Vec<Question>, CliError> {
    let chosen = |argument: &'static str, text: &Option<String>| -> Result<Vec<(String, End)>, CliError> {
        match text {
            Some(text) => Ok(vec![(text.clone(), find(manifests, argument, text)?)]),
            // By position: two workloads may have one name.
            None => Ok(manifests
                .endpoints
                .iter()
                .enumerate()
                .map(|(position, e)| (name(manifests, e), End::Workload(position)))
                .collect()),
        }
    };
    let clients = chosen("--from", &arguments.from)?;
    let (mut questions, mut without_ports) = (Vec::new(), Vec::new());
    for (to, server) in chosen("--to", &arguments.to)? {
        let ports: Vec<(u16, Protocol)> = match (arguments.port, server) {
            (Some(port), _) => vec![(port, Protocol::Tcp)],
            (None, End::Workload(position)) => {
                let ports = manifests.ports(position);
                if ports.is_empty() {
                    without_ports.push(to.clone());
                }
                ports
            }
            (None, End::Reserved(_) | End::Address(_)) => {
                return Err(CliError::Argument {
                    argument: "--to",
                    reason: format!("`{to}` declares no ports"),
                    hint: "name one with --port",
                });
            }
        };
        for (port, protocol) in ports {
            for (from, client) in &clients {
                if questions.len() == ROWS_MAX {
                    return Err(CliError::Argument {
                        argument: "--manifests",
                        reason: format!("the table would have more than {ROWS_MAX} rows"),
                        hint: "narrow it with --from, --to or --port, or ask with --queries",
                    });
                }
                if *client != server || arguments.from.is_some() {
                    let query = Query::of(from.clone(), to.clone(), port, protocol);
                    questions.push((query, [*client, server]));
                }
            }
        }
    }
    if !without_ports.is_empty() {
        let shown = without_ports.iter().take(NAMED_MAX).map(String::as_str);
        let more = if without_ports.len() > NAMED_MAX { ", …" } else { "" };
        let (n, shown) = (without_ports.len(), shown.collect::<Vec<_>>().join(", "));
        eprintln!("note: {n} without ports of their own or of a Service have no row ({shown}{more}); ask with --port");
    }
    Ok(questions)
}

/// The shortest name that means this endpoint, or the longest if none does.
fn name(manifests: &Manifests, endpoint: &EndpointManifest) -> String {
    let (namespace, own) = (&endpoint.endpoint.subject.namespace, &endpoint.endpoint.name);
    let short = format!("{namespace}/{own}");
    if manifests.endpoint_position(&short).is_ok() {
        short
    } else {
        format!("{namespace}/{}/{own}", endpoint.kind.name())
    }
}

fn find(manifests: &Manifests, argument: &'static str, text: &str) -> Result<End, CliError> {
    let wrong = |reason: String| CliError::Argument {
        argument,
        reason,
        hint: "`namespace/workload`, `namespace/pod` or `ip:ADDRESS`",
    };
    if let Some(address) = text.strip_prefix("ip:") {
        let address: IpAddr = address
            .parse()
            .map_err(|_| wrong(format!("`{address}` is no IP address")))?;
        return Ok(End::Address(address));
    }
    manifests.endpoint_position(text).map(End::Workload).map_err(wrong)
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
    let answer = layers.ask(&Ask {
        from,
        to,
        port: query.port,
        protocol: query.protocol.into(),
        http,
    });
    let doubt = doubt(manifests, [from, to]);
    case(query, &answer, doubt)
}

/// What was passed over in lenient reading and may concern one of the ends.
fn doubt(manifests: &Manifests, ends: [End; 2]) -> Option<String> {
    ends.into_iter().find_map(|end| match end {
        End::Workload(index) => {
            let endpoint = &manifests.endpoints[index];
            let subject = &endpoint.endpoint.subject;
            let unknown = manifests.unknown.iter().find(|unknown| unknown.may_concern(subject));
            let passed_over = unknown.map(|unknown| unknown.why.clone());
            endpoint.doubts.first().cloned().or(passed_over)
        }
        End::Reserved(_) | End::Address(_) => None,
    })
}

fn case(query: Query, answer: &Answer, doubt: Option<String>) -> Case {
    let word = |decision: Decision| match (decision, &doubt) {
        (_, Some(_)) | (Decision::Unknown, None) => "unknown",
        (Decision::Allow, None) => "allow",
        (Decision::Deny, None) => "deny",
    };
    let network = word(answer.network.decision);
    let mesh = answer.mesh.as_ref().map_or("n/a", |verdict| word(verdict.decision));
    let together = word(answer.together.verdict.decision);
    let because = doubt.clone().unwrap_or_else(|| {
        let mesh = match &answer.mesh {
            Some(verdict) => reason(&verdict.because),
            None => "nothing at the destination enforces".to_owned(),
        };
        let network = reason(&answer.network.because);
        match answer.together.disguise {
            None => format!("network: {network}; mesh: {mesh}"),
            Some(disguise) => format!(
                "network: {network}; mesh: {mesh}; together: {}: {}",
                disguise.words(),
                reason(&answer.together.verdict.because)
            ),
        }
    });
    Case {
        query,
        network,
        mesh,
        together,
        because,
    }
}

/// The reason with the place of the rule.
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
