//! How numbers, intervals and counts are written in little room.
//!
//! One estimate in one cell: `0.59 [0.56, 0.62]`, `0 (≤ 0.003)`, `> 900 s`. Which estimates are shown belongs to
//! `table` and `summary_md`.

use serde::{Deserialize, Serialize};

use crate::lab::{DesignSummary, Measure};

/// The sign for a measure without any number.
pub const NOTHING: &str = "–";

/// An estimate in two parts: the number, and its interval or bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Short {
    /// The number, or what is known instead.
    pub number: String,
    /// Interval or bound; empty if there is none.
    pub interval: String,
}

impl Short {
    /// The short form of a measure; `None` is a measure that the design does not have.
    pub fn of(measure: Option<&Measure>) -> Self {
        let nothing = || Self {
            number: NOTHING.to_owned(),
            interval: String::new(),
        };
        measure.map_or_else(nothing, |measure| {
            Self::from_parts(measure.estimate, measure.lower, measure.upper, &measure.unit)
        })
    }

    /// The short form of a measure of a design. A quantile of a wait that exists at no horizon, because more pods than that
    /// were deleted first, is marked so, where a bound on the time would mislead.
    pub fn of_design(design: &DesignSummary, name: &str) -> Self {
        match design.never_reached(name) {
            Some(deleted) => Self {
                number: "not reached".to_owned(),
                interval: format!("{} replaced first", percent(deleted)),
            },
            None => Self::of(design.measure(name)),
        }
    }

    /// The short form of an estimate with its bounds.
    pub fn from_parts(estimate: Option<f64>, lower: Option<f64>, upper: Option<f64>, unit: &str) -> Self {
        // A share is written in percent, its bounds too.
        let (unit, scale) = match unit {
            "s" => (" s", 1.0),
            "1" => ("%", 100.0),
            _ => ("", 1.0),
        };
        let of_interval = unit.trim_start_matches(" s");
        let [down, up, number] = [libm::floor as fn(f64) -> f64, libm::ceil, libm::round]
            .map(|how| move |value: f64| written(scale * value, how, scale));
        let Some(value) = estimate else {
            let number = lower.map_or(NOTHING.to_owned(), |lower| format!("> {}{unit}", down(lower)));
            return Self {
                number,
                interval: String::new(),
            };
        };
        let share_without_variation = unit != " s" && (value == 0.0 || scale > 1.0 && value == 1.0);
        let interval = match (lower, upper) {
            (lower, Some(upper)) if share_without_variation && value == 0.0 && lower.is_none_or(|l| l == 0.0) => {
                format!("(≤ {}{of_interval})", up(upper))
            }
            (Some(lower), upper) if share_without_variation && value == 1.0 && upper.is_none_or(|u| u == 1.0) => {
                format!("(≥ {}{of_interval})", down(lower))
            }
            (Some(lower), Some(upper)) => format!("[{}{of_interval}, {}{of_interval}]", down(lower), up(upper)),
            (Some(lower), None) => format!("(> {}{of_interval})", down(lower)),
            (None, Some(upper)) => format!("(< {}{of_interval})", up(upper)),
            (None, None) => String::new(),
        };
        Self {
            number: format!("{}{unit}", number(value)),
            interval,
        }
    }

    /// Both parts with a separator between them.
    pub fn joined(&self, separator: &str) -> String {
        if self.interval.is_empty() {
            self.number.clone()
        } else {
            format!("{}{separator}{}", self.number, self.interval)
        }
    }
}

/// A number with three digits that count, or two below 1; without trailing zeros. What is less than 1 is never written as 1.
pub fn number(value: f64) -> String {
    written(value, libm::round, 1.0)
}

/// The same, rounded down: for lower bounds, so that nothing is claimed that the interval does not say.
pub fn down(value: f64) -> String {
    written(value, libm::floor, 1.0)
}

/// The same, rounded up: for upper bounds.
pub fn up(value: f64) -> String {
    written(value, libm::ceil, 1.0)
}

/// A share in per cent; less than all is never written as 100%.
pub fn percent(share: f64) -> String {
    format!("{}%", written(100.0 * share, libm::round, 100.0))
}

/// A lower bound of a share in per cent.
pub fn percent_down(share: f64) -> String {
    format!("{}%", written(100.0 * share, libm::floor, 100.0))
}

/// A time: `8.28 s`, `1146 s`. Seconds everywhere, so that a number looks the same in a table, a figure and a sentence.
pub fn seconds(value: f64) -> String {
    format!("{} s", number(value))
}

/// An upper bound of a share in per cent.
pub fn percent_up(share: f64) -> String {
    format!("{}%", written(100.0 * share, libm::ceil, 100.0))
}

/// An interval of shares in per cent, rounded outwards.
pub fn percent_interval(lower: f64, upper: f64) -> String {
    let [lower, upper] = [(lower, libm::floor as fn(f64) -> f64), (upper, libm::ceil)]
        .map(|(share, how)| written(100.0 * share, how, 100.0));
    format!("[{lower}%, {upper}%]")
}

/// Numbers with fewer zeros than this after the point are written out.
const SMALLEST: i32 = -4;

/// A number with three digits that count, or two below 1, rounded as given.
fn written(value: f64, how: fn(f64) -> f64, whole: f64) -> String {
    let size = value.abs();
    if size == 0.0 || !size.is_finite() {
        return if size == 0.0 { "0" } else { "?" }.to_owned();
    }
    let magnitude = libm::floor(libm::log10(size)) as i32;
    if magnitude < SMALLEST {
        let mantissa = how(value / libm::pow(10.0, f64::from(magnitude)) * 10.0) / 10.0;
        return format!("{mantissa}e{magnitude}");
    }
    let counting = if magnitude >= 0 { 2 - magnitude } else { 1 - magnitude };
    // Of what is less than the whole, what it lacks keeps two digits as well: 0.9963, not 1.
    let lacking = if size < whole {
        1 - libm::floor(libm::log10(whole - size)) as i32
    } else {
        0
    };
    let digits = counting.max(lacking).clamp(0, 12);
    let step = libm::pow(10.0, f64::from(digits));
    // A number that is a whole number of steps but for its last bits stays what it is.
    let steps = value * step;
    let near = libm::round(steps);
    let steps = if (steps - near).abs() < 1e-9 * steps.abs() {
        near
    } else {
        how(steps)
    };
    let text = format!("{:.*}", digits as usize, steps / step);
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

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
    fn bounds_are_rounded_away_from_the_claim() {
        assert_eq!((down(4.159), up(4.151)), ("4.15".to_owned(), "4.16".to_owned()));
        assert_eq!((down(0.01299), up(0.01201)), ("0.012".to_owned(), "0.013".to_owned()));
        assert_eq!(
            (down(-0.00561), up(-0.00569)),
            ("-0.0057".to_owned(), "-0.0056".to_owned())
        );
        assert_eq!(
            (down(1234.9), up(1234.1), up(0.0)),
            ("1234".to_owned(), "1235".to_owned(), "0".to_owned())
        );
    }

    #[test]
    fn very_small_numbers_are_written_with_an_exponent() {
        assert_eq!(
            [0.00012, 0.000053, 6.44e-11].map(number),
            ["0.00012", "5.3e-5", "6.4e-11"]
        );
        assert_eq!(
            (down(6.49e-11), up(6.41e-11)),
            ("6.4e-11".to_owned(), "6.5e-11".to_owned())
        );
    }

    #[test]
    fn estimates_are_short() {
        assert_eq!(
            short(Some(0.592), Some(0.561), Some(0.622), "1"),
            "59.2% [56.1%, 62.2%]"
        );
        assert_eq!(short(Some(0.0), Some(0.0), Some(0.003), "1"), "0% (≤ 0.3%)");
        assert_eq!(short(Some(1.0), Some(0.9968), Some(1.0), "1"), "100% (≥ 99.68%)");
        assert_eq!(short(None, Some(900.0), None, "s"), "> 900 s");
        assert_eq!(short(Some(34.24), Some(33.53), None, "s"), "34.2 s (> 33.5)");
        assert_eq!(short(Some(0.0), None, None, "s"), "0 s");
        assert_eq!(short(None, None, None, "s"), NOTHING);
    }

    #[test]
    fn numbers_keep_the_digits_that_count() {
        let written = [1234.5, 99.96, 47.6, 2.0, 0.0996, 0.00312, -0.034, 0.0].map(number);
        assert_eq!(written, ["1235", "100", "47.6", "2", "0.1", "0.0031", "-0.034", "0"]);
        assert_eq!(
            [0.9949, 0.9968, 0.99996, -0.9999].map(number),
            ["0.9949", "0.9968", "0.99996", "-0.9999"]
        );
        assert_eq!([0.9968, 0.99996, 1.0].map(percent), ["99.68%", "99.996%", "100%"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }
}
