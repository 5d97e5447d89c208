//! SQL of people and scripts: one statement that reads, bounded in memory, time and rows.

use async_trait::async_trait;
use auditlake_store::{Result, Rows, Sql, SqlQuery};

use crate::{DuckStore, Inner, guard, narrow, stream};

#[async_trait]
impl Sql for DuckStore {
    async fn sql(&self, query: SqlQuery) -> Result<Rows> {
        let text = query.text.clone();
        let looked = move |inner: &Inner| {
            let database = inner.database();
            let connection = database.take()?;
            let narrowed = guard::check(database.raw(), &text, || narrow::narrowed(&connection, &text));
            database.give_back(connection);
            narrowed
        };
        let narrowed = match guard::known(&query.text) {
            Some(narrowed) => narrowed,
            None => self.blocking(looked).await?,
        };
        let query = stream::Query {
            text: query.text,
            narrowed,
            values: Vec::new(),
            named: query.params,
            timeout: query.timeout,
            max_rows: query.max_rows,
            is_foreign: true,
            is_stored: false,
            made: None,
        };
        stream::run(self, query).await
    }
}
