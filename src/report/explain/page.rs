//! Lines of the story: wrapped paragraphs, points, times and spans as readers expect them. Runs are not its business.

use crate::kernel::{SimDuration, SimTime};
use crate::report::text::wrapped;

pub const WIDTH: usize = 100;

#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

impl Page {
    pub fn title(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
        self.text.push_str(&"=".repeat(text.chars().count().min(WIDTH)));
        self.text.push('\n');
    }

    pub fn section(&mut self, text: &str) {
        self.blank();
        self.text.push_str(text);
        self.text.push('\n');
        self.text.push_str(&"-".repeat(text.chars().count()));
        self.text.push('\n');
    }

    /// An empty line, never two.
    pub fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    pub fn paragraph(&mut self, text: &str) {
        self.wrapped("", "", text);
    }

    /// A paragraph whose first line begins with `label`, and whose other lines are indented as far.
    pub fn labelled(&mut self, label: &str, text: &str) {
        self.wrapped(label, &" ".repeat(label.chars().count()), text);
    }

    pub fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn wrapped(&mut self, first: &str, rest: &str, text: &str) {
        self.text.push_str(&wrapped(first, rest, text, WIDTH));
    }

    pub fn finish(self) -> String {
        self.text
    }
}

/// A time in the run, `81.204 s`.
pub fn at(time: SimTime) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// A span: `31 ms`, `5.31 s`, `4 min 02 s`.
pub fn span(span: SimDuration) -> String {
    let seconds = span.as_secs_f64();
    if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 99.995 {
        format!("{seconds:.2} s")
    } else {
        let whole = seconds.round() as u64;
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_wrapped_and_labels_hang() {
        let mut page = Page::default();
        page.labelled("  1  ", &"word ".repeat(40));
        let text = page.finish();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("     word")), "{text}");
    }

    #[test]
    fn spans_are_written_for_people() {
        let written = [31, 5_310, 242_000].map(|ms| span(SimDuration::from_millis(ms)));
        assert_eq!(written, ["31 ms", "5.31 s", "4 min 02 s"]);
    }
}
