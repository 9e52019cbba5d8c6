"""The connector contract: what a marketplace folder holds, and the shapes that cross its edge."""
