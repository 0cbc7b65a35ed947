//! Shards: contiguous parts of the replications of an experiment, the same for every design, made on different machines.
//!
//! Putting shards together again belongs to `merge`.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::plan::Plan;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Number of the part, from 1.
    pub index: u64,
    pub of: u64,
}

impl Shard {
    /// The replications of this part of `total`: parts differ by at most one replication, and none is left over.
    pub fn range(self, total: u64) -> Range<u64> {
        let edge = |part: u64| (u128::from(part) * u128::from(total) / u128::from(self.of)) as u64;
        edge(self.index - 1)..edge(self.index)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "not I/N with whole numbers and 1 <= I <= N, such as 2/4".to_owned();
        let (index, of) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u64>().ok()).flatten().ok_or_else(wrong)
        };
        let shard = Self {
            index: number(index)?,
            of: number(of)?,
        };
        if (1..=shard.of).contains(&shard.index) {
            Ok(shard)
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// What a shard's manifest holds about the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ShardRecord {
    /// Number of the part, from 1.
    pub index: u64,
    /// Number of parts.
    pub of: u64,
    /// First replication.
    pub first: u64,
    /// The replication behind the last one.
    pub end: u64,
    /// Replications of each design in the whole.
    pub replications_of_all: u64,
    /// Digest of the plan of the whole; equal in all its shards.
    pub plan_digest_of_all: String,
}

impl ShardRecord {
    pub const fn shard(&self) -> Shard {
        Shard {
            index: self.index,
            of: self.of,
        }
    }

    /// The record of a plan, if it is one of a shard.
    pub fn of(plan: &Plan) -> Option<Self> {
        let Shard { index, of } = plan.shard?;
        let Range { start, end } = plan.range();
        Some(Self {
            index,
            of,
            first: start,
            end,
            replications_of_all: plan.replications,
            plan_digest_of_all: plan.digest_of_all().to_hex().to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_level_and_leave_nothing_out() {
        for total in [1, 7, 100, 1001] {
            for of in 1..=total.min(12) {
                let mut next = 0;
                for index in 1..=of {
                    let range = Shard { index, of }.range(total);
                    assert_eq!(range.start, next);
                    assert!((total / of..=total / of + 1).contains(&(range.end - range.start)));
                    next = range.end;
                }
                assert_eq!(next, total);
            }
        }
    }

    #[test]
    fn only_parts_of_a_whole_are_read() {
        assert_eq!("2/4".parse(), Ok(Shard { index: 2, of: 4 }));
        for bad in [
            "0/4", "5/4", "1/0", "2", "2/", "/4", "-1/4", "+1/4", "a/b", "1/2/3", "1 /2", "",
        ] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
