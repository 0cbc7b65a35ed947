//! The program `meshfault`. Everything it does belongs to the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    meshfault::cli::main()
}
