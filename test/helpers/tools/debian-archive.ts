import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { reasonOf } from "./apt.js";
import { findProgram } from "./tools.js";

/** Not in git. To have what is there brought anew, delete it. */
const CACHE = fileURLToPath(new URL("../../../.cache/", import.meta.url));
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const MAX_MS = 180_000;

/** A program of a release of Debian, with all that it needs of the same release, the C library included. */
export interface ArchivedProgram {
  /** Of the folder in the cache. */
  readonly name: string;
  readonly release: string;
  readonly packages: readonly string[];
  /** Its path in them. */
  readonly file: string;
}

/** Where the program is once it has been brought; whether it is. */
export function cachedProgram({ name }: ArchivedProgram): string | undefined {
  const file = join(CACHE, name, "run");
  return existsSync(file) ? file : undefined;
}

/** What this machine lacks for running such programs, or undefined. */
export function archiveUnusable(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return `cannot be brought from Debian's archive to ${process.platform} on ${process.arch}`;
  }
  const lacking = ["apt-get", "dpkg-deb", "flock"].find(
    (name) => findProgram([name]) === undefined,
  );
  if (lacking !== undefined) return `cannot be brought from Debian's archive without ${lacking}`;
  return existsSync(KEYRING)
    ? undefined
    : `cannot be brought from Debian's archive without ${KEYRING} (package debian-archive-keyring)`;
}

/**
 * Brings a program of any release to this machine, beside what is installed on it: apt checks its signature and sums, and
 * nothing but the cache is written. It runs by its own release's loader and libraries.
 *
 * @returns a script that runs it, in its own process
 * @throws an Error whose message is apt's own reason, in one line
 */
export async function bringProgram(program: ArchivedProgram): Promise<string> {
  const { name, release, packages, file } = program;
  await mkdir(CACHE, { recursive: true });
  const target = join(CACHE, name);
  try {
    // Several test files may want it at the same time.
    await promisify(execFile)(
      "flock",
      [join(CACHE, `${name}.lock`), "sh", "-c", SCRIPT, "sh", ...packages],
      {
        env: {
          ...process.env, // a proxy, for one
          LC_ALL: "C.UTF-8",
          TARGET: target,
          SOURCE: `deb [arch=amd64 signed-by=${KEYRING}] http://deb.debian.org/debian ${release} main`,
          FILE: file,
        },
        timeout: MAX_MS,
        maxBuffer: 16 * 1024 * 1024,
      },
    );
  } catch (cause) {
    const { stderr = "" } = cause as { stderr?: string };
    throw new Error(reasonOf(stderr) ?? String(cause), { cause });
  }
  return join(target, "run");
}

/** With lists and a state of its own, apt neither needs nor changes those of the system, and needs no root. */
const SCRIPT = `
set -e
if [ -x "$TARGET/run" ]; then exit 0; fi # another process was faster
rm -rf "$TARGET" "$TARGET.new"
mkdir -p "$TARGET.new/apt/lists/partial" "$TARGET.new/apt/cache/archives/partial" "$TARGET.new/debs"
cd "$TARGET.new/debs"
apt="$TARGET.new/apt"
echo "$SOURCE" >"$apt/sources.list"
: >"$apt/status"
bring() {
  apt-get -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- \\
    -o Dir::State="$apt" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \\
    -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o APT::Sandbox::User= \\
    -o Acquire::Languages=none -o Acquire::http::Timeout=20 -o Acquire::Retries=2 "$@"
}
bring -o APT::Update::Error-Mode=any update
bring download "$@"
for deb in *.deb; do dpkg-deb -x "$deb" "$TARGET.new/root"; done
rm -rf "$apt" "$TARGET.new/debs"
libs=lib/x86_64-linux-gnu # where bookworm has some, and trixie none
if [ ! -e "$TARGET.new/root/$libs" ]; then libs=usr/$libs; fi
cat >"$TARGET.new/run" <<END
#!/bin/sh
root=\\$(dirname "\\$0")/root
exec "\\$root/$libs/ld-linux-x86-64.so.2" \\\\
  --library-path "\\$root/$libs:\\$root/usr/lib/x86_64-linux-gnu" "\\$root/$FILE" "\\$@"
END
chmod 755 "$TARGET.new/run"
mv "$TARGET.new" "$TARGET"
`;
