//! The memory that is left to this process, so that a data set that does not fit is refused and not killed by the system.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{DataError, Result};

/// Refuses images of `bytes` bytes in all where less memory is left; `what` describes them.
pub(crate) fn check_fits(what: &str, bytes: u128) -> Result<()> {
    match available(Path::new("/")) {
        Some(left) if bytes > u128::from(left) => {
            let expected = format!(
                "at most {}, the memory that is left (data.stream = true leaves the images on the disk)",
                human_bytes(u128::from(left))
            );
            Err(DataError::mismatch(what, expected, human_bytes(bytes)))
        }
        _ => Ok(()),
    }
}

/// Bytes that this process may still take (Linux); none where the system does not say.
pub fn available_memory() -> Option<u64> {
    available(Path::new("/"))
}

/// Bytes as text with a decimal unit: `3.2 GB`.
pub fn human_bytes(bytes: u128) -> String {
    let mut value = bytes as f64;
    let mut units = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{value:.1} {unit}") }
}

/// The smaller of what the machine and the control groups of this process leave (Linux); none where the system does not say.
fn available(root: &Path) -> Option<u64> {
    let machine = field(&root.join("proc/meminfo"), "MemAvailable:").map(|kibibytes| kibibytes * 1024);
    control_groups(root).into_iter().filter_map(|group| left_in(&group)).chain(machine).min()
}

/// The folders of the memory control groups of this process, of version 2 and version 1, with all their parents.
fn control_groups(root: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut groups = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let base = match controllers {
            "" => "sys/fs/cgroup",
            controllers if controllers.split(',').any(|name| name == "memory") => "sys/fs/cgroup/memory",
            _ => continue,
        };
        groups.extend(
            Path::new(path.trim_start_matches('/')).ancestors().map(|below| root.join(base).join(below)),
        );
    }
    groups
}

/// What a control group leaves: its limit without what is used, where cached file content does not count as used.
fn left_in(group: &Path) -> Option<u64> {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let limit = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes")).unwrap_or(0);
    let cached = ["inactive_file", "active_file"]
        .iter()
        .filter_map(|key| field(&group.join("memory.stat"), key))
        .sum::<u64>();
    Some(limit.saturating_sub(used.saturating_sub(cached)))
}

/// The number after `key` in a file of lines `key number`.
fn field(path: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(key)).then(|| words.next()?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_limit_counts_and_caches_do_not() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(available(root.path()), None);
        write("proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n");
        assert_eq!(available(root.path()), Some(8_192_000));
        write("proc/self/cgroup", "0::/job/step\n");
        write("sys/fs/cgroup/job/step/memory.max", "max\n");
        write("sys/fs/cgroup/job/memory.max", "5000000\n");
        write("sys/fs/cgroup/job/memory.current", "4000000\n");
        write("sys/fs/cgroup/job/memory.stat", "anon 1000000\ninactive_file 2500000\nactive_file 500000\n");
        assert_eq!(available(root.path()), Some(4_000_000));
        assert_eq!(human_bytes(999), "999 bytes");
        assert_eq!(human_bytes(3_221_225_472), "3.2 GB");
        let error = check_fits("4000000000 images of 3x512x512", 1 << 62).unwrap_err().to_string();
        assert!(
            error.starts_with("4000000000 images of 3x512x512: expected at most ")
                && error.contains("data.stream = true"),
            "{error}"
        );
        assert!(error.ends_with("got 4.6 EB"), "{error}");
    }
}
