//! Segments of an experiment that was ended half-way: bytes are damaged, or rows are changed and the checksum is put right.
//! Whoever goes on with it gets the undisturbed result, or one whose rows are those of the segments.

use std::fs;
use std::path::Path;

use meshfault::lab::cell::Cell;
use meshfault::lab::experiment::Start;
use meshfault::lab::rows::{decode_cells, encode_cells};
use meshfault::lab::segment::BatchRows;
use meshfault::lab::store::{BatchId, Store};

use crate::stored::{Study, change_bytes, change_cell, check_complaint, check_memory, copy, files_of};
use crate::support::{Numbers, cases};

/// Changes the rows of a segment; its checksum is right.
fn change_rows(store: &Store<'_>, id: BatchId, numbers: &mut Numbers) {
    let Ok(mut batch) = store.read(id) else { return };
    let table = numbers.below(4);
    match numbers.below(6) {
        0 => change_bytes(&mut batch.0[table].bytes, numbers),
        1 => batch.0[table].rows = numbers.next() >> numbers.below(64),
        2 => batch = BatchRows::default(),
        _ => {
            let (mut bytes, mut rows) = (batch.0[table].bytes.as_slice(), Vec::new());
            let mut cells = Vec::new();
            while !bytes.is_empty() && decode_cells(&mut bytes, &mut cells).is_ok() {
                rows.push(cells.clone());
            }
            if rows.is_empty() {
                return;
            }
            let row = numbers.below(rows.len());
            let mut cells: Vec<Cell<'static>> = rows[row].iter().map(crate::stored::owned).collect();
            let place = numbers.below(cells.len());
            match numbers.below(6) {
                0 => drop(cells.remove(place)),
                1 => cells.push(Cell::Null),
                2 => cells[place] = Cell::Null,
                _ => change_cell(&mut cells[place], numbers),
            }
            let mut again = Vec::new();
            for (index, old) in rows.iter().enumerate() {
                let new = if index == row { &cells } else { old };
                encode_cells(new.iter().cloned(), &mut again);
            }
            batch.0[table].bytes = again;
        }
    }
    store.write(id, &batch).expect("it can be written");
}

/// Damages the file of a segment; says whether its checksum is right all the same.
fn damage(path: &Path, numbers: &mut Numbers) -> bool {
    let mut bytes = fs::read(path).expect("the segment is there");
    let before = bytes.clone();
    while bytes == before {
        change_bytes(&mut bytes, numbers);
    }
    // Whoever unpacks it must bear anything.
    let right = numbers.below(2) == 0 && bytes.len() > blake3::OUT_LEN;
    if right {
        let end = bytes.len() - blake3::OUT_LEN;
        let checksum = blake3::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(checksum.as_bytes());
    }
    fs::write(path, bytes).expect("it can be written");
    right
}

#[test]
fn changed_segments_are_made_again_or_used() {
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    let study = Study::new("ip-reuse", &["native-routing", "control"], 8);
    let (whole, begun, dir) = (
        root.path().join("whole"),
        root.path().join("begun"),
        root.path().join("changed"),
    );
    let whole = study.run(&whole, Start::New, None).expect("it can be run");
    study.run(&begun, Start::New, Some(8)).expect("it can be begun");
    let there = files_of(&begun.join("segments")).len();
    assert!((8..16).contains(&there), "{there} segments");
    let (mut equal, mut other) = (0_u32, 0_u32);
    for case in cases(40) {
        let mut numbers = Numbers(case);
        copy(&begun, &dir);
        let store = Store::new(&dir, &study.plan);
        let segments = files_of(&dir.join("segments"));
        let damages = numbers.below(3) == 0;
        let mut sealed = false;
        for _ in 0..=numbers.below(2) {
            if damages {
                sealed |= damage(&segments[numbers.below(segments.len())], &mut numbers);
            } else {
                sealed = true;
                let id = BatchId {
                    batch: numbers.below(there / 2) as u64,
                    design: numbers.below(2),
                };
                change_rows(&store, id, &mut numbers);
            }
        }
        match study.run(&dir, Start::Resume, None) {
            Ok(finished) if finished.manifest.result_digest == whole.manifest.result_digest => equal += 1,
            // Rows that could be true. They are shown, and the result opens.
            Ok(finished) => {
                other += 1;
                assert!(sealed, "case {case}: a damaged segment was believed");
                meshfault::lab::open_result(&finished.dir).expect("what was written can be opened");
            }
            Err(error) => {
                check_complaint(case, &error);
                panic!("case {case}: a changed segment stops the experiment: {error}");
            }
        }
    }
    assert!(
        equal > 0 && other > 0,
        "{equal} as undisturbed, {other} with other rows"
    );
    check_memory();
}
