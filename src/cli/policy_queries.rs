//! Questions to a policy set, as a file holds them.
//!
//! Belongs here: their form and what is wrong with it. Does not belong here: whom the names mean (`policy`).

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};

use super::error::CliError;
use super::load;
use crate::policy::Protocol;
use crate::scenario::yaml;

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Transport {
    #[default]
    #[serde(rename = "TCP", alias = "tcp")]
    Tcp,
    #[serde(rename = "UDP", alias = "udp")]
    Udp,
    #[serde(rename = "SCTP", alias = "sctp")]
    Sctp,
}

impl From<Transport> for Protocol {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => Self::Tcp,
            Transport::Udp => Self::Udp,
            Transport::Sctp => Self::Sctp,
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// What the answer is found by again; any JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<serde_json::Value>,
    /// The client: a workload or pod, `ip:ADDRESS`, `entity:NAME`.
    pub from: String,
    /// The server: as the client, or `dns:NAME`.
    pub to: String,
    pub port: u16,
    /// Transport protocol; TCP where none is written.
    #[serde(default, deserialize_with = "or_default")]
    pub protocol: Transport,
    /// HTTP method; with a method, a path or header fields the question is about a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
}

impl Query {
    pub fn of(from: String, to: String, port: u16, protocol: Protocol) -> Self {
        Self {
            id: None,
            from,
            to,
            port,
            protocol: match protocol {
                Protocol::Tcp => Transport::Tcp,
                Protocol::Udp => Transport::Udp,
                Protocol::Sctp => Transport::Sctp,
            },
            method: None,
            path: None,
            headers: None,
        }
    }

    pub fn with_request(mut self, method: &str, path: &str) -> Self {
        (self.method, self.path) = (Some(method.to_owned()), Some(path.to_owned()));
        self
    }

    pub fn is_http(&self) -> bool {
        self.method.is_some() || self.path.is_some() || self.headers.is_some()
    }

    pub fn header_fields(&self) -> Vec<(String, String)> {
        let fields = self.headers.iter().flatten();
        fields
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect()
    }
}

/// A value, or its default for `null`.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

pub(super) fn read(file: &Path) -> Result<Vec<Query>, CliError> {
    let wrong = |reason: String| {
        CliError::argument(
            "--queries",
            format!("{}: {reason}", file.display()),
            "a JSON array of {\"id\",\"from\",\"to\",\"port\",\"protocol\",\"method\",\"path\",\"headers\"}",
        )
    };
    let text = yaml::read_text(file).map_err(|error| load::wrong(vec![error]))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}
