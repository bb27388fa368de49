//! One GraphQL request over fetch, with the session's cookie. Knows the GraphQL-over-HTTP rules.

use cynic::{GraphQlResponse, Operation};
use futures::future::LocalBoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;

use super::error::{ApiError, ApiErrorKind, Extensions};
use crate::session;

const ENDPOINT: &str = "/graphql";
/// Longer than the longest wait that a mutation may ask for.
const GIVE_UP_MS: u32 = 75_000;

/// Runs a query or a mutation. A partial answer with errors counts as a failure.
pub fn run<Q, V>(operation: Operation<Q, V>) -> impl Future<Output = Result<Q, ApiError>>
where
    Q: DeserializeOwned + 'static,
    V: Serialize,
{
    // What does not depend on the types is made once, not for every operation: it is most of the code.
    let answered = exchange(serde_json::to_string(&operation));
    async move {
        let result = answered.await.and_then(|(status, text)| read(status, &text));
        session::heard(result.as_ref().err());
        result
    }
}

type Answered = LocalBoxFuture<'static, Result<(u16, String), ApiError>>;

fn exchange(body: Result<String, serde_json::Error>) -> Answered {
    Box::pin(async move {
        let body = body.map_err(|error| ApiError::other(error.to_string()))?;
        post(&body).await
    })
}

/// Reads an answer: a GraphQL body where there is one, whatever its status, else the status itself.
fn read<Q: DeserializeOwned>(status: u16, text: &str) -> Result<Q, ApiError> {
    let response: GraphQlResponse<Q, Extensions> =
        serde_json::from_str(text).map_err(|error| misread(status, &error))?;
    if let Some(error) = response.errors.and_then(ApiError::from_errors) {
        return Err(error);
    }
    response
        .data
        .ok_or_else(|| ApiError::other("The answer is empty"))
}

/// What an answer that is not GraphQL means.
fn misread(status: u16, error: &serde_json::Error) -> ApiError {
    let of = |kind| ApiError {
        kind,
        message: status.to_string(),
        request_id: None,
    };
    match status {
        200..=299 => ApiError::other(format!("The answer is not understood: {error}")),
        401 => of(ApiErrorKind::Unauthenticated),
        429 => of(ApiErrorKind::RateLimited),
        502..=504 => ApiError::offline(format!("HTTP {status}")),
        _ => ApiError::other(format!("HTTP {status}")),
    }
}

async fn post(body: &str) -> Result<(u16, String), ApiError> {
    let lost = |what: wasm_bindgen::JsValue| ApiError::offline(format!("{what:?}"));
    let window = web_sys::window().ok_or_else(|| ApiError::other("There is no browser"))?;
    let headers = web_sys::Headers::new().map_err(lost)?;
    headers.set("content-type", "application/json").map_err(lost)?;
    headers
        .set(
            "accept",
            "application/graphql-response+json, application/json;q=0.9",
        )
        .map_err(lost)?;
    let init = web_sys::RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_body(&body.into());
    init.set_credentials(web_sys::RequestCredentials::Include);
    init.set_signal(Some(&web_sys::AbortSignal::timeout_with_u32(GIVE_UP_MS)));
    let request = web_sys::Request::new_with_str_and_init(ENDPOINT, &init).map_err(lost)?;
    let response = JsFuture::from(window.fetch_with_request(&request))
        .await
        .map_err(lost)?;
    let response: web_sys::Response = response.dyn_into().map_err(lost)?;
    let text = JsFuture::from(response.text().map_err(lost)?)
        .await
        .map_err(lost)?;
    Ok((response.status(), text.as_string().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, text: &str) -> ApiError {
        read::<serde_json::Value>(status, text).unwrap_err()
    }

    #[test]
    fn the_code_of_the_first_error_decides() {
        let error = failure(
            200,
            r#"{"data":null,"errors":[{"message":"Sign in first","extensions":{"code":"UNAUTHENTICATED","requestId":"r1"}},{"message":"x"}]}"#,
        );
        assert_eq!(error.kind, ApiErrorKind::Unauthenticated);
        assert_eq!(error.request_id.as_deref(), Some("r1"));
    }

    #[test]
    fn a_gateway_without_a_server_counts_as_offline() {
        assert!(failure(502, "<html>").is_offline());
        assert!(
            failure(
                503,
                r#"{"errors":[{"message":"No database","extensions":{"code":"UNAVAILABLE"}}]}"#
            )
            .is_offline()
        );
    }

    #[test]
    fn data_is_returned() {
        assert_eq!(
            read::<serde_json::Value>(200, r#"{"data":{"a":1}}"#).unwrap(),
            serde_json::json!({"a": 1})
        );
    }
}
