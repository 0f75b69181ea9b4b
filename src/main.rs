//! `calico-charm`: see the library for what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    calico_charm::cli::main()
}
