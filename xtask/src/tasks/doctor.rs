//! `cargo xtask doctor`: prints what is installed, what is missing and how to install it.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde::Deserialize;

use crate::environment::{Environment, cache_dir};
use crate::libtorch::{self, Build, Libtorch, Link};
use crate::machine::{self, Driver, OLDEST_DRIVER};
use crate::process::{self, Failed};
use crate::workspace::Workspace;

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// No action is needed.
    Good,
    /// Information; everything works.
    Note,
    /// Something must be installed.
    Missing,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Good => "ok",
            Self::Note => "note",
            Self::Missing => "MISSING",
        })
    }
}

struct Finding {
    verdict: Verdict,
    subject: &'static str,
    text: String,
}

impl Finding {
    fn new(verdict: Verdict, subject: &'static str, text: impl Into<String>) -> Self {
        Self { verdict, subject, text: text.into() }
    }

    /// The text that was found, or the error with its remedy.
    fn of(subject: &'static str, found: Result<String>) -> Self {
        match found {
            Ok(text) => Self::new(Verdict::Good, subject, text),
            Err(error) => Self::new(Verdict::Missing, subject, format!("{error:#}")),
        }
    }
}

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let libtorch = effective_libtorch(workspace);
    let binary = workspace.metadata().map(|metadata| metadata.target_directory.join("release/ddpm"));
    let mut findings = vec![
        rust(workspace),
        Finding::of(
            "C++ compiler",
            machine::find_compiler().map(|found| format!("{}: {}", found.command, found.version)),
        ),
        python(libtorch.is_ok()),
        libtorch_finding(&libtorch),
        driver(machine::find_driver().as_ref(), libtorch.as_ref().ok()),
        space(),
        packages_for_tests(libtorch.as_ref().ok()),
    ];
    match &binary {
        Ok(binary) => findings.extend(product(binary)),
        Err(error) => findings.push(Finding::new(Verdict::Missing, "workspace", format!("{error:#}"))),
    }
    for Finding { verdict, subject, text } in &findings {
        println!("{verdict:<8} {subject:<18} {text}");
    }
    let missing = findings.iter().filter(|finding| finding.verdict == Verdict::Missing).count();
    if missing == 0 {
        println!("nothing is missing");
        return Ok(());
    }
    println!("{missing} missing; `cargo xtask setup` installs libtorch, install the rest as described above");
    Err(Failed { code: 2 }.into())
}

fn rust(workspace: &Workspace) -> Finding {
    let needed = env!("CARGO_PKG_RUST_VERSION");
    let version = |name: &str| process::ask(workspace.cargo().args([name, "--version"]));
    // This program was compiled, so that Rust is present and new enough; lints need two more components.
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let rustc = process::ask(Command::new(rustc).arg("--version")).unwrap_or_else(|| "rustc".to_owned());
    match (version("fmt"), version("clippy")) {
        (Some(_), Some(_)) => {
            Finding::new(Verdict::Good, "Rust", format!("{rustc}, needs {needed}; with rustfmt and clippy"))
        }
        _ => {
            let text = format!("{rustc}; `cargo xtask lint` needs `rustup component add rustfmt clippy`");
            Finding::new(Verdict::Note, "Rust", text)
        }
    }
}

/// Python is needed to install libtorch and to run some tests, not to build.
fn python(have_libtorch: bool) -> Finding {
    match machine::find_python() {
        Ok(python) => {
            let (major, minor) = python.version;
            Finding::new(
                Verdict::Good,
                "Python",
                format!("{major}.{minor} with venv: {}", python.program.display()),
            )
        }
        Err(error) => {
            let verdict = if have_libtorch { Verdict::Note } else { Verdict::Missing };
            Finding::new(verdict, "Python", format!("{error:#}"))
        }
    }
}

/// The libtorch that a build would use now, and its origin.
fn effective_libtorch(workspace: &Workspace) -> Result<(Libtorch, &'static str)> {
    let link = workspace.libtorch_link();
    if let Some(dir) = libtorch::user_libtorch(env::var_os("LIBTORCH").as_deref(), &link)? {
        return Ok((Libtorch::inspect(&dir)?, "LIBTORCH"));
    }
    match libtorch::read_link(&link) {
        Link::Usable(libtorch) => Ok((libtorch, ".libtorch")),
        Link::Unusable(reason) => {
            anyhow::bail!(".libtorch cannot be used ({reason}): run `cargo xtask setup`")
        }
        Link::Absent => anyhow::bail!("not set up yet: run `cargo xtask setup`"),
    }
}

fn libtorch_finding(libtorch: &Result<(Libtorch, &'static str)>) -> Finding {
    match libtorch {
        Ok((libtorch, origin)) => {
            Finding::new(Verdict::Good, "libtorch", format!("{libtorch} (from {origin})"))
        }
        Err(error) => Finding::new(Verdict::Missing, "libtorch", format!("{error:#}")),
    }
}

fn driver(driver: Option<&Driver>, libtorch: Option<&(Libtorch, &'static str)>) -> Finding {
    let subject = "NVIDIA driver";
    let Some(driver) = driver else {
        return Finding::new(Verdict::Note, subject, "none: everything runs, on the CPU");
    };
    let version = driver.version.as_deref().unwrap_or("of unknown version");
    let gpus = if driver.gpus.is_empty() { String::new() } else { format!(" ({})", driver.gpus.join(", ")) };
    let text = format!("{version}{gpus}");
    if driver.too_old() {
        let advice = format!(
            "{text}: pip's libtorch needs {OLDEST_DRIVER} or newer; update it, or give a libtorch built for an older CUDA"
        );
        return Finding::new(Verdict::Note, subject, advice);
    }
    match libtorch {
        Some((Libtorch { cuda: false, .. }, _)) => Finding::new(
            Verdict::Note,
            subject,
            format!("{text}, but libtorch has no CUDA: `cargo xtask setup --cuda`"),
        ),
        _ => Finding::new(Verdict::Good, subject, text),
    }
}

fn space() -> Finding {
    let free = cache_dir().and_then(|cache| Ok((machine::free_space(&cache)?, cache)));
    Finding::of("cache", free.map(|(free, cache)| format!("{} ({free} free)", cache.display())))
}

fn packages_for_tests(libtorch: Option<&(Libtorch, &'static str)>) -> Finding {
    let subject = "Python for tests";
    if let Some(python) = env::var_os("DDPM_PYTHON").filter(|value| !value.is_empty()) {
        return Finding::new(
            Verdict::Note,
            subject,
            format!("{} (from DDPM_PYTHON)", PathBuf::from(python).display()),
        );
    }
    let Ok(cache) = cache_dir() else {
        return Finding::new(Verdict::Note, subject, "no cache folder to install packages into");
    };
    let of_libtorch = libtorch.and_then(|(libtorch, _)| Environment::that_holds(&cache, libtorch));
    let environments =
        of_libtorch.into_iter().chain([Build::Cpu, Build::Cuda].map(|build| Environment::of(&cache, build)));
    match environments
        .into_iter()
        .find(|environment| environment.ready().is_some() && environment.has_test_packages())
    {
        Some(environment) => Finding::new(Verdict::Good, subject, environment.python().display().to_string()),
        None => Finding::new(
            Verdict::Note,
            subject,
            "`cargo xtask test` looks for the packages and installs what it needs",
        ),
    }
}

/// What `ddpm devices --json` prints, as far as it is shown here.
#[derive(Debug, Deserialize)]
struct Devices {
    cpu_threads: u32,
    cuda: Cuda,
}

#[derive(Debug, Deserialize)]
struct Cuda {
    linked: bool,
    available: bool,
    message: Option<String>,
}

/// The devices that the built binary finds.
fn product(binary: &Path) -> Vec<Finding> {
    if !binary.exists() {
        return vec![Finding::new(Verdict::Note, "ddpm", "not built yet: `cargo xtask build`")];
    }
    let shown = binary.display();
    let answer = process::ask(Command::new(binary).args(["devices", "--json"]));
    let Some(devices) = answer.and_then(|text| serde_json::from_str::<Devices>(&text).ok()) else {
        let text =
            format!("{shown} does not say which devices it sees: build it again with `cargo xtask build`");
        return vec![Finding::new(Verdict::Note, "ddpm", text)];
    };
    let threads = devices.cpu_threads;
    vec![Finding::new(Verdict::Good, "ddpm", format!("{shown}, {threads} CPU threads")), cuda(&devices.cuda)]
}

fn cuda(cuda: &Cuda) -> Finding {
    let why = cuda.message.as_deref().and_then(|text| text.lines().next()).unwrap_or_default();
    match (cuda.linked, cuda.available) {
        (true, true) => Finding::new(Verdict::Good, "CUDA", "linked and usable"),
        (true, false) => Finding::new(Verdict::Note, "CUDA", format!("linked, not usable here: {why}")),
        (false, _) => Finding::new(Verdict::Note, "CUDA", format!("not linked (libtorch has none): {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_s_answer_is_read() {
        let text = r#"{"cpu_threads":2,"cuda":{"linked":true,"available":false,"message":"Found no NVIDIA driver\nmore"}}"#;
        let devices: Devices = serde_json::from_str(text).unwrap();
        assert_eq!(devices.cpu_threads, 2);
        let finding = cuda(&devices.cuda);
        assert_eq!(finding.text, "linked, not usable here: Found no NVIDIA driver");
        assert!(cuda(&Cuda { linked: true, available: true, message: None }).verdict == Verdict::Good);
    }

    #[test]
    fn a_driver_and_a_libtorch_that_do_not_go_together_are_named() {
        let libtorch =
            |cuda| (Libtorch { dir: PathBuf::from("/t"), version: "2.13.0".to_owned(), cuda }, ".libtorch");
        let found = |version: &str| Driver {
            version: Some(version.to_owned()),
            gpus: vec!["NVIDIA H100".to_owned()],
        };
        assert_eq!(driver(Some(&found("580.1")), Some(&libtorch(true))).verdict, Verdict::Good);
        assert!(driver(Some(&found("580.1")), Some(&libtorch(false))).text.contains("setup --cuda"));
        assert!(driver(Some(&found("535.1")), Some(&libtorch(true))).text.contains("needs 580 or newer"));
        assert!(driver(None, None).text.contains("on the CPU"));
    }

    #[test]
    fn a_binary_that_is_not_there_or_answers_nothing_is_said_so() {
        let temporary = tempfile::tempdir().unwrap();
        assert!(product(&temporary.path().join("ddpm"))[0].text.starts_with("not built yet"));
        assert!(product(Path::new("/bin/true"))[0].text.contains("build it again"));
    }
}
