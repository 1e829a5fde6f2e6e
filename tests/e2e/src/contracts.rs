//! The contracts of the test chain. Three of them loop, so that a transaction of a few hundred bytes makes tens of
//! thousands of leaves; the others do what real chains do.
//!
//! Calldata is words of 32 bytes, without selectors. None of them checks who calls: the chain is only ours.

use alloy_primitives::U256;

use crate::assembly::{Assembly, Label, op};

/// Calldata (start, end): sends `i` wei to the address that is the tail of keccak(i), for each `i` in start..end.
/// Each call makes an account. `i` must not be zero, or the account would stay empty and not be there.
pub fn accounts_maker() -> Vec<u8> {
    let mut code = Assembly::new();
    code.push(0).ops(&[op::CALLDATALOAD]);
    let ends = start_loop(&mut code);
    // [i] -> memory 0..32 holds i -> CALL(gas 0, address keccak(i), value i, no data).
    code.ops(&[op::DUP1]).push(0).ops(&[op::MSTORE]);
    code.push(0).push(0).push(0).push(0).ops(&[op::DUP5]);
    code.push(32).push(0).ops(&[op::KECCAK256]).push(0).ops(&[op::CALL, op::POP]);
    end_loop(&mut code, ends);
    code.finish()
}

/// Calldata (start, end, factor): stores `i * factor` in the slot keccak(i), for each `i` in start..end. A factor of zero
/// deletes.
pub fn slots_maker() -> Vec<u8> {
    let mut code = Assembly::new();
    code.push(0).ops(&[op::CALLDATALOAD]);
    let ends = start_loop(&mut code);
    code.ops(&[op::DUP1]).push(0).ops(&[op::MSTORE]);
    code.ops(&[op::DUP1]).push(64).ops(&[op::CALLDATALOAD, op::MUL]);
    code.push(32).push(0).ops(&[op::KECCAK256, op::SSTORE]);
    end_loop(&mut code, ends);
    code.finish()
}

/// Calldata (start, end, n, storages, codes): creates a contract for each `i` in start..end. Its constructor fills the slots
/// 1..=n from `i mod storages`, and its code depends on `i mod codes`: both repeat.
pub fn contracts_maker() -> Vec<u8> {
    let child = small_contract();
    let mut code = Assembly::new();
    let template = code.label();
    code.push(child.len() as u64).push_label(template).push(0).ops(&[op::CODECOPY]);
    code.push(0).ops(&[op::CALLDATALOAD]);
    let ends = start_loop(&mut code);
    // The three words behind the child's first three PUSH32 are written over.
    code.push(96)
        .ops(&[op::CALLDATALOAD, op::DUP2, op::MOD])
        .push(1)
        .ops(&[op::ADD])
        .push(1)
        .ops(&[op::MSTORE]);
    code.push(64).ops(&[op::CALLDATALOAD]).push(34).ops(&[op::MSTORE]);
    code.push(128).ops(&[op::CALLDATALOAD, op::DUP2, op::MOD]).push(67).ops(&[op::MSTORE]);
    code.push(child.len() as u64).push(0).push(0).ops(&[op::CREATE, op::POP]);
    end_loop(&mut code, ends);
    code.mark(template).ops(&child);
    code.finish()
}

/// The init code that [`contracts_maker`] fills in: PUSH32 value, PUSH32 n, PUSH32 c, then a loop of n stores, then a
/// runtime code that returns `c`, followed by `c mod 64` bytes of nothing so that lengths differ too.
fn small_contract() -> Vec<u8> {
    /// `MSTORE(0, c); RETURN(0, 32)`, behind a `PUSH32 c`.
    const RETURNS_WORD: u64 = 0x6000_5260_2060_00f3;
    let mut code = Assembly::new();
    code.push_word(U256::ZERO).push_word(U256::ZERO).push_word(U256::ZERO).ops(&[op::SWAP1]);
    let (again, done) = (code.label(), code.label());
    // [value, c, n]: slot n = value + n.
    code.place(again).ops(&[op::DUP1, op::ISZERO]).jump_if(done);
    code.ops(&[op::DUP3, op::DUP2, op::ADD, op::DUP2, op::SSTORE])
        .push(1)
        .ops(&[op::SWAP1, op::SUB])
        .jump(again);
    code.place(done).ops(&[op::POP]);
    code.ops(&[op::DUP1]).push(1).ops(&[op::MSTORE]);
    code.push(u64::from(op::PUSH32)).push(0).ops(&[op::MSTORE8]);
    code.push_word(U256::from(RETURNS_WORD) << 192).push(33).ops(&[op::MSTORE]);
    code.push(63).ops(&[op::AND]).push(41).ops(&[op::ADD]).push(0).ops(&[op::RETURN]);
    code.finish()
}

/// Calldata (key, value)…: stores each value in its slot. A zero deletes. An account that delegates to it stores in itself.
pub fn store() -> Vec<u8> {
    let mut code = Assembly::new();
    let (again, done) = (code.label(), code.label());
    code.push(0).place(again).ops(&[op::CALLDATASIZE, op::DUP2, op::LT, op::ISZERO]).jump_if(done);
    code.ops(&[op::DUP1]).push(32).ops(&[op::ADD, op::CALLDATALOAD, op::DUP2, op::CALLDATALOAD, op::SSTORE]);
    code.push(64).ops(&[op::ADD]).jump(again);
    code.place(done).ops(&[op::STOP]);
    code.finish()
}

/// Any calldata: logs it with no topic, with one, and so on up to four.
pub fn logger() -> Vec<u8> {
    let mut code = Assembly::new();
    code.ops(&[op::CALLDATASIZE]).push(0).push(0).ops(&[op::CALLDATACOPY]);
    for topics in 0..=4u8 {
        for topic in 0..topics {
            code.push(0x70_0000 + u64::from(topic));
        }
        code.ops(&[op::CALLDATASIZE]).push(0).ops(&[op::LOG0 + topics]);
    }
    code.finish()
}

/// Calldata (doomed): creates a contract that destroys itself when it is called, and calls it at once if `doomed` is not
/// zero. Also creates one whose constructor stores a slot and destroys itself.
pub fn nursery() -> Vec<u8> {
    let mut code = Assembly::new();
    create_from_memory(&mut code, &[0x60, 7, 0x60, 1, op::SSTORE, op::CALLER, op::SELFDESTRUCT]);
    code.ops(&[op::POP]);
    // PUSH2 `CALLER SELFDESTRUCT`, MSTORE at 0, RETURN its last two bytes.
    create_from_memory(
        &mut code,
        &[op::PUSH2, op::CALLER, op::SELFDESTRUCT, op::PUSH0, op::MSTORE, 0x60, 2, 0x60, 30, op::RETURN],
    );
    let spared = code.label();
    // [child]: CALL(gas, child, value 0, no data) unless the calldata's word is zero.
    code.push(0).ops(&[op::CALLDATALOAD, op::ISZERO]).jump_if(spared);
    code.push(0).push(0).push(0).push(0).push(0).ops(&[op::DUP5 + 1]).push(100_000).ops(&[op::CALL]);
    code.place(spared).ops(&[op::STOP]);
    code.finish()
}

/// Leaves the address of a contract created by `init` (at most 32 bytes) on the stack.
fn create_from_memory(code: &mut Assembly, init: &[u8]) {
    code.push_word(U256::from_be_slice(init)).push(0).ops(&[op::MSTORE]);
    let length = init.len() as u64;
    code.push(length).push(32 - length).push(0).ops(&[op::CREATE]);
}

/// Init code that deploys `runtime`.
pub fn deployment(runtime: &[u8]) -> Vec<u8> {
    let mut code = Assembly::new();
    let body = code.label();
    let length = runtime.len() as u64;
    code.push(length).push_label(body).push(0).ops(&[op::CODECOPY]).push(length).push(0).ops(&[op::RETURN]);
    code.mark(body).ops(runtime);
    code.finish()
}

/// With `[i]` on the stack: starts a loop that runs while `i` is below calldata's second word.
fn start_loop(code: &mut Assembly) -> (Label, Label) {
    let (again, done) = (code.label(), code.label());
    code.place(again).push(32).ops(&[op::CALLDATALOAD, op::DUP2, op::LT, op::ISZERO]).jump_if(done);
    (again, done)
}

/// With `[i]` on the stack again: counts and goes back; behind it the program stops.
fn end_loop(code: &mut Assembly, (again, done): (Label, Label)) {
    code.push(1).ops(&[op::ADD]).jump(again).place(done).ops(&[op::STOP]);
}
