//! Turns what Docker says into problems that people can act on. Its own words go into the cause.

use std::error::Error as _;

use bollard::errors::Error as DockerError;

use crate::problem::{ExecutorError, ImageProblem, Problem};

impl From<DockerError> for ExecutorError {
    fn from(error: DockerError) -> Self {
        Self::new(problem(&error), in_full(&error))
    }
}

pub fn is_status(error: &DockerError, code: u16) -> bool {
    matches!(error, DockerError::DockerResponseServerError { status_code, .. } if *status_code == code)
}

fn problem(error: &DockerError) -> Problem {
    match error {
        DockerError::DockerResponseServerError { message, .. } => of_words(message),
        DockerError::DockerStreamError { error } => of_words(error),
        DockerError::IOError { .. }
        | DockerError::HyperLegacyError { .. }
        | DockerError::HyperResponseError { .. }
        | DockerError::HttpClientError { .. }
        | DockerError::RequestTimeoutError
        | DockerError::SocketNotFoundError(_) => Problem::Unreachable,
        _ => Problem::Refused,
    }
}

/// Docker tells these apart by its words only.
fn of_words(message: &str) -> Problem {
    let said = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["no space left on device", "disk quota exceeded"]) {
        Problem::OutOfDisk
    } else if has(&["address pool"]) {
        Problem::OutOfNetworks
    } else {
        Problem::Refused
    }
}

/// Why a pull failed.
pub fn of_pull(error: DockerError, image: &str) -> ExecutorError {
    let error = ExecutorError::from(error);
    if *error.problem() != Problem::Refused {
        return error;
    }
    let why = image_problem(error.cause().unwrap_or_default());
    error.seen_as(Problem::Image(image.to_owned(), why))
}

fn image_problem(message: &str) -> ImageProblem {
    let said = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["invalid reference format", "invalid repository name"]) {
        ImageProblem::BadName
    } else if has(&["toomanyrequests", "too many requests", "rate limit"]) {
        ImageProblem::TooManyPulls
    } else if has(&["no matching manifest"]) {
        ImageProblem::OtherPlatform
    } else if has(&[
        "denied",
        "unauthorized",
        "authentication required",
        "no basic auth",
    ]) {
        ImageProblem::Denied
    } else if has(&[
        "no such host",
        "connection refused",
        "connection reset",
        "timeout",
        "deadline exceeded",
        "unreachable",
        "no route to host",
        "server misbehaving",
        "certificate",
        "eof",
        "http response to https",
        "awaiting headers",
    ]) {
        ImageProblem::RegistryUnreachable
    } else if has(&["manifest unknown", "not found", "name unknown", "does not exist"]) {
        ImageProblem::Unknown
    } else {
        ImageProblem::Other
    }
}

/// The error with all that led to it.
fn in_full(error: &DockerError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: &str) -> DockerError {
        DockerError::DockerResponseServerError {
            status_code: 500,
            message: message.into(),
        }
    }

    #[test]
    fn what_docker_says_becomes_something_to_do() {
        for (message, wanted) in [
            (
                "mkdir /var/lib/docker/overlay2/4f: no space left on device",
                Problem::OutOfDisk,
            ),
            (
                "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
                Problem::OutOfNetworks,
            ),
            (
                "all predefined address pools have been fully subnetted",
                Problem::OutOfNetworks,
            ),
            ("Minimum memory limit allowed is 6MB", Problem::Refused),
        ] {
            let error = ExecutorError::from(said(message));
            assert_eq!(*error.problem(), wanted, "{message}");
            assert!(!error.to_string().contains(message), "{error}");
            assert!(error.cause().unwrap().contains(message));
        }
        let gone = DockerError::IOError {
            err: std::io::ErrorKind::ConnectionRefused.into(),
        };
        assert_eq!(*ExecutorError::from(gone).problem(), Problem::Unreachable);
    }

    #[test]
    fn a_failed_pull_says_whose_turn_it_is() {
        for (message, wanted) in [
            (
                "manifest for python:0.1 not found: manifest unknown: manifest unknown",
                ImageProblem::Unknown,
            ),
            (
                "pull access denied for nobody/nothing, repository does not exist or may require 'docker login'",
                ImageProblem::Denied,
            ),
            (
                "Get \"https://localhost:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
                ImageProblem::RegistryUnreachable,
            ),
            (
                "Get \"https://registry.example/v2/\": dial tcp: lookup registry.example: no such host",
                ImageProblem::RegistryUnreachable,
            ),
            (
                "toomanyrequests: You have reached your pull rate limit.",
                ImageProblem::TooManyPulls,
            ),
            (
                "no matching manifest for linux/amd64 in the manifest list entries",
                ImageProblem::OtherPlatform,
            ),
            ("invalid reference format", ImageProblem::BadName),
            ("layers from manifest don't match", ImageProblem::Other),
        ] {
            let error = of_pull(said(message), "some/image:1");
            assert_eq!(*error.problem(), Problem::Image("some/image:1".into(), wanted));
            assert!(!error.to_string().contains(message), "{error}");
        }
        let full = of_pull(said("write /layer: no space left on device"), "some/image:1");
        assert_eq!(*full.problem(), Problem::OutOfDisk);
    }
}
