//! Values that the user gives instead of assumed ones, written into the text of the experiment.
//!
//! Belongs here: finding the line of a key in a text that `experiment` wrote. Does not belong here: whether a value is right, which the
//! reader of experiments decides.

use std::path::Path;

use serde_json::Value;

use crate::scenario::error::{COMMAND_LINE, InputError};
use crate::scenario::overrides::Overrides;

/// Changes as they were given: the steps to each key, and its value.
#[derive(Debug, Default)]
pub(super) struct Changes {
    all: Vec<(Vec<String>, String)>,
    /// The keys, each in one line.
    pub keys: Vec<String>,
}

impl Changes {
    /// Reads a list of `key=value`.
    ///
    /// # Errors
    /// If there is no such key.
    pub fn parse(changes: &[String]) -> Result<Self, InputError> {
        let overrides = Overrides::parse(changes)?;
        let mut read = Self::default();
        for ((key, _), written) in overrides.changes.iter().zip(&overrides.written) {
            let value = written.split_once('=').map_or("", |(_, value)| value.trim());
            if value.contains(char::is_control) {
                let error = InputError::in_file(
                    Path::new(COMMAND_LINE),
                    format!("the value of `{}` has a line break", key.written),
                );
                return Err(error.with_hint("write it in one line"));
            }
            read.all.push((key.steps.clone(), value.to_owned()));
            read.keys.push(key.written.clone());
        }
        Ok(read)
    }

    /// The text with the values of all keys; nothing if there are none.
    ///
    /// # Errors
    /// For a key that is not in a line of its own.
    pub fn written_into(&self, text: &str) -> Result<Option<String>, InputError> {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for ((steps, value), key) in self.all.iter().zip(&self.keys) {
            if !set(&mut lines, steps, value) {
                let message = format!("`{key}` is not in a line of its own in the written experiment");
                let error = InputError::in_file(Path::new(COMMAND_LINE), message);
                return Err(error.with_hint(format!("change it in the experiment, or `meshfault run --set {key}=…`")));
            }
        }
        let text = || lines.iter().map(|line| format!("{line}\n")).collect();
        Ok((!self.all.is_empty()).then(text))
    }
}

/// Sets the value of a key; whether it could be.
fn set(lines: &mut Vec<String>, steps: &[String], value: &str) -> bool {
    let (mut from, mut to) = (0, lines.len());
    for (depth, step) in steps.iter().enumerate() {
        let indent = "  ".repeat(depth);
        let last = depth + 1 == steps.len();
        let begin = format!("{indent}{step}:");
        let of_key = |line: &String| {
            line.strip_prefix(&begin)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let found = lines[from..to].iter().position(of_key).map(|at| from + at);
        let line = match last {
            true => format!("{begin} {} # given by --set", written(step, value)),
            false => begin.clone(),
        };
        let Some(at) = found else {
            // Behind the first lines of the file, or at the beginning of what is under the key above.
            let at = if depth == 0 {
                lines
                    .iter()
                    .position(|line| line.starts_with("seed:"))
                    .map_or(to, |at| at + 1)
            } else {
                from
            };
            if lines.get(at).is_some_and(|line| line.trim_start().starts_with("- ")) {
                return false;
            }
            lines.insert(at, line);
            (from, to) = (at + 1, at + 1);
            continue;
        };
        let is_under = |line: &String| line.starts_with(&format!("{indent} ")) && !line.trim().is_empty();
        let end = at + 1 + lines[at + 1..].iter().take_while(|line| is_under(line)).count();
        let inline = lines[at][begin.len()..]
            .split(" #")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        if inline.starts_with(['{', '[', '>', '|', '&']) && !(last && end == at + 1) {
            return false;
        }
        if last {
            if end > at + 1 {
                return false;
            }
            lines[at] = line;
        } else if !inline.is_empty() {
            // `istio: none` becomes a map.
            lines[at] = line;
        }
        (from, to) = (at + 1, end);
    }
    true
}

/// A value as it is written: numbers, words and flow style as they are, versions and all else in quotes.
fn written(key: &str, value: &str) -> String {
    let is_version = matches!(key, "kubernetes" | "version");
    let is_flow = value.starts_with(['{', '[', '"', '\'']);
    let is_plain = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "./%-_".contains(c));
    match is_flow || is_plain && !is_version {
        true => value.to_owned(),
        false => Value::from(value).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "meshfault: 1\nquestion: >-\n  What?\nseed: 1\n\ncluster:\n  kubernetes: \"1.29\"  # image\n  zones: 3  # labels\n  \
                        cilium:\n    version: \"1.15\"\n  istio: none  # neither\n\nparameters:\n  kubernetes.pods_per_node_max: 110\n\nscript:\n  - pause: 30s\n";

    fn changed(changes: &[&str]) -> Result<String, String> {
        let changes: Vec<String> = changes.iter().map(|of| (*of).to_owned()).collect();
        let text = Changes::parse(&changes).and_then(|changes| changes.written_into(TEXT));
        text.map(Option::unwrap_or_default).map_err(|error| error.in_one_line())
    }

    #[test]
    fn a_value_takes_the_place_of_the_one_in_its_line_or_gets_a_line() {
        for (change, line) in [
            ("cluster.zones=2", "  zones: 2 # given by --set\n"),
            ("cluster.kubernetes=1.30", "  kubernetes: \"1.30\" # given by --set\n"),
            (
                "cluster.cilium.version=1.16",
                "    version: \"1.16\" # given by --set\n",
            ),
            (
                "cluster.cilium.routing=native",
                "  cilium:\n    routing: native # given by --set\n",
            ),
            (
                "cluster.istio.version=1.24",
                "  istio:\n    version: \"1.24\" # given by --set\n",
            ),
            (
                "parameters.kubernetes.pods_per_node_max=250",
                "  kubernetes.pods_per_node_max: 250 # given by --set\n",
            ),
            ("seed=7", "\nseed: 7 # given by --set\n"),
            ("tie_order=permuted", "seed: 1\ntie_order: permuted # given by --set\n"),
            ("title=a: b", "title: \"a: b\" # given by --set\n"),
        ] {
            let text = changed(&[change]).unwrap_or_else(|error| panic!("{change}: {error}"));
            assert!(text.contains(line), "{change}: {text}");
            let lines = text.lines().count() - TEXT.lines().count();
            assert!(lines <= 1, "{change}: {text}");
        }
        assert_eq!(changed(&[]), Ok(String::new()));
    }

    #[test]
    fn what_cannot_be_set_is_refused() {
        for (change, part) in [
            ("cluster.zone=2", "unknown key"),
            ("cluster.zones", "changes nothing"),
            ("script.pause=3s", "not in a line of its own"),
            ("question=a", "not in a line of its own"),
            ("title=a\nb", "line break"),
        ] {
            let error = changed(&[change]).expect_err(change);
            assert!(error.contains(part), "{change}: {error}");
        }
    }
}
