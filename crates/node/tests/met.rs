//! What a method is told of a class that it meets: whose it is, of several owners.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::{MemoryBackend, Principal};
use emerge_node::Node;
use emerge_proto::class::decode;
use emerge_proto::record::{Called, ClassInfo};
use emerge_proto::{ClassHash, ClassSource, Language, Op, Value};
use emerge_runtime::{BoxFuture, Call, Fs, Returned};
use futures_util::FutureExt;
use std::pin::pin;
use std::sync::Arc;

fn class(name: &str) -> ClassSource {
    ClassSource::new(name, Language::JavaScript, format!("class {name} {{}}"))
}

fn ask(node: &Node<MemoryBackend>, user: &str, op: Op) -> Vec<u8> {
    let principal = match user {
        "admin" => Principal::admin(),
        user => Principal::user(user),
    };
    let mut answer = pin!(node.execute(&principal, op, NOW));
    // The commit that it waits for is made between.
    if let Some(early) = answer.as_mut().now_or_never() {
        return early.unwrap();
    }
    commit(node);
    answer.now_or_never().unwrap().unwrap()
}

/// Calls a method that asks for a class, and gives the owner that it was told.
fn told(node: &Node<MemoryBackend>, user: &str, met: ClassHash) -> Value {
    let args = Value::List(vec![Value::Text(met.to_string())]).encode();
    let call =
        Op::Call { path: "/shop".into(), method: "look".into(), args, log: false, after: None, with: None };
    let called: Called = decode(&ask(node, user, call)).unwrap();
    Value::decode(&called.result).unwrap()
}

#[test]
fn a_met_class_is_of_the_running_class_s_owner_once_that_one_has_stored_it() {
    let node = node_with(WithFs(|call: Call, fs: Arc<dyn Fs>| -> BoxFuture<'static, _> {
        Box::pin(async move {
            let Value::List(args) = Value::decode(&call.args)? else { panic!("no arguments") };
            let [Value::Text(hash)] = &args[..] else { panic!("no address") };
            let op = Op::Class { path: None, hash: Some(ClassHash::parse(hash).unwrap()), name: None };
            let info: ClassInfo = decode(&fs.request(op).await?)?;
            let owner = Value::Text(info.lineage[0].owner.clone()).encode();
            Ok(Returned { result: owner, state: None, log: String::new() })
        })
    }));
    let (shop, item, trap) = (class("Shop"), class("Item"), class("Trap"));
    let put = |class: &ClassSource| Op::PutClass { class: class.clone() };
    ask(&node, "bob", put(&shop));
    ask(&node, "ada", put(&item));
    ask(&node, "admin", store("/shop", &shop));
    ask(&node, "admin", Op::Chmod { path: "/shop".into(), perms: "777".into(), recursive: false });
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(told(&node, "eve", item.hash()), text("ada"));
    ask(&node, "bob", put(&item));
    // Whoever calls it.
    for user in ["ada", "bob", "eve"] {
        assert_eq!(told(&node, user, item.hash()), text("bob"), "{user}");
    }
    let direct = Op::Class { path: None, hash: Some(item.hash()), name: None };
    let info: ClassInfo = decode(&ask(&node, "bob", direct)).unwrap();
    assert_eq!(info.lineage[0].owner, "ada", "outside of methods it is who stored it first");
    // To store a known source brings in no code.
    ask(&node, "eve", put(&shop));
    ask(&node, "eve", put(&trap));
    assert_eq!(told(&node, "bob", trap.hash()), text("eve"));
}
