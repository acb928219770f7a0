//! Disk I/O from `/proc/diskstats` (kernel documentation, admin-guide/iostats).

use crate::collectors::host::reading::{Files, Sink, malformed, number};
use crate::component::collector::CollectError;
use crate::model::metric::MetricDef;
use crate::support::filter::Filter;

macro_rules! counter {
    ($name:literal, $help:literal, $dotted:literal) => {
        MetricDef::total($name, $help).labels(&["device"]).dotted($dotted)
    };
}

pub(super) static READ_BYTES: MetricDef = counter!(
    "host_disk_read_bytes_total",
    "Bytes read from the disk.",
    "Chouette.host.disk.bytes.read"
);

pub(super) static WRITTEN_BYTES: MetricDef = counter!(
    "host_disk_written_bytes_total",
    "Bytes written to the disk.",
    "Chouette.host.disk.bytes.written"
);

pub(super) static READS: MetricDef = counter!(
    "host_disk_reads_total",
    "Reads that the disk has completed.",
    "Chouette.host.disk.reads"
);

pub(super) static WRITES: MetricDef = counter!(
    "host_disk_writes_total",
    "Writes that the disk has completed.",
    "Chouette.host.disk.writes"
);

pub(super) static READ_SECONDS: MetricDef = counter!(
    "host_disk_read_seconds_total",
    "Time that all reads together have taken; divided by their number it is the latency.",
    "Chouette.host.disk.seconds.read"
);

pub(super) static WRITE_SECONDS: MetricDef = counter!(
    "host_disk_write_seconds_total",
    "Time that all writes together have taken; divided by their number it is the latency.",
    "Chouette.host.disk.seconds.write"
);

pub(super) static IO_SECONDS: MetricDef = counter!(
    "host_disk_io_seconds_total",
    "Time in which the disk had something to do.",
    "Chouette.host.disk.seconds.io"
);

/// The unit of the kernel's sector counters, whatever sectors the disk has.
const SECTOR: f64 = 512.0;

/// What one disk has counted: numbers, sectors and milliseconds, as the kernel writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disk<'a> {
    name: &'a str,
    reads: u64,
    sectors_read: u64,
    read_millis: u64,
    writes: u64,
    sectors_written: u64,
    write_millis: u64,
    io_millis: u64,
}

/// Reads all whole disks; their partitions would count everything twice.
pub(super) fn parse(text: &str) -> Result<Vec<Disk<'_>>, String> {
    let mut disks: Vec<Disk<'_>> = Vec::new();
    for line in text.lines() {
        let mut columns = line.split_ascii_whitespace().skip(2);
        let name = columns
            .next()
            .ok_or("expected the name of a disk, and nothing stands there")?;
        if disks.iter().any(|disk| is_partition(name, disk.name)) {
            continue;
        }
        let mut next = |what| number(columns.next(), format_args!("the {what} of `{name}`"));
        let reads = next("reads")?;
        next("merged reads")?;
        let (sectors_read, read_millis) = (next("sectors read")?, next("time of reads")?);
        let writes = next("writes")?;
        next("merged writes")?;
        let (sectors_written, write_millis) = (next("sectors written")?, next("time of writes")?);
        next("requests under way")?;
        let io_millis = next("time of I/O")?;
        disks.push(Disk {
            name,
            reads,
            sectors_read,
            read_millis,
            writes,
            sectors_written,
            write_millis,
            io_millis,
        });
    }
    Ok(disks)
}

/// Whether a name is the one of a partition of a disk: `sda1` of `sda`, `nvme0n1p1` of `nvme0n1`. The kernel lists a
/// disk before its partitions and puts a `p` between where the disk's name ends in a digit.
fn is_partition(name: &str, disk: &str) -> bool {
    let Some(rest) = name.strip_prefix(disk) else {
        return false;
    };
    let number = match disk.as_bytes().last() {
        Some(last) if last.is_ascii_digit() => rest.strip_prefix('p').unwrap_or_default(),
        _ => rest,
    };
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads the disks. A kernel without block devices has no such file and gives nothing.
pub(super) fn fetch(files: &mut Files, filter: &Filter, sink: &mut Sink<'_>) -> Result<(), CollectError> {
    let path = files.roots.proc("diskstats");
    let Some(text) = files.text_if_there(&path)? else {
        return Ok(());
    };
    for disk in parse(&text).map_err(|reason| malformed(&path, reason))? {
        if !filter.takes(disk.name) {
            continue;
        }
        for (def, value) in [
            (&READ_BYTES, disk.sectors_read as f64 * SECTOR),
            (&WRITTEN_BYTES, disk.sectors_written as f64 * SECTOR),
            (&READS, disk.reads as f64),
            (&WRITES, disk.writes as f64),
            (&READ_SECONDS, disk.read_millis as f64 / 1000.0),
            (&WRITE_SECONDS, disk.write_millis as f64 / 1000.0),
            (&IO_SECONDS, disk.io_millis as f64 / 1000.0),
        ] {
            sink.push(def, &[disk.name], value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_captured_line_is_read_in_its_short_form_too() {
        let expected = Disk {
            name: "vda",
            reads: 38360,
            sectors_read: 7_449_658,
            read_millis: 18428,
            writes: 12771,
            sectors_written: 23_403_616,
            write_millis: 145_778,
            io_millis: 11176,
        };
        let text = " 254       0 vda 38360 7917 7449658 18428 12771 72968 23403616 145778 0 11176 164529";
        assert_eq!(
            parse(&format!("{text} 4772 1 587000 317 284 5\n")),
            Ok(vec![expected])
        );
        assert_eq!(parse(text), Ok(vec![expected]));
    }

    #[test]
    fn partitions_are_left_out_and_disks_that_look_like_them_are_not() {
        for (name, disk, expected) in [
            ("sda1", "sda", true),
            ("sda12", "sda", true),
            ("sdab", "sda", false),
            ("nvme0n1p2", "nvme0n1", true),
            ("nvme0n10", "nvme0n1", false),
            ("mmcblk0p1", "mmcblk0", true),
            ("mmcblk0boot0", "mmcblk0", false),
            ("dm-10", "dm-1", false),
            ("md127p1", "md127", true),
            ("sda", "sda", false),
        ] {
            assert_eq!(is_partition(name, disk), expected, "{name} of {disk}");
        }
    }

    #[test]
    fn what_is_no_disk_is_refused() {
        assert_eq!(
            parse("8 0\n"),
            Err("expected the name of a disk, and nothing stands there".to_string())
        );
        assert_eq!(
            parse("8 0 sda 1 2 3\n"),
            Err("expected the time of reads of `sda`, and nothing stands there".to_string())
        );
        assert_eq!(
            parse("8 0 sda 1 2 3 - 5 6 7 8 9 10 11\n"),
            Err("expected the time of reads of `sda` as a number, and `-` stands there".to_string())
        );
    }
}
