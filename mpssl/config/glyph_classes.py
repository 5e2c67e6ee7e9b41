"""The classes of the embedded foundation domain, which `mpssl.data.glyphs` renders."""

# One class a word; the characters of a word share their class, because their outlines look alike.
GLYPHS = {
    "latin": "A B b Cc E e G g H h Il Jj Kk L M Oo Pp q R r Ss T t Uu Vv Xx Yy Zz",
    "greek": "Ξ Σ Φφ Ψψ Ω δ λ ξ π",
    "cyrillic": "Ж Ш Д Ю Я Ц Э Ч",
    "georgian": "შ წ ღ",
    "armenian": "Ֆ",
    "hebrew": "א ש",
    "arrow": "← → ↑ ↓ ⇄ ↻",
    "sign": "+ × = ÷ ∞ ∫ √ ∀ ⊕ # % & @ ? § { * € $",
    "shape": "■ □ ▲△ ● ◆ ★ ♥ ♠ ♣ ♪ ☺",
    "box": "┼ ╬ ╝ ║",
}
TEXTURE_NAMES = ("stripes", "checks", "dots", "waves", "rings", "rays", "gradient")
GLYPH_NAMES = [
    *(f"{script} {word}" for script, words in GLYPHS.items() for word in words.split()),
    *(f"texture {name}" for name in TEXTURE_NAMES),
]
GLYPH_CLASSES = len(GLYPH_NAMES)
