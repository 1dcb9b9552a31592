"""Language models of the vendor lab: each says what it is told to on its vendor's own wire."""
