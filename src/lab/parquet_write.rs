//! Writing a result table as Parquet: fixed row groups, zstd, a dictionary for text, no date and no machine in the file.
//!
//! Rows come in as cells, so this file knows no record. Row groups have a fixed number of rows, so the bytes depend on
//! the rows alone. Reading belongs to `parquet_read`.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type};

use super::cell::{Cell, Kind};
use super::error::LabError;
use super::files::{create, unfinished_beside};
use super::rows::{ColumnInfo, ROW_FORMAT};

/// Rows per row group. Large enough for dictionaries to pay, small enough for four tables in memory.
pub(super) const ROW_GROUP_ROWS: usize = 16_384;
const COMPRESSION_LEVEL: i32 = 3;
const CREATED_BY: &str = concat!("meshfault version ", env!("CARGO_PKG_VERSION"));

/// Key of the format's version in the file's metadata.
pub const FORMAT_KEY: &str = "meshfault.format";

/// A Parquet file in the making. It gets its name when it is finished.
pub struct ParquetTable {
    path: PathBuf,
    unfinished: PathBuf,
    writer: SerializedFileWriter<BufWriter<File>>,
    buffers: Vec<Buffer>,
    rows: usize,
}

/// The values of one column of the present row group.
struct Buffer {
    nullable: bool,
    /// 1 for a value, 0 for null; unused in columns without null.
    levels: Vec<i16>,
    values: Values,
}

enum Values {
    /// Text in one piece, with the end of each value.
    Utf8(Vec<u8>, Vec<usize>),
    I64(Vec<i64>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
}

impl ParquetTable {
    /// Begins the file of `table` at `path`.
    pub fn create(path: &Path, table: &str, columns: &[ColumnInfo]) -> Result<Self, LabError> {
        let unfinished = unfinished_beside(path);
        let file = create(&unfinished)?;
        let begin = || {
            let schema = Arc::new(schema(table, columns)?);
            SerializedFileWriter::new(BufWriter::new(file), schema, Arc::new(properties(table, columns)?))
        };
        let writer = begin().map_err(LabError::parquet(&unfinished, "begin"))?;
        let buffers = columns.iter().map(Buffer::new).collect();
        Ok(Self {
            path: path.to_owned(),
            unfinished,
            writer,
            buffers,
            rows: 0,
        })
    }

    /// Appends a row.
    ///
    /// # Errors
    /// If the file system refuses.
    ///
    /// # Panics
    /// If the cells do not fit the columns.
    pub fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), LabError> {
        assert_eq!(cells.len(), self.buffers.len(), "a row has a cell for each column");
        for (buffer, cell) in self.buffers.iter_mut().zip(cells) {
            buffer.push(cell);
        }
        self.rows += 1;
        if self.rows == ROW_GROUP_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what is left and gives the file its name.
    pub fn finish(mut self) -> Result<(), LabError> {
        if self.rows > 0 {
            self.flush()?;
        }
        self.writer
            .close()
            .map_err(LabError::parquet(&self.unfinished, "finish"))?;
        fs::rename(&self.unfinished, &self.path).map_err(LabError::file(&self.path, "rename a file to it"))
    }

    fn flush(&mut self) -> Result<(), LabError> {
        let buffers = &mut self.buffers;
        let mut write = || {
            let mut group = self.writer.next_row_group()?;
            for buffer in buffers.iter_mut() {
                buffer.write(&mut group)?;
            }
            group.close().map(|_| ())
        };
        write().map_err(LabError::parquet(&self.unfinished, "write"))?;
        self.rows = 0;
        Ok(())
    }
}

impl Buffer {
    fn new(column: &ColumnInfo) -> Self {
        let values = match column.kind {
            Kind::Utf8 => Values::Utf8(Vec::new(), Vec::new()),
            Kind::I64 => Values::I64(Vec::new()),
            Kind::F64 => Values::F64(Vec::new()),
            Kind::Bool => Values::Bool(Vec::new()),
        };
        Self {
            nullable: column.nullable,
            levels: Vec::new(),
            values,
        }
    }

    fn push(&mut self, cell: &Cell<'_>) {
        match (&mut self.values, cell) {
            (_, Cell::Null) => assert!(self.nullable, "a column without null got one"),
            (Values::Utf8(text, ends), Cell::Utf8(value)) => {
                text.extend_from_slice(value.as_bytes());
                ends.push(text.len());
            }
            (Values::I64(values), Cell::I64(value)) => values.push(*value),
            (Values::F64(values), Cell::F64(value)) => values.push(*value),
            (Values::Bool(values), Cell::Bool(value)) => values.push(*value),
            (_, cell) => panic!("a column of another type got {cell:?}"),
        }
        if self.nullable {
            self.levels.push(i16::from(*cell != Cell::Null));
        }
    }

    fn write(&mut self, group: &mut SerializedRowGroupWriter<'_, BufWriter<File>>) -> ParquetResult<()> {
        let levels = self.nullable.then_some(self.levels.as_slice());
        match &mut self.values {
            Values::Utf8(text, ends) => {
                let text = ByteArray::from(std::mem::take(text));
                let starts = std::iter::once(0).chain(ends.iter().copied());
                let values: Vec<ByteArray> = starts
                    .zip(ends.iter())
                    .map(|(start, end)| text.slice(start, end - start))
                    .collect();
                write_column::<ByteArrayType>(group, &values, levels)?;
                ends.clear();
            }
            Values::I64(values) => {
                write_column::<Int64Type>(group, values, levels)?;
                values.clear();
            }
            Values::F64(values) => {
                write_column::<DoubleType>(group, values, levels)?;
                values.clear();
            }
            Values::Bool(values) => {
                write_column::<BoolType>(group, values, levels)?;
                values.clear();
            }
        }
        self.levels.clear();
        Ok(())
    }
}

fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, BufWriter<File>>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> ParquetResult<()> {
    let mut column = group
        .next_column()?
        .expect("the schema has as many columns as the table");
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

fn schema(table: &str, columns: &[ColumnInfo]) -> ParquetResult<Type> {
    let fields = columns.iter().map(|column| {
        let (physical, logical) = match column.kind {
            Kind::Utf8 => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::I64 => (Physical::INT64, None),
            Kind::F64 => (Physical::DOUBLE, None),
            Kind::Bool => (Physical::BOOLEAN, None),
        };
        let repetition = if column.nullable {
            Repetition::OPTIONAL
        } else {
            Repetition::REQUIRED
        };
        let field = Type::primitive_type_builder(&column.name, physical);
        field
            .with_repetition(repetition)
            .with_logical_type(logical)
            .build()
            .map(Arc::new)
    });
    Type::group_type_builder(table)
        .with_fields(fields.collect::<ParquetResult<Vec<_>>>()?)
        .build()
}

fn properties(table: &str, columns: &[ColumnInfo]) -> ParquetResult<WriterProperties> {
    let docs = serde_json::to_string(columns).expect("column descriptions are plain data");
    let metadata = [
        (FORMAT_KEY, ROW_FORMAT),
        ("meshfault.table", table),
        ("meshfault.columns", &docs),
    ];
    let metadata = metadata.map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned()));
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_key_value_metadata(Some(metadata.to_vec()))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(COMPRESSION_LEVEL)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_enabled(false);
    for column in columns.iter().filter(|column| column.kind == Kind::Utf8) {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(column.name.as_str()), true);
    }
    Ok(properties.build())
}
