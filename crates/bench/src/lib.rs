//! Measurements against peers and against the floor; nothing the product links
