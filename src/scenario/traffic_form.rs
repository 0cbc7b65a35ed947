//! The form of the traffic of an experiment: keys with the places where they were written.
//!
//! Belongs here: types that mirror the file, as in `schema`. Does not belong here: what the keys mean together (`traffic`).

use schemars::JsonSchema;
use serde::Deserialize;

use super::json_schema as form;
use super::schema::Text;
use super::yaml::Spanned;

/// Requests between workloads, sent at random times.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Flows of requests.
    #[serde(default)]
    pub flows: Vec<Spanned<Flow>>,
    /// A flow from each workload to each Service of another one, whether the policies admit it or not.
    pub from_policies: Option<Spanned<FromPolicies>>,
}

/// Requests of the pods of a workload to a Service.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Its name in results, which chooses its random numbers.
    #[schemars(with = "form::Name")]
    pub name: Text,
    /// The workload whose pods send them.
    pub from: Text,
    /// A Service.
    pub to: Text,
    /// Requests of each pod per time, `5/s`; they are a Poisson process.
    #[schemars(with = "form::OrOption<form::Rate>")]
    pub rate: Text,
    /// HTTP method; the default is GET.
    #[schemars(with = "Option<form::OrOption<form::Method>>")]
    pub method: Option<Text>,
    /// HTTP path; the default is `/`.
    #[schemars(with = "Option<form::OrOption<form::HttpPath>>")]
    pub path: Option<Text>,
    /// Time limit of the client for each attempt.
    #[schemars(with = "form::OrOption<form::PositiveSpan>")]
    pub time_limit: Text,
    /// Connections that a client without a sidecar keeps; without it each attempt opens one.
    pub connections: Option<Connections>,
    /// How a request without an answer is sent again; without it it is not.
    pub retries: Option<Retries>,
    /// When a pod sends its first request: `container`, as soon as its containers run, or `ready`, the default.
    #[schemars(with = "Option<form::OrOption<form::FirstRequest>>")]
    pub first_request: Option<Text>,
    /// When the flow begins; the default is the start of the run.
    #[schemars(with = "Option<form::OrOption<form::Span>>")]
    pub begin: Option<Text>,
    /// For how long it lasts; the default is to the end of the run.
    #[serde(rename = "for")]
    #[schemars(with = "Option<form::OrOption<form::PositiveSpan>>")]
    pub duration: Option<Text>,
}

/// A flow from each workload to each Service of another one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FromPolicies {
    /// Requests of each pod per time where the policies admit them.
    #[schemars(with = "form::OrOption<form::Rate>")]
    pub rate: Text,
    /// The same where the policies refuse them: the attackers; the default is `rate`.
    #[schemars(with = "Option<form::OrOption<form::Rate>>")]
    pub denied_rate: Option<Text>,
    /// Time limit of the client for each attempt.
    #[schemars(with = "form::OrOption<form::PositiveSpan>")]
    pub time_limit: Text,
    /// Connections that a client without a sidecar keeps; without it each attempt opens one.
    pub connections: Option<Connections>,
    /// How a request without an answer is sent again; without it it is not.
    pub retries: Option<Retries>,
    /// When a pod sends its first request: `container`, as soon as its containers run, or `ready`, the default.
    #[schemars(with = "Option<form::OrOption<form::FirstRequest>>")]
    pub first_request: Option<Text>,
    /// When the flows begin; the default is the start of the run.
    #[schemars(with = "Option<form::OrOption<form::Span>>")]
    pub begin: Option<Text>,
    /// For how long they last; the default is to the end of the run.
    #[serde(rename = "for")]
    #[schemars(with = "Option<form::OrOption<form::PositiveSpan>>")]
    pub duration: Option<Text>,
}

/// Connections that a client keeps.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    /// How many each pod has; its requests take them in turn.
    #[schemars(with = "form::OrOption<form::Count>")]
    pub per_pod: Text,
    /// How long the client uses one; without it until it breaks.
    #[schemars(with = "Option<form::OrOption<form::PositiveSpan>>")]
    pub life: Option<Text>,
}

/// How a request without an answer is sent again.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retries {
    /// How often.
    #[schemars(with = "form::OrOption<form::Count>")]
    pub times: Text,
    /// From the end of an attempt to the next one; the default is 25ms.
    #[schemars(with = "Option<form::OrOption<form::Span>>")]
    pub delay: Option<Text>,
}
