//! Reading constraints: from characters to tokens to an expression, by recursive descent with a bounded depth.
//!
//! Precedence from weak to strong: `or`; `and`; `not`; one comparison; `+` and `-`; `*` and `/`; a sign. What an expression
//! means is said by `expression`.

use super::{Expression, Operator};
use crate::scenario::factors::quantity::{Quantity, is_rate_unit, is_span_unit};

/// Deepest nesting.
const DEPTH_MAX: u32 = 32;
/// Longest constraint in bytes.
const LENGTH_MAX: usize = 1000;

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

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(Quantity, String),
    Word(String),
    Name(String),
    Sign(Operator),
    Not,
    Open,
    Close,
}

impl Token {
    fn show(&self) -> String {
        match self {
            Self::Number(_, text) | Self::Name(text) => text.clone(),
            Self::Word(text) => format!("\"{text}\""),
            Self::Sign(operator) => operator.sign().to_owned(),
            Self::Not => "not".to_owned(),
            Self::Open => "(".to_owned(),
            Self::Close => ")".to_owned(),
        }
    }
}

/// Reads an expression over these names.
pub(super) fn parse(text: &str, names: &[&str]) -> Result<Expression, Wrong> {
    if text.len() > LENGTH_MAX {
        return wrong("it is too long");
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        depth: 0,
        names,
    };
    let expression = parser.either()?;
    match parser.peek() {
        None => Ok(expression),
        Some(token) => wrong(format!("`{}` is one too many", token.show())),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Wrong> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '0'..='9' => number(rest)?,
            'a'..='z' | 'A'..='Z' => name(rest),
            '"' | '\'' => match rest[1..].find(first) {
                Some(end) => (Token::Word(rest[1..=end].to_owned()), end + 2),
                None => return wrong("there is no closing quote"),
            },
            _ => sign(rest, first)?,
        };
        found.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

/// A number with its unit; `20/s` is a rate if the unit follows without a space.
fn number(rest: &str) -> Result<(Token, usize), Wrong> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let mut length = rest.find(|c| !part(c)).unwrap_or(rest.len());
    if let Some(per) = rest[length..].strip_prefix('/') {
        let letters = per.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(per.len());
        let plain = rest[..length].bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if plain && is_rate_unit(&rest[length..=length + letters]) {
            length += 1 + letters;
        }
    }
    let written = &rest[..length];
    match Quantity::parse(written) {
        Some(quantity) => Ok((Token::Number(quantity, written.to_owned()), length)),
        None => wrong(format!("`{written}` is no number with a unit")),
    }
}

fn name(rest: &str) -> (Token, usize) {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let length = rest.find(|c| !part(c)).unwrap_or(rest.len());
    let token = match &rest[..length] {
        "and" => Token::Sign(Operator::And),
        "or" => Token::Sign(Operator::Or),
        "not" => Token::Not,
        name => Token::Name(name.to_owned()),
    };
    (token, length)
}

fn sign(rest: &str, first: char) -> Result<(Token, usize), Wrong> {
    const TWO: [(&str, Operator); 4] = [
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
    ];
    if let Some((_, operator)) = TWO.iter().find(|(sign, _)| rest.starts_with(sign)) {
        return Ok((Token::Sign(*operator), 2));
    }
    let token = match first {
        '<' => Token::Sign(Operator::Less),
        '>' => Token::Sign(Operator::Greater),
        '+' => Token::Sign(Operator::Plus),
        '-' => Token::Sign(Operator::Minus),
        '*' => Token::Sign(Operator::Times),
        '/' => Token::Sign(Operator::Over),
        '(' => Token::Open,
        ')' => Token::Close,
        other => return wrong(format!("`{other}` has no meaning")),
    };
    Ok((token, 1))
}

struct Parser<'n> {
    tokens: Vec<Token>,
    next: usize,
    depth: u32,
    names: &'n [&'n str],
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    /// Takes the next token if it is one of these operators.
    fn operator(&mut self, among: &[Operator]) -> Option<Operator> {
        match self.peek() {
            Some(Token::Sign(operator)) if among.contains(operator) => {
                let operator = *operator;
                self.next += 1;
                Some(operator)
            }
            _ => None,
        }
    }

    /// Operators of one rank, from left to right.
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
        if self.peek() == Some(&Token::Not) {
            self.next += 1;
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
        let Some(token) = self.peek().cloned() else {
            return wrong("it ends too early");
        };
        self.next += 1;
        match token {
            Token::Number(quantity, _) => Ok(Expression::Number(quantity)),
            Token::Word(word) => Ok(Expression::Word(word)),
            Token::Name(name) if name == "true" || name == "false" => Ok(Expression::Truth(name == "true")),
            Token::Name(name) => match self.names.iter().position(|known| *known == name) {
                Some(position) => Ok(Expression::Factor(position)),
                None if is_span_unit(&name) => wrong(format!("the unit `{name}` stands alone")),
                None => Err(Wrong {
                    message: format!("unknown factor `{name}`"),
                    hint: EXAMPLE,
                    unknown_name: Some(name),
                }),
            },
            Token::Sign(Operator::Minus) => Ok(Expression::Negative(Box::new(self.deeper(Self::operand)?))),
            Token::Open => {
                let inner = self.deeper(Self::either)?;
                match self.peek() {
                    Some(Token::Close) => {
                        self.next += 1;
                        Ok(inner)
                    }
                    Some(token) => wrong(format!("`{}` is one too many", token.show())),
                    None => wrong("it ends too early: `)` is missing"),
                }
            }
            other => wrong(format!("`{}` stands where a value is expected", other.show())),
        }
    }
}
