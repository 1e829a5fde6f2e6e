//! The test chains: made once by driving geth, kept in the cache, copied for each test.
//!
//! Of each chain there are a genesis file, a chain file, a data directory that geth filled from these two, and
//! `expected.json`: what geth says of the result. That file is written last, so a folder that has it is whole. Processes
//! that want the same chain at the same time wait for each other.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use alloy_primitives::{Address, B256};
use alloy_rlp::{Buf, Decodable, Header};
use serde_json::{Value, json};

use crate::{
    Error,
    cache::{self, Release, Tools},
    datadir::{Census, Datadir},
    genesis,
    geth::{Geth, Settings},
    proposer::propose,
    recipe::{self, Recipe, Size},
    rpc::{Rpc, hash_in, number_in},
};

/// Of all blocks of a chain file.
fn gas_used(mut blocks: &[u8]) -> alloy_rlp::Result<u64> {
    /// Where it stands in a header.
    const FIELD: usize = 10;
    let mut sum = 0;
    while !blocks.is_empty() {
        let mut header = Header::decode_bytes(&mut Header::decode_bytes(&mut blocks, true)?, true)?;
        for _ in 0..FIELD {
            let head = Header::decode(&mut header)?;
            header.advance(head.payload_length);
        }
        sum += u64::decode(&mut header)?;
    }
    Ok(sum)
}

/// What geth says of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The network's id.
    pub network_id: u64,
    /// The genesis block's hash.
    pub genesis_hash: B256,
    /// The head's number.
    pub head_number: u64,
    /// The head's hash.
    pub head_hash: B256,
    /// What is in the head's state.
    pub state: Census,
}

/// The forks of a chain [`of_every_fork`](TestChain::of_every_fork).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forks {
    /// From Frontier to Prague; one block's receipts are larger than any message may be.
    ToPrague,
    /// From Shanghai to Amsterdam, in which nearly all blocks are.
    ToAmsterdam,
}

impl Forks {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ToPrague, Self::ToAmsterdam];

    /// The chain's name, and the start of its folder's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ToPrague => "forks-to-prague",
            Self::ToAmsterdam => "forks-to-amsterdam",
        }
    }

    /// Whose module has the chain's files. Any newer geth takes them too.
    const fn source(self) -> Release {
        match self {
            Self::ToPrague => Release::Older,
            Self::ToAmsterdam => Release::Newest,
        }
    }
}

/// A chain that is ready.
#[derive(Clone, Debug)]
pub struct TestChain {
    folder: PathBuf,
    expected: Expected,
}

impl TestChain {
    /// The chain of `size`, made if it is not there yet.
    pub fn of(tools: &Tools, size: Size) -> Result<Self, Error> {
        let name = format!("{}-{}-geth-{}", size.name, recipe::VERSION, tools.version);
        Self::ready(&name, |folder| make(tools, size, &Recipe::new(size).genesis(), folder))
    }

    /// The same chain but for its first block: of what is made above its head all but the first `without` blocks have access lists.
    pub fn below_lists(tools: &Tools, size: Size, without: u64) -> Result<Self, Error> {
        let above = if without == 0 { String::new() } else { format!("-{without}-more") };
        let name = format!("{}-below-lists{above}-{}-geth-{}", size.name, recipe::VERSION, tools.version);
        let genesis = Recipe::new(size).genesis_before_lists(without);
        Self::ready(&name, |folder| make(tools, size, &genesis, folder))
    }

    /// A chain that go-ethereum's own protocol tests use: 600 blocks, and a fork every few of them.
    pub fn of_every_fork(tools: &Tools, forks: Forks) -> Result<Self, Error> {
        let name = format!("{}-geth-{}", forks.name(), tools.version);
        Self::ready(&name, |folder| adopt(tools, forks, folder))
    }

    /// The contract that holds the most slots of a chain [`of`](Self::of) a size.
    pub fn huge_contract() -> Address {
        Recipe::huge_contract()
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What geth says of it.
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// The genesis file.
    pub fn genesis(&self) -> PathBuf {
        self.folder.join("genesis.json")
    }

    /// All blocks, one RLP item after the other.
    pub fn blocks(&self) -> PathBuf {
        self.folder.join("chain.rlp")
    }

    /// The gas that its blocks used, as their headers say.
    pub fn gas_used(&self) -> Result<u64, Error> {
        let path = self.blocks();
        let file = fs::read(&path).map_err(Error::io("read", &path))?;
        gas_used(&file).map_err(|error| Error::Chain(format!("{}: {error}", path.display())))
    }

    /// Starts a geth that serves it, from a copy of its data in `folder`.
    pub fn serve(&self, tools: &Tools, folder: &Path) -> Result<Geth, Error> {
        self.serve_with(tools, folder, &Settings::serving(self.expected.network_id))
    }

    /// The same, with settings of one's own.
    pub fn serve_with(&self, tools: &Tools, folder: &Path, settings: &Settings) -> Result<Geth, Error> {
        let datadir = Datadir::at(self.folder.join("datadir")).copy_to(folder.join("geth"))?;
        Geth::start(tools, datadir, settings)
    }

    /// The chain in the cache folder `name`; `make` fills a new folder with its files.
    fn ready(name: &str, make: impl FnOnce(&Path) -> Result<Expected, Error>) -> Result<Self, Error> {
        let chains = cache::chains_folder();
        fs::create_dir_all(&chains).map_err(Error::io("make", &chains))?;
        let lock_path = chains.join(format!("{name}.lock"));
        let lock = File::create(&lock_path).map_err(Error::io("make", &lock_path))?;
        // BLOCKING: until another process has made the same chain.
        lock.lock().map_err(Error::io("lock", &lock_path))?;
        let folder = chains.join(name);
        if let Some(expected) = read_expected(&folder) {
            return Ok(Self { folder, expected });
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
        }
        fs::create_dir_all(&folder).map_err(Error::io("make", &folder))?;
        let expected = make(&folder)?;
        write_json(&folder.join("expected.json"), &expected.to_json())?;
        Ok(Self { folder, expected })
    }
}

impl Expected {
    /// What a geth that serves the chain says, and what it found in the state.
    fn of(rpc: Rpc, network_id: u64, state: Census) -> Result<Self, Error> {
        let (first, head) = (rpc.block("0x0")?, rpc.block("latest")?);
        let root = hash_in(&head, "stateRoot")?;
        if state.root != root {
            return Err(Error::Chain(format!("geth walked {} below a head of {root}", state.root)));
        }
        Ok(Self {
            network_id,
            genesis_hash: hash_in(&first, "hash")?,
            head_number: number_in(&head, "number")?,
            head_hash: hash_in(&head, "hash")?,
            state,
        })
    }

    fn to_json(self) -> Value {
        json!({
            "networkId": self.network_id,
            "genesisHash": self.genesis_hash.to_string(),
            "headNumber": self.head_number,
            "headHash": self.head_hash.to_string(),
            "stateRoot": self.state.root.to_string(),
            "accounts": self.state.accounts,
            "contracts": self.state.contracts,
            "storages": self.state.storages,
            "slots": self.state.slots,
            "accountBranches": self.state.account_branches,
            "storageBranches": self.state.storage_branches,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let number = |name: &str| value.get(name)?.as_u64();
        let hash = |name: &str| value.get(name)?.as_str()?.parse().ok();
        Some(Self {
            network_id: number("networkId")?,
            genesis_hash: hash("genesisHash")?,
            head_number: number("headNumber")?,
            head_hash: hash("headHash")?,
            state: Census {
                root: hash("stateRoot")?,
                accounts: number("accounts")?,
                contracts: number("contracts")?,
                storages: number("storages")?,
                slots: number("slots")?,
                account_branches: number("accountBranches")?,
                storage_branches: number("storageBranches")?,
            },
        })
    }
}

/// Makes the chain of `size` above `genesis` in `folder`: one geth builds it block by block, a second one executes the result again.
fn make(tools: &Tools, size: Size, genesis: &Value, folder: &Path) -> Result<Expected, Error> {
    let (genesis_file, chain_file) = (folder.join("genesis.json"), folder.join("chain.rlp"));
    let recipe = Recipe::new(size);
    write_json(&genesis_file, genesis)?;
    let maker = Datadir::init(tools, folder.join("maker"), &genesis_file)?;
    let geth = Geth::start(tools, maker, &Settings::serving(genesis::CHAIN_ID))?;
    for (index, block) in recipe.blocks().iter().enumerate() {
        let number = index as u64 + 1;
        propose(geth.rpc(), number, B256::with_last_byte(number as u8), block)?;
    }
    let head = hash_in(&geth.rpc().block("latest")?, "hash")?;
    let maker = geth.stop()?;
    maker.export(tools, &chain_file)?;
    fs::remove_dir_all(maker.path()).map_err(Error::io("remove", maker.path()))?;

    let expected = import(tools, folder, genesis::CHAIN_ID)?;
    if expected.head_hash != head {
        return Err(Error::Chain(format!("made up to {head}, imported up to {}", expected.head_hash)));
    }
    let wanted = [size.accounts, size.slots, size.contracts];
    let found = [expected.state.accounts, expected.state.slots, expected.state.contracts];
    if wanted.iter().zip(&found).any(|(wanted, found)| found < wanted) {
        return Err(Error::Chain(format!(
            "wanted at least {wanted:?} accounts, slots and contracts, got {found:?}"
        )));
    }
    Ok(expected)
}

/// The files of go-ethereum's own protocol tests of these forks, in its pinned module, as Go's client keeps it.
pub fn testdata(forks: Forks) -> Result<PathBuf, Error> {
    let go = Path::new("go");
    let module = format!("github.com/ethereum/go-ethereum@v{}", forks.source().version());
    let output = Command::new(go)
        .args(["mod", "download", "-json", &module])
        // Outside any module of Go.
        .current_dir(std::env::temp_dir())
        .stderr(Stdio::inherit())
        .output()
        .map_err(Error::io("start", go))?;
    let module: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let Some(place) = module.get("Dir").and_then(Value::as_str) else {
        return Err(Error::Chain("Go does not say where the module of go-ethereum is".to_owned()));
    };
    Ok(Path::new(place).join("cmd/devp2p/internal/ethtest/testdata"))
}

/// Takes over a chain of go-ethereum's own protocol tests.
fn adopt(tools: &Tools, forks: Forks, folder: &Path) -> Result<Expected, Error> {
    let testdata = testdata(forks)?;
    for name in ["genesis.json", "chain.rlp"] {
        // Read and written, not copied: the module's files cannot be written to, and a copy could not either.
        let source = testdata.join(name);
        let bytes = fs::read(&source).map_err(Error::io("read", &source))?;
        fs::write(folder.join(name), bytes).map_err(Error::io("write", folder.join(name)))?;
    }
    let genesis = folder.join("genesis.json");
    let text = fs::read_to_string(&genesis).map_err(Error::io("read", &genesis))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| Error::Chain(error.to_string()))?;
    let chain_id = value.pointer("/config/chainId").and_then(Value::as_u64);
    import(tools, folder, chain_id.ok_or_else(|| Error::Chain("a genesis without a chain id".to_owned()))?)
}

/// Fills `folder/datadir` from the two files in `folder`, and asks geth what is in it.
fn import(tools: &Tools, folder: &Path, network_id: u64) -> Result<Expected, Error> {
    let datadir = Datadir::init(tools, folder.join("datadir"), &folder.join("genesis.json"))?;
    datadir.import(tools, &folder.join("chain.rlp"))?;
    let asked = tempfile::tempdir().map_err(Error::io("make a folder in", std::env::temp_dir()))?;
    let copy = datadir.copy_to(asked.path().join("geth"))?;
    let state = copy.census(tools)?;
    let geth = Geth::start(tools, copy, &Settings::serving(network_id))?;
    Expected::of(geth.rpc(), network_id, state)
}

fn read_expected(folder: &Path) -> Option<Expected> {
    let text = fs::read_to_string(folder.join("expected.json")).ok()?;
    Expected::from_json(&serde_json::from_str(&text).ok()?)
}

fn write_json(path: &Path, value: &Value) -> Result<(), Error> {
    fs::write(path, format!("{value:#}\n")).map_err(Error::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectation_survives_its_file() {
        let expected = Expected {
            network_id: 1 << 60,
            genesis_hash: B256::repeat_byte(1),
            head_number: 2,
            head_hash: B256::repeat_byte(3),
            state: Census {
                root: B256::repeat_byte(4),
                accounts: 5,
                contracts: 6,
                storages: 7,
                slots: 8,
                account_branches: 9,
                storage_branches: 10,
            },
        };
        assert_eq!(Expected::from_json(&expected.to_json()), Some(expected));
        assert_eq!(Expected::from_json(&json!({})), None);
    }
}
