//! What peers say: the messages of eth/68..71 and snap/1..2, both ways.
