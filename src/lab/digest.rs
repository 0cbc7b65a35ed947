//! The digest of a result: BLAKE3 over canonical rows, never over files.
//!
//! Each table is hashed by itself, its rows in the order of designs in the plan, replications, and rows of a run; the
//! result digest is taken over format, table names, row counts and table digests. So it can be computed while tables
//! are written side by side or read one after another, and depends neither on workers, batches and interruptions nor
//! on the Parquet library. What a row's bytes are belongs to `rows`.

use super::rows::{ROW_FORMAT, TABLES};

#[derive(Clone, Default)]
pub struct TableDigest {
    hasher: blake3::Hasher,
    rows: u64,
}

impl TableDigest {
    pub fn update(&mut self, rows: u64, bytes: &[u8]) {
        self.rows += rows;
        self.hasher.update(bytes);
    }

    pub const fn rows(&self) -> u64 {
        self.rows
    }
}

pub fn result_digest(tables: &[TableDigest; TABLES.len()]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(ROW_FORMAT.as_bytes());
    for (name, table) in TABLES.iter().zip(tables) {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&table.rows.to_le_bytes());
        hasher.update(table.hasher.finalize().as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
