//! The answer in at most twelve lines: what each design did with the wrong and the right client, what closes a breach, what it
//! costs, what it rests on, what was not tested, and how to repeat it.
//!
//! Every page and the terminal open with it. It adds nothing to the estimates: each line quotes measures with their intervals.
//! A control is the yardstick and gets no verdict.

use serde::{Deserialize, Serialize};

use super::design_names::by_design;
use super::short::{NOTHING, Short, count, number, percent, percent_interval, percent_up, seconds};
use super::text::{many, range as from_to};
use crate::lab::compare::ACCESS;
use crate::lab::controls::Controls;
use crate::lab::measures::{Better, Known, TESTED, known, label};
use crate::lab::what_if::{Remedies, Remedy};
use crate::lab::{DesignSummary, Manifest, Measure, Summary};
use crate::scenario::point_name::base_of;

/// Lines about designs; further designs are counted in the last of them.
const DESIGNS_MAX: usize = 6;
/// The same where the lines are about startup, since fewer notes follow.
const STARTUP_MAX: usize = 9;
/// A design holds if the share of runs in which it could still fail is at most this, by the upper end of the interval.
const HELD_MAX: f64 = 0.05;
/// Measures of a headline that a line quotes.
const HEADLINE_MAX: usize = 4;
/// Designs and remedies that one note names.
const NAMED_MAX: usize = 4;

/// What was decided about a design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The wrong client got in, or could have got in for a while.
    Breached,
    /// It never could, in enough runs, and some run tested it.
    Held,
    /// Too few runs tested it, or none.
    Undecided,
    /// A control, which others are compared with.
    Control,
    /// The experiment neither sends requests that policy decides about nor watches exposure: it is about startup.
    NotAsked,
}

impl Mark {
    /// The sign in front of the line.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Breached => "✗",
            Self::Held => "✓",
            Self::Undecided => "?",
            Self::Control => "·",
            Self::NotAsked => "•",
        }
    }
}

/// The line of one design.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DesignAnswer {
    pub mark: Mark,
    /// The sign of the mark, for templates.
    pub sign: String,
    pub name: String,
    pub text: String,
}

/// A line under the designs: a heading of a few words, and its text. Commands are between backticks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub head: String,
    pub text: String,
}

/// The answer of a result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub designs: Vec<DesignAnswer>,
    /// Designs beyond those lines, in words; empty if there are none.
    pub more: String,
    pub notes: Vec<Note>,
}

impl Answer {
    /// The answer of a result; `remedies` are what replays of breached runs found, if any were made, and `again` is the command
    /// that makes the result again.
    pub fn of(manifest: &Manifest, summary: &Summary, remedies: &[Remedies], again: &str) -> Self {
        let controls = Controls::of(&manifest.designs);
        let asked = summary.designs.iter().any(asks_for_access);
        let of_design = |points: &Vec<&DesignSummary>| match asked {
            true => line(points, controls.contains(&points[0].name)),
            false => startup_line(points, &summary.headline, controls.contains(&points[0].name)),
        };
        let mut lines: Vec<DesignAnswer> = by_design(&summary.designs).iter().map(of_design).collect();
        let any = |mark: Mark| lines.iter().any(|line| line.mark == mark);
        let unclosed = match () {
            () if any(Mark::Breached) => "not searched, because the inputs of the experiment are not here",
            () if any(Mark::Held) && !any(Mark::Undecided) => "nothing to close: no design admitted the wrong client",
            () => "nothing seen to close, but too few runs tested it",
        };
        // What decides comes first where not all designs have a line.
        let most = if asked { DESIGNS_MAX } else { STARTUP_MAX };
        if lines.len() > most {
            lines.sort_by_key(|line| line.mark != Mark::Breached);
        }
        let left_out = lines.split_off(lines.len().min(most));
        let of_mark = |mark: Mark| left_out.iter().filter(|line| line.mark == mark).count();
        let marks = [
            Mark::Breached,
            Mark::Held,
            Mark::Undecided,
            Mark::Control,
            Mark::NotAsked,
        ];
        let counted = marks
            .map(|mark| (mark, of_mark(mark)))
            .into_iter()
            .filter(|(_, count)| *count > 0);
        let counted: Vec<String> = counted
            .map(|(mark, count)| format!("{count} {}", mark.sign()))
            .collect();
        let more = match left_out.len() {
            0 => String::new(),
            count if asked => format!("{count} more designs: {}", counted.join(", ")),
            count => format!("{} in the table below", many(count, "more design")),
        };
        let notes = [
            (
                "What closes it",
                asked.then(|| closes(remedies).unwrap_or_else(|| unclosed.to_owned())),
            ),
            ("Which is best", if asked { None } else { best(summary, &controls) }),
            ("What it costs", costs(summary, asked)),
            ("Rests on", Some(assumed(manifest))),
            ("Not tested", untested(summary).filter(|_| asked)),
            ("Repeat it", Some(format!("`{again}`"))),
        ];
        let note = |(head, text): (&str, Option<String>)| {
            Some(Note {
                head: head.to_owned(),
                text: text?,
            })
        };
        Self {
            designs: lines,
            more,
            notes: notes.into_iter().filter_map(note).collect(),
        }
    }
}

fn line(points: &[&DesignSummary], is_control: bool) -> DesignAnswer {
    let name = base_of(&points[0].name);
    let marks: Vec<Mark> = points.iter().map(|point| mark(point)).collect();
    let any = |mark: Mark| marks.contains(&mark);
    let mark = match () {
        () if is_control => Mark::Control,
        () if any(Mark::Breached) => Mark::Breached,
        () if any(Mark::Undecided) => Mark::Undecided,
        () => Mark::Held,
    };
    let text = match points {
        [only] => words(only),
        _ => over_points(points, &marks),
    };
    DesignAnswer {
        mark,
        sign: mark.sign().to_owned(),
        name: name.to_owned(),
        text,
    }
}

/// Whether runs of a design put a policy to the test, or its exposure was watched.
fn asks_for_access(design: &DesignSummary) -> bool {
    tested(design).is_some() || larger(design, OPEN, |measure| measure.upper).is_some()
}

/// The line of a design of an experiment that does not ask who gets in: its headline, or else how pods start.
fn startup_line(points: &[&DesignSummary], headline: &[String], is_control: bool) -> DesignAnswer {
    let range = |measure: &str, written: fn(f64) -> String| {
        let values = || points.iter().filter_map(|point| estimate(point, measure));
        let (least, most) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
        Some(from_to(written(least), written(most)))
    };
    let of_headline = |name: &String| {
        let written = match known(name)?.unit {
            "s" => seconds,
            "1" => percent,
            _ => number,
        };
        let label = label(name);
        let colon = if label.ends_with(" after") { "" } else { ":" };
        let value = range(name, written).unwrap_or_else(|| NOTHING.to_owned());
        Some(format!("{label}{colon} {value}"))
    };
    let median = range("startup_latency_p50", seconds).map(|median| format!("median startup {median}"));
    let shares = [("delayed_share", "delayed"), ("never_ready_share", "never ready")];
    let shares = shares.map(|(measure, what)| Some(format!("{} of the pods {what}", range(measure, percent)?)));
    let requests = [
        (
            "traffic_availability",
            "of the requests that policies admit answered rightly",
        ),
        ("traffic_unauthorized_share", "of those that a policy refuses let in"),
    ];
    let requests = requests.map(|(measure, what)| Some(format!("{} {what}", range(measure, percent)?)));
    let startup = || [median].into_iter().chain(shares).chain(requests).flatten().collect();
    let parts: Vec<String> = match headline {
        [] => startup(),
        _ => headline.iter().take(HEADLINE_MAX).filter_map(of_headline).collect(),
    };
    let mark = if is_control { Mark::Control } else { Mark::NotAsked };
    DesignAnswer {
        mark,
        sign: mark.sign().to_owned(),
        name: base_of(&points[0].name).to_owned(),
        text: match parts.is_empty() {
            true => "nothing was measured".to_owned(),
            false => parts.join("; "),
        },
    }
}

fn estimate(design: &DesignSummary, measure: &str) -> Option<f64> {
    design.measure(measure)?.estimate
}

/// How often a thing happened, of how many runs; nothing if no run tested it.
fn happened<'d>(design: &'d DesignSummary, measure: &str) -> Option<(u64, &'d Measure)> {
    let measure = design.measure(measure).filter(|measure| measure.n > 0)?;
    Some((libm::round(measure.estimate? * measure.n as f64) as u64, measure))
}

/// The share of runs in which a client was refused that policy allows.
const KEPT_OUT: &str = "wrongly_denied_any";

/// The share of runs in which a client got no answer that policy allows.
const NO_ANSWER: &str = "no_answer_any";

/// Measures of the share of runs that were open for longer than a healthy cluster takes to spread a change.
const OPEN: [&str; 2] = [
    "unauthorized_exposure_service_above_10s",
    "unauthorized_exposure_pod_ip_above_10s",
];

/// The share of runs in which a request of a flow was let in against policy, of runs with a request that a policy refuses.
const OF_TRAFFIC: &str = "traffic_any_unauthorized";

/// The measure of the runs that tested policy, by probes or by traffic: that of more runs.
fn tested(design: &DesignSummary) -> Option<&Measure> {
    let by = [TESTED, OF_TRAFFIC].map(|measure| happened(design, measure).map(|(_, of)| of));
    by.into_iter().flatten().max_by_key(|of| of.n)
}

/// The largest value of two measures of exposure, through the Service and by the pod's address.
fn larger(design: &DesignSummary, measures: [&str; 2], value: fn(&Measure) -> Option<f64>) -> Option<f64> {
    let values = measures.iter().filter_map(|name| value(design.measure(name)?));
    values.reduce(f64::max)
}

fn mark(design: &DesignSummary) -> Mark {
    let by = [ACCESS, OF_TRAFFIC];
    let admitted = by
        .iter()
        .any(|measure| happened(design, measure).is_some_and(|(events, _)| events > 0));
    let open = larger(design, OPEN, |measure| measure.estimate).is_some_and(|share| share > 0.0);
    if admitted || open {
        return Mark::Breached;
    }
    // That nothing was ever open is no pass where no request tested it.
    let Some(tested) = tested(design) else {
        return Mark::Undecided;
    };
    let bounds = tested
        .upper
        .into_iter()
        .chain(larger(design, OPEN, |measure| measure.upper));
    match bounds.reduce(f64::min).is_some_and(|bound| bound <= HELD_MAX) {
        true => Mark::Held,
        false => Mark::Undecided,
    }
}

/// What a design did, most important first.
fn words(design: &DesignSummary) -> String {
    let mut parts = vec![access(design)];
    parts.extend(open(design));
    let layers = [
        ("network_bypassed_any", "past the network alone"),
        ("mesh_bypassed_any", "past the mesh alone"),
    ];
    for (measure, how) in layers {
        if let Some((1.., of)) = happened(design, measure) {
            parts.push(format!("{how} in {}", share(of)));
        }
    }
    match happened(design, KEPT_OUT) {
        Some((0, _)) => parts.push("right client never refused".to_owned()),
        Some((_, of)) => parts.push(format!("right client refused in {}", share(of))),
        None => {}
    }
    if let Some(refused) = estimate(design, "traffic_wrongly_denied_share").filter(|share| *share > 0.0) {
        parts.push(format!("{} of its requests by traffic refused", percent(refused)));
    }
    if let Some((1.., of)) = happened(design, NO_ANSWER) {
        parts.push(format!("no answer for it in {}", share(of)));
    }
    parts.join("; ")
}

fn access(design: &DesignSummary) -> String {
    if let Some((1.., of)) = happened(design, ACCESS) {
        return format!("wrong client admitted in {}", share(of));
    }
    if let Some((1.., of)) = happened(design, OF_TRAFFIC) {
        return format!("wrong client admitted by traffic in {}", share(of));
    }
    match tested(design) {
        None => "not tested".to_owned(),
        Some(of) => {
            let upper = of
                .upper
                .map_or(String::new(), |upper| format!(" (≤ {})", percent_up(upper)));
            format!(
                "admitted in 0 of the {} that tested it{upper}",
                many(of.n as usize, "run")
            )
        }
    }
}

/// For how long a wrong client could have got in, and how likely traffic would have used it.
fn open(design: &DesignSummary) -> Option<String> {
    let means = ["unauthorized_exposure_service", "unauthorized_exposure_pod_ip"];
    let [service, pod_ip] = means.map(|name| estimate(design, name));
    let (service, pod_ip) = (service?, pod_ip?);
    if service.max(pod_ip) == 0.0 {
        let bound = larger(design, OPEN, |measure| measure.upper);
        return Some(match (happened(design, TESTED), bound) {
            (None, Some(bound)) => format!("never open (≤ {} of runs)", percent_up(bound)),
            _ => "never open".to_owned(),
        });
    }
    let mut text = format!("open {} per run, {} by pod IP", seconds(service), seconds(pod_ip));
    if happened(design, ACCESS).is_none_or(|(events, _)| events == 0) {
        let hit = design
            .measures
            .iter()
            .find(|(name, _)| name.starts_with("unauthorized_any_at_"));
        if let Some((
            name,
            Measure {
                estimate: Some(hit), ..
            },
        )) = hit
        {
            let rate = name
                .trim_start_matches("unauthorized_any_at_")
                .trim_end_matches("_service");
            text.push_str(&format!(
                "; at {} per client it gets in in {} of runs",
                rate.replace("_per_", "/"),
                percent(*hit)
            ));
        }
    }
    Some(text)
}

/// A share of runs with its interval.
fn share(of: &Measure) -> String {
    let estimate = of.estimate.map_or(String::new(), percent);
    match of.lower.zip(of.upper) {
        Some((lower, upper)) => format!("{estimate} {}", percent_interval(lower, upper)),
        None => estimate,
    }
}

/// A design over the points of its factors.
fn over_points(points: &[&DesignSummary], marks: &[Mark]) -> String {
    let of = points.len();
    let breached = marks.iter().filter(|mark| **mark == Mark::Breached).count();
    let most = points
        .iter()
        .filter_map(|point| estimate(point, ACCESS))
        .reduce(f64::max);
    let open = points
        .iter()
        .filter_map(|point| estimate(point, "unauthorized_exposure_service"))
        .reduce(f64::max);
    let mut text = match breached {
        0 => format!("wrong client never got in at any of {of} points"),
        _ => format!("open to the wrong client at {breached} of {of} points"),
    };
    if let Some(most) = most.filter(|most| *most > 0.0) {
        text.push_str(&format!("; admitted in up to {} of runs", percent(most)));
    }
    if let Some(open) = open.filter(|open| *open > 0.0) {
        text.push_str(&format!("; open up to {} per run through the Service", seconds(open)));
    }
    let refused = points
        .iter()
        .filter_map(|point| estimate(point, KEPT_OUT))
        .reduce(f64::max);
    text.push_str(&match refused {
        Some(0.0) => "; right client never refused".to_owned(),
        Some(most) => format!("; right client refused in up to {} of runs", percent(most)),
        None => String::new(),
    });
    let undecided = marks.iter().filter(|mark| **mark == Mark::Undecided).count();
    if undecided > 0 {
        text.push_str(&format!("; too few runs tested it at {undecided}"));
    }
    text
}

/// What replays of breached runs found, per design the changes that refused the client most often.
fn closes(remedies: &[Remedies]) -> Option<String> {
    let of_design = |of: &Remedies| {
        let helpful: Vec<&Remedy> = of
            .remedies
            .iter()
            .filter(|remedy| remedy.refused > 0)
            .take(NAMED_MAX)
            .collect();
        let alike = helpful.chunk_by(|a, b| (a.refused, a.tried) == (b.refused, b.tried));
        let named = alike.map(|group| {
            let names: Vec<&str> = group.iter().map(|remedy| remedy.name.as_str()).collect();
            format!("{} ({} of {})", names.join(", "), group[0].refused, group[0].tried)
        });
        let named: Vec<String> = named.collect();
        match named.is_empty() {
            true => format!("{}: no single change", of.design),
            false => format!("{}: {}", of.design, named.join(", ")),
        }
    };
    let named: Vec<String> = remedies.iter().take(2).map(of_design).collect();
    (!named.is_empty()).then(|| {
        format!(
            "{}; counts are replays of breached runs with one change",
            named.join("; ")
        )
    })
}

/// Which design is best by the measure that the experiment is about, with its interval, or that none differs.
///
/// Intervals that do not touch differ; of others nothing is claimed, since they are of the same random events.
fn best(summary: &Summary, controls: &Controls<'_>) -> Option<String> {
    let names = match summary.headline.as_slice() {
        [] => &["startup_latency_p50".to_owned()][..],
        names => names,
    };
    let options: Vec<&DesignSummary> = summary
        .designs
        .iter()
        .filter(|design| !controls.contains(&design.name))
        .collect();
    if options.len() < 2 {
        return None;
    }
    let found = names.iter().find_map(|name| {
        let of = known(name)?;
        let sign = match of.better {
            Better::Smaller => 1.0,
            Better::Larger => -1.0,
            Better::Neither => return None,
        };
        // Turned so that smaller is better: estimate, best end, worst end.
        let mut ranked: Vec<(f64, f64, f64, &DesignSummary)> = options
            .iter()
            .filter_map(|design| {
                let measure = design.measure(name)?;
                let estimate = measure.estimate?;
                let (lower, upper) = match (measure.lower, measure.upper) {
                    (None, None) => (estimate, estimate),
                    (lower, upper) => (lower.unwrap_or(f64::NEG_INFINITY), upper.unwrap_or(f64::INFINITY)),
                };
                let ends = (sign * lower, sign * upper);
                Some((sign * estimate, ends.0.min(ends.1), ends.0.max(ends.1), *design))
            })
            .collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        let [first, rest @ ..] = ranked.as_slice() else {
            return None;
        };
        let level: Vec<_> = rest.iter().filter(|other| other.1 <= first.2).collect();
        (level.len() < rest.len()).then(|| {
            let worse = rest.iter().filter(|other| other.1 > first.2);
            let next = worse.clone().next().map(|next| worded(next.3, of)).unwrap_or_default();
            let names: Vec<&str> = [first]
                .into_iter()
                .chain(level)
                .map(|one| one.3.name.as_str())
                .collect();
            let shown: Vec<&str> = names.iter().copied().take(NAMED_MAX).collect();
            let more = names.len() - shown.len();
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let (shown, are) = match names.len() {
                1 => (shown.join(", "), "is best"),
                _ => (shown.join(", "), "are best and do not differ"),
            };
            let label = of.label();
            let colon = if label.ends_with(" after") { "" } else { ":" };
            let value = value_of(first.3, of);
            format!(
                "{shown}{more} {are}; {label}{colon} {value} in {}, {next}",
                first.3.name
            )
        })
    });
    Some(found.unwrap_or_else(|| {
        let labels: Vec<String> = names.iter().take(HEADLINE_MAX).map(|name| label(name)).collect();
        format!("no design differs from the best one in {}", labels.join(", "))
    }))
}

fn worded(design: &DesignSummary, of: &Known) -> String {
    format!("{} in {}, the next one", value_of(design, of), design.name)
}

/// A measure of a design with its interval.
fn value_of(design: &DesignSummary, of: &Known) -> String {
    Short::of_design(design, &of.name).joined(" ")
}

/// Startup, unless each design has a line about it, and certificate requests, per design; what all designs share is written once.
fn costs(summary: &Summary, with_startup: bool) -> Option<String> {
    let groups = by_design(&summary.designs);
    let ends = |group: &[&DesignSummary], measure: &str| {
        let values = || group.iter().filter_map(|point| estimate(point, measure));
        values().reduce(f64::min).zip(values().reduce(f64::max))
    };
    let written = |(least, most): (f64, f64), unit: &str| match (number(least), number(most)) {
        (least, most) if least == most => format!("{least}{unit}"),
        (least, most) => format!("{least}–{most}{unit}"),
    };
    let of = |measure: &str, unit: &str| {
        let one = |group: &Vec<&DesignSummary>| {
            Some((base_of(&group[0].name).to_owned(), written(ends(group, measure)?, unit)))
        };
        let all: Vec<(String, String)> = groups.iter().filter_map(one).collect();
        let (_, first) = all.first()?;
        if all.len() > 1 && all.len() == groups.len() && all.iter().all(|(_, value)| value == first) {
            return Some(format!("{first} in every design"));
        }
        let named = all
            .iter()
            .take(DESIGNS_MAX)
            .map(|(name, value)| format!("{name} {value}"));
        Some(named.collect::<Vec<_>>().join(", "))
    };
    let startup = of("startup_latency_p50", " s").map(|each| format!("median startup: {each}"));
    let requests = of("certificate_requests", "").map(|each| format!("certificate requests per run: {each}"));
    let startup = startup.filter(|_| with_startup);
    let all: Vec<String> = startup.into_iter().chain(requests).collect();
    match all.is_empty() {
        true => with_startup.then(|| "not measured: no startup, no certificate requests".to_owned()),
        false => Some(all.join("; ")),
    }
}

/// How many values are assumptions.
fn assumed(manifest: &Manifest) -> String {
    let rows = super::parameters::rows(manifest);
    let assumed = rows.iter().filter(|row| row.assumed).count();
    format!(
        "{assumed} of {} parameter values are assumed (see Parameters); intervals cover chance between runs only",
        rows.len()
    )
}

/// Designs most of whose runs never put the policy to the test.
fn untested(summary: &Summary) -> Option<String> {
    let of = |design: &DesignSummary| {
        let runs = design.replications - design.failed;
        let of = |measure: &str| design.measure(measure).map(|of| of.n);
        let tested = of(TESTED)?.max(of(OF_TRAFFIC).unwrap_or(0));
        (2 * tested < runs).then(|| format!("{} {} of {} runs", design.name, count(runs - tested), count(runs)))
    };
    let few: Vec<String> = summary.designs.iter().filter_map(of).collect();
    let more = few.len().saturating_sub(NAMED_MAX);
    let mut named = few.into_iter().take(NAMED_MAX).collect::<Vec<_>>().join(", ");
    if more > 0 {
        named.push_str(&format!(" and {more} more"));
    }
    (!named.is_empty()).then(|| format!("no layer decided about the wrong client in {named}"))
}

#[cfg(test)]
mod tests;
