//! Segments: the rows of one batch in one file, so that a killed experiment can go on.
//!
//! A segment is a header (format, plan, design, replications), the tables as canonical rows, compressed, and a
//! BLAKE3 checksum over all of it. It is written under a temporary name and renamed, so it is whole or absent; if it
//! is damaged later the checksum shows it. Which segments there should be belongs to `store`.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use super::cell::{BadRow, take};
use super::error::LabError;
use super::files::{SEGMENT_MAX, read, write_whole};
use super::rows::{Record, RowKey, TABLES, encode_row};
use crate::cluster::records::Outcome;

const MAGIC: &[u8; 8] = b"mfseg-1\n";
const CHECKSUM_LENGTH: usize = blake3::OUT_LEN;
/// Segments live for minutes: the fastest level that still halves them.
const COMPRESSION_LEVEL: i32 = 1;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRows {
    pub rows: u64,
    pub bytes: Vec<u8>,
}

impl TableRows {
    pub fn push<R: Record>(&mut self, key: RowKey<'_>, record: &R) {
        encode_row(key, record, &mut self.bytes);
        self.rows += 1;
    }
}

/// Rows of one batch: runs, pods, accesses, exposures, edges, flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchRows(pub [TableRows; TABLES.len()]);

impl BatchRows {
    pub fn push(&mut self, key: RowKey<'_>, outcome: &Outcome) {
        let [runs, pods, accesses, exposures, edges, flows] = &mut self.0;
        runs.push(key, &outcome.run);
        outcome.pods.iter().for_each(|pod| pods.push(key, pod));
        outcome.accesses.iter().for_each(|access| accesses.push(key, access));
        outcome
            .exposures
            .iter()
            .for_each(|exposure| exposures.push(key, exposure));
        outcome.edges.iter().for_each(|edge| edges.push(key, edge));
        outcome.flows.iter().for_each(|flow| flows.push(key, flow));
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentKey {
    pub plan: blake3::Hash,
    pub design: u64,
    pub replications: Range<u64>,
}

impl SegmentKey {
    fn header(&self) -> Vec<u8> {
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(self.plan.as_bytes());
        for number in [self.design, self.replications.start, self.replications.end] {
            header.extend_from_slice(&number.to_le_bytes());
        }
        header
    }
}

pub fn write_segment(path: &Path, key: &SegmentKey, batch: &BatchRows) -> Result<(), LabError> {
    let mut body = Vec::with_capacity(batch.0.iter().map(|table| table.bytes.len() + 16).sum());
    for table in &batch.0 {
        body.extend_from_slice(&table.rows.to_le_bytes());
        body.extend_from_slice(&(table.bytes.len() as u64).to_le_bytes());
        body.extend_from_slice(&table.bytes);
    }
    let mut bytes = key.header();
    bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    let packed = zstd::bulk::compress(&body, COMPRESSION_LEVEL).map_err(LabError::file(path, "compress"))?;
    bytes.extend_from_slice(&packed);
    bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
    write_whole(path, &bytes)
}

/// Reads a segment and checks it.
///
/// # Errors
/// If it cannot be read, its checksum is wrong, or it holds another batch.
pub fn read_segment(path: &Path, key: &SegmentKey) -> Result<BatchRows, LabError> {
    let bytes = read(path, SEGMENT_MAX)?;
    parse_segment(&bytes, key).map_err(|BadRow(reason)| LabError::Damaged {
        path: path.to_owned(),
        reason,
    })
}

fn parse_segment(bytes: &[u8], key: &SegmentKey) -> Result<BatchRows, BadRow> {
    let bad = |reason: &str| BadRow(reason.to_owned());
    let split = bytes
        .len()
        .checked_sub(CHECKSUM_LENGTH)
        .ok_or_else(|| bad("the segment is too short"))?;
    let (content, checksum) = bytes.split_at(split);
    if blake3::hash(content).as_bytes() != checksum {
        return Err(bad("the checksum is wrong"));
    }
    let mut rest = content
        .strip_prefix(&key.header()[..])
        .ok_or_else(|| bad("the segment holds another batch"))?;
    let length = u64::from_le_bytes(take(&mut rest)?);
    // Unpacked piece by piece: the length that stands there may be anything.
    let unpacked = zstd::stream::read::Decoder::new(rest).map_err(|error| BadRow(error.to_string()))?;
    let mut body = Vec::new();
    let most = SEGMENT_MAX.min(length);
    let read = unpacked.take(most.saturating_add(1)).read_to_end(&mut body);
    read.map_err(|error| BadRow(error.to_string()))?;
    if body.len() as u64 != length {
        return Err(bad("the length of the tables differs from the segment's header"));
    }
    let mut body = body.as_slice();
    let mut batch = BatchRows::default();
    for table in &mut batch.0 {
        table.rows = u64::from_le_bytes(take(&mut body)?);
        let length = u64::from_le_bytes(take(&mut body)?) as usize;
        let (rows, rest) = body
            .split_at_checked(length)
            .ok_or_else(|| bad("a table ends too early"))?;
        table.bytes = rows.to_vec();
        body = rest;
    }
    Ok(batch)
}
