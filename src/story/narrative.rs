//! From what was observed to the lines and the dossier of a run.

use super::cache_views::Past;
use super::dossier::{Command, CommandKind, Dossier, FaultStory, MarkedNotReady, MeshSetting, Setting};
use super::lines::{self, Line};
use super::{addresses, exposed, over_time, requests, starts, timeline};
use crate::cluster::blueprint::Blueprint;
use crate::cluster::context::Shared;
use crate::cluster::observed::{Fact, Log, ScriptFact};
use crate::cluster::records::Outcome;
use crate::cluster::spec::{Rollout, track_name};
use crate::kernel::SimTime;

/// The story of a run that has ended at `end`.
pub fn narrative(shared: &Shared, story: &Log, outcome: &Outcome, end: SimTime) -> (Vec<Line>, Box<Dossier>) {
    let past = Past::new(shared, story, end);
    let requests = requests::requests(&past, &outcome.accesses);
    let timeline = timeline::timeline(&past, &requests, &outcome.pods);
    let faults = faults(&past);
    let dossier = Dossier {
        setting: setting(&shared.blueprint),
        script: script(&past),
        given_up: given_up(&past),
        addresses: addresses::reused(&past, outcome, &requests),
        remembered: outcome.run.remembered,
        service: addresses::probed_service(&past, outcome),
        requests,
        slow: starts::slow(&past, &outcome.pods, &faults),
        slowest: starts::slowest(&past, &outcome.pods, &faults),
        faults,
        measured_pods: outcome.pods.iter().filter(|pod| pod.measured).count() as u32,
        exposed: exposed::longest(&past, outcome),
        timeline,
        courses: over_time::courses(&past),
    };
    (lines::lines(&past), Box::new(dossier))
}

fn setting(blueprint: &Blueprint) -> Setting {
    let spec = &blueprint.spec;
    Setting {
        nodes: spec.nodes,
        routing: spec.datapath.routing,
        encryption: spec.datapath.encryption,
        identity_in_packet: blueprint.identity_in_packet(),
        wireguard_checks_addresses: blueprint.wireguard_checks_pod_addresses(),
        network_enforced: spec.network_enforced,
        mesh_enforced: spec.mesh_enforced,
        mesh: spec.istio.as_ref().map(|istio| MeshSetting {
            istiods: istio.replicas,
            certificate_dials_anew: istio.params.csr_redial_on_error,
            connect_timeout: istio.params.connect_timeout,
            api_dial_timeout: istio.params.api_dial_timeout,
        }),
        kubelet_client_qps: spec.kubernetes.kubelet_client_qps,
        kubelet_client_burst: spec.kubernetes.kubelet_client_burst,
        delayed_threshold: spec.measures.delayed_threshold,
        horizon: spec.horizon,
    }
}

fn script(past: &Past) -> Vec<Command> {
    let name = |kind: &crate::cluster::ids::KindId| past.shared.blueprint.kind(*kind).name.clone();
    let commands = past.story.facts().filter_map(|(time, fact)| {
        let Fact::Script(track, fact) = fact else { return None };
        let what = match fact {
            ScriptFact::Step(_) | ScriptFact::Begins(_) | ScriptFact::EvictionRefused(_) => return None,
            ScriptFact::TimedOut(..)
            | ScriptFact::NoReuse(..)
            | ScriptFact::Restarted(Rollout::DaemonSet(_), _)
            | ScriptFact::Deleted(_)
            | ScriptFact::DeletedPods(..)
            | ScriptFact::Marked(..)
            | ScriptFact::Drains(..) => CommandKind::Other {
                did: lines::script(past, fact)?,
            },
            ScriptFact::Remembered(kind, addresses) => CommandKind::Remembered {
                workload: name(kind),
                addresses: addresses.len() as u32,
            },
            ScriptFact::Scaled(kind, replicas) => CommandKind::Scaled {
                workload: name(kind),
                replicas: *replicas,
            },
            ScriptFact::Restarted(Rollout::Deployment(kind), _) => CommandKind::Restarted { workload: name(kind) },
            ScriptFact::RolloutComplete(_) => CommandKind::RolloutComplete,
            ScriptFact::RolloutOverdue(_) => CommandKind::RolloutOverdue,
            ScriptFact::FoundNone => CommandKind::FoundNone,
            ScriptFact::Found(pod, _) => CommandKind::Found {
                pod: past.shared.pod_name(*pod),
                ip: past.place(*pod, time).map(|(_, ip)| ip),
            },
            ScriptFact::Ended if *track > 0 => return None,
            ScriptFact::Ended => CommandKind::Ended,
        };
        let track = track_name(&past.shared.blueprint.spec.script, *track).to_owned();
        Some(Command { time, track, what })
    });
    commands.collect()
}

fn faults(past: &Past) -> Vec<FaultStory> {
    let faults = past.story.facts().filter_map(|(time, fact)| {
        let (fault, parties, begins, moved) = match fact {
            Fact::FaultBegins {
                fault, parties, later, ..
            } => (fault, parties, true, *later),
            Fact::Entered { fault, parties } => (fault, parties, true, true),
            Fact::FaultEnds { fault, parties } => (fault, parties, false, false),
            Fact::Left { fault, parties } => (fault, parties, false, true),
            _ => return None,
        };
        let blueprint = &past.shared.blueprint;
        let spec = &blueprint.spec.faults[fault.index()];
        Some(FaultStory {
            time,
            fault: spec.name.clone(),
            begins,
            moved,
            parties: parties.iter().map(|party| blueprint.named(*party)).collect(),
            mode: begins.then(|| spec.kind.words().word),
            kind: spec.kind.clone(),
        })
    });
    faults.collect()
}

fn given_up(past: &Past) -> Vec<MarkedNotReady> {
    let mut nodes: Vec<MarkedNotReady> = Vec::new();
    for (time, fact) in past.story.facts() {
        match fact {
            Fact::MarkedNotReady(node, _) => nodes.push(MarkedNotReady {
                node: past.node_name(*node),
                at: time,
                returned: None,
            }),
            Fact::Returned(node) => {
                let name = past.node_name(*node);
                let open = nodes
                    .iter_mut()
                    .rev()
                    .find(|up| up.node == name && up.returned.is_none());
                if let Some(up) = open {
                    up.returned = Some(time);
                }
            }
            _ => {}
        }
    }
    nodes
}
