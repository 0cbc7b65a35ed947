//! The story of a run, line by line, kept only when somebody asked for it.
//!
//! Text is made lazily: a run without a listener never formats a string. Which lines are worth telling is decided by
//! the components; how a person sees them belongs to `report`.

use super::time::SimTime;

/// One line of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLine {
    /// When it happened.
    pub time: SimTime,
    /// The component that tells it.
    pub component: &'static str,
    /// What happened.
    pub text: String,
}

/// A story, or the absence of a listener.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    lines: Option<Vec<TraceLine>>,
}

impl Trace {
    /// Nobody listens.
    pub const fn off() -> Self {
        Self { lines: None }
    }

    /// Everything told is kept.
    pub const fn on() -> Self {
        Self {
            lines: Some(Vec::new()),
        }
    }

    /// Adds a line if somebody listens.
    pub fn tell(&mut self, time: SimTime, component: &'static str, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(TraceLine {
                time,
                component,
                text: text(),
            });
        }
    }

    /// The story itself.
    pub fn into_lines(self) -> Vec<TraceLine> {
        self.lines.unwrap_or_default()
    }

    /// The lines told so far.
    pub fn lines(&self) -> &[TraceLine] {
        self.lines.as_deref().unwrap_or_default()
    }
}
