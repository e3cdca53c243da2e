//! Sizes the stack: every page of memory is compared and put back after each call, so there is no more of it than is needed.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-cdylib=-zstack-size=327680");
}
