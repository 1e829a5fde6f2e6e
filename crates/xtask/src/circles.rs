//! Circles of files: within a crate, too, arrows point down. A file that uses another one is not used by it, by whatever
//! detour.
//!
//! A `mod.rs` that declares its children and passes their names on uses none of them. Where the methods of a type stand in several
//! files, a file that calls one on `self` uses the file where it stands; calls on anything else carry no type and are not seen.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    paths::{self, Impl, Named},
    source::Source,
};

/// Names that lead to other names, at most: more would be a circle of `use`s, which does not compile.
const DETOURS_MAX: usize = 8;

/// Says which circles there are.
pub(crate) fn findings(files: &[Source]) -> Vec<String> {
    let mut crates: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
    for file in files.iter().filter(|file| !file.is_test) {
        if let Some((member, _)) = file.path.strip_prefix("crates/").and_then(|path| path.split_once("/src/"))
        {
            crates.entry(member).or_default().push(file);
        }
    }
    let of_crate = |(member, files): (&str, Vec<&Source>)| {
        let circles = circles(&Modules::of(files.into_iter()).arrows());
        circles
            .iter()
            .map(|circle| format!("{member}: a circle of files: {}", drawn(circle)))
            .collect::<Vec<_>>()
    };
    crates.into_iter().flat_map(of_crate).collect()
}

/// Modules that use each other, each with those of them that it uses.
type Circle = BTreeMap<String, BTreeSet<String>>;

fn drawn(circle: &Circle) -> String {
    let line = |(user, used): (&String, &BTreeSet<String>)| {
        format!("{user} uses {}", used.iter().cloned().collect::<Vec<_>>().join(", "))
    };
    circle.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// The modules of a crate, by their paths; the crate's own is empty.
struct Modules(BTreeMap<Vec<String>, Named>);

impl Modules {
    fn of<'a>(files: impl Iterator<Item = &'a Source>) -> Self {
        Self(files.map(|file| (module(&file.path), paths::named(&file.text_without_tests()))).collect())
    }

    /// Who uses whom, by the modules' names. A module that passes a name on does not use it.
    fn arrows(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, named) in &self.0 {
            let used = named.uses.iter().filter(|(name, _)| !named.passed_on.contains(*name));
            let paths = used.map(|(_, path)| path).chain(&named.paths);
            let used = paths.filter_map(|path| self.home(module, path, DETOURS_MAX));
            let used = used.filter(|home| home != module).map(|home| name(&home));
            arrows.entry(name(module)).or_default().extend(used);
        }
        for (user, used) in self.calls() {
            arrows.entry(name(user)).or_default().insert(name(used));
        }
        arrows
    }

    /// Who calls methods that stand in another file's block of the same type.
    fn calls(&self) -> Vec<(&Vec<String>, &Vec<String>)> {
        let mut types: BTreeMap<_, Vec<(&Vec<String>, &Impl)>> = BTreeMap::new();
        for (module, named) in &self.0 {
            for block in &named.impls {
                let path = named.uses.get(&block.of);
                let home = match path {
                    Some(path) => self.home(module, path, DETOURS_MAX),
                    None => Some(module.clone()),
                };
                // Another crate's types have their methods there.
                let Some(home) = home else { continue };
                types.entry((home, &block.of)).or_default().push((module, block));
            }
        }
        let mut calls = Vec::new();
        for blocks in types.values() {
            for (user, block) in blocks {
                let stands_in = |module: &Vec<String>, method: &String| {
                    blocks.iter().any(|(other, block)| *other == module && block.defined.contains(method))
                };
                for method in block.called.iter().filter(|method| !stands_in(user, method)) {
                    let used = blocks.iter().filter(|(_, block)| block.defined.contains(method));
                    calls.extend(used.map(|(used, _)| (*user, *used)));
                }
            }
        }
        calls
    }

    /// The module in whose file stands what `path` names in `module`; none for what is another crate's, and for a module
    /// itself, whose items are named by longer paths.
    fn home(&self, module: &[String], path: &[String], detours: usize) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let (mut at, mut rest) = match first.as_str() {
            "crate" => (Vec::new(), rest),
            "self" => (module.to_vec(), rest),
            "super" => (module.split_last()?.1.to_vec(), rest),
            _ if self.has_child(module, first) => (module.to_vec(), path),
            _ => (module.to_vec(), self.0.get(module)?.uses.contains_key(first).then_some(path)?),
        };
        while let Some((segment, further)) = rest.split_first() {
            if segment == "super" {
                at.pop();
            } else if self.has_child(&at, segment) {
                at.push(segment.clone());
            } else if let Some(passed_on) = self.0.get(&at)?.uses.get(segment) {
                let path: Vec<String> = passed_on.iter().chain(further).cloned().collect();
                return self.home(&at, &path, detours.checked_sub(1)?);
            } else {
                return Some(at);
            }
            rest = further;
        }
        None
    }

    fn has_child(&self, module: &[String], name: &str) -> bool {
        let mut child = module.to_vec();
        child.push(name.to_owned());
        self.0.contains_key(&child)
    }
}

/// A file's module, from its path below the workspace's root.
fn module(path: &str) -> Vec<String> {
    let path = path.split_once("/src/").map_or(path, |(_, path)| path).trim_end_matches(".rs");
    let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

fn name(module: &[String]) -> String {
    if module.is_empty() { "crate".to_owned() } else { module.join("::") }
}

/// The largest sets of modules that all reach each other.
fn circles(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<Circle> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        arrows.keys().map(|module| (module, reached(arrows, module))).collect();
    let mut circles: Vec<Circle> = Vec::new();
    for module in arrows.keys().filter(|module| reached[module].contains(module)) {
        if circles.iter().any(|circle| circle.contains_key(module)) {
            continue;
        }
        let members: BTreeSet<&String> =
            reached[module].iter().copied().filter(|other| reached[other].contains(module)).collect();
        let used = |member: &String| {
            arrows[member].iter().filter(|used| members.contains(used)).cloned().collect::<BTreeSet<_>>()
        };
        circles.push(members.iter().map(|&member| (member.clone(), used(member))).collect());
    }
    circles
}

/// Whom a module uses, by whatever detour.
fn reached<'a>(arrows: &'a BTreeMap<String, BTreeSet<String>>, module: &'a String) -> BTreeSet<&'a String> {
    let (mut reached, mut waiting) = (BTreeSet::new(), vec![module]);
    while let Some(user) = waiting.pop() {
        waiting.extend(arrows[user].iter().filter(|used| reached.insert(*used)));
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a crate of these files, each as its modules' names.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let source = |(path, text): &(&str, &str)| Source {
            path: format!("crates/x/src/{path}"),
            text: (*text).to_owned(),
            is_test: false,
        };
        let sources: Vec<Source> = files.iter().map(source).collect();
        let circles = circles(&Modules::of(sources.iter()).arrows());
        circles.iter().map(|circle| circle.keys().cloned().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn arrows_that_point_down_are_no_circle() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\npub use a::A;\n"),
            ("a.rs", "use crate::b::B;\npub struct A(B);\n"),
            ("b.rs", "pub struct B;\n"),
        ];
        assert!(found(&files).is_empty());
    }

    #[test]
    fn circle_is_found_by_whatever_detour() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\n"),
            ("a.rs", "use crate::b::{self, B};\nfn a() { b::b(crate::d::D) }\n"),
            ("b.rs", "fn b(c: super::c::C) {}\n"),
            ("c.rs", "use super::a::A;\n"),
            ("d.rs", "pub struct D;\n"),
        ];
        assert_eq!(found(&files), ["a b c"]);
    }

    #[test]
    fn name_that_is_passed_on_leads_to_its_home() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\npub use a::A;\npub use b::B;\n"),
            ("a/mod.rs", "mod c;\nmod d;\npub use c::C as A;\n"),
            ("a/c.rs", "use super::d::D;\nuse crate::B;\n"),
            ("a/d.rs", "pub struct D;\n"),
            ("b.rs", "use crate::{A, a};\nfn b(_: a::A) {}\n"),
        ];
        assert_eq!(found(&files), ["a::c b"]);
    }

    #[test]
    fn parent_that_uses_its_child_is_not_used_by_it() {
        let child = ("a/c.rs", "use super::A;\npub struct C(A);\n");
        assert!(found(&[("a/mod.rs", "mod c;\npub use c::C;\n"), child]).is_empty(), "`A` is nowhere");
        let parent = ("a/mod.rs", "mod c;\nuse c::C;\npub struct A;\nfn a(_: C) {}\n");
        assert_eq!(found(&[parent, child]), ["a a::c"]);
    }

    #[test]
    fn methods_in_several_files_may_close_a_circle() {
        let desk = ("desk.rs", "pub struct Desk;\nimpl Desk {\n    fn a(&self) { self.b() }\n}\n");
        let pump = ("pump.rs", "use crate::desk::Desk;\nimpl Desk {\n    fn b(&self) {}\n}\n");
        let other = ("other.rs", "pub struct Other;\nimpl Other {\n    fn b(&self) {}\n}\n");
        assert_eq!(found(&[desk, pump, other]), ["desk pump"]);
        let above = ("above.rs", "use crate::desk::Desk;\nimpl Desk {\n    fn c(&self) { self.a() }\n}\n");
        assert_eq!(found(&[desk, above, other]), [""; 0]);
    }

    #[test]
    fn circle_that_only_a_test_closes_is_none() {
        let files = [
            ("a.rs", "use crate::b::B;\n"),
            ("b.rs", "#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n"),
        ];
        assert!(found(&files).is_empty());
    }
}
