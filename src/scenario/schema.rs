//! The form of an experiment file: its keys, each with the place where it was written.
//!
//! Belongs here: types that mirror the file, one to one, and their reading. Does not belong here: what the values mean
//! (`values`), what a design inherits (`layers`) and which names exist (`faults`, `script`, `world`). Scalars stay
//! texts until then, so that every complaint can quote what was written. This is the only list of keys: what `--set` and
//! factors can change follows from it (`keys`), apart from what is marked by `x-scope`.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::factors::form::{FactorForm, SamplingForm};
pub use super::fault_form::Fault;
use super::json_schema as form;
pub use super::operator_forms::{AtNode, DeletePods, Drain, Repeat, Taint, Track, Wait};
use super::stopping::StoppingForm;
use super::yaml::Spanned;

/// A scalar as it was written, with its place.
pub type Text = Spanned<String>;

/// An experiment file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-one-of" = ["replications", "stopping"]))]
pub struct Experiment {
    /// Version of this form, 1.
    #[schemars(with = "form::Form", extend("x-scope" = "file"))]
    pub meshfault: Text,
    /// One-line title of the simulation.
    #[schemars(with = "Text", extend("x-scope" = "experiment"))]
    pub title: String,
    /// What the experiment shall answer.
    #[schemars(with = "Text", extend("x-scope" = "experiment"))]
    pub question: String,
    /// The end of every run.
    #[schemars(with = "form::PositiveSpan", extend("x-scope" = "experiment"))]
    pub horizon: Text,
    /// Wall-clock time in UTC at which every run begins, which the schedules of CronJobs follow.
    #[schemars(extend("x-scope" = "experiment"))]
    pub begins_at: Option<Text>,
    /// Runs of each design; absent if `stopping` is set.
    #[schemars(with = "Option<form::Count>", extend("x-scope" = "experiment"))]
    pub replications: Option<Text>,
    /// When enough runs have been made.
    #[schemars(extend("x-scope" = "experiment"))]
    pub stopping: Option<Spanned<StoppingForm>>,
    /// Master seed.
    #[schemars(with = "Option<form::Whole>", extend("x-scope" = "experiment"))]
    pub seed: Option<Text>,
    /// Experiments with the same seed group use the same random events; the default is `meshfault`.
    #[schemars(extend("x-scope" = "experiment"))]
    pub seed_group: Option<Text>,
    /// Whether designs and points use the same random events: `common`, the default, or `independent`.
    #[schemars(extend("x-scope" = "experiment"))]
    pub random_numbers: Option<Text>,
    /// How events of different sources at one instant are ordered: `ranked`, the default, or `permuted`.
    #[schemars(with = "Option<form::TieOrder>", extend("x-scope" = "experiment"))]
    pub tie_order: Option<Text>,
    /// What ends a run as failed.
    #[serde(default)]
    #[schemars(extend("x-scope" = "experiment"))]
    pub limits: Limits,
    /// The cluster of all designs.
    #[serde(default)]
    pub cluster: Cluster,
    /// Folder of manifests, relative to the file.
    #[schemars(extend("x-scope" = "experiment"))]
    pub manifests: Text,
    /// Files and folders of the manifests that are not read, by name or path; `*`, `**` and `?` are wildcards.
    #[schemars(extend("x-scope" = "experiment"))]
    pub exclude: Option<Vec<Text>>,
    /// Whether what is not modeled in the manifests is a warning: `true` or `false`, the default, with which it is an error.
    #[schemars(with = "Option<bool>", extend("x-scope" = "experiment"))]
    pub lenient: Option<Text>,
    /// Which layers enforce their policies: `network`, `mesh`; without it all that the design has.
    #[schemars(with = "Option<Vec<form::Layer>>")]
    pub policies_in_force: Option<Vec<Text>>,
    /// Values that the script and the faults name as `$name`, and that designs set.
    #[serde(default)]
    pub options: Pairs<Text>,
    /// Faults by name.
    #[serde(default)]
    pub faults: Pairs<Fault>,
    /// What happens, step after step.
    #[serde(default)]
    pub script: Vec<Spanned<Step>>,
    /// Background churn that starts by itself.
    #[serde(default)]
    pub churn: Vec<Spanned<Churn>>,
    /// Requests between workloads, sent at random times.
    #[serde(default)]
    pub traffic: super::traffic_form::Traffic,
    /// The nodes on which the first pods of a workload start, a name for each pod; the scheduler places all others.
    #[serde(default)]
    #[schemars(extend("x-scope" = "experiment"))]
    pub placement: Pairs<Vec<Text>>,
    /// Workloads whose pods run when a run begins, as if they had been applied long before; `"*"` stands for all of them
    /// but Jobs and CronJobs, which the script applies.
    #[serde(default)]
    #[schemars(extend("x-scope" = "experiment"))]
    pub running: Vec<Text>,
    /// What is measured.
    #[serde(default)]
    #[schemars(extend("x-scope" = "experiment"))]
    pub measures: Measures,
    /// What is expected of the result.
    #[serde(default)]
    #[schemars(extend("x-scope" = "experiment"))]
    pub expectations: super::expectations::Written,
    /// How large a difference of a measure may be and still not matter when designs are weighed: `unauthorized_any: 0.5%`.
    #[serde(default)]
    #[schemars(extend("x-scope" = "experiment"))]
    pub margins: Pairs<Text>,
    /// What was published about what this experiment reproduces; its reports set their own results beside it.
    #[schemars(extend("x-scope" = "experiment"))]
    pub published: Option<Published>,
    /// Parameters that differ from the models, in all designs.
    #[serde(default)]
    #[schemars(with = "form::Parameters")]
    pub parameters: Pairs<Spanned<Setting>>,
    /// What is varied in addition to the design.
    #[serde(default)]
    #[schemars(extend("x-scope" = "file"))]
    pub factors: Pairs<FactorForm>,
    /// How ranges of factors without steps are sampled.
    #[schemars(extend("x-scope" = "experiment"))]
    pub sampling: Option<SamplingForm>,
    /// What has to hold at a point: expressions over names of factors.
    #[serde(default)]
    #[schemars(extend("x-scope" = "experiment"))]
    pub constraints: Vec<Text>,
    /// The designs that are compared.
    #[schemars(length(min = 1), extend("x-scope" = "file"))]
    pub designs: Vec<Design>,
}

/// What was published about the subject of an experiment.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// How long the slow pods took to start.
    #[schemars(with = "form::PositiveSpan")]
    pub startup: Text,
    /// The statement, after "published: ".
    pub text: Text,
    /// Where it was published, with its date.
    pub source: Text,
}

/// What ends a run as failed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Most events.
    #[schemars(with = "Option<form::Count>")]
    pub events_max: Option<Text>,
    /// Most events at one instant.
    #[schemars(with = "Option<form::Count>")]
    pub events_per_instant_max: Option<Text>,
    /// Most pending events.
    #[schemars(with = "Option<form::Count>")]
    pub pending_max: Option<Text>,
    /// Most memory of a run by its own estimate, in MiB.
    #[schemars(with = "Option<form::Count>")]
    pub memory_max_mib: Option<Text>,
}

/// One design: what differs from the rest of the file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Design {
    /// Its name in results.
    #[schemars(with = "form::Name")]
    pub name: Text,
    /// One-line title.
    #[schemars(with = "Option<Text>")]
    pub title: Option<String>,
    /// What it costs, a number and a unit, by whatever the experiment counts.
    pub cost: Option<Text>,
    /// The design that it is compared with; without it the one named `control`, if there is one.
    pub control: Option<Text>,
    /// What differs in the cluster.
    #[serde(default)]
    pub cluster: Cluster,
    /// Which layers enforce their policies.
    #[schemars(with = "Option<Vec<form::Layer>>")]
    pub policies_in_force: Option<Vec<Text>>,
    /// What differs in the options.
    #[serde(default)]
    pub options: Pairs<Text>,
    /// What differs in the faults.
    #[serde(default)]
    pub faults: Pairs<Fault>,
    /// What differs in the parameters.
    #[serde(default)]
    #[schemars(with = "form::Parameters")]
    pub parameters: Pairs<Spanned<Setting>>,
    /// The factors that it takes; without it all.
    pub factors: Option<Vec<Text>>,
}

/// The cluster, or what differs in it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-one-of" = ["nodes", "node_pools"]))]
pub struct Cluster {
    /// Version of Kubernetes.
    #[schemars(with = "Option<form::Version>")]
    pub kubernetes: Option<Text>,
    /// Nodes, control plane included.
    #[schemars(with = "Option<form::Count>")]
    pub nodes: Option<Text>,
    /// Pools of workers that are alike, in their order, in place of `nodes`: capacity, labels, taints and zones.
    #[serde(default)]
    pub node_pools: Vec<Spanned<NodePool>>,
    /// How many of them are control-plane nodes.
    #[schemars(with = "Option<form::Count>")]
    pub control_plane_nodes: Option<Text>,
    /// Zones; the control-plane nodes, and the workers, are spread over them in turn.
    #[schemars(with = "Option<form::Count>")]
    pub zones: Option<Text>,
    /// API servers; each client is connected to one of them, drawn at random.
    #[schemars(with = "Option<form::Count>")]
    pub api_servers: Option<Text>,
    /// Replicas of CoreDNS; with 0, the default, names cost nothing.
    #[schemars(with = "Option<form::Whole>")]
    pub coredns: Option<Text>,
    /// Requests to them of clients that are not modeled.
    #[serde(default)]
    pub load: Vec<Spanned<Load>>,
    /// Length of a node's pod address prefix.
    #[schemars(with = "Option<form::Count>")]
    pub node_prefix_length: Option<Text>,
    /// Cilium.
    #[serde(default)]
    pub cilium: Cilium,
    /// Istio, or `none`.
    pub istio: Option<Spanned<Istio>>,
}

/// Workers that are alike.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodePool {
    /// Its name.
    #[schemars(with = "form::Name")]
    pub name: Text,
    /// How many workers it has.
    #[schemars(with = "form::OrOption<form::Count>")]
    pub nodes: Text,
    /// What of a node's processors pods may request, in cores or as Kubernetes has it, `3500m`; without it there is no limit.
    #[schemars(with = "Option<form::OrOption<form::Quantity>>")]
    pub cpu: Option<Text>,
    /// What of a node's memory pods may request, `15Gi`; without it there is no limit.
    #[schemars(with = "Option<form::OrOption<form::Quantity>>")]
    pub memory: Option<Text>,
    /// Labels of its nodes beside name, zone and operating system.
    #[serde(default)]
    pub labels: Pairs<Text>,
    /// Taints of its nodes.
    #[serde(default)]
    pub taints: Vec<Spanned<PoolTaint>>,
    /// The zone of all its nodes, `zone-1`; without it they are spread over the zones in turn.
    pub zone: Option<Text>,
}

/// A taint of the nodes of a pool.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolTaint {
    /// Its key.
    pub key: Text,
    /// Its value; empty without it.
    pub value: Option<Text>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    #[schemars(with = "form::OrOption<form::TaintEffect>")]
    pub effect: Text,
}

/// Requests of one sort to the API servers, which come at random times.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Its name, which chooses its random numbers.
    #[schemars(with = "form::Name")]
    pub name: Text,
    /// Priority level of the requests: `system`, `node-high`, `workload-high`, `workload-low` or `global-default`.
    #[schemars(with = "form::OrOption<form::ApiLevel>")]
    pub level: Text,
    /// `get`, `list`, `create`, `update`, `patch` or `delete`.
    #[schemars(with = "form::OrOption<form::ApiVerb>")]
    pub verb: Text,
    /// Requests per time to all API servers together, `80/s`.
    #[schemars(with = "form::OrOption<form::Rate>")]
    pub rate: Text,
    /// Objects of a list; the default is 1.
    #[schemars(with = "Option<form::OrOption<form::Count>>")]
    pub objects: Option<Text>,
    /// Users that send them, each with queues of its own; the default is 1.
    #[schemars(with = "Option<form::OrOption<form::Count>>")]
    pub users: Option<Text>,
    /// Processor time of one request; the default follows from its objects.
    #[schemars(with = "Option<form::OrOption<form::PositiveSpan>>")]
    pub work: Option<Text>,
    /// When they begin; the default is the start of the run.
    #[schemars(with = "Option<form::OrOption<form::Span>>")]
    pub from: Option<Text>,
    /// For how long they come; the default is to the end of the run.
    #[serde(rename = "for")]
    #[schemars(with = "Option<form::OrOption<form::PositiveSpan>>")]
    pub duration: Option<Text>,
}

/// Cilium, or what differs in it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cilium {
    /// Version of Cilium.
    #[schemars(with = "Option<form::Version>")]
    pub version: Option<Text>,
    /// `vxlan` or `native`.
    #[schemars(with = "Option<form::Routing>")]
    pub routing: Option<Text>,
    /// `none` or `wireguard`.
    #[schemars(with = "Option<form::Encryption>")]
    pub encryption: Option<Text>,
}

/// Istio, or what differs in it.
#[derive(Clone, Debug)]
pub enum Istio {
    /// A word in place of a map; only `none` is allowed.
    Word(String),
    /// The mesh.
    Mesh(Mesh),
}

/// An Istio mesh, or what differs in it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mesh {
    /// Version of Istio.
    #[schemars(with = "Option<form::Version>")]
    pub version: Option<Text>,
    /// Replicas of Istiod.
    #[schemars(with = "Option<form::Count>")]
    pub replicas: Option<Text>,
}

/// One step of the script.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Creates Deployments, or gives them the replicas of their manifests again; `"*"` stands for all of them.
    Apply(Vec<Text>),
    /// Waits until all pods of some workloads are ready.
    WaitReady(WaitReady),
    /// Waits.
    Pause(#[schemars(with = "form::OrOption<form::Span>")] Text),
    /// Remembers the addresses of a workload's pods.
    RememberIps(Text),
    /// Starts a fault.
    StartFault(Text),
    /// Ends a fault.
    EndFault(Text),
    /// Scales a Deployment.
    Scale(Scale),
    /// Restarts a Deployment or a DaemonSet, and waits for it.
    RolloutRestart(RolloutRestart),
    /// Looks for a pod on a remembered address, and restarts the Deployment until there is one.
    FindReuse(FindReuse),
    /// Sends a request.
    Probe(Probe),
    /// Starts churn in the background.
    Churn(Churn),
    /// Deletes Deployments; `"*"` stands for all that exist.
    Delete(Vec<Text>),
    /// Deletes pods of a workload, which are then replaced.
    DeletePods(DeletePods),
    /// Lets a node take no more pods.
    Cordon(AtNode),
    /// Lets a cordoned node take pods again.
    Uncordon(AtNode),
    /// Sets a taint, or removes it.
    Taint(Taint),
    /// Cordons a node, evicts its pods and waits until they are gone.
    Drain(Drain),
    /// Waits until something is so.
    Wait(Wait),
    /// Repeats steps.
    Repeat(Repeat),
    /// Runs tracks side by side; the next step comes when all of them have ended.
    Parallel(Vec<Track>),
}

/// Waits until all pods of some workloads are ready.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitReady {
    /// Which.
    pub workloads: Vec<Text>,
    /// After this the script stops.
    #[schemars(with = "form::OrOption<form::PositiveSpan>")]
    pub timeout: Text,
}

/// Scales a Deployment.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Which.
    pub workload: Text,
    /// To how many.
    #[schemars(with = "form::OrOption<form::Whole>")]
    pub replicas: Text,
}

/// Restarts a Deployment or a DaemonSet; one of the keys from `workload` to `daemonset` is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-one-of" = ["workload", "deployment", "daemonset"]))]
pub struct RolloutRestart {
    /// A workload.
    pub workload: Option<Text>,
    /// A workload, or `istiod` or `coredns`; in a design without Istio or CoreDNS nothing is done.
    pub deployment: Option<Text>,
    /// `cilium_agent` or `service_proxy`.
    #[schemars(with = "Option<form::OrOption<form::DaemonSet>>")]
    pub daemonset: Option<Text>,
    /// Most pods of the DaemonSet that may be unavailable, a number or a share of the nodes, which is rounded up; the default is 2 for
    /// `cilium_agent`, as in Cilium's chart, and 1 for `service_proxy`.
    #[schemars(with = "Option<form::OrOption<form::Amount>>")]
    pub max_unavailable: Option<Text>,
    /// Longest wait; without it the next step comes at once.
    #[schemars(with = "Option<form::OrOption<form::PositiveSpan>>")]
    pub deadline: Option<Text>,
}

/// Looks for a pod on a remembered address.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindReuse {
    /// Whose pods.
    pub workload: Text,
    /// `at_once` or `after_ips`.
    #[schemars(with = "form::OrOption<form::Look>")]
    pub look: Text,
    /// Longest wait for one restart.
    #[schemars(with = "form::OrOption<form::PositiveSpan>")]
    pub rollout_deadline: Text,
    /// Most restarts; without it there is no limit.
    #[schemars(with = "Option<form::OrOption<form::Whole>>")]
    pub rollouts_max: Option<Text>,
}

/// A request of the script.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// A workload, or `found`.
    pub from: Text,
    /// A Service.
    pub to: Text,
    /// HTTP method; the default is GET.
    #[schemars(with = "Option<form::OrOption<form::Method>>")]
    pub method: Option<Text>,
    /// HTTP path; the default is `/`.
    #[schemars(with = "Option<form::OrOption<form::HttpPath>>")]
    pub path: Option<Text>,
    /// Time limit of the client.
    #[schemars(with = "form::OrOption<form::PositiveSpan>")]
    pub time_limit: Text,
    /// Tries again this often while the client itself is not up, or `never`, which is the default.
    #[schemars(with = "Option<form::OrOption<form::SpanOrNever>>")]
    pub retry_until_up: Option<Text>,
}

/// Pods that come and go by themselves.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// Pods created per time, `20/s`.
    #[schemars(with = "form::OrOption<form::Rate>")]
    pub rate: Text,
    /// Distribution of a pod's life.
    #[schemars(with = "form::Distribution")]
    pub lifetime: Spanned<Setting>,
    /// When it starts, in the list `churn` only; the default is the start of the run.
    #[schemars(with = "Option<form::OrOption<form::Span>>")]
    pub from: Option<Text>,
    /// How long pods are created.
    #[serde(rename = "for")]
    #[schemars(with = "form::OrOption<form::PositiveSpan>")]
    pub duration: Text,
    /// Service accounts among which the pods are spread; the default is 1.
    #[schemars(with = "Option<form::OrOption<form::Count>>")]
    pub service_accounts: Option<Text>,
}

/// What is measured.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measures {
    /// Startup of pods.
    pub startup: Option<Startup>,
    /// Exposure of servers: who is watched, or `all` for all workloads and all servers of Services.
    pub exposure: Option<Spanned<Exposure>>,
    /// Rates of traffic for which unauthorized accesses are computed from the exposure; the default is 1/s.
    pub traffic_rates: Option<Vec<Text>>,
    /// The measures that answer the question, by the names of `list measures`: they come first in the answer, the table of designs,
    /// figures over factors and comparisons. Without them these are about access and startup.
    pub headline: Option<Vec<Text>>,
    /// A pod that lost at least this much to connections to the control plane, limits, refusals and nodes that started no pods counts as delayed; the default is 20s.
    #[schemars(with = "Option<form::PositiveSpan>")]
    pub delayed_threshold: Option<Text>,
}

/// Startup of pods.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Startup {
    /// Whose pods.
    pub workloads: Vec<Text>,
    /// Only pods that become desired after the step that starts this fault; without it, all.
    pub since: Option<Text>,
    /// Only the pods before the first restart, so that every run measures the same ones: `true` or `false`, the default.
    #[schemars(with = "Option<bool>")]
    pub first_batch: Option<Text>,
}

/// Exposure of servers, watched between all workloads or between some.
#[derive(Clone, Debug)]
pub enum Exposure {
    /// A word in place of a map; only `all` is allowed.
    Word(String),
    /// Some workloads.
    Watched(Watched),
}

/// Workloads between which exposure is watched.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// Workloads whose addresses are watched.
    pub clients: Vec<Text>,
    /// Workloads at which an access is judged.
    pub servers: Vec<Text>,
    /// Port of the servers; without it all ports to which their Services lead.
    #[schemars(with = "Option<form::Count>")]
    pub port: Option<Text>,
}

/// A value of a parameter: one scalar, or a distribution.
#[derive(Clone, Debug)]
pub enum Setting {
    /// A span, number or switch, as it was written.
    Scalar(String),
    /// A distribution of a span of time.
    Distribution(Box<DistributionForm>),
}

/// A distribution of a span of time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DistributionForm {
    /// Always the same.
    Constant(#[schemars(with = "form::Span")] Text),
    /// Uniform between two ends.
    Uniform {
        /// Lower end.
        #[schemars(with = "form::Span")]
        min: Text,
        /// Upper end.
        #[schemars(with = "form::Span")]
        max: Text,
    },
    /// Log-normal, cut at `max`.
    LogNormal {
        /// Median.
        #[schemars(with = "form::PositiveSpan")]
        median: Text,
        /// 99th percentile.
        #[schemars(with = "form::Span")]
        p99: Text,
        /// Upper bound.
        #[schemars(with = "form::Span")]
        max: Text,
    },
    /// Exponential, cut at `max`.
    Exponential {
        /// Mean.
        #[schemars(with = "form::PositiveSpan")]
        mean: Text,
        /// Upper bound.
        #[schemars(with = "form::Span")]
        max: Text,
    },
    /// Weibull, cut at `max`.
    Weibull {
        /// The 63rd percentile.
        #[schemars(with = "form::PositiveSpan")]
        scale: Text,
        /// Below 1 for what goes on the longer the longer it has lasted, above 1 for what wears out.
        #[schemars(with = "form::Number")]
        shape: Text,
        /// Upper bound.
        #[schemars(with = "form::Span")]
        max: Text,
    },
    /// Measured quantiles, linear in between.
    Quantiles {
        /// The least.
        #[schemars(with = "form::Span")]
        min: Text,
        /// Median.
        #[schemars(with = "form::Span")]
        p50: Text,
        /// 90th percentile.
        #[schemars(with = "form::Span")]
        p90: Text,
        /// 99th percentile.
        #[schemars(with = "form::Span")]
        p99: Text,
        /// The greatest.
        #[schemars(with = "form::Span")]
        max: Text,
    },
}

/// A map in the order in which it was written, with the places of its keys.
#[derive(Clone, Debug)]
pub struct Pairs<V>(pub Vec<(Text, V)>);

impl<V> Default for Pairs<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> Pairs<V> {
    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&V> {
        self.0
            .iter()
            .find(|(name, _)| name.value == key)
            .map(|(_, value)| value)
    }

    /// The keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.value.as_str())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<V> {
            type Value = Pairs<V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map (`key: value`)")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<V>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

/// Reads a scalar of any type as its text, or a map by `$map`.
macro_rules! scalar_or_map {
    ($type:ty, $expecting:literal, $scalar:expr, $map:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct AnyVisitor;
                impl<'de> Visitor<'de> for AnyVisitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E>(self, value: &str) -> Result<$type, E> {
                        Ok($scalar(value.to_owned()))
                    }
                    fn visit_bool<E>(self, value: bool) -> Result<$type, E> {
                        Ok($scalar(value.to_string()))
                    }
                    fn visit_i64<E>(self, value: i64) -> Result<$type, E> {
                        Ok($scalar(value.to_string()))
                    }
                    fn visit_u64<E>(self, value: u64) -> Result<$type, E> {
                        Ok($scalar(value.to_string()))
                    }
                    fn visit_f64<E>(self, value: f64) -> Result<$type, E> {
                        Ok($scalar(value.to_string()))
                    }
                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<$type, A::Error> {
                        Deserialize::deserialize(MapAccessDeserializer::new(map)).map($map)
                    }
                }
                deserializer.deserialize_any(AnyVisitor)
            }
        }
    };
}

scalar_or_map!(
    Setting,
    "a value or a distribution such as {uniform: {min: 1s, max: 2s}}",
    Setting::Scalar,
    Setting::Distribution
);
scalar_or_map!(
    Exposure,
    "`all` or a map with clients and servers",
    Exposure::Word,
    Exposure::Watched
);
scalar_or_map!(
    Istio,
    "`none` or a map with version and replicas",
    Istio::Word,
    Istio::Mesh
);
