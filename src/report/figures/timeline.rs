//! The timeline: one run as swim lanes, with what is so, what each party believes, and what happened when.
//!
//! It is handed finished lanes; choosing and wording them is the work of whoever replays the run. Texts that find no room
//! are kept as tooltips (`<title>`), with the exact times.

use super::axis::{Axis, LinearScale, labels_that_fit};
use super::canvas::{Canvas, MARGIN, SMALL, WIDTH};
use super::chart::{Frame, Labels, chart};
use super::lane_drawing::{
    Clock, GUTTER, INSIDE, LABEL_MAX, lane_name, lay_out, marks, paint, patched_text, span_box, span_texts, symbol,
};
use super::lanes::{GAP, SYMBOL, place_flags};
use super::style::{Anchor, Font, Style};
use super::text::{Weight, truncated};
use super::theme::Theme;
use super::{Figure, MarkKind, SpanKind, TimelineFigure, palette, without_data};

const NAME: &str = "timeline";
/// Room right of the lanes, for the half of the last tick label.
const RIGHT: f64 = 24.0;
/// Between the time of an event and its label.
const EVENT_GAP: f64 = 6.0;
/// Height of a row of event labels.
const FLAG_ROW: f64 = 18.0;

pub fn timeline(figure: &TimelineFigure) -> Figure {
    timeline_in(figure, Theme::Light)
}

pub fn timeline_in(figure: &TimelineFigure, theme: Theme) -> Figure {
    let (from, to) = (figure.start_s, figure.end_s);
    if !(from.is_finite() && to.is_finite() && to - from > 1e-6) {
        return without_data(NAME, &figure.title, &figure.subtitle, "the run covers no time", theme);
    }
    if figure.lanes.is_empty() {
        return without_data(
            NAME,
            &figure.title,
            &figure.subtitle,
            "nothing was recorded for this run",
            theme,
        );
    }
    let scale = LinearScale {
        from,
        to,
        left: MARGIN + GUTTER,
        right: WIDTH - RIGHT,
    };
    let clock = Clock {
        minutes: to > 900.0,
        decimals: if to - from <= 60.0 { 2 } else { 1 },
    };
    let mut canvas = Canvas::new(theme);
    let top = canvas.heading(&figure.title, &figure.subtitle) + 8.0;
    let events = events(figure, clock);
    let sizes: Vec<(f64, f64)> = events
        .iter()
        .map(|event| (scale.at(event.at_s), event.width()))
        .collect();
    let flags = place_flags(&sizes, WIDTH - MARGIN);
    let levels = flags.iter().map(|flag| flag.level + 1).max().unwrap_or(0);
    let lanes_top = top + levels as f64 * FLAG_ROW + 6.0;
    let (laid, bottom) = lay_out(figure, &scale, lanes_top);

    for lane in &laid {
        let size = [WIDTH - RIGHT - MARGIN, lane.height];
        canvas.rect([MARGIN, lane.top], size, 0.0, Style::fill(lane.background));
    }
    axis(&mut canvas, &scale, clock, [lanes_top, bottom]);
    for lane in &laid {
        lane_name(&mut canvas, lane);
        for (span, [left, right], place) in &lane.spans {
            span_box(&mut canvas, lane, span, [*left, *right], place.row, clock);
        }
    }
    for ((x, _), flag) in sizes.iter().zip(&flags) {
        let y = lanes_top - 6.0 - (flag.level + 1) as f64 * FLAG_ROW + 3.0;
        canvas.line(
            [*x, y],
            [*x, bottom],
            Style::stroke(palette::GREY, 1.0).dashed(&[3.0, 2.5]),
        );
    }
    for ((event, (x, text_width)), flag) in events.iter().zip(&sizes).zip(&flags) {
        let y = lanes_top - 6.0 - flag.level as f64 * FLAG_ROW - 4.0;
        let begin = if flag.leftward { x - GAP - text_width } else { x + GAP };
        canvas.tooltip(&format!("{}: {}", clock.write(event.at_s, 3), event.label), |canvas| {
            let font = Font::regular(INSIDE, palette::GREY);
            patched_text(canvas, &event.time, [begin, y], font, palette::WHITE);
            let at = [begin + font.width(&event.time) + EVENT_GAP, y];
            patched_text(
                canvas,
                &event.shown,
                at,
                Font {
                    colour: palette::INK,
                    ..font
                },
                palette::WHITE,
            );
        });
    }
    for lane in &laid {
        span_texts(&mut canvas, lane);
        marks(&mut canvas, lane, clock);
    }
    let end = legend(&mut canvas, figure, bottom + 50.0);
    canvas.figure(NAME, end, &figure.title)
}

struct Event<'a> {
    at_s: f64,
    label: &'a str,
    time: String,
    shown: String,
}

impl Event<'_> {
    fn width(&self) -> f64 {
        let font = Font::regular(INSIDE, palette::INK);
        font.width(&self.time) + EVENT_GAP + font.width(&self.shown)
    }
}

/// Events within the axis in order of time, with as many decimals as it takes to tell them apart (at most 3).
fn events<'a>(figure: &'a TimelineFigure, clock: Clock) -> Vec<Event<'a>> {
    let within = |at: f64| at >= figure.start_s && at <= figure.end_s;
    let mut sorted: Vec<(f64, &str)> = Vec::new();
    sorted.extend(
        figure
            .events
            .iter()
            .filter(|(at, _)| within(*at))
            .map(|(at, label)| (*at, label.as_str())),
    );
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let alike = |decimals: usize| {
        let same = |a: f64, b: f64| a < b && clock.write(a, decimals) == clock.write(b, decimals);
        sorted.windows(2).any(|pair| same(pair[0].0, pair[1].0))
    };
    let decimals = (clock.decimals..3).find(|decimals| !alike(*decimals)).unwrap_or(3);
    let shown = |label| truncated(label, INSIDE, Weight::Regular, LABEL_MAX);
    let event = |(at_s, label)| Event {
        at_s,
        label,
        time: clock.write(at_s, decimals),
        shown: shown(label),
    };
    sorted.into_iter().map(event).collect()
}

/// Grid, ticks and title of the time axis.
fn axis(canvas: &mut Canvas, scale: &LinearScale, clock: Clock, [top, bottom]: [f64; 2]) {
    let (ticks, step) = scale.time_ticks(62.0);
    let decimals = if step >= 1.0 {
        0
    } else if step >= 0.1 {
        1
    } else {
        2
    };
    let font = Font::regular(SMALL, palette::INK).anchored(Anchor::Middle);
    let labels: Vec<String> = ticks.iter().map(|tick| clock.write(*tick, decimals)).collect();
    let sizes: Vec<(f64, f64)> = ticks
        .iter()
        .zip(&labels)
        .map(|(tick, label)| (scale.at(*tick), font.width(label)))
        .collect();
    let shown = labels_that_fit(&sizes, 6.0, [0.0, WIDTH - 2.0]);
    let title = if clock.minutes {
        "time in the run (minutes:seconds)"
    } else {
        "time in the run"
    };
    let frame = Frame {
        left: scale.left,
        right: scale.right,
        top,
        bottom,
        left_labels: 0.0,
        bottom_labels: 37.0,
    };
    let labels = Labels {
        x: &|tick| clock.write(*tick, decimals),
        y: &|_| String::new(),
        x_name: title,
    };
    let time = Axis::linear(scale.from, scale.to).with_ticks(&ticks, &shown);
    canvas.plot(|area| chart(area, &frame, time, Axis::linear(0.0, 1.0), &labels).map(drop));
}

/// Kinds that occur, and a note on what lies outside the axis; returns the height of the figure.
fn legend(canvas: &mut Canvas, figure: &TimelineFigure, top: f64) -> f64 {
    let spans = [
        (SpanKind::Truth, "what is so"),
        (SpanKind::Right, "true belief"),
        (SpanKind::Stale, "belief that is no longer true"),
        (SpanKind::Absent, "nothing there or known"),
        (SpanKind::Broken, "cut off, not working"),
        (SpanKind::Neutral, "other state"),
    ];
    let marks = [
        (MarkKind::Info, "attempt or message"),
        (MarkKind::Good, "as intended"),
        (MarkKind::Bad, "let in against all intent"),
        (MarkKind::Warning, "a layer or a part failed"),
    ];
    let font = Font::regular(SMALL, palette::GREY);
    let (mut x, mut y) = (MARGIN, top + 8.0);
    let mut advance = |text: &str, symbol: f64| {
        let width = symbol + 6.0 + font.width(text);
        if x + width > WIDTH - MARGIN {
            x = MARGIN;
            y += 19.0;
        }
        let at = [x, y];
        x += width + 18.0;
        at
    };
    for (kind, text) in spans {
        if figure
            .lanes
            .iter()
            .flat_map(|lane| &lane.spans)
            .any(|span| span.kind == kind)
        {
            let [x, y] = advance(text, 22.0);
            canvas.rect([x, y - 10.0], [22.0, 12.0], 1.5, paint(kind));
            canvas.text(text, [x + 28.0, y], font);
        }
    }
    for (kind, text) in marks {
        if figure
            .lanes
            .iter()
            .flat_map(|lane| &lane.marks)
            .any(|mark| mark.kind == kind)
        {
            let [x, y] = advance(text, 2.0 * SYMBOL);
            symbol(canvas, [x + SYMBOL, y - 4.0], kind);
            canvas.text(text, [x + 2.0 * SYMBOL + 6.0, y], font);
        }
    }
    let outside = figure
        .events
        .iter()
        .filter(|(at, _)| !(*at >= figure.start_s && *at <= figure.end_s))
        .count();
    if outside > 0 {
        let text = format!(
            "{outside} event{} outside the axis",
            if outside == 1 { "" } else { "s" }
        );
        let [x, y] = advance(&text, 0.0);
        canvas.text(&text, [x, y], font);
    }
    y + MARGIN
}
