"""Acting from goal pictures, and counting how it ends."""
