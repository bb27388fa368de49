//! What the GraphQL API allows: the `CRONIUM_GRAPHQL_*` section.

use clap::Args;

use crate::transport::graphql::introspection::Introspection;
use crate::transport::graphql::limits::Limits;

use super::given::Given;

/// Limits of one request; docs/api.md says what each counts.
#[derive(Debug, Clone, Args)]
pub struct GraphqlConfig {
    /// Largest request, in bytes.
    #[arg(long = "graphql-max-body-bytes", env = "CRONIUM_GRAPHQL_MAX_BODY_BYTES",
          default_value_t = Given::of(Limits::DEFAULT.body as u64))]
    pub max_body_bytes: Given,

    /// Tokens of a document.
    #[arg(long = "graphql-max-tokens", env = "CRONIUM_GRAPHQL_MAX_TOKENS",
          default_value_t = Given::of(Limits::DEFAULT.tokens as u64))]
    pub max_tokens: Given,

    /// Fields within fields.
    #[arg(long = "graphql-max-depth", env = "CRONIUM_GRAPHQL_MAX_DEPTH",
          default_value_t = Given::of(Limits::DEFAULT.depth))]
    pub max_depth: Given,

    /// Aliases of a document.
    #[arg(long = "graphql-max-aliases", env = "CRONIUM_GRAPHQL_MAX_ALIASES",
          default_value_t = Given::of(Limits::DEFAULT.aliases))]
    pub max_aliases: Given,

    /// Fields at the top of an operation.
    #[arg(long = "graphql-max-root-fields", env = "CRONIUM_GRAPHQL_MAX_ROOT_FIELDS",
          default_value_t = Given::of(Limits::DEFAULT.root_fields))]
    pub max_root_fields: Given,

    /// Directives in one place.
    #[arg(long = "graphql-max-directives", env = "CRONIUM_GRAPHQL_MAX_DIRECTIVES",
          default_value_t = Given::of(Limits::DEFAULT.directives))]
    pub max_directives: Given,

    /// What an operation may cost.
    #[arg(long = "graphql-max-complexity", env = "CRONIUM_GRAPHQL_MAX_COMPLEXITY",
          default_value_t = Given::of(Limits::DEFAULT.complexity))]
    pub max_complexity: Given,

    /// Rows that an operation may ask for in all.
    #[arg(long = "graphql-max-nodes", env = "CRONIUM_GRAPHQL_MAX_NODES",
          default_value_t = Given::of(Limits::DEFAULT.nodes))]
    pub max_nodes: Given,

    /// Operations of one WebSocket at a time.
    #[arg(long = "graphql-max-socket-operations", env = "CRONIUM_GRAPHQL_MAX_SOCKET_OPERATIONS",
          default_value_t = Given::of(Limits::DEFAULT.operations as u64))]
    pub max_socket_operations: Given,

    /// Who may read the schema through the API: signed-in, everyone or nobody.
    #[arg(
        long = "graphql-introspection",
        env = "CRONIUM_GRAPHQL_INTROSPECTION",
        default_value = "signed-in"
    )]
    pub introspection: String,
}

impl GraphqlConfig {
    /// The product's own values, whatever the environment says.
    pub fn standard() -> Self {
        let most = Limits::DEFAULT;
        Self {
            max_body_bytes: Given::of(most.body as u64),
            max_tokens: Given::of(most.tokens as u64),
            max_depth: Given::of(most.depth),
            max_aliases: Given::of(most.aliases),
            max_root_fields: Given::of(most.root_fields),
            max_directives: Given::of(most.directives),
            max_complexity: Given::of(most.complexity),
            max_nodes: Given::of(most.nodes),
            max_socket_operations: Given::of(most.operations as u64),
            introspection: "signed-in".into(),
        }
    }

    /// Adds what is wrong.
    pub fn problems(&self, found: &mut Vec<String>) {
        for (value, name, range) in [
            (
                &self.max_body_bytes,
                "CRONIUM_GRAPHQL_MAX_BODY_BYTES",
                1024..=1 << 30,
            ),
            (&self.max_tokens, "CRONIUM_GRAPHQL_MAX_TOKENS", 10..=1_000_000),
            // Deeper than the parser goes, and than a stack should.
            (&self.max_depth, "CRONIUM_GRAPHQL_MAX_DEPTH", 1..=30),
            (&self.max_aliases, "CRONIUM_GRAPHQL_MAX_ALIASES", 0..=100_000),
            (&self.max_root_fields, "CRONIUM_GRAPHQL_MAX_ROOT_FIELDS", 1..=1000),
            (&self.max_directives, "CRONIUM_GRAPHQL_MAX_DIRECTIVES", 0..=1000),
            (
                &self.max_complexity,
                "CRONIUM_GRAPHQL_MAX_COMPLEXITY",
                1..=1_000_000_000,
            ),
            (&self.max_nodes, "CRONIUM_GRAPHQL_MAX_NODES", 1..=10_000_000),
            (
                &self.max_socket_operations,
                "CRONIUM_GRAPHQL_MAX_SOCKET_OPERATIONS",
                1..=10_000,
            ),
        ] {
            value.check(name, range, found);
        }
        if Introspection::parse(&self.introspection).is_none() {
            found.push(format!(
                "CRONIUM_GRAPHQL_INTROSPECTION must be signed-in, everyone or nobody; it is `{}`",
                self.introspection
            ));
        }
    }

    pub fn introspection(&self) -> Introspection {
        Introspection::parse(&self.introspection).unwrap_or_default()
    }

    pub fn limits(&self) -> Limits {
        Limits {
            body: self.max_body_bytes.size(),
            tokens: self.max_tokens.size(),
            depth: self.max_depth.number(),
            aliases: self.max_aliases.number(),
            root_fields: self.max_root_fields.number(),
            directives: self.max_directives.number(),
            complexity: self.max_complexity.number(),
            nodes: self.max_nodes.number(),
            operations: self.max_socket_operations.size(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        graphql: GraphqlConfig,
    }

    fn parsed(arguments: &[&str]) -> GraphqlConfig {
        let all = [&["cronium"], arguments].concat();
        Cli::try_parse_from(all).unwrap().graphql
    }

    #[test]
    fn what_is_given_is_what_holds() {
        let config = parsed(&["--graphql-max-depth", "7", "--graphql-max-socket-operations=3"]);
        let mut found = Vec::new();
        config.problems(&mut found);
        assert_eq!(found, Vec::<String>::new());
        assert_eq!((config.limits().depth, config.limits().operations), (7, 3));
        assert_eq!(config.limits().nodes, Limits::DEFAULT.nodes);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let config = parsed(&[
            "--graphql-introspection=some",
            "--graphql-max-depth=deep",
            "--graphql-max-nodes=0",
            "--graphql-max-tokens=-1",
        ]);
        let mut found = Vec::new();
        config.problems(&mut found);
        assert_eq!(
            found,
            [
                "CRONIUM_GRAPHQL_MAX_TOKENS must be a whole number from 10 to 1000000; it is `-1`",
                "CRONIUM_GRAPHQL_MAX_DEPTH must be a whole number from 1 to 30; it is `deep`",
                "CRONIUM_GRAPHQL_MAX_NODES must be a whole number from 1 to 10000000; it is `0`",
                "CRONIUM_GRAPHQL_INTROSPECTION must be signed-in, everyone or nobody; it is `some`",
            ]
        );
    }
}
