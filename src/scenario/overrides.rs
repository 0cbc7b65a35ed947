//! Changes from the command line, `--set key=value`: the last layer of every design.
//!
//! Belongs here: which keys exist and how they are written. Does not belong here: what the values mean. Values from
//! here have no place in a file; complaints about them name `--set`.

use std::path::Path;

use serde_saphyr::Location;

use super::error::InputError;
use super::schema::{Churn, Cluster, Istio, Limits, Mesh, Pairs, Setting, Text};
use super::values::COMMAND_LINE;
use super::yaml::{self, Spanned};

/// Keys that can be set, apart from options and parameters.
const KEYS: [&str; 19] = [
    "replications",
    "seed",
    "seed_group",
    "horizon",
    "churn",
    "tie_order",
    "limits.events_max",
    "limits.events_per_instant_max",
    "limits.pending_max",
    "limits.memory_max_mib",
    "cluster.kubernetes",
    "cluster.nodes",
    "cluster.control_plane_nodes",
    "cluster.node_prefix_length",
    "cluster.cilium.version",
    "cluster.cilium.routing",
    "cluster.cilium.encryption",
    "cluster.istio.version",
    "cluster.istio.replicas",
];

/// Changes from the command line.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Runs of each design.
    pub replications: Option<Text>,
    /// Master seed.
    pub seed: Option<Text>,
    /// Seed group.
    pub seed_group: Option<Text>,
    /// The end of every run.
    pub horizon: Option<Text>,
    /// In place of the churn of the file.
    pub churn: Option<Vec<Spanned<Churn>>>,
    /// How ties are ordered.
    pub tie_order: Option<Text>,
    /// What differs in the limits.
    pub limits: Limits,
    /// What differs in the cluster.
    pub cluster: Cluster,
    /// What differs in the options.
    pub options: Pairs<Text>,
    /// What differs in the parameters.
    pub parameters: Pairs<Spanned<Setting>>,
    /// All changes as they were written, in order.
    pub written: Vec<String>,
}

impl Overrides {
    /// Reads a list of `key=value`; of equal keys the last one counts.
    ///
    /// # Errors
    /// If there is no such key, or a value cannot be read.
    pub fn parse<S: AsRef<str>>(changes: &[S]) -> Result<Self, InputError> {
        let mut overrides = Self::default();
        for change in changes {
            overrides.set(change.as_ref())?;
            overrides.written.push(change.as_ref().to_owned());
        }
        Ok(overrides)
    }

    fn set(&mut self, change: &str) -> Result<(), InputError> {
        let wrong = |message: String| InputError::in_file(Path::new(COMMAND_LINE), message);
        let Some((key, value)) = change.split_once('=') else {
            return Err(wrong(format!("`{change}` changes nothing"))
                .with_hint("write `key=value`, such as `cluster.nodes=400`"));
        };
        let (key, value) = (key.trim(), text(value.trim()));
        let istio = |cluster: &mut Cluster, set: &dyn Fn(&mut Mesh)| {
            let mut mesh = match cluster.istio.take().map(|istio| istio.value) {
                Some(Istio::Mesh(mesh)) => mesh,
                _ => Mesh::default(),
            };
            set(&mut mesh);
            cluster.istio = Some(unplaced(Istio::Mesh(mesh)));
        };
        match key {
            "replications" => self.replications = Some(value),
            "seed" => self.seed = Some(value),
            "seed_group" => self.seed_group = Some(value),
            "horizon" => self.horizon = Some(value),
            "churn" => self.churn = Some(churn(&value.value)?),
            "tie_order" => self.tie_order = Some(value),
            "limits.events_max" => self.limits.events_max = Some(value),
            "limits.events_per_instant_max" => self.limits.events_per_instant_max = Some(value),
            "limits.pending_max" => self.limits.pending_max = Some(value),
            "limits.memory_max_mib" => self.limits.memory_max_mib = Some(value),
            "cluster.kubernetes" => self.cluster.kubernetes = Some(value),
            "cluster.nodes" => self.cluster.nodes = Some(value),
            "cluster.control_plane_nodes" => self.cluster.control_plane_nodes = Some(value),
            "cluster.node_prefix_length" => self.cluster.node_prefix_length = Some(value),
            "cluster.cilium.version" => self.cluster.cilium.version = Some(value),
            "cluster.cilium.routing" => self.cluster.cilium.routing = Some(value),
            "cluster.cilium.encryption" => self.cluster.cilium.encryption = Some(value),
            "cluster.istio.version" => istio(&mut self.cluster, &|mesh| mesh.version = Some(value.clone())),
            "cluster.istio.replicas" => istio(&mut self.cluster, &|mesh| mesh.replicas = Some(value.clone())),
            _ => return self.set_named(key, &value.value, wrong),
        }
        Ok(())
    }

    fn set_named(&mut self, key: &str, value: &str, wrong: impl Fn(String) -> InputError) -> Result<(), InputError> {
        if let Some(option) = key.strip_prefix("options.") {
            self.options.0.retain(|(name, _)| name.value != option);
            self.options.0.push((text(option), text(value)));
            return Ok(());
        }
        let Some(parameter) = key.strip_prefix("parameters.") else {
            let known = KEYS.into_iter().chain(["options.NAME", "parameters.COMPONENT.NAME"]);
            return Err(wrong(format!("unknown key `{key}`")).with_candidates(key, known));
        };
        let setting: Setting = yaml::parse(Path::new(COMMAND_LINE), value)?;
        self.parameters.0.retain(|(name, _)| name.value != parameter);
        self.parameters.0.push((text(parameter), unplaced(setting)));
        Ok(())
    }
}

/// Churn as `none` or as a map in one line.
fn churn(value: &str) -> Result<Vec<Spanned<Churn>>, InputError> {
    if value == "none" {
        return Ok(Vec::new());
    }
    let hint = "write `none` or `{rate: 20/s, for: 10m, lifetime: 60s, service_accounts: 50}`";
    let mut churn: Churn = yaml::parse(Path::new(COMMAND_LINE), value).map_err(|error| error.with_hint(hint))?;
    let texts = [
        Some(&mut churn.rate),
        Some(&mut churn.duration),
        churn.from.as_mut(),
        churn.service_accounts.as_mut(),
    ];
    for text in texts.into_iter().flatten() {
        text.referenced = Location::UNKNOWN;
    }
    churn.lifetime.referenced = Location::UNKNOWN;
    Ok(vec![unplaced(churn)])
}

fn text(value: &str) -> Text {
    unplaced(value.to_owned())
}

fn unplaced<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Location::UNKNOWN, Location::UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_set_and_the_last_one_counts() {
        let set = Overrides::parse(&[
            "cluster.nodes=4",
            "cluster.nodes=400",
            "cluster.istio.replicas=5",
            "options.gap=3s",
            "parameters.kubernetes.watch_latency={constant: 5ms}",
            "churn={rate: 20/s, for: 10m, lifetime: 60s}",
        ])
        .expect("all of these keys exist");
        assert_eq!(set.cluster.nodes.map(|n| n.value).as_deref(), Some("400"));
        assert_eq!(set.options.get("gap").map(|g| g.value.as_str()), Some("3s"));
        assert!(set.parameters.get("kubernetes.watch_latency").is_some());
        assert_eq!(set.churn.map(|c| c.len()), Some(1));
        assert_eq!(set.written.len(), 6);
    }

    #[test]
    fn unknown_keys_are_refused_with_a_near_match() {
        let error = Overrides::parse(&["cluster.node=400"]).expect_err("there is no such key");
        assert_eq!(
            error.to_string(),
            "--set: unknown key `cluster.node`\n  hint: did you mean `cluster.nodes`?"
        );
        assert!(Overrides::parse(&["replications"]).is_err());
        assert!(Overrides::parse(&["churn=20/s"]).is_err());
    }
}
