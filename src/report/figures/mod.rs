//! Figures of a result: plain data in, one SVG document out, and its picture as PNG.
//!
//! A figure is a pure function of its data: no clock, no file, no simulator, the same bytes for the same input. Where the
//! data come from and where figures are written is the caller's business. One file per figure ([`startup`], [`access`],
//! [`mod@timeline`]); below them [`canvas`] (shapes, texts, the document) and [`chart`] (axes and grid), which draw with
//! plotters, [`style`] (looks), [`text`] (widths, shortening), [`axis`] (scales, ticks) and [`palette`] (colours). Values
//! that are not finite are left out rather than drawn somewhere.

pub mod access;
pub mod axis;
pub mod canvas;
pub mod chart;
mod lane_drawing;
mod lanes;
pub mod palette;
mod png;
pub mod startup;
mod startup_table;
pub mod style;
#[cfg(test)]
mod tests;
pub mod text;
pub mod timeline;

pub use access::access_classes;
pub use png::{FigureError, png};
pub use startup::startup_distribution;
pub use timeline::timeline;

/// A finished figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Name of its files, without extension.
    pub name: String,
    /// The SVG document.
    pub svg: String,
}

/// How long pods took to become ready, per design.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StartupFigure {
    /// What the figure shows.
    pub title: String,
    /// Experiment, seed, number of runs, version: what a reader needs to repeat it.
    pub subtitle: String,
    /// When a run ends, counted from the wish for its first measured pod \[s\]; the end of the axis.
    pub horizon_s: f64,
    /// Confidence of the bands, between 0 and 1.
    pub confidence: f64,
    /// The design that the others are drawn against (grey, behind them), if it is among `series`.
    pub control: Option<String>,
    /// One entry per design, in the order of the experiment.
    pub series: Vec<StartupSeries>,
}

/// Start-up of the measured pods of one design.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StartupSeries {
    /// Name of the design.
    pub design: String,
    /// Share of all measured pods that were ready at most so many seconds after they were wished for: `(seconds, share)`
    /// in ascending order, a step at each entry, 0 before the first.
    pub points: Vec<(f64, f64)>,
    /// Confidence band of the same share: `(seconds, lower, upper)`, steps as in `points`.
    pub band: Vec<(f64, f64, f64)>,
    /// Number of measured pods.
    pub n_pods: u64,
    /// Number of runs that they come from.
    pub n_runs: u64,
    /// Share of the pods that were deleted before they became ready.
    pub deleted_share: f64,
    /// Share of the pods that existed at the horizon and were not ready.
    pub never_share: f64,
}

/// In which share of runs each class of access happened, per design.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccessFigure {
    /// What the figure shows.
    pub title: String,
    /// Experiment, seed, number of runs, version.
    pub subtitle: String,
    /// Confidence of the intervals, between 0 and 1.
    pub confidence: f64,
    /// One entry per design, in the order of the experiment.
    pub rows: Vec<AccessRow>,
}

/// The shares of one design.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccessRow {
    /// Name of the design.
    pub design: String,
    /// Number of runs.
    pub n_runs: u64,
    /// One entry per class; a class that a design does not list is left empty in its row.
    pub shares: Vec<ClassShare>,
}

/// Share of runs with at least one access of a class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassShare {
    /// Name of the class as in the columns of a result (`network_bypassed`) or in words (`not demonstrated`).
    pub class: String,
    /// Share of runs.
    pub estimate: f64,
    /// Lower end of its interval.
    pub lower: f64,
    /// Upper end of its interval.
    pub upper: f64,
}

/// One run told as swim lanes: who was right, who was wrong, and when.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimelineFigure {
    /// What the figure shows.
    pub title: String,
    /// Experiment, design, replication, seed, and the command that tells the same as text.
    pub subtitle: String,
    /// Beginning of the axis \[s\].
    pub start_s: f64,
    /// End of the axis \[s\].
    pub end_s: f64,
    /// The lanes, from top to bottom.
    pub lanes: Vec<Lane>,
    /// Vertical lines through all lanes: `(seconds, label)`, such as the cut, the reuse, the probe, the withdrawal.
    pub events: Vec<(f64, String)>,
}

/// One party, or one question to which the answer changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lane {
    /// Who, or what is asked.
    pub label: String,
    /// What holds from when to when.
    pub spans: Vec<Span>,
    /// What happened at one moment.
    pub marks: Vec<Mark>,
}

/// What holds in a lane for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// From when \[s\].
    pub start_s: f64,
    /// Until when \[s\]; `None` for beyond the end of the figure.
    pub end_s: Option<f64>,
    /// What holds.
    pub label: String,
    /// Its colour.
    pub kind: SpanKind,
}

/// Meaning of a span, which decides its colour and its entry in the legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpanKind {
    /// Physics: what is so.
    Truth,
    /// A belief that agrees with the truth.
    Right,
    /// A belief that the truth has left behind.
    Stale,
    /// Nothing is known, or nothing is there.
    Absent,
    /// A part that cannot be reached or does not work.
    Broken,
    /// Anything else.
    Neutral,
}

/// Something that happened at one moment in a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// When \[s\].
    pub at_s: f64,
    /// What.
    pub label: String,
    /// Its symbol.
    pub kind: MarkKind,
}

/// Meaning of a mark, which decides its symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkKind {
    /// An attempt or a message, without judgement.
    Info,
    /// As intended.
    Good,
    /// Against what was intended, in every layer.
    Bad,
    /// One layer failed, another held; or a failure without an intruder.
    Warning,
}

/// A figure that says why there is nothing to see.
fn without_data(name: &str, title: &str, subtitle: &str, reason: &str) -> Figure {
    let mut canvas = canvas::Canvas::default();
    let top = canvas.heading(title, subtitle);
    let height = 120.0;
    canvas.rect(
        [canvas::MARGIN, top],
        [canvas::WIDTH - 2.0 * canvas::MARGIN, height],
        4.0,
        style::Style::fill(palette::PALE).outlined(palette::RULE, 1.0),
    );
    let middle = canvas::WIDTH / 2.0;
    let font = style::Font::bold(canvas::NORMAL, palette::GREY).anchored(style::Anchor::Middle);
    canvas.text("no data", [middle, top + height / 2.0 - 4.0], font);
    let font = style::Font::regular(canvas::SMALL, palette::GREY).anchored(style::Anchor::Middle);
    canvas.text(reason, [middle, top + height / 2.0 + 16.0], font);
    Figure {
        name: name.to_owned(),
        svg: canvas.finish(top + height + canvas::MARGIN, title),
    }
}
