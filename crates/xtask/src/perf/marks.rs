//! The marks in a page between which a machine writes: `<!-- perf:NAME -->` and `<!-- perf:end -->`.

use crate::error::Error;

const END: &str = "<!-- perf:end -->";

/// The page with each named text between its marks. Marks that are missing, or that nobody fills, are errors: a table must not
/// silently stay as it was.
pub(crate) fn fill(page: &str, texts: &[(&str, String)]) -> Result<String, Error> {
    let mut filled = String::new();
    let mut rest = page;
    let mut done = Vec::new();
    while let Some((before, name, behind)) = next_mark(rest) {
        let Some((_, after)) = behind.split_once(END) else {
            return Err(missing(&format!("the end of {name}")));
        };
        let Some((_, text)) = texts.iter().find(|text| text.0 == name) else {
            return Err(missing(&format!("a table named {name}")));
        };
        filled.push_str(before);
        filled.push_str(&format!("<!-- perf:{name} -->\n\n{}\n\n{END}", text.trim_end()));
        done.push(name);
        rest = after;
    }
    filled.push_str(rest);
    match texts.iter().find(|text| !done.contains(&text.0)) {
        Some((name, _)) => Err(missing(&format!("the mark of {name}"))),
        None => Ok(filled),
    }
}

/// What stands before the next mark, its name, and what stands behind it.
fn next_mark(page: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = page.split_once("<!-- perf:")?;
    let (name, behind) = rest.split_once(" -->")?;
    Some((before, name, behind))
}

fn missing(what: &str) -> Error {
    Error::Findings {
        check: "performance",
        findings: vec![format!("docs/PERFORMANCE.md: {what} is missing")],
    }
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn text_goes_between_its_marks_and_only_there() {
        let page = "a\n<!-- perf:x -->\nold\n<!-- perf:end -->\nb\n";
        let filled = fill(page, &[("x", "new\n".to_owned())]).unwrap();
        assert_eq!(filled, "a\n<!-- perf:x -->\n\nnew\n\n<!-- perf:end -->\nb\n");
        assert_eq!(fill(&filled, &[("x", "new\n".to_owned())]).unwrap(), filled);
    }

    #[test]
    fn lost_marks_are_noticed() {
        assert!(fill("no marks", &[("x", String::new())]).is_err());
        assert!(fill("<!-- perf:x -->", &[("x", String::new())]).is_err());
        assert!(fill("<!-- perf:y --><!-- perf:end -->", &[]).is_err());
    }
}
