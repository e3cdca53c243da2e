use super::*;
use ::ring::rand::SystemRandom;
use ::ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::time::UNIX_EPOCH;
use tempfile::TempDir;

const ISSUER: &str = "https://id.example/";
const AUDIENCE: &str = "store";

/// Base64 as tokens have it.
fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

enum Signer {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair, &'static str),
}

impl Signer {
    fn ed() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Signer::Ed(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }

    fn ec(algorithm: &'static EcdsaSigningAlgorithm, curve: &'static str) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Signer::Ec(EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap(), curve)
    }

    fn jwk(&self, id: &str) -> Json {
        match self {
            Signer::Ed(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(key.public_key()), "kid": id, "use": "sig" })
            }
            Signer::Ec(key, curve) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": curve, "x": text(x), "y": text(y), "kid": id })
            }
        }
    }

    fn sign(&self, header: &Json, claims: &Json) -> String {
        let message = format!("{}.{}", text(header.to_string()), text(claims.to_string()));
        let signature = match self {
            Signer::Ed(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
            Signer::Ec(key, _) => {
                key.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec()
            }
        };
        format!("{message}.{}", text(signature))
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Json {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": now() + 600, "iat": now() })
}

fn with(name: &str, value: Json) -> Json {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Json {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn config(folder: &TempDir, keys: &Json) -> OidcConfig {
    let file = folder.path().join("keys.json");
    fs::write(&file, keys.to_string()).unwrap();
    OidcConfig {
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
        keys: file,
        claim: OidcConfig::CLAIM.into(),
    }
}

fn open(keys: &[Json]) -> (TempDir, Oidc) {
    let folder = TempDir::new().unwrap();
    let oidc = Oidc::open(config(&folder, &json!({ "keys": keys }))).unwrap();
    (folder, oidc)
}

fn why(oidc: &Oidc, token: &str) -> String {
    let error = oidc.vouched(token).unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::Unauthenticated, "{error}");
    assert!(!error.message.contains(token), "{error}");
    error.message
}

#[test]
fn a_token_of_each_kind_of_key_names_its_user() {
    for (signer, algorithm) in [
        (Signer::ed(), "EdDSA"),
        (Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"), "ES256"),
        (Signer::ec(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"), "ES384"),
    ] {
        let (_folder, oidc) = open(&[Signer::ed().jwk("other"), signer.jwk("one")]);
        let header = json!({ "alg": algorithm, "typ": "JWT", "kid": "one" });
        let vouched = oidc.vouched(&signer.sign(&header, &claims())).unwrap().unwrap();
        assert_eq!(vouched.user, "ada");
        let lasts = vouched.expires / 1_000_000 - now() as i64;
        assert!((600..=600 + LEEWAY as i64).contains(&lasts), "{lasts}");
        let several = with("aud", json!(["other", AUDIENCE]));
        assert!(oidc.vouched(&signer.sign(&header, &several)).unwrap().is_ok());
    }
}

/// Of RFC 7515, A.2: signed by somebody else's program, with RSA.
#[test]
fn a_signature_by_rsa_is_verified() {
    ring::install();
    let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let message = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let key = DecodingKey::from_rsa_components(n, "AQAB").unwrap();
    let verify = |message: &str, algorithm| {
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm)
    };
    assert!(verify(message, Algorithm::RS256).unwrap());
    assert!(!verify(&message.replacen('e', "f", 1), Algorithm::RS256).unwrap());
    assert!(!verify(message, Algorithm::RS384).unwrap() && !verify(message, Algorithm::PS256).unwrap());
    // Neither as a shared secret nor as a key of another kind.
    for other in [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA] {
        assert!(verify(message, other).is_err(), "{other:?}");
    }
}

#[test]
fn what_is_not_valid_is_refused_and_the_reason_told() {
    let signer = Signer::ed();
    let (_folder, oidc) = open(&[signer.jwk("one")]);
    let good = json!({ "alg": "EdDSA", "kid": "one" });
    let soon = now() + 3600;
    for (claims, reason) in [
        (with("exp", json!(now() - 3600)), "has expired"),
        (with("exp", json!("tomorrow")), "\"exp\""),
        (without("exp"), "\"exp\""),
        (with("nbf", json!(soon)), "not valid yet"),
        (with("nbf", json!("soon")), "\"nbf\""),
        (with("iss", json!("https://evil.example/")), "another issuer"),
        (with("iss", json!(format!("{ISSUER}x"))), "another issuer"),
        (with("iss", json!([ISSUER, "https://evil.example/"])), "another issuer"),
        (with("iss", json!([ISSUER])), "another issuer"),
        (without("iss"), "\"iss\""),
        (with("aud", json!("another")), "another audience"),
        (with("aud", json!([])), "audience"),
        (without("aud"), "\"aud\""),
        (without("sub"), "\"sub\""),
        (with("sub", json!(7)), "\"sub\""),
        (with("sub", json!("")), "\"sub\""),
    ] {
        let said = why(&oidc, &signer.sign(&good, &claims));
        assert!(said.contains(reason), "{claims}: {said}");
    }
    let token = signer.sign(&good, &claims());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = message.split_once('.').unwrap();
    let eve = text(with("sub", json!("eve")).to_string());
    for (token, what) in [
        (format!("{header}.{eve}.{signature}"), "other claims"),
        (format!("{message}."), "no signature"),
        (format!("{message}.{}", text([0; 64])), "another signature"),
        (Signer::ed().sign(&good, &claims()), "another's key"),
        (format!("eyJ{}.{eve}.{signature}", "A".repeat(MAX_TOKEN)), "too long"),
        ("eyJ..".into(), "nothing"),
        ("eyJhbGciOiJFZERTQSJ9.e30.".into(), "no claims"),
    ] {
        assert!(oidc.vouched(&token).unwrap().is_err(), "{what}");
    }
    // Not of this kind at all: for others to know.
    for token in ["", "00112233", "a.b.c", "eyJ.x", &format!("{token}.x")] {
        assert!(oidc.vouched(token).is_none(), "{token}");
    }
    let error = oidc.vouched(&token).unwrap();
    assert!(error.is_ok(), "{error:?}");
}

#[test]
fn a_header_chooses_neither_the_algorithm_nor_the_key() {
    let (ed, ec) = (Signer::ed(), Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"));
    let secret = json!({ "kty": "oct", "k": text(b"a shared secret of 32 bytes size"), "kid": "secret", "alg": "HS256" });
    let mut narrow = ec.jwk("narrow");
    narrow["alg"] = json!("ES384");
    let mut encrypts = ed.jwk("encrypts");
    encrypts["use"] = json!("enc");
    let (_folder, oidc) = open(&[ed.jwk("ed"), ec.jwk("ec"), secret, narrow, encrypts]);
    let attacker = Signer::ed();
    for (header, signer) in [
        (json!({ "alg": "none", "kid": "ed" }), &ed),
        (json!({ "alg": "HS256", "kid": "ed" }), &ed),
        (json!({ "alg": "HS256", "kid": "secret" }), &ed),
        (json!({ "alg": "ES256", "kid": "ed" }), &ec),
        (json!({ "alg": "EdDSA", "kid": "ec" }), &ed),
        (json!({ "alg": "ES256", "kid": "narrow" }), &ec),
        (json!({ "alg": "EdDSA", "kid": "encrypts" }), &ed),
        (json!({ "alg": "EdDSA", "kid": "nobody" }), &ed),
        (json!({ "alg": "EdDSA" }), &ed),
        (json!({ "alg": "EdDSA", "jwk": attacker.jwk("mine") }), &attacker),
        (json!({ "alg": "EdDSA", "kid": "ed", "jwk": attacker.jwk("ed") }), &attacker),
        (json!({ "alg": "EdDSA", "kid": "ed", "jku": "https://evil.example/keys" }), &attacker),
        (json!({ "alg": "EdDSA", "kid": "ed", "crit": ["exp"] }), &ed),
        (json!({ "alg": "EdDSA", "kid": "../../ed" }), &ed),
    ] {
        assert!(oidc.vouched(&signer.sign(&header, &claims())).unwrap().is_err(), "{header}");
    }
    assert!(oidc.vouched(&ed.sign(&json!({ "alg": "EdDSA", "kid": "ed" }), &claims())).unwrap().is_ok());
    // The only key needs no name.
    let (_folder, oidc) = open(&[ed.jwk("ed")]);
    assert!(oidc.vouched(&ed.sign(&json!({ "alg": "EdDSA" }), &claims())).unwrap().is_ok());
    assert!(oidc.vouched(&attacker.sign(&json!({ "alg": "EdDSA" }), &claims())).unwrap().is_err());
}

#[test]
fn keys_are_changed_while_the_node_runs() {
    let (old, new) = (Signer::ed(), Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"));
    let (folder, oidc) = open(&[old.jwk("old")]);
    let (by_old, by_new) = (
        old.sign(&json!({ "alg": "EdDSA", "kid": "old" }), &claims()),
        new.sign(&json!({ "alg": "ES256", "kid": "new" }), &claims()),
    );
    let taken = |token: &str| oidc.vouched(token).unwrap().is_ok();
    assert!(taken(&by_old) && !taken(&by_new));
    let later = || std::thread::sleep(LOOK_EVERY + Duration::from_millis(50));
    // Half a file changes nothing.
    fs::write(folder.path().join("keys.json"), "{\"keys\": [").unwrap();
    later();
    assert!(taken(&by_old) && !taken(&by_new));
    config(&folder, &json!({ "keys": [new.jwk("new")] }));
    later();
    assert!(!taken(&by_old) && taken(&by_new));
}

#[test]
fn a_file_that_is_none_is_named_at_the_start() {
    let folder = TempDir::new().unwrap();
    let refused = |config: OidcConfig| {
        let error = Oidc::open(config).map(drop).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadArgument, "{error}");
        error.field.unwrap().to_string()
    };
    let secret = json!({ "kty": "oct", "k": text(b"secret"), "kid": "a" });
    for keys in
        [json!({}), json!({ "keys": [] }), json!([]), json!({ "keys": [secret] }), json!({ "keys": [{}] })]
    {
        assert_eq!(refused(config(&folder, &keys)), "jwks", "{keys}");
    }
    let good = config(&folder, &json!({ "keys": [Signer::ed().jwk("a")] }));
    assert_eq!(refused(OidcConfig { keys: folder.path().join("nothing"), ..good.clone() }), "jwks");
    assert_eq!(refused(OidcConfig { issuer: String::new(), ..good.clone() }), "oidc-issuer");
    assert_eq!(refused(OidcConfig { audience: String::new(), ..good.clone() }), "oidc-audience");
    assert!(Oidc::open(good).is_ok());
}
