//! What next: the engine that plans a sync and never touches a row.
