//! Which versions run in a cluster, by the tags of its images.
//!
//! Belongs here: tags, and the parameter set that stands for a version. Does not belong here: parameter sets themselves (`models`).

use std::collections::BTreeMap;
use std::path::Path;

use super::dump::Dump;
use super::sizes::{Known, Mesh};
use super::template::Phase;
use super::workloads::Workloads;
use crate::scenario::error::InputError;
use crate::scenario::models::Models;
use crate::scenario::yaml::{Position, Spanned};

/// The version in the tag of an image, `1.21.0` of `docker.io/istio/pilot:1.21.0-distroless@sha256:…`.
fn tag(image: &str) -> Option<String> {
    let image = image.split('@').next().unwrap_or(image);
    let (_, tag) = image.rsplit_once(':')?;
    number(tag)
}

/// The number at the beginning of a version, at least `MAJOR.MINOR`.
fn number(version: &str) -> Option<String> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let end = version
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(version.len());
    let version = version[..end].trim_end_matches('.');
    (version.contains('.') && version.starts_with(|c: char| c.is_ascii_digit())).then(|| version.to_owned())
}

/// The most common of some values, of equally common ones the greatest, and how many kinds of them there are.
pub(super) fn most_common<T: Ord>(values: impl Iterator<Item = T>) -> Option<(T, usize)> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let kinds = counts.len();
    let most = counts.into_iter().max_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)))?;
    Some((most.0, kinds))
}

/// The version as the experiment takes it, with what stands for it where no parameter set is exactly of it.
fn version(
    models: &Models,
    component: &'static str,
    found: Option<(String, usize)>,
    from: &str,
) -> Result<Known<String>, InputError> {
    let versions = models.versions(component);
    let (Some(oldest), Some(newest)) = (versions.first(), versions.last()) else {
        return Err(InputError::in_file(
            Path::new("models"),
            format!("there is no model of {component}"),
        ));
    };
    let Some((found, kinds)) = found else {
        return Ok(Known::assumed(
            (*newest).to_owned(),
            "the dump does not show the version",
        ));
    };
    let mut from = match kinds {
        1 => from.to_owned(),
        _ => format!("{from}, the most common of {kinds} versions"),
    };
    let parts = |text: &str| -> Vec<u32> { text.split('.').filter_map(|part| part.parse().ok()).collect() };
    if parts(&found) < parts(oldest) {
        let why = format!("{found} in the cluster, which is older than every parameter set");
        return Ok(Known::assumed((*oldest).to_owned(), &why));
    }
    let text = Spanned::new(found.clone(), Position::UNKNOWN, Position::UNKNOWN);
    if let Some(note) = models.choose(component, Path::new("import"), &text)?.note {
        from = format!("{from}; {note}");
    }
    Ok(Known::seen(found, from))
}

/// The tags of the images of pods and controllers that contain a text.
fn tags<'d>(dump: &'d Dump, part: &'d str) -> impl Iterator<Item = String> + 'd {
    let of_pods = dump.pods.iter().filter(|pod| pod.phase != Phase::Ended);
    let of_controllers = dump.controllers.values().map(|of| &of.template);
    let templates = of_pods.map(|pod| &pod.template).chain(of_controllers);
    let images = templates.flat_map(|template| &template.spec.images);
    images
        .filter(move |image| image.contains(part))
        .filter_map(|image| tag(image))
}

pub(super) fn kubernetes(dump: &Dump, models: &Models) -> Result<Known<String>, InputError> {
    let of_servers = most_common(tags(dump, "/kube-apiserver:"));
    let kubelets = dump.nodes.iter().filter_map(|node| number(node.kubelet.as_deref()?));
    match of_servers {
        Some(found) => version(models, "kubernetes", Some(found), "image of kube-apiserver"),
        None => version(models, "kubernetes", most_common(kubelets), "versions of the kubelets"),
    }
}

pub(super) fn cilium(dump: &Dump, models: &Models) -> Result<Known<String>, InputError> {
    let found = most_common(tags(dump, "/cilium:").chain(tags(dump, "/cilium-ci:")));
    version(models, "cilium", found, "image of the Cilium agent")
}

pub(super) fn istio(dump: &Dump, of: &Workloads, models: &Models) -> Result<Option<Mesh>, InputError> {
    let sidecars = dump.pods.iter().any(|pod| pod.sidecar);
    let control = most_common(tags(dump, "/pilot"));
    if control.is_none() && of.istiods == 0 && !sidecars {
        return Ok(None);
    }
    let (found, from) = match control {
        Some(found) => (Some(found), "image of Istiod"),
        None => (most_common(tags(dump, "/proxyv2")), "image of the sidecars"),
    };
    let replicas = match u32::try_from(of.istiods).unwrap_or(u32::MAX) {
        0 => Known::assumed(1, "the dump has no pods of Istiod"),
        found => Known::seen(found, "pods of Istiod"),
    };
    Ok(Some((version(models, "istio", found, from)?, replicas)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_off_tags() {
        for (image, version) in [
            ("docker.io/istio/pilot:1.21.0-distroless", Some("1.21.0")),
            ("quay.io/cilium/cilium:v1.15.3@sha256:abcdef", Some("1.15.3")),
            ("registry:5000/kube-apiserver:v1.29.4-gke.10", Some("1.29.4")),
            ("istio/pilot:latest", None),
            ("registry:5000/istio/pilot", None),
            ("pilot", None),
        ] {
            assert_eq!(tag(image).as_deref(), version, "{image}");
        }
    }
}
