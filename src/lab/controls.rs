//! Which design is compared with which control: the one that it names, else the design named `control`.
//!
//! A control is a yardstick: it gets no verdict, is no option and closes nothing. Designs that others name are compared with
//! nothing unless they name a control of their own. That names exist and form no circle is checked in `scenario`.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::PlannedDesign;
use crate::scenario::point_name::{base_of, point_of};

/// The name of the design that is the control of all designs that name none.
const CONTROL: &str = "control";

/// The controls among the designs of a result.
pub struct Controls<'d> {
    designs: &'d [PlannedDesign],
    by_name: BTreeMap<&'d str, usize>,
    /// Names without points.
    controls: BTreeSet<&'d str>,
}

impl<'d> Controls<'d> {
    pub fn of(designs: &'d [PlannedDesign]) -> Self {
        let names = designs.iter().map(|design| design.name.as_str());
        let named = designs.iter().filter_map(|design| design.control.as_deref());
        Self {
            designs,
            by_name: names.clone().enumerate().map(|(at, name)| (name, at)).collect(),
            controls: controls(names, named),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.controls.is_empty()
    }

    /// Whether a design of this name, at whichever point, is a control.
    pub fn contains(&self, name: &str) -> bool {
        self.controls.contains(base_of(name))
    }

    /// The place of the control of the design at a place, at the same point of the factors.
    pub fn control_of(&self, place: usize) -> Option<usize> {
        let design = self.designs.get(place)?;
        let named = design.control.as_deref();
        let base = named.or_else(|| (!self.contains(&design.name)).then_some(CONTROL))?;
        let found = match point_of(&design.name) {
            "" => self.by_name.get(base),
            point => self.by_name.get(format!("{base}@{point}").as_str()),
        };
        found.copied().filter(|found| *found != place)
    }
}

/// The controls among designs of these names, of which some name others as their controls.
pub fn controls<'d>(names: impl Iterator<Item = &'d str>, named: impl Iterator<Item = &'d str>) -> BTreeSet<&'d str> {
    let bases: BTreeSet<&str> = names.map(base_of).collect();
    named.chain([CONTROL]).filter(|name| bases.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing::plan;

    /// Designs with the controls that they name; an empty name for none.
    fn designs(of: &[(&str, &str)]) -> Vec<PlannedDesign> {
        let one = |(name, control): &(&str, &str)| PlannedDesign {
            name: (*name).to_owned(),
            control: Some((*control).to_owned()).filter(|control| !control.is_empty()),
            ..plan(1).designs.remove(0)
        };
        of.iter().map(one).collect()
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        let designs = designs(of);
        let controls = Controls::of(&designs);
        let pair = |place: usize| Some((place, controls.control_of(place)?));
        let name = |place: usize| designs[place].name.clone();
        let pairs = (0..designs.len()).filter_map(pair);
        pairs.map(|(design, control)| (name(design), name(control))).collect()
    }

    fn owned(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn a_design_has_the_control_that_it_names_or_the_one_named_control() {
        let of = [("a", ""), ("b", "b-off"), ("b-off", ""), ("c", "b"), ("control", "")];
        // `b` is a control too, and names one itself; `b-off` is one and names none.
        assert_eq!(pairs(&of), owned(&[("a", "control"), ("b", "b-off"), ("c", "b")]));
        let designs = designs(&of);
        let controls = Controls::of(&designs);
        let are = designs.iter().map(|design| controls.contains(&design.name));
        assert_eq!(are.collect::<Vec<_>>(), [false, true, true, false, true]);
        assert_eq!(pairs(&[("a", ""), ("b", "")]), []);
    }

    #[test]
    fn a_control_is_met_at_the_same_point_only() {
        let of = [("a@n=1", "off"), ("a@n=2", "off"), ("off@n=2", ""), ("off@n=3", "")];
        assert_eq!(pairs(&of), owned(&[("a@n=2", "off@n=2")]));
        // A control that is not among the designs that were run is none.
        assert_eq!(pairs(&[("a", "off"), ("b", "")]), []);
    }
}
