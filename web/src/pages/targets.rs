//! Where an event's scripts run, as far as pages that show or start it need to know. Knows no page.

use crate::api::schema;
use crate::i18n::tn;

/// Where a version runs.
#[derive(cynic::InlineFragments, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "TargetConfig")]
pub enum Target {
    Container(Container),
    Servers(OnServers),
    /// What only a newer server knows.
    #[cynic(fallback)]
    Other,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "ContainerTarget")]
pub struct Container {
    pub image: Option<String>,
    pub memory_bytes: f64,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "ServerTarget")]
pub struct OnServers {
    pub servers: Vec<ServerName>,
}

/// A server as it was called when it was chosen.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "ServerReference")]
pub struct ServerName {
    pub id: cynic::Id,
    pub name: String,
}

impl Target {
    /// The servers, in their order; none for what runs elsewhere.
    pub fn servers(&self) -> &[ServerName] {
        match self {
            Self::Servers(target) => &target.servers,
            Self::Container(_) | Self::Other => &[],
        }
    }

    /// The image that was asked for.
    pub fn image(&self) -> Option<&str> {
        match self {
            Self::Container(container) => container.image.as_deref(),
            Self::Servers(_) | Self::Other => None,
        }
    }

    /// The memory that there is, in bytes; None where nobody limits it.
    pub fn memory(&self) -> Option<f64> {
        match self {
            Self::Container(container) => Some(container.memory_bytes),
            Self::Servers(_) | Self::Other => None,
        }
    }
}

/// One server by its name, several by their number.
pub fn servers_words<'a>(mut names: impl ExactSizeIterator<Item = &'a str>) -> Option<String> {
    match names.len() {
        0 => None,
        1 => names.next().map(str::to_owned),
        count => Some(tn("targets.servers", count as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(names: &[&str]) -> Target {
        let server = |name: &&str| ServerName {
            id: (*name).into(),
            name: (*name).to_owned(),
        };
        Target::Servers(OnServers {
            servers: names.iter().map(server).collect(),
        })
    }

    #[test]
    fn one_server_is_named_and_none_has_no_words() {
        let words = |target: &Target| servers_words(target.servers().iter().map(|one| one.name.as_str()));
        assert_eq!(words(&on(&["web"])), Some("web".to_owned()));
        assert_eq!(words(&Target::Other), None);
    }

    #[test]
    fn only_a_container_has_an_image_and_a_limit_of_memory() {
        let container = Target::Container(Container {
            image: Some("alpine".to_owned()),
            memory_bytes: 5.0,
        });
        assert_eq!(
            (container.image(), container.memory()),
            (Some("alpine"), Some(5.0))
        );
        assert!(container.servers().is_empty());
        assert_eq!((on(&["web"]).image(), on(&["web"]).memory()), (None, None));
    }
}
