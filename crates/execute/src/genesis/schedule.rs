//! The forks of a genesis file's chain, as geth reads them.

use super::file::{BLOB_FORKS, Genesis};
use crate::forks::{BlobParams, DaoFork, Fork, Forks};

/// Forks by block that change rules, by their names in a genesis file. Others only move the difficulty, which is not looked at.
const BLOCK_FORKS: [(&str, Fork); 8] = [
    ("homesteadBlock", Fork::Homestead),
    ("eip150Block", Fork::TangerineWhistle),
    ("eip158Block", Fork::SpuriousDragon),
    ("byzantiumBlock", Fork::Byzantium),
    // SPEC: where Petersburg is not named it came with Constantinople.
    ("constantinopleBlock", Fork::Petersburg),
    ("istanbulBlock", Fork::Istanbul),
    ("berlinBlock", Fork::Berlin),
    ("londonBlock", Fork::London),
];

/// Forks by time that change rules.
const TIME_FORKS: [(&str, Fork); 5] = [
    ("shanghaiTime", Fork::Shanghai),
    ("cancunTime", Fork::Cancun),
    ("pragueTime", Fork::Prague),
    ("osakaTime", Fork::Osaka),
    ("amsterdamTime", Fork::Amsterdam),
];

impl Genesis {
    /// The forks of the chain, whose id is `chain_id`.
    pub fn forks(&self, chain_id: u64) -> Forks {
        let config = &self.config;
        let block = |name: &str| config.blocks.get(name).map(|fork| fork.low);
        let blocks = BLOCK_FORKS.iter().filter_map(|(name, fork)| Some((*fork, block(name)?)));
        let mut blocks: std::collections::BTreeMap<Fork, u64> = blocks.collect();
        if let Some(petersburg) = block("petersburgBlock") {
            blocks.insert(Fork::Petersburg, petersburg);
        }
        let time = |name: &str| config.times.get(name).copied();
        let times = TIME_FORKS.iter().filter_map(|(name, fork)| Some((*fork, time(name)?)));
        Forks {
            chain_id,
            blocks,
            times: times.collect(),
            replay_protection: block("eip155Block"),
            terminal_total_difficulty: config.terminal_total_difficulty,
            dao: block("daoForkBlock").map(|block| DaoFork { block, is_supported: config.supports_dao }),
            blobs: self.blobs(),
            deposit_contract: config.deposit_contract,
        }
    }

    /// SPEC: of the schedules whose forks have begun, the one of the latest fork holds, whatever their times. A file without any has those
    /// of the EIPs.
    fn blobs(&self) -> Vec<(u64, BlobParams)> {
        let default = |name: &str| match name {
            "cancun" => Some(BlobParams::CANCUN),
            "prague" => Some(BlobParams::PRAGUE),
            _ => None,
        };
        let is_empty = self.config.blobs.is_empty();
        let mut schedule: Vec<(u64, BlobParams)> = Vec::new();
        for (name, fork) in BLOB_FORKS {
            let given = self.config.blobs.get(name).copied();
            let blobs = given.or_else(|| default(name).filter(|_| is_empty));
            let (Some(time), Some(blobs)) = (self.config.times.get(fork), blobs) else { continue };
            // An earlier fork does not come back after a later one has begun.
            schedule.retain(|(from, _)| from < time);
            schedule.push((*time, blobs));
        }
        schedule
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;

    use super::*;

    fn forks(config: &str) -> Forks {
        let text = format!(r#"{{"config":{{{config}}},"difficulty":1,"gasLimit":1,"alloc":{{}}}}"#);
        Genesis::in_text(&text).expect("a genesis").forks(7)
    }

    #[test]
    fn forks_are_those_that_the_file_names() {
        let forks = forks(
            r#""homesteadBlock":1,"daoForkBlock":2,"daoForkSupport":true,"eip150Block":3,"eip155Block":4,"eip158Block":5,
            "byzantiumBlock":6,"constantinopleBlock":7,"istanbulBlock":8,"muirGlacierBlock":9,"berlinBlock":10,"londonBlock":11,
            "terminalTotalDifficulty":12,"shanghaiTime":13,"cancunTime":14,
            "depositContractAddress":"0x00000000219ab540356cbb839cbe05303d7705fa""#,
        );
        let by_block: Vec<u64> = forks.blocks.values().copied().collect();
        assert_eq!(by_block, [1, 3, 5, 6, 7, 8, 10, 11]);
        assert_eq!(forks.dao, Some(DaoFork { block: 2, is_supported: true }));
        assert_eq!(
            (forks.replay_protection, forks.terminal_total_difficulty),
            (Some(4), Some(U256::from(12)))
        );
        assert_eq!(forks.times.get(&Fork::Cancun), Some(&14));
        assert_eq!(forks.blobs, [(14, BlobParams::CANCUN)]);
        assert_eq!(forks.deposit_contract.0[4], 0x21);
    }

    #[test]
    fn petersburg_and_schedules_of_blobs_are_read() {
        let forks = forks(
            r#""constantinopleBlock":1,"petersburgBlock":2,"londonBlock":0,"terminalTotalDifficulty":0,"cancunTime":0,"pragueTime":0,
            "osakaTime":5,"bpo1Time":9,"blobSchedule":{"cancun":{"target":1,"max":2,"baseFeeUpdateFraction":3},
            "prague":{"target":4,"max":5,"baseFeeUpdateFraction":6},"osaka":{"target":9},"bpo1":{"target":7,"max":8,
            "baseFeeUpdateFraction":9},"bpo2":{"target":1}}"#,
        );
        assert_eq!(forks.blocks.get(&Fork::Petersburg), Some(&2));
        let of = |target| BlobParams { target, max: target + 1, update_fraction: target + 2 };
        assert_eq!(forks.blobs, [(0, of(4)), (9, of(7))]);
        assert_eq!(forks.terminal_total_difficulty, Some(U256::ZERO));
    }

    #[test]
    fn osaka_and_amsterdam_have_no_blobs_of_their_own() {
        let with = |more: &str| {
            forks(&format!(
                r#""londonBlock":0,"terminalTotalDifficulty":0,"cancunTime":1,"pragueTime":2,"osakaTime":3,"bpo1Time":4,"amsterdamTime":5,
                "blobSchedule":{{"cancun":{{"target":1,"max":2,"baseFeeUpdateFraction":3}},
                "prague":{{"target":4,"max":5,"baseFeeUpdateFraction":6}},"bpo1":{{"target":7,"max":8,"baseFeeUpdateFraction":9}}{more}}}"#
            ))
        };
        let named = r#","osaka":{"target":90,"max":91,"baseFeeUpdateFraction":92},"amsterdam":{"target":93,"max":94,
            "baseFeeUpdateFraction":95}"#;
        let odd = r#","osaka":"?","amsterdam":[]"#;
        for more in ["", named, odd] {
            let forks = with(more);
            let max = |time| forks.rules(1, time, U256::ZERO).blobs.map(|blobs| blobs.max);
            assert_eq!(
                [0, 1, 2, 3, 4, 5].map(max),
                [None, Some(2), Some(5), Some(5), Some(8), Some(8)],
                "{more}"
            );
        }
    }
}
