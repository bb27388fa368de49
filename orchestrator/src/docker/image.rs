//! Finds images on the engine and pulls those that are missing. It must not know what runs in them.

use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::StreamExt;
use tokio::time::timeout;

use crate::problem::{ExecutorError, ImageProblem, Problem};

use super::error::{is_status, of_pull};

const PULL_LIMIT: Duration = Duration::from_mins(4);

/// An image of the engine.
#[derive(Debug)]
pub struct Image {
    pub id: String,
    /// In its registry, where it came from one; its id otherwise.
    pub digest: String,
}

/// The image; pulls it when it is not there. The default image is made, not found in a registry,
/// unless an admin has put it into one.
pub async fn find(docker: &Docker, name: &str, is_default: bool) -> Result<Image, ExecutorError> {
    let found = match docker.inspect_image(name).await {
        Err(error) if is_status(&error, 404) => {
            pull(docker, name).await.map_err(|error| match error.problem() {
                Problem::Image(_, why) if is_default && *why != ImageProblem::TooSlow => {
                    error.seen_as(Problem::Image(name.to_owned(), ImageProblem::NotMade))
                }
                _ => error,
            })?;
            docker.inspect_image(name).await?
        }
        Err(error) if is_status(&error, 400) => return Err(of_pull(error, name)),
        other => other?,
    };
    let id = found.id.unwrap_or_else(|| name.to_owned());
    let digest = found.repo_digests.unwrap_or_default().into_iter().next();
    Ok(Image {
        digest: digest.unwrap_or_else(|| id.clone()),
        id,
    })
}

async fn pull(docker: &Docker, name: &str) -> Result<(), ExecutorError> {
    let options = CreateImageOptionsBuilder::default().from_image(name);
    // Without a tag the engine would pull all of them.
    let tagged = name.contains('@') || name.rsplit('/').next().is_some_and(|n| n.contains(':'));
    let options = if tagged { options } else { options.tag("latest") };
    let mut pull = docker.create_image(Some(options.build()), None, None);
    let finished = async {
        while let Some(step) = pull.next().await {
            step.map_err(|error| of_pull(error, name))?;
        }
        Ok(())
    };
    match timeout(PULL_LIMIT, finished).await {
        Ok(result) => result,
        Err(_) => Err(Problem::Image(name.to_owned(), ImageProblem::TooSlow).into()),
    }
}
