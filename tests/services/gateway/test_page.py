import re

import pytest

from services.gateway.page import FILES

LINES_MAX = 400
WRITES_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc"
    r"|\beval\b|new Function|javascript:|setHTML|\bhtml`"
)
FOREIGN = re.compile(r"(https?:)?//[a-z0-9]", re.IGNORECASE)
SVG_NAMESPACE = "http://www.w3.org/2000/svg"


def texts(*suffixes):
    return {path: file.content.decode() for path, file in FILES.items() if path.endswith(suffixes)}


@pytest.mark.req("GW-13", "W-13")
def test_the_page_is_served_without_a_token_and_may_run_only_its_own_scripts(anyone):
    page = anyone.get("/")

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    (policy,) = page.headers.get_list("content-security-policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == rules["img-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["require-trusted-types-for"] == "'script'"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"


@pytest.mark.req("W-13")
def test_every_other_answer_may_run_nothing(anyone, client):
    for answer in (anyone.get("/livez"), client.get("/api/v1/status"), anyone.get("/api/v1/status")):
        (policy,) = answer.headers.get_list("content-security-policy")
        assert policy == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("path", sorted(FILES))
def test_each_file_of_the_page_is_served_as_what_it_is(anyone, path):
    answer = anyone.get(path)

    assert answer.content == FILES[path].content
    assert answer.headers["content-type"] == FILES[path].media_type
    assert anyone.post(path).status_code == 405
    assert anyone.get(path, headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    "path", ["/static/../guard.py", "/static/%2e%2e/guard.py", "/static/none.js", "/app.js"]
)
def test_nothing_else_is_served(anyone, path):
    assert anyone.get(path).status_code == 401


def test_everything_the_page_names_is_there():
    page = FILES["/"].content.decode()
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    for path, text in texts(".js").items():
        named += ["/static/" + name for name in re.findall(r'from "\./([^"]+)"', text)]
        ids = re.findall(r'byId\("([^"$]+)"\)', text)
        assert [one for one in ids if f'id="{one}"' not in page] == [], path

    assert set(named) <= set(FILES)
    assert set(FILES) - {"/"} <= set(named)


@pytest.mark.req("GW-13")
def test_nothing_comes_from_another_host_and_nothing_is_inline():
    for path, text in texts(".js", ".css", ".svg", "/").items():
        named = FOREIGN.findall(text.replace(SVG_NAMESPACE, ""))
        assert named == [] or "location.host" in text, path
    page = FILES["/"].content.decode()
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", page) == []


def test_texts_never_become_markup():
    for path, text in texts(".js").items():
        assert WRITES_MARKUP.findall(text) == [], path


def test_each_file_of_the_page_stays_short():
    lengths = {path: len(text.splitlines()) for path, text in texts(".js", ".css", "/").items()}

    assert {path: count for path, count in lengths.items() if count >= LINES_MAX} == {}
