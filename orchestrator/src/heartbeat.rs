//! Sends figures of the host to the server every 5 s. It must not know executions, only their number.

use std::time::Duration;

use cronium_protocol::agent::{AgentToServer, HostReport};
use sysinfo::{Disks, System};
use tokio::time::{MissedTickBehavior, interval};

use crate::channel::Link;
use crate::registry::Registry;

const EVERY: Duration = Duration::from_secs(5);

/// Reports while there is a connection.
pub async fn drive(link: Link, registry: Registry) {
    let mut host = match System::new().and_then(|system| Ok((system, Disks::new()?))) {
        Ok((mut system, disks)) => {
            system.refresh_cpu_usage();
            Host { system, disks }
        }
        Err(error) => {
            tracing::warn!(%error, "this host gives no figures");
            return;
        }
    };
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(session) = link.session() else { continue };
        let report = match tokio::task::spawn_blocking(move || {
            let report = host.report();
            (host, report)
        })
        .await
        {
            Ok((kept, report)) => {
                host = kept;
                report
            }
            Err(error) => {
                tracing::warn!(%error, "host figures can't be read");
                return;
            }
        };
        // Figures that miss their connection are out of date at the next one.
        let running = registry.load().here as u32;
        let _ = session
            .send(AgentToServer::Heartbeat {
                host: report,
                running,
            })
            .await;
    }
}

struct Host {
    system: System,
    disks: Disks,
}

impl Host {
    fn report(&mut self) -> HostReport {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.disks.refresh(true);
        // Overlays and bind mounts show one device many times: the root's disk is what fills up.
        let root = self
            .disks
            .iter()
            .find(|disk| disk.mount_point() == std::path::Path::new("/"))
            .or_else(|| self.disks.iter().max_by_key(|disk| disk.total_space()));
        let (disk_total, disk_free) = root.map_or((0, 0), |d| (d.total_space(), d.available_space()));
        HostReport {
            cpu_percent: f64::from(self.system.global_cpu_usage()),
            memory_used: self.system.used_memory(),
            memory_total: self.system.total_memory(),
            disk_used: disk_total.saturating_sub(disk_free),
            disk_total,
            load_average: load_average(),
        }
    }
}

fn load_average() -> f64 {
    System::load_average().map_or(0.0, |load| load.one)
}
