//! Reading constraints: from tokens to an expression, by recursive descent with a bounded depth.
//!
//! Precedence from weak to strong: `or`; `and`; `not`; one comparison; `+` and `-`; `*` and `/`; a sign. What an expression
//! means is said by `expression`.

use super::{Expression, Operator};
use crate::scenario::factors::quantity::{Quantity, is_rate_unit, is_span_unit};
use crate::scenario::tokens::{Token, Tokens};

const DEPTH_MAX: u32 = 32;
const LENGTH_MAX: usize = 1000;
/// All signs, of those that begin alike the longer one first.
const SIGNS: [&str; 12] = ["<=", ">=", "==", "!=", "<", ">", "+", "-", "*", "/", "(", ")"];

/// Why a text is no constraint.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: &'static str,
    /// The name that no factor has.
    pub(super) unknown_name: Option<String>,
}

const EXAMPLE: &str = "write an expression such as `nodes >= 3 * istiods` or `cut < 30s and istio >= \"1.21\"`";

fn wrong<T>(message: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong {
        message: message.into(),
        hint: EXAMPLE,
        unknown_name: None,
    })
}

pub(super) fn parse<'n>(text: &'n str, names: &'n [&str]) -> Result<Expression, Wrong> {
    if text.len() > LENGTH_MAX {
        return wrong("it is too long");
    }
    let mut parser = Parser {
        tokens: Tokens::of(text, word, &SIGNS).or_else(wrong)?,
        depth: 0,
        names,
    };
    let expression = parser.either()?;
    match parser.tokens.take() {
        None => Ok(expression),
        Some(token) => wrong(format!("`{token}` is unexpected")),
    }
}

/// The length of the name or the number with its unit at the front; `20/s` is a rate if the unit follows without a space.
fn word(rest: &str) -> usize {
    let is_number = rest.starts_with(|c: char| c.is_ascii_digit());
    let part = |c: char| c.is_ascii_alphanumeric() || c == if is_number { '.' } else { '_' };
    if !is_number && !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return 0;
    }
    let length = rest.find(|c| !part(c)).unwrap_or(rest.len());
    let is_plain = rest[..length].bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let per = rest[length..]
        .strip_prefix('/')
        .filter(|_| is_number && is_plain)
        .unwrap_or_default();
    let end = length + 1 + per.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(per.len());
    if !per.is_empty() && is_rate_unit(&rest[length..end]) {
        end
    } else {
        length
    }
}

struct Parser<'n> {
    tokens: Tokens<'n>,
    depth: u32,
    names: &'n [&'n str],
}

impl Parser<'_> {
    /// Takes the next token if it is one of these operators.
    fn operator(&mut self, among: &[Operator]) -> Option<Operator> {
        let (Token::Sign(text) | Token::Word(text)) = self.tokens.peek(0)? else {
            return None;
        };
        let found = among.iter().copied().find(|operator| operator.sign() == text)?;
        self.tokens.take();
        Some(found)
    }

    fn chain(
        &mut self,
        operators: &[Operator],
        operand: fn(&mut Self) -> Result<Expression, Wrong>,
    ) -> Result<Expression, Wrong> {
        let mut left = operand(self)?;
        while let Some(operator) = self.operator(operators) {
            let right = operand(self)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn deeper(&mut self, inner: fn(&mut Self) -> Result<Expression, Wrong>) -> Result<Expression, Wrong> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return wrong("it is nested too deeply");
        }
        let found = inner(self);
        self.depth -= 1;
        found
    }

    fn either(&mut self) -> Result<Expression, Wrong> {
        self.chain(&[Operator::Or], Self::both)
    }

    fn both(&mut self) -> Result<Expression, Wrong> {
        self.chain(&[Operator::And], Self::negation)
    }

    fn negation(&mut self) -> Result<Expression, Wrong> {
        if self.tokens.take_if(Token::Word("not")) {
            return Ok(Expression::Not(Box::new(self.deeper(Self::negation)?)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expression, Wrong> {
        const COMPARISONS: [Operator; 6] = [
            Operator::Less,
            Operator::LessOrEqual,
            Operator::Greater,
            Operator::GreaterOrEqual,
            Operator::Equal,
            Operator::NotEqual,
        ];
        let left = self.sum()?;
        let Some(operator) = self.operator(&COMPARISONS) else {
            return Ok(left);
        };
        let right = self.sum()?;
        if self.operator(&COMPARISONS).is_some() {
            return wrong("comparisons do not chain: write `and` between two of them");
        }
        Ok(Expression::Binary(operator, Box::new(left), Box::new(right)))
    }

    fn sum(&mut self) -> Result<Expression, Wrong> {
        self.chain(&[Operator::Plus, Operator::Minus], Self::product)
    }

    fn product(&mut self) -> Result<Expression, Wrong> {
        self.chain(&[Operator::Times, Operator::Over], Self::operand)
    }

    fn operand(&mut self) -> Result<Expression, Wrong> {
        match self.tokens.take() {
            None => wrong("it ends too early"),
            Some(Token::Quoted(word)) => Ok(Expression::Word(word.to_owned())),
            Some(Token::Sign("-")) => Ok(Expression::Negative(Box::new(self.deeper(Self::operand)?))),
            Some(Token::Sign("(")) => {
                let inner = self.deeper(Self::either)?;
                match self.tokens.take() {
                    Some(Token::Sign(")")) => Ok(inner),
                    Some(token) => wrong(format!("`{token}` is unexpected")),
                    None => wrong("it ends too early: `)` is missing"),
                }
            }
            Some(Token::Word(truth @ ("true" | "false"))) => Ok(Expression::Truth(truth == "true")),
            Some(token @ (Token::Word("and" | "or" | "not") | Token::Sign(_))) => {
                wrong(format!("`{token}` is found where a value is expected"))
            }
            Some(Token::Word(number)) if number.starts_with(|c: char| c.is_ascii_digit()) => {
                let quantity = Quantity::parse(number).map(Expression::Number);
                quantity.map_or_else(|| wrong(format!("`{number}` is not a number with a unit")), Ok)
            }
            Some(Token::Word(name)) => match self.names.iter().position(|known| *known == name) {
                Some(position) => Ok(Expression::Factor(position)),
                None if is_span_unit(name) => wrong(format!("the unit `{name}` has no number")),
                None => Err(Wrong {
                    message: format!("unknown factor `{name}`"),
                    hint: EXAMPLE,
                    unknown_name: Some(name.to_owned()),
                }),
            },
        }
    }
}
