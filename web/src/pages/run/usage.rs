//! What attempts took of the machine: processor time in sum, memory at its most.

use std::time::Duration;

use super::data::Execution;
use crate::api::IsoDuration;
use crate::ui::{duration, number};

/// What is known of it; None where no attempt said anything.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    pub cpu: Option<Duration>,
    pub memory: Option<f64>,
}

/// The usage of these attempts together.
pub fn usage<'a>(executions: impl IntoIterator<Item = &'a Execution>) -> Usage {
    let mut sum = Usage::default();
    for one in executions {
        if let Some(cpu) = one.cpu_time.as_ref().and_then(IsoDuration::get) {
            sum.cpu = Some(sum.cpu.unwrap_or_default() + cpu);
        }
        if let Some(memory) = one.peak_memory_bytes {
            sum.memory = Some(sum.memory.unwrap_or_default().max(memory));
        }
    }
    sum
}

/// Processor time as text; short ones to the hundredth.
pub fn cpu_text(cpu: Option<Duration>) -> String {
    cpu.map_or("—".to_owned(), |time| {
        if time.as_secs() < 60 {
            format!("{} s", number(time.as_secs_f64(), 2))
        } else {
            duration(time)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::run::data::tests::execution;
    use crate::ui::JobStatus;

    #[test]
    fn time_adds_up_and_memory_does_not() {
        let attempt = |number, cpu: &str, memory| Execution {
            cpu_time: Some(IsoDuration(cpu.to_owned())),
            peak_memory_bytes: Some(memory),
            ..execution(number, JobStatus::Failed)
        };
        let all = [
            attempt(1, "PT1.5S", 3e6),
            attempt(2, "PT2S", 7e6),
            execution(3, JobStatus::Queued),
            attempt(4, "PT0.25S", 5e6),
        ];
        let expected = Usage {
            cpu: Some(Duration::from_millis(3_750)),
            memory: Some(7e6),
        };
        assert_eq!(usage(&all), expected);
        assert_eq!(usage(&[execution(1, JobStatus::Queued)]), Usage::default());
    }
}
