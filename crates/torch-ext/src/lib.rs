//! torch-ext.
