//! The floor for containers: the Docker API alone, with the very options that the product's own containers
//! have, taken from one of them.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::{ContainerCreateBody, ExecConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptions, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use futures::{Stream, StreamExt as _};
use serde_json::json;
use sqlx::PgPool;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::Outcome;
use crate::product::{Product, until};

/// Speaks to the engine directly.
pub struct Containers {
    docker: Docker,
    /// What a container is made of, but for what it runs.
    body: ContainerCreateBody,
    orchestrator: String,
}

/// What came out of an attached container.
#[derive(Debug, Default)]
pub struct Flow {
    pub lines: u64,
    pub bytes: u64,
    /// From the first byte to the end of the stream.
    pub took: Duration,
}

type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// A container of ours that waits.
pub struct Parked {
    name: String,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    input: Input,
}

impl Parked {
    async fn next(&mut self) -> Outcome<()> {
        self.output.next().await.ok_or("the container said nothing")??;
        Ok(())
    }
}

impl Containers {
    /// Starts a job that waits, and reads what its container is made of.
    pub async fn like(product: &Product) -> Outcome<Self> {
        let mut this = Self {
            docker: Docker::connect_with_defaults()?.negotiate_version().await?,
            body: ContainerCreateBody::default(),
            orchestrator: product.orchestrator()?,
        };
        let job = product
            .run(&product.create_event("waits", "sleep 60").await?)
            .await?;
        until("the job runs", async || {
            Ok(product.status(&job).await? == "RUNNING")
        })
        .await?;
        let name = this.of_product().await?.pop().ok_or("there is no container")?;
        let model = this.docker.inspect_container(&name, None).await?;
        let cancel = "mutation ($id: ID!) { cancelJob(input: { id: $id }) { userErrors { message } } }";
        product.graphql(cancel, json!({ "id": job })).await?;
        this.gone().await?;
        let config = model.config.unwrap_or_default();
        this.body = ContainerCreateBody {
            image: config.image,
            user: config.user,
            working_dir: config.working_dir,
            hostname: config.hostname,
            attach_stdin: config.attach_stdin,
            attach_stdout: config.attach_stdout,
            attach_stderr: config.attach_stderr,
            open_stdin: config.open_stdin,
            stdin_once: config.stdin_once,
            tty: config.tty,
            host_config: model.host_config,
            // Not the product's labels: it removes what it finds under them and does not know.
            labels: Some(HashMap::from([("cronium.bench".into(), "floor".into())])),
            ..Default::default()
        };
        Ok(this)
    }

    /// Names of the product's containers.
    async fn of_product(&self) -> Outcome<Vec<String>> {
        let ours = format!("cronium.orchestrator={}", self.orchestrator);
        self.with_labels(vec![ours]).await
    }

    /// Waits until one of the product's containers waits for a job, and no other is left.
    pub async fn one_waits(&self, product: &Product) -> Outcome<()> {
        let ours = format!("cronium.orchestrator={}", product.orchestrator()?);
        until("one container waits", async || {
            let all = self.with_labels(vec![ours.clone()]).await?;
            let ahead = self
                .with_labels(vec![ours.clone(), "cronium.ahead".into()])
                .await?;
            Ok(all.len() == 1 && ahead.len() == 1)
        })
        .await
    }

    async fn with_labels(&self, labels: Vec<String>) -> Outcome<Vec<String>> {
        let filters = HashMap::from([("label".to_owned(), labels)]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let all = self.docker.list_containers(Some(options)).await?;
        Ok(all.into_iter().filter_map(|c| c.id).collect())
    }

    /// Waits until none of the product's containers is left, so that the next start is a cold one.
    pub async fn gone(&self) -> Outcome<()> {
        until("the containers are gone", async || {
            Ok(self.of_product().await?.is_empty())
        })
        .await
    }

    /// Create, attach, start: the name and what comes out.
    async fn start(
        &self,
        script: &str,
    ) -> Outcome<(
        String,
        impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + use<>,
        Input,
    )> {
        let body = ContainerCreateBody {
            entrypoint: Some(vec!["bash".into(), "-c".into(), script.into()]),
            ..self.body.clone()
        };
        let made = self
            .docker
            .create_container(None::<CreateContainerOptions>, body)
            .await?;
        let options = AttachContainerOptionsBuilder::default()
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .stream(true)
            .logs(false)
            .build();
        let streams = self.docker.attach_container(&made.id, Some(options)).await?;
        self.docker.start_container(&made.id, None).await?;
        Ok((made.id, streams.output, streams.input))
    }

    async fn remove(&self, name: &str) -> Outcome<()> {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        Ok(self.docker.remove_container(name, Some(options)).await?)
    }

    /// From nothing to the first byte of output.
    pub async fn first_byte(&self, script: &str) -> Outcome<Duration> {
        let begun = Instant::now();
        let (name, mut output, _input) = self.start(script).await?;
        output.next().await.ok_or("the container said nothing")??;
        let took = begun.elapsed();
        self.remove(&name).await?;
        Ok(took)
    }

    /// Starts one that waits for a line on its stdin and then says one.
    pub async fn park(&self) -> Outcome<Parked> {
        let (name, output, input) = self.start("echo waits; read -r _; echo first").await?;
        let mut parked = Parked {
            name,
            output: Box::pin(output),
            input,
        };
        parked.next().await?;
        Ok(parked)
    }

    /// Of a parked one: from a durable commit to what it says.
    pub async fn wake(&self, mut parked: Parked, database: &PgPool) -> Outcome<Duration> {
        let begun = Instant::now();
        sqlx::query("INSERT INTO bench_commits DEFAULT VALUES")
            .execute(database)
            .await?;
        parked.input.write_all(b"go\n").await?;
        parked.input.flush().await?;
        parked.next().await?;
        let took = begun.elapsed();
        self.remove(&parked.name).await?;
        Ok(took)
    }

    /// The same by `docker exec` into a container that runs.
    pub async fn exec(&self, parked: &Parked, script: &str) -> Outcome<Duration> {
        let begun = Instant::now();
        let config = ExecConfig {
            attach_stdout: Some(true),
            cmd: Some(vec!["bash".into(), "-c".into(), script.into()]),
            ..Default::default()
        };
        let made = self.docker.create_exec(&parked.name, config).await?;
        let StartExecResults::Attached { mut output, .. } = self.docker.start_exec(&made.id, None).await?
        else {
            return Err("the exec is not attached".into());
        };
        output.next().await.ok_or("the exec said nothing")??;
        Ok(begun.elapsed())
    }

    /// Reads all that a script says, as fast as it comes.
    #[expect(
        clippy::naive_bytecount,
        reason = "the compiler makes it fast enough, without one more crate"
    )]
    pub async fn drain(&self, script: &str) -> Outcome<Flow> {
        let (name, mut output, _input) = self.start(script).await?;
        let mut flow = Flow::default();
        let mut begun = None;
        while let Some(chunk) = output.next().await {
            let bytes = chunk?.into_bytes();
            begun.get_or_insert_with(Instant::now);
            flow.bytes += bytes.len() as u64;
            flow.lines += bytes.iter().filter(|b| **b == b'\n').count() as u64;
        }
        flow.took = begun.ok_or("the container said nothing")?.elapsed();
        self.remove(&name).await?;
        Ok(flow)
    }
}
