"""Sentences from a model's stream: where they are cut, how early, and that the tokens do not matter."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patter_cli.text.clauses import FIRST_CLAUSE_CHARS, SentenceChunker


def sentences(text: str, language: str = "en", *, hurried: bool = False) -> list[str]:
    chunker = SentenceChunker(language, hurried)
    return chunker.push(text) + chunker.flush()


ENGLISH = [
    "Hello there.|How are you?|Fine!|Thanks.",
    "Dr. Smith is in.|Mrs. Brown is not.",
    "Prof. Lee, Rev. Hill, Sen. Gray and Gen. Marsh met Mr. and Ms. Poe Jr. on Monday.|They left.",
    "I spoke to J. R. R. Tolkien.|He wrote books.",
    "George W. Bush and J. A. Smith came.",
    "It costs 3.50 dollars.|That is all.",
    "We open at 9.30 and close at 17.30.|Bye.",
    "See you at 5 p.m. on Monday.",
    "We close at 5 p.m. What time suits you?".replace("m. W", "m.|W"),
    "He moved to the U.S. in May.|Then he left the U.S. Army.",
    "He lives in the U.S.|We met there.",
    "Bring a card, a towel, etc. and come early.",
    "Bring a card, a towel, etc.|We have the rest.",
    "We are at 14 Mill St. James is here too.",
    "It is on Jan. 5 or Sept. 12.|Is that fine?",
    "The pipe is 6 in. wide and 5 ft. long.",
    "Come in.|Sit down.",
    "Smith vs. The State was long.",
    "I like fruit, e.g. Granny Smith apples, i.e. Green ones.",
    "Ask for No. 5 at the desk.|No.|Not that one.",
    "Go to https://a.example/b.c?d=e!f and look.|Then call.",
    "Write to jo.smith@mail.example.com.|We answer.",
    "Version v2.0.1 is out.|Use 3.12.4. It works.".replace("4. I", "4.|I"),
    "Wait...|Let me see.",
    "Well... maybe.|Hmm… perhaps.",
    "Done . . .|Next one.",
    'She said, "Come in."|Then she left.',
    '"Why?" she asked.|"Because."|He shrugged.',
    "(It is free.)|[Really!]|Yes.",
    "**Great!**|We are _open._|Come by.",
    "What?!|No way!!!|Yes.",
    "hello there. this is lower case.".replace(". t", ".|t"),
    "1. Brush your teeth.|2. Floss.|10. Smile.",
    "We offer:|- a check-up|- a cleaning|* a filling",
    "First paragraph\n\nsecond paragraph".replace("\n\n", "|"),
    "one line\nand the same sentence",
    "I use .NET at work.|.NET is old.",
    "We offer: 1. Cleaning.|2. Filling.",
    "Is it a.m. or p.m.?|It is 10:30 a.m. sharp.",
    "The N.A.S.A. people and the U.S.A. team met R. L. Stine.",
    "Meet Messrs. Brown and Co. Ltd. of London.",
    "Really⁉|Yes‼",
    "No way‽|Wait‥ what?",
    "She has a Ph.D. in art.|Nice.",
    "No cut at the end of vitamin C. The next one is.".replace("C. T", "C.|T"),
]


@pytest.mark.parametrize("marked", ENGLISH)
def test_english_sentences_are_cut_where_a_reader_would(marked: str) -> None:
    """Abbreviations, initials, numbers, times, addresses, quotes and lists are cut only where a sentence ends."""
    expected = marked.split("|")
    separator = "\n" if "- a" in marked else "\n\n" if "paragraph" in marked else " "
    assert sentences(separator.join(expected)) == expected


@pytest.mark.parametrize(
    "marked",
    [
        "Il Sig. Rossi e la Sig.ra Bianchi sono qui.|Il Dott. Verdi no.",
        "La Dott.ssa Neri, l'Avv. Conti, l'Ing. Villa, il Geom. Riva e il Rag. Sala aspettano.",
        "Egr. Prof. Arch. Fo, Gent. On. Po, Spett. Ill. Sgr. Bo.|Saluti.",
        "La Fiat S.p.A. Torino e la Rossi S.r.l. e la Blu S.a.s. sono note.",
        "Portate carta, penna, ecc. e venite.|Grazie.",
        "Portate carta, penna, ecc.|Noi abbiamo il resto.",
        "Costa 3,50 euro.|È poco.",
        "L'S.p.A. Torino e dell'Avv. Conti.|Bene.",
        "I Sigg. Po, i Sig.ri Bo e le Dott.sse Neri aspettano.",
        "Portate carta, ecc.|Perche\u0301 no?",
    ],
)
def test_italian_abbreviations_do_not_end_sentences(marked: str) -> None:
    """Italian has its own titles, company forms and beginnings."""
    expected = marked.split("|")
    assert sentences(" ".join(expected), "it-IT") == expected


TITLES = "Mr Mrs Ms Dr St Jr Sr Prof Hon Rev Gen Sen vs etc".split()
MONTHS = "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec".split()
MEASURES = "in ft yd mi mm cm m km sq oz lb lbs g mg kg ml cl l pt qt gal tsp tbsp hr hrs min sec mph".split()
TITOLI = "Sig Sig.ra Sgr Dott Dott.ssa Prof Avv Ing Geom Rag Arch On Egr Spett Gent Ill S.p.A S.r.l S.a.s ecc".split()
MESI = "gen feb mar apr mag giu lug ago set sett ott nov dic".split()
MISURE = "mm cm m km g mg kg t ml cl l h min".split()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        *((f"I met {word}. Palmer there.", "en") for word in TITLES),
        *((f"{word}. Palmer was there.", "en") for word in TITLES),
        *((f"I came on {word}. 5 with {word}. Palmer.", "en") for word in MONTHS),
        *((f"It is 6 {word}. Palmer size, or 6{word}. long, or 6.5 {word}. wide.", "en") for word in MEASURES),
        *((f"Ecco {word}. Palmieri qui.", "it") for word in TITOLI),
        *((f"{word}. Palmieri non c'è.", "it") for word in TITOLI),
        *((f"L'{word}. Palmieri.", "it") for word in TITOLI),
        *((f"Il {word.lower()}. Palmieri.", "it") for word in TITOLI),
        *((f"Il 5 {word}. 2031 con {word}. Palmieri.", "it") for word in MESI),
        *((f"Sono 6 {word}. Palmieri, o 6{word}. circa, o 6,5 {word}. circa.", "it") for word in MISURE),
    ],
)
def test_no_abbreviation_is_an_ending(text: str, language: str) -> None:
    """Every abbreviation of both languages stays with a name, a number or a small letter that follows it."""
    assert sentences(text, language) == [text]
    chunker = SentenceChunker(language)
    assert [sentence for letter in text for sentence in chunker.push(letter)] + chunker.flush() == [text]


@pytest.mark.parametrize("language", ["it", "it-IT", "IT", "it_IT"])
def test_italian_in_any_spelling(language: str) -> None:
    """A language tag's case and region do not matter."""
    assert len(sentences("Ecco l'Avv. Po.", language)) == 1
    assert len(sentences("Here is avv. Po.", "en")) == 2


@pytest.mark.parametrize(
    "expected",
    [
        ["你好。", "你好吗？", "很好！"],
        ["「行きます。」", "彼は言った。"],
        ["नमस्ते।", "आप कैसे हैं॥", "ठीक"],
        ["كيف حالك؟", "بخير۔", "شكرا"],
        ["Բարեւ։", "Ինչպես եք։"],
        ["ሰላም።", "እንዴት ነህ፧", "ደህና"],
        ["សួស្តី។", "លាហើយ៕"],
        ["မင်္ဂလာပါ။", "နေကောင်းလား။"],
        ["བཀྲ་ཤིས།", "བདེ་ལེགས༎"],
    ],
)
def test_every_script_has_its_terminators(expected: list[str]) -> None:
    """Marks outside Latin end a sentence with and without a blank behind them."""
    assert sentences(" ".join(expected)) == expected
    assert sentences("".join(expected)) == expected


def test_a_doubled_tibetan_shad_stays_with_its_sentence() -> None:
    """A terminator set apart by a blank belongs to the sentence before it."""
    assert sentences("བཀྲ་ཤིས། །བདེ་ལེགས།") == ["བཀྲ་ཤིས། །", "བདེ་ལེགས།"]


def test_a_sentence_comes_as_soon_as_it_is_certain() -> None:
    """One visible character behind the blank settles an ordinary ending; an abbreviation needs the whole word."""
    chunker = SentenceChunker()
    assert chunker.push("We are open.") == []
    assert chunker.push(" ") == []
    assert chunker.push("C") == ["We are open."]
    assert chunker.push("ome at 5 p.m. W") == []
    assert chunker.push("e") == []
    assert chunker.push(" ") == ["Come at 5 p.m."]
    assert chunker.flush() == ["We"]


def test_a_decimal_point_at_the_end_of_a_token_is_not_an_ending() -> None:
    """The point of "3.50" may be the last thing a token brings."""
    chunker = SentenceChunker()
    assert [chunker.push(piece) for piece in ("It costs 3", ".", "50", " today.")] == [[], [], [], []]
    assert chunker.flush() == ["It costs 3.50 today."]


def test_reset_forgets_the_reply() -> None:
    """After a reset nothing of the old text is spoken."""
    chunker = SentenceChunker()
    chunker.push("Half a sent")
    chunker.reset()
    assert chunker.push("New. Text") == ["New."]
    assert chunker.flush() == ["Text"]
    assert chunker.flush() == []


LONG = "We are open from Monday to Friday, nine to five, and on Saturday; call us, please. Then, you know, come."


def test_a_hurried_reply_gives_its_first_clause_at_a_pause() -> None:
    """The first clause goes at the first pause past the limit, and only the first."""
    assert sentences(LONG, hurried=True) == [
        "We are open from Monday to Friday, nine to five,",
        "and on Saturday; call us, please.",
        "Then, you know, come.",
    ]
    assert sentences("Yes. " + LONG, hurried=True)[:2] == ["Yes.", LONG.partition(". ")[0] + "."]


def test_each_reply_is_hurried_anew() -> None:
    """A flush ends the reply; the next one's first clause goes early again."""
    chunker = SentenceChunker("en", True)
    for _ in range(2):
        assert chunker.push(LONG)[0].endswith("nine to five,")
        chunker.flush()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("We are open from Monday to Friday at nine — and so on", "We are open from Monday to Friday at nine —"),
        ("We are open from Monday to Friday at nine - and so on", "We are open from Monday to Friday at nine -"),
        ("We are open from Monday to Friday at nine -- and so on", "We are open from Monday to Friday at nine --"),
        ("We are open at https://bright-smile.example.com/a,b;c-d/e--f?g to everybody", None),
        (
            "نحن نعمل من يوم الاثنين إلى يوم الجمعة كل أسبوع، ومرحبا بكم",
            "نحن نعمل من يوم الاثنين إلى يوم الجمعة كل أسبوع،",
        ),
        ("The price of that one would be about $1,250,000 a year", None),
        ("You can come to us at any time on Tuesday, May 5, 2031 or so", "You can come to us at any time on Tuesday,"),
        ("You can come in at any time on the day of May 5, 2031 or so", None),
        ("The practice is open for everybody from 9–5 or well-known hours", None),
        ("今日は月曜日から金曜日まで朝の九時から夕方の五時半まで開いておりますのでどうぞお越し下さい、はい", "今日は"),
    ],
)
def test_only_a_real_pause_hurries(text: str, first: str | None) -> None:
    """Commas in numbers and dates and dashes in ranges are no pauses."""
    found = sentences(text, hurried=True)
    assert len(found) == (2 if first else 1)
    assert found[0].startswith(first or text)


def test_italian_is_never_hurried() -> None:
    """In Italian a comma does not let the first clause go."""
    text = "Siamo aperti da lunedì a venerdì dalle nove, e anche il sabato, se volete venire."
    assert sentences(text, "it", hurried=True) == [text]


TRICKY = (
    "Dr. U.S. a.m. p.m. J. etc. St. Jan. No. 5 6 in. 3.50 1. Hello We The we what? Yes! ... … . , ; — - –"
    " ( ) \" ' * ” 。 ？ ། ॥ ．5 a.b https://x.example/?q=1 Sig. ecc. S.p.A. Sig.ra È \n \n\n # .NET"
)

PIECES = st.lists(
    st.one_of(
        st.sampled_from(TRICKY.split(" ")),
        st.text(alphabet="aI5.,!?…\"') \n。।-—;", max_size=4),
    ),
    max_size=14,
)


@given(
    pieces=PIECES, blank=st.booleans(), data=st.data(), hurried=st.booleans(), language=st.sampled_from(["en", "it"])
)
def test_the_tokens_do_not_matter(
    pieces: list[str], blank: bool, data: st.DataObject, hurried: bool, language: str
) -> None:
    """However a text is cut into tokens, the same sentences come out, and together they are the text."""
    text = (" " if blank else "").join(pieces)
    whole = sentences(text, language, hurried=hurried)
    chunker = SentenceChunker(language, hurried)
    out: list[str] = []
    at = 0
    while at < len(text):
        step = data.draw(st.integers(1, 6))
        out += chunker.push(text[at : at + step])
        at += step
    assert out + chunker.flush() == whole
    assert "".join("".join(whole).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() and sentence for sentence in whole)


ANYTHING = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cs", "Mn", "Mc", "Zs", "Cf", "Po", "Pd"]),
        st.sampled_from("ab AB 5 . . … ! ? 。 । \n \n\u0301 \U0001f600 \ufe0f \u200d \u00a0 \r " + "Dr.S"),
    ),
    max_size=60,
)


@settings(max_examples=400)
@given(text=ANYTHING, cuts=st.lists(st.integers(0, 60)), hurried=st.booleans(), language=st.sampled_from(["en", "it"]))
def test_any_text_comes_back_whole_however_it_is_cut(text: str, cuts: list[int], hurried: bool, language: str) -> None:
    """Broken surrogates, combining marks, any script, any white space: nothing is lost, doubled or moved."""
    whole = sentences(text, language, hurried=hurried)
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for pieces in ([text[a:b] for a, b in pairwise(places)], list(text)):
        chunker = SentenceChunker(language, hurried)
        assert [sentence for piece in pieces for sentence in chunker.push(piece)] + chunker.flush() == whole
    assert "".join("".join(whole).split()) == "".join(text.split())
    at = 0
    for sentence in whole:
        at = text.index(sentence, at) + len(sentence)


@pytest.mark.parametrize("text", ["Word" + " " * 200 + ". Next.", "!" * 5000, ". " * 500, "\n" * 5000, "- " * 2000])
def test_senseless_text_is_survived(text: str) -> None:
    """A model that repeats one mark thousands of times is still only text."""
    chunker = SentenceChunker("en", True)
    found = [sentence for letter in text for sentence in chunker.push(letter)] + chunker.flush()
    assert "".join("".join(found).split()) == "".join(text.split())


@given(st.lists(st.sampled_from(["Hello there.", "Dr. Lee came.", "Is it 3.50?", "Yes!", "At 5 p.m. we go."])))
def test_joined_sentences_are_the_text(parts: list[str]) -> None:
    """Sentences set apart by one blank come back as they were."""
    assert sentences(" ".join(parts)) == parts


def test_a_long_text_without_an_ending_is_judged_once() -> None:
    """What has been judged is not judged again, so ten thousand tokens take no longer each than ten."""
    chunker = SentenceChunker()
    assert all(chunker.push("w.x") == [] for _ in range(10_000))
    assert len(chunker.flush()) == 1


def test_the_limit_of_a_hurried_clause_is_what_it_says() -> None:
    """A pause one character short of the limit does not let the clause go, one at the limit does."""
    short, enough = "x" * (FIRST_CLAUSE_CHARS - 2) + ",", "x" * (FIRST_CLAUSE_CHARS - 1) + ","
    assert len(sentences(f"{short} and on", hurried=True)) == 1
    assert sentences(f"{enough} and on", hurried=True) == [enough, "and on"]


@pytest.mark.parametrize("pause", [',"', ' --"', " - ", "—) "])
@pytest.mark.parametrize("length", range(FIRST_CLAUSE_CHARS - 5, FIRST_CLAUSE_CHARS + 2))
def test_the_limit_does_not_depend_on_the_tokens(pause: str, length: int) -> None:
    """A pause of several marks that lies across the limit is judged alike whole and mark by mark."""
    text = "x" * length + pause + " and on"
    chunker = SentenceChunker("en", True)
    assert [found for letter in text for found in chunker.push(letter)] + chunker.flush() == sentences(
        text, hurried=True
    )
