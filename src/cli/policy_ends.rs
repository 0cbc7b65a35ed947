//! The ends of a connection as they are written: workloads, IPs, entities of Cilium and DNS names.
//!
//! Belongs here: what such a text means in a folder of manifests, and what is wrong with it. Does not belong here: answers (`policy`).

use std::net::IpAddr;

use super::error::CliError;
use crate::policy::Reserved;
use crate::policy::cilium::{Entity, NamePattern};
use crate::policy::network::End;
use crate::scenario::error::near_match;
use crate::scenario::manifests::Manifests;

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
            .map_err(|_| wrong(format!("`{address}` is not an IP address")))?;
        if let Some(service) = manifests.services.iter().find(|s| s.cluster_ip == Some(address)) {
            if (service.namespace.as_str(), service.name.as_str()) == ("default", "kubernetes") {
                return Ok(End::Reserved(Reserved::KubeApiserver));
            }
            let reason = format!(
                "`{address}` is the address of Service {}/{}",
                service.namespace, service.name
            );
            let hint = "policies apply to the pods behind a Service; name one of them, with the port of the pod";
            return Err(CliError::argument(argument, reason, hint));
        }
        return Ok(End::Address(address));
    }
    if let Some(name) = text.strip_prefix("entity:") {
        return entity(name).map_err(|reason| {
            CliError::argument(
                argument,
                reason,
                "one of: health, host, ingress, init, kube-apiserver, remote-node, unmanaged, world",
            )
        });
    }
    if let Some(name) = text.strip_prefix("dns:") {
        if argument.contains("from") {
            return Err(wrong(format!("`{text}` is a DNS name, which cannot be a client")));
        }
        NamePattern::name(name).map_err(|_| wrong(format!("`{name}` is not a DNS name")))?;
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
        None if Entity::NAMES.contains(&name) => Err(format!("entity `{name}` is not a single endpoint")),
        None => Err(match near_match(name, Entity::NAMES) {
            Some(near) => format!("unknown entity `{name}`; did you mean `{near}`?"),
            None => format!("unknown entity `{name}`"),
        }),
    }
}
