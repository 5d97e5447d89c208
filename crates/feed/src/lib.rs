//! The Activity Feed contract, `GET /v1/compliance/activities`, both sides.
//!
//! [`Query`] and [`Page`] are what goes over the wire; [`client`] asks a feed, [`server`] answers from any [`Source`],
//! [`conformance`] tells whether a feed keeps the contract, [`fuzz`] is what strangers send, and [`memory`] is the source
//! that is right by reading it. Sources that hold rows give out the cursors of [`cursor`]. Activities stay the bytes that
//! they are: nothing here looks inside one beyond its envelope. Where rows live, how they are stored and what they mean is
//! not known here.

pub mod client;
pub mod conformance;
pub mod cursor;
pub mod error;
pub mod fuzz;
mod key;
pub mod memory;
mod page;
mod query;
pub mod server;

pub use error::{ApiError, ErrorType};
pub use key::KeyKind;
pub use page::{Page, PageError, RawActivity};
pub use query::{Cursor, Order, Query, Window};

/// The path of the feed under its base URL.
pub const PATH: &str = "/v1/compliance/activities";
/// The largest `limit` that a feed accepts.
pub const MAX_LIMIT: u32 = 5_000;
/// The `limit` of a request that names none.
pub const DEFAULT_LIMIT: u32 = 100;

/// Something that holds activities and can give a page of them.
#[async_trait::async_trait]
pub trait Source: Send + Sync + 'static {
    /// The page that `query` asks for.
    ///
    /// Rows are ordered by `created_at`, ties by activity id, in `query.order`. `after` and `before` are positions, not
    /// rows: the row that they name need not exist any more.
    async fn page(&self, query: &Query) -> Result<Page, ApiError>;
}
