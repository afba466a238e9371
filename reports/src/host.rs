//! What the machine spent on a run: the only figures that differ between two runs of one seed.

/// Wall-clock time and memory of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostFigures {
    /// From the start of the run to its outcome, without writing the files.
    pub wall_s: f64,
    /// The most memory the process ever held; `None` where the system does not say.
    pub peak_rss_bytes: Option<u64>,
}

/// The most memory this process ever held: `VmHWM` of `/proc/self/status`, so `None` on anything but Linux.
pub fn peak_rss_bytes() -> Option<u64> {
    vm_hwm_bytes(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The line reads `VmHWM:     1234 kB`; the kernel's kB is 1,024 bytes.
fn vm_hwm_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peak_memory_is_read_in_bytes() {
        // 1,536 kB of 1,024 bytes each = 1,572,864 bytes.
        assert_eq!(vm_hwm_bytes("Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t    1536 kB\n"), Some(1_572_864));
    }

    #[test]
    fn a_status_without_the_line_gives_none() {
        assert_eq!(vm_hwm_bytes("Name:\tx\nVmHWM:\t many kB\n"), None);
        assert_eq!(vm_hwm_bytes(""), None);
    }
}
