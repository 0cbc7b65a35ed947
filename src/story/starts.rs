//! The story of slow starts: each connection of each channel, which Istiod it met, and what that cost.

use super::cache_views::Past;
use super::dossier::{
    Asked, ChannelName, ChannelStory, ConnectionStory, FaultStory, HeldUp, HeldUpBy, KubeletWait, PodStory, SynFate,
    Unexplained, WaitStory,
};
use super::requests::syn;
use crate::cluster::faults::FaultKind;
use crate::cluster::ids::PodId;
use crate::cluster::istio::messages::Answer;
use crate::cluster::istio::messages::Channel;
use crate::cluster::observed::{ChannelFact, Fact, PodFact};
use crate::cluster::party::{NamedParty, PartyKind};
use crate::cluster::phases::PHASES;
use crate::cluster::records::{ExitCause, PodRecord};
use crate::kernel::SimTime;

/// Measured pods that were delayed, took longer than the threshold, or were never ready and not deleted before.
pub(super) fn slow(past: &Past, records: &[PodRecord], faults: &[FaultStory]) -> Vec<PodStory> {
    let threshold = past.shared.blueprint.spec.measures.delayed_threshold;
    let is_told = |record: &PodRecord| {
        record.measured
            && (record.delayed_by.is_some()
                || record.exit_cause == ExitCause::Censored
                || record.exit.since(record.desired) >= threshold)
    };
    let slow = started(past).zip(records).filter(|(_, record)| is_told(record));
    slow.map(|(pod, record)| pod_story(past, pod, record, faults)).collect()
}

/// The pods that started in the run, in the order of their records.
fn started<'p>(past: &'p Past<'_>) -> impl Iterator<Item = PodId> + 'p {
    let pods = (0..past.shared.pods.len()).map(|index| PodId(index as u32));
    pods.filter(|pod| !past.shared.api.ran_before(*pod))
}

/// The measured pod that took longest, slow or not; those that were never ready first, of equals the first. Deleted ones do
/// not count.
pub(super) fn slowest(past: &Past, records: &[PodRecord], faults: &[FaultStory]) -> Option<PodStory> {
    let rank = |index: &usize| {
        let record = &records[*index];
        let never = record.exit_cause == ExitCause::Censored;
        (never, record.exit.since(record.desired), std::cmp::Reverse(*index))
    };
    let counts = |record: &PodRecord| record.measured && record.exit_cause != ExitCause::Deleted;
    let measured = (0..records.len()).filter(|index| counts(&records[*index]));
    let index = measured.max_by_key(rank)?;
    let pod = started(past).nth(index)?;
    Some(pod_story(past, pod, &records[index], faults))
}

fn pod_story(past: &Past, pod: PodId, record: &PodRecord, faults: &[FaultStory]) -> PodStory {
    let refusals = past.story.facts().filter_map(|(_, fact)| match fact {
        Fact::Pod(own, PodFact::CreationRefused { istiod, asked }) if *own == pod => {
            Some((*asked, istiod.map(|istiod| istiod.to_string())))
        }
        _ => None,
    });
    let lost = past.shared.recorder.lost(pod).map(<[_]>::to_vec);
    let mut certificate = channel(past, pod, Channel::Certificate, record.exit);
    let mut configuration = channel(past, pod, Channel::Configuration, record.exit);
    [certificate.lost, configuration.lost] = lost;
    let critical = match (certificate.done, configuration.done) {
        _ if past.shared.kind(pod).has_sidecar() && certificate.connections.is_empty() => None,
        _ if !past.shared.kind(pod).has_sidecar() => None,
        (None, _) => Some(ChannelName::Certificate),
        (Some(certificate), Some(configuration)) if certificate >= configuration => Some(ChannelName::Certificate),
        (Some(_), _) => Some(ChannelName::Configuration),
    };
    let threshold = past.shared.blueprint.spec.measures.delayed_threshold;
    let kubelet = past.story.facts().filter_map(|(_, fact)| match *fact {
        Fact::Pod(
            own,
            PodFact::KubeletLimit {
                what,
                from,
                until,
                lost,
            },
        ) if own == pod => Some(KubeletWait {
            from,
            until,
            what,
            lost,
        }),
        _ => None,
    });
    let no_node = past.story.facts().filter_map(|(time, fact)| match fact {
        Fact::Pod(own, PodFact::NoNode(why)) if *own == pod => Some((time, why)),
        _ => None,
    });
    let no_node: Vec<_> = no_node.collect();
    let why_no_node = no_node.last().map(|(_, why)| why.words());
    let no_node: Vec<SimTime> = no_node.into_iter().map(|(time, _)| time).collect();
    let held_up = held_up(record, why_no_node, [&certificate, &configuration], faults);
    let unexplained = record.unexplained(threshold).filter(|_| held_up.is_none());
    PodStory {
        unexplained: unexplained.map(|(phase, took)| Unexplained {
            phase: PHASES[phase].words,
            took,
        }),
        held_up,
        no_node,
        kubelet: kubelet.filter(|wait| wait.from <= record.exit).collect(),
        record: record.clone(),
        critical,
        refusals: refusals.collect(),
        certificate,
        configuration,
    }
}

/// A fault explains a phase if it acted for at least this part of it.
const PART_OF_PHASE: u64 = 4;

/// What the longest phase of a start waited for: a node that could take the pod, or a party on which a fault acted meanwhile.
fn held_up(
    record: &PodRecord,
    no_node: Option<String>,
    channels: [&ChannelStory; 2],
    faults: &[FaultStory],
) -> Option<HeldUp> {
    let (phase, took) = record.longest_phase();
    let begins = PHASES[..phase]
        .iter()
        .zip(record.phases.0)
        .fold(record.desired, |time, (_, spent)| time + spent.unwrap_or_default());
    let ends = (begins + took).min(record.exit);
    let held_up = |by| HeldUp {
        phase: PHASES[phase].words,
        took,
        by,
    };
    if let Some(why) = no_node.filter(|_| PHASES[phase].name == "scheduling") {
        return Some(held_up(HeldUpBy::NoNode { why }));
    }
    let connections = channels.into_iter().flat_map(|channel| &channel.connections);
    let istiods: Vec<&(String, String)> = connections
        .filter_map(|connection| connection.istiod.as_ref())
        .collect();
    let waits_for = |party: &NamedParty| {
        let on_node = record.node.as_deref() == Some(&party.of);
        let at_istiod = istiods.iter().any(|(_, node)| *node == party.of);
        match (PHASES[phase].name, party.kind) {
            ("admission", PartyKind::Webhook | PartyKind::IstiodProcess) => true,
            ("admission" | "scheduling", kind) => matches!(kind, PartyKind::Controllers | PartyKind::ApiServer),
            ("sandbox" | "containers" | "readiness", PartyKind::Kubelet) | ("identity", PartyKind::Agent) => on_node,
            ("certificate" | "configuration", PartyKind::Agent | PartyKind::ServiceProxy | PartyKind::Network) => {
                on_node || at_istiod
            }
            ("certificate" | "configuration", kind) if kind.is_of_istiod() => {
                istiods.iter().any(|(istiod, _)| *istiod == party.of)
            }
            (_, PartyKind::Node) => on_node,
            _ => false,
        }
    };
    // Of how much of the phase a fault acted on a party.
    let acted = |began: &FaultStory, party: &NamedParty| {
        let end = faults.iter().find(|end| end.is_end_of(began, party));
        let end = end.map_or(ends, |end| end.time.min(ends));
        end.since(began.time.max(begins).min(end))
    };
    let began = faults
        .iter()
        .filter(|fault| fault.begins && !matches!(fault.kind, FaultKind::ClockSkew(_)));
    let all = began.flat_map(|fault| fault.parties.iter().map(move |party| (fault, party)));
    let touching = all.filter(|(_, party)| waits_for(party));
    let (long, fault, party) = touching
        .map(|(fault, party)| (acted(fault, party), fault, party))
        .max_by_key(|(long, fault, _)| (*long, std::cmp::Reverse(fault.time)))?;
    let long = long.as_nanos().saturating_mul(PART_OF_PHASE) >= took.as_nanos();
    (long && took.as_nanos() > 0).then(|| {
        held_up(HeldUpBy::Fault {
            fault: fault.fault.clone(),
            began: fault.time,
            party: party.clone(),
        })
    })
}

fn blank(dialled: SimTime, istiod: Option<(String, String)>, candidates: u32) -> ConnectionStory {
    ConnectionStory {
        dialled,
        istiod,
        candidates,
        syns: Vec::new(),
        belief: None,
        connected: None,
        timed_out: None,
        asked: Vec::new(),
        aged: None,
        waits: Vec::new(),
    }
}

/// What happened on a channel until the start was over at `end`; how the stream goes on later is another story.
fn channel(past: &Past, pod: PodId, which: Channel, end: SimTime) -> ChannelStory {
    let mut story = ChannelStory::default();
    for (time, fact) in past.story.facts() {
        let Fact::Channel(own, channel, fact) = fact else {
            continue;
        };
        if *own != pod || *channel != which || time > end {
            continue;
        }
        if let ChannelFact::Dialled(istiod, backend, candidates) = fact {
            let (node, _) = past.shared.blueprint.addresses.locate(backend.ip);
            let istiod = Some((istiod.to_string(), past.node_name(node)));
            story.connections.push(blank(time, istiod, *candidates));
            continue;
        }
        if let ChannelFact::NoEndpoint = fact {
            story.connections.push(blank(time, None, 0));
            continue;
        }
        let Some(connection) = story.connections.last_mut() else {
            continue;
        };
        match fact {
            ChannelFact::Attempt | ChannelFact::Dialled(..) | ChannelFact::NoEndpoint | ChannelFact::Refused => {}
            ChannelFact::Asked(_) | ChannelFact::NotResolved => {}
            ChannelFact::Syn(passage) => {
                let syn = syn(time, *passage);
                connection.syns.push(syn);
                if syn.fate == SynFate::WireGuardPeer && connection.belief.is_none() {
                    connection.belief = belief_at_istiod(past, pod, *passage, time);
                }
            }
            ChannelFact::Connected(_) => connection.connected = Some(time),
            ChannelFact::TimedOut(..) => connection.timed_out = Some(time),
            ChannelFact::Sent => connection.asked.push(Asked {
                sent: time,
                review: None,
                answered: None,
            }),
            ChannelFact::ReviewFails(..)
            | ChannelFact::ReviewWaited(_)
            | ChannelFact::ReviewQueued(_)
            | ChannelFact::Unauthenticated(..) => {
                let review = fact.failing_review(time);
                if let (Some(asked), Some((from, until, how))) = (connection.asked.last_mut(), review) {
                    // What would still hang after the start was over, or after the run, has not been seen.
                    asked.review = Some((from, until.min(end), how));
                }
            }
            ChannelFact::Answered(answer) => {
                if *answer == Answer::Ok {
                    story.done.get_or_insert(time);
                }
                if let Some(asked) = connection.asked.last_mut() {
                    asked.answered = Some((time, *answer));
                }
            }
            ChannelFact::Aged => connection.aged = Some(time),
            ChannelFact::Waits(what, until) => connection.waits.push(WaitStory {
                from: time,
                until: *until,
                what: *what,
            }),
        }
    }
    story
}

fn belief_at_istiod(
    past: &Past,
    pod: PodId,
    passage: crate::cluster::cilium::passage::Passage,
    time: SimTime,
) -> Option<super::dossier::Belief> {
    use crate::cluster::cilium::passage::Passage;
    let Passage::Lost(loss) = passage else { return None };
    let (node, _) = past.place(loss.reached()?, time)?;
    let (_, ip) = past.place(pod, time)?;
    Some(past.belief(node, ip, time))
}
