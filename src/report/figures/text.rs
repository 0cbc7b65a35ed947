//! Text in figures: how wide a string will be in the embedded font, how to shorten, wrap and escape it.
//!
//! Nothing is drawn here ([`super::canvas`] does that) and no font file is read: the advance widths of printable ASCII
//! stand below, and a test compares them with what the renderer really lays out.

use crate::lab::printable::is_hostile;

/// Advance widths of U+0020 to U+007E in `assets/DejaVuSans.ttf`, in 1/2048 of the font size.
const REGULAR: [u16; 95] = [
    651, 821, 942, 1716, 1303, 1946, 1597, 563, 799, 799, 1024, 1716, 651, 739, 651, 690, 1303, 1303, 1303, 1303, 1303,
    1303, 1303, 1303, 1303, 1303, 690, 690, 1716, 1716, 1716, 1087, 2048, 1401, 1405, 1430, 1577, 1294, 1178, 1587,
    1540, 604, 604, 1343, 1141, 1767, 1532, 1612, 1235, 1612, 1423, 1300, 1251, 1499, 1401, 2025, 1403, 1251, 1403,
    799, 690, 799, 1716, 1024, 1024, 1255, 1300, 1126, 1300, 1260, 721, 1300, 1298, 569, 569, 1186, 569, 1995, 1298,
    1253, 1300, 1300, 842, 1067, 803, 1298, 1212, 1675, 1212, 1212, 1075, 1303, 690, 1303, 1716,
];

/// Advance widths of U+0020 to U+007E in `assets/DejaVuSans-Bold.ttf`, in 1/2048 of the font size.
const BOLD: [u16; 95] = [
    713, 934, 1067, 1716, 1425, 2052, 1786, 627, 936, 936, 1071, 1716, 778, 850, 778, 748, 1425, 1425, 1425, 1425,
    1425, 1425, 1425, 1425, 1425, 1425, 819, 819, 1716, 1716, 1716, 1188, 2048, 1585, 1561, 1503, 1700, 1399, 1399,
    1681, 1714, 762, 762, 1587, 1305, 2038, 1714, 1741, 1501, 1741, 1577, 1475, 1397, 1663, 1585, 2259, 1579, 1483,
    1485, 936, 748, 936, 1716, 1024, 1024, 1382, 1466, 1214, 1466, 1389, 891, 1466, 1458, 702, 702, 1362, 702, 2134,
    1458, 1407, 1466, 1466, 1010, 1219, 979, 1458, 1335, 1892, 1321, 1335, 1192, 1458, 748, 1458, 1716,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Regular,
    Bold,
}

/// Advance of one character in 1/2048 of the font size; characters outside ASCII count as wide ones, so that a text is
/// never wider than estimated.
fn advance(character: char, weight: Weight) -> f64 {
    let table = match weight {
        Weight::Regular => &REGULAR,
        Weight::Bold => &BOLD,
    };
    let code = u32::from(character) as usize;
    match character {
        ' '..='~' => f64::from(table[code - 32]),
        '\u{a0}' => f64::from(table[0]),
        '–' | '·' | '°' => 1024.0,
        _ => 2048.0,
    }
}

/// Width of `text` at font size `size`, kerning left out.
pub fn width(text: &str, size: f64, weight: Weight) -> f64 {
    text.chars().map(|character| advance(character, weight)).sum::<f64>() * size / 2048.0
}

/// `text` if it is at most `limit` wide, else its longest beginning that fits with `…` after it (at least the `…`).
pub fn truncated(text: &str, size: f64, weight: Weight, limit: f64) -> String {
    if width(text, size, weight) <= limit {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = width("…", size, weight);
    for character in text.chars() {
        used += advance(character, weight) * size / 2048.0;
        if used > limit {
            break;
        }
        kept.push(character);
    }
    let mut shortened = kept.trim_end().to_owned();
    shortened.push('…');
    shortened
}

/// Whether a text begins with what belongs to a number before it.
fn begins_with_unit(text: &str) -> bool {
    let word = text
        .split(|letter: char| letter.is_whitespace() || ",;:.)]".contains(letter))
        .next();
    matches!(word, Some("%" | "ms" | "s" | "min" | "h"))
}

/// Breaks `text` into at most `lines` lines of at most `limit` width, at line ends, after a space or `,` and before `@`,
/// or else after `-`, `_`, `/` or `.`; what is left is truncated in the last line.
pub fn wrapped(text: &str, size: f64, weight: Weight, limit: f64, lines: usize) -> Vec<String> {
    let mut result = Vec::new();
    let mut rest = text.trim();
    while result.len() + 1 < lines && (rest.contains('\n') || width(rest, size, weight) > limit) {
        let mut used = 0.0;
        // The last place to break, and the last good one: names are broken at their dashes only where that saves a line
        // from being half empty.
        let (mut cut, mut good) = (0, 0);
        let mut good_width = 0.0;
        let mut fitting = 0;
        for (start, character) in rest.char_indices() {
            used += advance(character, weight) * size / 2048.0;
            let end = start + character.len_utf8();
            if character == '\n' {
                (cut, good, good_width) = (end, end, limit);
                break;
            }
            // A number and its unit stay together, and so does a number with its point.
            let next = rest[end..].chars().next();
            let breaks = match character {
                ' ' => !begins_with_unit(&rest[end..]),
                '.' => next.is_none_or(|next| !next.is_ascii_digit()),
                '-' | '_' | '/' => true,
                ',' => next.is_some_and(char::is_alphabetic),
                _ => next == Some('@'),
            };
            if used > limit && character != ' ' {
                break;
            }
            fitting = end;
            if breaks {
                cut = end;
                if matches!(character, ' ' | ',') || next == Some('@') {
                    (good, good_width) = (end, used);
                }
            }
        }
        let cut = match cut {
            0 => fitting,
            _ if good_width >= limit / 2.0 => good,
            cut => cut,
        };
        if cut == 0 {
            break;
        }
        result.push(rest[..cut].trim_end().to_owned());
        rest = rest[cut..].trim_start();
    }
    if !rest.is_empty() || result.is_empty() {
        result.push(truncated(&rest.replace('\n', " "), size, weight, limit));
    }
    result
}

/// `text` in one line, with controls and characters that XML 1.0 forbids replaced.
pub fn legible(text: &str) -> String {
    let replaced = |character| match character {
        '\t' | '\n' | '\r' => ' ',
        character if is_hostile(character) => '\u{fffd}',
        _ => character,
    };
    text.chars().map(replaced).collect()
}

/// `text` as XML character data: legible, markup escaped.
pub fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for character in legible(text).chars() {
        match character {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '"' => result.push_str("&quot;"),
            _ => result.push(character),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_shortened_to_the_width() {
        assert_eq!(truncated("short", 12.0, Weight::Regular, 100.0), "short");
        let shortened = truncated("a-rather-long-name-of-a-design", 12.0, Weight::Bold, 80.0);
        assert!(
            shortened.ends_with('…') && width(&shortened, 12.0, Weight::Bold) <= 80.0,
            "{shortened}"
        );
        assert_eq!(truncated("abc", 12.0, Weight::Regular, 1.0), "…");
    }

    #[test]
    fn long_names_break_after_a_dash() {
        assert_eq!(
            wrapped("vxlan-wireguard-1.12", 13.0, Weight::Bold, 125.0, 2),
            ["vxlan-wireguard-", "1.12"]
        );
        let design = "cilium-istio-1.21@cut=80s,prefix=27";
        assert_eq!(
            wrapped(design, 13.0, Weight::Bold, 180.0, 2),
            ["cilium-istio-1.21", "@cut=80s,prefix=27"]
        );
        assert_eq!(
            wrapped("endpoint, as worker-2 sees it", 12.0, Weight::Regular, 130.0, 2),
            ["endpoint, as", "worker-2 sees it"]
        );
        assert_eq!(wrapped("one", 13.0, Weight::Bold, 100.0, 2), ["one"]);
        assert_eq!(
            wrapped("a b\nc d\ne\nf", 13.0, Weight::Bold, 100.0, 3),
            ["a b", "c d", "e f"]
        );
        assert_eq!(wrapped("", 13.0, Weight::Bold, 100.0, 2), [""]);
        let lines = wrapped(&"x".repeat(60), 13.0, Weight::Bold, 100.0, 2);
        assert!(lines.len() == 2 && lines[1].ends_with('…'), "{lines:?}");
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(
            escaped("a<b> & \"c\"\n\u{1}"),
            "a&lt;b&gt; &amp; &quot;c&quot; \u{fffd}"
        );
    }
}
