//! Finding a Python with which libtorch can be installed by pip.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::packages::{Need, remedy};
use crate::process;

/// The versions that wheels of the pinned torch exist for.
const OLDEST: (u32, u32) = (3, 10);
const NEWEST: (u32, u32) = (3, 14);

/// The commands to try: first the user's default Python, then other versions.
const COMMANDS: [&str; 7] =
    ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python"];

const PROBE: &str = "\
import sys, struct, platform
try:
    import venv, ensurepip
    has_venv = True
except ImportError:
    has_venv = False
print(sys.version_info[0], sys.version_info[1], struct.calcsize('P') * 8, platform.machine(), int(has_venv), sys.executable)
";

/// A Python interpreter that can make virtual environments.
#[derive(Debug, Clone)]
pub(crate) struct Interpreter {
    pub(crate) program: PathBuf,
    pub(crate) version: (u32, u32),
}

/// Properties of a Python interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct InterpreterProperties {
    version: (u32, u32),
    bits: u32,
    machine: String,
    has_venv: bool,
    executable: PathBuf,
}

/// The first suitable Python on the `PATH`.
pub(crate) fn find_python() -> Result<Interpreter> {
    let mut refused: Vec<String> = Vec::new();
    let mut without_venv = None;
    for command in COMMANDS {
        let Some(answer) = ask(OsStr::new(command)) else { continue };
        match fault(&answer) {
            None => return Ok(Interpreter { program: answer.executable, version: answer.version }),
            Some(Fault::Venv) => without_venv = without_venv.or(Some(answer)),
            Some(Fault::Other(reason)) => refused.push(format!("{command} is {reason}")),
        }
    }
    if let Some(InterpreterProperties { version, executable, .. }) = without_venv {
        let (major, minor) = version;
        bail!(
            "Python {major}.{minor} ({}) has no venv module: {}",
            executable.display(),
            remedy(Need::Venv(version))
        );
    }
    refused.dedup();
    let found = if refused.is_empty() { "none was found".to_owned() } else { refused.join(", ") };
    bail!(
        "Python {}.{} to {}.{} is needed to install libtorch, and {found}: {}",
        OLDEST.0,
        OLDEST.1,
        NEWEST.0,
        NEWEST.1,
        remedy(Need::Python)
    )
}

enum Fault {
    Venv,
    Other(String),
}

fn fault(answer: &InterpreterProperties) -> Option<Fault> {
    let (major, minor) = answer.version;
    // Python on macOS and Rust have different names for 64-bit Arm.
    let machine = if answer.machine == "arm64" { "aarch64" } else { &answer.machine };
    if answer.version < OLDEST || answer.version > NEWEST {
        Some(Fault::Other(format!("{major}.{minor}")))
    } else if answer.bits != 64 {
        Some(Fault::Other(format!("a {}-bit build", answer.bits)))
    } else if machine != env::consts::ARCH {
        Some(Fault::Other(format!("built for {machine}, not {}", env::consts::ARCH)))
    } else if !answer.has_venv {
        Some(Fault::Venv)
    } else {
        None
    }
}

fn ask(command: &OsStr) -> Option<InterpreterProperties> {
    parse(&process::ask(Command::new(command).args(["-c", PROBE]).env_remove("PYTHONHOME"))?)
}

fn parse(text: &str) -> Option<InterpreterProperties> {
    let mut words = text.splitn(6, ' ');
    let mut number = || words.next()?.parse::<u32>().ok();
    let (version, bits) = ((number()?, number()?), number()?);
    let machine = words.next()?.to_owned();
    let has_venv = words.next()? == "1";
    Some(InterpreterProperties {
        version,
        bits,
        machine,
        has_venv,
        executable: Path::new(words.next()?).to_path_buf(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> InterpreterProperties {
        parse(text).unwrap()
    }

    fn reason(text: &str) -> Option<String> {
        match fault(&answer(&text.replace("ARCH", env::consts::ARCH)))? {
            Fault::Venv => Some("venv".to_owned()),
            Fault::Other(reason) => Some(reason),
        }
    }

    #[test]
    fn answers_with_spaces_in_the_path_are_read() {
        let read = answer("3 12 64 x86_64 1 /opt/my python/bin/python3");
        assert_eq!(read.version, (3, 12));
        assert!(read.has_venv);
        assert_eq!(read.executable, Path::new("/opt/my python/bin/python3"));
        assert_eq!(parse("Python 2.7.18"), None);
    }

    #[test]
    fn unsuitable_pythons_are_told_apart() {
        assert_eq!(reason("3 10 64 ARCH 1 /p"), None);
        assert_eq!(reason("3 14 64 ARCH 1 /p"), None);
        assert_eq!(reason("3 9 64 ARCH 1 /p").unwrap(), "3.9");
        assert_eq!(reason("3 15 64 ARCH 1 /p").unwrap(), "3.15");
        assert_eq!(reason("3 12 32 ARCH 1 /p").unwrap(), "a 32-bit build");
        assert_eq!(reason("3 12 64 ARCH 0 /p").unwrap(), "venv");
        assert!(reason("3 12 64 riscv64 1 /p").unwrap().starts_with("built for riscv64"));
        let arm = answer("3 12 64 arm64 1 /p");
        assert_eq!(fault(&arm).is_none(), env::consts::ARCH == "aarch64");
    }
}
