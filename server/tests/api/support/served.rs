//! The gateway on a real socket, and what asks it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use cronium_server::audit;
use cronium_server::transport::files;
use cronium_server::transport::graphql::auth::Origins;
use cronium_server::transport::graphql::engine::Engine;
use cronium_server::transport::graphql::limits::Limits;
use cronium_server::transport::graphql::{self, Gateway, Settings};
use futures::{SinkExt as _, StreamExt as _};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::TestApp;

/// An origin that may call.
pub const PARTNER: &str = "https://partner.example";

/// One server's services behind their gateway.
pub struct Served {
    pub test: TestApp,
    address: SocketAddr,
    pub client: reqwest::Client,
}

impl Served {
    pub async fn start() -> Self {
        Self::with_files(Path::new("/nonexistent")).await
    }

    /// Behind a gateway of its own; several on one database are several servers.
    pub async fn on(test: TestApp) -> Self {
        Self::serve(test, Settings::default(), None, Path::new("/nonexistent")).await
    }

    pub async fn with_files(directory: &Path) -> Self {
        let test = TestApp::start().await;
        Self::serve(test, Settings::default(), None, directory).await
    }

    pub async fn with_limits(limits: Limits) -> Self {
        let settings = Settings {
            limits,
            ..Settings::default()
        };
        Self::with(settings).await
    }

    pub async fn with(settings: Settings) -> Self {
        Self::of(TestApp::start().await, settings).await
    }

    /// In front of these services.
    pub async fn of(test: TestApp, settings: Settings) -> Self {
        Self::serve(test, settings, None, Path::new("/nonexistent")).await
    }

    /// With a schema of the test's own.
    pub async fn with_engine(engine: impl Engine + 'static, settings: Settings) -> Self {
        let (test, none) = (TestApp::start().await, Path::new("/nonexistent"));
        Self::serve(test, settings, Some(Arc::new(engine)), none).await
    }

    async fn serve(
        test: TestApp,
        settings: Settings,
        engine: Option<Arc<dyn Engine>>,
        directory: &Path,
    ) -> Self {
        let settings = Settings {
            origins: Origins {
                allowed: vec![PARTNER.into()],
                ..Origins::default()
            },
            ..settings
        };
        let app = &test.app;
        let engine = engine.unwrap_or_else(|| Arc::new(app.schema.clone()));
        let authenticator = Arc::new(app.identity.clone());
        let gateway = Gateway::new(app.kernel.clone(), engine, authenticator, settings).unwrap();
        let router = graphql::router(gateway)
            .merge(audit::router(
                app.kernel.clone(),
                app.audit.clone(),
                Arc::new(app.identity.clone()),
                false,
            ))
            .merge(files::router(directory));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self {
            test,
            address,
            client: reqwest::Client::new(),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn post(&self, token: &str, query: &str) -> RequestBuilder {
        let request = self.client.post(self.url("/graphql"));
        let request = request.header("accept", "application/graphql-response+json");
        let request = request.json(&json!({ "query": query }));
        if token.is_empty() {
            request
        } else {
            request.bearer_auth(token)
        }
    }

    /// The status, and the code of the first error.
    pub async fn code(&self, token: &str, query: &str) -> (u16, Value) {
        let response = self.post(token, query).send().await.unwrap();
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        (status, body["errors"][0]["extensions"]["code"].clone())
    }

    pub async fn socket(&self, headers: &[(&'static str, &str)]) -> Result<Socket, tungstenite::Error> {
        let url = format!("ws://{}/graphql/ws", self.address);
        let mut request = url.into_client_request().unwrap();
        let mut all = vec![("sec-websocket-protocol", "graphql-transport-ws")];
        all.extend_from_slice(headers);
        for (name, value) in all {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        Ok(Socket(tokio_tungstenite::connect_async(request).await?.0))
    }

    pub async fn acknowledged(&self, token: &str) -> Socket {
        let mut socket = self.socket(&[]).await.unwrap();
        let payload = json!({ "authorization": format!("Bearer {token}") });
        socket
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        socket
    }
}

/// A WebSocket that speaks the sub-protocol.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    pub async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.0.next().await.unwrap().unwrap() {
                return frame.unwrap().code.into();
            }
        }
    }
}
