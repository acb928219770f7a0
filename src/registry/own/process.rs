//! What the kernel says of this process.
//!
//! `/proc/self` is read as it is: `HOST_PROC` moves the view of the host, and this process is not there.

use std::fs;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::support::time::Clock;

/// `/proc` counts start times in hundredths of a second (`USER_HZ`) on every architecture that we build for.
const TICKS_A_SECOND: f64 = 100.0;

/// One look at this process; `None` for what the kernel does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    /// CPU time, user and system.
    pub(super) cpu_seconds: Option<f64>,
    /// Resident memory.
    pub(super) resident_bytes: Option<f64>,
    /// Address space.
    pub(super) virtual_bytes: Option<f64>,
    /// Open file descriptors.
    pub(super) open_fds: Option<f64>,
    /// The soft limit on them.
    pub(super) max_fds: Option<f64>,
    /// Seconds since 1970 at which the process was started.
    pub(super) started: Option<f64>,
}

impl Process {
    /// Looks. `shown` remembers the start time: it is wall clock less time since boot, two clocks that are read one
    /// after the other, and must stand still until the wall clock steps.
    pub(super) fn read(clock: &Clock, shown: &Mutex<Option<f64>>) -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        // The folder is one of the open descriptors while it is read.
        let open_fds = fs::read_dir("/proc/self/fd")
            .ok()
            .map(|entries| entries.count().saturating_sub(1));
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let started = start_ticks(&stat).map(|ticks| {
            let age = clock.uptime().as_secs_f64() - ticks / TICKS_A_SECOND;
            let fresh = clock.now().millis() as f64 / 1000.0 - age;
            let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
            let stays = shown.filter(|shown| (shown - fresh).abs() < 1.0);
            *shown.insert(stays.unwrap_or((fresh * 100.0).round() / 100.0))
        });
        Self {
            cpu_seconds: Some(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9),
            resident_bytes: kibibytes(&status, "VmRSS:"),
            virtual_bytes: kibibytes(&status, "VmSize:"),
            open_fds: open_fds.map(|count| count as f64),
            max_fds: getrlimit(Resource::Nofile).current.map(|limit| limit as f64),
            started,
        }
    }
}

/// A line of `/proc/self/status` in bytes.
fn kibibytes(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let number: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(number * 1024.0)
}

/// Field 22 of `/proc/self/stat`. The second one is the program's name in brackets and may hold anything.
fn start_ticks(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        assert_eq!(
            kibibytes("Name:\tx\nVmSize:\t   2060 kB\nVmRSS:\t    1234 kB\n", "VmRSS:"),
            Some(1_263_616.0)
        );
        assert_eq!(kibibytes("", "VmRSS:"), None);
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 99 88";
        assert_eq!(start_ticks(stat), Some(4242.0));
    }

    #[test]
    fn the_start_time_stands_still_until_the_clock_steps() {
        let clock = Clock::system();
        let shown = Mutex::new(None);
        let first = Process::read(&clock, &shown).started.unwrap();
        assert_eq!(Process::read(&clock, &shown).started, Some(first));
        *shown.lock().unwrap() = Some(first - 3600.0);
        assert!((Process::read(&clock, &shown).started.unwrap() - first).abs() < 1.0);
    }
}
