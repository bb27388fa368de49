//! Makes the GraphQL contract known to the query macros, so that a query that the schema does not
//! answer is a compile error.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../schema.graphql");
    cynic_codegen::register_schema("cronium")
        .from_sdl_file("../schema.graphql")?
        .as_default()?;
    Ok(())
}
