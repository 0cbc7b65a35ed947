//! The sections "Why it happened" and "What would have prevented it": chains and replays in words.

use super::Cause;
use super::chain::{Chain, Subject};
use super::page::{Page, at, span};
use crate::cluster::records::{AccessRecord, ExitCause, PodRecord};
use crate::lab::cell::Word;
use crate::lab::what_if::{Answer, Change, Effect, Repair, RepairBound, Seen, WhatIf};
use crate::report::text::many;

pub(super) fn sections(page: &mut Page, causes: &[Cause], design: &str) {
    for cause in causes {
        let about = name(&cause.chain.subject);
        page.section(&format!("Why it happened: {about}"));
        chain(page, &cause.chain);
        if let Some(answers) = &cause.what_if {
            page.section(&format!("What would have prevented it: {about}"));
            what_if(page, &cause.chain.subject, answers, design);
        }
    }
}

fn chain(page: &mut Page, chain: &Chain) {
    page.paragraph(&chain.summary);
    page.paragraph("Causes, most recent first:");
    let widest = chain.links.iter().map(|link| link.kind.word().len()).max();
    let width = widest.unwrap_or_default().max(11);
    for link in &chain.links {
        let label = format!("  {:<width$} {:>11}  ", link.kind.word(), at(link.time));
        page.labelled(&label, &format!("{}.", link.text));
    }
}

fn what_if(page: &mut Page, subject: &Subject, answers: &WhatIf, design: &str) {
    page.paragraph(&format!(
        "Found by {} of this run with the same seed and one change. To repeat one, add the line under the answer to the command \
         at the end of this page. Each answer holds for this run only.",
        many(answers.replays as usize, "replay")
    ));
    if answers.bounded {
        page.paragraph("The bound on replays was reached, so not everything was tried.");
    }
    for found in &answers.repairs {
        repair(page, subject, found, design);
    }
    let of = |effect: Effect| -> Vec<&Answer> {
        let answers = answers.answers.iter();
        answers.filter(|answer| answer.seen.effect == effect).collect()
    };
    let (help, not) = (of(Effect::Prevented), of(Effect::Happens));
    group(
        page,
        "These changes would have prevented it in this run:",
        subject,
        &help,
        design,
    );
    group(
        page,
        "These changes would not have prevented it in this run:",
        subject,
        &not,
        design,
    );
    let not_reached = "These show nothing about access, because no request got as far as a layer that decides:";
    group(page, not_reached, subject, &of(Effect::NotReached), design);
    let unknown = "These show nothing, because the pod did not exist or not for long enough:";
    group(page, unknown, subject, &of(Effect::Unknown), design);
    if help.is_empty() && !not.is_empty() {
        page.paragraph("No single switch that was tried prevents it in this run.");
    }
}

fn name(subject: &Subject) -> &'static str {
    match subject {
        Subject::Access { access } => access.class.words().noun,
        Subject::Exposure { .. } => "the exposure",
        Subject::SlowStart { .. } => "the slow start",
    }
}

fn repair(page: &mut Page, subject: &Subject, repair: &Repair, design: &str) {
    let what = name(subject);
    match &repair.bound {
        RepairBound::Found {
            repaired,
            too_late,
            change,
            seen,
        } => {
            page.labelled(
                "  - ",
                &format!(
                    "Had {} healed by {}, {} after it began, {what} would not have happened: {}. Healed at {}, it happens. \
                     Found by halving, to a tenth of a second, which assumes that no later repair helps where an earlier \
                     one does not.",
                    repair.fault,
                    at(*repaired),
                    span(repaired.since(repair.began)),
                    seen_words(subject, seen),
                    at(*too_late)
                ),
            );
            page.line(&format!("      {}", addition(change, design)));
        }
        RepairBound::Never { change } => {
            page.labelled(
                "  - ",
                &format!(
                    "No earlier repair of {} would have prevented {what}: it happens even if it ends 0.1 s after it began.",
                    repair.fault
                ),
            );
            page.line(&format!("      {}", addition(change, design)));
        }
    }
}

fn group(page: &mut Page, title: &str, subject: &Subject, answers: &[&Answer], design: &str) {
    if answers.is_empty() {
        return;
    }
    page.paragraph(title);
    for answer in answers {
        let text = format!("{}: {}.", answer.switch.words, seen_words(subject, &answer.seen));
        page.labelled("  - ", &text);
        page.line(&format!("      {}", addition(&answer.switch.change, design)));
    }
}

/// What a replay showed, about the same thing.
pub(super) fn seen_words(subject: &Subject, seen: &Seen) -> String {
    match subject {
        Subject::Access { .. } => seen
            .access
            .as_ref()
            .map_or("no request was sent after the fault began".to_owned(), access_words),
        Subject::Exposure { .. } => format!("{} of exposure in all", span(seen.exposure)),
        Subject::SlowStart { pod } => {
            let this = match &seen.pod {
                Some(pod) => pod_words(pod),
                None => format!("no pod {} was ever created", pod.pod),
            };
            let (slow, all) = seen.slow_pods;
            format!("{this}; {slow} of {} slow", many(all as usize, "measured pod"))
        }
    }
}

fn access_words(access: &AccessRecord) -> String {
    format!(
        "{} called {} at {}: {} ({})",
        access.client,
        access.server,
        at(access.time),
        access.class.word(),
        access.cause.replace('_', " ")
    )
}

fn pod_words(pod: &PodRecord) -> String {
    let spent = span(pod.exit.since(pod.desired));
    match pod.exit_cause {
        ExitCause::Ready => format!("{} was ready after {spent}", pod.pod),
        ExitCause::Deleted => format!("{} was deleted after {spent}", pod.pod),
        ExitCause::Censored => format!("{} was not ready at the end of the run, {spent} later", pod.pod),
    }
}

/// What is added to the command of the run, or takes the place of its design.
fn addition(change: &Change, design: &str) -> String {
    let mut parts = Vec::new();
    if change.design != design {
        parts.push(format!("--design {}", change.design));
    }
    parts.extend(change.set.iter().map(|set| format!("--set {set}")));
    parts.join(" ")
}
