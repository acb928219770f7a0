//! Networks whose clients are let in: an address, or an address with the length of its prefix.

use std::net::IpAddr;

/// A network. Addresses of version 4 that are mapped into version 6 count as what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `192.168.1.7`, `fd00::/8`; `None` for anything else, host names included: whoever answers
    /// for a name must not decide who is let in.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse::<IpAddr>().ok()?.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                length.parse().ok().filter(|length| *length <= most)?
            }
            Some(_) => return None,
        };
        Some(Self { address, length })
    }

    /// Whether an address lies in it.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(mine), IpAddr::V4(theirs)) => {
                let differing = u32::from(mine) ^ u32::from(theirs);
                differing.leading_zeros() >= u32::from(self.length)
            }
            (IpAddr::V6(mine), IpAddr::V6(theirs)) => {
                let differing = u128::from(mine) ^ u128::from(theirs);
                differing.leading_zeros() >= u32::from(self.length)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_its_network_only() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.168.1.7", "192.168.1.7", "192.168.1.6"),
            ("192.168.1.0/31", "::ffff:192.168.1.1", "192.168.1.2"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("0.0.0.0/0", "8.8.8.8", "::2"),
        ] {
            let network = Network::parse(network).unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network:?}");
            assert!(!network.contains(outside.parse().unwrap()), "{network:?}");
        }
        for text in [
            "",
            "host",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0/8",
            "fd00::/129",
            "10.0.0.0/+8",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
