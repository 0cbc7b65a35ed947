//! `meshfault completions` and `meshfault man`: what shells complete, and manual pages, both made from the arguments.
//!
//! Nothing is written by hand here; the words are those of `--help`.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::error::CliError;
use super::{exit_code, print};

/// The arguments of `completions` as they were typed.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// The arguments of `man` as they were typed.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for the program and one for each command to this folder. Default: print the program's page.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn completions(arguments: &CompletionsArgs, mut command: Command) -> Result<u8, CliError> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "meshfault", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(exit_code::FINE)
}

pub fn man(arguments: &ManArgs, command: Command) -> Result<u8, CliError> {
    let Some(folder) = &arguments.out else {
        print(&String::from_utf8_lossy(&page(command).map_err(CliError::Output)?))?;
        return Ok(exit_code::FINE);
    };
    let refused = |source| CliError::Write {
        path: folder.clone(),
        source,
    };
    fs::create_dir_all(folder).map_err(refused)?;
    clap_mangen::generate_to(command, folder).map_err(refused)?;
    Ok(exit_code::FINE)
}

/// One page. It names no date, so that equal programs give equal pages.
fn page(command: Command) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    Man::new(command).render(&mut text)?;
    Ok(text)
}
