//! Examples at the end of the help of each command.

pub const RUN: &str = "\
Examples:
  meshfault run                                      the built-in experiment
  meshfault run shop/shop.yaml -n 1000               a file, with 1,000 replications
  meshfault run ip-reuse -d native-routing -s cluster.nodes=40
  meshfault run out/shop-0123456789ab                a result again, from its own inputs";

pub const EXPLAIN: &str = "\
Examples:
  meshfault explain ip-reuse --first unauthorized    the first breach of a result
  meshfault explain ip-reuse -d vxlan -r 12          one run
  meshfault explain --worst startup_latency --timeline worst.svg";

pub const COMPARE: &str = "\
Examples:
  meshfault compare out/shop-0123456789ab
  meshfault compare before after -m startup_latency_p50";

pub const POLICY: &str = "\
Examples:
  meshfault policy --manifests k8s/
  meshfault policy --manifests k8s/ --from web/client --to api/server --port 8080 --explain
  meshfault policy --diff k8s/ k8s-ambient/          in CI: exit code 0 if no verdict changes, 1 if
                                                     one does, 2 for wrong input";

pub const VERIFY: &str = "\
Examples:
  meshfault verify -n 20
  meshfault verify --out fingerprints                and on another machine:
  meshfault verify --against fingerprints";

pub const NEW: &str = "\
Examples:
  meshfault new shop                                 a starter that shows a breach and its cures
  meshfault new mine --from ip-reuse                 a copy of a built-in experiment";

pub const IMPORT: &str = "\
Examples:
  kubectl get nodes,namespaces,pods,deployments,replicasets,statefulsets,daemonsets,services,networkpolicies \\
    -A -o yaml > dump.yaml
  meshfault import dump.yaml --out shop              an experiment that runs as it is
  meshfault import dumps/ --out shop --redact        without names of the cluster
  meshfault import dump.yaml --out shop --set cluster.cilium.routing=native   where the dump does not show it";

pub const PARAMS: &str = "\
Examples:
  meshfault params cilium-only kubernetes
  meshfault params cilium-istio-1.14 --diff cilium-istio-1.21";
