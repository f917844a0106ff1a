//! Gives the binary the path of libtorch's folder, so that it runs from anywhere without an environment variable, the commit it
//! was built from, and a digest of the sources that cached results depend on.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Sources, relative to this crate, that results of the error benchmark depend on.
const BENCHMARK_SOURCES: [&str; 6] = [
    "src/benchmark",
    "../ddpm-core/src",
    "../ddpm-data/src",
    "../ddpm-nets/src",
    "../ddpm-sample/src",
    "../ddpm-eval/src",
];

fn main() {
    println!("cargo:rustc-env=DDPM_BENCHMARK_SALT={:016x}", digest(&BENCHMARK_SOURCES));
    for folder in BENCHMARK_SOURCES {
        println!("cargo:rerun-if-changed={folder}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(lib) = std::env::var("DEP_TORCH_EXT_LIB") {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{lib}");
    }
    println!("cargo:rustc-env=DDPM_COMMIT={}", commit().unwrap_or_else(|| "unknown".to_string()));
    println!("cargo:rerun-if-changed=../../.git/HEAD");
    println!("cargo:rerun-if-changed=../../.git/logs/HEAD");
}

/// FNV-1a over names and contents of all Rust files below some folders: what has changed is told apart, and every build of the same sources
/// agrees.
fn digest(folders: &[&str]) -> u64 {
    let mut files: Vec<PathBuf> = folders.iter().flat_map(|folder| rust_files(Path::new(folder))).collect();
    files.sort();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for file in files {
        add(file.to_string_lossy().as_bytes());
        add(&std::fs::read(&file).unwrap_or_default());
    }
    hash
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => rust_files(&path),
            Some(extension) if extension == "rs" => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

/// The abbreviated commit, or none outside a checkout.
fn commit() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=10", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_string())
}
