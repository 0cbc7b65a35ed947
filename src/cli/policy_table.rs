//! The questions of a truth table: every pair of workloads on every port, and the requests that HTTP rules name.
//!
//! Belongs here: which questions a table has. Does not belong here: the answers (`policy`) and how they look
//! (`policy_output`).

use super::error::CliError;
use super::policy::{PolicyArgs, Question};
use super::policy_ends::find;
use super::policy_queries::Query;
use crate::policy::Protocol;
use crate::policy::layers::Layers;
use crate::policy::network::End;
use crate::scenario::manifests::{EndpointManifest, Manifests};

/// Most rows of a truth table.
const ROWS_MAX: usize = 1_000_000;
/// Most workloads that a note names.
const NAMED_MAX: usize = 5;

/// Every pair of workloads on every declared port, as far as the arguments ask for it. Where rules name requests, those are
/// asked instead of the mere connection. With a note about workloads without ports.
pub(super) fn all(
    manifests: &Manifests,
    layers: &Layers,
    arguments: &PolicyArgs,
    names: &mut Vec<String>,
) -> Result<(Vec<Question>, Option<String>), CliError> {
    let mut chosen = |argument: &'static str, text: &Option<String>| -> Result<Vec<(String, End)>, CliError> {
        match text {
            Some(text) => Ok(vec![(text.clone(), find(manifests, argument, text, names)?)]),
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
    let servers = chosen("--to", &arguments.to)?;
    let (mut questions, mut without_ports) = (Vec::new(), Vec::new());
    for (to, server) in servers {
        let ports: Vec<(u16, Protocol)> = match (arguments.port, server) {
            (Some(port), _) => vec![(port, Protocol::Tcp)],
            (None, End::Workload(position)) => {
                let ports = manifests.ports(position);
                if ports.is_empty() {
                    without_ports.push(to.clone());
                }
                ports
            }
            (None, End::Reserved(_) | End::Address(_) | End::Name(_)) => {
                return Err(CliError::argument(
                    "--to",
                    format!("`{to}` declares no ports"),
                    "name one with --port",
                ));
            }
        };
        for (port, protocol) in ports {
            let samples = match server {
                End::Workload(position) if protocol == Protocol::Tcp => layers.samples(position, port),
                _ => Vec::new(),
            };
            for (from, client) in &clients {
                if *client == server && arguments.from.is_none() {
                    continue;
                }
                let query = Query::of(from.clone(), to.clone(), port, protocol);
                let mut asked: Vec<Query> = samples
                    .iter()
                    .map(|sample| query.clone().with_request(&sample.method, &sample.path))
                    .collect();
                if asked.is_empty() {
                    asked.push(query);
                }
                if questions.len() + asked.len() > ROWS_MAX {
                    return Err(CliError::argument(
                        "--manifests",
                        format!("the table would have more than {ROWS_MAX} rows"),
                        "narrow it with --from, --to or --port, or use --queries",
                    ));
                }
                questions.extend(asked.into_iter().map(|query| (query, [*client, server])));
            }
        }
    }
    let note = (!without_ports.is_empty()).then(|| {
        let shown = without_ports.iter().take(NAMED_MAX).map(String::as_str);
        let more = if without_ports.len() > NAMED_MAX { ", …" } else { "" };
        let (n, shown) = (without_ports.len(), shown.collect::<Vec<_>>().join(", "));
        format!("note: {n} workloads have no port and no row ({shown}{more}); name a port with --port")
    });
    Ok((questions, note))
}

/// The shortest name that means this endpoint, or the longest if none does.
pub(super) fn name(manifests: &Manifests, endpoint: &EndpointManifest) -> String {
    let (namespace, own) = (&endpoint.endpoint.subject.namespace, &endpoint.endpoint.name);
    let short = format!("{namespace}/{own}");
    if manifests.endpoint_position(&short).is_ok() {
        short
    } else {
        format!("{namespace}/{}/{own}", endpoint.kind.name())
    }
}
