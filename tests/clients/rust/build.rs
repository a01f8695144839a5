//! Generates the client from `openapi.yaml` into `OUT_DIR`, where `src/main.rs` includes it.

use std::{env, error::Error, fs, path::Path};

const SPEC: &str = "../../../openapi.yaml";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={SPEC}");
    // Progenitor gives errors a type only where they are declared application/json; RFC 9457 has a name of its own.
    let text = fs::read_to_string(SPEC)?.replace("application/problem+json", "application/json");
    let spec: openapiv3::OpenAPI = serde_yaml::from_str(&text)?;
    let tokens = progenitor::Generator::default().generate_tokens(&spec)?;
    let client = prettyplease::unparse(&syn::parse2(tokens)?);
    fs::write(Path::new(&env::var("OUT_DIR")?).join("registry.rs"), client)?;
    Ok(())
}
