//! Changes from the command line, `--set key=value`, and from the factors of a point: the last layer of every design.
//!
//! Belongs here: which keys exist and how they are written. Does not belong here: what the values mean. Values from the
//! command line have no place in a file; complaints about them name `--set`. Levels of factors keep theirs.

use std::path::Path;

use super::error::InputError;
use super::factors::target::split_fault;
use super::schema::{Churn, Cluster, Fault, Istio, Limits, Mesh, Pairs, Setting, Text};
use super::values::COMMAND_LINE;
use super::yaml::{self, Position, Spanned};

/// Keys of the experiment that can be set, apart from those below, options and parameters.
const KEYS: [&str; 11] = [
    "replications",
    "seed",
    "seed_group",
    "random_numbers",
    "horizon",
    "churn",
    "tie_order",
    "limits.events_max",
    "limits.events_per_instant_max",
    "limits.pending_max",
    "limits.memory_max_mib",
];
/// Keys of the cluster.
pub(super) const CLUSTER_KEYS: [&str; 9] = [
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

/// Keys of the churn that starts by itself; they change every entry of the list.
pub(super) const CHURN_KEYS: [&str; 5] = [
    "churn.rate",
    "churn.lifetime",
    "churn.from",
    "churn.for",
    "churn.service_accounts",
];
/// Keys of a fault, behind `faults.NAME.`.
pub(super) const FAULT_KEYS: [&str; 6] = ["at", "for", "cut.mode", "cut.node_of", "cut.node", "cut.istiod"];

/// What differs in the churn that starts by itself.
#[derive(Clone, Debug, Default)]
pub struct ChurnChange {
    /// Pods created per time.
    pub rate: Option<Text>,
    /// Law of a pod's life.
    pub lifetime: Option<Spanned<Setting>>,
    /// When it starts.
    pub from: Option<Text>,
    /// How long pods are created.
    pub duration: Option<Text>,
    /// Service accounts.
    pub service_accounts: Option<Text>,
}

/// Changes from the command line.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Runs of each design.
    pub replications: Option<Text>,
    /// Master seed.
    pub seed: Option<Text>,
    /// Seed group.
    pub seed_group: Option<Text>,
    /// Whether designs and points meet the same misfortunes.
    pub random_numbers: Option<Text>,
    /// The end of every run.
    pub horizon: Option<Text>,
    /// In place of the churn of the file.
    pub churn: Option<Vec<Spanned<Churn>>>,
    /// What differs in that churn, or in the churn of the file.
    pub churn_change: ChurnChange,
    /// What differs in the faults.
    pub faults: Pairs<Fault>,
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
        if key == "churn" {
            self.churn = Some(churn(&value.value)?);
            return Ok(());
        }
        self.put(Path::new(COMMAND_LINE), key, &value)
    }

    /// Sets a key; the value keeps its place for complaints.
    ///
    /// # Errors
    /// If there is no such key, or the value is no value.
    pub(super) fn put(&mut self, file: &Path, key: &str, value: &Text) -> Result<(), InputError> {
        let value = value.clone();
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
            "random_numbers" => self.random_numbers = Some(value),
            "horizon" => self.horizon = Some(value),
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
            "churn.rate" => self.churn_change.rate = Some(value),
            "churn.lifetime" => self.churn_change.lifetime = Some(setting(file, &value)?),
            "churn.from" => self.churn_change.from = Some(value),
            "churn.for" => self.churn_change.duration = Some(value),
            "churn.service_accounts" => self.churn_change.service_accounts = Some(value),
            _ => return self.put_named(file, key, value),
        }
        Ok(())
    }

    fn put_named(&mut self, file: &Path, key: &str, value: Text) -> Result<(), InputError> {
        if let Some(option) = key.strip_prefix("options.") {
            self.options.0.retain(|(name, _)| name.value != option);
            self.options.0.push((text(option), value));
            return Ok(());
        }
        if let Some((name, key)) = split_fault(key) {
            self.put_fault(name, key, value);
            return Ok(());
        }
        let Some(parameter) = key.strip_prefix("parameters.") else {
            let patterns = ["options.NAME", "faults.NAME.for", "parameters.COMPONENT.NAME"];
            let known = KEYS.into_iter().chain(CLUSTER_KEYS).chain(CHURN_KEYS).chain(patterns);
            let error = InputError::in_file(Path::new(COMMAND_LINE), format!("unknown key `{key}`"));
            return Err(error.with_candidates(key, known));
        };
        let setting = setting(file, &value)?;
        self.parameters.0.retain(|(name, _)| name.value != parameter);
        self.parameters.0.push((text(parameter), setting));
        Ok(())
    }

    fn put_fault(&mut self, name: &str, key: &str, value: Text) {
        if self.faults.get(name).is_none() {
            self.faults.0.push((text(name), Fault::default()));
        }
        let Some((_, fault)) = self.faults.0.iter_mut().find(|(known, _)| known.value == name) else {
            return;
        };
        let place = match key {
            "at" => &mut fault.at,
            "for" => &mut fault.duration,
            "cut.mode" => &mut fault.cut.mode,
            "cut.node_of" => &mut fault.cut.node_of,
            "cut.node" => &mut fault.cut.node,
            _ => &mut fault.cut.istiod,
        };
        *place = Some(value);
    }
}

/// A parameter's value: from the command line a scalar or a law in one line, from a factor a scalar.
fn setting(file: &Path, value: &Text) -> Result<Spanned<Setting>, InputError> {
    let setting = match file == Path::new(COMMAND_LINE) {
        true => yaml::parse(file, &value.value)?,
        false => Setting::Scalar(value.value.clone()),
    };
    Ok(Spanned::new(setting, value.referenced, value.defined))
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
        text.referenced = Position::UNKNOWN;
    }
    churn.lifetime.referenced = Position::UNKNOWN;
    Ok(vec![unplaced(churn)])
}

fn text(value: &str) -> Text {
    unplaced(value.to_owned())
}

fn unplaced<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Position::UNKNOWN, Position::UNKNOWN)
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
            "faults.cut.node.cut.mode=reject",
            "faults.cut.node.for=21.5s",
        ])
        .expect("all of these keys exist");
        assert_eq!(set.cluster.nodes.map(|n| n.value).as_deref(), Some("400"));
        assert_eq!(set.options.get("gap").map(|g| g.value.as_str()), Some("3s"));
        assert!(set.parameters.get("kubernetes.watch_latency").is_some());
        assert_eq!(set.churn.map(|c| c.len()), Some(1));
        let fault = set.faults.get("cut.node").expect("a name may have a dot");
        assert_eq!(fault.cut.mode.as_ref().map(|mode| mode.value.as_str()), Some("reject"));
        assert_eq!(fault.duration.as_ref().map(|span| span.value.as_str()), Some("21.5s"));
        assert_eq!(set.written.len(), 8);
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
