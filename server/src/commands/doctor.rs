//! `cronium doctor`: what is there and what is missing.

use std::process::ExitCode;
use std::time::Duration;

use crate::config::Config;
use crate::kernel::Result;
use crate::postgres::Programs;
use crate::supervise::Orchestrator;

/// Prints one line for each thing that is needed; fails when one is missing.
pub async fn doctor(config: &Config) -> Result<ExitCode> {
    let mut lines: Vec<(bool, &str, String)> = Vec::new();
    for problem in config.problems() {
        lines.push((false, "configuration", problem));
    }
    lines.push(
        match (
            &config.database_url,
            Programs::find(config.postgres_bin.as_deref()),
        ) {
            (Some(_), _) => (true, "database", "given by DATABASE_URL".into()),
            (None, Ok(programs)) => (
                true,
                "database",
                format!("private, {}", programs.directory.display()),
            ),
            (None, Err(problem)) => (false, "database", problem.private_text()),
        },
    );
    for (what, path, name) in [
        ("orchestrator", &config.orchestrator, "cronium-orchestrator"),
        ("runner", &config.runner, "cronium-runner"),
    ] {
        lines.push(match Orchestrator::locate(path.clone(), name) {
            Ok(found) => (true, what, found.display().to_string()),
            Err(problem) => (false, what, problem.private_text()),
        });
    }
    let index = config.web_dir.join("index.html");
    lines.push(if index.is_file() {
        (true, "dashboard", config.web_dir.display().to_string())
    } else {
        (
            false,
            "dashboard",
            format!("{} is missing: run scripts/web-build.sh", index.display()),
        )
    });
    lines.push(
        docker(
            &["info", "--format", "{{.ServerVersion}}"],
            "docker",
            "start the Docker engine",
        )
        .await,
    );
    let inspect = ["image", "inspect", "--format", "{{.Id}}", &config.exec_image];
    lines.push(docker(&inspect, "execution image", "run scripts/image.sh").await);
    let nft = [
        "run",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        "/usr/sbin/nft",
        &config.exec_image,
        "--version",
    ];
    let advice = "jobs with a network need nft in the execution image: run scripts/image.sh";
    lines.push(docker(&nft, "job networks", advice).await);
    let fine = lines.iter().all(|(ok, ..)| *ok);
    for (ok, what, text) in lines {
        println!("{} {what:<16} {text}", if ok { "ok     " } else { "MISSING" });
    }
    Ok(if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn docker<'a>(arguments: &[&str], what: &'a str, advice: &str) -> (bool, &'a str, String) {
    let mut command = tokio::process::Command::new("docker");
    let output = command.args(arguments).kill_on_drop(true).output();
    match tokio::time::timeout(Duration::from_secs(5), output).await {
        Ok(Ok(done)) if done.status.success() => (
            true,
            what,
            String::from_utf8_lossy(&done.stdout).trim().to_owned(),
        ),
        Ok(Ok(done)) => {
            let said = String::from_utf8_lossy(&done.stderr);
            (
                false,
                what,
                format!("{} ({advice})", said.lines().next().unwrap_or_default().trim()),
            )
        }
        Ok(Err(problem)) => (
            false,
            what,
            format!("the docker program does not run: {problem} ({advice})"),
        ),
        Err(_) => (false, what, format!("no answer within 5 s ({advice})")),
    }
}
