//! Words and lists in sentences: one home for every report. Numbers are written by `short`.

use super::short::count;

/// A text in one line, with single blanks.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A number of something: `1 pod`, `2 pods`, `1,000 pods`.
pub fn many(number: usize, word: &str) -> String {
    format!("{} {word}{}", count(number as u64), if number == 1 { "" } else { "s" })
}

/// Text in lines of at most a width; the first begins with `first`, the others with `rest`.
pub fn wrapped(first: &str, rest: &str, text: &str, width: usize) -> String {
    let (mut out, mut line, mut empty) = (String::new(), first.to_owned(), true);
    for word in text.split_whitespace() {
        let length = line.chars().count() + usize::from(!empty) + word.chars().count();
        if !empty && length > width {
            out.push_str(line.trim_end());
            out.push('\n');
            rest.clone_into(&mut line);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
    out
}

/// `a`, `a and b`, `a, b and c`.
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
        assert_eq!(
            [1, 2, 1000].map(|number| many(number, "run")),
            ["1 run", "2 runs", "1,000 runs"]
        );
    }
}
