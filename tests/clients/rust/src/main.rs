#[allow(clippy::all)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/registry.rs"));
}
fn main() {}
