"""Systems of dnf in folders: Debian's dnf on a Debian that says it is none, with a repository of tiny packages."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.support.debian_systems import Archive, Debian, make_base, run

_PACKAGES = ("dnf", "rpm", "dnf-plugins-core")
_CONFIGURATION = "[main]\nmodule_platform_id=platform:el9\ngpgcheck=1\n"


def make_dnf_base(place: Path) -> Path:
    """A minimal system with dnf as a tar file, from this machine's mirror."""
    return make_base(place, _PACKAGES)


class DnfSystem(Debian):
    """A system of dnf: nothing is installed as far as rpm knows, and dpkg knows of nothing."""

    def prepare(self) -> None:
        """Make it one."""
        shutil.rmtree(f"{self.root}/var/lib/dpkg")
        self.write("/etc/rpm/macros", "%_dbpath /var/lib/rpm\n")
        self.write("/etc/dnf/dnf.conf", _CONFIGURATION)
        self.write("/etc/os-release", "ID=rocky\nVERSION_ID=9.4\n")
        self.write("/etc/dnf/plugins/local.conf", "[main]\nenabled=0\n")
        Path(f"{self.root}/etc/yum.repos.d").mkdir(exist_ok=True)
        self.said("rpm", "--initdb")

    def dnf(self, *arguments: str) -> str:
        """Run dnf to its good end."""
        return self.said("dnf", "-y", *arguments)

    def installed(self) -> list[str]:
        """The packages that rpm has."""
        return sorted(name for name in self.said("rpm", "-qa").split() if not name.startswith("gpg-pubkey"))

    def manual(self) -> list[str]:
        """The packages that somebody asked for."""
        return sorted(self.said("dnf", "-q", "-C", "repoquery", "--userinstalled", "--disablerepo=*").split())


@dataclass
class RpmArchive(Archive):
    """Repositories of signed rpms."""

    ALGORITHM = "rsa2048"  # others are no matter of course to rpm

    def add_rpm(self, area: str, name: str, version: str, *, head: str = "", body: str = "", conf: str = "") -> Path:
        """Make a package: ``head`` are lines for the preamble, ``body`` its scripts, ``conf`` what is configured.

        Returns its path.
        """
        top = self.folder / "build" / f"{name}-{version}"
        top.mkdir(parents=True)
        lines = [f"Name: {name}\nVersion: {version}\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch", head]
        made = [
            f"mkdir -p %{{buildroot}}/usr/share %{{buildroot}}/etc; echo {version} >%{{buildroot}}/usr/share/{name}"
        ]
        files = [f"/usr/share/{name}"]
        if conf:
            made.append(f"echo '{conf}' >%{{buildroot}}/etc/{name}.conf")
            files.append(f"%config(noreplace) /etc/{name}.conf")
        lines += ["%description\nx", "%install", *made, body, "%files", *files, ""]
        (top / "spec").write_text("\n".join(lines))
        out = self.folder / "www" / area
        run("rpmbuild", "-bb", "--define", f"_topdir {top}", "--define", f"_rpmdir {out}", top / "spec")
        place = out / "noarch" / f"{name}-{version}-1.noarch.rpm"
        defined = {"_gpg_path": self.folder / "home", "_gpg_name": "archive@example.com", "__gpg": shutil.which("gpg")}
        words = [word for key, value in defined.items() for word in ("--define", f"{key} {value}")]
        run("rpm", *words, "--addsign", place)
        return place

    def publish(self, area: str) -> None:
        """Write the lists of what the area has."""
        run("createrepo_c", "-q", self.folder / "www" / area)
