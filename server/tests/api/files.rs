//! The dashboard's files.

use reqwest::StatusCode;

use crate::support::served::Served;

#[tokio::test]
async fn the_dashboard_is_one_page_with_files_that_last() {
    let directory = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    put("index.html", "<!doctype html>page");
    put("app-0123456789ab.js", "plain");
    put("app-0123456789ab.js.br", "compressed");
    let served = Served::with_files(directory.path()).await;
    let get = |path: &str| {
        served
            .client
            .get(served.url(path))
            .header("accept-encoding", "br")
            .send()
    };
    for path in ["/", "/en", "/es/jobs/1"] {
        let page = get(path).await.unwrap();
        assert_eq!(page.headers()["cache-control"], "no-cache");
        assert!(
            page.headers()["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("default-src 'self'")
        );
        assert_eq!(page.headers()["x-content-type-options"], "nosniff");
        assert_eq!(page.text().await.unwrap(), "<!doctype html>page", "{path}");
    }
    let script = get("/app-0123456789ab.js").await.unwrap();
    assert!(
        script.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    assert_eq!(script.headers()["content-encoding"], "br");
    assert_eq!(script.text().await.unwrap(), "compressed");
    assert_eq!(get("/none.js").await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(
        get("/..%2f..%2fetc/passwd").await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
    let explorer = get("/graphiql").await.unwrap();
    assert!(
        !explorer.text().await.unwrap().contains("://"),
        "the explorer needs no other host"
    );
}

#[tokio::test]
async fn a_dashboard_that_was_not_built_says_so() {
    let served = Served::start().await;
    let page = served.client.get(served.url("/en")).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.text().await.unwrap().contains("has not been built"));
}
