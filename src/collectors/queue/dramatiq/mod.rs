//! The queues of dramatiq: how many messages each holds, in the Redis or in the RabbitMQ that is its broker.
//!
//! * `settings`: which broker, and how one logs in
//! * `redis`: the sizes of its hashes, found by `SCAN`
//! * `rabbitmq`: what the management API says of its queues
//!
//! dramatiq keeps three queues under one name: `NAME`, `NAME.DQ` with the delayed messages, and `NAME.XQ` with the dead
//! ones. The page tells them apart by a label; the dotted name keeps them as queues of their own, as the predecessor did.
//! A message that a worker has taken and not finished is still one of its queue.

mod rabbitmq;
mod redis;
mod settings;

use std::borrow::Cow;

use async_trait::async_trait;
use serde_json::Value;

use crate::collectors::queue::dramatiq::settings::Broker;
use crate::component::collector::{CollectError, Collector};
use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::settings::{Problems, Section};
use crate::model::fold::Fold;
use crate::model::metric::MetricDef;
use crate::model::sample::Samples;
use crate::support::redis::target::Target;

/// What this collector says of itself.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "dramatiq",
    role: Role::Collector,
    summary: "Reads how many messages wait in the queues of dramatiq, from its Redis or its RabbitMQ.",
    sample: SAMPLE,
    metrics: METRICS,
};

/// How it is made.
pub static ENTRY: Entry<dyn Collector> = Entry {
    descriptor: &DESCRIPTOR,
    build: |section, cx, findings| Some(Box::new(build(section, cx.redis, &mut findings.problems)?)),
    effective,
    find: None,
};

const SAMPLE: &str = "\
# The Redis that is dramatiq's broker: redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], rediss://, redis+sentinel://,
# unix://, or file:PATH with such a URL in it; null: the one of the section `redis`. No cluster.
redis_url: null
# What dramatiq's keys begin with: the `namespace` of its RedisBroker.
namespace: dramatiq
# How long a queue of Redis that has become empty is reported as 0: dramatiq removes it then. 0s: not at all.
keep: 1h
# Or the management API of the RabbitMQ that is the broker: http[s]://[USER:PASSWORD@]HOST:15672[/VHOST], or file:PATH.
# Without a VHOST it is `/`; a slash in one is written %2F. Of its queues those count that have a .DQ and a .XQ beside.
rabbitmq_url: null
# Who asks RabbitMQ, where the URL does not say it; null: guest. Its tag `management`, and `configure`, `write` or `read`
# in the virtual host, are enough.
rabbitmq_user: null
# Text, ${VARIABLE}, or file:PATH, which is read again when it changes; null: guest.
rabbitmq_password: null
# Certificates (PEM) to trust besides the system's, for rediss:// and https://.
ca_file: null
";

static METRICS: &[&MetricDef] = &[&MESSAGES];

static ENDINGS: [(Cow<'static, str>, Cow<'static, str>); 2] = [
    (Cow::Borrowed("delayed"), Cow::Borrowed(DELAYED)),
    (Cow::Borrowed("dead"), Cow::Borrowed(DEAD)),
];

static FOLDS: [Fold; 1] = [Fold::into_label("state", "queue", &ENDINGS)];

static MESSAGES: MetricDef = MetricDef::gauge(
    "dramatiq_queue_messages",
    "Messages in a queue of dramatiq: ready or being worked on, delayed, or dead.",
)
.labels(&["queue", "state"])
.dotted("Chouette.dramatiq.queue_size")
.dotted_labels(&FOLDS);

/// What the name of a queue with delayed messages ends in.
const DELAYED: &str = ".DQ";
/// What the name of a queue with dead messages ends in.
const DEAD: &str = ".XQ";
/// How many queues are reported, delayed and dead ones counted; what is beyond them makes an error.
const MOST: usize = 10_000;

/// Makes the collector from its section of the settings and the Redis that is set for all, if one is; `None` where the
/// section cannot be used, the reason being among `problems`. It connects to nothing yet.
pub fn build(section: &Section, redis: Option<&Target>, problems: &mut Problems) -> Option<Dramatiq> {
    let reader = match settings::read(section, redis, problems)? {
        Broker::Redis(server) => Reader::Redis(Box::new(redis::Reader::new(server))),
        Broker::RabbitMq(api) => Reader::RabbitMq(Box::new(rabbitmq::Reader::new(api))),
    };
    Some(Dramatiq { reader })
}

/// The section as it takes effect, with every default; `None` where it cannot be used.
pub fn effective(section: &Section) -> Option<Value> {
    settings::effective(section)
}

/// Reads the queues.
pub struct Dramatiq {
    reader: Reader,
}

enum Reader {
    Redis(Box<redis::Reader>),
    RabbitMq(Box<rabbitmq::Reader>),
}

#[async_trait]
impl Collector for Dramatiq {
    async fn collect(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        match &mut self.reader {
            Reader::Redis(reader) => reader.collect(out).await,
            Reader::RabbitMq(reader) => reader.collect(out).await,
        }
    }
}

/// Adds the size of a queue by dramatiq's own name of it.
fn push(out: &mut Samples, name: &str, messages: u64) {
    let parts = |ending| name.strip_suffix(ending).filter(|rest| !rest.is_empty());
    let (queue, state) = match (parts(DELAYED), parts(DEAD)) {
        (Some(queue), _) => (queue, "delayed"),
        (_, Some(queue)) => (queue, "dead"),
        _ => (name, "ready"),
    };
    // As many as a gauge cannot tell apart are in no queue.
    out.push(&MESSAGES, &[queue, state], messages as f64);
}

#[cfg(test)]
mod tests;
