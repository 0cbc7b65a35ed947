//! Whether expectations and margins can be decided at all, and the headline be made: their measures, units and designs, before anything runs.
//!
//! The form of a claim is checked where it is read (`scenario::claim`); how claims came out is in `expectations`, what a
//! margin decides in `pareto`.

use super::expectations::is_named;
use super::measures::{Known, known_measures};
use crate::scenario::Scenario;
use crate::scenario::claim::{Quantity, Unit};
use crate::scenario::error::{InputError, candidates_hint};
use crate::scenario::expectations::Placed;
use crate::scenario::margins::{Margin, PlacedMargin};
use crate::scenario::point_name::point_of;
use crate::scenario::schema::Text;
use crate::scenario::stopping::{TargetForm, check_half_width};
use crate::scenario::values::{complain, unknown};

/// Checks measures, units and designs of all expectations, margins and stopping rules.
///
/// # Errors
/// Everything that is wrong, at its place in the file.
pub fn check(scenario: &Scenario) -> Result<(), Vec<InputError>> {
    let known = known_measures(&scenario.traffic_rates);
    let claims = scenario
        .expectations
        .iter()
        .map(|placed| check_one(placed, scenario, &known));
    let margins = scenario
        .margins
        .iter()
        .map(|placed| check_margin(placed, scenario, &known));
    let widths = scenario
        .stopping_until
        .iter()
        .map(|form| check_width(&form.value, scenario, &known));
    let headline = scenario
        .headline
        .iter()
        .map(|name| with_interval("measure with an interval", name, scenario, &known).map(|_| ()));
    let errors: Vec<InputError> = claims
        .chain(margins)
        .chain(widths)
        .chain(headline)
        .filter_map(Result::err)
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn names(known: &[Known]) -> impl Iterator<Item = &str> {
    known
        .iter()
        .filter(|known| known.interval)
        .map(|known| known.name.as_str())
}

fn check_one(placed: &Placed, scenario: &Scenario, known: &[Known]) -> Result<(), InputError> {
    let claim = &placed.expected.claim;
    let wrong = |message: String| complain(&scenario.path, &placed.at, message);
    let Some(measure) = known.iter().find(|known| known.name == claim.measure) else {
        let unknown = wrong(format!("unknown measure `{}`", claim.measure));
        return Err(unknown.with_candidates(&claim.measure, names(known)));
    };
    if !measure.interval {
        return Err(
            wrong(format!("`{}` is an observed extreme and has no interval", measure.name))
                .with_hint("expect something of a mean, a share or a quantile"),
        );
    }
    for name in claim
        .of
        .iter()
        .chain(claim.reference.as_ref().map(|reference| &reference.design))
    {
        if !scenario.designs.iter().any(|design| is_named(&design.name, name)) {
            let designs = scenario.designs.iter().map(|design| design.name.as_str());
            return Err(wrong(format!("unknown design `{name}`")).with_candidates(name, designs));
        }
    }
    if let (Some(of), Some(reference)) = (&claim.of, &claim.reference)
        && of.contains('@')
        && reference.design.contains('@')
        && point_of(of) != point_of(&reference.design)
    {
        return Err(wrong(format!("`{of}` and `{}` are different points", reference.design))
            .with_hint("designs are compared at equal points of the factors"));
    }
    claim.quantity.as_ref().map_or(Ok(()), |quantity| {
        check_unit(quantity, measure.unit, claim.reference.is_none())
            .map_err(|(message, hint)| wrong(format!("`{}`: {message}", quantity.text)).with_hint(hint))
    })
}

fn check_margin(placed: &PlacedMargin, scenario: &Scenario, known: &[Known]) -> Result<(), InputError> {
    let PlacedMargin { margin, measure_at, at } = placed;
    let measure = with_interval("measure", measure_at, scenario, known)?;
    check_unit(&margin.quantity, measure.unit, true).map_err(|(message, hint)| {
        complain(&scenario.path, at, format!("`{}`: {message}", margin.quantity.text)).with_hint(hint)
    })
}

fn check_width(form: &TargetForm, scenario: &Scenario, known: &[Known]) -> Result<(), InputError> {
    let measure = with_interval("measure with an interval", &form.measure, scenario, known)?;
    let half_width = form.half_width.as_ref();
    half_width.map_or(Ok(()), |text| check_half_width(&scenario.path, text, measure.unit))
}

/// The measure of this name, if it has an interval.
fn with_interval<'k>(
    what: &str,
    name: &Text,
    scenario: &Scenario,
    known: &'k [Known],
) -> Result<&'k Known, InputError> {
    let found = known.iter().find(|known| known.name == name.value && known.interval);
    found.ok_or_else(|| unknown(&scenario.path, name, what, names(known)))
}

/// A margin of a measure from a command line.
///
/// # Errors
/// In words, why it is none, and what to write.
pub fn margin(measure: &Known, text: &str) -> Result<Margin, (String, String)> {
    let margin = Margin::parse(&measure.name, text).ok_or_else(|| {
        (
            format!("`{text}` is not a valid margin"),
            crate::scenario::margins::HINT.to_owned(),
        )
    })?;
    check_unit(&margin.quantity, measure.unit, true)?;
    Ok(margin)
}

/// Whether a quantity can be a value, or with a reference a difference, of a measure of this unit.
fn check_unit(quantity: &Quantity, unit: &str, is_value: bool) -> Result<(), (String, String)> {
    let fits = match (unit, &quantity.unit) {
        ("s", Unit::Seconds) | ("1", Unit::None | Unit::Percent) => true,
        ("s" | "1", _) => false,
        (unit, Unit::Named(named)) => named == unit,
        (_, Unit::None) => true,
        _ => false,
    };
    if !fits {
        let (what, example) = match unit {
            "s" => ("is a time".to_owned(), "`2s` or `250ms`".to_owned()),
            "1" => ("is a share".to_owned(), "`0.001` or `0.1%`".to_owned()),
            unit => (format!("counts {unit}"), format!("`3` or `3 {unit}`")),
        };
        return Err((format!("the measure {what}"), format!("write {example}")));
    }
    if unit == "1" && is_value && !(0.0..=1.0).contains(&quantity.value) {
        return Err((
            "a share lies between 0 and 1".to_owned(),
            "write `0.05` or `5%`".to_owned(),
        ));
    }
    Ok(())
}

/// A near match for a measure that is asked for by name, or the measures that there are.
pub fn measure_hint(name: &str, known: &[Known]) -> Option<String> {
    candidates_hint(name, names(known))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::overrides::Overrides;

    #[test]
    fn units_are_checked_against_the_measure() {
        let quantity = |value: f64, unit: Unit| Quantity {
            text: String::new(),
            value,
            unit,
        };
        let fits =
            |value: f64, of: Unit, unit: &str, is_value: bool| check_unit(&quantity(value, of), unit, is_value).is_ok();
        assert!(fits(2.0, Unit::Seconds, "s", true) && !fits(2.0, Unit::None, "s", true));
        assert!(fits(0.1, Unit::None, "1", true) && fits(0.1, Unit::Percent, "1", true));
        assert!(!fits(5.0, Unit::None, "1", true) && fits(-0.1, Unit::None, "1", false));
        assert!(!fits(1.0, Unit::Seconds, "1", true) && !fits(0.1, Unit::Percent, "requests", true));
        assert!(fits(3.0, Unit::None, "requests", true) && fits(3.0, Unit::Named("requests".into()), "requests", true));
        assert!(!fits(3.0, Unit::Named("entries".into()), "requests", true));
    }

    #[test]
    fn bad_questions_are_complained_about() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_questions");
        let entries = std::fs::read_dir(&folder).expect("the folder is part of the project");
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        let told = files.iter().map(|path| {
            let scenario = Scenario::load(path, &Overrides::default()).expect("only its questions are bad");
            let errors = check(&scenario).expect_err("its questions are bad");
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            errors.join("\n").replace(&format!("{}/", folder.display()), "")
        });
        insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n\n"));
    }
}
