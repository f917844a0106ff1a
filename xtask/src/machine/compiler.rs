//! The C++ compiler that builds torch-sys and the shims.

use std::env;
use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use super::packages::{Need, remedy};
use crate::process;

/// A compiler that was seen to make a C++17 program.
pub(crate) struct Compiler {
    pub(crate) command: String,
    /// The first line of what it says about itself.
    pub(crate) version: String,
}

/// Uses the standard library as of C++17, so that a compiler without its headers is found out too.
const PROGRAM: &[u8] = b"#include <optional>\nint main() { return std::optional<int>{}.value_or(0); }\n";

/// The compiler that the `cc` crate will call: `CXX`, else `c++` (and what it falls back to is the same program).
pub(crate) fn find_compiler() -> Result<Compiler> {
    let (command, origin) = match env::var("CXX") {
        Ok(command) if !command.trim().is_empty() => (command, "CXX="),
        _ => ("c++".to_owned(), ""),
    };
    // CXX may hold a wrapper or flags: `ccache g++`.
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or("c++");
    let prepare = || {
        let mut call = Command::new(program);
        call.args(words.clone());
        call
    };
    let Some(version) = process::ask(prepare().arg("--version")) else {
        bail!("no C++ compiler ({origin}{command} does not run): {}", remedy(Need::Compiler));
    };
    let version = version.lines().next().unwrap_or_default().to_owned();

    let output = env::temp_dir().join(format!("ddpm-compiler-check-{}", std::process::id()));
    let mut compile = prepare();
    compile.args(["-std=c++17", "-x", "c++", "-", "-o"]).arg(&output);
    if cfg!(target_os = "linux") {
        // tch links GNU OpenMP by name; clang alone does not bring it.
        compile.arg("-lgomp");
    }
    let compiled = pipe(&mut compile, PROGRAM);
    let _ = std::fs::remove_file(&output);
    if let Err(reason) = compiled {
        bail!("{origin}{command} cannot build a C++17 program ({reason}): {}", remedy(Need::Compiler));
    }
    Ok(Compiler { command, version })
}

/// Feed a program to a compiler; the first error line if it refuses.
fn pipe(command: &mut Command, input: &[u8]) -> std::result::Result<(), String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        // A compiler that rejects its flags ends before it reads; its own message says more than the broken pipe.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains("error")).or_else(|| text.lines().next());
    Err(line.unwrap_or("no message").trim().to_owned())
}
