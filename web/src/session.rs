//! Who is signed in, and whether the server can be reached: the two things that every page shares.
//! Knows how to ask; knows no page.

use std::time::Duration;

use cynic::{MutationBuilder as _, QueryBuilder as _};
use dioxus::prelude::*;
use futures::StreamExt as _;

use crate::api::{self, ApiError, ApiErrorKind, schema};
use crate::browser;
use crate::i18n::{known, t};

/// The person who is signed in.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "User")]
pub struct Viewer {
    pub id: cynic::Id,
    pub email: String,
    pub name: String,
    pub assigned_role: RoleName,
    pub locale: String,
    pub permissions: Vec<Scope>,
}

impl Viewer {
    /// Whether the person's role allows it.
    pub fn may(&self, scope: Scope) -> bool {
        self.permissions.contains(&scope)
    }
}

/// A permission.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    ReadEvents,
    CreateEvents,
    ChangeEvents,
    RunEvents,
    ReadJobs,
    CancelJobs,
    AllResources,
    ReadSystem,
    ManageAccount,
    ManageUsers,
    ManageRoles,
    ManageSettings,
    ReadAuditLog,
    ReadVariables,
    ManageVariables,
    ReadServers,
    ManageServers,
    OpenTerminals,
}

impl Scope {
    pub const ALL: [Self; 18] = [
        Self::ReadEvents,
        Self::CreateEvents,
        Self::ChangeEvents,
        Self::RunEvents,
        Self::ReadJobs,
        Self::CancelJobs,
        Self::AllResources,
        Self::ReadSystem,
        Self::ManageAccount,
        Self::ManageUsers,
        Self::ManageRoles,
        Self::ManageSettings,
        Self::ReadAuditLog,
        Self::ReadVariables,
        Self::ManageVariables,
        Self::ReadServers,
        Self::ManageServers,
        Self::OpenTerminals,
    ];

    /// What it allows, in words.
    pub fn words(self) -> String {
        t(match self {
            Self::ReadEvents => "scope.read_events",
            Self::CreateEvents => "scope.create_events",
            Self::ChangeEvents => "scope.change_events",
            Self::RunEvents => "scope.run_events",
            Self::ReadJobs => "scope.read_jobs",
            Self::CancelJobs => "scope.cancel_jobs",
            Self::AllResources => "scope.all_resources",
            Self::ReadSystem => "scope.read_system",
            Self::ManageAccount => "scope.manage_account",
            Self::ManageUsers => "scope.manage_users",
            Self::ManageRoles => "scope.manage_roles",
            Self::ManageSettings => "scope.manage_settings",
            Self::ReadAuditLog => "scope.read_audit_log",
            Self::ReadVariables => "scope.read_variables",
            Self::ManageVariables => "scope.manage_variables",
            Self::ReadServers => "scope.read_servers",
            Self::ManageServers => "scope.manage_servers",
            Self::OpenTerminals => "scope.open_terminals",
        })
    }
}

/// What the viewer may do with one thing.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    Read,
    Change,
    Run,
    Cancel,
    Retry,
    Delete,
}

/// How a role is called.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Role")]
pub struct RoleName {
    pub name: String,
    pub built_in: bool,
}

impl RoleName {
    /// Its name; of a built-in one in the language of the page.
    pub fn words(&self) -> String {
        self.built_in
            .then(|| known(&format!("account.role.{}", self.name.to_lowercase())))
            .flatten()
            .unwrap_or_else(|| self.name.clone())
    }
}

/// What the server says of itself to anybody.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct ServerInfo {
    pub version: String,
    pub first_run: bool,
    pub registration: RegistrationMode,
    pub oidc: Option<OidcSignIn>,
}

/// The way to sign in by an OpenID Connect provider.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct OidcSignIn {
    pub label: String,
    pub start_url: String,
}

impl ServerInfo {
    /// Whether people may make accounts for themselves.
    pub fn takes_people(&self) -> bool {
        matches!(
            self.registration,
            RegistrationMode::Open | RegistrationMode::Approval
        )
    }
}

/// Who may make an account for themselves.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationMode {
    Closed,
    InviteOnly,
    Approval,
    Open,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Query")]
struct WhoAmI {
    viewer: Option<Viewer>,
    server_info: ServerInfo,
}

crate::api::listed!(Query WhoAmI, ());

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "SignOutPayload")]
struct SignedOut {
    signed_out: bool,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Mutation")]
struct SignOut {
    sign_out: SignedOut,
}

crate::api::listed!(Mutation SignOut, ());

/// What is known of the person.
#[derive(Clone, Debug, PartialEq)]
pub enum Session {
    /// Nobody asked yet.
    Unknown,
    /// Nobody is signed in. `ended` when somebody was a moment ago.
    Anonymous { ended: bool },
    /// This person is.
    SignedIn(Viewer),
}

/// What the address brought of a sign-in by a provider to which a code is still owed. Taken from it before the router
/// tidies the address, and gone with the window.
pub static PROOF: GlobalSignal<Option<String>> = Signal::global(|| {
    let address = browser::address();
    let (_, proof) = address.split_once("#proof=")?;
    Some(proof.to_owned()).filter(|proof| !proof.is_empty())
});
/// The session of this window.
pub static SESSION: GlobalSignal<Session> = Signal::global(|| Session::Unknown);
/// What the server said of itself.
pub static SERVER: GlobalSignal<Option<ServerInfo>> = Signal::global(|| None);
/// Whether whoever is signed in may do something of this kind.
pub fn may(scope: Scope) -> bool {
    matches!(&*SESSION.read(), Session::SignedIn(viewer) if viewer.may(scope))
}

/// Whether the last request reached the server.
pub static ONLINE: GlobalSignal<bool> = Signal::global(|| true);
/// Rises when the server is back after an absence, so that pages load again.
pub static COMEBACKS: GlobalSignal<u32> = Signal::global(|| 0);

/// Takes note of how a request ended.
pub fn heard(error: Option<&ApiError>) {
    match error.map(|error| error.kind) {
        Some(ApiErrorKind::Offline) => set_online(false),
        Some(ApiErrorKind::Unauthenticated) => {
            set_online(true);
            if matches!(*SESSION.peek(), Session::SignedIn(_)) {
                *SESSION.write() = Session::Anonymous { ended: true };
            }
        }
        _ => set_online(true),
    }
}

fn set_online(online: bool) {
    let was = *ONLINE.peek();
    if was == online {
        return;
    }
    *ONLINE.write() = online;
    if online {
        *COMEBACKS.write() += 1;
        api::retry_now();
    }
}

/// Asks who is signed in, and remembers it.
pub async fn load() -> Result<(), ApiError> {
    let answer = api::run(WhoAmI::build(())).await?;
    *SERVER.write() = Some(answer.server_info);
    let ended = matches!(
        *SESSION.peek(),
        Session::SignedIn(_) | Session::Anonymous { ended: true }
    );
    *SESSION.write() = match answer.viewer {
        Some(viewer) => Session::SignedIn(viewer),
        None => Session::Anonymous { ended },
    };
    Ok(())
}

/// The server closes what a session had open when that ends: whoever sits here is to learn it now, not at their
/// next click. Where the server is away, this says so.
pub async fn watch() {
    let mut losses = api::losses();
    let _kept = api::keep();
    while losses.next().await.is_some() {
        let _ = load().await;
    }
}

/// Ends the session at the server and here.
pub async fn sign_out() -> Result<(), ApiError> {
    let answer = api::run(SignOut::build(())).await?;
    if answer.sign_out.signed_out {
        *SESSION.write() = Session::Anonymous { ended: false };
        api::restart();
    }
    Ok(())
}

/// The person, when one is signed in. Components that read it follow its changes.
pub fn viewer() -> Option<Viewer> {
    match &*SESSION.read() {
        Session::SignedIn(viewer) => Some(viewer.clone()),
        _ => None,
    }
}

/// Looks every few seconds for an absence of the server, and whether it is back.
pub async fn watch_connection() {
    loop {
        browser::sleep(Duration::from_secs(3)).await;
        // A lost live connection tells of an absence that no request has met yet.
        if !*ONLINE.peek() || api::is_lost() {
            // The outcome reaches everybody through `heard`.
            let _ = load().await;
        }
    }
}
