//! Time, memory and CPU time, as the system tells them.

use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch, to compare with `Date.now()` in pages on the same machine.
#[must_use]
pub fn unix_ms() -> f64 {
    // A clock before 1970 would fail every test that compares times, as it should.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| (since.as_secs_f64() * 1e3).round())
}

/// The middle of some figures; the mean of the middle two where their number is even, not a number where there is none.
#[must_use]
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() / 2, sorted.len() % 2) {
        (0, 0) => f64::NAN,
        (middle, 0) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        (middle, _) => sorted[middle],
    }
}

/// The memory of a process group in KiB: each process's own part, and its share of what several use (PSS). The first
/// figure is the sum, then every process by name.
///
/// # Errors
/// When the system does not tell.
pub fn pss_kib(group: u32) -> Result<(u64, Vec<(String, u64)>)> {
    let mut parts = Vec::new();
    for (folder, name, _) in processes(group)? {
        let Ok(rollup) = std::fs::read_to_string(folder.join("smaps_rollup")) else { continue };
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
        let kib = line.trim().trim_end_matches(" kB").trim().parse().unwrap_or(0);
        parts.push((name, kib));
    }
    Ok((parts.iter().map(|(_, kib)| kib).sum(), parts))
}

/// The CPU time that the processes of a group used so far, in seconds, to 10 ms each. Of those that ended it is lost.
///
/// # Errors
/// When the system does not tell.
pub fn cpu_seconds(group: u32) -> Result<f64> {
    // proc(5): utime and stime are fields 14 and 15, in ticks, of which Linux tells programs that there are 100 a second.
    let ticks =
        |fields: &[String]| -> f64 { fields.iter().skip(11).take(2).filter_map(|f| f.parse::<f64>().ok()).sum() };
    Ok(processes(group)?.iter().map(|(_, _, fields)| ticks(fields)).sum::<f64>() / 100.0)
}

/// The processes of a group: their folders, names, and the fields of their `stat` from the third on.
fn processes(group: u32) -> Result<Vec<(PathBuf, String, Vec<String>)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").context("list processes")?.flatten() {
        let folder = entry.path();
        // Processes come and go meanwhile: what cannot be read is gone.
        let Ok(stat) = std::fs::read_to_string(folder.join("stat")) else { continue };
        let Some((before, after)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<String> = after.split_whitespace().map(str::to_owned).collect();
        if fields.get(2).is_some_and(|id| *id == group.to_string()) {
            let name = before.split_once('(').map_or(before, |(_, name)| name).to_owned();
            found.push((folder, name, fields));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
