//! Which items of its own crate a source file names: by `use`, by paths that stand in its code, and by methods on `self`.
//!
//! It reads words and marks, not the language: macros are not expanded, and methods of anything but `self` have no types.

use std::collections::{BTreeMap, BTreeSet};

/// What a file names.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// The path behind each name that a `use` brings in.
    pub(crate) uses: BTreeMap<String, Vec<String>>,
    /// Names that are only passed on to others.
    pub(crate) passed_on: BTreeSet<String>,
    /// Paths of two segments or more in the code.
    pub(crate) paths: BTreeSet<Vec<String>>,
    /// What stands in blocks of `impl`.
    pub(crate) impls: Vec<Impl>,
}

/// A block of `impl`.
#[derive(Debug)]
pub(crate) struct Impl {
    /// The type's name in this file.
    pub(crate) of: String,
    /// Functions that stand in it.
    pub(crate) defined: BTreeSet<String>,
    /// Functions that it calls on `self` or `Self`.
    pub(crate) called: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Path,
    Mark(char),
}

impl Token {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }
}

/// Reads a file's text, its tests left out.
pub(crate) fn named(text: &str) -> Named {
    let tokens = tokens(text);
    let (mut named, mut exported, mut words) = (Named::default(), BTreeSet::new(), BTreeSet::new());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.is("use") {
            // Before it: `pub`, or the bracket that ends `pub(crate)`.
            let before = at.checked_sub(1).map(|before| &tokens[before]);
            let is_passed_on = before.is_some_and(|token| token.is("pub") || *token == Token::Mark(')'));
            at += 1;
            for (name, path) in tree(&tokens, &mut at, Vec::new()) {
                if is_passed_on {
                    exported.insert(name.clone());
                }
                named.uses.insert(name, path);
            }
        } else if let Token::Word(word) = token {
            let path = path(&tokens, &mut at);
            words.insert(word.clone());
            if path.len() > 1 {
                named.paths.insert(path);
            }
        } else {
            at += 1;
        }
    }
    named.impls = impls(&tokens);
    named.passed_on = exported.into_iter().filter(|name| !words.contains(name)).collect();
    named
}

/// The blocks of `impl` of a file. In other places the word follows a mark of a type.
fn impls(tokens: &[Token]) -> Vec<Impl> {
    let starts = |at: &usize| {
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        let is_item = |token: &Token| token.is("unsafe") || matches!(token, Token::Mark('}' | ';' | ']'));
        tokens[*at].is("impl") && before.is_none_or(is_item)
    };
    (0..tokens.len()).filter(starts).filter_map(|at| block(&tokens[at + 1..])).collect()
}

/// The block that begins behind its `impl`.
fn block(tokens: &[Token]) -> Option<Impl> {
    let open = tokens.iter().position(|token| *token == Token::Mark('{'))?;
    let (head, body) = tokens.split_at(open);
    let mut block = Impl { of: type_name(head)?, defined: BTreeSet::new(), called: BTreeSet::new() };
    let mut depth = 0;
    for (at, token) in body.iter().enumerate() {
        match token {
            Token::Mark('{') => depth += 1,
            Token::Mark('}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        match body.get(at..at + 3) {
            Some([first, Token::Word(name), _]) if depth == 1 && first.is("fn") => {
                block.defined.insert(name.clone());
            }
            Some([first, Token::Mark('.'), Token::Word(name)])
                if first.is("self") && body.get(at + 3) == Some(&Token::Mark('(')) =>
            {
                block.called.insert(name.clone());
            }
            Some([first, Token::Path, Token::Word(name)]) if first.is("Self") => {
                block.called.insert(name.clone());
            }
            _ => {}
        }
    }
    Some(block)
}

/// The type in the head of a block: the word behind `for`, or the first one that stands in no `<>`.
fn type_name(head: &[Token]) -> Option<String> {
    let (mut name, mut depth, mut before) = (None, 0, None);
    for token in head {
        match token {
            Token::Mark('<') => depth += 1,
            Token::Mark('>') if before != Some(&Token::Mark('-')) => depth -= 1,
            Token::Word(word) if depth == 0 && word == "where" => break,
            Token::Word(word) if depth == 0 && word == "for" => name = None,
            Token::Word(word) if depth == 0 && name.is_none() => name = Some(word.clone()),
            _ => {}
        }
        before = Some(token);
    }
    name
}

/// A path in the code from its first word on. What stands in `<>` within a path is no part of it.
fn path(tokens: &[Token], at: &mut usize) -> Vec<String> {
    let mut path = Vec::new();
    while let Some(Token::Word(word)) = tokens.get(*at) {
        path.push(word.clone());
        *at += 1;
        if tokens.get(*at) != Some(&Token::Path) {
            break;
        }
        *at += 1;
    }
    path
}

/// The names that a tree of a `use` brings in, each with its path.
fn tree(tokens: &[Token], at: &mut usize, mut path: Vec<String>) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    while let Some(token) = tokens.get(*at) {
        match token {
            Token::Word(word) if word == "as" => {
                *at += 1;
                let Some(Token::Word(name)) = tokens.get(*at) else { return found };
                *at += 1;
                return vec![(name.clone(), path)];
            }
            Token::Word(word) => {
                path.push(word.clone());
                *at += 1;
            }
            Token::Path => *at += 1,
            Token::Mark('{') => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| *token != Token::Mark('}')) {
                    found.extend(tree(tokens, at, path.clone()));
                    if tokens.get(*at) == Some(&Token::Mark(',')) {
                        *at += 1;
                    }
                }
                *at += 1;
                return found;
            }
            Token::Mark(',' | '}') => break,
            // The end, or `*`, which only tests have.
            Token::Mark(_) => {
                *at += 1;
                break;
            }
        }
    }
    // `a::{self}` is `a`; a path that is `self` alone stays.
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    found.extend(path.last().cloned().map(|name| (name, path)));
    found
}

/// Words and marks, without comments, and without what stands in quotes.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(length) = quoted(rest) {
            length
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let length = length.unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..length].to_owned()));
            length
        } else if rest.starts_with("::") {
            tokens.push(Token::Path);
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Mark(first));
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of the text or the letter in quotes that starts here, if one does. The mark of a lifetime counts as one.
fn quoted(text: &str) -> Option<usize> {
    if let Some(raw) = text.strip_prefix("br").or_else(|| text.strip_prefix('r')) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = text.len() - raw.len() + hashes + 1;
            return Some(text[start..].find(&end).map_or(text.len(), |at| start + at + end.len()));
        }
    }
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let mut letters = text.char_indices().skip(1);
    let is_lifetime = quote == '\'' && !text[1..].starts_with('\\') && text[1..].chars().nth(1) != Some('\'');
    if is_lifetime {
        return Some(1);
    }
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == quote {
            return Some(at + 1);
        }
    }
    Some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(path: &[String]) -> String {
        path.join("::")
    }

    #[test]
    fn names_of_a_use_are_found_through_its_braces() {
        let named = named("use crate::{a::{self, B as C}, d};\npub(crate) use self::e::F;\nuse g::h;\n");
        let uses: Vec<_> = named.uses.iter().map(|(name, path)| format!("{name}={}", joined(path))).collect();
        assert_eq!(uses, ["C=crate::a::B", "F=self::e::F", "a=crate::a", "d=crate::d", "h=g::h"]);
        assert_eq!(named.passed_on.into_iter().collect::<Vec<_>>(), ["F"]);
    }

    #[test]
    fn name_that_is_passed_on_and_used_is_used() {
        assert!(named("pub use a::B;\nfn c(b: B) {}\n").passed_on.is_empty());
    }

    #[test]
    fn paths_of_the_code_are_found_and_those_of_texts_and_comments_are_not() {
        let named = named(
            "// crate::no::A\nfn b<'a>(c: &'a crate::d::E) -> char {\n    let f = \"crate::no::\\\"F\";\n    \
             let g = r#\"crate::no::G\"#;\n    super::h(f, g, '\\'', '\"')\n}\n",
        );
        let paths: Vec<_> = named.paths.iter().map(|path| joined(path)).collect();
        assert_eq!(paths, ["crate::d::E", "super::h"]);
    }

    #[test]
    fn methods_of_a_type_are_those_of_its_blocks() {
        let text = "impl<T: Fn() -> u8> super::A for B<T> {\n    fn c(&self) -> impl D {\n        self.e(self.f);\n        \
                    Self::g();\n    }\n}\nfn h(i: impl D) -> impl D { i.j() }\n";
        let blocks = named(text).impls;
        let [block] = blocks.as_slice() else { panic!("{blocks:?}") };
        assert_eq!(block.of, "B");
        assert_eq!(block.defined.iter().collect::<Vec<_>>(), ["c"]);
        assert_eq!(block.called.iter().collect::<Vec<_>>(), ["e", "g"]);
    }
}
