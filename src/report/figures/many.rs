//! Which designs of a great many are drawn, and how a figure counts the others.
//!
//! Only pictures choose: tables and specifications have every design. How designs are drawn belongs to the figures.

use crate::report::short::count;
use crate::scenario::point_name::base_of;

/// Most designs that a figure with a panel or a row per design draws. An experiment with factors has 48 and more: a picture
/// of all of them is ten times as high as a page, and no reader compares panels that are not in sight of each other.
pub(super) const DESIGNS_MAX: usize = 12;

/// The names of the designs that are drawn, in the order of `names`: all if they are few; else `always` (controls, if they are
/// among them), the first point of each base design, and then as many others as there is room for, the first ones first.
pub(super) fn drawn<'a>(names: &[&'a str], always: &[&str]) -> Vec<&'a str> {
    if names.len() <= DESIGNS_MAX {
        return names.to_vec();
    }
    let is_first = |index: usize| {
        let base = base_of(names[index]);
        !names[..index].iter().any(|earlier| base_of(earlier) == base)
    };
    let mut chosen: Vec<usize> = (0..names.len()).collect();
    // The sort is stable: of equals the first ones stay.
    chosen.sort_by_key(|&index| match always.contains(&names[index]) {
        true => 0,
        false if is_first(index) => 1,
        false => 2,
    });
    chosen.truncate(DESIGNS_MAX);
    chosen.sort_unstable();
    chosen.into_iter().map(|index| names[index]).collect()
}

/// A caption that also has how many of `all` designs are not among the `drawn`, and has it first, for the end of a long
/// caption is cut.
pub(super) fn told(caption: &str, all: usize, drawn: usize) -> String {
    match all.saturating_sub(drawn) {
        0 => caption.to_owned(),
        rest => {
            let [rest_words, all_words] = [rest, all].map(|number| count(number as u64));
            let are = if rest == 1 { "is" } else { "are" };
            let note = format!(
                "{rest_words} of {all_words} designs {are} not drawn; the data beside the figure have all of them."
            );
            format!("{note} {caption}").trim_end().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_designs_are_all_drawn() {
        let names = ["a@n=1", "a@n=2", "b", "a@n=1"];
        assert_eq!(drawn(&names, &["b"]), names);
        assert_eq!(told("Bands.", 12, 12), "Bands.");
    }

    #[test]
    fn of_many_the_first_points_and_the_control_come_first_and_the_order_stays() {
        let owned: Vec<String> = ["a", "b", "c"]
            .iter()
            .flat_map(|base| (0..15).map(move |level| format!("{base}@n={level}")))
            .collect();
        let mut names: Vec<&str> = owned.iter().map(String::as_str).collect();
        names.push("last");
        let expected: Vec<String> = (0..9).map(|level| format!("a@n={level}")).collect();
        let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        expected.extend(["b@n=0", "c@n=0", "last"]);
        assert_eq!(drawn(&names, &[]), expected);
        let plain: Vec<String> = (0..20).map(|index| format!("design-{index}")).collect();
        let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
        let mut expected = plain[..11].to_vec();
        expected.push("design-19");
        assert_eq!(drawn(&plain, &["design-19"]), expected);
    }

    #[test]
    fn what_is_left_out_is_said_first() {
        assert_eq!(
            told("Bands.", 48, 12),
            "36 of 48 designs are not drawn; the data beside the figure have all of them. Bands."
        );
        assert!(told("", 13, 12).starts_with("1 of 13 designs is not drawn;"));
    }
}
