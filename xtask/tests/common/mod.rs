//! A fake checkout, cache and machine made of small scripts, to test set-up without downloads.

#![allow(dead_code, reason = "each test target uses its part of the sandbox")]
#![allow(clippy::unwrap_used, reason = "a sandbox that cannot be made fails its test")]

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// The torch pin that the environment folder is named after.
pub(crate) fn torch_version() -> &'static str {
    include_str!("../../python/requirements.txt")
        .lines()
        .find_map(|line| line.strip_prefix("torch=="))
        .unwrap()
}

/// The build that the default index has, which set-up takes on a machine with a driver.
pub(crate) const DEFAULT_BUILD: &str = if cfg!(target_os = "macos") { "cpu" } else { "cuda" };

/// Stands for `python3` and, copied by its own `-m venv`, for the interpreter of an environment. It obeys variables:
/// `FAKE_INDEX=answers` (PyTorch's CPU index is there), `FAKE_PIP=fail|break|hang|old` (the download stops, the
/// installation stops, it takes long, pip is an old one), `FAKE_VENV=0` (the venv module is missing), `FAKE_PYTHON` (its
/// version), `FAKE_UNMET` (a pin that does not hold).
const PYTHON: &str = r#"#!/bin/sh
self="$0"
here=$(dirname "$0")
folder="$3"
packages="$here/../lib/python3.12/site-packages"
case "$1 $2" in
"-c "*has_venv*)
    echo "${FAKE_PYTHON:-3 12} 64 ARCH ${FAKE_VENV:-1} $self" ;;
"-c "*sysconfig*)
    echo "$packages" ;;
"-c "*"Usage: python check_pins.py"*)
    [ -z "$FAKE_UNMET" ] || echo "$FAKE_UNMET" ;;
"-c "*"Usage: python fetch_wheels.py"*)
    [ "$FAKE_PIP" != old ] || exit 3
    mkdir -p "$3"
    shift 4
    for wheel in torch sympy; do
        [ ! -e "$folder/$wheel" ] || continue
        echo "download $wheel for $*" >> "$FAKE_LOG"
        [ "$wheel $FAKE_PIP" != "sympy fail" ] || exit 1
        touch "$folder/$wheel"
    done ;;
"-m venv")
    echo "venv $3" >> "$FAKE_LOG"
    mkdir -p "$3/bin" "$3/lib/python3.12/site-packages"
    cp "$self" "$3/bin/python" ;;
"-m pip")
    echo "$*" >> "$FAKE_LOG"
    case "$*" in
    *"index versions"*)
        [ "$FAKE_INDEX" = answers ] || exit 1
        echo "torch (VERSION+cpu)" ;;
    *requirements.txt*)
        [ "$FAKE_PIP" != fail ] || exit 1
        for known in "$packages"/*.dist-info; do echo "known $(basename "$known")" >> "$FAKE_LOG"; done
        mkdir -p "$packages/diffusers" ;;
    *install*)
        [ ! -e "$packages/torch/half" ] || echo "half an installation was left" >> "$FAKE_LOG"
        mkdir -p "$packages/torch/lib" "$packages/torch/include/torch"
        touch "$packages/torch/half"
        [ "$FAKE_PIP" != break ] || exit 1
        if [ "$FAKE_PIP" = hang ]; then touch "$FAKE_LOG.hanging"; sleep 3; fi
        touch "$packages/torch/lib/libtorch_cpu.so" "$packages/torch/lib/libtorch_cpu.dylib"
        echo "__version__ = 'VERSION+fake'" > "$packages/torch/version.py"
        rm "$packages/torch/half"
        echo "installed" >> "$FAKE_LOG" ;;
    esac ;;
esac
"#;

/// Stands for cargo: tells the target folder, "builds" a `ddpm` that shows its arguments, and writes down the rest.
const CARGO: &str = r#"#!/bin/sh
echo "cargo $*" >> "$FAKE_LOG"
case "$1" in
metadata)
    echo "{\"packages\":[],\"target_directory\":\"$FAKE_TARGET\"}" ;;
build)
    [ -z "$FAKE_BUILD_FAILS" ] || exit 101
    echo "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"ddpm_core\"},\"executable\":null}"
    echo "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"ddpm\"},\"executable\":\"$FAKE_TARGET/release/ddpm\"}"
    echo "{\"reason\":\"build-finished\",\"success\":true}" ;;
test)
    echo "test DDPM_PYTHON=$DDPM_PYTHON OMP_WAIT_POLICY=$OMP_WAIT_POLICY DDPM_LONG_TESTS=$DDPM_LONG_TESTS" >> "$FAKE_LOG"
    exit ${FAKE_TEST_CODE:-0} ;;
esac
"#;

const COMPILER: &str = "#!/bin/sh\n[ \"$1\" != --version ] || echo 'fake c++ 1.0'\n";

const PRODUCT: &str = "#!/bin/sh\nfor argument; do echo \"[$argument]\"; done\nexit 75\n";

/// One machine with one user; checkouts are made on it.
pub(crate) struct Sandbox {
    temporary: TempDir,
}

/// A checkout in a sandbox.
pub(crate) struct Checkout<'a> {
    sandbox: &'a Sandbox,
    pub(crate) root: PathBuf,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let sandbox = Self { temporary: tempfile::tempdir().unwrap() };
        fs::create_dir(sandbox.bin()).unwrap();
        let python = PYTHON.replace("ARCH", env::consts::ARCH).replace("VERSION", torch_version());
        sandbox.script("bin/python3", &python);
        sandbox.script("bin/cargo", CARGO);
        sandbox.script("bin/c++", COMPILER);
        sandbox.script("target/release/ddpm", PRODUCT);
        // The scripts' own tools, and nothing else of the machine that runs the test.
        for tool in ["basename", "cp", "dirname", "mkdir", "rm", "sleep", "touch"] {
            let folders = [Path::new("/usr/bin"), Path::new("/bin")];
            let found = folders.iter().map(|dir| dir.join(tool)).find(|path| path.exists()).unwrap();
            symlink(found, sandbox.bin().join(tool)).unwrap();
        }
        sandbox
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.temporary.path().join(relative)
    }

    fn bin(&self) -> PathBuf {
        self.path("bin")
    }

    pub(crate) fn script(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Take a program off the machine.
    pub(crate) fn without(&self, program: &str) {
        fs::remove_file(self.bin().join(program)).unwrap();
    }

    /// A machine with an NVIDIA driver, so that the build with CUDA is chosen whatever runs the test.
    pub(crate) fn with_driver(self) -> Self {
        self.script("bin/nvidia-smi", "#!/bin/sh\necho '580.65.06, NVIDIA H100'\n");
        self
    }

    /// What the scripts were asked to do.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// How many lines of the log contain a word.
    pub(crate) fn count(&self, word: &str) -> usize {
        self.log().lines().filter(|line| line.contains(word)).count()
    }

    /// The cached environment of one build.
    pub(crate) fn environment(&self, build: &str) -> PathBuf {
        self.path(&format!("cache/torch-{}-{build}", torch_version()))
    }

    /// A libtorch of the user's.
    pub(crate) fn libtorch(&self, name: &str, version: &str) -> PathBuf {
        let dir = self.path(name);
        fs::create_dir_all(dir.join("lib")).unwrap();
        fs::create_dir_all(dir.join("include/torch")).unwrap();
        fs::write(dir.join("lib").join(format!("libtorch_cpu{}", env::consts::DLL_SUFFIX)), "").unwrap();
        fs::write(dir.join("build-version"), version).unwrap();
        dir
    }

    pub(crate) fn checkout(&self, name: &str) -> Checkout<'_> {
        let root = self.path(name);
        fs::create_dir_all(root.join("xtask/python")).unwrap();
        fs::create_dir_all(root.join("crates/nets/tests")).unwrap();
        fs::write(root.join("Cargo.toml"), "[workspace]\n").unwrap();
        fs::write(root.join("crates/nets/tests/parity.rs"), "// reads DDPM_PYTHON\n").unwrap();
        Checkout { sandbox: self, root }
    }
}

impl Checkout<'_> {
    /// `cargo xtask` with these arguments: like cargo, it sets LIBTORCH to the checkout's link.
    pub(crate) fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .env_clear()
            .env("PATH", self.sandbox.bin())
            .env("HOME", self.sandbox.path("home"))
            .env("TMPDIR", self.sandbox.temporary.path())
            .env("DDPM_CACHE", self.sandbox.path("cache"))
            .env("CARGO", self.sandbox.bin().join("cargo"))
            .env("CARGO_MANIFEST_DIR", self.root.join("xtask"))
            .env("LIBTORCH", self.link())
            .env("FAKE_LOG", self.sandbox.path("log"))
            .env("FAKE_TARGET", self.sandbox.path("target"))
            .current_dir(&self.root)
            .args(arguments);
        command
    }

    pub(crate) fn link(&self) -> PathBuf {
        self.root.join(".libtorch")
    }

    /// Where the link leads, in the end.
    pub(crate) fn linked(&self) -> PathBuf {
        fs::canonicalize(self.link()).unwrap()
    }
}

/// The one line that a refused command says.
pub(crate) fn refusal(command: &mut Command) -> String {
    let output = command.assert().code(2).get_output().clone();
    let text = String::from_utf8(output.stderr).unwrap();
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    assert!(text.trim_end().ends_with(errors[0]), "the error comes last, in one line: {text}");
    errors[0].to_owned()
}
