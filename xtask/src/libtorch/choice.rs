//! The choice of libtorch: the user's choice, else the linked one, else an installation.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{Libtorch, Link};

/// The choice on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// None: the build that suits the machine.
    Any,
    /// A build that pip installs.
    Install(Build),
    /// A folder that the user names.
    Folder(PathBuf),
}

/// The two builds of libtorch that pip offers. On macOS there is one, and it has no CUDA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    Cpu,
    Cuda,
}

/// The origin of libtorch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `LIBTORCH`, which the builds also read.
    Variable(Libtorch),
    /// A folder given on the command line.
    Folder(Libtorch),
    /// The target of `.libtorch`.
    Link(Libtorch),
    /// An installation by pip; `None`: the build that suits the machine.
    Install(Option<Build>),
}

/// `LIBTORCH` if the user set it. Cargo sets it too, to the workspace's own link, when it starts this runner.
pub(crate) fn user_libtorch(variable: Option<&OsStr>, link: &Path) -> Result<Option<PathBuf>> {
    let Some(value) = variable.filter(|value| !value.is_empty()) else { return Ok(None) };
    let path = Path::new(value);
    if is_link(path, link) {
        return Ok(None);
    }
    if path.is_relative() {
        bail!(
            "LIBTORCH={} is a relative path, and builds run in several folders: give the whole path",
            path.display()
        );
    }
    Ok(Some(path.to_path_buf()))
}

/// Whether a path names the link itself, through whatever path to its folder. The link's target, given by its own path,
/// is the user's choice.
fn is_link(path: &Path, link: &Path) -> bool {
    let folder = |path: &Path| path.parent().and_then(|parent| parent.canonicalize().ok());
    path == link
        || (path.file_name() == link.file_name() && folder(path).is_some_and(|dir| Some(dir) == folder(link)))
}

/// The order of precedence. A flag that `LIBTORCH` would override at build time is an error.
pub(crate) fn choose(request: &Request, variable: Option<&Path>, link: Link) -> Result<Source> {
    match (request, variable) {
        (Request::Any, Some(dir)) => Ok(Source::Variable(Libtorch::inspect(dir)?)),
        (Request::Folder(wanted), Some(dir)) => {
            let (wanted, set) = (Libtorch::inspect(wanted)?, Libtorch::inspect(dir)?);
            if wanted.dir != set.dir {
                bail!(
                    "LIBTORCH={} is set and builds would take it instead: unset LIBTORCH first",
                    dir.display()
                );
            }
            Ok(Source::Variable(set))
        }
        (Request::Install(_), Some(dir)) => {
            bail!("LIBTORCH={} is set and builds would take it instead: unset LIBTORCH first", dir.display())
        }
        (Request::Folder(wanted), None) => Ok(Source::Folder(Libtorch::inspect(wanted)?)),
        (Request::Install(build), None) => Ok(Source::Install(Some(*build))),
        (Request::Any, None) => Ok(match link {
            Link::Usable(libtorch) => Source::Link(libtorch),
            Link::Absent | Link::Unusable(_) => Source::Install(None),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::tests::fake;
    use super::*;

    struct Folders {
        temporary: tempfile::TempDir,
        one: PathBuf,
        two: PathBuf,
    }

    fn folders() -> Folders {
        let temporary = tempfile::tempdir().unwrap();
        let (one, two) = (temporary.path().join("one"), temporary.path().join("two"));
        fake(&one, "2.13.0", false);
        fake(&two, "2.13.0+cu130", true);
        Folders { temporary, one, two }
    }

    fn inspected(dir: &Path) -> Libtorch {
        Libtorch::inspect(dir).unwrap()
    }

    #[test]
    fn cargo_s_own_value_is_not_the_user_s() {
        let Folders { temporary, one, two: _ } = folders();
        let checkout = temporary.path().join("checkout");
        fs::create_dir(&checkout).unwrap();
        std::os::unix::fs::symlink(&checkout, temporary.path().join("alias")).unwrap();
        let link = checkout.join(".libtorch");
        std::os::unix::fs::symlink(&one, &link).unwrap();

        let user = |value: &Path| user_libtorch(Some(value.as_os_str()), &link).unwrap();
        assert_eq!(user(&link), None);
        assert_eq!(user(&temporary.path().join("alias/.libtorch")), None);
        assert_eq!(user(Path::new("")), None);
        assert_eq!(user_libtorch(None, &link).unwrap(), None);
        // The target of the link, given by its own path, is the user's choice.
        assert_eq!(user(&one), Some(one.clone()));
        // So is another checkout's link.
        assert_eq!(
            user(&temporary.path().join("other/.libtorch")),
            Some(temporary.path().join("other/.libtorch"))
        );
        assert!(user_libtorch(Some(OsStr::new("some/torch")), &link).is_err());
    }

    #[test]
    fn the_variable_wins_over_the_link_and_the_link_over_an_installation() {
        let Folders { temporary: _keep, one, two } = folders();
        let link = || Link::Usable(inspected(&two));
        assert_eq!(choose(&Request::Any, Some(&one), link()).unwrap(), Source::Variable(inspected(&one)));
        assert_eq!(choose(&Request::Any, None, link()).unwrap(), Source::Link(inspected(&two)));
        assert_eq!(choose(&Request::Any, None, Link::Absent).unwrap(), Source::Install(None));
        let broken = Link::Unusable("gone".to_owned());
        assert_eq!(choose(&Request::Any, None, broken).unwrap(), Source::Install(None));
    }

    #[test]
    fn flags_win_over_the_link_but_not_silently_over_the_variable() {
        let Folders { temporary: _keep, one, two } = folders();
        let link = || Link::Usable(inspected(&two));
        let cpu = Request::Install(Build::Cpu);
        assert_eq!(choose(&cpu, None, link()).unwrap(), Source::Install(Some(Build::Cpu)));
        assert_eq!(
            choose(&Request::Folder(one.clone()), None, link()).unwrap(),
            Source::Folder(inspected(&one))
        );
        for request in [cpu, Request::Folder(two.clone())] {
            let message = choose(&request, Some(&one), Link::Absent).unwrap_err().to_string();
            assert!(message.contains("unset LIBTORCH first"), "{message}");
        }
        assert_eq!(
            choose(&Request::Folder(one.clone()), Some(&one), Link::Absent).unwrap(),
            Source::Variable(inspected(&one))
        );
    }

    #[test]
    fn an_unusable_variable_is_an_error_even_if_the_link_would_do() {
        let Folders { temporary, two, one: _ } = folders();
        let nowhere = temporary.path().join("nowhere");
        assert!(choose(&Request::Any, Some(&nowhere), Link::Usable(inspected(&two))).is_err());
    }
}
