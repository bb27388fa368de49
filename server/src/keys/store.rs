//! Where sealed values are. Whoever adds a column of sealed values adds its place.

use sqlx::{AssertSqlSafe, FromRow};

use crate::kernel::sealed::KeyId;
use crate::kernel::{Kernel, Result};

/// A column of sealed values.
#[derive(Debug)]
pub struct Place {
    table: &'static str,
    id: &'static str,
    column: &'static str,
    /// Only these rows are sealed; empty: all.
    only: &'static [&'static str],
}

/// Every column of sealed values.
pub const PLACES: &[Place] = &[
    Place {
        table: "settings",
        id: "key",
        column: "value",
        only: &["payload-signing-key", "general", "access-token-key", "oidc"],
    },
    Place {
        table: "audit_head",
        id: "id",
        column: "seal",
        only: &[],
    },
    Place {
        table: "mails",
        id: "id",
        column: "content",
        only: &[],
    },
    Place {
        table: "second_factors",
        id: "user_id",
        column: "secret",
        only: &[],
    },
    Place {
        table: "variables",
        id: "id",
        column: "sealed",
        only: &[],
    },
    Place {
        table: "servers",
        id: "id",
        column: "sealed",
        only: &[],
    },
    Place {
        table: "server_errands",
        id: "id",
        column: "sealed",
        only: &[],
    },
    Place {
        table: "terminal_input",
        id: "id",
        column: "sealed",
        only: &[],
    },
];

/// A sealed value.
#[derive(Debug, FromRow)]
pub struct Sealed {
    pub id: String,
    pub value: Vec<u8>,
}

impl Place {
    fn condition(&self) -> String {
        let only: Vec<String> = self.only.iter().map(|id| format!("'{id}'")).collect();
        if only.is_empty() {
            format!("{} IS NOT NULL", self.column)
        } else {
            format!("{} IN ({})", self.id, only.join(", "))
        }
    }

    /// What a value is bound to.
    pub fn context(&self, id: &str) -> String {
        format!("{}/{id}", self.table)
    }

    /// Values that are not under this key, in the order of their ids.
    pub async fn not_under(
        &self,
        kernel: &Kernel,
        key: KeyId,
        after: &str,
        most: i64,
    ) -> Result<Vec<Sealed>> {
        let Self {
            table, id, column, ..
        } = self;
        let sql = format!(
            "SELECT {id}::text AS id, {column} AS value FROM {table}
             WHERE {} AND {id}::text > $2 AND substring({column} FROM 1 FOR 9) <> '\\x01'::bytea || $1
             ORDER BY {id}::text LIMIT $3",
            self.condition()
        );
        let rows = sqlx::query_as(AssertSqlSafe(sql))
            .bind(key.bytes())
            .bind(after)
            .bind(most)
            .fetch_all(&kernel.pool)
            .await?;
        Ok(rows)
    }

    /// How many values are under this key.
    pub async fn count_under(&self, kernel: &Kernel, key: KeyId) -> Result<i64> {
        let Self { table, column, .. } = self;
        let sql = format!(
            "SELECT count(*) FROM {table} WHERE {} AND substring({column} FROM 1 FOR 9) = '\\x01'::bytea || $1",
            self.condition()
        );
        let count = sqlx::query_scalar(AssertSqlSafe(sql)).bind(key.bytes());
        Ok(count.fetch_one(&kernel.pool).await?)
    }

    /// Puts the new value in the place of the old one, unless it was changed meanwhile.
    pub async fn put(&self, kernel: &Kernel, old: &Sealed, new: &[u8]) -> Result<bool> {
        let Self {
            table, id, column, ..
        } = self;
        let sql = format!("UPDATE {table} SET {column} = $3 WHERE {id}::text = $1 AND {column} = $2");
        let put = sqlx::query(AssertSqlSafe(sql))
            .bind(&old.id)
            .bind(&old.value)
            .bind(new)
            .execute(&kernel.pool)
            .await?;
        Ok(put.rows_affected() > 0)
    }
}

/// Whether anything is sealed yet: then its key must be there.
pub async fn any_sealed(kernel: &Kernel) -> Result<bool> {
    for place in PLACES {
        let sql = format!(
            "SELECT EXISTS (SELECT FROM {} WHERE {})",
            place.table,
            place.condition()
        );
        if sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&kernel.pool)
            .await?
        {
            return Ok(true);
        }
    }
    Ok(false)
}
