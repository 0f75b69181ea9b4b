//! `calico-charm`: see the library for what it does.

use std::panic;
use std::process::{ExitCode, exit};

/// What Rust's runtime ends with after a panic that it unwinds.
const PANIC: i32 = 101;

fn main() -> ExitCode {
    // The release build has no unwinding and would abort, which can leave a core file: with the cluster's credentials.
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        report(panic);
        exit(PANIC);
    }));
    calico_charm::cli::main()
}
