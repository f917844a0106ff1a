//! `.libtorch`, the link in the checkout that every build reads libtorch from.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Libtorch;

/// The state of `.libtorch`.
#[derive(Debug)]
pub(crate) enum Link {
    Absent,
    /// Its target cannot be used, for this reason.
    Unusable(String),
    Usable(Libtorch),
}

/// Read the link.
pub(crate) fn read_link(link: &Path) -> Link {
    if link.symlink_metadata().is_err() {
        return Link::Absent;
    }
    match Libtorch::inspect(link) {
        Ok(libtorch) => Link::Usable(libtorch),
        Err(error) => Link::Unusable(format!("{error:#}")),
    }
}

/// Make the link point to a folder; true if that is a change. The link is replaced by a rename, so that a running build
/// reads either the old or the new target.
pub(crate) fn point_link_at(link: &Path, dir: &Path) -> Result<bool> {
    match link.symlink_metadata() {
        Ok(found) if !found.is_symlink() => {
            if fs::canonicalize(link).is_ok_and(|there| there == dir) {
                return Ok(false);
            }
            bail!("{} is a folder of its own, not a link: move it away and set up again", link.display());
        }
        Ok(_) if fs::read_link(link).is_ok_and(|target| target == dir) => return Ok(false),
        _ => {}
    }
    let temporary = link.with_file_name(format!(".libtorch-{}", std::process::id()));
    let _ = fs::remove_file(&temporary);
    symlink(dir, &temporary)
        .and_then(|()| fs::rename(&temporary, link))
        .with_context(|| format!("cannot write the link {}", link.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::tests::fake;
    use super::*;

    #[test]
    fn the_link_is_made_kept_and_retargeted() {
        let temporary = tempfile::tempdir().unwrap();
        let (link, one, two) =
            (temporary.path().join(".libtorch"), temporary.path().join("one"), temporary.path().join("two"));
        fake(&one, "2.13.0", false);
        fake(&two, "2.13.0", true);
        assert!(matches!(read_link(&link), Link::Absent));
        assert!(point_link_at(&link, &one).unwrap());
        assert!(!point_link_at(&link, &one).unwrap());
        assert!(matches!(read_link(&link), Link::Usable(found) if !found.cuda));
        assert!(point_link_at(&link, &two).unwrap());
        assert!(matches!(read_link(&link), Link::Usable(found) if found.cuda));

        fs::remove_dir_all(&two).unwrap();
        assert!(matches!(read_link(&link), Link::Unusable(_)));
        assert!(point_link_at(&link, &one).unwrap());
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 2, "no temporary link is left");
    }

    #[test]
    fn a_folder_put_there_by_hand_is_not_overwritten() {
        let temporary = tempfile::tempdir().unwrap();
        let (link, other) = (temporary.path().join(".libtorch"), temporary.path().join("other"));
        fake(&link, "2.13.0", false);
        fake(&other, "2.13.0", false);
        let message = point_link_at(&link, &other).unwrap_err().to_string();
        assert!(message.contains("move it away"), "{message}");
        assert!(!point_link_at(&link, &link.canonicalize().unwrap()).unwrap());
    }
}
