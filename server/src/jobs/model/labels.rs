//! What work asks of its orchestrator. Pure.

use crate::orchestrators::Offer;

/// What work on servers asks for beside the labels of its event: an orchestrator that reaches servers. No label has an
/// `@`, so nobody can give it, and it is shown nowhere.
pub const SSH: &str = "@ssh";

/// Labels and, where it is about servers, the one for them, sorted: what work asks for, and what is offered to it.
pub fn with_servers(mut labels: Vec<String>, servers: bool) -> Vec<String> {
    if servers {
        labels.push(SSH.to_owned());
        labels.sort_unstable();
    }
    labels
}

/// What ready work is told that asks for these labels; None: somebody may take it.
pub fn unmet(asked: &[String], offers: &[Offer]) -> Option<String> {
    let has = |offer: &Offer, label: &String| match label.as_str() {
        SSH => offer.ssh,
        _ => offer.labels.contains(label),
    };
    let mut fit = offers
        .iter()
        .filter(|offer| asked.iter().all(|label| has(offer, label)))
        .peekable();
    let some = fit.peek().is_some();
    if fit.any(|offer| !offer.draining) {
        return None;
    }
    let labels: Vec<&str> = asked.iter().map(String::as_str).filter(|l| *l != SSH).collect();
    let on_servers = labels.len() < asked.len();
    let (with, has_them) = match labels.len() {
        0 => (String::new(), "does"),
        1 => (format!(" with the label {}", labels[0]), "has it"),
        _ => (format!(" with the labels {}", labels.join(", ")), "has them all"),
    };
    let (reaches, fits) = if on_servers {
        (" that reaches servers", "does")
    } else {
        ("", has_them)
    };
    let why = if some {
        format!("whichever {fits} is draining")
    } else {
        format!("none that is connected {fits}")
    };
    Some(format!("Waits for an orchestrator{with}{reaches}: {why}."))
}

#[cfg(test)]
mod tests {
    use cronium_protocol::agent::is_label;

    use super::*;

    fn labels(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn offer(text: &str, draining: bool) -> Offer {
        Offer {
            labels: labels(text),
            draining,
            ssh: false,
        }
    }

    #[test]
    fn work_says_what_it_asks_for_until_somebody_has_all_of_it() {
        let asked = labels("gpu region=eu-1");
        let none = "Waits for an orchestrator with the labels gpu, region=eu-1: none that is connected has them all.";
        assert_eq!(unmet(&asked, &[]).as_deref(), Some(none));
        let halves = [offer("gpu", false), offer("region=eu-1", false)];
        assert_eq!(unmet(&asked, &halves).as_deref(), Some(none));
        let draining = [offer("ssd region=eu-1 gpu", true)];
        let said =
            "Waits for an orchestrator with the labels gpu, region=eu-1: whichever has them all is draining.";
        assert_eq!(unmet(&asked, &draining).as_deref(), Some(said));
        let one = "Waits for an orchestrator with the label gpu: none that is connected has it.";
        assert_eq!(unmet(&labels("gpu"), &[]).as_deref(), Some(one));
        let both = [offer("gpu region=eu-1", true), offer("region=eu-1 gpu", false)];
        assert_eq!(unmet(&asked, &both), None);
    }

    #[test]
    fn work_on_servers_asks_for_more_and_says_it_in_words() {
        assert!(!is_label(SSH));
        assert_eq!(with_servers(labels("gpu"), false), ["gpu"]);
        // As lanes want them: by bytes.
        assert_eq!(with_servers(labels("0 gpu"), true), ["0", SSH, "gpu"]);
        let plain = with_servers(Vec::new(), true);
        let none = "Waits for an orchestrator that reaches servers: none that is connected does.";
        assert_eq!(unmet(&plain, &[offer("gpu", false)]).as_deref(), Some(none));
        let gpu = with_servers(labels("gpu"), true);
        let reaching = |text: &str, draining| Offer {
            ssh: true,
            ..offer(text, draining)
        };
        let halves = [reaching("", false), offer("gpu", false)];
        let none =
            "Waits for an orchestrator with the label gpu that reaches servers: none that is connected does.";
        assert_eq!(unmet(&gpu, &halves).as_deref(), Some(none));
        let draining = [reaching("gpu", true)];
        let said =
            "Waits for an orchestrator with the label gpu that reaches servers: whichever does is draining.";
        assert_eq!(unmet(&gpu, &draining).as_deref(), Some(said));
        assert_eq!(unmet(&gpu, &[reaching("ssd gpu", false)]), None);
    }
}
