//! A choice among a few things by their weights, from one uniform variate.
//!
//! By inversion of the cumulated weights (Devroye 1986, chapter 3.2), so that a small change of one weight moves few choices
//! and designs stay synchronised; alias tables are faster and do neither. Durations belong to `law`.

/// A law on the indices of some weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Discrete {
    /// Shares of all weights up to each index; the last is 1.
    cumulated: Vec<f64>,
}

impl Discrete {
    /// The law that gives index i with probability `weights[i]` / Σ weights; nothing if a weight is negative or not finite, or if
    /// none is above zero. Support: the indices of weights above zero; mean `Σ i · weights[i] / Σ weights`.
    #[must_use]
    pub fn new(weights: &[f64]) -> Option<Self> {
        let right = weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0);
        let total: f64 = weights.iter().sum();
        if !right || total <= 0.0 || !total.is_finite() {
            return None;
        }
        let mut sum = 0.0;
        let mut cumulated: Vec<f64> = weights
            .iter()
            .map(|weight| {
                sum += weight;
                sum / total
            })
            .collect();
        // Rounding may not leave a gap below 1, nor give it to an index without weight.
        let last = weights.iter().rposition(|weight| *weight > 0.0)?;
        cumulated[last..].fill(1.0);
        Some(Self { cumulated })
    }

    /// The index for a uniform `u`, which lies strictly between 0 and 1.
    #[must_use]
    pub fn index(&self, u: f64) -> usize {
        self.cumulated.partition_point(|upper| *upper <= u)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_values() {
        let law = Discrete::new(&[1.0, 0.0, 2.0, 1.0, 0.0]).expect("the weights are right");
        let found = [1e-9, 0.249, 0.25, 0.749, 0.75, 1.0 - 1e-16].map(|u| law.index(u));
        assert_eq!(found, [0, 0, 2, 2, 3, 3]);
    }

    #[test]
    fn wrong_weights_make_no_law() {
        for wrong in [&[][..], &[0.0], &[1.0, -1.0], &[f64::NAN], &[f64::INFINITY]] {
            assert_eq!(Discrete::new(wrong), None, "{wrong:?}");
        }
    }
}
