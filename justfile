# A façade: each recipe is one script or one command that works without just too.

# list the recipes
default:
    @just --list

# build what is out of date and start Cronium
up:
    scripts/up.sh

# what is there and what is missing
doctor:
    scripts/doctor.sh

# every check and test
test:
    scripts/test.sh

# measure against the floors and write docs/benchmarks.md; `just bench 3 4` only these cases
bench *cases:
    scripts/bench.sh {{cases}}

# break one thing after another while jobs run, and write docs/reliability.md: `just chaos --jobs 5000 --faults 1000 --seed 1`
chaos *options:
    scripts/chaos.sh {{options}}

# write schema.graphql from the code
schema:
    cargo run -q --locked --bin cronium -- schema > schema.graphql.new
    mv schema.graphql.new schema.graphql

# write web/documents.json, the documents that the dashboard sends, from the code
documents:
    CRONIUM_WRITE_DOCUMENTS=1 cargo nextest run --locked --workspace -E 'package(cronium-web) and test(the_list_is_current)'

# what schema.graphql changes for clients; fails on a break that CHANGELOG.md does not name
contract:
    scripts/contract.sh

fmt:
    cargo fmt --all

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# licences, duplicates and sources of dependencies (needs cargo-deny)
deny:
    cargo deny check bans licenses sources
