//! The state of signals, which the standard library does not tell.

/// Whether the process ignores a signal, as one that `nohup` started ignores SIGHUP. False for a number that is no signal's.
pub fn is_ignored(signal: i32) -> bool {
    // SAFETY: sigaction is a plain struct for which zeros are valid; with a null new action the call only writes the present one to it.
    unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut present) == 0 && present.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(test)]
mod tests {
    use super::is_ignored;

    #[test]
    fn the_state_of_signals_is_told() {
        // Rust's runtime ignores SIGPIPE; nothing here ignores SIGALRM.
        assert!(is_ignored(libc::SIGPIPE) && !is_ignored(libc::SIGALRM) && !is_ignored(-1));
    }
}
