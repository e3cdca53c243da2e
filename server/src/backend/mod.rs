//! Where a node keeps its bytes.

pub mod embedded;
