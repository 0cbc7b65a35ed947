//! Logic with a third value for what is not known.
//!
//! Belongs here: the three values, and, or. Does not belong here: what they are about.

/// Whether something holds; ordered so that *and* is the least and *or* the greatest (Kleene's strong logic).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tri {
    /// It does not hold.
    No,
    /// It may or may not hold.
    Unknown,
    /// It holds.
    Yes,
}

impl Tri {
    /// Both hold.
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// One of them holds.
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }

    /// One of these holds; stops at the first that does.
    pub fn any(values: impl IntoIterator<Item = Self>) -> Self {
        let mut result = Self::No;
        for value in values {
            result = result.or(value);
            if result == Self::Yes {
                break;
            }
        }
        result
    }

    /// All of these hold; stops at the first that does not.
    pub fn all(values: impl IntoIterator<Item = Self>) -> Self {
        let mut result = Self::Yes;
        for value in values {
            result = result.and(value);
            if result == Self::No {
                break;
            }
        }
        result
    }
}

impl From<bool> for Tri {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::Tri::{self, No, Unknown, Yes};

    #[test]
    fn unknown_is_kept_unless_the_other_side_decides() {
        assert_eq!((Unknown.and(No), Unknown.and(Yes)), (No, Unknown));
        assert_eq!((Unknown.or(No), Unknown.or(Yes)), (Unknown, Yes));
        assert_eq!((Tri::any([No, Unknown]), Tri::any([Unknown, Yes])), (Unknown, Yes));
        assert_eq!((Tri::all([Yes, Unknown]), Tri::all([Unknown, No])), (Unknown, No));
        assert_eq!((Tri::any([]), Tri::all([])), (No, Yes));
    }
}
