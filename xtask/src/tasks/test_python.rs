//! The Python that tests compare with (`DDPM_PYTHON`).

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::environment::{Environment, cache_dir, obtain, requirements, unmet};
use crate::libtorch::Libtorch;
use crate::workspace::Workspace;

/// A Python with the pinned packages, or why there is none.
pub(crate) enum TestPython {
    Ready(PathBuf),
    Unavailable(String),
}

/// The user's `DDPM_PYTHON`; else the environment of libtorch in the cache; else the Python beside the user's own libtorch,
/// if it has exactly the pinned packages (nothing is installed there); else another environment in the cache.
pub(crate) fn ensure(workspace: &Workspace, libtorch: &Libtorch) -> Result<TestPython> {
    if let Some(python) = env::var_os("DDPM_PYTHON").filter(|value| !value.is_empty()).map(PathBuf::from) {
        return Ok(users_own(python, workspace));
    }
    let environment = match Environment::that_holds(&cache_dir()?, libtorch) {
        Some(environment) => environment,
        None => {
            if let Some(python) = neighbour(&libtorch.dir).filter(|python| has_all(python, workspace)) {
                return Ok(TestPython::Ready(python));
            }
            match obtain(None) {
                Ok((environment, _)) => environment,
                Err(error) => return Ok(TestPython::Unavailable(format!("{error:#}"))),
            }
        }
    };
    Ok(match environment.ensure_test_packages(workspace) {
        Ok(()) => TestPython::Ready(environment.python()),
        Err(error) => TestPython::Unavailable(format!("{error:#}")),
    })
}

fn users_own(python: PathBuf, workspace: &Workspace) -> TestPython {
    let Some(unmet) = unmet(&python, workspace) else {
        return TestPython::Unavailable(format!("DDPM_PYTHON={} does not run", python.display()));
    };
    if !unmet.is_empty() {
        eprintln!("note: DDPM_PYTHON differs from {}: {}", requirements::PINS_PATH, unmet.join("; "));
    }
    TestPython::Ready(python)
}

fn has_all(python: &Path, workspace: &Workspace) -> bool {
    unmet(python, workspace).is_some_and(|unmet| unmet.is_empty())
}

/// `ENV/bin/python` for `ENV/lib/python3.11/site-packages/torch`.
fn neighbour(libtorch: &Path) -> Option<PathBuf> {
    let python = libtorch.ancestors().nth(4)?.join("bin/python");
    python.exists().then_some(python)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_python_beside_a_wheel_s_libtorch_is_found() {
        let temporary = tempfile::tempdir().unwrap();
        let torch = temporary.path().join("lib/python3.11/site-packages/torch");
        fs::create_dir_all(&torch).unwrap();
        assert_eq!(neighbour(&torch), None);
        fs::create_dir(temporary.path().join("bin")).unwrap();
        fs::write(temporary.path().join("bin/python"), "").unwrap();
        assert_eq!(neighbour(&torch), Some(temporary.path().join("bin/python")));
        assert_eq!(neighbour(Path::new("/libtorch")), None);
    }
}
