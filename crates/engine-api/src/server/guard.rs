//! Who may come in.

use std::{
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue, Uri, header};

use crate::jwt::{JwtSecret, TokenFault};

/// Who may come in.
#[derive(Clone, Debug)]
pub enum Guard {
    /// Whoever shows a fresh token of this secret, in the head of each request.
    Token(JwtSecret),
    /// Whoever calls us by an address or one of these names. A page that a browser has opened calls us by its own name, even where that
    /// name has been made to point here; and it says where it comes from, which must be one of these names, too. `*` is any name.
    Names(Vec<String>),
}

/// Why somebody may not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenFault),
    /// The name.
    #[error("invalid host specified")]
    Name,
}

impl Guard {
    /// Whoever calls us by an address, or as `localhost`.
    pub fn local() -> Self {
        Self::Names(vec!["localhost".to_owned()])
    }

    /// Whether a request may come in, by its head.
    pub(super) fn admits(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        match self {
            Self::Token(secret) => {
                let token = bearer(headers).ok_or(TokenFault::Missing)?;
                Ok(secret.check(token, now_s())?)
            }
            Self::Names(names) => {
                let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
                let host = uri.host().or_else(|| host.map(without_port));
                // HTTP/1.0 may leave it out, and a browser never does.
                let is_known = host.is_none_or(|host| is_address(host) || is_among(names, host));
                let is_ours = headers.get(header::ORIGIN).is_none_or(|origin| is_of(names, origin));
                if is_known && is_ours { Ok(()) } else { Err(Refusal::Name) }
            }
        }
    }
}

/// Whether a page comes from one of these names. Browsers say where a page comes from, and let any page open a WebSocket to anybody.
fn is_of(names: &[String], origin: &HeaderValue) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    origin.as_ref().and_then(Uri::host).is_some_and(|host| is_among(names, host))
        || names.iter().any(|name| name == "*")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an address are within brackets.
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_address(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

fn is_among(names: &[String], host: &str) -> bool {
    names.iter().any(|name| name == "*" || name.eq_ignore_ascii_case(host))
}

fn now_s() -> u64 {
    // A clock before 1970 finds every token in the future, as it should.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(guard: &Guard, name: header::HeaderName, value: &str) -> Result<(), Refusal> {
        let headers = HeaderMap::from_iter([(name, value.parse().expect("a header"))]);
        guard.admits(&Uri::from_static("/"), &headers)
    }

    #[test]
    fn token_is_read_from_the_header_whatever_the_case_of_its_scheme() {
        let secret = JwtSecret::new([1; 32]);
        let token = secret.token(now_s());
        let guard = Guard::Token(secret);
        let told = |value: &str| admits(&guard, header::AUTHORIZATION, value);
        assert_eq!(told(&format!("Bearer {token}")), Ok(()));
        assert_eq!(told(&format!("bearer {token}")), Ok(()));
        for value in [token.as_str(), "Bearer", "Bearer ", &format!("Basic {token}")] {
            assert_eq!(told(value), Err(Refusal::Token(TokenFault::Missing)), "{value}");
        }
        assert!(guard.admits(&Uri::from_static("/"), &HeaderMap::new()).is_err());
    }

    #[test]
    fn names_that_are_not_ours_stay_outside() {
        let told = |value: &str| admits(&Guard::local(), header::HOST, value);
        for value in ["localhost", "LOCALHOST:8545", "127.0.0.1:8545", "[::1]:8545", "[::1]", "10.0.0.7"] {
            assert_eq!(told(value), Ok(()), "{value}");
        }
        for value in ["evil.example", "localhost.evil.example:8545", "127.0.0.1.evil.example"] {
            assert_eq!(told(value), Err(Refusal::Name), "{value}");
        }
        let anybody = Guard::Names(vec!["*".to_owned()]);
        assert_eq!(admits(&anybody, header::HOST, "evil.example"), Ok(()));
    }

    #[test]
    fn a_page_of_another_place_stays_outside_and_what_is_no_page_comes_in() {
        let told = |origin: &str| admits(&Guard::local(), header::ORIGIN, origin);
        for origin in ["http://localhost:8080", "https://LOCALHOST"] {
            assert_eq!(told(origin), Ok(()), "{origin}");
        }
        // An address is not enough: every page that is served from one has it.
        for origin in
            ["http://evil.example", "https://localhost.evil.example", "null", "", "http://127.0.0.1:8080"]
        {
            assert_eq!(told(origin), Err(Refusal::Name), "{origin}");
        }
        let anybody = Guard::Names(vec!["*".to_owned()]);
        assert_eq!(admits(&anybody, header::ORIGIN, "http://evil.example"), Ok(()));
        assert_eq!(admits(&anybody, header::ORIGIN, "null"), Ok(()));
    }
}
