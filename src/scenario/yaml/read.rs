//! From the tree of a document to a typed value.
//!
//! Belongs here: which scalar fits which type, and what null means. Does not belong here: the words of the errors
//! (`explain`).

use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::complaint::{Complaint, What};
use super::tree::{Node, Plain, Value};
use super::{Nulls, Strings};

/// By this name of a type a value asks for its places ([`super::Spanned`]).
pub(super) const SPANNED: &str = "$place";

/// What is constant while a document is read.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub strings: Strings,
    pub nulls: Nulls,
}

/// A value of the tree, ready to be read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'t> {
    pub node: &'t Node<'t>,
    pub rules: Rules,
    /// Whether it is the key of a map, which is always a string.
    pub is_key: bool,
}

impl<'t> Reading<'t> {
    fn of(self, node: &'t Node<'t>, is_key: bool) -> Self {
        Self { node, is_key, ..self }
    }

    fn wrong<T>(self, what: What) -> Result<T, Complaint> {
        Err(self.complaint(what))
    }

    fn complaint(self, what: What) -> Complaint {
        Complaint {
            what,
            at: Some(self.node.referenced),
            found: self.node.sketch(),
        }
    }

    fn is_null(self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    /// Whether null stands for the empty value of its type here.
    fn is_empty(self) -> bool {
        self.is_null() && self.rules.nulls != Nulls::Refused
    }

    fn scalar(self, expected: &'static str) -> Result<&'t str, Complaint> {
        self.node.scalar().ok_or_else(|| self.complaint(What::Shape(expected)))
    }

    fn string(self) -> Result<&'t str, Complaint> {
        match &self.node.value {
            Value::Null if self.rules.nulls == Nulls::Zero => Ok(""),
            Value::Null => self.wrong(What::NullIntoString),
            Value::Plain(..) if self.rules.strings == Strings::Quoted && !self.is_key => {
                let text = self.scalar("a string")?;
                // YAML 1.1 knows `y` and `n` as booleans, but where a string is expected they are common names.
                match text {
                    "y" | "Y" | "n" | "N" => Ok(text),
                    _ => self.wrong(What::Quotes(text.to_owned())),
                }
            }
            _ => self.scalar("a string"),
        }
    }

    fn pairs(self) -> Result<Pairs<'t>, Complaint> {
        let pairs = match &self.node.value {
            Value::Map(pairs) => pairs.as_slice(),
            Value::Null if self.is_empty() => &[],
            _ => return self.wrong(What::Shape("a map (`key: value`)")),
        };
        Ok(Pairs {
            around: self,
            pairs,
            value: None,
            skips_null: false,
        })
    }

    fn number<T: std::str::FromStr>(self, kind: &'static str) -> Result<T, Complaint> {
        let text = self.scalar(kind)?;
        let parsed = match self.node.value {
            Value::Plain(Plain::Unsigned(number), _) => number.to_string().parse(),
            Value::Plain(Plain::Signed(number), _) => number.to_string().parse(),
            _ => text.parse(),
        };
        parsed.map_err(|_| self.complaint(What::Scalar(kind)))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $kind:literal)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
            visitor.$visit(self.number($kind)?).map_err(|e: Complaint| e.or_at(self.node))
        }
    )*};
}

impl<'de> Deserializer<'de> for Reading<'de> {
    type Error = Complaint;

    numbers! {
        deserialize_u8 visit_u8 "whole number in range"
        deserialize_u16 visit_u16 "whole number in range"
        deserialize_u32 visit_u32 "whole number in range"
        deserialize_u64 visit_u64 "whole number in range"
        deserialize_i8 visit_i8 "integer in range"
        deserialize_i16 visit_i16 "integer in range"
        deserialize_i32 visit_i32 "integer in range"
        deserialize_i64 visit_i64 "integer in range"
        deserialize_f32 visit_f32 "number"
        deserialize_f64 visit_f64 "number"
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        let read = match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Plain(plain, _) => match *plain {
                _ if self.is_key => visitor.visit_borrowed_str(self.scalar("a string")?),
                Plain::Bool(value) => visitor.visit_bool(value),
                Plain::Unsigned(value) => visitor.visit_u64(value),
                Plain::Signed(value) => visitor.visit_i64(value),
                Plain::Float(value) => visitor.visit_f64(value),
            },
            Value::List(items) => visitor.visit_seq(Items { around: self, items }),
            Value::Map(_) => visitor.visit_map(self.pairs()?),
        };
        read.map_err(|e| e.or_at(self.node))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        let value = match (&self.node.value, self.node.scalar()) {
            (Value::Plain(Plain::Bool(value), _), _) => *value,
            (_, Some("true")) => true,
            (_, Some("false")) => false,
            _ if self.is_null() && self.rules.nulls == Nulls::Zero => false,
            (_, None) => return self.wrong(What::Shape("a boolean")),
            _ => return self.wrong(What::Scalar("boolean")),
        };
        visitor.visit_bool(value).map_err(|e: Complaint| e.or_at(self.node))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        let text = self.string()?;
        visitor
            .visit_borrowed_str(text)
            .map_err(|e: Complaint| e.or_at(self.node))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match self.is_null() {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match self.is_null() {
            true => visitor.visit_unit(),
            false => self.wrong(What::Shape("nothing")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        match name {
            SPANNED => visitor.visit_seq(Placed { value: self, step: 0 }),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        let items = match &self.node.value {
            Value::List(items) => items.as_slice(),
            Value::Null if self.is_empty() => &[],
            _ => return self.wrong(What::Shape("a list")),
        };
        let read = visitor.visit_seq(Items { around: self, items });
        read.map_err(|e| e.or_at(self.node))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        let mut pairs = self.pairs()?;
        pairs.skips_null = self.rules.nulls == Nulls::Absent;
        visitor.visit_map(pairs).map_err(|e| e.or_at(self.node))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        visitor.visit_map(self.pairs()?).map_err(|e| e.or_at(self.node))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        let (name, content) = match &self.node.value {
            Value::Map(pairs) => match pairs.as_slice() {
                [(name, content)] => (name, Some(content)),
                _ => return self.wrong(What::Shape("one key")),
            },
            _ => (self.node, None),
        };
        let variant = Variant {
            name: self.of(name, true),
            content: content.map(|content| self.of(content, false)),
        };
        visitor.visit_enum(variant).map_err(|e| e.or_at(self.node))
    }

    forward_to_deserialize_any! { i128 u128 char bytes byte_buf unit_struct tuple tuple_struct }
}

/// The entries of a list.
struct Items<'t> {
    around: Reading<'t>,
    items: &'t [Node<'t>],
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Complaint;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Complaint> {
        let Some((first, rest)) = self.items.split_first() else {
            return Ok(None);
        };
        self.items = rest;
        let item = self.around.of(first, false);
        if item.is_null() && self.around.rules.nulls == Nulls::Absent {
            return item.wrong(What::EmptyItem);
        }
        seed.deserialize(item).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of a map.
struct Pairs<'t> {
    around: Reading<'t>,
    pairs: &'t [(Node<'t>, Node<'t>)],
    value: Option<&'t Node<'t>>,
    /// Whether entries without a value are left out: of a map with keys of any name, the API server prunes them.
    skips_null: bool,
}

impl<'de> MapAccess<'de> for Pairs<'de> {
    type Error = Complaint;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Complaint> {
        while let Some(((key, value), rest)) = self.pairs.split_first() {
            self.pairs = rest;
            if self.skips_null && matches!(value.value, Value::Null) {
                continue;
            }
            self.value = Some(value);
            return seed.deserialize(self.around.of(key, true)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Complaint> {
        let Some(value) = self.value.take() else {
            return Err(de::Error::custom("a value without a key"));
        };
        seed.deserialize(self.around.of(value, false))
    }
}

/// A variant by its name, with what is under it.
struct Variant<'t> {
    name: Reading<'t>,
    content: Option<Reading<'t>>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Complaint;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Complaint> {
        Ok((seed.deserialize(self.name)?, self))
    }
}

impl<'de> Variant<'de> {
    fn content(self) -> Result<Reading<'de>, Complaint> {
        self.content
            .ok_or_else(|| self.name.complaint(What::Shape("a map (`key: value`)")))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'de> {
    type Error = Complaint;

    fn unit_variant(self) -> Result<(), Complaint> {
        match self.content {
            Some(content) if !content.is_null() => content.wrong(What::Shape("nothing")),
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Complaint> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Complaint> {
        self.content()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        self.content()?.deserialize_struct("", fields, visitor)
    }
}

/// A value and then its places, as [`super::Spanned`] reads them.
struct Placed<'t> {
    value: Reading<'t>,
    step: u8,
}

impl<'de> SeqAccess<'de> for Placed<'de> {
    type Error = Complaint;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Complaint> {
        self.step += 1;
        let Node {
            referenced, defined, ..
        } = self.value.node;
        let number = match self.step {
            1 => return seed.deserialize(self.value).map(Some),
            2 => referenced.line,
            3 => referenced.column,
            4 => defined.line,
            5 => defined.column,
            _ => return Ok(None),
        };
        seed.deserialize(IntoDeserializer::<Complaint>::into_deserializer(number))
            .map(Some)
    }
}
