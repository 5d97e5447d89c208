//! Shape `raw`: the activity as it was received, byte for byte.
//!
//! As a table it is three columns. On a line of its own, an activity that was received over several lines loses its line ends.

use crate::{
    flat::{Field, Kind, field},
    json::on_one_line,
    row::Row,
};

pub(crate) static FIELDS: &[Field] = &[
    field("eventTime", Kind::Text, "`created_at`, to the microsecond"),
    field("eventID", Kind::Text, "`id`"),
    field("rawLog", Kind::Text, "the activity as it was received"),
];

pub(crate) fn write(row: &Row, out: &mut Vec<u8>) {
    on_one_line(row.raw.as_bytes(), out);
}

/// The row as the object that the table's columns are read from.
pub(crate) fn write_columns(row: &Row, out: &mut Vec<u8>) {
    crate::json::object(out, |o| {
        o.time("eventTime", row.time);
        o.text("eventID", row.id);
        o.text("rawLog", row.raw);
    });
}
