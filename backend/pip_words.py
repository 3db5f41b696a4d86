"""What pip says, in words for an artist."""

import re

TROUBLES = (
    # (code, what pip or Python print, the sentence). The first that matches counts: causes come before their effects.
    ("no space", r"No space left on device|\[Errno 28\]|not enough space on the disk|\[WinError 112\]",
     "The disk filled up during the installation; make room, or choose another place, and set up again."),
    ("certificate", r"CERTIFICATE_VERIFY_FAILED|SSLError|SSL: ",
     "The secure connection to the package index was refused, as happens behind a company's proxy or virus scanner; "
     "set pip's option cert to your company's certificate, and set up again."),
    ("proxy", r"ProxyError|Cannot connect to proxy|407 Proxy",
     "The proxy does not let pip through; correct the proxy in pip's settings, and set up again."),
    ("no network", r"Temporary failure in name resolution|Name or service not known|getaddrinfo failed|"
                   r"nodename nor servname|NewConnectionError|Network is unreachable|ConnectTimeoutError|"
                   r"No route to host|Connection refused",
     "The package index cannot be reached; check the network connection, and set up again."),
    ("broke off", r"Read timed out|IncompleteRead|Connection broken|ConnectionResetError|RemoteDisconnected|"
                  r"ReadTimeoutError",
     "The download broke off; set up again, and what has come already is not fetched twice."),
    ("damaged", r"DO NOT MATCH THE HASHES|Bad[ZC]\w*File|is not a zip file|has an invalid wheel",
     "A download arrived damaged; set up again."),
    ("no pip", r"No module named pip|No module named ensurepip|ensurepip is not available",
     "This Python comes without pip; install it (Debian and Ubuntu: python3-venv), or name another Python."),
    ("long path", r"\[WinError 206\]|Filename too long|File name too long|enable long paths|Long Path",
     "The place's path is too long for this system; choose a shorter one, and set up again."),
    ("no permission", r"Permission denied|\[WinError 5\]|Access is denied|Read-only file system",
     "Files there cannot be written; choose another place, or end the programs that use it, and set up again."),
    ("no version", r"No matching distribution found for (\S+)|Could not find a version that satisfies .*? (\S+==\S+)",
     "The package index has no {0} for this Python and computer, or cannot be reached; check the network, or name an "
     "extra package index or another Python."),
    ("memory", r"MemoryError|Killed",
     "There was not enough memory; close other programs, and set up again."),
    ("build", r"Failed building wheel|metadata-generation-failed|Microsoft Visual C\+\+|error: command .*gcc",
     "A package has no ready-made build for this Python and computer; name another Python (3.11 to 3.13)."),
)  # fmt: skip


def trouble_in(lines: list[str], otherwise: str) -> tuple[str, str]:
    """(code, sentence) for the output of a pip that failed.

    Warnings about attempts that pip repeats look like the real trouble, so errors are looked at first.
    """
    errors = [line for line in lines if re.match(r"\s*(ERROR|Error|OSError|error)\b", line)]
    for text in ("\n".join(errors), "\n".join(lines)):
        for code, pattern, sentence in TROUBLES:
            match = re.search(pattern, text)
            # An index that cannot be reached ends in "no version" too.
            if match and not (code == "no version" and _unreachable(lines)):
                name = next((group for group in match.groups() if group), "")
                return code, sentence.format(name.rstrip(","))
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    return "unknown", f"{otherwise} ({last[:200]}); the log has the details."


def _unreachable(lines: list[str]) -> bool:
    codes = {"certificate", "proxy", "no network", "broke off"}
    patterns = [pattern for code, pattern, _ in TROUBLES if code in codes]
    return any(re.search(pattern, line) for line in lines for pattern in patterns)


class Progress:
    """How far pip is, from what it prints.

    Attributes:
        phase: what it does, in words.
        done, total: packages, or megabytes while a large one comes; packages grow when pip finds further ones.
    """

    LARGE = 50e6

    def __init__(self, packages: int):
        self.phase, self.done, self.total = "Downloading packages", 0, max(packages, 1)
        self._packages = (0, self.total)
        self._file = "a large package"

    def hear(self, line: str) -> None:
        """One line of pip's output."""
        if found := re.match(r"Progress (\d+) of (\d+)", line):
            got, size = map(int, found.groups())
            if size > self.LARGE:
                self.phase, self.done, self.total = f"Downloading {self._file} (MB)", got // 10**6, size // 10**6
            return
        if found := re.match(r"\s*Downloading (?:\S*/)?(\w+)-", line):
            self._file = found.group(1)
        if re.match(r"\s*(Collecting|Requirement already satisfied)\b", line):
            seen = self._packages[0] + 1
            self._packages = (seen, max(self._packages[1], seen))
        if found := re.match(r"Installing collected packages: (.*)", line):
            self.phase, self.done, self.total = "Installing packages", 0, found.group(1).count(",") + 1
        elif self.phase != "Installing packages" and line.strip():
            self.phase = "Downloading packages"
            self.done, self.total = self._packages
