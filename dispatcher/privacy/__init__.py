"""How long personal data is kept, what holds it longer, and what people may ask about their own."""
