//! How to install missing programs: their package names in the package manager of this machine.

use std::env;
use std::path::Path;

/// A program that may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A C++17 compiler with its standard and OpenMP libraries.
    Compiler,
    /// A Python that libtorch's wheels are made for.
    Python,
    /// Python's venv module for this (major, minor) version: Debian and Ubuntu package it by itself.
    Venv((u32, u32)),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Apt,
    Dnf,
    Zypper,
    Pacman,
    Brew,
    /// macOS without Homebrew.
    Apple,
    Unknown,
}

/// The command that installs a missing program, as a clause that follows a colon.
pub(crate) fn remedy(need: Need) -> String {
    remedy_with(find_manager(), need)
}

fn find_manager() -> Manager {
    if cfg!(target_os = "macos") {
        return if on_path("brew") { Manager::Brew } else { Manager::Apple };
    }
    [
        ("apt-get", Manager::Apt),
        ("dnf", Manager::Dnf),
        ("zypper", Manager::Zypper),
        ("pacman", Manager::Pacman),
    ]
    .into_iter()
    .find_map(|(command, manager)| on_path(command).then_some(manager))
    .unwrap_or(Manager::Unknown)
}

fn on_path(command: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|dir| Path::new(&dir).join(command).is_file()))
}

fn remedy_with(manager: Manager, need: Need) -> String {
    let command = match (manager, need) {
        (Manager::Apt, Need::Compiler) => "sudo apt-get install g++".to_owned(),
        (Manager::Apt, Need::Python) => "sudo apt-get install python3 python3-venv".to_owned(),
        (Manager::Apt, Need::Venv((major, minor))) => {
            format!("sudo apt-get install python{major}.{minor}-venv")
        }
        (Manager::Dnf, Need::Compiler) => "sudo dnf install gcc-c++".to_owned(),
        (Manager::Dnf, Need::Python) => "sudo dnf install python3.12".to_owned(),
        (Manager::Dnf, Need::Venv((major, minor))) => format!("sudo dnf install python{major}.{minor}"),
        (Manager::Zypper, Need::Compiler) => "sudo zypper install gcc-c++".to_owned(),
        (Manager::Zypper, Need::Python) => "sudo zypper install python312".to_owned(),
        (Manager::Zypper, Need::Venv((major, minor))) => format!("sudo zypper install python{major}{minor}"),
        (Manager::Pacman, Need::Compiler) => "sudo pacman -S gcc".to_owned(),
        (Manager::Pacman, Need::Python | Need::Venv(_)) => "sudo pacman -S python".to_owned(),
        (Manager::Brew | Manager::Apple, Need::Compiler) => "xcode-select --install".to_owned(),
        (Manager::Brew, Need::Python | Need::Venv(_)) => "brew install python@3.13".to_owned(),
        (Manager::Apple, Need::Python | Need::Venv(_)) => {
            return "install Python 3.13 from https://www.python.org/downloads/ or with Homebrew".to_owned();
        }
        (Manager::Unknown, Need::Compiler) => return "install g++ or clang++ with OpenMP".to_owned(),
        (Manager::Unknown, Need::Python) => {
            return "install Python 3.10 to 3.14 with its venv module".to_owned();
        }
        (Manager::Unknown, Need::Venv(_)) => return "install Python's venv and ensurepip modules".to_owned(),
    };
    format!("install it with `{command}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_s_separate_venv_package_is_named_for_the_python_in_use() {
        assert_eq!(
            remedy_with(Manager::Apt, Need::Venv((3, 12))),
            "install it with `sudo apt-get install python3.12-venv`"
        );
    }

    #[test]
    fn every_manager_has_a_remedy_for_every_need() {
        use Manager::{Apple, Apt, Brew, Dnf, Pacman, Unknown, Zypper};
        for manager in [Apple, Apt, Brew, Dnf, Pacman, Unknown, Zypper] {
            for need in [Need::Compiler, Need::Python, Need::Venv((3, 11))] {
                let text = remedy_with(manager, need);
                assert!(text.starts_with("install"), "{manager:?} {need:?}: {text}");
                assert!(!text.contains('\n'));
            }
        }
    }
}
