//! Reading a result table back from Parquet, row by row, one row group in memory.
//!
//! Files come from this program, but may be damaged or of another version: schema and types are checked, and what does
//! not fit is an error with the path. Writing belongs to `parquet_write`.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};

use super::cell::{BadRow, Cell, Kind};
use super::digest::{TableDigest, result_digest};
use super::error::LabError;
use super::files::{TABLE_MAX, open};
use super::manifest::Manifest;
use super::parquet_write::{FORMAT_KEY, ROW_GROUP_ROWS};
use super::rows::{
    ColumnInfo, ROW_FORMAT, Record, RowKey, TABLES, columns_of, columns_of_all, encode_cells, record_within,
};
use super::runner::caught;
use super::store::table_path;
use crate::cluster::records::RunRecord;
use crate::kernel::SimTime;

/// Hands every row of the table of `R` in the result folder `dir` to `each`, in order.
///
/// # Errors
/// If the file is absent, damaged or of another format, or `each` fails.
pub fn read_rows<R: Record>(
    dir: &Path,
    horizon: SimTime,
    mut each: impl FnMut(RowKey<'_>, R) -> Result<(), LabError>,
) -> Result<(), LabError> {
    let path = table_path(dir, R::TABLE);
    read_cells(&path, &columns_of::<R>(), |cells| {
        let (key, record) = record_within::<R>(cells, horizon).map_err(LabError::damaged(&path))?;
        each(key, record)
    })
}

/// The result digest of the rows in the Parquet files of the result folder `dir`; every row is shown to `order` first.
///
/// # Errors
/// If a file is absent, damaged or of another format, or a row stands out of order.
pub fn digest_of_files(dir: &Path, order: &RowOrder<'_>) -> Result<String, LabError> {
    let mut digests: [TableDigest; TABLES.len()] = Default::default();
    let mut bytes = Vec::new();
    for ((table, columns), digest) in TABLES.iter().zip(columns_of_all()).zip(&mut digests) {
        let path = table_path(dir, table);
        let mut order = order.begin(*table == RunRecord::TABLE);
        read_cells(&path, &columns, |cells| {
            order.row(cells).map_err(LabError::damaged(&path))?;
            bytes.clear();
            encode_cells(cells.iter().cloned(), &mut bytes);
            digest.update(1, &bytes);
            Ok(())
        })?;
        order.end().map_err(LabError::damaged(&path))?;
    }
    Ok(result_digest(&digests))
}

/// Which rows a table may have: of these designs in this order, and of these replications.
pub struct RowOrder<'a> {
    designs: Vec<&'a str>,
    replications: Range<u64>,
}

/// The rows of one table, looked at one after another.
struct OrderOfTable<'a> {
    of: &'a RowOrder<'a>,
    /// Whether each run has one row, as in the table of runs.
    one_each: bool,
    rows: u64,
    design: usize,
    replication: u64,
}

impl<'a> RowOrder<'a> {
    pub fn of(manifest: &'a Manifest) -> Self {
        Self {
            designs: manifest.designs.iter().map(|design| design.name.as_str()).collect(),
            replications: manifest.range(),
        }
    }

    fn begin(&'a self, one_each: bool) -> OrderOfTable<'a> {
        OrderOfTable {
            of: self,
            one_each,
            rows: 0,
            design: 0,
            replication: self.replications.start,
        }
    }
}

impl OrderOfTable<'_> {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), BadRow> {
        let [Cell::Utf8(design), Cell::I64(replication), ..] = cells else {
            return Err(BadRow("it does not begin with design and replication".to_owned()));
        };
        let rows = self.rows;
        let wrong = |why: &str| BadRow(format!("row {rows} is of replication {replication} of {design}, {why}"));
        let Range { start, end } = self.of.replications;
        let runs = end - start;
        let there = u64::try_from(*replication)
            .ok()
            .filter(|number| (start..end).contains(number));
        let there = there.ok_or_else(|| wrong("which the result does not hold"))?;
        let before = (self.design, self.replication);
        while self.of.designs.get(self.design).is_some_and(|name| name != design) {
            self.design += 1;
        }
        if self.design == self.of.designs.len() {
            return Err(wrong(
                "a design that the result does not hold, or that occurs earlier in it",
            ));
        }
        let now = (self.design, there);
        if now < before || self.one_each && now != ((self.rows / runs) as usize, start + self.rows % runs) {
            return Err(wrong("which is in another place, twice, or behind one that is missing"));
        }
        self.replication = there;
        self.rows += 1;
        Ok(())
    }

    fn end(&self) -> Result<(), BadRow> {
        let Range { start, end } = self.of.replications;
        let wanted = (end - start).saturating_mul(self.of.designs.len() as u64);
        if self.one_each && self.rows != wanted {
            return Err(BadRow(format!("it has {} runs, not {wanted}", self.rows)));
        }
        Ok(())
    }
}

/// Hands every row of a Parquet file to `each`, in order.
///
/// # Errors
/// If the file is absent, damaged or has other columns, or `each` fails.
pub fn read_cells(
    path: &Path,
    columns: &[ColumnInfo],
    mut each: impl FnMut(&[Cell<'_>]) -> Result<(), LabError>,
) -> Result<(), LabError> {
    let mut rows = RowReader::open(path, columns)?;
    while let Some(cells) = rows.next_row()? {
        each(&cells)?;
    }
    Ok(())
}

/// The rows of a Parquet file one after another, for readers of several files at once.
pub struct RowReader {
    path: PathBuf,
    columns: Vec<ColumnInfo>,
    reader: SerializedFileReader<File>,
    next_group: usize,
    rows: usize,
    row: usize,
    chunks: Vec<Chunk>,
    cursors: Vec<usize>,
}

impl RowReader {
    /// Opens the file and checks its format and columns.
    ///
    /// # Errors
    /// If the file is absent, damaged or has other columns.
    pub fn open(path: &Path, columns: &[ColumnInfo]) -> Result<Self, LabError> {
        let (file, _) = open(path, TABLE_MAX)?;
        let reader = sound(path, "open", || SerializedFileReader::new(file))?;
        check(&reader, columns).map_err(LabError::damaged(path))?;
        Ok(Self {
            path: path.to_owned(),
            columns: columns.to_vec(),
            reader,
            next_group: 0,
            rows: 0,
            row: 0,
            chunks: Vec::new(),
            cursors: Vec::new(),
        })
    }

    /// The design of the row that comes next; `None` at the end.
    pub fn design_ahead(&mut self) -> Result<Option<Cell<'_>>, LabError> {
        if !self.fill()? {
            return Ok(None);
        }
        let cell = self.chunks[0].cell(self.row, &mut self.row.clone());
        cell.map(Some).map_err(LabError::damaged(&self.path))
    }

    /// The next row; `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<Vec<Cell<'_>>>, LabError> {
        if !self.fill()? {
            return Ok(None);
        }
        let row = self.row;
        self.row += 1;
        let cells = self
            .chunks
            .iter()
            .zip(&mut self.cursors)
            .map(|(chunk, next)| chunk.cell(row, next));
        let cells = cells.collect::<Result<Vec<_>, _>>();
        cells.map(Some).map_err(LabError::damaged(&self.path))
    }

    /// Reads the next row group with rows once the present one is used up; false at the end.
    fn fill(&mut self) -> Result<bool, LabError> {
        while self.row == self.rows {
            if self.next_group == self.reader.num_row_groups() {
                return Ok(false);
            }
            let (reader, columns, group) = (&self.reader, &self.columns, self.next_group);
            let read = || {
                let group = reader.get_row_group(group)?;
                let rows = usize::try_from(group.metadata().num_rows()).ok();
                let rows = rows.filter(|rows| *rows <= ROW_GROUP_ROWS).ok_or_else(|| {
                    ParquetError::General(format!(
                        "a row group has more than {ROW_GROUP_ROWS} rows, or fewer than none"
                    ))
                })?;
                let chunks = columns
                    .iter()
                    .enumerate()
                    .map(|(index, column)| Chunk::read(&*group, index, column, rows));
                Ok((rows, chunks.collect::<ParquetResult<Vec<_>>>()?))
            };
            let (rows, chunks) = sound(&self.path, "read", read)?;
            (self.rows, self.row, self.chunks) = (rows, 0, chunks);
            self.cursors = vec![0; self.chunks.len()];
            self.next_group += 1;
        }
        Ok(true)
    }
}

/// What the Parquet library reads. It panics at some damaged files; then they are damaged, and no more.
fn sound<T>(path: &Path, action: &'static str, read: impl FnOnce() -> ParquetResult<T>) -> Result<T, LabError> {
    match caught(read) {
        Ok(read) => read.map_err(LabError::parquet(path, action)),
        Err(reason) => Err(LabError::Damaged {
            path: path.to_owned(),
            reason: format!("the Parquet library failed: {reason}"),
        }),
    }
}

fn check(reader: &SerializedFileReader<File>, columns: &[ColumnInfo]) -> Result<(), BadRow> {
    let metadata = reader.metadata().file_metadata();
    let format = metadata
        .key_value_metadata()
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == FORMAT_KEY));
    let format = format.and_then(|pair| pair.value.as_deref()).unwrap_or("none");
    if format != ROW_FORMAT {
        return Err(BadRow(format!("the row format is {format}, not {ROW_FORMAT}")));
    }
    let held: Vec<_> = metadata
        .schema_descr()
        .columns()
        .iter()
        .map(|column| column.name())
        .collect();
    let wanted: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    if held == wanted {
        Ok(())
    } else {
        Err(BadRow(format!("the columns are {held:?}, not {wanted:?}")))
    }
}

/// One column of one row group.
struct Chunk {
    levels: Option<Vec<i16>>,
    values: Values,
}

enum Values {
    Utf8(Vec<ByteArray>),
    I64(Vec<i64>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
}

impl Chunk {
    fn read(group: &dyn RowGroupReader, index: usize, column: &ColumnInfo, rows: usize) -> ParquetResult<Self> {
        let mut levels = column.nullable.then(Vec::new);
        let values = match column.kind {
            Kind::Utf8 => Values::Utf8(values_of::<ByteArrayType>(group, index, rows, levels.as_mut())?),
            Kind::I64 => Values::I64(values_of::<Int64Type>(group, index, rows, levels.as_mut())?),
            Kind::F64 => Values::F64(values_of::<DoubleType>(group, index, rows, levels.as_mut())?),
            Kind::Bool => Values::Bool(values_of::<BoolType>(group, index, rows, levels.as_mut())?),
        };
        Ok(Self { levels, values })
    }

    fn cell(&self, row: usize, next: &mut usize) -> Result<Cell<'_>, BadRow> {
        let missing = || BadRow(format!("a column has no value for row {row}"));
        if let Some(levels) = &self.levels
            && *levels.get(row).ok_or_else(missing)? == 0
        {
            return Ok(Cell::Null);
        }
        let index = *next;
        *next += 1;
        let cell = match &self.values {
            Values::Utf8(values) => {
                let text = values.get(index).ok_or_else(missing)?.as_utf8();
                Some(Cell::Utf8(
                    text.map_err(|_| BadRow("text is not UTF-8".to_owned()))?.into(),
                ))
            }
            Values::I64(values) => values.get(index).copied().map(Cell::I64),
            Values::F64(values) => values.get(index).copied().map(Cell::F64),
            Values::Bool(values) => values.get(index).copied().map(Cell::Bool),
        };
        cell.ok_or_else(missing)
    }
}

fn values_of<T: DataType>(
    group: &dyn RowGroupReader,
    index: usize,
    rows: usize,
    levels: Option<&mut Vec<i16>>,
) -> ParquetResult<Vec<T::T>> {
    let reader = group.get_column_reader(index)?;
    let Some(mut reader) = T::get_column_reader(reader) else {
        return Err(ParquetError::General(format!("column {index} has another type")));
    };
    let mut values = Vec::new();
    reader.read_records(rows, levels, None, &mut values)?;
    Ok(values)
}
