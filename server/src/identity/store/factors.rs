//! Second factors in the database.

use cronium_entity::second_factor::{self, Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QuerySelect as _, Statement,
};

use crate::kernel::ids::UserId;
use crate::kernel::{Result, Timestamp};

/// A second factor's row.
pub type FactorRow = second_factor::Model;

/// Those of the users who have one in force.
pub async fn in_force(db: &impl ConnectionTrait, users: &[UserId]) -> Result<Vec<UserId>> {
    let rows = Entity::find()
        .filter(Column::UserId.is_in(users.iter().map(|id| id.0)))
        .filter(Column::ConfirmedAt.is_not_null());
    Ok(rows
        .all(db)
        .await?
        .into_iter()
        .map(|row| UserId(row.user_id))
        .collect())
}

/// Locked until the transaction ends.
pub async fn lock(db: &impl ConnectionTrait, user: UserId) -> Result<Option<FactorRow>> {
    Ok(Entity::find_by_id(user.0).lock_exclusive().one(db).await?)
}

/// Puts a factor that is not in force in the place of another such one; false when one is in force.
pub async fn begin(db: &impl ConnectionTrait, row: FactorRow) -> Result<bool> {
    let conflict = OnConflict::column(Column::UserId)
        .update_columns([Column::Secret, Column::CreatedAt])
        .action_and_where(Expr::col((Entity, Column::ConfirmedAt)).is_null())
        .to_owned();
    let inserted = Entity::insert(second_factor::ActiveModel::from(row))
        .on_conflict(conflict)
        .exec_without_returning(db)
        .await?;
    Ok(inserted > 0)
}

pub async fn confirm(db: &impl ConnectionTrait, user: UserId, step: i64, at: Timestamp) -> Result<()> {
    let confirmed = Entity::update_many()
        .col_expr(Column::ConfirmedAt, Expr::val(at))
        .col_expr(Column::LastStep, Expr::val(step))
        .filter(Column::UserId.eq(user.0));
    confirmed.exec(db).await?;
    Ok(())
}

/// Takes a code's step: false when it was taken by another request meanwhile.
pub async fn take_step(db: &impl ConnectionTrait, user: UserId, step: i64) -> Result<bool> {
    let taken = Entity::update_many()
        .col_expr(Column::LastStep, Expr::val(step))
        .filter(Column::UserId.eq(user.0))
        .filter(Column::LastStep.lt(step));
    Ok(taken.exec(db).await?.rows_affected > 0)
}

pub async fn remove(db: &impl ConnectionTrait, user: UserId) -> Result<bool> {
    Ok(Entity::delete_by_id(user.0).exec(db).await?.rows_affected > 0)
}

pub async fn insert_codes(db: &impl ConnectionTrait, user: UserId, hashes: Vec<Vec<u8>>) -> Result<()> {
    let sql = "INSERT INTO recovery_codes (user_id, code_hash) SELECT $1, h FROM unnest($2::bytea[]) AS h";
    let hashes: Vec<sea_orm::Value> = hashes.into_iter().map(Into::into).collect();
    let array = sea_orm::Value::Array(sea_orm::sea_query::ArrayType::Bytes, Some(Box::new(hashes)));
    let statement = Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, sql, [user.0.into(), array]);
    db.execute_raw(statement).await?;
    Ok(())
}

/// Uses a recovery code up; false when it is none, or was used.
pub async fn take_code(
    db: &impl ConnectionTrait,
    user: UserId,
    hash: Vec<u8>,
    at: Timestamp,
) -> Result<bool> {
    let sql =
        "UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL";
    let values = [user.0.into(), hash.into(), at.into()];
    let statement = Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, sql, values);
    Ok(db.execute_raw(statement).await?.rows_affected() > 0)
}
