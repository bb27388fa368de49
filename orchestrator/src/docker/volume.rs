//! The volume that holds the runner: filled once, mounted read-only ever after, so that a start costs no upload and a
//! remote engine needs no path of ours. (A container with a read-only root takes no upload.) It must not know
//! executions.

use std::collections::HashMap;
use std::io;

use bollard::models::{ContainerCreateBody, HostConfig, VolumeCreateRequest};
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, CreateContainerOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveVolumeOptions, UploadToContainerOptionsBuilder,
};
use bollard::{Docker, body_full};
use bytes::Bytes;
use cronium_protocol::manifest::sha256;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::error::is_status;
use super::{labels, ours, remove_container, spec};
use crate::hex::hex;
use crate::problem::ExecutorError;

/// Each orchestrator has its own, named by the runner's content: a runner that another orchestrator is just writing
/// can't be started ("text file busy").
#[derive(Debug)]
pub struct RunnerVolume {
    docker: Docker,
    orchestrator: Uuid,
    name: String,
    /// The runner as a tar archive of one file.
    archive: Bytes,
    /// Of the runner itself, in bytes.
    size: usize,
    filled: Mutex<bool>,
}

fn named(orchestrator: Uuid, digest: &[u8; 32]) -> String {
    format!(
        "cronium-runner-{}-{}",
        orchestrator.as_simple(),
        hex(&digest[..8])
    )
}

impl RunnerVolume {
    pub fn new(docker: Docker, orchestrator: Uuid, runner: &[u8]) -> io::Result<Self> {
        Ok(Self {
            docker,
            orchestrator,
            name: named(orchestrator, &sha256(runner)),
            archive: spec::archive(spec::RUNNER_NAME, runner)?.into(),
            size: runner.len(),
            filled: Mutex::new(false),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes sure that the volume holds the runner. Starts that come together share the work.
    pub async fn ensure(&self, image: &str) -> Result<(), ExecutorError> {
        let mut filled = self.filled.lock().await;
        if *filled && self.docker.inspect_volume(&self.name).await.is_ok() {
            return Ok(());
        }
        *filled = false;
        let request = VolumeCreateRequest {
            name: Some(self.name.clone()),
            labels: Some(labels(self.orchestrator)),
            ..Default::default()
        };
        self.docker.create_volume(request).await?;
        // Never started: only a way into the volume. It is ours, so that a sweep finds a forgotten one.
        let carrier = self.carrier();
        remove_container(&self.docker, &carrier).await?;
        let done = self.fill_through(&carrier, image).await;
        remove_container(&self.docker, &carrier).await?;
        done?;
        *filled = true;
        self.remove_others().await
    }

    /// The container that the volume is filled through.
    fn carrier(&self) -> String {
        format!("cronium-carrier-{}", self.orchestrator.as_simple())
    }

    /// Removes that container when an earlier life left it: in this one nobody uses it now.
    pub async fn tidy(&self, name: &str) -> Result<(), ExecutorError> {
        match self.filled.try_lock() {
            Ok(_idle) if name == self.carrier() => remove_container(&self.docker, name).await,
            _ => Ok(()),
        }
    }

    async fn fill_through(&self, carrier: &str, image: &str) -> Result<(), ExecutorError> {
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            cmd: Some(vec![spec::runner_path()]),
            labels: Some(labels(self.orchestrator)),
            host_config: Some(HostConfig {
                binds: Some(vec![format!("{}:{}", self.name, spec::RUNNER_DIR)]),
                network_mode: Some("none".into()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(carrier).build();
        self.docker.create_container(Some(options), body).await?;
        // A runner that is there already may be in use. One of whose upload something is missing is shorter.
        if self.is_whole(carrier).await? {
            return Ok(());
        }
        let options = UploadToContainerOptionsBuilder::default()
            .path(spec::RUNNER_DIR)
            .build();
        let archive = body_full(self.archive.clone());
        Ok(self
            .docker
            .upload_to_container(carrier, Some(options), archive)
            .await?)
    }

    async fn is_whole(&self, carrier: &str) -> Result<bool, ExecutorError> {
        let options = ContainerArchiveInfoOptionsBuilder::default()
            .path(&spec::runner_path())
            .build();
        match self
            .docker
            .get_container_archive_info(carrier, Some(options))
            .await
        {
            Ok(found) => Ok(usize::try_from(found.size).is_ok_and(|size| size == self.size)),
            Err(error) if is_status(&error, 404) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Volumes of this orchestrator with other runners; those in which something still runs stay until later.
    async fn remove_others(&self) -> Result<(), ExecutorError> {
        let ours: HashMap<_, _> = ours(self.orchestrator);
        let options = ListVolumesOptionsBuilder::default().filters(&ours).build();
        let found = self.docker.list_volumes(Some(options)).await?.volumes;
        for volume in found.unwrap_or_default() {
            if volume.name == self.name {
                continue;
            }
            match self
                .docker
                .remove_volume(&volume.name, None::<RemoveVolumeOptions>)
                .await
            {
                Err(error) if !is_status(&error, 404) && !is_status(&error, 409) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}
