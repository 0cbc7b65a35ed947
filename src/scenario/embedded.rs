//! The files that the binary carries, so that it works from anywhere: models, experiments, manifests.
//!
//! Belongs here: the list. A test keeps it equal to the files on disk. Does not belong here: what they mean.

macro_rules! files {
    ($($name:literal,)+) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $name))),)+]
    };
}

/// Name relative to the project, and text, in the order of the names.
pub const FILES: &[(&str, &str)] = files![
    "experiments/api-overload.yaml",
    "experiments/api-server-outage.yaml",
    "experiments/grace-period.yaml",
    "experiments/heal-and-churn.yaml",
    "experiments/ip-reuse.yaml",
    "experiments/istiod-cut-off.yaml",
    "experiments/manifests/pods-only/00-namespace.yaml",
    "experiments/manifests/pods-only/10-sleep.yaml",
    "experiments/manifests/pods-only/50-istio-policies.yaml",
    "experiments/manifests/sleep-helloworld/00-namespace.yaml",
    "experiments/manifests/sleep-helloworld/10-service-accounts.yaml",
    "experiments/manifests/sleep-helloworld/20-helloworld.yaml",
    "experiments/manifests/sleep-helloworld/30-sleep.yaml",
    "experiments/manifests/sleep-helloworld/40-cilium-policies.yaml",
    "experiments/manifests/sleep-helloworld/50-istio-policies.yaml",
    "experiments/mechanisms.yaml",
    "experiments/one-istiod-of-three.yaml",
    "experiments/one-node-against-all.yaml",
    "experiments/zone-loss.yaml",
    "models/cilium/1.12.yaml",
    "models/cilium/1.14.yaml",
    "models/cilium/1.15.yaml",
    "models/cilium/1.17.yaml",
    "models/istio/1.14.yaml",
    "models/istio/1.17.yaml",
    "models/istio/1.21.yaml",
    "models/istio/1.27.yaml",
    "models/istio/1.29.yaml",
    "models/kubernetes/1.24.yaml",
    "models/kubernetes/1.27.yaml",
    "models/kubernetes/1.31.yaml",
    "models/kubernetes/1.32.yaml",
    "models/kubernetes/1.35.yaml",
    "models/network/default.yaml",
];

/// The text of an embedded file.
pub fn text(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder)
            .expect("the folder is part of the project")
            .flatten()
        {
            let path = entry.path();
            if path.is_dir() {
                walk(root, &path, found);
            } else if let Ok(name) = path.strip_prefix(root) {
                found.push(name.to_string_lossy().replace('\\', "/"));
            }
        }
    }

    #[test]
    fn the_list_equals_the_files_on_disk() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        walk(root, &root.join("models"), &mut found);
        walk(root, &root.join("experiments"), &mut found);
        found.retain(|name| name.ends_with(".yaml"));
        found.sort();
        let listed: Vec<&str> = super::FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed, found);
    }
}
