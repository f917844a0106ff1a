//! The class of each sample, as a function of its number.

use serde::{Deserialize, Serialize};

/// Classes that samples have in turn: sample i has the class at position i modulo their number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(Vec<i64>);

impl Labels {
    /// These classes in turn; none for an empty list.
    pub fn in_turn(classes: Vec<i64>) -> Option<Self> {
        (!classes.is_empty()).then_some(Labels(classes))
    }

    /// The class of sample `index`.
    pub fn of(&self, index: u64) -> i64 {
        self.0[(index % self.0.len() as u64) as usize]
    }
}
