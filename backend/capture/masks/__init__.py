"""Masks of hair and of skin and shoulders: from files, from a network, or cut out here."""
