import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ensureTool } from "../../helpers/tools/tools.js";

const run = promisify(execFile);

/** A certificate and its key, by the names of their files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Signs certificates, in a directory of its own. */
export class Authority {
  readonly ca: string;
  readonly #openssl: string;
  readonly #dir: string;
  #signed = 0;

  private constructor(openssl: string, dir: string) {
    this.#openssl = openssl;
    this.#dir = dir;
    this.ca = join(dir, "ca.crt");
  }

  static async create(): Promise<Authority> {
    const openssl = await ensureTool("openssl");
    const authority = new Authority(openssl, await mkdtemp(join(tmpdir(), "inthon-tls-")));
    await authority.#make("ca", "/CN=authority", []);
    return authority;
  }

  /** @param names - whom it is for, as `DNS:localhost` or `IP:127.0.0.1` */
  sign(names: readonly string[]): Promise<Certificate> {
    const by = ["-CA", this.ca, "-CAkey", join(this.#dir, "ca.key")];
    const forNames = names.length === 0 ? [] : ["-addext", `subjectAltName=${names.join(",")}`];
    const leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
    return this.#make(`c${String(this.#signed++)}`, "/CN=leaf", [...by, ...forNames, ...leaf]);
  }

  async remove(): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #make(name: string, subject: string, more: readonly string[]): Promise<Certificate> {
    const [cert, key] = [join(this.#dir, `${name}.crt`), join(this.#dir, `${name}.key`)];
    const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const files = ["-keyout", key, "-out", cert];
    await run(this.#openssl, [
      ...["req", "-x509", "-days", "2", "-subj", subject],
      ...newKey,
      ...files,
      ...more,
    ]);
    return { cert, key };
  }
}
