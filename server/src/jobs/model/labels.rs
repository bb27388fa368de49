//! What work asks of its orchestrator. Pure.

use crate::orchestrators::Offer;

/// What ready work is told that asks for these labels; None: somebody may take it.
pub fn unmet(asked: &[String], offers: &[Offer]) -> Option<String> {
    let mut fit = offers
        .iter()
        .filter(|offer| asked.iter().all(|label| offer.labels.contains(label)))
        .peekable();
    let some = fit.peek().is_some();
    if fit.any(|offer| !offer.draining) {
        return None;
    }
    let (labels, them) = match asked.len() {
        1 => ("label", "it"),
        _ => ("labels", "them all"),
    };
    let why = if some {
        format!("whichever has {them} is draining")
    } else {
        format!("none that is connected has {them}")
    };
    Some(format!(
        "Waits for an orchestrator with the {labels} {}: {why}.",
        asked.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_says_what_it_asks_for_until_somebody_has_all_of_it() {
        let labels = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let offer = |text: &str, draining| Offer {
            labels: labels(text),
            draining,
        };
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
}
