//! Refusals with their messages: keys that are not evaluated, and contradictions between objects.

use super::tests::{SLEEP, read, refused, with_sleep};

#[test]
fn known_keys_that_change_an_answer_are_refused_by_name() {
    let pod = |text: &str| SLEEP.replace("      containers:", &format!("      {text}\n      containers:"));
    assert_eq!(
        refused(&pod("nodeSelector: {disk: ssd}")),
        "a.yaml:14:7: `nodeSelector: {disk: ssd}` is not modeled\n  \
         hint: of placement only `podAntiAffinity` (required, per hostname) is evaluated"
    );
    for text in [
        "hostNetwork: true",
        "initContainers: []",
        "tolerations: []",
        "affinity: {nodeAffinity: {}}",
        "volumes: [{name: a, hostPath: {path: /}}]",
    ] {
        assert!(refused(&pod(text)).contains("is not modeled"), "{text}");
    }
    for text in [
        "readinessProbe: {}",
        "lifecycle: {}",
        "ports: [{containerPort: 1, hostPort: 1}]",
    ] {
        let container = format!("{SLEEP}          {text}\n");
        assert!(refused(&container).contains("is not modeled"), "{text}");
    }
    let harmless = format!("{SLEEP}          env: [{{name: A, value: b}}]\n          resources: {{}}\n");
    assert!(read(&harmless).is_ok());
}

#[test]
fn annotations_of_the_mesh_are_refused_and_own_ones_checked() {
    let with = |text: &str| {
        SLEEP.replace(
            "    metadata:\n      labels",
            &format!("    metadata:\n      annotations: {{{text}}}\n      labels"),
        )
    };
    assert!(read(&with("team: a")).is_ok());
    assert!(
        read(&with("meshfault.dev/ignores-sigterm: \"true\""))
            .expect("valid")
            .workloads[0]
            .ignores_sigterm
    );
    let error = refused(&with("meshfault.dev/ignore-sigterm: \"true\""));
    assert!(
        error.contains("did you mean `meshfault.dev/ignores-sigterm`?"),
        "{error}"
    );
    let error = refused(&with("traffic.sidecar.istio.io/excludeInboundPorts: \"80\""));
    assert!(error.contains("is not modeled"), "{error}");
    let error = refused(&with("meshfault.dev/ignores-sigterm: true"));
    assert!(error.contains("put it in quotes: \"true\""), "{error}");
}

#[test]
fn deployment_must_select_its_own_pods() {
    assert_eq!(
        refused(&SLEEP.replacen("app: sleep", "app: slep", 1)),
        "a.yaml:8:12: `app: slep` is not a label of the pod template, so the selector matches nothing\n  \
         hint: the template has `app: sleep`"
    );
    let twin = SLEEP.replace("name: sleep", "name: other");
    assert!(refused(&with_sleep(&twin)).contains("also matches the pods of `other`"));
}

#[test]
fn objects_are_written_once() {
    assert_eq!(
        refused(&with_sleep(SLEEP)).lines().next(),
        Some("a.yaml:20:9: Deployment `sleep` is written twice")
    );
}

#[test]
fn namespace_must_exist() {
    let there = |name: &str| authorization("  {}\n").replace("name: p", &format!("name: p\n  namespace: {name}"));
    assert!(read(&there("istio-system")).is_ok());
    assert_eq!(
        refused(&there("defualt")),
        "a.yaml:21:14: namespace `defualt` does not exist\n  hint: did you mean `default`?"
    );
}

#[test]
fn service_account_must_exist() {
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: sleep\n---\n";
    let with = |name: &str| {
        let pod = format!("      serviceAccountName: {name}\n      containers:");
        format!("{account}{}", SLEEP.replace("      containers:", &pod))
    };
    assert_eq!(
        read(&with("sleep")).expect("valid").workloads[0]
            .subject
            .service_account,
        "sleep"
    );
    assert_eq!(
        refused(&with("slepp")),
        "a.yaml:19:27: service account `slepp` does not exist in namespace `default`\n  \
         hint: did you mean `sleep`?"
    );
}

#[test]
fn service_must_match_a_workload() {
    let service = |app: &str, target: &str| {
        with_sleep(&format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: s\nspec:\n  selector:\n    app: {app}\n  \
             ports:\n  - port: 80\n    targetPort: {target}\n"
        ))
    };
    let manifests = read(&service("sleep", "8080")).expect("valid");
    assert_eq!(manifests.services[0].ports[0].target.number(), Some(8080));
    assert_eq!(manifests.workloads[0].http_port, Some(8080));
    assert_eq!(
        refused(&service("slep", "8080")),
        "a.yaml:23:10: `selector` of Service default/s matches nothing: `app: slep`\n  \
         hint: did you mean `sleep`?"
    );
    assert!(refused(&service("sleep", "web")).contains("`sleep` has no container port `web`"));
    let named = format!("{SLEEP}          ports: [{{containerPort: 9, name: web}}]\n");
    let manifests = read(&service("sleep", "web").replace(SLEEP, &named)).expect("valid");
    assert_eq!(manifests.services[0].ports[0].target.number(), Some(9));
}

fn cilium(spec: &str) -> String {
    with_sleep(&format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata:\n  name: p\nspec:\n{spec}"
    ))
}

#[test]
fn cilium_policy_that_matches_nothing_is_a_warning() {
    let warnings = read(&cilium("  endpointSelector:\n    matchLabels:\n      app: sleap\n"))
        .expect("valid")
        .warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let expected = "`endpointSelector` of CiliumNetworkPolicy default/p matches nothing: `app: sleap`; \
                    did you mean `sleep`?";
    assert!(warnings[0].ends_with(expected), "{warnings:?}");
    assert!(
        read(&cilium("  endpointSelector: {}\n"))
            .expect("valid")
            .warnings
            .is_empty()
    );
    let key = "  endpointSelector: {matchLabels: {apps: sleep}}\n";
    assert!(read(&cilium(key)).expect("valid").warnings[0].contains("did you mean `app`?"));
    let far = "  endpointSelector: {matchLabels: {\"k8s:io.kubernetes.pod.namespace\": x}}\n";
    let warnings = read(&cilium(far)).expect("valid").warnings;
    assert!(warnings[0].contains("not the namespace of the policy"), "{warnings:?}");
}

#[test]
fn cilium_keys_that_are_not_evaluated_are_refused() {
    for (rule, expected) in [
        ("fromCIDR: [10.0.0.0]", ""),
        ("fromCIDR: [10.0.0.0/33]", "address block `10.0.0.0/33` is not valid"),
        (
            "fromCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/8]}]",
            "lies inside its block",
        ),
        (
            "fromCIDRSet: [{cidrGroupRef: g}]",
            "groups of addresses are not modeled",
        ),
        ("fromNodes: [{}]", "`fromNodes` is not modeled"),
        ("fromGroups: [{}]", "`fromGroups` is not modeled"),
        ("toPorts: [{ports: [{port: \"80\"}], rules: {}}]", ""),
        (
            "toPorts: [{ports: [{port: \"80\"}], rules: {http: [{}]}}]",
            "rules on HTTP need ports of TCP",
        ),
        (
            "toPorts: [{ports: [{port: \"0\", protocol: TCP}], rules: {http: [{}]}}]",
            "need ports of TCP",
        ),
        (
            "toPorts: [{ports: [{port: \"80\", protocol: TCP}], rules: {http: [{path: \"(\"}]}}]",
            "regular expression `(` is not valid",
        ),
        (
            "toPorts: [{ports: [{port: \"80\", protocol: TCP}], rules: {kafka: [{}]}}]",
            "`kafka` is not modeled",
        ),
        (
            "toPorts: [{ports: [{port: \"80\"}], listener: {}}]",
            "`listener` is not modeled",
        ),
        (
            "toPorts: [{ports: [{port: \"80\", protocol: TPC}]}]",
            "did you mean `TCP`?",
        ),
        ("toPorts: [{ports: [{port: http}]}]", ""),
        ("toPorts: [{ports: [{port: \"70000\"}]}]", "`70000` is not a valid port"),
        ("toPorts: [{ports: [{port: \"80\", endPort: 79}]}]", "does not follow"),
        ("toPorts: [{ports: [{port: 80}]}]", "put it in quotes: \"80\""),
        ("toPorts: [{ports: []}]", "`ports: []` is empty"),
        ("toPorts: [], fromEndpoints: [], fromEntities: []", ""),
        ("fromEntities: [wrld]", "did you mean `world`?"),
        ("fromEntities: [world-ipv4]", ""),
        ("fromEndpoints: [{}], fromEntities: [world]", "in one rule"),
        ("fromEndpoint: [{}]", "did you mean `fromEndpoints`?"),
        (
            "icmps: [{fields: [{type: 8}]}], toPorts: [{ports: [{port: \"80\"}]}]",
            "in one rule",
        ),
        ("fromEndpoints: [{matchLabels: {k8s.app: a}}]", "with a colon"),
        (
            "fromEndpoints: [{matchExpressions: [{key: a, operator: in}]}]",
            "did you mean `In`?",
        ),
        ("authentication: {mode: required}", ""),
        ("authentication: {mode: requierd}", "did you mean `required`?"),
    ] {
        let text = cilium(&format!("  endpointSelector: {{}}\n  ingress: [{{{rule}}}]\n"));
        match (read(&text), expected) {
            (Ok(_), "") => {}
            (Err(error), expected) if !expected.is_empty() => {
                let error = error.to_string();
                assert!(
                    error.starts_with("a.yaml:23:") && error.contains(expected),
                    "{rule}: {error}"
                );
            }
            (read, _) => panic!("{rule}: {read:?}"),
        }
    }
    let egress = |rule: &str| refused(&cilium(&format!("  endpointSelector: {{}}\n  egress: [{{{rule}}}]\n")));
    assert!(egress("toFQDNs: [{matchName: a.example}]").contains("`toFQDNs` is not modeled"));
    assert!(egress("toServices: [{k8sServiceSelector: {}}]").contains("`k8sServiceSelector` is not modeled"));
    let names = "toPorts: [{ports: [{port: \"53\"}], rules: {dns: [{matchName: a.example}]}}]";
    assert!(egress(names).contains("names in DNS queries"));
    assert!(
        read(&cilium(&format!(
            "  endpointSelector: {{}}\n  egress: [{{{}}}]\n",
            names.replace("matchName: a.example", "matchPattern: \"*\"")
        )))
        .is_ok()
    );
    let reserved = "  endpointSelector: {matchLabels: {\"reserved:init\": \"\"}}\n";
    assert!(refused(&cilium(reserved)).contains("matches no pod of a namespace"));
    assert!(refused(&cilium("  nodeSelector: {}\n")).contains("in a policy of a namespace"));
    assert!(refused(&cilium("  ingress: []\n")).contains("key `endpointSelector` is missing"));
    let deny = "  endpointSelector: {}\n  ingressDeny: [{toPorts: [{ports: [{port: \"80\"}], rules: {http: []}}]}]\n";
    assert!(refused(&cilium(deny)).contains("`rules` in a deny rule"));
}

#[test]
fn network_policies_are_validated_as_the_api_server_does() {
    let policy = |spec: &str| {
        with_sleep(&format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: np}}\nspec: {{podSelector: {{}}, {spec}}}\n"
        ))
    };
    for (spec, expected) in [
        ("policyTypes: [ingress]", "did you mean `Ingress`?"),
        ("ingres: []", "did you mean `ingress`?"),
        ("ingress: [{from: [{}]}]", "an entry of `from` is empty"),
        (
            "ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]",
            "beside a selector",
        ),
        ("ingress: [{from: [{ipBlock: {cidr: 10.0.0.1}}]}]", "is not valid"),
        ("ingress: [{ports: [{port: 0}]}]", "`0` is not a valid port"),
        ("ingress: [{ports: [{port: 90, endPort: 80}]}]", "does not follow"),
        ("ingress: [{ports: [{endPort: 80}]}]", "`endPort` without `port`"),
        ("ingress: [{ports: [{port: web, endPort: 80}]}]", "behind the name"),
        ("ingress: [{ports: [{port: \"80\"}]}]", "is not a valid name for a port"),
        ("ingress: [{ports: [{port: 80, protocol: tcp}]}]", "did you mean `TCP`?"),
        ("egress: [{from: []}]", "unknown key `from`"),
    ] {
        let error = refused(&policy(spec));
        assert!(error.contains(expected), "{spec}: {error}");
    }
    for (spec, types) in [
        ("", (true, false)),
        ("egress: [{}]", (true, true)),
        ("egress: []", (true, false)),
        ("policyTypes: [Egress]", (false, true)),
        ("policyTypes: [], ingress: []", (true, false)),
    ] {
        let manifests = read(&policy(spec)).expect("valid");
        let read = &manifests.network_policies[0].item;
        assert_eq!((read.isolates_ingress, read.isolates_egress), types, "{spec}");
    }
}

#[test]
fn clusterwide_policies_and_several_specs_are_read() {
    let text = with_sleep(
        "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: c}\nspecs:\n\
         - {nodeSelector: {matchLabels: {type: worker}}, ingress: [{fromEntities: [cluster]}]}\n\
         - {endpointSelector: {}, egressDeny: [{toEntities: [world]}]}\n",
    );
    let manifests = read(&text).expect("valid");
    assert!(manifests.warnings.is_empty(), "{:?}", manifests.warnings);
    let [nodes, pods] = &manifests.cilium[..] else {
        panic!("two policies")
    };
    assert!(matches!(
        nodes.item.subject,
        crate::policy::cilium::CiliumSubject::Nodes(_)
    ));
    assert_eq!(
        (pods.item.namespace.as_deref(), pods.item.egress_deny[0].line),
        (None, 22)
    );
    let placed = "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: c, namespace: default}\n\
                  spec: {endpointSelector: {}}\n";
    assert!(refused(&with_sleep(placed)).contains("has no namespace"));
}

#[test]
fn peers_that_nothing_declares_are_warnings() {
    let key = "io.cilium.k8s.policy.serviceaccount";
    let rule =
        format!("  endpointSelector: {{}}\n  ingress: [{{fromEndpoints: [{{matchLabels: {{{key}: defalt}}}}]}}]\n");
    let warnings = read(&cilium(&rule)).expect("valid").warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].ends_with(
            "a.yaml:23:82: CiliumNetworkPolicy default/p names service account `defalt` of namespace `default`, \
         which no manifest declares; did you mean `default`?"
        ),
        "{warnings:?}"
    );
    let rule = "  endpointSelector: {}\n  ingress: [{fromEndpoints: [{matchLabels: {app: slep}}]}]\n";
    let warnings = read(&cilium(rule)).expect("valid").warnings;
    assert!(warnings[0].contains("matches nothing: `app: slep`"), "{warnings:?}");
}

fn authorization(spec: &str) -> String {
    with_sleep(&format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: p\nspec:\n{spec}"
    ))
}

#[test]
fn empty_specs_are_read() {
    for spec in ["  {}\n", ""] {
        let manifests = read(&authorization(spec)).expect("valid");
        assert!(manifests.authorization_policies[0].item.rules.is_empty());
    }
    let manifests = read(&authorization("  rules: [{}]\n")).expect("valid");
    assert_eq!(manifests.authorization_policies[0].item.rules.len(), 1);
}

#[test]
fn peer_authentication_is_unambiguous() {
    let peer = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: {name}}}\nspec: {spec}\n"
        )
    };
    let strict = "{mtls: {mode: STRICT}}";
    assert!(read(&format!("{SLEEP}{}", peer("a", strict))).is_ok());
    let two = format!("{SLEEP}{}{}", peer("a", strict), peer("b", strict));
    assert!(refused(&two).contains("`b` has the same scope as `a`"));
    let ports = "{portLevelMtls: {80: {mode: DISABLE}}}";
    assert!(refused(&format!("{SLEEP}{}", peer("a", ports))).contains("without a selector"));
    let mode = "{mtls: {mode: STRIC}}";
    assert!(refused(&format!("{SLEEP}{}", peer("a", mode))).contains("did you mean `STRICT`?"));
    let port = "{selector: {matchLabels: {app: sleep}}, portLevelMtls: {80: {mode: DISABLE}}}";
    let manifests = read(&format!("{SLEEP}{}", peer("a", port))).expect("valid");
    assert_eq!(manifests.peer_authentications[0].item.port_modes.len(), 1);
}
