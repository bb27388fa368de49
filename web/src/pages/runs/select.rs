//! Which rows of a list are chosen, and how clicks and keys change that. Pure.

use std::collections::BTreeSet;

/// The chosen rows by their ids, and where the next range begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    chosen: BTreeSet<String>,
    anchor: Option<String>,
}

impl Selection {
    pub fn has(&self, id: &str) -> bool {
        self.chosen.contains(id)
    }

    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    pub fn ids(&self) -> &BTreeSet<String> {
        &self.chosen
    }

    /// Chooses one row, or takes it out. The next range begins here.
    pub fn set(&mut self, id: &str, on: bool) {
        if on {
            self.chosen.insert(id.to_owned());
        } else {
            self.chosen.remove(id);
        }
        self.anchor = Some(id.to_owned());
    }

    /// The same with all rows between the last choice and this one, in the order of the list. Where the last choice is
    /// no longer in the list it is this row alone.
    pub fn reach(&mut self, order: &[String], id: &str, on: bool) {
        let place = |wanted: &str| order.iter().position(|one| one == wanted);
        let from = self.anchor.as_deref().and_then(place);
        let (Some(from), Some(to)) = (from, place(id)) else {
            self.set(id, on);
            return;
        };
        for one in &order[from.min(to)..=from.max(to)] {
            self.set(one, on);
        }
        self.anchor = Some(id.to_owned());
    }

    /// Chooses every row of the list, or none at all.
    pub fn all(&mut self, order: &[String], on: bool) {
        self.clear();
        if on {
            self.chosen.extend(order.iter().cloned());
        }
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Leaves only those chosen that are among these.
    pub fn keep(&mut self, ids: &[String]) {
        self.chosen.retain(|id| ids.contains(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Vec<String> {
        ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec()
    }

    fn chosen(selection: &Selection) -> Vec<&str> {
        selection.ids().iter().map(String::as_str).collect()
    }

    #[test]
    fn a_range_goes_from_the_last_choice_in_either_direction() {
        let mut one = Selection::default();
        one.set("b", true);
        one.reach(&order(), "d", true);
        assert_eq!(chosen(&one), ["b", "c", "d"]);
        one.reach(&order(), "a", true);
        assert_eq!(chosen(&one), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_range_can_be_taken_out() {
        let mut one = Selection::default();
        one.all(&order(), true);
        one.set("b", false);
        one.reach(&order(), "d", false);
        assert_eq!(chosen(&one), ["a", "e"]);
    }

    #[test]
    fn a_range_without_a_beginning_is_its_end() {
        let mut one = Selection::default();
        one.reach(&order(), "c", true);
        assert_eq!(chosen(&one), ["c"]);
        // What the last choice was has left the list meanwhile.
        one.set("gone", true);
        one.reach(&order(), "e", true);
        assert_eq!(chosen(&one), ["c", "e", "gone"]);
    }

    #[test]
    fn rows_that_come_between_are_in_the_range_and_those_before_are_not() {
        let mut one = Selection::default();
        one.set("b", true);
        let mut grown = order();
        grown.insert(0, "new".to_owned());
        grown.insert(3, "between".to_owned());
        one.reach(&grown, "c", true);
        assert_eq!(chosen(&one), ["b", "between", "c"]);
    }

    #[test]
    fn all_and_none_forget_what_was() {
        let mut one = Selection::default();
        one.set("elsewhere", true);
        one.all(&order(), true);
        assert_eq!(chosen(&one).len(), 5);
        one.all(&order(), false);
        assert!(one.is_empty());
        one.reach(&order(), "c", true);
        assert_eq!(
            chosen(&one),
            ["c"],
            "no range begins where nothing was chosen since"
        );
    }

    #[test]
    fn those_that_were_refused_stay_chosen() {
        let mut one = Selection::default();
        one.all(&order(), true);
        one.keep(&["d".to_owned(), "x".to_owned()]);
        assert_eq!(chosen(&one), ["d"]);
        assert!(one.has("d") && !one.has("a"));
    }
}
