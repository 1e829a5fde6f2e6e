//! The token by which a consensus client shows that it knows the secret: a JSON web token, HS256 and nothing else.
//!
//! It trusts nobody: nothing of a token is believed before its signature holds, which is compared in constant time. It keeps no list of
//! tokens that were seen: whoever can listen may use one again while it is fresh, which the Engine API allows.
//!
//! Source: <https://github.com/ethereum/execution-apis/blob/main/src/engine/authentication.md>, RFC 7515, RFC 7519.

use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::Sha256;

use crate::object::Object;

/// How far a token's time may be from ours, in seconds, either way.
const SKEW_S: f64 = 60.0;
/// Digits of base64 in RFC 4648's alphabet for URLs.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What both sides know.
#[derive(Clone)]
pub struct JwtSecret([u8; 32]);

// A secret is not for logs.
impl std::fmt::Debug for JwtSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JwtSecret(..)")
    }
}

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// There is none.
    #[error("missing token")]
    Missing,
    /// It is not three parts with dots between them, each of which can be read.
    #[error("token is malformed: {0}")]
    Malformed(&'static str),
    /// It says that it was made in another way, or in none.
    #[error("token is not signed with HS256")]
    Algorithm,
    /// It was made by whoever does not know the secret.
    #[error("token signature is invalid")]
    Signature,
    /// It does not say when it was made.
    #[error("missing issued-at")]
    NoIssuedAt,
    /// It was made too long ago.
    #[error("stale token")]
    Stale,
    /// It was made in what is the future here.
    #[error("future token")]
    Future,
}

#[derive(Deserialize)]
struct TokenHead<'a> {
    #[serde(borrow)]
    alg: Option<&'a str>,
}

#[derive(Deserialize)]
struct Claims {
    /// Seconds since 1970; RFC 7519 allows a fraction.
    iat: Option<f64>,
}

impl JwtSecret {
    /// A secret of these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 digits of hex, with `0x` before them or without; `None`: it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        let mut bytes = [0; 32];
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        (is_hex && alloy_primitives::hex::decode_to_slice(digits, &mut bytes).is_ok()).then_some(Self(bytes))
    }

    /// The bytes.
    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A token made at this time, in seconds since 1970: what a client shows.
    pub fn token(&self, issued_at_s: u64) -> String {
        self.sign(r#"{"alg":"HS256","typ":"JWT"}"#, &format!(r#"{{"iat":{issued_at_s}}}"#))
    }

    /// Puts a token together from its two texts.
    pub fn sign(&self, head: &str, claims: &str) -> String {
        let mut token = format!("{}.{}", encode(head.as_bytes()), encode(claims.as_bytes()));
        let signature = self.mac(&token).finalize().into_bytes();
        token.push('.');
        token.push_str(&encode(&signature));
        token
    }

    /// Checks a token, at this time in seconds since 1970.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(&self, token: &str, now_s: u64) -> Result<(), TokenFault> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed("no signature"))?;
        let (head, claims) = signed.split_once('.').ok_or(TokenFault::Malformed("no claims"))?;
        let head = decode(head).ok_or(TokenFault::Malformed("head is not base64"))?;
        let Object(head) = serde_json::from_slice::<Object<TokenHead<'_>>>(&head)
            .map_err(|_| TokenFault::Malformed("head is no object of JSON"))?;
        if head.alg != Some("HS256") {
            return Err(TokenFault::Algorithm);
        }
        let signature = decode(signature).ok_or(TokenFault::Malformed("signature is not base64"))?;
        self.mac(signed).verify_slice(&signature).map_err(|_| TokenFault::Signature)?;
        // From here on it was made by whoever knows the secret.
        let claims = decode(claims).ok_or(TokenFault::Malformed("claims are not base64"))?;
        let Object(claims) = serde_json::from_slice::<Object<Claims>>(&claims)
            .map_err(|_| TokenFault::Malformed("claims are no object of JSON"))?;
        let age_s = now_s as f64 - claims.iat.ok_or(TokenFault::NoIssuedAt)?;
        match age_s {
            age_s if age_s > SKEW_S => Err(TokenFault::Stale),
            age_s if age_s < -SKEW_S => Err(TokenFault::Future),
            _ => Ok(()),
        }
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        mac
    }
}

/// Base64 for URLs, without padding.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word =
            group.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            let digit = (word >> (18 - 6 * place)) as usize % 64;
            text.push(char::from(DIGITS[digit]));
        }
    }
    text
}

/// Reads base64 for URLs without padding; bits left over are zero, so that bytes have one text.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.as_bytes().chunks(4) {
        let mut word = 0u32;
        for digit in group {
            let value = DIGITS.iter().position(|other| other == digit)?;
            word = word << 6 | u32::try_from(value).ok()?;
        }
        word <<= 6 * (4 - group.len());
        // One digit alone is not a byte.
        let count = group.len().checked_sub(1).filter(|count| *count > 0)?;
        let [_, read @ ..] = word.to_be_bytes();
        let (read, rest) = read.split_at(count);
        if rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(read);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const HEAD: &str = r#"{"alg":"HS256"}"#;

    fn secret() -> JwtSecret {
        JwtSecret::new([7; 32])
    }

    #[test]
    fn token_of_rfc_7515_holds() {
        // Appendix A.1: a key of 64 bytes, which HMAC takes as ours of 32.
        let text = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let key =
            decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key.expect("base64")).expect("any length");
        mac.update(text.as_bytes());
        assert_eq!(encode(&mac.finalize().into_bytes()), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }

    #[test]
    fn token_holds_for_a_minute_either_way() {
        let at = |issued: u64| secret().check(&secret().token(issued), NOW);
        assert_eq!([at(NOW), at(NOW - 60), at(NOW + 60)], [Ok(()), Ok(()), Ok(())]);
        assert_eq!([at(NOW - 61), at(NOW + 61)], [Err(TokenFault::Stale), Err(TokenFault::Future)]);
        let fraction = secret().sign(HEAD, &format!(r#"{{"iat":{NOW}.5,"id":"beacon","clv":"x"}}"#));
        assert_eq!(secret().check(&fraction, NOW), Ok(()), "a fraction and other claims are allowed");
    }

    #[test]
    fn another_algorithm_or_none_is_refused() {
        for alg in ["none", "None", "HS512", "RS256", ""] {
            let token = secret().sign(&format!(r#"{{"alg":"{alg}"}}"#), &format!(r#"{{"iat":{NOW}}}"#));
            assert_eq!(secret().check(&token, NOW), Err(TokenFault::Algorithm), "{alg}");
        }
        let unsigned = format!("{}.{}.", encode(br#"{"alg":"none"}"#), encode(b"{}"));
        assert_eq!(secret().check(&unsigned, NOW), Err(TokenFault::Algorithm));
        let empty = format!("{}.{}.", encode(HEAD.as_bytes()), encode(b"{}"));
        assert_eq!(secret().check(&empty, NOW), Err(TokenFault::Signature));
    }

    #[test]
    fn token_of_another_secret_is_refused() {
        let token = JwtSecret::new([8; 32]).token(NOW);
        assert_eq!(secret().check(&token, NOW), Err(TokenFault::Signature));
        let mut changed = secret().token(NOW);
        changed.pop();
        assert!(secret().check(&changed, NOW).is_err(), "a cut signature");
    }

    #[test]
    fn token_without_a_time_is_refused() {
        for claims in ["{}", r#"{"iat":null}"#, r#"{"exp":1800000000}"#] {
            assert_eq!(secret().check(&secret().sign(HEAD, claims), NOW), Err(TokenFault::NoIssuedAt));
        }
        for claims in ["[]", &format!("[{NOW}]"), r#"{"iat":"now"}"#, "", "nonsense"] {
            let told = secret().check(&secret().sign(HEAD, claims), NOW);
            assert!(matches!(told, Err(TokenFault::Malformed(_))), "{claims}: {told:?}");
        }
    }

    #[test]
    fn secret_is_hex_with_or_without_a_prefix() {
        let digits = "07".repeat(32);
        for text in [digits.clone(), format!("0x{digits}\n"), format!("  {digits}\r\n")] {
            assert_eq!(JwtSecret::parse(&text).map(|secret| secret.0), Some([7; 32]));
        }
        for text in ["", "0x", "07", &format!("0x0x{digits}"), &format!("{digits}07"), &"zz".repeat(32)] {
            assert!(JwtSecret::parse(text).is_none(), "{text}");
        }
        assert_eq!(format!("{:?}", secret()), "JwtSecret(..)");
    }

    proptest! {
        #[test]
        fn base64_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn text_has_one_reading(text in "[A-Za-z0-9_-]{0,12}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }

        #[test]
        fn no_token_panics(token in ".{0,60}") {
            prop_assert!(secret().check(&token, NOW).is_err());
        }
    }
}
