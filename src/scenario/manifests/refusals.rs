//! Refusals with their messages: keys that are not evaluated, and contradictions between objects.

use super::tests::{SLEEP, read, refused, with_sleep};
use crate::cluster::placement::{Amount, CONTROL_PLANE, Effect, Limit, Taint};
use crate::scenario::error::InputError;

/// What is said of the only workload of a text.
fn remarks(text: &str) -> (Vec<String>, Vec<String>) {
    let manifests = read(text).expect("read");
    let remarks = &manifests.workloads[0].remarks;
    let refused = remarks.refused.iter().map(|error| {
        let error = InputError {
            file: "a.yaml".into(),
            ..error.clone()
        };
        error.to_string()
    });
    let conditional = remarks.conditional.iter().map(|(place, _, text)| (place, text));
    let approximated = remarks.approximated.iter().map(|(place, text)| (place, text));
    let approximated = approximated
        .chain(conditional)
        .map(|(place, text)| format!("{}: {text}", place.line));
    (refused.collect(), approximated.collect())
}

fn pod(text: &str) -> String {
    SLEEP.replace("      containers:", &format!("      {text}\n      containers:"))
}

fn container(text: &str) -> String {
    format!("{SLEEP}          {text}\n")
}

#[test]
fn fields_that_change_an_answer_are_refused_where_they_are_written() {
    let (refused, approximated) = remarks(&pod("hostNetwork: true"));
    let expected = "a.yaml:14:7: `hostNetwork: true` is not modeled\n  \
                    hint: with `--lenient`: its pods have addresses and identities of their own";
    assert_eq!(
        (refused.as_slice(), approximated.len()),
        (&[expected.to_owned()][..], 0)
    );
    for (text, shown) in [
        (pod("schedulingGates: [{name: a}]"), "`schedulingGates`"),
        (
            SLEEP.replace("  selector:", "  paused: true\n  selector:"),
            "`paused: true`",
        ),
    ] {
        let (refused, _) = remarks(&text);
        assert!(
            refused.len() == 1 && refused[0].contains(&format!("{shown} is not modeled")),
            "{refused:?}"
        );
    }
    let ambient =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {istio.io/dataplane-mode: ambient}}\n";
    let (refused, _) = remarks(&with_sleep(ambient));
    assert!(
        refused[0].contains("the ambient mode of its pods is not modeled"),
        "{refused:?}"
    );
}

#[test]
fn what_is_simulated_otherwise_is_said() {
    for (text, expected) in [
        (
            pod("schedulerName: mine"),
            "14: `schedulerName: mine` is approximated: the default scheduler",
        ),
        (
            pod("nodeSelector: {disk: ssd}"),
            "14: `disk: ssd` is approximated: every node of the run",
        ),
        (
            pod("nodeSelector: {topology.kubernetes.io/zone: eu-1a}"),
            "eu-1a` is approximated: every node",
        ),
        (
            pod("affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a}]}}"),
            "`requiredDuringSchedulingIgnoredDuringExecution` is approximated: its pods are placed",
        ),
        (
            pod(
                "affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: rack, labelSelector: {}}}]}}",
            ),
            "the preferred affinity per `rack` is approximated: no node is preferred",
        ),
        (
            pod("topologySpreadConstraints: [{topologyKey: rack, maxSkew: 1}]"),
            "the spread over `rack` is approximated",
        ),
        (
            pod("priorityClassName: high"),
            "14: priority class `high`, which no manifest declares, is approximated: its pods have the priority 0",
        ),
        (
            pod("volumes: [{name: a, persistentVolumeClaim: {claimName: a}}]"),
            "volumes attach at once",
        ),
        (
            pod("serviceAccountName: slepp"),
            "service account `slepp`, which no manifest declares, is approximated: it exists",
        ),
        (
            container("lifecycle: {preStop: {exec: {command: [sleep]}}}"),
            "`lifecycle` is approximated: its hooks take no time",
        ),
        (
            container("ports: [{containerPort: 1, hostPort: 1}]"),
            "`hostPort: 1` is approximated",
        ),
        (
            SLEEP.replace("  selector:", "  minReadySeconds: 5\n  selector:"),
            "`minReadySeconds: 5` is approximated",
        ),
        (
            SLEEP.replace("  selector:", "  strategy: {type: Recreate}\n  selector:"),
            "`type: Recreate` is approximated",
        ),
        (
            with_sleep(
                "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: h}\nspec: {scaleTargetRef: {kind: Deployment, name: sleep}}\n",
            ),
            "HorizontalPodAutoscaler of `sleep` is approximated: its replicas stay as they are written",
        ),
    ] {
        let (refused, approximated) = remarks(&text);
        assert!(refused.is_empty(), "{refused:?}");
        assert!(
            approximated.len() == 1 && approximated[0].contains(expected),
            "{expected}: {approximated:?}"
        );
    }
}

#[test]
fn what_changes_no_answer_is_passed_over_in_silence() {
    for text in [
        pod("hostNetwork: false"),
        pod("initContainers: []"),
        pod("tolerations: []"),
        pod("tolerations: [{key: gpu, operator: Exists}]"),
        pod("affinity: {nodeAffinity: {}}"),
        pod("nodeSelector: {kubernetes.io/os: linux}"),
        pod("schedulerName: default-scheduler\n      dnsPolicy: ClusterFirst\n      securityContext: {}"),
        pod("priorityClassName: system-node-critical\n      volumes: [{name: a, hostPath: {path: /}}, {name: b, emptyDir: {}}]"),
        pod("serviceAccount:\n      nodeName:"),
        container("readinessProbe: {httpGet: {path: /, port: 80}, timeoutSeconds: 3, failureThreshold: 3}"),
        container("livenessProbe: {exec: {command: [a]}}\n          startupProbe: {tcpSocket: {port: 1}}"),
        container("env: [{name: A, value: b}]\n          resources: {requests: {cpu: 1}}\n          imagePullPolicy: Always"),
        container("terminationMessagePath: /dev/log\n          terminationMessagePolicy: File\n          securityContext: {}"),
        format!("{}status: {{replicas: 1}}\n", SLEEP.replace("  name: sleep\nspec", "  name: sleep\n  uid: a\n  managedFields: [{manager: kubectl}]\n  annotations: {kubectl.kubernetes.io/last-applied-configuration: x, deployment.kubernetes.io/revision: \"1\"}\nspec")),
        with_sleep("apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: a}\nspec: {selector: {}, minAvailable: 1}\n"),
        with_sleep("apiVersion: v1\nkind: LimitRange\nmetadata: {name: a}\nspec: {limits: []}\n"),
    ] {
        let manifests = read(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(manifests.warnings.is_empty(), "{text}: {:?}", manifests.warnings);
        assert_eq!(remarks(&text), (Vec::new(), Vec::new()), "{text}");
    }
}

#[test]
fn probes_init_containers_and_placement_are_read() {
    let text = pod(
        "initContainers: [{name: a}, {name: b, restartPolicy: Always, startupProbe: {periodSeconds: 3}}, {name: c}]\n      \
         nodeSelector: {topology.kubernetes.io/zone: zone-2}\n      \
         tolerations: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]\n      \
         topologySpreadConstraints: [{topologyKey: kubernetes.io/hostname, maxSkew: 2, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: sleep}}}]",
    );
    let text = format!("{text}          readinessProbe: {{initialDelaySeconds: 5, successThreshold: 2}}\n");
    let manifests = read(&text).expect("valid");
    let workload = &manifests.workloads[0];
    assert_eq!(
        (workload.containers, workload.init_containers, workload.probed.len()),
        (2, 2, 2)
    );
    let [sidecar, own] = workload.probed[..] else { panic!() };
    let startup = sidecar.startup.expect("a startup probe");
    assert_eq!(
        (startup.period.as_secs_f64(), startup.initial_delay.as_secs_f64()),
        (3.0, 0.0)
    );
    let readiness = own.readiness.expect("a readiness probe");
    assert_eq!((readiness.period.as_secs_f64(), readiness.successes), (10.0, 2));
    let placement = &workload.placement;
    assert_eq!((placement.tolerations.len(), placement.nodes.len()), (1, 1));
    assert!(placement.tolerations[0].tolerates(&Taint::of(CONTROL_PLANE, Effect::NoSchedule)));
    assert_eq!((placement.spread[0].max_skew, placement.spread[0].by_zone), (2, false));
}

#[test]
fn requests_priorities_and_tolerations_are_read() {
    let classes = "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high}\nvalue: 1000\npreemptionPolicy: Never\n---\n\
                   apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: usual}\nvalue: 7\nglobalDefault: true\n---\n\
                   apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: b}\nspec: {maxUnavailable: 30%, selector: {matchLabels: {app: sleep}}}\n---\n";
    let read = |text: &str| read(&format!("{classes}{text}")).expect("valid");
    let placement = |text: &str| read(text).workloads[0].placement.clone();
    let (named, usual) = (placement(&pod("priorityClassName: high")), placement(SLEEP));
    assert_eq!((named.priority, named.waits_its_turn), (1000, true));
    assert_eq!((usual.priority, usual.waits_its_turn), (7, false));
    let live = placement(&pod(
        "priorityClassName: high\n      preemptionPolicy: PreemptLowerPriority",
    ));
    assert!(!live.waits_its_turn);
    // A limit is a request, a sidecar runs beside the others, an init container before them.
    let init = "initContainers: [{name: a, resources: {requests: {cpu: 2}}}, {name: b, restartPolicy: Always, resources: {limits: {memory: 64Mi}}}]\n      \
                overhead: {cpu: 50m}";
    let text = format!(
        "{}          resources: {{requests: {{cpu: 0.25, memory: 1Gi}}, limits: {{cpu: 1}}}}\n",
        pod(init)
    );
    let requests = placement(&text).requests;
    assert_eq!((requests.running.cpu_milli, requests.running.memory >> 20), (300, 1088));
    assert_eq!(
        (requests.starting.cpu_milli, requests.starting.memory >> 20),
        (2050, 64)
    );
    let tolerations = placement(&pod(
        "tolerations: [{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 30}, {operator: Exists}, {value: a}, {key: a, operator: Lt}]",
    ))
    .tolerations;
    assert_eq!(tolerations.len(), 2, "the last two are none");
    assert_eq!(tolerations[0].stays.map(|stays| stays.as_secs_f64()), Some(30.0));
    assert!(tolerations[1].key.is_none() && tolerations[1].stays.is_none());
    let manifests = read(SLEEP);
    let [budget] = &manifests.budgets[..] else { panic!() };
    assert_eq!(budget.limit, Limit::MaxUnavailable(Amount::Percent(30)));
    let both = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: b}\nspec: {maxUnavailable: 1, minAvailable: 1}\n";
    assert!(refused(&with_sleep(both)).contains("`minAvailable` and `maxUnavailable` exclude each other"));
    let wrong = container("resources: {requests: {memory: much}}");
    assert!(
        refused(&wrong).contains("expected a quantity such as 500m or 128Mi"),
        "{}",
        refused(&wrong)
    );
}

#[test]
fn every_kind_that_carries_pods_is_a_workload_but_what_another_one_controls() {
    let of = |kind: &str, spec: &str| {
        let version = if kind.ends_with("Job") { "batch/v1" } else { "apps/v1" };
        format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n---\n")
    };
    let template = "template: {metadata: {labels: {app: a}}, spec: {containers: [{name: a}]}}";
    let selector = "selector: {matchLabels: {app: a}}";
    for (kind, spec, refused) in [
        ("StatefulSet", format!("{{replicas: 3, {selector}, {template}}}"), 0),
        ("DaemonSet", format!("{{{selector}, {template}}}"), 0),
        ("ReplicaSet", format!("{{replicas: 3, {selector}, {template}}}"), 0),
        ("Job", format!("{{parallelism: 2, {template}}}"), 0),
        (
            "CronJob",
            format!("{{schedule: \"* * * * *\", jobTemplate: {{spec: {{{template}}}}}}}"),
            0,
        ),
    ] {
        let manifests = read(&of(kind, &spec)).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let [workload] = &manifests.workloads[..] else {
            panic!("{kind}: {} workloads", manifests.workloads.len())
        };
        assert_eq!((workload.kind.name(), workload.remarks.refused.len()), (kind, refused));
    }
    let owned = "apiVersion: v1\nkind: Pod\nmetadata: {name: a-1, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: a, uid: u, controller: true}]}\nspec: {containers: [{name: a}]}\n";
    let manifests = read(&format!(
        "{}{owned}",
        of("ReplicaSet", &format!("{{{selector}, {template}}}"))
    ))
    .expect("valid");
    assert_eq!(
        (manifests.workloads.len(), manifests.warnings.len()),
        (1, 0),
        "{:?}",
        manifests.warnings
    );
    let manifests = read(owned).expect("valid");
    assert!(manifests.workloads.is_empty());
    assert!(manifests.warnings[0].contains("ReplicaSet `default/a`, its controller, is not in the folder"));
}

#[test]
fn annotations_of_the_mesh_are_refused_and_own_ones_checked() {
    let with = |text: &str| {
        SLEEP.replace(
            "    metadata:\n      labels",
            &format!("    metadata:\n      annotations: {{{text}}}\n      labels"),
        )
    };
    assert_eq!(remarks(&with("team: a")), (Vec::new(), Vec::new()));
    let manifests = read(&with(
        "meshfault.dev/ignores-sigterm: \"true\", meshfault.dev/answers-after: 5s",
    ))
    .expect("valid");
    let workload = &manifests.workloads[0];
    assert_eq!(
        (workload.ignores_sigterm, workload.answers_after.as_secs_f64()),
        (true, 5.0)
    );
    let error = refused(&with("meshfault.dev/ignore-sigterm: \"true\""));
    assert!(
        error.contains("did you mean `meshfault.dev/ignores-sigterm`?"),
        "{error}"
    );
    let error = refused(&with("meshfault.dev/answers-after: \"5\""));
    assert!(error.starts_with("a.yaml:11:"), "{error}");
    let (found, _) = remarks(&with("traffic.sidecar.istio.io/excludeInboundPorts: \"80\""));
    assert!(found.len() == 1 && found[0].contains("is not modeled"), "{found:?}");
    let error = refused(&with("meshfault.dev/ignores-sigterm: true"));
    assert!(error.contains("put it in quotes: \"true\""), "{error}");
}

#[test]
fn a_workload_must_select_its_own_pods() {
    assert_eq!(
        refused(&SLEEP.replacen("app: sleep", "app: slep", 1)),
        "a.yaml:8:12: `app: slep` is not a label of the pod template, so the selector matches nothing\n  \
         hint: the template has `app: sleep`"
    );
}

#[test]
fn a_service_must_match_a_workload_if_it_is_called() {
    let service = |app: &str, target: &str| {
        with_sleep(&format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: s\nspec:\n  selector:\n    app: {app}\n  \
             ports:\n  - port: 80\n    targetPort: {target}\n"
        ))
    };
    let manifests = read(&service("sleep", "8080")).expect("valid");
    assert_eq!(manifests.services[0].ports[0].target.number(), Some(8080));
    let refused = |text: &str| read(text).expect("valid").services[0].remarks.refused[0].to_string();
    let error = refused(&service("slep", "8080"));
    let expected = "`selector` of Service default/s matches nothing: `app: slep`\n  hint: did you mean `sleep`?";
    assert!(error.ends_with(expected), "{error}");
    assert!(
        refused(&service("sleep", "web")).contains("`targetPort: web` of Service `s` is no container port of `sleep`")
    );
    let named = container("ports: [{containerPort: 9, name: web}]");
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
        ("fromNodes: [{}]", ""),
        ("fromGroups: [{}]", ""),
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
    for rule in [
        "toFQDNs: [{matchName: a.example}]",
        "toServices: [{k8sServiceSelector: {}}]",
        "toPorts: [{ports: [{port: \"53\"}], rules: {dns: [{matchName: a.example}]}}]",
    ] {
        let text = cilium(&format!("  endpointSelector: {{}}\n  egress: [{{{rule}}}]\n"));
        assert!(read(&text).is_ok(), "{rule}");
    }
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
