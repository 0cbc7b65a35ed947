//! The row format: five tables, whose columns are listed with the fields of the records in `cluster::records`.
//!
//! Everything follows from those lists: canonical bytes, Parquet schema, the column list in `manifest.json`, and the way
//! back to records. Every row begins with the design's name and the replication. Cell types belong to `cell`, files to `segment` and `parquet_write`.
//!
//! Times are stored in seconds as doubles and are exact to the nanosecond up to [`super::cell::EXACT_NANOS_MAX`].

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::cell::{BadRow, Cell, CellValue, Kind, take};
use crate::cluster::phases::Phases;
use crate::cluster::records::{
    AccessClass, AccessRecord, DelayCause, EdgeRecord, ExitCause, ExposureRecord, FlowRecord, LayerDecision, PodRecord,
    RunRecord, Via, records,
};
use crate::kernel::{RunFailure, SimDuration, SimTime};

/// Version of the row format; part of every digest.
pub const ROW_FORMAT: &str = "meshfault-rows-v5";

/// What a column is, for files and for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ColumnInfo {
    /// Name, snake case, unit last.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether it may be null.
    pub nullable: bool,
    /// Unit; empty for none.
    pub unit: String,
    /// Meaning in one line.
    pub doc: String,
}

/// One column of the table of records `R`.
pub struct Column<R: 'static> {
    name: &'static str,
    kind: Kind,
    nullable: bool,
    unit: &'static str,
    doc: &'static str,
    get: for<'a> fn(&'a R) -> Cell<'a>,
    set: fn(&mut R, Cell<'_>) -> Option<()>,
}

pub trait Record: Default + Send + 'static {
    const TABLE: &'static str;
    /// Its columns after `design` and `replication`.
    const COLUMNS: &'static [Column<Self>];
    /// Whether its times and counts can be those of a run that ends at the horizon; rows of a file may come from anywhere.
    fn fits(&self, horizon: SimTime) -> bool;
}

/// Names of the tables, in the order of files and digests.
pub const TABLES: [&str; 6] = [
    RunRecord::TABLE,
    PodRecord::TABLE,
    AccessRecord::TABLE,
    ExposureRecord::TABLE,
    EdgeRecord::TABLE,
    FlowRecord::TABLE,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowKey<'a> {
    pub design: &'a str,
    pub replication: u64,
}

/// The columns by which tables are joined.
pub fn key_columns() -> Vec<ColumnInfo> {
    vec![
        info("design", Kind::Utf8, false, "", "Name of the design."),
        info(
            "replication",
            Kind::I64,
            false,
            "",
            "Number of the replication, from 0.",
        ),
    ]
}

fn info(name: &str, kind: Kind, nullable: bool, unit: &str, doc: &str) -> ColumnInfo {
    ColumnInfo {
        name: name.to_owned(),
        kind,
        nullable,
        unit: unit.to_owned(),
        doc: doc.to_owned(),
    }
}

/// Columns of the table of `R`, those of [`key_columns`] first.
pub fn columns_of<R: Record>() -> Vec<ColumnInfo> {
    let rest = R::COLUMNS
        .iter()
        .map(|column| info(column.name, column.kind, column.nullable, column.unit, column.doc));
    key_columns().into_iter().chain(rest).collect()
}

/// Columns of all tables, in the order of [`TABLES`].
pub fn columns_of_all() -> [Vec<ColumnInfo>; TABLES.len()] {
    [
        columns_of::<RunRecord>(),
        columns_of::<PodRecord>(),
        columns_of::<AccessRecord>(),
        columns_of::<ExposureRecord>(),
        columns_of::<EdgeRecord>(),
        columns_of::<FlowRecord>(),
    ]
}

/// Appends the canonical bytes of a row: its length, then its cells.
pub fn encode_row<R: Record>(key: RowKey<'_>, record: &R, out: &mut Vec<u8>) {
    let cells = R::COLUMNS.iter().map(|column| (column.get)(record));
    let keys = [Cell::Utf8(key.design.into()), key.replication.to_cell()];
    encode_cells(keys.into_iter().chain(cells), out);
}

/// Appends the canonical bytes of a row of cells.
pub fn encode_cells<'a>(cells: impl IntoIterator<Item = Cell<'a>>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    cells.into_iter().for_each(|cell| cell.encode(out));
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Takes the cells of one row from the front of `bytes`.
pub fn decode_cells<'a>(bytes: &mut &'a [u8], cells: &mut Vec<Cell<'a>>) -> Result<(), BadRow> {
    cells.clear();
    let length = u32::from_le_bytes(take(bytes)?) as usize;
    let split = bytes.split_at_checked(length);
    let (mut row, rest) = split.ok_or_else(|| BadRow("a row ends too early".to_owned()))?;
    *bytes = rest;
    while !row.is_empty() {
        cells.push(Cell::decode(&mut row)?);
    }
    Ok(())
}

pub fn record_of<'a, R: Record>(cells: &'a [Cell<'_>]) -> Result<(RowKey<'a>, R), BadRow> {
    let [Cell::Utf8(design), Cell::I64(replication), rest @ ..] = cells else {
        return Err(BadRow("it does not begin with design and replication".to_owned()));
    };
    let replication = u64::try_from(*replication).map_err(|_| BadRow("its replication is negative".to_owned()))?;
    if rest.len() != R::COLUMNS.len() {
        return Err(BadRow(format!(
            "it has {} columns, not {}",
            cells.len(),
            R::COLUMNS.len() + 2
        )));
    }
    let mut record = R::default();
    for (column, cell) in R::COLUMNS.iter().zip(rest) {
        (column.set)(&mut record, cell.clone())
            .ok_or_else(|| BadRow(format!("column {} does not admit {cell:?}", column.name)))?;
    }
    Ok((RowKey { design, replication }, record))
}

/// The same, of a run that ends at the horizon.
///
/// # Errors
/// As [`record_of`], or if its times cannot be.
pub fn record_within<'a, R: Record>(cells: &'a [Cell<'_>], horizon: SimTime) -> Result<(RowKey<'a>, R), BadRow> {
    let (key, record) = record_of::<R>(cells)?;
    match record.fits(horizon) {
        true => Ok((key, record)),
        false => Err(BadRow(format!(
            "its times or counts cannot be in a row of replication {} of {}",
            key.replication, key.design
        ))),
    }
}

/// The table of a record, from the list of its fields in `cluster::records`.
macro_rules! table {
    ($(#[$meta:meta])* $record:ident $table:literal $($(#[$attribute:meta])* $field:ident: $type:ty =>
        $($column:literal [$unit:literal] $doc:literal $(as $how:tt)?),+;)+) => {
        impl Record for $record {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [Column<Self>] = &[$($(column!($column, $unit, $doc, $field: $type $(, $how)?)),+),+];
            fn fits(&self, horizon: SimTime) -> bool {
                Self::fits(self, horizon)
            }
        }
    };
}

/// A column: of a field as it is, of a part of it, in hexadecimal, of a phase, of the time lost to a cause, or by two functions.
macro_rules! column {
    ($name:literal, $unit:literal, $doc:literal, $field:ident: $type:ty) => {
        column!($name, $unit, $doc, $field: (), ($type, |r| r.$field.to_cell(), |r, value| r.$field = value))
    };
    ($name:literal, $unit:literal, $doc:literal, $field:ident: $of:ty, (in $part:ident: $type:ty)) => {
        column!($name, $unit, $doc, $field: (), (Option<$type>,
            |r| r.$field.as_ref().map_or(Cell::Null, |whole| whole.$part.to_cell()),
            |r, part| if let Some(part) = part { r.$field.get_or_insert_with(no_failure).$part = part }))
    };
    ($name:literal, $unit:literal, $doc:literal, $field:ident: $of:ty, (hexadecimal)) => {
        column!($name, $unit, $doc, $field: (), (Hexadecimal,
            |r| Cell::Utf8(format!("{:016x}", r.$field).into()), |r, value| r.$field = value.0))
    };
    ($name:literal, $unit:literal, $doc:literal, $field:ident: $of:ty, (phase)) => {
        column!($name, $unit, $doc, $field: (), (Option<SimDuration>,
            |r| r.$field.0[const { Phases::place($name) }].to_cell(),
            |r, span| r.$field.0[const { Phases::place($name) }] = span))
    };
    ($name:literal, $unit:literal, $doc:literal, $field:ident: $of:ty, (delay $cause:ident)) => {
        column!($name, $unit, $doc, $field: (), (Option<SimDuration>,
            |r| delay_cell(r, DelayCause::$cause), |r, span| set_delay(r, DelayCause::$cause, span)))
    };
    ($name:literal, $unit:literal, $doc:literal, $field:ident: $of:ty, ($type:ty, $get:expr, $set:expr)) => {
        Column {
            name: $name,
            kind: <$type as CellValue>::KIND,
            nullable: <$type as CellValue>::NULLABLE,
            unit: $unit,
            doc: $doc,
            get: $get,
            set: |record, cell| {
                let set: fn(&mut Self, $type) = $set;
                set(record, <$type>::from_cell(cell)?);
                Some(())
            },
        }
    };
}

records!(table);

/// A number in hexadecimal on its way through a text column.
struct Hexadecimal(u64);

impl CellValue for Hexadecimal {
    const KIND: Kind = Kind::Utf8;
    const NULLABLE: bool = false;
    fn to_cell(&self) -> Cell<'_> {
        Cell::Utf8(format!("{:016x}", self.0).into())
    }
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Utf8(text) => u64::from_str_radix(&text, 16).ok().map(Self),
            _ => None,
        }
    }
}

const fn no_failure() -> RunFailure {
    RunFailure {
        time: SimTime::ZERO,
        component: String::new(),
        reason: String::new(),
    }
}

fn delay_cell(pod: &PodRecord, cause: DelayCause) -> Cell<'static> {
    let spans = pod.delays.iter().filter(|(of, _)| *of == cause).map(|(_, span)| *span);
    spans
        .reduce(|a, b| a + b)
        .map_or(Cell::Null, |span| Cell::F64(span.as_secs_f64()))
}

fn set_delay(pod: &mut PodRecord, cause: DelayCause, span: Option<SimDuration>) {
    pod.delays.extend(span.map(|span| (cause, span)));
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::cluster::phases::{PHASES, Phase};

    fn survives<R: Record + PartialEq + std::fmt::Debug>(records: &[R]) {
        let mut bytes = Vec::new();
        for (replication, record) in records.iter().enumerate() {
            encode_row(
                RowKey {
                    design: "a",
                    replication: replication as u64,
                },
                record,
                &mut bytes,
            );
        }
        let (mut rest, mut cells) = (bytes.as_slice(), Vec::new());
        for (replication, record) in records.iter().enumerate() {
            decode_cells(&mut rest, &mut cells).unwrap();
            let (key, seen): (_, R) = record_of(&cells).unwrap();
            assert_eq!((key.design, key.replication), ("a", replication as u64));
            assert_eq!(&seen, record);
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn records_survive_their_rows() {
        let outcomes: Vec<_> = (0..40)
            .map(|replication| testing::Fake::default().outcome(0, replication))
            .collect();
        survives(&outcomes.iter().map(|o| o.run.clone()).collect::<Vec<_>>());
        survives(&outcomes.iter().flat_map(|o| o.pods.clone()).collect::<Vec<_>>());
        survives(&outcomes.iter().flat_map(|o| o.accesses.clone()).collect::<Vec<_>>());
        survives(&outcomes.iter().flat_map(|o| o.exposures.clone()).collect::<Vec<_>>());
        survives(&outcomes.iter().flat_map(|o| o.edges.clone()).collect::<Vec<_>>());
        survives(&outcomes.iter().flat_map(|o| o.flows.clone()).collect::<Vec<_>>());
    }

    #[test]
    fn the_format_is_the_published_one() {
        let lines: Vec<String> = TABLES
            .iter()
            .zip(columns_of_all())
            .flat_map(|(table, columns)| {
                columns.into_iter().map(move |c| {
                    let null = if c.nullable { " or null" } else { "" };
                    format!("{table}.{}: {:?}{null}", c.name, c.kind)
                })
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn every_phase_has_its_column() {
        let columns = columns_of::<PodRecord>();
        let has = |phase: &Phase| columns.iter().any(|column| column.name == format!("{}_s", phase.name));
        assert!(PHASES.iter().all(has));
    }

    #[test]
    fn names_end_with_their_unit() {
        for column in columns_of_all().into_iter().flatten() {
            assert!(column.unit != "s" || column.name.ends_with("_s"), "{}", column.name);
            assert!(column.doc.ends_with('.') && column.doc.len() < 110, "{}", column.doc);
        }
    }
}
