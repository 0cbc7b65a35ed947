//! The report of `verify` for people: what repeats, what does not and from where, and which answers depend on ties.
//!
//! A pure function of what `lab::verify` found; the same as JSON needs no words.

use std::fmt::Write;

use super::short::count;
use crate::kernel::SimTime;
use crate::lab::lists::unique;
use crate::lab::verify::{
    Against, Difference, DrawSeen, EventDifference, EventSeen, Report, RunDifference, Ties, What,
};

/// Events of an interval, draws, runs and failures that are shown; JSON has all of them.
const SHOWN: usize = 20;

pub fn render(report: &Report) -> String {
    let mut text = format!(
        "{}, seed {}, ties {}: {} {} with {} replications each\n\n",
        report.experiment,
        report.seed,
        report.tie_order.word(),
        report.designs.len(),
        if report.designs.len() == 1 { "design" } else { "designs" },
        count(report.replications),
    );
    repeats(&mut text, report);
    streams(&mut text, report);
    failures(&mut text, report);
    if let Some(against) = &report.against {
        other_build(&mut text, against);
    }
    if let Some(ties) = &report.ties {
        other_ties(&mut text, ties);
    }
    text
}

/// A line; that a text cannot be written to does not happen.
macro_rules! line {
    ($text:expr, $($what:tt)*) => {{ let _ = writeln!($text, $($what)*); }};
}

fn at(time: SimTime) -> String {
    format!("{:.9} s", time.as_secs_f64())
}

fn repeats(text: &mut String, report: &Report) {
    let runs = report.replications * report.designs.len() as u64;
    let threads = match report.jobs {
        1 => "one thread".to_owned(),
        jobs => format!("{jobs} threads"),
    };
    line!(
        text,
        "Runs      {} made twice on {threads} and once more on one; {} events compared",
        count(runs),
        count(report.events)
    );
    let Some(first) = report.differences.first() else {
        line!(text, "          every event, every drawn number and every row is equal");
        return;
    };
    let others = report.differences.len() - 1;
    line!(
        text,
        "          DIFFERS: {} runs do not repeat",
        report.differences.len()
    );
    difference(text, first);
    for other in report.differences.iter().skip(1).take(SHOWN) {
        let place = match &other.what {
            What::Event(event) => {
                let seen = event.second.as_ref().or(event.first.as_ref());
                seen.map_or_else(String::new, |seen| {
                    format!(" from {} in {}", at(seen.time), seen.component)
                })
            }
            What::Rows { table, .. } => format!(" in its rows of {table}"),
        };
        line!(
            text,
            "          also {}, replication {}{place}",
            other.design,
            other.replication
        );
    }
    if others > SHOWN {
        line!(text, "          and {} more", others - SHOWN);
    }
}

fn difference(text: &mut String, difference: &Difference) {
    line!(
        text,
        "\nFirst     {}, replication {}",
        difference.design,
        difference.replication
    );
    match &difference.what {
        What::Rows { table, between } => {
            line!(
                text,
                "          all events are equal, but the rows of {table} differ between {between}"
            );
        }
        What::Event(event) => event_difference(text, event),
    }
    line!(text, "          explained by `{}`\n", difference.replay);
}

fn event_difference(text: &mut String, found: &EventDifference) {
    let seen = |head: &str, seen: &Option<EventSeen>| match seen {
        Some(seen) => format!("{head}{}", event(seen)),
        None => format!("{head}nothing: the run is over"),
    };
    match &found.last_equal {
        Some(last) => line!(text, "  last equal   {}", event(last)),
        None => line!(text, "  last equal   none: they differ from the start"),
    }
    if found.only_draws() {
        line!(
            text,
            "  then the same event follows, but other numbers were drawn before it:"
        );
    }
    line!(text, "{}", seen("  first run    ", &found.first));
    draws(text, &found.first_draws);
    line!(text, "{}", seen("  second run   ", &found.second));
    draws(text, &found.second_draws);
}

fn event(seen: &EventSeen) -> String {
    let EventSeen {
        number,
        time,
        class,
        component,
        description,
    } = seen;
    format!("{} event {number}, {class}, {component}: {description}", at(*time))
}

fn draws(text: &mut String, draws: &[DrawSeen]) {
    if draws.is_empty() {
        line!(text, "               nothing drawn since the last equal event");
    }
    for draw in draws.iter().take(SHOWN) {
        line!(
            text,
            "               drawn since: {} of {}, number {}: {} ({:.6})",
            draw.purpose,
            draw.entity,
            draw.ordinal,
            draw.bits,
            draw.uniform
        );
    }
    if draws.len() > SHOWN {
        line!(text, "               and {} more numbers", draws.len() - SHOWN);
    }
}

fn streams(text: &mut String, report: &Report) {
    line!(text, "Streams   {} numbers drawn", count(report.draws));
    match report.collisions.first() {
        None => line!(text, "          no stream belongs to two addresses"),
        Some(first) => line!(
            text,
            "          COLLISION in {} runs; in {}, replication {}, stream {} belongs to {} and to {}",
            report.collisions.len(),
            first.design,
            first.replication,
            first.stream,
            first.owners[0],
            first.owners[1]
        ),
    }
}

fn failures(text: &mut String, report: &Report) {
    let Some(first) = report.failures.first() else {
        line!(text, "Failures  none");
        return;
    };
    line!(
        text,
        "Failures  {} runs FAILED; the first is {}, replication {}: {}",
        report.failures.len(),
        first.design,
        first.replication,
        first.failure
    );
    line!(text, "          explained by `{}`", first.replay);
}

fn other_build(text: &mut String, against: &Against) {
    line!(
        text,
        "Against   {}: version {}{}",
        against.folder.display(),
        against.version,
        if against.other_inputs {
            ", OTHER INPUTS (experiment, manifests, models or changes)"
        } else {
            ""
        }
    );
    let absent = match against.absent {
        0 => String::new(),
        runs => format!("; {} are not in it", count(runs)),
    };
    line!(
        text,
        "          {} runs compared, {} differ{absent}",
        count(against.compared),
        against.differing.len()
    );
    for (index, run) in against.differing.iter().take(SHOWN).enumerate() {
        other_run(text, run, index == 0);
    }
    if against.differing.len() > SHOWN {
        line!(text, "          and {} more", against.differing.len() - SHOWN);
    }
    if !against.ladders && !against.differing.is_empty() {
        line!(
            text,
            "          It is an ordinary result, which knows whole runs only. Leave ladders with the other build's \
             `meshfault verify --out`."
        );
    }
}

fn other_run(text: &mut String, run: &RunDifference, with_events: bool) {
    let (there, here) = run.events;
    line!(
        text,
        "          {}, replication {}: {} events there, {} here",
        run.design,
        run.replication,
        count(there),
        count(here)
    );
    let Some(interval) = &run.interval else { return };
    line!(
        text,
        "            equal up to event {} at {}; parts before event {} at {}",
        interval.after_event,
        at(interval.after),
        interval.to_event,
        at(interval.to)
    );
    line!(
        text,
        "            components that differ: {}",
        run.components.join(", ")
    );
    line!(text, "            classes that differ: {}", run.classes.join(", "));
    if with_events {
        line!(text, "            this build's events there:");
        for seen in interval.events.iter().take(SHOWN) {
            line!(text, "              {}", event(seen));
        }
        if interval.events.len() > SHOWN {
            line!(
                text,
                "              and {} more; `--format json` has them",
                interval.events.len() - SHOWN
            );
        }
    }
}

/// What no event in so many runs shows about all: the exact upper bound of a share, by which rare reorderings are not excluded.
fn at_most(runs: u64) -> String {
    if runs == 0 {
        return String::new();
    }
    let bound = 1.0 - libm::pow(0.05, 1.0 / runs as f64);
    format!(": with 95% confidence they do in at most {:.2}% of runs", 100.0 * bound)
}

fn other_ties(text: &mut String, ties: &Ties) {
    line!(
        text,
        "Ties      {}: another order of events in {} of {} runs",
        ties.other.word(),
        count(ties.reordered),
        count(ties.runs)
    );
    if ties.reordered == 0 {
        line!(
            text,
            "          no two components acted at the same instant in one class{}",
            at_most(ties.runs)
        );
        line!(
            text,
            "          Events of different classes at one instant keep the order of the classes in both; whether an answer depends \
             on that is not tested."
        );
        return;
    }
    let mut doubtful = 0;
    let names = unique(ties.answers.iter().map(|answer| answer.measure));
    let mut equal = Vec::new();
    for name in names {
        let answers = || ties.answers.iter().filter(|answer| answer.measure == name);
        if answers().all(|answer| answer.equal == answer.n) {
            equal.push(name);
            continue;
        }
        for answer in answers().filter(|answer| answer.equal < answer.n) {
            doubtful += 1;
            let unit = if answer.unit == "1" { "" } else { answer.unit };
            let number = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| format!("{value:.4}"));
            let verdict = match (answer.moves(), answer.not_beyond()) {
                (true, _) => "MOVES".to_owned(),
                (false, Some(bound)) => format!("does not move beyond ±{bound:.4} {unit}").trim_end().to_owned(),
                (false, None) => "too few runs to decide".to_owned(),
            };
            line!(
                text,
                "          {name} of {}: {} [{}, {}] {unit}, equal in {} of {} runs: {verdict}",
                answer.design,
                number(answer.difference),
                number(answer.lower),
                number(answer.upper),
                answer.equal,
                answer.n
            );
        }
    }
    if !equal.is_empty() {
        line!(text, "          the same in every run: {}", equal.join(", "));
    }
    if doubtful > 0 {
        line!(
            text,
            "          Difference, other order minus this one, with its 95% interval over paired runs; by chance \
             one of twenty\n          such intervals leaves out zero."
        );
    }
}
