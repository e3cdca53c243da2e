//! The client on a page, against a real node.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "tests")]

use emerge_proto::class::{decode, encode};
use emerge_proto::frame::Frame;
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::record::{Called, Fetched, Page};
use emerge_proto::{ClassSource, ClassVersion, ErrorCode, Language, Op, Value};
use emerge_wasm_tests::{Client, raw, token, url};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

fn class() -> ClassSource {
    let text = "class Counter extends EmergeObject { add(n) { this.count += n; return this.count; } }";
    ClassSource::new("Counter", Language::JavaScript, text)
}

fn store(path: &str, count: i64) -> Op {
    Op::Store {
        path: path.into(),
        class: class().hash(),
        fields: Value::Map(vec![("count".into(), Value::Int(count))]).encode(),
        mode: StoreMode::Put,
        base: None,
        removed: None,
        id: None,
    }
}

async fn client_with_class() -> Client {
    let client = Client::open(url(), token()).unwrap();
    let known: ClassVersion = decode(&client.run(Op::PutClass { class: class() }).await.unwrap()).unwrap();
    assert_eq!(known.hash, class().hash());
    client
}

#[wasm_bindgen_test]
async fn an_object_is_stored_fetched_and_called() {
    let client = client_with_class().await;
    client.run(store("/page/counter", 40)).await.unwrap();
    let call = Op::Call {
        path: "/page/counter".into(),
        method: "add".into(),
        args: Value::List(vec![Value::Int(2)]).encode(),
        log: false,
        after: None,
        with: None,
    };
    let called: Called = decode(&client.run(call).await.unwrap()).unwrap();
    assert_eq!(Value::decode(&called.result).unwrap(), Value::Int(42));
    let got =
        client.run(Op::Get { path: "/page/counter".into(), version: None, children: None }).await.unwrap();
    let fetched: Fetched = decode(&got).unwrap();
    assert_eq!(Value::decode(&fetched.state).unwrap(), Value::Map(vec![("count".into(), Value::Int(42))]));
}

#[wasm_bindgen_test]
async fn a_thousand_requests_of_one_turn_are_all_answered() {
    let client = client_with_class().await;
    client.run(store("/page/many", 1)).await.unwrap();
    let asked: Vec<u32> = (0..1000)
        .map(|_| client.ask(&Op::Get { path: "/page/many".into(), version: None, children: None }, None))
        .collect();
    for seq in asked {
        let fetched: Fetched = decode(&client.end(seq).await.unwrap()).unwrap();
        assert_eq!(fetched.stat.name, "many");
    }
}

#[wasm_bindgen_test]
async fn a_listing_comes_as_credit_allows() {
    let client = client_with_class().await;
    for number in 0..5 {
        client.run(store(&format!("/listed/o{number}"), number)).await.unwrap();
    }
    let list = Op::List {
        path: Target::Path("/listed".into()),
        after: None,
        limit: Some(2),
        glob: None,
        sort: None,
        descending: None,
    };
    let seq = client.ask(&list, Some(1));
    client.run(Op::Stat { path: "/listed".into() }).await.unwrap();
    let heard = client.heard(seq);
    assert!(
        heard.items.len() <= 1 && heard.end.is_none(),
        "more came than the credit of one allowed: {heard:?}"
    );
    client.core.credit(seq, 10).unwrap();
    client.end(seq).await.unwrap();
    let pages = client.heard(seq).items;
    let names: Vec<String> = pages
        .iter()
        .flat_map(|page| decode::<Page>(page).unwrap().members)
        .map(|member| member.name)
        .collect();
    assert_eq!(names, ["o0", "o1", "o2", "o3", "o4"]);
}

#[wasm_bindgen_test]
async fn errors_are_typed() {
    let client = client_with_class().await;
    let missing = client
        .run(Op::Get { path: "/page/nothing".into(), version: None, children: None })
        .await
        .unwrap_err();
    assert_eq!((missing.code, missing.path.as_deref()), (ErrorCode::NotFound, Some("/page/nothing")));
    assert_eq!(emerge_wasm::check_path("/a/b/").unwrap(), "/a/b");
    let bad = emerge_wasm::check_path("/a/../b").unwrap_err();
    assert_eq!(decode::<emerge_proto::Error>(&bad.to_vec()).unwrap().code, ErrorCode::BadPath);
    assert_eq!(emerge_wasm::class_hash(&encode(&class())).unwrap().to_vec(), class().hash().0);
    let refused = Client::open("http://localhost", "").err().unwrap();
    assert_eq!(refused.code, ErrorCode::BadArgument);
}

#[wasm_bindgen_test]
async fn a_wrong_token_ends_the_session() {
    let client = Client::open(url(), "wrong").unwrap();
    let error = client.reaches("closed").await;
    assert_eq!(error.map(|error| error.code), Some(ErrorCode::Unauthenticated));
}

#[wasm_bindgen_test]
async fn close_ends_the_session_after_what_was_asked() {
    let client = client_with_class().await;
    let seq = client.ask(&store("/page/last", 1), None);
    wasm_bindgen_futures::JsFuture::from(client.core.close()).await.unwrap();
    client.end(seq).await.unwrap();
    assert_eq!(client.core.state(), "closed");
}

#[wasm_bindgen_test]
async fn what_no_client_sends_is_refused_with_a_reason() {
    for (message, code) in
        [(vec![0xff], ErrorCode::BadFrame), (vec![0x82, 0x18, 0x63, 0x80], ErrorCode::UnknownFrame)]
    {
        let heard = raw(&[message]).await;
        assert!(matches!(&heard[..], [Frame::Close { error }] if error.code == code), "{heard:?}");
    }
}
