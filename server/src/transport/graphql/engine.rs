//! What executes prepared requests: the one public schema, or a small one in a test. The transports know
//! no more of it than this.

use async_graphql::{ObjectType, Request, Response, Schema, SubscriptionType};
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use super::batches;

/// An executable schema.
pub trait Engine: Send + Sync {
    /// Runs a query or a mutation.
    fn execute(&self, request: Request) -> BoxFuture<'_, Response>;

    /// Runs any operation: a subscription gives many responses, the others one.
    fn execute_stream(&self, request: Request) -> BoxStream<'static, Response>;

    /// The schema as text.
    fn sdl(&self) -> String;
}

impl<Q, M, S> Engine for Schema<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    fn execute(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(batches::of_response(Schema::execute(self, request)))
    }

    fn execute_stream(&self, request: Request) -> BoxStream<'static, Response> {
        batches::of_responses(Schema::execute_stream(self, request))
    }

    fn sdl(&self) -> String {
        Schema::sdl(self)
    }
}
