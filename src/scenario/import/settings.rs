//! What the configuration of Cilium and Istio means to an experiment: parameters, the data path, and what is not simulated.
//!
//! Belongs here: keys of ConfigMap `cilium-config`, of MeshConfig, and variables of Istiod, by the parameters that they set. Does not
//! belong here: versions (`versions`), and the parameters themselves (`models`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::dump::{Dump, Text};
use super::sizes::Known;
use crate::scenario::models::ParameterSet;
use crate::scenario::schema::Setting;
use crate::scenario::yaml::{self, Position, Spanned};

/// What a dump shows of settings.
#[derive(Debug)]
pub(super) struct Settings {
    pub routing: Known<&'static str>,
    pub encryption: Known<&'static str>,
    /// Whether policies of the network are enforced.
    pub enforced: bool,
    /// Parameters that differ from the models, by name.
    pub parameters: BTreeMap<&'static str, Known<String>>,
    pub trust_domain: Option<String>,
    /// What of the configuration is not simulated, in words.
    pub unlike: Vec<String>,
}

/// Keys of `api-rate-limit` of `endpoint-create` (Cilium `pkg/rate/api_limiter.go`), and their parameters.
const API_LIMITS: [(&str, &str); 11] = [
    ("rate-limit", "cilium.endpoint_create_rate"),
    ("rate-burst", "cilium.endpoint_create_burst"),
    ("parallel-requests", "cilium.endpoint_create_parallel"),
    ("min-parallel-requests", "cilium.endpoint_create_parallel_min"),
    ("estimated-processing-duration", "cilium.endpoint_create_estimate"),
    ("auto-adjust", "cilium.endpoint_create_auto_adjust"),
    ("mean-over", "cilium.endpoint_create_mean_over"),
    ("delayed-adjustment-factor", "cilium.endpoint_create_delayed_adjustment"),
    ("max-adjustment-factor", "cilium.endpoint_create_adjustment_max"),
    ("skip-initial", "cilium.endpoint_create_skip_initial"),
    ("max-wait-duration", "cilium.endpoint_create_max_wait"),
];
/// Other keys of `cilium-config`, and their parameters.
const CILIUM: [(&str, &str); 2] = [
    ("k8s-client-qps", "cilium.agent_client_qps"),
    ("k8s-client-burst", "cilium.agent_client_burst"),
];
/// Variables of Istiod, and their parameters (Istio `pilot/pkg/features`).
pub(super) const ISTIOD: [(&str, &str); 3] = [
    ("PILOT_DEBOUNCE_AFTER", "istio.debounce_after"),
    ("PILOT_DEBOUNCE_MAX", "istio.debounce_max"),
    ("PILOT_MAX_REQUESTS_PER_SECOND", "istio.stream_rate"),
];
/// Variables of proxies, which `defaultConfig.proxyMetadata` of MeshConfig sets, and their parameters.
const PROXIES: [(&str, &str); 3] = [
    ("SECRET_TTL", "istio.certificate_lifetime"),
    ("SECRET_GRACE_PERIOD_RATIO", "istio.certificate_renewal_ratio"),
    (
        "SECRET_GRACE_PERIOD_RATIO_JITTER",
        "istio.certificate_renewal_jitter_ratio",
    ),
];

/// Keys of `cilium-config` whose other values change who reaches whom or when, with the value that is simulated.
const ONLY: [(&str, &[&str]); 5] = [
    ("identity-allocation-mode", &["crd"]),
    ("ipam", &["cluster-pool", "kubernetes"]),
    ("enable-policy", &["default", "never"]),
    ("enable-cilium-endpoint-slice", &["false"]),
    ("cluster-id", &["0", ""]),
];

/// The parameters that settings can set.
#[cfg(test)]
pub(super) fn parameters() -> impl Iterator<Item = &'static str> {
    let tables = API_LIMITS.iter().chain(&CILIUM).chain(&ISTIOD).chain(&PROXIES);
    tables.map(|(_, parameter)| *parameter)
}

pub(super) fn settings(dump: &Dump, sets: &[(&'static str, ParameterSet)]) -> Settings {
    let why = "the dump has no ConfigMap cilium-config";
    let mut settings = Settings {
        routing: Known::assumed("vxlan", why),
        encryption: Known::assumed("none", why),
        enforced: true,
        parameters: BTreeMap::new(),
        trust_domain: None,
        unlike: Vec::new(),
    };
    if let Some(config) = &dump.cilium_config {
        settings.cilium(config);
    }
    settings.mesh(dump.mesh_config.as_deref().unwrap_or_default());
    for (name, key) in ISTIOD {
        if let Some(value) = dump.istiod_variables.get(name) {
            settings.parameter(key, value, &format!("{name} of Istiod"));
        }
    }
    settings.check(sets);
    settings
}

impl Settings {
    /// Keeps the parameters whose values the parameter sets of the experiment take and do not have already.
    fn check(&mut self, sets: &[(&'static str, ParameterSet)]) {
        let unlike = &mut self.unlike;
        self.parameters.retain(|key, known| {
            let (component, field) = key.split_once('.').unwrap_or_default();
            let Some((_, set)) = sets.iter().find(|(name, _)| *name == component) else {
                return false;
            };
            let text = Setting::Scalar(known.value.clone());
            let text = Spanned::new(text, Position::UNKNOWN, Position::UNKNOWN);
            let mut changed = set.clone();
            match changed.override_with(Path::new("dump"), field, &text) {
                Ok(()) => changed.value(field) != set.value(field),
                Err(_) => {
                    unlike.push(format!(
                        "{} is `{}`, which `{key}` does not take",
                        known.from, known.value
                    ));
                    false
                }
            }
        });
    }

    fn parameter(&mut self, key: &'static str, value: &str, from: &str) {
        let known = Known::seen(value.trim().to_owned(), from);
        self.parameters.insert(key, known);
    }

    fn cilium(&mut self, config: &Text) {
        let get = |key: &str| config.get(key).map(String::as_str);
        let on = |key: &str| get(key) == Some("true");
        let from = "ConfigMap cilium-config";
        self.routing = match (get("routing-mode"), get("tunnel"), get("tunnel-protocol")) {
            (Some("native"), ..) | (None, Some("disabled"), _) => Known::seen("native", from),
            (_, Some("geneve"), _) | (_, _, Some("geneve")) => {
                self.unlike
                    .push("packets travel in Geneve, which is simulated as VXLAN".to_owned());
                Known::seen("vxlan", from)
            }
            _ => Known::seen("vxlan", from),
        };
        self.encryption = Known::seen(if on("enable-wireguard") { "wireguard" } else { "none" }, from);
        self.enforced = get("enable-policy") != Some("never");
        if on("enable-ipsec") {
            self.unlike
                .push("packets are encrypted by IPsec, which is not simulated".to_owned());
        }
        if get("labels").is_some_and(|labels| !labels.trim().is_empty()) {
            let text = "`labels` of cilium-config leaves labels out of identities; each set of labels is simulated as an identity";
            self.unlike.push(text.to_owned());
        }
        for (key, simulated) in ONLY {
            let other = get(key).filter(|value| !simulated.contains(value));
            self.unlike.extend(
                other.map(|value| format!("`{key}: {value}` of cilium-config is simulated as `{}`", simulated[0])),
            );
        }
        if matches!(get("kube-proxy-replacement"), Some("true" | "strict" | "partial")) {
            let text = "Cilium replaces kube-proxy; Services are simulated as those of kube-proxy";
            self.unlike.push(text.to_owned());
        }
        for (key, parameter) in CILIUM {
            if let Some(value) = get(key).filter(|value| *value != "0") {
                self.parameter(parameter, value, &format!("`{key}` of cilium-config"));
            }
        }
        self.api_limits(get("api-rate-limit").unwrap_or_default());
    }

    /// Limits of calls to the agent: `{"endpoint-create": "rate-limit:0.5/s,rate-burst:4"}`, or the same with `=` and no braces.
    fn api_limits(&mut self, text: &str) {
        let of_json: Option<BTreeMap<String, String>> = serde_json::from_str(text).ok();
        let of_json = of_json.and_then(|calls| calls.get("endpoint-create").cloned());
        let limits = of_json.unwrap_or_else(|| {
            let rest = text.split_once("endpoint-create=").map_or("", |(_, rest)| rest);
            // The next call begins where a word with `=` does.
            let own = rest.split(',').take_while(|part| !part.contains('='));
            own.collect::<Vec<_>>().join(",")
        });
        for limit in limits.split(',').filter_map(|limit| limit.split_once(':')) {
            let key = API_LIMITS.iter().find(|(key, _)| *key == limit.0.trim());
            let (Some((_, parameter)), value) = (key, limit.1.trim()) else {
                continue;
            };
            match value.split_once('/') {
                Some((number, "s" | "1s")) => self.parameter(parameter, number, "`api-rate-limit` of cilium-config"),
                Some(_) => {
                    let text = format!("`api-rate-limit` of cilium-config has `{value}`, which is not taken over");
                    self.unlike.push(text);
                }
                None => self.parameter(parameter, value, "`api-rate-limit` of cilium-config"),
            }
        }
    }

    fn mesh(&mut self, text: &str) {
        let mesh: Value = yaml::parse(Path::new("mesh"), text).unwrap_or_default();
        let text = |pointer: &str| match mesh.pointer(pointer) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Null) | None => None,
            Some(other) => Some(other.to_string()),
        };
        self.trust_domain = text("/trustDomain").filter(|domain| domain != "cluster.local");
        for (pointer, simulated, words) in [
            (
                "/trustDomain",
                "cluster.local",
                "the trust domain of the mesh is simulated as cluster.local",
            ),
            (
                "/outboundTrafficPolicy/mode",
                "ALLOW_ANY",
                "`outboundTrafficPolicy` keeps proxies from hosts outside the mesh; nothing outside is simulated",
            ),
            (
                "/enableAutoMtls",
                "true",
                "`enableAutoMtls: false`: clients are simulated with mutual TLS wherever both ends have a proxy",
            ),
            (
                "/defaultConfig/holdApplicationUntilProxyStarts",
                "false",
                "`holdApplicationUntilProxyStarts`: containers are simulated as starting beside their proxy",
            ),
        ] {
            let other = text(pointer).filter(|value| value != simulated);
            self.unlike.extend(other.map(|_| words.to_owned()));
        }
        for (name, key) in PROXIES {
            if let Some(value) = text(&format!("/defaultConfig/proxyMetadata/{name}")) {
                self.parameter(key, &value, &format!("`proxyMetadata.{name}` of MeshConfig"));
            }
        }
    }
}

/// What identities show: whether labels of pods are left out of them, and whether policies select by such labels.
pub(super) fn identities(dump: &Dump, redacted: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if dump.identities.is_empty() {
        return lines;
    }
    let keys: BTreeSet<&str> = dump
        .identities
        .iter()
        .flat_map(|labels| labels.keys())
        .filter_map(|key| key.split_once(':').map(|(_, key)| key))
        .collect();
    let of_addresses = |labels: &&Text| labels.keys().any(|key| key.starts_with("cidr:"));
    let blocks = dump.identities.iter().filter(of_addresses).count();
    let pods: BTreeSet<(&str, &str, &Text)> = dump
        .pods
        .iter()
        .filter(|pod| pod.addressed && !pod.template.spec.host_network)
        .map(|pod| {
            (
                pod.namespace.as_str(),
                pod.template.spec.account.as_str(),
                &pod.template.labels,
            )
        })
        .collect();
    lines.push(format!(
        "identities: {} in the dump{}, {} in use by {} endpoint{}; pods have {} sets of namespace, account and labels",
        dump.identities.len(),
        match blocks {
            0 => String::new(),
            blocks => format!(" ({blocks} of blocks of addresses)"),
        },
        dump.endpoints.0.len(),
        dump.endpoints.1,
        if dump.endpoints.1 == 1 { "" } else { "s" },
        pods.len()
    ));
    let mut unseen = BTreeSet::new();
    for policy in dump
        .policies
        .iter()
        .filter(|of| !of.kind.ends_with("Policy") || of.kind.contains("Network"))
    {
        selected_keys(&policy.object["spec"], &mut |key| {
            let bare = key.split_once(':').map_or(key, |(_, key)| key);
            let by_cilium =
                key.starts_with("reserved:") || bare.starts_with("io.cilium.") || bare.starts_with("io.kubernetes.");
            if !keys.contains(bare) && !by_cilium {
                unseen.insert(bare.to_owned());
            }
        });
    }
    if !unseen.is_empty() {
        let keys: Vec<String> = unseen.into_iter().collect();
        let keys = if redacted {
            keys.len().to_string()
        } else {
            keys.join(", ")
        };
        lines.push(format!(
            "identities: policies of the network select by labels that no identity has, and match no pod in the cluster: {keys}"
        ));
    }
    lines
}

/// Keys of the labels in selectors below a value.
fn selected_keys(value: &Value, found: &mut dyn FnMut(&str)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("matchLabels", Value::Object(labels)) => labels.keys().for_each(|key| found(key)),
                    ("key", Value::String(key)) if map.contains_key("operator") => found(key),
                    // Labels of namespaces are looked up in another way.
                    ("namespaceSelector" | "k8sServiceSelector", _) => {}
                    _ => selected_keys(value, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| selected_keys(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
