//! Tests against real programs that others wrote; nothing the product links
