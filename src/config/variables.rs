//! Every environment variable that sets something, and how its text is read.
//!
//! Chouette-IoT's variables work under their own names, in any case: numbers are seconds, lists and maps are JSON.

use serde_json::Value;

use crate::component::settings::{Problem, Problems, did_you_mean};
use crate::config::environment::Environment;
use crate::config::layers::Origin;

/// A variable.
#[derive(Debug)]
pub(super) struct Variable {
    /// Its names; where several are set the first wins.
    pub(super) names: &'static [&'static str],
    /// What it sets.
    pub(super) path: &'static [&'static str],
    reads: Reads,
}

/// How a variable's text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Text,
    /// A number of seconds, or a duration with a unit.
    Seconds,
    Whole,
    /// A port, or what orchestrators inject for a service of that name (`tcp://10.0.0.1:6379`).
    Port,
    Boolean,
    /// A number of bytes.
    Bytes,
    /// A port on every address. What orchestrators inject for a service of that name sets nothing.
    Listen,
    /// Where a container engine listens, or the path of its socket.
    Engine,
    List,
    Map,
    /// Known, and of no effect: the only storage is Redis.
    Storage,
}

const fn variable(names: &'static [&'static str], path: &'static [&'static str], reads: Reads) -> Variable {
    Variable { names, path, reads }
}

/// The names of the list of collectors; it is not a value but a choice.
pub(super) const PLUGINS: [&str; 2] = ["COLLECTOR_PLUGINS", "COLLECT_PLUGINS"];

/// All variables but the list of collectors. One that sets two values has a line for each; of two lines that set the
/// same value the later wins.
pub(super) static VARIABLES: [Variable; 66] = {
    use Reads::{Boolean, Bytes, Engine, List, Listen, Map, Port, Seconds, Storage, Text, Whole};
    [
        variable(&["METRICS_EXPORTER_PORT"], &["listen"], Listen),
        variable(&["TAWNY_LISTEN"], &["listen"], Text),
        variable(&["TAWNY_JOURNAL_DIR"], &["journal", "directory"], Text),
        variable(&["TAWNY_LOG_FORMAT"], &["log", "format"], Text),
        variable(
            &["DATADOG_API_VERSION"],
            &["outputs", "datadog", "api_version"],
            Text,
        ),
        variable(&["API_KEY"], &["outputs", "datadog", "api_key"], Text),
        variable(&["DATADOG_URL"], &["outputs", "datadog", "url"], Text),
        variable(&["DATADOG_LOGS_URL"], &["outputs", "datadog_logs", "url"], Text),
        variable(&["GLOBAL_TAGS"], &["global_tags"], List),
        variable(&["HOST"], &["host"], Text),
        variable(&["MACHINE_NAME"], &["machine"], Text),
        variable(&["AGGREGATE_INTERVAL"], &["interval"], Seconds),
        variable(&["CAPTURE_INTERVAL"], &["collect_interval"], Seconds),
        variable(&["RELEASE_INTERVAL"], &["release_interval"], Seconds),
        variable(&["METRICS_BULK_SIZE"], &["bulk_size"], Whole),
        variable(&["METRIC_TTL"], &["journal", "time_to_live", "points"], Seconds),
        variable(&["LOG_TTL"], &["journal", "time_to_live", "logs"], Seconds),
        variable(&["METRICS_WRAPPER"], &["wrapper", "type"], Text),
        variable(
            &["HISTOGRAM_AGGREGATES"],
            &["wrapper", "histogram_aggregates"],
            List,
        ),
        variable(
            &["HISTOGRAM_PERCENTILES"],
            &["wrapper", "histogram_percentiles"],
            List,
        ),
        variable(&["SEND_SELF_METRICS"], &["send_self_metrics"], Boolean),
        variable(&["LOG_LEVEL"], &["log", "level"], Text),
        variable(&["TAWNY_JOURNAL"], &["journal", "type"], Text),
        variable(&["TAWNY_REDIS_URL"], &["redis", "url"], Text),
        variable(&["TAWNY_REDIS_USERNAME"], &["redis", "username"], Text),
        variable(&["TAWNY_REDIS_PASSWORD"], &["redis", "password"], Text),
        variable(&["TAWNY_REDIS_CA_FILE"], &["redis", "ca_file"], Text),
        variable(&["TAWNY_REDIS_PREFIX"], &["redis", "prefix"], Text),
        variable(&["TAWNY_RESP_LISTEN"], &["feeds", "resp", "listen"], Text),
        variable(&["TAWNY_RESP_PASSWORD"], &["feeds", "resp", "password"], Text),
        variable(&["REDIS_HOST"], &["redis", "host"], Text),
        variable(&["REDIS_PORT"], &["redis", "port"], Port),
        variable(&["CHOUETTE_STORAGE_TYPE"], &[], Storage),
        variable(
            &["HOST_COLLECT_METRICS", "HOST_COLLECTOR_METRICS"],
            &["collectors", "host", "groups"],
            List,
        ),
        variable(
            &["TEGRASTATS_METRICS"],
            &["collectors", "tegrastats", "metrics"],
            List,
        ),
        variable(&["TEGRASTATS_PATH"], &["collectors", "tegrastats", "path"], Text),
        variable(
            &["K8S_STATS_SERVICE_IP"],
            &["collectors", "k8s", "stats_service_ip"],
            Text,
        ),
        variable(
            &["K8S_STATS_SERVICE_PORT"],
            &["collectors", "k8s", "stats_service_port"],
            Port,
        ),
        variable(&["K8S_CERT_PATH"], &["collectors", "k8s", "cert_path"], Text),
        variable(&["K8S_KEY_PATH"], &["collectors", "k8s", "key_path"], Text),
        variable(&["K8S_METRICS"], &["collectors", "k8s", "metrics"], Map),
        variable(&["K8S_CA_PATH"], &["collectors", "k8s", "ca_path"], Text),
        variable(&["K8S_SERVER_NAME"], &["collectors", "k8s", "server_name"], Text),
        variable(
            &["K8S_INSECURE_SKIP_VERIFY"],
            &["collectors", "k8s", "insecure_skip_verify"],
            Boolean,
        ),
        variable(&["K8S_NODE_NAME"], &["collectors", "k8s", "node_name"], Text),
        variable(
            &["TAWNY_DRAMATIQ_REDIS_URL"],
            &["collectors", "dramatiq", "redis_url"],
            Text,
        ),
        variable(
            &["TAWNY_DRAMATIQ_RABBITMQ_URL"],
            &["collectors", "dramatiq", "rabbitmq_url"],
            Text,
        ),
        variable(
            &["DOCKER_SOCKET_PATH", "DOCKER_HOST"],
            &["docker", "endpoint"],
            Engine,
        ),
        // Read with the engine; here so that they are known.
        variable(&["DOCKER_TLS_VERIFY"], &[], Text),
        variable(&["DOCKER_CERT_PATH"], &[], Text),
        variable(
            &["METRICS_COLLECTION_INTERVAL"],
            &["collectors", "docker", "interval"],
            Seconds,
        ),
        variable(
            &["LAST_METRICS_COLLECTED_AT_FILE"],
            &["collectors", "docker", "last_collected_file"],
            Text,
        ),
        variable(
            &["MAX_COLLECTOR_THREADS"],
            &["collectors", "docker", "max_concurrent"],
            Whole,
        ),
        variable(
            &["MAX_COLLECTOR_THREADS"],
            &["feeds", "container_logs", "max_concurrent"],
            Whole,
        ),
        variable(
            &["LOGS_COLLECTION_INTERVAL"],
            &["feeds", "container_logs", "interval"],
            Seconds,
        ),
        variable(
            &["LAST_LOGS_COLLECTED_AT_FILE"],
            &["feeds", "container_logs", "last_collected_file"],
            Text,
        ),
        variable(
            &["DEFAULT_LOGS_SINCE_NOW"],
            &["feeds", "container_logs", "since_at_first"],
            Seconds,
        ),
        variable(&["LOGS_DIR"], &["feeds", "container_logs", "directory"], Text),
        variable(
            &["LOGS_CONTAINER_MAX_FILES"],
            &["feeds", "container_logs", "max_files"],
            Whole,
        ),
        variable(
            &["LOGS_CONTAINER_MAX_FILE_SIZE"],
            &["feeds", "container_logs", "max_file_size"],
            Bytes,
        ),
        variable(
            &["LOG_LEVELS_MAPPING_PATH"],
            &["feeds", "container_logs", "mapping_file"],
            Text,
        ),
        variable(&["HOST_PROC"], &["roots", "proc"], Text),
        variable(&["HOST_SYS"], &["roots", "sys"], Text),
        variable(&["HOST_ROOT"], &["roots", "root"], Text),
        // Read where the file is chosen; here so that it is known.
        variable(&["TAWNY_CONFIG"], &[], Text),
        // The tests' own.
        variable(&["TAWNY_REQUIRE"], &[], Text),
    ]
};

/// A value that a variable sets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setting {
    pub(super) path: &'static [&'static str],
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// Reads every variable that is set.
pub(super) fn read(environment: &Environment, problems: &mut Problems) -> Vec<Setting> {
    let mut settings = Vec::new();
    for variable in &VARIABLES {
        let Some((name, text)) = first(variable.names, environment) else {
            continue;
        };
        match variable.reads.read(text) {
            Ok(value) if variable.path.is_empty() || value.is_null() => {}
            Ok(value) => settings.push(Setting {
                path: variable.path,
                value,
                origin: Origin::Variable(name.to_string()),
            }),
            Err(expected) => problems.add(name, expected),
        }
    }
    settings
}

/// The list of collectors and the variable that gives it.
pub(super) fn plugins(environment: &Environment, problems: &mut Problems) -> Option<(String, Vec<String>)> {
    let (name, text) = first(&PLUGINS, environment)?;
    match serde_json::from_str(text) {
        Ok(list) => Some((name.to_string(), list)),
        Err(_) => {
            problems.add(name, "expected a JSON list of names such as `[\"host\"]`");
            Some((name.to_string(), Vec::new()))
        }
    }
}

fn first<'a>(names: &[&str], environment: &'a Environment) -> Option<(&'a str, &'a str)> {
    names.iter().find_map(|name| environment.any_case(name))
}

/// What is odd about the environment, and stops nothing: variables of ours that do not exist, and two spellings that
/// do not agree.
pub(super) fn warnings(environment: &Environment) -> Vec<Problem> {
    let mut found = Problems::default();
    let pairs = VARIABLES
        .iter()
        .map(|variable| variable.names)
        .chain([&PLUGINS[..]]);
    for names in pairs {
        let mut set = names.iter().filter_map(|name| environment.any_case(name));
        if let (Some((first, one)), Some((second, other))) = (set.next(), set.next())
            && socket(one) != socket(other)
        {
            found.add(
                second,
                format!("has no effect, because {first} is set to something else"),
            );
        }
    }
    let known = || VARIABLES.iter().flat_map(|variable| variable.names).copied();
    for name in environment.names() {
        let capitals = name.to_ascii_uppercase();
        // Kubernetes and Docker links describe a service called `tawny` under such names.
        let injected = capitals.starts_with("TAWNY_SERVICE_") || capitals.starts_with("TAWNY_PORT");
        if capitals.starts_with("TAWNY_") && !injected && !known().any(|known| known == capitals) {
            let message = "no such variable; it has no effect";
            match did_you_mean(&capitals, known().filter(|known| known.starts_with("TAWNY_"))) {
                Some(hint) => found.add_with_hint(name, message, hint),
                None => found.add(name, message),
            }
        }
    }
    found.iter().cloned().collect()
}

impl Reads {
    /// The value that the text means in the settings, or what was expected.
    fn read(self, text: &str) -> Result<Value, String> {
        let trimmed = text.trim();
        match self {
            Self::Text => Ok(text.into()),
            // The unit is checked where the setting is read.
            Self::Seconds => Ok(match trimmed.parse::<f64>() {
                Ok(seconds) if seconds.is_finite() && seconds.fract() == 0.0 => format!("{seconds}s").into(),
                Ok(seconds) if seconds.is_finite() => format!("{}ms", (seconds * 1000.0).round()).into(),
                _ => trimmed.into(),
            }),
            Self::Whole => match trimmed.parse::<u64>() {
                Ok(number) => Ok(number.into()),
                Err(_) => Err(format!("expected a whole number, found `{text}`")),
            },
            Self::Port => {
                let port = match trimmed.strip_prefix("tcp://") {
                    Some(address) => address.rsplit(':').next().unwrap_or(address),
                    None => trimmed,
                };
                match port.parse::<u16>() {
                    Ok(number) => Ok(number.into()),
                    Err(_) => Err(format!("expected a port from 1 to 65535, found `{text}`")),
                }
            }
            Self::Bytes => match trimmed.parse::<u64>() {
                Ok(number) => Ok(format!("{number}B").into()),
                Err(_) => Err(format!("expected a number of bytes, found `{text}`")),
            },
            Self::Listen if trimmed.starts_with("tcp://") => Ok(Value::Null),
            Self::Listen => match trimmed.parse::<u16>() {
                Ok(port) => Ok(format!("0.0.0.0:{port}").into()),
                Err(_) => Err(format!("expected a port from 1 to 65535, found `{text}`")),
            },
            Self::Engine => Ok(socket(trimmed).into()),
            Self::Boolean => match trimmed.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" | "y" | "t" => Ok(true.into()),
                "false" | "0" | "no" | "off" | "n" | "f" => Ok(false.into()),
                _ => Err(format!("expected `true` or `false`, found `{text}`")),
            },
            Self::List => match serde_json::from_str(trimmed) {
                Ok(list @ Value::Array(_)) => Ok(list),
                _ => Err(format!(
                    "expected a JSON list such as `[\"a\", \"b\"]`, found `{text}`"
                )),
            },
            Self::Map => match serde_json::from_str(trimmed) {
                Ok(map @ Value::Object(_)) => Ok(map),
                _ => Err(format!(
                    "expected a JSON map such as `{{\"a\": [\"b\"]}}`, found `{text}`"
                )),
            },
            Self::Storage if trimmed.eq_ignore_ascii_case("redis") => Ok(Value::Null),
            Self::Storage => Err(format!(
                "expected `redis`, the only storage there is, found `{text}`"
            )),
        }
    }
}

/// The endpoint of a socket that is named by its path alone; anything else as it is.
fn socket(text: &str) -> String {
    match text.starts_with('/') {
        true => format!("unix://{text}"),
        false => text.to_string(),
    }
}
