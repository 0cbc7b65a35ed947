//! The request: what was meant, what the server's node believed and why nothing corrected it, what each layer decided.

use super::page::{Page, at, span};
use super::sentences::{entry_words, start_word};
use super::timeline::{fate_words, syns_words};
use super::{Cause, after_cut, decisive};
use crate::cluster::access::{NO_READY_CLIENT, has_answer};
use crate::cluster::records::{AccessClass, Outcome};
use crate::lab::cell::Word;
use crate::report::text::{capital, list, many};
use crate::story::dossier::{
    Basis, Belief, Choice, Correction, Dossier, PassageStory, PeerCheck, RequestStory, VerdictStory, Viewer,
};

pub(super) fn section(page: &mut Page, dossier: &Dossier, outcome: &Outcome, causes: &[Cause]) {
    let start = start_word(dossier);
    baseline(page, dossier);
    let Some(request) = decisive(dossier, causes) else {
        match (&outcome.run.script_stopped, outcome.run.cut) {
            (Some(reason), _) => {
                page.paragraph(&format!("After {start} none was sent: the script stopped ({reason})."))
            }
            (None, Some(_)) if dossier.remembered > 0 => {
                page.paragraph(&format!(
                    "After {start} none was sent: the run ended before a pod was found to send it from."
                ));
            }
            _ if unsent(outcome).is_some() => {}
            (None, None) if !outcome.accesses.is_empty() => {
                page.paragraph("No fault acted, so that no request counts as one after a fault.");
            }
            _ if !outcome.accesses.is_empty() => {
                page.paragraph(&format!(
                    "After {start} none was sent: all probes of the script came before it."
                ));
            }
            _ => page.paragraph(&format!("After {start} none was sent: the script has no probe.")),
        }
        if let Some(text) = unsent(outcome) {
            page.paragraph(&text);
        }
        return;
    };
    if let Some(text) = unsent(outcome) {
        page.paragraph(&text);
    }
    let unsent = after_cut(dossier).filter(|other| other.choice.is_none()).count();
    if unsent > 0 && request.choice.is_some() {
        let other = many(unsent, "attempt");
        page.paragraph(&format!(
            "Before it, {other} could not be sent, because {}.",
            not_sent(dossier)
        ));
    }
    page.blank();
    told(page, request, dossier);
}

/// What is to be said about probes that no pod could send.
fn unsent(outcome: &Outcome) -> Option<String> {
    let of_nobody: Vec<_> = outcome
        .accesses
        .iter()
        .filter(|access| access.cause == NO_READY_CLIENT)
        .collect();
    let (first, last) = (of_nobody.first()?, of_nobody.last()?);
    let until = match of_nobody.len() {
        1 => String::new(),
        tries => format!(", tried {tries} times until {}", at(last.time)),
    };
    Some(format!(
        "The probe of {} by {} at {}{until} was not sent: {} had no ready pod ({}).",
        first.server,
        first.client_workload,
        at(first.time),
        first.client_workload,
        NO_READY_CLIENT.replace('_', " ")
    ))
}

fn not_sent(dossier: &Dossier) -> &'static str {
    let cause = after_cut(dossier)
        .find(|request| request.choice.is_none())
        .map_or("", |request| request.record.cause.as_str());
    cause_words(cause)
}

fn cause_words(cause: &str) -> &'static str {
    match cause {
        "client_not_running" => "the client was not running yet",
        "client_proxy_not_up" => "the client's own proxy was not up yet",
        "no_endpoint" => "the Service had no endpoint any more",
        _ => "nothing could be sent",
    }
}

/// Requests before the first fault, briefly.
fn baseline(page: &mut Page, dossier: &Dossier) {
    let before: Vec<&RequestStory> = dossier
        .requests
        .iter()
        .filter(|request| !request.record.after_cut)
        .collect();
    if before.is_empty() {
        return;
    }
    let as_meant = |request: &&RequestStory| matches!(request.record.class, AccessClass::Allowed | AccessClass::Denied);
    let start = start_word(dossier);
    let verdict = if before.iter().all(as_meant) {
        format!("Before {start} every request ended as meant:")
    } else {
        format!("Before {start}:")
    };
    let parts: Vec<String> = before
        .iter()
        .map(|request| {
            let record = &request.record;
            format!(
                "{} to {} {} ({})",
                record.client_workload,
                record.server,
                record.class.word(),
                record.cause.replace('_', " ")
            )
        })
        .collect();
    page.paragraph(&format!("{verdict} {}.", parts.join("; ")));
}

fn told(page: &mut Page, request: &RequestStory, dossier: &Dossier) {
    let record = &request.record;
    let client = match (record.client_ip, &request.client_node) {
        (Some(ip), Some(node)) => format!("{} ({ip}, on {node})", record.client),
        _ => record.client.clone(),
    };
    page.paragraph(&format!(
        "{client} sent {} to {} at {}. Its true identity is {}.",
        request.request,
        record.server,
        at(record.time),
        request.client_identity.meaning
    ));
    let mut meant = Vec::new();
    meant.extend(
        request
            .network_intent
            .as_ref()
            .map(|verdict| meant_words("the network's", verdict)),
    );
    meant.extend(
        request
            .mesh_intent
            .as_ref()
            .map(|verdict| meant_words("the mesh's", verdict)),
    );
    let in_force = match (dossier.setting.network_enforced, dossier.setting.mesh_enforced) {
        (true, true) | (false, false) => "",
        (true, false) => " This design enforces only the network's.",
        (false, true) => " This design enforces only the mesh's.",
    };
    point(page, "Meant", &format!("{}.{in_force}", capital(&meant.join("; "))));
    let Some(choice) = &request.choice else {
        point(page, "Sent", &format!("Nothing: {}.", cause_words(&record.cause)));
        point(
            page,
            "Class",
            &format!("{}: {}.", record.class.word(), record.class.words().meaning),
        );
        return;
    };
    point(page, "Backend", &choice_words(choice));
    if let Some(holder) = request.holder.as_ref().filter(|holder| **holder != choice.pod) {
        let words = format!("{} held {} by then; the policies about it decide.", holder, choice.ip);
        point(page, "Reached", &words);
    }
    point(page, "Sent", &format!("{}.", syns_words(request)));
    if let Some(passage) = &request.passage {
        let belief = &passage.belief;
        point(page, "Believed", &belief_words(belief));
        point(page, "Corrected", &correction_words(belief));
        point(page, "WireGuard", &peer_words(passage, dossier));
        point(page, "Network", &network_words(passage));
    } else if let Some(last) = request.syns.last() {
        point(page, "Network", &format!("The packet was {}.", fate_words(last.fate)));
    }
    let mesh = match (&request.mesh, dossier.setting.mesh_enforced) {
        (Some(mesh), _) => {
            let principal = mesh
                .principal
                .as_ref()
                .map_or("no certificate".to_owned(), |principal| {
                    format!("a certificate for {principal}")
                });
            format!(
                "The client showed {principal}. The server's proxy {}: {}.",
                if mesh.verdict.allowed {
                    "let it in"
                } else {
                    "refused it"
                },
                mesh.verdict.because
            )
        }
        (None, true) => "Did not decide: the packet did not get that far.".to_owned(),
        (None, false) => "Enforces nothing in this design.".to_owned(),
    };
    point(page, "Mesh", &mesh);
    let class = format!(
        "{}: {}. {} after {} ({}).",
        record.class.word(),
        record.class.words().meaning,
        if has_answer(&record.cause) || record.cause == "connection_refused" {
            "The client had its answer"
        } else {
            "The client timed out"
        },
        span(record.latency),
        record.cause.replace('_', " ")
    );
    point(page, "Class", &class);
}

fn point(page: &mut Page, label: &str, text: &str) {
    page.labelled(&format!("  {label:<10} "), text);
}

fn meant_words(whose: &str, verdict: &VerdictStory) -> String {
    let word = if verdict.allowed { "allow it" } else { "refuse it" };
    format!("{whose} policies {word}: {}", verdict.because)
}

fn choice_words(choice: &Choice) -> String {
    let by = match &choice.by {
        Viewer::Node { node } => format!("The service proxy of {node}"),
        Viewer::Proxy { istiod, .. } => {
            let from = istiod
                .as_ref()
                .map_or(String::new(), |istiod| format!(" with the configuration of {istiod}"));
            format!("The client's own proxy chose{from}")
        }
    };
    let by = match &choice.by {
        Viewer::Node { .. } => format!("{by} chose"),
        Viewer::Proxy { .. } => by,
    };
    format!(
        "{by}, among {}: {} at {} on {}.",
        many(choice.candidates as usize, "endpoint"),
        choice.pod,
        choice.ip,
        choice.node
    )
}

/// What a node believed beside what was so.
pub(super) fn belief_words(belief: &Belief) -> String {
    let read = belief.read.map_or("nothing".to_owned(), |read| {
        format!("revision {} (written at {})", read.number, at(read.written))
    });
    let mut text = match &belief.entry {
        Some(entry) => format!(
            "{} believed {} to belong to {}; that entry is revision {}, written at {}.",
            belief.node,
            belief.ip,
            entry_words(entry),
            entry.revision,
            at(entry.written)
        ),
        None => format!(
            "{} had no entry for {}, which makes it the world.",
            belief.node, belief.ip
        ),
    };
    text.push_str(&format!(
        " It had read CiliumEndpoints up to {read}; the API server was at "
    ));
    text.push_str(
        &belief
            .head
            .map_or("nothing".to_owned(), |head| format!("revision {}", head.number)),
    );
    match &belief.api {
        Some(api) => text.push_str(&format!(" and had {} (revision {}).", entry_words(api), api.revision)),
        None => text.push_str(" and had no entry."),
    }
    if let Some(holder) = &belief.holder {
        text.push_str(&format!(" The address belonged to {holder}."));
    }
    text
}

/// Why nothing corrected a belief.
pub(super) fn correction_words(belief: &Belief) -> String {
    match &belief.correction {
        Correction::True => "Nothing to correct: the belief was true.".to_owned(),
        Correction::Frozen { since, fault, cut_off } => {
            let by = fault.as_ref().map_or(String::new(), |fault| format!(" by {fault}"));
            let kept = if *cut_off { "cut off" } else { "kept behind" };
            format!(
                "Not at all: the agent had been {kept}{by} since {}, {} before, and read no later write.",
                at(*since),
                span(belief.at.since(*since))
            )
        }
        Correction::NotPublished { until: Some(until) } => format!(
            "Not yet: the new owner's CiliumEndpoint reached the API server only at {}, {} later.",
            at(*until),
            span(until.since(belief.at))
        ),
        Correction::NotPublished { until: None } => {
            "Never: no CiliumEndpoint of the new owner reached the API server.".to_owned()
        }
        Correction::UnderWay { written, until } => {
            let until = until.map_or("never read".to_owned(), |until| {
                format!("read there at {}, {} later", at(until), span(until.since(belief.at)))
            });
            format!("Not yet: the write of {} was on its way and was {until}.", at(*written))
        }
        Correction::NoHolder => "No pod had the address at that moment.".to_owned(),
    }
}

fn peer_words(passage: &PassageStory, dossier: &Dossier) -> String {
    let belief = &passage.belief;
    match (passage.peer_check, passage.basis) {
        (PeerCheck::None, Basis::SameNode) => "Not involved: both pods are on one node.".to_owned(),
        (PeerCheck::None, _) if dossier.setting.wireguard_checks_addresses => "Did not check.".to_owned(),
        (PeerCheck::None, _) => "Checks no pod addresses in this datapath.".to_owned(),
        (PeerCheck::Listed, _) => format!(
            "Passed: {}'s peers list {} for the node from which the packet came.",
            belief.node, belief.ip
        ),
        (PeerCheck::NotListed, _) => format!(
            "Dropped: {}'s peers do not list {} for the node from which the packet came.",
            belief.node, belief.ip
        ),
    }
}

fn network_words(passage: &PassageStory) -> String {
    let identity = format!("{} ({})", passage.taken_for.number, passage.taken_for.meaning);
    let node = &passage.belief.node;
    let taken = match passage.basis {
        Basis::SameNode => format!(
            "Client and server are both on {node}, which has the identities of its own pods: identity {identity}."
        ),
        Basis::Packet => {
            let stale = match (&passage.belief.correction, &passage.belief.entry) {
                (Correction::True, _) | (_, None) => "",
                _ => " Its ipcache did not matter.",
            };
            format!("The packet carried identity {identity}, so {node} took the sender for that.{stale}")
        }
        Basis::Ipcache => format!("{node} took the sender for identity {identity}, from its ipcache."),
    };
    match &passage.verdict {
        Some(verdict) => {
            let word = if verdict.allowed {
                "Ingress admitted it"
            } else {
                "Ingress dropped it"
            };
            format!("{taken} {word}: {}.", verdict.because)
        }
        None if passage.peer_check == PeerCheck::NotListed => "Ingress policy did not decide.".to_owned(),
        None => "Enforces nothing in this design.".to_owned(),
    }
}

pub(super) fn joined(names: &[String]) -> String {
    if names.is_empty() {
        "no endpoint".to_owned()
    } else {
        list(names)
    }
}
