//! Who reads which history and is only asked what it has read: the readers of each node, and the sidecars.
//!
//! A line of the table makes the cursors of one sort of reader, the question `Shared::…_of(node)`, and what a cut of its link
//! does to them. Components that act on what they read have a `Subscription` instead.

use std::sync::Arc;

use super::blueprint::Blueprint;
use super::context::Shared;
use super::history::{Behind, Cursor, Delay, Pace, View};
use super::ids::{BelievedIdentity, IstiodId, NodeId, PodId, ServiceId, TrueIdentity};
use super::objects::{Backends, EndpointObject, IdentityObject, PodObject};
use super::party::Party;
use super::purpose::Purpose;
use crate::kernel::{EntityKey, SimDuration, SimTime};

macro_rules! readers {
    ($(
        $(#[$doc:meta])*
        $view:ident: $cursors:ident $name:literal of $party:ident
            reads |$api:pat_param, $spec:pat_param| $history:expr => $value:ty, after |$params:pat_param| $delay:expr;
    )+) => {
        /// The cursors of all readers.
        #[derive(Debug)]
        pub struct Readers {
            $($cursors: Vec<Cursor>,)+
            /// Which Istiod each pod's proxy follows, or followed last, and how it reads that one's snapshots.
            proxies: Vec<Option<(IstiodId, Cursor)>>,
        }

        impl Readers {
            /// Readers that watch from the beginning.
            #[must_use]
            pub fn new(blueprint: &Blueprint) -> Self {
                let nodes = || (0..blueprint.spec.nodes).map(|node| blueprint.node_key(NodeId(node)));
                Self {
                    $($cursors: {
                        let $params = &blueprint.spec;
                        let delay = Arc::new($delay);
                        nodes().map(|key| Cursor::watching(key.named($name), &delay)).collect()
                    },)+
                    proxies: Vec::new(),
                }
            }
        }

        impl Shared {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $view(&self, node: NodeId) -> View<'_, $value> {
                    let ($api, $spec) = (&self.api, &self.blueprint.spec);
                    self.readers.$cursors[node.index()].over($history, &self.run_key)
                }
            )+

            /// All of them had read everything when the run began.
            pub fn have_read_all(&mut self) {
                $(
                    let ($api, $spec) = (&self.api, &self.blueprint.spec);
                    let versions = $history.len() as u32;
                    self.readers.$cursors.iter_mut().for_each(|cursor| cursor.has_read(versions));
                )+
            }

            /// Cuts off what reads over a party's link.
            pub fn freeze_readers(&mut self, party: Party, now: SimTime) {
                $(if let Party::$party(node) = party {
                    let ($api, $spec) = (&self.api, &self.blueprint.spec);
                    self.readers.$cursors[node.index()].freeze($history, &self.run_key, now);
                })+
            }

            /// When the API server first sent something over a party's link that was lost since a time, if it did.
            pub fn first_missed(&self, party: Party, since: SimTime) -> Option<SimTime> {
                let mut first: Option<SimTime> = None;
                let mut missed = |written: SimTime| {
                    let sent = written.max(since);
                    first = Some(first.map_or(sent, |earliest| earliest.min(sent)));
                };
                $(if let Party::$party(node) = party {
                    let view = self.$view(node);
                    let version = view.history.get(view.seen_at(SimTime::NEVER));
                    version.into_iter().for_each(|version| missed(version.time));
                })+
                match party {
                    Party::Istiod(_) => {
                        let slices = &self.api.slices;
                        let version = slices.get(slices.written_by(since));
                        version.into_iter().for_each(|version| missed(version.time));
                    }
                    Party::Kubelet(node) => {
                        let pods = &self.api.pods;
                        let later = (pods.written_by(since)..).map_while(|index| pods.get(index));
                        let here = |pod: &PodObject| pod.node == Some(node);
                        let version = later.into_iter().find(|version| version.value.as_ref().is_some_and(here));
                        version.into_iter().for_each(|version| missed(version.time));
                    }
                    _ => {}
                }
                first
            }

            /// What reads over a party's link lists again and goes on watching: from a cache that is behind, what was written up to
            /// a time.
            pub fn restore_readers(&mut self, party: Party, now: SimTime, behind: Option<(Behind, SimTime)>) {
                $(if let Party::$party(node) = party {
                    let ($api, $spec) = (&self.api, &self.blueprint.spec);
                    let cursor = &mut self.readers.$cursors[node.index()];
                    match behind {
                        None => cursor.restore($history, now),
                        Some((behind, listed)) => cursor.restore_behind($history, now, behind, listed),
                    }
                })+
            }

            /// What reads over a party's link is sent changes so much later from now on.
            pub fn lag_readers(&mut self, party: Party, lag: SimDuration, now: SimTime) {
                $(if let Party::$party(node) = party {
                    self.readers.$cursors[node.index()].lags(now, lag);
                })+
            }

            /// When the newest was written of what a party has read, or of all that it reads.
            pub fn newest(&self, party: Party, all: bool, now: SimTime) -> Option<SimTime> {
                let until = if all { now } else { self.links.silent_since(party).unwrap_or(now) };
                let mut newest = match party {
                    Party::Istiod(_) => self.api.slices.newest(self.api.slices.written_by(until)),
                    Party::Kubelet(_) => self.api.pods.newest(self.api.pods.written_by(until)),
                    _ => None,
                };
                $(if let Party::$party(node) = party {
                    let view = self.$view(node);
                    let versions = if all { view.history.written_by(now) } else { view.seen_at(now) };
                    newest = newest.max(view.history.newest(versions));
                })+
                newest
            }
        }
    };
}

readers! {
    /// How the Cilium agent of a node reads CiliumEndpoints, up to the ipcache.
    ipcache_of: ipcaches "ipcache" of Agent
        reads |api, _| &api.endpoints => EndpointObject,
        after |spec| Delay {
            purpose: Purpose::IpcacheDelay,
            distribution: spec.cilium.ipcache_latency,
            then: None,
            batch_period: spec.cilium.ipcache_batch_period,
            pace: None,
        };
    /// How the Cilium agent of a node reads CiliumIdentities, up to the policy maps.
    identities_of: identities "identity cache" of Agent
        reads |api, _| &api.identities => IdentityObject,
        after |spec| Delay {
            purpose: Purpose::IdentityDelay,
            distribution: spec.cilium.identity_watch_latency,
            then: None,
            batch_period: spec.kubernetes.watch_batch_period,
            pace: None,
        };
    /// How the service proxy of a node reads EndpointSlices.
    service_proxy_of: service_proxies "service proxy" of ServiceProxy
        reads |api, _| &api.slices => Backends,
        after |spec| Delay {
            purpose: Purpose::ServiceProxyDelay,
            distribution: spec.kubernetes.watch_latency,
            then: Some(spec.kubernetes.service_proxy_sync_latency),
            batch_period: spec.kubernetes.watch_batch_period,
            pace: Some(Pace {
                interval: spec.kubernetes.service_proxy_sync_interval,
                burst: spec.kubernetes.service_proxy_sync_burst,
            }),
        };
}

impl Shared {
    /// The number under which the agent of a node knows an identity from the API at a time.
    #[must_use]
    pub fn identity_read(&self, node: NodeId, identity: TrueIdentity, time: SimTime) -> Option<BelievedIdentity> {
        let (place, object) = self.api.created_identity(identity)?;
        (place < self.identities_of(node).seen_at(time)).then_some(object.number)
    }

    /// What the agent of a node takes a number for at a time; nothing if it has not read of it.
    #[must_use]
    pub fn true_identity_at(&self, node: NodeId, number: BelievedIdentity, time: SimTime) -> Option<TrueIdentity> {
        let (place, object) = self.api.numbered_identity(number)?;
        (place < self.identities_of(node).seen_at(time)).then_some(object.true_identity)
    }

    /// The backends that a node's service proxy sends connections to at a time.
    #[must_use]
    pub fn backends_at(&self, node: NodeId, service: ServiceId, time: SimTime) -> Option<Backends> {
        self.service_proxy_of(node).at(service.0, time).cloned()
    }

    /// The Istiod that a pod's proxy follows, or followed last, and how it reads that one's snapshots.
    #[must_use]
    pub fn proxy_of(&self, pod: PodId) -> Option<(IstiodId, View<'_, Backends>)> {
        let (istiod, cursor) = self.readers.proxies.get(pod.index())?.as_ref()?;
        Some((*istiod, cursor.over(&self.snapshots[istiod.index()], &self.run_key)))
    }

    /// The proxy of a pod follows an Istiod from now on: it has its latest snapshots, and reads what comes.
    pub fn follow(&mut self, pod: PodId, reader: EntityKey, istiod: IstiodId, now: SimTime) {
        let delay = Arc::new(Delay {
            purpose: Purpose::PushDelay,
            distribution: self.blueprint.istio().params.push_latency,
            then: None,
            batch_period: SimDuration::from_nanos(1),
            pace: None,
        });
        let cursor = Cursor::listing(reader, &delay, &self.snapshots[istiod.index()], now);
        let proxies = &mut self.readers.proxies;
        if proxies.len() <= pod.index() {
            proxies.resize_with(pod.index() + 1, || None);
        }
        proxies[pod.index()] = Some((istiod, cursor));
    }

    /// The proxy of a pod had followed an Istiod for long when the run began.
    pub fn has_followed(&mut self, pod: PodId, reader: EntityKey, istiod: IstiodId) {
        self.follow(pod, reader, istiod, SimTime::ZERO);
        if let Some((_, cursor)) = &mut self.readers.proxies[pod.index()] {
            cursor.has_read(self.snapshots[istiod.index()].len() as u32);
        }
    }

    /// The stream of a pod's proxy has ended; it keeps what it has. Returns whether there was one.
    pub fn unfollow(&mut self, pod: PodId, now: SimTime) -> bool {
        let Some(Some((istiod, cursor))) = self.readers.proxies.get_mut(pod.index()) else {
            return false;
        };
        cursor.freeze(&self.snapshots[istiod.index()], &self.run_key, now);
        true
    }

    /// The stream of a pod's proxy, which was silent for a time, goes on.
    pub fn follow_again(&mut self, pod: PodId, now: SimTime) {
        if let Some(Some((istiod, cursor))) = self.readers.proxies.get_mut(pod.index()) {
            cursor.restore(&self.snapshots[istiod.index()], now);
        }
    }
}
