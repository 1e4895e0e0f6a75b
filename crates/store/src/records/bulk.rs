//! Inserting many rows with few statements. One statement costs a way to the database's thread and
//! back; a row within one costs next to nothing.

use std::fmt::Write;
use std::sync::Arc;

use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe};

use super::database::Failure;

/// Rows per statement, the largest first. Few sizes, so that few statements are prepared. The widest
/// table has 15 columns: far from the 32,766 values that SQLite takes.
const SIZES: [usize; 6] = [512, 128, 32, 8, 2, 1];

/// The statements that insert into one table.
#[derive(Debug)]
pub(crate) struct Bulk {
    statements: [(usize, Arc<str>); SIZES.len()],
    columns: usize,
}

impl Bulk {
    /// `head` is the statement up to `VALUES`, `tail` what follows the values.
    pub(crate) fn new(head: &'static str, columns: usize, tail: &'static str) -> Bulk {
        let statement = |rows: usize| {
            let row = format!("({})", vec!["?"; columns].join(", "));
            let mut text = String::with_capacity(head.len() + rows * (row.len() + 2) + tail.len());
            // Writing to a string cannot fail.
            let _ = write!(text, "{head} VALUES {}{tail}", vec![row; rows].join(", "));
            (rows, Arc::from(text))
        };
        Bulk {
            statements: SIZES.map(statement),
            columns,
        }
    }

    /// Inserts all rows; says how many went in, which differs where `tail` says what to do with
    /// conflicts.
    pub(crate) async fn insert<T>(
        &self,
        connection: &mut SqliteConnection,
        rows: Vec<T>,
        bind: impl Fn(&mut SqliteArguments, T) -> Result<(), BoxDynError>,
    ) -> Result<u64, Failure> {
        let mut inserted = 0;
        let mut rows = rows.into_iter();
        for (size, statement) in &self.statements {
            while rows.len() >= *size {
                let mut arguments = SqliteArguments::default();
                arguments.reserve(size * self.columns, 0);
                for row in rows.by_ref().take(*size) {
                    bind(&mut arguments, row).map_err(sqlx::Error::Encode)?;
                }
                let statement = AssertSqlSafe(Arc::clone(statement));
                let done = sqlx::query_with(statement, arguments)
                    .execute(&mut *connection)
                    .await?;
                inserted += done.rows_affected();
            }
        }
        Ok(inserted)
    }
}
