//! Comparisons for a terminal and for a page: how many claims are made together, a row or a sentence for each, and the
//! Pareto sets.
//!
//! Pure functions of what `lab::compare` made. The sentences are written by `compare_words`.

use std::fmt::Write;

use super::columns::{WIDE, fitted};
use super::compare_words::sentence;
use super::short::{NOTHING, Short, count, down, number, percent, up};
use super::summary_md::markdown as markdown_table;
use super::table::{Look, WIDTH};
use super::text;
use crate::lab::Comparison;
use crate::lab::compare::Compared;
use crate::lab::pareto::{Dominator, Pareto, Standing, Verdict};
use crate::lab::summary::CONFIDENCE;

/// Tables. Without a window, each comparison is one line that also names its measure.
pub fn tables(compared: &Compared, window: Option<Look>) -> String {
    let mut out = String::new();
    let (look, prose) = window.map_or((WIDE, WIDTH), |look| (look, look.width));
    let say = |out: &mut String, line: &str| out.push_str(&text::wrapped("", "  ", line, prose));
    for paragraph in head(compared, false) {
        say(&mut out, &paragraph);
    }
    let columns = ["measure", "A", "B", "A has", "B has", "A − B [interval]", "A is"];
    match window {
        None => {
            let rows: Vec<Vec<String>> = compared.comparisons.iter().map(row).collect();
            let _ = write!(out, "\n{}", fitted(&columns, &rows, look));
        }
        Some(_) => {
            for group in compared
                .comparisons
                .chunk_by(|left, right| left.measure == right.measure)
            {
                out.push('\n');
                say(&mut out, &title(&group[0]));
                let rows: Vec<Vec<String>> = group.iter().map(|of| row(of).split_off(1)).collect();
                out.push_str(&fitted(&columns[1..], &rows, look));
            }
        }
    }
    for set in &compared.pareto {
        out.push('\n');
        say(
            &mut out,
            &format!("Pareto set{}: designs that no other design dominates.", at(set)),
        );
        let objectives = set.objectives.iter().map(|of| of.name.as_str());
        let columns: Vec<&str> = [&["design", "in the set"], objectives.collect::<Vec<_>>().as_slice()].concat();
        let rows: Vec<Vec<String>> = set.designs.iter().map(|standing| standing_row(set, standing)).collect();
        out.push_str(&fitted(&columns, &rows, look));
    }
    for why in &compared.left_out {
        out.push('\n');
        say(&mut out, &format!("left out: {why}"));
    }
    out
}

/// One comparison in cells, the measure first.
fn row(of: &Comparison) -> Vec<String> {
    let has = |value| Short::from_parts(value, None, None, &of.unit).number;
    let names = [&of.measure, &of.a, &of.b].map(String::clone);
    let verdict = verdict(of).to_owned();
    [
        &names[..],
        &[has(of.of_a), has(of.of_b), difference(of).joined(" "), verdict],
    ]
    .concat()
}

/// What the interval shows of `a` against `b`, in a word.
fn verdict(of: &Comparison) -> &'static str {
    let larger = match (of.lower, of.upper) {
        (None, None) => return "unknown",
        (Some(lower), _) if lower > 0.0 => true,
        (_, Some(upper)) if upper < 0.0 => false,
        (Some(0.0), Some(0.0)) => return "equal",
        _ => return "undecided",
    };
    match of.smaller_is_better {
        None if larger => "larger",
        None => "smaller",
        Some(smaller) if smaller == larger => "worse",
        Some(_) => "better",
    }
}

/// A design of a Pareto set in cells: its name, whether it is in the set, and its values.
fn standing_row(set: &Pareto, standing: &Standing) -> Vec<String> {
    let by: Vec<&str> = standing.dominated_by.iter().map(|by| by.design.as_str()).collect();
    let place = match standing.verdict {
        Verdict::Best => "yes".to_owned(),
        Verdict::Undecided => "undecided".to_owned(),
        Verdict::Dominated => format!("no: {} is better", by.join(", ")),
    };
    let values = set.objectives.iter().zip(&standing.values);
    let values = values.map(|(of, value)| Short::from_parts(*value, None, None, &of.unit).number);
    [standing.design.clone(), place].into_iter().chain(values).collect()
}

/// A sentence and all numbers for each comparison.
pub fn sentences(compared: &Compared) -> String {
    let mut out = String::new();
    for paragraph in head(compared, true) {
        out.push_str(&wrapped(&paragraph));
    }
    for group in compared
        .comparisons
        .chunk_by(|left, right| left.measure == right.measure)
    {
        let _ = write!(out, "\n{}\n", wrapped(&title(&group[0])).trim_end());
        for comparison in group {
            out.push('\n');
            out.push_str(&wrapped(&sentence(comparison)));
            out.push_str(&indented(&facts(comparison)));
        }
    }
    for set in &compared.pareto {
        let _ = write!(out, "\n{}", wrapped(&pareto_head(set)));
        for standing in &set.designs {
            out.push_str(&indented(&standing_line(set, standing)));
        }
    }
    for why in &compared.left_out {
        let _ = write!(out, "\n{}", wrapped(&format!("left out: {why}")));
    }
    out
}

pub fn markdown(compared: &Compared) -> String {
    let mut out = format!("# Comparison of designs: {}\n\n", compared.experiment);
    for paragraph in head(compared, true).iter().skip(1) {
        let _ = writeln!(out, "{paragraph}\n");
    }
    for group in compared
        .comparisons
        .chunk_by(|left, right| left.measure == right.measure)
    {
        let _ = writeln!(out, "## {}\n\n{}.\n", code(&group[0].measure), group[0].estimand);
        for comparison in group {
            let _ = writeln!(out, "- {}", sentence(comparison));
        }
        let _ = writeln!(out, "\n{}", table(group));
    }
    for set in &compared.pareto {
        let _ = writeln!(out, "## Pareto set{}\n\n{}\n", at(set), pareto_head(set));
        for standing in &set.designs {
            let _ = writeln!(out, "- {}", standing_line(set, standing));
        }
        out.push('\n');
    }
    if !compared.left_out.is_empty() {
        out.push_str("## Left out\n\n");
        for why in &compared.left_out {
            let _ = writeln!(out, "- {why}");
        }
    }
    format!("{}\n", out.trim_end())
}

pub(super) fn table(comparisons: &[Comparison]) -> String {
    let head = "pair|difference|p (Holm)|smaller, larger in|pairs|correlation|variance reduction|method";
    let mut rows = vec![head.split('|').map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(comparisons.iter().map(|of| {
        vec![
            format!("`{}` − `{}`", of.a, of.b),
            difference(of).joined(" "),
            p_value(of.p_holm),
            [of.a_smaller, of.a_larger].map(share).join(", "),
            count(of.n),
            of.correlation.map_or(NOTHING.to_owned(), |rho| format!("{rho:.2}")),
            of.variance_reduction.map_or(NOTHING.to_owned(), number),
            of.method.clone(),
        ]
    }));
    markdown_table(&rows)
}

/// How many claims are made together, in a sentence, and how p-values are adjusted where they are shown.
pub(super) fn together(family: usize, each: f64, with_p: bool) -> String {
    let level = percent(CONFIDENCE);
    if family == 1 {
        return format!("1 comparison, its interval at {level}.");
    }
    let each = number_of_nines(100.0 * each);
    let adjusted = if with_p {
        "; p is adjusted for the family (Holm)"
    } else {
        ""
    };
    format!(
        "{family} comparisons. Their intervals hold together with {level} confidence: each has {each}% (Bonferroni, family of \
         {family}){adjusted}."
    )
}

pub fn json(compared: &Compared) -> String {
    let mut value = serde_json::to_value(compared).expect("a comparison is plain data");
    if let Some(list) = value.get_mut("comparisons").and_then(serde_json::Value::as_array_mut) {
        for (value, comparison) in list.iter_mut().zip(&compared.comparisons) {
            value["sentence"] = sentence(comparison).into();
        }
    }
    let mut text = serde_json::to_string_pretty(&value).expect("a comparison is plain data");
    text.push('\n');
    text
}

/// What is compared; with what `details` are, if those are shown.
fn head(compared: &Compared, details: bool) -> Vec<String> {
    let runs = count(compared.replications);
    let mut lines = vec![format!(
        "{}: designs compared, {runs} replications",
        compared.experiment
    )];
    lines.push(if compared.paired {
        let of_details = match details {
            true => " The variance reduction is how many times more runs independent designs would need.",
            false => "",
        };
        format!(
            "Differences are paired: run k uses the same random events in every design (common random numbers).{of_details}"
        )
    } else {
        "The designs share no random numbers and are compared as independent, with wider intervals.".to_owned()
    });
    lines.push(together(compared.family, compared.confidence_each, details));
    if !compared.differs.is_empty() {
        lines.push(format!(
            "The two results also differ in: {}.",
            compared.differs.join("; ")
        ));
    }
    lines
}

/// A confidence near 100 with enough digits to tell it from 100.
pub(super) fn number_of_nines(percent: f64) -> String {
    let text = format!("{percent:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn title(comparison: &Comparison) -> String {
    format!("{}: {}", comparison.measure, comparison.estimand)
}

pub(super) fn difference(comparison: &Comparison) -> Short {
    let Comparison {
        difference,
        lower,
        upper,
        unit,
        ..
    } = comparison;
    let short = |number: String, interval: String| Short { number, interval };
    match (*difference, *lower, *upper) {
        (None, None, Some(upper)) => {
            let unit = if unit == "s" { " s" } else { "" };
            short(format!("< {}{unit}", up(upper)), String::new())
        }
        // A difference of shares is in percentage points.
        (Some(0.0), Some(lower), Some(upper)) if unit == "1" => {
            let interval = format!("[{}, {}]", down(100.0 * lower), up(100.0 * upper));
            short("0 points".to_owned(), interval)
        }
        (Some(0.0), Some(lower), Some(upper)) => short("0".to_owned(), format!("[{}, {}]", down(lower), up(upper))),
        (difference, lower, upper) if unit == "1" => {
            let Short { number, interval } = Short::from_parts(difference, lower, upper, unit);
            short(number.replace('%', " points"), interval.replace('%', ""))
        }
        (difference, lower, upper) => Short::from_parts(difference, lower, upper, unit),
    }
}

fn share(of: Option<f64>) -> String {
    of.map_or(NOTHING.to_owned(), percent)
}

/// A p-value; small ones have only a bound.
pub(super) fn p_value(p: Option<f64>) -> String {
    match p {
        None => "–".to_owned(),
        Some(p) if p < 0.0001 => "< 0.0001".to_owned(),
        Some(p) => number(p),
    }
}

fn facts(comparison: &Comparison) -> String {
    let mut facts = vec![format!("difference {}", difference(comparison).joined(" "))];
    facts.extend(comparison.p_holm.map(|p| format!("p {}", p_value(Some(p)))));
    if comparison.a_smaller.is_some() {
        facts.push(format!(
            "smaller in {}, larger in {} of {} pairs",
            share(comparison.a_smaller),
            share(comparison.a_larger),
            count(comparison.n)
        ));
    }
    facts.extend(comparison.correlation.map(|rho| format!("correlation {rho:.2}")));
    let reduction = comparison.variance_reduction;
    facts.extend(reduction.map(|reduction| format!("variance reduction {}", number(reduction))));
    facts.push(comparison.method.clone());
    facts.join("; ")
}

fn pareto_head(set: &Pareto) -> String {
    let weighed = set.objectives.iter().map(|of| match of.margin {
        None => of.name.clone(),
        Some(margin) => format!("{} (margin {})", of.name, in_unit(margin, &of.unit)),
    });
    let left_out = match set.left_out.as_slice() {
        [] => String::new(),
        names => {
            let names: Vec<String> = names.iter().map(|name| code(name)).collect();
            format!(" Left out (controls, or without a fault): {}.", names.join(", "))
        }
    };
    format!(
        "Pareto set{} over {}, smaller being better. A design is dominated if another is shown to be better in one of them and, \
         in every other, better or worse by no more than the margin; {} intervals that hold together ({}% each).{left_out}",
        at(set),
        weighed.collect::<Vec<_>>().join(", "),
        set.family,
        number_of_nines(100.0 * set.confidence_each)
    )
}

/// A difference in words: shares in percentage points.
fn in_unit(value: f64, unit: &str) -> String {
    match unit {
        "1" => format!("{} percentage points", number(100.0 * value)),
        unit => format!("{} {unit}", number(value)),
    }
}

/// Who dominates a design, and in what.
pub(super) fn dominated(standing: &Standing) -> Option<String> {
    let by = |of: &Dominator| {
        let within = match of.within_margin_in.is_empty() {
            true => String::new(),
            false => format!(" and within the margin in {}", of.within_margin_in.join(", ")),
        };
        format!(
            "{}, which is better in {}{within}",
            code(&of.design),
            of.better_in.join(", ")
        )
    };
    let by: Vec<String> = standing.dominated_by.iter().map(by).collect();
    (!by.is_empty()).then(|| format!("dominated by {}", by.join("; by ")))
}

fn at(set: &Pareto) -> String {
    if set.point.is_empty() {
        String::new()
    } else {
        format!(" at {}", set.point)
    }
}

fn standing_line(set: &Pareto, standing: &Standing) -> String {
    let values = set.objectives.iter().zip(&standing.values);
    let values = values.map(|(of, value)| format!("{} {}", of.name, value.map_or("–".to_owned(), number)));
    let verdict = dominated(standing).unwrap_or_else(|| match standing.verdict {
        Verdict::Best => "in the set: against every other design it is better in something".to_owned(),
        Verdict::Undecided | Verdict::Dominated => "in the set as far as these runs show".to_owned(),
    });
    format!(
        "{}: {verdict} ({})",
        code(&standing.design),
        values.collect::<Vec<_>>().join(", ")
    )
}

fn code(name: &str) -> String {
    format!("`{name}`")
}

fn wrapped(text: &str) -> String {
    text::wrapped("", "  ", text, WIDTH)
}

fn indented(text: &str) -> String {
    text::wrapped("  ", "  ", text, WIDTH)
}
