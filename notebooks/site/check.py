"""Is a built site whole? Links and anchors lead somewhere, pictures are described, nothing comes from the network."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

FETCHED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
}
FETCHED_RELATIONS = {"stylesheet", "preload", "modulepreload", "icon", "prefetch", "manifest"}
CSS_ADDRESS = re.compile(r"""url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)""")


def check_site(folder: Path) -> list[str]:
    """What is wrong with the pages of a folder, one sentence each, empty when nothing is.

    Args:
        folder: Where Sphinx wrote the site.
    """
    folder = Path(folder).resolve()
    pages = sorted(
        path for path in folder.rglob("*.html") if path.relative_to(folder).parts[0] != "_static"
    )  # templates
    if not pages:
        return [f"{folder}: no page here."]
    anchors = cache(lambda path: {tag["id"] for tag in read(path).find_all(id=True)})
    faults = [fault for page in pages for fault in check_page(page, folder, anchors)]
    for sheet in sorted(folder.rglob("*.css")):
        faults += [f"{sheet.relative_to(folder)}: fetches {address}" for address in sheet_addresses(sheet.read_text())]
    return faults


def check_page(page: Path, folder: Path, anchors) -> list[str]:
    """Faults of one page; `anchors(path)` gives the ids of another."""
    soup, name = read(page), page.relative_to(folder)
    faults = []
    if not soup.find("meta", attrs={"name": "viewport"}):
        faults.append(f"{name}: no viewport, a phone would show it too small.")
    if not (soup.title and soup.title.get_text(strip=True)):
        faults.append(f"{name}: no title.")
    faults += [f"{name}: fetches {address}" for address in fetched(soup) if is_elsewhere(address)]
    faults += [f"{name}: fetches {address}" for tag in soup.find_all("style") for address in sheet_addresses(tag.text)]
    for image in soup.find_all("img"):
        if len(image.get("alt", "").strip()) < (1 if "course-math" in image.get("class", []) else 10):
            faults.append(f"{name}: the picture {image.get('src', '')[:60]} is not described.")
    addresses = [tag["href"] for tag in soup.find_all("a", href=True)] + fetched(soup)
    return faults + [fault for address in addresses if (fault := broken(address, page, folder, anchors))]


def broken(address: str, page: Path, folder: Path, anchors) -> str | None:
    """What is wrong with a link inside the site, None when nothing is or when it leads elsewhere."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return None
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target = target / "index.html"
    name = page.relative_to(folder)
    if not target.is_file() or not target.is_relative_to(folder):
        return f"{name}: {address} leads nowhere."
    anchor = unquote(parts.fragment)
    if anchor and target.suffix == ".html" and anchor not in anchors(target):
        return f"{name}: {address} names a place that is not there."
    return None


def fetched(soup) -> list[str]:
    """Addresses that a browser fetches by itself."""
    found = [tag[key] for name, key in FETCHED.items() for tag in soup.find_all(name) if tag.get(key)]
    for tag in soup.find_all("link", href=True):
        if FETCHED_RELATIONS & set(tag.get("rel", [])):
            found.append(tag["href"])
    return found


def sheet_addresses(css: str) -> list[str]:
    """Addresses on the network in a style sheet."""
    found = (first or second for first, second in CSS_ADDRESS.findall(css))
    return [address for address in found if is_elsewhere(address)]


def is_elsewhere(address: str) -> bool:
    """True for what would need a network."""
    return address.startswith(("http:", "https:", "//"))


def read(path: Path) -> BeautifulSoup:
    """A page, parsed."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
