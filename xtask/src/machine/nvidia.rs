//! Detection of an NVIDIA driver without loading CUDA.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process;

/// The oldest driver that runs CUDA 13, which pip's libtorch is built with
/// (CUDA Toolkit release notes, "CUDA Toolkit and Corresponding Driver Versions").
pub(crate) const OLDEST_DRIVER: u32 = 580;

/// An installed driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Driver {
    /// Such as `580.65.06`; not every method of detection gives it.
    pub(crate) version: Option<String>,
    /// The GPUs' names, as far as `nvidia-smi` gave them.
    pub(crate) gpus: Vec<String>,
}

impl Driver {
    /// Whether the driver is known to be too old for pip's libtorch.
    pub(crate) fn too_old(&self) -> bool {
        let major =
            self.version.as_deref().and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        major.is_some_and(|major| major < OLDEST_DRIVER)
    }
}

/// Ask `nvidia-smi`, then the kernel module, then the dynamic loader.
pub(crate) fn find_driver() -> Option<Driver> {
    if cfg!(target_os = "macos") {
        return None;
    }
    let query = ["--query-gpu=driver_version,name", "--format=csv,noheader"];
    if let Some(driver) =
        process::ask(Command::new("nvidia-smi").args(query)).and_then(|text| parse_smi(&text))
    {
        return Some(driver);
    }
    if let Ok(text) = fs::read_to_string("/proc/driver/nvidia/version") {
        return Some(Driver { version: parse_module(&text), gpus: Vec::new() });
    }
    // Under WSL the library lies outside the loader's usual folders.
    let known = process::ask(Command::new("/sbin/ldconfig").arg("-p"))
        .is_some_and(|text| text.contains("libcuda.so.1"));
    let there = known || Path::new("/usr/lib/wsl/lib/libcuda.so.1").exists();
    there.then_some(Driver { version: None, gpus: Vec::new() })
}

fn parse_smi(text: &str) -> Option<Driver> {
    let rows: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(',')).collect();
    let (version, _) = rows.first()?;
    let gpus = rows.iter().map(|(_, name)| name.trim().to_owned()).collect();
    Some(Driver { version: Some(version.trim().to_owned()), gpus })
}

/// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 ...`
fn parse_module(text: &str) -> Option<String> {
    let words = text.lines().next()?.split_whitespace();
    words
        .filter(|word| word.contains('.'))
        .find(|word| {
            word.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_and_gpus_are_read_from_both_sources() {
        let driver = parse_smi("580.65.06, NVIDIA H100 80GB HBM3\n580.65.06, NVIDIA L4\n").unwrap();
        assert_eq!(driver.version.as_deref(), Some("580.65.06"));
        assert_eq!(driver.gpus, ["NVIDIA H100 80GB HBM3", "NVIDIA L4"]);
        assert!(!driver.too_old());
        assert!(Driver { version: Some("535.104".to_owned()), gpus: Vec::new() }.too_old());
        assert!(!Driver { version: None, gpus: Vec::new() }.too_old());
        assert_eq!(parse_smi("No devices were found"), None);

        let module =
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 07:10:46 UTC 2025\nGCC";
        assert_eq!(parse_module(module).as_deref(), Some("580.65.06"));
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  575.51.03  Release Build";
        assert_eq!(parse_module(open).as_deref(), Some("575.51.03"));
    }
}
