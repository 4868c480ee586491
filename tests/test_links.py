"""Every link of the course leads to its own repository, or nowhere while that has no address."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import convlab
from tools import links
from tools.links import PLACEHOLDER, Address
from tools.notebooks import clean

ROOT = Path(__file__).resolve().parent.parent
FORK = Address("someone/their.fork", "release/2")
NOTEBOOKS = [links.name_of(path, ROOT) for path in links.notebooks(ROOT)]
LESSONS = [name for name in NOTEBOOKS if "/" not in name]
GLOSSARY = " Words are in the [glossary](glossary.md)."  # which lies beside, wherever that is
DEFINES_IT = ("tools/links.py", "tests/")  # the placeholder may be named here
# Git as it is without anybody's settings.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in ("REPO", "BRANCH", "PYTHONPATH")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "PYTHON": sys.executable,
}


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, cwd=cwd, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, check=False
    )


def done(*command: str, cwd: Path, **environment: str) -> str:
    result = run(*command, cwd=cwd, **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.strip()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    """What the project consists of: all that git does not ignore, also where the project is no repository."""
    git = ["git"]
    if not (ROOT / ".git").exists():
        fresh = str(tmp_path_factory.mktemp("git"))
        done("git", "init", "--quiet", "--bare", fresh, cwd=ROOT)
        git += ["--git-dir", fresh, "--work-tree", str(ROOT)]
    names = done(*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0")
    return [name for name in dict.fromkeys(names) if (ROOT / name).is_file()]


@pytest.fixture
def project(tmp_path, files) -> Path:
    """A copy of the project, without an address."""
    copy = tmp_path / "project"
    for name in files:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    links.rewrite(copy, PLACEHOLDER)
    return copy


def make_links(project: Path, *variables: str, **environment: str) -> subprocess.CompletedProcess:
    # -I -S: with nothing but Python's own library
    return run("make", "links", f"PYTHON={sys.executable} -I -S", *variables, cwd=project, **environment)


def texts(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(".git/"):
            try:
                found[name] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
    return found


def cell_sources(text: str) -> list[str]:
    return [cell.source for cell in nbformat.reads(text, as_version=4).cells]


def assert_leads_to(project: Path, address: Address) -> None:
    """Look at every file: each link leads to the address, and each is where it should be."""
    link = re.compile(
        r"(?:mybinder\.org/v2/gh/|colab\.research\.google\.com/github/|(?:git clone |git\+|code: |\()https://github\.com/)"
        r"([^/\s]+/[^/\s@?]+)"
    )
    found = texts(project)
    led = {name: link.findall(text) for name, text in found.items() if not name.startswith(DEFINES_IT)}
    assert {name: len(slugs) for name, slugs in led.items() if slugs} == {
        "README.md": 3,
        "CITATION.cff": 1,
        "notebooks/README.md": 2 * len(LESSONS),
        **{f"notebooks/{name}.ipynb": 5 for name in NOTEBOOKS},
    }
    assert {slug for slugs in led.values() for slug in slugs} == {address.slug}
    assert not [n for n, text in found.items() if "YOUR__NAME" in text and not n.startswith(DEFINES_IT)]
    name = address.slug.split("/")[1]
    assert f"\ngit clone https://github.com/{address.slug}\ncd {name}\n" in found["README.md"]
    for badge in ("mybinder.org/badge_logo.svg", "assets/colab-badge.svg"):
        assert found["README.md"].count(badge) == 1
    assert f"]({address.site})" in found["README.md"]
    assert links.current_address(project) == address
    for lesson in LESSONS:
        first, install = cell_sources(found[f"notebooks/{lesson}.ipynb"])[:2]
        assert f'"git+https://github.com/{address.slug}@{address.branch}"' in install
        branch = address.branch.replace("/", "%2F")
        binder = f"https://mybinder.org/v2/gh/{address.slug}/{branch}?labpath=notebooks%2F{lesson}.ipynb"
        colab = f"{address.slug}/blob/{address.branch}/notebooks/{lesson}.ipynb"
        for text in (first, found["notebooks/README.md"]):
            assert f"]({binder})" in text
            assert f"](https://colab.research.google.com/github/{colab})" in text


def test_the_pages_of_a_repository_stand_under_its_owners_name():
    assert Address("Ada/course", "main").site == "https://ada.github.io/course/"
    assert Address("Ada/ada.github.io", "main").site == "https://ada.github.io/"


def test_nothing_names_a_project_of_other_people(files):
    theirs = "/".join(["convlab"] * 2)
    for name in files:
        assert theirs.encode() not in (ROOT / name).read_bytes().lower(), name


def test_stored_links_are_what_make_links_writes(project):
    """Also idempotent: once more changes nothing."""
    address = links.current_address(ROOT)
    links.rewrite(project, address)
    for name, text in texts(project).items():
        assert text == (ROOT / name).read_text(encoding="utf-8"), f"{name}: run `make links`"
    assert links.rewrite(project, address) == []


def test_without_an_address_there_is_one_sentence_and_no_link(project):
    found = texts(project)
    places = [found["README.md"], found["notebooks/README.md"]]
    places += [cell_sources(found[f"notebooks/{lesson}.ipynb"])[0] for lesson in LESSONS]
    for text in places:
        for word in ("mybinder.org", "colab.research", "badge", "github.com", "git clone", "YOUR__NAME"):
            assert word not in text
        said = text.split(links.START)[1].split(links.END)[0].strip()
        assert "run `make links`" in said
        assert re.findall(r"[.!?](?=\s|$)", said.removesuffix(GLOSSARY)) == ["."]
    commands = re.search(
        r"Two commands, from the folder itself.*?```\n(.*?)```", found["README.md"], re.DOTALL
    )
    assert re.findall("^.*?(?=  )", commands[1], re.MULTILINE) == ["make lab", "make test"]


def test_make_links_turns_every_link_and_goes_back_byte_for_byte(project):
    before = texts(project)
    for address in (FORK, Address("an-other/convlab", "main")):
        made = make_links(project, f"REPO={address.slug}", f"BRANCH={address.branch}")
        assert made.returncode == 0, made.stderr
        assert f"The links lead to {address.slug}, branch {address.branch}." in made.stdout
        assert_leads_to(project, address)
    assert make_links(project, f"REPO={PLACEHOLDER.slug}").returncode == 0
    assert texts(project) == before


def test_linked_notebooks_keep_the_rules_and_their_other_cells(project):
    before = {name: text for name, text in texts(project).items() if name.endswith(".ipynb")}
    links.rewrite(project, FORK)
    done(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/test_notebooks.py", cwd=project)
    for name, text in before.items():
        old, new = json.loads(text), json.loads((project / name).read_text(encoding="utf-8"))
        for notebook in (old, new):
            for place in (0, 1, -1):
                del notebook["cells"][place]["source"]
        assert new == old


def git_project(project: Path, url: str = "") -> None:
    done("git", "init", "--quiet", "--initial-branch", "trunk", cwd=project)
    if url:
        done("git", "remote", "add", "origin", url, cwd=project)


def test_make_links_asks_git_where_origin_leads_and_for_its_default_branch(project):
    git_project(project, "git@github.com:someone/their.fork.git")
    assert make_links(project).returncode == 0
    assert_leads_to(project, Address("someone/their.fork", "main"))
    done("git", "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/release/2", cwd=project)
    assert make_links(project).returncode == 0
    assert_leads_to(project, FORK)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/Some-one/their.fork",
        "https://github.com/Some-one/their.fork.git",
        "https://github.com/Some-one/their.fork/",
        "https://user:secret@GitHub.com/Some-one/their.fork.git",
        "git@github.com:Some-one/their.fork.git",
        "git@github.com:Some-one/their.fork",
        "ssh://git@github.com/Some-one/their.fork.git",
        "ssh://git@ssh.github.com:443/Some-one/their.fork.git",
        "git://github.com/Some-one/their.fork.git",
    ],
)
def test_every_form_of_an_address_on_github_is_read(tmp_path, url):
    git_project(tmp_path, url)
    assert links.find_address(tmp_path) == Address("Some-one/their.fork", "main")


@pytest.mark.parametrize(
    "url",
    [
        "https://gitlab.com/someone/their.fork.git",
        "https://user:secret@example.org/someone/their.fork",
        "https://github.com.example.org/someone/their.fork",
        "https://github.com/someone",
        "https://github.com/someone/..",
        "git@my-github.com:someone/their.fork.git",
        "../elsewhere",
    ],
)
def test_an_origin_elsewhere_is_refused_in_one_sentence_without_its_password(project, url):
    before = texts(project)
    git_project(project, url)
    made = make_links(project)
    sentence = made.stderr.splitlines()[0]
    assert made.returncode != 0
    shown = url.replace("user:secret@", "")
    assert sentence == f"origin={shown!r} is no repository on GitHub: run make links REPO=owner/name"
    assert texts(project) == before


def test_where_git_knows_no_origin_one_sentence_says_so(project):
    git_project(project)
    sentence = "git knows no remote 'origin' of this folder: run make links REPO=owner/name"
    assert make_links(project).stderr.splitlines()[0] == sentence
    shutil.rmtree(project / ".git")
    git_project(project.parent, "https://github.com/around/it")  # the folder lies in somebody's repository
    assert make_links(project).stderr.splitlines()[0] == sentence


def test_where_there_is_no_git_one_sentence_says_so_and_the_address_can_be_given(project, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [sys.executable, "-I", "-S", "tools/links.py"]
    assert run(*command, cwd=project, PATH=str(empty)).stderr == (
        "there is no git here to ask for the address: run make links REPO=owner/name\n"
    )
    done(*command, "someone/their.fork", cwd=project, PATH=str(empty))
    assert_leads_to(project, Address("someone/their.fork", "main"))


@pytest.mark.parametrize(
    "wrong",
    [
        "name",
        "a/b/c",
        "https://github.com/a/b",
        "a b/c",
        "-a/b",
        "YOUR__NAME/other",
        "a/..",
        "a/b.git",
        "a/b\n",
        "a/$(b)",
    ],
)
def test_a_malformed_repository_is_refused_with_its_value(tmp_path, wrong):
    with pytest.raises(ValueError, match=re.escape(f"REPO={wrong!r} must")):
        links.find_address(tmp_path, wrong)


@pytest.mark.parametrize("wrong", ["a b", "/a", "a/", "a/../b", "a\n", '"', "$(a)", "-a"])
def test_a_malformed_branch_is_refused_with_its_value(tmp_path, wrong):
    with pytest.raises(ValueError, match=re.escape(f"BRANCH={wrong!r} must")):
        links.find_address(tmp_path, "a/b", wrong)


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("README.md", links.START),
        ("notebooks/README.md", links.END),
        (f"notebooks/{LESSONS[0]}.ipynb", links.END),
        ("CITATION.cff", "repository-code"),
    ],
)
def test_a_file_that_lost_its_place_for_links_is_named_and_nothing_is_written(project, name, lost):
    path = project / name
    path.write_text(path.read_text(encoding="utf-8").replace(lost, ""), encoding="utf-8")
    before = texts(project)
    with pytest.raises(ValueError, match=Path(name).stem if name.endswith("ipynb") else name):
        links.rewrite(project, FORK)
    assert texts(project) == before


def test_a_new_lesson_gets_its_links_and_its_install_cell():
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = new_notebook(cells=[new_markdown_cell("# Why?"), new_code_cell("1 + 1")], metadata=kernel)
    for address in (PLACEHOLDER, FORK):
        links.put_in_lesson(notebook.cells, "06_new", address, ROOT)
        notebook = nbformat.from_dict(notebook)
        nbformat.validate(notebook)
        title, links_there, end = notebook.cells[0].source.partition(f"\n\n{links.START}")
        assert (title, bool(links_there), end.endswith(links.END)) == ("# Why?", True, True)
        assert ("06_new" in end) == (address is FORK)
        assert notebook.cells[1].source == links.install_cell(address, ROOT)
        assert [cell.source for cell in notebook.cells[2:-1]] == ["1 + 1"]
        assert "install" in clean(notebook).cells[1].metadata.tags
        assert notebook.cells[-1].source.count("README.md") == 1 + (address is FORK)


def test_the_last_cell_leads_on_beside_it_and_on_colab():
    for before, after in itertools.pairwise(LESSONS):
        title = links.title_of(ROOT / "notebooks" / f"{after}.ipynb")
        here, colab = links.next_links(FORK, before, ROOT).split(" · [")
        assert here == f"**[Next: {after[:2]} · {title}]({after}.ipynb)**"
        assert colab == f"the same on Colab]({FORK.colab(after)})"
        assert links.next_links(PLACEHOLDER, before, ROOT) == here
    assert "(README.md)" in links.next_links(FORK, LESSONS[-1], ROOT)


def test_solutions_lead_back_to_their_lesson():
    for name in (name for name in NOTEBOOKS if "/" in name):
        lesson = name.split("/")[1]
        assert f"(../{lesson}.ipynb)" in links.next_links(PLACEHOLDER, name, ROOT)
        assert FORK.colab(lesson) in links.next_links(FORK, name, ROOT)
        assert "(../glossary.md)" in links.lesson_links(PLACEHOLDER, name)


WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "links.yml").read_text(encoding="utf-8"))


def test_the_workflow_runs_on_a_push_to_the_default_branch_and_nowhere_else():
    assert WORKFLOW[True] == {"push": None}  # YAML reads the word on as true
    assert WORKFLOW["permissions"] == {"contents": "write"}
    (job,) = WORKFLOW["jobs"].values()
    assert job["if"] == "github.ref == format('refs/heads/{0}', github.event.repository.default_branch)"
    assert "permissions" not in job
    assert job["env"] == {
        "REPO": "${{ github.repository }}",
        "BRANCH": "${{ github.event.repository.default_branch }}",
    }
    checkout, step = job["steps"]
    assert checkout["uses"].startswith("actions/checkout@")
    assert "${{" not in step["run"]  # a branch's name is nothing to be run
    assert step.keys() == {"run"}


def test_the_workflow_commits_new_links_once_and_does_nothing_after(project, tmp_path):
    remote = tmp_path / "remote.git"
    git_project(project, str(remote))
    done("git", "init", "--quiet", "--bare", str(remote), cwd=tmp_path)
    done("git", "add", "--all", cwd=project)
    done(
        "git", "-c", "user.name=a", "-c", "user.email=b", "commit", "--quiet", "-m", "The course", cwd=project
    )
    done("git", "push", "--quiet", "origin", "HEAD:release/2", cwd=project)
    (job,) = WORKFLOW["jobs"].values()
    for _ in range(2):
        done("bash", "-e", "-c", job["steps"][1]["run"], cwd=project, REPO=FORK.slug, BRANCH=FORK.branch)
        subjects = done("git", "log", "--format=%s", FORK.branch, cwd=remote).splitlines()
        assert subjects == ["Links: they lead to someone/their.fork", "The course"]
    assert_leads_to(project, FORK)
    assert done("git", "status", "--porcelain", cwd=project) == ""
    changed = done("git", "diff", "--name-only", "HEAD~1", cwd=project).splitlines()
    lessons = [f"notebooks/{name}.ipynb" for name in NOTEBOOKS]
    assert sorted(changed) == sorted(["README.md", "CITATION.cff", "notebooks/README.md", *lessons])


# What a beginner sees of the install cell, in a shell that looks like Colab's.
SHELL = """
import sys, types
from IPython.core.interactiveshell import InteractiveShell
colab, missing, cell = sys.argv[1] == "colab", sys.argv[2] == "missing", sys.argv[3]
if colab:
    sys.modules["google.colab"] = types.ModuleType("google.colab")
if missing:
    sys.modules["convlab"] = None
shell = InteractiveShell.instance()
print("went on" if shell.run_cell(cell).success else "stopped")
"""
OURS = f"__course__, __version__ = {convlab.__course__!r}, {convlab.__version__!r}"
NEEDS = f"This lesson needs its own convlab {convlab.__version__}, and"
ANOTHER = (
    f"{NEEDS} found another: "
    "choose Runtime > Disconnect and delete runtime, then open the lesson anew from GitHub."
)
NOWHERE = (
    f"{NEEDS} this copy does not know where to get it: "
    "run `make links` once the course is on GitHub, and open the lesson from there."
)


@pytest.fixture
def seen(tmp_path):
    """What the install cell shows with a convlab of this source, and what a pip that ends so is asked for."""

    def see(address, source=OURS, pip_ends_in=0, colab=True):
        path = tmp_path / "path"
        for package in ("convlab", "pip"):
            (path / package).mkdir(parents=True)
        (path / "convlab" / "__init__.py").write_text(source or "", encoding="utf-8")
        (path / "pip" / "__init__.py").touch()
        (path / "pip" / "__main__.py").write_text(
            "import sys\nfrom pathlib import Path\n"
            "Path(__file__).with_name('asked').write_text('\\n'.join(sys.argv[1:]))\n"
            f"print('a wall of text', file=sys.stderr)\nsys.exit({pip_ends_in})\n",
            encoding="utf-8",
        )
        where = ["colab" if colab else "here", "missing" if source is None else "there"]
        cell = links.install_cell(address, ROOT)
        home = {"PYTHONPATH": str(path), "IPYTHONDIR": str(tmp_path / "ipython")}
        shown = run(sys.executable, "-c", SHELL, *where, cell, cwd=tmp_path, **home)
        assert shown.stderr == ""
        asked = path / "pip" / "asked"
        return shown.stdout.splitlines(), asked.read_text().splitlines() if asked.exists() else None

    return see


def test_on_colab_the_package_comes_from_the_lessons_own_default_branch(seen):
    asked = ["install", "-q", "git+https://github.com/someone/their.fork@release/2"]
    assert seen(FORK) == (["went on"], asked)


def test_an_install_that_fails_stops_the_lesson_in_one_sentence(seen):
    shown, _ = seen(FORK, pip_ends_in=1)
    sentence = "The lesson's package could not be installed: try again, or ask whoever keeps the course."
    assert shown == [sentence, "stopped"]


@pytest.mark.parametrize(
    "source",
    [
        "",
        f"__version__ = {convlab.__version__!r}",
        "import a_module_that_only_they_need",
        "def f(:",
        OURS.replace(convlab.__version__, "0.0.9"),
    ],
    ids=["empty", "same version", "it cannot be imported", "it is broken", "ours, but older"],
)
def test_another_package_of_the_name_stops_the_lesson_in_one_sentence(seen, source):
    shown, _ = seen(FORK, source)
    assert shown == [ANOTHER, "stopped"]


def test_without_an_address_colab_installs_nothing_and_takes_our_package_if_it_is_there(seen):
    assert seen(PLACEHOLDER) == (["went on"], None)


@pytest.mark.parametrize("source", [None, ""], ids=["none", "another"])
def test_without_an_address_colab_says_so_if_our_package_is_not_there(seen, source):
    assert seen(PLACEHOLDER, source) == ([NOWHERE, "stopped"], None)


@pytest.mark.parametrize("address", [PLACEHOLDER, FORK])
def test_elsewhere_the_install_cell_does_nothing(seen, address):
    assert seen(address, source="raise SystemExit", pip_ends_in=1, colab=False) == (["went on"], None)
