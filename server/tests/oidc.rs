//! Tokens of an OpenID provider at a real node: over WebSocket and HTTP, for users whom the node knows, as long as it knows them.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emerge_client::native::Client;
use emerge_proto::{ErrorCode, Path};
use emerge_server::{Config, OidcConfig, RunningNode};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value as Json, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Base64 as tokens have it.
fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

struct Provider {
    key: Ed25519KeyPair,
}

impl Provider {
    fn new() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { key: Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap() }
    }

    fn keys(&self) -> Json {
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": text(self.key.public_key()), "kid": "one" }] })
    }

    fn token(&self, user: &str, seconds: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let header = json!({ "alg": "EdDSA", "kid": "one" }).to_string();
        let claims =
            json!({ "iss": "https://id.example/", "aud": "store", "email": user, "exp": now + seconds });
        let message = format!("{}.{}", text(header), text(claims.to_string()));
        let signature = text(self.key.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

async fn node(folder: &TempDir, provider: &Provider) -> RunningNode {
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, provider.keys().to_string()).unwrap();
    let oidc = OidcConfig {
        issuer: "https://id.example/".into(),
        audience: "store".into(),
        keys,
        claim: "email".into(),
    };
    let runtime = emerge_server::sandbox(&|_| {}).await.unwrap();
    let config = Config { port: 0, oidc: Some(oidc), ..Config::new(folder.path().join("data")) };
    emerge_server::start(config, runtime).await.unwrap()
}

async fn get(node: &RunningNode, target: &str, token: &str) -> String {
    let mut socket = TcpStream::connect(node.address).await.unwrap();
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
        node.address
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_vouches_for_users_whom_the_node_knows() {
    let folder = TempDir::new().unwrap();
    let (provider, root) = (Provider::new(), Path::root());
    let node = node(&folder, &provider).await;
    let admin = Client::connect(&node.url(), &node.token).await.unwrap();
    admin.add_group("staff").await.unwrap();
    admin.add_user("ada", &["staff".to_owned()]).await.unwrap();
    let refused = async |token: &str| Client::connect(&node.url(), token).await.err().unwrap();

    let token = provider.token("ada", 600);
    let ada = Client::connect(&node.url(), &token).await.unwrap();
    admin.mkdir(&Path::parse("/desk").unwrap(), false).await.unwrap();
    admin.chown(&Path::parse("/desk").unwrap(), None, Some("staff"), false).await.unwrap();
    admin.chmod(&Path::parse("/desk").unwrap(), "770", false).await.unwrap();
    let made = ada.mkdir(&Path::parse("/desk/ada").unwrap(), false).await;
    made.unwrap();
    let stat = ada.stat(&Path::parse("/desk/ada").unwrap()).await.unwrap();
    assert_eq!((stat.owner.as_str(), stat.group.as_str()), ("ada", "staff"), "with the node's groups");
    assert!(get(&node, "/objects/desk/", &token).await.starts_with("HTTP/1.1 200 "));
    // Such a token makes none that would outlive it.
    let error = ada.create_token(None, None, None, None).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::PermissionDenied, "{error}");
    assert_eq!(ada.users().await.unwrap_err().code, ErrorCode::PermissionDenied);

    // Neither strangers nor the administrator, nor by somebody else's key.
    for token in [provider.token("eve", 600), provider.token("admin", 600), Provider::new().token("ada", 600)]
    {
        let error = refused(&token).await;
        assert_eq!(error.code, ErrorCode::Unauthenticated, "{error}");
        let answer = get(&node, "/objects/", &token).await;
        assert!(answer.starts_with("HTTP/1.1 401 ") && !answer.contains(&token), "{answer}");
    }
    // Groups are those of now, and who is forgotten is out at once.
    admin.leave_group("staff", "ada").await.unwrap();
    let error = ada.mkdir(&Path::parse("/desk/more").unwrap(), false).await.unwrap_err();
    assert!(matches!(error.code, ErrorCode::PermissionDenied | ErrorCode::NotFound), "{error}");
    admin.remove_user("ada").await.unwrap();
    assert_eq!(ada.stat(&root).await.unwrap_err().code, ErrorCode::Unauthenticated);
    assert_eq!(refused(&token).await.code, ErrorCode::Unauthenticated);
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_its_token_does() {
    let folder = TempDir::new().unwrap();
    let provider = Provider::new();
    let node = node(&folder, &provider).await;
    let admin = Client::connect(&node.url(), &node.token).await.unwrap();
    admin.add_user("ada", &[]).await.unwrap();
    // It has ended, by less than clocks may differ: 30 seconds.
    let token = provider.token("ada", -24);
    let ada = Client::connect(&node.url(), &token).await.unwrap();
    ada.stat(&Path::root()).await.unwrap();
    let mut ended = None;
    for _ in 0..100 {
        ended = ada.stat(&Path::root()).await.err();
        if ended.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(ended.expect("the session goes on").code, ErrorCode::Unauthenticated);
    assert!(Client::connect(&node.url(), &token).await.is_err());
    node.stop().await.unwrap();
}
