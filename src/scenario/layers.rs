//! What a design inherits: the experiment, then the design, then the command line, then the factors of a point; the later
//! one wins, key by key.
//!
//! Belongs here: the layers as changes of one tree, and the look-ups in what comes of it. Does not belong here: how a change
//! is made (`patch`), and what the values mean.

use std::path::Path;

use super::error::{InputError, all};
use super::factors::Factor;
use super::keys::{Form, Key};
use super::models::split_name;
use super::overrides::Overrides;
use super::patch::{lay, put};
use super::schema::{self, Experiment, Istio, Mesh, Setting, Text};
use super::values::{complain, unknown};
use super::yaml::{self, Mended, Node, Position, Spanned, Tree, Value};

/// Maps to which no layer may add a name, and what a name in them is.
const NAMED: [(&str, &str); 2] = [("faults", "fault"), ("options", "option")];

/// The file as a tree, and the changes from the command line.
#[derive(Clone, Debug)]
pub struct Layers<'a> {
    file: &'a Path,
    written: Tree<'a>,
    /// What all designs and points share: the file without designs and factors.
    common: Tree<'a>,
    /// The changes from the command line.
    pub overrides: &'a Overrides,
}

impl<'a> Layers<'a> {
    /// Reads the file as a tree, and what is wrong with its form.
    pub fn read(file: &'a Path, text: &'a str, overrides: &'a Overrides) -> Result<(Self, Mended), InputError> {
        let mut written = yaml::tree(file, text)?;
        let mended = written.mend::<Experiment>();
        let mut common = written.clone();
        if let Value::Map(pairs) = &mut common.root.value {
            pairs.retain(|(key, _)| key.scalar() != Some("factors"));
            let designs = pairs.iter_mut().filter(|(key, _)| key.scalar() == Some("designs"));
            designs.for_each(|(_, designs)| designs.value = Value::List(Vec::new()));
        }
        let layers = Self {
            file,
            written,
            common,
            overrides,
        };
        Ok((layers, mended))
    }

    /// The experiment as it is written, and with the changes from the command line.
    ///
    /// # Errors
    /// If it has not the form of an experiment, or a change cannot be made.
    pub fn experiment(&self) -> Result<(Experiment, Experiment), InputError> {
        let written = self.written.parse()?;
        Ok((written, self.set(self.written.clone())?.parse()?))
    }

    /// One design: what is written of it, and the experiment with it.
    pub fn design(&self, number: usize, design: &'a schema::Design) -> OfDesign<'a, '_> {
        let designs = self.written.root.get("designs").map(|designs| &designs.value);
        let written = match designs {
            Some(Value::List(designs)) => designs.get(number),
            _ => None,
        };
        let is_varied = |key: &str| Form::experiment().child(key).is_some_and(|form| form.scope().is_none());
        let differs = written.map(Node::pairs).unwrap_or_default().iter();
        let differs = differs.filter(|(key, _)| key.scalar().is_some_and(is_varied)).cloned();
        let differs = Node::new(Value::Map(differs.collect()), self.common.root.referenced);
        let mut tree = self.common.clone();
        lay(&mut tree.root, Form::experiment(), &differs);
        OfDesign {
            file: self.file,
            design,
            written,
            tree: self.set(tree),
        }
    }

    /// The tree with the changes from the command line.
    fn set(&self, mut tree: Tree<'a>) -> Result<Tree<'a>, InputError> {
        for (key, value) in &self.overrides.changes {
            change(self.file, &mut tree, key, value)?;
        }
        self.check_names(&tree)?;
        Ok(tree)
    }

    /// Checks that a key leads somewhere in the file.
    pub fn check(&self, key: &Key, at: &Text) -> Result<(), InputError> {
        let mut tree = self.common.clone();
        change(self.file, &mut tree, key, &Node::new(Value::Null, at.referenced))?;
        self.check_names(&tree)
    }

    fn check_names(&self, tree: &Tree<'_>) -> Result<(), InputError> {
        for (map, what) in NAMED {
            let known = || names(&self.common, map).map(|(name, _)| name);
            if let Some((new, at)) = names(tree, map).find(|(new, _)| known().all(|known| known != *new)) {
                let new = Spanned::new(new.to_owned(), at, at);
                return Err(unknown(self.file, &new, what, known()));
            }
        }
        Ok(())
    }
}

/// The names in a map at the top of a tree.
fn names<'t>(tree: &'t Tree<'_>, map: &str) -> impl Iterator<Item = (&'t str, Position)> {
    let pairs = tree.root.get(map).map(Node::pairs).unwrap_or_default().iter();
    pairs.filter_map(|(name, _)| Some((name.scalar()?, name.referenced)))
}

fn change<'a>(file: &Path, tree: &mut Tree<'a>, key: &Key, value: &Node<'a>) -> Result<(), InputError> {
    put(&mut tree.root, Form::experiment(), &key.steps, value).map_err(|left| {
        let list = key.steps[..key.steps.len() - left.len()].join(".");
        let at = Spanned::new((), value.referenced, value.referenced);
        let message = format!("`{}`: the experiment has no such entry of `{list}`", key.written);
        complain(file, &at, message).with_hint(format!("write one under `{list}`, or set `{list}` as a whole"))
    })
}

/// One design before its factors.
#[derive(Clone, Debug)]
pub struct OfDesign<'a, 'l> {
    /// The experiment file, for messages.
    pub file: &'a Path,
    /// The design as it is written.
    pub design: &'a schema::Design,
    written: Option<&'l Node<'a>>,
    tree: Result<Tree<'a>, InputError>,
}

impl OfDesign<'_, '_> {
    /// Where the design itself sets a key, if it does.
    pub fn place_of(&self, key: &Key) -> Option<Spanned<()>> {
        let found = key.steps.iter().try_fold(self.written?, |node, step| node.get(step))?;
        Some(Spanned::new((), found.referenced, found.referenced))
    }

    /// Whether it has an Istio; so it is said of one that cannot be read.
    pub fn has_istio(&self) -> bool {
        let Ok(tree) = &self.tree else { return true };
        let istio = tree.root.get("cluster").and_then(|cluster| cluster.get("istio"));
        istio.is_some_and(|istio| matches!(istio.value, Value::Map(_)))
    }

    /// The experiment of the design at a point.
    ///
    /// # Errors
    /// If the design names what there is not, or a level cannot be what the factor sets.
    pub fn at<'f>(&self, levels: impl Iterator<Item = (&'f Factor, &'f Text)>) -> Result<Experiment, InputError> {
        let mut tree = self.tree.clone()?;
        for (factor, level) in levels {
            let value = Node::new(Value::Text(level.value.clone().into()), level.referenced);
            change(self.file, &mut tree, &factor.sets, &value)?;
        }
        tree.parse()
    }
}

/// A parameter that differs from its model: component, field and setting.
pub type SetParameter<'a> = (&'static str, &'static str, &'a Spanned<Setting>);

/// A design at a point: the layers laid over each other, and read.
#[derive(Clone, Copy, Debug)]
pub struct Merged<'a> {
    /// The experiment file, for messages.
    pub file: &'a Path,
    /// The design as it is written.
    pub design: &'a schema::Design,
    /// What all layers say together.
    pub experiment: &'a Experiment,
}

impl<'a> Merged<'a> {
    /// The mesh and its version, unless the design has none.
    ///
    /// # Errors
    /// If Istio is described without a version, or by a word other than `none`.
    pub fn istio(&self) -> Result<Option<(&'a Mesh, &'a Text)>, InputError> {
        let Some(istio) = &self.experiment.cluster.istio else {
            return Ok(None);
        };
        let wrong = |message: String, hint: &str| Err(complain(self.file, istio, message).with_hint(hint));
        match &istio.value {
            Istio::Word(word) if word == "none" => Ok(None),
            Istio::Word(word) => {
                let hint = "write `none`, or a map such as {version: \"1.21.0\", replicas: 3}";
                wrong(format!("`{word}` does not describe an Istio"), hint)
            }
            Istio::Mesh(mesh) => match &mesh.version {
                Some(version) => Ok(Some((mesh, version))),
                None => wrong(
                    "Istio is described without a version".to_owned(),
                    "write `version: \"1.21.0\"`",
                ),
            },
        }
    }

    /// A text, or what the option says that it names as `$name`.
    pub fn text<'t>(&self, text: &'t Text) -> Result<&'t Text, InputError>
    where
        'a: 't,
    {
        let Some(name) = text.value.strip_prefix('$') else {
            return Ok(text);
        };
        let options = &self.experiment.options;
        options.get(name).ok_or_else(|| {
            let known: Vec<String> = options.keys().map(|key| format!("${key}")).collect();
            unknown(self.file, text, "option", known.iter().map(String::as_str))
        })
    }

    /// All parameters that are set. Those of Istio are passed over in a design without Istio,
    /// except where the design itself sets them.
    pub fn parameters(&self, with_istio: bool) -> Result<Vec<SetParameter<'a>>, Vec<InputError>> {
        let parameters = self.experiment.parameters.0.iter();
        let found = all(parameters.map(|(name, setting)| {
            let (component, field) = split_name(self.file, name)?;
            let mut own = self.design.parameters.0.iter().map(|(own, _)| own);
            if component != "istio" || with_istio {
                return Ok(Some((component, field, setting)));
            }
            match own.find(|own| own.value == name.value) {
                None => Ok(None),
                Some(own) => {
                    let message = format!("`{}` is set in a design without Istio", name.value);
                    Err(complain(self.file, own, message).with_hint("give the design Istio, or leave it out"))
                }
            }
        }))?;
        Ok(found.into_iter().flatten().collect())
    }
}
