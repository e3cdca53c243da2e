//! What a method may do for whom, over a real node: a stranger's code that is called lends itself nothing of its caller.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use emerge_client::native::Client;
use emerge_proto::op::StoreMode;
use emerge_proto::record::Called;
use emerge_proto::{ClassSource, Error, ErrorCode, Language, Path, Result, Value};
use emerge_server::{Config, RunningNode};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SECRET: &str = "swordfish";

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

/// Methods that try to use their caller's rights.
fn trap() -> ClassSource {
    trap_by("Trap")
}

fn trap_by(name: &str) -> ClassSource {
    ClassSource::new(
        name,
        Language::JavaScript,
        "class Trap extends EmergeObject {
            count() { this.n += 1; return this.n; }
            async read(path) { return (await fs.get(path)).word; }
            async byRef() { return (await fs.get(this.ref)).word; }
            async inside() { return await fs.get('/eve/trap#ref.word'); }
            async stat(path) { return (await fs.stat(path)).version; }
            async code(path) { return await fs.code(path); }
            async write(path) { await fs.set(path + '#word', 'gone'); return 'done'; }
            async put(path) { const word = await fs.get(path); word.word = 'gone'; await fs.store(path, word); return 'done'; }
            async remove(path) { await fs.rm(path); return 'done'; }
            async removeAll(path) { await fs.rm(path, { recursive: true }); return 'done'; }
            async purge(path) { await fs.purge(path); return 'done'; }
            async move(path) { await fs.mv(path, '/eve/taken'); return 'done'; }
            async copy(path) { await fs.cp(path, '/eve/taken'); return 'done'; }
            async open(path) { await fs.chmod(path, 'rwxrwxrwx'); return 'done'; }
            async give(path) { await fs.chown(path, { owner: 'eve' }); return 'done'; }
            async history(path) { return (await fs.history(path)).length; }
            async restore(path) { await fs.restore(path, 1); return 'done'; }
            async old(path) { return (await fs.get(path, { version: 1 })).word; }
            async names(path) { const found = []; for await (const one of fs.list(path)) found.push(one.name); return found; }
            async find() { const found = []; for await (const one of fs.search(o => o.word === 'hello' || o.word === 'swordfish')) found.push(one.word); return found; }
            async through(path, method, ...args) { return await fs.call(path, method, ...args); }
            async query(fs) { return (await fs.get('/vault/secret')).word; }
            async add(path) { await fs.add(path, 'words', '/eve/own'); return 'done'; }
            async quietly(path) { try { await fs.get(path); return 'read'; } catch (error) { return error.code; } }
            async plant() {
                class Evil extends EmergeObject { async take(path) { return (await fs.get(path)).word; } }
                await fs.store('/shared/evil', new Evil(), { overwrite: true });
                return 'done';
            }
            async trust(path) {
                await fs.trust.add('/eve/trap');
                return await fs.call('/eve/trap', 'read', path);
            }
            async make(path) { await fs.mkdir(path); return 'done'; }
        }"
        .replace("class Trap", &format!("class {name}")),
    )
}

fn fields(fields: &[(&str, Value)]) -> Vec<u8> {
    Value::Map(fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()).encode()
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

struct World {
    node: RunningNode,
    admin: Client,
    ada: Client,
    eve: Client,
    _folder: TempDir,
}

/// `/vault/secret` is the administrator's, `/ada/diary` ada's, `/eve/trap` and `/eve/own` eve's. Everybody may write in `/shared`.
async fn world() -> World {
    let folder = TempDir::new().unwrap();
    let runtime = emerge_server::sandbox(&|_| {}).await.unwrap();
    let node = emerge_server::start(Config { port: 0, ..Config::new(folder.path()) }, runtime).await.unwrap();
    let admin = Client::connect(&node.url(), &node.token).await.unwrap();
    let mut users = Vec::new();
    for user in ["ada", "eve"] {
        let token = admin.add_user(user, &[]).await.unwrap();
        let home = path(&format!("/{user}"));
        admin.mkdir(&home, false).await.unwrap();
        admin.chown(&home, Some(user), None, false).await.unwrap();
        users.push(Client::connect(&node.url(), &token).await.unwrap());
    }
    let eve = users.pop().unwrap();
    let ada = users.pop().unwrap();
    for (at, perms) in [("/vault", "rwx------"), ("/shared", "rwxrwxrwx")] {
        admin.mkdir(&path(at), false).await.unwrap();
        admin.chmod(&path(at), perms, false).await.unwrap();
    }
    let word = ClassSource::new(
        "Word",
        Language::JavaScript,
        "class Word extends EmergeObject { say() { return this.word; } }",
    );
    for (user, at, word_in) in
        [(&admin, "/vault/secret", SECRET), (&ada, "/ada/diary", SECRET), (&eve, "/eve/own", "hello")]
    {
        let class = user.put_class(&word).await.unwrap().hash;
        user.store(&path(at), class, fields(&[("word", text(word_in))]), StoreMode::Create).await.unwrap();
        user.store(&path(at), class, fields(&[("word", text(word_in)), ("more", text("x"))]), StoreMode::Put)
            .await
            .unwrap();
    }
    ada.chmod(&path("/ada/diary"), "rwx------", false).await.unwrap();
    let class = eve.put_class(&trap()).await.unwrap().hash;
    let state = fields(&[("n", Value::Int(0)), ("ref", Value::Ref("/vault/secret".into()))]);
    eve.store(&path("/eve/trap"), class, state, StoreMode::Create).await.unwrap();
    eve.chmod(&path("/eve/trap"), "rwxrwxrwx", false).await.unwrap();
    eve.chmod(&path("/eve"), "rwxrwxrwx", false).await.unwrap();
    World { node, admin, ada, eve, _folder: folder }
}

async fn call(user: &Client, at: &str, method: &str, args: &[Value]) -> Result<Value> {
    let called: Called = user.call(&path(at), method, args, false).await?;
    Value::decode(&called.result)
}

fn code<T>(result: Result<T>) -> ErrorCode {
    result.map(|_| ()).unwrap_err().code
}

fn refused(result: Result<Value>, what: &str) -> Error {
    let error = match result {
        Ok(value) => panic!("{what} gave {value:?}"),
        Err(error) => error,
    };
    assert!(
        matches!(error.code, ErrorCode::PermissionDenied | ErrorCode::NotFound),
        "{what} ended with {error}"
    );
    assert!(!format!("{error:?}").contains(SECRET), "{what} told {error:?}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_s_method_that_the_administrator_calls_can_do_nothing_that_the_stranger_cannot() {
    let World { admin, ada, eve, node, _folder } = world().await;
    let methods = [
        "read",
        "stat",
        "code",
        "write",
        "put",
        "remove",
        "removeAll",
        "purge",
        "move",
        "copy",
        "open",
        "give",
        "history",
        "restore",
        "old",
        "names",
        "add",
    ];
    for (user, at) in [(&admin, "/vault/secret"), (&admin, "/ada/diary"), (&ada, "/ada/diary")] {
        let before = user.get(&path(at), None).await.unwrap();
        for method in methods {
            refused(call(user, "/eve/trap", method, &[text(at)]).await, &format!("{method} {at}"));
            // Nested calls narrow no less, whoever's the inner object is.
            let args = [text("/eve/trap"), text(method), text(at)];
            refused(call(user, "/eve/trap", "through", &args).await, &format!("through {method} {at}"));
        }
        refused(call(user, "/eve/trap", "through", &[text(at), text("say")]).await, "a nested call");
        let after = user.get(&path(at), None).await.unwrap();
        assert_eq!(
            (before.state, before.stat.perms, before.stat.owner),
            (after.state, after.stat.perms, after.stat.owner)
        );
    }
    refused(call(&admin, "/eve/trap", "names", &[text("/vault")]).await, "a listing");
    refused(call(&admin, "/eve/trap", "removeAll", &[text("/vault")]).await, "a removal");
    refused(call(&admin, "/eve/trap", "make", &[text("/vault/new")]).await, "a directory");
    refused(call(&admin, "/eve/trap", "byRef", &[]).await, "a reference");
    refused(call(&admin, "/eve/trap", "inside", &[]).await, "a path through a reference");
    refused(
        call(
            &admin,
            "/eve/trap",
            "read",
            &[text(&format!("/registry/{}", admin.stat(&path("/vault/secret")).await.unwrap().id))],
        )
        .await,
        "the registry",
    );
    refused(
        admin.query(&path("/eve/trap")).await.and_then(|result| Value::decode(&result.result)),
        "a query",
    );
    // What is refused once does not end the transaction, nor tell more to who asks quietly.
    assert_eq!(call(&admin, "/eve/trap", "quietly", &[text("/vault/secret")]).await, Ok(text("not_found")));
    let found = call(&admin, "/eve/trap", "find", &[]).await.unwrap();
    assert_eq!(found, Value::List(vec![text("hello")]), "searches show no more");
    let root = call(&admin, "/eve/trap", "names", &[text("/")]).await.unwrap();
    assert!(!format!("{root:?}").contains("vault"), "{root:?}");
    // Of its own it may do all, also for others, and the object's own fields are the caller's to change.
    assert_eq!(call(&admin, "/eve/trap", "read", &[text("/eve/own")]).await, Ok(text("hello")));
    assert_eq!(call(&ada, "/eve/trap", "count", &[]).await, Ok(Value::Int(1)));
    assert_eq!(call(&eve, "/eve/trap", "read", &[text("/eve/own")]).await, Ok(text("hello")));
    drop(node);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_transactions_and_over_several_objects_it_is_no_other() {
    let World { admin, ada, eve, node, _folder } = world().await;
    let tx = admin.begin(None, None).await.unwrap();
    let secret = [text("/vault/secret")];
    let inside = tx.call(&path("/eve/trap"), "read", &secret, false).await;
    refused(inside.and_then(|called| Value::decode(&called.result)), "in a transaction");
    // The next operation is the caller's own again.
    assert!(tx.get(&path("/vault/secret"), None).await.is_ok());
    assert!(tx.call(&path("/eve/trap"), "count", &[], false).await.is_ok());
    assert!(tx.set("/vault/secret#word", &text("changed"), None).await.is_ok());
    tx.commit().await.unwrap();
    // An object that another has of a stranger's class: its fields are the owner's, and what its methods reach for is not.
    let class = ada.get(&path("/eve/trap"), None).await.unwrap().stat.class_hash.unwrap();
    ada.store(&path("/ada/counter"), class, fields(&[("n", Value::Int(5))]), StoreMode::Create)
        .await
        .unwrap();
    assert_eq!(call(&ada, "/ada/counter", "count", &[]).await, Ok(Value::Int(6)));
    refused(
        call(&ada, "/ada/counter", "read", &[text("/ada/diary")]).await,
        "an own object of a stranger's class",
    );
    // Who stores the source answers for it, and only for what is then called or owned by that one.
    ada.put_class(&trap()).await.unwrap();
    assert_eq!(call(&ada, "/ada/counter", "read", &[text("/ada/diary")]).await, Ok(text(SECRET)));
    assert_eq!(call(&admin, "/ada/counter", "read", &[text("/ada/diary")]).await, Ok(text(SECRET)));
    refused(
        call(&admin, "/ada/counter", "read", &[text("/vault/secret")]).await,
        "not more than its owner may",
    );
    refused(call(&admin, "/eve/trap", "read", &[text("/ada/diary")]).await, "another's object of that class");
    refused(call(&eve, "/eve/trap", "read", &[text("/ada/diary")]).await, "who stored it first");
    drop(node);
}

#[tokio::test(flavor = "multi_thread")]
async fn code_of_others_plants_no_code_that_its_caller_answers_for() {
    let World { admin, ada, eve, node, _folder } = world().await;
    let error = refused(call(&admin, "/eve/trap", "plant", &[]).await, "a new class");
    assert!(error.message.contains("Evil"), "{error}");
    assert_eq!(code(admin.stat(&path("/shared/evil")).await), ErrorCode::NotFound);
    // Once its author has stored the class, others may make objects of it, for which they do not answer.
    assert_eq!(call(&eve, "/eve/trap", "plant", &[]).await, Ok(text("done")));
    eve.rm(&path("/shared/evil"), false).await.unwrap();
    assert_eq!(call(&admin, "/eve/trap", "plant", &[]).await, Ok(text("done")));
    let planted = admin.stat(&path("/shared/evil")).await.unwrap();
    assert_eq!(planted.owner, "admin");
    refused(call(&admin, "/shared/evil", "take", &[text("/vault/secret")]).await, "planted code");
    admin.chmod(&path("/shared/evil"), "rwxrwxrwx", false).await.unwrap();
    refused(
        call(&ada, "/shared/evil", "take", &[text("/ada/diary")]).await,
        "planted code of the administrator's object",
    );
    // A copy, a move and a mixture lend it no more.
    admin.cp(&path("/shared/evil"), &path("/vault/copy"), false).await.unwrap();
    refused(call(&admin, "/vault/copy", "take", &[text("/vault/secret")]).await, "a copy");
    admin.mv(&path("/shared/evil"), &path("/vault/moved")).await.unwrap();
    refused(call(&admin, "/vault/moved", "take", &[text("/vault/secret")]).await, "what was moved");
    admin.mixin(&path("/vault/moved"), &path("/vault/secret"), &path("/vault/mixed"), None).await.unwrap();
    refused(call(&admin, "/vault/mixed", "take", &[text("/vault/secret")]).await, "a mixture");
    drop(node);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_s_function_runs_no_code_of_whoever_gave_the_same_function_before() {
    let world = world().await;
    let plain = ClassSource::new("Plain", Language::JavaScript, "class Plain extends EmergeObject {}");
    let newer =
        ClassSource::new("Plain", Language::JavaScript, "class Plain extends EmergeObject { a() {} }");
    let inner = ClassSource::new(
        "Inner",
        Language::JavaScript,
        "class Inner extends EmergeObject { get told() { return 'ran'; } }",
    );
    let how = "old => { let told = null; try { told = old.inner.told; } catch {} return { ...old, told }; }";
    let of_eve = world.eve.put_class(&inner).await.unwrap().hash;
    let holding = fields(&[("inner", Value::Object { class: of_eve, fields: Vec::new() })]);
    for (client, at, told) in
        [(&world.eve, "/eve/one", text("ran")), (&world.admin, "/shared/two", Value::Null)]
    {
        let class = client.put_class(&plain).await.unwrap().hash;
        client.store(&path(at), class, holding.clone(), StoreMode::Put).await.unwrap();
        let newer = client.put_class(&newer).await.unwrap().hash;
        client.migrate(&path(at), newer, Some(how)).await.unwrap();
        let state = Value::decode(&client.get(&path(at), None).await.unwrap().state).unwrap();
        let Value::Map(entries) = state else { panic!("{state:?}") };
        let found = entries.iter().find(|(name, _)| name == "told").map(|(_, value)| value);
        assert_eq!(found, Some(&told), "{at}");
    }
    world.node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_is_the_caller_s_own_and_of_one_version() {
    let World { admin, ada, eve, node, _folder } = world().await;
    let class = eve.stat(&path("/eve/trap")).await.unwrap().class_hash.unwrap();
    let trusting = ada.trusting(&[class]);
    let diary = [text("/ada/diary")];
    assert_eq!(call(&trusting, "/eve/trap", "read", &diary).await, Ok(text(SECRET)));
    // In calls that it makes, in transactions, on several objects; not for who does not say so, nor more than the caller may.
    let args = [text("/eve/trap"), text("read"), text("/ada/diary")];
    assert_eq!(call(&trusting, "/eve/trap", "through", &args).await, Ok(text(SECRET)));
    let tx = trusting.begin(None, None).await.unwrap();
    assert!(tx.call(&path("/eve/trap"), "read", &diary, false).await.is_ok());
    tx.rollback().await.unwrap();
    refused(call(&ada, "/eve/trap", "read", &diary).await, "without trust");
    refused(call(&admin, "/eve/trap", "read", &diary).await, "another's trust");
    refused(call(&trusting, "/eve/trap", "read", &[text("/vault/secret")]).await, "more than the caller may");
    // A query asks with trust too.
    assert!(admin.trusting(&[class]).query(&path("/eve/trap")).await.is_ok());
    // Of another's class that calls it, the trusted one has no more than that.
    let other = trap_by("Other");
    let other = eve.put_class(&other).await.unwrap().hash;
    eve.store(&path("/eve/other"), other, fields(&[]), StoreMode::Create).await.unwrap();
    eve.chmod(&path("/eve/other"), "rwxrwxrwx", false).await.unwrap();
    refused(
        call(&trusting, "/eve/other", "through", &args).await,
        "a version that is not trusted, through one that is",
    );
    refused(
        call(&trusting, "/eve/trap", "through", &[text("/eve/other"), text("read"), text("/ada/diary")])
            .await,
        "and the other way",
    );
    let both = ada.trusting(&[class, other]);
    assert_eq!(call(&both, "/eve/other", "through", &args).await, Ok(text(SECRET)));
    // No method says what its caller trusts.
    let error = call(&ada, "/eve/trap", "trust", &diary).await.unwrap_err();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("trusted")));
    let many = vec![class; 257];
    let error = call(&ada.trusting(&many), "/eve/trap", "count", &[]).await.unwrap_err();
    assert_eq!((error.code, error.limit), (ErrorCode::LimitExceeded, Some(256)));
    drop(node);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_method_runs_with_its_owner_s_rights_and_no_others() {
    let World { admin, ada, eve, node, _folder } = world().await;
    // Eve reads what is hers for who may not, and counts without anybody else's right to write.
    eve.chmod(&path("/eve/own"), "rwx------", false).await.unwrap();
    refused(call(&ada, "/eve/trap", "read", &[text("/eve/own")]).await, "before it is marked");
    eve.chmod(&path("/eve/trap"), "4711", false).await.unwrap();
    assert_eq!(eve.stat(&path("/eve/trap")).await.unwrap().perms.to_string(), "rws--x--x");
    assert_eq!(call(&ada, "/eve/trap", "read", &[text("/eve/own")]).await, Ok(text("hello")));
    assert_eq!(call(&ada, "/eve/trap", "count", &[]).await, Ok(Value::Int(1)));
    let history = eve.history(&path("/eve/trap"), None, None).await.unwrap();
    assert_eq!((history[0].author.as_str(), history[0].method.as_deref()), ("ada", Some("count")));
    assert_eq!(
        eve.stat(&path("/eve/trap")).await.unwrap().perms.to_string(),
        "rws--x--x",
        "it keeps its own mark"
    );
    // It has nothing of its caller, trusted or not.
    let class = eve.stat(&path("/eve/trap")).await.unwrap().class_hash.unwrap();
    for user in [&ada, &ada.trusting(&[class])] {
        refused(call(user, "/eve/trap", "read", &[text("/ada/diary")]).await, "the caller's");
        let args = [text("/eve/trap"), text("read"), text("/ada/diary")];
        refused(call(user, "/eve/trap", "through", &args).await, "the caller's, through itself");
    }
    refused(call(&admin, "/eve/trap", "read", &[text("/vault/secret")]).await, "the administrator's");
    // A token for less may call it, and it does what its owner marked it for; what the bearer asks for itself is as ever.
    let scope = Some(vec!["call:/eve/trap".to_owned()]);
    let (token, _) = ada.create_token(None, scope, None, None).await.unwrap();
    let bearer = Client::connect(&node.url(), &token).await.unwrap();
    assert_eq!(call(&bearer, "/eve/trap", "read", &[text("/eve/own")]).await, Ok(text("hello")));
    refused(call(&bearer, "/eve/trap", "read", &[text("/ada/diary")]).await, "by a token");
    assert_eq!(code(bearer.get(&path("/eve/trap"), None).await), ErrorCode::PermissionDenied);
    // Who may not mark, does not; nor does its copy, its mixture, or another's.
    refused(call(&ada, "/eve/trap", "open", &[text("/ada/diary")]).await, "rights of the caller's");
    assert_eq!(code(admin.chmod(&path("/eve/own"), "u+s", false).await), ErrorCode::PermissionDenied);
    admin.cp(&path("/eve/trap"), &path("/shared/copy"), false).await.unwrap();
    admin.chmod(&path("/shared/copy"), "rwxrwxrwx", false).await.unwrap();
    refused(call(&ada, "/shared/copy", "read", &[text("/eve/own")]).await, "a copy");
    admin.chown(&path("/eve/trap"), Some("ada"), None, false).await.unwrap();
    assert_eq!(admin.stat(&path("/eve/trap")).await.unwrap().perms.to_string(), "rwx--x--x");
    refused(
        call(&eve, "/eve/trap", "read", &[text("/ada/diary")]).await,
        "given to another, it has nothing of that one",
    );
    drop(node);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_method_that_calls_others_lends_them_no_more_than_both_have() {
    let World { admin, ada, eve, node, _folder } = world().await;
    // The administrator marks an object that calls whatever it is told to: eve's code gets nothing of the administrator by it.
    let class = admin.put_class(&trap_by("Gate")).await.unwrap().hash;
    admin.store(&path("/shared/gate"), class, fields(&[]), StoreMode::Create).await.unwrap();
    admin.chmod(&path("/shared/gate"), "4711", false).await.unwrap();
    assert_eq!(
        call(&ada, "/shared/gate", "read", &[text("/vault/secret")]).await,
        Ok(text(SECRET)),
        "as it is marked"
    );
    let args = [text("/eve/trap"), text("read"), text("/vault/secret")];
    refused(call(&ada, "/shared/gate", "through", &args).await, "another's code in a marked method");
    // What eve writes over is marked no more.
    admin.chmod(&path("/shared/gate"), "4777", false).await.unwrap();
    eve.set("/shared/gate#ref", &text("/vault/secret"), None).await.unwrap();
    assert_eq!(admin.stat(&path("/shared/gate")).await.unwrap().perms.to_string(), "rwxrwxrwx");
    refused(call(&ada, "/shared/gate", "read", &[text("/vault/secret")]).await, "after another's write");
    // By a nested call a marked method is as marked as by a client's.
    admin.chmod(&path("/shared/gate"), "4711", false).await.unwrap();
    let args = [text("/shared/gate"), text("read"), text("/vault/secret")];
    assert_eq!(call(&ada, "/eve/trap", "through", &args).await, Ok(text(SECRET)));
    drop(node);
}

/// The status and the body of a request by HTTP.
async fn post(node: &RunningNode, token: &str, target: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        node.address,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_trust_is_said_in_the_call() {
    let World { admin, eve, node, _folder, .. } = world().await;
    let hash = eve.stat(&path("/eve/trap")).await.unwrap().class_hash.unwrap();
    let other = eve.put_class(&trap_by("Other")).await.unwrap().hash;
    let mut status = Vec::new();
    for trusted in ["", &format!(r#", "trusted": ["{hash}"]"#), &format!(r#", "trusted": ["{other}"]"#), ""] {
        let call = format!(r#""method": "read", "args": ["/vault/secret"]{trusted}"#);
        let op = format!(r#"{{"op": "call", "path": "/eve/trap", "log": false, {call}}}"#);
        for (target, body) in [("/api", op), ("/calls/eve/trap", format!("{{{call}}}"))] {
            let (code, answer) = post(&node, &node.token, target, &body).await;
            assert_eq!(answer.contains(SECRET), code == "200", "{answer}");
            status.push(code);
        }
    }
    assert_eq!(status, ["404", "404", "200", "200", "404", "404", "404", "404"]);
    let query = format!(r#"{{"op": "query", "path": "/eve/trap", "trusted": ["{hash}"]}}"#);
    assert_eq!(post(&node, &node.token, "/api", &query).await.0, "200");
    for (trusted, field) in
        [(r#"["xyz"]"#.to_owned(), "trusted"), (format!("{:?}", vec![hash.to_string(); 257]), "trusted")]
    {
        let op = format!(
            r#"{{"op": "call", "path": "/eve/trap", "log": false, "method": "count", "args": [], "trusted": {trusted}}}"#
        );
        let (code, answer) = post(&node, &node.token, "/api", &op).await;
        assert!(code.starts_with('4') && answer.contains(field), "{code} {answer}");
    }
    // And the mark.
    let op = r#"{"op": "chmod", "path": "/eve/trap", "perms": "u+s", "recursive": false}"#;
    assert_eq!(post(&node, &node.token, "/api", op).await.0, "403", "not the owner");
    eve.chmod(&path("/eve/trap"), "u+s", false).await.unwrap();
    let stat = post(&node, &node.token, "/api", r#"{"op": "stat", "path": "/eve/trap"}"#).await.1;
    assert!(stat.contains("rwsrwxrwx"), "{stat}");
    drop(admin);
    node.stop().await.unwrap();
}
