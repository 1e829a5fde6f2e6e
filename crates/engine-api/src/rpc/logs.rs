//! `eth_getLogs`: the logs of a stretch of blocks, as many blocks and logs as the limits say.

use std::ops::RangeInclusive;

use alloy_rpc_types_eth::Log as ToldLog;
use snapsync_execute::HeaderRest;
use snapsync_keccak::keccak256;

use super::{
    arguments::{Arguments, Hex},
    block_name::{BlockName, BlockNumber, Tag},
    failure::{Failure, Result},
    log_filter::{AskedLogs, LogFilter},
    moment::{FoundHeader, Moment},
    receipts::{self, LogPlace, told_log},
    served::Served,
};
use crate::object::Object;

/// Logs in the order of the chain.
pub(super) fn wanted(served: &Served, mut arguments: Arguments<'_>) -> Result<Vec<ToldLog>> {
    let Object(asked) = arguments.need::<Object<AskedLogs>>()?;
    let moment = Moment::open(served)?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    if let Some(Hex(hash)) = asked.block_hash {
        if asked.from_block.is_some() || asked.to_block.is_some() {
            let why = "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other";
            return Err(Failure::Question(why.to_owned()));
        }
        let name = BlockName::Hash { hash, must_be_canonical: false };
        let unknown = || Failure::Other("unknown block".to_owned());
        let block = moment.header(name)?.ok_or_else(unknown)?;
        take(&moment, block, &asked.filter()?, (&mut found, &mut bytes))?;
        return Ok(found);
    }
    let blocks = range(&moment, asked.from_block, asked.to_block)?;
    let filter = asked.filter()?;
    for number in blocks {
        let missing = || Failure::Other(format!("the header of block {number} is not held"));
        let block = moment.header(BlockName::Number(number))?.ok_or_else(missing)?;
        take(&moment, block, &filter, (&mut found, &mut bytes))?;
    }
    Ok(found)
}

/// The blocks that are asked for; without a word, the newest one.
fn range(
    moment: &Moment<'_>,
    from: Option<BlockNumber>,
    to: Option<BlockNumber>,
) -> Result<RangeInclusive<u64>> {
    let question = |why: &str| Failure::Question(why.to_owned());
    let latest = moment.latest()?.number;
    let number = |name: Option<BlockNumber>| match name {
        None | Some(BlockNumber(BlockName::Tag(Tag::Latest))) => Ok(latest),
        Some(BlockNumber(BlockName::Number(number))) => Ok(number),
        Some(BlockNumber(BlockName::Tag(Tag::Pending))) => Err(question("pending logs are not supported")),
        Some(BlockNumber(name)) => {
            let missing = || Failure::Other("header not found".to_owned());
            moment.header(name)?.map(|found| found.header.number).ok_or_else(missing)
        }
    };
    let (first, last) = (number(from)?, number(to)?);
    if first > last {
        return Err(question("invalid block range params"));
    }
    if last > latest {
        return Err(question("block range extends beyond current head block"));
    }
    let max = moment.served.parts.limits.log_blocks_max;
    if last - first >= max {
        return Err(Failure::Question(format!("exceed maximum block range {max}")));
    }
    Ok(first..=last)
}

/// What a log takes beside its data and topics.
const LOG_BYTES: usize = 256;

/// Adds what is wanted of one block.
fn take(
    moment: &Moment<'_>,
    found: FoundHeader,
    filter: &LogFilter,
    (wanted, bytes): (&mut Vec<ToldLog>, &mut usize),
) -> Result<()> {
    let rest = HeaderRest::of(&found.header).map_err(|why| Failure::stored("header", why))?;
    if !filter.may_be_in(&rest.logs_bloom) {
        return Ok(());
    }
    let receipts = moment.receipts(&found.header, &found.hash)?;
    let limits = moment.served.parts.limits;
    let max = limits.logs_max;
    let mut body = None;
    let mut place = 0;
    for (index, receipt) in receipts.iter().enumerate() {
        let mut transaction = None;
        for log in receipts::logs(receipt)? {
            place += 1;
            if !filter.takes(&log) {
                continue;
            }
            if wanted.len() == max {
                return Err(Failure::Other(format!("query returns more than {max} logs")));
            }
            *bytes += log.data.data.len() + 32 * log.topics().len() + LOG_BYTES;
            if *bytes > limits.log_bytes_max {
                return Err(Failure::Other(format!(
                    "query returns more than {} bytes",
                    limits.log_bytes_max
                )));
            }
            if body.is_none() {
                body = moment.body(&found)?;
            }
            let transaction = match transaction {
                Some(hash) => hash,
                None => {
                    let payloads = body.as_ref().map(|body| body.transaction_payloads());
                    let payload = payloads.as_ref().and_then(|payloads| payloads.get(index));
                    let missing =
                        || Failure::Other(format!("the body of block {} is not held", found.header.number));
                    *transaction.insert(keccak256(payload.ok_or_else(missing)?))
                }
            };
            let at = LogPlace { header: &found.header, block: found.hash, transaction, index };
            wanted.push(told_log(&at, place - 1, log));
        }
    }
    Ok(())
}
