//! `measures.parquet`: a row per run with its value of each measure that is a share of runs or a mean over runs, so that the mean
//! of a column is the estimate of `summary.json`. It joins the other tables by `design` and `replication`.
//!
//! It is derived from the rows and stands apart from `runs.parquet`, whose columns are the facts under the result digest; like
//! the table of designs it has a digest of its own in the manifest.

use std::borrow::Cow;
use std::path::Path;

use super::cell::{Cell, CellValue, Kind};
use super::error::LabError;
use super::manifest::Manifest;
use super::measures::{Context, Definition, Frame, Presence, Value, measure_sets};
use super::numbers::{DesignNumbers, RunNumbers};
use super::parquet_write::ParquetTable;
use super::plan::PlannedDesign;
use super::rows::{ColumnInfo, key_columns};
use super::store::table_path;

pub const MEASURES: &str = "measures";

/// The measures of a design that have a value per run, and the value.
fn definitions<'n>(
    frame: &'n Frame,
    (design, numbers): (&'n PlannedDesign, &'n DesignNumbers),
) -> impl Iterator<Item = Definition<'n>> {
    let context = Context { frame, design, numbers };
    let all = measure_sets().iter().flat_map(move |set| set(context));
    all.filter(|of| matches!(of.value, Value::Share(_) | Value::Mean { .. }) && of.presence == Presence::Shown)
}

fn value(of: &Definition<'_>, run: &RunNumbers) -> Option<f64> {
    match &of.value {
        Value::Share(of) => of(run).map(|happened| f64::from(u8::from(happened))),
        Value::Mean { of, .. } => of(run),
        Value::Ratio(_) | Value::Quantile { .. } | Value::Extreme(_) => None,
    }
}

pub fn write(dir: &Path, manifest: &Manifest, numbers: &[DesignNumbers]) -> Result<(), LabError> {
    let frame = Frame::of_manifest(manifest);
    let designs = || manifest.designs.iter().zip(numbers);
    let mut columns = key_columns();
    for of in designs().flat_map(|design| definitions(&frame, design)) {
        if columns.iter().all(|column| column.name != of.name) {
            columns.push(ColumnInfo {
                name: of.name,
                kind: Kind::F64,
                nullable: true,
                unit: of.unit.to_owned(),
                doc: of.estimand,
            });
        }
    }
    let mut table = ParquetTable::create(&table_path(dir, MEASURES), MEASURES, &columns)?;
    for (design, numbers) in designs() {
        let own: Vec<Definition<'_>> = definitions(&frame, (design, numbers)).collect();
        let place = |column: &ColumnInfo| own.iter().find(|of| of.name == column.name);
        let own: Vec<Option<&Definition<'_>>> = columns[2..].iter().map(place).collect();
        for (run, replication) in numbers.runs.iter().zip(manifest.first_replication()..) {
            let values = own
                .iter()
                .map(|of| of.filter(|_| !run.failed).and_then(|of| value(of, run)));
            let keys = [Cell::Utf8(Cow::Borrowed(&design.name)), replication.to_cell()];
            let values = values.map(|value| value.map_or(Cell::Null, Cell::F64));
            table.push(&keys.into_iter().chain(values).collect::<Vec<_>>())?;
        }
    }
    table.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::AtomicBool;

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;
    use crate::lab::testing::{Fake, plan};
    use crate::lab::{Options, Start, execute};

    #[test]
    fn the_mean_of_a_column_is_the_estimate() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            dir: dir.path().to_owned(),
            jobs: 2,
            start: Start::New,
            quiet: true,
            command_line: Vec::new(),
        };
        let finished = execute(&plan(40), &Fake::default(), &options, &AtomicBool::new(false), &()).unwrap();
        let file = std::fs::File::open(table_path(dir.path(), MEASURES)).unwrap();
        let mut sums: BTreeMap<(String, String), (f64, u64)> = BTreeMap::new();
        for row in SerializedFileReader::new(file).unwrap().get_row_iter(None).unwrap() {
            let row = row.unwrap();
            let cells: Vec<(&String, &Field)> = row.get_column_iter().collect();
            let Field::Str(design) = cells[0].1 else {
                panic!("{row}")
            };
            for (name, value) in &cells[2..] {
                if let Field::Double(value) = value {
                    let sum = sums.entry((design.clone(), (*name).clone())).or_default();
                    *sum = (sum.0 + value, sum.1 + 1);
                }
            }
        }
        assert!(sums.len() > 20, "{}", sums.len());
        for ((design, name), (sum, n)) in sums {
            let designs = finished.summary.designs.iter();
            let of_design = designs.filter(|of| of.name == design).find_map(|of| of.measure(&name));
            let measure = of_design.unwrap_or_else(|| panic!("{design} has no {name}"));
            let estimate = measure.estimate.unwrap_or(f64::NAN);
            assert_eq!(measure.n, n, "{design} {name}");
            assert!(
                (estimate - sum / n as f64).abs() < 1e-9,
                "{design} {name}: {estimate}, {sum} of {n}"
            );
        }
    }
}
