//! Reading on behind what is wrong with a document, so that everything that is wrong is reported at once.
//!
//! Belongs here: what is taken out of the tree for that. Does not belong here: the words of the errors (`explain`).

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use super::tree::{Node, Value};
use super::{Position, Tree};
use crate::scenario::error::{Class, InputError};

/// Most errors of one document.
const ERRORS_MAX: usize = 20;

/// What is wrong with a document.
#[derive(Debug)]
pub struct Mended {
    /// Each once, in the order in which they were met.
    pub errors: Vec<InputError>,
    /// Whether the rest can be read as a value, and misses nothing that was written.
    pub whole: bool,
}

impl Tree<'_> {
    /// Everything that a type complains about. An unknown key gets the name of the one that is meant, or is taken out; so is
    /// whatever else is wrong.
    pub fn mend<T: DeserializeOwned>(&mut self) -> Mended {
        let mut errors: Vec<InputError> = Vec::new();
        let (mut taken, mut whole) = (Vec::new(), true);
        for _ in 0..ERRORS_MAX {
            let Err(error) = self.parse::<T>() else {
                return Mended { errors, whole };
            };
            let place = Position {
                line: error.line.unwrap_or(0),
                column: error.column.unwrap_or(0),
            };
            let near = error.hint.as_deref().and_then(|hint| {
                let meant = |hint: &'_ str| Some(hint.strip_prefix("did you mean `")?.strip_suffix("`?")?.to_owned());
                let other_word = |hint: &'_ str| Some(hint.strip_prefix("write `")?.strip_suffix('`')?.to_owned());
                meant(hint).or_else(|| other_word(hint).filter(|_| error.message.starts_with("unknown key")))
            });
            let near = near.as_deref();
            let missing = error
                .message
                .strip_prefix("key `")
                .and_then(|rest| rest.strip_suffix("` is missing"));
            let follows = missing.is_some_and(|key| taken.iter().any(|taken| taken == key));
            // Where a kind was taken out, a map without a kind is left.
            let is_left = |other: &InputError| {
                other.line == error.line
                    && other.message.starts_with("unknown value")
                    && error.message.starts_with("expected")
            };
            let is_known =
                |other: &InputError| (other.line, other.column) == (error.line, error.column) || is_left(other);
            let known = errors.iter().any(is_known);
            whole &= near.is_some() || error.class == Class::NotEvaluated;
            let mended = match missing {
                Some(_) => without_item(&mut self.root, place),
                None => without(&mut self.root, place, near, &mut taken),
            };
            if !follows && !known {
                errors.push(error);
            }
            if follows || !mended {
                break;
            }
        }
        Mended { errors, whole: false }
    }
}

/// Takes out the innermost entry at a place, or renames its key; whether there was one.
fn without(node: &mut Node<'_>, at: Position, near: Option<&str>, taken: &mut Vec<String>) -> bool {
    match &mut node.value {
        Value::List(items) => {
            let inside = items.iter_mut().any(|item| without(item, at, near, taken));
            inside || remove(items, |item| item.referenced == at).is_some()
        }
        Value::Map(pairs) => {
            if pairs.iter_mut().any(|(_, value)| without(value, at, near, taken)) {
                return true;
            }
            let key = pairs.iter().position(|(key, _)| key.referenced == at);
            let free = near.filter(|near| pairs.iter().all(|(key, _)| key.scalar() != Some(near)));
            if let (Some(index), Some(near)) = (key, free) {
                pairs[index].0.value = Value::Text(Cow::Owned(near.to_owned()));
                return true;
            }
            let removed = remove(pairs, |(key, _)| key.referenced == at);
            let removed = removed.or_else(|| remove(pairs, |(_, value)| value.referenced == at));
            taken.extend(removed.iter().filter_map(|(key, _)| key.scalar().map(str::to_owned)));
            removed.is_some()
        }
        Value::Null | Value::Text(_) | Value::Plain(..) => false,
    }
}

/// Takes out the innermost item of a list around a map at a place; whether there was one.
fn without_item(node: &mut Node<'_>, at: Position) -> bool {
    match &mut node.value {
        Value::List(items) => {
            let inside = items.iter_mut().any(|item| without_item(item, at));
            inside || remove(items, |item| holds(item, at)).is_some()
        }
        Value::Map(pairs) => pairs.iter_mut().any(|(_, value)| without_item(value, at)),
        Value::Null | Value::Text(_) | Value::Plain(..) => false,
    }
}

/// Whether a value, or one within it, is at a place.
fn holds(node: &Node<'_>, at: Position) -> bool {
    node.referenced == at || node.pairs().iter().any(|(_, value)| holds(value, at))
}

fn remove<T>(all: &mut Vec<T>, is: impl Fn(&T) -> bool) -> Option<T> {
    let index = all.iter().position(is)?;
    Some(all.remove(index))
}
