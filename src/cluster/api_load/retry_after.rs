//! How long a refused client is told to stay away.

use crate::kernel::{SimDuration, SimTime};

/// How long clients are told to stay away, by the refusals of a level (`kubernetes/apiserver
/// pkg/util/flowcontrol/dropped_requests_tracker.go`).
#[derive(Debug)]
pub struct RetryAfter {
    seconds: u64,
    changed: u64,
    /// Refusals of the latest seconds that had any.
    refused: Vec<(u64, u64)>,
}

impl Default for RetryAfter {
    fn default() -> Self {
        Self {
            seconds: 1,
            changed: 0,
            refused: Vec::new(),
        }
    }
}

impl RetryAfter {
    /// A request is refused: it doubles when refusals are many, and falls by one second when they are few.
    pub fn refuse(&mut self, now: SimTime, longest: u64) -> SimDuration {
        let second = now.as_nanos() / 1_000_000_000;
        match self.refused.last_mut() {
            Some((latest, count)) if *latest == second => *count += 1,
            _ => {
                let window = second.saturating_sub(self.seconds);
                let seen = self.refused.iter().filter(|(at, _)| *at >= window);
                let seen: u64 = seen.map(|(_, count)| count).sum();
                if seen >= 3 * self.seconds && second - self.changed >= self.seconds {
                    self.seconds = (self.seconds * 2).min(longest.max(1));
                    self.changed = second;
                } else if seen < self.seconds {
                    self.seconds = (self.seconds - 1).max(1);
                }
                self.refused.retain(|(at, _)| at + 2 * longest >= second);
                self.refused.push((second, 1));
            }
        }
        SimDuration::from_secs(self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs(second)
    }

    /// Seconds to stay away, at the end of each second with so many refusals.
    fn told(refusals: &[u64], longest: u64) -> Vec<u64> {
        let mut retry_after = RetryAfter::default();
        let mut second = |(second, count): (u64, &u64)| {
            let last = (0..*count).map(|_| retry_after.refuse(at(second), longest)).last();
            last.map_or(0, |wait| wait.as_nanos() / 1_000_000_000)
        };
        (1000..).zip(refusals).map(&mut second).collect()
    }

    #[test]
    fn it_doubles_under_many_refusals_and_falls_again() {
        assert_eq!(told(&[50; 12], 32), [1, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8, 8]);
        assert_eq!(told(&[50; 12], 1), [1; 12], "a constant in earlier releases");
        let mut calm = vec![50; 8];
        calm.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
        assert_eq!(told(&calm, 32).last(), Some(&6));
    }
}
