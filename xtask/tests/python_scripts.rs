//! The scripts in `python/`, run by a real Python on tiny wheels from a folder: nothing is downloaded.
//!
//! `DDPM_PYTHON` names the Python, as in the other crates' tests; without it these tests say that they were skipped.

#![allow(clippy::unwrap_used, reason = "a folder that cannot be prepared fails its test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// Writes a wheel of nothing but its metadata: FOLDER NAME VERSION [REQUIREMENT]...
const MAKE_WHEEL: &str = r#"
import sys, zipfile
folder, name, version, *requirements = sys.argv[1:]
info = f"{name}-{version}.dist-info"
metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: fast\n"
metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requirements)
with zipfile.ZipFile(f"{folder}/{name}-{version}-py3-none-any.whl", "w") as wheel:
    wheel.writestr(f"{info}/METADATA", metadata)
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", f"{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
"#;

fn python() -> Option<PathBuf> {
    let python = std::env::var_os("DDPM_PYTHON").map(PathBuf::from);
    if python.is_none() {
        println!("skipped: DDPM_PYTHON is not set, so there is no Python to run the scripts with");
    }
    python
}

fn run(python: &Path, script: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(python);
    command.args(["-c", script]).args(arguments);
    for variable in ["LD_LIBRARY_PATH", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_REQUIRE_HASHES"] {
        command.env_remove(variable);
    }
    command.output().unwrap()
}

/// A folder that stands for an index, and the folder that wheels are fetched into.
struct Folders {
    python: PathBuf,
    temporary: TempDir,
}

impl Folders {
    fn new(python: PathBuf) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        fs::create_dir(temporary.path().join("index")).unwrap();
        Self { python, temporary }
    }

    fn path(&self, name: &str) -> String {
        self.temporary.path().join(name).display().to_string()
    }

    fn offer(&self, wheel: &[&str]) {
        let index = self.path("index");
        let made = run(&self.python, MAKE_WHEEL, &[&[index.as_str()], wheel].concat());
        assert!(made.status.success(), "{made:?}");
    }

    fn withdraw(&self, wheel: &str) {
        fs::remove_file(self.temporary.path().join("index").join(wheel)).unwrap();
    }

    fn fetch(&self, requirement: &str) -> Output {
        let arguments =
            [&self.path("wheels"), &self.path("fresh"), requirement, "--no-index", "--find-links"];
        run(
            &self.python,
            include_str!("../python/fetch_wheels.py"),
            &[&arguments[..], &[&self.path("index")]].concat(),
        )
    }

    fn fetched(&self) -> Vec<String> {
        let entries = fs::read_dir(self.temporary.path().join("wheels")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn everything_that_a_requirement_needs_here_is_fetched_and_nothing_else() {
    let Some(python) = python() else { return };
    let folders = Folders::new(python);
    folders.offer(&["alpha", "1.0", "beta[fast]>=2", "absent; python_version < '3'"]);
    folders.offer(&["alpha", "1.1"]);
    folders.offer(&["beta", "1.9"]);
    folders.offer(&["beta", "2.0", "nvidia-gamma==3.*; extra == 'fast'", "absent; extra == 'slow'", "alpha"]);
    folders.offer(&["nvidia_gamma", "3.4"]);
    let output = folders.fetch("alpha==1.0");
    assert!(output.status.success(), "{output:?}");
    let expected =
        ["alpha-1.0-py3-none-any.whl", "beta-2.0-py3-none-any.whl", "nvidia_gamma-3.4-py3-none-any.whl"];
    assert_eq!(folders.fetched(), expected);
}

#[test]
fn a_second_run_fetches_only_what_the_first_could_not() {
    let Some(python) = python() else { return };
    let folders = Folders::new(python);
    folders.offer(&["alpha", "1.0", "beta"]);
    folders.offer(&["beta", "2.0", "gamma"]);
    let output = folders.fetch("alpha");
    assert_eq!(output.status.code(), Some(1), "pip's own code: {output:?}");
    assert_eq!(folders.fetched(), ["alpha-1.0-py3-none-any.whl", "beta-2.0-py3-none-any.whl"]);

    // An index that has only the rest now: what was fetched is not asked for again.
    folders.withdraw("alpha-1.0-py3-none-any.whl");
    folders.withdraw("beta-2.0-py3-none-any.whl");
    folders.offer(&["gamma", "3.0"]);
    let output = folders.fetch("alpha");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(folders.fetched().len(), 3);
}

#[test]
fn pins_that_do_not_hold_are_named() {
    let Some(python) = python() else { return };
    let temporary = tempfile::tempdir().unwrap();
    let pins = temporary.path().join("requirements.txt");
    let check = |text: &str| {
        fs::write(&pins, text).unwrap();
        let output = run(&python, include_str!("../python/check_pins.py"), &[&pins.display().to_string()]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(check("# a comment\n\nno-such-package==1.0; python_version < '3'\n"), "");
    assert_eq!(check("no-such-package==1.0\n"), "no-such-package is missing\n");
    let wrong = check("pip==0.0.1  # older than this script\n");
    assert!(wrong.starts_with("pip is ") && wrong.ends_with("pinned ==0.0.1\n"), "{wrong}");
}
