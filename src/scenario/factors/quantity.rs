//! Numbers with units as people write them: `40`, `2.5s`, `1h30m`, `20/s`.
//!
//! Belongs here: reading them for arithmetic over factors, and writing a number with few digits. Does not belong here: the
//! values that the simulated world takes, which `values` reads from the same texts.

/// Units with their seconds, spans of time first, then rates per time.
const SPANS: [(&str, f64); 7] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("min", 60.0),
    ("h", 3600.0),
];
const RATES: [(&str, f64); 3] = [("/s", 1.0), ("/min", 60.0), ("/h", 3600.0)];
/// Digits that count in a computed value. What is finer is no question that a model of this kind could answer.
pub const SIGNIFICANT_DIGITS: usize = 6;
/// Most decimals of a computed value: the finest that a span of time may have.
const DECIMALS_MAX: i32 = 9;

/// A number in the unit in which it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Written {
    /// The number.
    pub number: f64,
    /// Its unit; empty for none.
    pub unit: &'static str,
}

/// A number in seconds to some power: 0 for plain numbers, 1 for spans of time, -1 for rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity {
    /// The number.
    pub number: f64,
    /// The power of seconds.
    pub seconds: i32,
}

impl Written {
    /// Reads a number with one unit or none.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, rest) = leading_number(text)?;
        if rest.is_empty() {
            return Some(Self { number, unit: "" });
        }
        let units = SPANS.iter().chain(&RATES);
        let (unit, _) = units.into_iter().find(|(unit, _)| *unit == rest)?;
        Some(Self { number, unit })
    }
}

impl Quantity {
    /// Reads a number without unit, a span of time of one or more parts, or a rate.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, rest) = leading_number(text)?;
        if rest.is_empty() {
            return Some(Self { number, seconds: 0 });
        }
        if let Some((_, per)) = RATES.iter().find(|(unit, _)| *unit == rest) {
            return Some(Self {
                number: number / per,
                seconds: -1,
            });
        }
        let (mut sum, mut rest) = (0.0, text);
        while !rest.is_empty() {
            let (number, after) = leading_number(rest)?;
            let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, next) = after.split_at(letters);
            sum += number * SPANS.iter().find(|(known, _)| *known == unit)?.1;
            rest = next;
        }
        Some(Self {
            number: sum,
            seconds: 1,
        })
    }
}

/// Whether a word is a unit of time.
pub fn is_span_unit(word: &str) -> bool {
    SPANS.iter().any(|(unit, _)| *unit == word)
}

/// Whether a word, with the slash, is a unit of a rate.
pub fn is_rate_unit(word: &str) -> bool {
    RATES.iter().any(|(unit, _)| *unit == word)
}

/// The decimal number at the front of a text, and the rest; no exponent, no sign but minus.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let sign = usize::from(text.starts_with('-'));
    let whole = digits(sign);
    let mut end = sign + whole;
    if whole > 0 && text[end..].starts_with('.') {
        let decimals = digits(end + 1);
        if decimals == 0 {
            return None;
        }
        end += 1 + decimals;
    }
    let number = text[..end].parse().ok().filter(|number: &f64| number.is_finite())?;
    Some((number, &text[end..]))
}

/// A number in decimals with at most [`SIGNIFICANT_DIGITS`] digits that count, and no zeros at the end.
///
/// The text is a function of the number's bits alone: formatting of doubles is exact and the same on every platform.
pub fn decimal(number: f64) -> String {
    let scientific = format!("{number:.*e}", SIGNIFICANT_DIGITS - 1);
    let exponent = scientific
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok());
    let exponent: i32 = exponent.unwrap_or(0);
    let digits = i32::try_from(SIGNIFICANT_DIGITS).unwrap_or(DECIMALS_MAX);
    let decimals = usize::try_from((digits - 1 - exponent).clamp(0, DECIMALS_MAX)).unwrap_or(0);
    // The scientific form was rounded to the digits that count; reading it again makes large numbers end in zeros.
    let rounded: f64 = scientific.parse().unwrap_or(number);
    let text = format!("{rounded:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_with_few_digits_and_no_exponent() {
        for (number, text) in [
            (10.0, "10"),
            (21.544_346_900_318_84, "21.5443"),
            (0.1 + 0.2, "0.3"),
            (1e-7, "0.0000001"),
            (1.234_567_89e-8, "0.000000012"),
            (123_456_789.0, "123457000"),
            (999_999.7, "1000000"),
            (0.0, "0"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(decimal(number), text);
        }
    }

    #[test]
    fn quantities_have_their_power_of_seconds() {
        let read = |text| Quantity::parse(text).map(|q| (q.number, q.seconds));
        assert_eq!(read("40"), Some((40.0, 0)));
        assert_eq!(read("250ms"), Some((0.25, 1)));
        assert_eq!(read("1h30m"), Some((5400.0, 1)));
        assert_eq!(read("30/min"), Some((0.5, -1)));
        for wrong in ["", "s", "1.2.3", "1e3", "5 s", "4potatoes", "1.", "20/d", "inf", "+3"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_written_number_has_one_unit() {
        assert_eq!(Written::parse("2.5s"), Some(Written { number: 2.5, unit: "s" }));
        assert_eq!(
            Written::parse("20/min"),
            Some(Written {
                number: 20.0,
                unit: "/min"
            })
        );
        assert_eq!(Written::parse("1h30m"), None);
    }
}
