import pytest
from hypothesis import given
from hypothesis import strategies as st

from byline.catalog.html_text import MAX_CHARACTERS, without_markup
from byline.catalog.text import MAX_MARKS, nfc, one_line, plain_text


@pytest.mark.parametrize(
    ("fragment", "text"),
    [
        ("Chickens at Tranquilles B&B", "Chickens at Tranquilles B&B"),
        ("AT&T &foo; &copy 2", "AT&T &foo; \u00a9 2"),
        ("&lt;b&gt; &amp;lt; &#9731; &#x2603;", "<b> &lt; \u2603 \u2603"),
        (f"&#{'1' * 5000};", "\ufffd"),
        ("a<br>b<hr/>c", "a b c"),
        ("<b><i>x</b>y</i>", "xy"),
        ("<td>a</td><td>b", "a b"),
        ("</p>a</p>", "a"),
        ('<a title="5 > 4" href=x>Ada</a>', "Ada"),
        ("<a title=Don't>Ada</a>", "Ada"),
        ("<a href='x>Ada</a> Bob", "Ada Bob"),
        ("5 <a and 6", "5 <a and 6"),
        ("5 < 6, a<>b, I <3 you </", "5 < 6, a<>b, I <3 you </"),
        ("a<!-- b --> c<!--> d<!---> e<!-- f", "a c d e"),
        ("a<!DOCTYPE html>b<?php 1 ?>c</3>d", "abcd"),
        ("<![CDATA[x]]>", "[CDATA[x]]>"),
        ("a<script>if (a<b) '</p>'</script>b<style>p{}</STYLE >c", "abc"),
        ("a<script>b", "a"),
        ("<p hidden>x<b>y</b></p>Ada", "Ada"),
        ("<div><p hidden>x</div>Ada", "Ada"),
        ("<span style='display:none'>x<span>y</span>z</span>Ada", "Ada"),
        ("<img hidden>Ada", "Ada"),
        ("<span data-hidden style='color:red'>Ada</span>", "Ada"),
        ("<p style='display&#58;none'>x</p>Ada", "Ada"),
    ],
)
def test_a_fragment_has_the_text_that_a_browser_shows(fragment, text):
    assert plain_text(fragment) == text


@given(st.text(alphabet="<>&;!-/?='\" abp#1x\u0301") | st.text())
def test_no_fragment_fails(fragment):
    assert one_line(without_markup(fragment)) == plain_text(fragment)


def test_what_comes_after_the_limit_is_not_read():
    assert without_markup("<b>" + "a" * MAX_CHARACTERS + "</b>") == "a" * (MAX_CHARACTERS - 3)


def test_a_row_of_marks_is_cut_where_no_script_has_more():
    text = "a" + "\u0316\u0301" * 1000 + "b\u0301"
    assert nfc(text) == nfc("a" + "\u0316\u0301" * (MAX_MARKS // 2) + "b\u0301")
