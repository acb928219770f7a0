//! How one connection to a Redis is made: name, TLS, login, database, and the question whether it serves.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo,
    Pipeline, RedisConnectionInfo, RedisError, RedisFuture, TlsCertificates, Value, cmd,
};
use tokio::time::timeout;

use crate::support::redis::failure::{self, without};
use crate::support::redis::target::{Node, Target, TargetKind};
use crate::support::secret::Secret;
use crate::support::trust;

/// How long connecting to one server may take, login included.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may take.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// When an idle connection is asked whether it is still there; then every [`PROBE_EVERY`].
const PROBE_AFTER: Duration = Duration::from_secs(30);
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// A connection to a server or to a cluster. Clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(server) => server.req_packed_command(command),
            Self::Cluster(cluster) => cluster.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(server) => server.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(server) => server.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}

/// Makes a connection to where the target leads now, and makes sure that it serves. Tells where that is.
///
/// # Errors
/// What happened and what to do, without secrets.
pub(super) async fn connect(target: &Target) -> Result<(Connection, String), String> {
    let login = Login::read(&target.username, &target.password, target.database)?;
    let trust = Trust::read(target).await?;
    match &target.kind {
        TargetKind::Unix { path } => {
            let server = server(ConnectionAddr::Unix(path.clone()), &login, &trust).await?;
            Ok((Connection::Server(server), target.to_string()))
        }
        TargetKind::Cluster => {
            let cluster = cluster(target, &login, &trust).await?;
            Ok((Connection::Cluster(cluster), target.to_string()))
        }
        TargetKind::Single => {
            let mut last = "it has no address".to_string();
            for (host, port) in &target.nodes {
                match server(trust.address(host, *port), &login, &trust).await {
                    Ok(server) => return Ok((Connection::Server(server), target.to_string())),
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
        TargetKind::Sentinel {
            master,
            username,
            password,
        } => {
            let ours = Login::read(username, password, 0)?;
            let mut last = "no Sentinel is named".to_string();
            for (host, port) in &target.nodes {
                match through(trust.address(host, *port), master, &ours, &login, &trust).await {
                    Ok((server, place)) => return Ok((Connection::Server(server), place)),
                    Err(error) => last = format!("Sentinel {}: {error}", Node(host, *port)),
                }
            }
            Err(last)
        }
    }
}

/// Asks one Sentinel for the master, and connects to it.
async fn through(
    sentinel: ConnectionAddr,
    master: &str,
    ours: &Login,
    login: &Login,
    trust: &Trust,
) -> Result<(MultiplexedConnection, String), String> {
    let mut sentinel = server(sentinel, ours, trust).await?;
    let question = cmd("SENTINEL")
        .arg("get-master-addr-by-name")
        .arg(master)
        .to_owned();
    let found: Option<(String, u16)> = ask(&mut sentinel, &question, ours).await?;
    let Some((host, port)) = found else {
        return Err(format!(
            "it knows no master `{master}`; look at the name in `redis.sentinel`"
        ));
    };
    let named = |error: String| format!("master {}: {error}", Node(&host, port));
    let mut server = server(trust.address(&host, port), login, trust)
        .await
        .map_err(named)?;
    // A Sentinel that has not heard of the failover yet names the old master, which may be a replica by now.
    let role: Vec<Value> = ask(&mut server, &cmd("ROLE"), login).await.map_err(named)?;
    match role.first().map(String::from_redis_value_ref) {
        Some(Ok(role)) if role == "master" => Ok((server, Node(&host, port).to_string())),
        Some(Ok(role)) => Err(named(format!("it is a {role} now"))),
        _ => Err(named("it does not say what it is".to_string())),
    }
}

/// Connects to one server, logs in, selects the database and asks whether it serves.
async fn server(
    address: ConnectionAddr,
    login: &Login,
    trust: &Trust,
) -> Result<MultiplexedConnection, String> {
    let connecting = async {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let client = trust.client(address).map_err(|error| told(&error, login))?;
        let mut server = client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| told(&error, login))?;
        // The library logs in by itself, too, but keeps the server's words of a refusal to itself.
        if let Some(authentication) = login.command() {
            let _: Value = ask(&mut server, &authentication, login).await?;
        }
        if login.database != 0 {
            let _: Value = ask(&mut server, cmd("SELECT").arg(login.database), login).await?;
        }
        // A stopped process and a loading one accept connections as well.
        match cmd("PING").query_async::<Value>(&mut server).await {
            Err(error) if failure::read(&error, 1).code != "NOPERM" => Err(told(&error, login)),
            _ => Ok(server),
        }
    };
    timeout(CONNECT, connecting)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", CONNECT.as_secs())))
}

/// Connects to a cluster by some of its nodes. What it sends is never sent twice: whether that may be is for the caller
/// to know.
async fn cluster(target: &Target, login: &Login, trust: &Trust) -> Result<ClusterConnection, String> {
    let connecting = async {
        let mut nodes = Vec::new();
        for (host, port) in &target.nodes {
            nodes.push(information(trust.address(host, *port))?);
        }
        let mut builder = ClusterClientBuilder::new(nodes)
            .retries(0)
            .connection_timeout(CONNECT)
            .response_timeout(ANSWER)
            .overall_response_timeout(Some(ANSWER))
            .tcp_settings(settings());
        if let Some(certificates) = &trust.certificates {
            builder = builder.certs(certificates.clone());
        }
        if !login.username.is_empty() {
            builder = builder.username(&login.username);
        }
        if !login.password.is_empty() {
            builder = builder.password(&*login.password);
        }
        let mut cluster = builder.build()?.get_async_connection().await?;
        cmd("PING").query_async::<Value>(&mut cluster).await?;
        Ok(cluster)
    };
    match timeout(2 * CONNECT, connecting).await {
        Ok(connected) => connected.map_err(|error: RedisError| told(&error, login)),
        Err(_) => Err(format!("no answer within {} s", 2 * CONNECT.as_secs())),
    }
}

async fn ask<T: FromRedisValue>(
    server: &mut MultiplexedConnection,
    command: &Cmd,
    login: &Login,
) -> Result<T, String> {
    let answer = command.query_async(server).await;
    answer.map_err(|error| told(&error, login))
}

fn told(error: &RedisError, login: &Login) -> String {
    without(&failure::read(error, 1).reason, &login.password)
}

fn information(address: ConnectionAddr) -> Result<ConnectionInfo, RedisError> {
    // Redis 5 does not know the library's way to say its name.
    let login = RedisConnectionInfo::default().set_skip_set_lib_name();
    let information = address.into_connection_info()?;
    Ok(information.set_redis_settings(login).set_tcp_settings(settings()))
}

fn settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_EVERY);
    TcpSettings::default().set_keepalive(keepalive).set_nodelay(true)
}

/// Who logs in, with the password as it is now.
struct Login {
    username: String,
    password: std::sync::Arc<str>,
    database: u16,
}

impl Login {
    fn read(username: &str, password: &Secret, database: u16) -> Result<Self, String> {
        Ok(Self {
            username: username.to_string(),
            password: password.expose().map_err(|error| error.to_string())?,
            database,
        })
    }

    /// `AUTH`, where there is something to say.
    fn command(&self) -> Option<Cmd> {
        let mut command = cmd("AUTH");
        match (&*self.username, &*self.password) {
            ("", "") => return None,
            ("", password) => command.arg(password),
            (username, password) => command.arg(username).arg(password),
        };
        Some(command)
    }
}

/// The certificates to trust; none without TLS.
struct Trust {
    certificates: Option<TlsCertificates>,
}

impl Trust {
    async fn read(target: &Target) -> Result<Self, String> {
        if !target.tls {
            return Ok(Self { certificates: None });
        }
        let file = target.ca_file.clone();
        let read = tokio::task::spawn_blocking(move || trust::pem(file.as_deref())).await;
        let root_cert = match read {
            Ok(pem) => Some(pem.map_err(|error| error.to_string())?),
            Err(_) => return Err("reading the certificates was broken off".to_string()),
        };
        let certificates = Some(TlsCertificates {
            client_tls: None,
            root_cert,
        });
        Ok(Self { certificates })
    }

    fn address(&self, host: &str, port: u16) -> ConnectionAddr {
        let host = host.to_string();
        match self.certificates {
            None => ConnectionAddr::Tcp(host, port),
            Some(_) => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            },
        }
    }

    fn client(&self, address: ConnectionAddr) -> Result<Client, RedisError> {
        match &self.certificates {
            None => Client::open(information(address)?),
            Some(certificates) => Client::build_with_tls(information(address)?, certificates.clone()),
        }
    }
}
