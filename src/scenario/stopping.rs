//! The key `stopping` of an experiment: when enough runs have been made.
//!
//! Belongs here: how the rule is written, and everything that can be wrong with it. Does not belong here: which measures and
//! units there are (`lab::question_check`), looking at results (`lab::stopping`), and what a width means (`stats::sequential`). The rule replaces `replications`, so a file has
//! one of the two; `--replications` replaces the rule, so that a study that was stopped can be repeated.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::REPLICATIONS_MAX;
use super::claim::Quantity;
use super::error::InputError;
use super::point_name::base_of;
use super::schema::{Experiment, Text};
use super::values::{complain, count, is_sound, positive_duration, unknown};
use super::yaml::Spanned;
use crate::kernel::SimDuration;
use crate::stats::Precision;
use crate::stats::sequential::FIRST_LOOK_MIN;

/// Runs at the first look unless the file sets another number.
const FIRST_LOOK: u32 = 200;
/// Most runs if a time budget alone ends the study.
const AT_MOST_BY_TIME: u32 = 1_000_000;

/// The rule as it is written.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoppingForm {
    /// Replications at the first look; later looks double them. The default is 200, the least 100.
    pub first_look: Option<Text>,
    /// Intervals that shall be narrow enough, all of them.
    #[serde(default)]
    pub until: Vec<Spanned<TargetForm>>,
    /// Most replications of each design; required with `until`.
    pub at_most: Option<Text>,
    /// Wall time for making runs; the study ends at the last look that fits.
    pub time_budget: Option<Text>,
}

/// One interval that shall be narrow enough, as it is written.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetForm {
    /// A measure with an interval.
    pub measure: Text,
    /// Largest half-width, in the unit of the measure.
    pub half_width: Option<Text>,
    /// Largest relative error, `5%`.
    pub relative: Option<Text>,
    /// Only in these designs; without it in all.
    pub designs: Option<Vec<Text>>,
}

/// When enough runs have been made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stopping {
    /// Replications at the first look; later looks double them.
    pub first_look: u64,
    /// Intervals that shall be narrow enough, all of them; empty for a time budget alone.
    pub until: Vec<Target>,
    /// Most replications of each design.
    pub at_most: u64,
    /// Wall time for making runs \[s\].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_budget_s: Option<f64>,
}

/// One interval that shall be narrow enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Target {
    /// The measure.
    pub measure: String,
    /// How narrow.
    pub precision: Precision,
    /// Only in these designs, by the name of a design or of one of its points; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub designs: Vec<String>,
}

/// The number of replications and the rule, if there is one, of the file as it is written and with the changes from the command
/// line.
pub(super) fn replications(
    path: &Path,
    written: &Experiment,
    experiment: &Experiment,
) -> Result<(u32, Option<Stopping>), InputError> {
    // A rule that does not count this time is checked all the same.
    let form = experiment.stopping.as_ref().or(written.stopping.as_ref());
    let rule = form.map(|form| rule(path, experiment, form)).transpose()?;
    if let (Some(fixed), Some(form)) = (&written.replications, &written.stopping) {
        let message = format!(
            "`replications: {}` and `stopping` both set the number of runs",
            fixed.value
        );
        return Err(complain(path, form, message).with_hint("leave out `replications`; `stopping` has `at_most`"));
    }
    if let Some(fixed) = &experiment.replications {
        return Ok((count(path, fixed, 1, REPLICATIONS_MAX)?, None));
    }
    match rule {
        Some(rule) => Ok((u32::try_from(rule.at_most).unwrap_or(REPLICATIONS_MAX), Some(rule))),
        None => Err(complain(path, &experiment.meshfault, "the number of runs is not set")
            .with_hint("write `replications: 1000`, or a rule under `stopping`")),
    }
}

fn rule(path: &Path, experiment: &Experiment, form: &Spanned<StoppingForm>) -> Result<Stopping, InputError> {
    let written = &form.value;
    if written.until.is_empty() && written.time_budget.is_none() {
        return Err(complain(path, form, "nothing ends the study").with_hint(
            "write widths under `until`, such as `- {measure: unauthorized_any, half_width: 0.01}`, or a `time_budget`",
        ));
    }
    let first_look = match &written.first_look {
        Some(text) => count(path, text, FIRST_LOOK_MIN as u32, REPLICATIONS_MAX)?,
        None => FIRST_LOOK,
    };
    let at_most = match &written.at_most {
        Some(text) => count(path, text, first_look, REPLICATIONS_MAX)?,
        None if written.until.is_empty() => AT_MOST_BY_TIME.max(first_look),
        None => {
            // The level of each look depends on how many there can be.
            return Err(complain(path, form, "`stopping` has `until` without `at_most`")
                .with_hint("write the most replications that you can afford, such as `at_most: 20000`"));
        }
    };
    let targets = written.until.iter().map(|written| target(path, experiment, written));
    let budget = written
        .time_budget
        .as_ref()
        .map(|text| positive_duration(path, text))
        .transpose()?;
    Ok(Stopping {
        first_look: first_look.into(),
        until: targets.collect::<Result<_, _>>()?,
        at_most: at_most.into(),
        time_budget_s: budget.map(SimDuration::as_secs_f64),
    })
}

fn target(path: &Path, experiment: &Experiment, written: &Spanned<TargetForm>) -> Result<Target, InputError> {
    let form = &written.value;
    let precision = match (&form.half_width, &form.relative) {
        (Some(text), None) => Precision::HalfWidth(half_width(path, text)?),
        (None, Some(text)) => Precision::Relative(relative(path, text)?),
        (given, _) => {
            let how = if given.is_some() { "two widths" } else { "no width" };
            let message = format!("`{}` has {how}", form.measure.value);
            return Err(complain(path, &form.measure, message).with_hint("write either `half_width` or `relative`"));
        }
    };
    let names = || experiment.designs.iter().map(|design| design.name.value.as_str());
    let designs = form.designs.iter().flatten().map(|text| {
        // Behind an `@` stands a point of the design; whether there is such a point is known when the plan is made.
        let base = base_of(&text.value);
        if names().any(|name| name == base) {
            Ok(text.value.clone())
        } else {
            Err(unknown(path, text, "design", names()))
        }
    });
    Ok(Target {
        measure: form.measure.value.clone(),
        precision,
        designs: designs.collect::<Result<_, _>>()?,
    })
}

/// A half-width in some unit.
fn half_width(path: &Path, text: &Text) -> Result<f64, InputError> {
    let quantity = Quantity::parse(&text.value).filter(|quantity| quantity.value > 0.0);
    quantity.map(|quantity| quantity.value).ok_or_else(|| {
        complain(path, text, format!("`{}` is not a valid half-width", text.value))
            .with_hint("write a value above 0 in the unit of the measure, such as `0.01`, `1%` or `250ms`")
    })
}

/// Checks a half-width against the unit of its measure.
pub fn check_half_width(path: &Path, text: &Text, unit: &str) -> Result<(), InputError> {
    let wrong = |what: &str, hint: &str| {
        complain(path, text, format!("`{}` is not a valid {what}", text.value)).with_hint(hint)
    };
    match unit {
        "s" => positive_duration(path, text).map(|_| ()),
        "1" => share(&text.value).map(|_| ()).ok_or_else(|| {
            wrong(
                "half-width of a share",
                "write a number between 0 and 1, or per cent: `0.01` or `1%`",
            )
        }),
        _ => {
            let number = text.value.trim().parse().ok();
            let number = number.filter(|number: &f64| *number > 0.0 && is_sound(*number));
            number
                .map(|_| ())
                .ok_or_else(|| wrong("half-width of a number", "write a number above 0, such as `0.5`"))
        }
    }
}

fn relative(path: &Path, text: &Text) -> Result<f64, InputError> {
    let message = || format!("`{}` is not a valid relative width", text.value);
    share(&text.value).ok_or_else(|| {
        complain(path, text, message()).with_hint("write per cent between 0 and 100, or a number between 0 and 1: `5%`")
    })
}

/// A number strictly between 0 and 1, or per cent.
fn share(text: &str) -> Option<f64> {
    let text = text.trim();
    let number: f64 = match text.strip_suffix('%') {
        Some(percent) => percent.trim_end().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (number > 0.0 && number < 1.0 && is_sound(number)).then_some(number)
}
