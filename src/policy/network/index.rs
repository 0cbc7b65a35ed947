//! The index: which selector matches which class of pods, as bits.
//!
//! Belongs here: classes of equal subjects, postings by label, one set of bits for each selector. Does not belong here:
//! what selectors mean (`selector`) and verdicts (`evaluate`).

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::super::Subject;
use super::super::labels::Requirement;
use super::form::{SelectorId, Selectors};
use super::selector::{Field, Selector, Term};

const WORD: usize = 64;

/// Classes of pods with equal subjects, and what matches them.
#[derive(Debug, Clone, Default)]
pub struct Classes {
    count: usize,
    /// Words of one selector's set.
    words: usize,
    /// The sets of all selectors, one after the other.
    bits: Vec<u64>,
}

impl Classes {
    /// Groups the subjects into classes and matches every selector once with each; also returns the class of each subject,
    /// in the order given.
    pub fn new(subjects: &[&Subject], selectors: &Selectors, cluster: &str) -> (Self, Vec<u32>) {
        let mut known: FxHashMap<&Subject, u32> = FxHashMap::default();
        let mut classes: Vec<&Subject> = Vec::new();
        let class_of = subjects
            .iter()
            .map(|subject| {
                *known.entry(subject).or_insert_with(|| {
                    classes.push(subject);
                    u32::try_from(classes.len() - 1).expect("fewer than 2^32 classes")
                })
            })
            .collect();
        let words = classes.len().div_ceil(WORD);
        let mut postings = Postings::new(&classes, selectors, cluster);
        let mut bits = vec![0; words * selectors.all().len()];
        for (number, selector) in selectors.all().iter().enumerate() {
            postings.select(selector, &mut bits[number * words..(number + 1) * words]);
        }
        let classes = Self {
            count: classes.len(),
            words,
            bits,
        };
        (classes, class_of)
    }

    /// Number of classes.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether a selector matches a class.
    pub fn matches(&self, selector: SelectorId, class: u32) -> bool {
        let word = self.bits[selector.0 as usize * self.words + class as usize / WORD];
        word >> (class as usize % WORD) & 1 == 1
    }

    /// The classes that a selector matches, in order.
    pub fn matched(&self, selector: SelectorId) -> impl Iterator<Item = u32> + '_ {
        let words = &self.bits[self.range(selector)];
        words.iter().enumerate().flat_map(|(index, word)| {
            let base = index * WORD;
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest.wrapping_sub(1);
                (bit < WORD).then(|| u32::try_from(base + bit).unwrap_or(u32::MAX))
            })
        })
    }

    fn range(&self, selector: SelectorId) -> Range<usize> {
        let first = selector.0 as usize * self.words;
        first..first + self.words
    }
}

/// For each field that a selector looks at: which classes have it, and with which value.
struct Postings<'a> {
    count: usize,
    fields: FxHashMap<&'a Field, ByValue<'a>>,
    scratch: Vec<u64>,
}

#[derive(Default)]
struct ByValue<'a> {
    present: Vec<u32>,
    values: FxHashMap<&'a str, Vec<u32>>,
}

impl<'a> Postings<'a> {
    fn new(classes: &[&'a Subject], selectors: &'a Selectors, cluster: &'a str) -> Self {
        let mut fields: FxHashMap<&Field, ByValue<'a>> = FxHashMap::default();
        let terms = selectors.all().iter().flat_map(|selector| &selector.terms);
        for term in terms {
            fields.entry(&term.field).or_default();
        }
        // In the order of fields and classes, not of the map: each list is filled on its own.
        for (field, by_value) in &mut fields {
            for (class, subject) in (0_u32..).zip(classes) {
                if let Some(value) = field.value(subject, cluster) {
                    by_value.present.push(class);
                    by_value.values.entry(value).or_default().push(class);
                }
            }
        }
        let count = classes.len();
        Self {
            count,
            fields,
            scratch: vec![0; count.div_ceil(WORD)],
        }
    }

    fn select(&mut self, selector: &Selector, into: &mut [u64]) {
        into.fill(u64::MAX);
        if !self.count.is_multiple_of(WORD)
            && let Some(last) = into.last_mut()
        {
            *last = (1 << (self.count % WORD)) - 1;
        }
        for term in &selector.terms {
            self.term(term);
            let keep = matches!(term.requirement, Requirement::In(_) | Requirement::Exists);
            for (word, found) in into.iter_mut().zip(&self.scratch) {
                *word &= if keep { *found } else { !*found };
            }
        }
    }

    /// Fills the scratch set with the classes that have the field, or one of the values.
    fn term(&mut self, term: &Term) {
        self.scratch.fill(0);
        let Some(by_value) = self.fields.get(&term.field) else {
            return;
        };
        let mut mark = |classes: &[u32]| {
            for class in classes {
                self.scratch[*class as usize / WORD] |= 1 << (class % 64);
            }
        };
        match &term.requirement {
            Requirement::Exists | Requirement::DoesNotExist => mark(&by_value.present),
            Requirement::In(values) | Requirement::NotIn(values) => {
                for value in values {
                    if let Some(classes) = by_value.values.get(value.as_str()) {
                        mark(classes);
                    }
                }
            }
        }
    }
}
