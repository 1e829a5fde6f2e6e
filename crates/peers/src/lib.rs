//! Whom to ask: the peer book, with rates, deadlines, outcomes and scores.
