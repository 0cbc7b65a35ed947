//! CiliumCIDRGroups: blocks of addresses under a name, which policies refer to.
//!
//! Belongs here: finding the groups of a folder before its policies are read, and the blocks that a reference means. Does
//! not belong here: the policies (`cilium`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::object::{Ignored, Metadata, at, labels};
use crate::policy::cidr::Block;
use crate::policy::labels::{LabelSelector, Labels};
use crate::scenario::error::InputError;
use crate::scenario::yaml::{self, Document, Nulls, Spanned, Strings};

const KIND: &str = "CiliumCIDRGroup";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Object {
    _api_version: Option<IgnoredAny>,
    _kind: Option<IgnoredAny>,
    metadata: Metadata,
    spec: Option<Spec>,
    _status: Ignored,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    #[serde(rename = "externalCIDRs")]
    external_cidrs: Option<Vec<Spanned<String>>>,
}

/// A group by its name: its labels and its blocks as written.
#[derive(Debug, Default)]
pub(super) struct Groups(BTreeMap<String, (Labels, Vec<String>)>);

impl Groups {
    /// The groups of all files. What is wrong with one is said when it is read in its turn.
    pub(super) fn of<T: AsRef<str>>(files: &[(PathBuf, T)]) -> Self {
        let mut groups = Self::default();
        for (file, text) in files.iter().filter(|(_, text)| text.as_ref().contains(KIND)) {
            for source in yaml::documents(file, text.as_ref()).unwrap_or_default() {
                let Ok(tree) = source.tree() else { continue };
                let document = tree.document(Strings::Lenient, Nulls::Absent);
                let objects = std::iter::once(document).chain(document.items());
                for object in objects.filter(|object| object.text_of("kind") == Some(KIND)) {
                    if let Ok((name, labels, blocks)) = read(&object) {
                        groups.0.insert(name, (labels, blocks));
                    }
                }
            }
        }
        groups
    }

    /// The blocks of a group; none if there is no such group.
    pub(super) fn named(&self, name: &str) -> Option<Vec<&str>> {
        let (_, blocks) = self.0.get(name)?;
        Some(blocks.iter().map(String::as_str).collect())
    }

    pub(super) fn selected(&self, selector: &LabelSelector) -> Vec<&str> {
        let chosen = self.0.values().filter(|(labels, _)| selector.matches(labels));
        chosen.flat_map(|(_, blocks)| blocks).map(String::as_str).collect()
    }
}

/// Name, labels and blocks of a group.
pub(super) fn read(document: &Document<'_>) -> Result<(String, Labels, Vec<String>), InputError> {
    let object: Object = document.parse()?;
    object.metadata.check(document)?;
    let cidrs = object.spec.and_then(|spec| spec.external_cidrs).unwrap_or_default();
    for cidr in &cidrs {
        at(document, cidr, Block::parse(&cidr.value, &[] as &[&str]))?;
    }
    let cidrs = cidrs.into_iter().map(|cidr| cidr.value).collect();
    Ok((object.metadata.name.value, labels(&object.metadata.labels), cidrs))
}
