//! Writing and sending mail.

use std::sync::Arc;
use std::time::Duration;

use cronium_entity::mail;
use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::access::{self, Action};
use crate::kernel::error::UserErrorCode;
use crate::kernel::sealed::KeyRing;
use crate::kernel::{Error, Kernel, Op, Result};
use crate::settings::{Security, Settings, Smtp};

use super::store;
use super::text::{Letter, Subject};

/// How long a mail server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A mail that was refused so often is given up.
const ATTEMPTS: i32 = 10;
/// A look behind the signal.
const LOOK: Duration = Duration::from_secs(30);

/// Mail of this installation.
#[derive(Clone, Debug)]
pub struct Mail {
    kernel: Kernel,
    settings: Settings,
    master: KeyRing,
    public_url: String,
    written: Arc<Notify>,
}

fn context(id: Uuid) -> String {
    format!("mails/{id}")
}

impl Mail {
    pub fn new(kernel: Kernel, settings: Settings, master: KeyRing, public_url: &str) -> Self {
        Self {
            kernel,
            settings,
            master,
            public_url: public_url.trim_end_matches('/').to_owned(),
            written: Arc::default(),
        }
    }

    /// The address of a page of the dashboard.
    pub fn page(&self, locale: &str, path: &str) -> String {
        format!("{}/{locale}/{path}", self.public_url)
    }

    /// Whether there is a server to send with.
    pub async fn is_set_up(&self) -> Result<bool> {
        Ok(self.settings.load().await?.smtp.is_some())
    }

    /// Writes a mail in the transaction of what it tells of; `written` after the commit.
    pub async fn write(&self, tx: &DatabaseTransaction, letter: &Letter) -> Result<()> {
        let id: Uuid = self.kernel.id();
        let json = serde_json::to_vec(letter).map_err(Error::internal)?;
        let row = mail::Model {
            id,
            content: self.master.seal(self.kernel.entropy, &context(id), &json)?,
            created_at: self.kernel.now(),
            attempts: 0,
            next_attempt_at: self.kernel.now(),
        };
        store::insert(tx, row).await
    }

    /// There is mail to send.
    pub fn written(&self) {
        self.written.notify_one();
    }

    /// Sends until the token is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            match self.send_next().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(problem) => {
                    tracing::warn!(problem = problem.private_text(), "mail waits; it is tried again");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.written.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Sends one mail that is due; false when there is none. A server that dies between sending and
    /// forgetting sends it again.
    pub async fn send_next(&self) -> Result<bool> {
        let tx = self.kernel.db.begin().await?;
        let now = self.kernel.now();
        let Some(row) = store::due(&tx, now).await? else {
            return Ok(false);
        };
        let json = self.master.open(&context(row.id), &row.content)?;
        let letter: Letter = serde_json::from_slice(&json).map_err(Error::internal)?;
        let sent = match self.settings.load().await?.smtp {
            Some(smtp) => send(&smtp, &letter).await,
            None => Err(Failure::temporary("no mail server is set")),
        };
        match sent {
            Ok(()) => {
                metrics::counter!("cronium_mails_sent_total").increment(1);
                store::remove(&tx, row.id).await?;
            }
            Err(failure) if failure.permanent || row.attempts + 1 >= ATTEMPTS => {
                tracing::error!(mail = %row.id, problem = failure.text, "a mail is given up");
                store::remove(&tx, row.id).await?;
            }
            Err(failure) => {
                tracing::warn!(mail = %row.id, problem = failure.text, "a mail could not be sent; it is tried again");
                let wait = chrono::TimeDelta::minutes(1 << row.attempts.clamp(0, 8));
                store::postpone(&tx, &row, now + wait).await?;
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Sends a mail at once, to whoever asks or to the given address.
    pub async fn test(&self, op: &Op, to: &str, locale: &str) -> Result<()> {
        access::allow(op, Action::ManageSettings)?;
        let smtp = self.settings.load().await?.smtp.ok_or_else(|| {
            let message = "No mail server is set: save one in the settings first.";
            Error::field(UserErrorCode::Unsupported, "", message)
        })?;
        let letter = Letter::new(to, locale, Subject::Test);
        let sent = send(&smtp, &letter).await;
        sent.map_err(|failure| Error::field(failure.code, failure.field, failure.text))
    }
}

/// Why a mail did not leave, in words for an administrator.
struct Failure {
    text: String,
    code: UserErrorCode,
    field: &'static str,
    /// Trying again would not help.
    permanent: bool,
}

impl Failure {
    fn temporary(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            code: UserErrorCode::Unreachable,
            field: "",
            permanent: false,
        }
    }

    fn address(field: &'static str, permanent: bool) -> Self {
        Self {
            text: "This is not an e-mail address.".to_owned(),
            code: UserErrorCode::Invalid,
            field,
            permanent,
        }
    }
}

impl From<lettre::transport::smtp::Error> for Failure {
    fn from(e: lettre::transport::smtp::Error) -> Self {
        tracing::warn!(error = %e, "the mail server did not take a mail");
        let text = match e.status() {
            Some(code) => format!("The mail server answered with code {code}."),
            None if e.is_timeout() => "The mail server does not answer.".to_owned(),
            None if e.is_tls() => "The mail server's certificate or encryption was refused.".to_owned(),
            None => "The mail server can't be reached, or speaks another protocol.".to_owned(),
        };
        Self {
            permanent: e.is_permanent(),
            ..Self::temporary(&text)
        }
    }
}

async fn send(smtp: &Smtp, letter: &Letter) -> Result<(), Failure> {
    let from: Mailbox = smtp.from.parse().map_err(|_| Failure::address("", false))?;
    let to: Mailbox = letter.to.parse().map_err(|_| Failure::address("to", true))?;
    let message = Message::builder()
        .from(from)
        .to(to)
        .subject(letter.subject.clone())
        .header(ContentType::TEXT_PLAIN)
        .body(letter.text.clone())
        .map_err(|e| Failure::temporary(&format!("the mail could not be made: {e}")))?;
    let tls = match smtp.security {
        Security::None => Tls::None,
        Security::StartTls => Tls::Required(TlsParameters::new(smtp.host.clone())?),
        Security::Tls => Tls::Wrapper(TlsParameters::new(smtp.host.clone())?),
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.host.clone())
        .port(smtp.port)
        .tls(tls)
        .timeout(Some(PATIENCE));
    if let (Some(username), Some(password)) = (&smtp.username, &smtp.password) {
        transport = transport.credentials(Credentials::new(username.clone(), password.clone()));
    }
    transport.build().send(message).await?;
    Ok(())
}
