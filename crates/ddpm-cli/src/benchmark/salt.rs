//! The version of the code that computes cells: results of other code are not believed.

/// A digest of the sources that results depend on, made when the program is built.
pub(crate) const SALT: &str = env!("DDPM_BENCHMARK_SALT");

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_a_digest() {
        assert!(
            super::SALT.len() == 16 && super::SALT.chars().all(|c| c.is_ascii_hexdigit()),
            "{}",
            super::SALT
        );
    }
}
