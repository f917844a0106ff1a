//! Conversion of libtorch's failures to errors.
//!
//! tch's operators panic when libtorch throws (out of memory, shapes that do not fit). Code inside a fence may use them freely; the fence
//! catches exactly those panics. Any other panic is a bug and is passed on.

use crate::error::{TorchError, first_line};
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// How tch's unwrapped errors begin when their panic is printed.
const TORCH_PANIC: &str = "Torch(\"";

/// Runs `body`; a panic that libtorch caused comes back as [`TorchError::Operation`] with the first line of libtorch's text.
pub fn fence<T>(body: impl FnOnce() -> T) -> Result<T, TorchError> {
    quiet_hook();
    let outer = INSIDE.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(outer);
    result.or_else(|payload| match torch_message(payload.as_ref()) {
        Some(message) => Err(TorchError::Operation(message)),
        None => panic::resume_unwind(payload),
    })
}

fn payload_text(payload: &dyn std::any::Any) -> Option<&str> {
    payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied())
}

fn torch_message(payload: &dyn std::any::Any) -> Option<String> {
    let text = payload_text(payload)?;
    let start = text.find(TORCH_PANIC)? + TORCH_PANIC.len();
    Some(first_line(text[start..].trim_end_matches("\")")))
}

/// The default hook would print a panic that the fence is about to turn into an error.
fn quiet_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if INSIDE.get() && torch_message(info.payload()).is_some() {
                return;
            }
            previous(info);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn a_shape_error_becomes_one_line() {
        let a = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
        let error = fence(|| a.matmul(&a)).unwrap_err().to_string();
        assert!(error.contains("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"), "{error}");
        assert!(
            !error.contains('\n') && !error.contains("\\n") && !error.contains("Exception raised"),
            "{error}"
        );
    }

    #[test]
    fn a_panic_of_our_own_goes_on() {
        let result = panic::catch_unwind(|| fence(|| panic!("not libtorch's")));
        assert_eq!(payload_text(result.unwrap_err().as_ref()), Some("not libtorch's"));
    }
}
