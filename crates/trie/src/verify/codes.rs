//! Codes: a code is what its digest says.

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256_batch;

use crate::Fault;

/// Codes that are what their digests say.
///
/// Invariant: made by [`verify_codes`] only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifiedCodes {
    codes: Vec<(B256, Bytes)>,
}

impl VerifiedCodes {
    /// The codes under their digests, in the order of the request.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (B256, &Bytes)> + '_ {
        self.codes.iter().map(|(hash, code)| (*hash, code))
    }

    /// How many codes there are.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// The codes under their digests.
    pub fn into_inner(self) -> Vec<(B256, Bytes)> {
        self.codes
    }
}

/// Checks an answer to a request for codes: those that the peer has, in the order of the request.
///
/// # Errors
/// [`Fault::WrongCode`] for a code that was not asked for, comes twice or out of order.
pub fn verify_codes(asked: &[B256], codes: Vec<Bytes>) -> Result<VerifiedCodes, Fault> {
    let messages: Vec<&[u8]> = codes.iter().map(AsRef::as_ref).collect();
    let mut hashes = vec![B256::ZERO; messages.len()];
    keccak256_batch(&messages, &mut hashes);
    let mut asked = asked.iter();
    for hash in &hashes {
        if !asked.any(|asked| asked == hash) {
            return Err(Fault::WrongCode { hash: *hash });
        }
    }
    Ok(VerifiedCodes { codes: hashes.into_iter().zip(codes).collect() })
}

#[cfg(test)]
mod tests {
    use snapsync_keccak::keccak256;

    use super::*;

    #[test]
    fn codes_may_be_missing_but_not_others_nor_reordered() {
        let codes: Vec<Bytes> =
            [&b"a"[..], b"bb", b"ccc"].iter().map(|code| Bytes::from_static(code)).collect();
        let asked: Vec<B256> = codes.iter().map(|code| keccak256(code)).collect();
        assert_eq!(verify_codes(&asked, codes.clone()).unwrap().len(), 3);
        assert_eq!(verify_codes(&asked, vec![codes[2].clone()]).unwrap().into_inner()[0].0, asked[2]);
        assert!(verify_codes(&asked, Vec::new()).unwrap().is_empty());
        let wrong = |at: usize| Err(Fault::WrongCode { hash: asked[at] });
        assert_eq!(verify_codes(&asked[..2], vec![codes[2].clone()]), wrong(2));
        assert_eq!(verify_codes(&asked, vec![codes[1].clone(), codes[0].clone()]), wrong(0));
        assert_eq!(verify_codes(&asked, vec![codes[1].clone(), codes[1].clone()]), wrong(1));
    }
}
