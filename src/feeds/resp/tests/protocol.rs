use super::*;

async fn feed(settings: Value) -> (tempfile::TempDir, Arc<Fake>, Running) {
    let folder = tempfile::tempdir().unwrap();
    let into = Fake::new(NOW);
    let running = Running::start(folder.path(), settings, &into).await;
    (folder, into, running)
}

#[tokio::test]
async fn every_command_has_the_answer_that_redis_gives() {
    let (_folder, _, feed) = feed(json!({})).await;
    let mut client = feed.connect().await;
    for (words, answer) in [
        (&["ping"][..], "+PONG\r\n"),
        (&["PING", "a b"], "$3\r\na b\r\n"),
        (
            &["PING", "a", "b"],
            "-ERR wrong number of arguments for 'ping' command\r\n",
        ),
        (&["ECHO", "x"], "$1\r\nx\r\n"),
        (&["SELECT", "0"], "+OK\r\n"),
        (&["SELECT", "1"], "-ERR DB index is out of range\r\n"),
        (&["SELECT", "x"], "-ERR invalid DB index\r\n"),
        (&["CLIENT", "SETINFO", "LIB-NAME", "redis-py"], "+OK\r\n"),
        (&["CLIENT", "GETNAME"], "$-1\r\n"),
        (&["CLIENT", "SETNAME", "me"], "+OK\r\n"),
        (&["CLIENT", "GETNAME"], "$2\r\nme\r\n"),
        (&["CLIENT", "ID"], ":1\r\n"),
        (
            &["CLIENT", "MAINT_NOTIFICATIONS", "ON"],
            "-ERR unknown subcommand or wrong number of arguments for 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n",
        ),
        (&["COMMAND", "DOCS"], "*0\r\n"),
        (&["WATCH", "x"], "+OK\r\n"),
        (&["UNWATCH"], "+OK\r\n"),
        (&["EXEC"], "-ERR EXEC without MULTI\r\n"),
        (&["DISCARD"], "-ERR DISCARD without MULTI\r\n"),
        (
            &["get", "a\r\nb"],
            "-ERR unknown command 'get', with args beginning with: 'a\\r\\nb' \r\n",
        ),
        (
            &["ZADD", KEYS, "1"],
            "-ERR wrong number of arguments for 'zadd' command\r\n",
        ),
        (&["ZADD", KEYS, "x", "k"], "-ERR value is not a valid float\r\n"),
        (&["ZADD", KEYS, "nan", "k"], "-ERR value is not a valid float\r\n"),
        (&["ZADD", KEYS, "1", "k", "2"], "-ERR syntax error\r\n"),
        (
            &["ZADD", KEYS, "NX", "1", "k"],
            "-ERR syntax error: options of ZADD are not supported here\r\n",
        ),
        (
            &["ZADD", VALUES, "1", "k"],
            "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        ),
        (
            &["HSET", KEYS, "k", "v"],
            "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        ),
        (
            &["HSET", VALUES, "k", "v", "l"],
            "-ERR wrong number of arguments for 'hset' command\r\n",
        ),
        (
            &["HSET", "chouette:metrics:wrapped.values", "k", "v"],
            "-NOPERM only chouette:metrics:raw and chouette:logs:wrapped are here, each with .keys and .values\r\n",
        ),
        (&["AUTH", "default", "x"], "+OK\r\n"),
        (&["HELLO", "4"], "-NOPROTO unsupported protocol version\r\n"),
        (
            &["HELLO", "2"],
            "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n5.0.0\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:1\r\n\
             $4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n",
        ),
        (
            &["HELLO", "3", "SETNAME", "you"],
            "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n5.0.0\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n\
             $4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n",
        ),
        (&["CLIENT", "GETNAME"], "$3\r\nyou\r\n"),
    ] {
        client.ask(words, answer).await;
    }
    client.send(command(&["INFO"])).await;
    client.expect("=").await;
    let mut other = feed.connect().await;
    other.send(b"PING\r\n\r\nECHO hi\r\n").await;
    other.expect("+PONG\r\n$2\r\nhi\r\n").await;
    other.send(command(&["QUIT"])).await;
    other.expect_end("+OK\r\n").await;
    feed.stop().await;
}

#[tokio::test]
async fn a_transaction_with_an_error_is_given_up_whole() {
    let (_folder, into, feed) = feed(json!({})).await;
    let mut client = feed.connect().await;
    client.ask(&["MULTI"], "+OK\r\n").await;
    client
        .ask(&["MULTI"], "-ERR MULTI calls can not be nested\r\n")
        .await;
    client
        .ask(&["WATCH", "x"], "-ERR WATCH inside MULTI is not allowed\r\n")
        .await;
    client.ask(&["ZADD", KEYS, "1", "k"], "+QUEUED\r\n").await;
    client
        .ask(&["HSET", VALUES, "k", &count("a", 1.0, NOW)], "+QUEUED\r\n")
        .await;
    client
        .ask(
            &["GET", "k"],
            "-ERR unknown command 'get', with args beginning with: 'k' \r\n",
        )
        .await;
    let aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    client.ask(&["EXEC"], aborted).await;
    client.ask(&["MULTI"], "+OK\r\n").await;
    client.ask(&["ZADD", KEYS, "1", "k"], "+QUEUED\r\n").await;
    client.ask(&["DISCARD"], "+OK\r\n").await;
    // An error of a command that could be queued is that command's alone.
    client.ask(&["MULTI"], "+OK\r\n").await;
    client.ask(&["PING"], "+QUEUED\r\n").await;
    client.ask(&["ZADD", KEYS, "x", "k"], "+QUEUED\r\n").await;
    client
        .ask(&["HSET", VALUES, "k", &count("b", 2.0, NOW)], "+QUEUED\r\n")
        .await;
    client.ask(&["ZADD", KEYS, "1", "k"], "+QUEUED\r\n").await;
    client
        .ask(
            &["EXEC"],
            "*4\r\n+PONG\r\n-ERR value is not a valid float\r\n:1\r\n:1\r\n",
        )
        .await;
    client.ask(&["MULTI"], "+OK\r\n").await;
    client.ask(&["EXEC"], "*0\r\n").await;
    // Beyond the bound it is given up, and holds nothing.
    client.ask(&["MULTI"], "+OK\r\n").await;
    let large = "x".repeat(1 << 20);
    for _ in 0..7 {
        client.ask(&["HSET", VALUES, "k", &large], "+QUEUED\r\n").await;
    }
    client
        .ask(
            &["HSET", VALUES, "k", &large],
            "-OOM too much in one transaction; execute it in smaller ones\r\n",
        )
        .await;
    client.ask(&["PING"], "+QUEUED\r\n").await;
    client.ask(&["EXEC"], aborted).await;
    feed.stop().await;
    assert_eq!(into.journal().sums, [("b".to_string(), 2.0)].into());
}

#[tokio::test]
async fn pieces_of_any_size_and_pipelines_are_the_same() {
    let (_folder, into, feed) = feed(json!({})).await;
    let mut client = feed.connect().await;
    let sent = stored("k0", NOW, &count("a", 1.0, NOW));
    for at in 1..sent.len() {
        let sent = stored(&format!("k{at}"), NOW, &count("a", 1.0, NOW));
        client.send(&sent[..at]).await;
        client.send(&sent[at..]).await;
        client.expect(STORED).await;
    }
    let cut = sent.len() - 1;
    let mut all = Vec::new();
    for index in 0..5_000 {
        all.extend(stored(&format!("p{index}"), NOW, &count("a", 1.0, NOW)));
    }
    // The answers are more than fit into sockets' buffers: both ways must go on at once.
    let (mut read, mut write) = client.0.into_split();
    let writing = tokio::spawn(async move {
        write.write_all(&all).await.unwrap();
        write
    });
    let mut answers = vec![0; STORED.len() * 5_000];
    timeout(Duration::from_secs(20), read.read_exact(&mut answers))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answers, STORED.repeat(5_000).into_bytes());
    writing.await.unwrap();
    feed.stop().await;
    assert_eq!(
        into.journal().sums,
        [("a".to_string(), 5_000.0 + cut as f64)].into()
    );
}

#[tokio::test]
async fn what_speaks_http_is_closed_before_its_body() {
    let (_folder, into, feed) = feed(json!({})).await;
    for head in [
        "POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /x HTTP/1.1\r\n",
        "Host: x\r\n",
        "HEAD /",
    ] {
        let mut client = feed.connect().await;
        client
            .send([head.as_bytes(), &stored("k", NOW, &count("a", 1.0, NOW))].concat())
            .await;
        client.expect_end("").await;
    }
    let mut client = feed.connect().await;
    client.send(b"*1\r\n+PING\r\n").await;
    client
        .expect_end("-ERR Protocol error: expected '$', got '+'\r\n")
        .await;
    let mut client = feed.connect().await;
    client.send(b"PING\r\n*2\r\n$4\r\nECHO\r\n$10485760\r\n").await;
    client
        .expect_end("+PONG\r\n-ERR Protocol error: invalid bulk length\r\n")
        .await;
    feed.stop().await;
    let journal = into.journal();
    assert_eq!(journal.sums, [].into());
    assert_eq!(
        journal.facts.refused,
        [("http", 4), ("protocol", 1), ("too_large", 1)].into()
    );
}

#[tokio::test]
async fn a_password_is_asked_of_everybody() {
    let (_folder, into, feed) = feed(json!({"password": "hunter2", "username": "app"})).await;
    let mut client = feed.connect().await;
    let noauth = "-NOAUTH Authentication required.\r\n";
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    client.ask(&["PING"], noauth).await;
    client.ask(&["MULTI"], noauth).await;
    client.ask(&["AUTH", "hunter"], wrong).await;
    client.ask(&["AUTH", "nobody", "hunter2"], wrong).await;
    client.ask(&["HELLO", "3", "AUTH", "app", "x"], wrong).await;
    client.ask(&["AUTH", "hunter2"], "+OK\r\n").await;
    client.ask(&["PING"], "+PONG\r\n").await;
    let mut client = feed.connect().await;
    client
        .send(command(&["HELLO", "3", "AUTH", "app", "hunter2"]))
        .await;
    client.expect("%7\r\n").await;
    // Before it is known, a client may send little.
    let mut client = feed.connect().await;
    client.send(b"*11\r\n").await;
    client
        .expect_end("-ERR Protocol error: invalid multibulk length\r\n")
        .await;
    let mut client = feed.connect().await;
    for _ in 0..9 {
        client.ask(&["AUTH", "x"], wrong).await;
    }
    client.send(command(&["AUTH", "x"])).await;
    client.expect_end(wrong).await;
    feed.stop().await;
    assert_eq!(
        into.journal().facts.refused,
        [("auth", 1), ("protocol", 1)].into()
    );
}

#[tokio::test]
async fn connections_are_bounded_in_number_bytes_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let into = Fake::new(NOW);
    let feed = Running::within(folder.path(), json!({"max_connections": 2}), &into, |bounds| {
        bounds.command = Duration::from_millis(300);
        bounds.held = 1 << 20;
    })
    .await;
    let mut one = feed.connect().await;
    one.ask(&["PING"], "+PONG\r\n").await;
    let mut slow = feed.connect().await;
    slow.ask(&["PING"], "+PONG\r\n").await;
    feed.connect()
        .await
        .expect_end("-ERR max number of clients reached\r\n")
        .await;
    slow.send(b"*1\r\n$4\r\nPI").await;
    slow.expect_end("").await;
    into.wait(|journal| journal.facts.connections == 1).await;
    let mut large = feed.connect().await;
    large
        .send(format!(
            "*3\r\n$4\r\nECHO\r\n$1000000\r\n{}\r\n$999999\r\n",
            "x".repeat(1_000_000)
        ))
        .await;
    large.send("x".repeat(200_000)).await;
    large
        .expect_end("-ERR the agent holds too many half-sent commands\r\n")
        .await;
    one.ask(&["PING"], "+PONG\r\n").await;
    feed.stop().await;
    let facts = into.journal().facts;
    assert_eq!(
        facts.refused,
        [("connections", 1), ("slow", 1), ("too_large", 1)].into()
    );
    assert_eq!(facts.connections, 0);
}

#[tokio::test]
async fn only_this_machine_and_the_networks_are_let_in() {
    use crate::feeds::resp::access::Access;
    use crate::feeds::resp::network::Network;
    let networks = vec![Network::parse("10.0.0.0/8").unwrap()];
    let access = Access::new(None, String::new(), networks, "chouette".to_string());
    for (address, is_let_in) in [
        ("127.0.0.1", true),
        ("::1", true),
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("192.168.0.1", false),
        ("fe80::1", false),
    ] {
        assert_eq!(access.lets_in(address.parse().unwrap()), is_let_in, "{address}");
    }
}
