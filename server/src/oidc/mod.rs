//! Tokens that somebody else makes: JSON Web Tokens (RFC 7519) of one OpenID provider for one audience, each of which stands for a user whom the node knows.
//!
//! A token is taken when all of this holds: its algorithm is one with a public key, and one of the key that it names; that key is in the provider's set (JWKS,
//! RFC 7517), which lies in a file; the signature is right; the issuer and the audience are those that were configured; it has begun and has not ended. What it says
//! of itself beyond that (where keys are, which are its own) is not looked at.

mod ring;

use emerge_node::Vouched;
use emerge_proto::guard::Guard;
use emerge_proto::{Error, ErrorCode, Result};
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value as Json};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Whose tokens a node takes, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcConfig {
    /// The issuer, word for word as tokens have it in `iss`.
    pub issuer: String,
    /// Whom the tokens are for: what `aud` is or holds.
    pub audience: String,
    /// The file with the provider's keys, as JWKS.
    pub keys: PathBuf,
    /// The claim that is the name of a user here.
    pub claim: String,
}

impl OidcConfig {
    /// The claim that names the user, when none is configured.
    pub const CLAIM: &str = "sub";
}

/// Bytes of a token.
const MAX_TOKEN: usize = 16 * 1024;
/// Bytes of a file of keys, and keys in it.
const MAX_FILE: u64 = 1 << 20;
const MAX_KEYS: usize = 256;
/// Seconds by which clocks may differ.
const LEEWAY: u64 = 30;
/// How often the file is looked at, when tokens come.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One of a provider's keys.
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// What the file was when it was last read.
type Stamp = Option<(SystemTime, u64)>;

struct Keys {
    all: Arc<[Key]>,
    stamp: Stamp,
    looked: Instant,
}

pub(crate) struct Oidc {
    config: OidcConfig,
    keys: Mutex<Keys>,
}

impl Oidc {
    /// Reads the keys.
    ///
    /// # Errors
    /// `bad_argument`, which names the file or what is missing.
    pub(crate) fn open(config: OidcConfig) -> Result<Self> {
        for (field, text) in [
            ("oidc-issuer", &config.issuer),
            ("oidc-audience", &config.audience),
            ("oidc-claim", &config.claim),
        ] {
            if text.is_empty() {
                return Err(Error::new(ErrorCode::BadArgument, format!("--{field} is empty")).field(field));
            }
        }
        ring::install();
        // Before it is read, so that what changes meanwhile is read again.
        let stamp = stamp(&config);
        let all = read(&config)?;
        Ok(Self { config, keys: Mutex::new(Keys { all, stamp, looked: Instant::now() }) })
    }

    /// The keys of now. A file that cannot be read leaves those that are there.
    fn keys(&self) -> Arc<[Key]> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.looked.elapsed() >= LOOK_EVERY {
            keys.looked = Instant::now();
            let now = stamp(&self.config);
            if now != keys.stamp {
                keys.stamp = now;
                match read(&self.config) {
                    Ok(all) => {
                        keys.all = all;
                        tracing::info!(file = %self.config.keys.display(), "the keys of the OpenID provider were read again");
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the keys of the OpenID provider stay as they are");
                    }
                }
            }
        }
        keys.all.clone()
    }

    /// Whom a token stands for; none when it is not of this kind at all.
    ///
    /// # Errors
    /// `unauthenticated`, with the reason.
    pub(crate) fn vouched(&self, token: &str) -> Option<Result<Vouched>> {
        // The JSON of a header begins with `{"`; the node's own tokens have no dots.
        let is_one = token.starts_with("eyJ") && token.matches('.').count() == 2;
        is_one.then(|| self.verify(token))
    }

    fn verify(&self, token: &str) -> Result<Vouched> {
        if token.len() > MAX_TOKEN {
            return Err(refused("it is too long"));
        }
        let claims = match Guard::Signature.holds() {
            true => self.signed(token)?,
            false => insecure_decode_claims(token).map_err(|error| refused(&reason(&error)))?,
        };
        // One issuer has made it: several are nobody.
        if claims.get("iss").and_then(Json::as_str) != Some(self.config.issuer.as_str())
            && Guard::Issuer.holds()
        {
            return Err(refused("it is of another issuer"));
        }
        let claim = &self.config.claim;
        let user = claims.get(claim).and_then(Json::as_str).filter(|user| !user.is_empty());
        let user = user.ok_or_else(|| refused(&format!("it has no text in the claim {claim:?}")))?;
        let end =
            claims.get("exp").and_then(|end| end.as_i64().or_else(|| end.as_f64().map(|end| end as i64)));
        let end = end.ok_or_else(|| refused("it does not say when it ends"))?;
        let expires = end.saturating_add(LEEWAY as i64).saturating_mul(1_000_000);
        Ok(Vouched { user: user.to_owned(), expires })
    }

    /// What a token claims that is signed by one of the keys, of the issuer, for the audience, and of now.
    fn signed(&self, token: &str) -> Result<Map<String, Json>> {
        let header = decode_header(token).map_err(|error| refused(&reason(&error)))?;
        let keys = self.keys();
        let fits = |key: &&Key| match (&header.kid, &key.id) {
            (Some(asked), Some(id)) => asked == id,
            // Without a name it can only be the one that there is.
            (None, _) => keys.len() == 1,
            (Some(_), None) => false,
        };
        // Ids are the provider's own: where two keys share one, each is for other algorithms.
        let key = keys.iter().filter(fits).find(|key| key.algorithms.contains(&header.alg));
        let key = key.ok_or_else(|| refused("the provider has no key by that name for its algorithm"))?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.validate_exp = Guard::End.holds();
        validation.validate_aud = Guard::Audience.holds();
        if Guard::Issuer.holds() {
            validation.set_issuer(&[&self.config.issuer]);
        }
        validation.set_audience(&[&self.config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        decode(token, &key.key, &validation)
            .map(|decoded| decoded.claims)
            .map_err(|error| refused(&reason(&error)))
    }
}

fn refused(why: &str) -> Error {
    Error::new(
        ErrorCode::Unauthenticated,
        format!("the token of the OpenID provider is not valid here: {why}"),
    )
}

/// Why, without a word of the token.
fn reason(error: &jsonwebtoken::errors::Error) -> String {
    match error.kind() {
        ErrorKind::ExpiredSignature => "it has expired".into(),
        ErrorKind::ImmatureSignature => "it is not valid yet".into(),
        ErrorKind::InvalidIssuer => "it is of another issuer".into(),
        ErrorKind::InvalidAudience => "it is for another audience".into(),
        ErrorKind::InvalidSignature => "its signature is wrong".into(),
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::UnsupportedAlgorithm => {
            "its algorithm is none that is taken".into()
        }
        ErrorKind::MissingRequiredClaim(claim) => format!("it lacks the claim {claim:?}"),
        ErrorKind::InvalidClaimFormat(claim) => format!("its claim {claim:?} is not well-formed"),
        _ => "it is not well-formed".into(),
    }
}

fn stamp(config: &OidcConfig) -> Stamp {
    let facts = fs::metadata(&config.keys).ok()?;
    Some((facts.modified().ok()?, facts.len()))
}

fn read(config: &OidcConfig) -> Result<Arc<[Key]>> {
    let bad = |why: String| {
        Error::new(ErrorCode::BadArgument, format!("{}: {why}", config.keys.display())).field("jwks")
    };
    let unreadable = |error: std::io::Error| bad(format!("it cannot be read: {error}"));
    if fs::metadata(&config.keys).map_err(unreadable)?.len() > MAX_FILE {
        return Err(bad(format!("it has more than {MAX_FILE} bytes")).limit(MAX_FILE));
    }
    let text = fs::read_to_string(&config.keys).map_err(unreadable)?;
    let set: JwkSet = serde_json::from_str(&text).map_err(|error| bad(format!("it is no JWKS: {error}")))?;
    if set.keys.len() > MAX_KEYS {
        return Err(bad(format!("it has more than {MAX_KEYS} keys")).limit(MAX_KEYS as u64));
    }
    let mut keys = Vec::new();
    for jwk in set.keys {
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            continue;
        }
        let mut algorithms = algorithms(&jwk.algorithm);
        if let Some(only) = &jwk.common.key_algorithm {
            algorithms.retain(|algorithm| KeyAlgorithm::from(*algorithm) == *only);
        }
        if algorithms.is_empty() {
            continue;
        }
        let key =
            DecodingKey::from_jwk(&jwk).map_err(|error| bad(format!("a key is not well-formed: {error}")))?;
        keys.push(Key { id: jwk.common.key_id, algorithms, key });
    }
    if keys.is_empty() {
        return Err(bad("it has no public key for signatures (RSA, P-256, P-384, Ed25519)".into()));
    }
    Ok(keys.into())
}

/// The algorithms that a key is good for: none with a shared secret, so that no public key is ever taken for one.
fn algorithms(key: &AlgorithmParameters) -> Vec<Algorithm> {
    match key {
        AlgorithmParameters::RSA(_) => vec![
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => Vec::new(),
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            vec![Algorithm::EdDSA]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
