//! Signals: those that ask the program to end, and the one about files that may not grow further.
//!
//! Terminals, schedulers and containers ask in different ways, Ctrl-C, SIGHUP and SIGTERM, and mean the same. A run that takes longer
//! than a moment then is dropped, so that the program ends with what it has.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::kernel::interrupt::end_runs;

/// How long runs may go on after the request to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sets `stop` at the first request to end, after which `tell` is called; the second ends the program at once.
#[cfg(unix)]
pub fn watch(stop: &'static AtomicBool, tell: impl Fn() + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;

    let mut wanted = vec![SIGINT, SIGTERM, SIGXFSZ];
    if !is_ignored(SIGHUP) {
        wanted.push(SIGHUP);
    }
    let mut signals = Signals::new(wanted)?;
    let watch = move || {
        // That a file may not grow is told by the write that failed.
        for _ in signals.forever().filter(|signal| *signal != SIGXFSZ) {
            if stop.swap(true, Ordering::SeqCst) {
                signal_hook::low_level::exit(super::exit_code::INTERRUPTED.into());
            }
            tell();
            // Without a thread runs are made to their end.
            let wait = std::thread::Builder::new().name("patience".to_owned());
            let _ = wait.spawn(|| {
                std::thread::sleep(PATIENCE);
                end_runs();
            });
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
    Ok(())
}

/// Elsewhere a request to end ends the program at once; `--resume` goes on.
#[cfg(not(unix))]
pub fn watch(_: &'static AtomicBool, _: impl Fn() + Send + 'static) -> io::Result<()> {
    Ok(())
}

/// Whether whoever started this program wants the signal to be ignored, as `nohup` does. Linux says so in a file.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
