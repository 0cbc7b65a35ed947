//! Which values of a model parameter are allowed, whatever the experiment: those with which the simulated world goes on and
//! ends.
//!
//! Belongs here: one range for each parameter, by its kind and its name. Does not belong here: which values are plausible
//! (`models/`), and parameters that contradict one another (`world`).

use std::ops::RangeInclusive;
use std::path::Path;

use super::error::InputError;
use super::schema::Setting;
use super::values::{complain, describe};
use super::yaml::Spanned;
use crate::cluster::params::Value;
use crate::kernel::SimDuration;

/// Counts that may be zero; every other count has to be at least 1.
const MAY_BE_ZERO: [&str; 5] = [
    "api_client_retries",
    "api_shares_other",
    "endpoint_create_skip_initial",
    "node_addresses",
    "syn_retransmits",
];
/// Most of anything that is counted, where the real component has no limit of its own.
const COUNT_MAX: u64 = 1_000_000;
/// Most queues of a priority level; the API itself allows 10 million.
const QUEUES_MAX: u64 = 10_000;
/// Most retransmissions of a SYN: `tcp_syn_retries` of Linux is at most 127.
const SYN_RETRANSMITS_MAX: u64 = 127;
/// Shortest time between two of what repeats by itself. Shorter ones are no behavior of a real component, and whoever
/// works out what has happened since some time goes through all of them.
const REPEATED_MIN: SimDuration = SimDuration::from_millis(1);
/// Grids that times are rounded up to: nothing goes through their points, so they may be as fine as time itself.
const GRIDS: [&str; 3] = ["pleg_period", "watch_batch_period", "ipcache_batch_period"];
/// Shortest time between two renewals of a lease, which nodes renew for ever: a lease lasts whole seconds, and kubelets
/// renew it four times in that time.
const LEASE_RENEW_MIN: SimDuration = SimDuration::from_millis(250);

/// Complains about a value of the right kind that is not allowed.
pub fn check(path: &Path, field: &str, value: Value, at: &Spanned<Setting>) -> Result<(), InputError> {
    let expected = match value {
        Value::Duration(span) => too_short(field, span),
        Value::Distribution(distribution) => too_short(field, distribution.quantile(0.01)),
        Value::Count(number) => outside(&counts(field), number),
        Value::Number(number) => outside(&numbers(field), number),
        Value::Switch(_) => None,
    };
    let Some(expected) = expected else { return Ok(()) };
    let message = format!("`{}` is not possible for `{field}`", describe(&at.value));
    Err(complain(path, at, message).with_hint(format!("a value {expected} is expected")))
}

/// The shortest allowed span, if this one is shorter. Longer than any is refused where spans are read.
fn too_short(field: &str, span: SimDuration) -> Option<String> {
    let repeated = ["backoff", "retry"].iter().any(|word| field.contains(word))
        || [
            "_interval",
            "_period",
            "_estimate",
            "connection_age",
            "retransmit_initial",
            "retransmit_max",
            "heartbeat_timeout",
            "dial_timeout",
        ]
        .iter()
        .any(|end| field.ends_with(end));
    let least = match field {
        "lease_renew_interval" => LEASE_RENEW_MIN,
        _ if GRIDS.contains(&field) => SimDuration::from_nanos(1),
        _ if repeated => REPEATED_MIN,
        _ => SimDuration::ZERO,
    };
    (span < least).then(|| match least.as_nanos() / 1_000_000 {
        0 => "above 0".to_owned(),
        least_ms => format!("of at least {least_ms} ms"),
    })
}

fn outside<T: PartialOrd + std::fmt::Display>(range: &RangeInclusive<T>, number: T) -> Option<String> {
    (!range.contains(&number)).then(|| format!("from {} to {}", range.start(), range.end()))
}

fn counts(field: &str) -> RangeInclusive<u64> {
    let least = u64::from(!MAY_BE_ZERO.contains(&field));
    match field {
        "api_queues" | "api_queues_of_nodes" => least..=QUEUES_MAX,
        "syn_retransmits" => least..=SYN_RETRANSMITS_MAX,
        _ => least..=COUNT_MAX,
    }
}

fn numbers(field: &str) -> RangeInclusive<f64> {
    let ends = |ending: &str| field.ends_with(ending);
    if ends("_jitter_ratio") {
        // With a spread of 1 a wait could be no time at all.
        0.0..=0.999
    } else if ends("_multiplier") || ends("_adjustment_max") {
        1.0..=1e6
    } else if ends("_qps") || ends("_rate") {
        1e-6..=1e9
    } else if ends("_delayed_adjustment") || field.starts_with("api_lendable_") {
        0.0..=1.0
    } else {
        // Shares of replicas.
        0.0..=100.0
    }
}
