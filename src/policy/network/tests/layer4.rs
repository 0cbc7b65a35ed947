//! Cilium docs `security/policy/layer4`: ports of the destination.

use super::*;

fn server_is_reached(ports: Vec<PortMatch>, number: u16, protocol: Protocol) -> Decision {
    let server = pod("default", "server");
    let names = NamedPorts::from([(("web".into(), TCP), 8080), (("dns".into(), Protocol::Udp), 53)]);
    let policies = cilium(&[admits(on(CiliumRule::default(), ports))]).with_ports([(server.clone(), names)]);
    let world = Peer::Reserved(Reserved::World);
    policies.ingress(&server, world, number, protocol, None).decision
}

#[test]
fn ports_without_peers_admit_everybody_on_them() {
    assert_eq!(server_is_reached(vec![PortMatch::tcp(80)], 80, TCP), Decision::Allow);
    assert_eq!(server_is_reached(vec![PortMatch::tcp(80)], 81, TCP), Decision::Deny);
    assert_eq!(
        server_is_reached(vec![PortMatch::tcp(80)], 80, Protocol::Udp),
        Decision::Deny
    );
}

#[test]
fn a_range_covers_both_of_its_ends() {
    let range = || vec![port(Port::Range(10, 20), ProtocolMatch::Is(TCP))];
    for (number, expected) in [
        (9, Decision::Deny),
        (10, Decision::Allow),
        (20, Decision::Allow),
        (21, Decision::Deny),
    ] {
        assert_eq!(server_is_reached(range(), number, TCP), expected, "{number}");
    }
}

#[test]
fn any_means_every_protocol_and_zero_every_port() {
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
        let any = vec![port(Port::Range(80, 80), ProtocolMatch::Any)];
        assert_eq!(server_is_reached(any, 80, protocol), Decision::Allow);
        let sctp = vec![port(Port::Any, ProtocolMatch::Is(Protocol::Sctp))];
        let expected = if protocol == Protocol::Sctp {
            Decision::Allow
        } else {
            Decision::Deny
        };
        assert_eq!(server_is_reached(sctp, 65_535, protocol), expected);
    }
}

#[test]
fn a_name_stands_for_the_number_that_the_destination_gives_it() {
    let named = |name: &str, protocol| vec![port(Port::Named(name.into()), protocol)];
    let tcp = ProtocolMatch::Is(TCP);
    assert_eq!(server_is_reached(named("web", tcp), 8080, TCP), Decision::Allow);
    assert_eq!(server_is_reached(named("web", tcp), 80, TCP), Decision::Deny);
    assert_eq!(
        server_is_reached(named("web", ProtocolMatch::Any), 8080, TCP),
        Decision::Allow
    );
    assert_eq!(server_is_reached(named("dns", tcp), 53, Protocol::Udp), Decision::Deny);
    assert_eq!(
        server_is_reached(named("dns", ProtocolMatch::Any), 53, Protocol::Udp),
        Decision::Allow
    );
    assert_eq!(server_is_reached(named("none", tcp), 8080, TCP), Decision::Deny);
}

#[test]
fn icmp_and_other_protocols_without_ports_open_no_port() {
    let icmp = CiliumRule {
        icmp: true,
        ..entities(["all"])
    };
    let a = pod("default", "a");
    assert!(!reached(&[admits(icmp)], Peer::Endpoint(&a), 80));
    let vrrp = on(entities(["all"]), [port(Port::Any, ProtocolMatch::Portless)]);
    assert!(!reached(&[admits(vrrp)], Peer::Endpoint(&a), 80));
}

#[test]
fn peers_and_ports_of_one_rule_hold_together() {
    let (a, b) = (pod("default", "a"), pod("default", "b"));
    let policies = [
        admits(on(from([select([("app", "a")])]), [PortMatch::tcp(80)])),
        admits(on(from([select([("app", "b")])]), [PortMatch::tcp(81)])),
    ];
    for (pod, number, expected) in [(&a, 80, true), (&a, 81, false), (&b, 80, false), (&b, 81, true)] {
        assert_eq!(reached(&policies, Peer::Endpoint(pod), number), expected);
    }
}

#[test]
fn egress_is_decided_by_the_port_of_the_pod_that_is_called() {
    let (server, client) = (pod("default", "server"), pod("default", "client"));
    let limited = CiliumNetworkPolicy {
        subject: CiliumSubject::Endpoints(select([("app", "client")])),
        egress: vec![on(from([select([("app", "server")])]), [PortMatch::tcp(5000)])],
        ..for_server()
    };
    let policies = cilium(&[limited]);
    let to = |number| {
        policies
            .egress(&client, Peer::Endpoint(&server), number, TCP, None)
            .is_allowed()
    };
    assert!(to(5000) && !to(80));
    let world = Peer::Reserved(Reserved::World);
    assert!(!policies.egress(&client, world, 5000, TCP, None).is_allowed());
}
