//! What a design inherits: the experiment, then the design, then the command line; the later one wins, key by key.
//!
//! Belongs here: the three layers, the look-up through them and the options that scripts name as `$name`. Does not
//! belong here: what the values mean.

use std::path::Path;

use super::error::InputError;
use super::models::split_name;
use super::overrides::Overrides;
use super::schema::{self, Cluster, Cut, Experiment, Fault, Istio, Pairs, Setting, Text};
use super::values::{complain, unknown};
use super::yaml::Spanned;

/// The three layers of one design.
#[derive(Clone, Copy, Debug)]
pub struct Layers<'a> {
    /// The experiment file, for messages.
    pub file: &'a Path,
    /// The experiment.
    pub experiment: &'a Experiment,
    /// The design.
    pub design: &'a schema::Design,
    /// The command line.
    pub overrides: &'a Overrides,
}

/// Istio after all layers.
#[derive(Clone, Copy, Debug)]
pub struct MeshLayers<'a> {
    /// Version of Istio.
    pub version: &'a Text,
    /// Replicas of Istiod.
    pub replicas: Option<&'a Text>,
}

/// A parameter that differs from its model.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The component it belongs to.
    pub component: &'static str,
    /// Its name there.
    pub field: &'static str,
    /// What it is set to.
    pub setting: &'a Spanned<Setting>,
}

impl<'a> Layers<'a> {
    /// A value of the cluster.
    pub fn cluster<T>(&self, get: impl Fn(&'a Cluster) -> Option<&'a T>) -> Option<&'a T> {
        get(&self.overrides.cluster)
            .or_else(|| get(&self.design.cluster))
            .or_else(|| get(&self.experiment.cluster))
    }

    /// The mesh, unless the design has none.
    ///
    /// # Errors
    /// If Istio is described without a version, or by a word other than `none`.
    pub fn istio(&self) -> Result<Option<MeshLayers<'a>>, InputError> {
        let (mut version, mut replicas, mut last) = (None, None, None);
        let clusters = [&self.experiment.cluster, &self.design.cluster, &self.overrides.cluster];
        for (index, cluster) in clusters.into_iter().enumerate() {
            let Some(istio) = &cluster.istio else { continue };
            // The command line changes the mesh of the designs that have one; it gives none to the others.
            if index == 2 && last.is_none() {
                continue;
            }
            match &istio.value {
                Istio::Word(word) if word == "none" => (version, replicas, last) = (None, None, None),
                Istio::Word(word) => {
                    let message = format!("`{word}` is no description of Istio");
                    let hint = "write `none`, or a map such as {version: \"1.21.0\", replicas: 3}";
                    return Err(complain(self.file, istio, message).with_hint(hint));
                }
                Istio::Mesh(mesh) => {
                    version = mesh.version.as_ref().or(version);
                    replicas = mesh.replicas.as_ref().or(replicas);
                    last = Some(istio);
                }
            }
        }
        match (version, last) {
            (Some(version), _) => Ok(Some(MeshLayers { version, replicas })),
            (None, Some(istio)) => {
                let hint = "write `version: \"1.21.0\"`";
                Err(complain(self.file, istio, "Istio is described without a version").with_hint(hint))
            }
            (None, None) => Ok(None),
        }
    }

    /// Whether experiment and design together describe an Istio; the command line and factors give none.
    #[must_use]
    pub fn has_istio(&self) -> bool {
        let written = self.design.cluster.istio.as_ref();
        let written = written.or(self.experiment.cluster.istio.as_ref());
        written.is_some_and(|istio| matches!(istio.value, Istio::Mesh(_)))
    }

    /// The layers that enforce their policies, if one of the files says so.
    pub fn policies_in_force(&self) -> Option<&'a Vec<Text>> {
        self.design
            .policies_in_force
            .as_ref()
            .or(self.experiment.policies_in_force.as_ref())
    }

    /// A fault of the experiment with what the design changes in it.
    pub fn fault(&self, name: &str) -> Fault {
        let mut merged = Fault::default();
        let layers = [&self.experiment.faults, &self.design.faults, &self.overrides.faults];
        for fault in layers.into_iter().filter_map(|faults| faults.get(name)) {
            let Cut {
                node_of,
                node,
                istiod,
                parties,
                mode,
            } = &fault.cut;
            if node_of.is_some() || node.is_some() || istiod.is_some() {
                (merged.cut.node_of, merged.cut.node, merged.cut.istiod) =
                    (node_of.clone(), node.clone(), istiod.clone());
            }
            merged.cut.parties = parties.clone().or(merged.cut.parties);
            merged.cut.mode = mode.clone().or(merged.cut.mode);
            merged.at = fault.at.clone().or(merged.at);
            merged.duration = fault.duration.clone().or(merged.duration);
        }
        merged
    }

    /// Checks that the design and the command line name only faults and options that the experiment has.
    ///
    /// # Errors
    /// For the first one that does not exist.
    pub fn check_names(&self) -> Result<(), InputError> {
        let mut faults = self.design.faults.0.iter().chain(&self.overrides.faults.0);
        if let Some((name, _)) = faults.find(|(n, _)| self.experiment.faults.get(&n.value).is_none()) {
            return Err(unknown(self.file, name, "fault", self.experiment.faults.keys()));
        }
        let options = self.design.options.0.iter().chain(&self.overrides.options.0);
        match options
            .into_iter()
            .find(|(n, _)| self.experiment.options.get(&n.value).is_none())
        {
            Some((name, _)) => Err(unknown(self.file, name, "option", self.experiment.options.keys())),
            None => Ok(()),
        }
    }

    /// A text, or what the option says that it names as `$name`.
    ///
    /// # Errors
    /// If there is no such option.
    pub fn text<'t>(&self, text: &'t Text) -> Result<&'t Text, InputError>
    where
        'a: 't,
    {
        let Some(name) = text.value.strip_prefix('$') else {
            return Ok(text);
        };
        let layers = [&self.overrides.options, &self.design.options, &self.experiment.options];
        layers.into_iter().find_map(|options| options.get(name)).ok_or_else(|| {
            let known: Vec<String> = self.experiment.options.keys().map(|key| format!("${key}")).collect();
            unknown(self.file, text, "option", known.iter().map(String::as_str))
        })
    }

    /// All parameters that are set, with component and field; later ones win. Those of Istio are passed over in a design
    /// without Istio, except where the design itself sets them.
    ///
    /// # Errors
    /// If there is no such parameter.
    pub fn parameters(&self, with_istio: bool) -> Result<Vec<Change<'a>>, InputError> {
        let mut found = Vec::new();
        let layers: [(&'a Pairs<Spanned<Setting>>, bool); 3] = [
            (&self.experiment.parameters, false),
            (&self.design.parameters, true),
            (&self.overrides.parameters, false),
        ];
        for (parameters, of_design) in layers {
            for (name, setting) in &parameters.0 {
                let (component, field) = split_name(self.file, name)?;
                if component != "istio" || with_istio {
                    found.push(Change {
                        component,
                        field,
                        setting,
                    });
                } else if of_design {
                    let message = format!("`{}` is set in a design without Istio", name.value);
                    return Err(complain(self.file, name, message).with_hint("give the design Istio, or leave it out"));
                }
            }
        }
        Ok(found)
    }
}
