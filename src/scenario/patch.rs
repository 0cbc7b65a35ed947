//! Changes of an experiment's tree: a value put where a key leads, and maps laid over maps.
//!
//! Belongs here: what the later one of two values replaces. Values keep their places, so that a complaint names the change.
//! Does not belong here: which keys there are (`keys`), and which changes are made in which order (`layers`).

use super::keys::Form;
use super::yaml::{Node, Value};

/// Puts a value where the steps lead, in every entry of a list on the way that has the key. What `none` or its absence denies
/// stays denied.
///
/// # Errors
/// The steps that are left where no entry takes them.
pub fn put<'a, 's>(node: &mut Node<'a>, form: Form, steps: &'s [String], value: &Node<'a>) -> Result<(), &'s [String]> {
    let [step, rest @ ..] = steps else {
        lay(node, form, value);
        return Ok(());
    };
    if let (Value::List(entries), Some(form)) = (&mut node.value, form.entry()) {
        let takes = |entry: &Node<'_>| !form.is_choice() || entry.get(step).is_some();
        let taking = entries.iter_mut().filter(|entry| takes(entry));
        return taking
            .map(|entry| put(entry, form, steps, value))
            .reduce(Result::and)
            .unwrap_or(Err(steps));
    }
    let child = form.child(step).ok_or(steps)?;
    let is_map = matches!(node.value, Value::Map(_));
    if !is_map && form.is_dispensable() {
        return Ok(());
    }
    if !is_map || form.is_choice() && node.get(step).is_none() {
        *node = Node::new(Value::Map(Vec::new()), value.referenced);
    }
    let Value::Map(pairs) = &mut node.value else {
        return Ok(());
    };
    let (rivals, is_own) = (form.rivals(), |key: &Node<'_>| key.scalar() == Some(step));
    pairs.retain(|(key, _)| is_own(key) || !rivals.contains(&step.as_str()) || !is_in(key, &rivals));
    if !pairs.iter().any(|(key, _)| is_own(key)) {
        let key = Node::new(Value::Text(step.clone().into()), value.referenced);
        pairs.push((key, Node::new(Value::Null, value.referenced)));
    }
    let own = pairs.iter_mut().find(|(key, _)| is_own(key));
    own.map_or(Ok(()), |(_, own)| put(own, child, rest, value))
}

/// Lays a value over another: maps key by key, anything else as a whole. Nothing changes nothing.
pub fn lay<'a>(node: &mut Node<'a>, form: Form, value: &Node<'a>) {
    match (&mut node.value, &value.value) {
        (_, Value::Null) => {}
        (Value::Map(pairs), Value::Map(changes)) if !form.is_choice() => {
            let rivals = form.rivals();
            let counts = |value: &Node<'_>| !matches!(value.value, Value::Null);
            if changes.iter().any(|(key, value)| is_in(key, &rivals) && counts(value)) {
                let stays = |key: &Node<'_>| changes.iter().any(|(new, _)| new.scalar() == key.scalar());
                pairs.retain(|(key, _)| !is_in(key, &rivals) || stays(key));
            }
            for (key, change) in changes {
                let old = pairs.iter_mut().find(|(own, _)| own.scalar() == key.scalar());
                match (old, key.scalar().and_then(|key| form.child(key))) {
                    (Some((_, old)), Some(form)) => lay(old, form, change),
                    _ => pairs.push((key.clone(), change.clone())),
                }
            }
            node.referenced = value.referenced;
        }
        _ => *node = in_form(form, value),
    }
}

/// A value as it is; where a list is expected, one value stands for a list of it and `none` for the empty one.
fn in_form<'a>(form: Form, value: &Node<'a>) -> Node<'a> {
    let fits = match value.value {
        Value::List(_) => true,
        Value::Map(_) => form.is_map(),
        _ => form.is_scalar(),
    };
    if fits || form.entry().is_none() {
        return value.clone();
    }
    let entries = if value.scalar() == Some("none") {
        Vec::new()
    } else {
        vec![value.clone()]
    };
    Node::new(Value::List(entries), value.referenced)
}

fn is_in(key: &Node<'_>, names: &[&str]) -> bool {
    key.scalar().is_some_and(|key| names.contains(&key))
}
