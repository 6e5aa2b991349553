"""What the folder's Python runs: Pacha, or Mercurial where the program is called hg."""

from __future__ import annotations

import os
import sys

#: Where other distributions than Debian, whose OpenSSL this is, keep the certificates of authorities.
_AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/cert.pem", "/etc/ssl/cert.pem")

is_one_file, program = sys.argv[1:3]
sys.argv[:3] = [program]
sys.path.append(f"{sys.prefix}/lib/packages")
if is_one_file == "1":
    sys.executable = program  # what is unpacked is for this account alone: another unpacks for itself
if not os.path.isdir("/usr/lib/ssl/certs"):
    for _bundle in filter(os.path.isfile, _AUTHORITIES):
        os.environ.setdefault("SSL_CERT_FILE", _bundle)
if os.path.basename(program) == "hg":
    sys.modules["__main__"].__file__ = program  # what Mercurial starts again
    import hgdemandimport

    hgdemandimport.enable()
    from mercurial import dispatch

    dispatch.run()
else:
    from pacha.__main__ import main

    main()
