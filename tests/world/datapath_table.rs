//! Which source identity wins, by mode and release: the rows of Cilium's datapath that the models know.
//!
//! Source of the rows: cilium/cilium bpf/bpf_lxc.c, bpf/bpf_host.c, bpf/lib/wireguard.h; pull requests 29000 and 28917.

use meshfault::cluster::blueprint::Blueprint;
use meshfault::scenario::Scenario;
use meshfault::scenario::overrides::Overrides;

/// Routing, encryption and release; whether packets carry the sender's identity; whether WireGuard's peers check the
/// sender's pod address.
const ROWS: [(&str, &str, &str, bool, bool); 8] = [
    ("native", "none", "1.12.0", false, false),
    ("native", "none", "1.15.0", false, false),
    ("native", "wireguard", "1.12.0", false, true),
    ("native", "wireguard", "1.15.0", false, true),
    ("vxlan", "none", "1.12.0", true, false),
    ("vxlan", "none", "1.15.0", true, false),
    ("vxlan", "wireguard", "1.12.0", false, true),
    ("vxlan", "wireguard", "1.15.0", true, false),
];

#[test]
fn the_table_of_modes_and_releases_holds() {
    for (routing, encryption, version, carried, checked) in ROWS {
        let changes = [
            format!("cluster.cilium.routing={routing}"),
            format!("cluster.cilium.encryption={encryption}"),
            format!("cluster.cilium.version={version}"),
        ];
        let overrides = Overrides::parse(&changes).expect("the keys exist");
        let scenario = Scenario::built_in("ip-reuse", &overrides).expect("the values exist");
        let blueprint = Blueprint::new(scenario.designs[0].world.clone());
        let row = format!("{routing} {encryption} {version}");
        assert_eq!(blueprint.identity_in_packet(), carried, "{row}: identity in the packet");
        assert_eq!(
            blueprint.wireguard_checks_pod_addresses(),
            checked,
            "{row}: check of the pod address"
        );
    }
}
