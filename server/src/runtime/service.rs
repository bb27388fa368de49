//! Answers calls: who calls is settled first, then how often, then whether it still runs.

use std::sync::Arc;

use cronium_protocol::agent::Claim;
use cronium_protocol::runtime::{MAX_BODY, PREFIX, Reply, Request};
use sea_orm::TransactionTrait as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::kernel::ids::{EventId, ExecutionId, JobId, UserId};
use crate::kernel::{Kernel, Result};
use crate::rate::{Buckets, LocalBuckets, Principal, Quota};
use crate::variables::{Script, Variables};

use super::model::{self, ConditionBody, Failure, IncrementBody, Kind, VariableBody};
use super::store::{self, Running, Ticket};
use super::token::Tokens;

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub enum Caller<'a> {
    /// The runner of an execution, over the channel of the orchestrator that holds the claim. The claim is the proof:
    /// nothing secret lies where the script runs.
    Runner {
        orchestrator: Uuid,
        claim: Claim,
        /// The same id is the same call.
        id: Uuid,
    },
    /// Whoever has an execution's token. What only its runner can do is not done: neither lines, which it numbers,
    /// nor outputs and secrets, which it masks.
    Bearer(&'a str),
}

/// What an answer is made of.
struct Answer {
    body: Value,
    secrets: Vec<String>,
}

impl From<Value> for Answer {
    fn from(body: Value) -> Self {
        Self {
            body,
            secrets: Vec::new(),
        }
    }
}

/// What scripts may call.
#[derive(Debug, Clone)]
pub struct Runtime {
    kernel: Kernel,
    variables: Variables,
    tokens: Tokens,
    buckets: Arc<dyn Buckets>,
    /// Calls a minute of each execution; None: no limit.
    quota: Option<Quota>,
}

impl Runtime {
    pub fn new(kernel: Kernel, variables: Variables, tokens: Tokens) -> Self {
        let buckets = Arc::new(LocalBuckets::new(Arc::clone(&kernel.clock)));
        Self {
            kernel,
            variables,
            tokens,
            buckets,
            quota: None,
        }
    }

    /// The same with a limit; `buckets`: where servers share it.
    #[must_use]
    pub fn limited(self, quota: Option<Quota>, buckets: Option<Arc<dyn Buckets>>) -> Self {
        Self {
            buckets: buckets.unwrap_or(self.buckets),
            quota,
            ..self
        }
    }

    /// Forgets what belongs to executions that are over.
    pub async fn tidy(&self) -> Result<()> {
        store::forget(&self.kernel).await
    }

    /// Whether a token is one of ours, before anything of its call is read.
    pub fn may_call(&self, token: &str) -> Result<(), Failure> {
        let claims = self.tokens.read(token, self.kernel.now());
        claims.map(drop).ok_or(Failure::NotRunning)
    }

    /// Answers one call; a failure is an answer, too.
    pub async fn answer(&self, caller: Caller<'_>, request: &Request) -> Reply {
        metrics::counter!("cronium_runtime_calls_total").increment(1);
        let (status, answer) = match self.call(caller, request).await {
            Ok(answer) if answer.body.is_null() && request.method != "GET" => (204, answer),
            Ok(answer) => (200, answer),
            Err(failure) => (failure.status(), failure.body().into()),
        };
        let body = if status == 204 {
            Vec::new()
        } else {
            answer.body.to_string().into_bytes()
        };
        Reply {
            status,
            body,
            secrets: answer.secrets,
        }
    }

    async fn call(&self, caller: Caller<'_>, request: &Request) -> Result<Answer, Failure> {
        let running = self.authorised(caller).await?;
        if request.body.len() > MAX_BODY {
            return Err(Failure::TooLarge(format!("A body has at most {MAX_BODY} bytes.")));
        }
        let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
        let (route, key) = model::find(&request.method, path)?;
        match route.kind {
            Kind::Input => Ok(self.input(&running).await?.into()),
            Kind::Event => Ok(event(&running).into()),
            Kind::GetVariable => self.variable(caller, &running, &key).await,
            Kind::Output | Kind::Log => Err(Failure::Forbidden(
                "Lines and outputs go through the local socket, $CRONIUM_SOCKET: the runner numbers and masks them."
                    .into(),
            )),
            Kind::Condition | Kind::SetVariable | Kind::DeleteVariable | Kind::IncrementVariable => {
                self.change(caller, &running, route.kind, &key, request).await
            }
        }
    }

    /// An execution that runs, whose call this is.
    async fn authorised(&self, caller: Caller<'_>) -> Result<Running, Failure> {
        let found = match caller {
            Caller::Runner {
                orchestrator, claim, ..
            } => {
                self.take_one(claim.execution_id).await?;
                store::by_claim(&self.kernel, orchestrator, claim).await
            }
            Caller::Bearer(token) => {
                let claims = self.tokens.read(token, self.kernel.now());
                let claims = claims.ok_or(Failure::NotRunning)?;
                self.take_one(claims.sub).await?;
                store::by_token(&self.kernel, claims).await
            }
        };
        told(found)?.ok_or(Failure::NotRunning)
    }

    async fn take_one(&self, execution: Uuid) -> Result<(), Failure> {
        let Some(quota) = self.quota else { return Ok(()) };
        let balance = self.buckets.take(Principal::Execution(execution), quota, 1).await;
        match balance.retry_after() {
            None => Ok(()),
            Some(retry_after_secs) => {
                metrics::counter!("cronium_runtime_calls_limited_total").increment(1);
                Err(Failure::RateLimited { retry_after_secs })
            }
        }
    }

    async fn input(&self, running: &Running) -> Result<Value, Failure> {
        let input = told(store::input(&self.kernel, running.job_id).await)?;
        Ok(input.unwrap_or_default())
    }

    async fn variable(&self, caller: Caller<'_>, running: &Running, key: &str) -> Result<Answer, Failure> {
        let found = self.variables.read_for(UserId(running.owner_id), key).await;
        let value = told(found)?.ok_or_else(|| Failure::NotFound(format!("There is no variable {key}.")))?;
        if value.secret && matches!(caller, Caller::Bearer(_)) {
            return Err(Failure::Forbidden(
                "A secret is read through the local socket, $CRONIUM_SOCKET: the runner masks it.".into(),
            ));
        }
        let text = value.text.as_str();
        Ok(Answer {
            body: json!({ "key": key, "value": text, "secret": value.secret }),
            secrets: value.secret.then(|| text.to_owned()).into_iter().collect(),
        })
    }

    /// Does what changes something, once, however often the channel repeats it.
    async fn change(
        &self,
        caller: Caller<'_>,
        running: &Running,
        kind: Kind,
        key: &str,
        request: &Request,
    ) -> Result<Answer, Failure> {
        let ticket = ticket(caller, request);
        let change = Change::read(kind, request)?;
        let script = Script {
            owner: UserId(running.owner_id),
            execution: ExecutionId(running.id),
        };
        // Before the transaction: it needs a connection of its own.
        let right = match change {
            Change::Condition(_) => None,
            _ => Some(told(self.variables.changing(script).await)?),
        };
        let tx = told(self.kernel.db.begin().await.map_err(Into::into))?;
        let before = match ticket {
            Some(ticket) => told(store::begin(&tx, running.id, ticket).await)?,
            None => None,
        };
        let body = match (before, &change, &right) {
            (Some(before), ..) => before,
            (None, Change::Condition(value), _) => {
                if !told(store::set_condition(&tx, running, *value).await)? {
                    return Err(Failure::NotRunning);
                }
                Value::Null
            }
            (None, Change::Set(body), Some(right)) => {
                let written = self.variables.set_in(&tx, right, key, &body.value, body.secret);
                let written = told(written.await)?;
                json!({ "key": key, "created": written.created, "secret": written.secret })
            }
            (None, Change::Increment(by), Some(right)) => {
                let sum = told(self.variables.increment_in(&tx, right, key, *by).await)?;
                json!({ "key": key, "value": sum })
            }
            (None, Change::Delete, Some(right)) => {
                if !told(self.variables.delete_in(&tx, right, key).await)? {
                    return Err(Failure::NotFound(format!("There is no variable {key}.")));
                }
                Value::Null
            }
            (None, _, None) => return Err(Failure::Internal),
        };
        if let Some(ticket) = ticket {
            told(store::keep(&tx, running.id, ticket, &body).await)?;
        }
        told(tx.commit().await.map_err(Into::into))?;
        let secrets = match change {
            Change::Set(set) if body["secret"] == true => vec![set.value],
            _ => Vec::new(),
        };
        Ok(Answer { body, secrets })
    }
}

/// Writes down what the script is not told.
fn told<T>(result: Result<T>) -> Result<T, Failure> {
    result.map_err(|error| {
        let problem = error.private_text();
        let failure = Failure::from(error);
        if matches!(failure, Failure::Unavailable | Failure::Internal) {
            tracing::warn!(problem, "a runtime call failed");
        }
        failure
    })
}

enum Change {
    Condition(bool),
    Set(VariableBody),
    Increment(i64),
    Delete,
}

impl Change {
    fn read(kind: Kind, request: &Request) -> Result<Self, Failure> {
        match kind {
            Kind::Condition => Ok(Self::Condition(
                model::read::<ConditionBody>(&request.body)?.value,
            )),
            Kind::SetVariable => Ok(Self::Set(model::read(&request.body)?)),
            Kind::IncrementVariable => Ok(Self::Increment(model::read::<IncrementBody>(&request.body)?.by)),
            _ => Ok(Self::Delete),
        }
    }
}

/// Over HTTP nothing is repeated but by the client itself.
fn ticket(caller: Caller<'_>, request: &Request) -> Option<Ticket> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    match caller {
        Caller::Runner { id, .. } => Some(Ticket {
            id,
            number: number(request.number),
            settled: number(request.settled),
        }),
        Caller::Bearer(_) => None,
    }
}

/// What runs.
fn event(running: &Running) -> Value {
    json!({
        "eventId": running.event_id.map(|id| EventId(id).global().to_string()),
        "eventName": running.title,
        "jobId": JobId(running.job_id).global().to_string(),
        "jobNumber": running.number,
        "executionId": ExecutionId(running.id).global().to_string(),
        "attempt": running.attempt,
        "trigger": running.trigger,
        "createdAt": running.created_at,
    })
}
