//! A server is made, and changed, in up to three steps: what it is, whether the host is the one that is meant, and
//! signing in there. What is refused leads back to the step that can mend it, with all that was typed.

use dioxus::prelude::*;

use super::changes::{self, HostKey, Probed};
use super::data::Detail;
use super::draft::Target;
use super::form::{Form, said};
use super::keys::Comparison;
use super::status::ServerTrouble;
use crate::browser;
use crate::i18n::{Locale, t};
use crate::pages::runs::data::{Refusal, UserError, UserErrorCode};
use crate::pages::runs::say;

/// Where a person is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Details,
    Key,
    Connect,
}

impl Step {
    pub const ALL: [Self; 3] = [Self::Details, Self::Key, Self::Connect];

    /// The id of its heading, to which the focus goes.
    pub fn id(self) -> &'static str {
        match self {
            Self::Details => "server-step-details",
            Self::Key => "server-step-key",
            Self::Connect => "server-step-connect",
        }
    }

    pub fn words(self) -> String {
        t(match self {
            Self::Details => "servers.step_details",
            Self::Key => "servers.step_key",
            Self::Connect => "servers.step_connect",
        })
    }
}

/// The id of what says that the host can't be reached.
pub const UNREACHED: &str = "server-unreached";

/// Why a host could not be used: what we say of it, and what the API says besides, in English.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub words: String,
    pub said: Option<String>,
}

impl Failure {
    /// The API's own words tell more than ours, to whoever reads English.
    fn of(own: String, message: Option<String>) -> Self {
        match (Locale::current(), message) {
            (Locale::En, Some(words)) => Self { words, said: None },
            (_, said) => Self { words: own, said },
        }
    }
}

/// Signals of the steps.
#[derive(Clone, Copy, PartialEq)]
pub struct Flow {
    pub form: Form,
    pub comparison: Comparison,
    pub step: Signal<Step>,
    /// The keys that a host showed.
    keys: Signal<Option<(Target, Vec<HostKey>)>>,
    /// The fingerprint that a person has confirmed.
    confirmed: Signal<Option<(Target, String)>>,
    /// What kept a host from being used.
    unreached: Signal<Option<(Target, Failure)>>,
    /// Whether the server is to be kept although it can't be reached.
    pub anyway: Signal<bool>,
    pub busy: Signal<bool>,
    /// Somebody else changed the server meanwhile.
    pub conflict: Signal<bool>,
}

/// Makes the state of the steps.
pub fn use_flow(form: Form, comparison: Comparison) -> Flow {
    Flow {
        form,
        comparison,
        step: use_signal(|| Step::Details),
        keys: use_signal(|| None),
        confirmed: use_signal(|| None),
        unreached: use_signal(|| None),
        anyway: use_signal(|| false),
        busy: use_signal(|| false),
        conflict: use_signal(|| false),
    }
}

impl Flow {
    /// The keys of the host that is typed now.
    pub fn keys(self) -> Vec<HostKey> {
        let target = self.form.draft.read().target();
        let keys = self.keys.read();
        let of_it = keys.as_ref().filter(|(of, _)| *of == target);
        of_it.map(|(_, keys)| keys.clone()).unwrap_or_default()
    }

    /// The fingerprint that was confirmed of the host that is typed now.
    fn confirmed(self) -> Option<String> {
        let target = self.form.draft.read().target();
        let confirmed = self.confirmed.read();
        let of_it = confirmed.as_ref().filter(|(of, _)| *of == target);
        of_it.map(|(_, fingerprint)| fingerprint.clone())
    }

    /// Why the host that is typed now could not be reached.
    pub fn unreached(self) -> Option<Failure> {
        let target = self.form.draft.read().target();
        let unreached = self.unreached.read();
        let of_it = unreached.as_ref().filter(|(of, _)| *of == target);
        of_it.map(|(_, failure)| failure.clone())
    }

    /// Whether the next thing is to keep it as it is.
    pub fn keeps_anyway(self) -> bool {
        *self.anyway.read() && self.unreached().is_some()
    }

    /// Goes to a step, and so does the focus.
    pub fn turn(mut self, step: Step) {
        if *self.step.peek() != step {
            self.step.set(step);
            browser::focus_soon(step.id());
        }
    }

    /// Goes on from what was typed: asks the host for its keys, unless the pinned one still holds. Gives the server
    /// where nothing is left to ask.
    pub async fn go_on(mut self, server: Option<Detail>) -> Option<Detail> {
        if *self.busy.peek() {
            return None;
        }
        if !self.form.check(server.as_ref()) {
            browser::focus_invalid();
            return None;
        }
        self.busy.set(true);
        let (alike, same) = {
            let (draft, saved) = (self.form.draft.peek(), self.form.saved.peek());
            (draft.reaches_like(&saved), draft.target() == saved.target())
        };
        let pinned = |server: &Detail| alike || (same && server.host_key_fingerprint.is_some());
        let confirmed = self.confirmed();
        let given = if self.keeps_anyway() || confirmed.is_some() || server.as_ref().is_some_and(pinned) {
            self.save(server, confirmed).await
        } else if self.probe().await {
            let known = server
                .as_ref()
                .and_then(|server| server.host_key_fingerprint.clone());
            let shown = known.filter(|known| self.keys().iter().any(|key| key.fingerprint == *known));
            if shown.is_some() {
                // The same host under another address.
                self.save(server, shown).await
            } else {
                self.turn(Step::Key);
                None
            }
        } else {
            None
        };
        self.busy.set(false);
        given
    }

    /// Goes on with the key that was compared: signs in, and keeps the server.
    pub async fn confirm(mut self, server: Option<Detail>) -> Option<Detail> {
        if *self.busy.peek() {
            return None;
        }
        let fingerprint = self.comparison.confirmed(&self.keys())?;
        let target = self.form.draft.peek().target();
        self.confirmed.set(Some((target, fingerprint.clone())));
        self.busy.set(true);
        self.turn(Step::Connect);
        let given = self.save(server, Some(fingerprint)).await;
        self.busy.set(false);
        given
    }

    /// Asks the host once more.
    pub async fn ask_again(mut self) {
        if *self.busy.peek() {
            return;
        }
        self.busy.set(true);
        self.probe().await;
        self.busy.set(false);
    }

    /// Asks the host for its keys; false where it shows none, which is said then.
    async fn probe(mut self) -> bool {
        let (input, target) = {
            let draft = self.form.draft.peek();
            (draft.probe(), draft.target())
        };
        match changes::probe(input).await {
            Ok(found) if found.reachable && !found.host_keys.is_empty() => {
                self.comparison.begin(&found.host_keys);
                self.keys.set(Some((target, found.host_keys)));
                self.unreached.set(None);
                true
            }
            Ok(found) => {
                self.miss(target, found.into());
                false
            }
            Err(refusal) => {
                self.refuse(&refusal);
                false
            }
        }
    }

    /// Says why the host can't be reached, where it can be kept all the same.
    fn miss(mut self, target: Target, failure: Failure) {
        self.unreached.set(Some((target, failure)));
        self.step.set(Step::Details);
        browser::focus_soon(UNREACHED);
    }

    async fn save(mut self, server: Option<Detail>, fingerprint: Option<String>) -> Option<Detail> {
        let anyway = self.keeps_anyway();
        let draft = self.form.draft.peek().clone();
        self.conflict.set(false);
        if !anyway {
            self.unreached.set(None);
        }
        let result = match &server {
            Some(server) => changes::update(draft.update(server, fingerprint, anyway)).await,
            None => changes::create(draft.create(fingerprint, anyway)).await,
        };
        match result {
            Ok(server) => {
                self.form.settle();
                return Some(server);
            }
            Err(Refusal::Refused(errors)) => {
                let at = |path: &str| errors.iter().find(|error| error.path() == path);
                let unreachable = errors
                    .iter()
                    .find(|error| error.code == UserErrorCode::Unreachable);
                if at("expectedVersion").is_some() {
                    self.conflict.set(true);
                    self.turn(Step::Details);
                } else if let Some(error) = unreachable {
                    let failure = Failure::of(t("servers.unreached"), Some(error.message.clone()));
                    self.miss(draft.target(), failure);
                } else if let Some(error) = at("hostKeyFingerprint") {
                    // What the host shows now is what has to be compared.
                    let words = said(error);
                    self.confirmed.set(None);
                    if self.probe().await {
                        self.comparison.fault.set(Some(words));
                        self.turn(Step::Key);
                        browser::focus_invalid();
                    }
                } else if is_denied(&errors) {
                    // It can be kept all the same: the host may learn of the key later.
                    let words = match Locale::current() {
                        Locale::En => errors.first().map(|error| error.message.clone()),
                        Locale::Es => None,
                    };
                    let words = words.unwrap_or_else(|| ServerTrouble::Denied.words());
                    let failure = Failure {
                        words: t("servers.denied"),
                        said: None,
                    };
                    self.unreached.set(Some((draft.target(), failure)));
                    self.form
                        .blame(errors.iter().map(UserError::path).collect(), &words);
                    self.step.set(Step::Details);
                    browser::focus_invalid();
                } else {
                    self.refuse(&Refusal::Refused(errors));
                }
            }
            Err(failed) => self.refuse(&failed),
        }
        None
    }

    /// Leads back to the fields that are refused; what has no field is told in passing.
    fn refuse(mut self, refusal: &Refusal) {
        let errors: &[UserError] = match refusal {
            Refusal::Refused(errors) => errors,
            Refusal::Failed(_) => &[],
        };
        let at_fields = self.form.refuse(errors);
        self.step.set(Step::Details);
        if at_fields {
            browser::focus_invalid();
        } else {
            say(t("servers.not_saved"), refusal);
            browser::focus_soon(Step::Details.id());
        }
    }
}

/// Whether the host answers and does not let the user in: the user and what they sign in with are wrong together.
fn is_denied(errors: &[UserError]) -> bool {
    let of_sign_in =
        |error: &UserError| matches!(error.path().as_str(), "username" | "privateKey" | "password");
    matches!(errors, [first, second] if first.message == second.message) && errors.iter().all(of_sign_in)
}

/// What a host that shows no key has for a reason.
impl From<Probed> for Failure {
    fn from(found: Probed) -> Self {
        let own = found
            .trouble
            .map_or_else(|| t("servers.no_key"), ServerTrouble::words);
        Self::of(own, found.message)
    }
}
