//! A run line by line: when it happened, which component reports it, what it was. All words of the lines stand here.

use super::cache_views::Past;
use crate::cluster::objects::NodeMark;
use crate::cluster::observed::{AccessEnd, ChannelFact, Fact, KubeletCalls, PodFact, ReviewFailure, ScriptFact};
use crate::cluster::spec::{Rollout, step_name, track_name};
use crate::kernel::SimTime;

/// What happened, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it happened.
    pub time: SimTime,
    /// The component that reports it.
    pub component: &'static str,
    /// What happened.
    pub text: String,
}

/// The lines of a run.
pub(super) fn lines(past: &Past) -> Vec<Line> {
    let line = |(time, fact)| {
        let (component, text) = words(past, fact)?;
        Some(Line { time, component, text })
    };
    past.story.facts().filter_map(line).collect()
}

/// The component that reports a fact, and its words; nothing for what is not worth a line.
fn words(past: &Past, fact: &Fact) -> Option<(&'static str, String)> {
    let blueprint = &past.shared.blueprint;
    let name = |pod| past.shared.pod_name(pod);
    Some(match fact {
        Fact::Script(0, fact) => ("script", script(past, fact)?),
        Fact::Script(track, fact) => {
            let name = track_name(&past.shared.blueprint.spec.script, *track);
            ("script", format!("track {name}: {}", script(past, fact)?))
        }
        Fact::FaultBegins {
            fault, parties, later, ..
        } => {
            let (fault, whom) = (past.fault(*fault), past.parties(parties));
            let (words, comes) = (
                fault.kind.words(),
                if *later { ", which has come to a cut node" } else { "" },
            );
            let text = format!("{} {} {whom}{comes} ({})", fault.name, words.does, words.word);
            ("fault", text)
        }
        Fact::Entered { fault, parties } => {
            let (fault, whom) = (past.fault(*fault), past.parties(parties));
            let does = fault.kind.words().does;
            let text = format!("{} {does} {whom}, now connected to its API server", fault.name);
            ("fault", text)
        }
        Fact::FaultEnds { fault, parties } | Fact::Left { fault, parties } => {
            let text = format!("{} ends for {}", past.fault(*fault).name, past.parties(parties));
            ("fault", text)
        }
        Fact::Resumes { party, answers, .. } => {
            let whom = past.parties(std::slice::from_ref(party));
            let what = if *answers {
                "requests are answered"
            } else {
                "watches are current"
            };
            ("connection", format!("{whom}: {what} again"))
        }
        Fact::Pod(pod, fact) => of_pod(past, &name(*pod), fact)?,
        Fact::SetResized(set, size) => ("deployment controller", format!("sets replica set {} to {size}", set.0)),
        Fact::EndpointWritten(endpoint, exists) => {
            let verb = if *exists { "stores" } else { "removes" };
            let pod = name(endpoint.pod);
            (
                "api server",
                format!("{verb} the CiliumEndpoint of {pod}, {}", endpoint.ip),
            )
        }
        Fact::BackEndsFound(service, ready) => {
            let service = blueprint.service_name(*service);
            let text = format!("finds {ready} ready behind {service}");
            ("endpoint slice controller", text)
        }
        Fact::SliceWritten(service, ready) => {
            let service = blueprint.service_name(*service);
            let text = format!("stores the EndpointSlice of {service}, {ready} ready");
            ("api server", text)
        }
        Fact::MarkedNotReady(node, _) => {
            let text = format!("marks {} NotReady: its lease was not renewed", past.node_name(*node));
            ("node lifecycle controller", text)
        }
        Fact::Evicted(node, _) => {
            let text = format!("evicts the pods of {}", past.node_name(*node));
            ("node lifecycle controller", text)
        }
        Fact::Returned(node) => {
            let text = format!("sees {} renew its lease again", past.node_name(*node));
            ("node lifecycle controller", text)
        }
        Fact::LeaderLost(server) => (
            "controllers",
            format!("those beside api-server-{server}, which lead, are cut off"),
        ),
        Fact::LeaderTakesOver(server) => ("controllers", format!("those beside api-server-{server} take over")),
        Fact::Booted(node) => (
            "kubelet",
            format!("starts on {}, which has booted", past.node_name(*node)),
        ),
        Fact::Process(party, fact) => {
            let party = past.parties(std::slice::from_ref(party));
            ("process", format!("{party} {}", fact.words()))
        }
        Fact::IstiodWaits(istiod) => ("istiod", format!("{istiod} cannot begin without the API server")),
        Fact::Channel(pod, channel, ChannelFact::TimedOut(istiod, _)) => {
            let text = format!("{}: {} gets no answer from {istiod}", name(*pod), channel.name());
            ("sidecar", text)
        }
        Fact::Channel(pod, channel, ChannelFact::Unauthenticated(istiod, refused)) => {
            let why = match refused {
                Some(ReviewFailure::TokenNotYetValid) => "its token is not yet valid by the clock of the API server",
                Some(ReviewFailure::TokenExpired) => "its token has expired by the clock of the API server",
                Some(_) => "the pod is gone",
                None => "the API server does not answer its TokenReview",
            };
            let (pod, channel) = (name(*pod), channel.name());
            (
                "istiod",
                format!("{istiod} cannot authenticate {pod} for its {channel}: {why}"),
            )
        }
        Fact::Job(job, fact) => {
            let set = &past.shared.sets[job.index()];
            let name = &past.shared.blueprint.kind(set.kind).name;
            (
                "api server",
                format!("the Job {name}-{} {}", set.revision, fact.words()),
            )
        }
        Fact::AccessEnded(_, end) => ("client", access(past, end)),
        Fact::Follows { .. }
        | Fact::Channel(..)
        | Fact::Access(..)
        | Fact::Requested(_)
        | Fact::WindowOpened { .. }
        | Fact::WindowClosed(..)
        | Fact::Edge { .. }
        | Fact::Sent(_) => return None,
    })
}

/// What the script, or a track, did or saw.
pub(super) fn script(past: &Past, fact: &ScriptFact) -> Option<String> {
    let blueprint = &past.shared.blueprint;
    let steps = &blueprint.spec.script;
    Some(match fact {
        ScriptFact::Restarted(Rollout::Deployment(kind), _) => format!("restarts {}", blueprint.kind(*kind).name),
        ScriptFact::Restarted(Rollout::DaemonSet(daemons), _) => {
            let (of, most) = (daemons.of.words().word, daemons.max_unavailable);
            format!("restarts the DaemonSet {of}, at most {most} at a time")
        }
        ScriptFact::RolloutComplete(Rollout::DaemonSet(_)) => "the rollout of the DaemonSet is complete".to_owned(),
        ScriptFact::RolloutOverdue(_) => "the rollout has exceeded its deadline".to_owned(),
        ScriptFact::Found(pod, ip) => {
            format!("finds {} on a remembered address, {ip}", past.shared.pod_name(*pod))
        }
        ScriptFact::TimedOut(step, stops) => {
            let (does, missing) = (if *stops { "stops" } else { "goes on" }, steps[*step].missing());
            format!("{does} in step {}: {missing} in time", step_name(steps, *step))
        }
        ScriptFact::NoReuse(step, restarts) => {
            let name = step_name(steps, *step);
            format!("stops in step {name}: no reused address after {restarts} restarts")
        }
        ScriptFact::Deleted(kind) => format!("deletes {}", blueprint.kind(*kind).name),
        ScriptFact::DeletedPods(kind, pods) => format!("deletes {pods} pods of {}", blueprint.kind(*kind).name),
        ScriptFact::Marked(node, mark, on) => {
            let node = blueprint.node_name(*node);
            match (mark, on) {
                (NodeMark::Cordoned, true) => format!("cordons {node}"),
                (NodeMark::Cordoned, false) => format!("uncordons {node}"),
                (NodeMark::Taint(taint), true) => format!("taints {node} with {}", blueprint.nodes.words(*taint)),
                (NodeMark::Taint(taint), false) => {
                    format!("removes the taint {} of {node}", blueprint.nodes.words(*taint))
                }
            }
        }
        ScriptFact::Drains(node, pods) => format!("evicts {pods} pods of {}", blueprint.node_name(*node)),
        ScriptFact::EvictionRefused(pod) => {
            let pod = past.shared.pod_name(*pod);
            format!("cannot evict {pod}: its PodDisruptionBudget needs it, so it tries again after 5 s")
        }
        ScriptFact::Ended => "ends".to_owned(),
        ScriptFact::Step(_)
        | ScriptFact::Begins(_)
        | ScriptFact::Remembered(..)
        | ScriptFact::Scaled(..)
        | ScriptFact::RolloutComplete(Rollout::Deployment(_))
        | ScriptFact::FoundNone => return None,
    })
}

fn of_pod(past: &Past, pod: &str, fact: &PodFact) -> Option<(&'static str, String)> {
    Some(match fact {
        PodFact::CreationRefused { istiod, asked } => {
            let text = istiod.map_or_else(
                || format!("has no Istiod to call about {pod}"),
                |istiod| format!("cannot reach the webhook of {istiod} about {pod}, called at {asked}"),
            );
            ("api server", text)
        }
        PodFact::Removed => ("api server", format!("removes {pod}")),
        PodFact::NoNode(why) => ("scheduler", format!("no node for {pod}: {}", why.words())),
        PodFact::Preempted(node, other) => {
            let (node, other) = (past.node_name(*node), past.shared.pod_name(*other));
            (
                "scheduler",
                format!("deletes {pod} on {node}, which has a lower priority than {other}"),
            )
        }
        PodFact::Bound(node) => ("scheduler", format!("binds {pod} to {}", past.node_name(*node))),
        PodFact::NetworkCalled(node) => {
            let text = format!("calls the network plugin of {} for {pod}", past.node_name(*node));
            ("kubelet", text)
        }
        PodFact::NoAddress => ("cilium agent", format!("has no free address for {pod}")),
        PodFact::Taken(node, ip) => {
            let text = format!("gives {ip} on {} to {pod}", past.node_name(*node));
            ("cilium agent", text)
        }
        PodFact::Freed(ip) => ("cilium agent", format!("frees {ip} of {pod}")),
        PodFact::EndpointRefused(_) => {
            let text = format!("refuses to create the endpoint of {pod}: too many requests");
            ("cilium agent", text)
        }
        PodFact::NoIdentity => ("cilium agent", format!("cannot create the identity of {pod}")),
        PodFact::AgentNotReached => ("network plugin", format!("does not reach the agent for {pod} in time")),
        PodFact::IdentityTimedOut => ("cilium agent", format!("has no identity for {pod} in time")),
        PodFact::NetworkFailed(wait, _) => {
            let text = format!("makes the sandbox of {pod} again in {wait}: the network plugin failed");
            ("kubelet", text)
        }
        PodFact::NetworkReady => ("kubelet", format!("has the network of {pod}")),
        PodFact::ContainersUp => ("kubelet", format!("runs the containers of {pod}")),
        PodFact::Stopped => ("kubelet", format!("has stopped {pod}")),
        PodFact::Pulls(until) => ("kubelet", format!("pulls images for {pod} until {until}")),
        PodFact::RunEnds(true) => ("kubelet", format!("the containers of {pod} have failed")),
        PodFact::RunEnds(false) => ("kubelet", format!("the containers of {pod} have ended")),
        PodFact::StartsAgain(wait) => ("kubelet", format!("starts the containers of {pod} again in {wait}")),
        PodFact::Finished(true) => ("kubelet", format!("{pod} has succeeded")),
        PodFact::Finished(false) => ("kubelet", format!("{pod} has failed")),
        PodFact::KubeletLimit { lost, .. } if lost.as_nanos() == 0 => return None,
        PodFact::KubeletLimit { what, lost, .. } => {
            let what = match what {
                KubeletCalls::Tokens => format!("waits {lost} for the tokens of {pod}"),
                KubeletCalls::Statuses => format!("reports that {pod} is ready {lost} late"),
                KubeletCalls::Batch => format!("reports that {pod} is ready {lost} late, in a batch"),
            };
            ("kubelet", format!("{what}: its limit of API requests"))
        }
        PodFact::RanBefore(..)
        | PodFact::Desired
        | PodFact::Dropped
        | PodFact::WaitsForWebhook
        | PodFact::Created
        | PodFact::Updated(..)
        | PodFact::EndpointAdmitted(_)
        | PodFact::ProxyLive => return None,
    })
}

fn access(past: &Past, end: &AccessEnd) -> String {
    let server = past.shared.blueprint.service_name(end.service);
    match end.client {
        Some(client) => {
            let client = past.shared.pod_name(client);
            format!("{client} calls {server}: {:?} ({})", end.class, end.cause)
        }
        None => {
            let workload = &past.shared.blueprint.kind(end.workload).name;
            format!("{workload} has no ready pod to call {server} from")
        }
    }
}
