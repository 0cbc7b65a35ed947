//! The timeline of a run by component: messages, spans and decisions, each on the track of whoever sends, waits or decides.
//! Plain data, from which `report` makes a trace.
//!
//! What the script did, which faults acted and which nodes were marked NotReady is in the dossier already and is not
//! repeated here, except for the spans of cuts.

mod pods;
mod readers;
mod requests;

use std::collections::BTreeMap;

use super::cache_views::Past;
use super::dossier::RequestStory;
use crate::cluster::event::Source;
use crate::cluster::ids::{FaultId, IstiodId, NodeId, PodId};
use crate::cluster::observed::{Fact, PodFact};
use crate::cluster::party::Party;
use crate::cluster::records::PodRecord;
use crate::kernel::SimTime;

/// The group of everything that belongs to no node.
pub const CONTROL_PLANE: &str = "control plane";
/// The track of the API server.
pub const API_SERVER: &str = "API server";
/// The track of faults.
pub const FAULTS: &str = "faults";
/// The track of the script.
pub const SCRIPT: &str = "script";
/// The track of the node lifecycle controller.
pub const NODE_LIFECYCLE: &str = "node lifecycle controller";

/// What happened on which track.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// The tracks: the control plane's, then node after node.
    pub tracks: Vec<Track>,
    /// Messages in the order in which they were sent, as far as one sender goes.
    pub messages: Vec<Sending>,
    /// Spans of time in which something held.
    pub spans: Vec<Span>,
    /// What was decided or noticed at a moment.
    pub decisions: Vec<Decision>,
    /// Messages that were not kept, since there were too many.
    pub messages_omitted: u64,
    /// Nodes whose reading of CiliumEndpoints and EndpointSlices is not among the messages.
    pub readers_omitted: u32,
}

/// A component, or a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Track {
    /// Its node, or [`CONTROL_PLANE`].
    pub group: String,
    /// Its name there.
    pub name: String,
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub struct Sending {
    /// The sender: index of its track.
    pub from: usize,
    /// The addressee: index of its track.
    pub to: usize,
    /// When it was sent.
    pub sent: SimTime,
    /// When it arrived; absent if it was lost.
    pub arrives: Option<SimTime>,
    /// What it is.
    pub what: String,
}

/// What a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpanKind {
    /// A fault acts; what it is called.
    Fault(&'static str),
    /// A phase of a pod's start.
    Phase,
    /// A channel of a sidecar connects.
    Connection,
    /// A channel of a sidecar waits before it goes on.
    Wait,
    /// A TokenReview that fails.
    Review,
    /// A request of the script's client.
    Request,
}

/// A span of time on a track.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Index of the track.
    pub track: usize,
    /// From when.
    pub from: SimTime,
    /// Until when; absent for the end of the run.
    pub to: Option<SimTime>,
    /// What it is about.
    pub kind: SpanKind,
    /// What held.
    pub what: String,
}

/// Something that was decided or noticed.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Index of the track.
    pub track: usize,
    /// When.
    pub time: SimTime,
    /// What.
    pub what: String,
}

pub(super) fn timeline(past: &Past, told: &[RequestStory], pods: &[PodRecord]) -> Timeline {
    let mut making = Making::new(past);
    making.messages();
    making.faults();
    making.addresses();
    pods::phases(&mut making, pods);
    pods::channels(&mut making);
    requests::requests(&mut making, told);
    readers::readers(&mut making, told);
    making.finish()
}

/// A timeline in the making: tracks are numbered as they come, and put in order at the end.
struct Making<'a> {
    past: &'a Past<'a>,
    /// Where each pod was last.
    nodes: Vec<Option<NodeId>>,
    /// Where each Istiod runs.
    istiods: BTreeMap<u32, NodeId>,
    /// By group, control plane first, and name.
    tracks: BTreeMap<(u32, String), usize>,
    timeline: Timeline,
}

impl<'a> Making<'a> {
    fn new(past: &'a Past<'a>) -> Self {
        let mut nodes = vec![None; past.shared.pods.len()];
        for (_, fact) in past.story.facts() {
            if let Fact::Pod(pod, PodFact::Taken(node, _)) = fact {
                nodes[pod.index()] = Some(*node);
            }
        }
        let shared = past.shared;
        let pods = shared.pods.iter().zip(&nodes);
        let istiods = pods.filter(|(meta, _)| Some(meta.kind) == shared.blueprint.istiod);
        let istiods = istiods
            .filter_map(|(meta, node)| Some((meta.ordinal, (*node)?)))
            .collect();
        Self {
            past,
            nodes,
            istiods,
            tracks: BTreeMap::new(),
            timeline: Timeline {
                messages_omitted: past.story.messages_omitted,
                ..Timeline::default()
            },
        }
    }

    /// The track of a component at a node, or of the control plane.
    fn track(&mut self, node: Option<NodeId>, name: &str) -> usize {
        let number = self.tracks.len();
        let group = node.map_or(0, |node| node.0 + 1);
        *self.tracks.entry((group, name.to_owned())).or_insert(number)
    }

    fn pod(&mut self, pod: PodId) -> usize {
        let name = self.past.shared.pod_name(pod);
        self.track(self.nodes[pod.index()], &name)
    }

    fn istiod(&mut self, istiod: IstiodId) -> usize {
        let node = self.istiods.get(&istiod.0).copied();
        self.track(node, &istiod.to_string())
    }

    fn source(&mut self, source: Source) -> usize {
        match source {
            Source::Fault => self.track(None, FAULTS),
            Source::ApiServer => self.track(None, API_SERVER),
            Source::Deployment => self.track(None, "deployment controller"),
            Source::ReplicaSet => self.track(None, "replica set controller"),
            Source::Scheduler => self.track(None, "scheduler"),
            Source::NodeLifecycle => self.track(None, NODE_LIFECYCLE),
            Source::DaemonSet => self.track(None, "daemon set controller"),
            Source::Job => self.track(None, "job controller"),
            Source::CronJob => self.track(None, "cron job controller"),
            Source::EndpointSlice => self.track(None, "endpoint slice controller"),
            Source::Script(_) => self.track(None, SCRIPT),
            Source::Churn => self.track(None, "churn"),
            Source::Traffic => self.track(None, "traffic"),
            Source::Judge => self.track(None, "judge"),
            Source::Access => self.track(None, "client"),
            Source::Istiod(istiod) => self.istiod(istiod),
            Source::Kubelet(node) => self.track(Some(node), "kubelet"),
            Source::Agent(node) => self.track(Some(node), "Cilium agent"),
            Source::Sidecar(pod) => self.pod(pod),
        }
    }

    fn party(&mut self, party: Party) -> usize {
        match party {
            Party::Kubelet(node) => self.track(Some(node), "kubelet"),
            Party::Agent(node) => self.track(Some(node), "Cilium agent"),
            Party::Node(node) => self.track(Some(node), "node"),
            Party::Network(node) => self.track(Some(node), "network"),
            Party::ServiceProxy(node) => self.track(Some(node), "service proxy"),
            Party::Istiod(istiod)
            | Party::Webhook(istiod)
            | Party::IstiodClients(istiod)
            | Party::IstiodProcess(istiod) => self.istiod(istiod),
            Party::Controllers(_) => self.track(None, "controllers"),
            Party::ApiServer(_) => self.track(None, API_SERVER),
        }
    }

    fn decision(&mut self, track: usize, time: SimTime, what: String) {
        self.timeline.decisions.push(Decision { track, time, what });
    }

    /// What components sent one another. A message of the API server is lost if the receiver's link is cut by then.
    fn messages(&mut self) {
        let past = self.past;
        let cuts = self.fault_spans();
        for message in &past.story.messages {
            let (from, to) = (self.source(message.from), self.source(message.to));
            let lost = matches!(message.from, Source::ApiServer)
                && cuts.iter().any(|cut| {
                    past.fault(cut.fault).kind.cuts_off()
                        && reads_as(message.to) == Some(cut.party)
                        && cut.from <= message.arrives
                        && cut.to.is_none_or(|to| message.sent < to)
                });
            let late = message.arrives > past.end;
            let what = match message.about {
                Some(pod) => format!("{}: {}", message.what, past.shared.pod_name(pod)),
                None => message.what.to_owned(),
            };
            self.timeline.messages.push(Sending {
                from,
                to,
                sent: message.sent,
                arrives: (!lost && !late).then_some(message.arrives),
                what,
            });
        }
    }

    fn fault_spans(&self) -> Vec<FaultSpan> {
        let mut spans: Vec<FaultSpan> = Vec::new();
        for (time, fact) in self.past.story.facts() {
            match fact {
                Fact::FaultBegins { fault, parties, .. } => spans.extend(parties.iter().map(|party| FaultSpan {
                    fault: *fault,
                    party: *party,
                    from: time,
                    to: None,
                })),
                Fact::FaultEnds { fault, parties } | Fact::Left { fault, parties } => {
                    for span in spans
                        .iter_mut()
                        .filter(|span| span.to.is_none() && span.fault == *fault)
                    {
                        if parties.contains(&span.party) {
                            span.to = Some(time);
                        }
                    }
                }
                _ => {}
            }
        }
        spans
    }

    fn faults(&mut self) {
        for span in self.fault_spans() {
            let track = self.party(span.party);
            let spec = self.past.fault(span.fault);
            let (words, whom) = (spec.kind.words(), self.past.shared.blueprint.named(span.party));
            self.timeline.spans.push(Span {
                track,
                from: span.from,
                to: span.to,
                kind: SpanKind::Fault(spec.kind.words().noun),
                what: format!("{} {} {whom}: {}", spec.name, words.does, words.how),
            });
        }
    }

    /// Addresses given and freed, creations refused.
    fn addresses(&mut self) {
        let past = self.past;
        for (time, fact) in past.story.facts() {
            let Fact::Pod(pod, fact) = fact else { continue };
            match fact {
                PodFact::Taken(node, ip) => {
                    let track = self.track(Some(*node), "Cilium agent");
                    self.decision(track, time, format!("gives {ip} to {}", past.shared.pod_name(*pod)));
                }
                PodFact::Freed(ip) => {
                    let track = self.track(self.nodes[pod.index()], "Cilium agent");
                    self.decision(track, time, format!("frees {ip} of {}", past.shared.pod_name(*pod)));
                }
                PodFact::CreationRefused { istiod, .. } => {
                    let track = self.track(None, API_SERVER);
                    let whom = istiod.map_or("no Istiod".to_owned(), |istiod| istiod.to_string());
                    let pod = past.shared.pod_name(*pod);
                    self.decision(track, time, format!("refuses to create {pod}: {whom} injects nothing"));
                }
                _ => {}
            }
        }
    }

    fn finish(self) -> Timeline {
        let mut place = vec![0; self.tracks.len()];
        let mut timeline = self.timeline;
        for (index, ((group, name), number)) in self.tracks.into_iter().enumerate() {
            place[number] = index;
            let group = match group.checked_sub(1) {
                None => CONTROL_PLANE.to_owned(),
                Some(node) => self.past.node_name(NodeId(node)),
            };
            timeline.tracks.push(Track { group, name });
        }
        for message in &mut timeline.messages {
            (message.from, message.to) = (place[message.from], place[message.to]);
        }
        for span in &mut timeline.spans {
            span.track = place[span.track];
        }
        for decision in &mut timeline.decisions {
            decision.track = place[decision.track];
        }
        timeline
    }
}

/// What a fault did to one party, from when to when.
struct FaultSpan {
    fault: FaultId,
    party: Party,
    from: SimTime,
    to: Option<SimTime>,
}

/// As whom a component hears from the API server; nothing for those that run beside it.
const fn reads_as(source: Source) -> Option<Party> {
    match source {
        Source::Kubelet(node) => Some(Party::Kubelet(node)),
        Source::Agent(node) => Some(Party::Agent(node)),
        Source::Istiod(istiod) => Some(Party::Istiod(istiod)),
        _ => None,
    }
}
