//! Why a command ended without a result, as people see it.
//!
//! Errors of the inputs bring their own place in the file; those of the laboratory bring a hint.

use std::fmt;
use std::io;
use std::path::PathBuf;

use miette::{Diagnostic, LabeledSpan, SourceCode};

use crate::lab::LabError;
use crate::lab::plan::quoted;
use crate::lab::printable::{cut, with_short_words};
use crate::scenario::error::near_path;

/// A finding about the input that can show itself with file, line and hint.
pub type InputError = Box<dyn Diagnostic + Send + Sync + 'static>;

#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("{argument}: {reason}")]
    Argument {
        argument: &'static str,
        reason: String,
        hint: &'static str,
    },
    #[error("{0}")]
    Input(InputError),
    #[error("the experiment {experiment} has no design `{name}`")]
    UnknownDesign {
        name: String,
        experiment: String,
        hint: Option<String>,
    },
    #[error("design {name} has {points} points")]
    SeveralPoints { name: String, points: usize, first: String },
    #[error("unknown {what} `{name}`")]
    Unknown {
        what: &'static str,
        name: String,
        hint: Option<String>,
    },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("there is no figure `{name}`")]
    UnknownFigure { name: String, hint: Option<String> },
    #[error("the result has no figure `{name}`: {reason}")]
    AbsentFigure {
        name: String,
        reason: &'static str,
        hint: String,
    },
    #[error("{path}: holds no result", path = .path.display())]
    NoResult { path: PathBuf },
    #[error("{path}: has neither the rows of the result nor the data of its figures and reports", path = .path.display())]
    NoRows { path: PathBuf },
    #[error("the result was not reproduced: its digest is {found}, expected {wanted}")]
    NotReproduced {
        wanted: String,
        found: String,
        /// The version that made the result.
        version: String,
    },
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error(transparent)]
    Figure(#[from] crate::report::figures::FigureError),
    #[error("cannot print the result")]
    Output(#[source] io::Error),
    #[error("cannot listen for Ctrl-C")]
    Signal(#[source] io::Error),
}

impl CliError {
    pub fn argument(argument: &'static str, reason: impl Into<String>, hint: &'static str) -> Self {
        let reason = reason.into();
        Self::Argument { argument, reason, hint }
    }

    fn input(&self) -> Option<&InputError> {
        match self {
            Self::Input(input) => Some(input),
            _ => None,
        }
    }
}

impl Diagnostic for CliError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self {
            Self::Argument { hint, .. } => Some(Box::new(hint)),
            Self::SeveralPoints { first, .. } => Some(Box::new(format!(
                "name one, such as `--design {}`; `meshfault run --dry-run` lists them",
                quoted(first)
            ))),
            Self::UnknownDesign { hint, .. } | Self::Unknown { hint, .. } | Self::UnknownFigure { hint, .. } => {
                hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
            }
            Self::AbsentFigure { hint, .. } => Some(Box::new(hint)),
            Self::NoResult { path } => {
                let near = near_path(path).filter(|_| !path.exists());
                Some(Box::new(near.unwrap_or_else(|| {
                    "name a folder that `meshfault run` wrote".to_owned()
                })))
            }
            Self::NotReproduced { version, .. } => Some(Box::new(format!(
                "version {version} wrote it; results repeat to the byte only in the same version"
            ))),
            Self::NoRows { .. } => Some(Box::new("run the experiment again with `meshfault run`")),
            Self::Input(input) => input.help(),
            Self::Lab(error) => error.hint().map(|hint| Box::new(hint) as Box<dyn fmt::Display>),
            Self::Write { .. } | Self::Figure(_) | Self::Output(_) | Self::Signal(_) => None,
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.input()?.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.input()?.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.input()?.related()
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
