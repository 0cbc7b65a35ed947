//! Items of a trace as Chrome's trace events: one JSON object with `traceEvents`, times in microseconds.
//!
//! Spans may overlap on a track, so they are nestable asynchronous events (`b`, `e`), each with an identity of its own. The two
//! ends of a message are short slices (`X`) to which its flow (`s`, `f`) is bound. Escaping is left to the JSON library.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::items::Item;
use crate::kernel::SimTime;
use crate::report::explain::Told;
use crate::story::timeline::Track;

/// Length of the slice at an end of a message, in nanoseconds; shorter where something else begins before.
const SLICE_NS: u64 = 1_000;

pub(super) fn write(told: &Told, tracks: &[Track], items: &[Item]) -> String {
    let places = Places::of(tracks);
    let mut lines: Vec<(SimTime, Value)> = Vec::new();
    let slices = Slices::of(items, told);
    for (number, item) in items.iter().enumerate() {
        match item {
            Item::Message {
                from,
                to,
                sent,
                arrives,
                what,
            } => {
                let whom = &tracks[*to].name;
                let name = match arrives {
                    Some(_) => what.clone(),
                    None => format!("lost: {what}"),
                };
                let args = json!({"to": whom, "from": tracks[*from].name});
                lines.push((*sent, slices.slice(&places, *from, *sent, &name, &args)));
                if let Some(arrives) = arrives {
                    lines.push((*sent, flow(&places, "s", number, *from, *sent, what)));
                    lines.push((*arrives, slices.slice(&places, *to, *arrives, what, &args)));
                    lines.push((*arrives, flow(&places, "f", number, *to, *arrives, what)));
                }
            }
            Item::Span {
                track,
                from,
                to,
                open,
                kind,
                what,
            } => {
                let event = |phase: &str, time: SimTime| {
                    let mut event = places.event(phase, *track, time, what);
                    event.insert("cat".to_owned(), json!(kind));
                    event.insert("id".to_owned(), json!(format!("span-{number}")));
                    event
                };
                lines.push((*from, Value::Object(event("b", *from))));
                let mut end = event("e", *to);
                if *open {
                    end.insert("args".to_owned(), json!({"open at the end of the run": true}));
                }
                lines.push((*to, Value::Object(end)));
            }
            Item::Moment { track, time, what } => {
                let mut event = places.event("i", *track, *time, what);
                event.insert("cat".to_owned(), json!("decision"));
                event.insert("s".to_owned(), json!("t"));
                lines.push((*time, Value::Object(event)));
            }
        }
    }
    // Stable: of one moment, in the order of the items.
    lines.sort_by_key(|(time, _)| *time);
    let mut text = String::from("{\"displayTimeUnit\":\"ms\",\"otherData\":");
    let about = json!({
        "program": format!("meshfault {}", env!("CARGO_PKG_VERSION")),
        "experiment": told.experiment,
        "design": told.design,
        "replication": told.replication,
        "seed": told.seed,
        "command": told.command,
    });
    text.push_str(&about.to_string());
    text.push_str(",\"traceEvents\":[\n");
    let metadata = places.metadata(tracks);
    let all = metadata.iter().chain(lines.iter().map(|(_, line)| line));
    let all: Vec<String> = all.map(Value::to_string).collect();
    text.push_str(&all.join(",\n"));
    text.push_str("\n]}\n");
    text
}

fn micros(time: SimTime) -> Value {
    json!(time.as_nanos() as f64 / 1000.0)
}

fn flow(places: &Places, phase: &str, number: usize, track: usize, time: SimTime, what: &str) -> Value {
    let mut event = places.event(phase, track, time, what);
    event.insert("cat".to_owned(), json!("message"));
    event.insert("id".to_owned(), json!(number));
    if phase == "f" {
        event.insert("bp".to_owned(), json!("e"));
    }
    Value::Object(event)
}

/// Process and thread numbers of tracks.
struct Places {
    /// Per track: process, thread.
    numbers: Vec<(usize, usize)>,
    /// Names of processes, from number 1 on.
    groups: Vec<String>,
}

impl Places {
    fn of(tracks: &[Track]) -> Self {
        let mut groups: Vec<String> = Vec::new();
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        let mut numbers = Vec::new();
        for (index, track) in tracks.iter().enumerate() {
            let process = *known.entry(&track.group).or_insert_with(|| {
                groups.push(track.group.clone());
                groups.len()
            });
            numbers.push((process, index + 1));
        }
        Self { numbers, groups }
    }

    fn event(&self, phase: &str, track: usize, time: SimTime, name: &str) -> Map<String, Value> {
        let (process, thread) = self.numbers[track];
        let fields = [
            ("name", json!(name)),
            ("ph", json!(phase)),
            ("ts", micros(time)),
            ("pid", json!(process)),
            ("tid", json!(thread)),
        ];
        fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Names of processes and threads, and their order.
    fn metadata(&self, tracks: &[Track]) -> Vec<Value> {
        let mut lines = Vec::new();
        for (index, group) in self.groups.iter().enumerate() {
            let process = index + 1;
            lines.push(json!({"name": "process_name", "ph": "M", "pid": process, "tid": 0, "args": {"name": group}}));
            lines.push(json!({"name": "process_sort_index", "ph": "M", "pid": process, "tid": 0, "args": {"sort_index": process}}));
        }
        for (track, (process, thread)) in tracks.iter().zip(&self.numbers) {
            lines.push(
                json!({"name": "thread_name", "ph": "M", "pid": process, "tid": thread, "args": {"name": track.name}}),
            );
            lines.push(json!({"name": "thread_sort_index", "ph": "M", "pid": process, "tid": thread, "args": {"sort_index": thread}}));
        }
        lines
    }
}

/// How long the slices at the ends of messages are: they never reach into the next one on their track, so that they nest.
struct Slices {
    ends: BTreeMap<(usize, SimTime), ()>,
    horizon: SimTime,
}

impl Slices {
    fn of(items: &[Item], told: &Told) -> Self {
        let mut ends = BTreeMap::new();
        for item in items {
            if let Item::Message {
                from,
                to,
                sent,
                arrives,
                ..
            } = item
            {
                ends.insert((*from, *sent), ());
                ends.extend(arrives.map(|arrives| ((*to, arrives), ())));
            }
        }
        let dossier = told.outcome.dossier.as_deref();
        Self {
            ends,
            horizon: dossier.map_or(SimTime::NEVER, |dossier| dossier.setting.horizon),
        }
    }

    fn slice(&self, places: &Places, track: usize, time: SimTime, name: &str, args: &Value) -> Value {
        let after = (track, SimTime::from_nanos(time.as_nanos() + 1))..;
        let next = self.ends.range(after).next().map(|((of, next), ())| (*of, *next));
        let gap = match next {
            Some((of, next)) if of == track => next.since(time).as_nanos(),
            _ => SLICE_NS,
        };
        let length = gap.min(SLICE_NS).min(self.horizon.since(time).as_nanos());
        let mut event = places.event("X", track, time, name);
        event.insert("cat".to_owned(), json!("message"));
        event.insert("dur".to_owned(), json!(length as f64 / 1000.0));
        event.insert("args".to_owned(), args.clone());
        Value::Object(event)
    }
}
