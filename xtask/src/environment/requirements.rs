//! The pinned Python packages of set-up and tests: `python/requirements.txt` and `python/cuda-headers.txt`.

/// The file's text; it is also the note that an environment's test packages are complete.
pub(crate) const PINS: &str = include_str!("../../python/requirements.txt");

/// The headers of CUDA that are installed beside a torch with CUDA.
pub(crate) const CUDA_HEADERS: &str = include_str!("../../python/cuda-headers.txt");

/// Where the pins of torch and of the tests' packages lie in the checkout.
pub(crate) const PINS_PATH: &str = "xtask/python/requirements.txt";

/// The pinned torch, such as `2.13.0`.
pub(crate) fn torch_version() -> &'static str {
    // The file is part of this program, and a test checks that it has the line.
    PINS.lines().find_map(|line| line.strip_prefix("torch==")).map_or("", str::trim)
}

/// The releases that share its interface, such as `2.13`.
pub(crate) fn torch_series() -> &'static str {
    torch_version().rsplit_once('.').map_or("", |(series, _)| series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_pinned_exactly() {
        let lines = PINS
            .lines()
            .chain(CUDA_HEADERS.lines())
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let requirement = line.split(';').next().unwrap();
            let (name, version) =
                requirement.split_once("==").unwrap_or_else(|| panic!("not pinned: {line}"));
            assert!(
                !name.is_empty() && version.trim().split('.').all(|part| part.parse::<u32>().is_ok()),
                "{line}"
            );
        }
    }

    #[test]
    fn the_torch_pin_gives_the_series() {
        assert!(torch_version().starts_with(torch_series()));
        assert_eq!(torch_series().split('.').count(), 2);
    }
}
