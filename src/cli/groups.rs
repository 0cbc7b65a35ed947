//! The groups of commands in the help of the program, and the command that is meant by a misspelled one.
//!
//! Belongs here: which command is in which group. Does not belong here: what the commands are for, which stands at each of them.

use clap::Command;
use clap::error::{ContextKind, ContextValue};

use crate::scenario::error::near_match;

const GROUPS: [(&str, &[&str]); 4] = [
    (
        "Experiments",
        &["new", "import", "run", "merge", "report", "compare", "explain"],
    ),
    ("Checks", &["check", "policy", "verify"]),
    ("Reference", &["list", "params", "schema", "help"]),
    ("Installation", &["completions", "man"]),
];

/// Widest name of a command, and two blanks.
const INDENT: usize = 13;

/// The same command line, whose help lists the commands in groups.
pub(super) fn grouped(command: Command) -> Command {
    let mut text = String::new();
    let about = |name: &str| match command.find_subcommand(name).and_then(Command::get_about) {
        Some(about) => about.to_string(),
        None => "Show the help of a command".to_owned(),
    };
    for (group, names) in GROUPS {
        text.push_str(&format!("\u{1b}[1m\u{1b}[4m{group}:\u{1b}[0m\n"));
        for name in names {
            let blanks = " ".repeat(INDENT - name.len());
            text.push_str(&format!("  \u{1b}[1m{name}\u{1b}[0m{blanks}{}\n", about(name)));
        }
        text.push('\n');
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{text}\u{1b}[1m\u{1b}[4mOptions:\u{1b}[0m\n{{options}}"
    ))
}

/// Adds the command that is most like an unknown one, where clap finds none: it does not see swapped letters.
pub(super) fn suggest(error: &mut clap::Error) {
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else {
        return;
    };
    let names = GROUPS.iter().flat_map(|(_, names)| *names).copied();
    if let Some(near) = near_match(name, names)
        && error.get(ContextKind::SuggestedSubcommand).is_none()
    {
        let near = ContextValue::Strings(vec![near.to_owned()]);
        error.insert(ContextKind::SuggestedSubcommand, near);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Arguments;
    use clap::CommandFactory;

    #[test]
    fn every_command_is_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let mut command = Arguments::command();
        command.build();
        let mut all: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
        let mut command = super::grouped(Arguments::command()).term_width(80);
        let help = command.render_help().to_string();
        assert!(help.lines().all(|line| line.len() <= 80), "{help}");
        let shown = |group: &str| help.lines().any(|line| line == format!("{group}:"));
        assert!(GROUPS.iter().all(|(group, _)| shown(group)), "{help}");
    }
}
