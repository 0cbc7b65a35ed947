//! `meshfault policy`: the truth table of a folder of manifests, or answers to a file of questions.
//!
//! Reading belongs to `scenario::manifests`, evaluation to `policy`, how answers look to `policy_output`, files of questions
//! to `policy_queries`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::error::CliError;
use super::policy_queries::Query;
use super::{exit_code, load, policy_output, policy_queries, policy_table, print, terminal};
use crate::policy::cilium::{Entity, NamePattern};
use crate::policy::layers::{Answer, Ask, Layers};
use crate::policy::network::{Cni, End, Enforcement, Options};
use crate::policy::{Because, Decision, Http, Reserved, Verdict};
use crate::scenario::error::{InputError, near_match};
use crate::scenario::manifests::{Excluded, Layer, Manifests, Purpose, ReadOptions, Side, read_folder};

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
    /// Pass over files and folders of this name or path within DIR; `*`, `**` and `?` stand for any; repeatable.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Only from this end: `namespace/name`, `ip:ADDRESS`, `entity:NAME` (an entity of Cilium such as `host`), `dns:NAME`.
    #[arg(long, value_name = "A")]
    pub(super) from: Option<String>,
    /// Only to this end.
    #[arg(long, value_name = "B")]
    pub(super) to: Option<String>,
    /// Only this port of the pods; without it, every port that they declare or that a Service leads to.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Option<u16>,
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
    /// Blocks of addresses mean nodes under Cilium too (its option `policy-cidr-match-mode: nodes`).
    #[arg(long)]
    cidr_matches_nodes: bool,
}

pub(super) struct Case {
    pub query: Query,
    pub network: &'static str,
    /// What it says at the source, if that is a workload.
    pub egress: Option<Part>,
    /// What it says at the destination, if that is a workload.
    pub ingress: Option<Part>,
    pub mesh: &'static str,
    /// Whether the request gets through both layers.
    pub together: &'static str,
    /// Why, for all of them.
    pub because: String,
}

pub(super) struct Part {
    pub verdict: &'static str,
    /// The deciding policy and rule, with the place.
    pub because: String,
}

pub fn run(arguments: &PolicyArgs) -> Result<u8, CliError> {
    let options = ReadOptions {
        purpose: Purpose::Policy,
        lenient: arguments.lenient,
    };
    let excluded = Excluded::parse(&arguments.exclude);
    let manifests = read_folder(&arguments.manifests, options, &excluded).map_err(load::wrong)?;
    for warning in &manifests.warnings {
        terminal::tell(&format!("warning: {warning}"));
    }
    let (layers, mut names) = (layers(&manifests, arguments), Vec::new());
    let questions = match &arguments.queries {
        Some(file) => from_file(&manifests, file, &mut names)?,
        None => policy_table::all(&manifests, &layers, arguments, &mut names)?,
    };
    let layers = layers.with_names(names);
    let cases: Vec<Case> = questions
        .into_iter()
        .map(|(query, ends)| answer(&manifests, &layers, query, ends))
        .collect();
    let passed_over = policy_output::PassedOver::of(&manifests);
    print(&policy_output::render(
        &cases,
        &passed_over,
        arguments.format,
        arguments.explain,
    ))?;
    if !manifests.skipped.is_empty() && arguments.format == Format::Table {
        terminal::tell(policy_output::skipped(&manifests.skipped).trim_end());
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
                let told = InputError::in_file(file, format!("question {index}: {error}"));
                wrong.push(match error {
                    CliError::Argument { hint, .. } => told.with_hint(hint),
                    _ => told,
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

/// What a text means as an end of a connection. DNS names are added to `names`.
pub(super) fn find(
    manifests: &Manifests,
    argument: &'static str,
    text: &str,
    names: &mut Vec<String>,
) -> Result<End, CliError> {
    let wrong = |reason: String| {
        CliError::argument(
            argument,
            reason,
            "`namespace/workload`, `namespace/pod`, `ip:ADDRESS`, `entity:NAME` or `dns:NAME`",
        )
    };
    if let Some(address) = text.strip_prefix("ip:") {
        let address: IpAddr = address
            .parse()
            .map_err(|_| wrong(format!("`{address}` is no IP address")))?;
        if let Some(service) = manifests.services.iter().find(|s| s.cluster_ip == Some(address)) {
            if (service.namespace.as_str(), service.name.as_str()) == ("default", "kubernetes") {
                return Ok(End::Reserved(Reserved::KubeApiserver));
            }
            let reason = format!(
                "`{address}` is the address of Service {}/{}",
                service.namespace, service.name
            );
            let hint = "policies are about the pods behind a Service; ask about one of them, with the port of the pod";
            return Err(CliError::argument(argument, reason, hint));
        }
        return Ok(End::Address(address));
    }
    if let Some(name) = text.strip_prefix("entity:") {
        return entity(name).map_err(|reason| CliError::argument(argument, reason, "entities that can be asked about: health, host, ingress, init, kube-apiserver, remote-node, unmanaged, world"));
    }
    if let Some(name) = text.strip_prefix("dns:") {
        if argument.contains("from") {
            return Err(wrong(format!("`{text}` can only be called: a DNS name is no client")));
        }
        NamePattern::name(name).map_err(|_| wrong(format!("`{name}` is no DNS name")))?;
        let known = names.iter().position(|known| known == name);
        return Ok(End::Name(known.unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        })));
    }
    manifests.endpoint_position(text).map(End::Workload).map_err(wrong)
}

fn entity(name: &str) -> Result<End, String> {
    let known = |r: &Reserved| r.name() == name && *r != Reserved::Unknown;
    match Reserved::ALL.into_iter().find(known) {
        Some(reserved) => Ok(End::Reserved(reserved)),
        None if Entity::NAMES.contains(&name) => Err(format!("entity `{name}` is several things at once, or nothing")),
        None => Err(match near_match(name, Entity::NAMES) {
            Some(near) => format!("unknown entity `{name}`; did you mean `{near}`?"),
            None => format!("unknown entity `{name}`"),
        }),
    }
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
    let network = word(answer.network.decision, network_doubt);
    let mesh = answer
        .mesh
        .as_ref()
        .map_or("n/a", |verdict| word(verdict.decision, mesh_doubt));
    let mesh_doubt = mesh_doubt.as_ref().filter(|_| answer.mesh.is_some());
    let together = match network_doubt.as_ref().or(mesh_doubt) {
        None => word(answer.together.verdict.decision, &None),
        Some(_) if network == "deny" || mesh == "deny" => "deny",
        Some(_) => "unknown",
    };
    let mut because = Vec::new();
    for (name, part) in [("egress", &egress), ("ingress", &ingress)] {
        because.extend(part.as_ref().map(|part| format!("{name}: {}", part.because)));
    }
    if because.is_empty() {
        because.push(format!("network: {}", reason(&answer.network.because)));
    }
    let mesh_reason = match &answer.mesh {
        Some(verdict) => mesh_doubt.cloned().unwrap_or_else(|| reason(&verdict.because)),
        None => "nothing at the destination enforces".to_owned(),
    };
    because.push(format!("mesh: {mesh_reason}"));
    because.extend(notes);
    if let Some(disguise) = answer.together.disguise {
        let why = reason(&answer.together.verdict.because);
        because.push(format!("together: {}: {why}", disguise.words()));
    }
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
