//! In what form: a range becomes requests, and answers come back in order.
