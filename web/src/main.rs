//! Entry of the dashboard's WASM module.

fn main() {
    cronium_web::start();
}
