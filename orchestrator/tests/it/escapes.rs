//! Ways out of a container, one test each: every one is tried by user code and leads nowhere.

use std::process::Command;

use cronium_protocol::agent::{OutcomeKind, ServerToAgent};
use cronium_protocol::manifest::Language;
use uuid::Uuid;

use crate::machine::docker;
use crate::world::{World, bash, script};

/// Runs it to its end; what it printed.
async fn said(world: &World, text: &str) -> String {
    let id = world.assign(bash(text));
    world.agent.succeeds(id).await;
    world.agent.text(id)
}

/// Starts something that goes on; its execution and container.
async fn going(world: &World, text: &str) -> (Uuid, String) {
    let assignment = world.assignment(bash(&format!("{text}\necho up; sleep 600")));
    let claim = assignment.claim;
    world.agent.assign(assignment);
    world.agent.line(claim.execution_id, "up").await;
    (
        claim.execution_id,
        format!("cronium-{}-{}", claim.execution_id, claim.epoch),
    )
}

#[tokio::test]
async fn nothing_is_written_outside_of_the_work_directory() {
    let world = World::new().await;
    let tried = "
        for place in / /etc /usr/bin /usr/lib /cronium /var /root /home /opt /sys /proc/sys/kernel /sys/fs/cgroup /boot; do
          touch $place/mine 2>/dev/null && echo wrote $place
        done
        echo x 2>/dev/null > /cronium/runner && echo replaced the runner
        echo x 2>/dev/null > /etc/passwd && echo wrote passwd
        echo 1 2>/dev/null > /proc/sys/kernel/panic && echo wrote a setting of the kernel
        mount -o remount,rw / 2>/dev/null && echo remounted
        mount -t tmpfs none /mnt 2>/dev/null && echo mounted
        unshare -Ur true 2>/dev/null && echo became root of a namespace
        mknod /work/disk b 8 0 2>/dev/null && echo made a device
        chroot / true 2>/dev/null && echo changed the root
        ln -s /etc/passwd /work/link && echo x 2>/dev/null >> /work/link && echo wrote through a link
        cp /bin/bash /work/bash && chmod u+s /work/bash && /work/bash -p -c 'test $(id -u) = 0' && echo became root
        mkdir /work/mine /tmp/mine && echo work";
    assert_eq!(said(&world, tried).await, "work");
    let runner = "sha256sum /cronium/runner | cut -c1-64";
    let shipped = std::fs::read(std::env::var("CRONIUM_TEST_RUNNER").unwrap()).unwrap();
    let expected: String = cronium_protocol::manifest::sha256(&shipped)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(said(&world, runner).await, expected);
}

#[tokio::test]
async fn another_jobs_files_and_processes_are_not_seen() {
    let world = World::with(|config| config.ahead = Some(2)).await;
    let hide =
        "echo treasure > /work/treasure; echo treasure > /tmp/treasure; echo treasure > /dev/shm/treasure;
                TREASURE=treasure sleep 98765 &";
    going(&world, hide).await;
    let look = "ls /work /tmp /dev/shm | grep treasure
        cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep '^98765$'
        cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep '^TREASURE='
        (cd /proc/1/root && ls work) 2>/dev/null | grep treasure
        find / -xdev -name 'treasure' 2>/dev/null
        echo looked";
    for _ in 0..2 {
        let id = world.assign(bash(look));
        world.agent.succeeds(id).await;
        assert_eq!(world.agent.text(id), "looked");
    }
    let neighbour = world.assign(bash("for i in 1 2 3 4; do sleep 0.4; echo $i; done"));
    world.agent.line(neighbour, "1").await;
    let killer = world.assign(bash("kill -9 -1; echo still here"));
    let outcome = world.agent.outcome(killer).await;
    assert!(
        matches!(outcome.kind, OutcomeKind::Succeeded | OutcomeKind::Failed),
        "{outcome:?}"
    );
    world.agent.succeeds(neighbour).await;
    assert_eq!(world.agent.text(neighbour), "1\n2\n3\n4");
}

#[tokio::test]
async fn the_engine_is_out_of_reach() {
    let world = World::new().await;
    let text = "
import os, socket
found = [os.path.join(at, name) for at, _, names in os.walk('/') if not at.startswith(('/proc', '/sys'))
         for name in names if 'docker' in name or 'containerd' in name]
found = [path for path in found if path.startswith(('/var', '/run', '/tmp'))]
print('files', found)
for path in ['/var/run/docker.sock', '/run/docker.sock', '/run/containerd/containerd.sock']:
    try:
        socket.socket(socket.AF_UNIX).connect(path)
        print('connected to', path)
    except OSError:
        pass
# Names without a file are of the network namespace: whoever shares it could connect.
names = [line.split()[-1] for line in open('/proc/net/unix').readlines()[1:] if '@' in line]
print('names', names)
for port in [2375, 2376]:
    try:
        socket.create_connection(('127.0.0.1', port), 1)
        print('connected to', port)
    except OSError:
        pass
";
    let id = world.assign(script(Language::Python, text));
    world.agent.succeeds(id).await;
    assert_eq!(world.agent.text(id), "files []\nnames []");
}

#[tokio::test]
async fn a_disk_that_is_filled_is_only_the_jobs_own() {
    let world = World::new().await;
    let mut greedy = bash(
        "dd if=/dev/zero of=/tmp/full bs=1M count=4096 2>&1 | grep -o 'No space left'
         dd if=/dev/zero of=/work/full bs=1M count=4096 2>&1 | grep -o 'No space left'
         stat -c %s /tmp/full /work/full",
    );
    greedy.container.memory_bytes = 1 << 30;
    let id = world.assign(greedy);
    world.agent.succeeds(id).await;
    let text = world.agent.text(id);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["No space left", "No space left"], "{text}");
    // Half a gigabyte at most for its files, an eighth for what is temporary.
    let sizes: Vec<u64> = lines[2..].iter().map(|size| size.parse().unwrap()).collect();
    assert!(sizes[0] <= 128 << 20 && sizes[1] <= 512 << 20, "{sizes:?}");
    // The one after it has all of its own.
    assert_eq!(
        said(
            &world,
            "dd if=/dev/zero of=/work/some bs=1M count=20 2>/dev/null && echo enough"
        )
        .await,
        "enough"
    );
}

#[tokio::test]
async fn memory_beyond_the_limit_ends_only_its_own_job() {
    let world = World::new().await;
    let neighbour = world.assign(bash("for i in 1 2 3 4; do sleep 0.5; echo $i; done"));
    world.agent.line(neighbour, "1").await;
    let mut hog = script(
        Language::Python,
        "x = []\nwhile True: x.append(bytearray(8 << 20))",
    );
    hog.container.memory_bytes = 96 << 20;
    let hog = world.assign(hog);
    let outcome = world.agent.outcome(hog).await;
    assert_eq!(
        outcome.reason.as_deref(),
        Some("killed: out of memory (limit 96 MiB)")
    );
    world.agent.succeeds(neighbour).await;
}

#[tokio::test]
async fn secrets_are_not_in_what_the_host_shows_of_a_container() {
    const SECRET: &str = "s3cr3t-0f-th3-t3st";
    let world = World::new().await;
    let mut assignment = world.assignment(bash("echo ${#TOKEN}; echo up; sleep 600"));
    world.change(&mut assignment, |manifest| {
        manifest.env.insert("TOKEN".into(), SECRET.into());
    });
    let claim = assignment.claim;
    world.agent.assign(assignment);
    world.agent.line(claim.execution_id, "up").await;
    assert_eq!(
        world.agent.text(claim.execution_id),
        format!("{}\nup", SECRET.len())
    );
    let name = format!("cronium-{}-{}", claim.execution_id, claim.epoch);
    let volumes = docker(&["volume", "ls", "-q"]);
    let mut shown = vec![
        docker(&["inspect", &name]),
        docker(&["ps", "-a", "--no-trunc"]),
        docker(&["top", &name]),
        docker(&["history", "--no-trunc", &crate::machine::image()]),
        docker(&["diff", &name]),
        volumes.clone(),
    ];
    let processes = Command::new("ps").args(["-ef", "-ww"]).output().unwrap();
    shown.push(String::from_utf8_lossy(&processes.stdout).into_owned());
    // Seen from here, so that an empty page is not taken for a clean one.
    assert!(
        shown[1].contains(&name) && shown[6].contains("sleep 600"),
        "{shown:?}"
    );
    for page in &shown {
        assert!(!page.contains(SECRET), "{page}");
    }
    let image = docker(&["commit", &name]);
    let saved = Command::new("sh")
        .args([
            "-c",
            "docker save \"$0\" | tr -d '\\0' | grep -c -a \"$1\"",
            &image,
            SECRET,
        ])
        .output()
        .unwrap();
    docker(&["rmi", "-f", &image]);
    assert_eq!(String::from_utf8_lossy(&saved.stdout).trim(), "0", "{saved:?}");
    world.agent.tell(ServerToAgent::Cancel { claim });
    world.agent.outcome(claim.execution_id).await;
}
