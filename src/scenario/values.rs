//! From texts to values: spans of time, counts, rates, distributions, words from a list.
//!
//! Belongs here: every rule about how one value is written, and the complaint when it is not. Does not belong here:
//! which key expects which value. Units are always written, so a bare number is never a span of time.

use std::ops::RangeInclusive;
use std::path::Path;

use jiff::fmt::friendly::SpanParser;

use super::error::{InputError, Place};
use super::schema::{DistributionForm, Setting, Text};
use super::yaml::Spanned;
use crate::cluster::clocks::Offset;
use crate::cluster::faults::form::Amount;
use crate::cluster::params::{Kind, Value};
use crate::kernel::{Distribution, Quantiles, SimDuration};

const SPAN_HINT: &str = "write a number with its unit, such as `40s`, `250ms` or `1h30m`";
/// The longest span of time that can be written: sums of fifty of them still fit the simulated clock.
const SPAN_MAX: SimDuration = SimDuration::from_secs(100_000 * 3600);
/// Between which values a rate lies \[1/s\].
const RATES: RangeInclusive<f64> = 1e-9..=1e9;
/// Between which values any other number lies, if it is not 0: products of two of them, and their squares, are finite.
const SIZES: RangeInclusive<f64> = 1e-15..=1e15;

const SPAN_PARSER: SpanParser = SpanParser::new();

/// An error at the place of a value; a value without a place comes from the command line.
pub fn complain<T>(file: &Path, at: &Spanned<T>, message: impl Into<String>) -> InputError {
    let location = at.referenced;
    if !location.is_of_file() {
        return InputError::of_change(location, message);
    }
    Place {
        file: file.to_owned(),
        line: location.line,
        column: location.column,
    }
    .error(message)
}

/// A span of time, zero allowed.
///
/// # Errors
/// If the text is no span of time with units, or a negative one.
pub fn duration(file: &Path, text: &Text) -> Result<SimDuration, InputError> {
    let wrong = |message: String| complain(file, text, message).with_hint(SPAN_HINT);
    let span = SPAN_PARSER
        .parse_duration(&text.value)
        .map_err(|_| wrong(format!("`{}` is not a valid duration", text.value)))?;
    if span.is_negative() {
        return Err(wrong(format!("`{}` is negative", text.value)));
    }
    let nanos = u64::try_from(span.as_nanos()).ok().map(SimDuration::from_nanos);
    nanos.filter(|span| *span <= SPAN_MAX).ok_or_else(|| {
        complain(file, text, format!("`{}` is too long", text.value)).with_hint("write at most `100000h`")
    })
}

/// By how much a clock is off: a span that is not zero, behind with a minus sign.
pub fn offset(file: &Path, text: &Text) -> Result<Offset, InputError> {
    let written = text.value.trim();
    let span = written.strip_prefix('-').unwrap_or(written);
    let span = Spanned::new(span.to_owned(), text.referenced, text.defined);
    let span = positive_duration(file, &span).map_err(|error| match duration(file, &span) {
        Ok(_) => error.with_hint("write by how much the clock is ahead, such as `10m`, or behind, such as `-10m`; without the fault it is right"),
        Err(_) => error,
    })?;
    Ok(if written.starts_with('-') {
        Offset::behind(span)
    } else {
        Offset::ahead(span)
    })
}

/// Whether a number of the inputs is so far from overflow that whatever is computed from it is finite.
pub fn is_sound(number: f64) -> bool {
    number == 0.0 || SIZES.contains(&number.abs())
}

/// A span of time above zero.
///
/// # Errors
/// As [`duration`], and for zero.
pub fn positive_duration(file: &Path, text: &Text) -> Result<SimDuration, InputError> {
    let span = duration(file, text)?;
    if span == SimDuration::ZERO {
        let message = format!("`{}` must be greater than 0", text.value);
        return Err(complain(file, text, message).with_hint("write a duration such as `250ms`"));
    }
    Ok(span)
}

/// A whole number from `min` to `max`.
pub fn count(file: &Path, text: &Text, min: u32, max: u32) -> Result<u32, InputError> {
    let written = text.value.trim();
    match written.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => {
            let message = match written.parse::<f64>() {
                Ok(number) if number < 0.0 => format!("`{written}` is negative"),
                Ok(_) => format!("`{written}` is out of range or not whole"),
                Err(_) => format!("`{written}` is not a whole number"),
            };
            let hint = match max {
                u32::MAX => format!("write a whole number of at least {min}"),
                _ => format!("write a whole number from {min} to {max}"),
            };
            Err(complain(file, text, message).with_hint(hint))
        }
    }
}

/// A number within bounds.
///
/// # Errors
/// If the text is no number, or one outside.
pub fn number_within(file: &Path, text: &Text, min: f64, max: f64) -> Result<f64, InputError> {
    let written = text.value.trim();
    let share = written
        .strip_suffix('%')
        .map(|percent| percent.trim().parse::<f64>().map(|share| share / 100.0));
    let number = share.unwrap_or_else(|| written.parse());
    number
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| {
            let message = format!("`{written}` is not a number from {min} to {max}");
            let percent = written
                .parse::<f64>()
                .ok()
                .filter(|number| max <= 1.0 && *number > 1.0 && *number <= max * 100.0);
            let hint = match percent {
                Some(percent) => format!("write `{}` or `{percent}%`", percent / 100.0),
                None => format!("write a number from {min} to {max}"),
            };
            complain(file, text, message).with_hint(hint)
        })
}

/// A number of things, `2`, or a share of them, `30%`.
///
/// # Errors
/// If the text is neither, or stands for nothing.
pub fn amount(file: &Path, text: &Text) -> Result<Amount, InputError> {
    let written = text.value.trim();
    let amount = match written.strip_suffix('%') {
        Some(_) => number_within(file, text, 0.0, 1.0).ok().map(Amount::Share),
        None => written.parse().ok().map(Amount::Count),
    };
    let some = |amount: &Amount| !matches!(amount, Amount::Count(0) | Amount::Share(0.0));
    amount.filter(some).ok_or_else(|| {
        let message = format!("`{written}` is neither a number of things nor a share of them");
        complain(file, text, message)
            .with_hint("write a whole number of at least 1, such as `2`, or a share, such as `30%`")
    })
}

/// A limit: a whole number of at least 1, in 64 bits.
pub fn limit(file: &Path, text: &Text) -> Result<u64, InputError> {
    match text.value.trim().parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => {
            let message = format!("`{}` is not a valid limit", text.value);
            Err(complain(file, text, message).with_hint("write a whole number of at least 1"))
        }
    }
}

/// A whole number of 64 bits.
pub fn seed(file: &Path, text: &Text) -> Result<u64, InputError> {
    text.value.trim().parse().map_err(|_| {
        let message = format!("`{}` is not a valid seed", text.value);
        complain(file, text, message).with_hint(format!("write a whole number from 0 to {}", u64::MAX))
    })
}

/// A rate, `20/s`, per second.
///
/// # Errors
/// If the text is something else, or the rate is not positive.
pub fn rate(file: &Path, text: &Text) -> Result<f64, InputError> {
    let (number, unit) = text.value.split_once('/').unwrap_or((&text.value, ""));
    let per = match unit.trim() {
        "s" => Some(1.0),
        "min" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    };
    let number = number.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0);
    let per_s = number.zip(per).map(|(number, per)| number / per).ok_or_else(|| {
        complain(file, text, format!("`{}` is not a valid rate", text.value))
            .with_hint("write a positive number per time, such as `20/s`, `5/min` or `10/h`")
    })?;
    match RATES.contains(&per_s) {
        true => Ok(per_s),
        false => Err(complain(file, text, format!("`{}` is out of range", text.value))
            .with_hint("write a rate from 0.000000001/s to 1000000000/s")),
    }
}

/// A word from a list.
///
/// # Errors
/// If the word is not in the list; `what` says in words what was expected.
pub fn choice<T: Copy>(file: &Path, text: &Text, what: &str, choices: &[(&str, T)]) -> Result<T, InputError> {
    match choices.iter().find(|(word, _)| *word == text.value) {
        Some((_, value)) => Ok(*value),
        None => Err(unknown(file, text, what, choices.iter().map(|(word, _)| *word))),
    }
}

/// The complaint about a name that does not exist.
pub fn unknown<'c>(file: &Path, text: &Text, what: &str, known: impl IntoIterator<Item = &'c str>) -> InputError {
    complain(file, text, format!("unknown {what} `{}`", text.value)).with_candidates(&text.value, known)
}

/// A distribution of a span of time; one span is the distribution that always gives it.
///
/// # Errors
/// If a span is none, or the spans contradict each other.
pub fn distribution(file: &Path, setting: &Spanned<Setting>) -> Result<Distribution, InputError> {
    let form = match &setting.value {
        Setting::Scalar(value) => {
            let text = Spanned::new(value.clone(), setting.referenced, setting.defined);
            return duration(file, &text).map(Distribution::Constant);
        }
        Setting::Distribution(form) => form.as_ref(),
    };
    // A distribution whose bounds contradict each other is complained about at the first of them.
    let check = |holds: bool, at: &Text, message: &str| match holds {
        true => Ok(()),
        false => Err(complain(file, at, format!("`{}`: {message}", at.value))
            .with_hint("write the smaller span for `min`, `median` and `mean`, the larger one for `p99` and `max`")),
    };
    // What a distribution is about, and its upper bound.
    let bounded = |size: &Text, bound: &Text, message: &str| {
        let (size, max) = (positive_duration(file, size)?, duration(file, bound)?);
        check(size <= max, bound, message).map(|()| (size, max))
    };
    match form {
        DistributionForm::Constant(value) => duration(file, value).map(Distribution::Constant),
        DistributionForm::Uniform { min: low, max } => {
            let (min, max) = (duration(file, low)?, duration(file, max)?);
            let message = "the lower end of a uniform distribution is above its upper end";
            check(min <= max, low, message).map(|()| Distribution::Uniform { min, max })
        }
        DistributionForm::LogNormal {
            median: middle,
            p99,
            max,
        } => {
            let (median, p99) = (positive_duration(file, middle)?, duration(file, p99)?);
            let bound = duration(file, max)?;
            let message = "the median of a log-normal distribution is above its 99th percentile";
            check(median <= p99, middle, message)?;
            check(
                median <= bound,
                max,
                "the bound of a log-normal distribution is below its median",
            )?;
            Ok(Distribution::log_normal(median, p99, bound))
        }
        DistributionForm::Exponential { mean, max } => {
            let (mean, max) = bounded(mean, max, "the bound of an exponential distribution is below its mean")?;
            Ok(Distribution::Exponential { mean, max })
        }
        DistributionForm::Weibull { scale, shape, max } => {
            let (scale, max) = bounded(scale, max, "the bound of a Weibull distribution is below its scale")?;
            let number = shape.value.trim().parse().ok();
            let Some(number) = number.filter(|number| (0.1..=100.0).contains(number)) else {
                let message = format!("`{}` is not a valid shape of a Weibull distribution", shape.value);
                return Err(complain(file, shape, message).with_hint("write a number from 0.1 to 100, such as `0.7`"));
            };
            Ok(Distribution::weibull(scale, number, max))
        }
        DistributionForm::Quantiles {
            min,
            p50,
            p90,
            p99,
            max,
        } => {
            let texts = [min, p50, p90, p99, max];
            let mut spans = [SimDuration::ZERO; 5];
            for (number, text) in texts.into_iter().enumerate() {
                spans[number] = duration(file, text)?;
                if number > 0 && spans[number] < spans[number - 1] {
                    let below = &texts[number - 1].value;
                    let message = format!("`{}`: a quantile lies below the one before it, `{below}`", text.value);
                    return Err(complain(file, text, message)
                        .with_hint("`min`, `p50`, `p90`, `p99` and `max` rise, or stay equal"));
                }
            }
            let [min, p50, p90, p99, max] = spans;
            Ok(Distribution::Quantiles(Quantiles {
                min,
                p50,
                p90,
                p99,
                max,
            }))
        }
    }
}

/// A parameter of a given kind.
pub fn parameter(file: &Path, kind: Kind, setting: &Spanned<Setting>) -> Result<Value, InputError> {
    let wrong = |expected: &str| {
        complain(
            file,
            setting,
            format!("`{}` is not a valid {expected}", describe(&setting.value)),
        )
    };
    let text = match (&setting.value, kind) {
        (_, Kind::Distribution) => return distribution(file, setting).map(Value::Distribution),
        (Setting::Scalar(value), _) => Spanned::new(value.clone(), setting.referenced, setting.defined),
        (Setting::Distribution(_), Kind::Duration) => {
            return Err(wrong("span of time").with_hint("one span is expected here"));
        }
        (Setting::Distribution(_), _) => return Err(wrong("number or switch").with_hint("one value is expected here")),
    };
    match kind {
        Kind::Duration | Kind::Distribution => duration(file, &text).map(Value::Duration),
        Kind::Count => count(file, &text, 0, u32::MAX).map(|n| Value::Count(u64::from(n))),
        Kind::Number => match text.value.trim().parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(Value::Number(number)),
            _ => Err(wrong("number").with_hint("write a number of at least 0, such as `0.5`")),
        },
        Kind::Switch => match text.value.as_str() {
            "true" => Ok(Value::Switch(true)),
            "false" => Ok(Value::Switch(false)),
            _ => Err(wrong("switch").with_hint("write `true` or `false`")),
        },
    }
}

/// A setting in words, for tables and messages.
pub fn describe(setting: &Setting) -> String {
    let form = match setting {
        Setting::Scalar(value) => return value.clone(),
        Setting::Distribution(form) => form.as_ref(),
    };
    match form {
        DistributionForm::Constant(value) => value.value.clone(),
        DistributionForm::Uniform { min, max } => format!("uniform, {} to {}", min.value, max.value),
        DistributionForm::LogNormal { median, p99, max } => {
            format!(
                "log-normal, median {}, p99 {}, at most {}",
                median.value, p99.value, max.value
            )
        }
        DistributionForm::Exponential { mean, max } => {
            format!("exponential, mean {}, at most {}", mean.value, max.value)
        }
        DistributionForm::Weibull { scale, shape, max } => format!(
            "Weibull, scale {}, shape {}, at most {}",
            scale.value, shape.value, max.value
        ),
        DistributionForm::Quantiles {
            min,
            p50,
            p90,
            p99,
            max,
        } => format!(
            "measured, {} to {}, p50 {}, p90 {}, p99 {}",
            min.value, max.value, p50.value, p90.value, p99.value
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::yaml::Position;

    fn text(value: &str) -> Text {
        Spanned::new(value.to_owned(), Position::UNKNOWN, Position::UNKNOWN)
    }

    #[test]
    fn spans_of_time_need_a_unit() {
        let read = |value: &str| duration(Path::new("f"), &text(value)).ok();
        assert_eq!(read("40s"), Some(SimDuration::from_secs(40)));
        assert_eq!(read("250ms"), Some(SimDuration::from_millis(250)));
        assert_eq!(read("1h30m"), Some(SimDuration::from_secs(5400)));
        assert_eq!(read("0.5s"), Some(SimDuration::from_millis(500)));
        assert_eq!(read("500us"), Some(SimDuration::from_nanos(500_000)));
        assert_eq!(read("0s"), Some(SimDuration::ZERO));
        for wrong in [
            "40",
            "0",
            "",
            "40 potatoes",
            "-5s",
            "5s ago",
            "PT5S",
            "s",
            "1e3s",
            "99999999h",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn rates_are_per_second() {
        let read = |value: &str| rate(Path::new("f"), &text(value)).ok();
        assert_eq!(read("20/s"), Some(20.0));
        assert_eq!(read("30/min"), Some(0.5));
        for wrong in ["20", "0/s", "-1/s", "x/s", "20/d", "inf/s", "nan/s"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_percentage_without_its_sign_and_a_clock_that_is_right_are_explained() {
        let file = Path::new("a.yaml");
        let share = |value| number_within(file, &text(value), 0.0, 0.95).map_err(|error| error.hint);
        assert_eq!(share("30%"), Ok(0.3));
        assert_eq!(share("30"), Err(Some("write `0.3` or `30%`".to_owned())));
        assert_eq!(share("97"), Err(Some("write a number from 0 to 0.95".to_owned())));
        let hint = offset(file, &text("0s"))
            .expect_err("it is no offset")
            .hint
            .unwrap_or_default();
        assert!(hint.contains("`-10m`"), "{hint}");
    }

    #[test]
    fn counts_are_whole_and_bounded() {
        let read = |value: &str| count(Path::new("f"), &text(value), 1, 10).ok();
        assert_eq!(read("10"), Some(10));
        for wrong in ["0", "11", "-1", "1.5", "ten", "99999999999"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    fn read_distribution(form: DistributionForm) -> Result<Distribution, String> {
        let setting = Spanned::new(
            Setting::Distribution(Box::new(form)),
            Position::UNKNOWN,
            Position::UNKNOWN,
        );
        distribution(Path::new("f"), &setting).map_err(|error| error.to_string())
    }

    #[test]
    fn a_weibull_distribution_has_scale_shape_and_bound() {
        let read = |scale: &str, shape: &str, max: &str| {
            read_distribution(DistributionForm::Weibull {
                scale: text(scale),
                shape: text(shape),
                max: text(max),
            })
        };
        let expected = Distribution::weibull(SimDuration::from_secs(2), 0.7, SimDuration::from_secs(60));
        assert_eq!(read("2s", "0.7", "1m"), Ok(expected));
        for (scale, shape, max, complaint) in [
            ("0s", "0.7", "1m", "must be greater than 0"),
            ("2s", "0.7", "1s", "is below its scale"),
            ("2s", "0", "1m", "not a valid shape"),
            ("2s", "nan", "1m", "not a valid shape"),
            ("2s", "steep", "1m", "not a valid shape"),
        ] {
            let error = read(scale, shape, max).expect_err(complaint);
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn measured_quantiles_rise() {
        let read = |spans: [&str; 5]| {
            let [min, p50, p90, p99, max] = spans.map(text);
            read_distribution(DistributionForm::Quantiles {
                min,
                p50,
                p90,
                p99,
                max,
            })
        };
        let distribution = read(["1ms", "1ms", "20ms", "300ms", "2s"]).expect("the quantiles rise");
        assert_eq!(distribution.quantile(0.9), SimDuration::from_millis(20));
        assert_eq!(distribution.bound(), SimDuration::from_secs(2));
        let error = read(["1ms", "2ms", "1ms", "3ms", "4ms"]).expect_err("p90 is below p50");
        assert!(error.contains("lies below the one before it"), "{error}");
    }
}
