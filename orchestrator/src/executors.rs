//! Several executors as one: what an execution is decides who runs it. It must not know how.

use cronium_protocol::agent::{Claim, HostOrder};
use cronium_protocol::terminal::End;

use crate::docker::DockerExecutor;
use crate::executor::{Attached, Autopsy, Executor, Found, Order, Prepared, Target};
use crate::http::HttpExecutor;
use crate::problem::ExecutorError;
use crate::ssh::executor::SshExecutor;
use crate::terminal::line::Back;

/// Containers for scripts, tasks of this process for requests, and servers.
#[derive(Debug)]
pub struct Executors {
    pub docker: DockerExecutor,
    pub http: HttpExecutor,
    pub ssh: SshExecutor,
}

/// Asks the one whose environment it is; its name tells.
macro_rules! of {
    ($all:ident, $target:ident, $one:ident => $asked:expr) => {
        if HttpExecutor::owns($target) {
            let $one = &$all.http;
            $asked
        } else if SshExecutor::owns($target) {
            let $one = &$all.ssh;
            $asked
        } else {
            let $one = &$all.docker;
            $asked
        }
    };
}

impl Executor for Executors {
    async fn prepare(&self, order: &Order) -> Result<Prepared, ExecutorError> {
        if order.http {
            self.http.prepare(order).await
        } else if order.host.is_some() {
            self.ssh.prepare(order).await
        } else {
            self.docker.prepare(order).await
        }
    }

    fn target(&self, claim: Claim, host: Option<&HostOrder>) -> Target {
        // A request's own name comes with its preparation.
        match host {
            Some(_) => self.ssh.target(claim, host),
            None => self.docker.target(claim, host),
        }
    }

    fn meet(&self, host: &HostOrder) {
        self.ssh.meet(host);
    }

    fn outlives(&self, target: &Target) -> bool {
        of!(self, target, one => one.outlives(target))
    }

    async fn start(&self, target: &Target) -> Result<Attached, ExecutorError> {
        of!(self, target, one => one.start(target).await)
    }

    async fn attach(&self, target: &Target) -> Result<Attached, ExecutorError> {
        of!(self, target, one => one.attach(target).await)
    }

    async fn kill(&self, target: &Target) -> Result<(), ExecutorError> {
        of!(self, target, one => one.kill(target).await)
    }

    fn begun(&self) {
        self.docker.begun();
    }

    async fn inspect(&self, target: &Target) -> Result<Autopsy, ExecutorError> {
        of!(self, target, one => one.inspect(target).await)
    }

    async fn shell(&self, target: &Target, back: Back) -> End {
        if HttpExecutor::owns(target) {
            self.http.shell(target, back).await
        } else {
            self.docker.shell(target, back).await
        }
    }

    async fn clean_up(&self, target: &Target) -> Result<(), ExecutorError> {
        of!(self, target, one => one.clean_up(target).await)
    }

    async fn find(&self) -> Result<Vec<Found>, ExecutorError> {
        // Requests of an earlier life are gone with it.
        let mut found = self.ssh.find().await?;
        found.extend(self.docker.find().await?);
        Ok(found)
    }

    async fn failed(&self) {
        self.docker.failed().await;
    }

    async fn close(&self) {
        self.docker.close().await;
    }

    fn leave(&self) {
        self.ssh.leave();
    }
}
