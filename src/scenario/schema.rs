//! The form of an experiment file: its keys, each with the place where it was written.
//!
//! Belongs here: types that mirror the file, one to one, and their reading. Does not belong here: what the values mean
//! (`values`), what a design inherits (`layers`) and which names exist (`faults`, `script`, `world`). Scalars stay
//! texts until then, so that every complaint can quote what was written.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::factors::form::{FactorForm, SamplingForm};
use super::stopping::StoppingForm;
use super::yaml::Spanned;

/// A scalar as it was written, with its place.
pub type Text = Spanned<String>;

/// An experiment file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Version of this form, 1.
    pub meshfault: Text,
    /// One line that says what is simulated.
    pub title: String,
    /// What the experiment shall answer.
    pub question: String,
    /// The end of every run.
    pub horizon: Text,
    /// Runs of each design; absent if `stopping` says when there are enough.
    pub replications: Option<Text>,
    /// When enough runs have been made.
    pub stopping: Option<Spanned<StoppingForm>>,
    /// Master seed.
    pub seed: Option<Text>,
    /// Experiments with one seed group meet the same misfortunes; the default is the file's name.
    pub seed_group: Option<Text>,
    /// Whether designs and points meet the same misfortunes: `common`, the default, or `independent`.
    pub random_numbers: Option<Text>,
    /// How events of different sources at one instant are ordered: `ranked`, the default, or `permuted`.
    pub tie_order: Option<Text>,
    /// What ends a run as failed.
    #[serde(default)]
    pub limits: Limits,
    /// The cluster of all designs.
    #[serde(default)]
    pub cluster: Cluster,
    /// Folder of manifests, relative to the file.
    pub manifests: Text,
    /// Which layers enforce their policies: `network`, `mesh`.
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
    /// What is measured.
    #[serde(default)]
    pub measures: Measures,
    /// Parameters that differ from the models, in all designs.
    #[serde(default)]
    pub parameters: Pairs<Spanned<Setting>>,
    /// What is varied besides the design.
    #[serde(default)]
    pub factors: Pairs<FactorForm>,
    /// How ranges of factors without steps are sampled.
    pub sampling: Option<SamplingForm>,
    /// What has to hold at a point: expressions over names of factors.
    #[serde(default)]
    pub constraints: Vec<Text>,
    /// The designs that are compared.
    pub designs: Vec<Design>,
}

/// What ends a run as failed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Most events.
    pub events_max: Option<Text>,
    /// Most events at one instant.
    pub events_per_instant_max: Option<Text>,
    /// Most pending events.
    pub pending_max: Option<Text>,
    /// Most memory of a run by its own estimate, in MiB.
    pub memory_max_mib: Option<Text>,
}

/// One design: what differs from the rest of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Design {
    /// Its name in results.
    pub name: Text,
    /// One line that says what it is.
    pub title: Option<String>,
    /// What differs in the cluster.
    #[serde(default)]
    pub cluster: Cluster,
    /// Which layers enforce their policies.
    pub policies_in_force: Option<Vec<Text>>,
    /// What differs in the options.
    #[serde(default)]
    pub options: Pairs<Text>,
    /// What differs in the faults.
    #[serde(default)]
    pub faults: Pairs<Fault>,
    /// What differs in the parameters.
    #[serde(default)]
    pub parameters: Pairs<Spanned<Setting>>,
    /// The factors that it takes; without it all.
    pub factors: Option<Vec<Text>>,
}

/// The cluster, or what differs in it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Version of Kubernetes.
    pub kubernetes: Option<Text>,
    /// Nodes, control plane included.
    pub nodes: Option<Text>,
    /// How many of them are control-plane nodes.
    pub control_plane_nodes: Option<Text>,
    /// Length of a node's pod address prefix.
    pub node_prefix_length: Option<Text>,
    /// Cilium.
    #[serde(default)]
    pub cilium: Cilium,
    /// Istio, or `none`.
    pub istio: Option<Spanned<Istio>>,
}

/// Cilium, or what differs in it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cilium {
    /// Version of Cilium.
    pub version: Option<Text>,
    /// `vxlan` or `native`.
    pub routing: Option<Text>,
    /// `none` or `wireguard`.
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
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mesh {
    /// Version of Istio.
    pub version: Option<Text>,
    /// Replicas of Istiod.
    pub replicas: Option<Text>,
}

/// A fault, or what differs in it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Connections that are cut.
    #[serde(default)]
    pub cut: Cut,
    /// Starts by itself at this time of the run; without it a step starts it.
    pub at: Option<Text>,
    /// Ends by itself after this span.
    #[serde(rename = "for")]
    pub duration: Option<Text>,
}

/// A cut, or what differs in it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// The node that hosts the first pod of this workload when the fault starts.
    pub node_of: Option<Text>,
    /// A node by name.
    pub node: Option<Text>,
    /// An Istiod by its ordinal.
    pub istiod: Option<Text>,
    /// Whose connections to the API server are cut there.
    pub parties: Option<Vec<Text>>,
    /// `drop`, `reject` or `replies_only`.
    pub mode: Option<Text>,
}

/// One step of the script.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Creates Deployments.
    Apply(Vec<Text>),
    /// Waits until all pods of some workloads are ready.
    WaitReady(WaitReady),
    /// Waits.
    Pause(Text),
    /// Remembers the addresses of a workload's pods.
    RememberIps(Text),
    /// Starts a fault.
    StartFault(Text),
    /// Ends a fault.
    EndFault(Text),
    /// Scales a Deployment.
    Scale(Scale),
    /// Restarts a Deployment and waits for it.
    RolloutRestart(RolloutRestart),
    /// Looks for a pod on a remembered address, and restarts the Deployment until there is one.
    FindReuse(FindReuse),
    /// Sends a request.
    Probe(Probe),
    /// Starts churn in the background.
    Churn(Churn),
}

/// Waits until all pods of some workloads are ready.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitReady {
    /// Which.
    pub workloads: Vec<Text>,
    /// After this the script gives up.
    pub timeout: Text,
}

/// Scales a Deployment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Which.
    pub workload: Text,
    /// To how many.
    pub replicas: Text,
}

/// Restarts a Deployment and waits for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutRestart {
    /// Which.
    pub workload: Text,
    /// Longest wait.
    pub deadline: Text,
}

/// Looks for a pod on a remembered address.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindReuse {
    /// Whose pods.
    pub workload: Text,
    /// `at_once` or `after_ips`.
    pub look: Text,
    /// Longest wait for one restart.
    pub rollout_deadline: Text,
    /// Most restarts; without it there is no limit.
    pub rollouts_max: Option<Text>,
}

/// A request of the script.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// A workload, or `found`.
    pub from: Text,
    /// A Service.
    pub to: Text,
    /// HTTP method; the default is GET.
    pub method: Option<Text>,
    /// HTTP path; the default is `/`.
    pub path: Option<Text>,
    /// Time limit of the client.
    pub time_limit: Text,
    /// Tries again this often while the client itself is not up, or `never`, which is the default.
    pub retry_until_up: Option<Text>,
}

/// Pods that come and go by themselves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// Pods created per time, `20/s`.
    pub rate: Text,
    /// Law of a pod's life.
    pub lifetime: Spanned<Setting>,
    /// When it starts, in the list `churn` only; the default is the start of the run.
    pub from: Option<Text>,
    /// How long pods are created.
    #[serde(rename = "for")]
    pub duration: Text,
    /// Service accounts among which the pods are spread; the default is 1.
    pub service_accounts: Option<Text>,
}

/// What is measured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measures {
    /// Start-up of pods.
    pub startup: Option<Startup>,
    /// Exposure of servers.
    pub exposure: Option<Exposure>,
    /// A pod that its connections to the control plane cost at least this much counts as delayed; the default is 20s.
    pub delayed_threshold: Option<Text>,
}

/// Start-up of pods.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Startup {
    /// Whose pods.
    pub workloads: Vec<Text>,
    /// Only pods that are wished from the step on that starts this fault; without it all.
    pub since: Option<Text>,
}

/// Exposure of servers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exposure {
    /// Workloads whose addresses are watched.
    pub clients: Vec<Text>,
    /// Workloads at which an access is judged.
    pub servers: Vec<Text>,
    /// Port of the servers.
    pub port: Text,
}

/// A value of a parameter: one scalar, or a law.
#[derive(Clone, Debug)]
pub enum Setting {
    /// A span, number or switch, as it was written.
    Scalar(String),
    /// A law of a span of time.
    Law(Box<LawForm>),
}

/// A law of a span of time.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LawForm {
    /// Always the same.
    Constant(Text),
    /// Uniform between two ends.
    Uniform {
        /// Lower end.
        min: Text,
        /// Upper end.
        max: Text,
    },
    /// Log-normal, cut at `max`.
    LogNormal {
        /// Median.
        median: Text,
        /// 99th percentile.
        p99: Text,
        /// Upper bound.
        max: Text,
    },
    /// Exponential, cut at `max`.
    Exponential {
        /// Mean.
        mean: Text,
        /// Upper bound.
        max: Text,
    },
    /// Weibull, cut at `max`.
    Weibull {
        /// The 63rd percentile.
        scale: Text,
        /// Below 1 for what goes on the longer the longer it has lasted, above 1 for what wears out.
        shape: Text,
        /// Upper bound.
        max: Text,
    },
    /// Measured quantiles, linear in between.
    Quantiles {
        /// The least.
        min: Text,
        /// Median.
        p50: Text,
        /// 90th percentile.
        p90: Text,
        /// 99th percentile.
        p99: Text,
        /// The greatest.
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
    "a value or a law such as {uniform: {min: 1s, max: 2s}}",
    Setting::Scalar,
    Setting::Law
);
scalar_or_map!(
    Istio,
    "`none` or a map with version and replicas",
    Istio::Word,
    Istio::Mesh
);
