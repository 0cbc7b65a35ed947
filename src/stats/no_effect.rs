//! Whether a measure differs at all over several settings: ranks within runs, or between independent ones.
//!
//! **Friedman** (1937) ranks the settings within each run, so that runs that use the same random events at every setting are
//! compared with themselves; with ties corrected and values 0 and 1 it is Cochran's Q (1950). **Kruskal & Wallis** (1952)
//! ranks all values, for settings without common random numbers. Both p-values are those of Fisher's F for the rank
//! transform (Iman & Davenport 1980), which hold their level in small studies where χ² is too careful.

use super::beta::beta_tails;

/// How several settings differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// p-value of the hypothesis that no setting differs.
    pub p_value: f64,
    /// Share of the spread between the settings' mean ranks that chance alone is expected to give, at most 1.
    pub chance_share: f64,
}

/// Settings whose values belong together run by run: `runs[run][setting]`. `None` with fewer than two runs or settings; where
/// no run has two different values nothing differs, and p is 1.
///
/// Panics if runs have different numbers of settings.
pub fn friedman(runs: &[Vec<f64>]) -> Option<Effect> {
    let settings = runs.first().map_or(0, Vec::len);
    if runs.len() < 2 || settings < 2 {
        return None;
    }
    let mut sums = vec![0.0; settings];
    let (mut squares, middle) = (0.0, (settings as f64 + 1.0) / 2.0);
    for run in runs {
        assert_eq!(run.len(), settings, "every run has every setting");
        for (sum, rank) in sums.iter_mut().zip(ranks(run)) {
            *sum += rank - middle;
            squares += (rank - middle) * (rank - middle);
        }
    }
    let n = runs.len() as f64;
    let between = sums.iter().map(|sum| sum * sum).sum::<f64>() / n;
    let degrees = (settings as f64 - 1.0, (settings as f64 - 1.0) * (n - 1.0));
    Some(by_f(between, squares - between, degrees))
}

/// Settings whose values are independent: `groups[setting]`. `None` with fewer than two settings that have values.
pub fn kruskal_wallis(groups: &[Vec<f64>]) -> Option<Effect> {
    let groups: Vec<&Vec<f64>> = groups.iter().filter(|group| !group.is_empty()).collect();
    let all: Vec<f64> = groups.iter().flat_map(|group| group.iter().copied()).collect();
    if groups.len() < 2 || all.len() <= groups.len() {
        return None;
    }
    let middle = (all.len() as f64 + 1.0) / 2.0;
    let ranked: Vec<f64> = ranks(&all).iter().map(|rank| rank - middle).collect();
    let squares: f64 = ranked.iter().map(|rank| rank * rank).sum();
    let (mut between, mut first) = (0.0, 0);
    for group in &groups {
        let sum: f64 = ranked[first..first + group.len()].iter().sum();
        between += sum * sum / group.len() as f64;
        first += group.len();
    }
    let degrees = (groups.len() as f64 - 1.0, (all.len() - groups.len()) as f64);
    Some(by_f(between, squares - between, degrees))
}

fn by_f(between: f64, within: f64, (d1, d2): (f64, f64)) -> Effect {
    // Sums of squares that are the same number by another order of additions differ in their last bits.
    let total = between + within.max(0.0);
    if between <= 1e-12 * total.max(1.0) {
        return Effect {
            p_value: 1.0,
            chance_share: 1.0,
        };
    }
    if within <= 1e-12 * total {
        return Effect {
            p_value: 0.0,
            chance_share: 0.0,
        };
    }
    let f = (between / d1) / (within / d2);
    Effect {
        p_value: beta_tails(d2 / (d2 + d1 * f), d2 / 2.0, d1 / 2.0).lower,
        chance_share: (1.0 / f).min(1.0),
    }
}

/// Ranks from 1, ties at their mean.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut place = 0;
    for tied in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let mean = place as f64 + (tied.len() as f64 + 1.0) / 2.0;
        for index in tied {
            ranks[*index] = mean;
        }
        place += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::super::testing::Words;
    use super::*;

    #[test]
    fn ranks_of_ties_are_their_mean() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, f64::INFINITY]), [2.5, 1.0, 2.5, 4.0]);
    }

    #[test]
    fn two_settings_give_the_t_test_of_the_ranks() {
        // Friedman with two settings: the signs of 8 runs, 7 up and 1 down. F = t² of ±1/2: mean 0.375, s² = (8·0.25 − 8·0.375²)/7.
        let runs: Vec<Vec<f64>> = (0..8).map(|run| vec![0.0, if run == 0 { -1.0 } else { 1.0 }]).collect();
        let t = 0.375 / ((2.0 - 8.0 * 0.375 * 0.375) / 7.0 / 8.0f64).sqrt();
        let expected = super::super::special::student_t_two_sided(t, 7.0);
        assert!((friedman(&runs).unwrap().p_value - expected).abs() < 1e-9);
    }

    #[test]
    fn the_level_holds_and_an_effect_is_found() {
        const STUDIES: usize = 2_000;
        let mut words = Words(5);
        let mut rejected = [[0u32; 2]; 2];
        for _ in 0..STUDIES {
            for (effect, row) in [0.0, 0.08].into_iter().zip(&mut rejected) {
                // Shares of runs at 8 settings, alike but for the last; each run has random event of its own.
                let runs: Vec<Vec<f64>> = (0..100)
                    .map(|_| {
                        let bad = 0.4 * words.uniform();
                        let hit = |setting: usize, words: &mut Words| {
                            let p = bad + if setting == 7 { 3.0 * effect } else { 0.0 };
                            f64::from(words.uniform() < p)
                        };
                        (0..8).map(|setting| hit(setting, &mut words)).collect()
                    })
                    .collect();
                let groups: Vec<Vec<f64>> = (0..8).map(|at| runs.iter().map(|run| run[at]).collect()).collect();
                row[0] += u32::from(friedman(&runs).unwrap().p_value < 0.05);
                row[1] += u32::from(kruskal_wallis(&groups).unwrap().p_value < 0.05);
            }
        }
        let error = 4.0 * (0.05 * 0.95 / STUDIES as f64).sqrt();
        let level = f64::from(rejected[0][0]) / STUDIES as f64;
        assert!((level - 0.05).abs() < error, "{level}");
        // Random events in common make independent ranks too careful, never too bold.
        assert!(f64::from(rejected[0][1]) / (STUDIES as f64) < 0.05 + error);
        let power = f64::from(rejected[1][0]) / STUDIES as f64;
        assert!(power > 0.9, "{power}");
    }

    #[test]
    fn where_nothing_differs_nothing_is_shown() {
        let same = vec![vec![1.0, 1.0, 1.0]; 20];
        assert_eq!(friedman(&same).unwrap().p_value, 1.0);
        assert_eq!(kruskal_wallis(&[vec![2.0; 5], vec![2.0; 5]]).unwrap().p_value, 1.0);
        assert!(friedman(&[vec![1.0, 2.0]]).is_none() && kruskal_wallis(&[vec![1.0], vec![]]).is_none());
        assert_eq!(kruskal_wallis(&[vec![0.0; 5], vec![1.0; 5]]).unwrap().p_value, 0.0);
    }
}
