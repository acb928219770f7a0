//! The queues of dramatiq in RabbitMQ, as its management API lists them.
//!
//! With `disable_stats` and `enable_queue_totals` the queues are asked themselves: what they answer is as of now, where
//! the statistics are some seconds old, and absent for a queue that is new. An older RabbitMQ ignores both words and
//! answers from its statistics.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::collectors::queue::dramatiq::settings::Api;
use crate::collectors::queue::dramatiq::{DEAD, DELAYED, MOST, push};
use crate::component::collector::CollectError;
use crate::model::sample::Samples;
use crate::support::http::Answer;
use crate::support::http::header::HeaderMap;
use crate::support::secret::MASK;
use crate::support::url::{Shown, Url};

/// How many queues are asked for at once, the most that RabbitMQ gives.
const PAGE: u32 = 500;
/// How many pages are read; a virtual host may have other queues than dramatiq's.
const PAGES: u32 = 100;
/// How many characters of RabbitMQ's own words an error repeats.
const WORDS: usize = 200;

/// Reads one virtual host.
pub(super) struct Reader {
    api: Api,
}

/// One page of the list of queues.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Page {
    items: Vec<Queue>,
    page_count: u32,
}

/// A queue, and what it holds: ready and not acknowledged; `None` while RabbitMQ does not know.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Queue {
    name: String,
    messages: Option<u64>,
}

impl Reader {
    pub(super) fn new(api: Api) -> Self {
        Self { api }
    }

    pub(super) async fn collect(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        let mut queues = BTreeMap::new();
        let (mut page, mut pages) = (1, 1);
        while page <= pages.min(PAGES) {
            let Some(read) = self.page(page).await? else {
                break;
            };
            pages = read.page_count;
            queues.extend(read.items.into_iter().map(|queue| (queue.name, queue.messages)));
            page += 1;
        }
        let target = || Shown(&self.api.url).to_string();
        let mut told = 0;
        for (name, messages) in dramatiqs(&queues) {
            if told < MOST
                && let Some(messages) = messages
            {
                push(out, name, messages);
            }
            told += 1;
        }
        if pages > PAGES || told > MOST {
            let reason = format!(
                "it lists more than {} queues, or {MOST} of dramatiq; the others are not reported",
                PAGE * PAGES
            );
            return Err(CollectError::Malformed {
                target: target(),
                reason,
            });
        }
        if told == 0 {
            let target = format!(
                "dramatiq in {} (none of {} queues has a `{DELAYED}` and a `{DEAD}` beside it)",
                target(),
                queues.len()
            );
            return Err(CollectError::NoData { target });
        }
        Ok(())
    }

    /// One page; `None` where queues went meanwhile and it is no more.
    async fn page(&self, page: u32) -> Result<Option<Page>, CollectError> {
        let (target, path) = (Shown(&self.api.url).to_string(), &self.api.path);
        let password = self
            .api
            .password
            .expose()
            .map_err(|error| CollectError::Forbidden {
                target: target.clone(),
                reason: format!("{error}; it is `{path}.rabbitmq_password`"),
            })?;
        let url = self.url(page, &password);
        let answer = self.api.client.get(&url, HeaderMap::new()).await;
        let answer = answer.map_err(|error| CollectError::Unreachable {
            target: target.clone(),
            // It begins with the URL, which is the target.
            reason: match error.reason.strip_prefix(&format!("{target}: ")) {
                Some(reason) => reason.to_string(),
                None => error.reason,
            },
        })?;
        match answer.status {
            200 => match parse(&answer.body) {
                Ok(page) => Ok(Some(page)),
                Err(reason) => Err(CollectError::Malformed { target, reason }),
            },
            400 if page > 1 => Ok(None),
            401 | 403 => Err(CollectError::Forbidden {
                target,
                reason: format!(
                    "{}; look at `{path}.rabbitmq_user`, `{path}.rabbitmq_password` or the URL; the user needs the tag \
                     `management` and a permission in the virtual host",
                    words(&answer, &password)
                ),
            }),
            404 => Err(CollectError::Unreachable {
                target,
                reason: format!(
                    "{}; is there such a virtual host, and is this the management API? Look at `{path}.rabbitmq_url`",
                    words(&answer, &password)
                ),
            }),
            _ => Err(CollectError::Unreachable {
                reason: words(&answer, &password),
                target,
            }),
        }
    }

    /// The URL of a page, with the login in it: the client makes a header of that.
    fn url(&self, page: u32, password: &str) -> Url {
        let mut url = self.api.url.clone();
        // It fails only for a URL without a host. The `%` alone would not be encoded.
        let _ = url.set_password(Some(&password.replace('%', "%25")));
        url.query_pairs_mut()
            .append_pair("page", &page.to_string())
            .append_pair("page_size", &PAGE.to_string())
            .append_pair("sort", "name")
            .append_pair("columns", "name,messages")
            .append_pair("disable_stats", "true")
            .append_pair("enable_queue_totals", "true");
        url
    }
}

/// The queues of dramatiq: it makes `NAME`, `NAME.DQ` and `NAME.XQ` at once, and others do not.
fn dramatiqs(queues: &BTreeMap<String, Option<u64>>) -> impl Iterator<Item = (&str, Option<u64>)> {
    let family =
        |name: &str| ["", DELAYED, DEAD].map(|ending| queues.get_key_value(&format!("{name}{ending}")));
    queues
        .keys()
        .filter_map(move |name| match family(name) {
            [Some(ready), Some(delayed), Some(dead)] => Some([ready, delayed, dead]),
            _ => None,
        })
        .flatten()
        .map(|(name, messages)| (name.as_str(), *messages))
}

/// Reads a page of the list.
fn parse(body: &[u8]) -> Result<Page, String> {
    serde_json::from_slice(body).map_err(|error| {
        format!(
            "expected a page of queues as JSON, found {} bytes: {error}",
            body.len()
        )
    })
}

/// What RabbitMQ says of a request that it did not serve, without the password.
fn words(answer: &Answer, password: &str) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        reason: String,
    }
    let status = answer.status;
    let Ok(refusal) = serde_json::from_slice::<Refusal>(&answer.body) else {
        return format!("it answers {status}");
    };
    let mut reason = refusal.reason;
    if !password.is_empty() {
        reason = reason.replace(password, MASK);
    }
    let reason: String = reason
        .chars()
        .filter(|char| !char.is_control())
        .take(WORDS)
        .collect();
    format!("it answers {status}: {reason}")
}
