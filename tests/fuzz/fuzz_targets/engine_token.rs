//! Any text as a token, or as what a token says: `[kind, text..]`. Nothing but what the secret has signed gets in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapsync_engine_api::{JwtSecret, TokenFault};

const NOW_S: u64 = 1_800_000_000;

fuzz_target!(|data: &[u8]| {
    let [kind, text @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let secret = JwtSecret::new([7; 32]);
    match kind % 4 {
        0 => assert!(secret.check(text, NOW_S).is_err(), "nobody guesses a signature"),
        1 => {
            let told = secret.check(&secret.sign(text, &format!(r#"{{"iat":{NOW_S}}}"#)), NOW_S);
            assert!(matches!(told, Ok(()) | Err(TokenFault::Malformed(_) | TokenFault::Algorithm)), "{told:?}");
        }
        2 => {
            let token = secret.sign(r#"{"alg":"HS256"}"#, text);
            let told = secret.check(&token, NOW_S);
            assert!(!matches!(told, Err(TokenFault::Algorithm | TokenFault::Signature | TokenFault::Missing)));
            let other = JwtSecret::new([8; 32]).check(&token, NOW_S);
            assert_eq!(other, Err(TokenFault::Signature), "not a word is read before the signature");
        }
        _ => {
            if let Some(read) = JwtSecret::parse(text) {
                assert_eq!(read.check(&read.token(NOW_S), NOW_S), Ok(()));
            }
        }
    }
});
