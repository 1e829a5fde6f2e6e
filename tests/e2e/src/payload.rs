//! The blocks of a geth as a consensus client gives them: the calls `engine_newPayloadV4` and `engine_forkchoiceUpdatedV3` of each.
//!
//! It trusts geth. Blocks are of Prague or Osaka, without blobs and without requests: what geth does not tell of them is nothing then.

use serde_json::{Map, Value, json};

use crate::{
    Error,
    engine::{Engine, head_params},
    geth::Geth,
    line::request,
};

/// Bodies that are asked for at once: geth gives 1,024 at most, and few megabytes.
const BODIES: u64 = 32;

/// The hash of no requests at all (EIP-7685): SHA-256 of nothing.
const NO_REQUESTS: &str = "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A field of a payload, and what a block over JSON-RPC calls it.
const FIELDS: [(&str, &str); 15] = [
    ("parentHash", "parentHash"),
    ("feeRecipient", "miner"),
    ("stateRoot", "stateRoot"),
    ("receiptsRoot", "receiptsRoot"),
    ("logsBloom", "logsBloom"),
    ("prevRandao", "mixHash"),
    ("blockNumber", "number"),
    ("gasLimit", "gasLimit"),
    ("gasUsed", "gasUsed"),
    ("timestamp", "timestamp"),
    ("extraData", "extraData"),
    ("baseFeePerGas", "baseFeePerGas"),
    ("blockHash", "hash"),
    ("blobGasUsed", "blobGasUsed"),
    ("excessBlobGas", "excessBlobGas"),
];

/// A block as it is given and named.
#[derive(Clone, Debug)]
pub struct PayloadCall {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: String,
    /// What `engine_newPayloadV4` is called with.
    pub params: Value,
}

impl PayloadCall {
    /// The blocks `first` to `last` of the chain that `geth` is on.
    pub fn of_blocks(geth: &Geth, first: u64, last: u64) -> Result<Vec<Self>, Error> {
        let engine = geth.engine()?;
        let mut calls = Vec::new();
        let mut number = first;
        while number <= last {
            let count = BODIES.min(last - number + 1);
            for body in bodies(&engine, number, count)? {
                calls.push(call(&geth.rpc().block(&format!("{number:#x}"))?, number, &body)?);
                number += 1;
            }
        }
        Ok(calls)
    }

    /// The request that gives it.
    pub fn new_payload(&self) -> String {
        request("engine_newPayloadV4", &self.params)
    }

    /// The request that names it as the head. Nothing is called final.
    pub fn forkchoice(&self) -> String {
        request("engine_forkchoiceUpdatedV3", &head_params(&self.hash))
    }
}

/// The bodies of so many blocks; at least one.
fn bodies(engine: &Engine, first: u64, count: u64) -> Result<Vec<Value>, Error> {
    const METHOD: &str = "engine_getPayloadBodiesByRangeV1";
    let mut answer = engine.call(METHOD, &json!([format!("{first:#x}"), format!("{count:#x}")]))?;
    match answer.get_mut("result").map(Value::take) {
        Some(Value::Array(bodies)) if !bodies.is_empty() => Ok(bodies),
        _ => Err(Error::Rpc { method: METHOD.to_owned(), why: format!("no bodies of {first} in {answer}") }),
    }
}

/// The call for the block of this header and body.
fn call(block: &Value, number: u64, body: &Value) -> Result<PayloadCall, Error> {
    let lacking = |what: &str| Error::Chain(format!("block {number} is none that can be given: {what}"));
    if block["requestsHash"] != NO_REQUESTS {
        return Err(lacking("it has requests, or is of another fork"));
    }
    let mut payload = Map::new();
    for (name, called) in FIELDS {
        let value = block.get(called).filter(|value| value.is_string());
        payload.insert(name.to_owned(), value.ok_or_else(|| lacking(called))?.clone());
    }
    for name in ["transactions", "withdrawals"] {
        let value = body.get(name).filter(|value| value.is_array());
        payload.insert(name.to_owned(), value.ok_or_else(|| lacking(name))?.clone());
    }
    let hash = block["hash"].as_str().unwrap_or_default().to_owned();
    let params = json!([payload, [], block["parentBeaconBlockRoot"], []]);
    Ok(PayloadCall { number, hash, params })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Value {
        let mut block: Map<String, Value> =
            FIELDS.iter().map(|(_, called)| ((*called).to_owned(), json!(format!("0x{called}")))).collect();
        block.insert("requestsHash".to_owned(), json!(NO_REQUESTS));
        block.insert("parentBeaconBlockRoot".to_owned(), json!("0x07"));
        block.into()
    }

    #[test]
    fn payload_has_the_fields_of_its_block_by_their_other_names() {
        let body = json!({ "transactions": ["0x01"], "withdrawals": [] });
        let call = call(&block(), 3, &body).unwrap();
        let payload = &call.params[0];
        assert_eq!(
            (&payload["feeRecipient"], &payload["prevRandao"]),
            (&json!("0xminer"), &json!("0xmixHash"))
        );
        assert_eq!((&payload["transactions"], &call.params[2]), (&json!(["0x01"]), &json!("0x07")));
        assert_eq!(payload["blockHash"], call.hash.as_str());
        let named: Value = serde_json::from_str(&call.forkchoice()).unwrap();
        assert_eq!(named["params"][0]["headBlockHash"], "0xhash");
    }

    #[test]
    fn what_cannot_be_given_is_said_so() {
        let body = json!({ "transactions": [], "withdrawals": [] });
        for lacking in ["requestsHash", "mixHash"] {
            let mut block = block();
            block[lacking] = Value::Null;
            assert!(call(&block, 3, &body).unwrap_err().to_string().contains("block 3"), "{lacking}");
        }
        assert!(call(&block(), 3, &json!({ "transactions": null })).is_err());
    }
}
