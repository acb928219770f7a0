//! The proxies that outgoing requests go through: the environment's, or one that is set.

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{NoProxy, Proxy};

use crate::support::secret::Secret;
use crate::support::url::{Shown, Url};

/// Hosts that never go through a proxy of the environment: it could not reach them for us.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// Which proxy requests go through. The URLs are secrets, because they may carry a password.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proxies {
    http: Option<Named>,
    https: Option<Named>,
    except: String,
}

#[derive(Clone, Debug, PartialEq)]
struct Named {
    /// Where it was set, for the error.
    from: &'static str,
    url: Secret,
}

/// A proxy's URL that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{from}: {reason}")]
pub struct ProxyError {
    /// The variable or key that set it.
    pub from: &'static str,
    /// What is wrong and what was expected, without the URL.
    pub reason: String,
}

impl Proxies {
    /// No proxy.
    pub fn none() -> Self {
        Self::default()
    }

    /// The environment's: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, or the same in lower case. Empty ones count
    /// as unset. Loopback never goes through them.
    pub fn from_env(read: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| {
                let value = read(name).filter(|value| !value.trim().is_empty())?;
                Some((name, value.trim().to_string()))
            })
        };
        let named = |names| {
            first(names).map(|(from, url)| Named {
                from,
                url: Secret::new(&url),
            })
        };
        Self {
            http: named(["HTTP_PROXY", "http_proxy"]),
            https: named(["HTTPS_PROXY", "https_proxy"]),
            except: match first(["NO_PROXY", "no_proxy"]) {
                Some((_, listed)) => format!("{listed},{LOOPBACK}"),
                None => LOOPBACK.to_string(),
            },
        }
    }

    /// One proxy for everything; `from` is the key that set it.
    pub fn only(from: &'static str, url: Secret) -> Self {
        let named = Named { from, url };
        Self {
            http: Some(named.clone()),
            https: Some(named),
            except: String::new(),
        }
    }

    /// The proxy that a URL goes through, without user info; `None` where it goes directly.
    pub fn shown_for(&self, url: &Url) -> Option<String> {
        let named = match url.scheme() {
            "https" => self.https.as_ref(),
            _ => self.http.as_ref(),
        }?;
        let proxy = named.parsed().ok()?;
        if self.excepts(url) {
            return None;
        }
        Some(Shown(&proxy).to_string().trim_end_matches('/').to_string())
    }

    /// Whether `NO_PROXY` or loopback keeps a URL off the proxies, by the rules of the HTTP library.
    fn excepts(&self, url: &Url) -> bool {
        let any = Matcher::builder()
            .all("http://any")
            .no(self.except.as_str())
            .build();
        let uri = url.as_str().parse::<Uri>();
        uri.is_ok_and(|uri| any.intercept(&uri).is_none())
    }

    /// The proxies as the HTTP library takes them.
    ///
    /// # Errors
    /// A URL that is none, or of another scheme than http or https.
    pub(super) fn compiled(&self) -> Result<Vec<Proxy>, ProxyError> {
        let mut proxies = Vec::new();
        if let Some(named) = &self.http {
            proxies.push(Proxy::http(named.parsed()?).map_err(|_| named.failed("cannot be used"))?);
        }
        if let Some(named) = &self.https {
            proxies.push(Proxy::https(named.parsed()?).map_err(|_| named.failed("cannot be used"))?);
        }
        let except = |proxy: Proxy| proxy.no_proxy(NoProxy::from_string(&self.except));
        Ok(proxies.into_iter().map(except).collect())
    }
}

impl Named {
    /// Takes a URL without scheme as http, as curl does.
    fn parsed(&self) -> Result<Url, ProxyError> {
        let text = self
            .url
            .expose()
            .map_err(|error| self.failed(&error.to_string()))?;
        let parsed = match text.contains("://") {
            true => Url::parse(&text),
            false => Url::parse(&format!("http://{text}")),
        };
        match parsed {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
            Ok(url) => Err(self.failed(&format!("has the scheme {}", url.scheme()))),
            Err(error) => Err(self.failed(&format!("cannot be parsed: {error}"))),
        }
    }

    fn failed(&self, reason: &str) -> ProxyError {
        ProxyError {
            from: self.from,
            reason: format!("the proxy's URL {reason}; expected http://HOST:PORT or https://HOST:PORT"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Proxies {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        Proxies::from_env(move |name| {
            pairs
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        })
    }

    #[test]
    fn the_environment_is_read_in_both_cases_and_never_shows_a_password() {
        let proxies = of(&[
            ("https_proxy", "http://me:pw@proxy:3128"),
            ("HTTP_PROXY", "plain:80"),
            ("NO_PROXY", " "),
        ]);
        let https = Url::parse("https://intake.test/api").unwrap();
        let http = Url::parse("http://intake.test/api").unwrap();
        assert_eq!(proxies.shown_for(&https), Some("http://proxy:3128".to_string()));
        assert_eq!(proxies.shown_for(&http), Some("http://plain".to_string()));
        assert_eq!(proxies.except, LOOPBACK);
        assert!(!format!("{proxies:?}").contains("pw"));
        assert_eq!(proxies.compiled().unwrap().len(), 2);
        assert_eq!(of(&[]).compiled().unwrap().len(), 0);
    }

    #[test]
    fn hosts_of_no_proxy_and_loopback_have_no_proxy_to_show() {
        let proxies = of(&[
            ("https_proxy", "http://proxy:3128"),
            ("NO_PROXY", "intake.test, 10.0.0.0/8"),
        ]);
        let shown = |url: &str| proxies.shown_for(&Url::parse(url).unwrap());
        for direct in [
            "https://intake.test/api",
            "https://api.intake.test/api",
            "https://10.1.2.3/api",
            "https://localhost:8126/api",
            "https://[::1]/api",
        ] {
            assert_eq!(shown(direct), None, "{direct}");
        }
        for through in ["https://myintake.test/api", "https://11.1.2.3/api"] {
            assert_eq!(shown(through), Some("http://proxy:3128".to_string()), "{through}");
        }
    }

    #[test]
    fn a_bad_url_is_named_by_where_it_was_set_and_not_shown() {
        let bad = of(&[("HTTPS_PROXY", "socks5://me:pw@proxy:1080")]);
        assert_eq!(
            bad.compiled().unwrap_err().to_string(),
            "HTTPS_PROXY: the proxy's URL has the scheme socks5; expected http://HOST:PORT or https://HOST:PORT"
        );
        let bad = Proxies::only("proxy", Secret::new("http://me:pw@:80:80"));
        assert!(!bad.compiled().unwrap_err().to_string().contains("pw"));
    }
}
