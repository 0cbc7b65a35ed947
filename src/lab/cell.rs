//! Cells of result tables: their types, their canonical bytes, and how fields of records become cells and back.
//!
//! Knows no table; which columns exist stands in `rows`. The canonical bytes are what the result digest is taken over
//! and what segments hold: a tag, then the value in little endian; text is preceded by its length. Changing them means
//! raising [`super::rows::ROW_FORMAT`].

use std::borrow::Cow;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::cluster::records::{AccessClass, DelayCause, ExitCause, LayerDecision, Via};
use crate::kernel::{SimDuration, SimTime};

/// Longest time that survives the way through a file exactly, in nanoseconds: 2^51, which is 26 days.
///
/// Times are stored as seconds in a double. Up to here the doubles are dense enough that multiplying by 10^9 and
/// rounding gives the same whole nanosecond back.
pub const EXACT_NANOS_MAX: u64 = SimDuration::EXACT_MAX.as_nanos();

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Text.
    Utf8,
    /// A whole number with sign, 64 bits.
    I64,
    /// A double.
    F64,
    /// Yes or no.
    Bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Utf8(Cow<'a, str>),
    I64(i64),
    F64(f64),
    Bool(bool),
}

/// Bytes that are no canonical cell, or a cell that its column does not admit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row cannot be read: {0}")]
pub struct BadRow(pub String);

impl<'a> Cell<'a> {
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0),
            Self::Utf8(text) => {
                out.push(1);
                out.extend_from_slice(&(text.len() as u32).to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }
            Self::I64(value) => {
                out.push(2);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Self::F64(value) => {
                out.push(3);
                out.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            Self::Bool(value) => out.extend_from_slice(&[4, u8::from(*value)]),
        }
    }

    pub fn decode(bytes: &mut &'a [u8]) -> Result<Self, BadRow> {
        Ok(match take::<1>(bytes)? {
            [0] => Self::Null,
            [1] => {
                let length = u32::from_le_bytes(take(bytes)?) as usize;
                let (text, rest) = bytes.split_at_checked(length).ok_or_else(too_short)?;
                *bytes = rest;
                let text = std::str::from_utf8(text).map_err(|_| BadRow("text is not UTF-8".to_owned()))?;
                Self::Utf8(Cow::Borrowed(text))
            }
            [2] => Self::I64(i64::from_le_bytes(take(bytes)?)),
            [3] => Self::F64(f64::from_bits(u64::from_le_bytes(take(bytes)?))),
            [4] => match take::<1>(bytes)? {
                [0] => Self::Bool(false),
                [1] => Self::Bool(true),
                [other] => return Err(BadRow(format!("{other} is neither yes nor no"))),
            },
            [tag] => return Err(BadRow(format!("unknown tag {tag}"))),
        })
    }
}

pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], BadRow> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or_else(too_short)?;
    *bytes = rest;
    Ok(*head)
}

fn too_short() -> BadRow {
    BadRow("it ends too early".to_owned())
}

/// A field type that a column can hold.
pub trait CellValue: Sized {
    const KIND: Kind;
    const NULLABLE: bool;
    fn to_cell(&self) -> Cell<'_>;
    /// The value of a cell; `None` if the cell does not fit.
    fn from_cell(cell: Cell<'_>) -> Option<Self>;
}

impl<T: CellValue> CellValue for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;
    fn to_cell(&self) -> Cell<'_> {
        self.as_ref().map_or(Cell::Null, T::to_cell)
    }
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}

macro_rules! cell_value {
    ($type:ty, $kind:ident, $value:ident => $cell:expr, $inner:ident => $back:expr) => {
        impl CellValue for $type {
            const KIND: Kind = Kind::$kind;
            const NULLABLE: bool = false;
            fn to_cell(&self) -> Cell<'_> {
                let $value = self;
                Cell::$kind($cell)
            }
            fn from_cell(cell: Cell<'_>) -> Option<Self> {
                match cell {
                    Cell::$kind($inner) => $back,
                    _ => None,
                }
            }
        }
    };
}

cell_value!(String, Utf8, text => Cow::Borrowed(text), text => Some(text.into_owned()));
cell_value!(bool, Bool, value => *value, value => Some(value));
cell_value!(u16, I64, value => i64::from(*value), value => u16::try_from(value).ok());
cell_value!(u32, I64, value => i64::from(*value), value => u32::try_from(value).ok());
// Counts beyond 2^63 do not happen: a run handles at most some 10^9 events.
cell_value!(u64, I64, value => i64::try_from(*value).unwrap_or(i64::MAX), value => u64::try_from(value).ok());
cell_value!(f64, F64, value => *value, value => Some(value));
cell_value!(Ipv4Addr, Utf8, ip => Cow::Owned(ip.to_string()), text => text.parse().ok());
cell_value!(SimTime, F64, time => seconds(time.as_nanos()), secs => nanos(secs).map(SimTime::from_nanos));
cell_value!(SimDuration, F64, span => seconds(span.as_nanos()), secs => nanos(secs).map(SimDuration::from_nanos));

/// Seconds of whole nanoseconds; exact up to [`EXACT_NANOS_MAX`].
fn seconds(nanos: u64) -> f64 {
    SimDuration::from_nanos(nanos).as_secs_f64()
}

fn nanos(secs: f64) -> Option<u64> {
    (secs >= 0.0 && secs * 1e9 <= EXACT_NANOS_MAX as f64).then(|| libm::round(secs * 1e9) as u64)
}

/// A closed list of words in a text column.
pub trait Word: Copy + 'static {
    /// All values with their words, in the order of declaration.
    const WORDS: &'static [(Self, &'static str)];
    fn word(self) -> &'static str;
    fn of_word(word: &str) -> Option<Self> {
        let found = Self::WORDS.iter().find(|(_, known)| *known == word);
        found.map(|(value, _)| *value)
    }
}

/// The word of a value is written here, or is one of its words in `words`.
macro_rules! words {
    ($type:ident { $($variant:ident = $word:expr),+ $(,)? }) => {
        impl Word for $type {
            const WORDS: &'static [(Self, &'static str)] = &[$((Self::$variant, $word)),+];
            fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        cell_value!($type, Utf8, value => Cow::Borrowed(value.word()), text => Self::of_word(&text));
    };
    ($type:ident { $($variant:ident),+ $(,)? }) => {
        words!($type { $($variant = $type::$variant.words().word),+ });
    };
}

words!(ExitCause { Ready = "ready", Deleted = "deleted", Censored = "censored" });
words!(LayerDecision { Allow = "allow", Deny = "deny" });
words!(Via { Service = "service", PodIp = "pod_ip" });
words!(AccessClass {
    Allowed,
    Denied,
    Unauthorized,
    NetworkBypassed,
    MeshBypassed,
    WronglyDenied,
    WrongServer,
    Unreachable
});
words!(DelayCause {
    TokenReview,
    BlackHole,
    Connection,
    Webhook,
    EndpointLimiter,
    IstiodLimiter,
    KubeletApi,
    Node
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_yes_or_no_has_one_spelling() {
        for (byte, cell) in [(0, Some(Cell::Bool(false))), (1, Some(Cell::Bool(true))), (7, None)] {
            assert_eq!(Cell::decode(&mut &[4, byte][..]).ok(), cell);
        }
    }

    proptest! {
        #[test]
        fn times_survive_to_the_nanosecond(nanos in 0..=EXACT_NANOS_MAX) {
            let time = SimTime::from_nanos(nanos);
            prop_assert_eq!(SimTime::from_cell(time.to_cell()), Some(time));
        }

        #[test]
        fn cells_survive_their_bytes(text in ".*", whole: i64, double: f64, yes: bool) {
            let cells = [Cell::Utf8(text.into()), Cell::I64(whole), Cell::F64(double), Cell::Bool(yes), Cell::Null];
            let mut bytes = Vec::new();
            cells.iter().for_each(|cell| cell.encode(&mut bytes));
            let mut rest = bytes.as_slice();
            for cell in &cells {
                prop_assert_eq!(&Cell::decode(&mut rest).unwrap(), cell);
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn strange_bytes_are_refused_and_never_panic(bytes: Vec<u8>) {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() && Cell::decode(&mut rest).is_ok() {}
        }
    }

    #[test]
    fn the_largest_exact_time_is_exact_and_so_are_its_neighbours() {
        for nanos in (EXACT_NANOS_MAX - 1000)..=EXACT_NANOS_MAX {
            assert_eq!(
                SimTime::from_cell(SimTime::from_nanos(nanos).to_cell()),
                Some(SimTime::from_nanos(nanos))
            );
        }
    }

    #[test]
    fn a_cell_of_another_type_is_refused() {
        assert_eq!(u32::from_cell(Cell::I64(-1)), None);
        assert_eq!(u32::from_cell(Cell::Null), None);
        assert_eq!(Via::from_cell(Cell::Utf8("somehow".into())), None);
        assert_eq!(SimTime::from_cell(Cell::F64(f64::NAN)), None);
    }
}
