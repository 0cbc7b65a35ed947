//! Why a command ended without a result, as people see it.
//!
//! Errors of the inputs bring their own place in the file; those of the laboratory bring a hint.

use std::fmt;
use std::io;
use std::path::PathBuf;

use miette::{Diagnostic, LabeledSpan, Severity, SourceCode};

use crate::lab::LabError;
use crate::lab::plan::quoted;
use crate::lab::printable::{cut, with_short_words};

/// A finding about the input that can show itself with file, line and hint.
pub type InputError = Box<dyn Diagnostic + Send + Sync + 'static>;

/// Why a command ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// An argument has no meaning.
    #[error("{argument}: {reason}")]
    Argument {
        /// The argument as it is typed.
        argument: &'static str,
        /// What is wrong with its value.
        reason: String,
        /// What to do.
        hint: &'static str,
    },
    /// The experiment or one of its files is wrong.
    #[error("{0}")]
    Input(InputError),
    /// The experiment has no such design.
    #[error("the experiment {experiment} has no design `{name}`")]
    UnknownDesign {
        /// What was typed.
        name: String,
        /// The experiment.
        experiment: String,
        /// A near match, or the designs that there are.
        hint: Option<String>,
    },
    /// A design has several points and the command takes one.
    #[error("design {name} has {points} points")]
    SeveralPoints {
        /// What was typed.
        name: String,
        /// How many points it has.
        points: usize,
        /// The full name of the first of them.
        first: String,
    },
    /// There is nothing of that name.
    #[error("unknown {what} `{name}`")]
    Unknown {
        /// What was named.
        what: &'static str,
        /// What was typed.
        name: String,
        /// A near match, or what there is.
        hint: Option<String>,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such measure.
    #[error("unknown measure `{name}`")]
    UnknownMeasure {
        /// What was typed.
        name: String,
        /// A near match, or the measures that there are.
        hint: Option<String>,
    },
    /// There is no figure of this name.
    #[error("there is no figure `{name}`")]
    UnknownFigure {
        /// What was typed.
        name: String,
        /// A near match, or all names.
        hint: Option<String>,
    },
    /// The result is without this figure.
    #[error("the result has no figure `{name}`: {reason}")]
    AbsentFigure {
        /// What was asked for.
        name: String,
        /// Why it is not there.
        reason: &'static str,
        /// What it has.
        hint: String,
    },
    /// The folder holds no result.
    #[error("{path}: holds no result", path = .path.display())]
    NoResult {
        /// The folder.
        path: std::path::PathBuf,
    },
    /// The folder holds neither rows nor the data of its figures and reports.
    #[error("{path}: holds neither the rows of its result nor the data of its figures and reports", path = .path.display())]
    NoRows {
        /// The folder.
        path: std::path::PathBuf,
    },
    /// The laboratory could not do its work.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A figure cannot be drawn as a picture.
    #[error(transparent)]
    Figure(#[from] crate::report::figures::FigureError),
    /// The standard output refused.
    #[error("cannot print the result")]
    Output(#[source] io::Error),
    /// Signals cannot be watched for.
    #[error("cannot listen for Ctrl-C")]
    Signal(#[source] io::Error),
}

impl Diagnostic for CliError {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        match self {
            Self::Input(input) => input.code(),
            _ => None,
        }
    }

    fn severity(&self) -> Option<Severity> {
        match self {
            Self::Input(input) => input.severity(),
            _ => None,
        }
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        match self {
            Self::Argument { hint, .. } => Some(Box::new(hint)),
            Self::SeveralPoints { first, .. } => Some(Box::new(format!(
                "name one, such as `--design {}`; `meshfault run --dry-run` lists them",
                quoted(first)
            ))),
            Self::UnknownDesign { hint, .. }
            | Self::Unknown { hint, .. }
            | Self::UnknownMeasure { hint, .. }
            | Self::UnknownFigure { hint, .. } => {
                hint.as_ref().map(|hint| Box::new(hint) as Box<dyn std::fmt::Display>)
            }
            Self::AbsentFigure { hint, .. } => Some(Box::new(hint)),
            Self::NoResult { .. } => Some(Box::new("name a folder that `meshfault run` wrote")),
            Self::NoRows { .. } => Some(Box::new("make the result again with `meshfault run`")),
            Self::Input(input) => input.help(),
            Self::Lab(error) => error.hint().map(|hint| Box::new(hint) as Box<dyn std::fmt::Display>),
            Self::Write { .. } | Self::Figure(_) | Self::Output(_) | Self::Signal(_) => None,
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        match self {
            Self::Input(input) => input.source_code(),
            _ => None,
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        match self {
            Self::Input(input) => input.labels(),
            _ => None,
        }
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        match self {
            Self::Input(input) => input.related(),
            _ => None,
        }
    }
}

/// Longest word of a message, in characters; a longer one is cut.
const WORD_MAX: usize = 200;
/// Longest message or hint, in characters.
const MESSAGE_MAX: usize = 4000;

/// A message with its long words and its end cut: values of a user stand in it, of any length.
pub(super) fn brief(message: &str) -> String {
    cut(&with_short_words(message, WORD_MAX), MESSAGE_MAX).into_owned()
}

/// An error as it is shown: message and help are brief.
#[derive(Debug)]
pub(super) struct Brief(pub CliError);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&brief(&self.0.to_string()))
    }
}

impl std::error::Error for Brief {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl Diagnostic for Brief {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.code()
    }

    fn severity(&self) -> Option<Severity> {
        self.0.severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.0.help()?.to_string();
        Some(Box::new(brief(&help)))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.0.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.0.related()
    }
}
