//! The standard error: lines that stay above the progress bars, and what may be printed there.
//!
//! The first failed write (a reader that is gone, a full disk, a terminal that was closed) ends the printing, never the program.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use std::io::{IsTerminal, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Every progress bar of the process.
static BARS: LazyLock<MultiProgress> = LazyLock::new(|| {
    let target = if is_interactive() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    MultiProgress::with_draw_target(target)
});

/// A write has failed.
static GONE: AtomicBool = AtomicBool::new(false);

/// The rank of this process in its group; 0 for one that is alone.
static RANK: AtomicUsize = AtomicUsize::new(0);

/// This process is `rank` of several: only the first shows progress and messages, and lines of the others begin with their rank.
pub(crate) fn set_rank(rank: usize) {
    RANK.store(rank, Ordering::Relaxed);
}

/// Whether another process of the group shows progress and messages.
pub(crate) fn is_of_another_rank() -> bool {
    RANK.load(Ordering::Relaxed) > 0
}

/// Whether bars can be drawn: on a terminal that can move its cursor.
pub(crate) fn is_interactive() -> bool {
    !is_of_another_rank()
        && std::io::stderr().is_terminal()
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether text may have colours: not where the variable NO_COLOR is set (no-color.org).
pub(crate) fn has_colours() -> bool {
    is_interactive() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Draws a bar below the others.
pub(crate) fn add_bar(bar: ProgressBar) -> ProgressBar {
    BARS.add(bar)
}

/// Removes a bar for good.
pub(crate) fn remove_bar(bar: &ProgressBar) {
    bar.finish_and_clear();
    BARS.remove(bar);
}

/// Removes the bars from the terminal.
pub(crate) fn clear_bars() {
    let _ = BARS.clear();
}

/// Runs `body`, which prints on the terminal, while no bar is drawn.
pub(crate) fn above_bars<T>(body: impl FnOnce() -> T) -> T {
    BARS.suspend(body)
}

/// Prints a line.
pub(crate) fn print_line(text: &str) {
    if GONE.load(Ordering::Relaxed) {
        return;
    }
    let line = match RANK.load(Ordering::Relaxed) {
        0 => format!("{}\n", text.trim_end()),
        rank => format!("rank {rank}: {}\n", text.trim_end()),
    };
    if above_bars(|| std::io::stderr().lock().write_all(line.as_bytes())).is_err() {
        GONE.store(true, Ordering::Relaxed);
        BARS.set_draw_target(ProgressDrawTarget::hidden());
    }
}
