//! The user's cache folder, which has the installations that all checkouts share.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// `DDPM_CACHE`, else this project's folder in the platform's cache folder.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    let relative = locate(|name| env::var_os(name), cfg!(target_os = "macos"))?;
    Ok(std::path::absolute(relative)?)
}

fn locate(variable: impl Fn(&str) -> Option<OsString>, macos: bool) -> Result<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = set("DDPM_CACHE") {
        return Ok(dir);
    }
    // The XDG specification ignores relative values.
    if let Some(dir) = set("XDG_CACHE_HOME").filter(|dir| !macos && dir.is_absolute()) {
        return Ok(dir.join("ddpm"));
    }
    let Some(home) = set("HOME") else {
        bail!(
            "no cache folder: neither DDPM_CACHE nor HOME is set; set DDPM_CACHE to a folder with room for libtorch"
        );
    };
    Ok(home.join(Path::new(if macos { "Library/Caches/ddpm" } else { ".cache/ddpm" })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locate_with(pairs: &[(&str, &str)], macos: bool) -> Result<PathBuf> {
        let pairs: Vec<(String, OsString)> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
        locate(|name| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()), macos)
    }

    #[test]
    fn each_platform_has_its_folder_and_the_variable_wins() {
        let all = [("DDPM_CACHE", "/big/cache"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home/me")];
        assert_eq!(locate_with(&all, false).unwrap(), Path::new("/big/cache"));
        assert_eq!(locate_with(&all[1..], false).unwrap(), Path::new("/xdg/ddpm"));
        assert_eq!(locate_with(&all[2..], false).unwrap(), Path::new("/home/me/.cache/ddpm"));
        assert_eq!(locate_with(&all[1..], true).unwrap(), Path::new("/home/me/Library/Caches/ddpm"));
        let odd = [("DDPM_CACHE", ""), ("XDG_CACHE_HOME", "relative"), ("HOME", "/home/me")];
        assert_eq!(locate_with(&odd, false).unwrap(), Path::new("/home/me/.cache/ddpm"));
        assert!(locate_with(&[], false).unwrap_err().to_string().contains("set DDPM_CACHE"));
    }
}
