//! The data of a figure as a table: comma-separated values for spreadsheets and notebooks.
//!
//! Names of columns end in their unit; shares are between 0 and 1. What is in the tables belongs to the figures.

use serde_json::{Map, Value};

#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Text(String),
    /// A number; empty if it is not finite.
    Number(f64),
    Count(u64),
    Empty,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Cell::Text(text.clone())
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Cell::Number(number)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Cell::Count(count)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Empty, Into::into)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    pub columns: Vec<&'static str>,
    /// Rows, as long as the columns.
    pub rows: Vec<Vec<Cell>>,
}

impl Sheet {
    pub fn new(columns: &'static str) -> Self {
        Sheet {
            columns: columns.split_whitespace().collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it is not as long as the columns.
    pub fn push(&mut self, row: Vec<Cell>) {
        assert_eq!(row.len(), self.columns.len(), "a row of {:?}", self.columns);
        self.rows.push(row);
    }

    /// The rows as JSON objects by column, as specifications of charts carry them.
    pub fn values(&self) -> Value {
        let value = |cell: &Cell| match cell {
            Cell::Text(text) => Value::from(text.as_str()),
            Cell::Number(number) if number.is_finite() => Value::from(*number),
            Cell::Count(count) => Value::from(*count),
            Cell::Number(_) | Cell::Empty => Value::Null,
        };
        let object = |row: &Vec<Cell>| -> Map<String, Value> {
            let columns = self.columns.iter().map(|column| (*column).to_owned());
            columns.zip(row.iter().map(value)).collect()
        };
        self.rows.iter().map(object).map(Value::Object).collect()
    }

    /// The table by RFC 4180, lines ending in a line feed.
    pub fn csv(&self) -> String {
        let mut text = self.columns.join(",");
        text.push('\n');
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(written).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        text
    }
}

fn written(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Count(count) => count.to_string(),
        Cell::Number(number) if number.is_finite() => number.to_string(),
        Cell::Number(_) => String::new(),
        Cell::Text(text) => csv_field(text),
    }
}

/// A text as a field by RFC 4180. Spreadsheets run what begins like a formula, so it gets an apostrophe, unless it
/// is a number.
pub fn csv_field(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let text = if is_formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

macro_rules! sheet_row {
    ($($value:expr),+ $(,)?) => { vec![$($crate::report::figures::sheet::Cell::from($value)),+] };
}
pub(super) use sheet_row;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awkward_texts_and_numbers_are_written_safely() {
        let mut sheet = Sheet::new("design wait_s pods");
        sheet.push(sheet_row!["a, \"b\"", 0.1 + 0.2, 3_u64]);
        sheet.push(sheet_row!["=1+1", None::<f64>, 0_u64]);
        sheet.push(sheet_row!["", f64::NAN, 7_u64]);
        assert_eq!(
            sheet.csv(),
            "design,wait_s,pods\n\"a, \"\"b\"\"\",0.30000000000000004,3\n'=1+1,,0\n,,7\n"
        );
    }
}
