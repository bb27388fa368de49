//! The benchmarks: one file a case, each running the floor and ours in turn. Results go to JSON files; the
//! report is made of those. Measures; never judges a change: nothing here fails on a time.

mod case_01_first_line;
mod case_02_warm;
mod case_03_jobs;
mod case_04_enqueue;
mod case_05_containers;
mod case_07_log_lines;
mod case_08_fan_out;
mod case_09_queries;
mod case_11_servers;
mod case_12_idle;
mod case_13_growth;
mod containers;
mod fan_out_server;
mod growth_fill;
mod host;
mod load;
mod machine;
mod measure;
mod noop;
mod product;
mod queries_floor;
mod queries_nested;
mod report;
mod result;
// The tests' own: the same sshd is measured as is tested.
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do, and there are more of them than are needed here"
)]
#[path = "../../orchestrator/tests/it/sshd.rs"]
mod sshd;
mod subscribers;
mod usage;
mod wire;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// The server's, for the floors as well.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever went wrong: a benchmark that can't run says so and ends.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T> = Result<T, Failure>;

/// The server's own error, which keeps its text from whoever does not ask for it.
fn told(error: cronium_server::kernel::Error) -> Failure {
    error.private_text().into()
}

/// What the cases are told by `scripts/bench.sh`, all of it from the environment.
#[derive(Debug)]
struct Setting {
    /// Postgres for the cases that run the services in this process; fsync is on.
    database_url: String,
    /// Folder of the release binaries.
    bin: PathBuf,
    runner: PathBuf,
    web: PathBuf,
    /// The hello world that the dashboard is compared with, built by the same script.
    hello: PathBuf,
    node: PathBuf,
    root: PathBuf,
    out: PathBuf,
}

impl Setting {
    fn read() -> Outcome<Self> {
        let var = |name: &str| {
            std::env::var(name).map_err(|_| format!("{name} is not set: run scripts/bench.sh instead"))
        };
        Ok(Self {
            database_url: var("CRONIUM_TEST_DATABASE_URL")?,
            bin: var("CRONIUM_BENCH_BIN")?.into(),
            runner: var("CRONIUM_RUNNER")?.into(),
            web: var("CRONIUM_WEB_DIR")?.into(),
            hello: var("CRONIUM_BENCH_HELLO")?.into(),
            node: var("CRONIUM_BENCH_NODE")?.into(),
            root: var("CRONIUM_BENCH_ROOT")?.into(),
            out: var("CRONIUM_BENCH_OUT")?.into(),
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    // The product logs at this level: what a line costs to make is part of what is measured.
    tracing_subscriber::fmt()
        .with_writer(std::io::sink)
        .with_env_filter("info,sqlx=warn,sea_orm=warn,sea_orm_migration=warn")
        .init();
    match Box::pin(run()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("bench: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the cases whose numbers were given, or all; then writes the report.
async fn run() -> Outcome<()> {
    let setting = Setting::read()?;
    if let Some(kind) = fan_out_server::Kind::told() {
        return Box::pin(fan_out_server::serve(&setting, kind)).await;
    }
    // Cargo passes `--bench` along.
    let wanted: Vec<u32> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    std::fs::create_dir_all(&setting.out)?;
    for number in [1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13] {
        if !wanted.is_empty() && !wanted.contains(&number) {
            continue;
        }
        let begun = Instant::now();
        println!("==> case {number}");
        let case = match number {
            1 => case_01_first_line::run(&setting).await,
            2 => Box::pin(case_02_warm::run(&setting)).await,
            3 => Box::pin(case_03_jobs::run(&setting)).await,
            4 => Box::pin(case_04_enqueue::run(&setting)).await,
            5 => case_05_containers::run(&setting).await,
            7 => case_07_log_lines::run(&setting).await,
            8 => Box::pin(case_08_fan_out::run(&setting)).await,
            9 => Box::pin(case_09_queries::run(&setting)).await,
            11 => Box::pin(case_11_servers::run(&setting)).await,
            12 => case_12_idle::run(&setting).await,
            _ => Box::pin(case_13_growth::run(&setting)).await,
        };
        let case = case.map_err(|e| format!("case {number}: {e}"))?;
        for row in &case.rows {
            println!("    {}", row.line());
        }
        println!("    ({:.0} s)", begun.elapsed().as_secs_f64());
        case.save(&setting)?;
    }
    report::write(&setting).await
}
