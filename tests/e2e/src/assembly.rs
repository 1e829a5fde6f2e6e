//! A very small EVM assembler: bytes, pushes, and labels that become jumps.
//!
//! Only what the test chain's contracts need. Labels are two bytes wide, so a program is below 64 KiB.

use alloy_primitives::U256;

/// Opcodes that the contracts use, by their names in the yellow paper.
pub mod op {
    #![expect(missing_docs, reason = "the names are the yellow paper's")]
    pub const STOP: u8 = 0x00;
    pub const ADD: u8 = 0x01;
    pub const MUL: u8 = 0x02;
    pub const SUB: u8 = 0x03;
    pub const MOD: u8 = 0x06;
    pub const LT: u8 = 0x10;
    pub const ISZERO: u8 = 0x15;
    pub const AND: u8 = 0x16;
    pub const KECCAK256: u8 = 0x20;
    pub const CALLER: u8 = 0x33;
    pub const CALLDATALOAD: u8 = 0x35;
    pub const CALLDATASIZE: u8 = 0x36;
    pub const CALLDATACOPY: u8 = 0x37;
    pub const CODECOPY: u8 = 0x39;
    pub const POP: u8 = 0x50;
    pub const MSTORE: u8 = 0x52;
    pub const MSTORE8: u8 = 0x53;
    pub const SSTORE: u8 = 0x55;
    pub const JUMP: u8 = 0x56;
    pub const JUMPI: u8 = 0x57;
    pub const JUMPDEST: u8 = 0x5b;
    pub const PUSH0: u8 = 0x5f;
    pub const PUSH2: u8 = 0x61;
    pub const PUSH32: u8 = 0x7f;
    pub const DUP1: u8 = 0x80;
    pub const DUP2: u8 = 0x81;
    pub const DUP3: u8 = 0x82;
    pub const DUP5: u8 = 0x84;
    pub const SWAP1: u8 = 0x90;
    pub const LOG0: u8 = 0xa0;
    pub const CREATE: u8 = 0xf0;
    pub const CALL: u8 = 0xf1;
    pub const RETURN: u8 = 0xf3;
    pub const SELFDESTRUCT: u8 = 0xff;
}

/// A place in the program that jumps name before it is known.
#[derive(Clone, Copy, Debug)]
pub struct Label(usize);

/// A program under construction.
#[derive(Debug, Default)]
pub struct Assembly {
    code: Vec<u8>,
    /// Where each label stands, once placed.
    places: Vec<Option<u16>>,
    /// Byte offsets of two-byte operands, and the label that each one names.
    references: Vec<(usize, Label)>,
}

impl Assembly {
    /// An empty program.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends opcodes.
    pub fn ops(&mut self, ops: &[u8]) -> &mut Self {
        self.code.extend_from_slice(ops);
        self
    }

    /// Appends the shortest push of `value`.
    pub fn push(&mut self, value: u64) -> &mut Self {
        if value == 0 {
            return self.ops(&[op::PUSH0]);
        }
        let bytes = value.to_be_bytes();
        let significant = &bytes[(value.leading_zeros() / 8) as usize..];
        // PUSH1 is 0x60 and each further byte is the next opcode; at most eight bytes here.
        self.code.push(op::PUSH0 + significant.len() as u8);
        self.ops(significant)
    }

    /// Appends a push of all 32 bytes of `value`, so that its place is known and can be written over.
    pub fn push_word(&mut self, value: U256) -> &mut Self {
        self.code.push(op::PUSH32);
        self.ops(&value.to_be_bytes::<32>())
    }

    /// A label without a place yet.
    pub fn label(&mut self) -> Label {
        self.places.push(None);
        Label(self.places.len() - 1)
    }

    /// Gives `label` the place of the next byte, and makes it a jump destination.
    pub fn place(&mut self, label: Label) -> &mut Self {
        self.mark(label);
        self.ops(&[op::JUMPDEST])
    }

    /// Gives `label` the place of the next byte, which is data.
    pub fn mark(&mut self, label: Label) -> &mut Self {
        self.places[label.0] = Some(u16::try_from(self.code.len()).expect("programs here are below 64 KiB"));
        self
    }

    /// Appends a push of the place of `label`.
    pub fn push_label(&mut self, label: Label) -> &mut Self {
        self.code.push(op::PUSH2);
        self.references.push((self.code.len(), label));
        self.ops(&[0, 0])
    }

    /// Appends a jump to `label`.
    pub fn jump(&mut self, label: Label) -> &mut Self {
        self.push_label(label).ops(&[op::JUMP])
    }

    /// Appends a jump to `label` that is taken when the top of the stack is not zero.
    pub fn jump_if(&mut self, label: Label) -> &mut Self {
        self.push_label(label).ops(&[op::JUMPI])
    }

    /// The finished program.
    pub fn finish(&self) -> Vec<u8> {
        let mut code = self.code.clone();
        for &(offset, label) in &self.references {
            let place = self.places[label.0].expect("each label that is named here is placed");
            code[offset..offset + 2].copy_from_slice(&place.to_be_bytes());
        }
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_are_as_short_as_they_can_be() {
        let mut assembly = Assembly::new();
        assembly.push(0).push(1).push(0x1234);
        assert_eq!(assembly.finish(), [0x5f, 0x60, 1, 0x61, 0x12, 0x34]);
    }

    #[test]
    fn jumps_find_labels_in_both_directions() {
        let mut assembly = Assembly::new();
        let (start, end) = (assembly.label(), assembly.label());
        assembly.place(start).jump(end).jump(start).place(end);
        assert_eq!(assembly.finish(), [0x5b, 0x61, 0, 9, 0x56, 0x61, 0, 0, 0x56, 0x5b]);
    }
}
