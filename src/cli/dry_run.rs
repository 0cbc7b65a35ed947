//! `meshfault run --dry-run`: the numbered list of what would be run, and what it will cost by a pilot.
//!
//! Nothing is stored. The list is a function of the inputs; time and size are of this machine and this moment. How a pilot
//! is made belongs to `lab::pilot`.

use std::path::Path;

use indexmap::IndexMap;
use serde::Serialize;

use super::common::{OUT_ROOT, prepare};
use super::error::CliError;
use super::load::LoadRequest;
use super::run::Format;
use super::{exit_code, print, tabular, terminal};
use crate::lab::pilot::{Estimate, estimate};
use crate::lab::{LabError, result_dir};
use crate::report::columns::{WIDE, fitted};
use crate::report::sample_size;
use crate::report::text::wrapped;

#[derive(Debug, Serialize)]
struct DryRun {
    experiment: String,
    question: String,
    runs: u64,
    /// Combinations that constraints exclude, in all designs of the experiment.
    excluded: usize,
    random_numbers: crate::lab::RandomNumbers,
    designs: Vec<Listed>,
    warnings: Vec<String>,
    out: String,
    estimate: Estimate,
}

#[derive(Debug, Serialize)]
struct Listed {
    number: usize,
    name: String,
    design: String,
    factors: IndexMap<String, String>,
    runs: u64,
}

/// Lists the plan, makes a pilot and prints both.
///
/// # Errors
/// If the experiment cannot be read or has no such design.
pub fn run(request: &LoadRequest, jobs: usize, format: Format) -> Result<u8, CliError> {
    let (scenario, plan, simulator) = prepare(request)?;
    plan.check().map_err(LabError::from)?;
    let listed = plan.designs.iter().enumerate().map(|(index, design)| Listed {
        number: index + 1,
        name: design.name.clone(),
        design: design.base().to_owned(),
        factors: design.factors.clone(),
        runs: plan.replications,
    });
    let dry = DryRun {
        experiment: plan.experiment.clone(),
        question: plan.question.clone(),
        runs: plan.replications * plan.designs.len() as u64,
        excluded: scenario.excluded,
        random_numbers: plan.random_numbers,
        designs: listed.collect(),
        warnings: plan.warnings.clone(),
        out: result_dir(Path::new(OUT_ROOT), &plan).display().to_string(),
        estimate: estimate(&plan, &simulator, jobs)?,
    };
    print(&match format {
        Format::Text => text(&dry),
        Format::Json => tabular::json(&dry),
    })?;
    Ok(exit_code::FINE)
}

fn text(dry: &DryRun) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in dry.designs.iter().flat_map(|listed| listed.factors.keys()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let head: Vec<&str> = [&["number", "design"], names.as_slice(), &["runs"]].concat();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for listed in &dry.designs {
        let levels = names.iter().map(|name| {
            let level = listed.factors.get(*name).map(String::as_str);
            level.unwrap_or("-").to_owned()
        });
        let mut row = vec![listed.number.to_string(), listed.design.clone()];
        row.extend(levels);
        row.push(listed.runs.to_string());
        rows.push(row);
    }
    let look = terminal::window().unwrap_or(WIDE);
    let question = wrapped("", "", &format!("{}: {}", dry.experiment, dry.question), look.width);
    let mut text = format!("{question}\n{}", fitted(&head, &rows, look));
    text.push('\n');
    text.push_str(&format!("{} runs", dry.runs));
    if dry.excluded > 0 {
        text.push_str(&format!("; constraints exclude {} combinations", dry.excluded));
    }
    text.push_str(".\n");
    for warning in &dry.warnings {
        text.push_str(&format!("Warning: {warning}\n"));
    }
    let Estimate {
        pilot_runs,
        pilot_points,
        jobs,
        running_s,
        tables_bytes,
    } = &dry.estimate;
    text.push_str(&format!(
        "Estimate from {pilot_runs} pilot runs at {pilot_points} of {} points: about {} on {jobs} workers, without tables and \
         figures; about {} of tables, and the same again for temporary files.\n",
        dry.designs.len(),
        span(*running_s),
        size(*tables_bytes),
    ));
    let least = dry.designs.iter().map(|listed| listed.runs).min().unwrap_or(0);
    if least > 0 {
        text.push_str(&format!("{}\n", sample_size::before(least)));
    }
    text.push_str(&format!("Result folder: {}\n", dry.out));
    text
}

fn span(seconds: f64) -> String {
    match seconds {
        ..1.0 => "a second".to_owned(),
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 1e6 => format!("{:.0} kB", (bytes / 1e3).max(1.0)),
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_told_in_words() {
        let spans: Vec<String> = [0.2, 8.4, 600.0, 9000.0, 400_000.0].into_iter().map(span).collect();
        assert_eq!(spans, ["a second", "8 s", "10 min", "2.5 h", "4.6 days"]);
        let sizes: Vec<String> = [12, 48_000, 2_500_000, 7_000_000_000].into_iter().map(size).collect();
        assert_eq!(sizes, ["1 kB", "48 kB", "2.5 MB", "7.0 GB"]);
    }
}
