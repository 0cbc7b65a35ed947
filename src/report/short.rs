//! How numbers, intervals and counts are written in little room.
//!
//! One estimate in one cell: `0.59 [0.56, 0.62]`, `0 (≤ 0.003)`, `> 900 s`. Which estimates are shown belongs to
//! `table` and `summary_md`.

use crate::lab::{DesignSummary, Measure};

/// What stands for a measure without any number.
pub const NOTHING: &str = "–";

/// An estimate in two parts: the number, and its interval or bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// The number, or what is known instead.
    pub number: String,
    /// Interval or bound; empty if there is none.
    pub interval: String,
}

impl Short {
    /// The short form of a measure; `None` is a measure that the design does not have.
    #[must_use]
    pub fn of(measure: Option<&Measure>) -> Self {
        let nothing = || Self {
            number: NOTHING.to_owned(),
            interval: String::new(),
        };
        measure.map_or_else(nothing, |measure| {
            Self::from_parts(measure.estimate, measure.lower, measure.upper, &measure.unit)
        })
    }

    /// The short form of a measure of a design. A start-up quantile that cannot be reached because more pods than that
    /// were deleted first says so, where a bound on the time would mislead.
    #[must_use]
    pub fn of_design(design: &DesignSummary, name: &str) -> Self {
        let measure = design.measure(name);
        let waited_for = |share: &str| {
            design
                .measure(share)
                .and_then(|measure| measure.estimate)
                .unwrap_or(0.0)
        };
        let missing = measure.is_some_and(|measure| measure.estimate.is_none() && measure.n > 0);
        if missing && name.starts_with("startup_latency_p") && waited_for("never_ready_share") < 0.001 {
            let deleted = percent(waited_for("deleted_before_ready_share"));
            return Self {
                number: "never:".to_owned(),
                interval: format!("{deleted} deleted"),
            };
        }
        Self::of(measure)
    }

    /// The short form of an estimate with its bounds.
    #[must_use]
    pub fn from_parts(estimate: Option<f64>, lower: Option<f64>, upper: Option<f64>, unit: &str) -> Self {
        let unit = if unit == "s" { " s" } else { "" };
        let Some(value) = estimate else {
            let number = lower.map_or(NOTHING.to_owned(), |lower| format!("> {}{unit}", number(lower)));
            return Self {
                number,
                interval: String::new(),
            };
        };
        let share_without_variation = unit.is_empty() && (value == 0.0 || value == 1.0);
        let interval = match (lower, upper) {
            (lower, Some(upper)) if share_without_variation && value == 0.0 && lower.is_none_or(|l| l == 0.0) => {
                format!("(≤ {})", number(upper))
            }
            (Some(lower), upper) if share_without_variation && value == 1.0 && upper.is_none_or(|u| u == 1.0) => {
                format!("(≥ {})", number(lower))
            }
            (Some(lower), Some(upper)) => format!("[{}, {}]", number(lower), number(upper)),
            (Some(lower), None) => format!("(> {})", number(lower)),
            (None, Some(upper)) => format!("(< {})", number(upper)),
            (None, None) => String::new(),
        };
        Self {
            number: format!("{}{unit}", number(value)),
            interval,
        }
    }

    /// Both parts with a separator between them.
    #[must_use]
    pub fn joined(&self, separator: &str) -> String {
        if self.interval.is_empty() {
            self.number.clone()
        } else {
            format!("{}{separator}{}", self.number, self.interval)
        }
    }
}

/// A number with three digits that count, or two below 1; without trailing zeros.
#[must_use]
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || !size.is_finite() {
        return if size == 0.0 { "0".to_owned() } else { value.to_string() };
    }
    let magnitude = libm::floor(libm::log10(size)) as i32;
    let digits = if magnitude >= 0 { 2 - magnitude } else { 1 - magnitude };
    let text = format!("{value:.*}", usize::try_from(digits.clamp(0, 12)).unwrap_or(0));
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A share in per cent.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{} %", number(100.0 * share))
}

/// A count with commas between thousands.
#[must_use]
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(estimate: Option<f64>, lower: Option<f64>, upper: Option<f64>, unit: &str) -> String {
        Short::from_parts(estimate, lower, upper, unit).joined(" ")
    }

    #[test]
    fn estimates_are_short() {
        assert_eq!(short(Some(0.592), Some(0.561), Some(0.622), "1"), "0.59 [0.56, 0.62]");
        assert_eq!(short(Some(0.0), Some(0.0), Some(0.003), "1"), "0 (≤ 0.003)");
        assert_eq!(short(Some(1.0), Some(0.997), Some(1.0), "1"), "1 (≥ 1)");
        assert_eq!(short(None, Some(900.0), None, "s"), "> 900 s");
        assert_eq!(short(Some(34.24), Some(33.53), None, "s"), "34.2 s (> 33.5)");
        assert_eq!(short(Some(0.0), None, None, "s"), "0 s");
        assert_eq!(short(None, None, None, "s"), NOTHING);
    }

    #[test]
    fn numbers_keep_the_digits_that_count() {
        let written = [1234.5, 99.96, 47.6, 2.0, 0.0996, 0.00312, -0.034, 0.0].map(number);
        assert_eq!(written, ["1234", "100", "47.6", "2", "0.1", "0.0031", "-0.034", "0"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }
}
