//! The story of one run for a person: which fault touched whom, who held which address, who believed what and as of when, what each
//! layer decided, what ended it, and what slow pods waited for.
//!
//! A pure function of the run's outcome. Words are chosen with care: *believed* is what a node had read, *truly* is what
//! was so, *meant* is what the policies intend. One file per section; [`page`] wraps lines.

pub mod chain;
pub mod json;
pub mod mermaid;
mod outcome;
mod request;
mod reuse;
mod sentences;
mod slow;
mod slow_words;
mod timeline;
mod why;

#[cfg(test)]
mod golden_tests;
pub mod page;
#[cfg(test)]
mod tests;

use crate::cluster::spec::{Encryption, Routing};
use crate::lab::what_if::{Change, Happened, RepairBound, WhatIf};
use crate::report::text::many;
use crate::story::ToldRun;
use crate::story::dossier::{Dossier, PodStory, RequestStory, Setting};
use chain::{Chain, Focus, Subject, chains};
use page::Page;
pub(in crate::report) use sentences::start_word;
use serde::Serialize;
pub(in crate::report) use timeline::command_words;

#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    pub experiment: &'a str,
    pub design: &'a str,
    /// One line about the design.
    pub title: &'a str,
    pub replication: u64,
    pub seed: u64,
    pub command: &'a str,
    pub outcome: &'a ToldRun,
}

impl Told<'_> {
    /// Which run it is, in words.
    pub fn run(&self) -> String {
        format!(
            "{}, design {}, replication {}, seed {}",
            self.experiment, self.design, self.replication, self.seed
        )
    }

    /// The same for figures, with version and command.
    pub fn subtitle(&self) -> String {
        format!(
            "{}, meshfault {}\n{}",
            self.run(),
            env!("CARGO_PKG_VERSION"),
            self.command
        )
    }
}

/// Why something happened, and what would have prevented it if that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cause {
    /// Link by link from the end back to the fault.
    pub chain: Chain,
    /// Replays of the run with one thing changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what_if: Option<WhatIf>,
}

impl Cause {
    /// The changes whose replays are reported, in order.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        let what_if = self.what_if.iter();
        what_if.flat_map(|answers| {
            let repairs = answers.repairs.iter().map(|repair| match &repair.bound {
                RepairBound::Found { change, .. } | RepairBound::Never { change } => change,
            });
            repairs.chain(answers.answers.iter().map(|answer| &answer.switch.change))
        })
    }
}

/// The causes of a run without asking what would have prevented them.
pub fn causes(outcome: &ToldRun, focus: &Focus) -> Vec<Cause> {
    let chains = outcome
        .dossier
        .as_deref()
        .map(|dossier| chains(dossier, outcome, focus));
    let cause = |chain| Cause { chain, what_if: None };
    chains.unwrap_or_default().into_iter().map(cause).collect()
}

/// What a chain explains, as a question for `lab::what_if`.
pub fn happened(subject: &Subject) -> Happened {
    match subject {
        Subject::Access { access } => Happened::Access(access.clone()),
        Subject::Exposure { window } => Happened::Exposure(window.clone()),
        Subject::SlowStart { pod } => Happened::SlowStart(pod.clone()),
    }
}

/// The story of a run with these causes; `chosen` is why this run was chosen.
pub fn render_with(told: &Told, causes: &[Cause], chosen: Option<&str>) -> String {
    let mut page = Page::default();
    page.title(&told.run());
    let outcome = told.outcome;
    if let Some(chosen) = chosen {
        page.paragraph(chosen);
    }
    if let Some(failure) = &outcome.run.failure {
        page.paragraph(&format!(
            "The run failed at {} in {}: {}",
            page::at(failure.time),
            failure.component,
            failure.reason
        ));
    }
    let Some(dossier) = outcome.dossier.as_deref() else {
        page.paragraph("The story of this run was not recorded.");
        return page.finish();
    };
    page.paragraph(&sentences::headline(dossier, outcome, causes));
    why::sections(&mut page, causes, told.design);
    page.section("The run");
    page.paragraph(&setting(told.title, &dossier.setting));
    page.blank();
    timeline::lines(&mut page, dossier, outcome);
    page.section("Faults");
    timeline::faults(&mut page, dossier, outcome);
    page.section("Which address went from whom to whom");
    reuse::section(&mut page, dossier);
    page.section("The request");
    request::section(&mut page, dossier, outcome, causes);
    page.section("What ended it");
    outcome::section(&mut page, dossier, outcome);
    page.section("Slow pods");
    slow::section(&mut page, dossier);
    page.section("To see it again");
    page.line(&format!("  {}", told.command));
    page.finish()
}

/// What a pod lost, by cause, in few words.
pub fn losses_of(pod: &PodStory) -> String {
    slow::losses(&pod.record.delays)
}

fn after_cut(dossier: &Dossier) -> impl DoubleEndedIterator<Item = &RequestStory> {
    dossier.requests.iter().filter(|request| request.record.after_cut)
}

/// The request that the run is about: the one that is explained, else the last one after the first fault that was sent at all, else
/// the last one.
fn decisive<'d>(dossier: &'d Dossier, causes: &[Cause]) -> Option<&'d RequestStory> {
    let explained = causes.iter().find_map(|cause| match &cause.chain.subject {
        Subject::Access { access } => dossier.requests.iter().find(|request| request.record == *access),
        _ => None,
    });
    explained
        .or_else(|| after_cut(dossier).rfind(|request| request.choice.is_some()))
        .or_else(|| after_cut(dossier).next_back())
}

fn setting(title: &str, setting: &Setting) -> String {
    let datapath = match (setting.routing, setting.encryption) {
        (Routing::Native, Encryption::None) => "native routing, no encryption",
        (Routing::Native, Encryption::WireGuard) => "native routing with WireGuard",
        (Routing::Vxlan, Encryption::None) => "VXLAN, no encryption",
        (Routing::Vxlan, Encryption::WireGuard) => "VXLAN and WireGuard",
    };
    let mut text = format!("{title}. {} with {datapath}.", many(setting.nodes as usize, "node"));
    text.push_str(if setting.identity_in_packet {
        " Packets between nodes carry the identity that the sender's own node has for the sender."
    } else {
        " Packets between nodes do not carry the sender's identity: the receiving node looks the source address up in its \
          own ipcache."
    });
    if setting.wireguard_checks_addresses {
        text.push_str(" WireGuard's peers, which list the node of each address, come from the same ipcache.");
    }
    if let Some(mesh) = &setting.mesh {
        text.push_str(&format!(
            " {}; a failed certificate request ",
            many(mesh.istiods as usize, "Istiod")
        ));
        text.push_str(if mesh.certificate_dials_anew {
            "dials anew and may meet another one."
        } else {
            "keeps its connection, and so its Istiod."
        });
    }
    let enforced = match (setting.network_enforced, setting.mesh_enforced, setting.mesh.is_some()) {
        (true, true, _) => " Both layers enforce their policies.",
        (true, false, true) => " The network enforces its policies, the mesh does not.",
        (true, false, false) => " Only the network enforces policies; there is no mesh.",
        (false, true, _) => " The mesh enforces its policies, the network does not.",
        (false, false, _) => " No layer enforces policies.",
    };
    text.push_str(enforced);
    text
}
