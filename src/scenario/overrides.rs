//! Changes from the command line, `--set key=value`: the last layer of every design.
//!
//! Belongs here: how they are written. Does not belong here: which keys there are (`keys`), what they change (`layers`) and
//! what the values mean. Values have no place in a file; complaints about them name the change.

use std::path::Path;

use super::error::{COMMAND_LINE, InputError};
use super::keys::Key;
use super::yaml::{self, Node, Position, Spanned, Value};

/// Characters of a change that a complaint shows.
const SHOWN_MAX: usize = 120;

/// Changes from the command line.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// All changes as they were written, in order.
    pub written: Vec<String>,
    pub(super) changes: Vec<(Key, Node<'static>)>,
}

impl Overrides {
    /// Reads a list of `key=value`; of equal keys the last one counts.
    pub fn parse<S: AsRef<str>>(changes: &[S]) -> Result<Self, InputError> {
        let mut overrides = Self::default();
        for change in changes {
            let at = Position::of_change(overrides.written.len());
            overrides.written.push(change.as_ref().to_owned());
            let read = read(change.as_ref(), at).map_err(|error| overrides.named(error))?;
            overrides.changes.push(read);
        }
        Ok(overrides)
    }

    /// A complaint about a value from the command line with the name of the change that it is in.
    pub fn named(&self, mut error: InputError) -> InputError {
        let number = error.column.take_if(|_| error.line.is_none());
        if let Some(change) = number.and_then(|number| self.written.get(number as usize - 1)) {
            let end = change.char_indices().nth(SHOWN_MAX).map(|(end, _)| end);
            let (shown, more) = end.map_or((change.as_str(), ""), |end| (&change[..end], "…"));
            error.file = format!("{COMMAND_LINE} {shown}{more}").into();
        }
        error
    }
}

fn read(change: &str, at: Position) -> Result<(Key, Node<'static>), InputError> {
    let file = Path::new(COMMAND_LINE);
    let Some((key, value)) = change.split_once('=') else {
        let error = InputError::in_file(file, format!("`{change}` changes nothing"));
        return Err(error.with_hint("write `key=value`, such as `cluster.nodes=400`"));
    };
    let (key, value) = (
        Key::read(file, &Spanned::new(key.trim().to_owned(), at, at))?,
        value.trim(),
    );
    if key.scope() == Some("file") {
        let hint = "write it in the file; `--set` changes values of all designs, and `--design` chooses designs";
        return Err(InputError::of_change(at, format!("`{}` cannot be set", key.written)).with_hint(hint));
    }
    // A scalar is taken as it is; only what cannot be one is read as YAML.
    if !value.starts_with(['{', '[', '"', '\'']) {
        return Ok((key, Node::new(Value::Text(value.to_owned().into()), at)));
    }
    match yaml::tree(file, value) {
        Ok(tree) => Ok((key, tree.root.moved(at))),
        Err(error) => Err(InputError {
            hint: error.hint,
            ..InputError::of_change(at, error.message)
        }),
    }
}
