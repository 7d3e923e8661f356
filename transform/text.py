"""Strings in the graph: clean them, find matches in them, split them into what a reader calls letters."""

import tensorflow as tf

# Bytes that no UTF-8 text holds, so they can mark where a match begins and ends.
_BEGIN, _END = b"\xfe", b"\xff"

# What stays with the character before it: marks, joiners, skin tones, the tags of some flags.
_EXTENDS = r"\p{M}\x{200C}\x{200D}\x{FF9E}\x{FF9F}\x{1F3FB}-\x{1F3FF}\x{E0020}-\x{E007F}"
# What stands alone, whatever comes after it: controls, separators, invisible format characters.
_SINGLE = (
    r"\p{Cc}\p{Zl}\p{Zp}\x{AD}\x{61C}\x{180E}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}"
    r"\x{2060}-\x{206F}\x{FEFF}\x{FFF0}-\x{FFFB}\x{E0001}"
)
# Signs that belong to the character after them: Arabic and Syriac number signs, dotted repha.
_BEFORE = (
    r"\x{600}-\x{605}\x{6DD}\x{70F}\x{890}\x{891}\x{8E2}\x{D4E}\x{110BD}\x{110CD}\x{111C2}\x{111C3}"
)
_LEADING, _VOWEL, _TRAILING = (
    r"[\x{1100}-\x{115F}\x{A960}-\x{A97C}]",
    r"[\x{1160}-\x{11A7}\x{D7B0}-\x{D7C6}]",
    r"[\x{11A8}-\x{11FF}\x{D7CB}-\x{D7FB}]",
)
# Syllables of two letters: every 28th; the others end in a third.
_OPEN = "[" + "".join(rf"\x{{{code:X}}}" for code in range(0xAC00, 0xD7A4, 28)) + "]"
_HANGUL = (
    rf"{_LEADING}*(?:{_VOWEL}+|{_OPEN}{_VOWEL}*|[\x{{AC00}}-\x{{D7A3}}]){_TRAILING}*"
    rf"|{_LEADING}+|{_TRAILING}+"
)
_FLAG = r"[\x{1F1E6}-\x{1F1FF}]{2}"
_PICTURE = (
    r"[\x{A9}\x{AE}\x{203C}\x{2049}\x{2122}\x{2139}\x{2190}-\x{21FF}\x{2300}-\x{23FF}\x{24C2}"
    r"\x{25A0}-\x{27BF}\x{2900}-\x{297F}\x{2B00}-\x{2BFF}\x{3030}\x{303D}\x{3297}\x{3299}"
    r"\x{1F000}-\x{1F1E5}\x{1F200}-\x{1F3FA}\x{1F400}-\x{1FAFF}]"
)
_JOINED = rf"{_PICTURE}(?:[{_EXTENDS}]*\x{{200D}}{_PICTURE})*"
GRAPHEME = (
    rf"(?s)\r\n|[{_SINGLE}]"
    rf"|[{_BEFORE}]*(?:{_HANGUL}|{_FLAG}|{_JOINED}|[^{_SINGLE}])[{_EXTENDS}\x{{E33}}\x{{EB3}}]*"
    rf"|[{_BEFORE}]+|."
)


def valid(texts: tf.Tensor) -> tf.Tensor:
    """Texts [N] as UTF-8: U+FFFD for bytes that are not."""
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")


def lower(texts: tf.Tensor) -> tf.Tensor:
    """Texts [N] in lower case; U+FFFD for bytes that are not UTF-8."""
    # tf.strings.lower drops what follows a NUL, so it sees the pieces between them. Joining again
    # ends each piece with a NUL, the last one too: as an op's `separator` a NUL is dropped.
    pieces = tf.strings.split(texts, "\0")
    lowered = tf.ragged.map_flat_values(
        lambda flat: tf.strings.lower(flat, encoding="utf-8") + "\0", pieces
    )
    joined = tf.strings.reduce_join(lowered, axis=-1)
    lengths = tf.strings.length(joined) - 1
    return tf.strings.substr(joined, tf.zeros_like(lengths), lengths)


def normal(texts: tf.Tensor, form: str) -> tf.Tensor:
    """Texts [N] in a Unicode normal form (NFC, NFD, NFKC, NFKD); U+FFFD for bytes that are not UTF-8."""
    import tensorflow_text

    return tensorflow_text.normalize_utf8(valid(texts), form)


def matches(texts: tf.Tensor, pattern: str) -> tf.RaggedTensor:
    """What an RE2 pattern matches in texts [N], string [N, (matches)]; empty matches do not count."""
    # Not tensorflow_text.regex_split: it drops what follows a NUL.
    marked = tf.strings.regex_replace(valid(texts), pattern, _BEGIN + rb"\0" + _END)
    pieces = tf.strings.split(marked, _END)[:, :-1]  # each is what was skipped, _BEGIN, a match
    found = tf.ragged.map_flat_values(_matched, pieces)
    return tf.ragged.boolean_mask(found, tf.strings.length(found) > 0)


def _matched(pieces: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.strings.split(pieces, _BEGIN).flat_values, [-1, 2])[:, 1]


def graphemes(texts: tf.Tensor) -> tf.RaggedTensor:
    """The characters of texts [N] as a reader counts them, string [N, (characters)].

    The extended grapheme clusters of UAX #29: marks, joined emoji, flags and Hangul jamo stay with
    their base. It is less exact in three places: consonants that an Indic virama joins are apart (as
    before Unicode 15.1), all symbols of a block count as pictures that a joiner joins, and the few
    Myanmar and Tai Tham vowel signs that stand alone there stay with their base. Nothing is lost:
    joined, the characters are the text, with U+FFFD for bytes that are not UTF-8.
    """
    ended = tf.strings.regex_replace(valid(texts), GRAPHEME, rb"\0" + _END)
    return tf.strings.split(ended, _END)[:, :-1]
