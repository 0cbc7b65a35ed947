//! The kept corpus of the fuzzer: every file is an error with a place or a result, in every way of reading.

use std::fs;
use std::path::Path;

use super::{Purpose, ReadOptions, read_texts};
use crate::scenario::yaml;

#[test]
fn every_file_of_the_corpus_is_an_error_or_a_result() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/manifests");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the corpus is there")
        .flatten()
        .map(|e| e.path())
        .collect();
    files.sort();
    assert!(files.len() > 20, "{}", files.len());
    for file in files {
        let Ok(text) = yaml::read_text(&file).inspect_err(|e| assert!(e.line.is_some(), "{e}")) else {
            continue;
        };
        for (purpose, lenient) in [
            (Purpose::Simulate, false),
            (Purpose::Simulate, true),
            (Purpose::Policy, false),
            (Purpose::Policy, true),
        ] {
            let read = read_texts(&[(file.clone(), text.as_str())], ReadOptions { purpose, lenient });
            for error in read.err().into_iter().flatten() {
                assert!(error.line.is_some() || error.message.contains("documents"), "{error}");
            }
        }
    }
}
