//! The client in a dedicated worker, against a real node.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "tests")]

use emerge_proto::class::decode;
use emerge_proto::record::Stat;
use emerge_proto::{ObjectType, Op};
use emerge_wasm_tests::{Client, token, url};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
async fn a_worker_has_a_session_of_its_own() {
    let client = Client::open(url(), token()).unwrap();
    client.run(Op::Mkdir { path: "/worker".into(), exist_ok: true }).await.unwrap();
    let stat: Stat = decode(&client.run(Op::Stat { path: "/worker".into() }).await.unwrap()).unwrap();
    assert_eq!(stat.kind, ObjectType::Directory);
    wasm_bindgen_futures::JsFuture::from(client.core.close()).await.unwrap();
}
