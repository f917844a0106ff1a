//! Running other programs, and replacing this process by another program.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, anyhow};

/// A program failed and has printed its error; `cargo xtask` exits with the same code.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) code: u8,
}

impl Failed {
    pub(crate) fn from_status(status: ExitStatus) -> Self {
        // Shells report a signal as 128 + its number.
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
        Self { code: u8::try_from(code).unwrap_or(1) }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "exit code {}", self.code)
    }
}

impl std::error::Error for Failed {}

/// Run to the end; the program prints to the terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| cannot_start(command.get_program()))?;
    if status.success() { Ok(()) } else { Err(Failed::from_status(status).into()) }
}

/// Replace this process by the program, which then has its exit code, signals and terminal. Returns only if it cannot be started.
pub(crate) fn become_program(command: &mut Command) -> anyhow::Error {
    let error = command.exec();
    anyhow!(error).context(cannot_start(command.get_program()))
}

/// Standard output of a program; `None` if it does not exist or fails.
pub(crate) fn ask(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(crate) fn cannot_start(program: &OsStr) -> String {
    format!("cannot start {}", program.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_and_signals_are_passed_on() {
        let code = |script: &str| {
            let error = run(Command::new("sh").args(["-c", script])).unwrap_err();
            error.downcast_ref::<Failed>().map(|failed| failed.code)
        };
        assert_eq!(code("exit 75"), Some(75));
        assert_eq!(code("kill -9 $$"), Some(137));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("/nonexistent/program")).unwrap_err();
        assert!(format!("{error:#}").contains("cannot start /nonexistent/program"));
        assert!(error.downcast_ref::<Failed>().is_none());
    }
}
