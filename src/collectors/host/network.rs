//! Network interfaces from `/proc/net/dev` (proc_pid_net(5)).

use crate::collectors::host::reading::{Files, Sink, malformed, number, shortened};
use crate::component::collector::CollectError;
use crate::model::metric::MetricDef;
use crate::support::filter::Filter;

macro_rules! counter {
    ($name:literal, $help:literal, $dotted:literal) => {
        MetricDef::total($name, $help).labels(&["iface"]).dotted($dotted)
    };
}

pub(super) static RECEIVED: MetricDef = counter!(
    "host_network_receive_bytes_total",
    "Bytes that the interface received.",
    "Chouette.host.network.bytes.recv"
)
.push_as_gauge();

pub(super) static TRANSMITTED: MetricDef = counter!(
    "host_network_transmit_bytes_total",
    "Bytes that the interface sent.",
    "Chouette.host.network.bytes.sent"
)
.push_as_gauge();

pub(super) static RECEIVED_PACKETS: MetricDef = counter!(
    "host_network_receive_packets_total",
    "Packets that the interface received.",
    "Chouette.host.network.packets.recv"
);

pub(super) static TRANSMITTED_PACKETS: MetricDef = counter!(
    "host_network_transmit_packets_total",
    "Packets that the interface sent.",
    "Chouette.host.network.packets.sent"
);

pub(super) static RECEIVE_ERRORS: MetricDef = counter!(
    "host_network_receive_errors_total",
    "Packets that arrived damaged.",
    "Chouette.host.network.errors.recv"
);

pub(super) static TRANSMIT_ERRORS: MetricDef = counter!(
    "host_network_transmit_errors_total",
    "Packets that could not be sent.",
    "Chouette.host.network.errors.sent"
);

pub(super) static RECEIVE_DROPS: MetricDef = counter!(
    "host_network_receive_drops_total",
    "Packets that arrived and were given up, for want of room or of a taker.",
    "Chouette.host.network.drops.recv"
);

pub(super) static TRANSMIT_DROPS: MetricDef = counter!(
    "host_network_transmit_drops_total",
    "Packets that were to be sent and were given up.",
    "Chouette.host.network.drops.sent"
);

/// What one interface has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interface<'a> {
    name: &'a str,
    received: Counters,
    transmitted: Counters,
}

/// One direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counters {
    bytes: u64,
    packets: u64,
    errors: u64,
    drops: u64,
}

/// Reads all interfaces but `lo`: two lines of headings, then one line each.
pub(super) fn parse(text: &str) -> Result<Vec<Interface<'_>>, String> {
    let headings = text.lines().take(2).filter(|line| line.contains('|')).count();
    if headings < 2 {
        return Err("expected two lines of headings".to_string());
    }
    let mut interfaces = Vec::new();
    for line in text.lines().skip(2) {
        // An alias holds a colon itself (`eth0:1`): the last one ends the name.
        let (name, columns) = line
            .rsplit_once(':')
            .ok_or_else(|| format!("expected `interface:`, got `{}`", shortened(line)))?;
        let name = name.trim();
        if name == "lo" {
            continue;
        }
        let mut columns = columns.split_ascii_whitespace();
        let mut next = |what| number(columns.next(), format_args!("the {what} of `{name}`"));
        let received = Counters {
            bytes: next("received bytes")?,
            packets: next("received packets")?,
            errors: next("receive errors")?,
            drops: next("receive drops")?,
        };
        for what in [
            "fifo errors",
            "frame errors",
            "compressed packets",
            "multicast packets",
        ] {
            next(what)?;
        }
        let transmitted = Counters {
            bytes: next("sent bytes")?,
            packets: next("sent packets")?,
            errors: next("transmit errors")?,
            drops: next("transmit drops")?,
        };
        interfaces.push(Interface {
            name,
            received,
            transmitted,
        });
    }
    Ok(interfaces)
}

/// Reads the interfaces of this network namespace, or of the device's where `/proc` was moved.
pub(super) fn fetch(files: &mut Files, filter: &Filter, sink: &mut Sink<'_>) -> Result<(), CollectError> {
    let path = files.roots.proc_of_reader("net/dev");
    let text = files.text(&path)?;
    let interfaces = parse(&text).map_err(|reason| malformed(&path, reason))?;
    for Interface {
        name,
        received,
        transmitted,
    } in interfaces
    {
        if !filter.takes(name) {
            continue;
        }
        sink.push(&RECEIVED, &[name], received.bytes as f64);
        sink.push(&TRANSMITTED, &[name], transmitted.bytes as f64);
        for (def, value) in [
            (&RECEIVED_PACKETS, received.packets),
            (&TRANSMITTED_PACKETS, transmitted.packets),
            (&RECEIVE_ERRORS, received.errors),
            (&TRANSMIT_ERRORS, transmitted.errors),
            (&RECEIVE_DROPS, received.drops),
            (&TRANSMIT_DROPS, transmitted.drops),
        ] {
            sink.extra(def, &[name], value as f64);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADINGS: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
";

    #[test]
    fn a_captured_file_is_read_without_the_loopback() {
        let text = format!(
            "{HEADINGS}    lo:    3245      30    0    0    0     0          0         0     3245      30    0    0    0     0       0          0
  eth0: 135255114    7775    1    2    0     0          0         0   514068    6178    3    4    0     0       0          0
wlan0:18446744073709551615 1 0 0 0 0 0 0 5 6 0 0 0 0 0 0
"
        );
        let interfaces = parse(&text).unwrap();
        assert_eq!(
            interfaces
                .iter()
                .map(|interface| interface.name)
                .collect::<Vec<_>>(),
            ["eth0", "wlan0"]
        );
        let received = Counters {
            bytes: 135_255_114,
            packets: 7775,
            errors: 1,
            drops: 2,
        };
        let transmitted = Counters {
            bytes: 514_068,
            packets: 6178,
            errors: 3,
            drops: 4,
        };
        assert_eq!(
            (interfaces[0].received, interfaces[0].transmitted),
            (received, transmitted)
        );
        assert_eq!(
            (interfaces[1].received.bytes, interfaces[1].transmitted.bytes),
            (u64::MAX, 5)
        );
    }

    #[test]
    fn a_namespace_without_interfaces_is_no_error() {
        assert_eq!(parse(HEADINGS), Ok(vec![]));
    }

    #[test]
    fn what_is_no_interface_is_refused() {
        assert_eq!(parse(""), Err("expected two lines of headings".to_string()));
        assert_eq!(
            parse(&format!("{HEADINGS}eth0 1 2\n")),
            Err("expected `interface:`, got `eth0 1 2`".to_string())
        );
        assert_eq!(
            parse(&format!("{HEADINGS}eth0: 1 2\n")),
            Err("expected the receive errors of `eth0`, and nothing stands there".to_string())
        );
    }
}
