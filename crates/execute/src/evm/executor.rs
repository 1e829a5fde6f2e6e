//! A block through the EVM: what the protocol does before, each transaction, what it does after.

use std::{borrow::Cow, cell::RefCell};

use alloy_consensus::{Header as OmmerHeader, Transaction, transaction::Recovered};
use alloy_eips::{eip4895, eip7002, eip7251, eip7928::constants::ITEM_COST};
use alloy_evm::{
    EthEvm, EthEvmFactory, Evm, EvmFactory,
    block::{
        BUILDER_DEPOSIT_REQUEST_PREDEPLOY_ADDRESS, BUILDER_EXIT_REQUEST_PREDEPLOY_ADDRESS,
        BlockExecutionResult, BlockExecutor as _,
    },
    eth::{EthBlockExecutionCtx, EthBlockExecutor, dao_fork},
    precompiles::PrecompilesMap,
};
use alloy_primitives::{Address, B256, U256};
use revm::inspector::NoOpInspector;
use snapsync_wire::{Header, Receipt};

use super::{
    codes::Codes,
    environment,
    overlay::{Left, Overlay, ReadFailed},
    reasons,
    receipts::{self, Scribe, Told},
    senders,
    system::System,
    transactions::{self, BlockTransaction},
};
use crate::{
    bad::BadBlock,
    block::Block,
    error::{Error, Result},
    executor::{BlockExecutor, Executed, ParentState},
    forks::{Fork, Rules},
};

/// What the executor may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Threads that recover senders, the caller's among them. More than the machine has cores gain nothing.
    pub sender_threads: usize,
    /// Bytes of codes that are kept from block to block. What runs in a day on mainnet is some 50 MiB.
    pub code_bytes_max: usize,
}

impl Config {
    /// For a node that follows a public chain: four threads, 64 MiB.
    pub const fn node() -> Self {
        Self { sender_threads: 4, code_bytes_max: 64 << 20 }
    }
}

/// Executes blocks by alloy-evm and revm, of any chain.
#[derive(Debug)]
pub struct EvmExecutor {
    config: Config,
    codes: Codes,
}

impl EvmExecutor {
    /// An executor that has executed nothing yet.
    pub fn new(config: Config) -> Self {
        Self { config, codes: Codes::new(config.code_bytes_max) }
    }
}

impl BlockExecutor for EvmExecutor {
    fn execute(
        &mut self,
        rules: &Rules,
        block: &Block,
        _parent: &Header,
        state: &mut dyn ParentState,
    ) -> Result<Executed> {
        let header = block.header();
        let transactions = transactions::read(rules, block)?;
        // Before anything runs: what the header says of blobs sets their fee.
        let (claimed, found) = (header.blob_gas_used.unwrap_or(0), transactions::blob_gas(&transactions));
        if claimed != found {
            return Err(BadBlock::BlobGasUsed { claimed, found }.into());
        }
        let senders = match block.senders() {
            Some(senders) => Cow::Borrowed(senders),
            None => Cow::Owned(senders::recover(rules, &transactions, self.config.sender_threads)?),
        };
        let environment = environment::of(rules, header, block.rest())?;
        let ommers = ommers(block);
        let failure = RefCell::new(None);
        let overlay = Overlay::new(state, &mut self.codes, &failure, rules.fork >= Fork::Amsterdam);
        let evm = EthEvmFactory::default().create_evm(overlay, environment);
        let inner = EthBlockExecutor::new(evm, surroundings(block, &ommers), System(*rules), Scribe);
        let executed = Run { inner, block, rules: *rules }.run(&transactions, &senders);
        // An error of ours on its way through the EVM has become words: the error itself says more.
        match failure.into_inner() {
            Some(error) => Err(error),
            None => executed,
        }
    }
}

/// The headers of ommers as alloy-evm takes them: it pays their makers and looks at nothing else.
fn ommers(block: &Block) -> Vec<OmmerHeader> {
    let paid = |ommer: &Header| OmmerHeader {
        beneficiary: ommer.beneficiary,
        number: ommer.number,
        ..OmmerHeader::default()
    };
    block.ommers().iter().map(paid).collect()
}

fn surroundings<'b>(block: &Block, ommers: &'b [OmmerHeader]) -> EthBlockExecutionCtx<'b> {
    let withdrawals = block.withdrawals().map(|withdrawals| {
        let paid = |one: &crate::block::Withdrawal| eip4895::Withdrawal {
            index: one.index,
            validator_index: one.validator,
            address: one.address,
            amount: one.gwei,
        };
        Cow::Owned(withdrawals.iter().map(paid).collect())
    });
    let header = block.header();
    EthBlockExecutionCtx {
        parent_hash: header.parent_hash,
        parent_beacon_block_root: header.parent_beacon_block_root,
        ommers,
        withdrawals,
        extra_data: block.rest().extra_data.clone(),
        tx_count_hint: Some(block.body().transaction_count()),
        slot_number: header.slot_number,
    }
}

type Inner<'b, 'a> = EthBlockExecutor<'b, EthEvm<Overlay<'a>, NoOpInspector, PrecompilesMap>, System, Scribe>;

/// A block under way.
struct Run<'b, 'a> {
    inner: Inner<'b, 'a>,
    block: &'b Block,
    rules: Rules,
}

impl<'a> Run<'_, 'a> {
    fn run(mut self, transactions: &[BlockTransaction], senders: &[Address]) -> Result<Executed> {
        self.begin()?;
        let roots = self.transactions(transactions, senders)?;
        let rules = self.rules;
        let gas_limit = self.block.header().gas_limit;
        let (left, result) = self.end(transactions.len())?;
        let Left { changes, list } = left;
        if let Some((_, found)) = &list {
            let max = gas_limit / ITEM_COST as u64;
            if *found > max {
                return Err(BadBlock::AccessListItems { found: *found, max }.into());
            }
        }
        let has_requests = rules.fork >= Fork::Prague;
        Ok(Executed {
            changes,
            receipts: receipts(&result.receipts, roots)?,
            gas_used: result.gas_used,
            blob_gas_used: result.blob_gas_used,
            requests_hash: has_requests.then(|| result.requests.requests_hash()),
            access_list: list.map(|(list, _)| list),
        })
    }

    fn state(&mut self) -> &mut Overlay<'a> {
        self.inner.evm_mut().db_mut()
    }

    /// What the protocol does before the first transaction.
    fn begin(&mut self) -> Result<()> {
        if self.rules.moves_dao {
            self.move_dao().map_err(of_read)?;
        }
        self.state().set_index(0);
        self.inner.apply_pre_execution_changes().map_err(reasons::of)
    }

    /// The ether of the DAO and of its children goes to where it can be fetched back from. It is moved before the first transaction, which
    /// may already see it moved.
    fn move_dao(&mut self) -> Result<(), ReadFailed> {
        let state = self.state();
        for account in dao_fork::DAO_HARDFORK_ACCOUNTS {
            let refund = dao_fork::DAO_HARDFORK_BENEFICIARY;
            let sum = state.balance(refund)?.wrapping_add(state.balance(account)?);
            state.set_balance(refund, sum)?;
            state.set_balance(account, U256::ZERO)?;
        }
        Ok(())
    }

    /// Executes the transactions. Before Byzantium, tells the state's root after each.
    fn transactions(&mut self, transactions: &[BlockTransaction], senders: &[Address]) -> Result<Vec<B256>> {
        let mut roots = Vec::new();
        let block_limit = self.block.header().gas_limit;
        for (index, (transaction, sender)) in transactions.iter().zip(senders).enumerate() {
            self.state().set_index(index as u64 + 1);
            let recovered = Recovered::new_unchecked(transaction, *sender);
            self.inner.execute_transaction(recovered).map_err(|error| {
                reasons::of_transaction(error, index, transaction.gas_limit(), block_limit)
            })?;
            if self.rules.fork < Fork::Byzantium {
                roots.push(self.state().root()?);
            }
        }
        Ok(roots)
    }

    /// What the protocol does after the last transaction.
    fn end(mut self, count: usize) -> Result<(Left, BlockExecutionResult<Told>)> {
        self.state().set_index(count as u64 + 1);
        self.system_contracts()?;
        let (evm, result) = self.inner.finish().map_err(reasons::of)?;
        let (state, _) = evm.finish();
        Ok((state.finish(), result))
    }

    /// EIP-7002, EIP-7251, EIP-8282: a block is bad in which a contract that is asked for requests is not there.
    fn system_contracts(&mut self) -> Result<()> {
        let since_prague =
            [eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS];
        let since_amsterdam =
            [BUILDER_DEPOSIT_REQUEST_PREDEPLOY_ADDRESS, BUILDER_EXIT_REQUEST_PREDEPLOY_ADDRESS];
        let asked = since_prague.iter().filter(|_| self.rules.fork >= Fork::Prague);
        let asked = asked.chain(since_amsterdam.iter().filter(|_| self.rules.fork >= Fork::Amsterdam));
        let asked: Vec<Address> = asked.copied().collect();
        for contract in asked {
            if !self.state().has_code(contract).map_err(of_read)? {
                let why = "there is no code".to_owned();
                return Err(BadBlock::SystemCall { contract, why }.into());
            }
        }
        Ok(())
    }
}

/// What happened lies elsewhere by now, and is looked at in the end.
fn of_read(error: ReadFailed) -> Error {
    Error::Host(Box::new(error))
}

fn receipts(told: &[Told], roots: Vec<B256>) -> Result<Vec<Receipt>> {
    let one = |(index, told): (usize, &Told)| {
        receipts::of(told, roots.get(index).copied())
            .map_err(|reason| BadBlock::Transaction { index, reason }.into())
    };
    told.iter().enumerate().map(one).collect()
}
