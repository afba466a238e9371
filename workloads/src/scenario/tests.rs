//! Parsing, checking, echoing: facts.
