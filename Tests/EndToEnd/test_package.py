"""The Debian package in clean roots of this machine's release and the later ones: installed, serving, upgraded during
uploads, purged.

systemd does not run in these roots, so `Installed` does its work: it reads the installed units, creates the socket, and
starts the program as the units say. nginx is that of the root, with the site of the package.
"""

import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request

import pytest

from support.browser import open_browser
from support.client import MIB, Client, random_bytes
from support.http2 import HTTP2Client, make_certificate, nginx_version, with_tls
from support.load import Load
from support.server import REPOSITORY, free_port, replace, wait_until

pytestmark = [
    pytest.mark.package,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can install a package"),
]

UPLOADS = "/var/lib/resumabled"
# The releases of Debian on which the package must work if it is built on one of them or on an earlier one.
RELEASES = ["bookworm", "trixie"]


def run(*arguments, **how) -> str:
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, stdin=subprocess.DEVNULL, **how)
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def releases() -> list[str]:
    """This machine's release and the later ones."""
    own = re.search(r"^VERSION_CODENAME=(\w+)$", pathlib.Path("/etc/os-release").read_text(), re.M)[1]
    return RELEASES[RELEASES.index(own):] if own in RELEASES else [own]


def mirror() -> str:
    """This machine's mirror of Debian, from its list of sources."""
    for path in pathlib.Path("/etc/apt").glob("sources.list*/**/*.sources"):
        if address := re.search(r"^URIs:\s*(\S+)", path.read_text(), re.M):
            return address[1]
    lists = [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*.list")]
    for path in filter(pathlib.Path.exists, lists):
        if address := re.search(r"^deb\s+(?:\[.*?\]\s+)?(\S+)", path.read_text(), re.M):
            return address[1]
    return "http://deb.debian.org/debian"


def reachable(release: str) -> bool:
    """Whether debootstrap can install the release from this machine's mirror."""
    try:
        with urllib.request.urlopen(f"{mirror()}/dists/{release}/InRelease", timeout=30):
            return pathlib.Path("/usr/share/debootstrap/scripts", release).exists()
    except urllib.error.URLError:
        return False


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> list[pathlib.Path]:
    """The package, and the next version of it."""
    folder = tmp_path_factory.mktemp("packages")
    built = [
        run(REPOSITORY / "deploy/package", "--output", folder, *version).strip()
        for version in ((), ("--version", "99.0"))
    ]
    return [pathlib.Path(path) for path in built]


@pytest.fixture(scope="module", params=releases())
def clean_root(request):
    """A minimal Debian with nginx. All else must come with the package and its dependencies."""
    # Later releases may be out of reach, except in continuous integration.
    if request.param != releases()[0] and "CI" not in os.environ and not reachable(request.param):
        pytest.skip(f"{mirror()} has no {request.param}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="resumabled-root."))
    # The maintainer scripts need only these two programs of systemd.
    names = ["nginx-light", "systemd-standalone-sysusers", "systemd-standalone-tmpfiles", "util-linux"]
    try:
        run("debootstrap", "--variant=minbase", f"--include={','.join(names)}", request.param, folder, mirror())
        folder.chmod(0o755)
        run("mount", "-t", "proc", "proc", folder / "proc")
        yield folder
    finally:
        if os.path.ismount(folder / "proc"):
            run("umount", folder / "proc")
        shutil.rmtree(folder)


class Installed:
    """Does the work of systemd and of nginx's service in the clean root. Loads and browsers use it like a `Server`."""

    def __init__(self, clean_root: pathlib.Path):
        self.clean_root = clean_root
        self.root = clean_root / UPLOADS[1:]
        self.port = free_port()
        self.log = open(clean_root / "program.log", "ab")
        self.program: subprocess.Popen | None = None
        self.nginx: subprocess.Popen | None = None
        self.stack = contextlib.ExitStack()

    def client(self, **options) -> Client:
        return Client(self.port, **options)

    def run(self, *command) -> str:
        return run("chroot", self.clean_root, *command)

    def unit(self, kind: str) -> dict[str, list[str]]:
        """The installed unit's settings."""
        path = self.clean_root / f"lib/systemd/system/resumabled.{kind}"
        if not path.exists():
            path = self.clean_root / f"usr/lib/systemd/system/resumabled.{kind}"
        settings: dict[str, list[str]] = {}
        for name, value in re.findall(r"^(\w+)=(.*)$", path.read_text(), re.M):
            settings.setdefault(name, []).append(value)
        return settings

    def listen(self) -> None:
        unit = {name: values[-1] for name, values in self.unit("socket").items()}
        path = self.clean_root / unit["ListenStream"][1:]
        self.listener = self.stack.enter_context(socket.socket(socket.AF_UNIX))
        self.listener.bind(str(path))
        os.chown(path, self.number("passwd", unit["SocketUser"]), self.number("group", unit["SocketGroup"]))
        path.chmod(int(unit["SocketMode"], 8))
        self.listener.listen(int(unit["Backlog"]))

    def number(self, database: str, name: str) -> int:
        return int(re.search(rf"^{name}:[^:]*:(\d+):", (self.clean_root / "etc" / database).read_text(), re.M)[1])

    def start_program(self) -> None:
        unit = self.unit("service")
        variables = list(unit["Environment"])
        text = (self.clean_root / unit["EnvironmentFile"][-1].removeprefix("-")[1:]).read_text()
        variables += [line for line in text.splitlines() if line and not line.startswith("#")]
        command = f'LISTEN_PID=$$ LISTEN_FDS=1 exec {unit["ExecStart"][-1]} 3<&{self.listener.fileno()}'
        arguments = ["chroot", self.clean_root, "/usr/bin/setpriv", f'--reuid={unit["User"][-1]}']
        arguments += [f'--regid={unit["Group"][-1]}', "--clear-groups", "env", "-i", *variables, "bash", "-c"]
        self.program = subprocess.Popen(
            [*arguments, f'umask {unit["UMask"][-1]}; {command}'],
            pass_fds=[self.listener.fileno()], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def restart(self) -> None:
        """The maintainer script requests this from systemd after an upgrade."""
        self.stop_program()
        self.start_program()

    def stop_program(self) -> None:
        self.program.send_signal(signal.SIGTERM)
        status, self.program = self.program.wait(30), None
        assert status == 0, (self.clean_root / "program.log").read_text()

    def site(self) -> str:
        """The site of the package, which listens at port 80."""
        return (self.clean_root / "etc/nginx/sites-available/resumabled").read_text()

    def start_nginx(self, text: str | None = None) -> None:
        """Enables the site unchanged but for a free port, or the site in `text`."""
        if text is None:
            text = replace(self.site(), "listen 80;", f"listen 127.0.0.1:{self.port};")
        sites = self.clean_root / "etc/nginx/sites-enabled"
        for site in sites.iterdir():
            site.unlink()
        (sites / "resumabled").write_text(text)
        tested = subprocess.run(
            ["chroot", self.clean_root, "nginx", "-t"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert tested.returncode == 0 and "[warn]" not in tested.stderr, tested.stderr
        self.nginx = subprocess.Popen(
            ["chroot", self.clean_root, "nginx", "-g", "daemon off;"], stdin=subprocess.DEVNULL)

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(listens, 10, "nginx listens")

    def stop_nginx(self) -> None:
        self.nginx.send_signal(signal.SIGQUIT)
        status, self.nginx = self.nginx.wait(30), None
        assert status == 0

    def close(self) -> None:
        for process, how in ((self.nginx, signal.SIGQUIT), (self.program, signal.SIGTERM)):
            if process and process.poll() is None:
                process.send_signal(how)
                process.wait(30)
        self.stack.close()
        self.log.close()


@pytest.fixture(scope="module")
def installed(clean_root, packages):
    """The package installed and running, from the installed files alone."""
    shutil.copy(packages[0], clean_root / "first.deb")
    installed = Installed(clean_root)
    try:
        # apt installs the dependencies, by whatever names the release has them.
        installed.run("apt-get", "-qq", "update")
        installed.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "install", "-y",
                      "--no-install-recommends", "/first.deb")
        installed.listen()
        installed.start_program()
        installed.start_nginx()
        yield installed
    finally:
        installed.close()


def test_lintian_finds_no_error(packages):
    for package in packages:
        done = subprocess.run(["lintian", "--fail-on", "error", package], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_an_upgrade_restarts_the_program_and_leaves_the_socket_alone(packages, tmp_path):
    run("dpkg-deb", "--control", packages[0], tmp_path / "control")
    scripts = {name: (tmp_path / "control" / name).read_text() for name in ("postinst", "prerm", "postrm")}
    assert re.search(r"deb-systemd-invoke \$_dh_action 'resumabled.service' >", scripts["postinst"])
    assert re.search(r"deb-systemd-invoke start 'resumabled.socket' >", scripts["postinst"])
    assert all('[ "$1" = remove ]' in line for line in scripts["prerm"].splitlines() if line.startswith("if "))
    assert not re.search(rf"rm\b.*{UPLOADS}", "".join(scripts.values()))


def test_the_program_needs_only_debian_packages(packages):
    told = run("dpkg-deb", "-I", packages[0])
    depends = re.search(r"^ Depends: (.*)$", told, re.M)[1]
    assert "swift" not in told.partition("Description")[0]
    assert "libc6" in depends and re.search(r"libfcgi0(?:ldbl|t64)", depends)


def test_the_service_user_owns_the_uploads_and_others_cannot_read_them(installed):
    status = installed.root.stat()
    assert (status.st_uid, status.st_mode & 0o7777) == (installed.number("passwd", "resumabled"), 0o750)


def test_the_manual_and_the_settings_have_every_option(installed):
    told = installed.run("resumabled", "serve", "--help")
    options = set(re.findall(r"^  --([a-z0-9-]+)", told, re.M)) - {"version"}
    defaults = (installed.clean_root / "etc/default/resumabled").read_text()
    assert set(re.findall(r"^#(RESUMABLED_\w+)=", defaults, re.M)) == {
        "RESUMABLED_" + name.upper().replace("-", "_") for name in options}
    # dpkg in a minimal root leaves documentation out. It has no groff to format the page, but this machine has.
    page = run("man", "--warnings", "-l", installed.clean_root / "usr/share/man/man8/resumabled.8.gz",
               env=os.environ | {"MANWIDTH": "200", "MAN_KEEP_FORMATTING": ""})
    page = re.sub(r".\x08|\x1b\[[\d;]*m", "", page)
    assert options <= set(re.findall(r"^ +--([a-z0-9-]+)", page, re.M))


@pytest.mark.parametrize("shell, path", [
    ("bash", "bash-completion/completions/resumabled"),
    ("zsh", "zsh/vendor-completions/_resumabled"),
    ("fish", "fish/vendor_completions.d/resumabled.fish"),
])
def test_each_shell_can_complete_the_settings(installed, shell, path):
    text = (installed.clean_root / "usr/share" / path).read_text()
    assert "max-file-size" in text and "serve" in text
    if shell == "bash":
        run("bash", "-n", installed.clean_root / "usr/share" / path)


def test_check_finds_no_problem_in_the_installed_program(installed):
    told = installed.run("setpriv", "--reuid=resumabled", "--regid=resumabled", "--clear-groups",
                         "env", f"RESUMABLED_ROOT={UPLOADS}", "resumabled", "check")
    assert "FAIL" not in told and f"ok    folder: {UPLOADS}" in told


def test_a_file_arrives_by_the_installed_page(installed, tmp_path):
    data = random_bytes(3 * MIB + 17)
    (tmp_path / "影片.bin").write_bytes(data)
    with open_browser(installed, tmp_path / "profile") as browser:
        browser.open().pick(tmp_path / "影片.bin")
        browser.wait_for_states("done")
    arrived = installed.root / "影片.bin"
    assert arrived.read_bytes() == data
    assert arrived.stat().st_uid == installed.number("passwd", "resumabled")
    assert arrived.stat().st_mode & 0o007 == 0


def test_the_site_speaks_http2_with_the_lines_of_its_comment(installed, tmp_path):
    """`start_nginx` accepts no warning, such as one about a deprecated directive."""
    certificate, key = make_certificate(installed.clean_root / "etc/nginx")
    inside = [pathlib.Path("/", path.relative_to(installed.clean_root)) for path in (certificate, key)]
    installed.stop_nginx()
    installed.start_nginx(with_tls(
        installed.site(), "listen 80;", installed.port, *inside,
        nginx_version("chroot", installed.clean_root, "nginx")))
    data = random_bytes(3 * MIB + 17)
    try:
        with HTTP2Client(installed.port, certificate) as client:
            answers = client.upload(data, filename="http2.bin", identifier="http2.bin")
            assert [answer.status for answer in answers] == [200] * 3
            answer = client.request("POST", client.route, bytes(9 * MIB), {"Content-Type": "application/octet-stream"})
            assert (answer.status, answer.outcome) == (415, "refused")
    finally:
        installed.stop_nginx()
        installed.start_nginx()
    assert (installed.root / "http2.bin").read_bytes() == data


def test_no_client_notices_an_upgrade_in_the_middle_of_uploads(installed, packages, tmp_path):
    shutil.copy(packages[1], installed.clean_root / "second.deb")
    data = random_bytes(20 * MIB)
    (tmp_path / "film.bin").write_bytes(data)
    with open_browser(installed, tmp_path / "profile") as browser:
        browser.open().slow_down(2 * MIB)
        browser.pick(tmp_path / "film.bin")
        wait_until(lambda: list((installed.root / ".resumabled").glob("*.data")), 20, "the upload has begun")
        with Load(installed, random.randrange(1 << 32), gapless=True) as load:
            load.wait_for_progress()
            installed.run("dpkg", "-i", "/second.deb")
            load.wait_for_progress()
            installed.restart()
            load.wait_for_progress()
        assert not (installed.root / "film.bin").exists(), "the upgrade came too late"
        browser.full_speed()
        browser.wait_for_states("done")
        traffic = browser.traffic.read()
        statuses = traffic.answers_to(traffic.uploads)
    assert statuses == {200}
    assert installed.run("dpkg-query", "-W", "-f", "${Version}", "resumabled") == "99.0"
    assert (installed.root / "film.bin").read_bytes() == data
    load.expect_files_whole(load.digests)


def test_a_purge_keeps_the_uploads(installed):
    before = {path.name for path in installed.root.iterdir()}
    installed.stop_program()
    done = subprocess.run(["chroot", installed.clean_root, "dpkg", "--purge", "resumabled"],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and f"uploads in {UPLOADS} are kept" in done.stderr, done.stderr
    assert {path.name for path in installed.root.iterdir()} == before and "影片.bin" in before
    left = installed.run(
        "find", "/etc", "/usr", "/lib/systemd", "-name", "*resumabled*", "-not", "-path", "*/sites-enabled/*")
    assert left == ""
