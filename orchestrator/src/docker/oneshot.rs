//! A container of ours that runs one command to its end and is removed. It must not know what for.

use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as DockerError;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, StartContainerOptions, WaitContainerOptions,
};
use futures::StreamExt;
use tokio::time::timeout;
use uuid::Uuid;

use crate::problem::{ExecutorError, Problem};

use super::remove_container;

const LIMIT: Duration = Duration::from_secs(30);
const MEMORY: i64 = 64 << 20;
/// Of each output; more is cut.
const OUTPUT: usize = 64 << 10;

/// What to run. It is root without rights but these capabilities, and sees nothing of the host's files.
#[derive(Debug)]
pub struct OneShot<'a> {
    /// One at a time: a left-over of this name is removed.
    pub name: String,
    pub orchestrator: Uuid,
    pub image: &'a str,
    pub network: &'a str,
    pub capabilities: &'a [&'a str],
    pub command: &'a [&'a str],
}

#[derive(Debug)]
pub struct Ended {
    pub code: i64,
    pub stdout: String,
    pub stderr: String,
}

impl OneShot<'_> {
    pub async fn run(&self, docker: &Docker) -> Result<Ended, ExecutorError> {
        remove_container(docker, &self.name).await?;
        let ended = match timeout(LIMIT, self.run_now(docker)).await {
            Ok(ended) => ended.map_err(ExecutorError::from),
            Err(_) => Err(ExecutorError::new(Problem::Refused, "no end within 30 s")),
        };
        let removed = remove_container(docker, &self.name).await;
        let ended = ended?;
        removed?;
        Ok(ended)
    }

    async fn run_now(&self, docker: &Docker) -> Result<Ended, DockerError> {
        let options = CreateContainerOptionsBuilder::default().name(&self.name).build();
        docker.create_container(Some(options), self.body()).await?;
        let options = AttachContainerOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .stream(true)
            .build();
        let mut attached = docker.attach_container(&self.name, Some(options)).await?;
        docker
            .start_container(&self.name, None::<StartContainerOptions>)
            .await?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(chunk) = attached.output.next().await {
            match chunk? {
                LogOutput::StdOut { message } => keep(&mut stdout, &message),
                LogOutput::StdErr { message } => keep(&mut stderr, &message),
                LogOutput::StdIn { .. } | LogOutput::Console { .. } => {}
            }
        }
        let mut waiting = docker.wait_container(&self.name, None::<WaitContainerOptions>);
        let code = match waiting.next().await {
            Some(Ok(ended)) => ended.status_code,
            Some(Err(DockerError::DockerContainerWaitError { code, .. })) => code,
            Some(Err(error)) => return Err(error),
            None => -1,
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
        Ok(Ended {
            code,
            stdout: text(stdout),
            stderr: text(stderr),
        })
    }

    fn body(&self) -> ContainerCreateBody {
        let strings = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect::<Vec<_>>();
        let (program, arguments) = self.command.split_at(self.command.len().min(1));
        ContainerCreateBody {
            image: Some(self.image.to_owned()),
            entrypoint: Some(strings(program)),
            cmd: Some(strings(arguments)),
            user: Some("0:0".into()),
            working_dir: Some("/".into()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            labels: Some(super::labels(self.orchestrator)),
            host_config: Some(HostConfig {
                network_mode: Some(self.network.to_owned()),
                cap_drop: Some(vec!["ALL".into()]),
                cap_add: Some(strings(self.capabilities)),
                security_opt: Some(vec!["no-new-privileges:true".into()]),
                readonly_rootfs: Some(true),
                // With remapped users, the host's network is out of a container's reach.
                userns_mode: Some("host".into()),
                memory: Some(MEMORY),
                memory_swap: Some(MEMORY),
                pids_limit: Some(16),
                log_config: Some(HostConfigLogConfig {
                    typ: Some("none".into()),
                    config: None,
                }),
                ..Default::default()
            }),
            ..Default::default()
        }
    }
}

fn keep(kept: &mut Vec<u8>, more: &[u8]) {
    let room = OUTPUT.saturating_sub(kept.len());
    kept.extend_from_slice(&more[..more.len().min(room)]);
}
