//! The key `margins` of an experiment: how large a difference of a measure may be and still not matter.
//!
//! Belongs here: reading `measure: value`. Which measures and units there are is checked by `lab::question_check`; what a
//! margin decides belongs to `lab::pareto`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::claim::Quantity;
use super::error::InputError;
use super::schema::{Pairs, Text};
use super::values::complain;

/// A difference of a measure that does not matter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Margin {
    /// The measure.
    pub measure: String,
    /// The largest difference that does not matter, above 0.
    pub quantity: Quantity,
}

/// A margin with its place.
#[derive(Clone, Debug)]
pub struct PlacedMargin {
    /// The margin.
    pub margin: Margin,
    /// Where the measure was written.
    pub measure_at: Text,
    /// Where the value was written.
    pub at: Text,
}

/// Why a text is no margin, and what to write.
pub const HINT: &str = "write a difference above 0 such as `0.5%`, `1s` or `2 requests`";

impl Margin {
    /// A margin from the name of a measure and a text such as `0.5%`; `None` if that is no positive quantity.
    pub fn parse(measure: &str, text: &str) -> Option<Self> {
        let quantity = Quantity::parse(text).filter(|quantity| quantity.value > 0.0)?;
        Some(Self {
            measure: measure.to_owned(),
            quantity,
        })
    }
}

/// The margins of an experiment.
///
/// # Errors
/// Every one that is no positive quantity, at its place.
pub fn read(path: &Path, written: &Pairs<Text>) -> Result<Vec<PlacedMargin>, Vec<InputError>> {
    let (mut placed, mut errors) = (Vec::new(), Vec::new());
    for (measure, text) in &written.0 {
        match Margin::parse(&measure.value, &text.value) {
            Some(margin) => placed.push(PlacedMargin {
                margin,
                measure_at: measure.clone(),
                at: text.clone(),
            }),
            None => {
                let message = format!("`{}` is not a valid margin", text.value);
                errors.push(complain(path, text, message).with_hint(HINT));
            }
        }
    }
    if errors.is_empty() { Ok(placed) } else { Err(errors) }
}
