//! The form of the steps of a script that operators take: keys with the places where they were written.
//!
//! Belongs here: types that mirror the file, as in `schema`. Does not belong here: what the keys mean together (`operators`).

use schemars::JsonSchema;
use serde::Deserialize;

use super::json_schema as form;
use super::schema::{Step, Text};
use super::yaml::Spanned;

/// Deletes pods of a workload.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletePods {
    /// Whose.
    pub workload: Text,
    /// How many, drawn at random; without it all.
    #[schemars(with = "Option<form::OrOption<form::Count>>")]
    pub count: Option<Text>,
}

/// A node; one of the keys is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-one-of" = ["node", "node_of"]))]
pub struct AtNode {
    /// Its name.
    pub node: Option<Text>,
    /// The node of the first pod of this workload, or of `istiod` or `coredns`; if there is no such pod, nothing is done.
    pub node_of: Option<Text>,
}

/// Sets a taint, or removes it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-one-of" = ["node", "node_of"]))]
pub struct Taint {
    /// A node.
    pub node: Option<Text>,
    /// The node of the first pod of this workload.
    pub node_of: Option<Text>,
    /// Its key; the default is `maintenance`.
    pub key: Option<Text>,
    /// Its value; the default is empty.
    pub value: Option<Text>,
    /// `NoSchedule`, `PreferNoSchedule`, or `NoExecute`, which evicts pods of the node, too.
    #[schemars(with = "form::OrOption<form::TaintEffect>")]
    pub effect: Text,
    /// Removes it: `true` or `false`, the default.
    #[schemars(with = "Option<form::OrOption<form::Switch>>")]
    pub remove: Option<Text>,
}

/// Cordons a node, evicts its pods and waits until they are gone.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-one-of" = ["node", "node_of"]))]
pub struct Drain {
    /// A node.
    pub node: Option<Text>,
    /// The node of the first pod of this workload.
    pub node_of: Option<Text>,
    /// Longest wait.
    #[schemars(with = "form::OrOption<form::PositiveSpan>")]
    pub timeout: Text,
    /// What a wait that was too long does: `stop`, the default, ends the script or its track; `go_on` does not.
    #[schemars(with = "Option<form::OrOption<form::OnTimeout>>")]
    pub on_timeout: Option<Text>,
}

/// Waits until something is so; one of the keys from `ready` to `until` is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-one-of" = ["ready", "deployment", "daemonset", "node", "node_of", "job", "until"]))]
pub struct Wait {
    /// All pods of these workloads are ready; `"*"` stands for all that exist.
    pub ready: Option<Vec<Text>>,
    /// The rollout of this workload, or of `istiod` or `coredns`, is complete.
    pub deployment: Option<Text>,
    /// The rollout of this DaemonSet is complete.
    #[schemars(with = "Option<form::OrOption<form::DaemonSet>>")]
    pub daemonset: Option<Text>,
    /// This node is Ready.
    pub node: Option<Text>,
    /// The node of the first pod of this workload is Ready.
    pub node_of: Option<Text>,
    /// This Job is complete; of a CronJob its latest Job.
    pub job: Option<Text>,
    /// A time of the run; with it there is no timeout.
    #[schemars(with = "Option<form::OrOption<form::Span>>")]
    pub until: Option<Text>,
    /// Longest wait; required unless `until` is written.
    #[schemars(with = "Option<form::OrOption<form::PositiveSpan>>")]
    pub timeout: Option<Text>,
    /// What a wait that was too long does: `stop`, the default, ends the script or its track; `go_on` does not.
    #[schemars(with = "Option<form::OrOption<form::OnTimeout>>")]
    pub on_timeout: Option<Text>,
}

/// Repeats steps.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// From the beginning of one repetition to that of the next; one that takes longer is followed at once.
    #[schemars(with = "form::OrOption<form::PositiveSpan>")]
    pub every: Text,
    /// How often; without it until the end of the run.
    #[schemars(with = "Option<form::OrOption<form::Count>>")]
    pub times: Option<Text>,
    /// What is repeated.
    pub steps: Vec<Spanned<Step>>,
}

/// Steps that run beside those of other tracks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// Its name, which chooses its random numbers.
    #[schemars(with = "form::Name")]
    pub name: Text,
    /// What it does.
    pub steps: Vec<Spanned<Step>>,
}
