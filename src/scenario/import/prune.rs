//! What of an object is never looked at, and therefore never parsed: most of the bytes of a dump, and whatever may be secret.
//!
//! Belongs here: the keys, and leaving out their lines without moving the others. Does not belong here: how objects are found
//! (`stream`).

/// Keys of workloads, pods and nodes whose maps and lists are passed over. A scalar under such a key is kept, because it is the value
/// of a label of that name.
const DROPPED: [&str; 22] = [
    "managedFields",
    "env",
    "envFrom",
    "args",
    "command",
    "volumes",
    "volumeMounts",
    "volumeDevices",
    "volumeClaimTemplates",
    "securityContext",
    "livenessProbe",
    "lifecycle",
    "containerStatuses",
    "initContainerStatuses",
    "ephemeralContainerStatuses",
    "images",
    "volumesAttached",
    "volumesInUse",
    "imagePullSecrets",
    "hostAliases",
    "dnsConfig",
    "hostIPs",
];
/// An annotation with the whole object once more, as it was written.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Kinds in which those keys mean what is meant here.
const WITH_CONTAINERS: [&str; 9] = [
    "Pod",
    "Node",
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "ReplicationController",
];

/// Whether what is under this key is passed over.
pub(super) fn is_dropped(key: &str) -> bool {
    DROPPED.contains(&key)
}

/// The text of an object with empty lines in place of those that are passed over. Of a Secret only kind and metadata are left.
pub(super) fn lines(text: &str) -> String {
    let base = text
        .lines()
        .find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .map_or(0, indentation);
    let own = |line: &&str| indentation(line) == base;
    let kind = text
        .lines()
        .filter(own)
        .find_map(|line| line.trim().strip_prefix("kind:"))
        .map_or("", |kind| kind.trim().trim_matches(['"', '\'']));
    // An item of a list without a kind may be a Secret.
    let (workload, secret) = (WITH_CONTAINERS.contains(&kind), matches!(kind, "Secret" | ""));
    // Some switches of Istiod are parameters; no other value of a variable is looked at.
    let istiod = kind == "Deployment" && text.contains("app: istiod");
    let drops = |column: usize, rest: &str| {
        let Some((key, value)) = rest.split_once(':') else {
            return false;
        };
        match (column.checked_sub(base), key) {
            (Some(0), "status") => !matches!(kind, "Pod" | "Node" | "CiliumEndpoint" | ""),
            (Some(0), "data" | "stringData" | "immutable") => secret,
            (_, "annotations") if matches!(kind, "Pod" | "Node" | "Secret") => value.is_empty(),
            (_, "conditions") if kind == "Pod" => value.is_empty(),
            (_, LAST_APPLIED) => true,
            (Some(2), "managedFields") => value.is_empty(),
            (_, "env") if istiod => false,
            _ => workload && value.is_empty() && is_dropped(key),
        }
    };
    let mut kept = String::with_capacity(text.len() / 2);
    let mut passing: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        let lead = indentation(bare);
        if let Some(column) = passing {
            let rest = &bare[lead..];
            let is_item = rest == "-" || rest.starts_with("- ");
            if bare.is_empty() || lead > column || (lead == column && is_item) {
                kept.push('\n');
                continue;
            }
            passing = None;
        }
        let (mut column, mut rest) = (lead, &bare[lead..]);
        while let Some(inside) = rest.strip_prefix("- ") {
            let more = indentation(inside);
            column += 2 + more;
            rest = &inside[more..];
        }
        if drops(column, rest) {
            if column > lead {
                // The first key of an item: the item stays.
                kept.push_str(&bare[..column]);
                kept.push_str("dropped: null");
            }
            kept.push('\n');
            passing = Some(column);
        } else {
            kept.push_str(line);
        }
    }
    kept
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_numbers_and_items_their_places() {
        let text = "  kind: Pod\n  metadata:\n    labels:\n      env: prod\n    managedFields:\n    - apiVersion: v1\n      \
                    fieldsType: FieldsV1\n    name: a\n  spec:\n    containers:\n    - env:\n      - name: PASSWORD\n        \
                    value: |\n          hidden\n\n          too\n      image: nginx\n      name: a\n    - args:\n      - x\n      name: b\n";
        let kept = lines(text);
        assert_eq!(kept.lines().count(), text.lines().count());
        assert!(!kept.contains("hidden") && !kept.contains("FieldsV1"), "{kept}");
        for (at, line) in text.lines().enumerate() {
            if ["image:", "name: a", "name: b", "env: prod"]
                .iter()
                .any(|word| line.contains(word))
            {
                assert_eq!(kept.lines().nth(at), Some(line), "{kept}");
            }
        }
        assert!(kept.contains("    - dropped: null\n"), "{kept}");
    }

    #[test]
    fn of_a_secret_nothing_is_left_but_its_name() {
        let text = "apiVersion: v1\ndata:\n  key: c2VjcmV0\nkind: Secret\nmetadata:\n  annotations:\n    a: b\n  name: s\nstringData:\n  x: y\n";
        let kept = lines(text);
        assert!(
            !kept.contains("c2VjcmV0") && !kept.contains("x: y") && !kept.contains("a: b"),
            "{kept}"
        );
        assert!(kept.contains("name: s"), "{kept}");
    }

    #[test]
    fn policies_keep_keys_of_the_same_names() {
        let text = "kind: CiliumNetworkPolicy\nmetadata:\n  managedFields:\n  - manager: x\n  name: a\nspec:\n  volumes:\n  - b\nstatus:\n  conditions:\n  - c\n";
        let kept = lines(text);
        assert!(kept.contains("volumes:\n  - b\n"), "{kept}");
        assert!(!kept.contains("manager") && !kept.contains("- c"), "{kept}");
    }
}
