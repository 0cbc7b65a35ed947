//! The name of a design at a point of its factors, `DESIGN@factor=level,factor=level`: how it is made and taken apart, for
//! all who know no more than the name. Which points there are belongs to `factors`.

use indexmap::IndexMap;

/// Stands between a design and its point; no design has it in its own name.
const MARK: char = '@';

/// The name of a design at the levels of its factors; without factors its own.
pub fn full_name(design: &str, factors: &IndexMap<String, String>) -> String {
    let levels: Vec<String> = factors.iter().map(|(name, level)| format!("{name}={level}")).collect();
    match levels.is_empty() {
        true => design.to_owned(),
        false => format!("{design}{MARK}{}", levels.join(",")),
    }
}

/// The design in a name, without its point.
pub fn base_of(name: &str) -> &str {
    name.split_once(MARK).map_or(name, |(base, _)| base)
}

/// The point in a name; empty without factors.
pub fn point_of(name: &str) -> &str {
    name.split_once(MARK).map_or("", |(_, point)| point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_as_it_was_made() {
        let factors = [("nodes", "400"), ("churn", "a,b")];
        let factors = factors.map(|(name, level)| (name.to_owned(), level.to_owned()));
        let name = full_name("cilium", &factors.into_iter().collect());
        assert_eq!(name, "cilium@nodes=400,churn=a,b");
        assert_eq!((base_of(&name), point_of(&name)), ("cilium", "nodes=400,churn=a,b"));
        let plain = full_name("cilium", &IndexMap::new());
        assert_eq!((base_of(&plain), point_of(&plain)), ("cilium", ""));
    }
}
