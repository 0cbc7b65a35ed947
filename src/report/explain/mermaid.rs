//! The story as a Mermaid sequence diagram: participants are components, messages in time order, notes for cut, reuse and
//! verdict.
//!
//! Names come from manifests and are hostile: everything but plain letters, digits and a few signs is written as a
//! character code, which Mermaid shows as the character.

use std::collections::BTreeMap;

use super::chain::{Chain, LinkKind, Subject, critical_channel, what_happened};
use super::page::{at, span};
use super::{Cause, Told};
use crate::cluster::party::{NamedParty, PartyKind};
use crate::kernel::SimTime;
use crate::lab::cell::Word;
use crate::story::dossier::{Dossier, PodStory, RequestStory, SynFate, Viewer};

/// A line of the diagram with its place in time; of one moment, in the order of cause and effect.
struct Line {
    time: SimTime,
    rank: u8,
    text: String,
}

/// Characters in a line of a message or a note.
const LINE: usize = 44;

#[derive(Default)]
struct Diagram {
    /// Names of participants in the order of their first use, by which they are numbered.
    participants: Vec<String>,
    numbers: BTreeMap<String, usize>,
    lines: Vec<Line>,
}

/// The first cause of a run as a diagram; without a cause, what was cut.
pub fn render(told: &Told, causes: &[Cause]) -> String {
    let mut diagram = Diagram::default();
    if let Some(dossier) = told.outcome.dossier.as_deref() {
        faults(&mut diagram, dossier);
        if let Some(cause) = causes.first() {
            of_cause(&mut diagram, dossier, &cause.chain);
        }
        for up in &dossier.given_up {
            let text = format!("{} NotReady", up.node);
            diagram.note(up.at, 6, &["API server"], &text);
        }
    }
    diagram.finish(&told.run())
}

fn faults(diagram: &mut Diagram, dossier: &Dossier) {
    diagram.participant("API server");
    for fault in &dossier.faults {
        let text = format!("{} {} {}", fault.fault, fault.verb(), fault.kind.words().object);
        for party in &fault.parties {
            diagram.note(fault.time, 1, &["API server", &party.short()], &text);
        }
    }
}

fn of_cause(diagram: &mut Diagram, dossier: &Dossier, chain: &Chain) {
    match &chain.subject {
        Subject::Access { access } => {
            let mut requests = dossier.requests.iter();
            if let Some(request) = requests.find(|request| request.record == *access) {
                belief(diagram, chain, dossier);
                sent(diagram, request);
            }
        }
        Subject::Exposure { window } => {
            belief(diagram, chain, dossier);
            let text = format!("would let {} in: {}", window.client, window.class.word());
            let network = format!("network of {}", window.node);
            diagram.note(window.start, 5, &[&network], &text);
        }
        Subject::SlowStart { pod } => {
            let mut told = dossier.slow.iter().chain(&dossier.slowest);
            if let Some(pod) = told.find(|slow| slow.record.pod == pod.pod) {
                start(diagram, pod);
            }
        }
    }
}

/// What the enforcing node read of the address, and what it never did.
fn belief(diagram: &mut Diagram, chain: &Chain, dossier: &Dossier) {
    let of = |kind: LinkKind| chain.links.iter().find(|link| link.kind == kind);
    let Some(believed) = of(LinkKind::Belief) else { return };
    let Some(address) = dossier
        .addresses
        .iter()
        .find(|address| Some(address.ip) == believed.ids.ip)
    else {
        return;
    };
    let agent = NamedParty::new(PartyKind::Agent, &believed.place).short();
    let seen = address.beliefs.iter().find(|belief| belief.node == believed.place);
    for held in &address.api {
        let Some(entry) = &held.what else { continue };
        let read = seen.and_then(|belief| {
            let mut entries = belief.entries.iter();
            entries.find(|held| held.what.as_ref().is_some_and(|seen| seen.revision == entry.revision))
        });
        let text = format!(
            "revision {}: {} is {}, identity {} ({})",
            entry.revision, address.ip, entry.owner, entry.identity.number, entry.identity.meaning
        );
        match read {
            Some(read) => diagram.message(read.from, 2, "API server", "->>", &agent, &text),
            None => {
                let text = format!("{text}, written at {}, not read", at(entry.written));
                diagram.message(entry.written, 3, "API server", "--x", &agent, &text);
            }
        }
    }
    if let Some(reuse) = of(LinkKind::Reuse) {
        let pod = reuse.ids.pod.clone().unwrap_or_default();
        let before = reuse.ids.previous_pod.clone().unwrap_or_default();
        let text = format!("gets {}, which had belonged to {before}", address.ip);
        diagram.note(reuse.time, 2, &[&pod], &text);
    }
}

fn sent(diagram: &mut Diagram, request: &RequestStory) {
    let record = &request.record;
    let Some(choice) = &request.choice else { return };
    let network = format!("network of {}", choice.node);
    let by = match &choice.by {
        Viewer::Node { .. } => "the service proxy",
        Viewer::Proxy { .. } => "its own proxy",
    };
    let text = format!("{} to {} ({} by {by})", request.request, record.server, choice.pod);
    diagram.message(record.time, 4, &record.client, "->>", &network, &text);
    let last = request.syns.last().map_or(record.time, |syn| syn.time);
    if let Some(passage) = &request.passage {
        let agent = NamedParty::new(PartyKind::Agent, &passage.belief.node).short();
        let taken = format!("identity {} ({})", passage.taken_for.number, passage.taken_for.meaning);
        diagram.message(
            last,
            5,
            &network,
            "->>",
            &agent,
            &format!("who is {}?", passage.belief.ip),
        );
        diagram.message(last, 5, &agent, "-->>", &network, &taken);
        if let Some(verdict) = &passage.verdict {
            let word = if verdict.allowed { "admits" } else { "drops" };
            diagram.note(last, 6, &[&network], &format!("network {word}: {}", verdict.because));
        }
    }
    let end = record.time + record.latency;
    if request.syns.last().is_some_and(|syn| syn.fate == SynFate::Delivered) {
        diagram.message(last, 6, &network, "->>", request.server(choice), "the connection");
        if let Some(mesh) = &request.mesh {
            let word = if mesh.verdict.allowed { "lets in" } else { "refuses" };
            diagram.note(
                last,
                7,
                &[request.server(choice)],
                &format!("mesh {word}: {}", mesh.verdict.because),
            );
        }
        diagram.message(
            end,
            8,
            request.server(choice),
            "-->>",
            &record.client,
            &record.cause.replace('_', " "),
        );
    }
    let class = format!("{}: {}", record.class.word(), record.class.words().meaning);
    diagram.note(end, 9, &[&record.client], &class);
}

fn start(diagram: &mut Diagram, pod: &PodStory) {
    let record = &pod.record;
    diagram.note(record.desired, 4, &[&record.pod], "created by its ReplicaSet");
    for (time, istiod) in &pod.refusals {
        let istiod = istiod.as_deref().unwrap_or("no Istiod");
        diagram.message(*time, 4, "API server", "--x", istiod, "injection webhook: no answer");
    }
    if let Some((name, channel)) = critical_channel(pod) {
        for (number, connection) in channel.connections.iter().enumerate() {
            let next = channel.connections.get(number + 1).map(|next| next.dialled);
            let done = next.is_none().then_some(channel.done).flatten();
            let end = next.or(channel.done).unwrap_or(record.exit);
            let what = what_happened(connection, done);
            let to = match &connection.istiod {
                Some((istiod, node)) => format!("{istiod} on {node}"),
                None => "no Istiod".to_owned(),
            };
            let arrow = if connection.connected.is_some() || done.is_some() {
                "->>"
            } else {
                "--x"
            };
            let text = format!("{name}, attempt {}", number + 1);
            diagram.message(connection.dialled, 5, &record.pod, arrow, &to, &text);
            let cost = span(end.since(connection.dialled));
            diagram.note(end, 3, &[&record.pod, &to], &format!("{what} ({cost})"));
        }
    }
    let outcome = if record.ready.is_some() { "ready" } else { "never ready" };
    let text = format!("{outcome} after {}", span(record.exit.since(record.desired)));
    diagram.note(record.exit, 9, &[&record.pod], &text);
}

impl Diagram {
    fn participant(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.participants.push(name.to_owned());
        self.numbers.insert(name.to_owned(), self.participants.len());
        self.participants.len()
    }

    fn message(&mut self, time: SimTime, rank: u8, from: &str, arrow: &str, to: &str, text: &str) {
        let (from, to) = (self.participant(from), self.participant(to));
        let text = format!("p{from}{arrow}p{to}: {}", lines(&format!("{} {text}", at(time))));
        self.lines.push(Line { time, rank, text });
    }

    /// A note over one participant, or over the space between two.
    fn note(&mut self, time: SimTime, rank: u8, over: &[&str], text: &str) {
        let over: Vec<String> = over.iter().map(|name| format!("p{}", self.participant(name))).collect();
        let text = format!(
            "Note over {}: {}",
            over.join(","),
            lines(&format!("{} {text}", at(time)))
        );
        self.lines.push(Line { time, rank, text });
    }

    fn finish(mut self, title: &str) -> String {
        self.lines.sort_by_key(|line| (line.time, line.rank));
        let mut text = format!("sequenceDiagram\n    title {}\n", escaped(title));
        for (index, name) in self.participants.iter().enumerate() {
            text.push_str(&format!("    participant p{} as {}\n", index + 1, escaped(name)));
        }
        for line in &self.lines {
            text.push_str(&format!("    {}\n", line.text));
        }
        text
    }
}

/// A text for a message or a note, escaped, in lines of about [`LINE`] characters: Mermaid breaks none by itself, and a
/// long one leaves its note and the picture.
fn lines(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| escaped(line)).collect::<Vec<_>>().join("<br/>")
}

/// A text in which nothing has a meaning to Mermaid: other characters become codes such as `#59;`, and so does the first
/// letter of `end`, which would close a block.
fn escaped(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || " .,()/_-=+?'".contains(c);
    let mut safe = String::new();
    for c in text.chars() {
        if plain(c) {
            safe.push(c);
        } else if c.is_control() {
            safe.push(' ');
        } else {
            safe.push_str(&format!("#{};", u32::from(c)));
        }
    }
    let words = safe.split(' ').map(|word| match word.eq_ignore_ascii_case("end") {
        true => format!("#{};{}", u32::from(word.as_bytes()[0]), &word[1..]),
        false => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_text() {
        let mut diagram = Diagram::default();
        let name = "a;b#c\n<script>alert(1)</script>%%";
        diagram.message(SimTime::ZERO, 0, name, "->>", "end", "x: y; end");
        let text = diagram.finish("t");
        let last = text.lines().last().unwrap();
        assert_eq!(last, "    p1->>p2: 0.000 s x#58; y#59; #101;nd");
        assert!(
            text.contains("participant p1 as a#59;b#35;c #60;script#62;alert(1)#60;/script#62;#37;#37;\n"),
            "{text}"
        );
        assert!(text.contains("participant p2 as #101;nd\n"), "{text}");
    }

    #[test]
    fn long_texts_are_broken_between_words() {
        let mut diagram = Diagram::default();
        let text = "its TokenReview could not reach the API server, 28 times, until 12 s (13 min 37 s)";
        diagram.note(SimTime::ZERO, 0, &["a", "b"], text);
        let text = diagram.finish("t");
        let note = text.lines().last().unwrap().split_once(": ").unwrap().1;
        let lines: Vec<&str> = note.split("<br/>").collect();
        assert!(
            lines.len() == 3 && lines.iter().all(|line| line.len() <= LINE),
            "{lines:?}"
        );
    }
}
