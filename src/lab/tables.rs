//! From rows to tables: segments become Parquet files, digests and the numbers behind the estimates, in one pass.
//!
//! Which segments count belongs to `experiment`, what a segment is to `segment`, one Parquet file to `parquet_write`.

use std::fs;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use super::cell::{BadRow, Cell};
use super::digest::TableDigest;
use super::error::LabError;
use super::files::unfinished_beside;
use super::numbers::DesignNumbers;
use super::parquet_write::ParquetTable;
use super::plan::{Plan, horizon_of};
use super::rows::{Record, RowKey, TABLES, columns_of_all, decode_cells, encode_cells, record_within};
use super::segment::{BatchRows, TableRows};
use super::store::{BatchId, Store, table_path};
use crate::cluster::records::{AccessRecord, EdgeRecord, ExposureRecord, FlowRecord, PodRecord, RunRecord};
use crate::kernel::{SimDuration, SimTime};

/// Streams the first `batches` batches of every design, in the order of designs and replications, into Parquet, digests and
/// numbers.
pub fn write_tables(
    store: &Store<'_>,
    batches: usize,
) -> Result<([TableDigest; TABLES.len()], Vec<DesignNumbers>), LabError> {
    let mut sinks = sinks(store.dir())?;
    let mut numbers = vec![DesignNumbers::default(); store.plan().designs.len()];
    let of_design = |design| (0..batches as u64).map(move |batch| BatchId { batch, design });
    let in_order: Vec<BatchId> = (0..store.plan().designs.len()).flat_map(of_design).collect();
    // A few batches at a time: each table by one worker, the numbers by another, and the next batches are read meanwhile.
    for_chunks(store, &in_order, |chunk, rows| {
        let write = || {
            sinks.par_iter_mut().enumerate().try_for_each(|(table, sink)| {
                let batches = chunk.iter().zip(rows);
                let mut batches = batches.map(|(id, batch)| (id, &batch.0[table]));
                batches.try_for_each(|(id, rows)| sink.take(rows).map_err(InTable::at(store, *id)))
            })
        };
        let (written, counted) = rayon::join(write, || count_chunk(store, chunk, rows, &mut numbers));
        written.and(counted)
    })?;
    Ok((finish(sinks)?, numbers))
}

/// Takes the numbers out of the batches of one stage, in the order of replications.
pub fn count_stage(store: &Store<'_>, stage: &Range<u64>, numbers: &mut [DesignNumbers]) -> Result<(), LabError> {
    for_chunks(store, &store.batches_in(stage), |chunk, rows| {
        count_chunk(store, chunk, rows, numbers)
    })
}

/// Whether the rows of a segment with a sound checksum are those of a batch: readable, of its design and its replications, and
/// with one row per run.
pub fn check_rows(plan: &Plan, design: usize, replications: &Range<u64>, batch: &BatchRows) -> Result<(), BadRow> {
    let horizon = SimTime::ZERO + plan.horizon();
    let name = &plan.designs[design].name;
    let mut runs = replications.clone();
    let other = |key: RowKey<'_>| {
        BadRow(format!(
            "it holds a row of replication {} of {}",
            key.replication, key.design
        ))
    };
    let there = |key: RowKey<'_>| key.design == name && replications.contains(&key.replication);
    let [of_runs, pods, accesses, exposures, edges, flows] = &batch.0;
    for_each::<RunRecord>(of_runs, horizon, |key, _| {
        match there(key) && runs.next() == Some(key.replication) {
            true => Ok(()),
            false => Err(other(key)),
        }
    })?;
    // As tables of a result: replications rise, and none is another design's.
    let belongs = |latest: &mut u64, key: RowKey<'_>| {
        let in_order = key.replication >= *latest;
        *latest = key.replication;
        if there(key) && in_order {
            Ok(())
        } else {
            Err(other(key))
        }
    };
    let mut latest = [replications.start; 5];
    for_each::<PodRecord>(pods, horizon, |key, _| belongs(&mut latest[0], key))?;
    for_each::<AccessRecord>(accesses, horizon, |key, _| belongs(&mut latest[1], key))?;
    for_each::<ExposureRecord>(exposures, horizon, |key, _| belongs(&mut latest[2], key))?;
    for_each::<EdgeRecord>(edges, horizon, |key, _| belongs(&mut latest[3], key))?;
    for_each::<FlowRecord>(flows, horizon, |key, _| belongs(&mut latest[4], key))?;
    match runs.next() {
        None => Ok(()),
        Some(run) => Err(BadRow(format!("replication {run} is missing"))),
    }
}

/// Hands chunks of batches with their rows to `each`, in order; the next chunk is read meanwhile.
fn for_chunks(
    store: &Store<'_>,
    in_order: &[BatchId],
    mut each: impl FnMut(&[BatchId], &[BatchRows]) -> Result<(), LabError> + Send,
) -> Result<(), LabError> {
    let chunks: Vec<&[BatchId]> = in_order.chunks(2 * rayon::current_num_threads()).collect();
    let read = |chunk: Option<&&[BatchId]>| {
        let ids = chunk.copied().unwrap_or_default().par_iter();
        ids.map(|id| store.read(*id)).collect::<Result<Vec<_>, _>>()
    };
    let mut rows = read(chunks.first())?;
    for (index, chunk) in chunks.iter().enumerate() {
        let (done, next) = rayon::join(|| each(chunk, &rows), || read(chunks.get(index + 1)));
        done?;
        rows = next?;
    }
    Ok(())
}

fn count_chunk(
    store: &Store<'_>,
    chunk: &[BatchId],
    rows: &[BatchRows],
    numbers: &mut [DesignNumbers],
) -> Result<(), LabError> {
    let plan = store.plan();
    let (first, horizon) = (plan.range().start, SimTime::ZERO + plan.horizon());
    let threshold = horizon_of(plan.delayed_threshold_s);
    chunk.iter().zip(rows).try_for_each(|(id, batch)| {
        count(&mut numbers[id.design], batch, first, horizon, threshold)
            .map_err(LabError::damaged(&store.segment_path(*id)))
    })
}

/// The tables of a result folder, begun.
pub fn sinks(dir: &Path) -> Result<Vec<TableSink>, LabError> {
    let tables = TABLES.iter().zip(columns_of_all());
    let begun = tables.map(|(table, columns)| {
        Ok(TableSink {
            parquet: ParquetTable::create(&table_path(dir, table), table, &columns)?,
            digest: TableDigest::default(),
        })
    });
    begun.collect()
}

/// Deletes tables that were not finished, so that a full disk has their room again.
pub fn discard(dir: &Path) {
    for table in TABLES {
        // The error that led here is the one to report.
        let _ = fs::remove_file(unfinished_beside(&table_path(dir, table)));
    }
}

pub fn finish(sinks: Vec<TableSink>) -> Result<[TableDigest; TABLES.len()], LabError> {
    let mut digests: [TableDigest; TABLES.len()] = Default::default();
    for (sink, digest) in sinks.into_iter().zip(&mut digests) {
        sink.parquet.finish()?;
        *digest = sink.digest;
    }
    Ok(digests)
}

/// A table on its way into file and digest.
pub struct TableSink {
    parquet: ParquetTable,
    digest: TableDigest,
}

/// What can go wrong while rows become a table.
enum InTable {
    Row(BadRow),
    File(LabError),
}

impl InTable {
    fn at<'a>(store: &'a Store<'_>, id: BatchId) -> impl FnOnce(Self) -> LabError + 'a {
        move |error| match error {
            Self::Row(bad) => LabError::damaged(&store.segment_path(id))(bad),
            Self::File(error) => error,
        }
    }
}

impl TableSink {
    /// Appends a row; `bytes` is a buffer.
    pub fn push(&mut self, cells: &[Cell<'_>], bytes: &mut Vec<u8>) -> Result<(), LabError> {
        bytes.clear();
        encode_cells(cells.iter().cloned(), bytes);
        self.digest.update(1, bytes);
        self.parquet.push(cells)
    }

    fn take(&mut self, rows: &TableRows) -> Result<(), InTable> {
        self.digest.update(rows.rows, &rows.bytes);
        let (mut rest, mut cells) = (rows.bytes.as_slice(), Vec::new());
        while !rest.is_empty() {
            decode_cells(&mut rest, &mut cells).map_err(InTable::Row)?;
            self.parquet.push(&cells).map_err(InTable::File)?;
        }
        Ok(())
    }
}

/// Takes the numbers out of the rows of a batch; replications count from `first`.
fn count(
    numbers: &mut DesignNumbers,
    batch: &BatchRows,
    first: u64,
    horizon: SimTime,
    threshold: SimDuration,
) -> Result<(), BadRow> {
    let [runs, pods, accesses, exposures, edges, flows] = &batch.0;
    for_each::<RunRecord>(runs, horizon, |_, run| {
        numbers.run(&run, horizon);
        Ok(())
    })?;
    for_each::<PodRecord>(pods, horizon, |key, pod| {
        numbers.pod(key.replication.wrapping_sub(first), &pod, threshold);
        Ok(())
    })?;
    for_each::<AccessRecord>(accesses, horizon, |key, access| {
        numbers.access(key.replication.wrapping_sub(first), &access);
        Ok(())
    })?;
    for_each::<ExposureRecord>(exposures, horizon, |key, window| {
        numbers.exposure(key.replication.wrapping_sub(first), &window, horizon);
        Ok(())
    })?;
    for_each::<EdgeRecord>(edges, horizon, |key, span| {
        numbers.edge(key.replication.wrapping_sub(first), &span, horizon);
        Ok(())
    })?;
    for_each::<FlowRecord>(flows, horizon, |key, flow| {
        numbers.flow(key.replication.wrapping_sub(first), &flow);
        Ok(())
    })
}

fn for_each<R: Record>(
    table: &TableRows,
    horizon: SimTime,
    mut each: impl FnMut(RowKey<'_>, R) -> Result<(), BadRow>,
) -> Result<(), BadRow> {
    let (mut rest, mut cells, mut rows) = (table.bytes.as_slice(), Vec::new(), 0_u64);
    while !rest.is_empty() {
        decode_cells(&mut rest, &mut cells)?;
        let (key, record) = record_within(&cells, horizon)?;
        each(key, record)?;
        rows += 1;
    }
    match rows == table.rows {
        true => Ok(()),
        false => Err(BadRow(format!(
            "a table of {} has {rows} rows; its header has {}",
            R::TABLE,
            table.rows
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing::plan;

    #[test]
    fn rows_of_a_batch_are_counted_and_in_order() {
        let plan = plan(4);
        let name = plan.designs[0].name.clone();
        let pod = |replication| {
            (
                RowKey {
                    design: &name,
                    replication,
                },
                PodRecord::default(),
            )
        };
        let batch = |pods: &[u64]| {
            let mut batch = BatchRows::default();
            for replication in 0..2 {
                let key = RowKey {
                    design: &name,
                    replication,
                };
                batch.0[0].push(key, &RunRecord::default());
            }
            pods.iter()
                .map(|&replication| pod(replication))
                .for_each(|(key, pod)| batch.0[1].push(key, &pod));
            batch
        };
        let check = |batch: &BatchRows| check_rows(&plan, 0, &(0..2), batch).map_err(|BadRow(reason)| reason);
        assert_eq!(check(&batch(&[0, 1, 1])), Ok(()));
        assert_eq!(
            check(&batch(&[1, 0])),
            Err(format!("it holds a row of replication 0 of {name}"))
        );
        let mut counted = batch(&[0]);
        counted.0[1].rows = 7;
        assert_eq!(
            check(&counted),
            Err("a table of pods has 1 rows; its header has 7".to_owned())
        );
    }
}
