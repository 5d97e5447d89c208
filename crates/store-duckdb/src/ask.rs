//! Questions of the feed: run from the thread that asks, their answers read where the engine has put them.
//!
//! The wrapper waits for an answer by asking the engine's task queue without a pause while other threads work, which costs
//! a core that a second half of the same page could use, and makes Arrow arrays of what is then looked at once.
#![allow(unsafe_code, reason = "the wrapper has no way to wait without spinning, nor to read chunks where they lie")]

use std::{
    ffi::{CString, c_char},
    ptr, slice, str,
};

use duckdb::{Error, Result, ffi};

use crate::{
    bulk::{Answer, Pending, Prepared, failure},
    database::RawDatabase,
};

/// A connection that asks.
pub(crate) struct Asker {
    connection: ffi::duckdb_connection,
}

// SAFETY: a connection may move between threads as long as one uses it at a time; `Asker` is not `Sync`.
unsafe impl Send for Asker {}

/// The type of a column of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Eight bytes: a number, or a time in microseconds.
    Long,
    /// Four bytes without a sign.
    Int,
    Text,
}

impl Asker {
    pub(crate) fn connect(database: &RawDatabase) -> Result<Self> {
        let mut connection = ptr::null_mut();
        // SAFETY: the handle is open; the connection is closed on drop.
        let state = unsafe { ffi::duckdb_connect(database.handle(), &mut connection) };
        let asker = Asker { connection };
        match state == ffi::DuckDBSuccess {
            true => Ok(asker),
            false => Err(Error::DuckDBFailure(ffi::Error::new(state), Some("cannot connect".to_owned()))),
        }
    }

    /// Asks, with a text for each `?`, and hands out the answer piece by piece. Its columns have to be of these kinds.
    pub(crate) fn ask(
        &self,
        question: &str,
        values: &[String],
        kinds: &[Kind],
        mut take: impl FnMut(&Chunk),
    ) -> Result<()> {
        let question = CString::new(question)?;
        let mut prepared = Prepared(ptr::null_mut());
        // SAFETY: connection and text are valid for the calls; the statement is freed on every way out.
        unsafe {
            let state = ffi::duckdb_prepare(self.connection, question.as_ptr(), &mut prepared.0);
            if state != ffi::DuckDBSuccess {
                return Err(failure(ffi::duckdb_prepare_error(prepared.0)));
            }
            for (at, value) in values.iter().enumerate() {
                let (text, length) = (value.as_ptr().cast::<c_char>(), value.len() as u64);
                let state = ffi::duckdb_bind_varchar_length(prepared.0, at as u64 + 1, text, length);
                if state != ffi::DuckDBSuccess {
                    return Err(failure(ffi::duckdb_prepare_error(prepared.0)));
                }
            }
        }
        let mut answer = Pending::of(prepared)?.complete()?;
        check(&mut answer, kinds)?;
        while let Some(chunk) = Chunk::fetch(&answer, kinds) {
            take(&chunk);
        }
        Ok(())
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        // SAFETY: connected above, closed once.
        unsafe { ffi::duckdb_disconnect(&mut self.connection) }
    }
}

/// What is read as a type has to be of that type.
fn check(answer: &mut Answer, kinds: &[Kind]) -> Result<()> {
    for (at, kind) in kinds.iter().enumerate() {
        // SAFETY: the answer is complete; a column beyond its last has the type "invalid".
        let found = unsafe { ffi::duckdb_column_type(answer.raw(), at as u64) };
        let fits = match kind {
            Kind::Long => {
                [ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT, ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP].contains(&found)
            }
            Kind::Int => found == ffi::DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER,
            Kind::Text => found == ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR,
        };
        if !fits {
            return Err(Error::InvalidColumnName(format!("column {at} has type {found}, not {kind:?}")));
        }
    }
    Ok(())
}

/// A piece of an answer.
pub(crate) struct Chunk<'a> {
    chunk: ffi::duckdb_data_chunk,
    rows: usize,
    kinds: &'a [Kind],
}

impl<'a> Chunk<'a> {
    fn fetch(answer: &Answer, kinds: &'a [Kind]) -> Option<Chunk<'a>> {
        // SAFETY: the answer is complete and outlives the call; the chunk is freed on drop and owns its data.
        unsafe {
            let chunk = ffi::duckdb_fetch_chunk(answer.copy());
            let rows = if chunk.is_null() { 0 } else { ffi::duckdb_data_chunk_get_size(chunk) as usize };
            (!chunk.is_null()).then_some(Chunk { chunk, rows, kinds })
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// A column of [`Kind::Long`].
    pub(crate) fn longs(&self, at: usize) -> &[i64] {
        assert_eq!(self.kinds[at], Kind::Long);
        // SAFETY: `check` has seen the type; an answer's vectors are flat and as long as the chunk.
        unsafe { self.values(at) }
    }

    /// A column of [`Kind::Int`].
    pub(crate) fn ints(&self, at: usize) -> &[u32] {
        assert_eq!(self.kinds[at], Kind::Int);
        // SAFETY: as above.
        unsafe { self.values(at) }
    }

    /// A column of [`Kind::Text`].
    pub(crate) fn texts(&self, at: usize) -> Texts<'_> {
        assert_eq!(self.kinds[at], Kind::Text);
        // SAFETY: as above. The mask is null, or has a bit for each row.
        unsafe {
            let mask = ffi::duckdb_vector_get_validity(ffi::duckdb_data_chunk_get_vector(self.chunk, at as u64));
            let mask = (!mask.is_null()).then(|| slice::from_raw_parts(mask, self.rows.div_ceil(64)));
            Texts { texts: self.values(at), mask }
        }
    }

    /// # Safety
    /// The column's type is `T`.
    unsafe fn values<T>(&self, at: usize) -> &[T] {
        if self.rows == 0 {
            return &[];
        }
        // SAFETY: as the caller promises; the data lives as long as the chunk.
        unsafe {
            let vector = ffi::duckdb_data_chunk_get_vector(self.chunk, at as u64);
            slice::from_raw_parts(ffi::duckdb_vector_get_data(vector).cast::<T>(), self.rows)
        }
    }
}

impl Drop for Chunk<'_> {
    fn drop(&mut self) {
        // SAFETY: fetched above, freed once.
        unsafe { ffi::duckdb_destroy_data_chunk(&mut self.chunk) }
    }
}

/// A column of texts.
pub(crate) struct Texts<'a> {
    texts: &'a [ffi::duckdb_string_t],
    mask: Option<&'a [u64]>,
}

impl<'a> Texts<'a> {
    /// A row's text; `None` if it has none.
    pub(crate) fn get(&self, row: usize) -> Option<&'a str> {
        if self.mask.is_some_and(|mask| mask[row / 64] >> (row % 64) & 1 == 0) {
            return None;
        }
        let text = &self.texts[row];
        // SAFETY: the row is valid, so its length is, and behind it either the bytes or a pointer to them, which live as long
        // as the chunk; the engine keeps UTF-8 only.
        unsafe {
            let length = text.value.inlined.length as usize;
            let start = match length <= INLINE_BYTES {
                true => text.value.inlined.inlined.as_ptr(),
                false => text.value.pointer.ptr.cast_const(),
            };
            Some(str::from_utf8_unchecked(slice::from_raw_parts(start.cast::<u8>(), length)))
        }
    }
}

/// Texts up to this length stand in place of the pointer to them.
const INLINE_BYTES: usize = 12;
