//! Words of Kubernetes and of chaos tools, for which experiment files have another word.
//!
//! None of them is accepted: a file has one spelling, and the error about the other names it. `error` asks here before it
//! looks for a near match. Does not belong here: misspellings.

/// What people write, and the words of the file format for it, of which the one counts that is allowed at the place.
const WORDS: [(&str, &[&str]); 52] = [
    ("duration", &["horizon", "for"]),
    ("runs", &["replications"]),
    ("repetitions", &["replications"]),
    ("iterations", &["replications"]),
    ("trials", &["replications"]),
    ("randomSeed", &["seed"]),
    ("variants", &["designs"]),
    ("scenarios", &["designs"]),
    ("configurations", &["designs"]),
    ("baseline", &["control"]),
    ("enforce", &["policies_in_force"]),
    ("layers", &["policies_in_force"]),
    ("components", &["parties"]),
    ("steps", &["script"]),
    ("workflow", &["script"]),
    ("wait", &["pause"]),
    ("sleep", &["pause"]),
    ("deploy", &["apply"]),
    ("restart", &["rollout_restart"]),
    ("request", &["probe"]),
    ("curl", &["probe"]),
    ("provoke_ip_reuse", &["find_reuse"]),
    ("timeout", &["time_limit", "deadline", "rollout_deadline"]),
    ("deployment", &["workload"]),
    ("deployments", &["workloads"]),
    ("vars", &["options"]),
    ("variables", &["options"]),
    ("params", &["parameters"]),
    ("matrix", &["factors"]),
    ("sweep", &["factors"]),
    ("metrics", &["measures"]),
    ("from", &["since"]),
    ("assertions", &["expectations"]),
    ("checks", &["expectations"]),
    ("thresholds", &["expectations"]),
    ("failures", &["faults"]),
    ("chaos", &["faults"]),
    ("networkPartition", &["partition"]),
    ("packetLoss", &["loss"]),
    ("latency", &["delay"]),
    ("direction", &["mode"]),
    ("from-apiserver", &["replies_only"]),
    ("nodeRunning", &["node_of"]),
    ("nodeSelector", &["nodes_with"]),
    ("podSelector", &["nodes_with"]),
    ("labelSelector", &["nodes_with"]),
    ("startTime", &["at", "from"]),
    ("kubernetesVersion", &["kubernetes"]),
    ("nodeCIDRMaskSize", &["node_prefix_length"]),
    ("kube-proxy", &["service_proxy"]),
    ("sidecar-injector", &["webhook"]),
    ("tiebreak", &["tie_order"]),
];

/// The word of the file format for `word` among the words that are allowed at its place, which may be the ends of dotted keys.
pub fn spelling<'c>(word: &str, allowed: &[&'c str]) -> Option<&'c str> {
    let last = |key: &str| key.rsplit('.').next().map(plain).unwrap_or_default();
    let word = last(word);
    let (_, spellings) = WORDS.iter().find(|(other, _)| plain(other) == word)?;
    allowed
        .iter()
        .copied()
        .find(|key| spellings.iter().any(|of| plain(of) == last(key)))
}

/// Without the marks by which styles of writing differ.
fn plain(word: &str) -> String {
    word.chars()
        .filter(|c| !"-_".contains(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::scenario::overrides::Overrides;
    use crate::scenario::{Scenario, embedded, json_schema};

    /// The words that are allowed together at some place: keys of a map, steps of a list, words of a value.
    fn places(schema: &Value, found: &mut Vec<Vec<String>>) {
        let keys = |of: &Value| {
            of["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, _)| key.clone())
                .collect()
        };
        let words: Vec<String> = schema["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let steps: Vec<String> = schema["oneOf"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|one| -> Vec<String> { keys(one) })
            .collect();
        found.extend(
            [keys(schema), words, steps]
                .into_iter()
                .filter(|words: &Vec<String>| !words.is_empty()),
        );
        match schema {
            Value::Object(map) => map.values().for_each(|value| places(value, found)),
            Value::Array(list) => list.iter().for_each(|value| places(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_word_has_its_place_and_is_allowed_at_none() {
        let mut all = Vec::new();
        places(&json_schema::experiment(), &mut all);
        for (word, spellings) in WORDS {
            for spelling in spellings {
                let there = |allowed: &&Vec<String>| allowed.iter().any(|key| key == spelling);
                let mut places = all.iter().filter(there).filter(|allowed| {
                    let keys: Vec<&str> = allowed.iter().map(String::as_str).collect();
                    super::spelling(word, &keys) == Some(spelling) && !keys.contains(&word)
                });
                assert!(places.next().is_some(), "no place has `{spelling}` and not `{word}`");
            }
            assert!(
                !spellings.iter().any(|spelling| plain(spelling) == plain(word)),
                "{word}"
            );
        }
    }

    #[test]
    fn errors_name_the_word_of_the_format() {
        let manifests = format!("{}/experiments/manifests/", env!("CARGO_MANIFEST_DIR"));
        let text = embedded::text("experiments/istiod-cut-off.yaml").expect("it is built in");
        let text = text.replace(" manifests/", &format!(" {manifests}"));
        let dir = tempfile::tempdir().expect("a folder can be made");
        let path = dir.path().join("other.yaml");
        for (right, other, word) in [
            ("horizon: 30m", "duration: 30m", "horizon"),
            ("replications: 1000", "runs: 1000", "replications"),
            ("\nscript:", "\nsteps:", "script"),
            ("\noptions:", "\nvars:", "options"),
            ("\ndesigns:", "\nvariants:", "designs"),
            (
                "policies_in_force: [network, mesh]",
                "enforce: [cilium, istio]",
                "policies_in_force",
            ),
            ("node_prefix_length: 24", "nodeCIDRMaskSize: 24", "node_prefix_length"),
            (
                "parties: [kubelet, cilium_agent, service_proxy, istiod]",
                "components: [kubelet]",
                "parties",
            ),
            (
                "[kubelet, cilium_agent, service_proxy, istiod]",
                "[kube-proxy]",
                "service_proxy",
            ),
            (
                "[kubelet, cilium_agent, service_proxy, istiod]",
                "[cilium-agent]",
                "cilium_agent",
            ),
            (
                "[kubelet, cilium_agent, service_proxy, istiod]",
                "[sidecar-injector]",
                "webhook",
            ),
            ("mode: replies_only", "mode: from-apiserver", "replies_only"),
            (
                "node_of: helloworld-v1",
                "nodeRunning: deployment/helloworld-v1",
                "node_of",
            ),
            ("  - pause: 30s", "  - sleep: 30s", "pause"),
            (
                "  cut-node:\n    cut:",
                "  cut-node:\n    networkPartition:",
                "partition",
            ),
            ("since: cut-node", "from: fault/cut-node", "since"),
            ("time_limit: 2s", "timeout: 2s", "time_limit"),
        ] {
            let changed = text.replacen(right, other, 1);
            assert_ne!(changed, text, "{right}");
            std::fs::write(&path, changed).expect("a file can be written");
            let errors = Scenario::load(&path, &Overrides::default()).expect_err(other);
            let mut hints = errors.iter().filter_map(|error| error.hint.as_deref());
            let named = hints.any(|hint| hint.contains(&format!("`{word}`")));
            assert!(named, "{other}: {errors:?}");
        }
        let error = Overrides::parse(&["cluster.nodeCIDRMaskSize=24"]).expect_err("there is no such key");
        assert_eq!(error.hint.as_deref(), Some("write `cluster.node_prefix_length`"));
    }
}
