//! Places in a timeline: rows of spans and marks within a lane, and levels of event labels, so that no text
//! covers another.
//!
//! Pure geometry in units of the figure; what is drawn there is the business of [`super::timeline`].

/// The place of a span or a mark, and its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Row in its strip, from the top.
    pub row: usize,
    pub text_row: usize,
    /// Where the text begins, and the width that it may take; `None` if there is no room for it.
    pub text: Option<(f64, f64)>,
}

/// Gap between a text and whatever is beside it.
pub const GAP: f64 = 5.0;
/// Half the size of a mark's symbol.
pub const SYMBOL: f64 = 5.0;
/// Narrowest span in which a shortened text is still of use.
const SHORTENED_MIN: f64 = 56.0;
const MARK_ROWS_MAX: usize = 6;

/// Rows of spans given as `(left, right, width of the text)` in order of their begin: overlapping spans go to different
/// rows; text goes into its span, else to the right of it if that is free, else shortened into it, else nowhere.
pub fn place_spans(spans: &[(f64, f64, f64)], limit_right: f64) -> Vec<Place> {
    let mut row_ends: Vec<f64> = Vec::new();
    let rows: Vec<usize> = spans
        .iter()
        .map(|&(left, right, _)| {
            let free = row_ends.iter().position(|end| *end <= left + 2.5);
            let row = free.unwrap_or_else(|| {
                row_ends.push(0.0);
                row_ends.len() - 1
            });
            row_ends[row] = right;
            row
        })
        .collect();
    let mut places: Vec<Place> = Vec::new();
    for (index, &(left, right, text)) in spans.iter().enumerate() {
        let row = rows[index];
        let next = (index + 1..spans.len())
            .find(|later| rows[*later] == row)
            .map_or(limit_right, |next| spans[next].0);
        let inside = right - left - 2.0 * GAP;
        let text = if text <= inside {
            Some((left + GAP, text))
        } else if right + GAP + text + GAP <= next {
            Some((right + GAP, text))
        } else if inside >= SHORTENED_MIN {
            Some((left + GAP, inside))
        } else if next - right >= SHORTENED_MIN + 2.0 * GAP {
            Some((right + GAP, next - right - 2.0 * GAP))
        } else {
            None
        };
        places.push(Place {
            row,
            text_row: row,
            text,
        });
    }
    places
}

/// Rows of marks given as `(x, width of the text, text)` in order of time: symbol and text in the first row in which they
/// cover nothing, the text right of the symbol or else left of it. If there are too many for that, all symbols go to the
/// first row and the texts below them, each only where it changes and finds room.
pub fn place_marks(marks: &[(f64, f64, &str)], [left, right]: [f64; 2]) -> Vec<Place> {
    let mut taken: Vec<(usize, f64, f64)> = Vec::new();
    let mut free = |row: usize, from: f64, to: f64| {
        let within = from >= left - SYMBOL && to <= right + SYMBOL;
        let free = within
            && taken
                .iter()
                .all(|&(other, a, b)| other != row || to + GAP <= a || b + GAP <= from);
        if free {
            taken.push((row, from, to));
        }
        free
    };
    let beside: Option<Vec<Place>> = marks
        .iter()
        .map(|&(x, text, _)| {
            (0..MARK_ROWS_MAX).find_map(|row| {
                let place = |begin| Place {
                    row,
                    text_row: row,
                    text: Some((begin, text)),
                };
                if free(row, x - SYMBOL, x + SYMBOL + GAP + text) {
                    Some(place(x + SYMBOL + GAP))
                } else if free(row, x - SYMBOL - GAP - text, x + SYMBOL) {
                    Some(place(x - SYMBOL - GAP - text))
                } else {
                    None
                }
            })
        })
        .collect();
    beside.unwrap_or_else(|| {
        taken.clear();
        below(marks, [left, right])
    })
}

/// Marks in one row, their texts below.
fn below(marks: &[(f64, f64, &str)], [left, right]: [f64; 2]) -> Vec<Place> {
    let mut row_ends = [f64::NEG_INFINITY; MARK_ROWS_MAX];
    let mut previous = None;
    marks
        .iter()
        .map(|&(x, width, text)| {
            let begin = (x - SYMBOL).min(right - width).max(left);
            let row = (1..MARK_ROWS_MAX).find(|row| row_ends[*row] + 2.0 * GAP <= begin);
            let row = row.filter(|_| previous != Some(text) && begin + width <= right + SYMBOL);
            if let Some(row) = row {
                row_ends[row] = begin + width;
                previous = Some(text);
            }
            Place {
                row: 0,
                text_row: row.unwrap_or(0),
                text: row.map(|_| (begin, width)),
            }
        })
        .collect()
}

/// A flag: the text of an event at the top of its line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flag {
    /// Height above the lanes, 0 lowest.
    pub level: usize,
    /// Whether the text ends at the line instead of beginning there.
    pub leftward: bool,
}

/// Levels of the flags at `(x, width of the text)`, in order of time. From the first event whose flag would leave the figure
/// on, flags point to the left and rise with time. The others point to the right and stand above every later flag that
/// they reach, so that no line crosses the text of a flag that points the same way and the page reads from top to bottom.
pub fn place_flags(events: &[(f64, f64)], right: f64) -> Vec<Flag> {
    let turn = events
        .iter()
        .position(|(x, width)| x + GAP + width > right)
        .unwrap_or(events.len());
    let mut flags: Vec<Flag> = (0..events.len())
        .map(|index| Flag {
            level: 0,
            leftward: index >= turn,
        })
        .collect();
    for index in turn..events.len() {
        let begin = events[index].0 - events[index].1 - 2.0 * GAP;
        let reached = (turn..index).filter(|earlier| events[*earlier].0 >= begin);
        flags[index].level = reached.map(|earlier| flags[earlier].level + 1).max().unwrap_or(0);
    }
    for index in (0..turn).rev() {
        let end = events[index].0 + events[index].1 + 3.0 * GAP;
        let reached = (index + 1..events.len()).filter(|later| {
            let (x, width) = events[*later];
            end >= if flags[*later].leftward { x - width } else { x }
        });
        flags[index].level = reached.map(|later| flags[later].level + 1).max().unwrap_or(0);
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_inside_beside_or_away() {
        let spans = [
            (0.0, 100.0, 50.0),
            (100.0, 110.0, 60.0),
            (200.0, 300.0, 120.0),
            (300.0, 310.0, 400.0),
        ];
        let texts: Vec<_> = place_spans(&spans, 320.0).iter().map(|place| place.text).collect();
        assert_eq!(
            texts,
            [Some((5.0, 50.0)), Some((115.0, 60.0)), Some((205.0, 90.0)), None]
        );
    }

    #[test]
    fn overlapping_spans_take_rows() {
        let rows: Vec<_> = place_spans(&[(0.0, 50.0, 9.0), (10.0, 60.0, 9.0), (50.0, 90.0, 9.0)], 100.0)
            .iter()
            .map(|p| p.row)
            .collect();
        assert_eq!(rows, [0, 1, 0]);
    }

    #[test]
    fn marks_at_one_moment_take_rows() {
        let places = place_marks(
            &[(50.0, 40.0, "a"), (50.0, 40.0, "b"), (190.0, 40.0, "c")],
            [0.0, 200.0],
        );
        let expected = [
            (0, Some((60.0, 40.0))),
            (1, Some((60.0, 40.0))),
            (0, Some((140.0, 40.0))),
        ];
        assert_eq!(
            places.iter().map(|place| (place.row, place.text)).collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn too_many_marks_share_a_row_and_name_changes() {
        let marks: Vec<(f64, f64, &str)> = (0..60)
            .map(|index| (f64::from(index), 40.0, if index < 30 { "a" } else { "b" }))
            .collect();
        let places = place_marks(&marks, [0.0, 200.0]);
        assert!(places.iter().all(|place| place.row == 0));
        let named: Vec<usize> = (0..60).filter(|index| places[*index].text.is_some()).collect();
        assert_eq!(named, [0, 30]);
    }

    #[test]
    fn earlier_flags_stand_above_later_ones() {
        let flags = place_flags(
            &[(0.0, 100.0), (20.0, 100.0), (21.0, 30.0), (300.0, 10.0), (390.0, 50.0)],
            400.0,
        );
        let levels: Vec<_> = flags.iter().map(|flag| (flag.level, flag.leftward)).collect();
        assert_eq!(levels, [(2, false), (1, false), (0, false), (0, false), (0, true)]);
    }
}
