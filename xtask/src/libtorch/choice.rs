//! Which libtorch to use: what the user asked for, then what is there, then an installation.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{Libtorch, Link};

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Whatever suits the machine.
    Any,
    /// A build that pip installs.
    Install(Build),
    /// A folder of the user's.
    Folder(PathBuf),
}

/// The two builds of libtorch that pip offers. On macOS there is one, and it has no CUDA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    Cpu,
    Cuda,
}

/// Where libtorch comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `LIBTORCH`, which the builds see too.
    Variable(Libtorch),
    /// A folder given on the command line.
    Folder(Libtorch),
    /// What `.libtorch` already points to.
    Link(Libtorch),
    /// An installation by pip; without a build, whichever suits the machine.
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

/// The same name in the same folder, however the folder is spelt. What the link points to does not count: a user may
/// well give that folder by its own name.
fn is_link(path: &Path, link: &Path) -> bool {
    let folder = |path: &Path| path.parent().and_then(|parent| parent.canonicalize().ok());
    path == link
        || (path.file_name() == link.file_name() && folder(path).is_some_and(|dir| Some(dir) == folder(link)))
}

/// The order of precedence. A flag that `LIBTORCH` would defeat at build time is an error, not a surprise.
pub(crate) fn choose(wish: &Wish, variable: Option<&Path>, link: Link) -> Result<Source> {
    match (wish, variable) {
        (Wish::Any, Some(dir)) => Ok(Source::Variable(Libtorch::inspect(dir)?)),
        (Wish::Folder(wanted), Some(dir)) => {
            let (wanted, set) = (Libtorch::inspect(wanted)?, Libtorch::inspect(dir)?);
            if wanted.dir != set.dir {
                bail!(
                    "LIBTORCH={} is set and builds would take it instead: unset LIBTORCH first",
                    dir.display()
                );
            }
            Ok(Source::Variable(set))
        }
        (Wish::Install(_), Some(dir)) => {
            bail!("LIBTORCH={} is set and builds would take it instead: unset LIBTORCH first", dir.display())
        }
        (Wish::Folder(wanted), None) => Ok(Source::Folder(Libtorch::inspect(wanted)?)),
        (Wish::Install(build), None) => Ok(Source::Install(Some(*build))),
        (Wish::Any, None) => Ok(match link {
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
        // The folder behind the link, by its own name, is the user's word.
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
        assert_eq!(choose(&Wish::Any, Some(&one), link()).unwrap(), Source::Variable(inspected(&one)));
        assert_eq!(choose(&Wish::Any, None, link()).unwrap(), Source::Link(inspected(&two)));
        assert_eq!(choose(&Wish::Any, None, Link::Absent).unwrap(), Source::Install(None));
        let broken = Link::Unusable("gone".to_owned());
        assert_eq!(choose(&Wish::Any, None, broken).unwrap(), Source::Install(None));
    }

    #[test]
    fn flags_win_over_the_link_but_not_silently_over_the_variable() {
        let Folders { temporary: _keep, one, two } = folders();
        let link = || Link::Usable(inspected(&two));
        let cpu = Wish::Install(Build::Cpu);
        assert_eq!(choose(&cpu, None, link()).unwrap(), Source::Install(Some(Build::Cpu)));
        assert_eq!(
            choose(&Wish::Folder(one.clone()), None, link()).unwrap(),
            Source::Folder(inspected(&one))
        );
        for wish in [cpu, Wish::Folder(two.clone())] {
            let message = choose(&wish, Some(&one), Link::Absent).unwrap_err().to_string();
            assert!(message.contains("unset LIBTORCH first"), "{message}");
        }
        assert_eq!(
            choose(&Wish::Folder(one.clone()), Some(&one), Link::Absent).unwrap(),
            Source::Variable(inspected(&one))
        );
    }

    #[test]
    fn an_unusable_variable_is_an_error_even_if_the_link_would_do() {
        let Folders { temporary, two, one: _ } = folders();
        let nowhere = temporary.path().join("nowhere");
        assert!(choose(&Wish::Any, Some(&nowhere), Link::Usable(inspected(&two))).is_err());
    }
}
