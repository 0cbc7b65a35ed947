//! What all Kubernetes objects share: header, metadata, label selectors, annotations.
//!
//! Belongs here: the strict types of those parts and their conversion. Does not belong here: the specs of the kinds
//! (one file each) and checks across objects (`checks`).

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, IgnoredAny, Unexpected, Visitor};

use crate::policy::PolicyError;
use crate::policy::labels::{LabelSelector, Labels, Requirement};
use crate::scenario::error::{InputError, Place};
use crate::scenario::yaml::{Document, Spanned};

/// Value of a field that has no influence on anything that is modeled.
pub(super) type Ignored = Option<IgnoredAny>;

/// Just enough of any object to know what it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    pub api_version: Option<Spanned<String>>,
    pub kind: Option<Spanned<String>>,
    pub metadata: Option<HeaderMetadata>,
}

/// Name and namespace of an object that may not be interpreted further.
#[derive(Deserialize)]
pub(super) struct HeaderMetadata {
    pub name: Option<String>,
    pub namespace: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Object<S> {
    _api_version: Ignored,
    _kind: Ignored,
    pub metadata: Metadata,
    pub spec: Option<S>,
    /// Written by the cluster, not by the user.
    _status: Ignored,
}

/// Just enough of an object whose other keys are looked at elsewhere.
#[derive(Deserialize)]
pub(super) struct Loose<S> {
    pub metadata: LooseMetadata,
    pub spec: Option<S>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LooseMetadata {
    pub name: Spanned<String>,
    namespace: Option<String>,
    creation_timestamp: Option<String>,
}

impl LooseMetadata {
    /// The namespace, `default` where none is written.
    pub fn namespace(&self) -> String {
        self.namespace.clone().unwrap_or_else(|| "default".to_owned())
    }

    /// When the API server stored the object, if that is a time.
    pub fn created(&self) -> Option<String> {
        self.creation_timestamp
            .clone()
            .filter(|text| super::istio::is_time(text))
    }
}

/// `metadata` (Kubernetes `metav1.ObjectMeta`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub name: Spanned<String>,
    pub namespace: Option<Spanned<String>>,
    #[serde(default)]
    pub labels: SpannedMap,
    #[serde(default)]
    pub annotations: SpannedMap,
    /// When the API server stored the object.
    pub creation_timestamp: Option<String>,
    /// The rest is written by the cluster.
    _uid: Ignored,
    _resource_version: Ignored,
    _generation: Ignored,
    _managed_fields: Ignored,
    _owner_references: Ignored,
    _finalizers: Ignored,
    _generate_name: Ignored,
    _self_link: Ignored,
    _deletion_timestamp: Ignored,
    _deletion_grace_period_seconds: Ignored,
}

/// Labels or annotations with the places of their values.
pub(super) type SpannedMap = BTreeMap<String, Spanned<String>>;

impl Metadata {
    /// The namespace, `default` where none is written.
    pub fn namespace(&self) -> String {
        let written = self.namespace.as_ref().map(|n| n.value.as_str());
        written.unwrap_or("default").to_owned()
    }

    /// Refuses names that the API server would refuse (RFC 1123 subdomain).
    pub fn check(&self, document: &Document<'_>) -> Result<(), InputError> {
        for name in std::iter::once(&self.name).chain(&self.namespace) {
            let text = name.value.as_str();
            let valid = !text.is_empty()
                && text.len() <= 253
                && text
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
                && !text.starts_with(['-', '.'])
                && !text.ends_with(['-', '.']);
            if !valid {
                let message = format!("`{text}` is not a valid name");
                let hint = "lower-case letters, digits, `-` and `.`, at most 253 characters";
                return Err(document.error(name, message).with_hint(hint));
            }
        }
        Ok(())
    }
}

pub(super) fn labels(map: &SpannedMap) -> Labels {
    let pairs = map.iter().map(|(key, value)| (key, &value.value));
    Labels(pairs.map(|(k, v)| (k.clone(), v.clone())).collect())
}

/// Labels and annotations of other components that change timing or a verdict, by prefix of the key, with the reason.
/// All other annotations are harmless: nothing that is modeled reads them.
const REFUSED_KEYS: [(&str, &str); 7] = [
    (
        "traffic.sidecar.istio.io/",
        "which ports bypass the sidecar is not evaluated",
    ),
    ("proxy.istio.io/", "settings of a single proxy are set by the design"),
    (
        "sidecar.istio.io/",
        "of these only `sidecar.istio.io/inject` is evaluated",
    ),
    (
        "istio.io/",
        "revisions, ambient mode and dry runs are not read from manifests",
    ),
    ("ambient.istio.io/", "ambient mode is not read from manifests"),
    ("policy.cilium.io/", "proxy redirection by annotation is not evaluated"),
    ("inject.istio.io/", "injection templates are set by the design"),
];

/// Refuses labels and annotations that would change an answer but are not evaluated.
pub(super) fn check_keys(document: &Document<'_>, map: &SpannedMap, evaluated: &[&str]) -> Result<(), InputError> {
    for (key, value) in map {
        if evaluated.contains(&key.as_str()) {
            continue;
        }
        if let Some((_, why)) = REFUSED_KEYS.iter().find(|(p, _)| key.starts_with(p)) {
            let message = format!("`{key}: {}` is not modeled", value.value);
            return Err(document.error(value, message).with_hint(*why));
        }
        if key.starts_with("meshfault.dev/") {
            let message = format!("unknown label or annotation `{key}`");
            let known = evaluated.iter().copied().filter(|k| k.starts_with("meshfault.dev/"));
            return Err(document.error(value, message).with_candidates(key, known));
        }
    }
    Ok(())
}

/// `"true"` or `"false"` of a label or annotation.
pub(super) fn switch(document: &Document<'_>, map: &SpannedMap, key: &str) -> Result<Option<bool>, InputError> {
    match map.get(key) {
        None => Ok(None),
        Some(value) => match value.value.as_str() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            other => {
                let message = format!("`{key}: {other}` is neither \"true\" nor \"false\"");
                Err(document.error(value, message))
            }
        },
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawSelector {
    #[serde(default)]
    pub match_labels: SpannedMap,
    #[serde(default)]
    pub match_expressions: Vec<RawExpression>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawExpression {
    key: String,
    operator: Spanned<String>,
    #[serde(default)]
    values: Vec<String>,
}

impl RawSelector {
    /// The selector without places.
    pub fn convert(&self, document: &Document<'_>) -> Result<LabelSelector, InputError> {
        let expressions = self.match_expressions.iter().map(|e| e.convert(document));
        Ok(LabelSelector {
            match_labels: labels(&self.match_labels).0,
            match_expressions: expressions.collect::<Result<_, _>>()?,
        })
    }

    /// Where each label of `matchLabels` is written, for messages.
    pub fn places(&self, document: &Document<'_>) -> Vec<LabelPlace> {
        let pairs = self.match_labels.iter();
        pairs.map(|(k, v)| LabelPlace::new(document, k, v)).collect()
    }
}

impl RawExpression {
    fn convert(&self, document: &Document<'_>) -> Result<(String, Requirement), InputError> {
        const OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];
        let operator = self.operator.value.as_str();
        let requirement = match operator {
            "In" => Requirement::In(self.values.clone()),
            "NotIn" => Requirement::NotIn(self.values.clone()),
            "Exists" => Requirement::Exists,
            "DoesNotExist" => Requirement::DoesNotExist,
            other => {
                let message = format!("unknown operator `{other}`");
                let error = document.error(&self.operator, message);
                return Err(error.with_candidates(other, OPERATORS));
            }
        };
        let takes_values = matches!(operator, "In" | "NotIn");
        if takes_values == self.values.is_empty() {
            let message = if takes_values {
                format!("`{operator}` needs `values`")
            } else {
                format!("`{operator}` takes no `values`")
            };
            return Err(document.error(&self.operator, message));
        }
        Ok((self.key.clone(), requirement))
    }
}

/// A label that a selector asks for, and where.
pub(super) struct LabelPlace {
    pub key: String,
    pub value: String,
    pub place: Place,
}

impl LabelPlace {
    /// The label at its place.
    pub fn new(document: &Document<'_>, key: &str, value: &Spanned<String>) -> Self {
        Self {
            key: key.to_owned(),
            value: value.value.clone(),
            place: document.place(value),
        }
    }
}

/// Reads a scalar that is a number or a text, each of which may be refused.
pub(super) struct NumberOrText<N, T> {
    /// What to write, for messages.
    pub expected: &'static str,
    pub number: N,
    pub text: T,
}

impl<V, N: Fn(u64) -> Option<V>, T: Fn(&str) -> Option<V>> Visitor<'_> for NumberOrText<N, T> {
    type Value = V;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<V, E> {
        (self.number)(value).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<V, E> {
        match u64::try_from(value) {
            Ok(value) => self.visit_u64(value),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(value), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<V, E> {
        (self.text)(value).ok_or_else(|| E::invalid_value(Unexpected::Str(value), &self))
    }
}

/// Turns an error of the policy types into one with a place.
pub(super) fn at<T, V>(
    document: &Document<'_>,
    value: &Spanned<V>,
    result: Result<T, PolicyError>,
) -> Result<T, InputError> {
    result.map_err(|error| document.error(value, error.to_string()).with_hint(error.hint()))
}

/// Refuses an empty list where its meaning differs from that of an absent key.
pub(super) fn not_empty<T>(
    document: &Document<'_>,
    key: &str,
    list: &Spanned<Vec<T>>,
    hint: &str,
) -> Result<(), InputError> {
    if list.value.is_empty() {
        let message = format!("`{key}: []` is empty");
        return Err(document.error(list, message).with_hint(hint));
    }
    Ok(())
}
