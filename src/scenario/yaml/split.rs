//! The documents of a file, found line by line.
//!
//! Belongs here: the borders between documents. Does not belong here: what is in them.

/// Finds the borders between documents, line by line.
#[derive(Default)]
pub(super) struct Splitter {
    pub(super) found: Vec<(usize, usize, u32)>,
    start: usize,
    start_line: u32,
    opened: bool,
    content: bool,
}

impl Splitter {
    pub(super) fn line(&mut self, line: &str, offset: usize, line_number: u32) {
        let bare = line.trim_start_matches('\u{feff}');
        let after = |marker: &str| {
            bare.strip_prefix(marker)
                .filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
        };
        let says_something = |text: &str| {
            let text = text.trim();
            !text.is_empty() && !text.starts_with('#')
        };
        if let Some(rest) = after("---") {
            // Comments and directives in front of the first marker belong to the document that it opens.
            if self.opened || self.content {
                self.close(offset);
                (self.start, self.start_line) = (offset, line_number);
            }
            (self.opened, self.content) = (true, says_something(rest));
        } else if after("...").is_some() {
            self.close(offset);
            (self.start, self.start_line) = (offset + line.len(), line_number + 1);
        } else if says_something(bare) && (self.opened || !bare.starts_with('%')) {
            self.content = true;
        }
    }

    pub(super) fn close(&mut self, end: usize) {
        if self.content {
            self.found.push((self.start, end, self.start_line));
        }
        (self.opened, self.content) = (false, false);
    }
}
