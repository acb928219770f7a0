//! The feed's section of the settings, checked.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::component::settings::{Problems, Section};
use crate::feeds::resp::network::Network;
use crate::feeds::resp::{Bounds, Resp};
use crate::support::quantity::{Size, Span};
use crate::support::secret::Secret;

/// Less than this holds hardly a window, and not one large command.
const LEAST_BOUND: Size = Size::mebibytes(8);
/// More open files than a service has by default would not be accepted.
const MOST_CONNECTIONS: usize = 10_000;

/// The section `feeds.resp`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port on which applications connect; default `127.0.0.1:6380`. Beyond this machine it wants a
    /// `password`, or an `allow` list.
    pub listen: String,
    /// The password that applications must give, as text or as `file:PATH` (read again when the file changes). Default:
    /// none. Once set it is asked of everybody, on this machine too. The client library of Chouette-IoT gives none.
    pub password: Option<Secret>,
    /// The user that goes with the password. Default: only `default`, which the protocol assumes.
    pub username: String,
    /// Addresses and networks (`10.0.0.0/8`, `fd00::/8`) whose applications are let in. This machine always is.
    /// Default: none given, which lets everybody in who reaches `listen` and knows the password.
    pub allow: Vec<String>,
    /// What the feed's keys begin with; default `chouette`, as the client library has it.
    pub prefix: String,
    /// Connections at a time; further ones get an error and are closed. Default 128. A process with the client library
    /// opens up to one for each of its threads.
    pub max_connections: usize,
    /// How soon accepted records are on the medium, at the latest; default `1s`. Until then they survive the death of the
    /// agent, not that of the device.
    pub sync: Span,
    /// Most bytes of accepted records that wait for the journal; default `64MiB`, least `8MiB`. Beyond it applications
    /// get the error `OOM` and nothing is accepted.
    pub bound: Size,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:6380".to_string(),
            password: None,
            username: String::new(),
            allow: Vec::new(),
            prefix: "chouette".to_string(),
            max_connections: 128,
            sync: Span::seconds(1),
            bound: Size::mebibytes(64),
        }
    }
}

/// The section as it takes effect, with every default; `None` where it cannot be used.
pub fn effective(section: &Section) -> Option<Value> {
    serde_json::to_value(section.read::<Config>(&mut Problems::default())?).ok()
}

/// Makes the feed from its section; opens nothing. Its files go to `directory`, which it has for itself. `None` where a
/// problem was found.
pub fn build(section: &Section, directory: &Path, problems: &mut Problems) -> Option<Resp> {
    let before = problems.iter().count();
    let config: Config = section.read(problems)?;
    let at = |key: &str| format!("{}.{key}", section.path);
    let password = config.password.clone().filter(|password| !password.is_empty());

    let listen = config.listen.trim().to_string();
    match reach(&listen) {
        None => problems.add_with_hint(
            at("listen"),
            "expected an address with a port",
            "such as 127.0.0.1:6380",
        ),
        Some(Reach::Beyond) if password.is_none() && config.allow.is_empty() => problems.add_with_hint(
            at("listen"),
            format!("{listen} can be reached from other machines, and anybody there could write metrics"),
            format!(
                "set `{}` for clients that can give one, or `{}` to the networks of the applications; \
                 or listen on 127.0.0.1:6380",
                at("password"),
                at("allow")
            ),
        ),
        Some(_) => {}
    }
    let mut allow = Vec::new();
    for (index, text) in config.allow.iter().enumerate() {
        match Network::parse(text) {
            Some(network) => allow.push(network),
            None => problems.add_with_hint(
                at(&format!("allow[{index}]")),
                format!("expected an address or a network, found `{text}`"),
                "such as 192.168.1.7 or 10.0.0.0/8",
            ),
        }
    }
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !plain(&config.prefix) {
        problems.add(at("prefix"), "expected text without spaces, such as `chouette`");
    }
    if !config.username.is_empty() && password.is_none() {
        problems.add(at("username"), "expected a `password` that goes with it");
    }
    if !(1..=MOST_CONNECTIONS).contains(&config.max_connections) {
        problems.add(
            at("max_connections"),
            format!("expected a number from 1 to {MOST_CONNECTIONS}"),
        );
    }
    if config.sync.0 < Duration::from_millis(10) || config.sync.0 > Duration::from_secs(3600) {
        problems.add(at("sync"), "expected from 10ms to 1h");
    }
    if config.bound < LEAST_BOUND {
        problems.add(at("bound"), format!("expected at least {LEAST_BOUND}"));
    }
    (problems.iter().count() == before).then(|| Resp {
        listen,
        setting: "feeds.resp.listen",
        folder: directory.to_owned(),
        password,
        username: config.username,
        allow,
        prefix: config.prefix,
        sync: config.sync.0,
        bounds: Bounds {
            connections: config.max_connections,
            bytes: config.bound.0,
            ..Bounds::default()
        },
    })
}

/// Who can reach an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Here,
    Beyond,
}

/// Who can reach what is listened on; `None` where it is no address with a port.
fn reach(listen: &str) -> Option<Reach> {
    if let Ok(address) = listen.parse::<SocketAddr>() {
        return Some(if is_here(address.ip()) {
            Reach::Here
        } else {
            Reach::Beyond
        });
    }
    let (host, port) = listen.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    // Nobody but the resolver knows where other names lead.
    match host {
        "" => None,
        "localhost" => Some(Reach::Here),
        _ if host.contains([':', '/', ' ']) => None,
        _ => Some(Reach::Beyond),
    }
}

/// Whether an address is one of this machine alone.
pub(super) fn is_here(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::feeds::resp::DESCRIPTOR;

    fn problems(value: Value) -> Vec<String> {
        let mut problems = Problems::default();
        let built = build(
            &Section::new("feeds.resp", value),
            Path::new("/nowhere"),
            &mut problems,
        );
        assert_eq!(built.is_none(), !problems.is_empty());
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_sample_holds_every_key_with_its_default() {
        let sample: Value = serde_saphyr::from_str(DESCRIPTOR.sample).unwrap();
        let section = Section::new("feeds.resp", sample);
        assert_eq!(effective(&section), serde_json::to_value(Config::default()).ok());
        let keys = |value: Option<Value>| {
            value
                .unwrap()
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(
            keys(Some(section.value)),
            keys(serde_json::to_value(Config::default()).ok())
        );
        assert_eq!(problems(Value::Null), Vec::<String>::new());
    }

    #[test]
    fn beyond_this_machine_it_wants_a_password_or_networks() {
        for listen in ["0.0.0.0:6380", "[::]:6380", "192.168.1.7:6380", "device:6380"] {
            assert_eq!(
                problems(json!({"listen": listen})),
                [format!(
                    "feeds.resp.listen: {listen} can be reached from other machines, and anybody there could write \
                     metrics (set `feeds.resp.password` for clients that can give one, or `feeds.resp.allow` to the \
                     networks of the applications; or listen on 127.0.0.1:6380)"
                )]
            );
            assert_eq!(
                problems(json!({"listen": listen, "allow": ["10.0.0.0/8"]})),
                Vec::<String>::new()
            );
            assert_eq!(
                problems(json!({"listen": listen, "password": "x"})),
                Vec::<String>::new()
            );
        }
        for listen in ["127.0.0.9:1", "[::1]:6380", "localhost:6380"] {
            assert_eq!(problems(json!({"listen": listen})), Vec::<String>::new());
        }
    }

    #[test]
    fn every_problem_is_found_at_once_and_none_shows_the_password() {
        let found = problems(json!({
            "listen": "6380", "allow": ["10.0.0.0/8", "here"], "prefix": "a b", "username": "me",
            "max_connections": 0, "sync": "0s", "bound": "1MiB",
        }));
        let expected = [
            "feeds.resp.listen: expected an address with a port (such as 127.0.0.1:6380)",
            "feeds.resp.allow[1]: expected an address or a network, found `here` (such as 192.168.1.7 or 10.0.0.0/8)",
            "feeds.resp.prefix: expected text without spaces, such as `chouette`",
            "feeds.resp.username: expected a `password` that goes with it",
            "feeds.resp.max_connections: expected a number from 1 to 10000",
            "feeds.resp.sync: expected from 10ms to 1h",
            "feeds.resp.bound: expected at least 8MiB",
        ];
        assert_eq!(found, expected);
        let shown = effective(&Section::new("feeds.resp", json!({"password": "hunter2"}))).unwrap();
        assert_eq!(shown["password"], json!("********"));
    }
}
