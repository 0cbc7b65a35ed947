//! Reading of any folder: every kind of object that carries pods, lists and dumps, incomplete folders.
//!
//! Belongs here: what is done with each document. Does not belong here: the kinds themselves (one file each), and what follows when
//! all are read (`complete`).

use std::path::Path;

use serde::Deserialize;

use super::checks;
use super::endpoints::WRITTEN_BY_CLUSTER;
use super::kinds::{self, Probe, Use};
use super::object::{Header, RawSelector, SpannedMap, labels};
use super::options::{Layer, Side};
use super::pods::PodsKind;
use super::refused::{Class, Kind};
use super::{
    Namespace, Purpose, Reader, ServiceAccount, Skipped, Unknown, fields, foreign, groups, keys, nulls, pods,
    scheduling, service, waypoints, workload,
};
use crate::cluster::placement::Budget;
use crate::policy::labels::LabelSelector;
use crate::scenario::error::{Class as Badness, InputError, Place};
use crate::scenario::yaml::{self, Document, Nulls, Spanned, Strings};

const LISTS_MAX: usize = 2;

#[derive(Deserialize)]
struct Plain {
    metadata: PlainMetadata,
}

#[derive(Deserialize)]
struct PlainMetadata {
    name: Spanned<String>,
    namespace: Option<String>,
    labels: Option<SpannedMap>,
}

/// Just enough of an autoscaler to know what it scales.
#[derive(Deserialize)]
struct Scaler {
    metadata: PlainMetadata,
    spec: Option<ScalerSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScalerSpec {
    scale_target_ref: Option<ScaleTarget>,
}

#[derive(Deserialize)]
struct ScaleTarget {
    kind: Option<String>,
    name: String,
}

/// Just enough of a policy to know whom it can concern.
#[derive(Deserialize)]
struct Reach {
    spec: Option<ReachSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReachSpec {
    selector: Option<RawSelector>,
    pod_selector: Option<RawSelector>,
}

impl Reader {
    /// One file of the folder.
    pub(super) fn file(&mut self, file: &Path, text: &str) {
        let sources = match yaml::documents(file, text) {
            Ok(sources) => sources,
            Err(error) => return self.errors.push(error),
        };
        let mut pass_over = |line, reason: &str| self.manifests.skipped.push(Skipped::file(file, line, reason));
        if sources.is_empty() {
            return pass_over(1, "nothing in it");
        }
        if let Some(kustomization) = self.patches.get(&foreign::plain(file)) {
            let reason = format!("a patch of {}; {}", kustomization.display(), foreign::RENDER);
            return pass_over(1, &reason);
        }
        for source in sources {
            let error = match source.tree() {
                Ok(_) if foreign::is_one_template(source.text()) => {
                    Some(source.start().error("a template").with_hint(yaml::TEMPLATE_HINT))
                }
                Ok(tree) => self.any(&tree.document(Strings::Quoted, Nulls::Absent), None, 0).err(),
                Err(error) => match foreign::unreadable(text) {
                    Some(why) => {
                        let skipped = Skipped::file(file, source.start().line, why);
                        return self.manifests.skipped.push(skipped);
                    }
                    None if foreign::has_template(source.text()) => Some(error.with_hint(yaml::TEMPLATE_HINT)),
                    None => Some(error),
                },
            };
            if let Some(error) = error {
                self.errors.push(error);
                // Further errors of a template are about the same.
                if source.text().contains("{{") {
                    return;
                }
            }
        }
    }

    /// One document; `inherited` is what the list around it says.
    fn any(
        &mut self,
        document: &Document<'_>,
        inherited: Option<(&str, &str)>,
        depth: usize,
    ) -> Result<(), InputError> {
        if !document.is_map() && depth == 0 {
            let why = match document.is_null() {
                true => "nothing in it",
                false => foreign::what(document, None, None).unwrap_or_default(),
            };
            self.skip(document, "", "", why);
            return Ok(());
        }
        let header: Header = match document.lenient().parse() {
            Ok(header) => header,
            Err(_) if !document.has_key("apiVersion") => {
                self.skip(document, "", "", "no Kubernetes object");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let name = header
            .metadata
            .as_ref()
            .and_then(|m| m.name.clone())
            .unwrap_or_default();
        let written = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.value.clone());
        let (version, own) = (written(&header.api_version), written(&header.kind));
        let (api_version, kind) = match (&version, &own, inherited) {
            (Some(api_version), Some(kind), _) => (api_version.as_str(), kind.as_str()),
            (None, None, Some(inherited)) => inherited,
            _ => {
                if let Some(why) = foreign::what(document, version.as_deref(), own.as_deref()) {
                    self.skip(document, "", &name, why);
                    return Ok(());
                }
                return Err(match (&header.api_version, &header.kind) {
                    (Some(other), None) => document.error(other, "key `kind` is missing"),
                    (_, Some(other)) => document.error(other, "key `apiVersion` is missing"),
                    (None, None) => document.start().error("keys `apiVersion` and `kind` are missing"),
                });
            }
        };
        let document = &document.with_nulls(nulls(api_version));
        let namespace = header.metadata.as_ref().and_then(|m| m.namespace.as_ref());
        let place = header
            .kind
            .as_ref()
            .map_or_else(|| document.start(), |k| document.place(k));
        let scope = |error: &InputError, namespace: Option<&Spanned<String>>| Unknown {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(|n| n.value.clone()),
            name: name.clone(),
            selector: None,
            layer: Layer::of_group(api_version.split_once('/').map_or("", |(group, _)| group)),
            side: Side::Either,
            place: place.clone(),
            why: checks::warning(error),
        };
        match kinds::classify(api_version, kind) {
            Use::Pods(pods) => {
                self.in_namespace(document, namespace);
                match self.pods(document, pods) {
                    Err(error) if self.options.lenient && foreign::is_variable(&error) => {
                        let warning = format!("{}; the object is passed over", checks::warning(&error));
                        self.manifests.warnings.push(warning);
                        self.skip(document, kind, &name, "a variable in it is not filled in");
                        Ok(())
                    }
                    read => read,
                }
            }
            Use::List if depth < LISTS_MAX => {
                let of = kind.strip_suffix("List").filter(|of| !of.is_empty());
                let of = of.map(|of| (api_version, of));
                for item in document.items() {
                    if let Err(error) = self.any(&item, of, depth + 1) {
                        self.errors.push(error);
                    }
                }
                Ok(())
            }
            Use::List => Err(place.error("a list within a list")),
            Use::NotEvaluated(why) => {
                let error = place.error(format!("kind `{kind}` is not modeled")).with_hint(why);
                let scope = scope(&error, namespace);
                self.pass_over(error, scope)
            }
            Use::Depends(probe) => {
                if !self.probe(document, probe, kind, &name)? {
                    self.skip(document, kind, &name, "");
                }
                Ok(())
            }
            Use::Group => {
                groups::read(document)?;
                self.skip(
                    document,
                    kind,
                    &name,
                    "its addresses are read where a policy names the group",
                );
                Ok(())
            }
            Use::Gateway => {
                match waypoints::read(document)? {
                    Some(waypoint) => self.manifests.waypoints.push(waypoint),
                    None => self.skip(document, kind, &name, ""),
                }
                Ok(())
            }
            Use::Others(why) => {
                let error = place.error(format!("{kind} `{name}` is not modeled")).with_hint(why);
                if self.options.lenient {
                    let scope = scope(&error, namespace);
                    return self.pass_over(error, scope);
                }
                self.manifests
                    .warnings
                    .push(format!("{}; answers leave it out", checks::warning(&error)));
                self.skip(document, kind, &name, why);
                let last = self.manifests.skipped.last_mut();
                last.into_iter().for_each(|skipped| skipped.decides = true);
                Ok(())
            }
            Use::Skipped(word) => {
                self.scaled(document, kind)?;
                if self.simulates()
                    && let Some(instead) = kinds::instead_in_a_run(kind)
                {
                    let text = format!("{kind} is approximated: {instead}");
                    self.pending.instead.entry(text).or_default().push(place.clone());
                }
                if kinds::is_warned(word) {
                    self.manifests
                        .warnings
                        .push(format!("{place}: {kind} `{name}`: {word}"));
                }
                self.skip(document, kind, &name, word);
                Ok(())
            }
            Use::As(Class::Skipped) => {
                self.skip(document, kind, &name, "");
                Ok(())
            }
            Use::As(Class::Version(versions)) => {
                let error = place.error(format!("`{api_version}` of `{kind}` is not read"));
                Err(error.with_hint(format!("versions that are: {}", versions.join(", "))))
            }
            Use::As(Class::Unknown) => {
                let error = place.error(format!("unknown kind `{kind}`"));
                Err(error.with_candidates(kind, super::refused::known_kinds()))
            }
            Use::As(Class::Known(known)) => {
                if known != Kind::Namespace {
                    self.in_namespace(document, namespace);
                }
                self.known(document, known)
            }
        }
    }

    fn simulates(&self) -> bool {
        self.options.purpose == Purpose::Simulate
    }

    /// Remembers what an autoscaler scales.
    fn scaled(&mut self, document: &Document<'_>, kind: &str) -> Result<(), InputError> {
        if !kinds::is_autoscaler(kind) {
            return Ok(());
        }
        let scaler: Scaler = document.lenient().parse()?;
        if let Some(target) = scaler.spec.and_then(|spec| spec.scale_target_ref) {
            let namespace = scaler.metadata.namespace.unwrap_or_else(|| "default".to_owned());
            let of = target.kind.unwrap_or_else(|| "Deployment".to_owned());
            let place = document.place(&scaler.metadata.name);
            self.pending
                .scaled
                .push((namespace, of, target.name, place, kind.to_owned()));
        }
        Ok(())
    }

    fn in_namespace(&mut self, document: &Document<'_>, namespace: Option<&Spanned<String>>) {
        if let Some(namespace) = namespace {
            let entry = (namespace.value.clone(), document.place(namespace));
            self.pending.namespaces.push(entry);
        }
    }

    fn skip(&mut self, document: &Document<'_>, kind: &str, name: &str, reason: &str) {
        let api_version = document.text_of("apiVersion").unwrap_or_default();
        self.manifests.skipped.push(Skipped {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            ..Skipped::file(document.file(), document.start().line, reason)
        });
    }

    /// An error about something that is not evaluated: in lenient reading a warning, and all that it may concern is unknown.
    fn pass_over(&mut self, error: InputError, scope: Unknown) -> Result<(), InputError> {
        if !self.options.lenient || error.class != Badness::NotEvaluated {
            return Err(error);
        }
        self.manifests.warnings.push(scope.why.clone());
        self.manifests.unknown.push(scope);
        Ok(())
    }

    /// Errors about fields and keys that are not evaluated; in lenient reading warnings.
    fn doubts(&mut self, errors: Vec<InputError>) -> Vec<String> {
        if !self.options.lenient {
            self.errors.extend(errors);
            return Vec::new();
        }
        let doubts: Vec<String> = errors.iter().map(checks::warning).collect();
        self.manifests.warnings.extend(doubts.iter().cloned());
        doubts
    }

    fn pods(&mut self, document: &Document<'_>, kind: PodsKind) -> Result<(), InputError> {
        let (mut errors, mut remarks) = fields::looked_at(document, kind.name())?;
        match self.simulates() {
            true => keys::not_simulated(document, &mut remarks)?,
            false => errors.extend(keys::not_evaluated(document, true)?),
        }
        let doubts = self.doubts(errors);
        let mut draft = pods::read(document, kind)?;
        if !self.counts(document, Kind::Pods(kind), &draft.namespace, &draft.name, &draft.place)? {
            return Ok(());
        }
        draft.doubts = doubts;
        if draft.has_ended {
            self.skip(document, kind.name(), &draft.name, "the pod has ended");
        } else if self.simulates() && draft.owner.is_none() {
            draft.run = Some(Box::new(workload::read(document, &draft, remarks)?));
        }
        self.pending.pods.push(draft);
        Ok(())
    }

    /// Whether an object counts: the same object once more is passed over; another of that name replaces the earlier one in a
    /// second reading.
    fn counts(
        &mut self,
        document: &Document<'_>,
        kind: Kind,
        namespace: &str,
        name: &str,
        place: &Place,
    ) -> Result<bool, InputError> {
        if name.is_empty() || name.ends_with('-') {
            return Ok(true);
        }
        if let Some(later) = self.superseded.get(&document.start()) {
            let warning = format!(
                "{place}: {} `{namespace}/{name}` is written again at {later}; the later one counts, as with `kubectl apply`",
                kind.name()
            );
            self.manifests.warnings.push(warning);
            self.skip(
                document,
                kind.name(),
                name,
                "written again further on, and the later one counts",
            );
            return Ok(false);
        }
        let key = (kind, namespace.to_owned(), name.to_owned());
        let digest = document.digest();
        let Some((first, start, known)) = self.written.get(&key) else {
            self.written.insert(key, (place.clone(), document.start(), digest));
            return Ok(true);
        };
        if *known == digest {
            let warning = format!("{place}: `{name}` is written twice with the same content; the first is at {first}");
            self.manifests.warnings.push(warning);
            return Ok(false);
        }
        self.superseded.insert(start.clone(), place.clone());
        self.replaces = true;
        self.seen
            .retain(|(of, _, other), _| (*of, other.as_str()) != (kind, name));
        self.written.insert(key, (place.clone(), document.start(), digest));
        Ok(true)
    }

    fn known(&mut self, document: &Document<'_>, kind: Kind) -> Result<(), InputError> {
        if matches!(kind, Kind::Namespace | Kind::ServiceAccount | Kind::Service) {
            return self.plain(document, kind);
        }
        let named = WRITTEN_BY_CLUSTER.into_iter().filter(|key| document.mentions(key));
        self.named.extend(named);
        let Ok(header) = document.parse::<Plain>() else {
            // Without a name it is wrong; the strict reading states what is.
            return self.object(kind, document);
        };
        let (name, place) = (&header.metadata.name.value, document.place(&header.metadata.name));
        let namespace = header.metadata.namespace.unwrap_or_else(|| "default".to_owned());
        if !self.counts(document, kind, &namespace, name, &place)? {
            return Ok(());
        }
        match self.object(kind, document) {
            Err(error)
                if self.options.lenient && (error.class == Badness::NotEvaluated || foreign::is_variable(&error)) =>
            {
                let error = error.not_evaluated();
                let spec = document.parse::<Reach>().ok().and_then(|r| r.spec);
                let selector = spec.and_then(|s| s.selector.or(s.pod_selector));
                let scope = Unknown {
                    api_version: document.text_of("apiVersion").unwrap_or_default().to_owned(),
                    kind: kind.name().to_owned(),
                    namespace: Some(namespace).filter(|_| !kind.name().contains("Clusterwide")),
                    name: name.clone(),
                    selector: selector.and_then(|s| s.convert(document).ok()),
                    layer: match kind {
                        Kind::PeerAuthentication | Kind::AuthorizationPolicy | Kind::RequestAuthentication => {
                            Layer::Mesh
                        }
                        _ => Layer::Network,
                    },
                    side: Side::Either,
                    place,
                    why: checks::warning(&error),
                };
                self.pass_over(error, scope)
            }
            read => read,
        }
    }

    fn plain(&mut self, document: &Document<'_>, kind: Kind) -> Result<(), InputError> {
        let (mut errors, remarks) = fields::looked_at(document, kind.name())?;
        if kind != Kind::ServiceAccount {
            errors.extend(keys::not_evaluated(document, false)?);
        }
        let doubts = self.doubts(errors);
        let object: Plain = document.parse()?;
        let (name, place) = (
            object.metadata.name.value.clone(),
            document.place(&object.metadata.name),
        );
        let namespace = match kind {
            Kind::Namespace => String::new(),
            _ => object.metadata.namespace.unwrap_or_else(|| "default".to_owned()),
        };
        if !self.counts(document, kind, &namespace, &name, &place)? {
            return Ok(());
        }
        let manifests = &mut self.manifests;
        match kind {
            Kind::Namespace => {
                self.namespace_doubts.insert(name.clone(), doubts);
                manifests.namespaces.push(Namespace {
                    labels: labels(&object.metadata.labels.unwrap_or_default()),
                    name,
                    place,
                });
            }
            Kind::ServiceAccount => manifests
                .service_accounts
                .push(ServiceAccount { name, namespace, place }),
            _ => {
                let (mut service, labels) = service::read(document)?;
                service.remarks = remarks;
                let selector = LabelSelector {
                    match_labels: service.selector.0.clone(),
                    match_expressions: Vec::new(),
                };
                self.pending.uses.push(checks::Use {
                    owner: format!("`selector` of Service {namespace}/{name}"),
                    place,
                    namespace: Some(namespace),
                    labels,
                    selects: checks::Selects::Labels(selector),
                    service: Some(manifests.services.len()),
                });
                manifests.services.push(service);
            }
        }
        Ok(())
    }

    /// Reads an object that matters by its spec. Whether it does.
    fn probe(&mut self, document: &Document<'_>, probe: Probe, kind: &str, name: &str) -> Result<bool, InputError> {
        let manifests = &mut self.manifests;
        match probe {
            Probe::ClientTls => {
                let (rule, warning) = super::destination_rules::read(document)?;
                manifests.warnings.extend(warning);
                if self.options.purpose == Purpose::Policy {
                    manifests.destination_rules.push(rule);
                } else if super::destination_rules::sets_tls(&rule) {
                    let error = document
                        .start()
                        .error(format!("`tls` of DestinationRule `{name}` is not modeled"));
                    self.doubts(vec![
                        error.with_hint("in a run, clients call as automatic mutual TLS has it"),
                    ]);
                }
            }
            Probe::Proxies => {
                if kind == "Sidecar" && self.options.purpose == Purpose::Policy {
                    manifests.sidecar_scopes.push(super::probes::scope(document)?);
                }
                let Some(unknown) = super::probes::concerned(document, kind)? else {
                    return Ok(false);
                };
                manifests.warnings.push(unknown.why.clone());
                manifests.unknown.push(unknown);
            }
            Probe::Node => manifests.nodes.node(document)?,
            Probe::Budget | Probe::Priority if self.options.purpose == Purpose::Policy => return Ok(false),
            // Of two with one name the later one counts.
            Probe::Budget => {
                let budget = scheduling::budget(document)?;
                let is_same = |other: &Budget| (&other.namespace, &other.name) == (&budget.namespace, &budget.name);
                manifests.budgets.retain(|other| !is_same(other));
                manifests.budgets.push(budget);
            }
            Probe::Priority => self.pending.classes.push(scheduling::class(document)?),
            Probe::Endpoints => {
                manifests.nodes.endpoints(document)?;
                return Ok(false);
            }
            Probe::Settings => {
                if matches!(name, "istio" | "cilium-config") {
                    let start = document.start();
                    let warning = format!(
                        "{start}: ConfigMap `{name}`: settings of the installation are not read from manifests; give them as options"
                    );
                    manifests.warnings.push(warning);
                }
                return Ok(false);
            }
        }
        Ok(true)
    }
}
