"""Several hundred made-up names of kinds that have broken, fooled or escaped from servers. Each call gives the same.

Names that leave the root lead to files named `planted` in a folder that the test watches, so that an escape is seen. A
name is text, or bytes if it is not UTF-8.
"""

import itertools
import pathlib
import unicodedata


def climbing(outside: pathlib.Path) -> list[str | bytes]:
    """Names that leave the root by dots and slashes, in many spellings."""
    folder = outside.name
    dots = [
        "..", "...", "....", ". .", ".. ", " ..", "..\t", "%2e%2e", "%2E%2E", "%252e%252e", "%25252e%25252e", ".%2e",
        "%2e.", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "..;", "..\0", "..%00", "․․", "．．", "‥", "..‎", ".\u200b.",
        "%u002e%u002e", "&#46;&#46;", "\\u002e\\u002e", "\\..", "..\\",
    ]  # fmt: skip
    slashes = [
        "/", "//", "\\", "\\\\", "%2f", "%2F", "%5c", "%252f", "%25252f", "%c0%af", "%e0%80%af", "⁄", "∕", "／", "⧵",
        "/./", "/;/", "%u2215", "&#47;",
    ]  # fmt: skip
    names: list[str | bytes] = [f"{dot}{slash}{folder}{slash}planted" for dot, slash in itertools.product(dots, slashes[:11])]
    names += [f"..{slash}{folder}{slash}planted" for slash in slashes]
    names += [f"a/..{slash}..{slash}{folder}/planted" for slash in slashes]
    names += ["../" * depth + f"{folder}/planted" for depth in (1, 2, 3, 10, 80)]
    names += [str(outside / "planted"), f"/{outside}/planted", f"file://{outside}/planted", f"./{outside}/planted"]
    names += [f"C:{outside}/planted", f"\\\\?\\{outside}\\planted", f"~/../{folder}/planted", "/proc/self/cwd/../planted"]
    # Overlong UTF-8: a dot and a slash in two, three and four bytes. Then half a character, and a surrogate.
    for dot, slash in ((b"\xc0\xae", b"\xc0\xaf"), (b"\xe0\x80\xae", b"\xe0\x80\xaf"), (b"\xf0\x80\x80\xae", b"\xf0\x80\x80\xaf")):
        names += [dot * 2 + b"/" + folder.encode() + b"/planted", b".." + slash + folder.encode() + slash + b"planted"]
    names += [b"\xff\xfe", b"\xed\xa0\x80", b"x\xc3", b"\x80", b"\xf5\x80\x80\x80", b"..\xc0/planted"]
    return names


def links() -> list[str]:
    """Names that lead through the links that the test has planted in the root (`LINKS` there)."""
    ways = [
        "file-link", "folder-link", "root-link", "dangling-link", "parent-link", "loop-link", "folder-link/planted",
        "folder-link/", "folder-link/.", "folder-link/..", "folder-link/../planted", "folder-link/deep/planted",
        "folder-link//planted", "./folder-link/planted", "/folder-link/planted", "parent-link/outside/planted",
        "root-link/tmp/planted", "dangling-link/planted", "loop-link/planted", "loop-link/loop-link", "file-link/planted",
        "folder-link\\planted", "folder-link%2fplanted", "FOLDER-LINK/planted", "a/folder-link/planted",
    ]  # fmt: skip
    return ways


def naughty() -> list[str]:
    """Names that break other programs on the server, or deceive people."""
    own = [".resumabled", ".resumabled/x", ".RESUMABLED", ".resumabled ", ".resumabled/../x", ".resumabled\0", "x/.resumabled"]
    control = [f"c{chr(code)}x" for code in [*range(32), 127, *range(0x80, 0xA0)]]
    invisible = [
        f"u{character}x" for character in
        "\u00a0\u00ad\u034f\u061c\u115f\u1680\u180e\u2000\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d"
        "\u202e\u2060\u2066\u2067\u2068\u2069\u3000\ufeff\ufff9\ufffc\ufffd\ufffe\uffff\U000e0001\U000e0041\U000f0000\U0010ffff"
    ]
    devices = [
        device + ending for device in ("CON", "PRN", "AUX", "NUL", "COM1", "LPT9", "CONIN$", "con", "Nul")
        for ending in ("", ".txt", ":", " .txt", ".")
    ] + ["/dev/null", "/dev/full", "/dev/stdin", "/proc/self/mem", "/proc/self/fd/1", "x:y", "x::$DATA", "x:$I30"]
    trailing = ["x.", "x..", "x ", "x . .", " x", "x\t", ".x", "...x", "-", "--", "-rf", "--help", "-o x", "@x", "#x#", "x~", "~x"]
    shell = [
        "$(touch planted)", "`touch planted`", "; touch planted", "| touch planted", "&& touch planted", "x\ntouch planted",
        "$IFS", "${HOME}", "$HOME", "~root", "*", "?", "[a-z]", "{a,b}", "!x", "x > planted", "x' ; '", 'x" ; "', "\\", "\\\\", "'",
        '"', "''", '""',
    ]  # fmt: skip
    formats = ["%s%s%s%s%n", "%x" * 20, "%p", "%1$n", "%99999999s", "{}", "{0}", "{0.__class__}", "${jndi:ldap://127.0.0.1/x}"]
    markup = [
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "'><svg onload=alert(1)>", "javascript:alert(1)",
        "&lt;b&gt;", "<!--", "]]>", "<?xml?>", "{{7*7}}", "#{7*7}", "<%= 7*7 %>", "' OR '1'='1", "1; DROP TABLE uploads --",
        "' UNION SELECT 1 --", "=1+1", "+1", "@SUM(1)", "\"'<>&",
    ]  # fmt: skip
    lines = [
        "x\r\nX-Injected: yes", "x\nX-Injected: yes", "x\r\n\r\n<html>", "x%0d%0aX-Injected: yes", "x\u2028X-Injected: yes",
        "x\nforged line of a log", "x\r\nforged line of a log", "x\x1b[2J\x1b]0;title\x07", "x\b\b\b", "x\x9b31m",
    ]  # fmt: skip
    scripts = [
        "e\u0301", "\u00e9", "\u212b", "\u00c5", "A\u030a", "\ufb01", "fi", "ﬁle", "İ", "ı", "ß", "ẞ", "ſ", "K", "σς", "\u1e9b\u0323",
        "각", unicodedata.normalize("NFD", "각"), "Ωmega", "аpple", "раураl", "🎉", "👨‍👩‍👧‍👦", "👩🏽‍🚀", "🏳️‍🌈", "🇩🇪", "1️⃣",
        "視頻", "中文 文件", "عربي", "עברית", "ไทย", "हिन्दी", "T̷o̷o̷", "x" + "\u0301" * 120, "\u0301", ".\u0301", "a/\u0301b", "文\0件",
        "\u202egpj.exe", "cod\u202etxt.exe", "\u2066x\u2069", "ａｂｃ", "𝓍𝓎𝓏", "ЁЯЖЭ",
    ]  # fmt: skip
    long = [
        "n" * count for count in (254, 255, 256, 1023, 1024, 1025, 4096, 6000)
    ] + ["视" * 85, "视" * 86, "🎉" * 63, "🎉" * 64, "a/" * 63 + "b", "a/" * 64 + "b", "a/" * 500 + "b", "/" * 300, "." * 255, "." * 256,
         "%" * 255, "%25" * 85, "x." + "y" * 253, "." + "y" * 254, "é" * 127 + ".x"]  # fmt: skip
    words = [
        "", "0", "-1", "1e9", "NaN", "Infinity", "null", "undefined", "None", "nil", "true", "[]", "{}", "0x10", "00", "1,2",
        "9" * 30, "index.html", ".htaccess", ".bashrc", "web.config", "core", "a=b&c=d", "a&resumableFilename=planted", "a;b", "a+b",
        "a%20b", "a%00b", "a#b", "a?b", "file", "blob", "x.php", "x.php.jpg", "x.php\0.jpg", "x.svg", "x.lnk", "desktop.ini",
    ]  # fmt: skip
    return own + control + invisible + devices + trailing + shell + formats + markup + lines + scripts + long + words


def hostile_names(outside: pathlib.Path) -> list[str | bytes]:
    """All of these names, each once."""
    return list(dict.fromkeys([*climbing(outside), *links(), *naughty()]))
