//! Looks at a statement before it runs: one statement, one that reads, and only what is in this database.
//!
//! The server's own parser tells what a statement is made of. It runs as read-only on top of that; the account should have no more
//! rights than it needs all the same.

use auditlake_store::{Result, StoreError};

use crate::client::{Author, Server};

/// Functions that make a table without reaching beyond the server's processor.
const TABLE_FUNCTIONS: [&str; 9] =
    ["numbers", "numbers_mt", "generateSeries", "generate_series", "values", "view", "null", "zeros", "zeros_mt"];
/// Functions of values that read files or other servers, or hold a connection up.
const FUNCTIONS: [&str; 8] =
    ["file", "sleep", "sleepEachRow", "catboostEvaluate", "dictGet", "joinGet", "joinGetOrNull", "hasColumnInTable"];

/// Checks a statement. Answers the types of its columns, where it is one that selects.
///
/// # Errors
/// [`StoreError::Statement`] says what is wrong with it, in the server's words for what it cannot parse.
pub(crate) async fn check(server: &Server, database: &str, text: &str) -> Result<Vec<String>> {
    if text.is_empty() {
        return Err(StoreError::Statement("there is no statement".to_owned()));
    }
    let tree = lines(server, &format!("EXPLAIN AST {text}"), 0).await?;
    let reads = tree.first().is_some_and(|root| {
        ["SelectWithUnionQuery", "SelectIntersectExceptQuery", "Explain", "DescribeQuery", "Show", "Exists"]
            .iter()
            .any(|kind| root.starts_with(kind))
    });
    if !reads {
        return Err(StoreError::Statement(
            "only statements that read are allowed: SELECT, WITH, DESCRIBE, SHOW, EXISTS, EXPLAIN".to_owned(),
        ));
    }
    inspect(&tree, database)?;
    match tree.first() {
        Some(root) if root.starts_with("Select") => types(server, text).await,
        _ => Ok(Vec::new()),
    }
}

/// The types of the columns of a statement that selects.
pub(crate) async fn types(server: &Server, text: &str) -> Result<Vec<String>> {
    lines(server, &format!("DESCRIBE TABLE ({text})"), 1).await
}

fn inspect(tree: &[String], database: &str) -> Result<()> {
    let refused = |what: &str| Err(StoreError::Statement(format!("{what} is not allowed here")));
    let mut after_table = false;
    for line in tree {
        let line = line.trim_start();
        let mut words = line.split(' ');
        let (kind, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match kind {
            "Function" if after_table && !TABLE_FUNCTIONS.contains(&name) => {
                return refused(&format!("the table function {name}"));
            }
            "Function"
                if FUNCTIONS.iter().any(|function| name.starts_with(function) && name.len() < function.len() + 12) =>
            {
                return refused(&format!("the function {name}"));
            }
            "TableIdentifier" => {
                if let Some((other, _)) = name.split_once('.')
                    && other != database
                {
                    return refused(&format!("a table of database {other}"));
                }
            }
            "Set" => return refused("SETTINGS"),
            _ => {}
        }
        after_table = kind == "TableExpression";
    }
    Ok(())
}

async fn lines(server: &Server, text: &str, column: usize) -> Result<Vec<String>> {
    server.texts(text, column, Author::Somebody).await
}
