"""What any torch module sees, costs and takes."""
