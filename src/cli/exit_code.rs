//! What the program's exit code means. Scripts depend on these numbers: never change one.

use super::CliError;
use crate::lab::LabError;

pub const FINE: u8 = 0;
/// An expectation of the experiment failed.
pub const EXPECTATION_FAILED: u8 = 1;
/// From `policy --diff`: a verdict differs.
pub const VERDICTS_DIFFER: u8 = 1;
/// Wrong use, bad input, or a file system that refused.
pub const BAD_INPUT: u8 = 2;
/// The runs do not decide an expectation.
pub const INCONCLUSIVE: u8 = 3;
/// Some runs failed; the others are in the result. From `verify`: a run fails, does not repeat, or is another one in the
/// other build, or two addresses share a random stream.
pub const RUNS_FAILED: u8 = 4;
/// A defect of this program: it could not go on. What was stored is whole.
pub const DEFECT: u8 = 70;
/// Interrupted by Ctrl-C, by the end of the terminal, or by whoever ends processes; a valid partial result was written. From `merge`: nothing was.
pub const INTERRUPTED: u8 = 130;

/// The exit code of a command that ended without a result.
pub const fn of(error: &CliError) -> u8 {
    match error {
        CliError::Lab(LabError::Stopped(_)) => INTERRUPTED,
        _ => BAD_INPUT,
    }
}
