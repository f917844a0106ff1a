//! Errors of this crate.

/// A failure inside libtorch, or a device that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TorchError {
    /// libtorch refused an operation; the first line of its text.
    #[error("libtorch: {0}")]
    Operation(String),
    /// The device was asked for but is not usable.
    #[error("device {device} is not usable: {reason}; use --device cpu")]
    Device {
        /// The device as the user wrote it.
        device: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// Not a device name.
    #[error("unknown device {0:?}; expected cpu, cuda, cuda:N or auto")]
    DeviceName(String),
    /// Lists that belong together differ in length.
    #[error("{what}: expected {expected} tensors, got {got}")]
    Count {
        /// The list at fault.
        what: &'static str,
        /// Length of the parameter list.
        expected: usize,
        /// Length of the list at fault.
        got: usize,
    },
    /// The group of processes cannot be formed.
    #[error("{0}")]
    Group(String),
    /// An operation over all processes of a group failed, in most cases because another process did.
    #[error("an exchange between the processes failed ({0})")]
    Collective(String),
}

impl TorchError {
    /// The failure of an exchange between processes, from libtorch's text.
    pub fn collective(text: &str) -> Self {
        // Gloo goes on with advice and a picture.
        let reason = text.split(". This is typically").next().unwrap_or(text);
        let reason = reason.trim_start_matches("libtorch: ");
        // The path of the source file on the machine that built libtorch tells nothing.
        let reason = reason
            .split_once("] ")
            .filter(|(place, _)| place.starts_with('['))
            .map_or(reason, |(_, rest)| rest);
        TorchError::Collective(reason.to_string())
    }
}

impl From<tch::TchError> for TorchError {
    fn from(error: tch::TchError) -> Self {
        TorchError::Operation(first_line(&error.to_string()))
    }
}

/// The first line of a libtorch message, without the call stack that follows it.
pub(crate) fn first_line(text: &str) -> String {
    let end = text.find("\\n").into_iter().chain(text.find('\n')).min().unwrap_or(text.len());
    text[..end].trim().to_string()
}
