//! The client against a running server.

mod support;

use std::collections::BTreeMap;
use std::fmt::Debug;

use clients::registry::{Client, Error, types};
use clients::{decode, digest, encode, key};
use serde_json::{Value, json};
use support::{connect, namespace, read_json, request};

async fn store(
    client: &Client,
    space: &types::NamespaceName,
    name: &str,
    value: Value,
) -> types::SetEntryResult {
    client
        .set_entry(space, None, None, &request(name, &value))
        .await
        .expect(name)
        .into_inner()
}

async fn fetch(client: &Client, space: &types::NamespaceName, name: &str) -> types::EntryAnswer {
    client
        .get_entry(space, &name.parse().expect("a key"), None, None, None)
        .await
        .expect(name)
        .into_inner()
}

/// The problem document that the server answered.
fn problem<T: Debug>(answer: Result<T, Error<types::Problem>>) -> types::Problem {
    match answer {
        Err(Error::ErrorResponse(response)) => response.into_inner(),
        other => panic!("no problem document: {other:?}"),
    }
}

fn quoted<T: std::str::FromStr<Err: Debug>>(etag: &str) -> T {
    format!("\"{etag}\"").parse().expect("an ETag")
}

#[tokio::test]
async fn sets_and_gets() {
    let (client, space) = (connect(), namespace("sets"));
    let written = store(&client, &space, "lr", json!(0.001)).await;
    let read = fetch(&client, &space, "lr").await;

    assert_eq!(decode::<f64>(&read.value).unwrap(), 0.001);
    assert_eq!(*read.digest, digest(&encode(&0.001)));
    assert_eq!(*read.etag, *written.etag);
}

#[tokio::test]
async fn keys_travel_as_they_are() {
    let (client, space) = (connect(), namespace("keys"));
    let long = "k".repeat(1024);
    for name in [
        ".", "..", "a/b", "%2F", "a+b c", "?&=#", "\0", "🚀", "e\u{301}", "é", &long,
    ] {
        assert_eq!(store(&client, &space, name, json!(name)).await.key, name);
        assert_eq!(
            decode::<String>(&fetch(&client, &space, name).await.value).unwrap(),
            name
        );
    }
}

#[tokio::test]
async fn creates_once() {
    let (client, space) = (connect(), namespace("creates"));
    let mut requests = ["mine", "theirs"].map(|identity| request("best", &identity));
    for (body, identity) in requests.iter_mut().zip(["mine", "theirs"]) {
        let meta = [("identity".to_owned(), identity.parse().unwrap())];
        body.value.meta = Some(types::Meta(meta.into()));
    }
    let only = Some("*");
    let first = client
        .set_entry(&space, None, only, &requests[0])
        .await
        .unwrap();
    let conflict = problem(client.set_entry(&space, None, only, &requests[1]).await);
    let current = conflict.current.expect("who won");

    assert_eq!(first.outcome, types::Outcome::Created);
    assert_eq!(
        (conflict.status, conflict.code.as_str()),
        (412, "precondition_failed")
    );
    assert_eq!(**current.meta.unwrap().get("identity").unwrap(), "mine");
    assert_eq!(*current.etag, *first.etag);
}

#[tokio::test]
async fn replaces_the_version_it_read() {
    let (client, space) = (connect(), namespace("replaces"));
    let old = quoted(&store(&client, &space, "n", json!(1)).await.etag);
    let replaced = client
        .set_entry(&space, Some(&old), None, &request("n", &2))
        .await
        .unwrap();
    let stale = client
        .set_entry(&space, Some(&old), None, &request("n", &3))
        .await;

    assert_eq!(replaced.outcome, types::Outcome::Replaced);
    assert_eq!(problem(stale).status, 412);
}

#[tokio::test]
async fn is_told_that_nothing_changed() {
    let (client, space) = (connect(), namespace("same"));
    let etag: String = quoted(&store(&client, &space, "n", json!(1)).await.etag);

    // Progenitor has no place for a 304, which is neither a success nor an error: it hands the response over.
    match client
        .get_entry(&space, &"n".parse().unwrap(), None, None, Some(etag.as_str()))
        .await
    {
        Err(Error::UnexpectedResponse(response)) => assert_eq!(response.status(), 304),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn pages() {
    let (client, space) = (connect(), namespace("pages"));
    let wanted: Vec<_> = (1..=7).rev().map(|n| format!("key {n}")).collect();
    for name in &wanted {
        store(&client, &space, name, json!(null)).await;
    }
    let (mut found, mut page, mut pages) = (Vec::new(), None, 0);
    loop {
        let answer = client
            .list_keys(&space, Some(3.try_into().unwrap()), page.as_ref(), None)
            .await
            .unwrap();
        let answer = answer.into_inner();
        found.extend(answer.keys);
        pages += 1;
        let Some(next) = answer.next else { break };
        page = Some(next.parse().unwrap());
    }

    assert_eq!(found, wanted);
    assert_eq!(pages, 3);
}

#[tokio::test]
async fn watches() {
    let (client, space) = (connect(), namespace("watches"));
    let start = client
        .watch_namespace(&space, None, None, None)
        .await
        .unwrap();
    let since = start.cursor.parse().unwrap();
    let (answer, written) = tokio::join!(
        client.watch_namespace(&space, None, Some(&since), Some(55)),
        store(&client, &space, "news", json!("good")),
    );
    let answer = answer.unwrap();

    assert_eq!(answer.changes.len(), 1);
    assert_eq!(answer.changes[0].op, types::ChangeOp::Set);
    assert_eq!(answer.changes[0].key.as_deref(), Some("news"));
    assert_eq!(*answer.cursor, *written.cursor);
}

#[tokio::test]
async fn is_told_that_a_watch_has_to_start_anew() {
    let since = "0123456789abcdef0123456789abcdef.1".parse().unwrap();
    let gone = problem(
        connect()
            .watch_namespace(&namespace("anew"), None, Some(&since), None)
            .await,
    );

    assert_eq!((gone.status, gone.code.as_str()), (410, "epoch_changed"));
}

#[tokio::test]
async fn batches() {
    let (client, space) = (connect(), namespace("batches"));
    let entry = |name, value: i64, expect: Option<&str>| types::BatchSetEntry {
        key: key(name),
        value: encode(&value),
        expect: expect.map(|text| text.parse().unwrap()),
    };
    let mut body = types::BatchSetRequest {
        entries: vec![entry("a", 1, None), entry("b", 2, Some("absent"))],
        atomic: false,
    };
    let first = client.batch_set(&space, &body).await.unwrap();
    let second = client.batch_set(&space, &body).await.unwrap();
    body.atomic = true;
    let whole = problem(client.batch_set(&space, &body).await);

    assert_eq!(first.status, types::BatchSetResultStatus::Success);
    assert_eq!(
        second.outcomes[0].outcome,
        types::BatchSetOutcomeOutcome::Unchanged
    );
    assert_eq!(
        second.outcomes[1].outcome,
        types::BatchSetOutcomeOutcome::Refused
    );
    assert_eq!(whole.status, 412);

    let asked = ["b", "c"].map(|name| types::BatchGetEntry {
        key: key(name),
        unless: None,
    });
    let got = client
        .batch_get(
            &space,
            &types::BatchGetRequest {
                entries: asked.into(),
            },
        )
        .await
        .unwrap();
    assert_eq!(got.outcomes[0].value.as_ref().unwrap().data, "2");
    assert_eq!(
        got.outcomes[1].outcome,
        types::BatchGetOutcomeOutcome::Missing
    );

    let unwanted = ["a", "b"].map(|name| types::BatchDeleteEntry {
        key: key(name),
        expect: None,
    });
    let body = types::BatchDeleteRequest {
        entries: unwanted.into(),
        atomic: false,
    };
    let gone = client.batch_delete(&space, &body).await.unwrap();
    assert!(
        gone.outcomes
            .iter()
            .all(|each| each.outcome == types::BatchDeleteOutcomeOutcome::Deleted)
    );
}

#[tokio::test]
async fn reads_problems() {
    let (client, space) = (connect(), namespace("problems"));
    store(&client, &space, "mse", json!(1)).await;
    let missing = problem(
        client
            .get_entry(&space, &"mes".parse().unwrap(), Some(3), None, None)
            .await,
    );

    assert_eq!(
        (missing.status, missing.code.as_str()),
        (404, "key_not_found")
    );
    assert_eq!(missing.suggestions, ["mse"]);
    assert!(
        "a..b".parse::<types::NamespaceName>().is_err(),
        "the type knows the pattern; no request is sent"
    );
}

/// The values that are written in one language and read in the others.
fn exchanged() -> BTreeMap<String, Value> {
    let mut file: BTreeMap<String, Value> = read_json("../exchange.json");
    serde_json::from_value(file.remove("values").unwrap()).unwrap()
}

#[tokio::test]
async fn reads_what_python_wrote() {
    let client = connect();
    for (name, value) in exchanged() {
        let read = fetch(&client, &"clients.python".parse().unwrap(), &name).await;
        assert_eq!(decode::<Value>(&read.value).unwrap(), value, "{name}");
    }
}

/// What it wrote is read by Python when all tests are through.
#[tokio::test]
async fn writes_for_python() {
    let client = connect();
    for (name, value) in exchanged() {
        store(&client, &"clients.rust".parse().unwrap(), &name, value).await;
    }
}
