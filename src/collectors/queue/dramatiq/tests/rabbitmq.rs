//! The queues that RabbitMQ's management API lists, as a stub tells them.

use serde_json::{Value, json};

use crate::collectors::queue::dramatiq::tests::{built, read};
use crate::component::collector::CollectError;
use crate::support::http::stub::{Reply, Request, Stub};

/// A page with these queues.
fn page(queues: &[(&str, Option<u64>)], pages: u32) -> Reply {
    let item = |(name, messages): &(&str, Option<u64>)| match messages {
        Some(messages) => json!({"name": name, "messages": messages}),
        None => json!({"name": name}),
    };
    let items: Vec<Value> = queues.iter().map(item).collect();
    Reply::json(200, &json!({"items": items, "page_count": pages}).to_string())
}

/// What one reading of this server gives.
async fn asked(
    settings: Value,
    respond: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> (Vec<String>, Result<(), CollectError>, Vec<Request>, String) {
    let stub = Stub::start(respond).await;
    let mut settings = settings;
    let url = settings["rabbitmq_url"].as_str().unwrap_or("http://HOST");
    settings["rabbitmq_url"] = url.replace("HOST", stub.url.trim_start_matches("http://")).into();
    let mut collector = built(settings, None).unwrap();
    let (found, result) = read(&mut collector).await;
    (found, result, stub.requests(), stub.url)
}

fn login(request: &Request) -> String {
    use base64::Engine as _;
    let header = request.header("authorization").unwrap();
    let bytes = base64::prelude::BASE64_STANDARD.decode(header.strip_prefix("Basic ").unwrap());
    String::from_utf8(bytes.unwrap()).unwrap()
}

#[tokio::test]
async fn only_families_of_dramatiq_count_over_all_pages() {
    let (found, result, requests, _) =
        asked(json!({}), |request| match request.target().contains("?page=1&") {
            true => page(
                &[
                    ("celery", Some(9)),
                    ("mail", Some(7)),
                    ("mail.DQ", Some(0)),
                    ("new", None),
                    ("new.DQ", None),
                ],
                2,
            ),
            false => page(
                &[("mail.XQ", Some(2)), ("new.XQ", Some(0)), ("odd.DQ", Some(1))],
                2,
            ),
        })
        .await;
    assert_eq!(result, Ok(()));
    assert_eq!(
        found,
        ["mail ready 7", "mail delayed 0", "mail dead 2", "new dead 0"]
    );
    assert_eq!(requests.len(), 2);
    assert_eq!(
        requests[0].target(),
        "/api/queues/%2F?page=1&page_size=500&sort=name&columns=name%2Cmessages&disable_stats=true&\
         enable_queue_totals=true"
    );
    assert!(requests[0].head.starts_with("GET "), "{}", requests[0].head);
    assert_eq!(login(&requests[0]), "guest:guest");
}

#[tokio::test]
async fn the_url_says_who_asks_and_which_virtual_host() {
    let family = |_: &Request| page(&[("a", Some(1)), ("a.DQ", Some(1)), ("a.XQ", Some(1))], 1);
    let url = "http://me%40home:p%25%40%3Aw@HOST/my%2Fhost/";
    let (.., requests, _) = asked(json!({"rabbitmq_url": url}), family).await;
    assert!(requests[0].target().starts_with("/api/queues/my%2Fhost?page=1&"));
    assert_eq!(login(&requests[0]), "me@home:p%@:w");
    let apart = json!({"rabbitmq_url": url, "rabbitmq_user": "%41:", "rabbitmq_password": "%41/@:"});
    let (.., requests, _) = asked(apart, family).await;
    assert_eq!(login(&requests[0]), "%41::%41/@:");
}

#[tokio::test]
async fn whoever_is_refused_is_told_which_setting_it_is() {
    let settings = json!({"rabbitmq_url": "http://me:hunter2@HOST"});
    let body = r#"{"error":"not_authorised","reason":"Not management user hunter2"}"#;
    let (_, result, _, url) = asked(settings, move |_| Reply::json(401, body)).await;
    assert_eq!(
        result.unwrap_err().to_string(),
        format!(
            "no permission to read {url}/api/queues/%2F: it answers 401: Not management user ********; look at \
             `collectors.dramatiq.rabbitmq_user`, `collectors.dramatiq.rabbitmq_password` or the URL; the user needs \
             the tag `management` and a permission in the virtual host"
        )
    );
}

#[tokio::test]
async fn other_answers_are_told_apart() {
    let told = async |reply: fn() -> Reply| {
        let (found, result, requests, url) = asked(json!({}), move |_| reply()).await;
        assert_eq!((found.len(), requests.len()), (0, 1));
        let error = result.unwrap_err().to_string();
        error.replace(&format!("{url}/api/queues/%2F"), "URL")
    };
    let missing = told(|| Reply::json(404, r#"{"error":"Object Not Found","reason":"Not Found"}"#)).await;
    assert_eq!(
        missing,
        "URL cannot be reached: it answers 404: Not Found; is there such a virtual host, and is this the management \
         API? Look at `collectors.dramatiq.rabbitmq_url`"
    );
    let moved = || Reply::Answer(302, "Location: http://127.0.0.1:1/\r\n".to_string(), Vec::new());
    assert_eq!(told(moved).await, "URL cannot be reached: it answers 302");
    assert_eq!(
        told(|| Reply::json(200, "[]")).await,
        "URL answered what cannot be read: expected a page of queues as JSON, found 2 bytes: invalid length 0, \
         expected struct Page with 2 elements at line 1 column 2"
    );
    assert!(
        told(|| Reply::Half)
            .await
            .starts_with("URL cannot be reached: the connection broke: ")
    );
    assert_eq!(
        told(|| page(&[("celery", Some(1))], 1)).await,
        "dramatiq in URL (none of 1 queues has a `.DQ` and a `.XQ` beside it) has no data"
    );
}

#[tokio::test]
async fn what_was_listed_counts_when_a_page_is_gone_meanwhile() {
    let (found, result, requests, _) =
        asked(json!({}), |request| match request.target().contains("?page=1&") {
            true => page(&[("a", Some(1)), ("a.DQ", Some(2)), ("a.XQ", Some(3))], 2),
            false => Reply::json(
                400,
                r#"{"error":"page_out_of_range","reason":"Page out of range"}"#,
            ),
        })
        .await;
    assert_eq!((found.len(), result, requests.len()), (3, Ok(()), 2));
}

#[tokio::test]
async fn more_pages_than_are_read_are_said() {
    let (found, result, requests, _) = asked(json!({}), |_| {
        page(&[("a", Some(1)), ("a.DQ", Some(2)), ("a.XQ", Some(3))], 101)
    })
    .await;
    assert_eq!((found.len(), requests.len()), (3, 100));
    let told = result.unwrap_err().to_string();
    assert!(told.contains("it lists more than 50000 queues"), "{told}");
}
