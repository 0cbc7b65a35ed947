//! What the containers of a pod request of their node's processors and memory.
//!
//! Belongs here: the sum over containers and init containers (`kubernetes/kubernetes
//! staging/src/k8s.io/component-helpers/resource/helpers.go`, PodRequests). Does not belong here: whether a node has that
//! (`cluster::scheduler`).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::cluster::placement::{Requests, Resources};
use crate::scenario::quantity;

/// `resources` of a container or a pod.
#[derive(Deserialize, Default)]
pub(super) struct RawResources {
    requests: Option<Amounts>,
    limits: Option<Amounts>,
}

/// Quantities by their names.
pub(super) type Amounts = BTreeMap<String, Quantity>;

/// An amount of anything, in thousandths.
pub(super) struct Quantity(u64);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 500m or 128Mi")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Quantity, E> {
                let read = quantity::thousandths(value).map(Quantity);
                read.ok_or_else(|| E::invalid_value(Unexpected::Str(value), &self))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Quantity, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Quantity, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Quantity, E> {
                self.visit_str(&value.to_string())
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl RawResources {
    /// What is requested; a limit without a request is one, too (`kubernetes/kubernetes pkg/apis/core/v1/defaults.go`, SetDefaults_Pod).
    fn requests(&self) -> [Option<u64>; 2] {
        let of = |amounts: &Option<Amounts>, name: &str| Some(amounts.as_ref()?.get(name)?.0);
        ["cpu", "memory"].map(|name| of(&self.requests, name).or_else(|| of(&self.limits, name)))
    }
}

fn resources([cpu, memory]: [Option<u64>; 2]) -> Resources {
    Resources {
        cpu_milli: cpu.unwrap_or(0),
        memory: memory.unwrap_or(0).div_ceil(1000),
    }
}

/// What a pod with these containers requests; init containers with whether they run beside the others from then on. What the pod
/// requests as a whole takes the place of what its containers do.
pub(super) fn of_pod<'r>(
    containers: impl Iterator<Item = Option<&'r RawResources>>,
    init: impl Iterator<Item = (Option<&'r RawResources>, bool)>,
    pod: Option<&RawResources>,
    overhead: Option<&Amounts>,
) -> Requests {
    let of = |raw: Option<&RawResources>| raw.map_or_else(Resources::default, |raw| resources(raw.requests()));
    let (mut beside, mut starting) = (Resources::default(), Resources::default());
    for (raw, stays) in init {
        let own = of(raw);
        starting = starting.most(beside.plus(own));
        if stays {
            beside = beside.plus(own);
        }
    }
    let mut running = containers.fold(beside, |sum, raw| sum.plus(of(raw)));
    if let Some([cpu, memory]) = pod.map(RawResources::requests) {
        let whole = resources([cpu, memory]);
        if cpu.is_some() {
            (running.cpu_milli, starting.cpu_milli) = (whole.cpu_milli, 0);
        }
        if memory.is_some() {
            (running.memory, starting.memory) = (whole.memory, 0);
        }
    }
    let overhead = overhead.map_or_else(Resources::default, |amounts| {
        resources(["cpu", "memory"].map(|name| amounts.get(name).map(|amount| amount.0)))
    });
    Requests {
        running: running.plus(overhead),
        starting: starting.plus(overhead),
    }
}
