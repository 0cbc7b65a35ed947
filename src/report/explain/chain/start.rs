//! From a slow start back to the fault: which channel came last, where each attempt went and what it cost, why it failed there.

use super::{Chain, Ids, Link, LinkKind, Subject, breach, fault};
use crate::cluster::observed::{KubeletCalls, ReviewFailure};
use crate::cluster::party::{NamedParty, PartyKind};
use crate::cluster::records::{DelayCause, ExitCause};
use crate::kernel::{SimDuration, SimTime};
use crate::report::explain::page::{at, span};
use crate::report::explain::slow::losses;
use crate::report::explain::slow_words::{phases, wait_words};
use crate::report::explain::timeline::command_words;
use crate::report::text::many;
use crate::story::dossier::{
    ChannelName, ChannelStory, CommandKind, ConnectionStory, Correction, Dossier, FaultStory, HeldUpBy, PodStory,
    SynFate,
};

/// How many attempts are listed one by one; of more, the first ones and the last.
const ATTEMPTS_MAX: usize = 8;

/// The channel that made a pod wait, with its name.
pub fn critical_channel(pod: &PodStory) -> Option<(&'static str, &ChannelStory)> {
    match pod.critical? {
        ChannelName::Certificate => Some(("certificate", &pod.certificate)),
        ChannelName::Configuration => Some(("configuration", &pod.configuration)),
    }
}

pub fn of_start(dossier: &Dossier, pod: &PodStory) -> Chain {
    let record = &pod.record;
    let mut links = vec![end(pod)];
    links.extend(refusals(pod));
    if let Some((name, channel)) = critical_channel(pod) {
        let attempts = channel.connections.len();
        for (number, connection) in channel.connections.iter().enumerate() {
            let told = number + 1 < ATTEMPTS_MAX || number + 1 == attempts;
            if told {
                links.push(attempt(name, channel, number, connection, record.exit, &record.pod));
            }
        }
        if attempts > ATTEMPTS_MAX {
            let left_out = many(attempts - ATTEMPTS_MAX, "attempt");
            if let Some(last) = links.last_mut() {
                last.text = format!("(after {left_out} more like the ones before) {}", last.text);
            }
        }
        mechanisms(dossier, channel, &mut links);
        links.extend(path_fault(dossier, channel, record.node.as_deref(), &links));
    }
    if !links.iter().any(|link| matches!(link.kind, LinkKind::Fault)) {
        links.extend(webhook_fault(dossier, pod));
    }
    if !links.iter().any(|link| matches!(link.kind, LinkKind::Fault)) {
        links.extend(node_fault(dossier, pod));
    }
    if !links.iter().any(|link| matches!(link.kind, LinkKind::Fault)) {
        links.extend(held_up(dossier, pod));
    }
    kubelet_limit(dossier, pod, &mut links);
    links.extend(pod.unexplained.map(|found| Link {
        kind: LinkKind::Unexplained,
        time: record.desired,
        until: Some(record.exit),
        place: record.node.clone().unwrap_or_else(|| "no node".to_owned()),
        text: format!(
            "no known mechanism explains it; the phase of its start that took longest is {}, {}",
            found.phase,
            span(found.took)
        ),
        ids: Ids {
            pod: Some(record.pod.clone()),
            cost: Some(found.took),
            ..Ids::default()
        },
    }));
    let spent = span(record.exit.since(record.desired));
    let outcome = match record.exit_cause {
        ExitCause::Ready => format!("was ready {spent} after its creation"),
        ExitCause::Deleted => format!("was deleted after {spent}, before it was ready"),
        ExitCause::Censored => {
            format!("was not ready at the end of the run, {spent} after its creation")
        }
    };
    Chain {
        subject: Subject::SlowStart {
            pod: Box::new(record.clone()),
        },
        summary: format!("{} {outcome}. Lost: {}.", record.pod, losses(&record.delays)),
        links,
    }
}

fn end(pod: &PodStory) -> Link {
    let record = &pod.record;
    let spent = record.exit.since(record.desired);
    let what = match record.exit_cause {
        ExitCause::Ready => "ready",
        ExitCause::Deleted => "deleted before it was ready",
        ExitCause::Censored => "still not ready",
    };
    let last = match critical_channel(pod) {
        Some((name, channel)) => match channel.done {
            Some(done) => format!("; its {name} came last, at {}", at(done)),
            None => format!("; its {name} never came"),
        },
        None => String::new(),
    };
    Link {
        kind: LinkKind::Start,
        time: record.desired,
        until: Some(record.exit),
        place: record.node.clone().unwrap_or_else(|| "no node".to_owned()),
        text: format!(
            "{} was {what} at {}, {} after its creation{last}. Its time: {}",
            record.pod,
            at(record.exit),
            span(spent),
            phases(record)
        ),
        ids: Ids {
            pod: Some(record.pod.clone()),
            ip: record.ip,
            cost: Some(spent),
            ..Ids::default()
        },
    }
}

fn refusals(pod: &PodStory) -> Option<Link> {
    let (first, istiod) = pod.refusals.first()?;
    let (last, _) = pod.refusals.last()?;
    let whom = istiod.as_deref().unwrap_or("no Istiod");
    Some(Link {
        kind: LinkKind::Refused,
        time: *first,
        until: Some(*last),
        place: "API server".to_owned(),
        text: format!(
            "its creation was refused {}, first at {} and last at {}: the injection webhook ({whom}) did not admit it",
            many(pod.refusals.len(), "time"),
            at(*first),
            at(*last)
        ),
        ids: Ids {
            pod: Some(pod.record.pod.clone()),
            istiod: istiod.clone(),
            ..Ids::default()
        },
    })
}

/// One connection: where it went, what happened, and what passed until the next one.
fn attempt(
    name: &str,
    channel: &ChannelStory,
    number: usize,
    connection: &ConnectionStory,
    end: SimTime,
    pod: &str,
) -> Link {
    let next = channel.connections.get(number + 1).map(|next| next.dialled);
    let until = next.or(channel.done).unwrap_or(end);
    let cost = until.since(connection.dialled);
    let (place, istiod) = match &connection.istiod {
        Some((istiod, node)) => (node.clone(), Some(istiod.clone())),
        None => ("no Istiod".to_owned(), None),
    };
    let what = what_happened(connection, next.is_none().then_some(channel.done).flatten());
    let waits = wait_words(connection);
    let waits = if waits.is_empty() { waits } else { format!("; {waits}") };
    let landed = match &connection.istiod {
        Some((istiod, node)) => format!(
            "went to {istiod} ({node}), one of {}",
            many(connection.candidates as usize, "endpoint")
        ),
        None => "found no Istiod behind the Service".to_owned(),
    };
    Link {
        kind: LinkKind::Attempt,
        time: connection.dialled,
        until: Some(until),
        place,
        text: format!(
            "attempt {} for the {name} {landed}: {what}{waits}. It cost {}",
            number + 1,
            span(cost)
        ),
        ids: Ids {
            pod: Some(pod.to_owned()),
            istiod,
            cost: Some(cost),
            ..Ids::default()
        },
    }
}

/// The fate of a connection in a few words.
pub(in crate::report::explain) fn what_happened(connection: &ConnectionStory, done: Option<SimTime>) -> String {
    if let Some(done) = done {
        return format!("answered at {}", at(done));
    }
    let failed: Vec<_> = connection.asked.iter().filter_map(|asked| asked.review).collect();
    if let Some((_, until, how)) = failed.last() {
        let how = match how {
            ReviewFailure::DeadConnection => "its TokenReview depended on a dead connection",
            ReviewFailure::DialTimeout => "its TokenReview could not reach the API server",
            ReviewFailure::Rejected => "its TokenReview was rejected",
            ReviewFailure::Late => "its TokenReview was answered late",
            ReviewFailure::Queued => "its TokenReview waited at the API server under load",
            ReviewFailure::TooManyRequests => "its TokenReview was refused with too many requests",
            ReviewFailure::PodGone => "the pod was gone",
            ReviewFailure::TokenNotYetValid => "its token was not yet valid by the clock of the API server",
            ReviewFailure::TokenExpired => "its token had expired by the clock of the API server",
        };
        let times = if failed.len() > 1 {
            format!(", {} times", failed.len())
        } else {
            String::new()
        };
        return format!("{how}{times}, until {}", at(*until));
    }
    let lost = connection
        .syns
        .iter()
        .filter(|syn| syn.fate != SynFate::Delivered)
        .count();
    match connection.timed_out {
        Some(timed_out) => {
            let why = match connection.syns.last().map(|syn| syn.fate) {
                Some(SynFate::WireGuardPeer) => "dropped by WireGuard there",
                Some(SynFate::NoPod) => "lost, because no pod had the address",
                Some(SynFate::EgressPolicy | SynFate::IngressPolicy) => "dropped by a policy",
                Some(SynFate::Path) => "lost on the path between the nodes",
                _ => "lost",
            };
            format!("{} {why}, no answer until {}", many(lost, "SYN"), at(timed_out))
        }
        None if connection.istiod.is_none() => "nothing could be dialled".to_owned(),
        None if connection.aged.is_some() => "closed at its maximum age".to_owned(),
        None if lost > 0 => format!("{} dropped, then connected", many(lost, "SYN")),
        None => "not answered".to_owned(),
    }
}

/// Why attempts failed where they went, each reason once.
fn mechanisms(dossier: &Dossier, channel: &ChannelStory, links: &mut Vec<Link>) {
    let black_hole = channel
        .connections
        .iter()
        .find_map(|connection| connection.belief.as_ref());
    if let Some(belief) = black_hole {
        let entry = match &belief.entry {
            Some(entry) => format!("its ipcache still gave {} to {}", belief.ip, entry.owner),
            None => format!("its ipcache had no entry for {}", belief.ip),
        };
        links.push(Link {
            kind: LinkKind::Mechanism,
            time: belief.at,
            until: None,
            place: belief.node.clone(),
            text: format!(
                "a black hole: {}'s WireGuard peers come from its ipcache, and {entry}, so it dropped every SYN from there",
                belief.node
            ),
            ids: Ids {
                ip: Some(belief.ip),
                ..Ids::default()
            },
        });
        let agent = NamedParty::new(PartyKind::Agent, &belief.node);
        if let Correction::Frozen { since, .. } = &belief.correction {
            links.push(breach::frozen(belief, *since));
        }
        match fault::on(dossier, &agent, belief.at) {
            Some(began) => links.extend(fault::links(dossier, &agent, began)),
            None => links.push(fault::none(belief.at, &belief.node)),
        }
    }
    let review = channel.connections.iter().find_map(|connection| {
        let (istiod, node) = connection.istiod.as_ref()?;
        let (from, until, how) = connection.asked.iter().find_map(|asked| asked.review)?;
        (how != ReviewFailure::PodGone).then_some((istiod, node, from, until))
    });
    if let Some((istiod, node, from, until)) = review {
        links.push(Link {
            kind: LinkKind::Mechanism,
            time: from,
            until: Some(until),
            place: format!("{istiod} on {node}"),
            text: format!(
                "a TokenReview that hangs: {istiod} stayed an endpoint and accepted connections, but could not check the \
                 pod's token with the API server"
            ),
            ids: Ids {
                istiod: Some(istiod.clone()),
                cost: Some(until.since(from)),
                ..Ids::default()
            },
        });
        let party = NamedParty::new(PartyKind::Istiod, istiod);
        let known = links.iter().any(|link| link.kind == LinkKind::Fault);
        if let Some(began) = fault::on(dossier, &party, until) {
            let all = fault::links(dossier, &party, began);
            links.extend(all.into_iter().filter(|link| !(known && link.kind == LinkKind::Fault)));
        }
    }
    // The fault comes last, once.
    if let Some(place) = links.iter().position(|link| link.kind == LinkKind::Fault) {
        let fault = links.remove(place);
        links.push(fault);
    }
}

/// The fault of the path on which SYNs were lost or answered too late, unless a fault is known already.
fn path_fault(dossier: &Dossier, channel: &ChannelStory, node: Option<&str>, known: &[Link]) -> Vec<Link> {
    if known.iter().any(|link| link.kind == LinkKind::Fault) {
        return Vec::new();
    }
    let lost = channel.connections.iter().find_map(|connection| {
        // Answers that come too late end a dial as lost SYNs do.
        let late = || connection.syns.last().filter(|_| connection.timed_out.is_some());
        let lost = connection.syns.iter().find(|syn| syn.fate == SynFate::Path);
        Some((connection.istiod.as_ref()?.1.as_str(), lost.or_else(late)?.time))
    });
    let Some((at_istiod, time)) = lost else {
        return Vec::new();
    };
    let ends = [node, Some(at_istiod)].into_iter().flatten();
    let mut acting = ends.filter_map(|end| {
        let network = NamedParty::new(PartyKind::Network, end);
        let began = fault::on(dossier, &network, time)?;
        Some(fault::links(dossier, &network, began))
    });
    acting.next().unwrap_or_default()
}

/// The fault at the webhook that refused the pod's creation.
fn webhook_fault(dossier: &Dossier, pod: &PodStory) -> Vec<Link> {
    let limited = |cause: DelayCause| {
        let lost = pod.record.delays.iter().filter(|(of, _)| *of == cause);
        lost.fold(SimDuration::ZERO, |sum, (_, lost)| sum + *lost) >= SimDuration::from_secs(1)
    };
    if let Some((time, Some(istiod))) = pod.refusals.first() {
        let party = NamedParty::new(PartyKind::Webhook, istiod);
        if let Some(began) = fault::on(dossier, &party, *time) {
            return fault::links(dossier, &party, began);
        }
    }
    if limited(DelayCause::EndpointLimiter) {
        return vec![Link {
            kind: LinkKind::Mechanism,
            time: pod.record.desired,
            until: Some(pod.record.exit),
            place: pod.record.node.clone().unwrap_or_default(),
            text: "Cilium's limiter of endpoint creations delayed it".to_owned(),
            ids: Ids::default(),
        }];
    }
    Vec::new()
}

/// What its node could not do meanwhile, and the fault behind it.
fn node_fault(dossier: &Dossier, pod: &PodStory) -> Vec<Link> {
    let record = &pod.record;
    let lost = record.delays.iter().filter(|(cause, _)| *cause == DelayCause::Node);
    let lost = lost.fold(SimDuration::ZERO, |sum, (_, lost)| sum + *lost);
    let Some(node) = record.node.as_deref().filter(|_| lost >= WORTH_TELLING) else {
        return Vec::new();
    };
    let parties = [PartyKind::Kubelet, PartyKind::Agent, PartyKind::Node].map(|kind| NamedParty::new(kind, node));
    let meanwhile = parties
        .iter()
        .filter_map(|party| Some((fault::during(dossier, party, record.desired, record.exit)?, party)));
    let mut links = vec![Link {
        kind: LinkKind::Mechanism,
        time: record.desired,
        until: Some(record.exit),
        place: node.to_owned(),
        text: "a node that could start no pod (F): its kubelet or Cilium agent did not work or had no API server"
            .to_owned(),
        ids: Ids {
            cost: Some(lost),
            ..Ids::default()
        },
    }];
    if let Some((began, party)) = meanwhile.min_by_key(|(began, _)| began.time) {
        links.extend(fault::links(dossier, party, began));
    }
    links
}

/// What the longest phase waited for: a party on which a fault acted, or a node that could take the pod.
fn held_up(dossier: &Dossier, pod: &PodStory) -> Vec<Link> {
    let Some(held) = &pod.held_up else { return Vec::new() };
    let record = &pod.record;
    let link = |place: &str, text: String| Link {
        kind: LinkKind::Mechanism,
        time: record.desired,
        until: Some(record.exit),
        place: place.to_owned(),
        text,
        ids: Ids {
            pod: Some(record.pod.clone()),
            cost: Some(held.took),
            ..Ids::default()
        },
    };
    match &held.by {
        HeldUpBy::Fault { fault, began, party } => {
            let text = format!(
                "the phase of its start that took longest is {}, {}: it waits for {party}",
                held.phase,
                span(held.took)
            );
            let mut known = dossier.faults.iter().filter(|known| known.begins);
            let found = known.find(|known| known.fault == *fault && known.time == *began);
            let behind = found.map(|found| fault::links(dossier, party, found));
            [link(&party.of, text)]
                .into_iter()
                .chain(behind.into_iter().flatten())
                .collect()
        }
        HeldUpBy::NoNode { why } => {
            let (first, last) = (pod.no_node.first(), pod.no_node.last());
            let (first, last) = (first.copied().unwrap_or_default(), last.copied().unwrap_or_default());
            let text = format!(
                "the scheduler found no node that can take it ({why}), {}, first at {} and last at {}: {} without a node",
                many(pod.no_node.len(), "time"),
                at(first),
                at(last),
                span(held.took)
            );
            let mut links = vec![link("scheduler", text)];
            links.extend(missing_nodes(dossier, first, last));
            links
        }
    }
}

/// Which nodes took no pods while a pod looked for one, and why.
fn missing_nodes(dossier: &Dossier, from: SimTime, to: SimTime) -> Vec<Link> {
    let mut links = Vec::new();
    let mut faults: Vec<&FaultStory> = Vec::new();
    let not_ready = dossier
        .given_up
        .iter()
        .filter(|up| up.at <= to && up.returned.is_none_or(|returned| returned > from));
    for up in not_ready {
        links.push(Link {
            kind: LinkKind::Mechanism,
            time: up.at,
            until: up.returned,
            place: up.node.clone(),
            text: format!("{} was marked NotReady at {}, so it took no pods", up.node, at(up.at)),
            ids: Ids::default(),
        });
        let parties = [PartyKind::Node, PartyKind::Kubelet].map(|kind| NamedParty::new(kind, &up.node));
        for party in parties {
            if let Some(found) = fault::during(dossier, &party, SimTime::ZERO, up.at)
                && !faults.iter().any(|known| known.fault == found.fault)
            {
                faults.push(found);
                links.extend(fault::links(dossier, &party, found));
            }
        }
    }
    let keeps_away = |did: &str| {
        ["cordons ", "taints ", "evicts "]
            .iter()
            .any(|verb| did.starts_with(verb))
    };
    links.extend(
        dossier
            .script
            .iter()
            .filter(|command| command.time <= to)
            .filter_map(|command| {
                let CommandKind::Other { did } = &command.what else {
                    return None;
                };
                keeps_away(did).then(|| Link {
                    kind: LinkKind::Mechanism,
                    time: command.time,
                    until: None,
                    place: "script".to_owned(),
                    text: command_words(command),
                    ids: Ids::default(),
                })
            }),
    );
    if links.is_empty() {
        links.push(Link {
            kind: LinkKind::NoFault,
            time: from,
            until: None,
            place: "scheduler".to_owned(),
            text:
                "no fault and no step took a node away: no node has room for it, or its rules of placement allow none"
                    .to_owned(),
            ids: Ids::default(),
        });
    }
    links
}

/// Losses below this are left out: every start waits a little.
const WORTH_TELLING: SimDuration = SimDuration::from_secs(1);

/// What waited for the limit of the kubelet's API client; that it needs no fault, if this cost most.
fn kubelet_limit(dossier: &Dossier, pod: &PodStory, links: &mut Vec<Link>) {
    let lost_to = |cause: DelayCause| {
        let lost = pod.record.delays.iter().filter(|(of, _)| *of == cause);
        lost.fold(SimDuration::ZERO, |sum, (_, lost)| sum + *lost)
    };
    let lost = lost_to(DelayCause::KubeletApi);
    if lost < WORTH_TELLING {
        return;
    }
    let place = format!("kubelet of {}", pod.record.node.as_deref().unwrap_or("no node"));
    // Before the mechanisms of connections and their fault, which comes last.
    let of_attempts = |link: &Link| matches!(link.kind, LinkKind::Start | LinkKind::Refused | LinkKind::Attempt);
    let place_of = links.iter().take_while(|link| of_attempts(link)).count();
    let waits = pod.kubelet.iter().filter(|wait| wait.lost >= WORTH_TELLING);
    for wait in waits {
        let what = match wait.what {
            KubeletCalls::Tokens => "the requests for its service account tokens, without which no sandbox is made,",
            KubeletCalls::Statuses => "the report that it was ready",
            KubeletCalls::Batch => {
                "the report that it was ready, sent in a batch with the latest statuses of all pods of the node,"
            }
        };
        let link = Link {
            kind: LinkKind::Mechanism,
            time: wait.from,
            until: Some(wait.until),
            place: place.clone(),
            text: format!(
                "the kubelet's limit of API requests: {what} waited for those of other pods from {} to {}. It cost {}",
                at(wait.from),
                at(wait.until),
                span(wait.lost)
            ),
            ids: Ids {
                pod: Some(pod.record.pod.clone()),
                cost: Some(wait.lost),
                ..Ids::default()
            },
        };
        // The later wait comes first.
        links.insert(place_of, link);
    }
    let most = pod.record.delays.iter().all(|(_, other)| *other <= lost);
    let faulty = links.iter().any(|link| link.kind == LinkKind::Fault);
    if most && !faulty {
        links.push(Link {
            kind: LinkKind::NoFault,
            time: pod.record.desired,
            until: None,
            place,
            text: format!(
                "no fault acted: this is the limit of the kubelet's client (kubernetes.kubelet_client_qps {}, \
                 kubernetes.kubelet_client_burst {}), shared by all pods of the node",
                dossier.setting.kubelet_client_qps, dossier.setting.kubelet_client_burst
            ),
            ids: Ids::default(),
        });
    }
}
