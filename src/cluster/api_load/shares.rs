//! How the seats of an API server are divided over its priority levels.

use super::queues::Queuing;
use crate::cluster::api_flow::Level;
use crate::cluster::params::KubernetesParams;

/// How each level queues.
#[must_use]
pub fn levels(params: &KubernetesParams) -> Vec<Queuing> {
    let of = |shares: u32, lendable_ratio: f64, queues: u32| (shares, lendable_ratio, queues);
    let (nodes, workloads) = (params.api_queues_of_nodes, params.api_queues);
    let levels = Level::ALL.map(|(_, level)| match level {
        Level::System => of(params.api_shares_system, params.api_lendable_system, nodes),
        Level::NodeHigh => of(params.api_shares_node_high, params.api_lendable_node_high, nodes),
        Level::WorkloadHigh => of(
            params.api_shares_workload_high,
            params.api_lendable_workload_high,
            workloads,
        ),
        Level::WorkloadLow => of(
            params.api_shares_workload_low,
            params.api_lendable_workload_low,
            workloads,
        ),
        Level::GlobalDefault => of(
            params.api_shares_global_default,
            params.api_lendable_global_default,
            workloads,
        ),
    });
    let all: u64 = levels.iter().map(|(shares, ..)| u64::from(*shares)).sum();
    let all = (all + u64::from(params.api_shares_other)).max(1);
    let seats = |shares: u32| (u64::from(params.api_seats) * u64::from(shares)).div_ceil(all) as u32;
    let queuing = |(shares, lendable, queues): (u32, f64, u32)| Queuing {
        nominal: seats(shares).max(1),
        lendable: (f64::from(seats(shares)) * lendable.clamp(0.0, 1.0)) as u32,
        queues,
        hand: params.api_hand_size,
        length: params.api_queue_length,
        longest_wait: params.api_queue_wait,
        expected: params.api_expected_service_time,
    };
    levels.into_iter().map(queuing).collect()
}
