//! The little language of expectations: `MEASURE [of DESIGN] RELATION BOUND`.
//!
//! ```text
//! claim    = measure [ "of" design ] relation bound
//! relation = "<" | "<=" | ">" | ">="
//! bound    = quantity | [ factor "*" ] design [ ( "+" | "-" ) quantity ]
//! quantity = number | number "%" | span | number unit
//! ```
//!
//! On the right a design stands for its own value of the same measure. Words are letters, digits and `_.-@=,`; a word
//! that begins with a digit and can be read as a quantity is one. Minus stands between blanks, since names contain it.
//! Which measures, designs and units there are is not known here.

use std::fmt;

use jiff::fmt::friendly::SpanParser;
use serde::{Deserialize, Serialize};

use super::tokens::{Token, Tokens};
use super::values::is_sound;

/// How a claim is written, for messages.
pub const FORM: &str = "write `MEASURE < VALUE`, `MEASURE of DESIGN <= VALUE` or `MEASURE of DESIGN <= 1.1 * DESIGN + VALUE`, \
                        with `<`, `<=`, `>` or `>=`";

const SPAN_PARSER: SpanParser = SpanParser::new();

/// A claim about a measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Claim {
    /// The measure.
    pub measure: String,
    /// The design that it is claimed of; without it, of all.
    pub of: Option<String>,
    /// How its value stands to the bound.
    pub relation: Relation,
    /// The design that it is compared with.
    pub reference: Option<Reference>,
    /// A fixed bound, or what is added to the reference.
    pub quantity: Option<Quantity>,
}

/// A multiple of a design's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reference {
    /// Factor, above 0.
    pub factor: f64,
    /// The design.
    pub design: String,
}

/// How a value stands to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Relation {
    /// `<`
    #[serde(rename = "<")]
    Below,
    /// `<=`
    #[serde(rename = "<=")]
    AtMost,
    /// `>`
    #[serde(rename = ">")]
    Above,
    /// `>=`
    #[serde(rename = ">=")]
    AtLeast,
}

impl Relation {
    const ALL: [Self; 4] = [Self::Below, Self::AtMost, Self::Above, Self::AtLeast];

    /// Its sign.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }
}

/// A number with its unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Quantity {
    /// As it was written.
    pub text: String,
    /// The number: shares as shares, spans in seconds, negative behind a minus.
    pub value: f64,
    /// Its unit.
    pub unit: Unit,
}

impl Quantity {
    /// A quantity alone, such as `0.5%`, `2s` or `3 requests`; `None` if the text is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader::of(text).ok()?;
        let quantity = reader.quantity(1.0).ok()?;
        reader.tokens.take().is_none().then_some(quantity)
    }
}

/// Unit of a quantity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// None.
    None,
    /// Per cent, of a share.
    Percent,
    /// A span of time.
    Seconds,
    /// A word.
    Named(String),
}

/// Why a text is no claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadClaim(String);

impl fmt::Display for BadClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Claim {
    /// Reads a claim.
    ///
    /// # Errors
    /// What was expected and what stands there.
    pub fn parse(text: &str) -> Result<Self, BadClaim> {
        let mut reader = Reader::of(text)?;
        let measure = reader.name("the name of a measure")?;
        let of = match reader.tokens.take_if(Token::Word("of")) {
            true => Some(reader.name("a design behind `of`")?),
            false => None,
        };
        let sign = reader.tokens.take();
        let mut relations = Relation::ALL.into_iter();
        let relation = relations.find(|relation| sign == Some(Token::Sign(relation.sign())));
        let relation = relation.ok_or_else(|| wanted("`<`, `<=`, `>` or `>=`", sign))?;
        let (reference, quantity) = reader.bound()?;
        if let Some(left) = reader.tokens.take() {
            return Err(BadClaim(format!("`{left}` is left over")));
        }
        if let (Some(of), Some(reference)) = (&of, &reference)
            && *of == reference.design
        {
            return Err(BadClaim(format!("compares `{of}` with itself")));
        }
        Ok(Self {
            measure,
            of,
            relation,
            reference,
            quantity,
        })
    }
}

struct Reader<'t> {
    tokens: Tokens<'t>,
}

impl<'t> Reader<'t> {
    fn of(text: &'t str) -> Result<Self, BadClaim> {
        let tokens = Tokens::of(text, word, &["<=", "<", ">=", ">", "*", "+", "-"]).map_err(BadClaim)?;
        Ok(Self { tokens })
    }

    fn name(&mut self, what: &str) -> Result<String, BadClaim> {
        match self.tokens.take() {
            Some(Token::Word(word)) if word != "of" => Ok(word.to_owned()),
            found => Err(wanted(what, found)),
        }
    }

    fn bound(&mut self) -> Result<(Option<Reference>, Option<Quantity>), BadClaim> {
        let Some(Token::Word(first)) = self.tokens.peek(0) else {
            return Err(wanted("a value or a design", self.tokens.peek(0)));
        };
        if self.tokens.peek(1) == Some(Token::Sign("*")) {
            let factor = number(first).filter(|factor| *factor > 0.0);
            let factor = factor.ok_or_else(|| BadClaim(format!("`{first}` is not a factor greater than 0")))?;
            if !is_sound(factor) {
                return Err(out_of_range(first));
            }
            self.tokens.take();
            self.tokens.take();
            return self.reference(factor);
        }
        if quantity(first).is_some() {
            return Ok((None, Some(self.quantity(1.0)?)));
        }
        self.reference(1.0)
    }

    fn reference(&mut self, factor: f64) -> Result<(Option<Reference>, Option<Quantity>), BadClaim> {
        let design = self.name("a design")?;
        let quantity = if self.tokens.take_if(Token::Sign("+")) {
            Some(self.quantity(1.0)?)
        } else if self.tokens.take_if(Token::Sign("-")) {
            Some(self.quantity(-1.0)?)
        } else {
            None
        };
        Ok((Some(Reference { factor, design }), quantity))
    }

    fn quantity(&mut self, sign: f64) -> Result<Quantity, BadClaim> {
        let found = match self.tokens.take() {
            Some(Token::Word(word)) => quantity(word).ok_or_else(|| BadClaim(format!("`{word}` is not a value")))?,
            found => return Err(wanted("a value", found)),
        };
        let (mut value, mut unit, mut text) = found;
        if let (Unit::None, Some(Token::Word(word))) = (&unit, self.tokens.peek(0)) {
            self.tokens.take();
            let joined = format!("{text}{word}");
            // `2 s` and `5%` mean what `2s` and `5%` mean.
            (value, unit) = match quantity(&joined) {
                Some((value, unit, _)) => (value, unit),
                None => (value, Unit::Named(word.to_owned())),
            };
            text = format!("{text} {word}");
        }
        if !is_sound(value) {
            return Err(out_of_range(&text));
        }
        Ok(Quantity {
            text,
            value: sign * value,
            unit,
        })
    }
}

fn out_of_range(text: &str) -> BadClaim {
    BadClaim(format!("`{text}` is out of range: numbers lie between 1e-15 and 1e15"))
}

fn wanted(what: &str, found: Option<Token<'_>>) -> BadClaim {
    BadClaim(match found {
        Some(found) => format!("expected {what}, found `{found}`"),
        None => format!("expected {what}, found the end"),
    })
}

fn number(word: &str) -> Option<f64> {
    let plain = word.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    word.parse().ok().filter(|value: &f64| plain && value.is_finite())
}

/// A word as value, unit and text, if it begins like a number and is one.
fn quantity(word: &str) -> Option<(f64, Unit, String)> {
    let text = word.to_owned();
    if let Some(value) = number(word) {
        return Some((value, Unit::None, text));
    }
    if let Some(share) = word.strip_suffix('%').and_then(number) {
        return Some((share / 100.0, Unit::Percent, text));
    }
    let begins = word.starts_with(|c: char| c.is_ascii_digit());
    let span = SPAN_PARSER.parse_duration(word).ok().filter(|_| begins)?;
    Some((span.as_secs_f64(), Unit::Seconds, text))
}

/// The length of the word at the front.
fn word(rest: &str) -> usize {
    let begins = |c: char| c.is_ascii_alphanumeric() || "_.%".contains(c);
    let goes_on = |c: char| begins(c) || "-@=,/".contains(c);
    match rest.starts_with(begins) {
        true => rest.find(|c| !goes_on(c)).unwrap_or(rest.len()),
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Claim {
        Claim::parse(text).unwrap_or_else(|bad| panic!("{text}: {bad}"))
    }

    fn quantity_of(text: &str) -> (f64, Unit) {
        let quantity = parsed(text).quantity.unwrap();
        (quantity.value, quantity.unit)
    }

    #[test]
    fn all_forms_are_read() {
        let seen = parsed("unauthorized_any<0.001");
        assert_eq!(
            (seen.measure.as_str(), seen.of, seen.relation),
            ("unauthorized_any", None, Relation::Below)
        );
        assert_eq!(seen.quantity.unwrap().value, 0.001);
        let seen = parsed("startup_latency_p99 of cilium-istio-1.21 <= cilium-only + 2s");
        assert_eq!(seen.of.as_deref(), Some("cilium-istio-1.21"));
        let reference = seen.reference.unwrap();
        assert_eq!((reference.factor, reference.design.as_str()), (1.0, "cilium-only"));
        assert_eq!(seen.quantity.unwrap().value, 2.0);
        let seen = parsed("certificate_requests of B >= 1.5 * A@nodes=4,rate=2 - 3 requests");
        assert_eq!(seen.reference.unwrap().design, "A@nodes=4,rate=2");
        let quantity = seen.quantity.unwrap();
        assert_eq!(
            (quantity.value, quantity.unit),
            (-3.0, Unit::Named("requests".to_owned()))
        );
        assert_eq!(parsed("a of B > C").quantity, None);
    }

    #[test]
    fn values_have_units() {
        assert_eq!(quantity_of("a < 250ms"), (0.25, Unit::Seconds));
        assert_eq!(quantity_of("a < 1h30m"), (5400.0, Unit::Seconds));
        assert_eq!(quantity_of("a < 2 s"), (2.0, Unit::Seconds));
        assert_eq!(quantity_of("a < 5%"), (0.05, Unit::Percent));
        assert_eq!(quantity_of("a < 5%"), (0.05, Unit::Percent));
        assert_eq!(quantity_of("a < 1e-3"), (0.001, Unit::None));
        assert_eq!(quantity_of("a < 12 entries"), (12.0, Unit::Named("entries".to_owned())));
    }

    #[test]
    fn what_is_no_claim_says_why() {
        let bad = |text: &str| Claim::parse(text).unwrap_err().to_string();
        let cases = [
            ("", "expected the name of a measure, found the end"),
            ("a", "expected `<`, `<=`, `>` or `>=`, found the end"),
            ("a = 3", "`=` has no meaning here"),
            ("a < ", "expected a value or a design, found the end"),
            ("a of < 3", "expected a design behind `of`, found `<`"),
            ("a < 3 < 4", "`<` is left over"),
            ("a of B < 2x * C", "`2x` is not a factor greater than 0"),
            ("a of B < 0 * C", "`0` is not a factor greater than 0"),
            (
                "a of B <= 1e308 * C",
                "`1e308` is out of range: numbers lie between 1e-15 and 1e15",
            ),
            (
                "a < 1e-300 requests",
                "`1e-300 requests` is out of range: numbers lie between 1e-15 and 1e15",
            ),
            ("a of B < C + D", "`D` is not a value"),
            ("a of B < C + ", "expected a value, found the end"),
            ("a of B <= B + 2s", "compares `B` with itself"),
            ("a < -3", "expected a value or a design, found `-`"),
            ("a < 3 requests each", "`each` is left over"),
            ("a\u{7} < 3", "`\\u{7}` has no meaning here"),
            ("a < nan", "`nan`"),
        ];
        for (text, message) in cases.iter().take(cases.len() - 1) {
            assert_eq!(bad(text), *message, "{text}");
        }
        // A word is taken for a design; an unknown name is reported later.
        assert_eq!(parsed("a < nan").reference.unwrap().design, "nan");
    }
}
