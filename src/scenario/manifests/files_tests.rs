//! Files of a folder that is read for its policies: which are read, which are passed over, and that one mistake does not hide
//! another.

use std::fs;

use super::any_tests::{POLICY, any, pod, refused};
use super::tests::first;
use super::{Excluded, ReadOptions, read_folder, read_texts};

#[test]
fn unrelated_objects_and_files_are_listed() {
    for (text, kind) in [
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n", "ConfigMap"),
        (
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: c}\n",
            "Gateway",
        ),
        ("replicas: 1\n", ""),
        ("[1, 2]\n", ""),
        ("", ""),
        ("# nothing\n---\n", ""),
    ] {
        let manifests = any(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(manifests.skipped[0].kind, kind, "{text}");
    }
    assert!(refused("kind: Pod\n").contains("`apiVersion` is missing"));
    assert!(refused("apiVersion: v1\n").contains("`kind` is missing"));
    assert!(
        refused("apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: x}\n").contains("versions that are: v1")
    );
}

#[test]
fn variables_that_are_not_filled_in_are_named_and_passed_over_leniently() {
    let pods = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  replicas: ${count}\n  template: {spec: {containers: [{name: a}]}}\n";
    let policy = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: a}\nspec:\n  endpointSelector: {}\n  egress: [{toFQDNs: [{matchName: \"a.${domain}\"}]}]\n";
    for text in [pods, policy] {
        assert!(
            refused(text).contains("is filled in when the manifest is applied"),
            "{}",
            refused(text)
        );
        let lenient = ReadOptions {
            lenient: true,
            ..POLICY
        };
        let manifests = read_texts(&[("a.yaml".into(), text)], lenient).expect("read");
        assert!(manifests.warnings[0].contains("${"), "{:?}", manifests.warnings);
        assert!(manifests.endpoints.is_empty() && manifests.cilium.is_empty());
    }
}

#[test]
fn templates_that_are_not_rendered_are_named() {
    for text in [
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}\n",
        "{{- if x }}\napiVersion: v1\nkind: Pod\n{{- end }}\n",
    ] {
        assert!(refused(text).contains("render the chart first"), "{}", refused(text));
    }
}

#[test]
fn templates_without_an_api_version_are_refused_too() {
    for text in [
        "{{- include \"common.all\" . -}}\n",
        "# from the library\n{{ include \"common.networkpolicy\" . }}\n",
        "{{- if .Values.on }}\nspec: {}\n{{- end }}\n",
        "a: {{ .Values.a }}\n b\n",
    ] {
        assert!(refused(text).contains("render the chart first"), "{text}");
    }
    for text in ["a: b: c # {{ x }}\n", "# {{ x }}\na: 1\n", "{{a: b}: c}\n"] {
        let read = any(text).expect("passed over");
        assert_eq!(read.skipped.len(), 1, "{text}");
    }
}

#[test]
fn items_of_typed_lists_have_the_kind_of_the_list() {
    for (version, kind, spec) in [
        ("networking.k8s.io/v1", "NetworkPolicy", "{podSelector: {}}"),
        (
            "cilium.io/v2",
            "CiliumNetworkPolicy",
            "{endpointSelector: {}, ingress: [{}]}",
        ),
        (
            "cilium.io/v2",
            "CiliumClusterwideNetworkPolicy",
            "{endpointSelector: {}, ingress: [{}]}",
        ),
        ("security.istio.io/v1", "AuthorizationPolicy", "{}"),
        ("security.istio.io/v1", "PeerAuthentication", "{mtls: {mode: STRICT}}"),
        ("security.istio.io/v1", "RequestAuthentication", "{}"),
        ("networking.istio.io/v1", "DestinationRule", "{host: x}"),
        ("networking.istio.io/v1", "Sidecar", "{egress: [{hosts: [\"*/*\"]}]}"),
        ("v1", "Service", "{selector: {app: a}, ports: [{port: 80}]}"),
        (
            "apps/v1",
            "DaemonSet",
            "{template: {metadata: {labels: {app: a}}, spec: {containers: [{name: c}]}}}",
        ),
    ] {
        let namespace = if kind.contains("Clusterwide") {
            ""
        } else {
            ", namespace: n"
        };
        let item = format!("- metadata: {{name: x{namespace}}}\n  spec: {spec}\n");
        let typed = any(&format!("apiVersion: {version}\nkind: {kind}List\nitems:\n{item}"));
        let typed = typed.unwrap_or_else(|error| panic!("{kind}: {error}"));
        let alone = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x{namespace}}}\nspec: {spec}\n");
        let alone = any(&alone).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(typed.cilium.len(), alone.cilium.len(), "{kind}");
        assert_eq!(typed.network_policies.len(), alone.network_policies.len(), "{kind}");
        assert_eq!(
            typed.authorization_policies.len(),
            alone.authorization_policies.len(),
            "{kind}"
        );
        assert_eq!(typed.endpoints.len(), alone.endpoints.len(), "{kind}");
        assert_eq!(typed.skipped.len(), alone.skipped.len(), "{kind}");
    }
}

#[test]
fn one_mistake_does_not_hide_another() {
    let files = [
        (
            "a.yaml",
            format!(
                "{}---\nkind: Pod\n---\na: [\n",
                pod("  hostNetwrk: true\n  dnsPolcy: x\n")
            ),
        ),
        (
            "b.yaml",
            "apiVersion: v1\nkind: List\nitems: [{kind: Pod}, {apiVersion: v1}]\n".to_owned(),
        ),
        ("c.yaml", pod("")),
    ];
    let files = files.map(|(name, text)| (name.into(), text));
    let errors = read_texts(&files, POLICY).expect_err("refused");
    let places: Vec<String> = errors
        .iter()
        .map(|e| format!("{}:{}", e.file.display(), e.line.unwrap_or(0)))
        .collect();
    assert_eq!(
        places,
        ["a.yaml:8", "a.yaml:9", "a.yaml:11", "a.yaml:13", "b.yaml:3", "b.yaml:3"],
        "{errors:?}"
    );
}

#[test]
fn files_that_are_no_manifests_are_passed_over_by_name() {
    for (name, text, reason) in [
        (
            "values.yaml",
            "kind: DaemonSet\nreplicas: 2\n",
            "values of a Helm chart",
        ),
        ("Chart.yaml", "apiVersion: v2\nname: c\n", "a Helm chart"),
        ("kustomization.yml", "resources: [a.yaml]\n", "kubectl kustomize"),
        ("secret.yaml", "data: ENC[AES256]\nsops: {mac: x}\n", "SOPS"),
        ("vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n6162\n", "Ansible Vault"),
        ("source.yaml", "apiVersion: 1\ndatasources: []\n", "none of Kubernetes"),
        ("patch.yaml", "- {op: add, path: /a, value: b}\n", "no `apiVersion`"),
        ("site.yml", "a: {% if x %}\n", "not valid YAML"),
        ("tags.yaml", "a: !Ref b\nc: !Sub {d: e}\n", "no `apiVersion`"),
        (
            "flux.yaml",
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: x}\n",
            "a controller renders it",
        ),
        (
            "crd.yaml",
            "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: x}\n",
            "within pods",
        ),
    ] {
        let manifests = read_texts(&[(name.into(), text)], POLICY).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let found = &manifests.skipped[0];
        assert!(
            found.reason.contains(reason) && !found.decides,
            "{name}: {}",
            found.reason
        );
    }
}

#[test]
fn patches_of_kustomizations_are_no_objects() {
    let kustomization = "patches: [{path: ./p.yaml, target: {kind: Pod}}]\npatchesStrategicMerge: [../base/q.yaml]\n";
    let files = [
        ("x/over/kustomization.yaml", kustomization.to_owned()),
        ("x/over/p.yaml", pod("  hostNetwork: true\n")),
        ("x/base/q.yaml", pod("  hostNetwork: true\n")),
        ("x/base/pod.yaml", pod("")),
    ];
    let files = files.map(|(name, text)| (name.into(), text));
    let manifests = read_texts(&files, POLICY).expect("valid");
    assert_eq!((manifests.endpoints.len(), manifests.skipped.len()), (1, 3));
    assert!(!manifests.endpoints[0].endpoint.host_network);
    assert!(
        manifests.skipped[1]
            .reason
            .contains("a patch of x/over/kustomization.yaml")
    );
}

#[test]
fn excluded_files_and_folders_are_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("charts/a/templates")).expect("made");
    fs::write(folder.path().join("charts/a/templates/b.yaml"), "apiVersion: {{").expect("written");
    fs::write(folder.path().join("pod.yaml"), pod("")).expect("written");
    assert!(read_folder(folder.path(), POLICY, &Excluded::default()).is_err());
    let excluded = Excluded::parse(&["charts", "nothing/*.yaml"]);
    let manifests = read_folder(folder.path(), POLICY, &excluded).expect("valid");
    assert_eq!((manifests.endpoints.len(), manifests.skipped.len()), (1, 1));
    assert!(
        manifests
            .warnings
            .iter()
            .any(|w| w.contains("the excluded `nothing/*.yaml` matches no"))
    );
}

#[test]
fn utf_16_is_named_and_a_mark_of_utf_8_is_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.yaml");
    fs::write(&file, b"\xff\xfea\0").expect("written");
    let error = first(read_folder(folder.path(), POLICY, &Excluded::default()));
    assert_eq!((error.message.as_str(), error.line), ("the file is UTF-16", Some(1)));
    fs::write(&file, format!("\u{feff}{}", pod(""))).expect("written");
    assert_eq!(
        read_folder(folder.path(), POLICY, &Excluded::default())
            .expect("valid")
            .endpoints
            .len(),
        1
    );
}

#[test]
fn subfolders_are_read_and_links_stay_inside() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("x/y");
    fs::create_dir_all(&inner).expect("made");
    fs::create_dir_all(folder.path().join(".git")).expect("made");
    fs::write(inner.join("a.yml"), pod("")).expect("written");
    fs::write(folder.path().join(".git/b.yaml"), "{{").expect("written");
    fs::write(folder.path().join("expected.json"), "{\"rows\": []}").expect("written");
    let manifests = read_folder(folder.path(), POLICY, &Excluded::default()).expect("valid");
    assert_eq!((manifests.endpoints.len(), manifests.skipped.len()), (1, 1));
    assert_eq!(
        read_folder(&inner.join("a.yml"), POLICY, &Excluded::default())
            .expect("valid")
            .endpoints
            .len(),
        1
    );
    #[cfg(unix)]
    {
        let outside = tempfile::tempdir().expect("a folder");
        fs::write(outside.path().join("c.yaml"), "{{").expect("written");
        std::os::unix::fs::symlink(outside.path(), folder.path().join("out")).expect("linked");
        std::os::unix::fs::symlink(outside.path().join("c.yaml"), folder.path().join("d.yaml")).expect("linked");
        let manifests = read_folder(folder.path(), POLICY, &Excluded::default()).expect("valid");
        assert_eq!(manifests.skipped.len(), 3);
    }
}
