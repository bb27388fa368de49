//! The servers that a script is to run on, as they are chosen. Pure.

use serde::{Deserialize, Serialize};

use super::{Fault, Problem};

/// So many at most.
pub const MOST: usize = 100;

/// A server that was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Chosen {
    pub id: String,
    pub name: String,
    /// Who signs in where; empty for one that is gone, or not for these eyes.
    pub place: String,
}

/// The servers as typed. What was chosen stays while the script is to run in a container, and is no part of the event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OnServers {
    /// Whether it runs on them.
    pub on: bool,
    /// In the order in which they begin.
    pub chosen: Vec<Chosen>,
    pub max_parallel: String,
}

/// The servers, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedServers {
    pub ids: Vec<String>,
    pub max_parallel: Option<i32>,
}

impl OnServers {
    pub fn has(&self, id: &str) -> bool {
        self.chosen.iter().any(|one| one.id == id)
    }

    /// Whether no other has room.
    pub fn is_full(&self) -> bool {
        self.chosen.len() >= MOST
    }

    /// Puts a server at the end, once.
    pub fn add(&mut self, one: Chosen) {
        if !self.has(&one.id) && !self.is_full() {
            self.chosen.push(one);
        }
    }

    pub fn remove(&mut self, id: &str) {
        self.chosen.retain(|one| one.id != id);
    }

    /// Reads it; what is wrong is noted at the path of its field.
    pub fn check(&self, problems: &mut Vec<Problem>) -> CheckedServers {
        if self.chosen.is_empty() {
            problems.push(("target.servers.servers".to_owned(), Fault::Required));
        }
        let most = self.max_parallel.trim();
        let max_parallel = most.parse::<i32>().ok();
        if max_parallel.is_none() && !most.is_empty() {
            problems.push(("target.servers.maxParallel".to_owned(), Fault::NotWhole));
        }
        CheckedServers {
            ids: self.chosen.iter().map(|one| one.id.clone()).collect(),
            max_parallel,
        }
    }

    /// What is part of the event: which they are, not what they are called.
    pub fn plain(&self) -> Self {
        if !self.on {
            return Self::default();
        }
        let only_id = |one: &Chosen| Chosen {
            id: one.id.clone(),
            ..Chosen::default()
        };
        Self {
            on: true,
            chosen: self.chosen.iter().map(only_id).collect(),
            max_parallel: self.max_parallel.trim().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(id: &str) -> Chosen {
        Chosen {
            id: id.to_owned(),
            name: format!("server {id}"),
            place: String::new(),
        }
    }

    fn on(ids: &[&str], most: &str) -> OnServers {
        OnServers {
            on: true,
            chosen: ids.iter().map(|id| one(id)).collect(),
            max_parallel: most.to_owned(),
        }
    }

    fn ids(servers: &OnServers) -> Vec<&str> {
        servers.chosen.iter().map(|one| one.id.as_str()).collect()
    }

    #[test]
    fn servers_stand_once_in_the_order_in_which_they_were_chosen() {
        let mut servers = on(&["b"], "");
        for id in ["a", "b", "c"] {
            servers.add(one(id));
        }
        assert_eq!(ids(&servers), ["b", "a", "c"]);
        servers.remove("b");
        servers.add(one("b"));
        assert_eq!(ids(&servers), ["a", "c", "b"]);
    }

    #[test]
    fn there_is_room_for_a_hundred() {
        let mut servers = OnServers::default();
        for number in 0..MOST + 5 {
            servers.add(one(&number.to_string()));
        }
        assert_eq!(servers.chosen.len(), MOST);
        assert!(servers.is_full());
    }

    #[test]
    fn at_least_one_is_needed_and_so_many_at_a_time_is_a_whole_number() {
        let mut problems = Vec::new();
        on(&[], "some").check(&mut problems);
        assert_eq!(
            problems,
            [
                ("target.servers.servers".to_owned(), Fault::Required),
                ("target.servers.maxParallel".to_owned(), Fault::NotWhole)
            ]
        );
        problems.clear();
        let checked = on(&["a"], " 2 ").check(&mut problems);
        assert_eq!((problems.len(), checked.max_parallel), (0, Some(2)));
        assert_eq!(on(&["a"], " ").check(&mut problems).max_parallel, None);
    }

    #[test]
    fn another_name_of_a_server_changes_nothing() {
        let mut renamed = on(&["a"], "");
        renamed.chosen[0].name = "other".to_owned();
        assert_eq!(renamed.plain(), on(&["a"], " ").plain());
        renamed.on = false;
        assert_eq!(renamed.plain(), OnServers::default());
    }
}
