//! Attacks on the running API, and where each promise about them is shown.
//!
//! | Nobody gets in | Shown by |
//! | --- | --- |
//! | 1 every root field: nobody, a stranger, the permitted | `authorisation::every_root_field_refuses_nobody_and_strangers_and_serves_whose_it_is` |
//! | 1 exactly the scopes that are said | `authorisation::a_token_needs_exactly_the_scopes_that_are_said` |
//! | 5 user values in filters are values | `security::injection` |
//! | 5 user values in scripts | `e2e/tasks.test.mjs` |
//! | 7 sealed values are bound to their place | `kernel::sealed` |
//! | 7 a new master key under load | `keys::many_rotations_at_once_take_turns_while_settings_and_factors_are_written_and_opened` |
//! | 7 no secret is stored readably | `mail::links_and_passwords_are_stored_in_no_readable_form`, `totp::a_recovery_code_works_once_and_no_secret_is_stored_readably` |
//! | 7 no secret in logs, metrics, errors, audit | `e2e/security.test.mjs`, `audit::a_wrong_password_is_kept_without_the_password` |
//! | 7 masked in output, encoded and split | `runner/src/masks`, `runner/tests/masking.rs`, `orchestrator/tests/it/calls.rs` |
//! | 8 a wrong password and an unknown address: the same answer | `identity::a_wrong_password_and_an_unknown_address_look_the_same` |
//! | 8 and as slowly; a forgotten password and signing up alike | `security::timing` |
//! | 8 a provider's answer: state, nonce, PKCE, issuer, audience, signature, replay | `e2e/oidc.test.mjs` |
//! | 8 a disabled account | `people::a_disabled_account_looks_like_one_that_is_not_there` |
//! | 8 throttled, exactly; bounded memory | `security::load` |
//! | 8 tokens and sessions are stored as hashes | `credentials::a_token_is_shown_once_and_only_its_hash_is_kept` |
//! | 8 one algorithm, one type, one audience, an end | `security::tokens`, `kernel::jwt` |
//! | 8 runtime calls: one execution, dead when it is final | `runtime` |
//! | 8 dead with its account | `credentials::a_token_is_dead_at_once_when_it_is_over_or_its_user_is`, `refresh::tokens_end_with_their_session_and_with_their_account` |
//! | 8 the session changes at sign-in | `security::tokens::signing_in_takes_no_session_that_was_there_before` |
//! | 8 cookies | `transport::signing_in_sets_the_cookie_and_signing_out_removes_it`, `security::csrf` |
//! | 8 revocation closes sockets within 5 s | `credentials::open_sockets_close_within_five_seconds_of_a_revocation_or_a_change_of_role` |
//! | 9 audit: changes, refusals, chain | `audit` |
//! | 10 a terminal: a permission of its own, typed into by whoever opened it, recorded, in the log | `terminals` |
//! | 10 a right that is taken away hangs it up | `terminals::ends` |
//! | 10 what a terminal must not be told | `orchestrator/src/terminal/filter` |
//! | 11 refuses to start with missing or default keys | `config::keys`, `config::a_default_or_short_key_is_refused`, `e2e/security.test.mjs` |
//! | 11 two installations share no secret | `e2e/security.test.mjs` |
//!
//! | Bad input, GraphQL | Shown by |
//! | --- | --- |
//! | depth, aliases, root fields, directives, tokens, duplicated fields | `limits::depth_15`, `aliases_50`, `root_fields_20`, `directives_10`, `directives_in_one_place`, `tokens_10_000` |
//! | fragments: cycles, doubling | `limits::fragments_that_contain_themselves`, `limits::fragments_that_double` |
//! | complexity, nodes, sizes in variables | `limits::complexity_5_000`, `nodes_10_000`, `sizes_in_variables_count` |
//! | batches | `transport::malformed_requests_are_told_apart` |
//! | introspection, suggestions | `contract::the_schema_is_read_by_whom_the_operator_lets` |
//! | cross-site requests: GET, form, text/plain, WebSocket | `security::csrf`, `transport::a_socket_with_a_cookie_needs_our_own_origin` |
//! | a panic in a resolver | `panics` |
//! | names, addresses, passwords and scopes that can't be | `security::inputs` |
//! | documents with definitions: bombs, depth, size, unknown parts, half of it | `definitions::attacks`, `definitions::imports` |
//! | generated documents | `e2e/fuzz.test.mjs` |

mod csrf;
mod injection;
mod inputs;
mod load;
mod timing;
pub mod tokens;

use crate::support::{PASSWORD, TestApp};
use cronium_server::identity::NewUser;

/// The address of an account that `accounts` made.
pub fn email(n: usize) -> String {
    format!("person{n}@example.test")
}

/// So many accounts, all with the password of the tests: it is hashed once.
pub async fn accounts(test: &TestApp, count: usize) {
    let new = NewUser {
        email: email(0),
        name: "Test".into(),
        role: cronium_entity::enums::UserRole::Editor,
        password: PASSWORD.into(),
    };
    test.app.identity.create_user(new).await.unwrap();
    sqlx::query(
        "INSERT INTO users (id, email, name, role, password_hash, password_changed_at, created_at, updated_at)
         SELECT gen_random_uuid(), 'person' || n || '@example.test', name, role, password_hash, password_changed_at,
                created_at, updated_at
         FROM users, generate_series(1, $1) AS n WHERE email = 'person0@example.test'",
    )
    .bind(i32::try_from(count).unwrap() - 1)
    .execute(&test.app.kernel.pool)
    .await
    .unwrap();
}
