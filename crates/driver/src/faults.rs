//! What history's checks call a contradiction, in the peer book's words.

use snapsync_peers::Fault;
use snapsync_storage::BlockFault;

/// The fault that a peer is charged with.
pub(crate) fn of_blocks(fault: BlockFault) -> Fault {
    match fault {
        BlockFault::Other { expected, found, .. } => Fault::WrongHeader { expected, found },
        BlockFault::Link { number, .. } => Fault::HeaderLink { number },
        BlockFault::Number { expected, found } => Fault::HeaderNumber { expected, found },
        BlockFault::Root { part: "receipts", number, .. }
        | BlockFault::Again { part: "receipts", number }
        | BlockFault::TooManyReceipts { number, .. }
        | BlockFault::Malformed { number, .. } => Fault::WrongReceipts { number },
        BlockFault::Root { number, .. }
        | BlockFault::Again { number, .. }
        | BlockFault::Withdrawals { number } => Fault::WrongBody { number },
        BlockFault::NoHeader => Fault::Malformed(fault.to_string()),
    }
}
