//! Finding, reading and checking an experiment for a command, and showing what is wrong with it.
//!
//! What may stand in the files belongs to `scenario`; what is done with the experiment belongs to the commands.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::CliError;
use super::error::brief;
use crate::lab::designs::plan;
use crate::lab::{Finished, open_result, question_check};
use crate::scenario::error::{InputError, candidates_hint};
use crate::scenario::overrides::Overrides;
use crate::scenario::yaml::read_text;
use crate::scenario::{Design, Scenario, built_in_names};

/// The experiment that runs when none is named.
pub const DEFAULT_EXPERIMENT: &str = "istiod-cut-off";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadRequest {
    /// The experiment: a file, or the name of a built-in one; the default if absent.
    pub experiment: Option<PathBuf>,
    /// Designs; empty for all.
    pub designs: Vec<String>,
    pub changes: Vec<String>,
}

pub fn scenario(request: &LoadRequest) -> Result<Scenario, CliError> {
    read(request, &overrides(&request.changes)?).map_err(wrong)
}

/// Reads changes of the form `key=value`.
pub fn overrides(changes: &[String]) -> Result<Overrides, CliError> {
    Overrides::parse(changes).map_err(|error| wrong(vec![error]))
}

/// The changes that `--exclude` and `--lenient` stand for.
pub fn of_manifests(exclude: &[String], lenient: bool) -> Vec<String> {
    let exclude = (!exclude.is_empty()).then(|| format!("exclude={exclude:?}"));
    exclude
        .into_iter()
        .chain(lenient.then(|| "lenient=true".to_owned()))
        .collect()
}

impl LoadRequest {
    pub fn new(experiment: Option<&Path>, designs: &[String], changes: &[String]) -> Self {
        Self {
            experiment: experiment.map(Path::to_owned),
            designs: designs.to_vec(),
            changes: changes.to_vec(),
        }
    }

    /// An experiment as it stands in its file, with all its designs.
    pub fn of(experiment: &Path) -> Self {
        Self::new(Some(experiment), &[], &[])
    }

    pub fn with(mut self, changes: impl IntoIterator<Item = String>) -> Self {
        self.changes.extend(changes);
        self
    }

    pub fn with_seed(self, seed: Option<u64>) -> Self {
        self.with(seed.map(|seed| format!("seed={seed}")))
    }
}

/// Whether a path is the name of a built-in experiment. A file of that name goes before it, a folder does not.
pub fn is_built_in(path: &Path) -> bool {
    !path.is_file() && built_in_names().any(|known| path.to_str() == Some(known))
}

pub fn read(request: &LoadRequest, overrides: &Overrides) -> Result<Scenario, Vec<InputError>> {
    let scenario = match &request.experiment {
        None => Scenario::built_in(DEFAULT_EXPERIMENT, overrides),
        Some(path) => match path.to_str().filter(|_| is_built_in(path)) {
            Some(name) => Scenario::built_in(name, overrides),
            None => Scenario::load(path, overrides),
        },
    }?;
    let named = |errors: Vec<InputError>| {
        errors
            .into_iter()
            .map(|error| overrides.named(error))
            .collect::<Vec<_>>()
    };
    question_check::check(&scenario).map_err(named)?;
    // What `run` would refuse, every command refuses, in the same words.
    let designs: Vec<&Design> = scenario.designs.iter().collect();
    plan(&scenario, &designs)
        .check()
        .map_err(|bad| vec![InputError::in_file(&scenario.path, bad.to_string())])?;
    Ok(scenario)
}

/// The result in a folder.
pub fn result(folder: &Path) -> Result<Finished, CliError> {
    match folder.exists() {
        true => Ok(open_result(folder)?),
        false => Err(CliError::NoResult {
            path: folder.to_owned(),
        }),
    }
}

/// The designs that were asked for, in the order of the experiment; a bare name asks for all points of the design.
pub fn designs<'s>(scenario: &'s Scenario, names: &[String]) -> Result<Vec<&'s Design>, CliError> {
    for name in names {
        if !scenario.designs.iter().any(|design| is_called(design, name)) {
            let mut known: Vec<&str> = Vec::new();
            for design in &scenario.designs {
                // Bare names while a bare name was typed, full ones otherwise.
                let shown = if name.contains('@') {
                    &design.name
                } else {
                    &design.design
                };
                if known.last() != Some(&shown.as_str()) {
                    known.push(shown);
                }
            }
            return Err(CliError::UnknownDesign {
                name: name.clone(),
                experiment: scenario.name.clone(),
                hint: candidates_hint(name, known),
            });
        }
    }
    let wanted = |design: &&Design| names.is_empty() || names.iter().any(|name| is_called(design, name));
    Ok(scenario.designs.iter().filter(wanted).collect())
}

/// Whether a design is meant by a name: its full name, or its bare one, which all its points share.
fn is_called(design: &Design, name: &str) -> bool {
    design.name == name || design.design == name
}

/// Most errors of one file that are shown: tens of thousands are no help, and showing each takes time in
/// proportion to its file.
const SHOWN_PER_FILE: usize = 100;

/// Errors of input as this command's error.
pub fn wrong(errors: Vec<InputError>) -> CliError {
    let count = errors.len();
    let mut files: BTreeMap<PathBuf, OfFile> = BTreeMap::new();
    let mut shown = Vec::new();
    for error in errors {
        let of_file = files.entry(error.file.clone()).or_insert_with(|| OfFile::read(&error));
        of_file.count += 1;
        if of_file.count <= SHOWN_PER_FILE {
            shown.push(Shown::new(error, of_file));
        }
    }
    for (file, of_file) in files.iter().filter(|(_, of_file)| of_file.count > SHOWN_PER_FILE) {
        let more = format!("and {} more errors in this file", of_file.count - SHOWN_PER_FILE);
        shown.push(Shown::whole(InputError::in_file(file, more)));
    }
    match (shown.pop(), shown.is_empty()) {
        (Some(only), true) => CliError::Input(Box::new(only)),
        (Some(last), false) => {
            shown.push(last);
            CliError::Input(Box::new(Several { shown, count }))
        }
        (None, _) => CliError::Input(Box::new(Several { shown, count })),
    }
}

/// A file with errors: its text, which they share, and how many they are.
struct OfFile {
    text: Option<String>,
    count: usize,
}

impl OfFile {
    /// Reads the text again, as far as that is sure to end: what comes out of a pipe or a device is gone.
    fn read(error: &InputError) -> Self {
        let is_plain = std::fs::metadata(&error.file).is_ok_and(|file| file.is_file());
        Self {
            text: is_plain.then(|| read_text(&error.file).ok()).flatten(),
            count: 0,
        }
    }
}

/// Characters of a line that are shown on either side of the place.
const WINDOW: usize = 80;

/// The line of an error with its neighbours, each cut to a window.
#[derive(Debug)]
struct Excerpt {
    name: String,
    lines: String,
    /// Lines before the first one.
    before: usize,
    /// Columns left out on the left, less the ellipsis in their place.
    left_out: usize,
}

impl Excerpt {
    /// The lines around a place, and the place among them.
    fn of(name: String, text: &str, line: u32, column: u32) -> Option<(Self, SourceSpan)> {
        let (line, column) = ((line as usize).checked_sub(1)?, (column as usize).saturating_sub(1));
        let before = line.saturating_sub(1);
        let (mut lines, mut offset) = (String::new(), None);
        // The window of the neighbours begins where that of the line does.
        let from = column.saturating_sub(WINDOW);
        for (at, whole) in text.lines().enumerate().skip(before).take(3) {
            let shown: String = whole.chars().skip(from).take(2 * WINDOW).collect();
            lines.extend((from > 0 && !shown.is_empty()).then_some('…'));
            if at == line {
                let ahead = shown.chars().take(column - from).map(char::len_utf8).sum::<usize>();
                offset = Some(lines.len() + ahead);
            }
            lines.push_str(&shown);
            lines.extend((whole.len() > shown.len() && whole.chars().nth(from + 2 * WINDOW).is_some()).then_some('…'));
            lines.push('\n');
        }
        let span = SourceSpan::new(offset?.into(), 1);
        let left_out = from.saturating_sub(1);
        Some((
            Self {
                name,
                lines,
                before,
                left_out,
            },
            span,
        ))
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let found = self.lines.read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            found.data(),
            *found.span(),
            found.line() + self.before,
            // Only the line of the place begins in its middle.
            match found.column() {
                0 => 0,
                column => column + self.left_out,
            },
            found.line_count(),
        )))
    }
}

#[derive(Debug)]
struct Shown {
    error: InputError,
    excerpt: Option<(Excerpt, SourceSpan)>,
}

impl Shown {
    fn new(error: InputError, file: &OfFile) -> Self {
        let mut shown = Self::whole(error);
        let InputError { line, column, .. } = shown.error;
        let place = line.zip(column).zip(file.text.as_ref());
        let name = shown.error.file.display().to_string();
        shown.excerpt = place.and_then(|((line, column), text)| Excerpt::of(name, text, line, column));
        shown
    }

    fn whole(mut error: InputError) -> Self {
        error.message = brief(&error.message);
        error.hint = error.hint.as_deref().map(brief);
        Self { error, excerpt: None }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The first line of the plain form: file, line, column and message. The hint is shown as help.
        let text = self.error.to_string();
        f.write_str(text.split("\n  hint: ").next().unwrap_or_default())
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error
            .hint
            .as_ref()
            .map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_ref().map(|(excerpt, _)| excerpt as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, span) = self.excerpt.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(
            Some("here".to_owned()),
            *span,
        ))))
    }
}

#[derive(Debug)]
struct Several {
    shown: Vec<Shown>,
    /// How many there are, with those that are not shown.
    count: usize,
}

impl fmt::Display for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} errors", self.count)
    }
}

impl std::error::Error for Several {}

impl Diagnostic for Several {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.shown.iter().map(|error| error as &dyn Diagnostic)))
    }
}
