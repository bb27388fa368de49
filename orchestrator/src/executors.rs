//! Several executors as one: what an execution is decides who runs it. It must not know how.

use cronium_protocol::agent::Claim;

use crate::docker::DockerExecutor;
use crate::executor::{Attached, Autopsy, Executor, Found, Order, Prepared, Target};
use crate::http::HttpExecutor;
use crate::problem::ExecutorError;

/// Containers for scripts, and tasks of this process for requests.
#[derive(Debug)]
pub struct Executors {
    pub docker: DockerExecutor,
    pub http: HttpExecutor,
}

impl Executor for Executors {
    async fn prepare(&self, order: &Order) -> Result<Prepared, ExecutorError> {
        if order.http {
            self.http.prepare(order).await
        } else {
            self.docker.prepare(order).await
        }
    }

    fn target(&self, claim: Claim) -> Target {
        // A request's own name comes with its preparation.
        self.docker.target(claim)
    }

    fn outlives(&self, target: &Target) -> bool {
        if HttpExecutor::owns(target) {
            self.http.outlives(target)
        } else {
            self.docker.outlives(target)
        }
    }

    async fn start(&self, target: &Target) -> Result<Attached, ExecutorError> {
        if HttpExecutor::owns(target) {
            self.http.start(target).await
        } else {
            self.docker.start(target).await
        }
    }

    async fn attach(&self, target: &Target) -> Result<Attached, ExecutorError> {
        if HttpExecutor::owns(target) {
            self.http.attach(target).await
        } else {
            self.docker.attach(target).await
        }
    }

    async fn kill(&self, target: &Target) -> Result<(), ExecutorError> {
        if HttpExecutor::owns(target) {
            self.http.kill(target).await
        } else {
            self.docker.kill(target).await
        }
    }

    fn begun(&self) {
        self.docker.begun();
    }

    async fn inspect(&self, target: &Target) -> Result<Autopsy, ExecutorError> {
        if HttpExecutor::owns(target) {
            self.http.inspect(target).await
        } else {
            self.docker.inspect(target).await
        }
    }

    async fn clean_up(&self, target: &Target) -> Result<(), ExecutorError> {
        if HttpExecutor::owns(target) {
            self.http.clean_up(target).await
        } else {
            self.docker.clean_up(target).await
        }
    }

    async fn find(&self) -> Result<Vec<Found>, ExecutorError> {
        // Requests of an earlier life are gone with it.
        self.docker.find().await
    }

    async fn failed(&self) {
        self.docker.failed().await;
    }

    async fn close(&self) {
        self.docker.close().await;
    }
}
