//! An activity before it is written: who, what, when, and the seeds of its texts.
//!
//! 64 bytes instead of 600: a page is found, sorted and filtered among these, and only what is served becomes JSON.

use crate::{calendar::Micros, devices::Client, ids::Id, networks::NetworkKind, script::Part};

/// An activity that [`crate::render`] can write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) at: Micros,
    pub(crate) id: Id,
    /// What the ids and names of the story are made from.
    pub(crate) story: u64,
    /// What the id of the project is made from; 0 for none.
    pub(crate) project: u64,
    pub(crate) actor: Actor,
    /// The other person.
    pub(crate) target: u32,
    /// The step in the script, or [`UNKNOWN`].
    pub(crate) step: u16,
    /// Which repetition of the step.
    pub(crate) turn: u8,
    /// 0, or the number of the scenario from 1.
    pub(crate) label: u8,
}

/// The step number of what no catalogue knows.
pub(crate) const UNKNOWN: u16 = u16::MAX;

/// Who acts, from where and with what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor {
    /// The number of the person; for keys and machines, anything.
    pub(crate) who: u32,
    /// What the address is made from, beyond the person.
    pub(crate) salt: u32,
    pub(crate) part: Part,
    pub(crate) client: Client,
    pub(crate) place: NetworkKind,
    pub(crate) city: u8,
}

impl Event {
    /// Where it stands in the feed's order.
    pub(crate) fn position(&self) -> (Micros, Id) {
        (self.at, self.id)
    }
}
