//! Several designs of a result in few words, and designs with their points.

use crate::lab::lists::unique;
use crate::lab::{DesignSummary, PlannedDesign};
use crate::scenario::point_name::base_of;

/// Several designs of a result in words, by their places in it: all, whole designs by their bare names, single points by their
/// full ones.
pub fn design_names(designs: &[PlannedDesign], having: &[usize]) -> String {
    if having.len() == designs.len() {
        return "all".to_owned();
    }
    let names = having.iter().map(|at| {
        let (full, base) = (designs[*at].name.as_str(), base_of(&designs[*at].name));
        let mut points = designs
            .iter()
            .enumerate()
            .filter(|(_, other)| base_of(&other.name) == base);
        match points.all(|(point, _)| having.contains(&point)) {
            true => base,
            false => full,
        }
    });
    unique(names).join(", ")
}

/// Designs with their points, in the order of the result.
pub fn by_design(all: &[DesignSummary]) -> Vec<Vec<&DesignSummary>> {
    let mut groups: Vec<Vec<&DesignSummary>> = Vec::new();
    for design in all {
        match groups
            .iter_mut()
            .find(|group| base_of(&group[0].name) == base_of(&design.name))
        {
            Some(group) => group.push(design),
            None => groups.push(vec![design]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing::plan;

    #[test]
    fn designs_are_named_as_briefly_as_is_true() {
        let mut designs = Vec::new();
        for name in ["plain", "mesh@n=1", "mesh@n=2", "other@n=1", "other@n=2"] {
            let mut design = plan(1).designs.remove(0);
            design.name = name.to_owned();
            designs.push(design);
        }
        assert_eq!(design_names(&designs, &[0, 1, 2, 3, 4]), "all");
        assert_eq!(design_names(&designs, &[0, 1, 2, 4]), "plain, mesh, other@n=2");
    }
}
