//! URLs of a Redis. The usual parser of URLs knows no lists of hosts, so this is one of our own.
//!
//! | URL | what it is |
//! |---|---|
//! | `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]` | one server |
//! | `redis+sentinel://[…@]HOST[:PORT][,…]/MASTER[/DATABASE]` | Sentinels; user and password are the server's |
//! | `redis+cluster://[…@]HOST[:PORT][,…]` | nodes of a cluster |
//! | `unix:///PATH[?db=DATABASE]`, `redis+unix:///PATH` | a socket |
//!
//! `rediss` in the place of `redis` means TLS.

use std::path::PathBuf;

use crate::support::redis::target::{PORT, SENTINEL_PORT, Target, TargetKind};
use crate::support::secret::Secret;
use crate::support::url;

/// What is wrong with a URL. It shows no part in which a password can be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It does not start with a scheme that is known.
    #[error(
        "expected a URL that starts with redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster://, \
         rediss+cluster:// or unix://"
    )]
    Scheme,
    /// It names no host.
    #[error("names no host; expected redis://HOST:PORT")]
    Host,
    /// A host that cannot be one. It is not shown: where the host is missing, this is the password.
    #[error("has a host that cannot be one; an IPv6 address stands in brackets, as in [::1]:6379")]
    BadHost,
    /// A port that is none. It is not shown, for the same reason.
    #[error("has a port that is none; expected HOST:PORT with a number from 1 to 65535")]
    Port,
    /// A database that is none.
    #[error("`{0}` is not the number of a database; expected 0, 1, 2 …")]
    Database(String),
    /// It has a database, and is a cluster.
    #[error("names a database; a cluster has only database 0")]
    ClusterDatabase,
    /// It names Sentinels and no master.
    #[error(
        "names no master; expected redis+sentinel://HOST:PORT/NAME with the name that the Sentinels know it by"
    )]
    Master,
    /// It names several servers that are neither Sentinels nor a cluster.
    #[error(
        "names several servers; write redis+cluster:// for nodes of a cluster, redis+sentinel://…/NAME for Sentinels"
    )]
    Several,
    /// A path where none belongs.
    #[error("has more behind its host than is understood")]
    Path,
    /// A socket without a path.
    #[error("names no socket; expected unix:///PATH")]
    Socket,
    /// A query that is not understood.
    #[error("has `{0}` behind the `?`; only `db` is understood there")]
    Query(String),
    /// A character in the password that belongs to the URL itself.
    #[error("has `/`, `?`, `#` or `@` in its password; write them as %2F, %3F, %23, %40, or use `password`")]
    Password,
    /// Something after a `%` that is no byte, or bytes that are no text.
    #[error("has a `%` that is not followed by two hexadecimal digits of UTF-8 text; write % itself as %25")]
    Percent,
}

impl Target {
    /// Reads a URL; the module's comment lists them.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = url.trim().split_once("://").ok_or(AddressError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let (base, form) = match scheme.split_once('+') {
            Some((base, form)) => (base, form),
            None if scheme == "unix" => ("redis", "unix"),
            None => (scheme.as_str(), ""),
        };
        let tls = match base {
            "redis" => false,
            "rediss" if form != "unix" => true,
            _ => return Err(AddressError::Scheme),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.find('/') {
            Some(at) => (&rest[..at], rest[at + 1..].trim_end_matches('/')),
            None => (rest, ""),
        };
        if path.contains('@') && form != "unix" || query.contains('@') || rest.contains('#') {
            return Err(AddressError::Password);
        }
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (login, hosts),
            None => ("", authority),
        };
        if login.contains('@') {
            return Err(AddressError::Password);
        }
        let (username, password) = login.split_once(':').unwrap_or((login, ""));
        let mut target = Self::server("", PORT);
        target.tls = tls;
        target.username = decoded(username)?;
        target.password = Secret::new(&decoded(password)?);
        match form {
            "" => {
                target.nodes = nodes(hosts, PORT)?;
                target.database = database(path)?;
                if target.nodes.len() > 1 {
                    return Err(AddressError::Several);
                }
            }
            "sentinel" => {
                let (master, number) = path.split_once('/').unwrap_or((path, ""));
                target.nodes = nodes(hosts, SENTINEL_PORT)?;
                target.database = database(number)?;
                target.kind = TargetKind::Sentinel {
                    master: Some(decoded(master)?)
                        .filter(|name| !name.is_empty())
                        .ok_or(AddressError::Master)?,
                    username: String::new(),
                    password: Secret::new(""),
                };
            }
            "cluster" => {
                target.nodes = nodes(hosts, PORT)?;
                target.kind = TargetKind::Cluster;
                if database(path)? != 0 {
                    return Err(AddressError::ClusterDatabase);
                }
            }
            "unix" if path.is_empty() || !hosts.is_empty() => return Err(AddressError::Socket),
            "unix" => {
                target.nodes.clear();
                target.kind = TargetKind::Unix {
                    path: PathBuf::from(format!("/{}", decoded(path)?)),
                };
            }
            _ => return Err(AddressError::Scheme),
        }
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("db", number)) => target.database = database(number)?,
                // What is behind the `=` may be a password.
                other => {
                    let name = other.map_or(part, |(name, _)| name);
                    return Err(AddressError::Query(name.to_string()));
                }
            }
        }
        if target.kind == TargetKind::Cluster && target.database != 0 {
            return Err(AddressError::ClusterDatabase);
        }
        Ok(target)
    }
}

/// Hosts with commas between them.
///
/// # Errors
/// [`AddressError::Host`], [`AddressError::BadHost`], [`AddressError::Port`].
fn nodes(text: &str, port: u16) -> Result<Vec<(String, u16)>, AddressError> {
    text.split(',').map(|one| node(one, port)).collect()
}

/// `HOST`, `HOST:PORT` or `[IPv6]:PORT`.
///
/// # Errors
/// [`AddressError::Host`], [`AddressError::BadHost`], [`AddressError::Port`].
pub fn node(text: &str, port: u16) -> Result<(String, u16), AddressError> {
    let text = text.trim();
    let bad = || AddressError::BadHost;
    let (host, given) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(bad()),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err(AddressError::Host);
    }
    let odd = |byte: u8| byte.is_ascii_whitespace() || b"/@[]{}\"'".contains(&byte);
    if host.bytes().any(odd) || given.is_some_and(|port| port.contains(':')) {
        return Err(bad());
    }
    let port = match given {
        None => port,
        Some(text) => match text.parse() {
            Ok(0) | Err(_) => return Err(AddressError::Port),
            Ok(port) => port,
        },
    };
    Ok((host.to_string(), port))
}

fn database(text: &str) -> Result<u16, AddressError> {
    match text {
        "" => Ok(0),
        text if text.contains('/') => Err(AddressError::Path),
        text => text.parse().map_err(|_| AddressError::Database(text.to_string())),
    }
}

/// Text in which `%41` stands for `A`.
fn decoded(text: &str) -> Result<String, AddressError> {
    url::decoded(text).ok_or(AddressError::Percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Target {
        Target::parse(url).unwrap()
    }

    #[test]
    fn a_url_of_one_server_says_everything() {
        assert_eq!(parsed("redis://cache"), Target::server("cache", 6379));
        assert_eq!(parsed(" REDIS://cache:6380/ "), Target::server("cache", 6380));
        let whole = parsed("rediss://me:p%40s%3As:x@[fd00::1]:7000/3");
        assert_eq!(whole.nodes, [("fd00::1".to_string(), 7000)]);
        assert_eq!((whole.tls, whole.database), (true, 3));
        assert_eq!(whole.username, "me");
        assert_eq!(&*whole.password.expose().unwrap(), "p@s:s:x");
        let password = parsed("redis://:hunter2@cache?db=2");
        assert_eq!((password.username.as_str(), password.database), ("", 2));
        assert_eq!(&*password.password.expose().unwrap(), "hunter2");
        let file = parsed("redis://:file%3A%2Frun%2Fpw@cache");
        assert_eq!(file.password.file(), Some(std::path::Path::new("/run/pw")));
    }

    #[test]
    fn sentinels_clusters_and_sockets_have_urls_too() {
        let sentinel = parsed("rediss+sentinel://me:pw@s1,s2:1,[::1]:2/mymaster/4");
        assert_eq!(sentinel.to_string(), "mymaster of s1:26379,s2:1,[::1]:2");
        assert_eq!((sentinel.tls, sentinel.database), (true, 4));
        let cluster = parsed("redis+cluster://a:1,b");
        assert_eq!(cluster.kind, TargetKind::Cluster);
        assert_eq!(cluster.to_string(), "a:1,b:6379");
        for url in [
            "unix:///run/redis.sock?db=5",
            "redis+unix://:pw@/run/redis.sock?db=5",
        ] {
            assert_eq!(parsed(url).to_string(), "/run/redis.sock");
            assert_eq!(parsed(url).database, 5);
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        let cases = [
            ("cache:6379", AddressError::Scheme),
            ("http://cache", AddressError::Scheme),
            ("redis+magic://cache", AddressError::Scheme),
            ("redis://", AddressError::Host),
            ("redis://:hunter2@", AddressError::Host),
            ("redis://:hunter2@:6379", AddressError::Host),
            ("redis://::1:6379", AddressError::Host),
            ("redis://fd00::1", AddressError::BadHost),
            ("redis://a:0", AddressError::Port),
            ("redis://a:65536", AddressError::Port),
            ("redis://me:hunter2", AddressError::Port),
            ("redis://a/one", AddressError::Database("one".to_string())),
            ("redis://a/1/2", AddressError::Path),
            ("redis://a,b", AddressError::Several),
            ("redis+cluster://a/1", AddressError::ClusterDatabase),
            ("redis+cluster://a?db=1", AddressError::ClusterDatabase),
            ("redis+sentinel://a", AddressError::Master),
            ("unix://run/redis.sock", AddressError::Socket),
            (
                "redis://a?password=hunter2",
                AddressError::Query("password".to_string()),
            ),
            ("redis://:hunter2/x@a", AddressError::Password),
            ("redis://:hunter2?x@a", AddressError::Password),
            ("redis://:hunter2#x@a", AddressError::Password),
            ("redis://:hunter2@x@a", AddressError::Password),
            ("redis://:hunter2%zz@a", AddressError::Percent),
        ];
        for (url, expected) in cases {
            let error = Target::parse(url).unwrap_err();
            assert_eq!(error, expected, "{url}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
