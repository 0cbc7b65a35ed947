//! Shapes that mean something in several figures: markers of points, hatching of areas, whiskers of intervals, samples of
//! lines in legends, names of designs in their rows.
//!
//! What the shapes mean is decided by the figures; how a theme looks by [`super::theme`].

use plotters::style::RGBColor;

use super::canvas::{Canvas, TINY};
use super::palette;
use super::style::{Font, Style};
use super::text::{Weight, wrapped};
use super::theme::{Marker, SeriesLook};

/// Smallest font in which a name is written before it is shortened.
const NAME_MIN: f64 = TINY;

/// A marker around a point, `size` in radius.
pub fn marker(canvas: &mut Canvas, [x, y]: [f64; 2], shape: Marker, size: f64, colour: RGBColor) {
    let filled = Style::fill(colour);
    let open = Style::fill(palette::WHITE).outlined(colour, 1.5);
    match shape {
        Marker::Circle => canvas.circle([x, y], size, filled),
        Marker::OpenCircle => canvas.circle([x, y], size, open),
        Marker::Square | Marker::OpenSquare => {
            let half = size * 0.88;
            let style = if shape == Marker::Square { filled } else { open };
            canvas.rect([x - half, y - half], [2.0 * half, 2.0 * half], 0.0, style);
        }
        Marker::Triangle => {
            let corners = [
                [x, y - size * 1.15],
                [x + size, y + size * 0.8],
                [x - size, y + size * 0.8],
            ];
            canvas.path(&corners, true, filled);
        }
        Marker::Diamond => {
            let reach = size * 1.2;
            canvas.path(
                &[[x, y - reach], [x + reach, y], [x, y + reach], [x - reach, y]],
                true,
                filled,
            );
        }
    }
}

/// A piece of a line as a legend shows it, with its band and its marker if there are any.
pub fn line_sample(canvas: &mut Canvas, [x, y]: [f64; 2], length: f64, look: SeriesLook, band: bool, point: bool) {
    if band {
        let style = Style::fill(look.colour).translucent(look.band_opacity);
        canvas.rect([x, y - 6.0], [length, 12.0], 0.0, style);
    }
    let style = Style::stroke(look.colour, 2.0).dashed(look.dash);
    canvas.line([x, y], [x + length, y], style);
    if point {
        marker(canvas, [x + length / 2.0, y], look.marker, 3.4, look.colour);
    }
}

/// A whisker from `lower` to `upper` with short bars at its ends; an end that is not known (`None`) is an open arrow head
/// at the edge of the axis.
pub fn whisker(
    canvas: &mut Canvas,
    [lower, upper]: [Option<f64>; 2],
    [left, right]: [f64; 2],
    y: f64,
    colour: RGBColor,
) {
    let (from, to) = (lower.unwrap_or(left), upper.unwrap_or(right));
    canvas.line([from, y], [to, y], Style::stroke(colour, 2.0));
    let thin = Style::stroke(colour, 1.5);
    for (x, known, inward) in [(from, lower.is_some(), 1.0), (to, upper.is_some(), -1.0)] {
        if known {
            canvas.line([x, y - 4.5], [x, y + 4.5], thin);
        } else {
            canvas.path(
                &[[x + 5.0 * inward, y - 4.5], [x, y], [x + 5.0 * inward, y + 4.5]],
                false,
                thin,
            );
        }
    }
}

/// How an area is filled where colours are not to be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hatch {
    Empty,
    Light,
    Dark,
    Black,
    Rising,
    Falling,
    Crossed,
    Upright,
}

/// Fills a rectangle with a hatching in black on white, with an outline.
pub fn hatched(canvas: &mut Canvas, [x, y]: [f64; 2], [w, h]: [f64; 2], hatch: Hatch) {
    let ground = match hatch {
        Hatch::Light => palette::RULE,
        Hatch::Dark => palette::CONTROL,
        Hatch::Black => palette::INK,
        _ => palette::WHITE,
    };
    canvas.rect([x, y], [w, h], 0.0, Style::fill(ground));
    let thin = Style::stroke(palette::INK, 0.9);
    if matches!(hatch, Hatch::Rising | Hatch::Crossed) {
        for [from, to] in diagonals([w, h], 5.0) {
            canvas.line([x + from[0], y + h - from[1]], [x + to[0], y + h - to[1]], thin);
        }
    }
    if matches!(hatch, Hatch::Falling | Hatch::Crossed) {
        for [from, to] in diagonals([w, h], 5.0) {
            canvas.line([x + from[0], y + from[1]], [x + to[0], y + to[1]], thin);
        }
    }
    if hatch == Hatch::Upright {
        let mut at = 2.0;
        while at < w {
            canvas.line([x + at, y], [x + at, y + h], thin);
            at += 4.0;
        }
    }
    canvas.rect([x, y], [w, h], 0.0, Style::stroke(palette::INK, 0.8));
}

/// Lines of 45 degrees, `gap` apart along the lower edge, cut to a rectangle with the origin in a corner.
fn diagonals([w, h]: [f64; 2], gap: f64) -> Vec<[[f64; 2]; 2]> {
    let mut lines = Vec::new();
    let mut start = gap / 2.0 - h;
    while start < w {
        let (from, to) = (start.max(0.0), (start + h).min(w));
        if to > from {
            lines.push([[from, from - start], [to, to - start]]);
        }
        start += gap;
    }
    lines
}

/// A name: as large as its font, smaller if it does not fit into so many lines of a width otherwise, at last shortened with
/// the whole name as tooltip. `middle` is the middle of the text; returns its height.
pub fn name(canvas: &mut Canvas, text: &str, [x, middle]: [f64; 2], limit: f64, lines: usize, font: Font) -> f64 {
    let (font, shown) = fitted(text, limit, lines, font);
    let step = font.size * 1.22;
    let first = middle - (shown - 1) as f64 * step / 2.0 + font.size * 0.36;
    canvas.paragraph_spaced(text, [x, first], limit, lines, font, step);
    shown as f64 * step
}

/// Font and number of lines in which a name fits: a smaller one, then one that is not bold.
pub fn fitted(text: &str, limit: f64, lines: usize, mut font: Font) -> (Font, usize) {
    loop {
        let shown = wrapped(text, font.size, font.weight, limit, lines);
        let whole = shown
            .last()
            .is_none_or(|line| !line.ends_with('…') || text.ends_with('…'));
        match font {
            _ if whole => return (font, shown.len()),
            Font { size, .. } if size > NAME_MIN => font.size = (size - 0.5).max(NAME_MIN),
            Font {
                weight: Weight::Bold, ..
            } => font.weight = Weight::Regular,
            _ => return (font, shown.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hatching_stays_in_its_rectangle() {
        for size in [[30.0, 18.0], [3.0, 18.0], [200.0, 4.0], [0.0, 0.0]] {
            for [x, y] in diagonals(size, 5.0).into_iter().flatten() {
                assert!(
                    (0.0..=size[0]).contains(&x) && (-1e-9..=size[1] + 1e-9).contains(&y),
                    "{x} {y} {size:?}"
                );
            }
        }
        assert!(diagonals([30.0, 18.0], 5.0).len() > 6);
    }

    #[test]
    fn names_of_forty_characters_fit_into_three_lines() {
        let name = "cilium-1.14.5-istio-1.21.2-wireguard-vxl";
        assert_eq!(name.len(), 40);
        let font = Font::bold(13.0, palette::INK);
        let (fit, lines) = fitted(name, 126.0, 3, font);
        assert!(fit.size >= NAME_MIN && lines <= 3, "{fit:?} {lines}");
        assert!(!wrapped(name, fit.size, fit.weight, 126.0, 3).concat().contains('…'));
        let (fit, lines) = fitted("control", 126.0, 3, font);
        assert_eq!((fit.size, lines), (13.0, 1));
    }
}
