//! The public networks, whose genesis files nobody has to bring.
//!
//! Trusts the files in `networks/`, which are part of the program; its README says where they are from. An allocation is unpacked only where
//! it is asked for: mainnet's has 8,893 accounts in 700 kB of JSON, and whoever fetches the state needs its root alone.

use std::{io::Read, str::FromStr};

use alloy_primitives::{B256, b256};

use super::{account, error::Unread, file::Genesis, json::Members};

/// Bytes of an allocation, unpacked; mainnet's has 700,000.
const ALLOC_BYTES_MAX: u64 = 1 << 22;

/// A network that everybody knows by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PublicNetwork {
    /// Ethereum.
    Mainnet,
    /// The test network for applications.
    Sepolia,
    /// The test network for validators.
    Hoodi,
}

/// What is kept of a network.
struct Kept {
    name: &'static str,
    /// The forks and the fields of block 0.
    outline: &'static str,
    /// The allocation, compressed.
    alloc: &'static [u8],
    /// The root of the allocation.
    root: B256,
    /// The first block that was not mined.
    merged_at: u64,
}

const MAINNET: Kept = Kept {
    name: "mainnet",
    outline: include_str!("../../networks/mainnet.json"),
    alloc: include_bytes!("../../networks/mainnet.alloc.json.gz"),
    root: b256!("d7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544"),
    merged_at: 15_537_394,
};
const SEPOLIA: Kept = Kept {
    name: "sepolia",
    outline: include_str!("../../networks/sepolia.json"),
    alloc: include_bytes!("../../networks/sepolia.alloc.json.gz"),
    root: b256!("5eb6e371a698b8d68f665192350ffcecbbbf322916f4b51bd79bb6887da3f494"),
    merged_at: 1_450_409,
};
const HOODI: Kept = Kept {
    name: "hoodi",
    outline: include_str!("../../networks/hoodi.json"),
    alloc: include_bytes!("../../networks/hoodi.alloc.json.gz"),
    root: b256!("da87d7f5f91c51508791bbcbd4aa5baf04917830b86985eeb9ad3d5bfb657576"),
    merged_at: 0,
};

/// The text is the name of no public network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not mainnet, sepolia or hoodi; other networks have a genesis file")]
pub struct UnknownNetwork(String);

impl PublicNetwork {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mainnet, Self::Sepolia, Self::Hoodi];

    const fn kept(self) -> &'static Kept {
        match self {
            Self::Mainnet => &MAINNET,
            Self::Sepolia => &SEPOLIA,
            Self::Hoodi => &HOODI,
        }
    }

    /// Its name, in small letters.
    pub const fn name(self) -> &'static str {
        self.kept().name
    }

    /// The first block that was not mined: most nodes have dropped the bodies and receipts of those before it. 0 if no block was.
    pub const fn merged_at(self) -> u64 {
        self.kept().merged_at
    }

    /// Its genesis without the allocation: the root stands for that, so that forks and block 0 are all there, and
    /// [`Genesis::state_writes`] fails.
    pub fn outline(self) -> Genesis {
        let mut genesis = Genesis::in_text(self.kept().outline).expect("a test reads each outline");
        genesis.root_known = Some(self.kept().root);
        genesis
    }

    /// Its whole genesis.
    pub fn genesis(self) -> Genesis {
        let mut genesis = self.outline();
        read_alloc(&mut genesis, self.kept().alloc).expect("a test reads each allocation");
        genesis.root_known = None;
        genesis
    }
}

fn read_alloc(genesis: &mut Genesis, compressed: &[u8]) -> Result<(), Unread> {
    let mut text = String::new();
    let unpacked = flate2::read::GzDecoder::new(compressed).take(ALLOC_BYTES_MAX);
    std::io::BufReader::new(unpacked).read_to_string(&mut text).map_err(serde_json::Error::io)?;
    Ok(account::read_all(&mut genesis.alloc, &Members::of_file(&text)?)?)
}

impl FromStr for PublicNetwork {
    type Err = UnknownNetwork;

    fn from_str(name: &str) -> Result<Self, UnknownNetwork> {
        let found = Self::ALL.into_iter().find(|network| network.name() == name);
        found.ok_or_else(|| UnknownNetwork(name.to_owned()))
    }
}
