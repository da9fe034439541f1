import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

/** A package of Debian and its descendants. */
export interface AptPackage {
  readonly name: string;
  /** A program that it brings: where that is there, nothing is to be done. */
  readonly binary?: string;
  /** The daemon that it would have the machine start. */
  readonly service?: string | undefined;
}

/** Installations of this process, one after the other; the lock file orders those of several. */
let lastInstallation: Promise<unknown> = Promise.resolve();
let listsAreFresh = false;

/**
 * Installs a package as root, without asking, and without starting its daemon.
 *
 * @param path - where to look for apt-get and for the program
 * @throws an Error whose message is apt's own reason, in one line
 */
export async function aptInstall(aptPackage: AptPackage, path: readonly string[]): Promise<void> {
  const installation = lastInstallation.then(() => install(aptPackage, path));
  lastInstallation = installation.catch(() => undefined);
  await installation;
}

async function install(
  { name, binary, service }: AptPackage,
  path: readonly string[],
): Promise<void> {
  const lockFile = join(tmpdir(), "inthon-install.lock");
  try {
    await promisify(execFile)("flock", [lockFile, "sh", "-c", installScript], {
      env: {
        ...process.env, // a proxy, for one
        LC_ALL: "C.UTF-8",
        PATH: path.join(delimiter),
        DEBIAN_FRONTEND: "noninteractive",
        BINARY: binary ?? "",
        PACKAGE: name,
        SERVICE: service ?? "",
        UPDATE: listsAreFresh ? "" : "yes",
      },
      maxBuffer: 16 * 1024 * 1024,
    });
  } catch (cause) {
    const { stderr = "" } = cause as { stderr?: string };
    throw new Error(reasonOf(stderr) ?? String(cause), { cause });
  }
  listsAreFresh = true;
}

/**
 * Debian starts a daemon as soon as its package is installed, and again at each boot: here it
 * would hold the port that somebody else wants. A policy-rc.d that forbids it is Debian's way to
 * prevent the first; it is taken away again, and one that is already there stays as it is.
 */
const installScript = `
set -e
if [ -n "$BINARY" ] && command -v "$BINARY" >/dev/null; then exit 0; fi # another process was faster
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\\nexit 101\\n' >"$policy"
  chmod 755 "$policy"
fi
if [ -n "$UPDATE" ]; then apt-get update || true; fi # what the lists of yesterday have may still be there
apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$PACKAGE"
if [ -n "$SERVICE" ] && command -v systemctl >/dev/null; then
  systemctl disable "$SERVICE" || true
fi
`;

const A_COMPLAINT = /^(?:[EW]: |Err:|dpkg: |flock: |sh: )/;
/** What apt says after its reason, or where the reason is that it could not fetch its lists. */
const A_CONSEQUENCE =
  /returned an error code|maybe run apt-get update|index files failed to download|Unable to locate package|no installation candidate|Some packages could not be installed/;

/** The last line of apt's stderr that is a reason and not what followed from one. */
export function reasonOf(stderr: string): string | undefined {
  const lines = stderr.split("\n").map((line) => line.trim());
  const complaints = lines.filter((line) => A_COMPLAINT.test(line));
  return (
    complaints.findLast((line) => !A_CONSEQUENCE.test(line)) ??
    complaints.at(-1) ??
    lines.findLast((line) => line !== "")
  );
}
