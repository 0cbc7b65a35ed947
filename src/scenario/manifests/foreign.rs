//! Files of a folder that are no manifests: values and charts of Helm, kustomizations and their patches, encrypted files.
//!
//! Belongs here: how they are recognized, and in which words they are passed over. Does not belong here: kinds of
//! Kubernetes objects (`kinds`).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::scenario::error::InputError;
use crate::scenario::yaml::{self, Document, Nulls, Strings};

/// Why patches and kustomizations are not enough.
pub(super) const RENDER: &str = "what it changes is not applied; render it first, e.g. with `kubectl kustomize`";

/// The beginning of a file that Ansible has encrypted.
const VAULT: &str = "$ANSIBLE_VAULT;";

/// Why a file that is not valid YAML holds no object, if that can be said.
pub(super) fn unreadable(text: &str) -> Option<&'static str> {
    let is_foreign = !text.contains("apiVersion") && !has_template(text);
    is_foreign.then_some("not valid YAML, and no `apiVersion` in it")
}

/// The lines without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(|line| line.split(" #").next().unwrap_or(line).trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

pub(super) fn has_template(text: &str) -> bool {
    code(text).any(|line| line.contains("{{"))
}

pub(super) fn is_one_template(text: &str) -> bool {
    let mut lines = code(text).skip_while(|line| *line == "---");
    let Some(first) = lines.next() else { return false };
    first.starts_with("{{") && lines.last().unwrap_or(first).ends_with("}}")
}

/// What a document is that lacks `apiVersion` or `kind`, if it is no object that lost one of them.
pub(super) fn what(document: &Document<'_>, api_version: Option<&str>, kind: Option<&str>) -> Option<&'static str> {
    let name = document.file().file_name().and_then(|name| name.to_str()).unwrap_or("");
    let is_version = |text: &str| {
        let (_, version) = text.split_once('/').unwrap_or(("", text));
        version
            .strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    match (api_version, kind) {
        (_, None) if name == "Chart.yaml" => Some("a Helm chart; render it first with `helm template`"),
        (None, _) if name.starts_with("values") => Some("values of a Helm chart; render it first with `helm template`"),
        (None, None) if is_kustomization(document.file()) => Some(RENDER),
        (None, None) if document.has_key("sops") => Some("encrypted with SOPS"),
        (None, None) if document.scalar().is_some_and(|text| text.starts_with(VAULT)) => {
            Some("encrypted with Ansible Vault")
        }
        (None, None) => Some("no `apiVersion` and `kind`"),
        (Some(version), None) if !is_version(version) => Some("its `apiVersion` is none of Kubernetes"),
        _ => None,
    }
}

fn is_kustomization(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    matches!(name, Some("kustomization.yaml" | "kustomization.yml"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kustomization {
    patches: Option<Vec<Patch>>,
    #[serde(rename = "patchesJson6902")]
    json_patches: Option<Vec<Patch>>,
    patches_strategic_merge: Option<Vec<String>>,
    transformers: Option<Vec<String>>,
    configurations: Option<Vec<String>>,
    replacements: Option<Vec<Patch>>,
}

#[derive(Deserialize)]
struct Patch {
    path: Option<String>,
}

/// The files that kustomizations name as patches, each with its kustomization. They look like objects and are parts of
/// them.
pub(super) fn patches<T: AsRef<str>>(files: &[(PathBuf, T)]) -> BTreeMap<PathBuf, PathBuf> {
    let mut patches = BTreeMap::new();
    for (file, text) in files.iter().filter(|(file, _)| is_kustomization(file)) {
        let folder = file.parent().unwrap_or(Path::new(""));
        for source in yaml::documents(file, text.as_ref()).unwrap_or_default() {
            let tree = source.tree();
            let read = tree.and_then(|tree| tree.document(Strings::Lenient, Nulls::Absent).parse());
            let Ok(found) = read else { continue };
            let found: Kustomization = found;
            let objects = [found.patches, found.json_patches, found.replacements];
            let objects = objects.into_iter().flatten().flatten().filter_map(|patch| patch.path);
            let names = [found.patches_strategic_merge, found.transformers, found.configurations];
            for path in objects.chain(names.into_iter().flatten().flatten()) {
                patches.insert(plain(&folder.join(path)), file.clone());
            }
        }
    }
    patches
}

/// Whether an error is about `${NAME}`, which is not filled in yet.
pub(super) fn is_variable(error: &InputError) -> bool {
    error.message.contains("${")
}

/// Adds to an error about `${NAME}` where that text is from.
pub(super) fn name_variables(error: &mut InputError) {
    if is_variable(error) {
        let hint = "`${…}` is filled in when the manifest is applied, e.g. by Flux; fill it in first, or leave the file out with --exclude";
        error.hint = Some(hint.to_owned());
    }
}

/// A path without `.` and `..`, as far as it states where these lead.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    plain
}
