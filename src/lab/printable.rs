//! Text of strangers as it may be shown: names, titles and values come from files that others wrote, and a terminal obeys
//! control characters.
//!
//! Belongs here: which characters are not shown as they are, and how long a shown word may be. Does not belong here: the
//! escaping of Markdown, LaTeX and HTML (`report`), and who prints (`cli::terminal`).

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character does something instead of being seen: controls of both sets, marks that turn the direction of
/// writing, separators of lines that are none in a file. Line feeds and tabs are harmless.
pub const fn is_hostile(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => true,
        _ => false,
    }
}

/// For a terminal: hostile characters are spelled, `\u{1b}`.
pub fn spelled(text: &str) -> Cow<'_, str> {
    replaced(text, |letter, out| {
        let _ = write!(out, "{}", letter.escape_unicode());
    })
}

/// For a page: hostile characters become the sign for what cannot be shown.
pub fn legible(text: &str) -> Cow<'_, str> {
    replaced(text, |_, out| out.push('\u{fffd}'))
}

/// For JSON that was written already: hostile characters stand in its strings only, and become escapes of JSON.
pub fn in_json(text: &str) -> Cow<'_, str> {
    replaced(text, |letter, out| {
        let _ = write!(out, "\\u{:04x}", u32::from(letter));
    })
}

fn replaced(text: &str, replace: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_hostile(letter) {
            true => replace(letter, &mut out),
            false => out.push(letter),
        }
    }
    Cow::Owned(out)
}

/// The text, or its beginning and an ellipsis if it has more than `most` characters.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// The text with every word of more than `most` characters cut.
pub fn with_short_words(text: &str, most: usize) -> Cow<'_, str> {
    if text.split_whitespace().all(|word| word.len() <= most) {
        return Cow::Borrowed(text);
    }
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let bare = word.trim_end_matches(char::is_whitespace);
        format!("{}{}", cut(bare, most), &word[bare.len()..])
    });
    Cow::Owned(words.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown_and_what_is_seen_stays() {
        let text = "a\u{1b}[31m\u{9b}\u{202e}\u{7}é\n\t🦀";
        assert_eq!(spelled(text), "a\\u{1b}[31m\\u{9b}\\u{202e}\\u{7}é\n\t🦀");
        assert_eq!(legible(text), "a\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}é\n\t🦀");
        let json = serde_json::to_string(text).expect("a text is JSON");
        let read: String = serde_json::from_str(&in_json(&json)).expect("it is JSON still");
        assert!(!in_json(&json).chars().any(is_hostile) && read == text);
    }

    #[test]
    fn long_words_are_cut() {
        assert_eq!(cut("éééé", 4), "éééé");
        assert_eq!(cut("ééééé", 4), "éééé…");
        assert_eq!(with_short_words("an aaaaaaa b\n", 3), "an aaa… b\n");
        assert_eq!(with_short_words("all  short", 5), "all  short");
    }
}
