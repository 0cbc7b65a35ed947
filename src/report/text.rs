//! Words and lists in sentences: one home for every report. Numbers are written by `short`.

use super::short::count;

/// Each text once, in the order in which they first appear.
pub fn unique<'a>(all: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for text in all {
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen
}

/// A text in one line, with single blanks.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// With a capital letter.
#[must_use]
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A number of something: `1 pod`, `2 pods`, `1,000 pods`.
#[must_use]
pub fn many(number: usize, word: &str) -> String {
    format!("{} {word}{}", count(number as u64), if number == 1 { "" } else { "s" })
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn list<S: AsRef<str>>(parts: &[S]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// `4 to 9`, or `4` if both ends are written alike.
#[must_use]
pub fn range(least: String, most: String) -> String {
    match least == most {
        true => least,
        false => format!("{least} to {most}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_written_for_people() {
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(unique(["b", "a", "b"]), ["b", "a"]);
        assert_eq!(
            [1, 2, 1000].map(|number| many(number, "run")),
            ["1 run", "2 runs", "1,000 runs"]
        );
    }
}
