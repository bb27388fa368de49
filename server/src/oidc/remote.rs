//! What is said to the provider, and how its answers are checked: discovery, the exchange of a code, the ID token
//! (OpenID Connect Core 1.0, section 3.1.3.7). Holds the provider's document and keys for a while.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderValue, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken,
    CoreJwsSigningAlgorithm as Algorithm, CoreProviderMetadata, CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::url::Url;
use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    SignatureVerificationError, TokenResponse as _,
};
use thiserror::Error;

use crate::kernel::{Error, Result, Timestamp};

use super::flow::Away;
use super::model::{Provider, is_safe};

/// How long a provider may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const MOST: usize = 1 << 20;
/// For how long a discovery document and keys are held.
const FRESH: TimeDelta = TimeDelta::minutes(15);
/// For how long a provider that could not be read is not asked again.
const AWAY: TimeDelta = TimeDelta::seconds(3);

/// Signatures that only the provider can make. Those by the shared secret are left out: a client's secret must not
/// be enough to be anybody.
const ALGORITHMS: [Algorithm; 10] = [
    Algorithm::RsaSsaPkcs1V15Sha256,
    Algorithm::RsaSsaPkcs1V15Sha384,
    Algorithm::RsaSsaPkcs1V15Sha512,
    Algorithm::RsaSsaPssSha256,
    Algorithm::RsaSsaPssSha384,
    Algorithm::RsaSsaPssSha512,
    Algorithm::EcdsaP256Sha256,
    Algorithm::EcdsaP384Sha384,
    Algorithm::EcdsaP521Sha512,
    Algorithm::EdDsa,
];

/// Why there is no answer to rely on. The words are for administrators and the log.
#[derive(Debug, Clone, Error)]
pub enum Trouble {
    /// Nothing came, or not in time.
    #[error("The provider does not answer: {0}")]
    Unreachable(String),
    /// What came is not what a provider may say.
    #[error("The provider's answer can't be used: {0}")]
    Unusable(String),
    /// The provider would not exchange the code.
    #[error("The provider refused the sign-in: {0}")]
    Refused(String),
}

/// Why a request was not answered.
#[derive(Debug, Error)]
enum HttpTrouble {
    #[error("{0}")]
    Failed(#[from] hyper_util::client::legacy::Error),
    #[error("an answer could not be read, or is larger than {MOST} bytes: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("there was none within {} s", PATIENCE.as_secs())]
    Late(#[from] tokio::time::error::Elapsed),
    #[error("{0} is not https: nothing is sent there")]
    Unsafe(String),
}

/// All words of an error and its causes.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut all: Vec<String> = causes.map(ToString::to_string).collect();
    all.dedup();
    all.join(": ")
}

/// What the ID token, and the user's information where it is needed, say of somebody.
#[derive(Debug)]
pub struct Claims {
    pub subject: String,
    pub email: Option<String>,
    pub email_verified: bool,
    pub name: Option<String>,
}

/// A provider's document and keys, as they were.
#[derive(Debug)]
struct Known {
    provider: Provider,
    metadata: CoreProviderMetadata,
    at: Timestamp,
}

/// Follows no redirect: what a provider says stands in its document.
type Http = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The provider, over there.
#[derive(Clone, Debug)]
pub struct Remote {
    http: Http,
    known: Arc<Mutex<Option<Arc<Known>>>>,
    /// Who asks for the document; others wait for what comes. The last trouble with whom, and when.
    asking: Arc<tokio::sync::Mutex<Option<(Provider, Timestamp, Trouble)>>>,
    callback: String,
}

impl Remote {
    /// `callback` is the address that browsers come back to.
    pub fn new(callback: String) -> Result<Self> {
        let builder = || HttpsConnectorBuilder::new();
        let provider = rustls::crypto::ring::default_provider;
        // A provider of one's own often has a certificate of one's own; a machine without any has the public ones.
        let tls = match builder().with_provider_and_native_roots(provider()) {
            Ok(tls) => tls,
            Err(_) => builder()
                .with_provider_and_webpki_roots(provider())
                .map_err(Error::internal)?,
        };
        // A connection that was kept may be closed by the provider in the moment in which it is used again, and
        // a code can't be exchanged twice to try again. Each request has a connection of its own.
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(tls.https_or_http().enable_http1().build());
        Ok(Self {
            http,
            known: Arc::default(),
            asking: Arc::default(),
            callback,
        })
    }

    /// What sends requests for the protocol's code.
    fn sender(
        &self,
    ) -> impl Fn(HttpRequest) -> BoxFuture<'static, Result<HttpResponse, HttpTrouble>> + use<> {
        let http = self.http.clone();
        move |request| send(http.clone(), request).boxed()
    }

    fn held(&self, provider: &Provider, now: Timestamp) -> Option<Arc<Known>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh =
            |known: &&Arc<Known>| known.provider == *provider && now - known.at < FRESH && now >= known.at;
        known.as_ref().filter(fresh).cloned()
    }

    async fn known(&self, provider: &Provider, now: Timestamp) -> Result<Arc<Known>, Trouble> {
        if let Some(known) = self.held(provider, now) {
            return Ok(known);
        }
        // However many come at a time, the provider is asked once.
        let mut last = self.asking.lock().await;
        if let Some(known) = self.held(provider, now) {
            return Ok(known);
        }
        if let Some((whom, at, trouble)) = &*last
            && whom == provider
            && now - *at < AWAY
        {
            return Err(trouble.clone());
        }
        let found = self.discover(provider, now).await;
        *last = found
            .as_ref()
            .err()
            .map(|trouble| (provider.clone(), now, trouble.clone()));
        found
    }

    /// Reads the provider's document and keys anew.
    async fn discover(&self, provider: &Provider, now: Timestamp) -> Result<Arc<Known>, Trouble> {
        use openidconnect::DiscoveryError::{Request, Response};
        let unusable = |text: &str| Trouble::Unusable(text.to_owned());
        let issuer = IssuerUrl::new(provider.issuer.clone()).map_err(|e| Trouble::Unusable(words(&e)))?;
        let http = self.sender();
        let metadata = CoreProviderMetadata::discover_async(issuer, &http).await;
        let metadata = metadata.map_err(|error| match &error {
            Request(cause) => Trouble::Unreachable(words(cause)),
            Response(status, ..) => Trouble::Unusable(format!("discovery ended with status {status}")),
            _ => Trouble::Unusable(words(&error)),
        })?;
        if !is_safe(metadata.authorization_endpoint().url()) {
            return Err(unusable("its authorization endpoint is not https"));
        }
        if metadata.token_endpoint().is_none() {
            return Err(unusable("it names no token endpoint"));
        }
        let known = Arc::new(Known {
            provider: provider.clone(),
            metadata,
            at: now,
        });
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        Ok(known)
    }

    /// Asks for the provider's document as if nothing was known of it.
    pub async fn test(&self, provider: &Provider, now: Timestamp) -> Result<(), Trouble> {
        self.discover(provider, now).await.map(drop)
    }

    fn client(&self, known: &Known) -> Result<Client, Trouble> {
        let callback = RedirectUrl::new(self.callback.clone()).map_err(|e| Trouble::Unusable(words(&e)))?;
        let provider = &known.provider;
        let client = CoreClient::from_provider_metadata(
            known.metadata.clone(),
            ClientId::new(provider.client_id.clone()),
            provider.client_secret.clone().map(ClientSecret::new),
        );
        // Basic is the default where the provider says nothing (OpenID Connect Discovery 1.0, section 3).
        let methods = known.metadata.token_endpoint_auth_methods_supported();
        let basic = methods.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
        let how = if basic {
            AuthType::BasicAuth
        } else {
            AuthType::RequestBody
        };
        Ok(client.set_redirect_uri(callback).set_auth_type(how))
    }

    /// Where a browser goes to sign in.
    pub async fn address(&self, provider: &Provider, away: &Away, now: Timestamp) -> Result<Url, Trouble> {
        let known = self.known(provider, now).await?;
        let client = self.client(&known)?;
        let verifier = PkceCodeVerifier::new(away.verifier.clone());
        let (state, nonce) = (CsrfToken::new(away.state.clone()), Nonce::new(away.nonce.clone()));
        let scopes = provider.scopes.iter().cloned().map(Scope::new);
        let (url, ..) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || state,
                move || nonce,
            )
            .add_scopes(scopes)
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url)
    }

    /// Exchanges the code that a browser brought, and checks what comes for it.
    pub async fn claims(
        &self,
        provider: &Provider,
        away: &Away,
        code: String,
        now: Timestamp,
    ) -> Result<Claims, Trouble> {
        use openidconnect::RequestTokenError::{Request, ServerResponse};
        let known = self.known(provider, now).await?;
        let client = self.client(&known)?;
        let http = self.sender();
        let exchange = client.exchange_code(AuthorizationCode::new(code));
        let exchange = exchange.map_err(|e| Trouble::Unusable(words(&e)))?;
        let exchange = exchange.set_pkce_verifier(PkceCodeVerifier::new(away.verifier.clone()));
        let tokens = exchange
            .request_async(&http)
            .await
            .map_err(|error| match &error {
                Request(cause) => Trouble::Unreachable(words(cause)),
                ServerResponse(answer) => Trouble::Refused(answer.to_string()),
                _ => Trouble::Unusable(words(&error)),
            })?;
        let missing = || Trouble::Unusable("no ID token came for the code".into());
        let id_token = tokens.id_token().ok_or_else(missing)?;
        match checked(&client, id_token, away, now) {
            // Keys change: whoever signs with one that is new has put it among their keys.
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {
                let known = self.discover(provider, now).await?;
                let client = self.client(&known)?;
                let claims = checked(&client, id_token, away, now);
                let claims = claims.map_err(|e| Trouble::Unusable(words(&e)))?;
                self.completed(&client, claims, &tokens).await
            }
            Err(other) => Err(Trouble::Unusable(words(&other))),
            Ok(claims) => self.completed(&client, claims, &tokens).await,
        }
    }

    /// Asks for the user's information where the ID token has no address: some providers put none into it.
    async fn completed(
        &self,
        client: &Client,
        claims: Claims,
        tokens: &CoreTokenResponse,
    ) -> Result<Claims, Trouble> {
        use openidconnect::UserInfoError::Request;
        if claims.email.is_some() {
            return Ok(claims);
        }
        let subject = openidconnect::SubjectIdentifier::new(claims.subject.clone());
        let Ok(request) = client.user_info(tokens.access_token().clone(), Some(subject)) else {
            return Ok(claims);
        };
        let http = self.sender();
        let info: CoreUserInfoClaims = request.request_async(&http).await.map_err(|error| match &error {
            Request(cause) => Trouble::Unreachable(words(cause)),
            _ => Trouble::Unusable(words(&error)),
        })?;
        let name = info.name().and_then(|name| name.get(None));
        Ok(Claims {
            email: info.email().map(|email| email.to_string()),
            email_verified: info.email_verified().unwrap_or(false),
            name: claims.name.or_else(|| name.map(|name| name.to_string())),
            ..claims
        })
    }
}

/// Asks once; only where secrets may go, and reads so much and no more.
async fn send(http: Http, request: HttpRequest) -> Result<HttpResponse, HttpTrouble> {
    let address = request.uri().to_string();
    if !Url::parse(&address).is_ok_and(|url| is_safe(&url)) {
        return Err(HttpTrouble::Unsafe(address));
    }
    let (mut parts, body) = request.into_parts();
    let agent = HeaderValue::from_static(concat!("Cronium/", env!("CARGO_PKG_VERSION")));
    parts.headers.insert(header::USER_AGENT, agent);
    let request = http::Request::from_parts(parts, Full::from(body));
    let answered = async {
        let (parts, body) = http.request(request).await?.into_parts();
        let body = Limited::new(body, MOST)
            .collect()
            .await
            .map_err(HttpTrouble::Body)?;
        Ok(HttpResponse::from_parts(parts, body.to_bytes().into()))
    };
    tokio::time::timeout(PATIENCE, answered).await?
}

/// What an ID token says, once its signature, issuer, audience, nonce and end are right.
fn checked(
    client: &Client,
    id_token: &CoreIdToken,
    away: &Away,
    now: Timestamp,
) -> Result<Claims, ClaimsVerificationError> {
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(move || now);
    let claims = id_token.claims(&verifier, &Nonce::new(away.nonce.clone()))?;
    let name = claims.name().and_then(|name| name.get(None));
    Ok(Claims {
        subject: claims.subject().to_string(),
        email: claims.email().map(|email| email.to_string()),
        email_verified: claims.email_verified().unwrap_or(false),
        name: name.map(|name| name.to_string()),
    })
}
