//! Signatures of JSON Web Tokens by `ring`, which the program has for TLS already. Nothing is signed here, and no secret is shared.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature as ring;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes it that of the process, if it is not yet.
pub(super) fn install() {
    let _ = PROVIDER.install_default();
}

fn signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let means = means(*algorithm).filter(|means| means.family() == key.family());
    let means = means.ok_or(ErrorKind::UnsupportedAlgorithm)?;
    Ok(Box::new(ByRing { algorithm: *algorithm, means, key: key.clone() }))
}

enum Means {
    Rsa(&'static ring::RsaParameters),
    Ec(&'static dyn ring::VerificationAlgorithm),
    Ed(&'static dyn ring::VerificationAlgorithm),
}

impl Means {
    fn family(&self) -> AlgorithmFamily {
        match self {
            Means::Rsa(_) => AlgorithmFamily::Rsa,
            Means::Ec(_) => AlgorithmFamily::Ec,
            Means::Ed(_) => AlgorithmFamily::Ed,
        }
    }
}

fn means(algorithm: Algorithm) -> Option<Means> {
    Some(match algorithm {
        Algorithm::RS256 => Means::Rsa(&ring::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Means::Rsa(&ring::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Means::Rsa(&ring::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Means::Rsa(&ring::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Means::Rsa(&ring::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Means::Rsa(&ring::RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => Means::Ec(&ring::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Means::Ec(&ring::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Means::Ed(&ring::ED25519),
        _ => return None,
    })
}

struct ByRing {
    algorithm: Algorithm,
    means: Means,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for ByRing {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let good = match (&self.means, self.key.kind()) {
            (Means::Rsa(means), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                ring::RsaPublicKeyComponents { n, e }.verify(means, message, signature)
            }
            (Means::Ec(means) | Means::Ed(means), DecodingKeyKind::SecretOrDer(key)) => {
                ring::UnparsedPublicKey::new(*means, key).verify(message, signature)
            }
            _ => Err(::ring::error::Unspecified),
        };
        good.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for ByRing {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
