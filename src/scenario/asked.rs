//! What an experiment file names without changing a run: rates of traffic for computed accesses, costs and controls of designs,
//! and what was published about the subject.
//!
//! Expectations are in `expectations`. What is made of these values belongs to `lab`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::InputError;
use super::schema::{Experiment, Text};
use super::values::{choice, complain, is_sound, positive_duration, rate, unknown};

/// The rate of traffic if exposure is watched and the experiment names no rate.
const USUAL_RATE: &str = "1/s";

/// A rate of traffic from one client to one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TrafficRate {
    /// As it was written, `0.1/s`.
    pub text: String,
    /// Attempts per second \[1/s\].
    pub per_s: f64,
}

impl TrafficRate {
    /// The rate as a part of a name: `0.1_per_s`.
    pub fn word(&self) -> String {
        self.text.replace('/', "_per_")
    }
}

/// What a design costs, by whatever the experiment counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Cost {
    /// How much, not negative.
    pub value: f64,
    /// Of what, one word.
    pub unit: String,
}

/// What was published about what an experiment reproduces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Published {
    /// How long the slow pods took to start \[s\].
    pub startup_s: f64,
    /// The statement in words.
    pub text: String,
    /// Where it was published.
    pub source: String,
}

/// Whether what is not modeled in the manifests is a warning.
///
/// # Errors
/// If it is neither `true` nor `false`.
pub fn lenient(path: &Path, experiment: &Experiment) -> Result<bool, InputError> {
    let written = experiment.lenient.as_ref();
    written.map_or(Ok(false), |text| {
        choice(path, text, "switch", &[("false", false), ("true", true)])
    })
}

/// What was published, if the experiment names it.
///
/// # Errors
/// If its time is none, or its text or source is empty.
pub fn published(path: &Path, experiment: &Experiment) -> Result<Option<Published>, InputError> {
    let Some(written) = &experiment.published else {
        return Ok(None);
    };
    let line = |key: &str, text: &Text| {
        let line = text.value.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.is_empty() {
            false => Ok(line),
            true => Err(complain(path, text, format!("`{key}` is empty"))
                .with_hint("write what was published, and where, or leave out `published`")),
        }
    };
    Ok(Some(Published {
        startup_s: positive_duration(path, &written.startup)?.as_secs_f64(),
        text: line("text", &written.text)?,
        source: line("source", &written.source)?,
    }))
}

/// Complains about a design whose control does not exist, is itself, or is compared with it in turn.
pub fn check_controls(path: &Path, experiment: &Experiment) -> Result<(), InputError> {
    let designs = &experiment.designs;
    for design in designs {
        let Some(control) = &design.control else { continue };
        let name = &design.name.value;
        let mut passed = vec![name.as_str()];
        let mut next = Some(control);
        while let Some(text) = next {
            let Some(found) = designs.iter().find(|design| design.name.value == text.value) else {
                let others = designs.iter().map(|design| design.name.value.as_str());
                return Err(unknown(path, text, "design", others.filter(|other| other != name)));
            };
            if text.value == *name {
                let message = match passed.as_slice() {
                    [_] => format!("design `{name}` is its own control"),
                    _ => format!("controls form a circle: {}, {name}", passed.join(", ")),
                };
                return Err(complain(path, control, message)
                    .with_hint("name a design that is compared with no other, or leave out `control`"));
            }
            // A circle that this design only leads to is found where it begins.
            next = found
                .control
                .as_ref()
                .filter(|_| !passed.contains(&text.value.as_str()));
            passed.push(&text.value);
        }
    }
    Ok(())
}

/// The rates of traffic of an experiment; none without watched exposure.
///
/// # Errors
/// If a rate is none, stands there twice, or nothing is watched that it could speak of.
pub fn traffic_rates(path: &Path, experiment: &Experiment) -> Result<Vec<TrafficRate>, InputError> {
    let measures = &experiment.measures;
    let watched = measures.exposure.is_some();
    let Some(written) = &measures.traffic_rates else {
        let usual = TrafficRate {
            text: USUAL_RATE.to_owned(),
            per_s: 1.0,
        };
        return Ok(watched.then_some(usual).into_iter().collect());
    };
    let mut rates: Vec<TrafficRate> = Vec::new();
    for text in written {
        if !watched {
            let message = format!("the rate of traffic `{}` has no exposure to meet", text.value);
            return Err(complain(path, text, message).with_hint("write what is watched under `measures: exposure`"));
        }
        let found = TrafficRate {
            text: text.value.split_whitespace().collect(),
            per_s: rate(path, text)?,
        };
        if rates.iter().any(|earlier| earlier.text == found.text) {
            let message = format!("the rate of traffic `{}` is listed twice", text.value);
            return Err(complain(path, text, message));
        }
        rates.push(found);
    }
    Ok(rates)
}

/// A cost: a number that is not negative, and its unit.
pub fn cost(path: &Path, text: &Text) -> Result<Cost, InputError> {
    let mut words = text.value.split_whitespace();
    let value = words.next().and_then(|word| word.parse().ok());
    let value = value.filter(|value: &f64| *value >= 0.0 && is_sound(*value));
    match (value, words.next(), words.next()) {
        (Some(value), Some(unit), None) => Ok(Cost {
            value,
            unit: unit.to_owned(),
        }),
        _ => Err(complain(path, text, format!("`{}` is not a valid cost", text.value))
            .with_hint("write a number of at most 1e15 and what is counted, such as `3 replicas` or `120 EUR/month`")),
    }
}

/// Complains about designs whose costs cannot be compared: one without, or in another unit.
pub fn check_costs(path: &Path, experiment: &Experiment) -> Result<(), InputError> {
    let mut first: Option<Cost> = None;
    let mut costs = Vec::new();
    for design in &experiment.designs {
        let read = design.cost.as_ref().map(|text| cost(path, text)).transpose()?;
        first = first.or_else(|| read.clone());
        costs.push((design, read));
    }
    let Some(first) = first else {
        return Ok(());
    };
    for (design, read) in costs {
        let name = &design.name.value;
        match (read, &design.cost) {
            (None, _) => {
                let message = format!("design `{name}` has no `cost`, and others have");
                return Err(complain(path, &design.name, message).with_hint("write one for every design, or for none"));
            }
            (Some(read), Some(text)) if read.unit != first.unit => {
                let message = format!(
                    "the cost of `{name}` counts {}, that of others {}",
                    read.unit, first.unit
                );
                return Err(complain(path, text, message).with_hint("count the same for every design"));
            }
            _ => {}
        }
    }
    Ok(())
}
