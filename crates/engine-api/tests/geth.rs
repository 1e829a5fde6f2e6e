//! The payloads of go-ethereum's own protocol tests, from Shanghai to Amsterdam: each becomes the block that its chain has.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{
    fs,
    sync::{Arc, Mutex},
};

use alloy_primitives::Bytes;
use futures::{FutureExt, future::BoxFuture};
use serde_json::Value;
use snapsync_e2e::{
    chain::{Forks as Made, testdata},
    presence::geth_or_report,
};
use snapsync_engine_api::{ClientVersion, EngineApi, Node, Stopped};
use snapsync_execute::{Block, Forkchoice, ForkchoiceVerdict, NewPayload, PayloadVerdict, genesis::Genesis};
use snapsync_storage::{Chain, MemoryDisk, Store};
use snapsync_wire::Header;

/// A node that keeps what it is given.
#[derive(Default)]
struct Keeper {
    given: Mutex<Vec<NewPayload>>,
    chosen: Mutex<Vec<Forkchoice>>,
}

impl Node for Keeper {
    fn new_payload(&self, payload: NewPayload) -> BoxFuture<'_, Result<PayloadVerdict, Stopped>> {
        self.given.lock().unwrap().push(payload);
        async { Ok(PayloadVerdict::Valid) }.boxed()
    }

    fn choose(&self, forkchoice: Forkchoice) -> BoxFuture<'_, Result<ForkchoiceVerdict, Stopped>> {
        self.chosen.lock().unwrap().push(forkchoice);
        async { Ok(ForkchoiceVerdict::Valid) }.boxed()
    }
}

fn blocks(file: &[u8]) -> Vec<Block> {
    let mut rest = file;
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let start = rest;
        alloy_rlp::Header::decode_raw(&mut rest).unwrap();
        let raw = &start[..start.len() - rest.len()];
        blocks.push(Block::decode(&Bytes::copy_from_slice(raw)).unwrap());
    }
    blocks
}

// ROW: F61
#[tokio::test]
async fn payloads_of_geths_tests_become_the_blocks_of_its_chain() {
    let Some(_) = geth_or_report("payloads_of_geths_tests_become_the_blocks_of_its_chain") else { return };
    let folder = testdata(Made::ToAmsterdam).unwrap();
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let genesis = Genesis::read(&folder.join("genesis.json")).unwrap();
    let chain_id = genesis.chain_id().unwrap();
    let blocks = blocks(&read("chain.rlp"));
    let calls: Vec<Value> = serde_json::from_slice(&read("newpayload.json")).unwrap();

    let store = Store::open_memory(&MemoryDisk::default(), Chain { id: chain_id, genesis: genesis.hash() });
    let client = ClientVersion { name: "snapsync".to_owned(), version: "v0".to_owned(), commit: [0; 4] };
    let keeper = Arc::new(Keeper::default());
    let history = store.unwrap().history.clone();
    let header = Header::decode(&genesis.header().into()).unwrap();
    let forks = genesis.forks(chain_id);
    let module = EngineApi::new(keeper.clone(), forks, header, history, client).into_module();
    let mut valid = 0;
    for call in &calls {
        let (answer, _) = module.raw_json_request(&call.to_string(), 1).await.unwrap();
        let answer: Value = serde_json::from_str(answer.get()).unwrap();
        let payload = &call["params"][0];
        if payload["blockNumber"] == "0x0" {
            // It has a difficulty, which no payload can say.
            assert_eq!(answer["result"]["status"], "INVALID");
            continue;
        }
        assert_eq!(answer["result"]["status"], "VALID", "{} {answer}", payload["blockNumber"]);
        assert_eq!(answer["result"]["latestValidHash"], payload["blockHash"]);
        valid += 1;
    }
    let headfcu = String::from_utf8(read("headfcu.json")).unwrap();
    let (answer, _) = module.raw_json_request(&headfcu, 1).await.unwrap();
    assert!(answer.get().contains("\"VALID\""), "{answer}");
    assert_eq!(keeper.chosen.lock().unwrap()[0].head, blocks[599].hash());
    let given = keeper.given.lock().unwrap();
    assert_eq!((valid, given.len(), blocks.len()), (600, 600, 600));
    for (given, block) in given.iter().zip(&blocks) {
        assert_eq!(given.header.raw(), block.header().raw());
        assert_eq!(given.body, *block.body());
        assert_eq!(given.list.is_some(), block.header().block_access_list_hash.is_some());
    }
}
