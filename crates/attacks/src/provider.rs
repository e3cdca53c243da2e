//! Tokens that no OpenID provider has made for this node.

use crate::attack::{Attack, Got};
use crate::doors::ask;
use crate::field::{Field, HIDDEN};
use data_encoding::BASE64URL_NOPAD as BASE64;
use emerge_proto::guard::Guard;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value as Json, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const ISSUER: &str = "https://id.example/";
pub(crate) const AUDIENCE: &str = "emerge";

/// A public key of RSA (RFC 7515, A.2).
const RSA: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

/// Who makes tokens.
pub(crate) struct Provider(Ed25519KeyPair);

impl Provider {
    pub(crate) fn new() -> Result<Self, String> {
        let document =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|error| error.to_string())?;
        Ed25519KeyPair::from_pkcs8(document.as_ref()).map(Self).map_err(|error| error.to_string())
    }

    fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn jwk(&self, id: &str) -> Json {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(self.public()), "kid": id })
    }

    /// What the node is given of it.
    pub(crate) fn keys(&self) -> String {
        let rsa = json!({ "kty": "RSA", "n": RSA, "e": "AQAB", "kid": "rsa", "use": "sig" });
        json!({ "keys": [self.jwk("one"), rsa] }).to_string()
    }

    fn sign(&self, header: &Json, claims: &Json) -> String {
        let message = message(header, claims);
        let signature = BASE64.encode(self.0.sign(message.as_bytes()).as_ref());
        format!("{message}.{signature}")
    }
}

fn message(header: &Json, claims: &Json) -> String {
    let part = |json: &Json| BASE64.encode(json.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

/// By a secret that everybody knows.
fn by_secret(header: &Json, claims: &Json, secret: &[u8]) -> String {
    let message = message(header, claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    format!("{message}.{}", BASE64.encode(hmac::sign(&key, message.as_bytes()).as_ref()))
}

fn claims() -> Json {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": since + 600, "iat": since })
}

fn claiming(name: &str, value: Json) -> Json {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn good() -> Json {
    json!({ "alg": "EdDSA", "kid": "one" })
}

/// Makes a token, of the provider and of another that the attacker has.
type Forge = fn(&Provider, &Provider) -> String;

const SIGNATURE: &[Guard] = &[Guard::Signature];

#[rustfmt::skip]
const ROWS: &[(&str, &str, &[Guard], Forge)] = &[
    ("jwt-none", "a provider's token by no algorithm", SIGNATURE, |_, _| format!("{}.", message(&json!({ "alg": "none" }), &claims()))),
    ("jwt-none-named", "a provider's token by no algorithm, of a key that is there", SIGNATURE, |_, _| format!("{}.", message(&json!({ "alg": "nOnE", "kid": "one" }), &claims()))),
    ("jwt-unsigned", "a provider's token without its signature", SIGNATURE, |_, _| format!("{}.", message(&good(), &claims()))),
    ("jwt-wrong-key", "a provider's token by another key", SIGNATURE, |_, other| other.sign(&good(), &claims())),
    ("jwt-claims", "a provider's token that says something else than was signed", SIGNATURE, |provider, _| {
        let token = provider.sign(&good(), &claiming("sub", json!("eve")));
        let signature = token.rsplit('.').next().unwrap_or_default().to_owned();
        format!("{}.{signature}", message(&good(), &claims()))
    }),
    ("jwt-header", "a provider's token with another header than was signed", SIGNATURE, |provider, _| {
        let token = provider.sign(&json!({ "alg": "EdDSA", "kid": "gone" }), &claims());
        let signature = token.rsplit('.').next().unwrap_or_default().to_owned();
        format!("{}.{signature}", message(&good(), &claims()))
    }),
    ("jwt-hs-ed", "a provider's public key taken for a shared secret", SIGNATURE, |provider, _| by_secret(&json!({ "alg": "HS256", "kid": "one" }), &claims(), provider.public())),
    ("jwt-hs-rsa", "a provider's public key of RSA taken for a shared secret", SIGNATURE, |_, _| {
        by_secret(&json!({ "alg": "HS256", "kid": "rsa" }), &claims(), &BASE64.decode(RSA.as_bytes()).unwrap_or_default())
    }),
    ("jwt-hs-rsa-text", "the text of a provider's key of RSA taken for a shared secret", SIGNATURE, |_, _| by_secret(&json!({ "alg": "HS256", "kid": "rsa" }), &claims(), RSA.as_bytes())),
    ("jwt-hs-empty", "a token by an empty shared secret", SIGNATURE, |_, _| by_secret(&json!({ "alg": "HS256" }), &claims(), b"")),
    ("jwt-algorithm", "a key of one kind taken for one of another", SIGNATURE, |provider, _| provider.sign(&json!({ "alg": "RS256", "kid": "rsa" }), &claims())),
    ("jwt-own-key", "a token that brings its key along", SIGNATURE, |_, other| other.sign(&json!({ "alg": "EdDSA", "kid": "one", "jwk": other.jwk("one") }), &claims())),
    ("jwt-own-url", "a token that says where its key is", SIGNATURE, |_, other| other.sign(&json!({ "alg": "EdDSA", "jku": "http://127.0.0.1/keys.json" }), &claims())),
    ("jwt-key-path", "a token of a key that is a path", SIGNATURE, |_, other| other.sign(&json!({ "alg": "EdDSA", "kid": "../../../dev/null" }), &claims())),
    ("jwt-early", "a provider's token that has not begun", SIGNATURE, |provider, _| provider.sign(&good(), &claiming("nbf", json!(4_000_000_000u64)))),
    ("jwt-endless", "a provider's token that does not say when it ends", &[], |provider, _| {
        let mut claims = claims();
        drop(claims.as_object_mut().and_then(|claims| claims.remove("exp")));
        provider.sign(&good(), &claims)
    }),
    ("jwt-expired", "a provider's token that has ended", &[Guard::End], |provider, _| provider.sign(&good(), &claiming("exp", json!(1_700_000_000)))),
    ("jwt-issuer", "a token of another issuer by the provider's key", &[Guard::Issuer], |provider, _| provider.sign(&good(), &claiming("iss", json!("https://evil.example/")))),
    ("jwt-issuer-begins", "a token of an issuer that begins as the provider's", &[Guard::Issuer], |provider, _| provider.sign(&good(), &claiming("iss", json!("https://id.example/evil")))),
    ("jwt-issuers", "a token of several issuers", &[Guard::Issuer], |provider, _| provider.sign(&good(), &claiming("iss", json!([ISSUER, "https://evil.example/"])))),
    ("jwt-audience", "a provider's token for another service", &[Guard::Audience], |provider, _| provider.sign(&good(), &claiming("aud", json!("mail")))),
    ("jwt-audiences", "a provider's token for other services", &[Guard::Audience], |provider, _| provider.sign(&good(), &claiming("aud", json!(["mail", "emerge2"])))),
    ("jwt-administrator", "a provider's token for the administrator", &[], |provider, _| provider.sign(&good(), &claiming("sub", json!("admin")))),
    ("jwt-stranger", "a provider's token for whom the node does not know", &[], |provider, _| provider.sign(&good(), &claiming("sub", json!("nobody")))),
    ("jwt-name", "a provider's token for a name that is a list", &[], |provider, _| provider.sign(&good(), &claiming("sub", json!(["ada"])))),
];

pub(crate) fn attacks() -> Vec<Attack> {
    let mut all: Vec<Attack> = ROWS
        .iter()
        .map(|(name, tries, guards, forge)| {
            Attack::new(name, tries, guards, |field| Box::pin(run(field, *forge)))
        })
        .collect();
    all.push(Attack::new("jwt-lasting", "make a token that outlives a provider's", &[], |field| {
        Box::pin(lasting(field))
    }));
    all
}

async fn run(field: &Field, forge: Forge) -> Got {
    match Provider::new() {
        Ok(other) => {
            let token = forge(&field.provider, &other);
            ask(field, &token, &format!(r#"{{"op": "get", "path": "{HIDDEN}"}}"#)).await.got()
        }
        Err(error) => Got::wrong(error),
    }
}

/// With a token that is good.
async fn lasting(field: &Field) -> Got {
    let token = field.provider.sign(&good(), &claims());
    let get = ask(field, &token, &format!(r#"{{"op": "get", "path": "{HIDDEN}"}}"#)).await;
    if get.status != 200 {
        return Got::wrong(get.told());
    }
    let hash = "ab".repeat(32);
    let op = format!(
        r#"{{"op": "tokens", "action": "create", "token_hash": "{hash}", "scope": ["read:/shared/ada/**"]}}"#
    );
    let answer = ask(field, &token, &op).await;
    if answer.status == 400 { Got::wrong(answer.told()) } else { answer.got() }
}
