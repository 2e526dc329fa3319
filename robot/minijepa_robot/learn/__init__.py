"""World models of the arm: trained jointly, or on a frozen video encoder."""
