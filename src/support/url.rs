//! URLs: how they are shown, what is written with `%` in them, and whether they stay on this machine.

use std::fmt;
use std::net::IpAddr;

pub use reqwest::Url;

/// Displays a URL without user info, query and fragment, where secrets hide.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a Url);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}://{}",
            self.0.scheme(),
            self.0.host_str().unwrap_or_default()
        )?;
        if let Some(port) = self.0.port() {
            write!(out, ":{port}")?;
        }
        out.write_str(self.0.path())
    }
}

/// Text of a URL in which `%41` stands for `A`; `None` where no two digits follow a `%`, or the bytes are no UTF-8.
pub fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

/// Whether a URL's host is this machine itself.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_a_url_are_not_shown() {
        let url = Url::parse("https://me:pw@intake.test:8443/api/v2?api_key=k#f").unwrap();
        assert_eq!(Shown(&url).to_string(), "https://intake.test:8443/api/v2");
    }

    #[test]
    fn what_is_written_with_a_percent_sign_is_read() {
        assert_eq!(decoded("p%40s%3as:%25").as_deref(), Some("p@s:s:%"));
        for bad in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }

    #[test]
    fn loopback_is_told_by_name_and_by_address() {
        let is = |text: &str| is_loopback(&Url::parse(text).unwrap());
        for here in [
            "http://localhost/",
            "http://127.8.9.1:80/",
            "http://[::1]:9/",
            "http://x.localhost/",
        ] {
            assert!(is(here), "{here}");
        }
        for away in [
            "http://10.0.0.1/",
            "http://127.0.0.1.test/",
            "http://[::2]/",
            "http://notlocalhost/",
        ] {
            assert!(!is(away), "{away}");
        }
    }
}
