//! What a factor sets: a key of the experiment, a parameter by its name, or a version.
//!
//! Belongs here: short names, and which keys can differ between points. Does not belong here: which keys there are (`keys`),
//! setting one (`layers`) and reading the value (`world`, `models`).

use std::path::Path;

use crate::scenario::error::InputError;
use crate::scenario::keys::{Form, Key};
use crate::scenario::layers::Layers;
use crate::scenario::models::COMPONENTS;
use crate::scenario::schema::Text;
use crate::scenario::values::complain;
use crate::scenario::yaml::Spanned;

/// Short names of versions.
const VERSIONS: [(&str, &str); 3] = [
    ("kubernetes", "cluster.kubernetes"),
    ("cilium", "cluster.cilium.version"),
    ("istio", "cluster.istio.version"),
];

/// Reads what a factor sets.
///
/// # Errors
/// If there is nothing of that name, or it cannot differ between points.
pub fn read(file: &Path, layers: &Layers<'_>, set: &Text) -> Result<Key, InputError> {
    let written = set.value.as_str();
    let of_component = |component: &str| {
        written
            .strip_prefix(component)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    let full = match VERSIONS.iter().find(|(short, _)| written == *short) {
        Some((_, key)) => (*key).to_owned(),
        None if COMPONENTS.iter().any(|(name, _)| of_component(name)) => format!("parameters.{written}"),
        None => written.to_owned(),
    };
    let key = Key::read(file, &Spanned::new(full, set.referenced, set.defined))?;
    if key.scope().is_some() {
        let message = format!("`{written}` is the same for the whole experiment");
        return Err(complain(file, set, message).with_hint("write it at the top of the experiment"));
    }
    let entry = key.form.entry();
    if !key.form.is_scalar() && !entry.is_some_and(Form::is_scalar) {
        let below = entry.unwrap_or(key.form).keys();
        let hint = format!(
            "name one value of it, such as `{written}.{}`",
            below.first().unwrap_or(&"KEY")
        );
        return Err(complain(file, set, format!("`{written}` is more than one value")).with_hint(hint));
    }
    layers.check(&key, set)?;
    Ok(key)
}

/// Whether a key takes whole numbers only.
pub fn is_whole(key: &Key) -> bool {
    key.form.is_one_of(&["Count", "Whole"])
}

/// Whether a key is part of Istio, so that a design without it has nothing to set.
pub fn is_of_istio(key: &Key) -> bool {
    ["cluster.istio.", "parameters.istio."]
        .iter()
        .any(|part| key.written.starts_with(part))
}
