//! `designs.parquet`: a row per design and point, with a column per factor, to be joined with the other tables by `design`.
//!
//! It is derived from the manifest and belongs to no digest. Levels are texts, as they were written; a factor whose levels
//! are all spans of time or all rates has a second column with its number and the unit at the end of the name.

use std::borrow::Cow;
use std::path::Path;

use super::cell::{Cell, Kind};
use super::error::LabError;
use super::lists::unique;
use super::parquet_write::ParquetTable;
use super::plan::PlannedDesign;
use super::rows::ColumnInfo;
use super::store::table_path;
use crate::scenario::factors::quantity::Quantity;

pub const DESIGNS: &str = "designs";

/// A column that every table has: its name, its meaning, and its value, if a design has one.
type OfDesign = (&'static str, &'static str, fn(&PlannedDesign) -> Option<Cow<'_, str>>);

const OF_DESIGNS: [OfDesign; 8] = [
    ("design", "Full name, as in the other tables.", |of| {
        Some(Cow::Borrowed(&of.name))
    }),
    (
        "base_design",
        "Name in the experiment, the same for all points of the design.",
        |of| Some(Cow::Borrowed(of.base())),
    ),
    ("title", "One line about the design.", |of| {
        Some(Cow::Borrowed(&of.title))
    }),
    ("kubernetes_version", "Version of Kubernetes.", |of| {
        version(of, "kubernetes")
    }),
    ("cilium_version", "Version of Cilium.", |of| version(of, "cilium")),
    ("istio_version", "Version of Istio; null without Istio.", |of| {
        version(of, "istio")
    }),
    (
        "policies_in_force",
        "Layers that enforce their policies: network, mesh, or both with a comma between; empty for none.",
        |of| Some(Cow::Owned(of.layers.join(","))),
    ),
    (
        "control",
        "The design that it names as its control; null for none.",
        |of| of.control.as_deref().map(Cow::Borrowed),
    ),
];

fn version<'d>(of: &'d PlannedDesign, component: &str) -> Option<Cow<'d, str>> {
    of.versions
        .get(component)
        .map(|version| Cow::Borrowed(version.as_str()))
}

struct FactorColumn<'p> {
    factor: &'p str,
    /// Whether it holds numbers instead of texts.
    number: bool,
    info: ColumnInfo,
}

pub fn write(dir: &Path, designs: &[PlannedDesign]) -> Result<(), LabError> {
    let of_factors = factor_columns(designs);
    let fixed = OF_DESIGNS
        .iter()
        .map(|(name, doc, value)| text(name, value(&PlannedDesign::default()).is_none(), doc));
    let mut columns: Vec<ColumnInfo> = fixed.collect();
    columns.extend(of_factors.iter().map(|column| column.info.clone()));
    let mut table = ParquetTable::create(&table_path(dir, DESIGNS), DESIGNS, &columns)?;
    for design in designs {
        let fixed = OF_DESIGNS
            .iter()
            .map(|(_, _, value)| value(design).map_or(Cell::Null, Cell::Utf8));
        let mut cells: Vec<Cell<'_>> = fixed.collect();
        cells.extend(of_factors.iter().map(|column| {
            let level = design.factors.get(column.factor);
            let cell = level.map(|level| match column.number {
                true => Quantity::parse(level).map_or(Cell::Null, |quantity| Cell::F64(quantity.number)),
                false => Cell::Utf8(Cow::Borrowed(level)),
            });
            cell.unwrap_or(Cell::Null)
        }));
        table.push(&cells)?;
    }
    table.finish()
}

fn text(name: &str, nullable: bool, doc: &str) -> ColumnInfo {
    ColumnInfo {
        name: name.to_owned(),
        kind: Kind::Utf8,
        nullable,
        unit: String::new(),
        doc: doc.to_owned(),
    }
}

/// The columns of all factors that some design takes, in the order in which they appear.
fn factor_columns(designs: &[PlannedDesign]) -> Vec<FactorColumn<'_>> {
    let names = unique(
        designs
            .iter()
            .flat_map(|design| design.factors.keys().map(String::as_str)),
    );
    let is_taken = |name: &str| OF_DESIGNS.iter().any(|(fixed, ..)| *fixed == name);
    let mut columns = Vec::new();
    for &factor in &names {
        let column = match is_taken(factor) {
            true => format!("factor_{factor}"),
            false => factor.to_owned(),
        };
        let doc = format!("Level of the factor {factor} as it was written; null where the design does not take it.");
        columns.push(FactorColumn {
            factor,
            number: false,
            info: text(&column, true, &doc),
        });
        let levels = || designs.iter().filter_map(|design| design.factors.get(factor));
        let all = |seconds: i32| levels().all(|level| Quantity::parse(level).is_some_and(|q| q.seconds == seconds));
        let unit = match (all(1), all(-1)) {
            (true, _) => Some(("s", "s")),
            (_, true) => Some(("per_s", "1/s")),
            _ => None,
        };
        let Some((ending, unit)) = unit else { continue };
        let name = format!("{column}_{ending}");
        if names.contains(&name.as_str()) {
            continue;
        }
        columns.push(FactorColumn {
            factor,
            number: true,
            info: ColumnInfo {
                name,
                kind: Kind::F64,
                nullable: true,
                unit: unit.to_owned(),
                doc: format!("Level of the factor {factor} as a number."),
            },
        });
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    #[test]
    fn a_row_per_point_and_a_column_per_factor() {
        let dir = tempfile::tempdir().unwrap();
        let mut designs = crate::lab::testing::plan(1).designs;
        for (design, level) in designs.iter_mut().zip(["90s", "1h30m"]) {
            design.factors.insert("cut".to_owned(), level.to_owned());
            design.factors.insert("istio".to_owned(), "1.21.0".to_owned());
        }
        designs[1].design = "both-in-the-file".to_owned();
        designs[1].factors.insert("title".to_owned(), "a".to_owned());
        designs[1].versions.insert("cilium".to_owned(), "1.12.0".to_owned());
        designs[1].layers = vec!["network".to_owned(), "mesh".to_owned()];
        designs[1].control = Some("off".to_owned());
        write(dir.path(), &designs).unwrap();
        let file = std::fs::File::open(dir.path().join("designs.parquet")).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let rows: Vec<String> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().to_string())
            .collect();
        assert_eq!(
            rows,
            [
                "{design: \"cilium-only\", base_design: \"cilium-only\", title: \"The network alone\", kubernetes_version: null, \
                 cilium_version: null, istio_version: null, policies_in_force: \"\", control: null, cut: \"90s\", cut_s: 90.0, \
                 istio: \"1.21.0\", factor_title: null}",
                "{design: \"both\", base_design: \"both-in-the-file\", title: \"Network and mesh\", kubernetes_version: null, \
                 cilium_version: \"1.12.0\", istio_version: null, policies_in_force: \"network,mesh\", control: \"off\", \
                 cut: \"1h30m\", cut_s: 5400.0, istio: \"1.21.0\", factor_title: \"a\"}",
                "{design: \"control\", base_design: \"control\", title: \"No cut\", kubernetes_version: null, \
                 cilium_version: null, istio_version: null, policies_in_force: \"\", control: null, cut: null, cut_s: null, \
                 istio: null, factor_title: null}",
            ]
        );
    }
}
