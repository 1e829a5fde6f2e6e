//! Codes that do anything: each opcode of a fork with what it takes on the stack, and what it gives kept where it shows.
//!
//! Most of them run to their end. Some jump astray, run out of gas, revert, or meet an opcode that their fork does not have.

use alloy_primitives::{Address, U256};
use snapsync_execute::Fork;

use super::chance::Chance;

/// Opcodes of a fork that take words and give at most one: opcode, how many it takes, whether it gives one, since when.
const PLAIN: [(u8, u8, bool, Fork); 56] = [
    (0x01, 2, true, Fork::Frontier),
    (0x02, 2, true, Fork::Frontier),
    (0x03, 2, true, Fork::Frontier),
    (0x04, 2, true, Fork::Frontier),
    (0x05, 2, true, Fork::Frontier),
    (0x06, 2, true, Fork::Frontier),
    (0x07, 2, true, Fork::Frontier),
    (0x08, 3, true, Fork::Frontier),
    (0x09, 3, true, Fork::Frontier),
    (0x0a, 2, true, Fork::Frontier),
    (0x0b, 2, true, Fork::Frontier),
    (0x10, 2, true, Fork::Frontier),
    (0x11, 2, true, Fork::Frontier),
    (0x12, 2, true, Fork::Frontier),
    (0x13, 2, true, Fork::Frontier),
    (0x14, 2, true, Fork::Frontier),
    (0x15, 1, true, Fork::Frontier),
    (0x16, 2, true, Fork::Frontier),
    (0x17, 2, true, Fork::Frontier),
    (0x18, 2, true, Fork::Frontier),
    (0x19, 1, true, Fork::Frontier),
    (0x1a, 2, true, Fork::Frontier),
    (0x1b, 2, true, Fork::Petersburg),
    (0x1c, 2, true, Fork::Petersburg),
    (0x1d, 2, true, Fork::Petersburg),
    (0x1e, 1, true, Fork::Osaka),
    (0x30, 0, true, Fork::Frontier),
    (0x32, 0, true, Fork::Frontier),
    (0x33, 0, true, Fork::Frontier),
    (0x34, 0, true, Fork::Frontier),
    (0x35, 1, true, Fork::Frontier),
    (0x36, 0, true, Fork::Frontier),
    (0x38, 0, true, Fork::Frontier),
    (0x3a, 0, true, Fork::Frontier),
    (0x3d, 0, true, Fork::Byzantium),
    (0x40, 1, true, Fork::Frontier),
    (0x41, 0, true, Fork::Frontier),
    (0x42, 0, true, Fork::Frontier),
    (0x43, 0, true, Fork::Frontier),
    (0x44, 0, true, Fork::Frontier),
    (0x45, 0, true, Fork::Frontier),
    (0x46, 0, true, Fork::Istanbul),
    (0x47, 0, true, Fork::Istanbul),
    (0x48, 0, true, Fork::London),
    (0x49, 1, true, Fork::Cancun),
    (0x4a, 0, true, Fork::Cancun),
    (0x4b, 0, true, Fork::Amsterdam),
    (0x50, 1, false, Fork::Frontier),
    (0x54, 1, true, Fork::Frontier),
    (0x55, 2, false, Fork::Frontier),
    (0x58, 0, true, Fork::Frontier),
    (0x59, 0, true, Fork::Frontier),
    (0x5a, 0, true, Fork::Frontier),
    (0x5b, 0, false, Fork::Frontier),
    (0x5c, 1, true, Fork::Cancun),
    (0x5d, 2, false, Fork::Cancun),
];

/// Opcodes that read or write memory: the kind of each word that they take, from the top of the stack down; whether they give one.
/// `a` an address, `o` an offset, `s` a length, `w` any word.
const MEMORY: [(u8, &str, bool, Fork); 20] = [
    (0x20, "os", true, Fork::Frontier),
    (0x31, "a", true, Fork::Frontier),
    (0x37, "oos", false, Fork::Frontier),
    (0x39, "oos", false, Fork::Frontier),
    (0x3b, "a", true, Fork::Frontier),
    (0x3c, "aoos", false, Fork::Frontier),
    (0x3e, "ozz", false, Fork::Byzantium),
    (0x3f, "a", true, Fork::Petersburg),
    (0x51, "o", true, Fork::Frontier),
    (0x52, "ow", false, Fork::Frontier),
    (0x53, "ow", false, Fork::Frontier),
    (0x5e, "oos", false, Fork::Cancun),
    (0xa0, "os", false, Fork::Frontier),
    (0xa1, "osw", false, Fork::Frontier),
    (0xa2, "osww", false, Fork::Frontier),
    (0xa3, "oswww", false, Fork::Frontier),
    (0xa4, "oswwww", false, Fork::Frontier),
    (0xf0, "zos", true, Fork::Frontier),
    (0xf5, "zosw", true, Fork::Petersburg),
    (0x31, "w", true, Fork::Frontier),
];

/// Writes one code.
pub(crate) struct Coder<'c> {
    chance: &'c mut Chance,
    fork: Fork,
    /// Who may be called.
    known: &'c [Address],
    code: Vec<u8>,
}

impl<'c> Coder<'c> {
    pub(crate) fn new(chance: &'c mut Chance, fork: Fork, known: &'c [Address]) -> Self {
        Self { chance, fork, known, code: Vec::new() }
    }

    /// A code of some statements.
    pub(crate) fn write(mut self) -> Vec<u8> {
        for _ in 0..3 + self.chance.below(22) {
            self.statement();
        }
        self.end();
        self.code
    }

    fn statement(&mut self) {
        match self.chance.below(40) {
            0..15 => self.plain(),
            15..25 => self.memory(),
            25..31 => self.call(),
            31..33 => self.stack(),
            33..36 => self.jump(),
            36..38 => self.create(),
            38 => self.store(),
            _ if self.chance.one_in(6) => {
                let any = self.chance.number() as u8;
                self.code.push(any);
            }
            _ => self.nested_loop(),
        }
    }

    fn push(&mut self, value: U256) {
        let bytes = value.to_be_bytes::<32>();
        let needed = 32 - bytes.iter().take_while(|byte| **byte == 0).count();
        if needed == 0 && self.fork >= Fork::Shanghai && self.chance.one_in(2) {
            return self.code.push(0x5f);
        }
        let count = needed.max(1) + if self.chance.one_in(8) { self.chance.below(33) as usize } else { 0 };
        let count = count.min(32);
        self.code.push(0x5f + count as u8);
        self.code.extend_from_slice(&bytes[32 - count..]);
    }

    fn push_small(&mut self, value: u64) {
        self.push(U256::from(value));
    }

    fn push_word(&mut self) {
        let word = self.chance.word();
        self.push(word);
    }

    fn push_kind(&mut self, kind: char) {
        match kind {
            'a' => {
                let address = self.chance.pick(self.known);
                self.push(U256::from_be_slice(address.as_slice()));
            }
            _ if self.chance.one_in(150) => self.push_word(),
            'o' => {
                let offset = self.chance.below(300);
                self.push_small(offset);
            }
            's' => {
                let length = self.chance.below(130);
                self.push_small(length);
            }
            'z' => {
                let small = if self.chance.one_in(5) { self.chance.below(3) } else { 0 };
                self.push_small(small);
            }
            _ => self.push_word(),
        }
    }

    /// What lies on top of the stack is kept, or not.
    fn keep(&mut self) {
        match self.chance.below(8) {
            0..4 => {
                let slot = self.chance.below(12);
                self.push_small(slot);
                self.code.push(0x55);
            }
            4..6 => {
                let offset = self.chance.below(256);
                self.push_small(offset);
                self.code.push(0x52);
            }
            6 => self.code.push(0x50),
            _ => {}
        }
    }

    fn has(&mut self, since: Fork) -> bool {
        self.fork >= since || self.chance.one_in(200)
    }

    fn plain(&mut self) {
        let (opcode, takes, gives, since) = self.chance.pick(&PLAIN);
        if !self.has(since) {
            return;
        }
        for left in (0..takes).rev() {
            // Slots are few, so that they are met again.
            let is_slot = left == 0 && matches!(opcode, 0x54 | 0x55 | 0x5c | 0x5d);
            let is_near = left == 0 && matches!(opcode, 0x35 | 0x40 | 0x49 | 0x1a | 0x0b);
            match (is_slot, is_near && self.chance.one_in(2)) {
                (true, _) => {
                    let slot = self.chance.below(12);
                    self.push_small(slot);
                }
                (_, true) => {
                    let near = self.chance.below(40);
                    self.push_small(near);
                }
                _ => self.push_word(),
            }
        }
        self.code.push(opcode);
        if gives {
            self.keep();
        }
    }

    fn memory(&mut self) {
        let (opcode, kinds, gives, since) = self.chance.pick(&MEMORY);
        if !self.has(since) {
            return;
        }
        for kind in kinds.chars().rev() {
            self.push_kind(kind);
        }
        self.code.push(opcode);
        if gives {
            self.keep();
        }
    }

    fn call(&mut self) {
        let (opcode, has_value, since) = self.chance.pick(&[
            (0xf1, true, Fork::Frontier),
            (0xf2, true, Fork::Frontier),
            (0xf4, false, Fork::Homestead),
            (0xfa, false, Fork::Byzantium),
        ]);
        if !self.has(since) {
            return;
        }
        for kind in ['s', 'o', 's', 'o'] {
            self.push_kind(kind);
        }
        if has_value {
            self.push_kind('z');
        }
        self.push_kind('a');
        match self.chance.below(4) {
            // All that is left: before EIP-150 there is less by then.
            0 if self.fork >= Fork::TangerineWhistle => self.code.push(0x5a),
            1 => self.push_word(),
            _ => {
                let gas = self.chance.below(60_000);
                self.push_small(gas);
            }
        }
        self.code.push(opcode);
        self.keep();
    }

    /// Words from below, with what came with EIP-8024 where it is.
    fn stack(&mut self) {
        for _ in 0..17 {
            self.push_word();
        }
        let immediate = self.chance.number() as u8;
        match self.chance.below(5) {
            0 => {
                let opcode = self.chance.pick(&[0xe6, 0xe7, 0xe8]);
                if self.has(Fork::Amsterdam) {
                    self.code.extend([opcode, immediate]);
                }
            }
            1 | 2 => self.code.push(0x80 + immediate % 16),
            _ => self.code.push(0x90 + immediate % 16),
        }
        for _ in 0..3 {
            self.keep();
        }
    }

    /// Over some noise to a mark, seldom to where none is.
    fn jump(&mut self) {
        let noise = self.chance.below(6) as usize;
        let is_conditional = self.chance.one_in(2);
        if is_conditional {
            self.push_kind('z');
        }
        let size = 3 + 1;
        let to = self.code.len() + size + noise + usize::from(self.chance.one_in(60));
        self.code.extend([0x61, (to >> 8) as u8, to as u8, if is_conditional { 0x57 } else { 0x56 }]);
        // Noise that a mark may seem to stand in: what is pushed is no place to jump to.
        let noise: Vec<u8> = if is_conditional { vec![0x5b; noise] } else { self.chance.bytes(noise) };
        let noise = noise.into_iter().map(|byte| if (0x60..0x80).contains(&byte) { 0x5b } else { byte });
        self.code.extend(noise);
        self.code.push(0x5b);
    }

    fn nested_loop(&mut self) {
        let (times, slot) = (1 + self.chance.below(40), self.chance.below(12));
        self.push_small(times);
        let start = self.code.len();
        self.code.push(0x5b);
        // The counter falls, and is kept in a slot or in memory.
        self.code.extend([0x60, 1, 0x90, 0x03, 0x80, 0x60, slot as u8]);
        self.code.push(if self.chance.one_in(3) { 0x55 } else { 0x52 });
        self.code.extend([0x80, 0x61, (start >> 8) as u8, start as u8, 0x57, 0x50]);
    }

    /// A contract out of a word of initcode.
    fn create(&mut self) {
        let byte = self.chance.pick(&[0x00, 0xef, 0xfe, 0x5b, 0xff]);
        let slot = self.chance.below(4) as u8;
        let initcodes: [&[u8]; 7] = [
            &[0x60, byte, 0x60, 0, 0x53, 0x60, 1, 0x60, 0, 0xf3],
            &[0x60, byte, 0x60, slot, 0x55, 0x60, 33, 0x60, 0, 0xf3],
            &[0x33, 0xff],
            &[0x60, 1, 0x60, slot, 0x55, 0x30, 0xff],
            &[0x60, 4, 0x60, 0, 0xfd],
            &[0x61, 0x60, 1, 0x60, 0, 0xf3],
            &[],
        ];
        let initcode = self.chance.pick(&initcodes);
        let mut word = [0; 32];
        word[..initcode.len()].copy_from_slice(initcode);
        self.push(U256::from_be_bytes(word));
        self.push_small(0);
        self.code.push(0x52);
        let is_salted = self.fork >= Fork::Petersburg && self.chance.one_in(2);
        if is_salted {
            let salt = self.chance.below(3);
            self.push_small(salt);
        }
        self.push_small(initcode.len() as u64);
        self.push_small(0);
        self.push_kind('z');
        self.code.push(if is_salted { 0xf5 } else { 0xf0 });
        self.keep();
    }

    /// Slots to and fro, for what is paid back.
    fn store(&mut self) {
        let slot = self.chance.below(12);
        for _ in 0..1 + self.chance.below(4) {
            self.push_kind('z');
            self.push_small(slot);
            self.code.push(0x55);
        }
    }

    fn end(&mut self) {
        match self.chance.below(12) {
            0 => {
                self.push_kind('a');
                self.code.push(0xff);
            }
            1 => self.code.extend([0x60, 7, 0x60, 0, 0xfd]),
            2 => self.code.extend([0x60, 40, 0x60, 0, 0xf3]),
            3 if self.chance.one_in(3) => self.code.push(0xfe),
            4 => self.code.push(0),
            _ => {}
        }
    }
}
