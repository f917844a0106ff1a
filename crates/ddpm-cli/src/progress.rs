//! Progress for people: bars on a terminal, plain lines elsewhere. Always on the standard error, so that the standard output stays a result.

use crate::{output, run_log, terminal};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// Time between plain lines, and between records in the log of a run.
const INTERVAL: Duration = Duration::from_secs(10);

/// The progress of one stage.
pub(crate) struct Progress {
    bar: ProgressBar,
    is_interactive: bool,
    begun: Instant,
    /// When the last line was due.
    last: Instant,
    from: u64,
    label: &'static str,
    unit: &'static str,
}

impl Progress {
    /// Progress from `from` to `to` in `unit`s.
    pub(crate) fn new(label: &'static str, unit: &'static str, from: u64, to: u64) -> Self {
        let bar = terminal::add_bar(ProgressBar::with_draw_target(Some(to), ProgressDrawTarget::hidden()));
        let template = if unit == "bytes" {
            "{prefix:>9} [{bar:32}] {bytes}/{total_bytes} {eta_precise} left  {msg}"
        } else {
            "{prefix:>9} [{bar:32}] {pos}/{len} {eta_precise} left  {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(label);
        bar.set_position(from);
        bar.reset_eta();
        let now = Instant::now();
        let is_interactive = terminal::is_interactive();
        Progress { bar, is_interactive, begun: now, last: now, from, label, unit }
    }

    /// The stage goes up to `to`.
    pub(crate) fn set_end(&mut self, to: u64) {
        if self.bar.length() != Some(to) {
            self.bar.set_length(to);
        }
    }

    /// The position is now `at`; `message` is shown beside it.
    pub(crate) fn set(&mut self, at: u64, message: impl Fn() -> String) {
        self.bar.set_position(at);
        if self.is_interactive {
            self.bar.set_message(message());
        }
        if self.last.elapsed() < INTERVAL {
            return;
        }
        self.last = Instant::now();
        let total = self.bar.length().unwrap_or(at);
        let rate = at.saturating_sub(self.from) as f64 / self.begun.elapsed().as_secs_f64();
        let left = human_seconds(total.saturating_sub(at) as f64 / rate.max(f64::MIN_POSITIVE));
        let line = format!("{}: {at}/{total} {}, {left} left  {}", self.label, self.unit, message());
        if self.is_interactive {
            run_log::add("progress", &line);
        } else {
            output::record("progress", &line);
        }
    }

    /// Ends the stage with a line that stays.
    pub(crate) fn finish(self, message: &str) {
        let label = self.label;
        drop(self);
        note!("{label}: {message}");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // After an error the message that follows takes its place.
        terminal::remove_bar(&self.bar);
    }
}

/// A duration as people say it: 42 s, 3 min 10 s, 5 h 12 min, 11 days.
pub(crate) fn human_seconds(seconds: f64) -> String {
    if !seconds.is_finite() || seconds > 3e9 {
        return "an unknown time".to_string();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..=9 => format!("{seconds:.1} s"),
        10..=119 => format!("{whole} s"),
        120..=7199 => format!("{} min {} s", whole / 60, whole % 60),
        7200..=172_799 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::human_seconds;

    #[test]
    fn durations_read_naturally() {
        assert_eq!(human_seconds(4.26), "4.3 s");
        assert_eq!(human_seconds(42.4), "42 s");
        assert_eq!(human_seconds(190.0), "3 min 10 s");
        assert_eq!(human_seconds(18_720.0), "5 h 12 min");
        assert_eq!(human_seconds(950_400.0), "11 days");
    }
}
