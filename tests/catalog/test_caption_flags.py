"""What is wrong with a caption, by its words."""

import pytest

from byline.catalog.caption_flags import caption_flags, flag_names


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("a black cat asleep on a chair", ()),
        ("very, very old houses", ()),
        ("the Getty villa in Malibu", ()),
        ("a wallpaper shop in Desktop Street", ()),
        ("a dog. org chart behind it", ()),
        ("New York, New York", ()),
        ("", ()),
        ("see www.example.org for more", ("url",)),
        ("sunset - example.com", ("url",)),
        ("ask me@example.net", ("url",)),
        ("© 2012 somebody", ("mark",)),
        ("a red car stock photo", ("mark",)),
        ("Lake at dawn. Getty Images", ("mark",)),
        ("iphone 6 wallpaper", ("nothing",)),
        ("hd mountain lake background", ("nothing",)),
        ("untitled", ("nothing",)),
        ("a dog and a dog and a dog and a dog", ("repeats",)),
        ("blue blue blue", ("repeats",)),
        ("Bridge by Ada Lovelace", ("creator",)),
        ("ADA LOVELACE: bridge, www.ada.example.com", ("url", "creator")),
        ("Ada crosses a bridge", ()),
    ],
)
def test_flags(text, flags):
    assert flag_names(caption_flags(text, "Ada Lovelace")) == flags


@pytest.mark.parametrize("creator", ["", "unknown", "cat", "a"])
def test_a_name_that_is_a_word_or_nobody_is_not_looked_for(creator):
    assert caption_flags(f"unknown cat in a tree {creator}", creator) == 0


@pytest.mark.parametrize(
    ("text", "title", "is_named"),
    [
        ("barack obama with a crowd", "Barack Obama speaking at a rally", True),
        ("a rally with Barack Obama", "A rally with Barack Obama in the rain", True),
        ("a man speaks to a crowd", "Barack Obama speaking at a rally", False),
        ("a red heart", "Red Heart", False),
        ("a red heart on white", "Red Heart On White Ground", False),
        ("a german flag", "A German flag in the wind", False),
        ("a portrait of Dr. Ito", "", True),
        ("president of a club", "", False),
        ("Queen Victoria on a horse", "", True),
        ("queen of hearts", "", False),
        ("nasa logo", "NASA logo on a wall", False),
    ],
)
def test_a_caption_that_names_somebody_or_repeats_a_name_of_the_title(text, title, is_named):
    assert ("name" in flag_names(caption_flags(text, title=title))) == is_named
