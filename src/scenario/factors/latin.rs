//! Latin hypercubes: of N points, exactly one in each N-th of every coordinate (McKay, Beckman and Conover 1979).
//!
//! Of several such hypercubes the one is taken whose two nearest points are farthest apart (maximin). Streams come from the
//! caller by purpose and coordinate, so a further coordinate changes no other one's candidates.

use super::Chance;
use crate::kernel::{EntityKey, Purpose, RunKey};

/// Most hypercubes among which the best is chosen.
const CANDIDATES_MAX: u64 = 100;
/// Most coordinates of pairs that are compared for that; large samples have fewer candidates, at least one.
const COMPARISONS_MAX: u64 = 200_000_000;

/// Places within a stratum.
const OFFSETS: u64 = 1 << 20;

/// What a random number of a sample is for. The names decide samples: renaming one changes them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Drawn {
    /// The order of strata in a candidate.
    Order,
    /// The place within a stratum.
    Offset,
    /// The digital shift of Sobol' points.
    Shift,
}

impl Purpose for Drawn {
    fn name(self) -> &'static str {
        match self {
            Self::Order => "factors.latin_hypercube.order",
            Self::Offset => "factors.latin_hypercube.offset",
            Self::Shift => "factors.sobol.shift",
        }
    }
}

/// The key of the random numbers of a sample; no run has it.
pub(super) fn key(chance: Chance<'_>) -> RunKey {
    RunKey::derive(chance.seed, &format!("{}/factors", chance.seed_group), 0)
}

/// A maximin Latin hypercube of `points` points, with a coordinate for each name, strictly between 0 and 1.
pub fn points(points: usize, names: &[&str], chance: Chance<'_>) -> Vec<Vec<f64>> {
    let key = key(chance);
    let pairs = points as u64 * (points as u64).saturating_sub(1) / 2;
    let comparisons = (pairs * names.len() as u64).max(1);
    let candidates = (COMPARISONS_MAX / comparisons).clamp(1, CANDIDATES_MAX);
    let candidate = |number: u64| -> Vec<Vec<f64>> {
        let mut found = vec![vec![0.0; names.len()]; points];
        for (dimension, name) in names.iter().enumerate() {
            let entity = EntityKey::root(name).child(number);
            let mut order: Vec<usize> = (0..points).collect();
            let mut stream = key.stream(Drawn::Order, entity);
            for last in (1..points).rev() {
                order.swap(last, stream.below(last as u64 + 1) as usize);
            }
            let mut stream = key.stream(Drawn::Offset, entity);
            for (point, stratum) in found.iter_mut().zip(order) {
                // On a grid that doubles hold exactly, so that no rounding moves a point into the next stratum.
                let offset = (stream.below(OFFSETS) as f64 + 0.5) / OFFSETS as f64;
                point[dimension] = (stratum as f64 + offset) / points as f64;
            }
        }
        found
    };
    let mut best = candidate(0);
    let mut farthest = nearest_squared(&best);
    for number in 1..candidates {
        let found = candidate(number);
        let distance = nearest_squared(&found);
        if distance > farthest {
            (best, farthest) = (found, distance);
        }
    }
    best
}

/// The squared distance between the two nearest points; infinite for fewer than two.
fn nearest_squared(points: &[Vec<f64>]) -> f64 {
    let mut nearest = f64::INFINITY;
    for (index, a) in points.iter().enumerate() {
        for b in &points[..index] {
            let distance: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
            nearest = nearest.min(distance);
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANCE: Chance<'_> = Chance {
        seed: 7,
        seed_group: "a test",
    };

    #[test]
    fn each_stratum_of_each_coordinate_has_exactly_one_point() {
        for size in [1, 2, 7, 64, 100] {
            let found = points(size, &["a", "b", "c"], CHANCE);
            for dimension in 0..3 {
                let mut strata: Vec<usize> = found
                    .iter()
                    .map(|point| (point[dimension] * size as f64) as usize)
                    .collect();
                strata.sort_unstable();
                assert_eq!(strata, (0..size).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_seed_decides_the_points() {
        assert_eq!(points(16, &["a", "b"], CHANCE), points(16, &["a", "b"], CHANCE));
        assert_ne!(
            points(16, &["a", "b"], CHANCE),
            points(16, &["a", "b"], Chance { seed: 8, ..CHANCE })
        );
    }

    #[test]
    fn the_best_candidate_is_farther_apart_than_most() {
        let chosen = nearest_squared(&points(20, &["a", "b"], CHANCE));
        let others = (0..50).map(|seed| Chance {
            seed,
            seed_group: "others",
        });
        let random = |chance: Chance<'_>| {
            let key = key(chance);
            let mut stream = key.stream(Drawn::Offset, EntityKey::root("plain"));
            let plain: Vec<Vec<f64>> = (0..20).map(|_| vec![stream.uniform(), stream.uniform()]).collect();
            nearest_squared(&plain)
        };
        let farther = others.filter(|chance| random(*chance) < chosen).count();
        assert!(farther >= 49, "farther apart than {farther} of 50 random samples");
    }
}
