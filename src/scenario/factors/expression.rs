//! Constraints: what has to hold at a point, as a small expression over the names of factors.
//!
//! `nodes >= 3 * istiods`, `cut < 2 * grace and not (istio < "1.21")`. Numbers carry their unit: `2s` cannot be compared
//! with `5`, and `rate * cut` of a rate and a span is a plain number. Versions are compared with versions in quotes, part by
//! part. Comparisons do not chain, nothing is converted silently, and names are those of factors only. Reading is in
//! `parser`; here is what an expression means.

mod parser;

use std::cmp::Ordering;
use std::path::Path;

use super::Factor;
use super::points::Point;
use super::quantity::Quantity;
use crate::scenario::error::InputError;
use crate::scenario::schema::Text;
use crate::scenario::values::complain;

/// An operator between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    Plus,
    Minus,
    Times,
    Over,
}

impl Operator {
    const fn sign(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
            Self::Over => "/",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Number(Quantity),
    Word(String),
    Truth(bool),
    /// The factor at this position.
    Factor(usize),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
}

/// What an expression is at a point.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(Quantity),
    Version(Vec<u64>),
    Word(String),
    Truth(bool),
}

/// A constraint as it was written and read.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// As it was written, with its place.
    pub text: Text,
    expression: Expression,
}

impl Constraint {
    /// Reads a constraint over these factors.
    pub fn read(file: &Path, text: &Text, factors: &[Factor]) -> Result<Self, InputError> {
        let names: Vec<&str> = factors.iter().map(|factor| factor.name.value.as_str()).collect();
        let expression = parser::parse(&text.value, &names).map_err(|wrong| {
            let message = format!("constraint `{}`: {}", text.value, wrong.message);
            match wrong.unknown_name {
                Some(name) => complain(file, text, message).with_candidates(&name, names.iter().copied()),
                None => complain(file, text, message).with_hint(wrong.hint),
            }
        })?;
        let constraint = Self {
            text: text.clone(),
            expression,
        };
        if constraint.names().next().is_none() {
            let message = format!("constraint `{}` names no factor", text.value);
            return Err(complain(file, text, message).with_hint("write one such as `nodes >= 3 * istiods`"));
        }
        Ok(constraint)
    }

    /// Positions of the factors that it names, some perhaps twice.
    pub fn names(&self) -> impl Iterator<Item = usize> {
        let (mut pending, mut found) = (vec![&self.expression], Vec::new());
        while let Some(expression) = pending.pop() {
            match expression {
                Expression::Factor(position) => found.push(*position),
                Expression::Not(inner) | Expression::Negative(inner) => pending.push(inner),
                Expression::Binary(_, left, right) => pending.extend([left.as_ref(), right.as_ref()]),
                Expression::Number(_) | Expression::Word(_) | Expression::Truth(_) => {}
            }
        }
        found.into_iter()
    }

    /// Whether it holds at a point that has a level for each factor it names.
    ///
    /// # Errors
    /// If it compares what cannot be compared, or is no statement.
    pub fn holds(&self, file: &Path, factors: &[Factor], point: &Point) -> Result<bool, InputError> {
        let found = evaluate(&self.expression, factors, point).and_then(|value| match value {
            Value::Truth(holds) => Ok(holds),
            other => Err(format!("expected a condition, found {}", other.describe())),
        });
        found.map_err(|reason| {
            let levels = point.levels.iter();
            let levels: Vec<String> = levels
                .map(|(factor, level)| format!("{}={}", factors[*factor].name.value, level.value))
                .collect();
            let message = format!("constraint `{}`: {reason}", self.text.value);
            complain(file, &self.text, message).with_hint(format!("seen at {}", levels.join(",")))
        })
    }
}

impl Value {
    fn of(factor: &Factor, level: &str) -> Self {
        if factor.sets.form.is_one_of(&["Version"])
            && let Some(version) = version(level)
        {
            return Self::Version(version);
        }
        match (level, Quantity::parse(level)) {
            ("true", _) => Self::Truth(true),
            ("false", _) => Self::Truth(false),
            (_, Some(quantity)) => Self::Number(quantity),
            (_, None) => Self::Word(level.to_owned()),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Number(Quantity { seconds: 0, .. }) => "a number".to_owned(),
            Self::Number(Quantity { seconds: 1, .. }) => "a span of time".to_owned(),
            Self::Number(Quantity { seconds: -1, .. }) => "a rate".to_owned(),
            Self::Number(Quantity { seconds, .. }) => format!("seconds to the power of {seconds}"),
            Self::Version(_) => "a version".to_owned(),
            Self::Word(word) => format!("the word `{word}`"),
            Self::Truth(_) => "a statement".to_owned(),
        }
    }
}

/// The parts of a version.
fn version(text: &str) -> Option<Vec<u64>> {
    text.split('.').map(|part| part.parse().ok()).collect()
}

/// The order of versions; missing parts are 0, so that 1.21 is 1.21.0.
fn compare_versions(a: &[u64], b: &[u64]) -> Ordering {
    let part = |version: &[u64], index: usize| version.get(index).copied().unwrap_or(0);
    let longest = a.len().max(b.len());
    let mut orders = (0..longest).map(|index| part(a, index).cmp(&part(b, index)));
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn evaluate(expression: &Expression, factors: &[Factor], point: &Point) -> Result<Value, String> {
    let inner = |expression: &Expression| evaluate(expression, factors, point);
    Ok(match expression {
        Expression::Number(quantity) => Value::Number(*quantity),
        Expression::Word(word) => Value::Word(word.clone()),
        Expression::Truth(truth) => Value::Truth(*truth),
        Expression::Factor(position) => {
            let level = point.levels.iter().find(|(factor, _)| factor == position);
            let level = level.map(|(_, level)| level.value.as_str()).unwrap_or_default();
            Value::of(&factors[*position], level)
        }
        Expression::Not(operand) => match inner(operand)? {
            Value::Truth(truth) => Value::Truth(!truth),
            other => return Err(format!("`not` before {}", other.describe())),
        },
        Expression::Negative(operand) => match inner(operand)? {
            Value::Number(quantity) => Value::Number(Quantity {
                number: -quantity.number,
                ..quantity
            }),
            other => return Err(format!("`-` before {}", other.describe())),
        },
        // Both sides are looked at, so that a mistake on the right side shows at every point.
        Expression::Binary(operator, left, right) => binary(*operator, inner(left)?, inner(right)?)?,
    })
}

fn binary(operator: Operator, left: Value, right: Value) -> Result<Value, String> {
    let wrong = |left: &Value, right: &Value| {
        let (left, right) = (left.describe(), right.describe());
        Err(format!("`{}` between {left} and {right}", operator.sign()))
    };
    // A word in quotes beside a version is one.
    let (left, right) = match (left, right) {
        (Value::Version(left), Value::Word(word)) => match version(&word) {
            Some(right) => (Value::Version(left), Value::Version(right)),
            None => return Err(format!("`{word}` is not a version")),
        },
        (Value::Word(word), Value::Version(right)) => match version(&word) {
            Some(left) => (Value::Version(left), Value::Version(right)),
            None => return Err(format!("`{word}` is not a version")),
        },
        sides => sides,
    };
    match operator {
        Operator::And | Operator::Or => match (&left, &right) {
            (Value::Truth(a), Value::Truth(b)) => Ok(Value::Truth(match operator {
                Operator::And => *a && *b,
                _ => *a || *b,
            })),
            _ => wrong(&left, &right),
        },
        Operator::Plus | Operator::Minus | Operator::Times | Operator::Over => match (&left, &right) {
            (Value::Number(a), Value::Number(b)) => arithmetic(operator, *a, *b)
                .map(Value::Number)
                .map_or_else(|| wrong(&left, &right), Ok),
            _ => wrong(&left, &right),
        },
        _ => {
            let order = match (&left, &right) {
                (Value::Number(a), Value::Number(b)) if a.seconds == b.seconds => a.number.partial_cmp(&b.number),
                (Value::Version(a), Value::Version(b)) => Some(compare_versions(a, b)),
                (Value::Word(a), Value::Word(b)) if is_equality(operator) => Some(a.cmp(b)),
                (Value::Truth(a), Value::Truth(b)) if is_equality(operator) => Some(a.cmp(b)),
                _ => None,
            };
            let Some(order) = order else {
                return wrong(&left, &right);
            };
            Ok(Value::Truth(match operator {
                Operator::Less => order.is_lt(),
                Operator::LessOrEqual => order.is_le(),
                Operator::Greater => order.is_gt(),
                Operator::GreaterOrEqual => order.is_ge(),
                Operator::Equal => order.is_eq(),
                _ => order.is_ne(),
            }))
        }
    }
}

const fn is_equality(operator: Operator) -> bool {
    matches!(operator, Operator::Equal | Operator::NotEqual)
}

/// Sums of equal units, products and quotients of any; nothing that is no finite number.
fn arithmetic(operator: Operator, a: Quantity, b: Quantity) -> Option<Quantity> {
    let (number, seconds) = match operator {
        Operator::Plus if a.seconds == b.seconds => (a.number + b.number, a.seconds),
        Operator::Minus if a.seconds == b.seconds => (a.number - b.number, a.seconds),
        Operator::Times => (a.number * b.number, a.seconds.checked_add(b.seconds)?),
        Operator::Over => (a.number / b.number, a.seconds.checked_sub(b.seconds)?),
        _ => return None,
    };
    number.is_finite().then_some(Quantity { number, seconds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::factors::levels::Levels;
    use crate::scenario::keys::Key;
    use crate::scenario::yaml::{Position, Spanned};

    fn text(value: &str) -> Text {
        Spanned::new(value.to_owned(), Position::UNKNOWN, Position::UNKNOWN)
    }

    fn factors() -> Vec<Factor> {
        let key = |name| {
            if name == "istio" {
                "cluster.istio.version"
            } else {
                "options.x"
            }
        };
        ["nodes", "istiods", "cut", "rate", "istio", "mode"]
            .into_iter()
            .map(|name| Factor {
                name: text(name),
                sets: Key::read(Path::new("f"), &text(key(name))).expect("the key exists"),
                levels: Levels::default(),
            })
            .collect()
    }

    /// What a constraint says at nodes 9, istiods 3, cut 1m30s, rate 20/s, istio 1.21.0, mode drop.
    fn at_point(constraint: &str) -> Result<bool, String> {
        let levels = ["9", "3", "1m30s", "20/s", "1.21.0", "drop"];
        let point = Point {
            levels: levels.into_iter().map(text).enumerate().collect(),
        };
        let file = Path::new("f");
        let read = Constraint::read(file, &text(constraint), &factors());
        read.and_then(|constraint| constraint.holds(file, &factors(), &point))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn constraints_say_what_they_say_in_mathematics() {
        for (constraint, holds) in [
            ("nodes >= 3 * istiods", true),
            ("nodes > 3 * istiods", false),
            ("nodes - 2 - 3 == 4", true),
            ("nodes - (2 - 3) == 10", true),
            ("nodes / istiods / 3 == 1", true),
            ("2 + 3 * istiods == 11", true),
            ("-istiods < 0", true),
            ("cut == 90s", true),
            ("cut < 2min and cut > 500ms", true),
            ("rate == 1200/min", true),
            ("rate * cut == 1800", true),
            ("1 / rate <= 50ms", true),
            ("istio >= \"1.21\"", true),
            ("istio < '1.3'", false),
            ("\"1.9\" < istio", true),
            ("mode == 'drop' and mode != 'reject'", true),
            ("not nodes == 9 or istiods == 3", true),
            ("not (nodes == 9 or istiods == 3)", false),
            ("nodes == 1 and istiods == 1 or cut == 90s", true),
            ("(nodes == 9) == true", true),
        ] {
            assert_eq!(at_point(constraint), Ok(holds), "{constraint}");
        }
    }

    #[test]
    fn constraints_without_meaning_are_refused() {
        for (constraint, complaint) in [
            ("nodes", "expected a condition, found a number"),
            ("1 < 2", "names no factor"),
            ("nodes < cut", "`<` between a number and a span of time"),
            ("nodes + cut > 1s", "`+` between a number and a span of time"),
            ("nodes < 1 < 2", "comparisons do not chain"),
            ("mode < 'drop'", "`<` between"),
            ("mode == nodes", "`==` between"),
            ("istio >= 1.21", "`>=` between a version and a number"),
            ("istio >= 'new'", "`new` is not a version"),
            ("nodes / 0 > 1", "`/` between a number and a number"),
            ("nodes and istiods > 1", "`and` between a number and a statement"),
            ("not nodes", "`not` before a number"),
            ("nodez > 1", "unknown factor `nodez`"),
            ("nodes >", "ends too early"),
            ("nodes > 1)", "`)` is unexpected"),
            ("(nodes > 1", "ends too early"),
            ("nodes = 1", "`=`"),
            ("nodes > 5 potatoes", "`potatoes` is unexpected"),
            ("nodes > 5x", "`5x` is not a number"),
            ("mode == 'drop", "no closing quote"),
            ("nodes > 1 & istiods > 1", "`&`"),
            ("", "ends too early"),
        ] {
            let error = at_point(constraint).expect_err(constraint);
            assert!(error.contains(complaint), "{constraint}: {error}");
        }
        let deep = format!("{}nodes > 1{}", "(".repeat(100), ")".repeat(100));
        assert!(at_point(&deep).expect_err("too deep").contains("nested too deeply"));
        let minus = format!("{}nodes > 1", "-".repeat(100));
        assert!(at_point(&minus).expect_err("too deep").contains("nested too deeply"));
    }
}
