//! Progress for people: bars on a terminal, plain lines elsewhere. Always on the standard error, so that the standard output stays a result.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Seconds between plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// The progress of one stage.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Set where there is no terminal.
    plain: Option<Plain>,
    label: &'static str,
    unit: &'static str,
}

struct Plain {
    begun: Instant,
    last: Instant,
    first: u64,
}

impl Progress {
    /// Progress from `from` to `to` in `unit`s.
    pub(crate) fn new(label: &'static str, unit: &'static str, from: u64, to: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(to), target);
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
        let plain = (!terminal).then_some(Plain { begun: now, last: now, first: from });
        Progress { bar, plain, label, unit }
    }

    /// The position is now `at`; `message` is shown beside it.
    pub(crate) fn set(&mut self, at: u64, message: impl Fn() -> String) {
        self.bar.set_position(at);
        match &mut self.plain {
            None => self.bar.set_message(message()),
            Some(plain) if plain.last.elapsed() >= PLAIN_INTERVAL => {
                plain.last = Instant::now();
                let total = self.bar.length().unwrap_or(at);
                let rate = (at - plain.first) as f64 / plain.begun.elapsed().as_secs_f64();
                let left = human_seconds((total - at.min(total)) as f64 / rate.max(f64::MIN_POSITIVE));
                note!("{}: {at}/{total} {}, {left} left  {}", self.label, self.unit, message());
            }
            Some(_) => {}
        }
    }

    /// Ends the stage with a line that stays.
    pub(crate) fn finish(self, message: &str) {
        self.bar.finish_and_clear();
        note!("{}: {message}", self.label);
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
