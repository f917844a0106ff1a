//! What the exit status says.

use std::process::ExitCode;

/// A usage or input error.
const INPUT: u8 = 2;
/// Interrupted; the same command with `--resume` (or the same `reproduce`) goes on. sysexits' EX_TEMPFAIL.
const INTERRUPTED: u8 = 75;

/// A run that was asked to stop and can be resumed.
#[derive(Debug, thiserror::Error)]
#[error("stopped after step {step} as asked; a checkpoint is written: {remedy}")]
pub(crate) struct Interrupted {
    /// Steps done.
    pub(crate) step: u64,
    /// How to go on.
    pub(crate) remedy: String,
}

/// Prints an error as one line and names its exit status.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().replace('\n', " ");
        // Transparent errors repeat their source's text.
        if !line.ends_with(text.as_str()) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&text);
        }
    }
    if error.downcast_ref::<Interrupted>().is_some() {
        eprintln!("ddpm: {line}");
        return ExitCode::from(INTERRUPTED);
    }
    eprintln!("error: {line}");
    ExitCode::from(INPUT)
}
