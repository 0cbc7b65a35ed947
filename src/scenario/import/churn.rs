//! How often pods are replaced, by the ages of those that live.
//!
//! Belongs here: the estimate. Does not belong here: the step of the script (`experiment`).
//!
//! A dump shows the ages of living pods and no pod that has ended. In a population of constant size whose pods live for exponential
//! times, the ages of the living are exponential with the same mean, because such lives have no memory. Ages beyond a window count as
//! censored there, because older pods are of deploys and outages of the past: with d pods younger than the window, and the sum T of
//! all ages, each cut at the window, the mean life is T / d (the maximum likelihood of exponential times with right-censoring), and
//! as many pods are replaced per time as there are pods per mean life. The bias: where a few pods are replaced often and most are
//! not, the short lives are missed in part, and the true rate is higher; after a deploy of everything it is lower.

use super::dump::Dump;
use super::template::Phase;

/// Replaced pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Churn {
    /// Living pods younger than the window, and all of them.
    pub young: usize,
    pub living: usize,
    pub window_h: i64,
    /// Mean life \[s\].
    pub lifetime_s: u64,
}

impl Churn {
    /// Replaced pods per hour with two decimals, at least 0.01.
    pub fn rate(&self) -> String {
        let hundredths = (self.living as u64 * 360_000 / self.lifetime_s).max(1);
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

/// Windows of time, the shortest of which that has enough new pods shows the rate \[h\].
const WINDOWS_H: [i64; 4] = [1, 24, 7 * 24, 30 * 24];
/// New pods that are enough.
const ENOUGH: usize = 20;

pub(super) fn churn(dump: &Dump) -> Option<Churn> {
    let latest = dump.latest_s?;
    let of_cluster = dump.pods.iter().filter(|pod| {
        let is_static = pod.owner.as_ref().is_some_and(|owner| owner.0 == "Node");
        !is_static && pod.phase != Phase::Ended
    });
    let ages: Vec<i64> = of_cluster.filter_map(|pod| Some(latest - pod.created_s?)).collect();
    estimate(&ages)
}

/// The estimate of some ages \[s\]; nothing if no window has a pod.
fn estimate(ages: &[i64]) -> Option<Churn> {
    let oldest = ages.iter().max().copied()?;
    let young = |hours: i64| ages.iter().filter(|age| **age < hours * 3600).count();
    // A window longer than the cluster is old would count the pods that it began with.
    let windows = WINDOWS_H.into_iter().filter(|hours| hours * 3600 < oldest);
    let found: Vec<(i64, usize)> = windows.map(|hours| (hours, young(hours))).collect();
    let enough = found.iter().find(|(_, pods)| *pods >= ENOUGH).or(found.last());
    let (window_h, young) = enough.copied().filter(|(_, pods)| *pods > 0)?;
    let exposed: i64 = ages.iter().map(|age| (*age).clamp(0, window_h * 3600)).sum();
    let mean = exposed.unsigned_abs() / young as u64;
    Some(Churn {
        young,
        living: ages.len(),
        window_h,
        lifetime_s: mean.clamp(60, 3_600_000),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_lives_give_back_their_mean() {
        // Quantiles of exponential ages with a mean of 10 h: 1,000 pods, of which 95 are younger than an hour.
        let ages: Vec<i64> = (0..1_000)
            .map(|at| (-36_000.0 * libm::log(1.0 - (f64::from(at) + 0.5) / 1_000.0)) as i64)
            .collect();
        let churn = estimate(&ages).expect("there are young pods");
        assert_eq!((churn.young, churn.living, churn.window_h), (95, 1_000, 1));
        assert!((35_500..36_500).contains(&churn.lifetime_s), "{churn:?}");
        assert_eq!(churn.rate(), "99.83");
    }

    #[test]
    fn without_young_pods_there_is_no_estimate() {
        assert_eq!(estimate(&[]), None);
        assert_eq!(estimate(&[4_000_000; 5]), None);
        // Everything was created at once: the window would be older than the cluster.
        assert_eq!(estimate(&[1_000; 50]), None);
    }
}
