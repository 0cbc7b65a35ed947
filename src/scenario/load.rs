//! The load of the API servers of one design: requests of clients that are not modeled.

use super::error::{InputError, all};
use super::faults::{Targets, number, point, span};
use super::layers::Merged;
use super::schema;
use super::values::{choice, complain, rate};
use crate::cluster::api_flow::{Background, Flow, Level, Verb};
use crate::kernel::SimTime;

/// Most requests per second of one flow: beyond that a run would do little else.
const RATE_MAX: f64 = 100_000.0;

/// The flows of a design.
///
/// # Errors
/// For every one that is wrong.
pub fn load(merged: &Merged<'_>, targets: &Targets) -> Result<Vec<Background>, Vec<InputError>> {
    let written = &merged.experiment.cluster.load;
    all(written.iter().enumerate().map(|(index, flow)| {
        let same = |other: &&super::yaml::Spanned<schema::Load>| other.value.name.value == flow.value.name.value;
        if let Some(first) = written[..index].iter().find(same) {
            let message = format!("two flows are called `{}`", first.value.name.value);
            let hint = "the name chooses the random numbers of a flow: give each its own";
            return Err(complain(merged.file, &flow.value.name, message).with_hint(hint));
        }
        background(merged, targets, &flow.value)
    }))
}

fn background(merged: &Merged<'_>, targets: &Targets, written: &schema::Load) -> Result<Background, InputError> {
    let file = merged.file;
    let count = |text: &Option<schema::Text>| text.as_ref().map_or(Ok(1), |text| number(merged, text, 1));
    let verb = choice(file, merged.text(&written.verb)?, "verb", &Verb::ALL)?;
    let rate_text = merged.text(&written.rate)?;
    let rate_per_s = rate(file, rate_text)?;
    if rate_per_s > RATE_MAX {
        let message = format!("`{}` is more than {RATE_MAX} requests per second", rate_text.value);
        return Err(complain(file, rate_text, message).with_hint("write a lower rate, or fewer cores and seats"));
    }
    if let (Some(objects), false) = (&written.objects, verb == Verb::List) {
        let message = format!("a `{}` is about one object", written.verb.value);
        return Err(complain(file, objects, message).with_hint("leave `objects` out, or write `verb: list`"));
    }
    Ok(Background {
        flow: Flow {
            name: written.name.value.clone(),
            level: choice(file, merged.text(&written.level)?, "priority level", &Level::ALL)?,
            verb,
            rate_per_s,
            objects: count(&written.objects)?,
            users: count(&written.users)?,
            work: written.work.as_ref().map(|work| span(merged, work)).transpose()?,
        },
        from: written
            .from
            .as_ref()
            .map_or(Ok(SimTime::ZERO), |from| point(merged, targets, from))?,
        duration: written.duration.as_ref().map(|lasts| span(merged, lasts)).transpose()?,
    })
}
