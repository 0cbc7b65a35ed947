//! Reading of any folder for its policies: kinds of workloads, lists, incomplete folders, what is not evaluated.

use super::{Layer, Manifests, Purpose, ReadOptions, Side, read_texts};
use crate::policy::Protocol;
use crate::policy::istio::TlsMode;
use crate::scenario::error::InputError;

pub(super) const POLICY: ReadOptions = ReadOptions {
    purpose: Purpose::Policy,
    lenient: false,
};
const LENIENT: ReadOptions = ReadOptions {
    purpose: Purpose::Policy,
    lenient: true,
};

pub(super) fn any(text: &str) -> Result<Manifests, InputError> {
    read_texts(&[("a.yaml".into(), text)], POLICY).map_err(|mut errors| errors.swap_remove(0))
}

fn lenient(text: &str) -> Manifests {
    read_texts(&[("a.yaml".into(), text)], LENIENT).expect("lenient")
}

pub(super) fn refused(text: &str) -> String {
    any(text).expect_err("refused").to_string()
}

const TEMPLATE: &str = "{metadata: {labels: {app: a}}, spec: {serviceAccountName: s, containers: [{name: c, ports: [{name: web, containerPort: 80}]}]}}";

pub(super) fn pod(extra: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  labels: {{app: a}}\nspec:\n  containers: [{{name: c}}]\n{extra}"
    )
}

#[test]
fn every_kind_of_workload_is_read() {
    for (api, kind, spec) in [
        ("apps/v1", "Deployment", format!("{{template: {TEMPLATE}}}")),
        (
            "apps/v1",
            "StatefulSet",
            format!("{{serviceName: s, template: {TEMPLATE}}}"),
        ),
        ("apps/v1", "DaemonSet", format!("{{template: {TEMPLATE}}}")),
        ("apps/v1", "ReplicaSet", format!("{{template: {TEMPLATE}}}")),
        (
            "v1",
            "ReplicationController",
            format!("{{selector: {{app: a}}, template: {TEMPLATE}}}"),
        ),
        ("batch/v1", "Job", format!("{{template: {TEMPLATE}}}")),
        (
            "batch/v1",
            "CronJob",
            format!("{{schedule: x, jobTemplate: {{spec: {{template: {TEMPLATE}}}}}}}"),
        ),
    ] {
        let text = format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: w, namespace: n}}\nspec: {spec}\n");
        let manifests = any(&text).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let found = manifests.endpoint("n/w").expect(kind);
        assert_eq!(found.kind.name(), kind);
        assert_eq!(found.endpoint.subject.labels.get("app"), Some("a"), "{kind}");
        assert_eq!(found.endpoint.subject.service_account, "s");
        assert_eq!(found.endpoint.named_ports[&("web".to_owned(), Protocol::Tcp)], 80);
        assert_eq!(found.container_ports, [(80, Protocol::Tcp)]);
    }
}

#[test]
fn a_job_has_the_label_with_its_name() {
    let text = format!("apiVersion: batch/v1\nkind: Job\nmetadata: {{name: w}}\nspec: {{template: {TEMPLATE}}}\n");
    let manifests = any(&text).expect("valid");
    let labels = &manifests.endpoint("w").expect("there").endpoint.subject.labels;
    assert_eq!(labels.get("job-name"), Some("w"));
    assert_eq!(labels.get("batch.kubernetes.io/job-name"), Some("w"));
}

#[test]
fn the_older_name_of_the_service_account_counts_if_the_newer_is_missing() {
    let account = |text: &str| {
        let manifests = any(&pod(text)).expect("valid");
        manifests.endpoints[0].endpoint.subject.service_account.clone()
    };
    assert_eq!(account(""), "default");
    assert_eq!(account("  serviceAccount: old\n"), "old");
    assert_eq!(account("  serviceAccount: old\n  serviceAccountName: new\n"), "new");
}

#[test]
fn ports_of_init_containers_count_only_if_they_keep_running() {
    let ports = |policy: &str| {
        let text = format!("  initContainers: [{{name: i{policy}, ports: [{{name: x, containerPort: 1}}]}}]\n");
        any(&pod(&text)).expect("valid").endpoints[0].endpoint.named_ports.len()
    };
    assert_eq!(ports(""), 0);
    assert_eq!(ports(", restartPolicy: Always"), 1);
}

#[test]
fn the_host_network_and_the_mesh_are_read() {
    let namespace = |label: &str| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: default, labels: {{{label}}}}}\n---\n")
    };
    let facts = |text: &str| {
        let found = any(text).expect("valid").endpoints.remove(0).endpoint;
        (found.sidecar, found.ambient, found.host_network)
    };
    assert_eq!(facts(&pod("")), (false, false, false));
    let on = namespace("istio-injection: enabled");
    assert_eq!(facts(&format!("{on}{}", pod(""))), (true, false, false));
    assert_eq!(
        facts(&format!("{on}{}", pod("  hostNetwork: true\n"))),
        (false, false, true)
    );
    let ambient = namespace("istio.io/dataplane-mode: ambient");
    assert_eq!(facts(&format!("{ambient}{}", pod(""))), (false, true, false));
    let written = pod("").replace("[{name: c}]", "[{name: c}, {name: istio-proxy}]");
    assert_eq!(facts(&format!("{ambient}{written}")), (true, false, false));
}

#[test]
fn an_object_without_a_namespace_is_in_default_and_namespaces_have_their_name() {
    let manifests = any(&pod("")).expect("valid");
    let subject = &manifests.endpoint("p").expect("there").endpoint.subject;
    assert_eq!(subject.namespace, "default");
    assert_eq!(
        subject.namespace_labels.get("kubernetes.io/metadata.name"),
        Some("default")
    );
    let far = pod("").replace("  name: p", "  name: p\n  namespace: far");
    let manifests = any(&far).expect("valid");
    assert!(
        manifests.warnings[0].contains("no manifest declares namespace `far`"),
        "{:?}",
        manifests.warnings
    );
}

#[test]
fn lists_are_read_with_the_places_of_their_items() {
    let items = "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: p}\n  spec: {containers: [{name: c}]}\n\
                 - apiVersion: v1\n  kind: Pod\n  metadata:\n    name: q\n  spec: {containers: [{name: c}]}\nkind: List\nmetadata: {resourceVersion: \"\"}\n";
    let manifests = any(items).expect("valid");
    assert_eq!(manifests.endpoints.len(), 2);
    let place = &manifests.endpoint("q").expect("there").place;
    assert_eq!((place.line, place.column), (10, 11));
    let typed = "{\"apiVersion\": \"v1\", \"kind\": \"PodList\", \"items\": [{\"metadata\": {\"name\": \"p\"}, \"spec\": {\"containers\": []}}]}";
    assert_eq!(any(typed).expect("valid").endpoints[0].place.column, 73);
    assert_eq!(
        any("apiVersion: v1\nkind: List\nitems: []\n")
            .expect("valid")
            .endpoints
            .len(),
        0
    );
    let wrong = items.replace("name: q", "nmae: q");
    assert_eq!(
        refused(&wrong),
        "a.yaml:10:5: unknown key `nmae`\n  hint: did you mean `name`?"
    );
}

#[test]
fn misspelt_fields_of_a_workload_are_refused_with_a_near_match() {
    for (text, expected) in [
        (
            "  hostNetwrk: true\n",
            "a.yaml:8:3: unknown key `hostNetwrk`\n  hint: did you mean `hostNetwork`?",
        ),
        ("  dnsConfig: {searchs: []}\n", "did you mean `searches`?"),
        (
            "  volumes: [{name: v, hostpath: {path: /}}]\n",
            "did you mean `hostPath`?",
        ),
        ("  hostNetwork: []\n", "expected one value"),
        ("  volumes: {}\n", "expected a list"),
        ("  securityContext: [1]\n", "expected a map"),
    ] {
        let error = refused(&pod(text));
        assert!(error.contains(expected), "{text}: {error}");
    }
    let all = pod(
        "  volumes: [{name: v, emptyDir: {}}]\n  tolerations:\n  affinity: {}\n  nodeSelector: {a: b}\nstatus: {x: 1}\n",
    );
    assert!(any(&all).is_ok());
}

#[test]
fn lenient_reading_warns_and_doubts() {
    let manifests = lenient(&pod("  hostNetwrk: true\n"));
    assert_eq!(manifests.warnings, manifests.endpoints[0].doubts);
    assert!(manifests.warnings[0].contains("did you mean `hostNetwork`?"));
    let wrong = read_texts(&[("a.yaml".into(), pod("  hostNetwork: []\n"))], LENIENT);
    assert!(wrong.is_err());
}

#[test]
fn keys_of_the_mesh_that_change_a_verdict_are_refused() {
    let with = |key: &str| pod("").replace("  name: p", &format!("  name: p\n  annotations: {{{key}}}"));
    for key in [
        "traffic.sidecar.istio.io/excludeInterfaces: eth1",
        "sidecar.istio.io/interceptionMode: NONE",
        "inject.istio.io/templates: grpc-agent",
        "ambient.istio.io/bypass-inbound-capture: \"true\"",
        "istio.io/use-waypoint: w",
    ] {
        assert!(refused(&with(key)).contains("is not modeled"), "{key}");
        assert_eq!(lenient(&with(key)).endpoints[0].doubts.len(), 1);
    }
    for key in ["sidecar.istio.io/proxyCPU: 10m", "proxy.istio.io/config: x", "team: a"] {
        assert!(any(&with(key)).is_ok(), "{key}");
    }
}

#[test]
fn a_waypoint_that_no_gateway_declares_is_taken_to_be_there_and_said() {
    let waypoint =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {istio.io/use-waypoint: w}}\n---\n";
    let text = format!("{waypoint}{}", pod(""));
    let warnings = any(&text).expect("valid").warnings;
    assert!(
        warnings.iter().any(|warning| warning.contains("waypoint `default/w`")),
        "{warnings:?}"
    );
    let gateway = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: w}\nspec: {gatewayClassName: istio-waypoint}\n---\n";
    let declared = any(&format!("{gateway}{text}")).expect("valid");
    assert_eq!(declared.waypoints.len(), 1);
    assert!(
        !declared.warnings.iter().any(|warning| warning.contains("waypoint")),
        "{:?}",
        declared.warnings
    );
}

#[test]
fn kinds_that_decide_and_are_not_evaluated_are_refused() {
    for (api, kind) in [
        ("cilium.io/v2", "CiliumEnvoyConfig"),
        ("cilium.io/v2", "CiliumClusterwideEnvoyConfig"),
    ] {
        let text = format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: x, namespace: n}}\n");
        assert!(
            refused(&text).contains(&format!("kind `{kind}` is not modeled")),
            "{kind}"
        );
        let manifests = lenient(&text);
        assert_eq!(manifests.unknown[0].kind, kind);
        assert_eq!(manifests.unknown[0].namespace.as_deref(), Some("n"));
    }
}

#[test]
fn what_changes_proxies_is_unknown_only_for_those_that_it_may_concern() {
    let object = |kind: &str, spec: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n---\n{}",
            pod("")
        )
    };
    let concerned = |kind: &str, spec: &str, side: Side| {
        let manifests = any(&object(kind, spec)).expect("valid");
        let subject = &manifests.endpoints[0].endpoint.subject;
        manifests
            .unknown
            .iter()
            .any(|unknown| unknown.layer == Layer::Mesh && unknown.may_concern(subject, side))
    };
    let inbound = "{configPatches: [{match: {context: SIDECAR_INBOUND}}]}";
    assert!(concerned("EnvoyFilter", "{}", Side::Client));
    assert!(concerned("EnvoyFilter", inbound, Side::Server));
    assert!(!concerned("EnvoyFilter", inbound, Side::Client));
    assert!(!concerned(
        "EnvoyFilter",
        "{workloadSelector: {labels: {app: nobody}}}",
        Side::Server
    ));
    assert!(!concerned(
        "EnvoyFilter",
        "{configPatches: [{match: {context: GATEWAY}}]}",
        Side::Server
    ));
    assert!(concerned("Sidecar", "{ingress: [{port: {number: 1}}]}", Side::Server));
    assert!(!concerned("Sidecar", "{egress: [{hosts: [\"./*\"]}]}", Side::Server));
}

#[test]
fn destination_rules_are_read_and_a_host_that_means_nothing_is_told() {
    let rule = |spec: &str| {
        format!("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: x}}\nspec: {spec}\n")
    };
    let read = |spec: &str| any(&rule(spec)).expect("valid").destination_rules.remove(0);
    let tls = "{tls: {mode: DISABLE}, portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]}";
    let found = read(&format!("{{host: a, exportTo: [\".\"], trafficPolicy: {tls}}}"));
    let traffic = found.traffic.clone().expect("a traffic policy");
    assert_eq!(traffic.mode, Some(TlsMode::Disable));
    assert_eq!(traffic.ports, [(80, Some(TlsMode::Simple))]);
    assert_eq!(found.full_host(), "a.default.svc.cluster.local");
    // A secret is for rules that select the client; without it the client sends plain text.
    let secret = "trafficPolicy: {tls: {mode: SIMPLE, credentialName: s}}";
    assert_eq!(
        read(&format!("{{host: a, {secret}}}")).traffic.expect("it").mode,
        Some(TlsMode::Disable)
    );
    let selecting = format!("{{host: a, workloadSelector: {{matchLabels: {{app: a}}}}, {secret}}}");
    assert_eq!(read(&selecting).traffic.expect("it").mode, Some(TlsMode::Simple));
    assert!(refused(&rule("{host: a, trafficPolicy: {tls: {mode: DISABL}}}")).contains("did you mean `DISABLE`?"));
    let warnings = any(&rule("{host: server.app}")).expect("valid").warnings;
    assert!(warnings[0].contains("for a full name"), "{warnings:?}");
}

#[test]
fn ports_that_bypass_the_sidecar_are_read() {
    let with = |key: &str| pod("").replace("  name: p", &format!("  name: p\n  annotations: {{{key}}}"));
    let read = |key: &str| any(&with(key)).expect("valid").endpoints.remove(0).endpoint.capture;
    let prefix = "traffic.sidecar.istio.io";
    assert_eq!(
        read(&format!("{prefix}/excludeInboundPorts: \"9443, 80\"")).exclude_inbound_ports,
        [9443, 80]
    );
    assert_eq!(
        read(&format!("{prefix}/includeInboundPorts: \"*\"")).include_inbound_ports,
        None
    );
    assert_eq!(
        read(&format!("{prefix}/includeInboundPorts: \"\"")).include_inbound_ports,
        Some(Vec::new())
    );
    assert_eq!(
        read(&format!("{prefix}/excludeOutboundIPRanges: 10.0.0.0/8"))
            .exclude_outbound_blocks
            .len(),
        1
    );
    assert!(refused(&with(&format!("{prefix}/excludeOutboundPorts: http"))).contains("`http` is neither a port"));
}

#[test]
fn policies_that_something_else_enforces_are_left_out_and_said() {
    for (api, kind) in [
        ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
        ("projectcalico.org/v3", "GlobalNetworkPolicy"),
        ("networking.gke.io/v1alpha1", "FQDNNetworkPolicy"),
        ("policy.linkerd.io/v1beta1", "Server"),
        ("example.org/v1", "EdgeNetworkPolicy"),
    ] {
        let text = format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: x, namespace: n}}\n");
        let manifests = any(&text).expect(kind);
        let skipped = &manifests.skipped[0];
        assert_eq!((skipped.kind.as_str(), skipped.api_version.as_str()), (kind, api));
        assert_eq!((skipped.name.as_str(), skipped.line, skipped.decides), ("x", 1, true));
        assert!(
            !skipped.reason.is_empty() && manifests.warnings[0].contains(kind),
            "{kind}"
        );
        assert_eq!(lenient(&text).unknown[0].kind, kind);
    }
}

#[test]
fn a_policy_that_is_not_evaluated_is_unknown_where_it_selects() {
    let text = format!(
        "{}---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: x}}\nspec: {{endpointSelecto: {{}}}}\n",
        pod("")
    );
    assert!(refused(&text).contains("did you mean `endpointSelector`?"));
    let manifests = lenient(&text);
    let unknown = &manifests.unknown[0];
    assert!(unknown.selector.is_none() && unknown.namespace.as_deref() == Some("default"));
    assert!(unknown.may_concern(&manifests.endpoints[0].endpoint.subject, Side::Either));
}

#[test]
fn what_matches_nothing_is_a_warning() {
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {app: b}, ports: [{port: 1}]}\n---\n";
    let manifests = any(&format!("{service}{}", pod(""))).expect("valid");
    assert!(manifests.warnings[0].contains("`selector` of Service default/s matches nothing"));
    let policy = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: x}\nspec: {endpointSelector: {matchLabels: {app: b}}}\n";
    assert!(any(policy).expect("valid").warnings[0].contains("matches nothing"));
}

#[test]
fn services_of_every_shape_are_read_and_names_of_ports_looked_up() {
    let service = |spec: &str| format!("apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\nspec: {spec}\n---\n");
    let with = pod("").replace("{name: c}", "{name: c, ports: [{name: web, containerPort: 8080}]}");
    let manifests = any(&format!(
        "{}{with}",
        service("{clusterIP: None, selector: {app: a}, ports: [{port: 80, targetPort: web}, {port: 81}]}")
    ))
    .expect("valid");
    let (found, pods) = (&manifests.services[0], &manifests.endpoints[0].endpoint);
    assert!(found.headless && found.selects(&pods.subject));
    assert_eq!(
        found.ports.iter().map(|p| p.of(pods)).collect::<Vec<_>>(),
        [Some(8080), Some(81)]
    );
    let manifests = any(&service("{type: ExternalName, externalName: example.org}")).expect("valid");
    assert_eq!(manifests.services[0].external_name.as_deref(), Some("example.org"));
    assert!(refused(&service("{selectr: {app: a}}")).contains("did you mean `selector`?"));
}

#[test]
fn the_later_object_of_a_name_counts_as_with_kubectl_apply() {
    let twice = format!("{}---\n{}", pod(""), pod(""));
    let manifests = any(&twice).expect("valid");
    assert_eq!((manifests.endpoints.len(), manifests.warnings.len()), (1, 1));
    let host = pod("  hostNetwork: true\n");
    for (texts, expected) in [
        ([pod(""), host.clone(), pod("")], false),
        ([pod(""), pod(""), host.clone()], true),
        ([host.clone(), pod(""), host], true),
    ] {
        let manifests = any(&texts.join("---\n")).expect("valid");
        assert_eq!(manifests.endpoints.len(), 1);
        assert_eq!(manifests.endpoints[0].endpoint.host_network, expected);
        assert!(manifests.skipped[0].reason.contains("the later one counts"));
    }
}

#[test]
fn single_letters_are_names_and_no_booleans() {
    let text = pod("")
        .replace("  name: p", "  name: p\n  namespace: y")
        .replace("app: a", "app: n");
    let manifests = any(&text).expect("valid");
    let labels = &manifests.endpoint("y/p").expect("there").endpoint.subject.labels;
    assert_eq!(labels.get("app"), Some("n"));
    assert!(refused(&pod("").replace("app: a", "app: 5")).contains("put it in quotes"));
}

#[test]
fn names_that_cilium_cannot_learn_are_a_warning() {
    let policy = |egress: &str| {
        let rule = format!("{{toFQDNs: [{{matchName: a.example}}]}}{egress}");
        format!(
            "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: x}}\nspec: {{endpointSelector: {{}}, egress: [{rule}]}}\n"
        )
    };
    let warned = |text: &str| {
        let warnings = any(text).expect("valid").warnings;
        warnings.iter().any(|warning| warning.contains("see DNS queries"))
    };
    assert!(warned(&policy("")));
    let dns = ", {toPorts: [{ports: [{port: \"53\"}], rules: {dns: [{matchPattern: \"*\"}]}}]}";
    assert!(!warned(&policy(dns)));
}
