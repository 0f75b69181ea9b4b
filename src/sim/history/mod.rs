//! Histories: the units' hooks interleaved at every request and every hook tool, with all that can go wrong.

pub mod scene;
