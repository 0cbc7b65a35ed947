//! What was meant, and the class of what happened: policies of all layers on true identities. Only the judge and the records of
//! accesses ask.

use super::blueprint::Blueprint;
use super::context::Shared;
use super::ids::{KindId, PodId, TrueIdentity};
use super::istio::mesh::{Asked, Attempt};
use super::records::{AccessClass, LayerDecision};

/// The decisions about one access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decisions {
    /// What the network's policy intends.
    pub network_intended: LayerDecision,
    /// What the network did, if it was asked.
    pub network: Option<LayerDecision>,
    /// What the mesh's policy intends.
    pub mesh_intended: LayerDecision,
    /// What the mesh did, if it was asked.
    pub mesh: Option<LayerDecision>,
    /// Whether the request was answered by the server.
    pub admitted: bool,
    /// Whether that is a pod of another workload than those behind the Service that was called.
    pub wrong_server: bool,
}

impl Decisions {
    /// The class of an access.
    #[must_use]
    pub fn class(&self) -> AccessClass {
        use LayerDecision::{Allow, Deny};
        let refused = self.network == Some(Deny) || self.mesh == Some(Deny);
        let meant = self.network_intended == Allow && self.mesh_intended == Allow;
        match (self.admitted, refused, meant) {
            (true, _, true) if self.wrong_server => AccessClass::WrongServer,
            (true, _, true) => AccessClass::Allowed,
            (true, _, false) => AccessClass::Unauthorized,
            (false, false, _) => AccessClass::Unreachable,
            (false, true, true) => AccessClass::WronglyDenied,
            (false, true, false) if self.network_intended == Deny && self.network == Some(Allow) => {
                AccessClass::NetworkBypassed
            }
            (false, true, false) if self.mesh_intended == Deny && self.mesh == Some(Allow) => AccessClass::MeshBypassed,
            (false, true, false) => AccessClass::Denied,
        }
    }
}

/// What is intended for a request of a client with this true identity: by the network's policy, and by the mesh's.
#[must_use]
pub fn intent(shared: &Shared, from: TrueIdentity, server: KindId, asked: Asked<'_>) -> (LayerDecision, LayerDecision) {
    let to = shared.blueprint.kind(server).identity;
    shared.blueprint.intends(from, to, asked.port, asked.method, asked.path)
}

/// What an attempt asks for that no step of the script sends: what the last probe does.
#[must_use]
pub fn usual(blueprint: &Blueprint, port: u16) -> Asked<'_> {
    let probe = blueprint.last_probe();
    let (method, path) = probe.map_or(("GET", "/"), |probe| (&probe.method, &probe.path));
    Asked { port, method, path }
}

/// The class of an attempt at a server.
#[must_use]
pub fn class_of(
    shared: &Shared,
    client: PodId,
    server: KindId,
    asked: Asked<'_>,
    attempt: &Attempt,
    wrong_server: bool,
) -> AccessClass {
    let (network_intended, mesh_intended) = intent(shared, shared.kind(client).identity, server, asked);
    let decisions = Decisions {
        network_intended,
        network: attempt.network,
        mesh_intended,
        mesh: attempt.mesh,
        admitted: attempt.is_admitted(),
        wrong_server,
    };
    decisions.class()
}

/// The class of an attempt where every layer in force does what its policy intends, as the design alone has it.
#[must_use]
pub fn by_design(blueprint: &Blueprint, client: KindId, server: KindId, port: u16) -> AccessClass {
    let Asked { method, path, .. } = usual(blueprint, port);
    let (client, server) = (blueprint.kind(client), blueprint.kind(server));
    let (from, to) = (client.identity, server.identity);
    let network_intended = blueprint.network_intent(from, to, port);
    let principal = client.is_meshed().then_some(from);
    let at_proxy = || {
        blueprint
            .mesh_verdict(principal, to, port, method, path)
            .decision
            .into()
    };
    let spec = &blueprint.spec;
    let network = spec.network_enforced.then_some(network_intended);
    let mesh = (spec.mesh_enforced && server.is_meshed()).then(at_proxy);
    let decisions = Decisions {
        network_intended,
        network,
        mesh_intended: blueprint.mesh_intent(from, to, port, method, path),
        mesh,
        admitted: network != Some(LayerDecision::Deny) && mesh != Some(LayerDecision::Deny),
        wrong_server: false,
    };
    decisions.class()
}

#[cfg(test)]
mod tests {
    use super::*;
    use LayerDecision::{Allow, Deny};

    fn class(
        network_intended: LayerDecision,
        network: Option<LayerDecision>,
        mesh_intended: LayerDecision,
        mesh: Option<LayerDecision>,
        admitted: bool,
    ) -> AccessClass {
        Decisions {
            network_intended,
            network,
            mesh_intended,
            mesh,
            admitted,
            wrong_server: false,
        }
        .class()
    }

    #[test]
    fn an_answer_of_another_workload_is_no_success_and_a_breach_stays_one() {
        let answered = |network_intended| Decisions {
            network_intended,
            network: Some(Allow),
            mesh_intended: Allow,
            mesh: None,
            admitted: true,
            wrong_server: true,
        };
        assert_eq!(answered(Allow).class(), AccessClass::WrongServer);
        assert_eq!(answered(Deny).class(), AccessClass::Unauthorized);
        let refused = Decisions {
            mesh: Some(Deny),
            admitted: false,
            ..answered(Allow)
        };
        assert_eq!(refused.class(), AccessClass::WronglyDenied);
    }

    #[test]
    fn classes_follow_their_table() {
        assert_eq!(
            class(Allow, Some(Allow), Allow, Some(Allow), true),
            AccessClass::Allowed
        );
        assert_eq!(class(Deny, Some(Deny), Deny, None, false), AccessClass::Denied);
        assert_eq!(class(Deny, Some(Allow), Deny, None, true), AccessClass::Unauthorized);
        assert_eq!(
            class(Deny, Some(Allow), Deny, Some(Deny), false),
            AccessClass::NetworkBypassed
        );
        assert_eq!(
            class(Allow, Some(Deny), Deny, Some(Allow), false),
            AccessClass::MeshBypassed
        );
        assert_eq!(class(Allow, Some(Deny), Allow, None, false), AccessClass::WronglyDenied);
        assert_eq!(class(Deny, None, Deny, None, false), AccessClass::Unreachable);
    }

    #[test]
    fn a_mesh_that_stands_alone_denies_and_bypasses_nothing() {
        assert_eq!(class(Deny, None, Deny, Some(Deny), false), AccessClass::Denied);
    }

    #[test]
    fn a_layer_without_a_policy_for_it_cannot_make_an_access_meant() {
        assert_eq!(class(Allow, Some(Allow), Deny, None, true), AccessClass::Unauthorized);
    }
}
