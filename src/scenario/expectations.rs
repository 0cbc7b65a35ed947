//! The key `expectations` of an experiment file: its form, and each claim as it was written.
//!
//! Belongs here: reading the list or map, and the place of each claim. How a claim is written belongs to `claim`; which
//! measures and units there are, and whether a claim came true, belongs to `lab::expectations`.

use std::fmt;
use std::path::Path;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::claim::Claim;
use super::error::InputError;
use super::schema::Text;
use super::values::complain;

/// The key as it was written: a list of claims, or a map from names to claims.
#[derive(Clone, Debug, Default)]
pub struct Written(pub Vec<(Option<Text>, Text)>);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WrittenVisitor;
        impl<'de> Visitor<'de> for WrittenVisitor {
            type Value = Written;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of expectations, or a map from names to expectations")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Written, A::Error> {
                let mut claims = Vec::new();
                while let Some(claim) = list.next_element()? {
                    claims.push((None, claim));
                }
                Ok(Written(claims))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
                let mut claims = Vec::new();
                while let Some((name, claim)) = map.next_entry()? {
                    claims.push((Some(name), claim));
                }
                Ok(Written(claims))
            }
        }
        deserializer.deserialize_any(WrittenVisitor)
    }
}

/// One expectation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Expected {
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// The claim as it was written.
    pub text: String,
    /// The claim as it is meant.
    pub claim: Claim,
}

/// One expectation with its place.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The expectation.
    pub expected: Expected,
    /// Where it was written.
    pub at: Text,
}

/// The expectations of an experiment.
///
/// # Errors
/// Every claim that cannot be read, at its place.
pub fn read(path: &Path, written: &Written) -> Result<Vec<Placed>, Vec<InputError>> {
    let (mut placed, mut errors) = (Vec::new(), Vec::new());
    for (name, text) in &written.0 {
        match Claim::parse(&text.value) {
            Ok(claim) => placed.push(Placed {
                expected: Expected {
                    name: name.as_ref().map(|name| name.value.clone()),
                    text: text.value.split_whitespace().collect::<Vec<_>>().join(" "),
                    claim,
                },
                at: text.clone(),
            }),
            Err(bad) => {
                errors.push(complain(path, text, format!("`{}`: {bad}", text.value)).with_hint(super::claim::FORM));
            }
        }
    }
    if errors.is_empty() { Ok(placed) } else { Err(errors) }
}
