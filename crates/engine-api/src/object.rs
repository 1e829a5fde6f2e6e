//! An object of JSON, as whoever wrote the specification means it.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// What is written as an object with named fields. The code that serde derives would take a list of the fields' values as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Fields(PhantomData))
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    struct Point<'a> {
        x: u8,
        #[serde(borrow)]
        name: Option<&'a str>,
    }

    #[test]
    fn fields_have_names() {
        let read = |text: &'static str| serde_json::from_str::<Object<Point<'_>>>(text).ok();
        assert_eq!(read(r#"{"x":1,"name":"a","y":[]}"#), Some(Object(Point { x: 1, name: Some("a") })));
        assert_eq!(read(r#"{"x":1}"#), Some(Object(Point { x: 1, name: None })));
        for text in [r#"[1,"a"]"#, "[1,null]", "[]", "{}", "null", "1", r#"{"x":"1"}"#] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(serde_json::from_str::<Point<'_>>(r#"[1,"a"]"#).is_ok(), "what serde derives takes a list");
    }
}
