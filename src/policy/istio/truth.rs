//! Three-valued logic: what is known, and what a condition that cannot be evaluated leaves open.
//!
//! Belongs here: Kleene's connectives. Does not belong here: what makes a condition unknown (`facts`, `engine`).

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Truth {
    /// It does not.
    False,
    /// It may or may not.
    Unknown,
    /// It does.
    True,
}

impl Truth {
    pub(super) fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }

    pub(super) fn any(truths: impl IntoIterator<Item = Self>) -> Self {
        let mut result = Self::False;
        for truth in truths {
            result = result.max(truth);
            if result == Self::True {
                break;
            }
        }
        result
    }

    pub(super) fn all(truths: impl IntoIterator<Item = Self>) -> Self {
        let mut result = Self::True;
        for truth in truths {
            result = result.min(truth);
            if result == Self::False {
                break;
            }
        }
        result
    }

    /// One of `positive` (or no such list) and none of `negative`, which is how all lists of a policy are read.
    pub(super) fn list<T>(positive: &[T], negative: &[T], matches: impl Fn(&T) -> Self) -> Self {
        let positive = match positive.is_empty() {
            true => Self::True,
            false => Self::any(positive.iter().map(&matches)),
        };
        match (positive, negative.is_empty()) {
            (Self::False, _) | (_, true) => positive,
            _ => positive.min(Self::any(negative.iter().map(&matches)).not()),
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}
