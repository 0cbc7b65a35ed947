//! The values at the top of an experiment file: horizon, replications, seed, limits and how random numbers are shared.
//!
//! Belongs here: how they are read, and what they are where they are wrong. Does not belong here: designs (`world`) and when there are
//! enough replications (`stopping`).

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::error::{InputError, keep_one};
use super::schema::{self, Experiment};
use super::stopping::{self, Stopping};
use super::values::{choice, complain, limit, positive_duration, seed};
use crate::cluster::spec::{RunLimits, TieRule};
use crate::kernel::{SimDuration, SimTime};

/// The form of experiment files that is read.
const FORM: &str = "1";

/// The seed group of an experiment that names none, so that its random numbers do not depend on the name of its file.
const SEED_GROUP: &str = "meshfault";

/// When runs begin where nothing is said: a Monday.
pub(super) const BEGINS: &str = "2024-01-01T00:00:00";

/// The values at the top of an experiment file.
pub struct Head {
    pub horizon: SimTime,
    pub begins: Timestamp,
    pub limits: RunLimits,
    pub tie_order: TieRule,
    pub independent: bool,
    pub replications: u32,
    pub stopping: Option<Stopping>,
    pub seed: u64,
    pub seed_group: String,
}

pub const RANDOM_NUMBERS: [(&str, bool); 2] = [("common", false), ("independent", true)];

pub const TIE_RULES: [(&str, TieRule); 2] = [
    (TieRule::Ranked.word(), TieRule::Ranked),
    (TieRule::Permuted.word(), TieRule::Permuted),
];

impl Head {
    /// Reads the values; what is wrong is added to `wrong`, and has a value that is right for what depends on it.
    pub fn read(path: &Path, written: &Experiment, experiment: &Experiment, wrong: &mut Vec<InputError>) -> Self {
        if experiment.meshfault.value != FORM {
            let message = format!("form `{}` of experiment files is not known", experiment.meshfault.value);
            wrong.push(complain(path, &experiment.meshfault, message).with_hint(format!("write `meshfault: {FORM}`")));
        }
        if experiment.designs.is_empty() {
            wrong.push(
                InputError::in_file(path, "the experiment has no design")
                    .with_hint("write at least one under `designs`"),
            );
        }
        for (index, design) in experiment.designs.iter().enumerate() {
            let name = &design.name.value;
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            if name.is_empty() || !name.chars().all(plain) {
                let message = format!("`{name}` is not a valid name for a design");
                wrong.push(complain(path, &design.name, message).with_hint("letters, digits, `-`, `.` and `_`"));
            }
            if experiment.designs[..index]
                .iter()
                .any(|earlier| earlier.name.value == *name)
            {
                let message = format!("a second design is named `{name}`");
                wrong.push(complain(path, &design.name, message).with_hint("every design needs a name of its own"));
            }
        }
        let replications = keep_one(wrong, stopping::replications(path, written, experiment));
        let (replications, stopping) = replications.unwrap_or((1, None));
        let length = keep_one(wrong, horizon(path, &experiment.horizon));
        let tie_order = experiment
            .tie_order
            .as_ref()
            .and_then(|text| keep_one(wrong, choice(path, text, "order of ties", &TIE_RULES)));
        let independent = experiment
            .random_numbers
            .as_ref()
            .and_then(|text| keep_one(wrong, choice(path, text, "kind of random numbers", &RANDOM_NUMBERS)));
        let group = experiment.seed_group.as_ref();
        Self {
            horizon: SimTime::ZERO + length.unwrap_or(SimDuration::EXACT_MAX),
            begins: keep_one(wrong, begins(path, experiment.begins_at.as_ref())).unwrap_or_default(),
            limits: keep_one(wrong, limits(path, &experiment.limits)).unwrap_or_default(),
            tie_order: tie_order.unwrap_or_default(),
            independent: independent.unwrap_or_default(),
            replications,
            stopping,
            seed: experiment
                .seed
                .as_ref()
                .and_then(|text| keep_one(wrong, seed(path, text)))
                .unwrap_or(1),
            seed_group: group.map_or(SEED_GROUP, |group| &group.value).to_owned(),
        }
    }
}

fn begins(path: &Path, written: Option<&schema::Text>) -> Result<Timestamp, InputError> {
    let read = |text: &str| text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    let text = written.map_or(BEGINS, |written| written.value.trim());
    match (read(text), written) {
        (Some(time), _) => Ok(time.timestamp()),
        (None, None) => Ok(Timestamp::UNIX_EPOCH),
        (None, Some(at)) => {
            let message = format!("`{}` is not a date and time", at.value);
            Err(complain(path, at, message).with_hint(format!("write UTC as in `{BEGINS}`")))
        }
    }
}

fn horizon(path: &Path, written: &schema::Text) -> Result<SimDuration, InputError> {
    let length = positive_duration(path, written)?;
    if length <= SimDuration::EXACT_MAX {
        return Ok(length);
    }
    let message = format!("a horizon of `{}` is too long", written.value);
    let hint = "write at most `2251799s`, up to which results hold every nanosecond";
    Err(complain(path, written, message).with_hint(hint))
}

fn limits(path: &Path, written: &schema::Limits) -> Result<RunLimits, InputError> {
    let value = |text: &Option<schema::Text>, usual| text.as_ref().map_or(Ok(usual), |text| limit(path, text));
    let usual = RunLimits::default();
    Ok(RunLimits {
        events_max: value(&written.events_max, usual.events_max)?,
        events_per_instant_max: value(&written.events_per_instant_max, usual.events_per_instant_max)?,
        pending_max: value(&written.pending_max, usual.pending_max)?,
        memory_max_mib: value(&written.memory_max_mib, usual.memory_max_mib)?,
    })
}
