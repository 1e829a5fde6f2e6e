//! How long a batch is, told from its text: jsonrpsee keeps every item of it before it looks at its own bound.
//!
//! It reads no item and finds no fault: what is no JSON is refused by whoever reads it.

/// Whether a text is a list of more than so many items.
pub(super) fn is_longer_than(text: &[u8], items_max: u32) -> bool {
    let Some(items) = text.trim_ascii_start().strip_prefix(b"[") else { return false };
    let (mut depth, mut commas) = (0u32, 0u32);
    let mut bytes = items.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 0 => return false,
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                commas += 1;
                if commas >= items_max {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// To its end.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_counted_where_they_are_a_batchs_own() {
        for (text, items) in [
            ("[1]", 1),
            (" \t\r\n[1,2,3]", 3),
            (r#"[[1,2],{"a":[3,4],"b":5},"6,7"]"#, 3),
            (r#"["\"",",","\\",4]"#, 4),
            (r#"["\\\",",2],3,4,5"#, 2),
            ("[1,2", 2),
            (r#"[1,"2,3,4"#, 2),
            ("[1,2],3,4,5", 2),
            ("[{},{}]", 2),
        ] {
            assert!(is_longer_than(text.as_bytes(), items - 1) || items == 1, "{text}");
            assert!(!is_longer_than(text.as_bytes(), items), "{text}");
        }
        for text in ["", " ", "[", "[]", r#"{"a":[1,2,3]}"#, "1,2,3", r#""[1,2,3""#, "]]],,,"] {
            assert!(!is_longer_than(text.as_bytes(), 1), "{text}");
        }
    }

    #[test]
    fn what_is_nested_without_end_is_counted_without_depth() {
        let deep = format!("[{},1,2]", "[".repeat(1 << 20));
        assert!(!is_longer_than(deep.as_bytes(), 1));
        assert!(is_longer_than(format!("[{}", "0,".repeat(1 << 20)).as_bytes(), 1000));
    }
}
