//! Gives the binary the path of libtorch's folder, so that it runs from anywhere without an environment variable, and the commit it
//! was built from.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(lib) = std::env::var("DEP_TORCH_EXT_LIB") {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{lib}");
    }
    println!("cargo:rustc-env=DDPM_COMMIT={}", commit().unwrap_or_else(|| "unknown".to_string()));
    println!("cargo:rerun-if-changed=../../.git/HEAD");
    println!("cargo:rerun-if-changed=../../.git/logs/HEAD");
}

/// The abbreviated commit, or none outside a checkout.
fn commit() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=10", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_string())
}
