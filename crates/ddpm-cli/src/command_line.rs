//! The command line of this process as one line that a shell reads.

/// `ddpm` and its arguments, quoted where a shell needs it.
pub(crate) fn command_line() -> String {
    let words = std::env::args_os().skip(1).map(|word| {
        let word = word.to_string_lossy().into_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    std::iter::once("ddpm".to_string()).chain(words).collect::<Vec<_>>().join(" ")
}
