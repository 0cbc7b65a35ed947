//! What results and segments are changed with: damaged bytes, strange JSON, strange cells, and small results to begin with.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use meshfault::lab::cell::Cell;
use meshfault::lab::designs::{Simulator, plan};
use meshfault::lab::error::LabError;
use meshfault::lab::experiment::{Options, Start, execute};
use meshfault::lab::plan::Plan;
use meshfault::lab::progress::{Event, Listen};
use meshfault::lab::result::Finished;
use meshfault::lab::shard::Shard;
use meshfault::scenario::Scenario;
use meshfault::scenario::overrides::Overrides;
use serde_json::{Value, json};

use crate::support::Numbers;

/// Most bytes of a complaint.
const COMPLAINT_MAX: usize = 20_000;
/// Most memory of a process that reads damaged files, by far: small results with many fuzzers side by side.
const MEMORY_MAX_KIB: u64 = 3 << 20;

/// An experiment that can be run.
pub struct Study {
    /// What is run.
    pub plan: Plan,
    simulator: Simulator,
}

impl Study {
    /// A built-in experiment with few replications; all its designs, or the named ones.
    pub fn new(experiment: &str, designs: &[&str], replications: u64) -> Self {
        let changes = Overrides::parse(&[format!("replications={replications}")]).expect("it is well formed");
        let scenario = Scenario::built_in(experiment, &changes).expect("the experiment is sound");
        let chosen = |name: &str| designs.is_empty() || designs.contains(&name);
        let designs: Vec<_> = scenario.designs.iter().filter(|design| chosen(&design.name)).collect();
        Self {
            plan: plan(&scenario, &designs),
            simulator: Simulator::new(scenario.seed, &scenario.seed_group, designs.iter().copied()),
        }
    }

    /// The same, of which one part is run.
    pub fn shard(mut self, index: u64, of: u64) -> Self {
        self.plan.shard = Some(Shard { index, of });
        self
    }

    /// Runs it into a folder, or goes on there; ends after some batches if a number is given.
    pub fn run(&self, dir: &Path, start: Start, batches: Option<usize>) -> Result<Finished, LabError> {
        let options = Options {
            dir: dir.to_owned(),
            jobs: 1,
            start,
            quiet: true,
            command_line: Vec::new(),
        };
        let stop = AtomicBool::new(batches == Some(0));
        let ender = Ender(&stop, batches.map(|batches| (batches, AtomicUsize::new(0))));
        execute(&self.plan, &self.simulator, &options, &stop, &ender)
    }
}

/// Stops after some batches.
struct Ender<'a>(&'a AtomicBool, Option<(usize, AtomicUsize)>);

impl Listen for Ender<'_> {
    fn hear(&self, event: Event<'_>) {
        if let (Event::Batch { .. }, Some((most, made))) = (event, &self.1)
            && made.fetch_add(1, Ordering::SeqCst) + 1 >= *most
        {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

/// The files of a folder below it, sorted.
pub fn files_of(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder can be read").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    found
}

/// Makes `to` a copy of the folder `from`.
pub fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    for file in files_of(from) {
        let copy = to.join(file.strip_prefix(from).expect("it lies in the folder"));
        fs::create_dir_all(copy.parent().expect("a file has a folder")).expect("the folder can be made");
        fs::copy(&file, copy).expect("the file can be copied");
    }
}

/// Damages bytes as disks, editors and enemies do.
pub fn change_bytes(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    if bytes.is_empty() {
        bytes.extend_from_slice(b"{}");
    }
    let at = numbers.below(bytes.len());
    let to = at + numbers.below((bytes.len() - at).min(64) + 1);
    match numbers.below(8) {
        0 => bytes[at] ^= 1 << numbers.below(8),
        1 => bytes.truncate(at),
        2 => bytes[at..to].fill(0),
        3 => bytes[at..to].fill(0xff),
        4 => {
            let piece = bytes[at..to].to_vec();
            let place = numbers.below(bytes.len());
            bytes.splice(place..place, piece);
        }
        5 => drop(bytes.drain(at..to)),
        6 => {
            // Lengths are what readers trust too much: near 2^31, 2^32, 2^63 and 2^64, in both of the usual codings.
            let length: &[u8] = numbers.of(&[
                &[0xff, 0xff, 0xff, 0x7f][..],
                &[0xff, 0xff, 0xff, 0xff],
                &[0xff; 8],
                &[0, 0, 0, 0, 0, 0, 0, 0x80],
                &[0x80, 0x80, 0x80, 0x80, 0x10],
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            ]);
            let end = (at + length.len()).min(bytes.len());
            bytes.splice(at..end, length.iter().copied());
        }
        _ => {
            let noise = numbers.next();
            let end = (at + 8).min(bytes.len());
            bytes.splice(at..end, noise.to_le_bytes());
        }
    }
}

/// What stands in place of a JSON value.
fn strange(numbers: &mut Numbers) -> Value {
    let nested = |depth| (0..depth).fold(json!(0), |inner, _| json!([inner]));
    match numbers.below(20) {
        0 => Value::Null,
        1 => json!(0),
        2 => json!(-1),
        3 => json!(1),
        4 => json!(u64::MAX),
        5 => json!(i64::MIN),
        6 => json!(1e308),
        7 => json!(-1e308),
        8 => json!(5e-324),
        9 => json!(4_294_967_295_u64),
        10 => json!(4_294_967_296_u64),
        11 => json!(0.5),
        12 => json!([]),
        13 => json!({}),
        14 => json!(""),
        15 => json!("\u{1b}[31m\u{202e}<script>alert(1)</script>|`$&"),
        16 => json!("x".repeat(1 + numbers.below(100_000))),
        17 => nested(1 + numbers.below(200)),
        18 => json!(true),
        _ => json!("../../../etc/passwd"),
    }
}

/// Changes one place of a JSON tree.
pub fn change_json(tree: &mut Value, numbers: &mut Numbers) {
    let inside = match tree {
        Value::Array(items) if !items.is_empty() => {
            let place = numbers.below(items.len());
            match numbers.below(14) {
                0 => return drop(items.remove(place)),
                1 => {
                    let item = items[place].clone();
                    return items.extend(std::iter::repeat_n(item, 1 + numbers.below(3)));
                }
                2 => {
                    let other = numbers.below(items.len());
                    return items.swap(place, other);
                }
                _ => &mut items[place],
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            let place = numbers.below(fields.len());
            let name = fields.keys().nth(place).expect("it is one of them").clone();
            match numbers.below(14) {
                0 => return drop(fields.remove(&name)),
                1 => return drop(fields.insert(format!("{name}x"), strange(numbers))),
                _ => &mut fields[&name],
            }
        }
        leaf => return *leaf = strange(numbers),
    };
    match numbers.below(6) {
        0 => *inside = strange(numbers),
        _ => change_json(inside, numbers),
    }
}

/// Another cell of the same column.
pub fn change_cell(cell: &mut Cell<'static>, numbers: &mut Numbers) {
    *cell = match cell {
        Cell::Null => Cell::Null,
        Cell::Bool(value) => Cell::Bool(!*value),
        Cell::I64(_) => Cell::I64([0, -1, 1, 7, i64::MAX, i64::MIN, 4_294_967_296][numbers.below(7)]),
        Cell::F64(value) => Cell::F64(
            [
                0.0,
                -0.0,
                -1.0,
                1e308,
                -1e308,
                f64::NAN,
                f64::INFINITY,
                5e-324,
                *value * 2.0,
                *value * 0.5,
            ][numbers.below(10)],
        ),
        Cell::Utf8(_) => Cell::Utf8(
            ["", "x", "<b>", "\u{1b}[31m", "never", "control", &"long".repeat(5000)][numbers.below(7)]
                .to_owned()
                .into(),
        ),
    };
}

/// A cell that outlives its row.
pub fn owned(cell: &Cell<'_>) -> Cell<'static> {
    match cell {
        Cell::Null => Cell::Null,
        Cell::Utf8(text) => Cell::Utf8(text.clone().into_owned().into()),
        Cell::I64(value) => Cell::I64(*value),
        Cell::F64(value) => Cell::F64(*value),
        Cell::Bool(value) => Cell::Bool(*value),
    }
}

/// A complaint is short, and the process has not grown without bound.
pub fn check_complaint(case: u64, error: &LabError) {
    let told = error.to_string();
    assert!(
        told.len() < COMPLAINT_MAX,
        "case {case}: a complaint of {} bytes: {:.500}",
        told.len(),
        told
    );
}

/// The most memory that this process ever had is within sense. Only Linux reports it.
pub fn check_memory() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    assert!(peak.is_none_or(|peak| peak < MEMORY_MAX_KIB), "{peak:?} KiB");
}
